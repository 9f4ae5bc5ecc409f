"""What a session's client has not certainly received of its conversation, so that it can be sent again. Pure.

A frame that is written to a socket may never arrive: the socket may have died without the server's knowledge. A
WebSocket ping behind it, answered by a pong, proves that it came; until then it is kept.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping
from typing import Any

__all__ = ["Deliveries"]

_KEPT = 10_000
"""Frames; of a client that has not answered for so long the oldest are forgotten."""


class Deliveries:
    """The frames of one session that have not certainly arrived, oldest first; each has a number."""

    def __init__(self) -> None:
        self._frames: deque[tuple[int, Mapping[str, Any]]] = deque(maxlen=_KEPT)
        self._latest = 0

    def __bool__(self) -> bool:
        return bool(self._frames)

    def add(self, frame: Mapping[str, Any]) -> None:
        """Keep a frame that is sent now, or will be."""
        self._latest += 1
        self._frames.append((self._latest, frame))

    def after(self, number: int) -> list[tuple[int, Mapping[str, Any]]]:
        """Number and frame of each that came after the one with this number; all after 0."""
        newer = itertools.takewhile(lambda kept: kept[0] > number, reversed(self._frames))
        return list(newer)[::-1]

    def arrived(self, number: int) -> None:
        """This frame has arrived, and with it all before it."""
        while self._frames and self._frames[0][0] <= number:
            self._frames.popleft()

    def forget(self) -> None:
        """Nobody wants them any more."""
        self._frames.clear()
