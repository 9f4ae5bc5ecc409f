"""`Fields`: typed access to the members of a decoded object. All parsers of inbound frames read through it.

What a frame needs to make sense is `required` or checked, and raises; what only adds to it is `loose`, and counts as
missing when it has a wrong type: a bye whose SIP code is a text must still end the call.

Every text has a bound. What is read from a frame is kept, compared and sent back, for as long as a call or a login
lasts; ids, names and reasons have a hundred characters. Where a text is the content itself (SDP, what was said), the
parser says so with `is_content`.

JSON can write half of a UTF-16 pair, which no file, URL or terminal takes, and control characters, with which a log
could be forged and a terminal be steered. They are replaced, but in content, where the other half may come with the
next frame.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import RemoteProtocolError
from ..conversation.transcription import whole

__all__ = ["MOST_CHARACTERS", "Fields", "plain", "whole_number"]

MOST_CHARACTERS = 4096
"""Characters of a text that is no content. Real ones have a hundred."""

# Control characters, ends of lines and paragraphs, and what turns the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


_NUMBER = re.compile("-?[0-9]{1,9}")


def plain(text: str) -> str:
    """A text that is no content, as it may go into logs, terminals, URLs and files: one line, without surprises."""
    return text if text.isprintable() else _CONTROL.sub(" ", whole(text))


def whole_number(value: object) -> int | None:
    """The whole number that this is, also where the server has written it as a text; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


class Fields:
    """The members of one object.

    Args:
        where: What the object is, for error messages: `"telnyx_rtc.bye"`.
        values: The members.

    Attributes:
        values: All members, as they are.
    """

    __slots__ = ("_where", "values")

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self._where = where
        self.values = values

    def required(self, name: str) -> str:
        """A text that is not empty, or `RemoteProtocolError`."""
        found = self.text(name)
        if not found:
            raise RemoteProtocolError(f"{self._where} without {name}")
        return found

    def text(self, *names: str, is_content: bool = False) -> str | None:
        """The first of these members that is there: a text, or None; `RemoteProtocolError` for another type, or when it
        has more than `MOST_CHARACTERS` and is no content.
        """
        for name in names:
            value = self.values.get(name)
            if value is None:
                continue
            if not isinstance(value, str):
                raise RemoteProtocolError(f"{self._where} whose {name} is not a text")
            if is_content:
                return value
            if len(value) > MOST_CHARACTERS:
                raise RemoteProtocolError(f"{self._where} whose {name} has more than {MOST_CHARACTERS} characters")
            return value if value.isprintable() else plain(value)
        return None

    def object(self, name: str) -> Fields | None:
        """An object, or None; `RemoteProtocolError` for another type."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise RemoteProtocolError(f"{self._where} whose {name} is not an object")
        return Fields(f"{self._where} {name}", value)

    def loose_text(self, *names: str, is_content: bool = False) -> str | None:
        """The first of these members that is a text, is not empty and, unless it is content, has at most
        `MOST_CHARACTERS`.
        """
        for name in names:
            value = self.values.get(name)
            if value and isinstance(value, str) and (is_content or len(value) <= MOST_CHARACTERS):
                return value if is_content or value.isprintable() else plain(value)
        return None

    def loose_integer(self, *names: str) -> int | None:
        """The first of these members that is an integer or the text of one."""
        for name in names:
            if (number := whole_number(self.values.get(name))) is not None:
                return number
        return None

    def loose_object(self, name: str) -> Fields:
        """An object; an empty one if there is none."""
        value = self.values.get(name)
        return Fields(f"{self._where} {name}", value if isinstance(value, dict) else {})

    def loose_objects(self, name: str) -> Sequence[Fields]:
        """The objects in a list."""
        value = self.values.get(name)
        members = value if isinstance(value, list) else []
        return [Fields(f"{self._where} {name}", member) for member in members if isinstance(member, dict)]

    def loose_texts(self, name: str) -> tuple[str, ...] | None:
        """The texts in a list, as far as they have at most `MOST_CHARACTERS`; None if there is no list."""
        value = self.values.get(name)
        if not isinstance(value, list):
            return None
        return tuple(plain(member) for member in value if isinstance(member, str) and len(member) <= MOST_CHARACTERS)

    def raw(self, name: str) -> Any:
        """A member as it is."""
        return self.values.get(name)
