"""Where a call's audio device and its media meet: the `AudioStream` that the device is given.

One per call. It exists before the peer connection and outlives it; without a peer the device's sound goes nowhere and
silence is played. Nothing here blocks or raises, because sound cards call it.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from .capture import CaptureBuffer, as_samples
from .codecs import RATE
from .playout import Playout
from .recorder import StereoRecorder

__all__ = ["AudioBridge"]

_log = logging.getLogger("telnyx_agent.media")


def _level(samples: NDArray[np.int16]) -> float:
    """Root mean square, 0..1."""
    if not samples.size:
        return 0.0
    values = samples.astype(np.float32)
    return math.sqrt(float(values @ values) / values.size) / 32768.0


class AudioBridge:
    """Takes what was captured to the sender and what was received to the device.

    Args:
        on_device_failed: Called on the device's thread when the device has stopped by itself.

    Attributes:
        muted: Send silence in place of what is captured. May be set on any thread at any time.
        recorder: What both directions are written to, if anything. May be set on any thread; closing the recorder is
            the business of whoever made it.
    """

    def __init__(self, *, on_device_failed: Callable[[MediaError], None] | None = None) -> None:
        self.muted = False
        self.recorder: StereoRecorder | None = None
        self._capture = CaptureBuffer()
        self._playout = Playout()
        self._on_device_failed = on_device_failed
        self._input_level = 0.0
        self._output_level = 0.0
        self._rendering = threading.Lock()
        self._complained = False

    @property
    def sample_rate(self) -> int:
        """Samples a second, both ways."""
        return RATE

    @property
    def capture(self) -> CaptureBuffer:
        """What waits to be sent; the sender's end."""
        return self._capture

    @property
    def playout(self) -> Playout:
        """What waits to be heard; the receiver's end."""
        return self._playout

    @property
    def input_level(self) -> float:
        """Level of the last block captured, root mean square, 0..1; 0 while muted."""
        return 0.0 if self.muted else self._input_level

    @property
    def output_level(self) -> float:
        """Level of the last block played, root mean square, 0..1."""
        return self._output_level

    def push_capture(self, pcm: bytes | bytearray | memoryview | NDArray[np.int16]) -> None:
        """Take what the microphone heard (device thread)."""
        try:
            samples = as_samples(pcm)
            if self.muted:
                samples[:] = 0
            self._input_level = _level(samples)
            recorder = self.recorder
            if recorder is not None:
                recorder.capture(samples)
            self._capture.push(samples)
        except Exception:  # noqa: BLE001 - the sound card's thread must survive our bugs
            self._complain("what was captured could not be taken")

    def pull_render(self, samples: int) -> NDArray[np.int16]:
        """The next samples to be heard, exactly that many (device thread)."""
        try:
            # Two devices at once, during a change of devices, must not meet in one decoder; neither may wait.
            if not self._rendering.acquire(blocking=False):
                return np.zeros(samples, np.int16)
            try:
                pcm = self._playout.get(samples)
            finally:
                self._rendering.release()
            self._output_level = _level(pcm)
            recorder = self.recorder
            if recorder is not None:
                recorder.render(pcm)
        except Exception:  # noqa: BLE001 - as above
            self._complain("what is to be heard could not be made")
            return np.zeros(max(0, samples), np.int16)
        return pcm

    def device_failed(self, error: MediaError) -> None:
        """The device stopped by itself (device thread)."""
        if self._on_device_failed is None:
            _log.warning("the audio device failed: %s", error)
            return
        try:
            self._on_device_failed(error)
        except Exception:  # noqa: BLE001 - as above
            self._complain("a failed device could not be reported")

    def flush(self) -> None:
        """Throw away what was received and not heard yet: the agent is interrupted."""
        self._playout.flush()

    def _complain(self, what: str) -> None:
        """Log a bug once per call, with its traceback: a device calls a hundred times a second."""
        if not self._complained:
            self._complained = True
            _log.exception("%s (further errors of this call are not logged)", what)
