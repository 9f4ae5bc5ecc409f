"""48 kHz to and from the rates of the narrow codecs: two polyphase filters, some 2 ms of delay, 20 us a frame."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["Downsampler", "Upsampler"]


def _low_pass(factor: int, taps_per_phase: int) -> NDArray[np.float32]:
    """A windowed-sinc low-pass at 0.92 of the lower Nyquist frequency, with a gain of 1 at 0 Hz."""
    length = factor * taps_per_phase
    x = np.arange(length) - (length - 1) / 2
    taps = np.sinc(x * 0.92 / factor) * np.kaiser(length, 7.0)
    return np.asarray(taps / taps.sum(), np.float32)


def _to_int16(values: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.clip(np.rint(values), -32768, 32767).astype(np.int16)


class Upsampler:
    """Raises the rate of a stream of samples `factor` times. State is kept from call to call."""

    def __init__(self, factor: int, taps_per_phase: int = 24) -> None:
        taps = _low_pass(factor, taps_per_phase) * factor
        # Column p gives output p of each input sample; a window holds the oldest sample first.
        self._phases = np.ascontiguousarray(taps.reshape(taps_per_phase, factor)[::-1])
        self._taps = taps_per_phase
        self.reset()

    def reset(self) -> None:
        """Forget the stream so far."""
        self._tail = np.zeros(self._taps - 1, np.float32)

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Samples in, `factor` times as many out."""
        buffer = np.concatenate((self._tail, samples.astype(np.float32)))
        self._tail = buffer[buffer.size - (self._taps - 1) :]
        return _to_int16((sliding_window_view(buffer, self._taps) @ self._phases).reshape(-1))


class Downsampler:
    """Lowers the rate of a stream of samples `factor` times; blocks must be multiples of `factor`."""

    def __init__(self, factor: int, taps_per_phase: int = 24) -> None:
        self._factor = factor
        self._taps = np.ascontiguousarray(_low_pass(factor, taps_per_phase)[::-1])
        self._tail = np.zeros(self._taps.size - factor, np.float32)

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Samples in, one for each `factor` of them out."""
        buffer = np.concatenate((self._tail, samples.astype(np.float32)))
        self._tail = buffer[buffer.size - self._tail.size :]
        windows = sliding_window_view(buffer, self._taps.size)[:: self._factor]
        # Not `@`: OpenBLAS would use its threads for a matrix of this size, which costs milliseconds on a busy machine.
        return _to_int16(np.asarray(np.einsum("nk,k->n", windows, self._taps)))
