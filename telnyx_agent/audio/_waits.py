"""Waiting for an event in a way that Ctrl-C ends."""

from __future__ import annotations

import threading
import time

from .._runtime.threads import check_may_wait

__all__ = ["wait_for"]

_SLICE = 0.25  # on Windows a lock that is waited for without limit cannot be interrupted


def wait_for(event: threading.Event, timeout: float | None) -> bool:
    """`event.wait(timeout)`, interruptible by Ctrl-C on every platform."""
    if not event.is_set():
        check_may_wait("an audio device")
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        remaining = _SLICE if deadline is None else min(_SLICE, deadline - time.monotonic())
        if event.wait(max(0.0, remaining)):
            return True
        if deadline is not None and time.monotonic() >= deadline:
            return False
