"""A line that is typed at a terminal while other things are printed: `LineEditor` (pure) and `TypedLines`."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .lines import LineReader, raw_stdin

if sys.platform != "win32":
    import termios

if TYPE_CHECKING:
    from .console import Console

__all__ = ["LineEditor", "can_edit", "edited_lines"]

LONGEST_LINE = 4096
"""Characters; what is typed beyond it is left out, as a terminal does by itself."""

_END, _ERASE_WORD, _ERASE_LINE, _ESCAPE = "\x04", "\x17", "\x15", "\x1b"
_ERASE = ("\x08", "\x7f")
_ENTER = ("\r", "\n")


class LineEditor:
    """What a terminal does with keys, done here so that the line is known: erase, erase word, erase line, end of input.

    Pure. Keys that move the cursor (arrows and others that begin with an escape) have no effect.
    """

    def __init__(self) -> None:
        self.line = ""
        """What is being typed."""
        self.at_end = False
        """Whether Ctrl-D was pressed in an empty line."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._escape = ""

    def feed(self, keys: bytes) -> list[str]:
        """Take what was typed; the lines that are complete."""
        complete: list[str] = []
        for char in self._decoder.decode(keys):
            if self.at_end:
                break
            if self._escape:
                self._go_on_with_escape(char)
            elif char in _ENTER:
                complete.append(self.line)
                self.line = ""
            elif char in _ERASE:
                self._erase()
            elif char == _ERASE_WORD:
                self.line = self.line.rstrip()
                self.line = self.line[: len(self.line) - len(self.line.split(" ")[-1])]
            elif char == _ERASE_LINE:
                self.line = ""
            elif char == _END:
                self.at_end = not self.line
            elif char == _ESCAPE:
                self._escape = char
            elif char == "\t":
                self._add(" ")
            elif unicodedata.category(char) != "Cc":
                self._add(char)
        return complete

    def _add(self, char: str) -> None:
        if len(self.line) < LONGEST_LINE:
            self.line += char

    def _erase(self) -> None:
        # With a letter go the accents that were typed after it.
        while self.line and unicodedata.combining(self.line[-1]):
            self.line = self.line[:-1]
        self.line = self.line[:-1]

    def _go_on_with_escape(self, char: str) -> None:
        """An arrow is `ESC [ A`, F5 `ESC [ 1 5 ~`, an Alt key `ESC x`: skip to the last character (ECMA-48, 5.4)."""
        if self._escape == _ESCAPE and char in "[O":
            self._escape += char
        elif self._escape == _ESCAPE or "@" <= char <= "~":
            self._escape = ""


def can_edit() -> bool:
    """Whether lines are typed at a terminal at which they can be edited here: not on Windows, not in the background."""
    is_shown = sys.stdout.isatty() or sys.stderr.isatty()
    return sys.platform != "win32" and sys.stdin.isatty() and is_shown and _is_in_foreground()


@contextlib.contextmanager
def edited_lines(console: Console) -> Iterator[LineReader]:
    """Lines as they are typed, shown by the console, which keeps them whatever it prints meanwhile.

    The terminal neither edits nor shows them itself while this is active. Ctrl-C and Ctrl-Z remain what they are.
    """
    mode = _Mode()
    editor = LineEditor()

    def feed(keys: bytes) -> list[str]:
        complete = editor.feed(keys)
        for line in complete:
            console.entered(line)
        console.typed(editor.line)
        return complete

    with console.typing(), mode:
        yield LineReader(raw_stdin(), feed=feed, at_end=lambda: editor.at_end, on_look=lambda: mode.keep(console))


class _Mode:
    """The terminal's mode: without echo and without editing, as long as the block lasts."""

    def __init__(self) -> None:
        self._file = sys.stdin.fileno()
        self._size: os.terminal_size | None = None
        self._before = termios.tcgetattr(self._file)

    def __enter__(self) -> None:
        self._set()

    def __exit__(self, *exc_info: object) -> None:
        if _is_in_foreground():
            termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)

    def keep(self, console: Console) -> None:
        """Set the mode again where a shell has changed it, after Ctrl-Z; draw again what a new size has moved."""
        if not _is_in_foreground():
            return
        size = os.get_terminal_size(self._file)
        was_changed = bool(termios.tcgetattr(self._file)[3] & termios.ICANON)
        if was_changed:
            self._set()
        if was_changed or self._size not in (None, size):
            console.redraw()
        self._size = size

    def _set(self) -> None:
        mode = termios.tcgetattr(self._file)
        mode[3] &= ~(termios.ICANON | termios.ECHO)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._file, termios.TCSADRAIN, mode)


def _is_in_foreground() -> bool:
    """Whether the terminal is ours. A program in the background is stopped when it changes the terminal's mode."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return False
