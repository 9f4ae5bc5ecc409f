"""Ctrl-C and SIGTERM: both end a subcommand cleanly, through its `finally` and `with` blocks."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["Terminated", "clean_endings"]


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived: as a Ctrl-C, but with an exit code of its own."""


def _terminate(signal_number: int, frame: FrameType | None) -> None:
    raise Terminated


@contextlib.contextmanager
def clean_endings() -> Iterator[None]:
    """While active, SIGINT raises `KeyboardInterrupt` and SIGTERM `Terminated` on the main thread.

    SIGINT is caught even where it was ignored, as it is in background jobs of a shell script: a call must be hung up by
    `kill -INT`, too. On another thread than the main one nothing can be caught, and nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGTERM: signal.signal(signal.SIGTERM, _terminate),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: it was not set from Python, and cannot be set back from there.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
