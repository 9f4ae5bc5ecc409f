"""`Inflow`: hands messages from a receiving thread to the loop, and holds that thread back when the loop is slow.

What comes while the loop is at something else is handed over together: to wake the loop for each message costs as much
as to decode it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Inflow"]

M = TypeVar("M")

_TOGETHER = 16  # messages; the loop has other things to do between two such


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
        # Guards what is waiting between the receiving thread and the loop. Re-entrant, because a signal handler may
        # close the connection while its own thread is in here.
        self._lock = threading.RLock()
        self._room = threading.Condition(self._lock)
        self._waiting = 0
        self._is_blocked = False
        self._is_stopped = False
        # What the loop has been told of; as long as it is not empty, so many messages may be added.
        self._posted: deque[tuple[M, int]] = deque()
        self._addable = 0

    def deliver(self, message: M, size: int) -> None:
        """Hand over one message. Blocks while too much is waiting; after `stop` it drops what it would block for."""
        with self._lock:
            while self._waiting > self._limit and not self._is_stopped:
                self._is_blocked = True
                self._room.wait()
            self._is_blocked = False
            if self._waiting > self._limit:
                return
            self._waiting += size
            if self._posted and self._addable:
                self._addable -= 1
                self._posted.append((message, size))
                return
            messages = self._posted = deque(((message, size),))
            self._addable = _TOGETHER - 1
        self._post(self._handle, messages)

    def stop(self) -> None:
        """Never block again."""
        with self._lock:
            self._is_stopped = True
            self._room.notify_all()

    def _handle(self, messages: deque[tuple[M, int]]) -> None:
        try:
            while messages:
                with self._lock:
                    message, size = messages.popleft()
                    self._waiting -= size
                    if self._is_blocked:
                        self._room.notify_all()
                self._handler(message)
        finally:
            # Where the handler has raised, which is reported: the messages behind are handled all the same.
            if messages:
                self._handle(messages)
