"""`Inflow`: hands messages from a receiving thread to the loop, and holds that thread back when the loop is slow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Inflow"]

M = TypeVar("M")


class Inflow(Generic[M]):
    """Bounds what waits for the loop: who floods us fills the socket's buffers, not our memory.

    Args:
        post: How `handler` is called; `LoopThread.post`.
        handler: Takes each message, on the loop.
        limit: Bytes that may be waiting when one more message is handed over.
    """

    def __init__(self, post: Callable[..., None], handler: Callable[[M], None], limit: int) -> None:
        self._post = post
        self._handler = handler
        self._limit = limit
        # Guards the count between the receiving thread and the loop; what the former sleeps on. Re-entrant, because a
        # signal handler may close the connection while its own thread is in here.
        self._state = threading.Condition(threading.RLock())
        self._waiting = 0
        self._is_stopped = False

    def deliver(self, message: M, size: int) -> None:
        """Hand over one message. Blocks while too much is waiting; after `stop` it drops what it would block for."""
        with self._state:
            while self._waiting > self._limit and not self._is_stopped:
                self._state.wait()
            if self._waiting > self._limit:
                return
            self._waiting += size
        self._post(self._handle, message, size)

    def stop(self) -> None:
        """Never block again."""
        with self._state:
            self._is_stopped = True
            self._state.notify_all()

    def _handle(self, message: M, size: int) -> None:
        with self._state:
            self._waiting -= size
            self._state.notify_all()
        self._handler(message)
