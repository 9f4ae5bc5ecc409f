"""Automatic gain: brings the user's voice to an even level, slowly. Pure: no clock, no thread.

Not the gain control of the WebRTC audio processing module: that one begins 15 dB up and takes what is left of the echo
for a voice, which undoes 10 to 20 dB of the echo cancellation in the first seconds of a call (`docs/echo.md`). This one
begins at 0 dB, and learns only while the agent is silent.
"""

from __future__ import annotations

import math

import numpy as np

from ._samples import Float32

__all__ = ["AutomaticGain"]

_TARGET_DB = -23.0  # of full scale, the usual level of speech
_MOST_DB, _LEAST_DB = 12.0, -12.0
_NOISE_CEILING_DB = -54.0  # noise is not brought above this
_SPEECH_OVER_NOISE_DB, _SPEECH_FLOOR_DB = 12.0, -52.0
_UP_DB, _DOWN_DB = 0.05, 0.2  # per block: 5 and 20 dB a second
_MEMORY = 0.02  # of a block in the level of speech: half a second of it
_BLOCKS_NEEDED = 40  # of speech before anything is done
_CEILING = 29000.0  # peaks stay below


class AutomaticGain:
    """Follows the voice and says by which factor to multiply."""

    def __init__(self) -> None:
        self._noise_db = -70.0
        self._speech_db = _TARGET_DB
        self._spoken = 0
        self._gain_db = 0.0

    @property
    def gain_db(self) -> float:
        """What it does at present, peaks apart."""
        return self._gain_db

    def gain(self, samples: Float32, *, learn: bool) -> float:
        """The factor for this block; ramp to it from the one before.

        Args:
            samples: The block, at full scale 32768.
            learn: Whether this is the user alone; false while the agent's voice may be in it.
        """
        if learn:
            self._listen(samples)
            self._follow()
        factor = 10 ** (self._gain_db / 20)
        peak = float(np.abs(samples).max()) * factor
        return factor if peak <= _CEILING else factor * _CEILING / peak

    def _listen(self, samples: Float32) -> None:
        level = 10 * math.log10(float(samples @ samples) / samples.size + 0.01) - 20 * math.log10(32768)
        if level > max(_SPEECH_FLOOR_DB, self._noise_db + _SPEECH_OVER_NOISE_DB):
            self._spoken += 1
            self._speech_db += max(_MEMORY, 1 / self._spoken) * (level - self._speech_db)
        if level < self._noise_db:
            self._noise_db += 0.2 * (max(level, -90.0) - self._noise_db)
        else:
            self._noise_db += 0.02  # 2 dB a second: the noise is what is left in the pauses of speech

    def _follow(self) -> None:
        if self._spoken < _BLOCKS_NEEDED:
            return
        most = max(0.0, min(_MOST_DB, _NOISE_CEILING_DB - self._noise_db))
        wanted = min(most, max(_LEAST_DB, _TARGET_DB - self._speech_db))
        self._gain_db += min(_UP_DB, max(-_DOWN_DB, wanted - self._gain_db))
