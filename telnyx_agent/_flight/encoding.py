"""`Encoder`: callbacks and their arguments as JSON, such that `_replay` can make the arguments again.

Simple values stand for themselves. Others are objects with a member `$` that says what they are: a class of the SDK's
by its public name, `UUID`, `datetime`, or one of the short forms `item` (one that was told before and has not changed)
and `transcript` (what it has in common with the one before, and the rest). Masked values are `masking`'s.
"""

from __future__ import annotations

import enum
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from .._protocol.conversation.transcription import EPOCH, TranscriptionItem
from ..errors import TxError
from .masking import TEXTS, masked, masked_arguments, masked_message, shown_cause, shown_id, shown_sip_reason
from .sentences import own_words

__all__ = ["Encoder", "parameters_of"]

_IDS = frozenset(
    {
        *(
            "id",
            "role",
            "call_id",
            "session_id",
            "response_id",
            "item_id",
            "item_type",
            "type",
            "state",
            "codec",
            "kind",
        ),
        *("theme", "position", "default_state", "language", "color", "preset"),
    }
)
"""Texts that are shown, if they look like what they are called."""

_RULES: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(_IDS, shown_id),
    "cause": shown_cause,
    "sip_reason": shown_sip_reason,
    "server_code": shown_id,
    "arguments": masked_arguments,
}
"""What is shown of a text, by the name of its argument or attribute. All others are masked."""

_ERROR_MEMBERS = ("cause", "server_message", "server_code", "data")
"""What some errors have besides message, code and call id."""


def parameters_of(callback: Callable[..., object] | None) -> tuple[str, ...]:
    """The names of a callback's arguments, as its declaration has them."""
    return () if callback is None else tuple(inspect.signature(callback).parameters)[1:]


class Encoder:
    """Encodes one recording. Remembers what it has encoded, so it is to be used on one thread.

    Args:
        with_texts: Whether what was said and typed is shown.
    """

    def __init__(self, *, with_texts: bool) -> None:
        self._with_texts = with_texts
        self._numbers: dict[tuple[str, str], int] = {}
        self._items: dict[int, TranscriptionItem] = {}
        self._texts: dict[int, str] = {}
        self._transcript: Sequence[TranscriptionItem] = ()

    def arguments(self, names: Sequence[str], values: Sequence[Any]) -> list[Any]:
        """A callback's arguments.

        Args:
            names: What its declaration calls them; those that are missing are masked as far as they are texts.
            values: They.
        """
        padded = [*names, *[""] * max(0, len(values) - len(names))]
        return [self.value(value, name) for name, value in zip(padded, values, strict=False)]

    def forget(self) -> None:
        """The last values did not get into the file: nothing may refer to them."""
        self._items.clear()
        self._texts.clear()
        self._transcript = ()

    def value(self, value: Any, name: str = "") -> Any:
        """One value, which is called `name` where it comes from."""
        if isinstance(value, enum.Enum):
            return {"$": type(value).__name__, "value": value.value}
        if value is None or isinstance(value, (bool, int)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"$": "float", "value": str(value)}
        if isinstance(value, str):
            return self._text(value, name)
        if isinstance(value, UUID):
            return {"$": "UUID", "value": str(value)}
        if isinstance(value, datetime):
            return {"$": "datetime", "value": value.isoformat()}
        if isinstance(value, TxError):
            return self._error(value)
        if isinstance(value, TranscriptionItem):
            return self._item(value)
        if isinstance(value, (tuple, list)):
            return self._sequence(value, name)
        if isinstance(value, Mapping) and name == "message":
            return {"$": "dict", "value": masked_message(value, with_texts=self._with_texts)}
        if isinstance(value, (Mapping, bytes, bytearray)):
            return masked(value)
        return self._object(value)

    def _text(self, text: str, name: str) -> Any:
        rule = _RULES.get(name)
        if rule is not None:
            return rule(text)
        return text if self._with_texts and name in TEXTS else masked(text)

    # -- what the SDK's own classes are made of ----------------------------------------------------------------------

    def _object(self, value: Any) -> Any:
        kind = type(value)
        if attrs.has(kind) and kind.__module__.partition(".")[0] == __name__.partition(".")[0]:
            return {
                "$": kind.__name__,
                **{
                    field.alias: self.value(getattr(value, field.name), field.alias)
                    for field in attrs.fields(kind)
                    # What is as always is left out.
                    if field.init and field.alias is not None and getattr(value, field.name) is not field.default
                },
            }
        call_id = getattr(value, "call_id", None)
        if isinstance(call_id, UUID):
            return {"$": "Call", "call_id": str(call_id), "call_info": self._info(getattr(value, "call_info", None))}
        return {"$": "object", "class": f"{kind.__module__}.{kind.__qualname__}"}

    def _info(self, info: Any) -> Any:
        return self._object(info) if attrs.has(type(info)) else None

    def _error(self, error: TxError) -> dict[str, Any]:
        found = {
            "$": type(error).__name__,
            "message": own_words(error.message, error.keyword),
            "code": shown_id(error.code) if isinstance(error.code, str) else error.code,
            "call_id": self.value(error.call_id, "call_id"),
        }
        for name in _ERROR_MEMBERS:
            value = getattr(error, name, None)
            if value is not None and value != {}:
                found[name] = self.value(value, name)
        return found

    def _sequence(self, values: Sequence[Any], name: str) -> Any:
        if name == "transcriptions" or (values and all(isinstance(one, TranscriptionItem) for one in values)):
            return self._whole_transcript(values)
        return [self.value(one, name) for one in values]

    # -- the transcript, of which every change brings the whole ------------------------------------------------------

    def _whole_transcript(self, items: Sequence[TranscriptionItem]) -> dict[str, Any]:
        keep = 0
        for before, now in zip(self._transcript, items, strict=False):
            if before is not now:
                break
            keep += 1
        self._transcript = items
        if not items:
            self.forget()
        return {"$": "transcript", "keep": keep, "then": [self._item(item) for item in items[keep:]]}

    def _item(self, item: TranscriptionItem) -> dict[str, Any]:
        number = self._numbers.setdefault((item.role, item.id), len(self._numbers))
        if self._items.get(number) is item:
            return {"$": "item", "number": number}
        self._items[number] = item
        found = {
            "$": "TranscriptionItem",
            "number": number,
            "id": self.value(item.id, "id"),
            "role": self.value(item.role, "role"),
            "content": self._content(number, item.content),
            "timestamp": None if item.timestamp == EPOCH else item.timestamp.isoformat(),
            "is_partial": item.is_partial,
            "image_urls": [masked(url) for url in item.image_urls],
            "item_type": self.value(item.item_type, "item_type"),
            "metadata": masked(item.metadata) if item.metadata else None,
            "call_id": self.value(item.call_id, "call_id"),
            "response_id": self.value(item.response_id, "response_id"),
            "interrupted": item.interrupted,
            "at": item.at,
        }
        return {
            name: value for name, value in found.items() if value is not None and value is not False and value != []
        }

    def _content(self, number: int, text: str) -> Any:
        """The text; or, of one that has grown, what was added: a long answer comes in thousands of pieces."""
        if not self._with_texts:
            return masked(text)
        before = self._texts.get(number, "")
        self._texts[number] = text
        return {"+": text[len(before) :]} if before and text.startswith(before) else text
