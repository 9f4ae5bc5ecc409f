"""Statistics of calls that never were: a good one, second by second, and the report of it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import attrs

from telnyx_agent._media.stats import MediaStats, PlayoutStats
from telnyx_agent._quality.metrics import quality_metrics
from telnyx_agent._quality.report import ReportLog

__all__ = ["BEGIN", "CALL_ID", "gathered", "stats"]

CALL_ID = "6c9f1f0e-0000-4000-8000-000000000001"
BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def stats(second: int = 0, **changes: Any) -> MediaStats:
    """A good call after so many seconds, 50 packets each."""
    packets = 50 * second
    good = MediaStats(
        state="connected",
        codec="opus",
        packets_sent=packets,
        bytes_sent=100 * packets,
        packets_received=packets,
        bytes_received=100 * packets,
        jitter=0.002,
        rtt=0.05,
        input_level=0.1,
        output_level=0.2,
        playout=PlayoutStats(packets_received=packets),
    )
    return attrs.evolve(good, **changes)


def gathered(seconds: int) -> ReportLog:
    log = ReportLog(CALL_ID, "outbound", BEGIN)
    log.timing("setup", 0.5)
    before = None
    for second in range(seconds + 1):
        now = stats(second)
        log.sample(now, quality_metrics(now, before), float(second))
        before = now
    return log
