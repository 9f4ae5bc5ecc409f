"""Codes, metrics, warnings, socket health and the report: all pure, so no thread, no clock."""

from __future__ import annotations

import gc
import itertools
import json
import math
import sys
from datetime import datetime, timezone
from types import FunctionType, ModuleType
from typing import Any

import attrs
import pytest

from telnyx_agent._media.stats import MediaStats, PlayoutCounts, PlayoutStats
from telnyx_agent._protocol.socket_health import SocketHealth
from telnyx_agent._quality.metrics import quality_metrics
from telnyx_agent._quality.report import ReportLog
from telnyx_agent._quality.upload import UploadIdentity, chosen_logs, report_url, upload_payload
from telnyx_agent._quality.watch import QualityWatch
from telnyx_agent.errors import ErrorCode
from telnyx_agent.quality import CallQuality, CallQualityMetrics, TxWarning, WarningCode, calculate_mos, get_quality

CALL_ID = "6c9f1f0e-0000-4000-8000-000000000001"

# -- numbers -----------------------------------------------------------------------------------------------------------


ERRORS = """
40001 SDP_CREATE_OFFER_FAILED
40002 SDP_CREATE_ANSWER_FAILED
40003 SDP_SET_LOCAL_DESCRIPTION_FAILED
40004 SDP_SET_REMOTE_DESCRIPTION_FAILED
40005 SDP_SEND_FAILED
42001 MEDIA_MICROPHONE_PERMISSION_DENIED
42002 MEDIA_DEVICE_NOT_FOUND
42003 MEDIA_GET_USER_MEDIA_FAILED
44001 HOLD_FAILED
44002 INVALID_CALL_PARAMETERS
44003 BYE_SEND_FAILED
44004 SUBSCRIBE_FAILED
44005 PEER_CLOSED_DURING_INIT
45001 WEBSOCKET_CONNECTION_FAILED
45002 WEBSOCKET_ERROR
45003 RECONNECTION_EXHAUSTED
45004 GATEWAY_FAILED
46001 LOGIN_FAILED
46002 INVALID_CREDENTIALS
46003 AUTHENTICATION_REQUIRED
47001 ICE_RESTART_FAILED
48001 NETWORK_OFFLINE
48501 SESSION_NOT_REATTACHED
49001 UNEXPECTED_ERROR
"""
WARNINGS = """
31001 HIGH_RTT
31002 HIGH_JITTER
31003 HIGH_PACKET_LOSS
31004 LOW_MOS
31005 LOW_LOCAL_AUDIO
31006 LOW_INBOUND_AUDIO
32001 LOW_BYTES_RECEIVED
32002 LOW_BYTES_SENT
32003 RECORDING_UNAVAILABLE
32004 RECORDING_BUFFER_OVERFLOW
33001 ICE_CONNECTIVITY_LOST
33002 ICE_GATHERING_TIMEOUT
33003 ICE_GATHERING_EMPTY
33004 PEER_CONNECTION_FAILED
33005 ONLY_HOST_ICE_CANDIDATES
33006 ANSWER_WHILE_PEER_ACTIVE
33007 DUPLICATE_INBOUND_ANSWER
33008 ICE_CANDIDATE_PAIR_CHANGED
33009 AUDIO_INPUT_DEVICE_CHANGE_SKIPPED
33010 MULTIPLE_ACTIVE_CALLS_DETECTED
33011 SHARED_REMOTE_ELEMENT_OVERWRITE
34001 TOKEN_EXPIRING_SOON
35002 UNKNOWN_REATTACHED_SESSION
36003 SIGNALING_RECOVERY_REQUIRED
36004 MEDIA_RECOVERY_REQUIRED
36005 RECONNECTION_FAILED_WITH_NO_AUTO_RECONNECT
"""


@pytest.mark.parametrize(("codes", "official"), [(ErrorCode, ERRORS), (WarningCode, WARNINGS)])
def test_the_numbers_are_the_official_ones(codes: type[ErrorCode | WarningCode], official: str) -> None:
    """Those of the JavaScript SDK (protocol.md 8.1), all and no others."""
    assert {f"{code.value} {code.name}" for code in codes} == set(official.split("\n")[1:-1])


@pytest.mark.parametrize("code", [*ErrorCode, *WarningCode], ids=lambda code: code.name)
def test_every_number_has_a_text(code: ErrorCode | WarningCode) -> None:
    """And warnings say what can be done."""
    assert len(code.message) > 10
    if isinstance(code, WarningCode):
        assert code.advice
    else:
        assert all(len(text) > 5 for text in (*code.causes, *code.solutions))
        assert code.causes
        assert code.solutions
        assert code.causes != code.solutions


def test_which_errors_are_fatal() -> None:
    """The column of protocol.md 8.1."""
    harmless = {code.value for code in ErrorCode if not code.is_fatal}
    assert harmless == {44001, 44003, 44004, 45002, 45004, 46003, 47001, 48001}


def test_a_warning_reads_well() -> None:
    """Number, name, text; and whether it is over."""
    warning = TxWarning(WarningCode.HIGH_RTT, CALL_ID)
    assert str(warning).startswith("31001 HIGH_RTT: ")
    assert str(attrs.evolve(warning, is_cleared=True)).endswith("(over)")
    assert (warning.code, warning.name) == (31001, "HIGH_RTT")


# -- the MOS -----------------------------------------------------------------------------------------------------------


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


# -- the metrics -------------------------------------------------------------------------------------------------------


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


# -- the warnings ------------------------------------------------------------------------------------------------------


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


# -- the socket --------------------------------------------------------------------------------------------------------


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


# -- the report --------------------------------------------------------------------------------------------------------

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def gathered(seconds: int) -> ReportLog:
    log = ReportLog(CALL_ID, "outbound", BEGIN)
    log.timing("setup", 0.5)
    before = None
    for second in range(seconds + 1):
        now = stats(second)
        log.sample(now, quality_metrics(now, before), float(second))
        before = now
    return log


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


def test_the_upload_has_the_official_form() -> None:
    """protocol.md 7.2: host, summary, stats, logs; the id of the report is not in the body and not in a repr."""
    assert report_url("wss://eu.rtc.telnyx.com") == "https://eu.rtc.telnyx.com/call_report"
    assert report_url("ws://127.0.0.1:8080/?x=1") == "http://127.0.0.1:8080/call_report"
    log = gathered(6)
    log.event("state", 0.5, state="ACTIVE")
    identity = UploadIdentity("secret-report", "VSDK1", "sess", "assistant-1", "alice", "bob", "eu-west", "ams3", "1.0")
    assert "secret-report" not in repr(identity)
    payload = upload_payload(log.report("DONE", 6.0), identity, "rtc.telnyx.com")
    summary = payload["summary"]
    assert summary["callId"] == CALL_ID
    assert (summary["callerNumber"], summary["destinationNumber"]) == ("alice", "bob")
    assert (summary["state"], summary["durationSeconds"], summary["direction"]) == ("done", 6.0, "outbound")
    assert summary["startTimestamp"] == "2026-01-02T03:04:05.000Z"
    assert summary["clientSummary"]["authentication"]["anonymousLogin"]["targetId"] == "assistant-1"
    assert payload["stats"][0]["audio"]["outbound"]["packetsSent"] == 250
    assert payload["logs"] == [
        {
            "timestamp": "2026-01-02T03:04:05.500Z",
            "level": "info",
            "message": "state",
            "context": {"state": "ACTIVE"},
        }
    ]
    assert "secret-report" not in json.dumps(payload)


def test_the_levels_of_a_reports_log() -> None:
    """Each contains those above it; the latest are kept."""
    logs = [{"level": level, "message": level} for level in ("info", "warn", "debug", "error")]
    assert [entry["level"] for entry in chosen_logs(logs, "debug", 10)] == ["info", "warn", "debug", "error"]
    assert [entry["level"] for entry in chosen_logs(logs, "warn", 10)] == ["warn", "error"]
    assert [entry["level"] for entry in chosen_logs(logs, "debug", 1)] == ["error"]
    assert chosen_logs(logs, "debug", 0) == []
