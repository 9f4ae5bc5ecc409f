"""PCMU and PCMA (ITU-T G.711) by table, with concealment by repetition."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from .codec import CodecError
from .concealment import Concealer
from .resample import Downsampler, Upsampler

__all__ = ["G711Decoder", "G711Encoder"]

_FACTOR = 6  # 8 kHz to 48 kHz


@functools.cache
def _decode_table(law: str) -> NDArray[np.int16]:
    """The sample that each of the 256 codes stands for."""
    code = np.arange(256, dtype=np.int32)
    if law == "pcmu":
        code = ~code & 0xFF
        exponent, mantissa = code >> 4 & 7, code & 0x0F
        magnitude = ((mantissa << 3) + 0x84 << exponent) - 0x84
        return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)
    code ^= 0x55
    exponent, mantissa = code >> 4 & 7, code & 0x0F
    magnitude = np.where(exponent == 0, (mantissa << 4) + 8, (mantissa << 4) + 0x108 << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


@functools.cache
def _encode_table(law: str) -> NDArray[np.uint8]:
    """The code for each of the 65536 samples, indexed by the sample's bits: the one that decodes nearest to it."""
    values = _decode_table(law).astype(np.int32)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    samples = np.arange(65536, dtype=np.int32)
    samples = np.where(samples < 32768, samples, samples - 65536)
    above = np.clip(np.searchsorted(ordered, samples), 1, 255)
    nearer_below = samples - ordered[above - 1] <= ordered[above] - samples
    return order[np.where(nearer_below, above - 1, above)].astype(np.uint8)


class G711Encoder:
    """48 kHz samples to 8 kHz codes.

    Args:
        law: `"pcmu"` or `"pcma"`.
    """

    clock_rate = 8000

    def __init__(self, law: str) -> None:
        self._table = _encode_table(law)
        self._resampler = Downsampler(_FACTOR)

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        """160 codes for 960 samples."""
        return self._table[self._resampler.process(samples).view(np.uint16)].tobytes()


class G711Decoder:
    """8 kHz codes to 48 kHz samples.

    Args:
        law: `"pcmu"` or `"pcma"`.
    """

    clock_rate = 8000

    def __init__(self, law: str) -> None:
        self._table = _decode_table(law)
        self._resampler = Upsampler(_FACTOR)
        self._concealer = Concealer()

    def duration(self, payload: bytes) -> int:
        """Samples that the payload holds."""
        if not payload:
            raise CodecError("empty G.711 payload")
        return len(payload) * _FACTOR

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """The payload's samples."""
        self.duration(payload)
        narrow = self._table[np.frombuffer(payload, np.uint8)]
        return self._concealer.heard(self._resampler.process(narrow))

    def conceal(self, samples: int) -> NDArray[np.int16]:
        """The last pitch period again."""
        return self._concealer.conceal(samples)

    def has_fec(self, payload: bytes) -> bool:
        """`recover` has nothing."""
        return False

    def recover(self, payload: bytes, samples: int) -> NDArray[np.int16] | None:
        """G.711 carries nothing twice."""
        return None

    def reset(self) -> None:
        """A new stream begins."""
        self._resampler.reset()
        self._concealer.reset()
