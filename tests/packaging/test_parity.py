"""`docs/parity.tsv` is true as far as can be seen without running its tests; `.ci/run` looks whether they pass.

Its names exist, its tests exist, the page is made from it, and every claim of the three documentation pages is in it.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import os
import re
import subprocess
from collections import Counter
from pathlib import Path

import attrs
import pytest

from tests.support import parity_table
from tests.support.parity_table import NOT_HERE, Row

ROOT = Path(__file__).resolve().parents[2]
ROWS = parity_table.read()
HERE = [row for row in ROWS if row.topic != NOT_HERE]
HEADER = "topic\tofficial\tpython\ttests\tremark\n"


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


def ids(row: Row) -> str:
    return f"line {row.line}"


def test_the_page_is_up_to_date() -> None:
    """`scripts/parity` has been run, and can be."""
    done = subprocess.run([ROOT / "scripts" / "parity", "--check"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert os.access(ROOT / "scripts" / "parity", os.X_OK)


@pytest.mark.parametrize("row", HERE, ids=ids)
def test_a_row_has_names_and_tests_that_exist(row: Row) -> None:
    """Whether they pass is looked at when everything has run."""
    assert row.python, f"{row} names nothing of ours"
    wrong = {name: why for name in row.python if (why := resolve(name)) is not None}
    assert not wrong, str(row)
    assert row.tests, f"{row} names no test"
    for test in row.tests:
        path, _, function = test.partition("::")
        assert (ROOT / path).is_file(), f"{row}: {path}"
        assert function.partition("[")[0] in functions(path), f"{row}: {test}"


def test_what_is_left_out_has_a_reason() -> None:
    """And neither a name nor a test."""
    left_out = [row for row in ROWS if row.topic == NOT_HERE]
    assert left_out
    assert [str(row) for row in left_out if row.python or row.tests or not row.remark or not row.official] == []


def test_nothing_is_there_twice() -> None:
    """The same official names for the same of ours; a topic that is taken up again."""
    pairs = Counter((tuple(row.official.items()), row.python) for row in ROWS)
    assert [pair for pair, count in pairs.items() if count > 1] == []
    assert [row.line for row in ROWS if len(set(row.tests)) < len(row.tests)] == []
    begins = [
        row.topic for before, row in zip([None, *ROWS], ROWS, strict=False) if not before or before.topic != row.topic
    ]
    assert len(begins) == len(set(begins))


def test_every_claim_of_the_documentation_has_a_row() -> None:
    """Each test of `tests/seeds` that is named after a claim of the three pages."""
    claimed = {
        f"tests/seeds/{path.name}::{name}"
        for path in (ROOT / "tests" / "seeds").glob("test_*.py")
        for name in functions(f"tests/seeds/{path.name}")
        if re.match(r"test_[iaf]_\d\d_", name)
    }
    assert len(claimed) == 66
    assert claimed <= {test for row in ROWS for test in row.tests if len(row.tests) == 1}


@pytest.mark.parametrize("name", ["TxClient.no_such_thing", "no_such_module.x", "TxClient.new_call(no_such)", "a/b.py"])
def test_names_that_do_not_exist_are_found(name: str) -> None:
    """The check above can fail."""
    assert resolve(name)


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
        parity_table.read(path)


def test_a_row_becomes_a_line_of_the_page(tmp_path: Path) -> None:
    """Columns that nothing is in are left out; names are code, sentences are not; `|` is no column."""
    path = tmp_path / "parity.tsv"
    row = "Client\tiOS: a(b: c), D; Flutter: three words here\tTxClient.calls\ttests/x.py::test_y\ta|b"
    path.write_text(f"{HEADER}{row}\n", encoding="utf-8")
    assert parity_table.page(parity_table.read(path)).partition("## Client\n\n")[2] == (
        "| iOS | Flutter | here | remark | proved by |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| `a(b: c)`, `D` | three words here | `TxClient.calls` | a\\|b | [x](../tests/x.py) |\n"
    )
