"""How long to wait before the next attempt to reconnect (R52)."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["MAX_DELAY", "reconnect_delay"]

MAX_DELAY = 30.0
"""Seconds, before the jitter."""

_JITTER = 0.25


def reconnect_delay(attempt: int, random: Callable[[], float]) -> float:
    """Seconds before attempt 1, 2, 3 ...: 1, 2, 4 ... at most 30, each up to a quarter shorter or longer.

    The jitter keeps thousands of clients that lost the same server from coming back in the same instant.

    Args:
        attempt: Counted from 1.
        random: Gives a number from 0.0 to 1.0.
    """
    # 2**5 is above the limit already; the exponent is capped, for attempts may be counted without end.
    delay = min(MAX_DELAY, 2.0 ** min(attempt - 1, 10))
    return delay * (1.0 - _JITTER + 2.0 * _JITTER * random())
