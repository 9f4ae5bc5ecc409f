"""A duplex sound card for tests of whole calls, that knows afterwards what was at it in each step."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from telnyx_agent.audio import AudioStream

__all__ = ["BLOCK", "Duplex", "Samples", "speak", "words"]

Samples = NDArray[np.int16]
BLOCK = 480
_NOTHING = np.empty(0, np.int16)


class Duplex:
    """Captures and renders in one step of 10 ms, on a thread of its own, and never loses a step.

    Args:
        speak: What is captured in a step, by its number; None captures nothing, as a microphone that hangs.
        listens: Whether something is rendered in a step.
    """

    name = "duplex"

    def __init__(
        self, speak: Callable[[int], Samples | None], listens: Callable[[int], bool] = lambda step: True
    ) -> None:
        self._speak = speak
        self._listens = listens
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self.steps: list[tuple[float, Samples, Samples]] = []
        """Of each step: when it was, what was captured and what was rendered; zeros for nothing."""

    def start(self, stream: AudioStream) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, args=(stream,), name="test-duplex", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def wait_for(self, condition: Callable[[], bool], timeout: float = 20.0) -> bool:
        """Until something is true, which is looked at after each step."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def wait_steps(self, count: int, timeout: float = 20.0) -> None:
        """Until so many more steps are done."""
        goal = len(self.steps) + count
        assert self.wait_for(lambda: len(self.steps) >= goal, timeout)

    def captured(self) -> Samples:
        """What was captured in all steps."""
        return np.concatenate([_NOTHING, *(captured for _, captured, _ in self.steps)])

    def rendered(self) -> Samples:
        """What was rendered in all steps."""
        return np.concatenate([_NOTHING, *(rendered for _, _, rendered in self.steps)])

    def _run(self, stream: AudioStream) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            step = len(self.steps)
            now = time.monotonic()
            captured = rendered = np.zeros(BLOCK, np.int16)
            said = self._speak(step)
            if said is not None:
                captured = said
                stream.push_capture(said.copy())
            if self._listens(step):
                rendered = stream.pull_render(BLOCK).copy()
            with self._changed:
                self.steps.append((now, captured, rendered))
                self._changed.notify_all()
            due += 0.01


_LOUD = (8000 * np.sin(2 * np.pi * 440 * np.arange(BLOCK * 100) / 48000)).astype(np.int16)


def speak(step: int) -> Samples:
    """A tone that does not end."""
    return _LOUD[step % 100 * BLOCK :][:BLOCK]


def words(seconds: float) -> Samples:
    """Something like speech: a tone that swells five times a second."""
    t = np.arange(round(seconds * 48000)) / 48000
    swell = 0.02 + 0.98 * np.abs(np.sin(2.5 * 2 * np.pi * t))
    return (9000 * swell * np.sin(2 * np.pi * 220 * t)).astype(np.int16)
