"""Imports that Ctrl-C cannot interrupt."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["uninterrupted"]


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back SIGINT and SIGTERM while something is imported on the main thread; they are handled right afterwards.

    An exception from a signal's handler in the middle of an import may be dropped by Python, with a traceback on stderr
    ("Exception ignored in ... _get_module_lock"), and may leave the lock behind that all other imports wait for: the
    program then never ends, as was seen with Python 3.11. Handlers that are not Python's are left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        held.append(number)

    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        if callable(handler := signal.getsignal(number)):
            before[number] = handler
    try:
        for number in before:
            signal.signal(number, hold)
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is hold:  # otherwise what was imported has set one of its own
                signal.signal(number, handler)
        for received in held:
            signal.raise_signal(received)
