"""`TokenWatch`: says in time that the token of a login is about to expire (JavaScript: warning 34001).

Telnyx's tokens are JWTs, whose middle part tells when they expire. It is only read, never verified: what it says is
between the server and whoever made the token.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from datetime import datetime

from ..outcomes import ClientWarning, SessionEvent
from ..timers import Timer, TimerKind, Timers
from ..warnings import TxWarning, WarningCode

__all__ = ["TokenWatch", "expiry_of"]

WARNED_BEFORE = 120.0
"""Seconds; JavaScript's `TOKEN_EXPIRY_WARNING_SECONDS`."""

_LATEST = 2.0**53
"""Seconds: the largest number that JSON's readers agree on."""

_TIMER = Timer(TimerKind.TOKEN)


def expiry_of(token: str | None) -> float | None:
    """When a token expires, in Unix time; None if it does not say."""
    parts = (token or "").split(".")
    if len(parts) != 3:
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    expiry = payload.get("exp") if isinstance(payload, dict) else None
    # Python's integers have no bound. A time that is none of this era's is none.
    if isinstance(expiry, bool) or not isinstance(expiry, (int, float)) or not 0 <= expiry <= _LATEST:
        return None
    return float(expiry)


class TokenWatch:
    """The token of one session, whichever it has at the time.

    Args:
        timers: The session's.
        wall_clock: The time of day.
        report: Takes the warning.
    """

    def __init__(
        self, timers: Timers, wall_clock: Callable[[], datetime], report: Callable[[SessionEvent], None]
    ) -> None:
        self._timers = timers
        self._wall_clock = wall_clock
        self._report = report
        self._token: str | None = None
        self._is_warned = False

    def logged_in(self, token: str | None, now: float) -> None:
        """The server has accepted this token, or a login without one."""
        if token == self._token:
            return
        self._token = token
        self._timers.cancel(_TIMER)
        if self._is_warned:
            self._is_warned = False
            self._report(ClientWarning(TxWarning(WarningCode.TOKEN_EXPIRING_SOON, is_cleared=True)))
        expiry = expiry_of(token)
        if expiry is None:
            return
        left = expiry - self._wall_clock().timestamp()
        if left > 0:
            # A timer also where it is due, so that there is one way.
            self._timers.set(_TIMER, now + max(0.0, left - WARNED_BEFORE))

    def due(self) -> None:
        """The time has come."""
        self._is_warned = True
        self._report(ClientWarning(TxWarning(WarningCode.TOKEN_EXPIRING_SOON)))
