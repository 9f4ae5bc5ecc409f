"""At interpreter exit, every client that is still connected hangs up and logs out; two seconds for all of them.

Without this, the calls of a script that has ended would go on at the assistant.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
import weakref
from typing import Protocol

from ._runtime.futures import CommandFuture

__all__ = ["LIVE", "RECORDERS", "Connected"]

_LIMIT = 2.0
_ENDING_THREADS = frozenset(
    f"telnyx-agent-{what}" for what in ("loop", "reader", "writer", "delegate", "audio", "recorder")
)


class Connected(Protocol):
    def disconnect(self) -> CommandFuture[None]: ...


class _Recorder(Protocol):
    def close(self, timeout: float) -> bool: ...


LIVE: weakref.WeakSet[Connected] = weakref.WeakSet()
"""The clients that have a connection."""

RECORDERS: weakref.WeakSet[_Recorder] = weakref.WeakSet()
"""The recorders of sessions whose files may not be complete."""


@atexit.register
def _disconnect_all() -> None:
    deadline = time.monotonic() + _LIMIT
    futures = [client.disconnect() for client in tuple(LIVE)]
    for future in futures:
        future.wait(max(0.0, deadline - time.monotonic()))
    # If a daemon thread is inside OpenSSL or FFmpeg when the interpreter ends, it may keep a lock for which the
    # interpreter then waits for ever. These threads are about to end, so wait for them.
    for thread in threading.enumerate():
        if thread.name in _ENDING_THREADS and thread.is_alive() and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
    for recorder in tuple(RECORDERS):
        recorder.close(max(0.0, deadline - time.monotonic()))
    _keep_interrupt()


def _keep_interrupt() -> None:
    """A program that Ctrl-C has ended shows this in its exit status, as all Python programs do.

    Python notes that a `KeyboardInterrupt` went through, but forgets it with the next `exec` or `eval` of a text on any
    thread, such as dataclasses and named tuples make while something is being imported: the program would end with
    status 1. An interrupt in a text of our own is noted again.
    """
    if getattr(sys, "last_type", None) is not KeyboardInterrupt or hasattr(sys, "ps1"):
        return
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        return
