"""What happens at interpreter exit: every client that is still connected says goodbye, within two seconds all together.

Calls of a script that falls off its end must not ring on at the assistant.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from typing import Protocol

from ._runtime.futures import CommandFuture

__all__ = ["LIVE", "RECORDERS"]

_LIMIT = 2.0
_ENDING_THREADS = frozenset(
    f"telnyx-agent-{what}" for what in ("loop", "reader", "writer", "delegate", "audio", "recorder")
)


class _Connected(Protocol):
    def disconnect(self) -> CommandFuture[None]: ...


class _Recorder(Protocol):
    def close(self, timeout: float) -> bool: ...


LIVE: weakref.WeakSet[_Connected] = weakref.WeakSet()
"""The clients that have a connection."""

RECORDERS: weakref.WeakSet[_Recorder] = weakref.WeakSet()
"""The recorders of sessions whose files may not be complete."""


@atexit.register
def _say_goodbye() -> None:
    deadline = time.monotonic() + _LIMIT
    futures = [client.disconnect() for client in tuple(LIVE)]
    for future in futures:
        future.wait(max(0.0, deadline - time.monotonic()))
    # A daemon thread that is inside OpenSSL or FFmpeg when the interpreter goes away may leave a lock behind that the
    # interpreter's own end then waits for. They are on their way out: let them arrive.
    for thread in threading.enumerate():
        if thread.name in _ENDING_THREADS and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
    for recorder in tuple(RECORDERS):
        recorder.close(max(0.0, deadline - time.monotonic()))
