"""How speech is encoded for sending: plain values, checked when made. PURE; imports neither numpy nor aiortc."""

from __future__ import annotations

from typing import Any

import attrs

from .._arguments import plain_fields
from ..errors import ClientConfigurationError

__all__ = ["APPLICATIONS", "OpusSettings"]

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
