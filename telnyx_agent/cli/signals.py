"""Ctrl-C and SIGTERM: both end a subcommand cleanly, through its `finally` and `with` blocks."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["Terminated", "clean_endings", "raise_if_interrupted"]


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived: as a Ctrl-C, but with an exit code of its own."""


_EXCEPTIONS: dict[int, type[KeyboardInterrupt]] = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}

# Signal handlers belong to the process, and so does what they have received.
_received: list[type[KeyboardInterrupt]] = []


@contextlib.contextmanager
def clean_endings() -> Iterator[None]:
    """While active, SIGINT raises `KeyboardInterrupt` and SIGTERM `Terminated` on the main thread.

    SIGINT is caught even where it was ignored, as it is in background jobs of a shell script: a call must be hung up by
    `kill -INT`, too. On another thread than the main one nothing can be caught, and nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _received.clear()
    before = {number: signal.signal(number, _raise) for number in _EXCEPTIONS}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: it was not set from Python, and cannot be set back from there.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def raise_if_interrupted() -> None:
    """Raise once more what a signal has raised, for loops that still run after that.

    Python drops an exception that is raised while it runs a finaliser or a weak reference's callback ("Exception
    ignored in ..."), as imports and garbage collection often do; the user would have to press Ctrl-C again.
    """
    if _received:
        raise _received[-1]


def _raise(number: int, frame: FrameType | None) -> None:
    exception = _EXCEPTIONS[number]
    _received.append(exception)
    raise exception
