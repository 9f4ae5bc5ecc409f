"""Sound a little shorter or longer so that the delay becomes right: silence first, then speech. PURE."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .noise import SilenceMeter
from .wsola import lengthen, lengthen_silence, shorten, shorten_silence

__all__ = ["Pace"]

_OVER = 480  # samples that the delay may be over its target in speech, 10 ms
_UNDER = 240
_OVER_IN_SILENCE = 60
# How alike two pitch periods must be for one of them to be left out, by how much the delay is over its target.
_EAGERNESS = ((4800, 0.5), (2400, 0.7), (960, 0.85), (_OVER, 0.92))
_ALIKE = 0.85  # and for one to be repeated
_REST = 3  # packets between two changes of speech while the delay is nearly right
_MEASURE_EVERY = 4  # packets, while the delay is right: the level is a quarter of what a packet costs here
_MUCH = 960  # more than this is not nearly right
_HOPE = 38400  # samples, 0.8 s, for which what is nearly right waits for a silence to be made right in


class Pace:
    """Decides, packet by packet, whether its sound is to be changed, and does it."""

    def __init__(self) -> None:
        self._silence = SilenceMeter()
        self._unmeasured = 0  # packets that were right as they were since the level was measured
        self._rest = 0  # packets until speech may be changed again
        self._waited = 0  # samples for which the delay has been a little over its target

    def keep(self, chunk: NDArray[np.int16], excess: int) -> NDArray[np.int16]:
        """The next packet's sound, the same or changed.

        Args:
            chunk: Real sound.
            excess: Samples by which the delay is over its target; negative where it is under it.
        """
        if self._rest:
            self._rest -= 1
        self._waited = self._waited + chunk.size if _OVER < excess <= _MUCH else 0
        if 0 <= excess <= _OVER_IN_SILENCE and self._unmeasured < _MEASURE_EVERY - 1:
            self._unmeasured += 1
            return chunk
        silent = self._silence.is_silence(chunk, 1 + self._unmeasured)
        self._unmeasured = 0
        if silent:
            if excess > _OVER_IN_SILENCE:
                return shorten_silence(chunk, excess)
            return lengthen_silence(chunk, -excess)
        if excess > _MUCH or (self._waited > _HOPE and not self._rest):
            self._rest = _REST
            return shorten(chunk, next(alike for over, alike in _EAGERNESS if excess > over))
        if excess < -_UNDER and not self._rest:
            self._rest = _REST
            return lengthen(chunk, _ALIKE)
        return chunk
