"""What the playout and the sender ask of a codec, and the codecs by name. All samples are mono int16 at 48 kHz."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..codecs import OpusSettings

__all__ = ["FRAME", "RATE", "SUPPORTED", "CodecError", "Decoder", "Encoder", "create_decoder", "create_encoder"]

RATE = 48000
FRAME = 960
"""Samples in one packet that we send: 20 ms."""
SUPPORTED = ("opus", "G722", "PCMU", "PCMA")
"""In the order in which we offer them."""


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

    name: str
    clock_rate: int

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        """One payload for `FRAME` samples; empty when nothing is to be sent for them."""
        ...


def create_encoder(name: str, opus: OpusSettings | None = None) -> Encoder:
    """The encoder for a codec's SDP name, in any case of letters.

    Raises:
        CodecError: There is none.
    """
    kind = name.lower()
    if kind == "opus":
        from . import opus as opus_module

        return opus_module.create_encoder() if opus is None else opus_module.create_encoder(opus)
    if kind == "g722":
        from .pyav import G722Encoder

        return G722Encoder()
    if kind in ("pcmu", "pcma"):
        from .g711 import G711Encoder

        return G711Encoder(kind)
    raise CodecError(f"no encoder for {name!r}")


def create_decoder(name: str) -> Decoder:
    """The decoder for a codec's SDP name, in any case of letters.

    Raises:
        CodecError: There is none.
    """
    kind = name.lower()
    if kind == "opus":
        from . import opus as opus_module

        return opus_module.create_decoder()
    if kind == "g722":
        from .pyav import G722Decoder

        return G722Decoder()
    if kind in ("pcmu", "pcma"):
        from .g711 import G711Decoder

        return G711Decoder(kind)
    raise CodecError(f"no decoder for {name!r}")
