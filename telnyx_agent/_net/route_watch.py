"""`RouteWatch`: notices that this machine has a way out again, or another one, while the next attempt is still far off.

Attempts to replace a lost connection are seconds apart, and half a minute in the end. That spares a server that is
down; it makes no sense when it was this machine that had no network. So while an attempt is planned, the system is
asked twice a second from which of our addresses it would send to the internet; no packet is sent for that.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

__all__ = ["RouteWatch", "ways_out"]

LOOK_EVERY = 0.5
"""Seconds between two looks."""

_NOWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that belong to nobody (RFC 5737, RFC 3849), so the answer is about the default route."""


def ways_out() -> frozenset[str]:
    """Our own addresses on the way to the internet: of IPv4, of IPv6, of both; empty without a network."""
    found = set()
    for family, address in _NOWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.setblocking(False)
                probe.connect((address, 9))  # of a UDP socket: sends nothing
                found.add(str(probe.getsockname()[0]))
        except OSError:
            continue  # no way by this family, or this machine does not have it
    return frozenset(found)


class RouteWatch:
    """Looks at the ways out from `run(True)` to `run(False)`. Loop thread only.

    Args:
        on_change: Called when there is a way out that was not there at the look before.
        look: Says which ways there are.
    """

    def __init__(self, on_change: Callable[[], None], look: Callable[[], frozenset[str]] = ways_out) -> None:
        self._on_change = on_change
        self._look = look
        self._seen: frozenset[str] = frozenset()
        self._timer: asyncio.TimerHandle | None = None

    def run(self, wanted: bool) -> None:
        """Begin or end; to say the same again does nothing."""
        if not wanted and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        elif wanted and self._timer is None:
            self._seen = self._look()
            self._rearm()

    def _rearm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._compare)

    def _compare(self) -> None:
        before, self._seen = self._seen, self._look()
        self._rearm()
        if self._seen - before:
            self._on_change()
