"""`LineReader`: lines of stdin for a thread that must not block on it."""

from __future__ import annotations

import queue
import sys
import threading
from typing import Protocol

__all__ = ["LineReader", "RawInput", "raw_stdin"]

_CHUNK = 4096


class RawInput(Protocol):
    """Unbuffered bytes: `sys.stdin.buffer.raw`."""

    def read(self, size: int, /) -> bytes | None:
        """What is there, as soon as there is anything; empty at the end."""


def raw_stdin() -> RawInput:
    """stdin without Python's buffers.

    A daemon thread that sleeps inside a buffered `readline` holds a lock that the interpreter needs at its end, and
    makes it abort.
    """
    raw: RawInput | None = getattr(getattr(sys.stdin, "buffer", None), "raw", None)
    return _Empty() if raw is None else raw


class LineReader:
    """Reads lines on a thread of its own, which ends with the input or with the process.

    Args:
        source: Where they come from.
    """

    def __init__(self, source: RawInput) -> None:
        self._source = source
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._at_end = False
        threading.Thread(target=self._read, name="telnyx-agent-stdin", daemon=True).start()

    @property
    def at_end(self) -> bool:
        """Whether `next_line` has come to the end of the input."""
        return self._at_end

    def next_line(self) -> str | None:
        """The next line that is not blank; None if there is none yet, or none any more."""
        while not self._at_end:
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                return None
            if line is None:
                self._at_end = True
            elif line.strip():
                return line.strip()
        return None

    def _read(self) -> None:
        rest = b""
        try:
            while chunk := self._source.read(_CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._lines.put(line.decode("utf-8", "replace"))
        except OSError:
            # The terminal is gone, and with it the user: the same as the end of the input.
            rest = b""
        self._lines.put(rest.decode("utf-8", "replace"))
        self._lines.put(None)


class _Empty:
    """No stdin at all, as under pythonw.exe."""

    def read(self, size: int, /) -> bytes:
        return b""
