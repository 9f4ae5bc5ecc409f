"""`SocketHealth`: how well the signalling connection does, from its pings."""

from __future__ import annotations

import pytest

from telnyx_agent._protocol.session.socket_health import SocketHealth


@pytest.mark.parametrize(
    ("interval", "quality"), [(30.1, "excellent"), (29.8, "good"), (30.3, "fair"), (30.31, "poor"), (15.0, "poor")]
)
def test_the_socket_s_quality_is_how_regular_its_pings_are(interval: float, quality: str) -> None:
    """Round 30 s; the bands of Android and Flutter."""
    health = SocketHealth()
    assert health.metrics.quality.value == "disconnected"
    health.ready()
    health.server_ping(0.0)
    assert health.metrics.quality.value == "calculating"
    health.server_ping(interval)
    assert health.metrics.quality.value == quality
    assert health.metrics.interval_ms == pytest.approx(1000 * interval)


def test_missed_pings_count() -> None:
    """A ping after 90 s: two are missing."""
    health = SocketHealth()
    health.ready()
    for now in (0.0, 30.0, 120.0):
        health.server_ping(now)
    metrics = health.metrics
    assert (metrics.total_pings, metrics.missed_pings, metrics.success_rate) == (3, 2, 60.0)
    assert (metrics.min_interval_ms, metrics.max_interval_ms, metrics.average_interval_ms) == (30e3, 90e3, 60e3)
    assert metrics.jitter_ms == 30e3
    assert metrics.get_success_rate() == 60.0


@pytest.mark.parametrize(("interval", "missed"), [(30.5, 0), (30.6, 1), (44.9, 1), (60.0, 1), (76.0, 2), (90.0, 2)])
def test_how_many_pings_are_missing(interval: float, missed: int) -> None:
    """From half a second too late on, at least one."""
    health = SocketHealth()
    health.ready()
    health.server_ping(5.0)
    health.server_ping(5.0 + interval)
    assert health.metrics.missed_pings == missed
    assert health.metrics.last_ping == 5.0 + interval


def test_thirty_intervals_and_open_pings_are_kept() -> None:
    """Older ones count no more: neither in the averages nor as a question that may be answered."""
    health = SocketHealth()
    health.ready()
    now = 0.0
    for interval in (0.0, 90.0, *[30.0] * 29):
        now += interval
        health.server_ping(now)
    assert health.metrics.max_interval_ms == 90e3
    health.server_ping(now + 30.0)
    assert health.metrics.max_interval_ms == 30e3
    assert health.metrics.jitter_ms == 0.0
    for number in range(31):
        health.asked(str(number), float(number))
    health.answered("0", 100.0)
    assert health.metrics.round_trip_ms is None
    health.answered("1", 101.0)
    assert health.metrics.round_trip_ms == 100e3


def test_round_trips_and_reconnections() -> None:
    """Answers to other requests are none; what was asked on a lost connection is not waited for."""
    health = SocketHealth()
    health.ready()
    health.asked("a", 1.0)
    health.answered("other", 1.1)
    assert health.metrics.round_trip_ms is None
    health.answered("a", 1.25)
    health.asked("b", 2.0)
    health.answered("b", 2.75)
    assert health.metrics.round_trip_ms == 750.0
    assert health.metrics.average_round_trip_ms == 500.0
    health.asked("c", 3.0)
    health.lost()
    health.ready()
    health.answered("c", 9.0)
    assert health.metrics.round_trip_ms == 750.0
    assert health.metrics.reconnect_count == 1
    assert health.metrics is health.metrics
