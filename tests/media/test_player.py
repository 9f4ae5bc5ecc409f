"""Playing into a call: exact samples, order, ends of every kind. The test is the device's thread."""

from __future__ import annotations

import io
import math
import threading
import time
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telnyx_agent._media.player import Playback, PlaybackState, Player
from telnyx_agent.errors import CallError, ClientConfigurationError, MediaError
from tests.media.harness import RATE, Samples

SILENCE = np.zeros(480, np.int16)


def ramp(size: int, first: int = 1) -> Samples:
    return np.arange(first, first + size).astype(np.int16)


def pull(
    player: Player, playback: Playback, *, microphone: Samples = SILENCE, timeout: float = 10.0, pace: float = 0.0005
) -> Samples:
    """What a device sends until the playback is over."""
    blocks = []
    deadline = time.monotonic() + timeout
    while playback.is_playing and time.monotonic() < deadline:
        blocks.append(player.mix(microphone))
        playback.wait(pace)
    assert playback.wait(5)
    return np.concatenate(blocks)


def heard(sent: Samples) -> Samples:
    """Without the silence before, after and between, which depends on when the worker was ready."""
    return np.extract(sent != 0, sent)


def purity(samples: Samples, frequency: float) -> float:
    """How far a sine stands above everything that is not part of it, in dB; a click or a hole spoils it."""
    t = np.arange(samples.size) / RATE
    basis = np.stack([np.sin(2 * np.pi * frequency * t), np.cos(2 * np.pi * frequency * t)], axis=1)
    values = samples.astype(np.float64)
    fitted = basis @ np.linalg.lstsq(basis, values, rcond=None)[0]
    return 10 * math.log10(float(fitted @ fitted) / float((values - fitted) @ (values - fitted)))


def write_wav(path: Path, samples: Any, rate: int, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def test_without_anything_to_play_the_microphone_is_left_alone() -> None:
    """Not even copied: it happens a hundred times a second."""
    microphone = ramp(480)
    assert Player().mix(microphone) is microphone


@pytest.mark.parametrize("kind", ["array", "bytes", "memoryview", "list", "generator"])
def test_samples_arrive_exactly(kind: str) -> None:
    """Every kind of source, every sample, in order."""
    samples = ramp(3000)
    source: Any = {
        "array": samples,
        "bytes": samples.tobytes(),
        "memoryview": memoryview(samples.tobytes()),
        "list": [samples[:7], samples[7:1000], samples[1000:1000], samples[1000:]],
        "generator": (samples[start : start + 13] for start in range(0, 3000, 13)),
    }[kind]
    player = Player()
    playback = player.play(source)
    sent = pull(player, playback)
    assert (heard(sent) == samples).all()
    assert playback.state is PlaybackState.FINISHED
    assert playback.position == 3000 / RATE
    assert playback.error is None
    assert playback.duration == (None if kind in ("list", "generator") else 3000 / RATE)


def test_a_long_sound_has_no_hole() -> None:
    """Ten seconds: the worker keeps ahead, and not further than it should."""
    samples = (1 + np.arange(10 * RATE) % 32000).astype(np.int16)
    player = Player()
    asked = 0

    def pieces() -> Iterator[Samples]:
        nonlocal asked
        for start in range(0, samples.size, 4800):
            asked += 4800
            yield samples[start : start + 4800]

    playback = player.play(pieces())
    sent = []
    while playback.is_playing:
        sent.append(player.mix(SILENCE))
        assert asked - playback.position * RATE <= RATE + 2 * 4800
        playback.wait(0.001)
    assert (heard(np.concatenate(sent)) == samples).all()


def test_the_microphone_is_mixed_in_or_replaced() -> None:
    """Mixed without wrapping round; replaced for exactly as long as the sound is."""
    microphone = np.full(480, 30_000, np.int16)
    player = Player()
    sent = pull(player, player.play(np.full(1200, 10_000, np.int16)), microphone=microphone)
    assert set(sent.tolist()) == {30_000, 32_767}
    assert (sent == 32_767).sum() == 1200
    sent = pull(player, player.play(np.full(1200, -500, np.int16), mix=False), microphone=microphone)
    assert set(sent.tolist()) == {30_000, -500}
    assert (sent == -500).sum() == 1200
    assert (microphone == 30_000).all()


def test_gain() -> None:
    """A factor; clipped, not wrapped round."""
    player = Player()
    assert set(heard(pull(player, player.play(np.full(480, 100, np.int16), gain=0.5))).tolist()) == {50}
    assert set(heard(pull(player, player.play(np.full(480, 30_000, np.int16), gain=2))).tolist()) == {32_767}
    assert not heard(pull(player, player.play(np.full(480, 100, np.int16), gain=0))).size
    for gain in (-1, math.nan, math.inf):
        with pytest.raises(ClientConfigurationError, match="gain"):
            player.play(SILENCE, gain=gain)


@pytest.mark.parametrize(("rate", "channels", "width"), [(8000, 1, 2), (44100, 2, 2), (48000, 1, 4), (22050, 1, 1)])
def test_wav_files(tmp_path: Path, rate: int, channels: int, width: int) -> None:
    """Any rate, any width, mono and stereo: the same tone, without a click, as long as the file says."""
    t = np.arange(rate) / rate
    sine = 0.4 * np.sin(2 * np.pi * 440 * t)
    if width == 1:
        samples: Any = np.round(128 + 127 * sine).astype(np.uint8)
    else:
        samples = (sine * 2 ** (8 * width - 1)).astype("<i2" if width == 2 else "<i4")
    path = write_wav(tmp_path / "tone.wav", np.repeat(samples, channels), rate, channels, width)
    player = Player()
    playback = player.play(path)
    assert playback.duration == pytest.approx(1.0, abs=0.001)
    sent = pull(player, playback)
    sent = sent[np.flatnonzero(np.abs(sent) > 300)[0] :][: RATE - 1000]
    assert purity(sent, 440) > (30 if width == 1 else 60)


def test_samples_of_another_rate() -> None:
    """Converted as one sound, however it was cut, also in the midst of a sample."""
    sound = (8000 * np.sin(2 * np.pi * 300 * np.arange(16000) / 16000)).astype(np.int16)
    data = sound.tobytes()
    player = Player()
    playback = player.play((data[start : start + 333] for start in range(0, len(data), 333)), sample_rate=16000)
    sent = pull(player, playback)
    assert playback.position == pytest.approx(1.0, abs=0.001)
    sound = sent[np.flatnonzero(sent)[0] :]
    assert purity(sound[500 : RATE - 500], 300) > 60


def test_several_come_one_after_the_other() -> None:
    """In the order of `play`; each is waited for by itself."""
    player = Player()
    playbacks = [player.play(np.full(1000, n, np.int16)) for n in (1, 2, 3)]
    assert playbacks[2].state is PlaybackState.QUEUED
    sent = pull(player, playbacks[2])
    assert heard(sent).tolist() == [1] * 1000 + [2] * 1000 + [3] * 1000
    assert all(playback.state is PlaybackState.FINISHED for playback in playbacks)


def test_stop_is_soft_and_the_next_goes_on() -> None:
    """A few milliseconds of fading in place of a click; what waited is played."""
    player = Player()
    first = player.play(np.full(10 * RATE, 8000, np.int16))
    second = player.play(np.full(960, 5, np.int16))
    while not player.mix(SILENCE).any():
        time.sleep(0.001)
    first.stop()
    assert first.wait(5)
    assert first.state is PlaybackState.STOPPED
    assert not first.is_playing
    fading = player.mix(SILENCE)
    assert np.abs(np.diff(fading.astype(np.int32), append=0)).max() < 100
    assert not fading[240:].any()
    assert set(heard(pull(player, second)).tolist()) == {5}


def test_what_is_stopped_before_it_begins_is_never_heard() -> None:
    """Nor does it hold up what comes behind it."""
    player = Player()
    playbacks = [player.play(np.full(960, n, np.int16)) for n in (1, 2, 3)]
    playbacks[1].stop()
    playbacks[1].stop()
    assert playbacks[1].wait(5)
    assert heard(pull(player, playbacks[2])).tolist() == [1] * 960 + [3] * 960
    assert playbacks[1].position == 0


def test_the_end_of_the_call_cuts_everything() -> None:
    """Those who wait are freed, the state says why, and nothing new begins."""
    player = Player()
    playbacks = [player.play(np.full(10 * RATE, n, np.int16)) for n in (1, 2)]
    while not player.mix(SILENCE).any():
        time.sleep(0.001)
    player.stop()
    player.stop()
    for playback in playbacks:
        assert playback.wait(5)
        assert playback.state is PlaybackState.CALL_ENDED
    assert playbacks[0].position > 0
    with pytest.raises(CallError, match="over"):
        player.play(SILENCE)
    assert not player.mix(SILENCE).any()


def test_a_slow_source_leaves_the_microphone() -> None:
    """A speech engine that needs time: silence of its own until the next piece, then on, without a loss."""
    more = threading.Event()

    def slow() -> Iterator[Samples]:
        yield np.full(960, 7, np.int16)
        more.wait(10)
        yield np.full(960, 8, np.int16)

    player = Player()
    playback = player.play(slow())
    microphone = np.full(480, 100, np.int16)
    counts = {7: 0, 8: 0}
    deadline = time.monotonic() + 10
    blocks = 0
    while playback.is_playing and time.monotonic() < deadline:
        sent = player.mix(microphone)
        counts = {n: counts[n] + int((sent == 100 + n).sum()) for n in counts}
        assert set(sent.tolist()) <= {100, 107, 108}
        blocks += counts[7] == 960
        if blocks == 20:
            assert playback.state is PlaybackState.PLAYING
            more.set()
        playback.wait(0.001)
    assert counts == {7: 960, 8: 960}


class Textless(BaseException):
    """No `Exception`, and its text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("cause", [RuntimeError("engine"), SystemExit("engine"), Textless()], ids=["1", "2", "3"])
def test_a_source_that_raises_is_an_error_of_the_playback(cause: BaseException) -> None:
    """What came before it is heard; the error tells what happened, and the log, too."""

    def broken() -> Iterator[Samples]:
        yield np.full(960, 7, np.int16)
        raise cause

    player = Player()
    playback = player.play(broken())
    assert heard(pull(player, playback)).size == 960
    assert playback.state is PlaybackState.FAILED
    assert playback.error is not None
    assert playback.error.__cause__ is cause
    assert type(cause).__name__ in str(playback.error)
    assert isinstance(cause, Textless) or ": engine" in str(playback.error)


@pytest.mark.parametrize("piece", ["text", 3, np.zeros((4, 2), np.int16), np.zeros(4, np.int64)])
def test_a_source_of_something_else_says_so(piece: Any) -> None:
    """The wrong kind of piece in a list is found when it is its turn."""
    player = Player()
    playback = player.play([np.full(480, 7, np.int16), piece])
    pull(player, playback)
    assert playback.state is PlaybackState.FAILED
    assert "audio must be" in str(playback.error)


def test_sources_that_cannot_be_played_say_so_at_once(tmp_path: Path) -> None:
    """At `play`, with what to do."""

    class Stream:
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b""

    player = Player()
    with pytest.raises(MediaError, match="check the path"):
        player.play(tmp_path / "nowhere.wav")
    (tmp_path / "song.mp3").write_bytes(b"ID3" + bytes(100))
    with pytest.raises(MediaError, match="ffmpeg"):
        player.play(str(tmp_path / "song.mp3"))
    unusable: list[Any] = [io.BytesIO(b"RIFF"), Stream(), 7, None]
    for source in unusable:
        with pytest.raises(ClientConfigurationError, match="give the path of a WAV file"):
            player.play(source)
    with pytest.raises(ClientConfigurationError, match="two bytes each"):
        player.play(b"odd")
    with pytest.raises(MediaError, match="sample rate"):
        player.play(SILENCE, sample_rate=5)


def test_empty_sources_are_over_at_once() -> None:
    """No sound, no error, and what follows is heard."""
    player = Player()
    sources: list[Any] = [b"", [], np.empty(0, np.int16), np.full(480, 3, np.int16)]
    playbacks = [player.play(source) for source in sources]
    assert heard(pull(player, playbacks[-1])).tolist() == [3] * 480
    assert [playback.state for playback in playbacks] == [PlaybackState.FINISHED] * 4


def test_a_generator_is_closed_when_nobody_wants_it_any_more() -> None:
    """Its `finally` runs, so that it can give up its connection, on the playback's thread."""
    closed: list[str] = []

    def endless() -> Iterator[Samples]:
        try:
            while True:
                yield np.full(480, 7, np.int16)
        finally:
            closed.append(threading.current_thread().name)

    player = Player()
    playback = player.play(endless())
    while not player.mix(SILENCE).any():
        time.sleep(0.001)
    playback.stop()
    assert playback.wait(5)
    assert closed == ["telnyx-agent-playback"]


def test_on_finished_is_told_once_and_may_raise(caplog: pytest.LogCaptureFixture) -> None:
    """With the playback, after its state is final."""
    told: list[tuple[Playback, PlaybackState]] = []

    def finished(playback: Playback) -> None:
        told.append((playback, playback.state))
        raise RuntimeError("user")

    player = Player()
    playback = player.play(np.full(480, 1, np.int16), on_finished=finished)
    pull(player, playback)
    playback._thread.join(5)
    assert told == [(playback, PlaybackState.FINISHED)]
    assert [record.message for record in caplog.records] == ["on_finished of a playback raised"]


def test_the_caller_may_reuse_its_buffer() -> None:
    """An array is copied at `play`."""
    samples = np.full(4800, 9, np.int16)
    player = Player()
    playback = player.play(samples)
    samples[:] = 1
    assert set(heard(pull(player, playback)).tolist()) == {9}


def test_waiting_with_a_timeout() -> None:
    """False when it is not over yet; nothing is changed by it."""
    player = Player()
    playback = player.play(np.full(480, 9, np.int16))
    assert not playback.wait(0.01)
    assert playback.state is PlaybackState.QUEUED
    assert repr(playback) == "<Playback queued, 0.00 s>"
    pull(player, playback)
    assert playback.wait(0)


def test_a_mix_of_blocks_of_any_size() -> None:
    """Cards with other blocks lose and double nothing."""
    samples = ramp(20_000)
    player = Player()
    playback = player.play(samples)
    sent: list[Samples] = []
    sizes = [1, 441, 1024, 64, 4800]
    while playback.is_playing:
        size = sizes[len(sent) % 5]
        mixed = player.mix(np.zeros(size, np.int16))
        assert mixed.size == size
        sent.append(mixed)
        playback.wait(0.0005)
    assert (heard(np.concatenate(sent)) == samples).all()
