"""Speech made shorter or longer by whole pitch periods, and joined where two pieces are most alike. PURE.

All functions take and return mono int16 at 48 kHz and leave their arguments as they are. Places are searched for at
8 kHz and refined at 48 kHz, which is as good as searching all and a tenth of the work.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

__all__ = ["OVERLAP", "crossfade", "join", "lengthen", "lengthen_silence", "shorten", "shorten_silence"]

Samples = NDArray[np.int16]
Floats = NDArray[np.float32]

OVERLAP = 240  # 5 ms, over which pieces are joined
_FACTOR = 6  # 48 kHz to 8 kHz
_SHORTEST, _LONGEST = 20, 120  # pitch periods at 8 kHz: 400 Hz to 66 Hz
_FINE = 5  # samples around the coarse place


@functools.lru_cache(64)
def _rising(count: int) -> Floats:
    return np.asarray(np.arange(1, count + 1) / (count + 1), np.float32)


def crossfade(old: Samples, new: Samples) -> Samples:
    """From one piece into another of the same size."""
    before, after = old.astype(np.float32), new.astype(np.float32)
    after -= before
    after *= _rising(new.size)
    after += before
    return after.astype(np.int16)


def _coarse(samples: Samples) -> Floats:
    whole = samples[: samples.size // _FACTOR * _FACTOR].astype(np.float32)
    coarse: Floats = whole.reshape(-1, _FACTOR).sum(axis=1)
    return coarse


def _best(long: Floats, short: Floats) -> tuple[int, float]:
    """Where in `long` is the piece most like `short`, and how like it is, -1..1."""
    products = np.correlate(long, short, "valid")
    squares = np.concatenate((np.zeros(1, np.float32), np.cumsum(long * long)))
    energies = squares[short.size :] - squares[: squares.size - short.size]
    likeness = products / np.sqrt(np.maximum(energies, 1.0) * (float(short @ short) + 1.0))
    place = int(np.argmax(likeness))
    return place, float(likeness[place])


def _period(samples: Samples) -> tuple[int, float]:
    """The pitch period with which the samples begin, and how like two of them are; 0 when there are too few."""
    coarse = _coarse(samples)
    longest = min(_LONGEST, coarse.size // 2)
    if longest <= _SHORTEST:
        return 0, 0.0
    place, likeness = _best(coarse[_SHORTEST : 2 * longest], coarse[:longest])
    lag = (_SHORTEST + place) * _FACTOR
    size = min(longest * _FACTOR, samples.size - lag - _FINE)
    if size > OVERLAP:
        around = samples[lag - _FINE : lag + _FINE + size].astype(np.float32)
        lag += int(np.argmax(np.correlate(around, samples[:size].astype(np.float32), "valid"))) - _FINE
    return min(lag, samples.size // 2), likeness


def shorten(samples: Samples, likeness: float) -> Samples:
    """One pitch period less, or the same when no two periods are so much alike (0..1)."""
    lag, found = _period(samples)
    if not lag or found < likeness:
        return samples
    return np.concatenate((crossfade(samples[:lag], samples[lag : 2 * lag]), samples[2 * lag :]))


def lengthen(samples: Samples, likeness: float) -> Samples:
    """One pitch period more, or the same when no two periods are so much alike (0..1)."""
    lag, found = _period(samples)
    if not lag or found < likeness:
        return samples
    return np.concatenate((samples[:lag], crossfade(samples[lag : 2 * lag], samples[:lag]), samples[lag:]))


def shorten_silence(samples: Samples, count: int) -> Samples:
    """`count` samples less, as far as there are so many; for sound in which nobody hears it."""
    count = min(count, samples.size - OVERLAP)
    if count <= 0:
        return samples
    faded = crossfade(samples[:OVERLAP], samples[count : count + OVERLAP])
    return np.concatenate((faded, samples[count + OVERLAP :]))


def lengthen_silence(samples: Samples, count: int) -> Samples:
    """`count` samples more, as far as there is something to repeat; for sound in which nobody hears it."""
    count = min(count, samples.size - OVERLAP)
    if count <= 0:
        return samples
    end = samples.size
    faded = crossfade(samples[end - OVERLAP :], samples[end - OVERLAP - count : end - count])
    return np.concatenate((samples[: end - OVERLAP], faded, samples[end - count :]))


def join(made: Samples, real: Samples, wanted: int, radius: int) -> tuple[Samples, int]:
    """Real sound after made-up sound.

    Args:
        made: How the made-up sound goes on; `OVERLAP` samples of it are used.
        real: What has come.
        wanted: Where in `real` to go on, if there were no reason to prefer another place.
        radius: How far from there a better place may be.

    Returns:
        The sound to go on with, and the place in `real` at which it begins.
    """
    size = min(OVERLAP, made.size, real.size)
    last = real.size - size
    low, high = min(last, max(0, wanted - radius)), max(0, min(last, wanted + radius))
    place = min(max(wanted, low), high)
    if high - low >= _FACTOR and size >= 2 * _FACTOR:
        coarse, likeness = _best(_coarse(real[low : high + size]), _coarse(made[:size]))
        if likeness > 0.3:
            place = min(low + coarse * _FACTOR, high)
    if not size:
        return real[place:], place
    return np.concatenate((crossfade(made[:size], real[place : place + size]), real[place + size :])), place
