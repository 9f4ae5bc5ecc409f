"""Printing: the transcript on stdout, growing in place on a terminal, and status lines on stderr."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from typing import TextIO

__all__ = ["Console", "plain"]

_COLORS = {"you": "36", "agent": "32", "dim": "2", "bold": "1"}


class Console:
    """Prints on one thread. Every piece of text from outside is stripped of what could steer the terminal.

    Args:
        out: Where transcripts and results go.
        err: Where status lines go.
    """

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._err = sys.stderr if err is None else err
        self._is_live = self._out.isatty() and os.environ.get("TERM") != "dumb"
        self._out_in_color = _in_color(self._out)
        self._err_in_color = _in_color(self._err)
        self._partial_width = 0

    def status(self, text: str) -> None:
        """One line about what happens, on stderr."""
        self._clear_partial()
        print(_painted(plain(text), "dim", self._err_in_color), file=self._err, flush=True)

    def partial(self, speaker: str, text: str) -> None:
        """Show what is being said so far, in place of what was shown before; nothing where that is not possible."""
        if not self._is_live:
            return
        line = _fitting(f"{_label(speaker)}{plain(text)}", shutil.get_terminal_size().columns - 1)
        self._clear_partial()
        self._out.write(line)
        self._out.flush()
        self._partial_width = _width(line)

    def final(self, speaker: str, text: str) -> None:
        """One line of the transcript that will not change any more."""
        self._clear_partial()
        print(f"{_painted(_label(speaker), speaker, self._out_in_color)}{plain(text)}", file=self._out, flush=True)

    def result(self, text: str = "", *, strong: bool = False) -> None:
        """One line of a result, on stdout."""
        self._clear_partial()
        print(_painted(text, "bold", self._out_in_color and strong), file=self._out, flush=True)

    def _clear_partial(self) -> None:
        # Blanks rather than an escape sequence: understood everywhere.
        if self._partial_width:
            self._out.write(f"\r{' ' * self._partial_width}\r")
            self._out.flush()
            self._partial_width = 0


def plain(text: str) -> str:
    """`text` in one line, without control characters: what an assistant sends must not steer the user's terminal."""
    spaced = " ".join(text.split())
    return "".join(char for char in spaced if unicodedata.category(char) != "Cc")


def _label(speaker: str) -> str:
    return f"{speaker + ':':<7}"


def _fitting(line: str, room: int) -> str:
    """As much of `line` as fits into `room` columns: its end, which is what is new."""
    if _width(line) <= room:
        return line
    tail = line[-room:]
    while _width(tail) >= room:
        tail = tail[1:]
    return "…" + tail


def _width(text: str) -> int:
    """Columns that a terminal needs: two for East Asian wide characters."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _painted(text: str, color: str, enabled: bool) -> str:
    return f"\x1b[{_COLORS[color]}m{text}\x1b[0m" if enabled and text and color in _COLORS else text


def _in_color(stream: TextIO) -> bool:
    """Whether escape sequences for colours are welcome (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return False
    # The old Windows console shows them as they are; its successor tells us who it is.
    return os.name != "nt" or "WT_SESSION" in os.environ
