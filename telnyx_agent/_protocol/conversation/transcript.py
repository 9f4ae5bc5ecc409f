"""`Transcript`: items that keep their identities and their places, one of which may be growing, within a budget.

Rules of this file:

1. Role and id together are an item's identity: an id may come again for the other side.
2. An item keeps its place. The same id again replaces the item (R41, R44).
3. At most one item of the assistant's is open, which means that deltas make it longer. It is in the transcript as soon
   as it is not blank any more (R46).
4. What comes for a call that is over is final at once.
5. What finds no room is left out, and the user is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from ..outcomes import ClientFailed, SessionEvent, TranscriptChanged
from .attribution import Attribution
from .limits import Budget, Key, growth_of, size_of
from .transcription import EPOCH, MAX_TEXT, GrowingText, TranscriptionItem, is_blank, whole

__all__ = ["OpenItem", "Transcript", "key_of"]

_USER, _ASSISTANT = TranscriptionItem.ROLE_USER, TranscriptionItem.ROLE_ASSISTANT


def key_of(item: TranscriptionItem) -> Key:
    """What makes it this item and no other."""
    return item.role, item.id


@attrs.define
class OpenItem:
    """The assistant's item that still grows."""

    item: TranscriptionItem
    text: GrowingText
    key: Key


class Transcript:
    """The items of one call after the other, or of several at once.

    Args:
        calls: Which calls there are.
        wall_clock: The time for `TranscriptionItem.timestamp`.
        report: Takes `TranscriptChanged`, and `ClientFailed` when it is full.

    Attributes:
        open: The item that grows; None if there is none.
    """

    def __init__(
        self, calls: Attribution, wall_clock: Callable[[], datetime], report: Callable[[SessionEvent], None]
    ) -> None:
        self.open: OpenItem | None = None
        self._calls = calls
        self._wall_clock = wall_clock
        self._report = report
        self._budget = Budget()
        self._items: list[TranscriptionItem] = []
        self._places: dict[Key, int] = {}
        # Ids under which the server knows items that were typed here.
        self._aliases: dict[str, str] = {}
        # The place of the assistant's latest item: it is asked for with every frame.
        self._last_spoken: int | None = None
        # Items of the assistant's whose whole text a `done` has brought.
        self._whole: set[str] = set()

    # -- what there is -------------------------------------------------------------------------------------------------

    @property
    def items(self) -> tuple[TranscriptionItem, ...]:
        """All items, in order."""
        return tuple(self._items)

    @property
    def last_spoken(self) -> TranscriptionItem | None:
        """The assistant's latest item."""
        return None if self._last_spoken is None else self._items[self._last_spoken]

    @property
    def response_ids(self) -> set[str]:
        """The responses that there are items of."""
        return {item.response_id for item in self._items if item.response_id is not None}

    def find(self, role: str, item_id: str | None) -> TranscriptionItem | None:
        """An item by its role and id."""
        if item_id is None:
            return None
        if role == _USER:
            item_id = self._aliases.get(item_id, item_id)
        place = self._places.get((role, item_id))
        return None if place is None else self._items[place]

    def find_typed(self, item_id: str) -> TranscriptionItem | None:
        """An item of the user's by its id."""
        return self.find(_USER, item_id)

    def find_spoken(self, item_id: str | None) -> TranscriptionItem | None:
        """An item of the assistant's by its id."""
        return self.find(_ASSISTANT, item_id)

    def after(self, item_id: str) -> list[TranscriptionItem]:
        """What came after an item of the user's."""
        place = self._places.get((_USER, item_id))
        return [] if place is None else self._items[place + 1 :]

    def length_of(self, response_id: str | None, *, before: TranscriptionItem | None = None) -> int:
        """Characters of a response, or of those items of it that come before another item."""
        end = None if before is None else self._places.get(key_of(before))
        return sum(len(item.content) for item in self._items[:end] if item.response_id == response_id)

    # -- items that come as a whole ------------------------------------------------------------------------------------

    def new_item(
        self,
        item_id: str,
        role: str,
        content: str,
        now: float,
        *,
        call_id: UUID | None,
        image_urls: Sequence[str] = (),
        item_type: str = "text",
        is_partial: bool = False,
        response_id: str | None = None,
    ) -> TranscriptionItem:
        """An item that begins now; it is not in the transcript yet."""
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

    def add(self, item: TranscriptionItem, now: float) -> None:
        """Put an item of the application's in, or in the place of the one with its role and id."""
        if item.timestamp == EPOCH:
            item = attrs.evolve(item, timestamp=self._wall_clock())
        self.put(attrs.evolve(item, at=now, call_id=item.call_id or self._calls.of(item.role)), own=True)

    def put(self, item: TranscriptionItem, delta: str | None = None, *, own: bool = False) -> None:
        """Put an item in, at its place if it has one.

        Args:
            item: The item.
            delta: The text by which it has grown, for which there is room.
            own: Whether it is the program's.
        """
        if item.is_partial and self._calls.is_over(item.call_id):
            # What comes after the call has nobody to complete it.
            item = attrs.evolve(item, is_partial=False)
        key = item.role, item.id
        if delta is None and not self._budget.replace(key, size_of((item.content, *item.image_urls)), own=own):
            self._complain()
            return
        place = self._places.setdefault(key, len(self._items))
        self._items[place : place + 1] = [item]
        if item.role == _ASSISTANT and (self._last_spoken is None or place > self._last_spoken):
            self._last_spoken = place
        self._report(TranscriptChanged(item, tuple(self._items), delta))

    def replace(self, known: TranscriptionItem, item: TranscriptionItem) -> None:
        """Put an item in the place of what is known of it, if there is a difference."""
        if item != known:
            self.put(item)

    def know_as(self, server_id: str, item_id: str) -> None:
        """The server has an id of its own for an item that was typed here."""
        self._aliases[server_id] = item_id

    # -- the assistant's items, which grow -----------------------------------------------------------------------------

    def begin(self, item: TranscriptionItem) -> None:
        """An item grows from here on: a new one, or one that was complete."""
        text = GrowingText(item.content)
        self.open = OpenItem(
            attrs.evolve(item, is_partial=True, interrupted=False, heard_share=None), text, key_of(item)
        )

    def grow(self, delta: str) -> None:
        """The open item gets longer."""
        opened = self.open
        assert opened is not None
        text, key = opened.text, opened.key
        is_long = text.length + len(delta) > MAX_TEXT
        if is_long or not self._budget.grow(key, growth_of(delta)):
            self._complain()
            return
        text.append(delta)
        opened.item = opened.item.grown(text.snapshot())
        if key in self._places:
            self.put(opened.item, whole(delta))
        elif not is_blank(delta):
            # Blank so far, and therefore not in the transcript yet.
            self.put(opened.item, opened.item.content)

    def lengthen(self, known: TranscriptionItem, delta: str) -> None:
        """An item that is complete gets longer all the same."""
        if self._may_grow(key_of(known), len(known.content), delta):
            delta = whole(delta)
            self.put(attrs.evolve(known, content=known.content + delta), delta)

    def close(self) -> TranscriptionItem | None:
        """Nothing is open any more.

        Returns:
            What was, now complete, to be put in; None if that was nothing, or blank.
        """
        opened, self.open = self.open, None
        if opened is None or is_blank(opened.item.content):
            return None
        # As a plain text: nobody adds to it any more.
        return attrs.evolve(opened.item, content=opened.item.content, is_partial=False)

    def mark_whole(self, item_id: str) -> None:
        """The server has sent the whole text of an item of the assistant's."""
        self._whole.add(item_id)

    def is_whole(self, item_id: str) -> bool:
        """Whether it has, so that text that still comes is in it already."""
        return item_id in self._whole

    # -- what goes -----------------------------------------------------------------------------------------------------

    def end_call(self, call_id: UUID | None) -> None:
        """Nothing of a call grows any more."""
        if self.open is not None and self.open.item.call_id in (call_id, None) and (item := self.close()) is not None:
            self.put(item)
        for item in [item for item in self._items if item.is_partial and item.call_id in (call_id, None)]:
            self.put(attrs.evolve(item, is_partial=False))

    def remove(self, item: TranscriptionItem) -> None:
        """Take an item out."""
        self._keep([one for one in self._items if one is not item])

    def clear_role(self, role: str) -> None:
        """Take the items of one role out."""
        left = [item for item in self._items if item.role != role]
        if len(left) == len(self._items):
            return
        if role == _ASSISTANT:
            self.open = None
            self._whole.clear()
        self._keep(left)

    def clear(self) -> None:
        """Take all out."""
        had_items = bool(self._items)
        self.open = self._last_spoken = None
        self._budget.clear()
        self._items.clear()
        self._places.clear()
        self._aliases.clear()
        self._whole.clear()
        if had_items:
            self._report(TranscriptChanged(None, ()))

    def _keep(self, left: list[TranscriptionItem]) -> None:
        kept = {key_of(item) for item in left}
        for item in self._items:
            if (key := key_of(item)) not in kept:
                self._budget.forget(key)
        self._items[:] = left
        self._places = {key_of(item): place for place, item in enumerate(left)}
        spoken = [place for place, item in enumerate(left) if item.role == _ASSISTANT]
        self._last_spoken = spoken[-1] if spoken else None
        self._report(TranscriptChanged(None, self.items))

    # -- room ----------------------------------------------------------------------------------------------------------

    def _may_grow(self, key: Key, length: int, delta: str) -> bool:
        if length + len(delta) <= MAX_TEXT and self._budget.grow(key, growth_of(delta)):
            return True
        self._complain()
        return False

    def _complain(self) -> None:
        error = self._budget.complaint()
        if error is not None:
            self._report(ClientFailed(error))
