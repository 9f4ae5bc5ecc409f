"""The codecs of calls: `AudioCodec`, those that we have, and the check of those that a program prefers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from ._arguments import check_argument, is_text, json_copy, plain_fields
from .errors import ClientConfigurationError

__all__ = ["SUPPORTED_CODECS", "AudioCodec", "TxCodecCapability", "checked_codecs"]


@attrs.frozen(field_transformer=plain_fields)
class AudioCodec:
    """A codec, as W3C's `RTCRtpCodecCapability`. iOS: `TxCodecCapability`, Android and Flutter: `AudioCodec`.

    Attributes:
        mime_type: Such as `"audio/opus"`; upper and lower case do not matter.
        clock_rate: In hertz.
        channels: How many, where that is part of the codec's name in SDP; None is not said.
        sdp_fmtp_line: Parameters, such as `"minptime=10;useinbandfec=1"`; None for none.
    """

    mime_type: str
    clock_rate: int
    channels: int | None = None
    sdp_fmtp_line: str | None = None

    def __attrs_post_init__(self) -> None:
        if not is_text(self.mime_type) or not self.mime_type.lower().startswith("audio/"):
            raise ClientConfigurationError(f"mime_type must be a text such as 'audio/opus'; got {self.mime_type!r}")
        check_argument("clock_rate", self.clock_rate, "int")
        check_argument("channels", self.channels, "int | None")
        check_argument("sdp_fmtp_line", self.sdp_fmtp_line, "str | None")

    @property
    def id(self) -> str:
        """Type, clock rate and channels, such as `"audio/opus_48000_2"`. iOS: `id`."""
        parts = (self.mime_type, self.clock_rate, self.channels)
        return "_".join(str(part) for part in parts if part is not None)

    def to_dictionary(self) -> dict[str, Any]:
        """iOS's name for `to_wire`."""
        return self.to_wire()

    def to_wire(self) -> dict[str, Any]:
        """The element of `preferred_codecs` on the wire."""
        values = {
            "mimeType": self.mime_type,
            "clockRate": self.clock_rate,
            "channels": self.channels,
            "sdpFmtpLine": self.sdp_fmtp_line,
        }
        return {name: value for name, value in values.items() if value is not None}


TxCodecCapability = AudioCodec
"""iOS's name."""

SUPPORTED_CODECS = (
    AudioCodec("audio/opus", 48000, 2, "minptime=10;useinbandfec=1"),
    AudioCodec("audio/G722", 8000, 1),
    AudioCodec("audio/PCMU", 8000, 1),
    AudioCodec("audio/PCMA", 8000, 1),
)
"""In the order in which they are offered."""


def checked_codecs(codecs: Iterable[AudioCodec | Mapping[str, Any] | str] | None) -> tuple[dict[str, Any], ...]:
    """Preferred codecs as on the wire; each may be an `AudioCodec`, W3C's dictionary, or a name such as `"PCMU"`.

    Raises:
        ClientConfigurationError: It is none of these. A codec that we do not have is no error: it is ignored, as all
            official SDKs do.
    """
    check_argument("preferred_codecs", codecs, "Iterable[AudioCodec | Mapping[str, Any] | str] | None")
    return tuple(_checked_codec(codec) for codec in codecs or ())


def _checked_codec(codec: object) -> dict[str, Any]:
    if isinstance(codec, AudioCodec):
        return codec.to_wire()
    if isinstance(codec, Mapping) and isinstance(codec.get("mimeType"), str):
        copy: dict[str, Any] = json_copy("preferred_codecs", dict(codec))
        return copy
    if isinstance(codec, str):
        wanted = codec.lower() if "/" in codec else f"audio/{codec.lower()}"
        known = next((one for one in SUPPORTED_CODECS if one.mime_type.lower() == wanted), None)
        if known is not None:
            return known.to_wire()
    names = ", ".join(one.mime_type for one in SUPPORTED_CODECS)
    raise ClientConfigurationError(f"preferred_codecs: {codec!r} cannot be a preferred codec; there are {names}")
