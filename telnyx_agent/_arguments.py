"""Checks of the arguments of public methods, by their annotations, when they are called and before anything is done.

Python says nothing of an argument of a wrong type until something inside fails on it, perhaps on another thread, where
the caller never hears of it. `checked_arguments` says it to the caller, with the name of the argument. What only a
method itself can know (ranges, what a text means) it checks itself.

A text or a number of a class of the program's is made a plain one here: the loop compares, hashes and encodes it, and
must not run what the program's class does then.
"""

from __future__ import annotations

import enum
import functools
import inspect
import json
import os
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any, TypeVar
from uuid import UUID

from .errors import ClientConfigurationError, in_words

__all__ = [
    "MESSAGE_LIMIT",
    "check_argument",
    "checked_arguments",
    "checked_path",
    "is_number",
    "is_text",
    "json_copy",
    "json_text",
    "plain",
    "plain_fields",
]

MESSAGE_LIMIT = 4 * 2**20
"""Characters of one message, images included, and so of any text that goes into one; what we take from the server
ourselves is 5 MiB for a whole frame."""

_C = TypeVar("_C", bound=type)


# By `type`, and not `isinstance` alone: `Mock(spec=str)` says that it is a `str`, and JSON does not believe it.


def is_text(value: object) -> bool:
    """Whether this is a text."""
    return issubclass(type(value), str)


def is_number(value: object) -> bool:
    """Whether this is a number, infinite ones included."""
    return issubclass(type(value), (int, float)) and type(value) is not bool and value == value


def _is_count(value: object) -> bool:
    return issubclass(type(value), int) and type(value) is not bool


def _is_id(value: object) -> bool:
    return issubclass(type(value), (str, UUID))


def plain(value: Any) -> Any:
    """A text, number or bytes of a subclass as one of Python's own class; all else, and our own enums, as it is.

    Runs none of the methods of the subclass.
    """
    kind = type(value)
    if kind in _PLAIN or not issubclass(kind, _PLAIN):
        return value
    if issubclass(kind, enum.Enum) and kind.__module__.partition(".")[0] == __name__.partition(".")[0]:
        return value  # members are compared by identity
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, bytes):
        return bytes.__getitem__(value, slice(None))
    return int.__int__(value) if issubclass(kind, int) else float.__float__(value)


_PLAIN = (str, bytes, int, float, bool)


def plain_fields(cls: type, fields: list[Any]) -> list[Any]:
    """For `attrs.frozen(field_transformer=...)`: fields without a converter get `plain`, unseen by type checkers."""
    return [field if field.converter is not None else field.evolve(converter=plain) for field in fields]


def json_copy(name: str, value: object) -> Any:
    """A copy, of plain values, of something that goes out as JSON. The program may change its own meanwhile.

    Raises:
        ClientConfigurationError: As `json_text`.
    """
    return json.loads(json_text(name, value))


def json_text(name: str, value: object) -> str:
    """Something that goes out as JSON, as its text.

    Raises:
        ClientConfigurationError: JSON cannot express it, or it is too long. The message begins with `name`.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        raise ClientConfigurationError(f"{name} must be something that JSON can express: {exc}") from exc
    rest: list[object] = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            # json.dumps quietly turns these into text.
            if not all(isinstance(key, str) for key in item):
                raise ClientConfigurationError(f"{name} must have texts as keys, as JSON has")
            rest.extend(item.values())
        elif isinstance(item, (list, tuple)):
            rest.extend(item)
    _check_size(f"{name} as JSON", len(text))
    return text


def _check_size(what: str, size: int) -> None:
    if size > MESSAGE_LIMIT:
        raise ClientConfigurationError(f"{what} has {size:,} characters, more than the limit of {MESSAGE_LIMIT:,}")


def _is_a(*names: str) -> Callable[[object], bool]:
    """By name: who checks a class need not import it, nor have it imported."""
    return lambda value: any(base.__name__ in names for base in type(value).__mro__)


def _is_list(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, bytearray, Mapping))


def _is_state(value: object) -> bool:
    several = isinstance(value, (list, tuple, set, frozenset)) and bool(value)
    return all(map(_is_a("CallState"), value)) if several else _is_a("CallState")(value)  # type: ignore[call-overload]


_KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "AgentState": (_is_a("AgentState"), "an AgentState, such as AgentState.LISTENING"),
    "CallState | Iterable[CallState]": (_is_state, "a CallState, such as CallState.ACTIVE, or several"),
    "Mapping[str, Any]": (lambda value: isinstance(value, Mapping), "a dict"),
    "Mapping[str, str]": (lambda value: isinstance(value, Mapping), "a dict of texts"),
    "Mapping[str, str | int | float | bool]": (lambda value: isinstance(value, Mapping), "a dict"),
    "Iterable[TxCodecCapability | Mapping[str, Any] | str]": (_is_list, "a list of codecs, such as ['opus', 'PCMU']"),
    "Iterable[str]": (_is_list, "a list of texts"),
    "Sequence[IceServer]": (_is_list, "a list of IceServer(...) or URLs"),
    "TranscriptionItem": (_is_a("TranscriptionItem"), "a TranscriptionItem(...)"),
    "TxConfig": (_is_a("TxConfig"), "a TxConfig(...)"),
    "TxServerConfiguration": (
        _is_a("TxServerConfiguration"),
        "a TxServerConfiguration(...), such as TxServerConfiguration('wss://...')",
    ),
    "UUID | str": (_is_id, "a UUID or its text"),
    "WidgetSettings": (_is_a("WidgetSettings"), "a WidgetSettings(...)"),
    "bool": (lambda value: isinstance(value, bool), "True or False"),
    "datetime": (_is_a("datetime"), "a datetime"),
    "float": (is_number, "a number"),
    "int": (_is_count, "a whole number"),
    "ssl.SSLContext": (_is_a("SSLContext"), "an ssl.SSLContext"),
    "str": (is_text, "a text"),
    "str | Iterable[str]": (lambda value: is_text(value) or _is_list(value), "a text, or a list of texts"),
    "str | bytes": (lambda value: issubclass(type(value), (str, bytes)), "a text or bytes"),
    "str | os.PathLike[str]": (lambda value: is_text(value) or hasattr(type(value), "__fspath__"), "a path"),
    "uuid.UUID | str": (_is_id, "a UUID or its text"),
}
"""What an annotation lets through, and how it is said. Annotations that are not here are not checked."""


def check_argument(name: str, value: Any, annotation: str) -> Any:
    """Refuse a value that is none of what its annotation says, or a text that no message has room for.

    Returns:
        The value, `plain`.

    Raises:
        ClientConfigurationError: It is refused; the text names the argument, what it may be and what came.
    """
    kind = annotation.removesuffix(" | None")
    rule = _KINDS.get(kind)
    if rule is None or (value is None and kind != annotation):
        return value
    fits, wanted = rule
    if name == "timeout" and not (is_number(value) and value >= 0):
        fits, wanted = _never, "0 or more seconds"
    if not fits(value):
        # Never the value: it may be a secret, or what was said. A number in the place of a number is neither.
        is_shown = value is None or (kind in ("int", "float") and isinstance(value, (int, float)))
        what = repr(value) if is_shown else type(value).__name__
        none = ", or None" if kind != annotation else ""
        raise ClientConfigurationError(f"{name} must be {wanted}{none}, not {what}")
    value = plain(value)
    if isinstance(value, (str, bytes)):
        _check_size(name, len(value))
    return value


def checked_path(name: str, path: object) -> str:
    """A path that a user has given as the argument `name`.

    Raises:
        ClientConfigurationError: It is none.
    """
    text = path if isinstance(path, (str, bytes)) else None
    if isinstance(path, os.PathLike):
        try:
            text = os.fspath(path)
        except Exception as exc:
            raise ClientConfigurationError(
                f"{name} must be the path of a file; {type(path).__name__} gives none: {in_words(exc)}"
            ) from exc
    if not text:
        raise ClientConfigurationError(f"{name} must be the path of a file, such as 'call.wav'; got {path!r}")
    return os.fsdecode(text)


def _never(value: object) -> bool:
    return False


def checked_arguments(cls: _C) -> _C:
    """A class whose public methods and setters refuse arguments of a wrong type with a `ClientConfigurationError`.

    Its own and those that it inherits, but for those of classes that are decorated themselves.
    """
    wrapped: dict[object, Any] = {}
    for name in dir(cls):
        if name.startswith("_") and name != "__init__":
            continue
        found = inspect.getattr_static(cls, name)
        if isinstance(found, FunctionType) and not hasattr(found, "_checks_arguments"):
            if found not in wrapped:
                wrapped[found] = _checking(found)
            if wrapped[found] is not found:
                setattr(cls, name, wrapped[found])
    return cls


def _checking(function: FunctionType) -> Any:
    """A function that looks at its arguments first; the same one where there is nothing to look at."""
    names = list(inspect.signature(function).parameters)[1:]
    annotations = {
        name: text
        for name, text in function.__annotations__.items()
        # A flag counts by its truth, as everywhere in Python.
        if isinstance(text, str) and text.removesuffix(" | None") in _KINDS and text != "bool" and name != "return"
    }
    if not annotations:
        return function

    def checked(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        named = [
            check_argument(name, value, annotations[name]) if name in annotations else value
            for name, value in zip(names, args, strict=False)
        ]
        return [*named, *args[len(named) :]], {
            name: check_argument(name, value, annotations[name]) if name in annotations else value
            for name, value in kwargs.items()
        }

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run(self: Any, *args: Any, **kwargs: Any) -> Any:
            args_, kwargs_ = checked(args, kwargs)
            return await function(self, *args_, **kwargs_)

    else:

        @functools.wraps(function)
        def run(self: Any, *args: Any, **kwargs: Any) -> Any:
            args_, kwargs_ = checked(args, kwargs)
            return function(self, *args_, **kwargs_)

    run._checks_arguments = True  # type: ignore[attr-defined]
    return run
