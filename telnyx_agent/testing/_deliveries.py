"""What a session's client has not certainly received of its conversation, so that it can be sent again. Pure.

A frame that is written to a socket may never arrive: the socket may have died without the server's knowledge. A
WebSocket ping behind it, answered by a pong, proves that it came; until then it is kept.
"""

from __future__ import annotations

import itertools

from ._bounds import DELIVERY_BYTES, Kept, size_of

__all__ = ["Deliveries"]


class Deliveries:
    """The frames of one session that have not certainly arrived, oldest first; each has a number.

    Of a client that does not answer the oldest are forgotten.
    """

    def __init__(self) -> None:
        self._frames: Kept[str] = Kept(DELIVERY_BYTES)

    def __bool__(self) -> bool:
        return len(self._frames) > 0

    def add(self, frame: str) -> None:
        """Keep a frame that is sent now, or will be."""
        self._frames.add(frame, size_of(frame))

    def after(self, number: int) -> list[tuple[int, str]]:
        """Number and frame of each that came after the one with this number; all after 0."""
        total = self._frames.total
        newer = list(itertools.islice(reversed(self._frames), max(0, total - number)))[::-1]
        return list(enumerate(newer, total - len(newer) + 1))

    def arrived(self, number: int) -> None:
        """This frame has arrived, and with it all before it."""
        while self and self._frames.forgotten < number:
            self._frames.forget_oldest()

    def forget(self) -> None:
        """Nobody wants them any more."""
        self._frames.clear()
