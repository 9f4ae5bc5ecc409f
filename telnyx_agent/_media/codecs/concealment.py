"""Made-up audio for lost packets where the codec has none of its own: the last pitch period goes on.

In the manner of ITU-T G.711 Appendix I, without its added delay. Fading out is the caller's business, because it knows
how long the gap is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Concealer"]

_HISTORY = 2880  # 60 ms at 48 kHz
_DECIMATION = 6  # the pitch is searched at 8 kHz
_TEMPLATE = 160  # 20 ms at 8 kHz
_SHORTEST, _LONGEST = 20, 120  # 400 Hz to 66 Hz at 8 kHz
_CROSSFADE = 240  # 5 ms
_SMOOTH = 120  # 2.5 ms


class Concealer:
    """Remembers what was played last and can go on with it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new stream begins."""
        self._history = np.zeros(_HISTORY, np.int16)
        self._period: NDArray[np.float32] | None = None
        self._position = 0

    def heard(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Real audio: remember it, and join it to what was made up before it, if anything was."""
        if self._period is not None:
            count = min(_CROSSFADE, samples.size)
            rising = np.linspace(0.0, 1.0, count, dtype=np.float32)
            joined = samples.astype(np.float32)
            joined[:count] = joined[:count] * rising + self._continue(count) * (1.0 - rising)
            samples = joined.astype(np.int16)
            self._period = None
        self._history = np.concatenate((self._history, samples))[-_HISTORY:]
        return samples

    def conceal(self, count: int) -> NDArray[np.int16]:
        """The next `count` samples, had the audio gone on as it was."""
        if self._period is None:
            self._period = self._last_period()
            self._position = 0
            return self._begun(count)
        made = self._continue(count).astype(np.int16)
        self._position += count
        return made

    def _begun(self, count: int) -> NDArray[np.int16]:
        """The first made-up samples. Two periods never end quite alike: the step between them is spread."""
        assert self._period is not None
        made = self._continue(count)
        smooth = min(_SMOOTH, count)
        before = self._history[-1 - self._period.size]
        step = float(self._history[-1]) - float(before)
        made[:smooth] += step * np.linspace(1.0, 0.0, smooth, endpoint=False, dtype=np.float32)
        self._position += count
        return np.asarray(np.clip(made, -32768, 32767), np.int16)

    def _continue(self, count: int) -> NDArray[np.float32]:
        assert self._period is not None
        where = (np.arange(count) + self._position) % self._period.size
        return np.asarray(self._period[where], np.float32)

    def _last_period(self) -> NDArray[np.float32]:
        history = self._history.astype(np.float32)
        coarse = history.reshape(-1, _DECIMATION).mean(axis=1)
        template = coarse[-_TEMPLATE:]
        best, best_score = _LONGEST, -np.inf
        for lag in range(_SHORTEST, _LONGEST + 1):
            earlier = coarse[-_TEMPLATE - lag : -lag]
            score = float(template @ earlier) / (float(np.sqrt(earlier @ earlier)) + 1.0)
            if score > best_score:
                best, best_score = lag, score
        lag = best * _DECIMATION
        period: NDArray[np.float32] = history[-lag:].copy()
        # The end of the period must run into its beginning: bend it towards what came before that beginning.
        overlap = lag // 4
        rising = np.linspace(0.0, 1.0, overlap, dtype=np.float32)
        period[-overlap:] = period[-overlap:] * (1.0 - rising) + history[-lag - overlap : -lag] * rising
        return period
