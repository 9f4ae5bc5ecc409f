"""`Liveness`: whether the server still hears us and we still hear it (R20).

Two clocks, because each sees what the other does not: bytes that come in do not prove that ours arrive, and a server
that answers may have nothing to say for long. A clock that has run out asks for a probe, which is a ping of ours. The
probe's answer sets both clocks back; no answer means that the connection is half dead, however open its socket looks.
"""

from __future__ import annotations

import enum

from ..timers import Timer, TimerKind, Timers
from .settings import SessionSettings

__all__ = ["Liveness", "Verdict"]

_CHECK = Timer(TimerKind.LIVENESS)
_PROBE = Timer(TimerKind.PROBE)


class Verdict(enum.Enum):
    """What a look at the clocks came to."""

    ALIVE = "nothing is to be done"
    UNCERTAIN = "a probe is due"
    DEAD = "the probe was not answered"


class Liveness:
    """The two clocks of one connection, from `start` to `stop`."""

    def __init__(self, timers: Timers, settings: SessionSettings) -> None:
        self._timers = timers
        self._settings = settings
        self._heard = 0.0
        self._confirmed = 0.0

    @property
    def _deadline(self) -> float:
        """When one of the clocks runs out."""
        settings = self._settings
        return min(self._heard + settings.inbound_silence, self._confirmed + settings.outbound_silence)

    def start(self, now: float) -> None:
        """The connection is ready: both clocks begin."""
        self._heard = self._confirmed = now
        self._timers.set(_CHECK, self._deadline)

    def stop(self) -> None:
        """The connection is gone, or about to be."""
        self._timers.cancel(_CHECK, _PROBE)

    def heard(self, now: float) -> None:
        """A frame came. That does not stop a probe: it asks whether *ours* arrive."""
        self._heard = now

    def confirmed(self, now: float) -> None:
        """A request of ours was answered, by a result or by an error."""
        self._heard = self._confirmed = now
        if _PROBE in self._timers:
            self._timers.cancel(_PROBE)
            self._timers.set(_CHECK, self._deadline)

    def timer_due(self, kind: TimerKind, now: float) -> Verdict:
        """One of this file's timers came due. After `UNCERTAIN` the caller sends a ping."""
        if kind is TimerKind.PROBE:
            return Verdict.DEAD
        # The clocks were set back without moving the timer: that would be work for every frame.
        if self._deadline > now:
            self._timers.set(_CHECK, self._deadline)
            return Verdict.ALIVE
        self._timers.set(_PROBE, now + self._settings.probe_timeout)
        return Verdict.UNCERTAIN
