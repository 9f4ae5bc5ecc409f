"""The small parts: a device that speaks in place of another, lines of stdin, the demo's picture."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from telnyx_agent.audio import AudioStream, PcmLike
from telnyx_agent.cli.dialogue import demo_picture
from telnyx_agent.cli.lines import LineReader
from telnyx_agent.cli.prompter import Prompter
from telnyx_agent.errors import MediaError

Pcm16 = npt.NDArray[np.int16]


class Microphone:
    """A device whose user does nothing of their own accord."""

    name = "microphone"

    def __init__(self) -> None:
        self.stream: AudioStream | None = None

    def start(self, stream: AudioStream) -> None:
        self.stream = stream

    def stop(self) -> None:
        self.stream = None


class Listener:
    """A stream that remembers."""

    sample_rate = 48000

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.failed: list[MediaError] = []

    def push_capture(self, pcm: PcmLike) -> None:
        self.heard += np.frombuffer(pcm, np.int16).tolist()

    def pull_render(self, samples: int) -> Pcm16:
        return np.full(samples, 7, np.int16)

    def device_failed(self, error: MediaError) -> None:
        self.failed.append(error)


def started() -> tuple[Prompter, AudioStream, Listener]:
    microphone, listener = Microphone(), Listener()
    prompter = Prompter(microphone)
    prompter.start(listener)
    assert microphone.stream is not None
    return prompter, microphone.stream, listener


def test_the_prompter_speaks_in_place_of_the_microphone() -> None:
    """Two lines are said back to back, then the microphone is heard again."""
    prompter, stream, listener = started()
    stream.push_capture(np.ones(2, np.int16).tobytes())
    prompter.say(np.array([10, 11, 12], np.int16))
    prompter.say(np.array([20, 21], np.int16))
    heard = []
    while prompter.is_speaking:
        stream.push_capture(np.ones(2, np.int16))
        heard.append(len(listener.heard))
    stream.push_capture(np.ones(2, np.int16))
    assert [sample for sample in listener.heard if sample > 1] == [10, 11, 12, 20, 21]
    assert listener.heard[:2] == listener.heard[-2:] == [1, 1]
    assert heard == [4, 6, 8], "each block keeps its length, or the call's clock would drift"


def test_the_prompter_passes_everything_else_on() -> None:
    """Name, the agent's voice, failures, the end."""
    microphone, listener = Microphone(), Listener()
    prompter = Prompter(microphone)
    prompter.start(listener)
    stream = microphone.stream
    assert stream is not None
    error = MediaError("unplugged")
    stream.device_failed(error)
    prompter.stop()
    assert (prompter.name, stream.sample_rate, stream.pull_render(2).tolist()) == ("microphone", 48000, [7, 7])
    assert listener.failed == [error]
    assert microphone.stream is None


@pytest.fixture
def pipe() -> Iterator[tuple[LineReader, int]]:
    """A reader, and where to write what it reads."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", buffering=0) as source:
        yield LineReader(source), write_end


def next_line(reader: LineReader) -> str | None:
    """The next line, when it is there."""
    wait = threading.Event().wait
    for _ in range(500):
        line = reader.next_line()
        if line is not None or reader.at_end:
            return line
        wait(0.01)
    raise AssertionError("no line came")


def test_lines_come_whole_and_in_order(pipe: tuple[LineReader, int]) -> None:
    """However the bytes come; blank lines are left out; the last line needs no line break."""
    reader, write_end = pipe
    assert reader.next_line() is None
    for piece in (b"fir", b"st\n\n \nG\xc3", b"\xbc\xc3\x9fe\r\nla", b"st"):
        os.write(write_end, piece)
    os.close(write_end)
    assert [next_line(reader) for _ in range(4)] == ["first", "Güße", "last", None]
    assert reader.at_end


def test_the_picture_is_a_png() -> None:
    """It decodes, has the size it says, and is small."""
    import av

    picture = demo_picture(20, 10)
    with av.open(io.BytesIO(picture), "r") as file:
        frame = next(file.decode(video=0))
    assert (frame.width, frame.height) == (20, 10)
    assert len(demo_picture()) < 1000
