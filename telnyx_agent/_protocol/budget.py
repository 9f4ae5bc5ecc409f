"""`Budget`: how much a transcript may hold, so that a server that never stops talking cannot fill the memory. PURE."""

from __future__ import annotations

from ..errors import RemoteProtocolError

__all__ = ["MAX_CHARACTERS", "MAX_ITEMS", "Budget"]

MAX_ITEMS = 5000
"""Items of one call. Real calls have about ten a minute."""

MAX_CHARACTERS = 32 * 2**20
"""Characters of all items of one call, images as they are on the wire. An hour of speech has fewer than 100,000."""


class Budget:
    """What the items of one transcript take.

    Args:
        items: Most items.
        characters: Most characters of all items together.
    """

    def __init__(self, items: int = MAX_ITEMS, characters: int = MAX_CHARACTERS) -> None:
        self._most_items = items
        self._most_characters = characters
        self._sizes: dict[str, int] = {}
        self._used = 0
        self._told = False

    def clear(self) -> None:
        """A new transcript begins."""
        self._sizes.clear()
        self._used = 0
        self._told = False

    def replace(self, item_id: str, size: int) -> bool:
        """Whether an item may come, or take the place of the one with its id; what does not grow always may."""
        return self.grow(item_id, size - self._sizes.get(item_id, 0))

    def grow(self, item_id: str, characters: int) -> bool:
        """Whether an item may become that much longer."""
        is_new = item_id not in self._sizes
        if characters > 0 or is_new:
            if self._used + characters > self._most_characters:
                return False
            if is_new and len(self._sizes) >= self._most_items:
                return False
        self._sizes[item_id] = self._sizes.get(item_id, 0) + characters
        self._used += characters
        return True

    def forget(self, item_id: str) -> None:
        """An item was taken out."""
        self._used -= self._sizes.pop(item_id, 0)

    def complaint(self) -> RemoteProtocolError | None:
        """What to tell the user when something did not fit; None if they know already."""
        if self._told:
            return None
        self._told = True
        return RemoteProtocolError(
            f"the transcript is full ({self._most_items} items or {self._most_characters} characters); "
            "what comes from now on is left out. Read what you need and call clear_transcriptions()"
        )
