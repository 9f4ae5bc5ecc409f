"""`gate`: a run that leaves a row of docs/parity.tsv unproven fails; on small suites in other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]

CONFTEST = """
from pathlib import Path
from tests.parity.gate import ParityGate
from tests.parity.table import read

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(ParityGate(read(Path("parity.tsv"))))
"""

SUITE = """
import pathlib
import pytest

@pytest.fixture
def untidy():
    yield
    assert pathlib.Path("tidy").exists()

def test_good():
    pass

@pytest.mark.parametrize("count", [1, 2])
def test_counted(count):
    assert count == 1 or pathlib.Path("works").exists()

def test_skipped():
    pytest.skip("no bagpipes")

@pytest.mark.xfail
def test_expected():
    raise AssertionError

def test_behind(untidy):
    pass
"""


class Suite:
    """A folder with a table of one row and the suite above."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
        (folder / "test_it.py").write_text(SUITE, encoding="utf-8")

    def rows(self, *tests: str) -> None:
        lines = [f"Client\tiOS: name{n}\tTxClient\t{test}\t-" for n, test in enumerate(tests)]
        text = "\n".join(["topic\tofficial\tpython\tchecks\tremark", *lines]) + "\n"
        (self.folder / "parity.tsv").write_text(text, encoding="utf-8")

    def run(self, *arguments: str) -> tuple[int, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "TELNYX"))}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:telnyx_agent", *arguments],
            cwd=self.folder,
            env={**environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=50,
        )
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return done.returncode, done.stdout


@pytest.fixture(name="suite")
def _suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


def test_rows_that_are_proven_change_nothing(suite: Suite) -> None:
    """One test, or one with one of its parameters."""
    suite.rows("test_it.py::test_good", "test_it.py::test_counted[1]")
    status, output = suite.run("-k", "good or counted and 1")
    assert status == 0
    assert "parity" not in output


def test_processes_that_share_the_tests_prove_what_they_ran_together(suite: Suite) -> None:
    """What failed in one of them, in its tear-down perhaps, fails the run."""
    pytest.importorskip("xdist")
    suite.rows("test_it.py::test_good", "test_it.py::test_counted", "test_it.py::test_skipped")
    (suite.folder / "works").touch()
    status, output = suite.run("-n", "2", "-k", "good or counted or skipped")
    assert status == 1
    assert output.count("docs/parity.tsv:") == 1
    assert "docs/parity.tsv:4: iOS name2 (Client): " in output
    suite.rows("test_it.py::test_good", "test_it.py::test_counted", "test_it.py::test_behind")
    status, output = suite.run("-n", "2", "-k", "good or counted or behind")
    assert status == 1
    (suite.folder / "tidy").touch()
    status, output = suite.run("-n", "2", "-k", "good or counted or behind")
    assert status == 0, output
    assert "parity" not in output


@pytest.mark.parametrize(
    ("test", "why", "arguments"),
    [
        ("test_it.py::test_skipped", "was skipped", ["-k", "good or skipped"]),
        ("test_it.py::test_expected", "was expected to fail", ["-k", "good or expected"]),
        ("test_it.py::test_counted", "was deselected", ["-k", "good"]),
        ("test_it.py::test_counted", "test_counted[2] was deselected", ["-k", "good or counted and 1"]),
        ("test_it.py::test_missing", "did not run", ["-k", "good"]),
        ("-", "has no check", ["-k", "good"]),
    ],
)
def test_a_row_without_a_passing_test_fails_a_good_run(suite: Suite, test: str, why: str, arguments: list[str]) -> None:
    """It is named with its line, and pytest's closing line still is the last one."""
    suite.rows("test_it.py::test_good", test)
    status, output = suite.run(*arguments)
    assert status == 1
    assert "docs/parity.tsv:3: iOS name1 (Client): " in output
    assert why in output
    assert "docs/parity.tsv:2" not in output
    assert "1 unproven" in output.splitlines()[-1]
