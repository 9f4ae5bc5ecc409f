"""Checks of the arguments of public methods, by their annotations, when they are called and before anything is done.

Python says nothing of an argument of a wrong type until something inside fails on it, perhaps on another thread, where
the caller never hears of it. `checked_arguments` says it to the caller, with the name of the argument. What only a
method itself can know (ranges, what a text means) it checks itself.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any, TypeVar
from uuid import UUID

from .errors import ClientConfigurationError

__all__ = ["check_argument", "checked_arguments", "is_number"]

_C = TypeVar("_C", bound=type)


def is_number(value: object) -> bool:
    """Whether this is a number, infinite ones included."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_id(value: object) -> bool:
    return isinstance(value, (str, UUID))


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
    "Iterable[AudioCodec | Mapping[str, Any] | str]": (_is_list, "a list of codecs, such as ['opus', 'PCMU']"),
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
    "str": (lambda value: isinstance(value, str), "a text"),
    "str | Iterable[str]": (lambda value: isinstance(value, str) or _is_list(value), "a text, or a list of texts"),
    "str | bytes": (lambda value: isinstance(value, (str, bytes)), "a text or bytes"),
    "str | os.PathLike[str]": (lambda value: isinstance(value, str) or hasattr(value, "__fspath__"), "a path"),
    "uuid.UUID | str": (_is_id, "a UUID or its text"),
}
"""What an annotation lets through, and how it is said. Annotations that are not here are not checked."""


def check_argument(name: str, value: object, annotation: str) -> None:
    """Refuse a value that is none of what its annotation says.

    Raises:
        ClientConfigurationError: It is not; the text names the argument, what it may be and what came.
    """
    kind = annotation.removesuffix(" | None")
    rule = _KINDS.get(kind)
    if rule is None or (value is None and kind != annotation):
        return
    fits, wanted = rule
    if name == "timeout" and not (is_number(value) and value >= 0):  # type: ignore[operator]
        fits, wanted = _never, "0 or more seconds"
    if not fits(value):
        # Never the value: it may be a secret, or what was said.
        what = repr(value) if value is None or isinstance(value, (int, float)) else type(value).__name__
        none = ", or None" if kind != annotation else ""
        raise ClientConfigurationError(f"{name} must be {wanted}{none}, not {what}")


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

    def check(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        for name, value in [*zip(names, args, strict=False), *kwargs.items()]:
            if name in annotations:
                check_argument(name, value, annotations[name])

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run(self: Any, *args: Any, **kwargs: Any) -> Any:
            check(args, kwargs)
            return await function(self, *args, **kwargs)

    else:

        @functools.wraps(function)
        def run(self: Any, *args: Any, **kwargs: Any) -> Any:
            check(args, kwargs)
            return function(self, *args, **kwargs)

    run._checks_arguments = True  # type: ignore[attr-defined]
    return run
