"""`PcmAudio`: callbacks, iterables, `write` and `read`, at the program's own sample rate."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from telnyx_agent.audio import PcmAudio
from telnyx_agent.errors import ClientConfigurationError, MediaError
from tests.audio.memory_stream import Int16, MemoryStream, snr, tone


def run(device: PcmAudio, stream: MemoryStream, samples: int) -> Int16:
    """Until so much was sent."""
    device.start(stream)
    try:
        stream.wait_captured(samples)
    finally:
        device.stop()
    return stream.captured


class Tone:
    """A source function that continues where it stopped."""

    def __init__(self, frequency: float, rate: int) -> None:
        self._samples = tone(frequency, 10, rate=rate)
        self._position = 0
        self.asked: list[int] = []

    def __call__(self, samples: int) -> bytes:
        self.asked.append(samples)
        start, self._position = self._position, self._position + samples
        return self._samples[start : self._position].tobytes()


def test_a_source_function_is_asked_for_what_is_due() -> None:
    """960 samples every 20 ms, sent as they are."""
    source = Tone(440, 48000)
    sent = run(PcmAudio(source), MemoryStream(), 9600)
    assert set(source.asked) == {960}
    assert np.array_equal(sent, tone(440, 10)[: len(sent)])


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 44100, 96000])
def test_a_source_of_any_rate_is_converted_without_clicks(rate: int) -> None:
    """And asked for exactly one second's samples in a second."""
    source = Tone(1000, rate)
    sent = run(PcmAudio(source, sample_rate=rate), MemoryStream(), 24000)
    blocks = len(source.asked)
    assert sum(source.asked) == blocks * rate // 50
    assert abs(len(sent) - 960 * blocks) <= 6
    assert snr(sent[2400:], 1000) > 70


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 96000])
def test_a_sink_of_any_rate_is_converted_without_clicks(rate: int) -> None:
    """The agent's voice at the rate that a recogniser wants."""
    heard: list[Int16] = []
    stream = MemoryStream(tone(1000, 10))
    device = PcmAudio(sink=heard.append, sample_rate=rate)
    device.start(stream)
    stream.wait_pulled(24000)
    device.stop()
    samples = np.concatenate(heard)
    assert abs(len(samples) - stream.pulled * rate / 48000) <= 1
    assert snr(samples[rate // 20 :], 1000, rate=rate) > 70


def test_a_sink_may_change_what_it_is_given() -> None:
    """Its array is its own."""
    shared = np.zeros(480, np.int16)

    def sink(pcm: Int16) -> None:
        pcm[:] = 7

    device, stream = PcmAudio(sink=sink), MemoryStream(lambda samples: shared)
    device.start(stream)
    stream.wait_pulled(2400)
    device.stop()
    assert not np.any(shared)


@pytest.mark.parametrize("piece", [1, 100, 480, 481, 5000])
def test_an_iterable_is_spoken_piece_by_piece(piece: int) -> None:
    """Of any length, and silence afterwards."""
    samples = tone(440, 0.1)
    pieces = [samples[i : i + piece] for i in range(0, len(samples), piece)]
    sent = run(PcmAudio(pieces), MemoryStream(), 9600)
    assert np.array_equal(sent[:4800], samples)
    assert not np.any(sent[4800:])


def test_a_list_is_spoken_again_in_the_next_call() -> None:
    """A generator is not: it is used up."""
    samples = tone(440, 0.01)
    again, once = PcmAudio([samples]), PcmAudio(piece for piece in [samples])
    for device, expected in ((again, [True, True]), (once, [True, False])):
        assert [bool(np.any(run(device, MemoryStream(), 960))) for _ in range(2)] == expected


def test_sound_itself_can_be_the_source() -> None:
    """Bytes are one piece, not an iterable of numbers."""
    samples = tone(440, 0.05)
    for source in (samples, samples.tobytes(), bytearray(samples.tobytes()), samples.data):
        assert np.array_equal(run(PcmAudio(source), MemoryStream(), 2400)[:2400], samples)


def test_a_generator_may_have_nothing_for_a_while() -> None:
    """An empty piece is silence for now, not the end."""

    def pieces() -> Iterator[bytes]:
        yield b""
        yield b""
        yield tone(440, 0.01).tobytes()

    sent = run(PcmAudio(pieces()), MemoryStream(), 3840)
    assert not np.any(sent[:1920])
    assert np.array_equal(sent[1920:2400], tone(440, 0.01))


def test_a_source_may_give_less_or_more_or_nothing() -> None:
    """Silence in place of what is missing; what is too much is kept."""
    answers: Iterator[Any] = itertools.chain(
        [np.full(100, 1, np.int16), None, np.full(1200, 2, np.int16), b""], itertools.repeat(None)
    )
    sent = run(PcmAudio(lambda samples: next(answers)), MemoryStream(), 4800)
    assert sent[:960].tolist() == [1] * 100 + [0] * 860
    assert not np.any(sent[960:1920])
    assert set(sent[1920:3120]) == {2}
    assert not np.any(sent[3120:])


@pytest.mark.parametrize("bad", [ValueError("broken"), SystemExit(3), "text", b"odd"], ids=str)
def test_a_source_that_fails_is_logged_once_and_asked_again(bad: Any, caplog: pytest.LogCaptureFixture) -> None:
    """There is silence in its place; the call, and the next call of the source, go on."""
    asked: list[int] = []

    def source(samples: int) -> Any:
        asked.append(samples)
        if len(asked) % 2:
            if isinstance(bad, BaseException):
                raise bad
            return bad
        return np.full(samples, 9, np.int16)

    sent = run(PcmAudio(source), MemoryStream(), 4800)
    assert sent[:3840].tolist() == ([0] * 960 + [9] * 960) * 2
    assert caplog.text.count("the source of PcmAudio raised") == 1
    assert caplog.text.count("Traceback") == 1


def test_a_sink_that_fails_is_logged_once_and_called_again(caplog: pytest.LogCaptureFixture) -> None:
    """The other direction is not disturbed."""
    heard: list[int] = []

    def sink(pcm: Int16) -> None:
        heard.append(len(pcm))
        raise LookupError("broken")

    sent = run(PcmAudio(Tone(440, 48000), sink), MemoryStream(), 4800)
    assert len(heard) >= 5
    assert np.array_equal(sent, tone(440, 10)[: len(sent)])
    assert caplog.text.count("the sink of PcmAudio raised") == 1
    assert caplog.text.count("LookupError: broken") == 1


def test_what_is_written_is_said_in_order() -> None:
    """Also what was written before the call had media, and in forms of all kinds."""
    device, stream, samples = PcmAudio(), MemoryStream(), tone(440, 0.3)
    assert device.write(samples[:1000]) == 1000
    device.start(stream)
    device.write(samples[1000:5000].tobytes())
    device.write(bytearray(samples[5000:9000].tobytes()))
    device.write(samples[9000:].data)
    sent = stream.wait_captured(19200)
    device.stop()
    assert np.array_equal(sent[: len(samples)], samples)
    assert not np.any(sent[len(samples) :])


def test_the_buffer_that_was_written_can_be_reused() -> None:
    """A copy is taken."""
    device, stream, buffer = PcmAudio(), MemoryStream(), np.full(480, 5, np.int16)
    device.write(buffer)
    buffer[:] = 6
    device.start(stream)
    sent = stream.wait_captured(480)
    device.stop()
    assert set(sent[:480]) == {5}


def test_writing_too_far_ahead_is_refused_and_counted() -> None:
    """A second of room takes a second of speech."""
    device = PcmAudio(sample_rate=8000, queue_seconds=1)
    assert device.write(np.zeros(6000, np.int16)) == 6000
    assert device.write(np.zeros(6000, np.int16)) == 2000
    assert device.dropped_input_samples == 4000


def test_reading_gets_the_agents_voice() -> None:
    """Exactly as much as asked for, as soon as it is there."""
    device, stream = PcmAudio(), MemoryStream(tone(440, 10))
    device.start(stream)
    parts = [device.read(samples, timeout=10) for samples in (100, 480, 1, 7000)]
    device.stop()
    assert [len(part) for part in parts] == [100, 480, 1, 7000]
    assert np.array_equal(np.concatenate(parts), tone(440, 10)[:7581])


def test_reading_ends_with_the_call() -> None:
    """What was heard can still be read; then there is nothing, at once."""
    device, stream = PcmAudio(), MemoryStream(tone(440, 10))
    device.start(stream)
    stream.wait_pulled(4800)
    device.stop()
    assert len(device.read(1_000_000)) == stream.pulled
    assert len(device.read(1)) == 0


def test_a_waiting_reader_is_let_go_when_the_call_ends() -> None:
    """Without a time-out, too."""
    device, stream = PcmAudio(), MemoryStream()
    device.start(stream)
    parts: list[Int16] = []
    reader = threading.Thread(target=lambda: parts.append(device.read(2_000_000)))
    reader.start()
    stream.wait_pulled(960)
    assert not parts
    device.stop()
    reader.join(10)
    assert len(parts) == 1
    assert len(parts[0]) == stream.pulled


def test_reading_with_a_time_out_gets_what_is_there() -> None:
    """It is no error."""
    device = PcmAudio()
    begin = time.monotonic()
    assert len(device.read(480, timeout=0.05)) == 0
    assert time.monotonic() - begin >= 0.05


def test_a_reader_that_is_slow_hears_the_present() -> None:
    """The oldest is dropped, and counted."""
    device, stream = PcmAudio(queue_seconds=0.05), MemoryStream(tone(440, 10))
    device.start(stream)
    stream.wait_pulled(9600)
    device.stop()
    heard = device.read(2400)
    assert device.dropped_output_samples == stream.pulled - len(heard)
    assert np.array_equal(heard, tone(440, 10)[stream.pulled - len(heard) : stream.pulled])


def test_the_next_call_does_not_hear_the_last_one() -> None:
    """Neither what was left to say nor what was left to read."""
    device, first, second = PcmAudio(), MemoryStream(tone(440, 10)), MemoryStream()
    device.start(first)
    device.write(tone(440, 30))
    first.wait_captured(960)
    device.stop()
    device.start(second)
    assert not np.any(second.wait_captured(2400))
    device.stop()
    assert not np.any(device.read(480))


def test_clear_stops_speaking_at_once() -> None:
    """Barge-in: what was written is forgotten, and so is what was not read; new speech is said."""
    device, stream = PcmAudio(), MemoryStream(tone(700, 10))
    device.start(stream)
    device.write(np.full(480_000, 1, np.int16))
    stream.wait_captured(len(stream.captured) + 1920)
    device.clear()
    device.write(np.full(480, 2, np.int16))
    before = len(stream.captured)
    sent = stream.wait_captured(before + 2400)
    device.stop()
    ones, twos = np.flatnonzero(sent == 1), np.flatnonzero(sent == 2)
    assert len(twos) == 480
    assert ones[-1] < twos[0] <= before + 1920
    assert device.dropped_input_samples == 0


def test_a_callback_may_stop_the_device() -> None:
    """No callback afterwards, of either kind."""
    calls: list[str] = []
    stopped = threading.Event()

    def sink(pcm: Int16) -> None:
        calls.append("sink")
        device.stop()
        stopped.set()

    def source(samples: int) -> None:
        calls.append("source")

    device = PcmAudio(source, sink)
    device.start(MemoryStream())
    assert stopped.wait(10)
    device.stop()
    assert calls == ["sink"]


def test_write_and_read_are_for_devices_without_callbacks() -> None:
    """Mixing them would be heard as confusion."""
    device = PcmAudio(lambda samples: None, lambda pcm: None)
    with pytest.raises(ClientConfigurationError, match="without a source"):
        device.write(b"\0\0")
    with pytest.raises(ClientConfigurationError, match="without a sink"):
        device.read(1)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"source": 5}, "source must be"),
        ({"sink": 5}, "sink must be"),
        ({"queue_seconds": 0}, "queue_seconds"),
    ],
)
def test_unusable_arguments_are_refused(arguments: dict[str, Any], word: str) -> None:
    """When the device is made."""
    with pytest.raises(ClientConfigurationError, match=word):
        PcmAudio(**arguments)


def test_unusable_numbers_are_refused() -> None:
    """A rate that cannot be converted, and more than there can ever be."""
    with pytest.raises(MediaError, match="sample rate"):
        PcmAudio(sample_rate=10)
    with pytest.raises(ClientConfigurationError, match="queue_seconds"):
        PcmAudio(queue_seconds=1).read(48001)
