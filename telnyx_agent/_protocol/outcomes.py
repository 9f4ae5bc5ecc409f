"""What a `Session` reports to its driver: frozen events, taken out with `Session.next_event()` in order.

An event that goes to the delegate as it is, is a public class of `telnyx_agent.events`. The classes of this module are
for the driver, or change what properties read.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import attrs

from ..errors import CallError, RemoteProtocolError, TxError
from ..events import (
    AgentStateChanged,
    ClientReady,
    ClientWarning,
    FunctionCallReceived,
    Reconnected,
    Reconnecting,
    RingingAckReceived,
    SessionUpdated,
    WidgetSettingsUpdated,
)
from ._frozen import frozen
from .calls.details import CallDetails
from .conversation.transcription import TranscriptionItem
from .states import CallState, CallTerminationReason
from .wire.ai_inbound import AiEvent
from .wire.requests import CallOptions

__all__ = [
    "AgentStateChanged",
    "AiMessage",
    "CallDetails",
    "CallProgress",
    "CallStateChanged",
    "CallStep",
    "CallUpdated",
    "ClientFailed",
    "ClientReady",
    "ClientWarning",
    "CloseConnection",
    "CommandSettled",
    "CredentialsRefused",
    "CredentialsUpdated",
    "DropConnection",
    "FunctionCallReceived",
    "IncomingCall",
    "LoginFailed",
    "Malformed",
    "MediaOffered",
    "MessageFailed",
    "MessageReceived",
    "MessageSent",
    "OpenConnection",
    "QuestionSettled",
    "Reconnected",
    "Reconnecting",
    "Registered",
    "RemoteDescription",
    "RingingAckReceived",
    "ServerLocated",
    "SessionEvent",
    "SessionUpdated",
    "TranscriptChanged",
    "WidgetSettingsUpdated",
    "ended_by",
]


# -- connection --------------------------------------------------------------------------------------------------------


@attrs.frozen
class ServerLocated:
    """The server says where it is; each None where it does not."""

    datacenter: str | None
    region: str | None


@attrs.frozen
class Registered:
    """Logged in and registered, for the first time or again; `ClientReady` or `Reconnected` follows. By the driver.

    Attributes:
        voice_sdk_id: Leads back to the same server.
        call_report_id: For the upload of reports.
        target_id: The assistant that the session is locked to.
    """

    voice_sdk_id: str | None = attrs.field(repr=False)
    call_report_id: str | None
    target_id: str | None


@attrs.frozen
class LoginFailed:
    """The login failed. Comes once, instead of `ClientReady`. `CloseConnection` follows if there is still a socket."""

    error: TxError


@attrs.frozen
class ClientFailed:
    """Something that does not belong to one call failed after the login.

    Attributes:
        error: The error.
        is_final: Whether it ended the session. This comes once at most, and not after `disconnect`.
    """

    error: TxError
    is_final: bool = False


@attrs.frozen
class OpenConnection:
    """Open another socket. Then call `connection_opened` or `connection_closed`, as for the first one.

    Attributes:
        voice_sdk_id: For the URL: with it, the connection reaches the same server (R3).
        elsewhere: For the URL: ask for another server than that (`skip_last_voice_sdk_id`).
        without_region: Use the host without the region (R2).
    """

    voice_sdk_id: str | None = attrs.field(default=None, repr=False)
    elsewhere: bool = False
    without_region: bool = False


@attrs.frozen
class DropConnection:
    """Close the socket, which may still look open, and ignore what it still brings (R57).

    The session goes on without it. Do not call `connection_closed`.
    """


@attrs.frozen
class CloseConnection:
    """Close the socket after sending what is pending. The session is over."""

    code: int = 1000
    reason: str = ""


@attrs.frozen
class CredentialsUpdated:
    """The server has accepted other credentials. Every reconnection uses them."""


@attrs.frozen
class CredentialsRefused:
    """The server has refused other credentials. The session goes on with the old ones."""

    error: TxError


# -- calls -------------------------------------------------------------------------------------------------------------


class CallStep(str, enum.Enum):
    """The steps of a call's set-up whose times are measured, as far as they are steps of the signalling."""

    INVITE_SENT = "invite_sent"
    INVITE_ACCEPTED = "invite_accepted"
    RINGING = "ringing"
    REMOTE_DESCRIPTION = "remote_description_received"
    ANSWERED = "answered"


@attrs.frozen
class CallProgress:
    """A call has done a step of its set-up."""

    call_id: str
    step: CallStep


@attrs.frozen
class CommandSettled:
    """The result of a command that the server had to confirm (`Calls.hold`, `Calls.press_keys`).

    Attributes:
        ticket: The ticket that the command returned.
        error: Why it failed; None: it is done.
    """

    ticket: str
    error: TxError | None = None


@attrs.frozen
class IncomingCall:
    """Somebody calls. This is the first event about that call, which rings. Call `Calls.answer` or `Calls.hang_up`."""

    options: CallOptions
    details: CallDetails


@attrs.frozen
class CallStateChanged:
    """A call is in a new state. `DONE` comes once, as the last one, with its termination reason."""

    call_id: str
    state: CallState


@attrs.frozen
class CallUpdated:
    """The server has sent something new about a call."""

    call_id: str
    details: CallDetails


@attrs.frozen
class RemoteDescription:
    """The remote SDP answer, once per call: apply it, then call `Calls.remote_description_applied`."""

    call_id: str
    sdp: str = attrs.field(repr=False)


@attrs.frozen
class MediaOffered:
    """The server takes a call up again and offers new media, which replace the present ones.

    Make an answer, then call `Calls.set_answer`. A later offer replaces this one.
    """

    call_id: str
    sdp: str = attrs.field(repr=False)


# -- the assistant -----------------------------------------------------------------------------------------------------


@attrs.frozen
class MessageSent:
    """A message that waited for the connection was sent and is in the transcript."""

    item_id: str


@attrs.frozen
class MessageFailed:
    """A message that waited for the connection will not be sent."""

    item_id: str
    error: TxError


@frozen
class TranscriptChanged:
    """The transcript changed.

    Attributes:
        item: The item that is new or changed; None if items were removed.
        items: The whole present transcript.
        delta: The text by which the item grew; None for any other change.
    """

    item: TranscriptionItem | None
    items: tuple[TranscriptionItem, ...] = attrs.field(repr=False)
    delta: str | None = attrs.field(default=None, repr=False)


@frozen
class AiMessage:
    """An `ai_conversation` frame of any type (R40).

    Attributes:
        params: The `params` of the frame.
        event: The same, decoded.
        conversation_id: The conversation's id, if this or an earlier frame has brought it.
    """

    params: Mapping[str, Any] = attrs.field(repr=False)
    event: AiEvent | None = attrs.field(default=None, eq=False)
    conversation_id: str | None = attrs.field(default=None, eq=False)


@attrs.frozen
class QuestionSettled:
    """A question has its answer, or will have none.

    Attributes:
        key: The key that was given with the question.
        text: The answer.
        error: Why there is no answer.
    """

    key: object = attrs.field(repr=False)
    text: str = attrs.field(repr=False)
    error: TxError | None = None


# -- frames ------------------------------------------------------------------------------------------------------------


@frozen
class MessageReceived:
    """A frame, decoded, before the session has handled it."""

    frame: Mapping[str, Any] = attrs.field(repr=False)


@attrs.frozen
class Malformed:
    """A frame was ignored; once per kind of mistake. The text does not quote the frame."""

    error: RemoteProtocolError


SessionEvent = (
    SessionUpdated
    | ServerLocated
    | ClientReady
    | LoginFailed
    | ClientFailed
    | Reconnecting
    | Reconnected
    | OpenConnection
    | DropConnection
    | CloseConnection
    | CredentialsUpdated
    | CredentialsRefused
    | IncomingCall
    | CallStateChanged
    | CallProgress
    | CommandSettled
    | CallUpdated
    | RemoteDescription
    | MediaOffered
    | RingingAckReceived
    | MessageSent
    | MessageFailed
    | TranscriptChanged
    | AgentStateChanged
    | WidgetSettingsUpdated
    | AiMessage
    | QuestionSettled
    | FunctionCallReceived
    | MessageReceived
    | Malformed
    | ClientWarning
)


def ended_by(error: TxError) -> CallState:
    """`DONE`, because of an error."""
    cause = error.cause if isinstance(error, CallError) else None
    return CallState.done(CallTerminationReason(cause=cause, error=error))
