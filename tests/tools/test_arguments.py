"""A tool's arguments from its type hints: what the agent may send, and what it is told otherwise."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Optional, TypedDict

import attrs
import pytest

from telnyx_agent import ClientConfigurationError
from telnyx_agent._tools.arguments import Signature, ToolArgumentError, convert
from telnyx_agent._tools.runner import make_tool


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class Address:
    street: str
    number: int = 1


@attrs.frozen
class Item:
    name: str
    sizes: list[Size] = attrs.field(factory=list)


class Row(TypedDict, total=False):
    key: str
    count: int


@dataclasses.dataclass
class Tree:
    name: str
    child: Optional[Tree] = None  # noqa: UP045 - both spellings are to be understood


GOOD: list[tuple[Any, Any, Any]] = [
    (str, "a", "a"),
    (str, 1001, "1001"),
    (int, 5, 5),
    (int, 5.0, 5),
    (int, "17", 17),
    (float, 2, 2.0),
    (float, "2.5", 2.5),
    (bool, True, True),
    (bool, "false", False),
    (None, None, None),
    (Any, {"a": [1]}, {"a": [1]}),
    (Optional[int], None, None),  # noqa: UP045
    (int | None, "3", 3),
    (int | str, "12", "12"),
    (int | str, 12, 12),
    (list[int], ["1", 2], [1, 2]),
    (Sequence[float], [1], [1.0]),
    (tuple[int, str], [1, "a"], (1, "a")),
    (tuple[int, ...], [1, 2], (1, 2)),
    (set[str], ["a", "a"], {"a"}),
    (dict[str, int], {"a": "1"}, {"a": 1}),
    (Mapping[str, list[bool]], {"a": [True]}, {"a": [True]}),
    (list, [1, "a"], [1, "a"]),
    (Size, "s", Size.SMALL),
    (Size, "LARGE", Size.LARGE),
    (Level, 2, Level.HIGH),
    (Level, "1", Level.LOW),
    (Literal["red", 3], "RED", "red"),
    (Literal["red", 3], 3, 3),
    (Address, {"street": "Main"}, Address("Main")),
    (Item, {"name": "tea", "sizes": ["l"]}, Item("tea", [Size.LARGE])),
    (Row, {"key": "a"}, {"key": "a"}),
    (Tree, {"name": "a", "child": {"name": "b"}}, Tree("a", Tree("b"))),
    (Annotated[int, "how many"], "4", 4),
    (datetime.date, "2026-11-21", datetime.date(2026, 11, 21)),
    (datetime.datetime, "2026-11-21T10:00:00Z", datetime.datetime(2026, 11, 21, 10, tzinfo=datetime.timezone.utc)),
    (uuid.UUID, "074e7e59-6859-4b8b-8743-83df82e7f776", uuid.UUID("074e7e59-6859-4b8b-8743-83df82e7f776")),
    (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
]

BAD: list[tuple[Any, Any, str]] = [
    (str, True, "argument x must be a text, not true or false"),
    (str, ["a"], "argument x must be a text, not a list"),
    (int, "five", "argument x must be an integer, not a text"),
    (int, 1.5, "argument x must be an integer, not a number"),
    (int, True, "argument x must be an integer"),
    (float, "nan", "argument x must be a number"),
    (bool, 1, "argument x must be true or false"),
    (Optional[int], "x", "argument x must be an integer"),  # noqa: UP045
    (int | bool, "x", "argument x must be int or bool"),
    (list[int], {"a": 1}, "argument x must be a list, not an object"),
    (list[int], [1, "b"], r"argument x\[1\] must be an integer"),
    (tuple[int, str], [1], "argument x must have 2 elements, not 1"),
    (dict[str, int], [1], "argument x must be an object, not a list"),
    (dict[str, int], {"a": "b"}, "argument x.a must be an integer"),
    (Size, "medium", "argument x must be one of s, l"),
    (Literal["red"], ["red"], "argument x must be one of red"),
    (Address, {"number": 1}, "argument x lacks: street"),
    (Address, {"street": "a", "floor": 1}, r"argument x has unknown member\(s\): floor"),
    (Address, "Main", "argument x must be an object"),
    (datetime.date, "tomorrow", "argument x must be a text in the format date"),
    (datetime.datetime, 12, "argument x must be a text in the format date-time"),
    (decimal.Decimal, "much", "argument x must be a text in the format decimal"),
]


@pytest.mark.parametrize(("hint", "value", "meant"), GOOD)
def test_what_fits_is_converted(hint: Any, value: Any, meant: Any) -> None:
    """To exactly the type that the hint names."""
    found = convert(value, hint, "x")
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(("hint", "value", "text"), BAD)
def test_what_does_not_fit_is_said(hint: Any, value: Any, text: str) -> None:
    """Naming the argument and what it should be; the value itself is not quoted."""
    with pytest.raises(ToolArgumentError, match=text) as caught:
        convert(value, hint, "x")
    assert "tomorrow" not in str(caught.value)


def order(order_id: str, count: int = 1, *, size: Size = Size.SMALL) -> str:
    """Look an order up.

    Not for the agent.
    """
    return f"{order_id} {count} {size}"


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ('{"order_id": "1"}', {"order_id": "1"}),
        ('{"order_id": 7, "count": "2", "size": "l"}', {"order_id": "7", "count": 2, "size": Size.LARGE}),
    ],
)
def test_arguments_are_read_by_name(arguments: str, values: dict[str, Any]) -> None:
    """Those that the agent left out have their defaults."""
    assert Signature.of(order, "order").read(arguments) == values


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("{}", r"missing argument\(s\): order_id"),
        ("", r"missing argument\(s\): order_id"),
        ('{"order_id": "1", "colour": "red"}', r"unknown argument\(s\) colour; the tool takes: count, order_id, size"),
        ("[1]", "must be a JSON object, not a list"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_arguments_that_do_not_fit(arguments: str, text: str) -> None:
    """The text tells the agent what would."""
    with pytest.raises(ToolArgumentError, match=text):
        Signature.of(order, "order").read(arguments)


def test_other_forms_of_functions() -> None:
    """Methods, partial functions, callable objects, `**kwargs`, no hints at all."""

    class Desk:
        def look(self, order_id: int) -> int:
            return order_id

        def __call__(self, count: int) -> int:
            return count

    def anything(first: Any = None, **others: Any) -> None:
        """Takes all."""

    assert Signature.of(Desk().look, "look").read('{"order_id": "3"}') == {"order_id": 3}
    assert Signature.of(Desk(), "desk").read('{"count": "3"}') == {"count": 3}
    assert Signature.of(functools.partial(order, count=2), "order").read('{"order_id": 3}') == {"order_id": "3"}
    assert Signature.of(anything, "anything").read('{"first": 1, "second": [2]}') == {"first": 1, "second": [2]}
    assert Signature.of(lambda a, b: None, "two").read('{"a": 1, "b": "c"}') == {"a": 1, "b": "c"}


def test_records_that_contain_themselves() -> None:
    """Are taken, however deep."""

    def plant(tree: Tree) -> None:
        """Plant it."""

    tool = make_tool(plant, None, None)
    assert tool.signature.read('{"tree": {"name": "a", "child": {"name": "b"}}}') == {"tree": Tree("a", Tree("b"))}
    assert tool.definition()["parameters"]["properties"]["tree"]["properties"]["child"] == {"type": "object"}


def by_position(order_id: str, /) -> None: ...


def any_number(*order_ids: str) -> None: ...


def of_no_json_type(where: complex) -> None: ...


def of_no_such_type(where: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
    ...


def with_inner_type(where: list[dict[str, bytes]]) -> None: ...


@pytest.mark.parametrize("function", [by_position, any_number, of_no_json_type, of_no_such_type, with_inner_type])
def test_functions_that_cannot_be_tools(function: Callable[..., None]) -> None:
    """Are refused when they are registered, not when the agent asks."""
    with pytest.raises(ClientConfigurationError, match=r"tool"):
        make_tool(function, None, 1.0)


@pytest.mark.parametrize(
    ("function", "name", "timeout", "text"),
    [
        ("order", None, 1.0, "must be a function"),
        (lambda: None, None, 1.0, "needs a name"),
        (order, " ", 1.0, "needs a name"),
        (order, None, 0, "more than 0 seconds"),
        (order, None, float("nan"), "more than 0 seconds"),
        (order, None, "soon", "more than 0 seconds"),
    ],
)
def test_what_else_is_refused(function: Any, name: str | None, timeout: Any, text: str) -> None:
    """No function, no name, no time."""
    with pytest.raises(ClientConfigurationError, match=text):
        make_tool(function, name, timeout)


def test_definition_for_the_portal() -> None:
    """Name, description and JSON Schema from name, docstring and hints."""

    def book(
        when: datetime.date,
        people: Annotated[int, "how many will come"],
        menu: Literal["meat", "fish"] | None = None,
        extras: Sequence[str] = (),
        size: Size = Size.SMALL,
        address: Address | None = None,
        notes: dict[str, float] | None = None,
        late: bool = False,
    ) -> None:
        """Book a table."""

    assert make_tool(book, None, None).definition() == {
        "name": "book",
        "description": "Book a table.",
        "parameters": {
            "type": "object",
            "properties": {
                "when": {"type": "string", "format": "date"},
                "people": {"type": "integer", "description": "how many will come"},
                "menu": {"enum": ["meat", "fish"]},
                "extras": {"type": "array", "items": {"type": "string"}},
                "size": {"enum": ["s", "l"]},
                "address": {
                    "type": "object",
                    "properties": {"street": {"type": "string"}, "number": {"type": "integer"}},
                    "required": ["street"],
                },
                "notes": {"type": "object", "additionalProperties": {"type": "number"}},
                "late": {"type": "boolean", "default": False},
            },
            "required": ["when", "people"],
        },
    }
    assert make_tool(order, "other", None, "Mine.").definition()["description"] == "Mine."


def test_hints_are_annotated_with_anything() -> None:
    """Also with what has no hash, as other libraries do it."""

    def tool(a: Annotated[int, {"ge": 1}], b: Annotated[str, ["x"]] = "b") -> None: ...

    assert Signature.of(tool, "tool").read('{"a": "1"}') == {"a": 1}


class _Odd:
    def __hash__(self) -> int:
        raise RuntimeError("odd")


@pytest.mark.parametrize("hint", ["1/0", "a b", _Odd(), "missing.name"])
def test_hints_that_cannot_be_read(hint: object) -> None:
    """Whatever they raise: the tool is named, and what to do."""

    def tool(a: Any) -> None: ...

    tool.__annotations__["a"] = hint
    with pytest.raises(ClientConfigurationError, match=r"the tool t has .* cannot be read \(\w+Error: .*\); give"):
        Signature.of(tool, "t")
    with pytest.raises(ClientConfigurationError, match=r"the tool m has .* cannot be read"):
        Signature.of(max, "m")


def test_a_generator_is_no_tool() -> None:
    """Nothing of it would run."""

    def generator() -> Any:
        yield 1

    async def asynchronous() -> Any:
        yield 1

    for function in (generator, asynchronous, functools.partial(generator)):
        with pytest.raises(ClientConfigurationError, match="'yield'"):
            make_tool(function, "t", None)
