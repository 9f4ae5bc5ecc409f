"""`backoff`, `timers`: the parts that fit on a page."""

from __future__ import annotations

import pytest

from telnyx_agent._protocol.backoff import MAX_DELAY, reconnect_delay
from telnyx_agent._protocol.timers import Timer, TimerKind, Timers

# -- backoff -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "delay"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30), (10_000, 30)]
)
def test_delays_double_up_to_half_a_minute(attempt: int, delay: float) -> None:
    """With a quarter of jitter to either side (R52)."""
    assert reconnect_delay(attempt, lambda: 0.5) == delay
    assert reconnect_delay(attempt, lambda: 0.0) == pytest.approx(0.75 * delay)
    assert reconnect_delay(attempt, lambda: 1.0) == pytest.approx(1.25 * delay)
    assert MAX_DELAY == 30


# -- timers ------------------------------------------------------------------------------------------------------------

LOGIN, READY = Timer(TimerKind.LOGIN), Timer(TimerKind.READY)


def test_timers_come_due_in_order() -> None:
    """One at a time, not before their time, and once."""
    timers = Timers()
    assert timers.next_deadline is None
    timers.set(READY, 15.0)
    timers.set(LOGIN, 10.0)
    assert timers.next_deadline == 10.0
    assert timers.pop_due(9.9) is None
    assert [timers.pop_due(20.0), timers.pop_due(20.0), timers.pop_due(20.0)] == [LOGIN, READY, None]


def test_timers_can_be_moved_and_taken_back() -> None:
    """By name."""
    timers = Timers()
    timers.set(LOGIN, 10.0)
    timers.set(LOGIN, 20.0)
    timers.set(Timer(TimerKind.INVITE, "call"), 5.0)
    timers.cancel(Timer(TimerKind.INVITE, "another"), READY)
    assert timers.next_deadline == 5.0
    timers.cancel(Timer(TimerKind.INVITE, "call"))
    assert (LOGIN in timers, READY in timers, timers.next_deadline) == (True, False, 20.0)
    timers.clear()
    assert timers.next_deadline is None
