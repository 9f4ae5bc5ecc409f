"""What a `Session` reports to its driver: frozen events, taken out with `Session.next_event()` in order.

Where a delegate is told just that, it is the public class of `telnyx_agent.events`. The classes of this module are for
the driver, or change what properties read.
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
    """The login failed; once, in the place of `ClientReady`. `CloseConnection` follows if there is still a socket."""

    error: TxError


@attrs.frozen
class ClientFailed:
    """Something that is not tied to one call failed after the login.

    Attributes:
        error: What.
        is_final: Whether it ended the session: there is one such at most, and none after a wish to disconnect.
    """

    error: TxError
    is_final: bool = False


@attrs.frozen
class OpenConnection:
    """Open another socket and say what becomes of it, as of the first.

    Attributes:
        voice_sdk_id: For the URL: leads back to the same server (R3).
        elsewhere: For the URL: ask for another server than that (`skip_last_voice_sdk_id`).
        without_region: Take the host without the region (R2).
    """

    voice_sdk_id: str | None = attrs.field(default=None, repr=False)
    elsewhere: bool = False
    without_region: bool = False


@attrs.frozen
class DropConnection:
    """The socket is given up though it may look open: close it, and ignore what still comes of it (R57).

    The session goes on without it; `connection_closed` is not to be called.
    """


@attrs.frozen
class CloseConnection:
    """Close the socket, after what is still to be sent. The session is over."""

    code: int = 1000
    reason: str = ""


@attrs.frozen
class CredentialsUpdated:
    """The server has accepted other credentials; every later login uses them."""


@attrs.frozen
class CredentialsRefused:
    """It has not; the session goes on with those that it had."""

    error: TxError


# -- calls -------------------------------------------------------------------------------------------------------------


class CallStep(str, enum.Enum):
    """What is measured while a call is set up, as far as it is signalling."""

    INVITE_SENT = "invite_sent"
    INVITE_ACCEPTED = "invite_accepted"
    RINGING = "ringing"
    REMOTE_DESCRIPTION = "remote_description_received"
    ANSWERED = "answered"


@attrs.frozen
class CallProgress:
    """A call came to this point now."""

    call_id: str
    step: CallStep


@attrs.frozen
class CommandSettled:
    """What became of a command that the server had to confirm (`Session.hold`, `Session.press_keys`).

    Attributes:
        ticket: What the command returned.
        error: Why nothing came of it; None: it is done.
    """

    ticket: str
    error: TxError | None = None


@attrs.frozen
class IncomingCall:
    """Somebody calls: the first event about that call, which rings. Take it with `Session.answer_call`, or hang up."""

    options: CallOptions
    details: CallDetails


@attrs.frozen
class CallStateChanged:
    """A call is in a new state; `DONE` comes once and last, with its termination reason."""

    call_id: str
    state: CallState


@attrs.frozen
class CallUpdated:
    """The server told something new about a call."""

    call_id: str
    details: CallDetails


@attrs.frozen
class RemoteDescription:
    """The remote SDP answer, once per call: apply it, then call `Session.remote_description_applied`."""

    call_id: str
    sdp: str = attrs.field(repr=False)


@attrs.frozen
class MediaOffered:
    """The server takes a call up again and offers new media, in place of those that the call has.

    Make an answer, then call `Session.set_answer`. A later offer replaces this one.
    """

    call_id: str
    sdp: str = attrs.field(repr=False)


# -- the assistant -----------------------------------------------------------------------------------------------------


@attrs.frozen
class MessageSent:
    """A message that waited for the connection is out, and in the transcript."""

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
        items: The whole transcript as it now is.
        delta: The text by which the item grew; None for any other change.
    """

    item: TranscriptionItem | None
    items: tuple[TranscriptionItem, ...] = attrs.field(repr=False)
    delta: str | None = attrs.field(default=None, repr=False)


@frozen
class AiMessage:
    """An `ai_conversation` frame, of whatever type (R40).

    Attributes:
        params: As they came.
        event: What they mean.
        conversation_id: The conversation's id, if this or an earlier frame has told it.
    """

    params: Mapping[str, Any] = attrs.field(repr=False)
    event: AiEvent | None = attrs.field(default=None, eq=False)
    conversation_id: str | None = attrs.field(default=None, eq=False)


@attrs.frozen
class QuestionSettled:
    """A question has its answer, or will have none.

    Attributes:
        key: As it was given with the question.
        text: The answer.
        error: Why there is none.
    """

    key: object = attrs.field(repr=False)
    text: str = attrs.field(repr=False)
    error: TxError | None = None


# -- frames ------------------------------------------------------------------------------------------------------------


@frozen
class MessageReceived:
    """A frame as it was decoded, before anything else was made of it."""

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
