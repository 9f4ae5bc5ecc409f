"""stdin, stdout and stderr as they can be used, whatever the process was started with."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO, cast

__all__ = ["complain", "discard", "flushed", "usable_streams"]


@contextlib.contextmanager
def usable_streams() -> Iterator[None]:
    """While active, all three can be used: what was closed (`>&-`, pythonw.exe, some services) is the null device.

    What the encoding of a stream cannot show becomes a question mark: better than no call.
    """
    _occupy_standard_descriptors()
    before = sys.stdin, sys.stdout, sys.stderr
    made: list[TextIO] = []

    def usable(stream: TextIO | None, mode: str) -> TextIO:
        if stream is None or stream.closed:
            null = cast(TextIO, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - closed below
            made.append(null)
            return null
        if mode == "w" and isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):  # it flushes; what cannot be written is noticed where it is written
                stream.reconfigure(errors="replace")
        return stream

    sys.stdin, sys.stdout, sys.stderr = usable(sys.stdin, "r"), usable(sys.stdout, "w"), usable(sys.stderr, "w")
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
        for stream in made:
            stream.close()


def complain(text: str) -> None:
    """One line on stderr, whatever is in `text`; nothing where nobody can read it."""
    try:
        sys.stderr.write(f"{' '.join(text.split())}\n")
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr)


def flushed(stream: TextIO) -> OSError | None:
    """Write out what is buffered. Why that cannot be done; what is written from then on is lost without a word."""
    try:
        stream.flush()
    except OSError as exc:
        discard(stream)
        return exc
    return None


def discard(stream: TextIO) -> None:
    """Send what a stream still has, and what is written to it from now on, nowhere.

    The interpreter flushes stdout once more at its end, and complains if that fails.
    """
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return  # not a real one, so nobody flushes it
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, number)
    finally:
        os.close(null)
    try:
        stream.flush()
    except OSError:
        pass  # its buffer was given up with the first failure


def _occupy_standard_descriptors() -> None:
    """Open the null device where one of the three descriptors is closed.

    The next file or socket of the process would get its number, and with it what libraries in C write to stderr.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
