"""What the server core tells its driver: one frozen value for each thing that happened. No I/O here or below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = [
    "AttachAnswered",
    "AttachWanted",
    "CallAnswered",
    "CallDetached",
    "CallEnded",
    "CallOffered",
    "CandidateReceived",
    "ClientAnswered",
    "CloseSocket",
    "DigitsReceived",
    "EarlyMediaBegun",
    "FunctionOutput",
    "HoldChanged",
    "LoggedIn",
    "Malformed",
    "MediaUpdateOffered",
    "MessageTyped",
    "OfferWanted",
    "Registered",
    "ServerEvent",
    "Superseded",
]


@attrs.frozen
class LoggedIn:
    """A login was accepted. `params` are the login's, without passwords."""

    session_id: str
    target_id: str
    params: Mapping[str, Any]


@attrs.frozen
class Registered:
    """REGED was sent: calls go through from here on."""

    session_id: str


@attrs.frozen
class Superseded:
    """Another connection of the same session was punted; its core has texts to send."""

    connection: int


@attrs.frozen
class CallOffered:
    """An invite came. The driver answers the offer and calls `set_local_description`, or `refuse_media`."""

    call_id: str
    sdp: str
    trickle: bool


@attrs.frozen
class OfferWanted:
    """The client is to be called: the driver makes an offer and calls `set_local_description`, or `refuse_media`."""

    call_id: str


@attrs.frozen
class ClientAnswered:
    """The client took the call; `sdp` is its answer."""

    call_id: str
    sdp: str
    custom_headers: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class CallAnswered:
    """The answer frame went out; `greet_at` is when the agent should start to speak (same clock as `now`)."""

    call_id: str
    greet_at: float


@attrs.frozen
class CallDetached:
    """The call's socket is gone; media stops, the call waits for its client."""

    call_id: str


@attrs.frozen
class CallEnded:
    """The call is over."""

    call_id: str
    cause: str
    by_client: bool


@attrs.frozen
class AttachWanted:
    """The client is back: the driver makes an offer and calls `set_local_description`."""

    call_id: str


@attrs.frozen
class AttachAnswered:
    """The client's answer to an attach offer."""

    call_id: str
    sdp: str


@attrs.frozen
class MediaUpdateOffered:
    """`modify updateMedia`: the driver answers with `answer_media_update`."""

    call_id: str
    sdp: str


@attrs.frozen
class HoldChanged:
    """The client put the call on hold or took it back."""

    call_id: str
    held: bool


@attrs.frozen
class CandidateReceived:
    """One trickled ICE candidate; None is the end of candidates."""

    call_id: str
    candidate: str | None
    sdp_mid: str | None = None
    sdp_mline_index: int | None = None


@attrs.frozen
class EarlyMediaBegun:
    """The client has the SDP, and hears the far end ring from now on."""

    call_id: str


@attrs.frozen
class DigitsReceived:
    """DTMF by `info`."""

    call_id: str
    digits: str


@attrs.frozen
class MessageTyped:
    """Text and images from the client, already echoed."""

    call_id: str | None
    item_id: str
    text: str
    image_urls: tuple[str, ...]


@attrs.frozen
class FunctionOutput:
    """The result of a client-side tool."""

    call_id: str | None
    function_call_id: str
    name: str | None
    output: str


@attrs.frozen
class Malformed:
    """A frame could not be understood; `reason` says why, without its content."""

    reason: str


@attrs.frozen
class CloseSocket:
    """Close the WebSocket in order. `code` is None to cut the TCP connection without a close frame."""

    code: int | None
    reason: str = ""


ServerEvent = (
    LoggedIn
    | Registered
    | Superseded
    | CallOffered
    | OfferWanted
    | ClientAnswered
    | CallAnswered
    | CallDetached
    | CallEnded
    | AttachWanted
    | AttachAnswered
    | MediaUpdateOffered
    | HoldChanged
    | CandidateReceived
    | DigitsReceived
    | EarlyMediaBegun
    | MessageTyped
    | FunctionOutput
    | Malformed
    | CloseSocket
)
