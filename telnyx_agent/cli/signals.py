"""Ctrl-C and SIGTERM: both end a subcommand cleanly, through its `finally` and `with` blocks.

A signal raises nothing where it comes: the main thread may be in the middle of an import, of starting a thread or of
opening a device then, and what is half done would stay so (an interrupted import can even keep the lock that all
other imports wait for). It is noted, and `raise_if_interrupted`, which everything that waits calls, raises it. Whoever
presses Ctrl-C a second time does not want to wait: that one raises at once.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from types import FrameType
from typing import TypeVar

from .. import _early
from .._runtime.workers import DaemonPool

__all__ = ["Terminated", "clean_endings", "raise_at_once", "raise_if_interrupted", "wait_for"]

T = TypeVar("T")

_PERIOD = 0.05
"""Seconds after which a wait looks whether there was a signal; nobody notices so little."""


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived: as a Ctrl-C, but with an exit code of its own."""


_EXCEPTIONS: dict[int, type[KeyboardInterrupt]] = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}

# Signal handlers belong to the process, and so does what they have received.
_received: list[type[KeyboardInterrupt]] = []
_raises_at_once = False


@contextlib.contextmanager
def clean_endings(*, until_exit: bool = False) -> Iterator[None]:
    """While active, SIGINT is noted as a `KeyboardInterrupt`, SIGTERM as a `Terminated`, and raised at the end at the
    latest.

    SIGINT is caught even where it was ignored, as it is in background jobs of a shell script: a call must be hung up by
    `kill -INT`, too. On another thread than the main one nothing can be caught, and nothing is changed.

    Args:
        until_exit: The process ends afterwards: further signals are ignored, so that they do not disturb its end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _received.clear()
    before = {number: signal.signal(number, _note) for number in _EXCEPTIONS}
    _received.extend(_EXCEPTIONS[number] for number in _early.received)
    _early.received.clear()
    try:
        raise_if_interrupted()
        yield
        raise_if_interrupted()
    finally:
        for number, handler in before.items():
            # Ignored by the system, because a handler of Python's own is taken away before the interpreter has ended.
            # None: it was not set from Python, and cannot be set back from there.
            after = signal.SIG_IGN if until_exit else signal.SIG_DFL if handler is None else handler
            signal.signal(number, after)


def raise_if_interrupted() -> None:
    """Raise what a signal has asked for."""
    if _received:
        raise _received[-1]


@contextlib.contextmanager
def raise_at_once() -> Iterator[None]:
    """While active, signals raise where they come: for code that is not ours and may run for long."""
    global _raises_at_once
    raise_if_interrupted()
    _raises_at_once = True
    try:
        yield
    finally:
        _raises_at_once = False


def wait_for(work: Callable[[], T]) -> T:
    """Do something that blocks; a signal raises in the middle of it, and leaves it to end by itself."""
    pool = DaemonPool(1, "telnyx-agent-command")
    future: Future[T] = pool.submit(work)
    try:
        while not wait([future], _PERIOD).done:
            raise_if_interrupted()
    finally:
        pool.shutdown(wait=False)
    return future.result()


def _note(number: int, frame: FrameType | None) -> None:
    exception = _EXCEPTIONS[number]
    is_first = not _received
    _received.append(exception)
    if _raises_at_once or not is_first:
        raise exception
