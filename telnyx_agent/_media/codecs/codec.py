"""What the playout and the sender ask of a codec. All samples are mono int16 at 48 kHz."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...codecs import SUPPORTED_CODECS

__all__ = ["FRAME", "RATE", "SUPPORTED", "CodecError", "Decoder", "Encoder"]

RATE = 48000
FRAME = 960
"""Samples in one packet that we send: 20 ms."""
SUPPORTED = {codec.mime_type.removeprefix("audio/"): codec for codec in SUPPORTED_CODECS}
"""By their names in SDP, in the order in which we offer them."""


class CodecError(Exception):
    """A payload cannot be decoded. Never leaves `_media`."""


class Decoder(Protocol):
    """One stream of payloads to samples. Used by one thread at a time."""

    clock_rate: int
    """Of the RTP timestamps: 48000 for Opus, 8000 for the others (G.722 too, RFC 3551 4.5.2)."""

    def duration(self, payload: bytes) -> int:
        """Samples that the payload holds, without decoding it. Raises `CodecError`."""
        ...

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """The payload's samples. Raises `CodecError`."""
        ...

    def conceal(self, samples: int) -> NDArray[np.int16]:
        """That many samples in place of audio that did not come."""
        ...

    def has_fec(self, payload: bytes) -> bool:
        """Whether `recover` may have something from this payload."""
        ...

    def recover(self, payload: bytes, samples: int) -> NDArray[np.int16] | None:
        """The samples just before `payload`, if the payload carries them a second time (Opus' in-band FEC)."""
        ...

    def reset(self) -> None:
        """A new stream begins."""
        ...


class Encoder(Protocol):
    """Samples to one stream of payloads."""

    clock_rate: int

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        """One payload for `FRAME` samples; empty when nothing is to be sent for them."""
        ...
