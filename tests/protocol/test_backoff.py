"""`backoff`: how long to wait before another try."""

from __future__ import annotations

import pytest

from telnyx_agent._protocol.session.backoff import MAX_DELAY, reconnect_delay


@pytest.mark.parametrize(
    ("attempt", "delay"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30), (10_000, 30)]
)
def test_delays_double_up_to_half_a_minute(attempt: int, delay: float) -> None:
    """With a quarter of jitter to either side (R52)."""
    assert reconnect_delay(attempt, lambda: 0.5) == delay
    assert reconnect_delay(attempt, lambda: 0.0) == pytest.approx(0.75 * delay)
    assert reconnect_delay(attempt, lambda: 1.0) == pytest.approx(1.25 * delay)
    assert MAX_DELAY == 30
