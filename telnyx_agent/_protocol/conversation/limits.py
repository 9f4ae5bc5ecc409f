"""`Budget`: how much a transcript may hold, so that a server that never stops talking cannot fill the memory. PURE."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import RemoteProtocolError

__all__ = ["ITEM_BYTES", "MAX_BYTES", "MAX_ITEMS", "MAX_OWN_BYTES", "Budget", "Key", "growth_of", "size_of"]

Key = tuple[str, str]
"""Role and id of an item: together they are its identity. Servers give both sides of a turn the same id."""

MAX_ITEMS = 5000
"""Items of one call. Real calls have about ten a minute."""

MAX_BYTES = 16 * 2**20
"""Bytes that the server's items of one call take, images included. An hour of speech takes fewer than 100,000."""

MAX_OWN_BYTES = 32 * 2**20
"""Bytes that the program's own items take: what it has typed, with its images, and what it has added."""

ITEM_BYTES = 512
"""Bytes that are counted for an item beside its text: the object, its id, its places in tables."""


def size_of(texts: Iterable[str]) -> int:
    """The bytes that an item with these texts takes. One emoji makes a text of Python's four times as large."""
    return ITEM_BYTES + sum(text.__sizeof__() for text in texts)


def growth_of(delta: str) -> int:
    """The bytes that a growing item takes for this part: the part, its place in the list, and its share of the whole,
    four bytes a character at most; what the whole really takes is counted when it is complete.
    """
    return delta.__sizeof__() + 8 + 4 * len(delta)


class Budget:
    """What the items of one transcript take.

    Args:
        items: Most items.
        size: Most bytes of the server's items together.
        own_size: Most bytes of the program's own items together.
    """

    def __init__(self, items: int = MAX_ITEMS, size: int = MAX_BYTES, own_size: int = MAX_OWN_BYTES) -> None:
        self._most_items = items
        self._limits = {False: size, True: own_size}
        self._used = {False: 0, True: 0}
        self._sizes: dict[Key, int] = {}
        self._own: set[Key] = set()
        self._told = False

    def clear(self) -> None:
        """A new transcript begins."""
        self._sizes.clear()
        self._own.clear()
        self._used = {False: 0, True: 0}
        self._told = False

    def replace(self, key: Key, size: int, *, own: bool = False) -> bool:
        """Whether an item may come, or take the place of the one with its key; what does not grow always may.

        Args:
            key: Role and id.
            size: What it takes then.
            own: Whether it is the program's. What the server makes of such an item stays so while it does not grow.
        """
        known = self._sizes.get(key)
        own = own or (key in self._own and known is not None and size <= known)
        is_moved = known is not None and (key in self._own) != own
        if known is None and len(self._sizes) >= self._most_items:
            return False
        more = size if known is None or is_moved else size - known
        if (known is None or size > known) and self._used[own] + more > self._limits[own]:
            return False
        self.forget(key)
        self._sizes[key] = size
        self._used[own] += size
        if own:
            self._own.add(key)
        return True

    def grow(self, key: Key, more: int) -> bool:
        """Whether an item may take so many bytes more."""
        known = self._sizes.get(key)
        if known is None:
            return self.replace(key, ITEM_BYTES + more)
        own = key in self._own
        if self._used[own] + more > self._limits[own]:
            return False
        self._sizes[key] = known + more
        self._used[own] += more
        return True

    def forget(self, key: Key) -> None:
        """An item was taken out."""
        self._used[key in self._own] -= self._sizes.pop(key, 0)
        self._own.discard(key)

    def complaint(self) -> RemoteProtocolError | None:
        """What to tell the user when something did not fit; None if they know already."""
        if self._told:
            return None
        self._told = True
        return RemoteProtocolError(
            f"the transcript is full ({self._most_items} items, {self._limits[False]} bytes of the server's, "
            f"{self._limits[True]} of yours, or an item that is too long); what comes from now on is left out. "
            "Read what you need and call clear_transcriptions()"
        )
