"""One band-limited sample-rate converter for everything: files, callbacks, and cards that refuse 48 kHz.

A polyphase windowed-sinc filter that keeps its history from block to block, so that blocks join without a click. For
every `n` samples in it has given `n * target / source` out, rounded up, whatever the sizes of the blocks: nothing
accumulates over a long call. It delays by `delay` samples at the source rate (half the filter: 3 ms at 8 kHz, 0.5 ms at
44.1 kHz).
"""

from __future__ import annotations

import functools
import math

import numpy as np

from ..errors import MediaError
from ._samples import Float32

__all__ = ["MAX_RATE", "MIN_RATE", "Resampler", "check_rate"]

MIN_RATE = 1_000
MAX_RATE = 768_000

_TAPS = 48  # per phase when converting upwards; more are needed downwards, in proportion
_BETA = 8.0  # Kaiser window: about 80 dB of stop band
_ROLLOFF = 0.95  # the middle of the transition band, so that its upper half still damps what would fold
_CHUNK = 4800  # outputs computed at once; bounds the memory of a long conversion


def check_rate(rate: int) -> int:
    """`rate`, if a converter for it can be made.

    Raises:
        MediaError: It is outside of 1 kHz to 768 kHz.
    """
    if not MIN_RATE <= rate <= MAX_RATE:
        raise MediaError(f"a sample rate of {rate} Hz cannot be used; between {MIN_RATE} and {MAX_RATE} Hz can")
    return rate


@functools.lru_cache(maxsize=8)
def _filter_bank(up: int, down: int) -> Float32:
    """One row of taps per phase: row `p` makes the output that lies `p / up` source samples after the newest input."""
    stretch = max(1.0, down / up)
    taps = 2 * math.ceil(_TAPS * stretch / 2)
    # Time, in source samples, from the centre of the filter to each tap; the newest sample is the last column.
    time = np.arange(taps)[None, ::-1] + np.arange(up)[:, None] / up - taps / 2
    cutoff = _ROLLOFF / stretch
    window = np.i0(_BETA * np.sqrt(np.clip(1 - (2 * time / taps) ** 2, 0, None))) / np.i0(_BETA)
    bank = cutoff * np.sinc(cutoff * time) * window
    bank /= bank.sum(axis=1, keepdims=True)  # the same gain in every phase: a constant stays a constant
    rows: Float32 = np.ascontiguousarray(bank, np.float32)
    rows.setflags(write=False)
    return rows


class Resampler:
    """Converts a stream of float samples from `source` to `target` samples per second.

    Raises:
        MediaError: A rate is out of range.
    """

    def __init__(self, source: int, target: int) -> None:
        common = math.gcd(check_rate(source), check_rate(target))
        self._up = target // common
        self._down = source // common
        self._passes = source == target
        self._bank: Float32 = np.ones((1, 1), np.float32) if self._passes else _filter_bank(self._up, self._down)
        self._taps = self._bank.shape[1]
        self._history: Float32 = np.zeros(self._taps - 1, np.float32)
        self._next = 0  # of the next output: its time after the oldest new input sample, in 1 / up of a sample

    @property
    def delay(self) -> int:
        """By how many source samples the output lags; 0 when the rates are equal."""
        return 0 if self._passes else self._taps // 2

    def process(self, samples: Float32) -> Float32:
        """The converted `samples`, as far as they can be known by now."""
        if self._passes or not len(samples):
            return samples
        line = np.concatenate((self._history, samples))
        times = np.arange(self._next, len(samples) * self._up, self._down)
        self._next += len(times) * self._down - len(samples) * self._up
        self._history = line[len(samples) :]
        windows = np.lib.stride_tricks.sliding_window_view(line, self._taps)
        result = np.empty(len(times), np.float32)
        for start in range(0, len(times), _CHUNK):
            index, phase = np.divmod(times[start : start + _CHUNK], self._up)
            np.einsum("ij,ij->i", windows[index], self._bank[phase], out=result[start : start + _CHUNK])
        return result

    def flush(self) -> Float32:
        """What `delay` still holds back; afterwards the converter is as new."""
        tail = self.process(np.zeros(self.delay, np.float32))
        self._history = np.zeros_like(self._history)
        self._next = 0
        return tail
