"""`Prompter`: a device that speaks in place of another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from telnyx_agent.audio import AudioStream, PcmLike
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
