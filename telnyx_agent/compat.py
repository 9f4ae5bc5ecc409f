"""The Android and Flutter spellings of the same SDK, for code that is ported from there. New code wants `TxClient`.

`TelnyxClient` is `TxClient` with Android's `connectAnonymously`, `newInvite`, `sendAIAssistantMessage` and
`socketResponseFlow`, and Flutter's awaited `anonymousLogin` and `sendConversationMessage`, in PEP 8. Nothing else
lives here.
"""

from __future__ import annotations

import asyncio
import enum
import functools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs

from ._images import ImageSource
from ._protocol.conversation import TranscriptionItem
from ._protocol.states import CallState, CallTerminationReason
from .assistant import TranscriptCancellable
from .call import Call, CallPort
from .client import TxClient
from .config import LogLevel, TxServerConfiguration
from .errors import ServerError, TxError

if TYPE_CHECKING:
    from ._media.bridge import AudioBridge
    from ._protocol.requests import CallOptions
    from ._runtime.futures import CommandFuture

__all__ = [
    "ByeResponse",
    "LoginResponse",
    "ReceivedMessage",
    "SocketMethod",
    "SocketResponse",
    "SocketResponseFlow",
    "SocketStatus",
    "TelnyxCall",
    "TelnyxClient",
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
class ReceivedMessage:
    """Android: `ReceivedMessageBody`."""

    method: str
    result: Any = attrs.field(default=None, repr=False)


@attrs.frozen
class SocketResponse:
    """Android: `SocketResponse`."""

    status: SocketStatus
    data: ReceivedMessage | None = None
    error_message: str | None = None
    error_code: int | str | None = None


class SocketResponseFlow:
    """Android: `socketResponseFlow`, a shared flow that replays its last value to a new collector."""

    def __init__(self, deliver: Callable[[Callable[[], None]], None]) -> None:
        """Made by `TelnyxClient`.

        Args:
            deliver: Runs a function where callbacks run.
        """
        self._deliver = deliver
        # Collectors come from any thread while the delegate thread publishes.
        self._lock = threading.Lock()
        self._collectors: tuple[Callable[[SocketResponse], object], ...] = ()
        self._last: SocketResponse | None = None

    @property
    def replay(self) -> SocketResponse | None:
        """The last value; what a new collector gets first."""
        return self._last

    def collect(self, collector: Callable[[SocketResponse], object]) -> TranscriptCancellable:
        """Call `collector` with the last value and every later one, where callbacks run.

        Returns:
            Ends the collection when cancelled or left as a context manager.
        """

        def entry(response: SocketResponse) -> None:
            collector(response)

        with self._lock:
            self._collectors = (*self._collectors, entry)
            last = self._last
        if last is not None:
            self._deliver(functools.partial(self._send, entry, last))
        return TranscriptCancellable(functools.partial(self._cancel, entry))

    def _cancel(self, entry: Callable[[SocketResponse], object]) -> None:
        with self._lock:
            self._collectors = tuple(other for other in self._collectors if other is not entry)

    def _publish(self, response: SocketResponse) -> None:
        with self._lock:
            self._last = response
            collectors = self._collectors
        for entry in collectors:
            self._deliver(functools.partial(self._send, entry, response))

    def _send(self, entry: Callable[[SocketResponse], object], response: SocketResponse) -> None:
        if entry in self._collectors:
            entry(response)


class TelnyxCall(Call):
    """A call with Flutter's spellings."""

    def __init__(
        self, options: CallOptions, bridge: AudioBridge, port: CallPort, send: Callable[..., CommandFuture[str]]
    ) -> None:
        super().__init__(options, bridge, port)
        self._send = send

    def send_conversation_message(self, message: str, base64_images: Iterable[ImageSource] = ()) -> CommandFuture[str]:
        """Flutter: `call.sendConversationMessage`; see `AIAssistantManager.send_ai_assistant_message`."""
        return self._send(message, base64_images)

    def end_call(self) -> CommandFuture[None]:
        """Android and Flutter: `endCall`; the same as `hangup`."""
        return self.hangup()


class TelnyxClient(TxClient):
    """`TxClient` with the Android and Flutter spellings."""

    def __init__(self, delegate: object | None = None, **options: Any) -> None:
        super().__init__(delegate, **options)
        self._flow = SocketResponseFlow(self._deliver)
        self._audience.taps = (*self._audience.taps, self._to_flow)
        self._on_transcript_update: TranscriptCancellable | None = None

    # -- Android -----------------------------------------------------------------------------------------------------

    def connect_anonymously(
        self,
        provided_server_config: TxServerConfiguration | None = None,
        target_id: str | None = None,
        target_type: str = "ai_assistant",
        target_version_id: str | None = None,
        user_variables: Mapping[str, Any] | None = None,
        reconnection: bool = False,
        log_level: LogLevel = LogLevel.NONE,
        *,
        conversation_id: str | None = None,
    ) -> CommandFuture[None]:
        """Android: `connectAnonymously`; the same as `anonymous_login` with Android's order of arguments.

        Raises:
            TypeError: `target_id` is missing (it is required, although it comes after an argument that is not).
        """
        if target_id is None:
            raise TypeError("connect_anonymously() needs target_id, the id of your AI assistant")
        return self.anonymous_login(
            target_id,
            target_type,
            target_version_id,
            user_variables,
            reconnection,
            provided_server_config,
            conversation_id=conversation_id,
            log_level=log_level,
        )

    @property
    def socket_response_flow(self) -> SocketResponseFlow:
        """Android: `socketResponseFlow`. LOADING, ESTABLISHED, LOGIN and CLIENT_READY, in this order, or ERROR."""
        return self._flow

    # -- Android and Flutter -----------------------------------------------------------------------------------------

    def new_invite(
        self,
        caller_name: str = "",
        caller_number: str = "",
        destination_number: str = "",
        client_state: str | None = None,
        custom_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> TelnyxCall:
        """Android and Flutter: `newInvite`; `new_call` with `client_state` fourth."""
        call = self.new_call(
            caller_name, caller_number, destination_number, None, client_state or None, custom_headers, **options
        )
        assert isinstance(call, TelnyxCall)
        return call

    # -- Flutter -----------------------------------------------------------------------------------------------------

    async def anonymous_login_async(self, target_id: str, **options: Any) -> None:
        """Flutter: `await anonymousLogin(...)`. Returns when the client is ready; raises what the login failed with."""
        await asyncio.wrap_future(self.anonymous_login(target_id, **options))

    @property
    def on_transcript_update(self) -> Callable[[Sequence[TranscriptionItem]], object] | None:
        """Flutter: `onTranscriptUpdate`, one handler for the whole transcript."""
        return None if self._on_transcript_update is None else self._transcript_handler

    @on_transcript_update.setter
    def on_transcript_update(self, handler: Callable[[Sequence[TranscriptionItem]], object] | None) -> None:
        if self._on_transcript_update is not None:
            self._on_transcript_update.cancel()
            self._on_transcript_update = None
        if handler is not None:
            self._transcript_handler = handler
            self._on_transcript_update = self.ai_assistant_manager.subscribe_to_transcript_updates(handler)

    def send_conversation_message(self, message: str, base64_images: Iterable[ImageSource] = ()) -> CommandFuture[str]:
        """Flutter: `sendConversationMessage`."""
        return self.send_ai_assistant_message(message, base64_images)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _make_call(self, options: CallOptions, bridge: AudioBridge, port: CallPort) -> Call:
        return TelnyxCall(options, bridge, port, self.send_ai_assistant_message)

    def _deliver(self, function: Callable[[], None]) -> None:
        dispatcher = self._last_dispatcher
        if dispatcher is None or dispatcher.is_current_thread():
            function()
        else:
            dispatcher.submit(function)

    def _to_flow(self, name: str, args: tuple[Any, ...]) -> None:
        responses = _RESPONSES.get(name)
        if responses is not None:
            for response in responses(self, *args):
                self._flow._publish(response)


def _message(method: SocketMethod, result: Any = None) -> SocketResponse:
    return SocketResponse(SocketStatus.MESSAGERECEIVED, ReceivedMessage(method.value, result))


def _ready(client: TelnyxClient) -> list[SocketResponse]:
    login = _message(SocketMethod.LOGIN, LoginResponse(client.session_id))
    return [login, _message(SocketMethod.CLIENT_READY)]


def _error(client: TelnyxClient, error: TxError) -> list[SocketResponse]:
    # Android has the server's own number here, and ported code compares with it.
    code = error.server_code if isinstance(error, ServerError) and error.server_code is not None else error.code
    return [SocketResponse(SocketStatus.ERROR, error_message=error.message, error_code=code)]


def _call_state(client: TelnyxClient, state: CallState, call_id: UUID) -> list[SocketResponse]:
    return [_message(SocketMethod.ANSWER, call_id)] if state == CallState.ACTIVE else []


def _bye(client: TelnyxClient, call_id: UUID, reason: CallTerminationReason | None) -> list[SocketResponse]:
    if reason is None:
        return [_message(SocketMethod.BYE, ByeResponse(call_id))]
    bye = ByeResponse(call_id, reason.cause, reason.cause_code, reason.sip_code, reason.sip_reason)
    return [_message(SocketMethod.BYE, bye)]


_RESPONSES: dict[str, Callable[..., list[SocketResponse]]] = {
    "connecting": lambda client: [SocketResponse(SocketStatus.LOADING)],
    "on_socket_connected": lambda client: [SocketResponse(SocketStatus.ESTABLISHED)],
    "on_socket_disconnected": lambda client: [SocketResponse(SocketStatus.DISCONNECT)],
    "on_client_ready": _ready,
    "on_client_error": _error,
    "on_ringing_ack_received": lambda client, call_id: [_message(SocketMethod.RINGING, call_id)],
    "on_call_state_updated": _call_state,
    "on_remote_call_ended": _bye,
    "on_ai_conversation_message": lambda client, message: [_message(SocketMethod.AI_CONVERSATION, message)],
}
"""What each event of the client is on Android's flow."""
