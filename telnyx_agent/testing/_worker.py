"""A thread that does slow things one after the other, so that the loop does not have to."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from .._runtime.threads import SdkThread
from ._bounds import WORK_BYTES

__all__ = ["Worker"]

logger = logging.getLogger("telnyx_agent.testing")

CAPACITY = 64


class Worker:
    """A daemon thread with a bounded queue.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(CAPACITY)
        self._closed = False
        self._lock = threading.Lock()
        self._waiting = 0
        self._thread = SdkThread(self._run, name, runs_program=True)
        self._thread.start()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits."""
        return self._queue.empty()

    def submit(self, job: Callable[[], None], *, size: int = 0) -> bool:
        """Do something later, for which so many bytes are kept; False if too much waits already, or after `close`."""
        if self._closed:
            return False

        def begin() -> None:
            with self._lock:
                self._waiting -= size
            job()

        try:
            with self._lock:
                if self._waiting + size > WORK_BYTES:
                    raise queue.Full
                self._queue.put_nowait(begin)
                self._waiting += size
        except queue.Full:
            logger.warning("%s is too busy; something is left out", self._thread.name)
            return False
        return True

    def abandon(self) -> None:
        """Start nothing any more; what is being done goes on."""
        self._closed = True

    def close(self, timeout: float) -> bool:
        """Give up what waits and end the thread; False if what it is doing takes longer than the timeout."""
        self.abandon()
        while True:
            try:
                self._queue.put_nowait(None)
                break
            except queue.Full:
                # Make room: what was waiting is of no use any more.
                try:
                    self._queue.get_nowait()
                except queue.Empty:
                    continue
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            if self._closed:
                continue
            try:
                job()
            except Exception:
                logger.exception("%s: a job failed", self._thread.name)
