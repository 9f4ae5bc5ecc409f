"""`_complaints`: what is said of a sound card's streams, and how often."""

from __future__ import annotations

import pytest

from telnyx_agent.audio._callbacks import Callbacks, CapturePort
from telnyx_agent.audio._complaints import Complaints
from telnyx_agent.audio._portaudio import DeviceInfo
from telnyx_agent.audio._streams import Line
from tests.audio.memory_stream import MemoryStream

SILENCE, SOUND = bytes(960), b"\1" * 960


def microphone(name: str = "headset") -> Line:
    """A stream that was just opened."""
    callbacks = Callbacks(lambda: None)
    callbacks.capture = CapturePort(MemoryStream(), 48000, 1)
    return Line(callbacks, {"input": DeviceInfo(0, name, "ALSA", 1, 0, 48000, True, False)}, lambda: None)


def bring(line: Line, seconds: float, block: bytes = SILENCE) -> None:
    assert line.callbacks.capture is not None
    for _ in range(round(100 * seconds)):
        line.callbacks.capture.put(block)


def test_three_seconds_of_zeros_are_complained_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """With the name of the microphone; each microphone has its own."""
    complaints, line = Complaints(), microphone()
    bring(line, 2.9)
    complaints.look([line])
    assert not caplog.records
    for _ in range(2):
        bring(line, 0.2)
        complaints.look([line])
    assert len(caplog.records) == 1
    assert "the microphone headset delivers nothing but zeros" in caplog.text
    other = microphone("webcam")
    bring(other, 3.1)
    complaints.look([line, other])
    assert "the microphone webcam delivers" in caplog.text


def test_a_stream_that_is_opened_again_does_not_begin_anew(caplog: pytest.LogCaptureFixture) -> None:
    """The silence is the microphone's: a busy machine may open its stream again every second."""
    complaints = Complaints()
    for _ in range(4):
        assert not caplog.records
        line = microphone()
        complaints.look([line])
        bring(line, 0.9)
        complaints.look([line])
    assert "nothing but zeros" in caplog.text


def test_one_sound_is_enough_for_the_call(caplog: pytest.LogCaptureFixture) -> None:
    """Also if the stream that brought it is closed since: who made a pause before goes on with it."""
    complaints, line = Complaints(), microphone()
    bring(line, 0.1, SOUND)
    complaints.look([line])
    again = microphone()
    bring(again, 5.0)
    complaints.look([again])
    assert not caplog.records


def test_a_call_that_fails_in_each_block_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """With the traceback of the first."""
    complaints, line = Complaints(), microphone()
    line.callbacks.failure = RuntimeError("the call is broken")
    for _ in range(2):
        complaints.look([line])
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is line.callbacks.failure
