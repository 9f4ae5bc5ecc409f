"""`Ring`: it plays a tone while a call rings, and always stops."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from telnyx_agent import MediaError
from telnyx_agent._drivers.ring import Ring
from telnyx_agent.audio import AudioStream, Tone
from telnyx_agent.audio.tones import open_ring_source

RATE = 48000


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
