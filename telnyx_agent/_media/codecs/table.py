"""An encoder and a decoder for each codec that we offer, by its name in SDP. Imports `av`."""

from __future__ import annotations

from ...codecs import OpusSettings
from . import opus
from .codec import CodecError, Decoder, Encoder
from .g711 import G711Decoder, G711Encoder
from .pyav import G722Decoder, G722Encoder

__all__ = ["create_decoder", "create_encoder"]

_DEFAULT_OPUS = OpusSettings()


def create_encoder(name: str, settings: OpusSettings = _DEFAULT_OPUS) -> Encoder:
    """The encoder for a codec's name, in any case of letters; `settings` are those of Opus.

    Raises:
        CodecError: There is none.
    """
    kind = name.lower()
    if kind == "opus":
        return opus.create_encoder(settings)
    if kind == "g722":
        return G722Encoder()
    if kind in ("pcmu", "pcma"):
        return G711Encoder(kind)
    raise CodecError(f"no encoder for {name!r}")


def create_decoder(name: str) -> Decoder:
    """The decoder for a codec's name, in any case of letters.

    Raises:
        CodecError: There is none.
    """
    kind = name.lower()
    if kind == "opus":
        return opus.create_decoder()
    if kind == "g722":
        return G722Decoder()
    if kind in ("pcmu", "pcma"):
        return G711Decoder(kind)
    raise CodecError(f"no decoder for {name!r}")
