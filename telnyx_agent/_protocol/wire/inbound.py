"""What the server says: one frozen event per method, one parser per method, in one table.

A frame is decoded here once; nothing behind this module looks into a dictionary. `parse` is for requests,
`parse_result` and `parse_error` are for replies. Methods that are not in the table become `Unknown`; frames of known
methods that lack what they need raise `RemoteProtocolError`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs

from ...errors import ServerError
from ..conversation.widget import WidgetSettings
from ..states import GatewayState
from .ai_inbound import AiConversation, parse_ai_conversation, parse_transcription
from .fields import Fields, whole_number
from .jsonrpc import ErrorReply, Request, Result

__all__ = [
    "ACKNOWLEDGED",
    "MOST_HEADERS",
    "MOST_HEADER_CHARACTERS",
    "Answer",
    "Attach",
    "Bye",
    "CallIds",
    "Candidate",
    "ClientReady",
    "Display",
    "EndOfCandidates",
    "Event",
    "GatewayReport",
    "Info",
    "Invite",
    "Media",
    "Ping",
    "Punt",
    "Refusal",
    "Reply",
    "Ringing",
    "Unknown",
    "WidgetConfig",
    "is_call_id",
    "parse",
    "parse_error",
    "parse_result",
]

ACKNOWLEDGED = frozenset(
    f"telnyx_rtc.{name}" for name in ("ringing", "media", "answer", "bye", "candidate", "display", "invite", "attach")
)
"""The methods that are acknowledged, also for calls that we do not know (R27)."""

MOST_HEADERS = 100
"""Custom headers of one frame; further ones are left out. SIP servers take a few dozen."""

MOST_HEADER_CHARACTERS = 32_768
"""Characters of all of them together. They are kept for as long as the call is."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_E = TypeVar("_E", bound=ServerError)


# -- the session -------------------------------------------------------------------------------------------------------


@attrs.frozen
class ClientReady:
    """The server is done with the login.

    Attributes:
        reattached_calls: The calls that the server took up again; None if it does not say.
    """

    reattached_calls: tuple[str, ...] | None


@attrs.frozen
class GatewayReport:
    """The registration's state, as a push or in a result.

    Attributes:
        state: None for a state that no official SDK knows.
        call_report_id: The key for call reports.
        datacenter: Where we are connected to.
        region: Where that is.
    """

    state: GatewayState | None
    call_report_id: str | None = None
    datacenter: str | None = None
    region: str | None = None


@attrs.frozen
class Ping:
    """The server asks whether we are there."""


@attrs.frozen
class Punt:
    """The server throws this connection out."""


@attrs.frozen
class WidgetConfig:
    """Widget settings outside of `ai_conversation`; only known from iOS's tests."""

    settings: WidgetSettings


# -- calls -------------------------------------------------------------------------------------------------------------


@attrs.frozen
class CallIds:
    """Telnyx's ids of a call, each None where the frame has none."""

    telnyx_session_id: str | None = None
    telnyx_leg_id: str | None = None
    telnyx_call_control_id: str | None = None
    datacenter: str | None = None
    client_state: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Ringing:
    """The far end rings."""

    call_id: str
    ids: CallIds = CallIds()


@attrs.frozen
class Media:
    """Early media, usually with the SDP answer."""

    call_id: str
    sdp: str | None = attrs.field(default=None, repr=False)
    ids: CallIds = CallIds()


@attrs.frozen
class Answer:
    """The far end answered, with the SDP answer if `Media` did not bring it (S13)."""

    call_id: str
    sdp: str | None = attrs.field(default=None, repr=False)
    ids: CallIds = CallIds()
    custom_headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)


@attrs.frozen
class Bye:
    """The far end hung up or could not be reached."""

    call_id: str
    cause: str | None = None
    cause_code: int | None = None
    sip_code: int | None = None
    sip_reason: str | None = None
    sip_call_id: str | None = None
    ids: CallIds = CallIds()
    custom_headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)


@attrs.frozen
class Invite:
    """Somebody calls; does not happen on an anonymous session. `sdp` is an offer."""

    call_id: str
    sdp: str | None = attrs.field(default=None, repr=False)
    ids: CallIds = CallIds()
    caller_name: str = attrs.field(default="", repr=False)
    caller_number: str = attrs.field(default="", repr=False)
    callee_name: str = attrs.field(default="", repr=False)
    callee_number: str = attrs.field(default="", repr=False)
    custom_headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)


@attrs.frozen
class Attach:
    """A call goes on after a reconnection; `sdp` is an offer."""

    call_id: str
    sdp: str | None = attrs.field(default=None, repr=False)
    ids: CallIds = CallIds()


@attrs.frozen
class Candidate:
    """An ICE candidate of the far end (trickle)."""

    call_id: str
    candidate: str = attrs.field(repr=False)
    sdp_mid: str | None = None
    sdp_m_line_index: int | None = None


@attrs.frozen
class EndOfCandidates:
    """No more of them."""

    call_id: str


@attrs.frozen
class Display:
    """The name and number of the far end."""

    call_id: str
    name: str | None = attrs.field(default=None, repr=False)
    number: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Info:
    """Something that is of no consequence to us: `info`, `event`, `modify`."""

    method: str


@attrs.frozen
class Unknown:
    """A method that we do not know."""

    method: str
    params: Mapping[str, Any] = attrs.field(repr=False)


Event = (
    ClientReady
    | GatewayReport
    | Ping
    | Punt
    | WidgetConfig
    | Ringing
    | Media
    | Answer
    | Bye
    | Invite
    | Attach
    | Candidate
    | EndOfCandidates
    | Display
    | Info
    | AiConversation
    | Unknown
)


# -- replies -----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Reply:
    """What any result may tell (S4): the session id, and the gateway's state or that of a hold if it was asked for."""

    session_id: str | None = None
    gateway: GatewayReport | None = None
    hold_state: str | None = None


@attrs.frozen
class Refusal:
    """An error reply.

    Attributes:
        code: The server's.
        message: The server's; may be empty.
        cause: The hang-up cause of a refused invite (S9).
        cause_code: The number that goes with it.
        data: All members but code and message.
    """

    code: int | str
    message: str
    cause: str | None = None
    cause_code: int | None = None
    data: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    @property
    def number(self) -> int | None:
        """The code as a number, also where the server has written it as a text; None for another text."""
        return whole_number(self.code)

    def as_error(self, kind: type[_E], text: str, *, code: int | str | None = None, call_id: str | None = None) -> _E:
        """An error of ours with the server's words in it."""
        data = dict(self.data)
        return kind(text, code=code, call_id=call_id, server_message=self.message, server_code=self.code, data=data)

    def for_call(self, call_id: str) -> ServerError:
        """The server's own words, as the cause of an error of ours about a call."""
        return self.as_error(ServerError, str(self), code=self.code, call_id=call_id)

    def __str__(self) -> str:
        """For the text of an exception."""
        return f"{self.message or 'no reason given'} (code {self.code})"


def parse_result(reply: Result) -> Reply:
    """What a result tells beside the fact that it came."""
    fields = Fields("a result", reply.result)
    state = fields.loose_object("params")
    gateway = _gateway_report(state) if state.loose_text("state") else None
    return Reply(fields.loose_text("sessid"), gateway, fields.loose_text("holdState"))


def parse_error(reply: ErrorReply) -> Refusal:
    """What an error reply tells. Android's alternative form has a state in place of a message."""
    fields = Fields("an error", reply.data)
    message = reply.message or fields.loose_object("params").loose_text("state") or ""
    return Refusal(
        reply.code, message, fields.loose_text("cause"), fields.loose_integer("causeCode", "cause_code"), reply.data
    )


# -- parsers -----------------------------------------------------------------------------------------------------------


def parse(request: Request) -> Event:
    """The event that a request is.

    Raises:
        RemoteProtocolError: The method is known, and lacks what it needs or has it in a wrong type.
    """
    parser = _PARSERS.get(request.method)
    if parser is None:
        return Unknown(request.method, request.params)
    try:
        return parser(Fields(request.method, request.params))
    except _NoCallError:
        # Like one about a call that we do not know: it is acknowledged (R27), and that is all.
        return Info(request.method)


def is_call_id(call_id: str) -> bool:
    """Whether this can be a call's id: all are UUIDs (protocol.md 1.4), and users get them as `UUID`."""
    return _UUID.fullmatch(call_id) is not None


class _NoCallError(Exception):
    """A frame is about something that cannot be a call."""


def _call_id(fields: Fields) -> str:
    """The id of the call that a frame is about. Looked at here, so that nothing behind can stumble over another."""
    call_id = _any_call_id(fields)
    if not is_call_id(call_id):
        raise _NoCallError
    return call_id


def _any_call_id(fields: Fields) -> str:
    """The call's id, wherever it may be (protocol.md 3.7), in lower case: iOS's are in upper case."""
    found = fields.text("callID", "callId") or fields.loose_object("dialogParams").text("callID", "callId")
    return (found or fields.required("callID")).lower()


def _ids(fields: Fields) -> CallIds:
    variables = fields.loose_object("variables")
    return CallIds(
        telnyx_session_id=fields.loose_text("telnyx_session_id"),
        telnyx_leg_id=fields.loose_text("telnyx_leg_id"),
        telnyx_call_control_id=fields.loose_text("telnyx_call_control_id"),
        datacenter=variables.loose_text("FreeSWITCH-Switchname", "FreeSWITCH-Hostname"),
        client_state=fields.loose_text("client_state", "clientState"),
    )


def _sdp(fields: Fields) -> str | None:
    # An empty SDP is none.
    return fields.text("sdp", is_content=True) or None


def _headers(fields: Fields) -> tuple[tuple[str, str], ...]:
    headers = fields.loose_object("dialogParams").loose_objects("custom_headers")
    pairs = ((header.loose_text("name"), header.loose_text("value")) for header in headers)
    named = [(name, value or "") for name, value in pairs if name is not None][:MOST_HEADERS]
    sizes = itertools.accumulate(len(name) + len(value) for name, value in named)
    return tuple(header for header, size in zip(named, sizes, strict=True) if size <= MOST_HEADER_CHARACTERS)


def _gateway_report(fields: Fields) -> GatewayReport:
    name = fields.required("state").upper()
    return GatewayReport(
        GatewayState(name) if name in GatewayState.__members__ else None,
        fields.loose_text("call_report_id"),
        fields.loose_text("dc"),
        fields.loose_text("region"),
    )


def _client_ready(fields: Fields) -> ClientReady:
    # A `state` may stand beside; JavaScript does not take it for a gateway state here either.
    calls = fields.loose_texts("reattached_sessions")
    return ClientReady(None if calls is None else tuple(call.lower() for call in calls))


def _widget_config(fields: Fields) -> WidgetConfig:
    settings = fields.object("widget_settings")
    return WidgetConfig(WidgetSettings.from_wire({} if settings is None else settings.values))


def _ringing(fields: Fields) -> Ringing:
    return Ringing(_call_id(fields), _ids(fields))


def _media(fields: Fields) -> Media:
    return Media(_call_id(fields), _sdp(fields), _ids(fields))


def _answer(fields: Fields) -> Answer:
    return Answer(_call_id(fields), _sdp(fields), _ids(fields), _headers(fields))


def _bye(fields: Fields) -> Bye:
    return Bye(
        _call_id(fields),
        fields.loose_text("cause"),
        fields.loose_integer("causeCode"),
        fields.loose_integer("sipCode"),
        fields.loose_text("sipReason"),
        fields.loose_text("sip_call_id", "sipCallId"),
        _ids(fields),
        _headers(fields),
    )


def _invite(fields: Fields) -> Invite:
    return Invite(
        _any_call_id(fields),
        _sdp(fields),
        _ids(fields),
        caller_name=fields.loose_text("caller_id_name") or "",
        caller_number=fields.loose_text("caller_id_number") or "",
        callee_name=fields.loose_text("callee_id_name") or "",
        callee_number=fields.loose_text("callee_id_number") or "",
        custom_headers=_headers(fields),
    )


def _attach(fields: Fields) -> Attach:
    return Attach(_call_id(fields), _sdp(fields), _ids(fields))


def _candidate(fields: Fields) -> Candidate:
    return Candidate(
        _call_id(fields),
        fields.required("candidate"),
        fields.loose_text("sdpMid"),
        fields.loose_integer("sdpMLineIndex"),
    )


def _display(fields: Fields) -> Display:
    return Display(_call_id(fields), fields.loose_text("display_name"), fields.loose_text("display_number"))


_PARSERS: Mapping[str, Callable[[Fields], Event]] = {
    "telnyx_rtc.clientReady": _client_ready,
    "telnyx_rtc.gatewayState": _gateway_report,
    "telnyx_rtc.ping": lambda fields: Ping(),
    "telnyx_rtc.punt": lambda fields: Punt(),
    "telnyx_rtc.widget_config": _widget_config,
    "telnyx_rtc.ringing": _ringing,
    "telnyx_rtc.media": _media,
    "telnyx_rtc.answer": _answer,
    "telnyx_rtc.bye": _bye,
    "telnyx_rtc.invite": _invite,
    "telnyx_rtc.attach": _attach,
    "telnyx_rtc.candidate": _candidate,
    "telnyx_rtc.endOfCandidates": lambda fields: EndOfCandidates(_call_id(fields)),
    "telnyx_rtc.display": _display,
    "telnyx_rtc.info": lambda fields: Info("telnyx_rtc.info"),
    "telnyx_rtc.event": lambda fields: Info("telnyx_rtc.event"),
    "webrtc.event": lambda fields: Info("webrtc.event"),
    "telnyx_rtc.modify": lambda fields: Info("telnyx_rtc.modify"),
    "ai_conversation": parse_ai_conversation,
    "telnyx_rtc.transcription": parse_transcription,
}
