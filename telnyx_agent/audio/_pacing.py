"""The pace of devices without a clock of their own: 20 ms blocks at start + n * 20 ms, on a thread of the SDK.

`Schedule` is the arithmetic, with time as an argument; `Pacer` is the thread. Sleeping 20 ms between blocks would drift
by the time that the work takes; deadlines on a grid do not.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from .._runtime.threads import SdkThread

__all__ = ["MAX_BURST", "PERIOD", "Pacer", "Schedule"]

logger = logging.getLogger("telnyx_agent.audio")


PERIOD = 0.02
"""Seconds per block."""

MAX_BURST = 5
"""Blocks made up for in a row after a stall: as much as the buffers of a call take without adding lasting delay."""

_JOIN_TIMEOUT = 5.0


class Schedule:
    """When blocks are due: the grid start, start + period, start + 2 * period ... and how far it was followed.

    After a stall the missed blocks are due at once, but never more than `max_burst`; what was missed beyond that is
    given up and counted. Either way the grid stays where it was, so nothing drifts.
    """

    def __init__(self, start: float, *, period: float = PERIOD, max_burst: int = MAX_BURST) -> None:
        self._start = start
        self._period = period
        self._max_burst = max_burst
        self._next = 0
        self.late_ticks = 0
        """Blocks that were run a whole period or more after they were due."""
        self.skipped_ticks = 0
        """Blocks that were given up because the stall was too long."""

    @property
    def deadline(self) -> float:
        """When the next block is due."""
        return self._start + self._next * self._period

    def due(self, now: float) -> int:
        """How many blocks are to be run at `now`; they count as run."""
        if now < self.deadline:
            return 0
        # The tolerance keeps a wake-up exactly on the grid from being a block too few by rounding.
        reached = int((now - self._start) / self._period + 1e-6) + 1
        count = max(1, reached - self._next)
        skipped = max(0, count - self._max_burst)
        self._next += count
        self.skipped_ticks += skipped
        self.late_ticks += count - skipped - 1
        return count - skipped


class Pacer:
    """Runs `steps`, in order, every 20 ms on a thread of its own, then `on_end`, until `stop()`.

    An exception from a step is logged with its traceback, once for each step, and the pace goes on: a call does not end
    because one block could not be made.
    """

    def __init__(self, steps: Sequence[Callable[[], None]], on_end: Callable[[], None]) -> None:
        self._steps = tuple(steps)
        self._on_end = on_end
        self._reported: set[Callable[[], None]] = set()
        # A plain flag, seen at the next block: waiting for an event costs twice as much as sleeping.
        self._stopping = False
        self._schedule = Schedule(0.0)
        # A daemon: a program that forgets to hang up can end all the same.
        self._thread = SdkThread(self._run, "telnyx-agent-audio")

    @property
    def late_ticks(self) -> int:
        """Blocks that came a whole period or more too late, and were made up for."""
        return self._schedule.late_ticks

    @property
    def skipped_ticks(self) -> int:
        """Blocks that were given up after a stall."""
        return self._schedule.skipped_ticks

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller is one of the steps."""
        return threading.current_thread() is self._thread

    @property
    def stopping(self) -> bool:
        """Whether `stop()` was called."""
        return self._stopping

    def start(self) -> None:
        """Begin; the first block is run at once."""
        self._thread.start()

    def stop(self) -> bool:
        """End; no step runs any more once this has returned. Idempotent, any thread.

        On the pacer's own thread, that is from inside a step, it returns at once and that step was the last one.

        Returns:
            Whether the thread has ended, `on_end` included. False on its own thread, and if a step is stuck.
        """
        self._stopping = True
        if self.is_current_thread:
            return False
        self._thread.join(_JOIN_TIMEOUT)
        if self._thread.is_alive():
            logger.warning(
                "the audio thread did not end within %.0f s; an audio callback of the program is stuck", _JOIN_TIMEOUT
            )
            return False
        return True

    def _run(self) -> None:
        # perf_counter, because monotonic() has steps of 16 ms on Windows.
        sleep, clock, steps = time.sleep, time.perf_counter, self._steps
        schedule = self._schedule = Schedule(clock())
        try:
            while not self._stopping:
                delay = schedule.deadline - clock()
                if delay > 0:
                    sleep(delay)
                for _ in range(schedule.due(clock())):
                    for step in steps:
                        if self._stopping:
                            return
                        try:
                            step()
                        except BaseException as exc:  # noqa: BLE001 - SystemExit, too, would end the call's sound
                            self._report(step, exc)
        finally:
            try:
                self._on_end()
            except BaseException as exc:  # noqa: BLE001 - it is logged
                self._report(self._on_end, exc)

    def _report(self, step: Callable[[], None], exc: BaseException) -> None:
        """Log what a step raised, once for each step."""
        if step not in self._reported:
            self._reported.add(step)
            logger.error(
                "audio: %s failed; the call goes on, and further failures of it are not logged", step, exc_info=exc
            )
