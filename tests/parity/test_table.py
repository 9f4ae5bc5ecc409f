"""`docs/parity.tsv`, row by row: its names exist, its expressions are true, its tests are there; and how it is read.

Whether the tests of a row pass is seen when everything has run (`gate`, which `.ci/run` asks for).
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import math
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import telnyx_agent
from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import TelnyxClient
from telnyx_agent.testing import LocalAgent, Scenario
from tests.parity import table
from tests.parity.table import NOT_HERE, Row

ROOT = Path(__file__).resolve().parents[2]
ROWS = table.read()
HEADER = "\t".join(table.COLUMNS) + "\n"
STATEMENTS = [
    f"{page}-{number:02}" for page, count in (("i", 33), ("a", 20), ("f", 13)) for number in range(1, count + 1)
]
"""Those of the three pages on the anonymous login, in their order there; and how many there are."""
NOTES = [f"note {number}" for number in range(1, 6)]
"""How one program can be what all three pages say."""


def names_in(expression: str) -> set[str]:
    """Every name that an expression uses."""
    return {node.id for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Name)}


HERE = [row for row in ROWS if row.topic != NOT_HERE]
OF_A_CALL = [row for row in HERE if any(names_in(one) & {"client", "call"} for one in row.expressions)]


def number(row: Row) -> str:
    return f"line {row.line}"


@pytest.mark.parametrize("row", [row for row in HERE if row not in OF_A_CALL], ids=number)
def test_a_row(row: Row) -> None:
    """What it names exists, its tests are there, and its expressions are true."""
    check(row, vocabulary())


@pytest.mark.parametrize("row", OF_A_CALL, ids=number)
def test_a_row_about_a_call(row: Row, running: dict[str, Any]) -> None:
    """Likewise; in its expressions, `client` and `call` are those of a call that is up."""
    check(row, {**vocabulary(), **running})


def check(row: Row, known: dict[str, Any]) -> None:
    """Look at everything that can be seen in a moment."""
    assert row.python, f"{row} names nothing of ours"
    wrong = {name: why for name in row.python if (why := resolve(name)) is not None}
    assert not wrong, str(row)
    assert row.has_check, f"{row} has no check"
    for test in row.tests:
        path, _, function = test.partition("::")
        assert (ROOT / path).is_file(), f"{row}: {path}"
        assert function.partition("[")[0] in functions(path), f"{row}: {test}"
    for expression in row.expressions:
        tree = ast.parse(expression, mode="eval").body
        if isinstance(tree, ast.Compare) and [type(operator) for operator in tree.ops] == [ast.Eq]:
            # Apart, so that pytest shows what differs.
            left, right = (value(side, known) for side in (tree.left, *tree.comparators))
            assert left == right, f"{row}: {expression}"
        else:
            assert value(tree, known) is True, f"{row}: {expression}"


def value(node: ast.expr, known: dict[str, Any]) -> Any:
    """The value of an expression of the table."""
    return eval(compile(ast.Expression(node), "docs/parity.tsv", "eval"), known)


@functools.cache
def vocabulary() -> dict[str, Any]:
    """What expressions may name: everything public, in the modules in which it is, and a few of Python's own."""
    modules = ("audio", "codecs", "compat", "quality")
    return {
        **{name: getattr(telnyx_agent, name) for name in telnyx_agent.__all__},
        **{name: importlib.import_module(f"telnyx_agent.{name}") for name in modules},
        "inspect": inspect,
        "math": math,
    }


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, Any]]:
    """A client with Android's and Flutter's names, and its call, which is up; no row leaves them otherwise."""
    scenario = Scenario.fast()
    with LocalAgent(greeting="", voice="silent", ears="deaf", scenario=scenario, media=False) as agent:
        with TelnyxClient(audio=NullAudio()) as client:
            client.connect_anonymously(agent.configuration, "assistant-1").result(20)
            call = client.new_invite("Ann", "", "", "state")
            call.wait_until_active(20)
            yield {"client": client, "call": call}


# -- what the table names ----------------------------------------------------------------------------------------------


@functools.cache
def functions(path: str) -> frozenset[str]:
    """The tests of a file, those of classes as `Class::name`."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = set()
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        for one in inner:
            if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and one.name.startswith("test_"):
                found.add(prefix + one.name)
    return frozenset(found)


def resolve(name: str) -> str | None:
    """What is wrong with a name of the table, if anything."""
    if "/" in name:
        return None if (ROOT / name).is_file() else "there is no such file"
    dotted, _, arguments = name.rstrip(")").partition("(")
    if any(part.startswith("_") for part in dotted.split(".")):
        return "it is private"
    found: object = importlib.import_module("telnyx_agent")
    for part in dotted.split("."):
        nothing = object()
        value = getattr(found, part, nothing)
        if value is nothing and inspect.ismodule(found):
            try:
                value = importlib.import_module(f"{found.__name__}.{part}")
            except ImportError:
                return f"{found.__name__} has no {part}"
        if value is nothing and not _is_field(found, part):
            return f"{found!r} has no {part}"
        found = value
    if arguments:
        parameters = inspect.signature(found).parameters  # type: ignore[arg-type]
        missing = [argument for argument in arguments.split(", ") if argument not in parameters]
        if missing:
            return f"it does not take {', '.join(missing)}"
    return None


def _is_field(owner: object, name: str) -> bool:
    """Whether instances of a class have it, although the class itself does not."""
    if not inspect.isclass(owner):
        return False
    if attrs.has(owner) and name in attrs.fields_dict(owner):
        return True
    makers = (vars(cls).get("__init__") for cls in owner.__mro__ if cls.__module__.startswith("telnyx_agent"))
    sources = (inspect.getsource(maker) for maker in makers if maker is not None)
    return any(re.search(rf"^        self\.{name}(?:: .*)? = ", source, re.MULTILINE) for source in sources)


@pytest.mark.parametrize("name", ["TxClient.no_such_thing", "no_such_module.x", "TxClient.new_call(no_such)", "a/b.py"])
def test_names_that_do_not_exist_are_found(name: str) -> None:
    """The check above can fail."""
    assert resolve(name)


# -- the table as a whole ----------------------------------------------------------------------------------------------


def test_the_page_is_up_to_date() -> None:
    """`scripts/parity` has been run, and can be."""
    done = subprocess.run([ROOT / "scripts" / "parity", "--check"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert os.access(ROOT / "scripts" / "parity", os.X_OK)


def test_every_statement_of_the_three_pages_is_found_by_its_number() -> None:
    """In one row each, with those of the other pages that say the same."""
    found = [name for row in ROWS for names in row.official.values() for name in re.findall(r"\b[iaf]-\d\d\b", names)]
    assert Counter(found) == Counter(STATEMENTS)
    assert len(STATEMENTS) == 66
    assert sorted(name for row in ROWS for name in re.findall(r"\bnote \d\b", row.remark)) == NOTES


def test_what_is_left_out_has_a_reason() -> None:
    """And neither a name nor a check."""
    left_out = [row for row in ROWS if row.topic == NOT_HERE]
    assert left_out
    wrong = [str(row) for row in left_out if row.python or row.has_check or not row.remark or not row.official]
    assert wrong == []


def test_nothing_is_there_twice() -> None:
    """The same official names for the same of ours; a topic that is taken up again."""
    pairs = Counter((tuple(row.official.items()), row.python) for row in ROWS)
    assert [pair for pair, count in pairs.items() if count > 1] == []
    assert [row.line for row in ROWS if len(set(row.tests)) < len(row.tests)] == []
    begins = [
        row.topic for before, row in zip([None, *ROWS], ROWS, strict=False) if not before or before.topic != row.topic
    ]
    assert len(begins) == len(set(begins))


@pytest.mark.parametrize(
    "line",
    [
        "Client\tiOS: a\tTxClient\tt.py::test_x",
        "Client\tiOS: a\tTxClient \tt.py::test_x\t-",
        "\tiOS: a\tTxClient\tt.py::test_x\t-",
        "Client\tSymbian: a\tTxClient\tt.py::test_x\t-",
        "Client\tiOS: a; iOS: b\tTxClient\tt.py::test_x\t-",
        "Client\tiOS a\tTxClient\tt.py::test_x\t-",
        "Client\tiOS: a\tthe client\tt.py::test_x\t-",
    ],
)
def test_a_line_that_is_no_row_is_refused(tmp_path: Path, line: str) -> None:
    """With its number."""
    path = tmp_path / "parity.tsv"
    path.write_text(f"{HEADER}{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"parity\.tsv:2: "):
        table.read(path)


def test_a_row_becomes_a_line_of_the_page(tmp_path: Path) -> None:
    """Columns that nothing is in are left out; names are code, sentences are not; `|` is no column."""
    path = tmp_path / "parity.tsv"
    row = "Client\tiOS: a(b: c), D; Flutter: three words here\tTxClient.calls\ttests/x.py::test_y >>> 1 | 2 == 3\ta|b"
    path.write_text(f"{HEADER}{row}\n", encoding="utf-8")
    assert table.page(table.read(path)).partition("## Client\n\n")[2] == (
        "| iOS | Flutter | here | remark | checked by |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| `a(b: c)`, `D` | three words here | `TxClient.calls` | a\\|b | [x](../tests/x.py); `1 \\| 2 == 3` |\n"
    )
