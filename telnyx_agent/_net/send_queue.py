"""`Outbox`: what waits to be sent on one WebSocket, handed over from any thread to the one that sends."""

from __future__ import annotations

import enum
import threading
import time
from collections import deque

__all__ = ["TEXT_WEIGHT", "Opcode", "Outbox"]

TEXT_WEIGHT = 64
"""Bytes that each text counts for beside its own: acknowledgements are short, and a server may want very many."""


class Opcode(enum.IntEnum):
    """RFC 6455, section 5.2."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class Outbox:
    """Texts in order, the answer to the latest ping, pings when they are due, and the close frame as the last of all.

    Args:
        ping_interval: Seconds between pings.
        limit: Bytes of text that may wait.
    """

    def __init__(self, ping_interval: float, limit: int) -> None:
        self._ping_interval = ping_interval
        self._ping_at = time.monotonic() + ping_interval
        self._limit = limit
        # Guards all below; what the sending thread sleeps on. Re-entrant, because a signal handler may close the
        # connection while its own thread is in here.
        self._state = threading.Condition(threading.RLock())
        self._texts: deque[bytes] = deque()
        self._backlog = 0
        self._pong: bytes | None = None
        self._close_frame: bytes | None = None
        self._has_ended = False

    @property
    def is_closing(self) -> bool:
        """Whether the close frame is queued or sent."""
        return self._close_frame is not None

    @property
    def has_texts(self) -> bool:
        """Whether texts are waiting."""
        return bool(self._texts)

    def put(self, text: bytes) -> bool:
        """Queue a text; nothing happens after `close` or `end`. False when more than `limit` bytes are waiting."""
        with self._state:
            if self._close_frame is None and not self._has_ended:
                self._texts.append(text)
                self._backlog += len(text) + TEXT_WEIGHT
                self._state.notify_all()
            return self._backlog <= self._limit

    def answer_ping(self, payload: bytes) -> None:
        """Queue a pong. Only for the latest ping (RFC 6455, 5.5.3), so that pings cannot pile up here."""
        with self._state:
            self._pong = payload
            self._state.notify_all()

    def close(self, frame: bytes, *, drop_texts: bool = False) -> bool:
        """Queue the close frame as the last frame of all; False if that was done before, or if it is too late.

        Args:
            frame: Its payload.
            drop_texts: The other side will not read what is waiting.
        """
        with self._state:
            if self._close_frame is not None or self._has_ended:
                return False
            self._close_frame = frame
            self._ping_at = float("inf")
            if drop_texts:
                self._texts.clear()
                self._pong = None
            self._state.notify_all()
            return True

    def end(self) -> None:
        """The connection is gone: nothing is sent any more."""
        with self._state:
            self._has_ended = True
            self._state.notify_all()

    def take(self) -> tuple[Opcode, bytes] | None:
        """Wait for the next frame to send; None after `end`."""
        with self._state:
            while not self._has_ended:
                if self._pong is not None:
                    payload, self._pong = self._pong, None
                    return Opcode.PONG, payload
                now = time.monotonic()
                if now >= self._ping_at:
                    self._ping_at = now + self._ping_interval
                    return Opcode.PING, b""
                if self._texts:
                    payload = self._texts.popleft()
                    self._backlog -= len(payload) + TEXT_WEIGHT
                    return Opcode.TEXT, payload
                if self._close_frame is not None:
                    return Opcode.CLOSE, self._close_frame
                self._state.wait(min(self._ping_at - now, threading.TIMEOUT_MAX))
            return None
