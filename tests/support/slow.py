"""Which tests a run has: those marked `slow` are left out unless they are asked for, and the run says so at its end.

`pytest` without more is what everybody runs all the time, so it takes less than three minutes on two cores. The others
are asked for with `--all` (`.ci/run`), with `-m`, or by naming a file or a test.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

__all__ = ["LIMIT", "SlowTests"]

LIMIT = 5.0
"""Seconds. A run names the tests that took longer and are not marked `slow`."""

_LEFT_OUT = "telnyx_agent_left_out"


class SlowTests:
    """Leaves slow tests out and counts them; a plug-in of pytest, with pytest-xdist or without."""

    def __init__(self, config: pytest.Config) -> None:
        self._is_all_wanted = bool(config.getoption("all_tests") or config.getoption("markexpr"))
        self._wanted = list(_named(config.args, config.invocation_params.dir))
        self._left_out = 0
        self._took: collections.defaultdict[str, float] = collections.defaultdict(float)
        self._slow: set[str] = set()

    @pytest.hookimpl(tryfirst=True, specname="pytest_collection_modifyitems")
    def pytest_mark_all_but_some(self, items: list[pytest.Item]) -> None:
        """`@pytest.mark.slow_except(3)`: a test with many parameters is slow, but for three of them."""
        groups: dict[str, list[pytest.Item]] = collections.defaultdict(list)
        for item in items:
            if item.get_closest_marker("slow_except"):
                groups[item.nodeid.partition("[")[0]].append(item)
        for group in groups.values():
            marker = group[0].get_closest_marker("slow_except")
            assert marker is not None
            kept = {round((number + 0.5) * len(group) / marker.args[0] - 0.5) for number in range(marker.args[0])}
            for number, item in enumerate(group):
                if number not in kept:
                    item.add_marker("slow")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect what is slow and was not asked for."""
        slow = {item for item in items if item.get_closest_marker("slow")}
        left_out = [] if self._is_all_wanted else [item for item in items if item in slow and not self._is_named(item)]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item not in slow or self._is_named(item)]
        self._left_out = len(left_out)

    def _is_named(self, item: pytest.Item) -> bool:
        name = item.nodeid.partition("::")[2]
        return any(item.path == path and name.startswith(beginning) for path, beginning in self._wanted)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up set-up, call and tear-down."""
        self._took[report.nodeid] += report.duration
        if "slow" in report.keywords:
            self._slow.add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Only the workers of pytest-xdist collect tests; they pass their count on."""
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_LEFT_OUT] = self._left_out

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """All workers have collected the same tests."""
        self._left_out = max(self._left_out, getattr(node, "workeroutput", {}).get(_LEFT_OUT, 0))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was left out, just before pytest's closing line."""
        long = [(seconds, node) for node, seconds in self._took.items() if seconds > LIMIT and node not in self._slow]
        if long:
            terminalreporter.section(f"took more than {LIMIT:g} s and are not marked slow")
            for seconds, node in sorted(long, reverse=True):
                terminalreporter.line(f"{seconds:6.1f} s  {node}")
        if self._left_out:
            terminalreporter.line("")
            terminalreporter.line(
                f"left out: {self._left_out:,} slow tests; run them too with: pytest -n 4 --all", bold=True
            )


def _named(arguments: Sequence[str], folder: Path) -> list[tuple[Path, str]]:
    """The files and tests that were named on the command line, not the folders."""
    named = []
    for argument in arguments:
        path, _, name = argument.partition("::")
        if (file := (folder / path).resolve()).is_file():
            named.append((file, name))
    return named
