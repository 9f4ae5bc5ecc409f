"""`tones`: what is heard while a call rings, as it was asked for; and `Ring`, which plays it and always stops."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from telnyx_agent import ClientConfigurationError, MediaError
from telnyx_agent._drivers.ring import Ring
from telnyx_agent.audio import AudioStream, Tone
from telnyx_agent.audio._wavefile import WavWriter
from telnyx_agent.audio.tones import ToneSource, check_ring_source, open_ring_source

RATE = 48000


def strongest(samples: np.ndarray, count: int) -> set[int]:
    """The strongest frequencies, in whole hertz."""
    spectrum = np.abs(np.fft.rfft(samples[:RATE].astype(float) * np.hanning(RATE)))
    found: set[int] = set()
    for place in np.argsort(spectrum)[::-1]:
        if all(abs(int(place) - other) > 5 for other in found):
            found.add(int(place))
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize(
    ("tone", "frequencies", "seconds"),
    [(Tone.RINGBACK_US, {440, 480}, 6.0), (Tone.RINGBACK_EU, {425}, 5.0)],
)
def test_tones_are_those_of_the_networks(tone: Tone, frequencies: set[int], seconds: float) -> None:
    """Frequencies, rhythm and level; no click at either end."""
    samples = tone.samples()
    assert len(samples) == seconds * RATE
    assert strongest(samples, len(frequencies)) == frequencies
    on = round(tone.cadence[0] * RATE)
    assert np.any(samples[on - 2000 : on])
    assert not np.any(samples[on:])
    assert np.max(np.abs(samples)) <= tone.level * 32767
    assert np.max(np.abs(np.diff(samples[:20].astype(int)))) < 30


@pytest.mark.parametrize(
    "arguments",
    [
        {"frequencies": ()},
        {"frequencies": (0.0,)},
        {"frequencies": (24000.0,)},
        {"cadence": ()},
        {"cadence": (-1.0, 2.0)},
        {"cadence": (0.0, 0.0)},
        {"cadence": (100.0,)},
        {"level": 0.0},
        {"level": 1.5},
    ],
)
def test_tones_that_nobody_can_hear(arguments: dict[str, object]) -> None:
    """Are refused when they are made."""
    with pytest.raises(ClientConfigurationError):
        Tone(**arguments)  # type: ignore[arg-type]


def test_a_source_begins_anew_without_a_gap() -> None:
    """Whatever the blocks are."""
    source = ToneSource(np.arange(7, dtype=np.int16))
    heard = np.concatenate([source.read(n) for n in (3, 5, 0, 20)])
    assert list(heard) == [n % 7 for n in range(28)]


def test_a_file(tmp_path: Path) -> None:
    """Its samples, again and again."""
    path = tmp_path / "ring.wav"
    writer = WavWriter(path)
    writer.write(np.arange(1, 481, dtype=np.int16))
    writer.close()
    check_ring_source("ringtone", path)
    source = open_ring_source(path)
    assert list(source.read(960)) == [*range(1, 481)] * 2


def test_what_cannot_be_played_is_said_at_once(tmp_path: Path) -> None:
    """When the client is made, not when somebody calls."""
    with pytest.raises(MediaError):
        check_ring_source("ringback", tmp_path / "none.wav")
    with pytest.raises(ClientConfigurationError, match="ringback"):
        check_ring_source("ringback", 440)  # type: ignore[arg-type]
    empty = tmp_path / "empty.wav"
    WavWriter(empty).close()
    with pytest.raises(MediaError, match="no sound"):
        open_ring_source(empty)


class Speaker:
    """A device that is pulled by hand; `fails` is what its start raises."""

    name = "speaker"

    def __init__(self, fails: BaseException | None = None, gate: threading.Event | None = None) -> None:
        self.stream: AudioStream | None = None
        self.stops = 0
        self._fails = fails
        self._gate = gate
        self.starting = threading.Event()

    def start(self, stream: AudioStream) -> None:
        self.starting.set()
        if self._gate is not None:
            assert self._gate.wait(10)
        if self._fails is not None:
            raise self._fails
        self.stream = stream

    def stop(self) -> None:
        self.stops += 1

    def hear(self) -> bool:
        """Whether a second of it is not silent."""
        assert self.stream is not None
        return bool(np.any(self.stream.pull_render(RATE)))


def ring(speaker: Speaker, errors: list[MediaError]) -> Ring:
    return Ring(lambda: open_ring_source(Tone()), lambda: speaker, errors.append)


def test_it_rings_until_it_is_hushed() -> None:
    """Silent with the next block; the device is closed by `end`, once."""
    speaker = Speaker()
    errors: list[MediaError] = []
    ringing = ring(speaker, errors)
    ringing.begin()
    assert speaker.hear()
    ringing.hush()
    assert not speaker.hear()
    ringing.end()
    ringing.end()
    assert (speaker.stops, errors) == (1, [])


def test_one_that_is_hushed_first_never_rings() -> None:
    """The call was answered before the worker came to it."""
    speaker = Speaker()
    ringing = ring(speaker, [])
    ringing.hush()
    ringing.begin()
    assert not speaker.starting.is_set()


def test_hushed_while_the_device_is_being_opened() -> None:
    """It opens, says nothing, and is closed."""
    gate = threading.Event()
    speaker = Speaker(gate=gate)
    ringing = ring(speaker, [])
    beginning = threading.Thread(target=ringing.begin)
    beginning.start()
    assert speaker.starting.wait(10)
    ringing.hush()
    gate.set()
    beginning.join(10)
    assert not speaker.hear()
    ringing.end()
    assert speaker.stops == 1


@pytest.mark.parametrize("failure", [MediaError("busy"), OSError("broken"), SystemExit("out")])
def test_a_device_that_fails_is_told_and_closed(failure: BaseException) -> None:
    """Half-open devices are closed, too; nothing is raised."""
    speaker = Speaker(failure)
    errors: list[MediaError] = []
    ringing = ring(speaker, errors)
    ringing.begin()
    ringing.end()
    assert len(errors) == 1
    assert str(failure) in str(errors[0])
    assert speaker.stops == 1
