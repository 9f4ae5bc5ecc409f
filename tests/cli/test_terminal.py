"""`talk` at a terminal: a person types, reads, and presses Ctrl-D or Ctrl-C."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest

from telnyx_agent.testing import LocalAgent, Scenario, SilentVoice
from tests.cli.command import interpreter

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")


class Terminal:
    """A command at a pseudo-terminal of 80 columns, which is its controlling one."""

    def __init__(self, *arguments: str, cwd: Path, first: str = "") -> None:
        import fcntl
        import pty
        import termios

        self._us, them = pty.openpty()
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "COLUMNS": "80"}
        self._process = subprocess.Popen(
            [*interpreter((), first), *arguments],
            cwd=cwd,
            env={**environment, "TERM": "xterm", "NO_COLOR": ""},
            stdin=them,
            stdout=them,
            stderr=them,
            start_new_session=True,
            # Makes it the controlling terminal, without which Ctrl-C is a letter like any other.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(them)
        self.screen = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._us)

    def press(self, keys: str) -> None:
        os.write(self._us, keys.encode())

    @property
    def rows(self) -> list[str]:
        """What a person sees: each row after its carriage returns and without colours."""
        return [_shown(row) for row in re.sub(r"\x1b\[[0-9;]*m", "", self.screen).split("\n")]

    def resize(self, columns: int) -> None:
        """Make the window narrower or wider."""
        import fcntl
        import struct
        import termios

        fcntl.ioctl(self._us, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def edits(self) -> bool:
        """Whether the terminal edits and shows the line itself, as it does for a shell."""
        import termios

        mode: int = termios.tcgetattr(self._us)[3]
        return bool(mode & termios.ICANON) and bool(mode & termios.ECHO)

    def read_until(self, pattern: str, timeout: float = 15.0) -> None:
        """Read the screen until `pattern` is on it."""
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.screen):
            assert self._read(deadline), f"{pattern!r} did not appear; this did:\n{self.screen}"

    def wait(self, timeout: float) -> int:
        """Read on until the command has ended."""
        deadline = time.monotonic() + timeout
        while self._read(deadline):
            pass
        return self._process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        if not select.select([self._us], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._us, 4096)
        except OSError:  # Linux: the other end was closed
            return False
        self.screen += data.decode("utf-8", "replace")
        return bool(data)


def _shown(row: str) -> str:
    cells: list[str] = []
    for part in row.split("\r"):
        cells[: len(part)] = part
    return "".join(cells).rstrip()


@pytest.fixture
def slow_agent() -> Iterator[LocalAgent]:
    """Takes a moment for each word, so that one can see the text grow."""
    with LocalAgent(voice=SilentVoice(0.05), ears="deaf", scenario=Scenario.fast(), greeting="Hi there.") as agent:
        yield agent


@pytest.mark.slow
def test_an_answer_grows_in_place_and_typed_lines_are_not_repeated(slow_agent: LocalAgent, tmp_path: Path) -> None:
    """Carriage returns while the agent speaks, one line when it has spoken, colours, and a hint how to end."""
    with Terminal("talk", "a", "--server", slow_agent.url, "--text-only", cwd=tmp_path) as terminal:
        terminal.read_until("Ctrl-D hangs up")
        terminal.read_until(r"\x1b\[32magent: \x1b\[0mHi there\.")
        terminal.press("What are your opening hours?\n")
        terminal.read_until(r"\ragent: We are open( from)?\r")
        terminal.read_until(r"\x1b\[32magent: \x1b\[0mWe are open from nine to five, Monday to Friday\.")
        terminal.press("\x04")
        assert terminal.wait(10) == 0
    assert terminal.screen.count("What are your opening hours?") == 1


def test_ctrl_c_at_the_keyboard(slow_agent: LocalAgent, tmp_path: Path) -> None:
    """One press: hung up, exit code 130, no traceback."""
    with Terminal("talk", "a", "--server", slow_agent.url, "--text-only", cwd=tmp_path) as terminal:
        terminal.read_until("Hi there")
        terminal.press("\x03")
        assert terminal.wait(3) == 130
    assert "Traceback" not in terminal.screen
    slow_agent.wait_for_frame("telnyx_rtc.bye", direction="received")


NOISE = """
import logging, sys, threading, warnings
def noise():
    logging.getLogger("somebody").warning("a log line")
    warnings.warn("a warning")
    print("a line of a library", file=sys.stderr)
    print("another one")
threading.Timer(3.0, noise).start()
"""
"""What else writes to a terminal while somebody types: log lines, warnings, prints, each from another thread."""


@pytest.mark.slow
def test_the_typed_line_is_kept_whatever_is_printed(tmp_path: Path) -> None:
    """An answer that grows, the lines that end it, log lines, warnings, a new size of the window: none touches it."""
    answer = " ".join(f"word{number}" for number in range(40))
    with LocalAgent(lambda text: answer, voice=SilentVoice(0.05), ears="deaf", scenario=Scenario.fast()) as agent:
        options = ("--server", agent.url, "--text-only", "--log-level", "info")
        with Terminal("talk", "a", *options, cwd=tmp_path, first=NOISE) as terminal:
            terminal.read_until("How can I help you today")
            terminal.press("first question\n")
            terminal.read_until("word2")
            terminal.press("what I am typ")
            terminal.read_until(r"what I am typ$")
            terminal.resize(60)
            terminal.read_until(r"agent: (\x1b\[0m)?word0 .*word39")
            terminal.read_until("another one")
            terminal.read_until(r"what I am typ$")
            assert terminal.rows[-1] == "what I am typ"
            terminal.press("\x7f\x7f\x7ftyping\n")
            terminal.read_until(r"what I am typing\r*\n")
            agent.wait_for_frame("ai_conversation", direction="received", count=2)
            for line in ("first question", "what I am typing", "a line of a library", "another one"):
                assert line in terminal.rows
            assert any(row.endswith("a log line") for row in terminal.rows)
            assert any("UserWarning: a warning" in row for row in terminal.rows)
            terminal.press("\x04")
            assert terminal.wait(15) == 0
            assert terminal.edits()
    sent = [
        frame.params["item"]["content"][0]["text"]
        for frame in agent.frames
        if frame.direction == "received" and frame.method == "ai_conversation"
    ]
    assert sent == ["first question", "what I am typing"]


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("keys", ["\x03", "\x04"])
def test_the_terminal_is_given_back(slow_agent: LocalAgent, tmp_path: Path, keys: str) -> None:
    """It shows what is typed and edits lines again, also after Ctrl-C."""
    with Terminal("talk", "a", "--server", slow_agent.url, "--text-only", cwd=tmp_path) as terminal:
        terminal.read_until("Hi there")
        assert not terminal.edits()
        terminal.press(keys)
        terminal.wait(10)
        assert terminal.edits()
