"""`metrics`: the MOS and what is said of a moment of a call."""

from __future__ import annotations

import json
import math

import attrs
import pytest

from telnyx_agent._media.stats import MediaStats, PlayoutCounts, PlayoutStats
from telnyx_agent._quality.metrics import quality_metrics
from telnyx_agent.quality import CallQuality, CallQualityMetrics, TxWarning, calculate_mos, get_quality
from tests.quality.samples import stats


@pytest.mark.parametrize(
    ("jitter", "rtt", "received", "lost", "mos"),
    [(0, 0, 1000, 0, 4.4093), (5, 50, 1000, 0, 4.3949), (20, 100, 990, 10, 3.9325), (30, 400, 950, 50, 2.3690)],
)
def test_the_formula_gives_the_official_values(jitter: int, rtt: int, received: int, lost: int, mos: float) -> None:
    """protocol.md 7.3, the table of check values."""
    assert calculate_mos(jitter, rtt, received, lost) == pytest.approx(mos, abs=0.0001)


def test_worse_is_never_better() -> None:
    """R58: the official formula rates 50 % loss at 800 ms better than 5 % at 400 ms; with R kept in range it cannot."""
    assert calculate_mos(100, 800, 500, 500) == 1.0
    by_loss = [calculate_mos(30, 400, 1000 - lost, lost) for lost in range(0, 1001, 10)]
    assert by_loss == sorted(by_loss, reverse=True)


@pytest.mark.parametrize(("jitter", "rtt"), [(math.inf, 50), (20, math.inf), (20, -math.inf), (math.nan, 50)])
def test_no_mos_without_times(jitter: float, rtt: float) -> None:
    """iOS's MOSCalculatorTests: not finite is NaN, and NaN is unknown."""
    assert math.isnan(calculate_mos(jitter, rtt, 100, 0))


def test_no_packets_are_no_loss() -> None:
    """As in iOS, whose denominator is guarded too."""
    assert calculate_mos(0, 0, 0, 0) == pytest.approx(4.4093, abs=0.0001)


@pytest.mark.parametrize(
    ("mos", "quality"),
    [
        (4.4, "excellent"),
        (4.2, "good"),
        (4.1, "good"),
        (4.05, "fair"),
        (3.7, "fair"),
        (3.65, "poor"),
        (3.1, "poor"),
        (3.05, "bad"),
        (1.0, "bad"),
        (-1.0, "bad"),
        (math.nan, "unknown"),
        (math.inf, "unknown"),
        (-math.inf, "unknown"),
    ],
)
def test_the_bands_have_no_gaps(mos: float, quality: str) -> None:
    """iOS's bands; JavaScript calls 4.05 and 3.65 bad."""
    assert get_quality(mos) is CallQuality.from_mos(mos) is CallQuality(quality)


def test_nothing_is_known_before_anything_came() -> None:
    """NaN for MOS and round trip, as iOS; None where it becomes JSON."""
    metrics = CallQualityMetrics.empty()
    assert math.isnan(metrics.mos)
    assert math.isnan(metrics.rtt)
    assert metrics.quality is CallQuality.UNKNOWN
    assert metrics.to_dict()["mos"] is None
    json.dumps(metrics.to_dict(), allow_nan=False)
    assert math.isnan(quality_metrics(MediaStats(), None).mos)


def test_before_a_call_nothing_is_counted() -> None:
    """Zeros where something is counted or added up, None where nothing is known."""
    for counters in (PlayoutStats(), PlayoutCounts()):
        assert set(attrs.asdict(counters).values()) == {0}
    stats = attrs.asdict(MediaStats(), recurse=False)
    assert (stats.pop("state"), stats.pop("playout"), stats.pop("ice_candidates")) == ("new", PlayoutStats(), ())
    unknown = {"codec", "rtt", "mos", *(name for name in stats if name.startswith("remote_"))}
    assert {name for name, value in stats.items() if value is None} == unknown
    assert {value for value in stats.values() if value is not None} == {0}


def test_seconds_and_names_of_get_stats() -> None:
    """Jitter and round trip in seconds, the maps with W3C's names, remote ones only after a report."""
    metrics = quality_metrics(stats(2), stats(1))
    assert (metrics.jitter, metrics.rtt) == (0.002, 0.05)
    assert (metrics.inbound_audio_level, metrics.outbound_audio_level) == (0.2, 0.1)
    assert metrics.inbound_audio is not None
    assert metrics.inbound_audio["packetsReceived"] == 100
    assert metrics.outbound_audio is not None
    assert metrics.outbound_audio["bytesSent"] == 10000
    assert metrics.remote_inbound_audio is not None
    assert metrics.remote_inbound_audio["roundTripTime"] == 0.05
    assert metrics.remote_outbound_audio is None
    told = quality_metrics(stats(2, remote_packets_sent=7, remote_bytes_sent=700), None).remote_outbound_audio
    assert told is not None
    assert told["packetsSent"] == 7
    assert quality_metrics(stats(2, rtt=None), None).remote_inbound_audio is None


def test_the_mos_is_that_of_the_interval() -> None:
    """Loss long ago does not count; where nothing came and nothing is missing, the call so far does."""
    before = stats(1, packets_lost=500)
    assert quality_metrics(stats(2, packets_lost=500), before).mos == pytest.approx(4.39, abs=0.02)
    lossy = quality_metrics(stats(2, packets_lost=550), before)
    assert lossy.loss == 0.5
    assert lossy.mos < 2.0
    silent = quality_metrics(stats(1), stats(1))
    assert silent.mos == pytest.approx(4.39, abs=0.02)


def test_packets_that_come_late_after_all_are_no_negative_loss() -> None:
    """The counter may shrink."""
    assert quality_metrics(stats(2, packets_lost=3), stats(1, packets_lost=5)).loss == 0.0


def told(warnings: list[TxWarning]) -> list[tuple[str, bool]]:
    return [(warning.name, warning.is_cleared) for warning in warnings]
