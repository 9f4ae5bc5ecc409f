"""`TranscriptionItem`: one line of the transcript, and `GrowingText`, which makes a long stream of deltas cheap.

A response of 10,000 deltas gives 10,000 items, one per change. Were each to hold its own text, that would be 250 MB in
the queue of a slow reader; so partial items hold a place in one shared text, and put the string together when read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, ClassVar
from uuid import UUID

import attrs

from ..._call_ids import call_uuid
from ...errors import ClientConfigurationError

__all__ = [
    "EPOCH",
    "MAX_TEXT",
    "GrowingText",
    "TextPrefix",
    "TranscriptionItem",
    "beginning",
    "is_blank",
    "whole",
]

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
"""Stands for "no time given"."""

MAX_TEXT = 2**20
"""Characters of one item of the server's: twenty hours of speech. What the loop does with one takes milliseconds."""

_BLANK = re.compile(r"\s")


def _has_surrogates(text: str) -> bool:
    """Faster than a regular expression by ten, which matters for a text of megabytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def whole(text: str) -> str:
    """`text` with UTF-16 surrogates put together, and those without a partner replaced, so that it can be printed.

    A server that cuts a text into deltas by UTF-16 units may cut an emoji in two.
    """
    if text.isascii() or not _has_surrogates(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_blank(text: str) -> bool:
    """Whether there is nothing to read. Without a copy of the text, as `strip` makes one."""
    return not text or text.isspace()


def beginning(text: str, share: float) -> str:
    """The words of a text that make up so much of it; a word that was begun was heard.

    Costs what it gives, and not what it leaves out: the text may be long.
    """
    limit = math.ceil(share * len(text))
    if limit <= 0:
        return ""
    if not text[limit - 1 : limit].isspace():
        end = _BLANK.search(text, limit)
        limit = len(text) if end is None else end.start()
    return text[:limit].strip()


class GrowingText:
    """Text that only grows at its end. Written by one thread; prefixes of it may be read by any.

    Attributes:
        length: Characters so far.
    """

    __slots__ = ("_has_surrogates", "_joined", "_parts", "length")

    def __init__(self, text: str) -> None:
        self._parts = [text]
        self.length = len(text)
        # Looked for in every part when it comes, since to look through the whole text at every reading takes too long.
        self._has_surrogates = False
        # How many parts have been put together, and the result. One tuple, so that readers see both or neither.
        self._joined = (0, "")

    def append(self, part: str) -> None:
        """Add text at the end. Prefixes taken before do not change."""
        if not part.isascii() and _has_surrogates(part):
            self._has_surrogates = True
        self.length += len(part)
        self._parts.append(part)

    def snapshot(self) -> TextPrefix:
        """The text as it is now; costs the same however long it is."""
        return TextPrefix(self, len(self._parts))

    def join(self, count: int) -> str:
        """The first `count` parts as one string."""
        known, text = self._joined
        if known > count:
            text = "".join(self._parts[:count])
        elif known < count:
            text += "".join(self._parts[known:count])
            self._joined = (count, text)
        return whole(text) if self._has_surrogates else text


class TextPrefix:
    """A place in a `GrowingText`: everything up to there."""

    __slots__ = ("_count", "_text")

    def __init__(self, text: GrowingText, count: int) -> None:
        self._text = text
        self._count = count

    def __str__(self) -> str:
        return self._text.join(self._count)


def _to_tuple(urls: Iterable[str]) -> tuple[str, ...]:
    if type(urls) is not tuple:
        if isinstance(urls, (str, bytes)) or not isinstance(urls, Iterable):
            raise ClientConfigurationError(f"image_urls must be a list of texts, not {type(urls).__name__}")
        urls = tuple(urls)
    return urls


def _lower(text: str) -> str:
    if not isinstance(text, str):
        raise ClientConfigurationError(f"role must be a text such as 'user', not {type(text).__name__}")
    return text.lower()


def _to_call_id(call_id: UUID | str | None) -> UUID | None:
    if call_id is None or type(call_id) is UUID:
        return call_id
    found = call_uuid(call_id)
    if found is None:
        raise ClientConfigurationError(f"call_id must be a UUID or its text, not {call_id!r}")
    return found


@attrs.frozen(repr=False)
class TranscriptionItem:
    """One item of the transcript: something that was said or typed. iOS: `TranscriptionItem`. Immutable.

    An item that grows is replaced by a new value with the same `id`.

    Attributes:
        id: Stable while the item grows.
        role: `"user"` or `"assistant"`.
        timestamp: When it began, in UTC.
        is_partial: Whether it still grows.
        image_urls: The images of a typed message: `data:` or `https:` URLs.
        item_type: iOS's kind: `"text_message"`, `"text_message_with_image"`, `"response_delta"` or `"text"`.
        metadata: Whatever the application adds with `add_transcription`.
        call_id: The call it belongs to, as `Call.call_id`. The server does not say so: with several calls at once it is
            the call in which was typed, asked or heard last, as far as that can be told.
        response_id: The assistant's response it belongs to.
        interrupted: Whether the user cut the assistant short.
        heard_share: Of an interrupted item, the share that was really heard, 0.0 to 1.0, estimated from how long the
            agent's voice was heard; None where nobody listened, as in a call without audio.
        at: As `timestamp`, on the monotonic clock of the connection; for measuring, not compared.
    """

    ROLE_USER: ClassVar[str] = "user"
    ROLE_ASSISTANT: ClassVar[str] = "assistant"

    id: str
    role: str = attrs.field(converter=_lower)
    _content: str | TextPrefix = attrs.field(eq=str)
    timestamp: datetime = EPOCH
    is_partial: bool = False
    image_urls: tuple[str, ...] = attrs.field(default=(), converter=_to_tuple)
    item_type: str | None = None
    metadata: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    call_id: UUID | None = attrs.field(default=None, kw_only=True, converter=_to_call_id)
    response_id: str | None = attrs.field(default=None, kw_only=True)
    interrupted: bool = attrs.field(default=False, kw_only=True)
    heard_share: float | None = attrs.field(default=None, kw_only=True)
    at: float = attrs.field(default=0.0, eq=False, kw_only=True)

    @property
    def content(self) -> str:
        """The text so far."""
        return str(self._content)

    def grown(self, content: TextPrefix) -> TranscriptionItem:
        """The same item with more text: as `attrs.evolve`, at a quarter of its cost, once for every delta."""
        item = object.__new__(TranscriptionItem)
        keep = object.__setattr__  # past the converters, which have nothing left to do
        keep(item, "id", self.id)
        keep(item, "role", self.role)
        keep(item, "_content", content)
        keep(item, "timestamp", self.timestamp)
        keep(item, "is_partial", self.is_partial)
        keep(item, "image_urls", self.image_urls)
        keep(item, "item_type", self.item_type)
        keep(item, "metadata", self.metadata)
        keep(item, "call_id", self.call_id)
        keep(item, "response_id", self.response_id)
        keep(item, "interrupted", self.interrupted)
        keep(item, "heard_share", self.heard_share)
        keep(item, "at", self.at)
        return item

    @property
    def is_interrupted(self) -> bool:
        """Whether the user cut the assistant short; the same as `interrupted`."""
        return self.interrupted

    @property
    def heard_text(self) -> str:
        """The words that were really heard: all of `content`, or, of an interrupted item, the estimated beginning."""
        if not self.interrupted or self.heard_share is None:
            return self.content
        return beginning(self.content, self.heard_share)

    @property
    def text(self) -> str:
        """iOS's other name for `content`."""
        return self.content

    @property
    def speaker(self) -> str:
        """iOS's other name for `role`."""
        return self.role

    @property
    def is_final(self) -> bool:
        """Whether the item is complete."""
        return not self.is_partial

    @property
    def has_images(self) -> bool:
        """Whether there are images."""
        return bool(self.image_urls)

    @property
    def image_count(self) -> int:
        """How many images there are."""
        return len(self.image_urls)

    def to_dict(self) -> dict[str, Any]:
        """The item as something that `json.dumps` takes."""
        return {
            "id": self.id,
            "role": self.role,
            "content": self.content,
            "timestamp": self.timestamp.isoformat(),
            "is_partial": self.is_partial,
            "image_urls": list(self.image_urls),
            "item_type": self.item_type,
            "metadata": dict(self.metadata),
            "call_id": None if self.call_id is None else str(self.call_id),
            "response_id": self.response_id,
            "interrupted": self.interrupted,
            "heard_share": self.heard_share,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TranscriptionItem:
        """The item that `to_dict` was called on. Only `id`, `role` and `content` are needed.

        Raises:
            KeyError: One of these is missing.
            ValueError: `timestamp` is not in ISO format.
        """
        timestamp = values.get("timestamp")
        return cls(
            values["id"],
            values["role"],
            values["content"],
            EPOCH if timestamp is None else datetime.fromisoformat(timestamp),
            bool(values.get("is_partial", False)),
            values.get("image_urls") or (),
            values.get("item_type"),
            dict(values.get("metadata") or {}),
            call_id=values.get("call_id"),
            response_id=values.get("response_id"),
            interrupted=bool(values.get("interrupted", False)),
            heard_share=values.get("heard_share"),
        )

    def __str__(self) -> str:
        """`role: content`, for people."""
        return f"{self.role}: {self.content}"

    def __repr__(self) -> str:
        # What was said stays out of logs and tracebacks; `str(item)` is for those who ask.
        marks = [name for name in ("is_partial", "interrupted") if getattr(self, name)]
        marks += [f"{self.image_count} image(s)"] if self.image_urls else []
        return f"<TranscriptionItem {self.role} {self.id}{''.join(f' {mark}' for mark in marks)}>"
