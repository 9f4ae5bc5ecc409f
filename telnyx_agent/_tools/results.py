"""What a tool returns, as the text that the agent gets. Pure."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Mapping
from typing import Any

import attrs

from .._arguments import MESSAGE_LIMIT, plain

__all__ = ["to_output"]


def to_output(result: object, limit: int = MESSAGE_LIMIT) -> str:
    """A tool's result as the text that the agent gets: a text as it is, everything else as JSON.

    What comes to more than `limit` characters is not made to its end; the text is longer than that then.

    Raises:
        TypeError: JSON cannot express it.
        ValueError: It contains itself, or a number that JSON has not.
    """
    if isinstance(result, str):
        text: str = plain(result)
        return text
    pieces = []
    size = 0
    # Piece by piece and not by `dumps`, which is written in C: no other thread, the loop's neither, would get its turn
    # until all of a large result is done.
    for piece in _ENCODER.iterencode(result):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            break
    return "".join(pieces)


def _simple(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, type):
        raise TypeError(f"{value.__name__} is a class")
    if dataclasses.is_dataclass(value):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    if attrs.has(type(value)):
        return {one.name: getattr(value, one.name) for one in attrs.fields(type(value))}
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    raise TypeError(f"{type(value).__name__} is nothing that JSON can express")


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_simple)
