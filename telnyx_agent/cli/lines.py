"""`LineReader`: lines of stdin for a thread that must not block on it."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Iterable
from typing import Protocol

from .._runtime.threads import SdkThread

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
        feed: Makes lines of what was read; on that thread. By default it splits at line ends.
        at_end: Whether `feed` has seen the end of the input.
        on_look: Called by `next_line`, on its thread.
    """

    def __init__(
        self,
        source: RawInput,
        *,
        feed: Callable[[bytes], Iterable[str]] | None = None,
        at_end: Callable[[], bool] = lambda: False,
        on_look: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._feed = self._split if feed is None else feed
        self._has_ended = at_end
        self._on_look = on_look
        self._rest = b""
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._at_end = False
        SdkThread(self._read, "telnyx-agent-stdin").start()

    @property
    def at_end(self) -> bool:
        """Whether `next_line` has come to the end of the input."""
        return self._at_end

    def next_line(self) -> str | None:
        """The next line that is not blank; None if there is none yet, or none any more."""
        self._on_look()
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
        try:
            while not self._has_ended() and (chunk := self._source.read(_CHUNK)):
                for line in self._feed(chunk):
                    self._lines.put(line)
            if self._rest:
                self._lines.put(self._rest.decode("utf-8", "replace"))
        except OSError:
            pass  # the terminal is gone, and with it the user: the same as the end of the input
        self._lines.put(None)

    def _split(self, chunk: bytes) -> list[str]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]


class _Empty:
    """No stdin at all, as under pythonw.exe."""

    def read(self, size: int, /) -> bytes:
        return b""
