"""What holds for all commands: help, version, wrong usage, and calling `main` as a function."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import telnyx_agent
from telnyx_agent.cli import main
from tests.cli.command import Command


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints name and version."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"telnyx-agent {telnyx_agent.__version__}\n"


@pytest.mark.parametrize("command", ["demo", "talk", "devices"])
def test_help_explains_the_exit_codes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command documents what it returns, in lines that fit a terminal."""
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "exit codes:" in text
    assert "130" in text
    assert max(len(line) for line in text.splitlines()) <= 120


def test_no_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and the list of commands."""
    assert main([]) == 2
    assert "COMMAND" in capsys.readouterr().err


def test_python_m_is_the_same(tmp_path: Path) -> None:
    """`python -m telnyx_agent` lists the commands."""
    with Command("--help", cwd=tmp_path) as command:
        assert command.wait() == 0
    for name in ("demo", "talk", "devices", "emulate"):
        assert name in command.out.text


def test_main_leaves_the_signal_handlers_as_they_were() -> None:
    """Called from a program, it takes nothing away from it."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert main(["talk", "a", "--server", "ws://127.0.0.1:1", "--output-wav", "/dev/null"]) == 1
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
