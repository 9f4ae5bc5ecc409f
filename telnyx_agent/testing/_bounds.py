"""What a local agent keeps, counted in bytes: `emulate` runs for days, and anybody may send it anything. PURE."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = [
    "CALLS_AT_ONCE",
    "CONNECTIONS_AT_ONCE",
    "CONTROL_LIMIT",
    "DELIVERY_BYTES",
    "FRAME_BYTES",
    "IDS_KEPT",
    "ITEM_OVERHEAD",
    "MESSAGE_LIMIT",
    "OUTGOING_BYTES",
    "POSTING_BYTES",
    "POST_BYTES",
    "RECORD_BYTES",
    "SESSIONS_AT_ONCE",
    "TRANSCRIPT_BYTES",
    "WORK_BYTES",
    "Kept",
    "Recent",
    "size_of",
]

T = TypeVar("T")

FRAME_BYTES = 24 * 2**20
"""Of the frames that crossed its sockets, in both directions."""
POST_BYTES = 8 * 2**20
"""Of the call reports that were posted to it."""
POSTING_BYTES = 8 * 2**20
"""Of the posts that are under way, all connections together."""
RECORD_BYTES = 8 * 2**20
"""Of the calls that are over, with what was said in them."""
TRANSCRIPT_BYTES = 2**18
"""Of what was said in one call."""
DELIVERY_BYTES = 2**20
"""Of one session's conversation that its client may not have received."""
OUTGOING_BYTES = 8 * 2**20
"""That wait for one client to read them; then its connection is cut."""
WORK_BYTES = 16 * 2**20
"""Of messages that wait for the brain, all calls together."""
MESSAGE_LIMIT = 8 * 2**20
"""Of one message, which is closed with 1009 beyond it; clients of this SDK send 4 MiB at most."""
CONTROL_LIMIT = 2**18
"""Of one message that is not part of a conversation; an invite has 5 to 10 KB."""
CONNECTIONS_AT_ONCE = 256
CALLS_AT_ONCE = 64
SESSIONS_AT_ONCE = 1024
"""Sessions; those whose client is gone are forgotten first."""
IDS_KEPT = 10_000
"""Of each kind of id that was given out; the oldest are forgotten."""

ITEM_OVERHEAD = 512
"""What each thing weighs beside its own bytes: the objects that hold it (400 bytes measured for a frame)."""


def size_of(data: str | bytes) -> int:
    """The bytes that a text takes at most, or bytes take."""
    return len(data) if isinstance(data, bytes) or data.isascii() else 4 * len(data)


class Kept(Generic[T]):
    """The newest things, as many as fit into so many bytes.

    Args:
        limit: Bytes; one thing is always kept, however large.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[tuple[int, T]] = deque()
        self.size = 0
        """Bytes."""
        self.forgotten = 0
        """How many there were that are not here any more."""

    @property
    def total(self) -> int:
        """How many were ever added."""
        return self.forgotten + len(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return (item for _, item in self._items)

    def __reversed__(self) -> Iterator[T]:
        return (item for _, item in reversed(self._items))

    def add(self, item: T, size: int) -> None:
        """Keep something of so many bytes, and forget what is too old for that."""
        self._items.append((size + ITEM_OVERHEAD, item))
        self.size += size + ITEM_OVERHEAD
        self._trim()

    def replace(self, number: int, item: T, size: int) -> None:
        """Put something else in the place of the `number`-th that was ever added, unless that is forgotten."""
        index = number - self.forgotten
        if index >= 0:
            self.size += size + ITEM_OVERHEAD - self._items[index][0]
            self._items[index] = (size + ITEM_OVERHEAD, item)
            self._trim()

    def _trim(self) -> None:
        while self.size > self._limit and len(self._items) > 1:
            self.forget_oldest()

    def forget_oldest(self) -> T:
        """Forget the oldest one, and return it."""
        size, item = self._items.popleft()
        self.size -= size
        self.forgotten += 1
        return item

    def clear(self) -> None:
        """Forget everything."""
        self.forgotten += len(self._items)
        self._items.clear()
        self.size = 0


class Recent:
    """A set of texts that forgets the oldest ones."""

    def __init__(self, limit: int = IDS_KEPT) -> None:
        self._limit = limit
        self._known: dict[str, None] = {}

    def __contains__(self, text: object) -> bool:
        return text in self._known

    def __len__(self) -> int:
        return len(self._known)

    def add(self, text: str) -> None:
        """Remember a text."""
        self._known[text] = None
        if len(self._known) > self._limit:
            del self._known[next(iter(self._known))]
