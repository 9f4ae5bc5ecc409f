"""How an encoder prepares for loss, from what the other side reports about it. PURE: time is an argument."""

from __future__ import annotations

import math

import attrs

from ..codecs import OpusSettings

__all__ = ["LossAdvisor", "Protection"]

_LEAST_WITH_FEC = 10  # percent; with less libopus hardly carries anything twice (docs/performance.md)
_MOST = 30  # percent; beyond that nothing is left for the speech itself
_FADE = 8.0  # seconds in which a reported loss is forgotten to a third
_QUIET = 20.0  # seconds without a report of loss after which FEC is not sent any more


@attrs.frozen
class Protection:
    """What an encoder is told."""

    fec: bool
    expected_loss: int
    """Percent."""


class LossAdvisor:
    """Turns reports into advice: up at once, down slowly, so that the sound does not change with every report.

    Args:
        settings: What the program wants.
        usable: Whether the other side can use forward error correction (`useinbandfec=1`).
    """

    def __init__(self, settings: OpusSettings, *, usable: bool = True) -> None:
        self._always = settings.fec is True
        self._never = (
            settings.fec is False or (settings.fec is None and not usable) or settings.application == "lowdelay"
        )
        self._least = settings.expected_loss
        self._loss = 0.0  # fraction that is expected
        self._reported = -math.inf  # when there was a report
        self._lost = -math.inf  # when there was one of loss

    def initially(self) -> Protection:
        """Before the first report."""
        return self._advice(self._always)

    def report(self, fraction_lost: float, now: float) -> Protection:
        """What to do after a report.

        Args:
            fraction_lost: 0..1, of the packets since the report before.
            now: Seconds on any steady clock.
        """
        kept = math.exp(-max(0.0, now - self._reported) / _FADE)
        self._loss = max(fraction_lost, self._loss * kept + fraction_lost * (1.0 - kept))
        self._reported = now
        if fraction_lost > 0.0:
            self._lost = now
        return self._advice(self._always or now - self._lost < _QUIET)

    def _advice(self, fec: bool) -> Protection:
        fec = fec and not self._never
        # In steps of 5: a new value for each report would gain nothing.
        expected = 5 * math.ceil(20.0 * self._loss - 1e-9)
        expected = max(self._least, min(_MOST, expected), _LEAST_WITH_FEC if fec else 0)
        return Protection(fec, expected)
