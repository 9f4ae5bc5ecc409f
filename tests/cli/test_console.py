"""`Console`: what is printed where, on terminals and in pipes."""

from __future__ import annotations

import io

import pytest

from telnyx_agent.cli.console import Console, plain


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")


def shown(text: str) -> list[str]:
    """What a terminal shows after `text` with its carriage returns."""
    lines = []
    for line in text.split("\n"):
        cells: list[str] = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


def test_partial_text_grows_in_place() -> None:
    """On a terminal, one line becomes longer, and what is final stays."""
    out = Terminal()
    console = Console(out, Terminal())
    console.partial("agent", "We are")
    console.partial("agent", "We are open")
    assert shown(out.getvalue()) == ["agent: We are open"]
    console.final("agent", "We are open.")
    assert shown(out.getvalue()) == ["agent: We are open.", ""]


def test_shorter_text_leaves_nothing_behind() -> None:
    """What recognition takes back disappears."""
    out = Terminal()
    console = Console(out, Terminal())
    console.partial("you", "what are your opening")
    console.partial("you", "what")
    assert shown(out.getvalue()) == ["you:   what"]


def test_long_partial_text_shows_its_end() -> None:
    """One line is all there is room for, whatever the width of the characters."""
    for text in ("word " * 30 + "end", "語" * 60 + "end"):
        out = Terminal()
        Console(out, Terminal()).partial("agent", text)
        line = shown(out.getvalue())[-1]
        assert line.startswith("…")
        assert line.endswith("end")
        assert len(line) + line.count("語") <= 39


def test_a_pipe_gets_final_lines_only() -> None:
    """No carriage return, no half sentence, no colour."""
    out = io.StringIO()
    console = Console(out, io.StringIO())
    console.partial("agent", "We are")
    console.final("agent", "We are open.")
    assert out.getvalue() == "agent: We are open.\n"


def test_status_goes_to_stderr_and_spares_the_line_that_grows() -> None:
    """Both streams are one terminal to the user."""
    screen = Terminal()
    console = Console(screen, screen)
    console.partial("agent", "We are")
    console.status("a status")
    assert shown(screen.getvalue()) == ["a status", ""]


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colour_where_none_is_wanted(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """https://no-color.org, and terminals that cannot."""
    monkeypatch.delenv("NO_COLOR")
    out, colored = Terminal(), Terminal()
    Console(colored, colored).final("agent", "x")
    monkeypatch.setenv(name, value)
    Console(out, out).final("agent", "x")
    assert "\x1b[" in colored.getvalue()
    assert "\x1b" not in out.getvalue()


def test_plain_text_cannot_steer_a_terminal() -> None:
    """Escape sequences lose their escape, lines become one, letters of all alphabets stay."""
    assert plain("a\x1b]0;title\x07b\r\nc\u0085d") == "a]0;titleb c d"
    assert plain("Grüße, 你好, 👩‍🔧") == "Grüße, 你好, 👩‍🔧"
