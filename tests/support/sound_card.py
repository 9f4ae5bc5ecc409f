"""`SoundCard`: an audio device for tests that speak to an agent and listen whether it speaks."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from telnyx_agent.audio import PcmAudio

__all__ = ["SoundCard"]


class SoundCard:
    """An audio device that plays a tone to the agent and notes whether the agent can be heard.

    Attributes:
        device: For `new_call(audio=...)`.
        heard: Set when there was sound from the agent.
    """

    def __init__(self) -> None:
        self.heard = threading.Event()
        self.device = PcmAudio(sink=self._listen)

    def speak(self, seconds: float = 0.8) -> None:
        """Say something that stands out of the silence around it."""
        time = np.arange(round(seconds * 48000)) / 48000
        self.device.write((np.sin(2 * np.pi * 440 * time) * 12000).astype(np.int16))

    def _listen(self, samples: NDArray[np.int16]) -> None:
        if len(samples) and int(np.abs(samples.astype(np.int32)).max()) > 1000:
            self.heard.set()
