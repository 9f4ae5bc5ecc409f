"""docs/limits.md: each row names a constant that has the value which the page says, and a test that exists."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "limits.md"

_UNITS = {
    "B": 1,
    "bytes": 1,
    "KiB": 2**10,
    "MiB": 2**20,
    "s": 1,
    "ms": 0.001,
    "min": 60,
    "h": 3600,
}


@attrs.frozen
class Row:
    what: str
    bound: str
    constant: str
    beyond: str
    test: str


def _rows() -> Iterator[Row]:
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        is_row = line.startswith("|") and len(cells) == len(attrs.fields(Row))
        if is_row and cells[0] != "what" and not set(line) <= set("|- "):
            yield Row(*cells)


ROWS = list(_rows())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_the_constant_has_the_value_of_the_page(row: Row) -> None:
    """The page cannot say another number than the source."""
    match = re.fullmatch(r"([0-9][0-9,.]*)(?: (\S.*))?", row.bound)
    assert match, f"{row.what}: the bound begins with a number: {row.bound!r}"
    number = float(match[1].replace(",", "")) * _UNITS.get((match[2] or "").split(" ")[0], 1)
    name = re.fullmatch(r"`(telnyx_agent(?:\.\w+)*)\.(\w+)`", row.constant)
    assert name, f"{row.what}: the constant is a full name in backticks: {row.constant}"
    assert getattr(importlib.import_module(name[1]), name[2]) == pytest.approx(number)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_the_test_exists(row: Row) -> None:
    """Each limit names its tests and what happens beyond it."""
    tests = re.findall(r"`([^`]+)::(\w+)`", row.test)
    assert tests, f"{row.what}: names no test"
    for file, name in tests:
        assert re.search(rf"^\s*(?:async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{name}"
    assert row.beyond, f"{row.what}: what happens beyond the bound?"


def test_each_bound_stands_once() -> None:
    """No constant has two rows."""
    names = [row.constant for row in ROWS]
    assert len(names) == len(set(names))
