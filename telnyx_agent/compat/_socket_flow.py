"""Android's socket-response flow: its values, and the flow that replays the last one; public in `compat`."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import attrs

from ..assistant import TranscriptCancellable
from ._flows import FlowSubscription, SharedFlow

__all__ = [
    "AiConversationResponse",
    "AnswerResponse",
    "ByeResponse",
    "InviteResponse",
    "LoginResponse",
    "ReceivedMessage",
    "RingingResponse",
    "SocketError",
    "SocketMethod",
    "SocketObserver",
    "SocketResponse",
    "SocketResponseFlow",
    "SocketResponseSubscription",
    "SocketStatus",
]


class SocketStatus(enum.Enum):
    """Android: `SocketStatus`."""

    ESTABLISHED = "established"
    MESSAGERECEIVED = "messagereceived"
    MESSAGE_RECEIVED = MESSAGERECEIVED
    ERROR = "error"
    LOADING = "loading"
    DISCONNECT = "disconnect"


class SocketMethod(str, enum.Enum):
    """Android: `SocketMethod`. Compares equal to its wire name."""

    LOGIN = "login"
    ANONYMOUS_LOGIN = "anonymous_login"
    CLIENT_READY = "telnyx_rtc.clientReady"
    GATEWAY_STATE = "telnyx_rtc.gatewayState"
    INVITE = "telnyx_rtc.invite"
    RINGING = "telnyx_rtc.ringing"
    MEDIA = "telnyx_rtc.media"
    ANSWER = "telnyx_rtc.answer"
    BYE = "telnyx_rtc.bye"
    MODIFY = "telnyx_rtc.modify"
    INFO = "telnyx_rtc.info"
    ATTACH = "telnyx_rtc.attach"
    ATTACH_CALL = "telnyx_rtc.attachCalls"
    CANDIDATE = "telnyx_rtc.candidate"
    END_OF_CANDIDATES = "telnyx_rtc.endOfCandidates"
    PINGPONG = "telnyx_rtc.ping"
    DISABLE_PUSH = "telnyx_rtc.disable_push_notification"
    AI_CONVERSATION = "ai_conversation"

    @property
    def method_name(self) -> str:
        """Android: `methodName`."""
        return self.value


class SocketError(enum.IntEnum):
    """Android: `SocketError`; compares equal to `SocketResponse.error_code`."""

    TOKEN_ERROR = -32000
    CREDENTIAL_ERROR = -32001
    CODEC_ERROR = -32002
    GATEWAY_TIMEOUT_ERROR = -32003
    GATEWAY_FAILURE_ERROR = -32004


@attrs.frozen
class LoginResponse:
    """Android: `LoginResponse`."""

    sessid: str


@attrs.frozen
class ByeResponse:
    """Android: `ByeResponse`."""

    call_id: UUID
    cause: str | None = None
    cause_code: int | None = None
    sip_code: int | None = None
    sip_reason: str | None = None


@attrs.frozen
class InviteResponse:
    """Android: `InviteResponse`; somebody calls. Answer with `accept_call(call_id, ...)`. It has no SDP here."""

    call_id: UUID
    caller_id_name: str = attrs.field(default="", repr=False)
    caller_id_number: str = attrs.field(default="", repr=False)
    sessid: str = attrs.field(default="", eq=False)
    custom_headers: Mapping[str, str] = attrs.field(factory=dict, repr=False, hash=False)


@attrs.frozen
class RingingResponse:
    """Android: `RingingResponse`. Responses with the same `call_id` are equal."""

    call_id: UUID
    caller_id_name: str = attrs.field(default="", repr=False, eq=False)
    caller_id_number: str = attrs.field(default="", repr=False, eq=False)
    sessid: str = attrs.field(default="", eq=False)


@attrs.frozen
class AnswerResponse:
    """Android: `AnswerResponse`; a call is up. The SDK has applied its SDP."""

    call_id: UUID
    custom_headers: Mapping[str, str] = attrs.field(factory=dict, repr=False, hash=False)
    telnyx_call_control_id: str | None = None


@attrs.frozen
class AiConversationResponse:
    """Android: `AiConversationResponse`, with the `params` of the frame."""

    ai_conversation_params: Mapping[str, Any] = attrs.field(repr=False, hash=False)


@attrs.frozen
class ReceivedMessage:
    """Android: `ReceivedMessageBody`."""

    method: str
    result: Any = attrs.field(default=None, repr=False)

    @property
    def invite_params(self) -> InviteResponse | None:
        """Flutter: `inviteParams`, of an invitation."""
        return self.result if isinstance(self.result, InviteResponse) else None

    @property
    def bye_params(self) -> ByeResponse | None:
        """Flutter: `byeParams`, of a call's end."""
        return self.result if isinstance(self.result, ByeResponse) else None


@attrs.frozen
class SocketResponse:
    """Android: `SocketResponse`, with its factories."""

    status: SocketStatus
    data: ReceivedMessage | None = None
    error_message: str | None = None
    error_code: int | str | None = None

    @classmethod
    def established(cls) -> SocketResponse:
        """The socket is open."""
        return cls(SocketStatus.ESTABLISHED)

    @classmethod
    def loading(cls) -> SocketResponse:
        """The connection is being made."""
        return cls(SocketStatus.LOADING)

    @classmethod
    def disconnect(cls) -> SocketResponse:
        """The socket is gone."""
        return cls(SocketStatus.DISCONNECT)

    @classmethod
    def error(cls, error_message: str, error_code: int | str | None = None) -> SocketResponse:
        """Something failed."""
        return cls(SocketStatus.ERROR, error_message=error_message, error_code=error_code)

    @classmethod
    def message_received(cls, data: ReceivedMessage) -> SocketResponse:
        """A message came."""
        return cls(SocketStatus.MESSAGERECEIVED, data)

    @classmethod
    def ai_conversation(cls, data: ReceivedMessage) -> SocketResponse:
        """A message of the assistant came. Android: `aiConversation`."""
        return cls.message_received(data)


class SocketResponseFlow(SharedFlow[SocketResponse]):
    """Android: `socketResponseFlow`, a shared flow that replays its last value to a new collector."""

    def observe(self, observer: SocketObserver) -> TranscriptCancellable:
        """`collect(observer.handle_response)`. Android, deprecated: `socketResponseLiveData.observe(owner, observer)`.

        Returns:
            An object whose `cancel()` ends the observation. It is also a context manager, which ends it on exit.
        """
        return self.collect(observer.handle_response)


SocketResponseSubscription = FlowSubscription[SocketResponse]
"""What `SocketResponseFlow.subscribe` gives."""


class SocketObserver:
    """Android: `SocketObserver`, `SocketFlowObserver`: a method for each status. Override what you need.

    For `SocketResponseFlow.observe`; the methods run where callbacks run.
    """

    def on_connection_established(self) -> None:
        """The socket is open."""

    def on_message_received(self, data: ReceivedMessage) -> None:
        """A message came; `data.method` says which."""

    def on_loading(self) -> None:
        """The connection is being made."""

    def on_error(self, error_code: int | str | None, message: str | None) -> None:
        """Something failed; the code is the server's, or None."""

    def on_socket_disconnect(self) -> None:
        """The socket is gone."""

    def handle_response(self, value: SocketResponse) -> None:
        """Call the method for `value.status`. Android: `handleResponse`."""
        if value.status is SocketStatus.ESTABLISHED:
            self.on_connection_established()
        elif value.status is SocketStatus.LOADING:
            self.on_loading()
        elif value.status is SocketStatus.ERROR:
            self.on_error(value.error_code, value.error_message)
        elif value.status is SocketStatus.DISCONNECT:
            self.on_socket_disconnect()
        elif value.data is not None:
            self.on_message_received(value.data)
