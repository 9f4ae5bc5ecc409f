"""Keeps the agent from hearing itself by turning the microphone down while its voice is in the room.

`EchoGate` judges how loud the echo may be right now, and whether somebody in the room is louder than that. Without an
echo canceller it makes the call half-duplex: while the agent speaks, only who is clearly louder than its echo gets
through. Behind an echo canceller it takes away what is left of the echo while the canceller learns the room. What it
expects is measured all the time, so with headphones, or behind a canceller that works, it soon does nothing.
Pure: no clock.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ._samples import BLOCK, SAMPLE_RATE, Float32, Int16

__all__ = ["EchoGate", "ramped"]

Float64 = npt.NDArray[np.float64]

_BLOCKS_PER_SECOND = SAMPLE_RATE // BLOCK
_EDGES = np.array([1, 3, 5, 8, 12, 18, 28, 44, 80])
"""100 to 8000 Hz in eight bands, in bins of 100 Hz. The whole tells little of who speaks: a laptop's loudspeaker has no
bass, a voice has, and the agent leaves bands free that the user fills."""
_BANDS = len(_EDGES) - 1

_WINDOW = np.hanning(BLOCK).astype(np.float32)
_SCALE = 1.0 / (BLOCK * float(np.sum(_WINDOW**2)))  # the bands of two windows then add up to their mean square
_TINY = 1.0 / _BANDS  # mean square of the last bit

_HISTORY = 128  # blocks of the agent's voice that can still be heard, 1.28 s
_TAIL_DB = 1.5  # by which the room's echo fades per block: 60 dB in 0.4 s
_HOLD = 26  # blocks for which a sound may be on its way at full strength, when the drivers tell no delay
_MARGIN_HOLD = 12  # the same beyond the delay that they tell

_STALL = 20  # blocks of the microphone without one for the loudspeaker, after which that is taken for silent
_NOTHING = np.zeros(_BANDS)

_AGENT_SPEAKS = 1000.0  # mean square of the agent's voice below which nothing can be learnt about its echo
_BAND_SPEAKS = 1e-3  # share of it that a band needs
_LEAST_COUPLING_DB, _MOST_COUPLING_DB = -90.0, 30.0
_FIRST_ROOM_DB = 9.0  # taken for granted until measured: a loudspeaker beside the microphone, both turned up
_FIRST_REST_DB = -10.0  # the same behind a canceller, which suppresses from its first block on
_QUANTILE, _REST_QUANTILE = 0.7, 0.9  # of the blocks shall have less echo than expected
_STEP_DB, _FIRST_STEP_DB, _FIRST_BLOCKS = 0.5, 1.5, 150
_OPEN_STEP_DB, _LONG_OPEN_STEP_DB, _LONG_OPEN = 0.02, 0.1, 150
_REST_FALL_DB = 0.1

_TRUST_DB = -20.0, -8.0
"""What a canceller is believed to take off the echo, at the most and at the least. Its output may jump by 20 dB when it
finds a better delay or loses the room. What is louder than this leaves is a user; the rest is its own fault."""
_USUAL_MARGIN_DB = 4.0  # over what it usually leaves

_SPREAD = 0.01  # share of the loudest band in all others: small loudspeakers distort
_MARGIN = 10 ** (3 / 10)  # how much more than the expected echo the user has to be, per band
_NOISE_MARGIN = 10 ** (8 / 10)  # and than the noise
_LEAST = 300.0 / _BANDS  # mean square per band below which nobody speaks, -68 dBFS
_BANDS_NEEDED, _BLOCKS_NEEDED = 2, 3
_OPEN_BLOCKS = 25  # for which it stays open after the last sign of the user

_QUIET = 150.0  # mean square to which the echo is brought down: -71 dBFS, less than most rooms' own noise
_LEAST_GAIN = 10 ** (-48 / 20)
_RAMP = (np.arange(1, BLOCK + 1) / BLOCK).astype(np.float32)
_OPENING = 2.5  # by which the gain may grow from one block to the next


class EchoGate:
    """Follows both directions and says by how much the microphone has to be turned down.

    `render` and `gain` may be called from two threads; they share a ring of numbers that one writes and the other
    reads.

    Args:
        cancelled: Whether it stands behind an echo canceller.
    """

    def __init__(self, *, cancelled: bool = False) -> None:
        self._voice_bands, self._sent_bands, self._heard_bands = _Bands(), _Bands(), _Bands()
        self._voice = _Recent()
        # Both are looked at over the same stretch of time: the loudest of what is heard over the loudest of what can be
        # in the air varies little from word to word, which the momentary ratio does by 20 dB.
        self._microphone = _Recent()
        self._room_db = np.full(_BANDS, _FIRST_ROOM_DB)
        self._cancelled = cancelled
        self._rest_db = np.full(_BANDS, _FIRST_REST_DB)  # the most that the canceller leaves
        self._usual_db = np.full(_BANDS, _FIRST_ROOM_DB)  # what it leaves as a rule
        self._learnt = 0
        self._noise = np.full(_BANDS, _LEAST)
        self._streak = self._open_for = self._opened = 0
        self._gain = 1.0
        self.agent_is_heard = False
        """Whether the agent's voice, as it comes back in the microphone, is more than the noise at present."""

    @property
    def coupling_db(self) -> float:
        """Echo in the microphone over the agent's voice as it was handed over, in dB; the loudest band's."""
        return float(self._room_db.max())

    @property
    def is_open(self) -> bool:
        """Whether somebody in the room speaks louder than the echo."""
        return self._open_for > 0

    def render(self, samples: Float32) -> None:
        """Take a block of the agent's voice, at full scale 32768."""
        self._voice.add(self._voice_bands.powers(samples))

    def gain(self, samples: Float32, delay: float, *, microphone: Float32 | None = None) -> float:
        """The factor for this block; ramp to it from the one before.

        Args:
            samples: The block that is going to be sent, at full scale 32768.
            delay: From `render` to the echo's arrival in seconds; 0 when it is not known.
            microphone: The block as it was before the canceller, if there is one.
        """
        heard = self._sent_bands.powers(samples)
        played = self._voice.in_the_air(delay)
        self._microphone.add(heard if microphone is None else self._heard_bands.powers(microphone))
        if self._cancelled:
            least, most = self._room_db + _TRUST_DB[0], self._room_db + _TRUST_DB[1]
            believed = np.clip(self._usual_db + _USUAL_MARGIN_DB, least, most)
            self._judge(heard, played * 10 ** (believed / 10))
        else:
            echo = played * 10 ** (self._room_db / 10)
            self._judge(heard, echo + _SPREAD * echo.max())
        if self._voice.is_loud:
            self._learn_room(self._microphone.in_the_air(delay), played)
            if self._cancelled:
                self._learn_rest(heard, played)
        coupling = self._rest_db if self._cancelled else self._room_db
        return self._turn(heard, float((played * 10 ** (coupling / 10)).sum()))

    def _judge(self, heard: Float64, expected: Float64) -> None:
        """Is there more than echo and noise, in several bands and for several blocks?"""
        above = heard > _MARGIN * expected + _NOISE_MARGIN * self._noise + _LEAST
        if int(np.count_nonzero(above)) >= _BANDS_NEEDED:
            self._streak = min(self._streak + 1, _BLOCKS_NEEDED)
        else:
            self._streak = max(self._streak - 1, 0)
        if self._streak == _BLOCKS_NEEDED:
            self._open_for = _OPEN_BLOCKS
        else:
            self._open_for = max(0, self._open_for - 1)
        self._opened = self._opened + 1 if self.is_open else 0

    def _learn_room(self, heard: Float64, played: Float64) -> None:
        """Move the coupling to a quantile of what is measured: up in large steps, down in small ones."""
        self._learnt += 1
        step = _STEP_DB + (_FIRST_STEP_DB - _STEP_DB) * max(0.0, 1 - self._learnt / _FIRST_BLOCKS)
        more = _ratio_db(heard, played) > self._room_db
        change = np.where(more, self._upwards(step * _QUANTILE), step * (_QUANTILE - 1))
        change[played < played.sum() * _BAND_SPEAKS] = 0.0
        np.clip(self._room_db + change, _LEAST_COUPLING_DB, _MOST_COUPLING_DB, out=self._room_db)

    def _upwards(self, step: float) -> float:
        """`step`, unless somebody seems to speak: then hardly any, and more only if that does not end."""
        if not self.is_open and not self._streak:
            return step
        # It is the user, most likely, and not the echo; but a loudspeaker that was turned up looks the same.
        return _LONG_OPEN_STEP_DB if self._opened > _LONG_OPEN else _OPEN_STEP_DB

    def _learn_rest(self, heard: Float64, played: Float64) -> None:
        """Follow the peaks of what the canceller leaves at once, because it fails suddenly and learns slowly."""
        measured = _ratio_db(heard, played)
        step = self._upwards(_STEP_DB * _REST_QUANTILE)
        self._usual_db += np.where(measured > self._usual_db, step, _STEP_DB * (_REST_QUANTILE - 1))
        if self._streak:
            measured = np.minimum(measured, self._rest_db + self._upwards(0.0))
        measured[played < played.sum() * _BAND_SPEAKS] = _LEAST_COUPLING_DB
        np.maximum(measured, self._rest_db - _REST_FALL_DB, out=self._rest_db)
        np.clip(self._rest_db, _LEAST_COUPLING_DB, _MOST_COUPLING_DB, out=self._rest_db)

    def _turn(self, heard: Float64, echo: float) -> float:
        """The gain that brings this much echo down to where it does not matter."""
        quiet = max(_QUIET, float(self._noise.sum()))
        self.agent_is_heard = echo > quiet
        # Noise is learnt in the agent's pauses, downwards always.
        rising = 0.0 if self.agent_is_heard else 0.004
        self._noise += np.where(heard < self._noise, 0.2 * (heard - self._noise), rising * self._noise)
        np.maximum(self._noise, _TINY, out=self._noise)
        wanted = 1.0
        if self.agent_is_heard and not self.is_open:
            wanted = max(_LEAST_GAIN, math.sqrt(quiet / echo))
        self._gain = min(wanted, self._gain * _OPENING)
        return self._gain


class _Bands:
    """What is in each band of the blocks of one direction.

    The two directions do not begin their blocks at the same moment. A low voice has about one pulse in each block, so
    it matters much whether that lies in the middle of the window or at its edge, for as long as the pitch stays: by
    6 dB, which was taken for a user. So half of the measure is that of a window half a block earlier.
    """

    def __init__(self) -> None:
        self._last = np.zeros(BLOCK // 2, np.float32)
        self._windows = np.zeros((2, BLOCK), np.float32)

    def powers(self, samples: Float32) -> Float64:
        """Mean square in each band."""
        half = BLOCK // 2
        windows = self._windows
        windows[0, :half], windows[0, half:], windows[1] = self._last, samples[:half], samples
        self._last = samples[half:].copy()
        spectrum = np.fft.rfft(windows * _WINDOW)[:, : _EDGES[-1]]
        power = (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
        bands: Float64 = np.add.reduceat(power, _EDGES[:-1]) * _SCALE
        return bands


class _Recent:
    """The sound of the last second, by bands: what of it can still be in the air?"""

    def __init__(self) -> None:
        self._history = np.zeros((_HISTORY, _BANDS))
        self._count = 0
        self._loud_at = -_HISTORY
        self._asked_at = self._asked_in_vain = 0
        self._hold = -1
        self._weights = np.zeros((2 * _HISTORY, 1))

    @property
    def is_loud(self) -> bool:
        """Whether something of it is in the air at full strength; from tails there is nothing to be learnt."""
        return self._count - self._loud_at <= self._hold and self._asked_in_vain < _STALL // 4

    def add(self, powers: Float64) -> None:
        """One more block."""
        if powers.sum() > _AGENT_SPEAKS:
            self._loud_at = self._count
        self._history[self._count % _HISTORY] = powers
        self._count += 1

    def in_the_air(self, delay: float) -> Float64:
        """For each band the most that may arrive now. Asked once per block; the delay is from `add` to arrival."""
        self._asked_in_vain = self._asked_in_vain + 1 if self._count == self._asked_at else 0
        if self._asked_in_vain > _STALL:
            self.add(_NOTHING)  # the loudspeaker has stopped, or what was last heard from it would last for ever
        self._asked_at = self._count
        hold = min(_HISTORY // 2, max(_HOLD, round(delay * _BLOCKS_PER_SECOND) + _MARGIN_HOLD))
        if hold != self._hold:
            self._hold = hold
            weights = 10 ** (-_TAIL_DB / 10 * np.maximum(0, np.arange(_HISTORY) - hold))
            # Newest last, twice over, so that a slice of it fits the ring wherever that begins.
            self._weights = np.tile(weights[::-1], 2)[:, np.newaxis]
        start = _HISTORY - self._count % _HISTORY
        most: Float64 = (self._history * self._weights[start : start + _HISTORY]).max(axis=0)
        return most


def ramped(samples: Float32, start: float, end: float) -> Int16:
    """The block with a gain that goes from one value to the other within it, at full scale 32768."""
    scaled = samples * np.float32(end) if start == end else samples * (start + (end - start) * _RAMP)
    result: Int16 = np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)
    return result


def _ratio_db(heard: Float64, played: Float64) -> Float64:
    ratio: Float64 = 10 * np.log10((heard + _TINY) / (played + _TINY))
    return ratio
