"""`CallReport`: everything about one call in one JSON-able value, and `ReportLog`, which gathers it. PURE.

Nothing of what was said is in it, no number or name of the caller's, no header, no address, no credential. Its `stats`
have the form in which the official SDKs upload theirs (protocol.md 7.2).
"""

from __future__ import annotations

import copy
import json
import math
import operator
from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import attrs

from .._call_ids import call_uuid
from .._media.stats import MediaStats
from .metrics import CallQualityMetrics, get_quality

__all__ = ["CallReport", "MetricSummary", "ReportLog", "utc_text"]

WINDOW = 5.0
"""Seconds that one entry of `stats` covers at least; the official SDKs' default."""

_MOST_ENTRIES = 300
_MOST_EVENTS = 500


@attrs.frozen
class MetricSummary:
    """One quantity over a call. Telnyx's pre-call demos: `MetricSummary(min, max, avg)`."""

    min: float
    max: float
    avg: float


@attrs.frozen
class CallReport:
    """What one call was like. `Call.report` makes one at any time, also after the call.

    Attributes:
        call_id: Which call, as `Call.call_id`; a text in `to_dict` and JSON.
        direction: `"outbound"` or `"inbound"`.
        state: The call's state, in iOS's word.
        started_at: When the call was begun, UTC.
        duration: Seconds from then to the end, or until now.
        timings: Seconds from the beginning to `setup` (`ACTIVE`) and to `media` (audio could flow).
        codec: Of the audio; None before the answer.
        ended_by: The hang-up cause and codes, where the call has ended.
        jitter: Seconds.
        rtt: Seconds.
        mos: Mean opinion score.
        quality: The mean MOS in a word.
        totals: Counters at the end: the metrics' maps.
        candidates: Types of the ICE candidates.
        stats: One entry for each five seconds or more.
        events: What happened, with seconds since the beginning.
        warnings: Those that were raised, by name, with how often.
        telnyx_session_id: For Telnyx's support.
        telnyx_leg_id: For Telnyx's support.
    """

    call_id: UUID
    direction: str
    state: str
    started_at: datetime
    duration: float
    timings: Mapping[str, float] = attrs.field(factory=dict)
    codec: str | None = None
    ended_by: Mapping[str, Any] = attrs.field(factory=dict)
    jitter: MetricSummary | None = None
    rtt: MetricSummary | None = None
    mos: MetricSummary | None = None
    quality: str = "unknown"
    totals: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    candidates: tuple[Mapping[str, str], ...] = attrs.field(default=(), repr=False)
    stats: tuple[Mapping[str, Any], ...] = attrs.field(default=(), repr=False)
    events: tuple[Mapping[str, Any], ...] = attrs.field(default=(), repr=False)
    warnings: Mapping[str, int] = attrs.field(factory=dict)
    telnyx_session_id: UUID | None = attrs.field(default=None, converter=call_uuid)
    telnyx_leg_id: UUID | None = attrs.field(default=None, converter=call_uuid)

    def to_dict(self) -> dict[str, Any]:
        """Plain values only, with the attributes' names; ids are texts."""
        values = {
            name: value for name, value in attrs.asdict(self, recurse=True).items() if not isinstance(value, tuple)
        }
        for name in ("call_id", "telnyx_session_id", "telnyx_leg_id"):
            values[name] = None if values[name] is None else str(values[name])
        values["started_at"] = utc_text(self.started_at)
        for name in ("candidates", "stats", "events"):
            values[name] = [dict(entry) for entry in getattr(self, name)]
        return values

    def to_json(self, indent: int | None = 2) -> str:
        """The same as text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)


def utc_text(when: datetime) -> str:
    """ISO 8601 as JavaScript writes it: milliseconds and `Z`."""
    return when.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


_COUNTERS = (
    *("packets_sent", "bytes_sent", "packets_received", "bytes_received", "packets_lost"),
    *("remote_packets_lost", "remote_packets_sent"),
)
_PLAYOUT_COUNTERS = (
    *("packets_discarded", "packets_late", "jitter_buffer_delay", "jitter_buffer_emitted_count"),
    *("total_samples", "concealed_samples", "concealment_events"),
)
_SENT, _RECEIVED = _COUNTERS.index("bytes_sent"), _COUNTERS.index("bytes_received")
_MEANS = ("level in", "level out", "jitter", "round trip")


def _counters(stats: MediaStats) -> array[float]:
    """What an entry of `stats` tells of a snapshot, NaN where it is not known. A snapshot takes ten times the room."""
    values = [getattr(stats, name) for name in _COUNTERS] + [getattr(stats.playout, name) for name in _PLAYOUT_COUNTERS]
    return array("d", [math.nan if value is None else value for value in values])


@attrs.define
class _Window:
    """One entry of `stats`, in numbers only and of one size, however long it lasts."""

    begin: float
    end: float
    sent: float
    """Bytes, before it."""
    received: float
    """Bytes, before it."""
    after: array[float]
    """The counters at its end."""
    totals: array[float] = attrs.field(factory=lambda: array("d", bytes(8 * len(_MEANS))))
    """Sums of what is given as a mean."""
    known: array[int] = attrs.field(factory=lambda: array("L", [0] * len(_MEANS)))
    """Of how many samples."""

    @classmethod
    def at(cls, begin: float, counters: array[float]) -> _Window:
        """One that begins with a snapshot."""
        return cls(begin, begin, counters[_SENT], counters[_RECEIVED], counters)

    def add(self, at: float, after: array[float], seen: Sequence[float]) -> None:
        """One more sample."""
        self.end, self.after = at, after
        for index, value in enumerate(seen):
            if math.isfinite(value):
                self.totals[index] += value
                self.known[index] += 1

    def count_from(self, counters: array[float]) -> None:
        """A new peer connection counts from zero, or from what it has had before its first sample."""
        self.sent += counters[_SENT] - self.after[_SENT]
        self.received += counters[_RECEIVED] - self.after[_RECEIVED]
        self.after = counters

    def joined(self, later: _Window) -> _Window:
        totals = array("d", map(operator.add, self.totals, later.totals))
        known = array("L", map(operator.add, self.known, later.known))
        sent = self.sent - self.after[_SENT] + later.sent
        received = self.received - self.after[_RECEIVED] + later.received
        return _Window(self.begin, later.end, sent, received, later.after, totals, known)

    def means(self) -> list[float | None]:
        """As `_MEANS`."""
        return [total / count if count else None for total, count in zip(self.totals, self.known, strict=True)]


@attrs.define
class _Running:
    """The extremes and the mean of one quantity, without its values."""

    min: float = math.inf
    max: float = -math.inf
    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        self.min, self.max = min(self.min, value), max(self.max, value)
        self.total += value
        self.count += 1

    def summary(self) -> MetricSummary | None:
        return MetricSummary(self.min, self.max, self.total / self.count) if self.count else None


class ReportLog:
    """Gathers what a `CallReport` says. Times are seconds since the call was begun. Bounded, however long the call."""

    def __init__(self, call_id: str, direction: str, started_at: datetime) -> None:
        self._call_id = call_id
        self._direction = direction
        self._started_at = started_at
        self._events: list[dict[str, Any]] = []
        self._warnings: dict[str, int] = {}
        self._windows: list[_Window] = []
        self._open: _Window | None = None
        self._window_length = WINDOW
        self._last: MediaStats | None = None
        self._metrics = CallQualityMetrics.empty()
        self._seen = {name: _Running() for name in ("jitter", "rtt", "mos")}
        self._timings: dict[str, float] = {}

    def copy(self) -> ReportLog:
        """As it is now; what comes later does not change it."""
        # Closed windows and events do not change any more.
        twin = copy.copy(self)
        twin._events, twin._warnings = [*self._events], {**self._warnings}
        twin._windows, twin._timings = [*self._windows], {**self._timings}
        if (window := self._open) is not None:
            twin._open = attrs.evolve(window, totals=window.totals[:], known=window.known[:])
        twin._seen = {name: copy.copy(values) for name, values in self._seen.items()}
        return twin

    def set_interval(self, seconds: float) -> None:
        """How long one entry of `stats` lasts, from the next on; 5 s at first. At least one sample is in each."""
        self._window_length = seconds

    def event(self, name: str, at: float, /, **detail: str | float | bool | None) -> None:
        """Something happened. Beyond 500, those in the middle give way."""
        known = {key: value for key, value in detail.items() if value is not None}
        self._events.append({"at": round(at, 3), "event": name, **known})
        if len(self._events) > _MOST_EVENTS:
            del self._events[_MOST_EVENTS // 2]

    def timing(self, name: str, at: float) -> None:
        """A mark of the set-up, the first time that it is reached."""
        self._timings.setdefault(name, at)

    def warning(self, name: str, at: float, *, is_cleared: bool) -> None:
        """A warning was raised or cleared."""
        if not is_cleared:
            self._warnings[name] = self._warnings.get(name, 0) + 1
        self.event("warning cleared" if is_cleared else "warning", at, name=name)

    def sample(self, stats: MediaStats, metrics: CallQualityMetrics, at: float) -> None:
        """A new snapshot and what was made of it."""
        for name, values in self._seen.items():
            value = getattr(metrics, name)
            if math.isfinite(value) and stats.packets_received:
                values.add(value)
        before, self._last, self._metrics = self._last, stats, metrics
        counters = _counters(stats)
        if before is None:
            self._open = _Window.at(at, counters)
            return
        window = self._open
        assert window is not None
        if stats.packets_sent < before.packets_sent:
            window.count_from(counters)
            return
        seen = (metrics.inbound_audio_level, metrics.outbound_audio_level, stats.jitter, metrics.rtt)
        window.add(at, counters, seen)
        if at - window.begin >= self._window_length - 0.01:
            self._close_window()
            self._open = _Window.at(at, counters)

    def report(
        self,
        state: str,
        at: float,
        *,
        ended_by: Mapping[str, Any] | None = None,
        telnyx_session_id: str | None = None,
        telnyx_leg_id: str | None = None,
    ) -> CallReport:
        """All of it until now."""
        windows = [*self._windows]
        if self._open is not None and self._open.end > self._open.begin:
            windows.append(self._open)
        mos = self._seen["mos"].summary()
        metrics = self._metrics.to_dict()
        totals = {name: metrics[name] for name in _TOTALS if metrics[name] is not None}
        return CallReport(
            call_id=UUID(self._call_id),
            direction=self._direction,
            state=state,
            started_at=self._started_at,
            duration=round(at, 3),
            timings=dict(self._timings),
            codec=None if self._last is None else self._last.codec,
            ended_by=dict(ended_by or {}),
            jitter=self._seen["jitter"].summary(),
            rtt=self._seen["rtt"].summary(),
            mos=mos,
            quality=get_quality(math.nan if mos is None else mos.avg).value,
            totals=totals,
            candidates=self._metrics.ice_candidates,
            stats=tuple(self._entry(window) for window in windows),
            events=tuple(dict(event) for event in self._events),
            warnings=dict(self._warnings),
            telnyx_session_id=telnyx_session_id,
            telnyx_leg_id=telnyx_leg_id,
        )

    def _close_window(self) -> None:
        window, self._open = self._open, None
        if window is None or window.end <= window.begin:
            return
        self._windows.append(window)
        if len(self._windows) >= _MOST_ENTRIES:
            pairs = zip(self._windows[::2], self._windows[1::2], strict=False)
            self._windows = [first.joined(second) for first, second in pairs]
            self._window_length *= 2

    def _entry(self, window: _Window) -> dict[str, Any]:
        seconds = max(0.001, window.end - window.begin)
        inbound, outbound, jitter, rtt = window.means()
        names = (*_COUNTERS, *_PLAYOUT_COUNTERS)
        now = dict(zip(names, window.after, strict=True))
        lost, sent = now["remote_packets_lost"], now["remote_packets_sent"]
        return {
            "intervalStartUtc": utc_text(self._started_at + timedelta(seconds=window.begin)),
            "intervalEndUtc": utc_text(self._started_at + timedelta(seconds=window.end)),
            "audio": {
                "outbound": {
                    "packetsSent": int(now["packets_sent"]),
                    "bytesSent": int(now["bytes_sent"]),
                    "audioLevelAvg": outbound,
                    "bitrateAvg": round(8 * (now["bytes_sent"] - window.sent) / seconds),
                },
                "inbound": {
                    "packetsReceived": int(now["packets_received"]),
                    "bytesReceived": int(now["bytes_received"]),
                    "packetsLost": int(now["packets_lost"]),
                    "packetsDiscarded": int(now["packets_discarded"] + now["packets_late"]),
                    "jitterBufferDelay": now["jitter_buffer_delay"],
                    "jitterBufferEmittedCount": int(now["jitter_buffer_emitted_count"]),
                    "totalSamplesReceived": int(now["total_samples"]),
                    "concealedSamples": int(now["concealed_samples"]),
                    "concealmentEvents": int(now["concealment_events"]),
                    "audioLevelAvg": inbound,
                    "jitterAvg": None if jitter is None else 1000 * jitter,
                    "bitrateAvg": round(8 * (now["bytes_received"] - window.received) / seconds),
                },
            },
            "connection": {} if rtt is None else {"roundTripTimeAvg": rtt},
            "remoteRtcp": {
                "inbound": {} if math.isnan(lost) else {"packetsLost": int(lost)},
                "outbound": {} if math.isnan(sent) else {"packetsSent": int(sent)},
            },
        }


_TOTALS = ("inboundAudio", "outboundAudio", "remoteInboundAudio", "remoteOutboundAudio")
