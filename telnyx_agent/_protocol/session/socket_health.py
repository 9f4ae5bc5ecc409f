"""`SocketHealth`: how well the signalling connection does, from its pings (R60, protocol.md 7.3, api_parity 4.4)."""

from __future__ import annotations

import enum
import math
from collections import deque

import attrs

__all__ = ["SocketConnectionMetrics", "SocketConnectionQuality", "SocketHealth"]

NOMINAL_INTERVAL = 30.0
"""Seconds between two pings of the server's (protocol.md 1.5)."""

_MISSED_AFTER = 30.5
_KEPT = 30
_BANDS = (0.1, 0.2, 0.3)


class SocketConnectionQuality(str, enum.Enum):
    """How regularly the server's pings come. Android and Flutter have the same names."""

    DISCONNECTED = "disconnected"
    CALCULATING = "calculating"
    """Fewer than two pings so far."""
    EXCELLENT = "excellent"
    """Within 100 ms of every 30 s."""
    GOOD = "good"
    """200 ms."""
    FAIR = "fair"
    """300 ms."""
    POOR = "poor"


@attrs.frozen
class SocketConnectionMetrics:
    """The signalling connection now. Android and Flutter: `SocketConnectionMetrics`, whose fields are in milliseconds.

    Attributes:
        interval_ms: Between the last two pings of the server's; None before the second.
        average_interval_ms: Of the last thirty.
        min_interval_ms: Likewise.
        max_interval_ms: Likewise.
        jitter_ms: How far intervals are from their mean, on average.
        missed_pings: Intervals longer than 30.5 s, counted once for each ping that should have come.
        total_pings: Of the server's, since the login.
        quality: The last interval in a word.
        round_trip_ms: From our last ping to its answer; None before the first.
        average_round_trip_ms: Of the last thirty.
        reconnect_count: How often the connection was lost and made again since the login.
        last_ping: When the server's last ping came; seconds on the session's clock.
    """

    interval_ms: float | None = None
    average_interval_ms: float | None = None
    min_interval_ms: float | None = None
    max_interval_ms: float | None = None
    jitter_ms: float | None = None
    missed_pings: int = 0
    total_pings: int = 0
    quality: SocketConnectionQuality = SocketConnectionQuality.DISCONNECTED
    round_trip_ms: float | None = None
    average_round_trip_ms: float | None = None
    reconnect_count: int = 0
    last_ping: float | None = None

    @property
    def success_rate(self) -> float:
        """Percent of the pings that came in time. Flutter: `getSuccessRate()`."""
        expected = self.total_pings + self.missed_pings
        return 100.0 * self.total_pings / expected if expected else 100.0

    def get_success_rate(self) -> float:
        """Flutter's name for `success_rate`."""
        return self.success_rate


class SocketHealth:
    """The pings of one login, over all its connections."""

    def __init__(self) -> None:
        self._connected = False
        self._was_connected = False
        self._last_ping: float | None = None
        self._intervals: deque[float] = deque(maxlen=_KEPT)
        self._round_trips: deque[float] = deque(maxlen=_KEPT)
        self._asked: dict[str, float] = {}
        self._pings = self._missed = self._reconnects = 0
        self._metrics: SocketConnectionMetrics | None = None

    @property
    def metrics(self) -> SocketConnectionMetrics:
        """All of it now; the same object until something changes."""
        if self._metrics is None:
            self._metrics = self._measured()
        return self._metrics

    def ready(self) -> None:
        """Logged in and registered, for the first time or again."""
        if not self._connected:
            self._reconnects += self._was_connected
        self._connected = self._was_connected = True
        self._metrics = None

    def lost(self) -> None:
        """The connection is gone. The next begins to count anew how regular its pings are."""
        self._connected = False
        self._last_ping = None
        self._asked.clear()
        self._metrics = None

    def server_ping(self, now: float) -> None:
        """The server pinged."""
        self._pings += 1
        if self._last_ping is not None:
            interval = now - self._last_ping
            self._intervals.append(interval)
            if interval > _MISSED_AFTER:
                self._missed += max(1, round(interval / NOMINAL_INTERVAL) - 1)
        self._last_ping = now
        self._metrics = None

    def asked(self, request_id: str, now: float) -> None:
        """A ping of ours goes out."""
        self._asked[request_id] = now
        while len(self._asked) > _KEPT:
            del self._asked[next(iter(self._asked))]

    def answered(self, request_id: object, now: float) -> None:
        """A reply came, to a ping or to something else."""
        sent = self._asked.pop(str(request_id), None)
        if sent is not None:
            self._round_trips.append(now - sent)
            self._metrics = None

    def _measured(self) -> SocketConnectionMetrics:
        intervals, trips = self._intervals, self._round_trips
        mean = _mean(intervals)
        return SocketConnectionMetrics(
            interval_ms=_ms(intervals[-1] if intervals else None),
            average_interval_ms=_ms(mean),
            min_interval_ms=_ms(min(intervals, default=None)),
            max_interval_ms=_ms(max(intervals, default=None)),
            jitter_ms=None if mean is None else _ms(_mean([abs(interval - mean) for interval in intervals])),
            missed_pings=self._missed,
            total_pings=self._pings,
            quality=self._quality(),
            round_trip_ms=_ms(trips[-1] if trips else None),
            average_round_trip_ms=_ms(_mean(trips)),
            reconnect_count=self._reconnects,
            last_ping=self._last_ping,
        )

    def _quality(self) -> SocketConnectionQuality:
        if not self._connected:
            return SocketConnectionQuality.DISCONNECTED
        if self._last_ping is None or not self._intervals:
            return SocketConnectionQuality.CALCULATING
        deviation = round(abs(self._intervals[-1] - NOMINAL_INTERVAL), 6)
        names = (SocketConnectionQuality.EXCELLENT, SocketConnectionQuality.GOOD, SocketConnectionQuality.FAIR)
        return next(
            (name for name, most in zip(names, _BANDS, strict=True) if deviation <= most),
            SocketConnectionQuality.POOR,
        )


def _mean(values: deque[float] | list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _ms(value: float | None) -> float | None:
    return None if value is None else 1000.0 * value
