"""Which tests a run has, and what it says of those that it left out, on a small suite in other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CONFTEST = """
from tests.support import slow
slow.LIMIT = 0.2

def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", dest="all_tests")

def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes long")
    config.pluginmanager.register(slow.SlowTests(config), "slow-tests")
"""

SUITE = """
import time
import pytest

def test_quick():
    pass

def test_long():
    time.sleep(0.3)

@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_slow(count):
    time.sleep(0.3)
"""


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_it.py").write_text(SUITE, encoding="utf-8")
    (tmp_path / "test_other.py").write_text(SUITE, encoding="utf-8")
    return tmp_path


def run(folder: Path, *arguments: str) -> list[str]:
    """The lines that pytest prints, from the first that is not about progress."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "TELNYX"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:telnyx_agent", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "arguments", [[], pytest.param(["."], marks=pytest.mark.slow), pytest.param(["-n", "2"], marks=pytest.mark.slow)]
)
def test_slow_tests_are_left_out_and_counted(folder: Path, arguments: list[str]) -> None:
    """The last line but one says how many there are and how to run them."""
    if "-n" in arguments:
        pytest.importorskip("xdist")
    lines = [line for line in run(folder, *arguments) if line]
    assert lines[-2] == "left out: 4 slow tests; run them too with: pytest -n 4 --all"
    assert " 4 passed" in lines[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        (["--all"], 8),
        (["-m", "slow"], 4),
        (["-m", "not slow"], 4),
        (["test_it.py"], 4),
        (["test_it.py::test_slow"], 2),
        (["./test_it.py::test_slow[1]"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_slow_tests_that_are_asked_for_are_run(folder: Path, arguments: list[str], passed: int) -> None:
    """All of them, by their marker, or by the name of a file or a test."""
    lines = run(folder, *arguments)
    assert not any(line.startswith("left out") for line in lines)
    assert f" {passed} passed" in lines[-1]


@pytest.mark.slow
def test_what_should_be_marked_is_named(folder: Path) -> None:
    """With what it took; no failure, since the machine may be busy."""
    lines = run(folder, "--all")
    (heading,) = [number for number, line in enumerate(lines) if "are not marked slow" in line]
    named = {line.split()[-1] for line in lines[heading + 1 :] if line.endswith(("quick", "long", "]"))}
    assert {"test_it.py::test_long", "test_other.py::test_long"} <= named
    assert not any("test_slow" in name for name in named)
