"""The Android and Flutter spellings of the same SDK, for code that is ported from there.

`TelnyxClient` is `TxClient` with Android's `connectAnonymously`, `newInvite`, `sendAIAssistantMessage` and
`socketResponseFlow`, and Flutter's awaited `anonymousLogin` and `sendConversationMessage`, in PEP 8; its logins with
`CredentialConfig` and `TokenConfig`, and `acceptCall`, are in `_mobile`. Nothing else lives here. New code wants
`TxClient`.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .. import _lazy
from .._callables import check_function
from .._images import ImageSource
from .._protocol.conversation import TranscriptionItem, WidgetSettings
from .._protocol.states import CallTerminationReason, GatewayState
from .._protocol.states import NetworkReason as CallNetworkChangeReason
from ..assistant import AIAssistantManager, TranscriptCancellable
from ..call import Call, CallPort
from ..codecs import TxCodecCapability
from ..config import LogLevel, TxServerConfiguration
from ..errors import GatewayError, ServerError, TxError
from ._android import CallActions, CallState
from ._flows import SharedFlow, StateFlow
from ._flutter import (
    CallHandler,
    FlutterCall,
    FlutterCallActions,
    FlutterClient,
    TelnyxErrorConstants,
    TelnyxErrorEvent,
    TelnyxMessage,
    TelnyxSocketError,
    TelnyxWarningEvent,
)
from ._latency import LatencyMetrics, LatencyTracker
from ._mobile import CredentialConfig, TokenConfig
from ._socket_flow import (
    AiConversationResponse,
    AnswerResponse,
    ByeResponse,
    InviteResponse,
    LoginResponse,
    ReceivedMessage,
    RingingResponse,
    SocketError,
    SocketMethod,
    SocketObserver,
    SocketResponse,
    SocketResponseFlow,
    SocketResponseSubscription,
    SocketStatus,
)

if TYPE_CHECKING:
    from .._media.bridge import AudioBridge
    from .._protocol.requests import CallOptions
    from .._protocol.states import CallState as AnyCallState
    from .._runtime.futures import CommandFuture
    from ..audio.processing import AudioConstraints

__all__ = [
    "AiConversationResponse",
    "AnswerResponse",
    "AudioCodec",
    "ByeResponse",
    "CallActions",
    "CallHandler",
    "CallNetworkChangeReason",
    "CallState",
    "CallTerminationReason",
    "CredentialConfig",
    "FlutterCallActions",
    "GatewayState",
    "InviteResponse",
    "LatencyMetrics",
    "LatencyTracker",
    "LoginResponse",
    "PreCallDiagnosticException",
    "ReceivedMessage",
    "RingingResponse",
    "SharedFlow",
    "SocketError",
    "SocketFlowObserver",
    "SocketMethod",
    "SocketObserver",
    "SocketResponse",
    "SocketResponseFlow",
    "SocketResponseSubscription",
    "SocketStatus",
    "StateFlow",
    "TelnyxCall",
    "TelnyxClient",
    "TelnyxErrorConstants",
    "TelnyxErrorEvent",
    "TelnyxMessage",
    "TelnyxSocketError",
    "TelnyxWarningEvent",
    "TokenConfig",
    "TranscriptItem",
    "TranscriptUpdateFlow",
]


TranscriptItem = TranscriptionItem
"""Android's and Flutter's name."""

AudioCodec = TxCodecCapability
"""Android's and Flutter's name."""

PreCallDiagnosticException = TxError
"""Flutter: what a pre-call diagnosis that came to nothing raises."""

SocketFlowObserver = SocketObserver
"""Android's other name."""


class TranscriptUpdateFlow:
    """Android: `transcriptUpdateFlow`, a shared flow that replays the present transcript to a new collector."""

    def __init__(self, manager: AIAssistantManager, deliver: Callable[[Callable[[], None]], None]) -> None:
        """Made by `TelnyxClient`."""
        self._manager = manager
        self._deliver = deliver

    def collect(self, collector: Callable[[Sequence[TranscriptionItem]], object]) -> TranscriptCancellable:
        """Call `collector` with the transcript as it is, if there is one, and after every change, where callbacks run.

        Returns:
            Ends the collection when cancelled or left as a context manager.

        Raises:
            ClientConfigurationError: `collector` is no plain function of one parameter.
        """
        check_function("collector", collector, "(transcriptions)")
        present = self._manager.transcript
        if present:
            self._deliver(functools.partial(_call, collector, present))
        return self._manager.subscribe_to_transcript_updates(collector)


class TelnyxCall(FlutterCall):
    """A call with Android's and Flutter's spellings."""

    def __init__(
        self,
        options: CallOptions,
        bridge: AudioBridge,
        port: CallPort,
        send: Callable[..., CommandFuture[str]],
        deliver: Callable[[Callable[[], None]], None],
    ) -> None:
        super().__init__(options, bridge, port)
        self._send = send
        self._state_flow = StateFlow(deliver, CallState.of(self.state))

    def send_conversation_message(
        self, message: str, base64_images: Iterable[ImageSource] = (), *, base64_image: ImageSource | None = None
    ) -> CommandFuture[str]:
        """Flutter: `call.sendConversationMessage`; see `AIAssistantManager.send_ai_assistant_message`."""
        return self._send(message, _with(base64_images, base64_image))


class TelnyxClient(FlutterClient):
    """`TxClient` with the Android and Flutter spellings."""

    def __init__(self, delegate: object | None = None, **options: Any) -> None:
        super().__init__(delegate, **options)
        self._flow = SocketResponseFlow(self._deliver)
        self._audience.taps = (*self._audience.taps, self._to_flow)
        self._on_transcript_update: TranscriptCancellable | None = None
        # The calls whose answer the flow has told; only where callbacks run.
        self._answered: set[UUID] = set()

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
        """Android: `socketResponseFlow`. LOADING, ESTABLISHED, LOGIN and CLIENT_READY, in this order, or ERROR.

        Then INVITE for each call that comes in, RINGING, ANSWER and BYE of every call (whoever ends it), and
        AI_CONVERSATION. The `error_code` of an ERROR is Android's: the server's number, -32003 or -32004 of the
        gateway, None for what went wrong on this side.
        """
        return self._flow

    def socket_responses(self, timeout: float | None = None) -> SocketResponseSubscription:
        """`socket_response_flow.subscribe(timeout=timeout)`, for `for response in client.socket_responses():`."""
        return self._flow.subscribe(timeout=timeout)

    @property
    def transcript_update_flow(self) -> TranscriptUpdateFlow:
        """Android: `transcriptUpdateFlow`, the whole transcript after every change."""
        return TranscriptUpdateFlow(self.ai_assistant_manager, self._deliver)

    @property
    def current_widget_settings(self) -> WidgetSettings | None:
        """Android and Flutter: `currentWidgetSettings`."""
        return self.ai_assistant_manager.widget_settings

    # -- Android and Flutter -----------------------------------------------------------------------------------------

    def new_invite(
        self,
        caller_name: str = "",
        caller_number: str = "",
        destination_number: str = "",
        client_state: str | None = None,
        custom_headers: Mapping[str, str] | None = None,
        debug: bool = False,
        preferred_codecs: Iterable[AudioCodec | Mapping[str, Any] | str] | None = None,
        use_trickle_ice: bool = False,
        audio_constraints: AudioConstraints | None = None,
        muted_mic_on_start: bool = False,
        **options: Any,
    ) -> TelnyxCall:
        """Android and Flutter: `newInvite`; `new_call` with Android's order of arguments.

        Args:
            caller_name: As in `TxClient.new_call`.
            caller_number: As in `TxClient.new_call`.
            destination_number: As in `TxClient.new_call`.
            client_state: As in `TxClient.new_call`; may be empty.
            custom_headers: As in `TxClient.new_call`.
            debug: As in `TxClient.new_call`.
            preferred_codecs: As in `TxClient.new_call`.
            use_trickle_ice: Ignored: the offer goes out with its candidates.
            audio_constraints: As in `TxClient.new_call`.
            muted_mic_on_start: `TxClient.new_call(muted=...)`.
            options: Further arguments of `TxClient.new_call`.
        """
        options = {"muted": muted_mic_on_start, **options}
        call = self.new_call(
            caller_name,
            caller_number,
            destination_number,
            None,
            client_state or None,
            custom_headers,
            debug=debug,
            preferred_codecs=preferred_codecs,
            audio_constraints=audio_constraints,
            **options,
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

    def send_conversation_message(
        self, message: str, base64_images: Iterable[ImageSource] = (), *, base64_image: ImageSource | None = None
    ) -> CommandFuture[str]:
        """Flutter: `sendConversationMessage`; `base64_image` is its older name for a single image."""
        return self.send_ai_assistant_message(message, _with(base64_images, base64_image))

    def clear_transcript(self) -> CommandFuture[None]:
        """Flutter: `clearTranscript`."""
        return self.ai_assistant_manager.clear_transcriptions()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _make_call(self, options: CallOptions, bridge: AudioBridge, port: CallPort) -> Call:
        return TelnyxCall(options, bridge, port, self.send_ai_assistant_message, self._deliver)

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
                self._tell_flutter(response)


def _call(collector: Callable[[Sequence[TranscriptionItem]], object], items: Sequence[TranscriptionItem]) -> None:
    collector(items)


def _with(images: Iterable[ImageSource], image: ImageSource | None) -> Iterable[ImageSource]:
    return images if image is None else (*images, image)


_GATEWAY_FAILED = frozenset({GatewayState.FAILED.value, GatewayState.FAIL_WAIT.value, GatewayState.DOWN.value})


def _message(method: SocketMethod, result: Any = None) -> SocketResponse:
    return SocketResponse.message_received(ReceivedMessage(method.value, result))


def _ready(client: TelnyxClient) -> list[SocketResponse]:
    login = _message(SocketMethod.LOGIN, LoginResponse(client.session_id))
    return [login, _message(SocketMethod.CLIENT_READY)]


def _error(client: TelnyxClient, error: TxError) -> list[SocketResponse]:
    return [SocketResponse.error(error.message, _error_code(error))]


def _error_code(error: TxError) -> int | str | None:
    """Android's: the server's own number, one of the gateway's two, or None for what is this side's."""
    if not isinstance(error, ServerError):
        return None
    if error.server_code is None and isinstance(error, GatewayError):
        failed = error.server_message in _GATEWAY_FAILED
        return SocketError.GATEWAY_FAILURE_ERROR if failed else SocketError.GATEWAY_TIMEOUT_ERROR
    return error.server_code


def _call_state(client: TelnyxClient, state: AnyCallState, call_id: UUID) -> list[SocketResponse]:
    reason = state.termination_reason
    if state == CallState.DONE:
        client._answered.discard(call_id)
        # Of others, `on_remote_call_ended` tells.
        return _bye(client, call_id, reason) if reason is not None and reason.is_local else []
    if state != CallState.ACTIVE or call_id in client._answered:
        return []  # the end of a hold or of a reconnection is no answer
    client._answered.add(call_id)
    call = client.get_call(call_id)
    if call is None:  # it has ended since
        return [_message(SocketMethod.ANSWER, AnswerResponse(call_id))]
    answer = AnswerResponse(call_id, call.answer_custom_headers, call.telnyx_call_control_id)
    return [_message(SocketMethod.ANSWER, answer)]


def _invite(client: TelnyxClient, call: Call) -> list[SocketResponse]:
    info = call.call_info
    invite = InviteResponse(
        call.call_id, info.caller_name, info.caller_number, client.session_id, call.invite_custom_headers
    )
    return [_message(SocketMethod.INVITE, invite)]


def _ringing(client: TelnyxClient, call_id: UUID) -> list[SocketResponse]:
    call = client.get_call(call_id)
    info = None if call is None else call.call_info
    name, number = ("", "") if info is None else (info.caller_name, info.caller_number)
    return [_message(SocketMethod.RINGING, RingingResponse(call_id, name, number, client.session_id))]


def _bye(client: TelnyxClient, call_id: UUID, reason: CallTerminationReason | None) -> list[SocketResponse]:
    if reason is None:
        return [_message(SocketMethod.BYE, ByeResponse(call_id))]
    bye = ByeResponse(call_id, reason.cause, reason.cause_code, reason.sip_code, reason.sip_reason)
    return [_message(SocketMethod.BYE, bye)]


_RESPONSES: dict[str, Callable[..., list[SocketResponse]]] = {
    "connecting": lambda client: [SocketResponse.loading()],
    "on_socket_connected": lambda client: [SocketResponse.established()],
    "on_socket_disconnected": lambda client: [SocketResponse.disconnect()],
    "on_client_ready": _ready,
    "on_client_error": _error,
    "on_incoming_call": _invite,
    "on_ringing_ack_received": _ringing,
    "on_call_state_updated": _call_state,
    "on_remote_call_ended": _bye,
    "on_ai_conversation_message": lambda client, message: [
        _message(SocketMethod.AI_CONVERSATION, AiConversationResponse(message))
    ],
}
"""What each event of the client is on Android's flow."""

_lazy.adopt(globals())
