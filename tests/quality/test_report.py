"""`ReportLog`: what is kept of a call, and how little that is."""

from __future__ import annotations

import gc
import itertools
import json
import sys
from types import FunctionType, ModuleType

import attrs
import pytest

from telnyx_agent._quality.metrics import quality_metrics
from telnyx_agent._quality.report import ReportLog
from tests.quality.samples import BEGIN, CALL_ID, gathered, stats


def test_the_report_of_a_call() -> None:
    """Summaries, one entry for five seconds, totals; all of it JSON."""
    log = gathered(12)
    log.event("state", 12.0, state="DONE")
    log.warning("HIGH_RTT", 3.0, is_cleared=False)
    report = log.report("DONE", 12.5, ended_by={"cause": "NORMAL_CLEARING"})
    assert report.duration == 12.5
    assert report.codec == "opus"
    assert report.quality == "excellent"
    assert report.jitter is not None
    assert attrs.astuple(report.jitter) == pytest.approx((0.002, 0.002, 0.002))
    assert [entry["intervalStartUtc"] for entry in report.stats] == [
        "2026-01-02T03:04:05.000Z",
        "2026-01-02T03:04:10.000Z",
        "2026-01-02T03:04:15.000Z",
    ]
    first = report.stats[0]["audio"]
    assert first["inbound"]["packetsReceived"] == 250
    assert first["outbound"]["bitrateAvg"] == 40000
    assert report.warnings == {"HIGH_RTT": 1}
    again = json.loads(report.to_json())
    assert again["started_at"] == "2026-01-02T03:04:05.000Z"
    assert again["mos"]["avg"] > 4.3
    assert again["ended_by"] == {"cause": "NORMAL_CLEARING"}
    assert len(again["stats"]) == 3


def test_a_report_is_bounded_and_covers_the_whole_call() -> None:
    """Ten hours: at most 300 entries, in order, from the first second to the last."""
    report = gathered(36000).report("DONE", 36000.0)
    assert 100 <= len(report.stats) <= 300
    edges = [(entry["intervalStartUtc"], entry["intervalEndUtc"]) for entry in report.stats]
    assert edges[0][0] == "2026-01-02T03:04:05.000Z"
    assert edges[-1][1] == "2026-01-02T13:04:05.000Z"
    assert all(end == begin for (_, end), (begin, _) in itertools.pairwise(edges))
    log = gathered(1)
    for number in range(2000):
        log.event("state", float(number), state="ACTIVE")
    assert len(log.report("ACTIVE", 2000.0).events) == 500


def room_of(log: ReportLog) -> int:
    """Bytes of all that it holds."""
    seen: dict[int, object] = {}
    waiting: list[object] = [vars(log)]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen and not isinstance(one, type | ModuleType | FunctionType):
            seen[id(one)] = one
            waiting += gc.get_referents(one)
    return sum(map(sys.getsizeof, seen.values()))


def test_what_a_report_keeps_does_not_grow_with_the_call() -> None:
    """What 300 entries take is all that ten hours take, and extremes of the beginning are not forgotten."""
    assert room_of(gathered(36000)) < 200_000
    log = gathered(10)
    bad = attrs.evolve(stats(11), jitter=0.5)
    log.sample(bad, quality_metrics(bad, stats(10)), 11.0)
    for second in range(12, 9000):
        now = stats(second)
        log.sample(now, quality_metrics(now, stats(second - 1)), float(second))
    jitter = log.report("ACTIVE", 9000.0).jitter
    assert jitter is not None
    assert jitter.max == 0.5


def test_entries_that_are_joined_keep_their_means_and_rates() -> None:
    """The mean of all samples, also where a new peer connection began to count from zero."""
    log = ReportLog(CALL_ID, "outbound", BEGIN)
    before = None
    for second in range(3001):
        now = stats(second % 1000)  # a new connection every 1,000 s
        log.sample(now, quality_metrics(now, before), float(second))
        before = now
    entries = log.report("ACTIVE", 3000.0).stats
    assert len(entries) <= 300
    rates = [entry["audio"]["outbound"]["bitrateAvg"] for entry in entries]
    assert rates[0] == rates[1] == 40000
    assert all(0 < rate <= 40000 for rate in rates)
    assert {round(entry["audio"]["inbound"]["jitterAvg"], 6) for entry in entries} == {2.0}


def test_a_call_without_media_has_a_report() -> None:
    """Rejected, for example."""
    report = ReportLog(CALL_ID, "outbound", BEGIN).report("DONE", 1.0)
    assert (report.mos, report.codec, report.stats, report.quality) == (None, None, (), "unknown")
    json.loads(report.to_json())
