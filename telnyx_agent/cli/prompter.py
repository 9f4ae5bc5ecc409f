"""`Prompter`: an audio device that speaks given sound in place of another device's microphone, while there is any."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..audio import AudioDevice, AudioStream, PcmLike
from ..audio._samples import as_int16

if TYPE_CHECKING:
    from ..errors import MediaError

    Pcm16 = npt.NDArray[np.int16]

__all__ = ["Prompter"]


class Prompter:
    """An `AudioDevice` around another one, which sets the pace and plays the agent's voice.

    Args:
        device: What is heard while nothing is said here: a microphone, or `WaveAudio()`, which is silent.
    """

    def __init__(self, device: AudioDevice) -> None:
        self._device = device
        self._lines: deque[Pcm16] = deque()
        # Each is written by one thread only, so that nothing has to be locked on the audio thread.
        self._samples_given = 0
        self._samples_said = 0

    @property
    def name(self) -> str:
        """The inner device's name."""
        return self._device.name

    @property
    def is_speaking(self) -> bool:
        """Whether there is something left to say."""
        return self._samples_said < self._samples_given

    def say(self, samples: Pcm16) -> None:
        """Say `samples` (mono, 16 bit, 48 kHz) after what was given before. Always on the same thread."""
        self._samples_given += len(samples)
        self._lines.append(samples)

    def start(self, stream: AudioStream) -> None:
        """Start the inner device."""
        self._device.start(_PromptedStream(stream, self._next))

    def stop(self) -> None:
        """Stop the inner device."""
        self._device.stop()

    def _next(self, count: int) -> Pcm16 | None:
        """What to say in the next `count` samples; None for nothing. The audio thread."""
        if not self._lines:
            return None
        line = self._lines.popleft()
        if len(line) > count:
            self._lines.appendleft(line[count:])
        said = line[:count]
        self._samples_said += len(said)
        return np.concatenate((said, np.zeros(count - len(said), np.int16)))


class _PromptedStream:
    """The stream that the inner device sees."""

    def __init__(self, stream: AudioStream, take: Callable[[int], Pcm16 | None]) -> None:
        self._stream = stream
        self._take = take

    @property
    def sample_rate(self) -> int:
        return self._stream.sample_rate

    def push_capture(self, pcm: PcmLike) -> None:
        prompted = self._take(len(as_int16(pcm)))
        self._stream.push_capture(pcm if prompted is None else prompted)

    def pull_render(self, samples: int) -> Pcm16:
        return self._stream.pull_render(samples)

    def device_failed(self, error: MediaError) -> None:
        self._stream.device_failed(error)
