"""What a tool's type hints say: its arguments, converted from the agent's JSON, and described as JSON Schema.

Pure. The agent is a language model: it may send a number as a text, leave things out or make some up. What can be
understood is converted; what cannot becomes a `ToolArgumentError`, whose text the agent gets and can act upon.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import inspect
import json
import math
import types
import typing
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Union

import attrs

from ..errors import ClientConfigurationError, in_words

__all__ = ["Signature", "ToolArgumentError", "convert"]

_NONE = type(None)
_TEXT_FORMS: dict[type, tuple[Callable[[str], Any], str]] = {
    datetime.datetime: (datetime.datetime.fromisoformat, "date-time"),
    datetime.date: (datetime.date.fromisoformat, "date"),
    datetime.time: (datetime.time.fromisoformat, "time"),
    uuid.UUID: (uuid.UUID, "uuid"),
    decimal.Decimal: (decimal.Decimal, "decimal"),
}
"""Types that JSON has only as texts: what makes one of a text, and the name of the format."""


class ToolArgumentError(ValueError):
    """The agent's arguments are not those that the tool takes. Its text is for the agent, and quotes no value."""


@attrs.frozen
class _Parameter:
    name: str
    hint: Any
    is_required: bool
    default: Any = None


@attrs.frozen
class Signature:
    """The parameters of a tool.

    Attributes:
        parameters: In their order.
        takes_others: Whether further arguments are taken (`**kwargs`), as they are.
    """

    parameters: tuple[_Parameter, ...]
    takes_others: bool = False

    @classmethod
    def of(cls, function: Callable[..., object], name: str) -> Signature:
        """The signature of a function.

        Raises:
            ClientConfigurationError: It has a parameter that cannot be given by name, or a hint that JSON cannot fill.
        """
        try:
            inner = getattr(function, "func", function)  # of a `functools.partial`
            hints = _hints(inner if inspect.isroutine(inner) else type(inner).__call__)
            described = inspect.signature(function)
            return cls._made_of(described, hints, name)
        except ClientConfigurationError:
            raise
        except Exception as exc:  # the hints are code of the program's, and texts of it
            raise ClientConfigurationError(
                f"the tool {name} has parameters or type hints that cannot be read ({in_words(exc)}); "
                "give a function of your own with simple hints"
            ) from exc

    @classmethod
    def _made_of(cls, described: inspect.Signature, hints: Mapping[str, Any], name: str) -> Signature:
        found = []
        takes_others = False
        for parameter in described.parameters.values():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                takes_others = True
            elif parameter.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL):
                raise ClientConfigurationError(
                    f"the tool {name} takes {parameter.name} by position; the agent gives its arguments by name"
                )
            else:
                hint = hints.get(parameter.name, Any)
                _check_hint(hint, f"{name}({parameter.name})")
                required = parameter.default is inspect.Parameter.empty
                found.append(_Parameter(parameter.name, hint, required, None if required else parameter.default))
        return cls(tuple(found), takes_others)

    def read(self, arguments: str) -> dict[str, Any]:
        """The arguments to call the tool with.

        Args:
            arguments: JSON as the agent sent it; nothing at all stands for no arguments.

        Raises:
            ToolArgumentError: They are no JSON object, or do not fit.
        """
        try:
            values = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError) as exc:
            raise ToolArgumentError("the arguments are not valid JSON") from exc
        if not isinstance(values, dict):
            raise ToolArgumentError(f"the arguments must be a JSON object, not {_kind(values)}")
        known = {parameter.name for parameter in self.parameters}
        unknown = sorted(set(values) - known)
        if unknown and not self.takes_others:
            takes = ", ".join(sorted(known)) or "none"
            raise ToolArgumentError(f"unknown argument(s) {', '.join(unknown)}; the tool takes: {takes}")
        missing = [one.name for one in self.parameters if one.is_required and one.name not in values]
        if missing:
            raise ToolArgumentError(f"missing argument(s): {', '.join(missing)}")
        given = [one for one in self.parameters if one.name in values]
        read = {one.name: convert(values[one.name], one.hint, one.name) for one in given}
        return {**{name: values[name] for name in unknown}, **read}

    def schema(self) -> dict[str, Any]:
        """The parameters as JSON Schema, as the assistant's tool is described to Telnyx."""
        properties = {}
        for one in self.parameters:
            described = _schema(one.hint)
            if not one.is_required and isinstance(one.default, (str, int, float, bool)):
                described["default"] = one.default.value if isinstance(one.default, enum.Enum) else one.default
            properties[one.name] = described
        schema: dict[str, Any] = {"type": "object", "properties": properties}
        required = [one.name for one in self.parameters if one.is_required]
        return {**schema, "required": required} if required else schema


# -- values ------------------------------------------------------------------------------------------------------------


def convert(value: Any, hint: Any, where: str) -> Any:
    """A value of JSON as what a type hint wants.

    Raises:
        ToolArgumentError: It cannot be.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is object:
        return value
    if origin is typing.Annotated:
        return convert(value, inner[0], where)
    if origin in (Union, types.UnionType):
        return _convert_union(value, inner, where)
    if origin is Literal:
        return _convert_choice(value, {choice: choice for choice in inner}, where)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _convert_enum(value, hint, where)
    if hint in _SIMPLE:
        return _SIMPLE[hint](value, where)
    if hint in _TEXT_FORMS:
        return _convert_text_form(value, hint, where)
    kind = origin or hint
    if kind in _SEQUENCES:
        return _convert_list(value, kind, inner, where)
    if kind in _MAPPINGS:
        return _convert_dict(value, inner, where)
    return _convert_record(value, hint, where)


def _convert_text(value: Any, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)  # an order number that happens to have digits only
    raise _wrong(where, "a text", value)


def _convert_integer(value: Any, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError as exc:
            raise _wrong(where, "an integer", value) from exc
    raise _wrong(where, "an integer", value)


def _convert_number(value: Any, where: str) -> float:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError) as exc:
            raise _wrong(where, "a number", value) from exc
        if math.isfinite(number):
            return number
    raise _wrong(where, "a number", value)


def _convert_truth(value: Any, where: str) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "false": False}
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    raise _wrong(where, "true or false", value)


def _convert_nothing(value: Any, where: str) -> None:
    if value is not None:
        raise _wrong(where, "null", value)


_SIMPLE: dict[Any, Callable[[Any, str], Any]] = {
    str: _convert_text,
    int: _convert_integer,
    float: _convert_number,
    bool: _convert_truth,
    None: _convert_nothing,
    _NONE: _convert_nothing,
}
_SEQUENCES: dict[Any, Callable[[Any], Any]] = {
    list: list,
    Sequence: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
}
_MAPPINGS = frozenset({dict, Mapping})


def _convert_union(value: Any, members: Sequence[Any], where: str) -> Any:
    # What fits as it is goes before what has to be converted: `int | str` keeps "12" a text.
    for member in members:
        if isinstance(member, type) and type(value) is member:
            return value
    errors = []
    for member in members:
        try:
            return convert(value, member, where)
        except ToolArgumentError as exc:
            errors.append(exc)
    raise errors[0] if len(members) == 2 and _NONE in members else _wrong(where, _names(members), value)


def _convert_choice(value: Any, choices: Mapping[Any, Any], where: str) -> Any:
    for choice, meant in choices.items():
        if type(choice) is type(value) and choice == value:
            return meant
    for choice, meant in choices.items():
        if str(choice).lower() == str(value).lower() and not isinstance(value, (dict, list)):
            return meant
    raise ToolArgumentError(f"argument {where} must be one of {', '.join(map(str, choices))}")


def _convert_enum(value: Any, hint: type[enum.Enum], where: str) -> Any:
    choices: dict[Any, enum.Enum] = {member.value: member for member in hint if _is_hashable(member.value)}
    try:
        return _convert_choice(value, choices, where)
    except ToolArgumentError:
        if isinstance(value, str) and value in hint.__members__:
            return hint.__members__[value]
        raise


def _convert_text_form(value: Any, hint: type, where: str) -> Any:
    make, form = _TEXT_FORMS[hint]
    try:
        # Until Python 3.11 the letter for UTC was not understood.
        text = value[:-1] + "+00:00" if form == "date-time" and value.endswith("Z") else str(value)
        return make(text)
    except (ValueError, AttributeError, decimal.InvalidOperation) as exc:
        raise ToolArgumentError(f"argument {where} must be a text in the format {form}") from exc


def _convert_list(value: Any, kind: Any, inner: Sequence[Any], where: str) -> Any:
    if not isinstance(value, list):
        raise _wrong(where, "a list", value)
    if kind is tuple and inner and inner[-1] is not Ellipsis:
        if len(value) != len(inner):
            raise ToolArgumentError(f"argument {where} must have {len(inner)} elements, not {len(value)}")
        hints = list(inner)
    else:
        hints = [inner[0] if inner else Any] * len(value)
    return _SEQUENCES[kind](
        [convert(one, hint, f"{where}[{i}]") for i, (one, hint) in enumerate(zip(value, hints, strict=True))]
    )


def _convert_dict(value: Any, inner: Sequence[Any], where: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _wrong(where, "an object", value)
    keys, values = inner or (str, Any)
    return {convert(key, keys, where): convert(one, values, f"{where}.{key}") for key, one in value.items()}


def _convert_record(value: Any, hint: Any, where: str) -> Any:
    """A dataclass, an attrs class or a `TypedDict`."""
    if not isinstance(value, dict):
        raise _wrong(where, "an object", value)
    fields = _record_fields(hint)
    assert fields is not None  # `_check_hint` has let only such through
    unknown = sorted(set(value) - set(fields))
    if unknown:
        raise ToolArgumentError(f"argument {where} has unknown member(s): {', '.join(unknown)}")
    missing = [name for name, (_, required) in fields.items() if required and name not in value]
    if missing:
        raise ToolArgumentError(f"argument {where} lacks: {', '.join(missing)}")
    members = {name: convert(one, fields[name][0], f"{where}.{name}") for name, one in value.items()}
    try:
        return hint(**members)
    except (TypeError, ValueError) as exc:
        raise ToolArgumentError(f"argument {where} was refused: {exc}") from exc


def _record_fields(hint: Any) -> dict[str, tuple[Any, bool]] | None:
    """The members of a record type: hint, and whether it is required; None for other types."""
    if not isinstance(hint, type):
        return None
    if typing.is_typeddict(hint):
        required: frozenset[str] = getattr(hint, "__required_keys__", frozenset())
        return {name: (one, name in required) for name, one in _hints(hint).items()}
    if dataclasses.is_dataclass(hint):
        hints = _hints(hint)
        empty = dataclasses.MISSING
        return {
            one.name: (hints[one.name], one.default is empty and one.default_factory is empty)
            for one in dataclasses.fields(hint)
            if one.init
        }
    if attrs.has(hint):
        hints = _hints(hint)
        return {
            one.alias: (hints.get(one.name, Any), one.default is attrs.NOTHING)
            for one in attrs.fields(hint)
            if one.init
        }
    return None


def _hints(owner: Any) -> dict[str, Any]:
    return typing.get_type_hints(owner, include_extras=True)


def _check_hint(hint: Any, where: str, around: tuple[Any, ...] = ()) -> None:
    """Refuse at registration what no JSON value can become. `around` are the records that it is in."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:  # first: what it is annotated with may be anything, also what has no hash
        _check_hint(inner[0], where, around)
        return
    if origin is Literal or hint in _SIMPLE or hint in _TEXT_FORMS or hint in (Any, object):
        return
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return
    kind = origin or hint
    if kind in (Union, types.UnionType) or kind in _SEQUENCES or kind in _MAPPINGS:
        for one in inner:
            if one is not Ellipsis:
                _check_hint(one, where, around)
        return
    fields = _record_fields(hint)
    if fields is None:
        raise ClientConfigurationError(f"the tool's argument {where} has the type {_names([hint])}, which JSON has not")
    if hint not in around:
        for name, (one, _) in fields.items():
            _check_hint(one, f"{where}.{name}", (*around, hint))


# -- JSON Schema -------------------------------------------------------------------------------------------------------


def _schema(hint: Any, around: tuple[Any, ...] = ()) -> dict[str, Any]:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        notes = [note for note in inner[1:] if isinstance(note, str)]
        return {**_schema(inner[0], around), **({"description": notes[0]} if notes else {})}
    simple = {str: "string", int: "integer", float: "number", bool: "boolean", None: "null", _NONE: "null"}
    if hint in simple:
        return {"type": simple[hint]}
    if hint in _TEXT_FORMS:
        return {"type": "string", "format": _TEXT_FORMS[hint][1]}
    if origin in (Union, types.UnionType):
        members = [_schema(one, around) for one in inner if one is not _NONE]
        return members[0] if len(members) == 1 else {"anyOf": members}
    if origin is Literal:
        return {"enum": list(inner)}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [member.value for member in hint]}
    kind = origin or hint
    if kind in _SEQUENCES:
        return {"type": "array", **({"items": _schema(inner[0], around)} if inner else {})}
    if kind in _MAPPINGS:
        return {"type": "object", **({"additionalProperties": _schema(inner[1], around)} if inner else {})}
    fields = _record_fields(hint)
    if fields is None:
        return {}
    if hint in around:
        return {"type": "object"}
    properties = {name: _schema(one, (*around, hint)) for name, (one, _) in fields.items()}
    return {"type": "object", "properties": properties, "required": [n for n, (_, needed) in fields.items() if needed]}


# -- texts ----------------------------------------------------------------------------------------------------------


def _is_hashable(value: object) -> bool:
    return getattr(type(value), "__hash__", None) is not None


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", _NONE: "null"}
    return kinds.get(type(value), "a number")


def _names(hints: Sequence[Any]) -> str:
    return " or ".join(str(getattr(hint, "__name__", hint)) for hint in hints)


def _wrong(where: str, expected: str, value: object) -> ToolArgumentError:
    return ToolArgumentError(f"argument {where} must be {expected}, not {_kind(value)}")
