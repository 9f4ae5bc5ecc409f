"""Samples of the audio seam: what rate and block length, and how other representations become int16."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ClientConfigurationError
from .device import PcmLike

__all__ = ["BLOCK", "FRAME", "SAMPLE_RATE", "SILENCE", "Float32", "Int16", "as_int16", "copied", "to_float", "to_int16"]

Int16 = npt.NDArray[np.int16]
Float32 = npt.NDArray[np.float32]

SAMPLE_RATE = 48000
"""Samples per second at the seam; Opus' own rate, so that nothing is converted twice."""

BLOCK = SAMPLE_RATE // 100
"""Samples in 10 ms, the unit in which sound cards work."""

FRAME = SAMPLE_RATE // 50
"""Samples in 20 ms, the unit in which devices without hardware work: as long as a packet, so nothing gets later."""

_SCALE = 32768.0

SILENCE: Int16 = np.zeros(FRAME, np.int16)
"""20 ms of silence, shared and therefore read-only."""
SILENCE.setflags(write=False)


def as_int16(pcm: PcmLike | npt.NDArray[Any]) -> Int16:
    """`pcm` as a one-dimensional int16 array, without a copy where it is one already.

    Float arrays are taken as -1.0 to 1.0, because speech engines deliver them; they are clipped.

    Raises:
        ClientConfigurationError: Not mono 16-bit PCM, nor a float array; the message says what was given.
    """
    if isinstance(pcm, np.ndarray):
        flat = pcm.reshape(-1) if pcm.ndim == 2 and 1 in pcm.shape else pcm
        if flat.ndim != 1:
            raise ClientConfigurationError(f"audio must be mono; got an array of shape {pcm.shape}; mix it down first")
        if flat.dtype == np.int16:
            return flat
        if np.issubdtype(flat.dtype, np.floating):
            return to_int16(flat.astype(np.float32))
        raise ClientConfigurationError(f"audio must be int16 or float samples; got an array of {pcm.dtype}")
    if not isinstance(pcm, (bytes, bytearray, memoryview)):
        raise ClientConfigurationError(
            f"audio must be bytes or a numpy array of 16-bit samples; got {type(pcm).__name__}"
        )
    view = memoryview(pcm)
    if view.nbytes % 2:
        raise ClientConfigurationError(f"audio must be 16-bit samples, two bytes each; got {view.nbytes} bytes")
    return np.frombuffer(view, np.int16)


def copied(pcm: Int16) -> Int16:
    """A copy of contiguous samples. Not by numpy: for more than 500 it gives up the GIL, and waits for it to return."""
    return np.frombuffer(bytearray(pcm), np.int16)


def to_float(pcm: Int16) -> Float32:
    """int16 to -1.0 .. 1.0; exact."""
    samples: Float32 = pcm.astype(np.float32) * np.float32(1 / _SCALE)
    return samples


def to_int16(samples: Float32) -> Int16:
    """-1.0 .. 1.0 to int16, rounded and clipped; what is not a number becomes silence."""
    scaled = np.nan_to_num(samples * np.float32(_SCALE), nan=0.0, posinf=_SCALE, neginf=-_SCALE)
    rounded: Int16 = np.clip(np.rint(scaled), -_SCALE, _SCALE - 1).astype(np.int16)
    return rounded
