"""Printing: the transcript on stdout, growing in place on a terminal, and status lines on stderr."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import threading
import unicodedata
from collections.abc import Iterator
from typing import TextIO

from .._runtime.streams import discard

__all__ = ["Console", "plain"]

_COLORS = {"you": "36", "agent": "32", "dim": "2", "bold": "1"}


class Console:
    """Prints whole lines above the terminal's last row, which shows what is typed or, if nothing is, what is said.

    Any thread. Every piece of text from outside is stripped of what could steer the terminal.

    Args:
        out: Where transcripts and results go. What cannot be written there raises `OSError`.
        err: Where status lines go. What cannot be written there is left out: nobody reads it.
    """

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._err = sys.stderr if err is None else err
        self._is_live = self._out.isatty() and os.environ.get("TERM") != "dumb"
        self._out_in_color = _in_color(self._out)
        self._err_in_color = _in_color(self._err)
        # Re-entrant: a signal's exception may come in the middle, and what is printed on the way out uses it again.
        self._lock = threading.RLock()
        self._row = self._out if self._out.isatty() or not self._err.isatty() else self._err
        self._row_width = 0
        self._partial = ""
        self._typed = ""

    def status(self, text: str) -> None:
        """One line about what happens, on stderr."""
        self._print_err(_painted(plain(text), "dim", self._err_in_color))

    def partial(self, speaker: str, text: str) -> None:
        """Show what is being said so far, in place of what was shown before; nothing where that is not possible."""
        if self._is_live:
            with self._lock:
                self._partial = f"{_label(speaker)}{plain(text)}"
                self._draw_row()

    def final(self, speaker: str, text: str) -> None:
        """One line of the transcript that will not change any more."""
        self._print_out(f"{_painted(_label(speaker), speaker, self._out_in_color)}{plain(text)}")

    def result(self, text: str = "", *, strong: bool = False) -> None:
        """One line of a result, on stdout."""
        self._print_out(_painted(text, "bold", self._out_in_color and strong))

    # -- a line that is being typed ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def typing(self) -> Iterator[None]:
        """While active, `typed` shows a line that is being typed, and whatever else is printed keeps it.

        That includes what other code writes to `sys.stdout` and `sys.stderr`, such as log lines and warnings.
        """
        before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _Above(self, self._out), _Above(self, self._err)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before
            with self._lock:
                self._clear_row()
                if self._typed:  # it was not sent, but it was written
                    self._row.write(f"{plain(self._typed)}\n")
                    self._row.flush()
                self._typed = ""

    def typed(self, text: str) -> None:
        """Show this as the line that is being typed."""
        with self._lock:
            self._typed = text
            self._draw_row()

    def entered(self, text: str) -> None:
        """The line that was being typed is complete: it stays where it is, and a new one begins."""
        with self._lock:
            self._clear_row()
            self._row.write(f"{plain(text)}\n")
            self._typed = ""
            self._draw_row()

    def redraw(self) -> None:
        """Draw the last row again, as after a change of the terminal's size."""
        with self._lock:
            self._draw_row()

    def write_above(self, stream: TextIO, text: str) -> None:
        """Write whole lines to one of the streams, above the last row."""
        with self._lock:
            self._clear_row()
            stream.write(text)
            stream.flush()
            self._draw_row()

    # ------------------------------------------------------------------------------------------------------------------

    def _print_out(self, line: str) -> None:
        with self._lock:
            self._partial = ""
            self.write_above(self._out, f"{line}\n")

    def _print_err(self, line: str) -> None:
        try:
            with self._lock:
                self._partial = ""
                self.write_above(self._err, f"{line}\n")
        except OSError:
            # Nobody reads it, or the disk is full. A call does not need status lines to go on.
            discard(self._err)

    def _draw_row(self) -> None:
        self._clear_row()
        text = plain(self._typed, trim=False) if self._typed else self._partial
        if text:
            line = _fitting(text, _columns(self._row) - 1)
            self._row.write(line)
            self._row_width = _width(line)
        self._row.flush()

    def _clear_row(self) -> None:
        # Blanks rather than an escape sequence: understood everywhere.
        if self._row_width:
            self._row.write(f"\r{' ' * min(self._row_width, _columns(self._row) - 1)}\r")
            self._row_width = 0


class _Above(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` while a line is being typed: whole lines go above it."""

    def __init__(self, console: Console, stream: TextIO) -> None:
        self._console = console
        self._stream = stream
        self._rest = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        # Not a line yet: a row that is half text, half typed line, could not be told apart.
        lines, newline, rest = (self._rest + text).rpartition("\n")
        self._rest = rest
        if newline:
            self._console.write_above(self._stream, lines + newline)
        return len(text)


def plain(text: str, *, trim: bool = True) -> str:
    """`text` in one line, without control characters: what an assistant sends must not steer the user's terminal.

    With `trim`, white space is one blank between words, and there is none at the ends.
    """
    spaced = " ".join(text.split()) if trim else text
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


def _columns(stream: TextIO) -> int:
    """The width of a terminal now: people change it."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return columns or shutil.get_terminal_size().columns


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
