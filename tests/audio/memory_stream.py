"""A call's side of the audio seam, in memory, and what is needed to look at the sound that went through it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from telnyx_agent.audio import PcmLike
from telnyx_agent.errors import MediaError

__all__ = ["RATE", "Int16", "MemoryStream", "level", "snr", "tone"]

RATE = 48000
Int16 = npt.NDArray[np.int16]


class MemoryStream:
    """An `AudioStream` that keeps what it is given and plays what it was given to play, silence afterwards.

    Args:
        render: What the agent says; a function of the number of samples, or samples.
    """

    sample_rate = RATE

    def __init__(self, render: Int16 | Callable[[int], Int16] | None = None) -> None:
        self._render = render
        self._changed = threading.Condition()
        self._captured: list[Int16] = []
        self.pulled = 0
        self.touched_by: set[str] = set()
        self.error: MediaError | None = None
        self.sealed = False
        self.touched_after_seal = False

    def push_capture(self, pcm: PcmLike) -> None:
        with self._changed:
            self._touch()
            self._captured.append(np.frombuffer(pcm, np.int16))
            self._changed.notify_all()

    def pull_render(self, samples: int) -> Int16:
        with self._changed:
            self._touch()
            start, self.pulled = self.pulled, self.pulled + samples
            self._changed.notify_all()
        if callable(self._render):
            return self._render(samples)
        result = np.zeros(samples, np.int16)
        if self._render is not None:
            part = self._render[start : start + samples]
            result[: len(part)] = part
        return result

    def device_failed(self, error: MediaError) -> None:
        with self._changed:
            self._touch()
            self.error = error
            self._changed.notify_all()

    @property
    def captured(self) -> Int16:
        """Everything that was pushed."""
        with self._changed:
            return np.concatenate(self._captured) if self._captured else np.zeros(0, np.int16)

    @property
    def captured_blocks(self) -> list[int]:
        """The lengths of what was pushed."""
        with self._changed:
            return [len(block) for block in self._captured]

    def seal(self) -> None:
        """From now on nobody may touch this; `touched_after_seal` tells whether somebody did."""
        with self._changed:
            self.sealed = True

    def wait_captured(self, samples: int, timeout: float = 10.0) -> Int16:
        """Wait until so much was pushed, and return it."""
        self._wait(lambda: sum(map(len, self._captured)) >= samples, timeout, f"{samples} captured samples")
        return self.captured

    def wait_pulled(self, samples: int, timeout: float = 10.0) -> None:
        """Wait until so much was pulled."""
        self._wait(lambda: self.pulled >= samples, timeout, f"{samples} rendered samples")

    def wait_failed(self, timeout: float = 10.0) -> MediaError:
        """Wait for `device_failed`."""
        self._wait(lambda: self.error is not None, timeout, "device_failed")
        assert self.error is not None
        return self.error

    def _wait(self, predicate: Callable[[], bool], timeout: float, what: str) -> None:
        start = time.monotonic()
        with self._changed:
            assert self._changed.wait_for(predicate, timeout), f"no {what} within {time.monotonic() - start:.1f} s"

    def _touch(self) -> None:
        self.touched_after_seal |= self.sealed
        self.touched_by.add(threading.current_thread().name)


def tone(frequency: float, seconds: float, *, rate: int = RATE, amplitude: float = 0.5) -> Int16:
    """A sine."""
    time_axis = np.arange(round(seconds * rate)) / rate
    wave: Int16 = np.rint(amplitude * 32767 * np.sin(2 * np.pi * frequency * time_axis)).astype(np.int16)
    return wave


def snr(samples: npt.NDArray[np.generic], frequency: float, *, rate: int = RATE) -> float:
    """How many dB a sine of that frequency, at its best level and phase, is above everything else in `samples`."""
    signal = samples.astype(np.float64)
    phase = 2 * np.pi * frequency * np.arange(len(signal)) / rate
    basis = np.stack((np.sin(phase), np.cos(phase)), axis=1)
    fit = basis @ np.linalg.lstsq(basis, signal, rcond=None)[0]
    rest = float(np.mean((signal - fit) ** 2))
    return float(10 * np.log10(np.mean(fit**2) / max(rest, 1e-20)))


def level(samples: npt.NDArray[np.generic]) -> float:
    """The root mean square, 1.0 being a full-scale square wave."""
    return float(np.sqrt(np.mean((samples.astype(np.float64) / 32768) ** 2))) if len(samples) else 0.0
