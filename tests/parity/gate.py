"""A row of `docs/parity.tsv` whose tests did not pass fails the run.

`tests/conftest.py` registers `ParityGate` for a run with `--parity`, which has to be a run of everything (`.ci/run`).
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence

import pytest

from tests.parity.table import NOT_HERE, Row

__all__ = ["ParityGate", "unproven"]


def unproven(rows: Iterable[Row], outcomes: Mapping[str, str]) -> list[str]:
    """A line for each test of a row that did not pass, or that passed with some of its parameters only."""
    return [
        f"{row}: {why}"
        for row in rows
        if row.topic != NOT_HERE
        for why in [*(_why_not(test, outcomes) for test in row.tests), None if row.has_check else "has no check"]
        if why
    ]


def _why_not(test: str, outcomes: Mapping[str, str]) -> str | None:
    found = {node: outcome for node, outcome in outcomes.items() if node == test or node.startswith(f"{test}[")}
    bad = sorted(f"{node} {outcome}" for node, outcome in found.items() if outcome != "passed")
    if not found:
        return f"{test} did not run"
    return ", ".join(bad) or None


class ParityGate:
    """Collects how each test ended, and fails a session that leaves rows unproven."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._outcomes: dict[str, str] = {}
        self._missing: list[str] = []

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """What is deselected proves nothing."""
        for item in items:
            self._note(item.nodeid, "was deselected")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test passed if its call did and neither set-up nor tear-down failed."""
        if report.failed:
            self._note(report.nodeid, "failed")
        elif report.skipped:
            self._note(report.nodeid, "was expected to fail" if hasattr(report, "wasxfail") else "was skipped")
        elif report.when == "call":
            self._note(report.nodeid, "passed")

    def _note(self, node: str, outcome: str) -> None:
        if self._outcomes.get(node) != "failed":
            self._outcomes[node] = outcome

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A run that was fine so far fails if rows are unproven."""
        self._missing = unproven(self._rows, self._outcomes)
        if self._missing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the rows; pytest counts them in its closing line."""
        if self._missing:
            terminalreporter.section("rows of docs/parity.tsv whose tests did not pass")
            for line in self._missing:
                terminalreporter.line(line)
            terminalreporter.stats["unproven"] = [types.SimpleNamespace(line=line) for line in self._missing]
