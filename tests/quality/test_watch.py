"""`QualityWatch`: when a value is worth a warning, and when it is over."""

from __future__ import annotations

from typing import Any

import pytest

from telnyx_agent._media.stats import MediaStats
from telnyx_agent._quality.metrics import quality_metrics
from telnyx_agent._quality.watch import QualityWatch
from telnyx_agent.quality import TxWarning, WarningCode
from tests.quality.samples import CALL_ID, stats


class Feed:
    """Gives samples to a watch, one a second."""

    def __init__(self) -> None:
        self.watch = QualityWatch(CALL_ID)
        self.second = 0
        self.before: MediaStats | None = None

    def run(self, seconds: int, *, muted: bool = False, **changes: Any) -> list[TxWarning]:
        said: list[TxWarning] = []
        for _ in range(seconds):
            self.second += 1
            now = stats(self.second, **changes)
            metrics = quality_metrics(now, self.before)
            said += self.watch.sample(metrics, now, self.before, float(self.second), muted=muted)
            self.before = now
        return said


def told(warnings: list[TxWarning]) -> list[tuple[str, bool]]:
    return [(warning.name, warning.is_cleared) for warning in warnings]


def test_a_good_call_is_worth_no_warning() -> None:
    """However long."""
    feed = Feed()
    assert feed.run(600) == []
    assert feed.watch.active == ()


@pytest.mark.parametrize(
    ("name", "bad"),
    [("HIGH_RTT", {"rtt": 0.5}), ("HIGH_JITTER", {"jitter": 0.05})],
)
def test_a_bad_value_is_told_once_and_cleared_once(name: str, bad: dict[str, Any]) -> None:
    """After three bad samples, and after three good ones; and again, if it happens again."""
    feed = Feed()
    for _ in range(2):
        assert feed.run(2, **bad) == []
        assert told(feed.run(1, **bad)) == [(name, False)]
        assert [warning.name for warning in feed.watch.active] == [name]
        assert feed.run(100, **bad) == []
        assert feed.run(2) == []
        assert told(feed.run(1)) == [(name, True)]
        assert feed.watch.active == ()
        assert feed.run(100) == []


def test_a_value_that_swings_round_the_threshold_is_quiet() -> None:
    """Hysteresis: just under the limit is not good enough to clear; single bad samples are not bad enough to raise."""
    feed = Feed()
    for _ in range(50):
        assert feed.run(2, rtt=0.41) == []
        assert feed.run(1, rtt=0.39) == []
    assert told(feed.run(3, rtt=0.41)) == [("HIGH_RTT", False)]
    for _ in range(50):
        assert feed.run(1, rtt=0.41) == []
        assert feed.run(2, rtt=0.39) == []
        assert feed.run(2, rtt=0.05) == []
    assert told(feed.run(3, rtt=0.31)) == [("HIGH_RTT", True)]


def test_loss_and_its_mos() -> None:
    """1 % is the limit for loss; enough of it takes the MOS under 3.5."""
    feed = Feed()
    lost = 0
    said: list[TxWarning] = []
    for _ in range(3):
        lost += 5
        said += feed.run(1, packets_lost=lost)
    assert told(said) == [("HIGH_PACKET_LOSS", False), ("LOW_MOS", False)]
    assert said[0].value == pytest.approx(5 / 55)
    assert told(feed.run(3, packets_lost=lost)) == [("HIGH_PACKET_LOSS", True), ("LOW_MOS", True)]


def test_three_samples_in_a_moment_are_not_enough() -> None:
    """With a short interval it takes two seconds all the same."""
    watch = QualityWatch(CALL_ID)
    bad = stats(1, rtt=0.9)
    said: list[tuple[float, str]] = []
    for step in range(30):
        now = step / 10
        found = watch.sample(quality_metrics(bad, None), bad, None, now)
        said += [(now, warning.name) for warning in found if warning.code == WarningCode.HIGH_RTT]
    assert said == [(2.0, "HIGH_RTT")]


def test_a_silent_microphone_is_told_after_half_a_minute() -> None:
    """Not while muted; the first sound clears it."""
    feed = Feed()
    assert feed.run(40, muted=True, input_level=0.0) == []
    assert feed.run(30, input_level=0.0) == []
    assert told(feed.run(1, input_level=0.0)) == [("LOW_LOCAL_AUDIO", False)]
    assert told(feed.run(1)) == [("LOW_LOCAL_AUDIO", True)]


def test_an_agent_that_only_listens_is_told_after_half_a_minute() -> None:
    """31006."""
    feed = Feed()
    assert told(feed.run(31, output_level=0.0)) == [("LOW_INBOUND_AUDIO", False)]
    assert told(feed.run(1)) == [("LOW_INBOUND_AUDIO", True)]


def test_a_standstill_is_told() -> None:
    """Nothing comes, or nothing goes, for four seconds; the first packet clears it."""
    feed = Feed()
    feed.run(1)
    still: dict[str, Any] = {"bytes_received": 5000, "packets_received": 50}
    said = feed.run(10, **still)
    assert ("LOW_BYTES_RECEIVED", False) in told(said)
    assert told(said).count(("LOW_BYTES_RECEIVED", False)) == 1
    assert ("LOW_BYTES_RECEIVED", True) in told(feed.run(1))
    assert told(feed.run(6, bytes_sent=1)) == [("LOW_BYTES_SENT", False)]


def test_what_was_measured_before_an_interruption_has_no_sequel() -> None:
    """Two bad samples, a hold, two bad samples: no warning."""
    feed = Feed()
    feed.run(2, rtt=0.9)
    feed.watch.interrupted()
    assert feed.run(2, rtt=0.9) == []


def test_only_own_addresses_are_told_once() -> None:
    """33005."""
    feed = Feed()
    assert told(feed.run(20, only_host_candidates=True)) == [("ONLY_HOST_ICE_CANDIDATES", False)]


def test_a_server_that_was_late_is_told_once() -> None:
    """33002."""
    feed = Feed()
    assert told(feed.run(20, gathering_timed_out=True)) == [("ICE_GATHERING_TIMEOUT", False)]


def test_another_way_is_told_each_time() -> None:
    """33008 is an event: nothing to clear."""

    def route(kind: str) -> tuple[dict[str, str], ...]:
        return ({"side": "local", "type": kind, "protocol": "udp", "selected": "true"},)

    feed = Feed()
    assert feed.run(3, ice_candidates=route("host")) == []
    assert told(feed.run(3, ice_candidates=route("relay"))) == [("ICE_CANDIDATE_PAIR_CHANGED", False)]
    assert told(feed.run(3, ice_candidates=route("host"))) == [("ICE_CANDIDATE_PAIR_CHANGED", False)]
    assert feed.watch.active == ()


def test_what_no_sample_shows_is_raised_and_cleared_once_too() -> None:
    """A lost path, for example."""
    watch = QualityWatch(CALL_ID)
    assert told(watch.raise_warning(WarningCode.ICE_CONNECTIVITY_LOST)) == [("ICE_CONNECTIVITY_LOST", False)]
    assert watch.raise_warning(WarningCode.ICE_CONNECTIVITY_LOST) == []
    assert told(watch.clear(WarningCode.ICE_CONNECTIVITY_LOST)) == [("ICE_CONNECTIVITY_LOST", True)]
    assert watch.clear(WarningCode.ICE_CONNECTIVITY_LOST) == []
