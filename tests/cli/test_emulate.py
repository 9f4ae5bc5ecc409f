"""`telnyx-agent emulate`: a process that other processes call."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.command import Command


@pytest.mark.slow
def test_talk_calls_the_emulated_assistant(tmp_path: Path) -> None:
    """Two processes, a real connection between them; Ctrl-C is how the server ends."""
    options = ("--port", "0", "--scenario", "fast", "--text-only")
    with Command("emulate", *options, cwd=tmp_path, keeps_stdin=True) as server:
        url = server.out.wait_for(r"^ws://127\.0\.0\.1:\d+$", 15).group()
        with Command("talk", "a", "--server", url, "--text-only", cwd=tmp_path, stdin="Thank you\n") as caller:
            assert caller.wait() == 0, caller.err.text
        server.interrupt()
        assert server.wait(5) == 0
    assert caller.out.lines[-1] == "agent: You are welcome."
    assert "Traceback" not in server.err.text


def test_sigterm_ends_it(tmp_path: Path) -> None:
    """As a service manager does."""
    with Command("emulate", "--text-only", cwd=tmp_path) as server:
        server.out.wait_for("^ws://", 15)
        server.interrupt(signal.SIGTERM)
        assert server.wait(5) == 0


def test_a_port_in_use_is_explained(tmp_path: Path) -> None:
    """Exit code 1 and one line."""
    with Command("emulate", "--text-only", cwd=tmp_path) as first:
        port = first.out.wait_for(r"^ws://.*:(\d+)$", 15).group(1)
        with Command("emulate", "--text-only", "--port", port, cwd=tmp_path) as second:
            assert second.wait() == 1
    assert len(second.err.lines) == 1
    assert "in use" in second.err.text


@pytest.mark.slow_except(1)
@pytest.mark.parametrize(("arguments", "code"), [(("--help",), 0), (("--no-such-option",), 2)])
def test_its_arguments_are_the_servers(arguments: tuple[str, ...], code: int, tmp_path: Path) -> None:
    """Help and usage name the command as the user typed it."""
    with Command("emulate", *arguments, cwd=tmp_path) as command:
        assert command.wait() == code
    assert "usage: telnyx-agent emulate" in command.out.text + command.err.text
    assert "--scenario" in command.out.text + command.err.text


def test_without_the_server_it_says_what_to_install(tmp_path: Path) -> None:
    """Exit code 2 and the advice."""
    with Command("emulate", cwd=tmp_path, without=["websockets"]) as command:
        assert command.wait() == 2
    assert 'pip install "telnyx-agent[demo]"' in command.err.text
