"""What happened to speech between mouth and ear: delay, gaps, quality. PURE (PESQ by the package `pesq`).

Everything compares `said`, what was spoken, with `heard`, what arrived, both mono at 48 kHz on one time line: sample n
of either is of the same moment.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["Windows", "delays", "longest_gap", "pesq_wide_band", "resample"]

Samples = NDArray[np.int16]
Floats = NDArray[np.float64]

RATE = 48000
_STEP = 6  # delays are looked for at 8 kHz, where the voice is, and every eighth of a millisecond
_COARSE = RATE // _STEP
_WINDOW, _HOP = 0.8, 0.4
_FRAME = 80  # 10 ms at the coarse rate
_LEAST_SCORE = 0.25  # below that, a window's delay is not believed
_ACTIVE, _GONE = 0.15, 0.06  # of the speech's root mean square: louder is speech, quieter is a gap (-16 and -24 dB)


def resample(samples: Samples, factor: int) -> Floats:
    """Every `factor`-th sample of what is below the new Nyquist frequency."""
    length = samples.size // factor * factor
    if not length:
        return np.zeros(0)
    spectrum = np.fft.rfft(samples[:length].astype(np.float64))
    return np.fft.irfft(spectrum[: length // factor // 2 + 1], length // factor) / factor


@attrs.frozen(eq=False)
class Windows:
    """Delays along the speech.

    Attributes:
        times: Middle of each window in what was said, seconds.
        delays: Seconds.
        share: Of the windows with speech in them, those whose delay could be told.
    """

    times: Floats
    delays: Floats
    share: float

    def at(self, times: Floats) -> Floats:
        """The delays at these times, between windows by interpolation."""
        return np.interp(times, self.times, self.delays)


def delays(said: Samples, heard: Samples, *, begin: float, end: float, most: float = 1.5) -> Windows:
    """How late speech is heard, window by window.

    The waveforms are compared, which is exact but may be a pitch period off, times how well the loudness goes along,
    which cannot be.

    Args:
        said: What was spoken.
        heard: What arrived.
        begin: Second of `said` from which to look.
        end: Second up to which to look.
        most: The largest delay that is looked for, in seconds.
    """
    source, target = resample(said, _STEP), resample(heard, _STEP)
    length, reach = round(_WINDOW * _COARSE), round(most * _COARSE)
    target = np.concatenate((target, np.zeros(length + reach)))
    loudness = np.sqrt(np.mean(source * source)) if source.size else 0.0
    times, found, speaking = [], [], 0
    for moment in np.arange(begin, end - _WINDOW, _HOP):
        first = round(moment * _COARSE)
        window = source[first : first + length]
        if window.size < length or np.sqrt(np.mean(window * window)) < 0.5 * loudness:
            continue
        speaking += 1
        piece = target[first : first + length + reach]
        alike = np.maximum(0.0, _likeness(_envelope(window), _envelope(piece)))
        score = alike * np.maximum(0.0, _likeness(window, piece))
        best = int(np.argmax(score))
        if score[best] >= _LEAST_SCORE:
            times.append(moment + _WINDOW / 2)
            found.append(best / _COARSE)
    if not found:
        return Windows(np.array([begin]), np.array([np.nan]), 0.0)
    return Windows(np.array(times), np.array(found), len(found) / speaking)


def _envelope(samples: Floats) -> Floats:
    """Loudness over 10 ms around each sample, compressed, so that quiet sounds count, too."""
    smooth = np.convolve(samples * samples, np.full(_FRAME, 1.0 / _FRAME), "same")
    return np.maximum(0.0, smooth) ** 0.25


def _likeness(window: Floats, piece: Floats) -> Floats:
    """Normalised correlation of the window with each place in the piece, -1 to 1."""
    count = piece.size - window.size + 1
    size = 1 << (piece.size + window.size - 1).bit_length()
    window = window - window.mean()
    product = np.fft.irfft(np.fft.rfft(piece, size) * np.conj(np.fft.rfft(window, size)), size)[:count]
    sums = np.concatenate(([0.0], np.cumsum(piece)))
    squares = np.concatenate(([0.0], np.cumsum(piece * piece)))
    total = sums[window.size :][:count] - sums[:count]
    energy = squares[window.size :][:count] - squares[:count] - total * total / window.size
    least = 1e-3 * float(window @ window) + 1e-9  # silence is like nothing
    likeness: Floats = product / np.sqrt(np.maximum(energy, least) * float(window @ window) + 1e-9)
    return likeness


def longest_gap(said: Samples, heard: Samples, windows: Windows, *, begin: float, end: float) -> float:
    """The longest silence, in seconds, where there should be speech.

    In steps of 10 ms. A sound that is 20 ms away from where it should be is no gap.
    """
    source, target = resample(said, _STEP), resample(heard, _STEP)
    frames = np.arange(round(begin * 100), round(end * 100))
    places = frames * _FRAME
    active = source[places[0] : places[-1] + _FRAME]
    loud = np.abs(active) > 50.0
    reference = float(np.sqrt(np.mean(active[loud] ** 2))) if loud.any() else 0.0
    shifts = np.round(windows.at(frames / 100.0) * _COARSE).astype(int)
    longest = run = 0
    for place, shift in zip(places.tolist(), shifts.tolist(), strict=True):
        speech = _level(source, place, _FRAME) > _ACTIVE * reference
        level = max(_level(target, place + shift + offset * _FRAME, _FRAME) for offset in (-2, -1, 0, 1, 2))
        # Counted while something is said; the searching around it has taken 20 ms off at either end.
        run = run + 1 if speech and level < _GONE * reference else 0
        longest = max(longest, run)
    return (longest + 4) / 100.0 if longest else 0.0


def _level(samples: Floats, place: int, length: int) -> float:
    piece = samples[max(0, place) : max(0, place + length)]
    return float(np.sqrt(np.mean(piece * piece))) if piece.size else 0.0


def pesq_wide_band(said: Samples, heard: Samples, delay: float, *, first: int, last: int) -> float:
    """Wide-band PESQ (ITU-T P.862.2) of one part, 1 to 4.6; NaN when nothing was heard.

    Args:
        said: What was spoken.
        heard: What arrived.
        delay: Seconds, roughly; PESQ finds the rest, utterance by utterance.
        first: Sample of `said` with which the part begins.
        last: With which it ends.
    """
    from pesq import NoUtterancesError, pesq

    shift = round(delay * RATE)
    piece = heard[max(0, first + shift) : last + shift]
    piece = np.concatenate((piece, np.zeros(max(0, last - first - piece.size), np.int16)))
    try:
        return float(pesq(16000, _telephone(said[first:last]), _telephone(piece), "wb"))
    except NoUtterancesError:
        return float("nan")


def _telephone(samples: Samples) -> Samples:
    low = np.clip(np.round(resample(samples, 3)), -32768, 32767).astype(np.int16)
    return np.ascontiguousarray(low)
