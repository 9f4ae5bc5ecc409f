"""What goes back to the agent of a tool's result: a text or JSON, and never too much."""

from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

import pytest

from telnyx_agent._tools.results import to_output
from tests.tools.test_arguments import Address, Item, Size


@pytest.mark.parametrize(
    ("result", "output"),
    [
        ("shipped", "shipped"),
        (None, "null"),
        (True, "true"),
        ({"state": "größer"}, '{"state": "größer"}'),
        ([1, 2.5], "[1, 2.5]"),
        (Address("Main"), '{"street": "Main", "number": 1}'),
        (Item("tea", [Size.LARGE]), '{"name": "tea", "sizes": ["l"]}'),
        ({"when": datetime.date(2026, 11, 21)}, '{"when": "2026-11-21"}'),
        ({2, 1}, "[1, 2]"),
        (decimal.Decimal("1.10"), '"1.10"'),
    ],
)
def test_results_go_back_as_text_or_json(result: object, output: str) -> None:
    """A text as it is."""
    assert to_output(result) == output


@pytest.mark.parametrize("result", [object(), b"bytes", float("nan"), {1: object()}, Size])
def test_results_that_json_cannot_express(result: object) -> None:
    """Are an error, which the runner tells the agent."""
    with pytest.raises((TypeError, ValueError)):
        to_output(result)


def test_a_large_result_is_not_made_to_its_end() -> None:
    """Only so far that it is seen to be too large, and in pieces, so that other threads get their turn."""
    results = [datetime.date(2026, 1, 1)] * 1000
    assert 50 < len(to_output(results, limit=50)) < 100
    assert len(to_output(results, limit=14_000)) == 14_000


def test_a_result_that_contains_itself() -> None:
    """Too."""
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="Circular"):
        to_output(loop)
    assert json.loads(to_output([[]])) == [[]]
