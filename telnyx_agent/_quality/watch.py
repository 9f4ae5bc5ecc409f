"""`QualityWatch`: which warnings a call's samples are worth. Each is raised once and cleared once. PURE.

A warning is raised when what it is about has been bad in three samples in a row and for two seconds, and cleared when
it has been clearly good (not just at the threshold) for as long: so that a value that swings round its threshold does
not ring a bell twice a second. Thresholds are the JavaScript SDK's (protocol.md 7.3), but for LOW_MOS, whose formula
is R58's and not that SDK's third one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from .._media.stats import MediaStats
from .._protocol.warnings import TxWarning, WarningCode
from .metrics import CallQualityMetrics

__all__ = ["QualityWatch"]

_SAMPLES = 3
_HOLD = 2.0
_SILENCE = 0.001
_SILENCE_HOLD = 30.0
_STALL_HOLD = 4.0


@attrs.frozen
class _Sample:
    metrics: CallQualityMetrics
    stats: MediaStats
    before: MediaStats | None
    muted: bool


@attrs.frozen
class _Rule:
    """When a warning is due. `bad` and `good` say nothing of a sample that is neither."""

    code: WarningCode
    value: Callable[[_Sample], float]
    bad: Callable[[float], bool]
    good: Callable[[float], bool]
    hold: float = _HOLD
    applies: Callable[[_Sample], bool] = lambda sample: True


def _above(limit: float) -> tuple[Callable[[float], bool], Callable[[float], bool]]:
    return (lambda value: value > limit), (lambda value: value < 0.8 * limit)


def _grown(name: str) -> Callable[[_Sample], float]:
    def grown(sample: _Sample) -> float:
        before = 0 if sample.before is None else getattr(sample.before, name)
        return float(getattr(sample.stats, name) - before)

    return grown


_RULES = (
    _Rule(WarningCode.HIGH_RTT, lambda s: s.metrics.rtt, *_above(0.4)),
    _Rule(WarningCode.HIGH_JITTER, lambda s: s.metrics.jitter, *_above(0.03)),
    _Rule(WarningCode.HIGH_PACKET_LOSS, lambda s: s.metrics.loss, *_above(0.01)),
    _Rule(WarningCode.LOW_MOS, lambda s: s.metrics.mos, lambda mos: mos < 3.5, lambda mos: mos > 3.7),
    _Rule(
        WarningCode.LOW_LOCAL_AUDIO,
        lambda s: s.metrics.outbound_audio_level,
        lambda level: level <= _SILENCE,
        lambda level: level > 2 * _SILENCE,
        hold=_SILENCE_HOLD,
        applies=lambda s: not s.muted,
    ),
    _Rule(
        WarningCode.LOW_INBOUND_AUDIO,
        lambda s: s.metrics.inbound_audio_level,
        lambda level: level <= _SILENCE,
        lambda level: level > 2 * _SILENCE,
        hold=_SILENCE_HOLD,
    ),
    _Rule(
        WarningCode.LOW_BYTES_RECEIVED, _grown("bytes_received"), lambda n: n <= 0, lambda n: n > 0, hold=_STALL_HOLD
    ),
    # A new peer connection counts from zero, so that less than before is not a standstill.
    _Rule(WarningCode.LOW_BYTES_SENT, _grown("bytes_sent"), lambda n: n == 0, lambda n: n != 0, hold=_STALL_HOLD),
)

_ONE_GOOD_SAMPLE = frozenset(
    {
        *(WarningCode.LOW_LOCAL_AUDIO, WarningCode.LOW_INBOUND_AUDIO),
        *(WarningCode.LOW_BYTES_RECEIVED, WarningCode.LOW_BYTES_SENT),
    }
)
"""What is over with the first sound or packet."""


@attrs.define
class _Streak:
    """How long it has been as it is."""

    since: float = 0.0
    samples: int = 0

    def grows(self, now: float) -> None:
        if not self.samples:
            self.since = now
        self.samples += 1


class QualityWatch:
    """The warnings of one call. Fed on one thread; the time is an argument.

    Args:
        call_id: What the warnings say.
    """

    def __init__(self, call_id: str) -> None:
        self._call_id = call_id
        self._raised: dict[WarningCode, TxWarning] = {}
        self._streaks = {rule.code: _Streak() for rule in _RULES}
        self._route: tuple[str, ...] | None = None

    @property
    def active(self) -> tuple[TxWarning, ...]:
        """The warnings that were raised and not cleared yet, oldest first."""
        return tuple(self._raised.values())

    def sample(
        self,
        metrics: CallQualityMetrics,
        stats: MediaStats,
        before: MediaStats | None,
        now: float,
        *,
        muted: bool = False,
    ) -> list[TxWarning]:
        """A new sample of a call that is up and not on hold. Returns the warnings that follow from it."""
        sample = _Sample(metrics, stats, before, muted)
        warnings: list[TxWarning] = []
        for rule in _RULES:
            warnings += self._look(rule, sample, now)
        if stats.only_host_candidates:
            warnings += self.raise_warning(WarningCode.ONLY_HOST_ICE_CANDIDATES)
        if stats.gathering_timed_out:
            warnings += self.raise_warning(WarningCode.ICE_GATHERING_TIMEOUT)
        return warnings + self._look_at_route(stats)

    def interrupted(self) -> None:
        """The call is on hold or gets new media: begin to count again."""
        for rule in _RULES:
            self._streaks[rule.code] = _Streak()

    def raise_warning(self, code: WarningCode, value: float | None = None, detail: str = "") -> list[TxWarning]:
        """Raise a warning that does not come from a sample. Returns it, or nothing if it was raised already."""
        if code in self._raised:
            return []
        warning = self._raised[code] = TxWarning(code, self._call_id, value=value, detail=detail)
        return [warning]

    def clear(self, code: WarningCode, value: float | None = None) -> list[TxWarning]:
        """The problem is over. Returns the cleared warning, or nothing if it was not raised."""
        warning = self._raised.pop(code, None)
        return [] if warning is None else [attrs.evolve(warning, is_cleared=True, value=value)]

    def _look(self, rule: _Rule, sample: _Sample, now: float) -> list[TxWarning]:
        value = rule.value(sample)
        raised = rule.code in self._raised
        streak = self._streaks[rule.code]
        wanted = rule.good if raised else rule.bad
        if math.isnan(value) or not (rule.applies(sample) or raised) or not wanted(value):
            self._streaks[rule.code] = _Streak()
            return []
        streak.grows(now)
        at_once = raised and rule.code in _ONE_GOOD_SAMPLE
        held = _HOLD if raised else rule.hold
        if not at_once and (streak.samples < _SAMPLES or now - streak.since < held):
            return []
        self._streaks[rule.code] = _Streak()
        return self.clear(rule.code, value) if raised else self.raise_warning(rule.code, value)

    def _look_at_route(self, stats: MediaStats) -> list[TxWarning]:
        """An event and no state: it is not cleared, and comes again when it happens again."""
        route = tuple(
            f"{candidate['side']} {candidate['type']} {candidate['protocol']}"
            for candidate in stats.ice_candidates
            if candidate.get("selected") == "true"
        )
        if not route:
            return []
        before, self._route = self._route, route
        if before is None or before == route:
            return []
        detail = f"{', '.join(before)} before, {', '.join(route)} now"
        return [TxWarning(WarningCode.ICE_CANDIDATE_PAIR_CHANGED, self._call_id, detail=detail)]
