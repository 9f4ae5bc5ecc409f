"""`Fields`: typed access to the members of a decoded object. All parsers of inbound frames read through it.

What a frame needs to make sense is `required` or checked, and raises; what only adds to it is `loose`, and counts as
missing when it has a wrong type: a bye whose SIP code is a text must still end the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import RemoteProtocolError

__all__ = ["Fields"]


class Fields:
    """The members of one object.

    Args:
        where: What the object is, for error messages: `"telnyx_rtc.bye"`.
        values: The members.
    """

    __slots__ = ("_values", "_where")

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self._where = where
        self._values = values

    def required(self, name: str) -> str:
        """A text that is not empty, or `RemoteProtocolError`."""
        found = self.text(name)
        if not found:
            raise RemoteProtocolError(f"{self._where} without {name}")
        return found

    def text(self, name: str, *others: str) -> str | None:
        """The first of these members that is there: a text, or None; `RemoteProtocolError` for another type."""
        value = self._values.get(name)
        if isinstance(value, str):
            return value
        if value is not None:
            raise RemoteProtocolError(f"{self._where} whose {name} is not a text")
        return self.text(*others) if others else None

    def object(self, name: str) -> Fields | None:
        """An object, or None; `RemoteProtocolError` for another type."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise RemoteProtocolError(f"{self._where} whose {name} is not an object")
        return Fields(f"{self._where} {name}", value)

    def loose_text(self, name: str, *others: str) -> str | None:
        """The first of these members that is a text and not empty."""
        value = self._values.get(name)
        if isinstance(value, str) and value:
            return value
        return self.loose_text(*others) if others else None

    def loose_integer(self, *names: str) -> int | None:
        """The first of these members that is an integer or the text of one."""
        for name in names:
            value = self._values.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                return value
            if isinstance(value, str) and len(value) < 10 and value.isascii() and value.lstrip("-").isdigit():
                return int(value)
        return None

    def loose_object(self, name: str) -> Fields:
        """An object; an empty one if there is none."""
        value = self._values.get(name)
        return Fields(f"{self._where} {name}", value if isinstance(value, dict) else {})

    def loose_objects(self, name: str) -> Sequence[Fields]:
        """The objects in a list."""
        value = self._values.get(name)
        members = value if isinstance(value, list) else []
        return [Fields(f"{self._where} {name}", member) for member in members if isinstance(member, dict)]

    def loose_texts(self, name: str) -> tuple[str, ...] | None:
        """The texts in a list; None if there is no list."""
        value = self._values.get(name)
        return tuple(member for member in value if isinstance(member, str)) if isinstance(value, list) else None

    def raw(self, name: str) -> Any:
        """A member as it is."""
        return self._values.get(name)

    @property
    def values(self) -> Mapping[str, Any]:
        """All members, as they are."""
        return self._values
