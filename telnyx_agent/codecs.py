"""The codecs of calls: how one is named, those that we have, and how Opus encodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from ._arguments import check_argument, is_text, json_copy, plain_fields
from .errors import ClientConfigurationError

__all__ = ["APPLICATIONS", "SUPPORTED_CODECS", "OpusSettings", "TxCodecCapability", "checked_codecs"]


@attrs.frozen(field_transformer=plain_fields)
class TxCodecCapability:
    """A codec, as W3C's `RTCRtpCodecCapability`. iOS: `TxCodecCapability`; Android and Flutter: `AudioCodec`.

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
        """The element of `preferred_codecs` on the wire. iOS: `toDictionary()`."""
        values = {
            "mimeType": self.mime_type,
            "clockRate": self.clock_rate,
            "channels": self.channels,
            "sdpFmtpLine": self.sdp_fmtp_line,
        }
        return {name: value for name, value in values.items() if value is not None}


SUPPORTED_CODECS = (
    TxCodecCapability("audio/opus", 48000, 2, "minptime=10;useinbandfec=1"),
    TxCodecCapability("audio/G722", 8000, 1),
    TxCodecCapability("audio/PCMU", 8000, 1),
    TxCodecCapability("audio/PCMA", 8000, 1),
)
"""In the order in which they are offered."""


def checked_codecs(codecs: Iterable[TxCodecCapability | Mapping[str, Any] | str] | None) -> tuple[dict[str, Any], ...]:
    """Preferred codecs as on the wire; each a `TxCodecCapability`, W3C's dictionary or a name such as `"PCMU"`.

    Raises:
        ClientConfigurationError: It is none of these. A codec that we do not have is no error: it is ignored, as all
            official SDKs do.
    """
    check_argument("preferred_codecs", codecs, "Iterable[TxCodecCapability | Mapping[str, Any] | str] | None")
    return tuple(_checked_codec(codec) for codec in codecs or ())


def _checked_codec(codec: object) -> dict[str, Any]:
    if isinstance(codec, TxCodecCapability):
        return codec.to_dictionary()
    if isinstance(codec, Mapping) and isinstance(codec.get("mimeType"), str):
        copy: dict[str, Any] = json_copy("preferred_codecs", dict(codec))
        return copy
    if isinstance(codec, str):
        wanted = codec.lower() if "/" in codec else f"audio/{codec.lower()}"
        known = next((one for one in SUPPORTED_CODECS if one.mime_type.lower() == wanted), None)
        if known is not None:
            return known.to_dictionary()
    names = ", ".join(one.mime_type for one in SUPPORTED_CODECS)
    raise ClientConfigurationError(f"preferred_codecs: {codec!r} cannot be a preferred codec; there are {names}")


# -- Opus --------------------------------------------------------------------------------------------------------------

APPLICATIONS = ("voip", "audio", "lowdelay")


def _whole_number(low: int, high: int, what: str) -> Any:
    def check(_: object, attribute: attrs.Attribute[int], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ClientConfigurationError(f"{attribute.name} is {value!r}; it must be {what}, from {low} to {high}")

    return check


def _yes_or_no(*allowed: object) -> Any:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not any(value is one for one in allowed):
            words = ", ".join(map(repr, allowed))
            raise ClientConfigurationError(f"{attribute.name} is {value!r}; it must be one of {words}")

    return check


def _application(_: object, attribute: attrs.Attribute[str], value: object) -> None:
    if value not in APPLICATIONS:
        raise ClientConfigurationError(
            f"{attribute.name} is {value!r}; it must be 'voip' (speech), 'audio' (music) or 'lowdelay'"
        )


@attrs.frozen(field_transformer=plain_fields)
class OpusSettings:
    """How the caller's voice is encoded when the call uses Opus. Always mono, 48 kHz, 20 ms to a packet.

    What the other side asks for in its description (`maxaveragebitrate`, `useinbandfec`, `usedtx`; RFC 7587) is a limit
    on top of this: a lower bitrate is kept to, and forward error correction is only sent to who can use it.

    Args:
        bitrate: Bits a second, 6000 to 510000.
        complexity: How hard the encoder tries, 0 to 10; costs processor time (docs/performance.md).
        fec: Carry each frame a second time, coarsely, in the packet after it, so that single lost packets can be made
            good. `None`, the default: while the other side reports loss. `True`: always. `False`: never.
        expected_loss: Percent of packets, 0 to 100; decides how much of the bitrate goes into error correction. Without
            reports of the other side, and the least that is assumed with them.
        dtx: Send next to nothing while it is silent. Saves traffic; the other side hears its own comfort noise.
        application: `"voip"`, `"audio"`, or `"lowdelay"` (4 ms less delay and no error correction).

    Raises:
        ClientConfigurationError: A value is out of its range; the message names it.
    """

    bitrate: int = attrs.field(default=96000, validator=_whole_number(6000, 510000, "bits a second"))
    complexity: int = attrs.field(default=4, validator=_whole_number(0, 10, "a whole number"))
    fec: bool | None = attrs.field(default=None, validator=_yes_or_no(None, True, False))
    expected_loss: int = attrs.field(default=0, validator=_whole_number(0, 100, "percent"))
    dtx: bool = attrs.field(default=False, validator=_yes_or_no(True, False))
    application: str = attrs.field(default="voip", validator=_application)
