"""How long one thread may keep the others from running, lowered while a call is up. Any thread.

CPython gives the next thread its turn 5 ms after that thread has asked for it. With four threads that compute, the loop
waits 20 ms for each of its turns and needs several for one packet: no call survives that (docs/performance.md). The
interval belongs to the whole process, so it is lowered only while there is a call, and put back after the last one.
"""

from __future__ import annotations

import os
import sys
import threading

__all__ = ["DEFAULT_INTERVAL", "hold", "release"]

DEFAULT_INTERVAL = 0.0002
"""Seconds; what `TxClient` asks for unless told otherwise."""

_lock = threading.Lock()
_held: list[float] = []  # what each holder has asked for
_before = 0.0  # the interval that was there before the first holder
_left_at = 0.0  # as it read when we last left it
_foreign = False  # somebody else has set it since


def hold(seconds: float) -> None:
    """Ask for a switch interval of at most `seconds`, until `release(seconds)`. The shortest that is held counts.

    An interval that is shorter already stays. Cheap; each `hold` needs one `release` with the same value.

    Raises:
        ValueError: Not more than 0.
    """
    global _before, _left_at, _foreign
    if not seconds > 0:
        raise ValueError(f"a switch interval of {seconds} s is not possible; it must be more than 0")
    with _lock:
        if not _held:
            _before = _left_at = sys.getswitchinterval()
            _foreign = False
        _held.append(seconds)
        _apply()


def release(seconds: float) -> None:
    """Take back one `hold(seconds)`. After the last one the interval is what it was before the first.

    If somebody else has set the interval meanwhile, theirs is left alone.

    Raises:
        ValueError: Nothing is held with this value.
    """
    with _lock:
        try:
            _held.remove(seconds)
        except ValueError:
            raise ValueError(f"a switch interval of {seconds} s was released more often than held") from None
        _apply()


def _apply() -> None:
    """Make the interval what the holders want. Under the lock."""
    global _left_at, _foreign
    # The program has set one of its own: it knows better, for as long as this lasts.
    _foreign = _foreign or sys.getswitchinterval() != _left_at
    if _foreign:
        return
    # It is kept in whole microseconds, cut off: without the half, what was read would be one less when set again.
    sys.setswitchinterval(min([_before, *_held]) + 0.5e-6)
    _left_at = sys.getswitchinterval()


def _forget_parent() -> None:
    # The parent's calls are not here, and one of its threads may have held the lock at the moment of the fork.
    global _lock
    _lock = threading.Lock()
    if _held:
        _held.clear()
        _apply()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
