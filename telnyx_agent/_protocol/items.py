"""`Items`: the transcript as a list of items that keep their ids and their places, and grow within a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import attrs

from .budget import Budget
from .outcomes import ClientFailed, SessionEvent, TranscriptChanged
from .transcription import TextPrefix, TranscriptionItem

__all__ = ["Items"]


class Items:
    """The items of one call after the other.

    Args:
        wall_clock: The time for `TranscriptionItem.timestamp`.
        report: Takes the events that follow.
    """

    def __init__(self, wall_clock: Callable[[], datetime], report: Callable[[SessionEvent], None]) -> None:
        self._wall_clock = wall_clock
        self._report = report
        self._call_id: str | None = None
        self._call_is_over = False
        self._budget = Budget()
        self._items: list[TranscriptionItem] = []
        self._places: dict[str, int] = {}
        # Ids under which the server knows items that were typed here.
        self._aliases: dict[str, str] = {}

    def items_after(self, item_id: str) -> list[TranscriptionItem]:
        """What came after an item."""
        place = self._places.get(item_id)
        return [] if place is None else self._items[place + 1 :]

    @property
    def transcript(self) -> tuple[TranscriptionItem, ...]:
        """All items, in order."""
        return tuple(self._items)

    def find(self, item_id: str | None) -> TranscriptionItem | None:
        """An item by its id."""
        if item_id is None:
            return None
        place = self._places.get(self._aliases.get(item_id, item_id))
        return None if place is None else self._items[place]

    def _last_of_assistant(self) -> TranscriptionItem | None:
        return next((item for item in reversed(self._items) if item.role == TranscriptionItem.ROLE_ASSISTANT), None)

    def _new_item(
        self,
        item_id: str,
        role: str,
        content: str | TextPrefix,
        now: float,
        *,
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
            call_id=self._call_id,
            response_id=response_id,
            at=now,
        )

    def _put(self, item: TranscriptionItem, delta: str | None = None) -> None:
        """Put an item in, at its place if it has one."""
        if item.is_partial and self._call_is_over:
            # What comes after the call has nobody to complete it.
            item = attrs.evolve(item, is_partial=False)
        if delta is None and not self._has_room(item.id, size=len(item.content) + sum(map(len, item.image_urls))):
            return
        place = self._places.setdefault(item.id, len(self._items))
        self._items[place : place + 1] = [item]
        self._report(TranscriptChanged(item, self.transcript, delta))

    def _has_room(self, item_id: str, more: int = 0, *, size: int | None = None) -> bool:
        """Whether an item may grow by `more` characters, or to `size`; if not, the user is told once."""
        fits = self._budget.grow(item_id, more) if size is None else self._budget.replace(item_id, size)
        if not fits and (error := self._budget.complaint()) is not None:
            self._report(ClientFailed(error))
        return fits
