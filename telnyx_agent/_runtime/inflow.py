"""`Inflow`: hands messages from a receiving thread to the loop, and holds that thread back when the loop is slow."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

__all__ = ["TOGETHER", "Inflow"]

M = TypeVar("M")

TOGETHER = 16
"""How many messages to deliver at once, if so many are there: to wake the loop for each costs as much as to decode it,
but it has other things to do between two batches."""


class Inflow(Generic[M]):
    """Bounds what waits for the loop: who floods us fills the socket's buffers, not our memory.

    Args:
        post: How `handler` is called; `LoopThread.post`.
        handler: Takes each message, on the loop.
        limit: Bytes that may be waiting when more is handed over.
    """

    def __init__(self, post: Callable[..., None], handler: Callable[[M], None], limit: int) -> None:
        self._post = post
        self._handler = handler
        self._limit = limit
        # Guards what is waiting between the receiving thread and the loop. Re-entrant, because a signal handler may
        # close the connection while its own thread is in here.
        self._lock = threading.RLock()
        self._room = threading.Condition(self._lock)
        self._waiting = 0
        self._is_blocked = False
        self._is_stopped = False

    def deliver(self, messages: Iterable[M], size: int) -> None:
        """Hand over some messages. Blocks while too much is waiting; after `stop` it drops what it would block for."""
        with self._lock:
            while self._waiting > self._limit and not self._is_stopped:
                self._is_blocked = True
                self._room.wait()
            self._is_blocked = False
            if self._waiting > self._limit:
                return
            self._waiting += size
        self._post(self._handle, deque(messages), size)

    def stop(self) -> None:
        """Never block again."""
        with self._lock:
            self._is_stopped = True
            self._room.notify_all()

    def _handle(self, messages: deque[M], size: int) -> None:
        with self._lock:
            self._waiting -= size
            if self._is_blocked:
                self._room.notify_all()
        try:
            while messages:
                self._handler(messages.popleft())
        finally:
            # Where the handler has raised, which is reported: the messages behind are handled all the same.
            if messages:
                self._handle(messages, 0)
