"""`Items`: the transcript as a list of items that keep their identities and their places, and grow within a budget.

Rules of this file:

1. Role and id together are an item's identity: an id may come again for the other side.
2. Each item belongs to one call. The frames that bring it do not say which: `Attribution` has its rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from .attribution import Attribution
from .budget import Budget, Key, size_of
from .outcomes import ClientFailed, SessionEvent, TranscriptChanged
from .transcription import TextPrefix, TranscriptionItem

__all__ = ["Items", "key_of"]


def key_of(item: TranscriptionItem) -> Key:
    """What makes it this item and no other."""
    return item.role, item.id


class Items:
    """The items of one call after the other, or of several at once.

    Args:
        wall_clock: The time for `TranscriptionItem.timestamp`.
        report: Takes the events that follow.

    Attributes:
        calls: The calls that there are, and which of them an item belongs to.
    """

    def __init__(self, wall_clock: Callable[[], datetime], report: Callable[[SessionEvent], None]) -> None:
        self._wall_clock = wall_clock
        self._report = report
        self.calls = Attribution()
        self._budget = Budget()
        self._items: list[TranscriptionItem] = []
        self._places: dict[Key, int] = {}
        # Ids under which the server knows items that were typed here.
        self._aliases: dict[str, str] = {}
        # The place of the assistant's latest item: it is asked for with every frame.
        self._last_spoken: int | None = None

    def items_after(self, item_id: str) -> list[TranscriptionItem]:
        """What came after an item of the user's."""
        place = self._places.get((TranscriptionItem.ROLE_USER, item_id))
        return [] if place is None else self._items[place + 1 :]

    @property
    def transcript(self) -> tuple[TranscriptionItem, ...]:
        """All items, in order."""
        return tuple(self._items)

    def find(self, role: str, item_id: str | None) -> TranscriptionItem | None:
        """An item by its role and id."""
        if item_id is None:
            return None
        if role == TranscriptionItem.ROLE_USER:
            item_id = self._aliases.get(item_id, item_id)
        place = self._places.get((role, item_id))
        return None if place is None else self._items[place]

    def find_typed(self, item_id: str) -> TranscriptionItem | None:
        """An item of the user's by its id."""
        return self.find(TranscriptionItem.ROLE_USER, item_id)

    def _find_spoken(self, item_id: str | None) -> TranscriptionItem | None:
        """An item of the assistant's by its id."""
        return self.find(TranscriptionItem.ROLE_ASSISTANT, item_id)

    def _last_of_assistant(self) -> TranscriptionItem | None:
        return None if self._last_spoken is None else self._items[self._last_spoken]

    def _new_item(
        self,
        item_id: str,
        role: str,
        content: str | TextPrefix,
        now: float,
        *,
        call_id: UUID | None,
        image_urls: Sequence[str] = (),
        item_type: str = "text",
        is_partial: bool = False,
        response_id: str | None = None,
    ) -> TranscriptionItem:
        return TranscriptionItem(
            item_id,
            role,
            content,
            self._wall_clock(),
            is_partial,
            image_urls,
            item_type,
            call_id=call_id,
            response_id=response_id,
            at=now,
        )

    def _put(self, item: TranscriptionItem, delta: str | None = None, *, own: bool = False) -> None:
        """Put an item in, at its place if it has one. `own`: it is the program's."""
        if item.is_partial and self.calls.is_over(item.call_id):
            # What comes after the call has nobody to complete it.
            item = attrs.evolve(item, is_partial=False)
        if delta is None and not self._has_room(item, own=own):
            return
        place = self._places.setdefault(key_of(item), len(self._items))
        self._items[place : place + 1] = [item]
        if item.role == TranscriptionItem.ROLE_ASSISTANT and (self._last_spoken is None or place > self._last_spoken):
            self._last_spoken = place
        self._report(TranscriptChanged(item, self.transcript, delta))

    def _keep(self, left: list[TranscriptionItem]) -> None:
        """Take out all others; observers are told of it."""
        kept = {key_of(item) for item in left}
        for item in self._items:
            if (key := key_of(item)) not in kept:
                self._budget.forget(key)
        self._items[:] = left
        self._places = {key_of(item): place for place, item in enumerate(left)}
        spoken = [place for place, item in enumerate(left) if item.role == TranscriptionItem.ROLE_ASSISTANT]
        self._last_spoken = spoken[-1] if spoken else None
        self._report(TranscriptChanged(None, self.transcript))

    def _has_room(self, item: TranscriptionItem, *, own: bool = False) -> bool:
        """Whether an item may come or change; if not, the user is told once."""
        return self._fits(self._budget.replace(key_of(item), size_of((item.content, *item.image_urls)), own=own))

    def _fits(self, fits: bool) -> bool:
        if not fits and (error := self._budget.complaint()) is not None:
            self._report(ClientFailed(error))
        return fits
