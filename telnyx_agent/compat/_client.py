"""`TelnyxClient`: a client by Android's and Flutter's names. Its `client` is the `TxClient` that does the work."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from .._callables import check_function, takes
from .._connection_status import ConnectionStatus
from .._protocol.conversation.transcription import TranscriptionItem
from .._protocol.states import CallState, CallTerminationReason, GatewayState
from .._runtime.futures import CommandFuture
from ..call import Call
from ..client import TxClient
from ..codecs import TxCodecCapability
from ..config import LogLevel, TxLogger, TxServerConfiguration
from ..delegate import CALLBACK_NAMES, TxClientDelegate
from ..errors import CallError, ClientConfigurationError, FailureReason, GatewayError, ServerError, TxError
from ..quality import SocketConnectionMetrics, SocketConnectionQuality, TxWarning
from ..tx_config import TxConfig
from ._call import CallState as TelnyxCallState
from ._call import TelnyxCall, with_image
from ._configurations import CredentialConfig, TokenConfig
from ._flows import SharedFlow, run
from ._flutter import TelnyxErrorEvent, TelnyxMessage, TelnyxSocketError, TelnyxWarningEvent
from ._latency import LatencyTracker
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
    SocketResponse,
    SocketResponseFlow,
    SocketResponseSubscription,
)

if TYPE_CHECKING:
    from .._images import ImageSource
    from .._protocol.conversation.widget import WidgetSettings
    from ..assistant import TranscriptCancellable
    from ..audio import AudioConstraints

__all__ = ["CallActions", "TelnyxClient"]

_HANDLERS = frozenset(
    {
        "on_connection_state_changed",
        "on_socket_error_received",
        "on_socket_message_received",
        "on_telnyx_error",
        "on_telnyx_warning",
    }
)
_GATEWAY_FAILED = frozenset({GatewayState.FAILED.value, GatewayState.FAIL_WAIT.value, GatewayState.DOWN.value})


class _Relay:
    """The delegate of the wrapped `TxClient`: it calls `TelnyxClient`, and then the program's delegate.

    It has a method only for callbacks that one of them wants, so that the SDK does no work for the others.
    """

    def __init__(self, delegate: object | None) -> None:
        self._own: dict[str, tuple[Callable[..., object], ...]] = {}
        self.set_delegate(delegate)

    def set_delegate(self, delegate: object | None) -> None:
        """Replace the program's delegate."""
        self.delegate = delegate
        for callback in CALLBACK_NAMES:
            self._renew(callback)

    def listen(self, callback: str, function: Callable[..., object]) -> None:
        """Call `function` from now on, before the program's delegate. A second `listen` with it has no effect."""
        known = self._own.get(callback, ())
        if function not in known:
            self._own[callback] = (*known, function)
            self._renew(callback)

    def _renew(self, callback: str) -> None:
        own, theirs = self._own.get(callback, ()), self._theirs(callback)
        self.__dict__.pop(callback, None)
        if own or theirs is not None:
            self.__dict__[callback] = functools.partial(self._call, own, theirs)

    def _theirs(self, callback: str) -> Callable[..., object] | None:
        method: Callable[..., object] | None = getattr(self.delegate, callback, None)
        inherited = getattr(TxClientDelegate, callback)
        return None if getattr(method, "__func__", None) is inherited else method

    def _call(self, own: tuple[Callable[..., object], ...], theirs: Callable[..., object] | None, *args: Any) -> object:
        for function in own:
            function(*args)
        if theirs is None:
            return None
        # A delegate may have the form of iOS's pages: `onRemoteCallEnded(callId)`.
        return theirs(*(args[:1] if takes(theirs, len(args)) is False else args))


class CallActions:
    """Android and Flutter: `client.call`, with which their pages place and control calls.

    A method without a call's id is about the latest call: the one that was placed, or came in, last.
    """

    def __init__(self, client: TelnyxClient) -> None:
        """Made by `TelnyxClient.call`."""
        self._client = client

    @property
    def call_id(self) -> UUID | None:
        """The latest call's id; None if there is no call."""
        call = self._latest()
        return None if call is None else call.call_id

    def new_invite(self, *args: Any, **options: Any) -> TelnyxCall:
        """`TelnyxClient.new_invite`."""
        return self._client.new_invite(*args, **options)

    def accept_call(self, *args: Any, **options: Any) -> TelnyxCall:
        """`TelnyxClient.accept_call`."""
        return self._client.accept_call(*args, **options)

    def end_call(self, call_id: UUID | str | TelnyxCall | None = None) -> CommandFuture[None]:
        """Hang up that call, or the latest; a call that rings is refused.

        Raises:
            CallError: There is no such call.
        """
        return self._required(call_id).end_call()

    def dtmf(self, call_id: UUID | str | None, tone: str) -> CommandFuture[None]:
        """`TelnyxCall.dtmf` of that call, or of the latest.

        Raises:
            CallError: There is no such call.
        """
        return self._required(call_id).dtmf(tone)

    def on_mute_unmute_pressed(self) -> None:
        """`TelnyxCall.on_mute_unmute_pressed` of the latest call."""
        self._required().on_mute_unmute_pressed()

    def on_hold_unhold_pressed(self) -> CommandFuture[None]:
        """`TelnyxCall.on_hold_unhold_pressed` of the latest call."""
        return self._required().on_hold_unhold_pressed()

    def enable_speaker_phone(self, enable: bool) -> None:
        """Without effect; see `TelnyxCall.enable_speaker_phone`."""

    def _latest(self) -> TelnyxCall | None:
        return next(reversed(list(self._client.calls.values())), None)

    def _required(self, call_id: UUID | str | TelnyxCall | None = None) -> TelnyxCall:
        call = self._latest() if call_id is None else self._client._known(call_id)
        if call is None:
            raise CallError("there is no call")
        return call


class TelnyxClient:
    """A client by Android's and Flutter's names. Any thread. As a context manager it disconnects at the end.

    Flutter's handlers (`on_telnyx_error` and the like) are called where callbacks run, with one argument. To remove a
    handler, set it to None. Flutter's streams are Android's flows here: a new collector gets the last value first, as
    it would not in Dart.

    Args:
        delegate: As for `TxClient`.
        options: As for `TxClient`.

    Attributes:
        client: The `TxClient`, which has all other methods.

    Raises:
        ClientConfigurationError: An argument is unusable; or, when a handler is set, it is no plain function of one
            parameter.
    """

    on_socket_message_received: Callable[[TelnyxMessage], object] | None = None
    """Flutter: `onSocketMessageReceived`; logins, calls and the conversation. Every frame as it is:
    `TxClientDelegate.on_socket_message`."""

    on_socket_error_received: Callable[[TelnyxSocketError], object] | None = None
    """Flutter: `onSocketErrorReceived`."""

    on_telnyx_error: Callable[[TelnyxErrorEvent], object] | None = None
    """Flutter: `onTelnyxError`. It is called in addition to `on_socket_error_received`."""

    on_telnyx_warning: Callable[[TelnyxWarningEvent], object] | None = None
    """Flutter: `onTelnyxWarning`."""

    on_connection_state_changed: Callable[[ConnectionStatus], object] | None = None
    """Flutter: `onConnectionStateChanged`."""

    def __init__(self, delegate: object | None = None, **options: Any) -> None:
        self.client = TxClient(delegate, **options)
        self._relay = _Relay(delegate)
        for callback, method in _CALLBACKS.items():
            self._relay.listen(callback, functools.partial(method, self))
        self.client.delegate = self._relay
        call_soon = self.client.call_soon
        self._responses = SocketResponseFlow(call_soon)
        self._statuses = SharedFlow[ConnectionStatus](call_soon)
        self._metrics = SharedFlow[SocketConnectionMetrics](call_soon)
        self._messages = SharedFlow[Mapping[str, Any]](call_soon)
        self._errors = SharedFlow[TelnyxErrorEvent](call_soon)
        self._fatal_errors = SharedFlow[TelnyxErrorEvent](call_soon)
        self._recoverable_errors = SharedFlow[TelnyxErrorEvent](call_soon)
        self._warnings = SharedFlow[TelnyxWarningEvent](call_soon)
        # Calls are placed on any thread while others come in.
        self._lock = threading.RLock()
        self._calls: dict[UUID, TelnyxCall] = {}
        self._login: CommandFuture[None] | None = None
        self._is_loading_due = False
        self._provided: TxServerConfiguration | None = None
        self._default_servers: TxServerConfiguration | None = None
        self._on_metrics: Callable[[SocketConnectionMetrics], object] | None = None
        self._on_transcript_update: Callable[[Sequence[TranscriptionItem]], object] | None = None
        self._transcript_updates: TranscriptCancellable | None = None
        # The calls for which the flow has had an ANSWER. Used only where callbacks run.
        self._answered: set[UUID] = set()

    def __repr__(self) -> str:
        return f"<TelnyxClient of {self.client!r}>"

    def __enter__(self) -> TelnyxClient:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.__exit__(exc_type, exc, traceback)

    def __setattr__(self, name: str, value: object) -> None:
        """Check a handler when it is set."""
        if name in _HANDLERS and value is not None:
            check_function(name, value, "(value)")
        super().__setattr__(name, value)

    @property
    def delegate(self) -> object | None:
        """As `TxClient.delegate`; it is called after flows and handlers.

        Raises:
            ClientConfigurationError: When it is set, as for `TxClient.delegate`.
        """
        return self._relay.delegate

    @delegate.setter
    def delegate(self, delegate: object | None) -> None:
        TxClient(delegate)  # checks it
        self._relay.set_delegate(delegate)

    # -- logging in --------------------------------------------------------------------------------------------------

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
        """Android: `connectAnonymously`; `TxClient.anonymous_login` with Android's order of arguments.

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
            log_level,
            conversation_id=conversation_id,
            server_configuration=provided_server_config,
        )

    def anonymous_login(
        self,
        target_id: str,
        target_type: str = "ai_assistant",
        target_version_id: str | None = None,
        user_variables: Mapping[str, Any] | None = None,
        reconnection: bool = False,
        log_level: LogLevel = LogLevel.NONE,
        *,
        conversation_id: str | None = None,
        server_configuration: TxServerConfiguration | None = None,
    ) -> CommandFuture[None]:
        """Android and Flutter: `anonymousLogin`; `TxClient.anonymous_login`. To await it: `anonymous_login_async`."""
        return self._log_in(
            functools.partial(
                self.client.anonymous_login,
                target_id,
                target_type,
                target_version_id,
                user_variables,
                reconnection,
                self._servers(server_configuration),
                conversation_id=conversation_id,
                log_level=log_level,
            )
        )

    async def anonymous_login_async(self, target_id: str, **options: Any) -> None:
        """Flutter: `await anonymousLogin(...)`. Returns when the client is ready; raises what the login failed with."""
        await asyncio.wrap_future(self.anonymous_login(target_id, **options))

    def connect(
        self,
        config: TxConfig | CredentialConfig | TokenConfig | TxServerConfiguration | None = None,
        server_configuration: TxServerConfiguration | CredentialConfig | TokenConfig | None = None,
        *,
        provided_server_config: TxServerConfiguration | None = None,
        credential_config: CredentialConfig | None = None,
        token_config: TokenConfig | None = None,
        auto_login: bool = True,
    ) -> CommandFuture[None]:
        """Android and Flutter: `connect`; `TxClient.connect`.

            client.connect(credential_config=CredentialConfig(sip_user="alice", sip_password=password))
            client.connect(provided_server_config=servers, token_config=TokenConfig(sip_token=token))

        Args:
            config: The credentials. In Android's order of arguments, the servers come first and the credentials second.
            server_configuration: Signalling and ICE servers.
            provided_server_config: Android's name for the same.
            credential_config: The credentials: user and password.
            token_config: The credentials: a token.
            auto_login: Android. False: open nothing, and use the servers for the `credential_login` or `token_login`
                that follows. `connect()` without credentials does the same.

        Raises:
            ClientConfigurationError: There are several servers or several credentials, or as for `TxClient.connect`.
        """
        given = [config, server_configuration, provided_server_config, credential_config, token_config]
        servers = [one for one in given if isinstance(one, TxServerConfiguration)]
        logins = [one for one in given if one is not None and not isinstance(one, TxServerConfiguration)]
        if len(servers) > 1 or len(logins) > 1:
            raise ClientConfigurationError("connect() takes one server configuration and one login configuration")
        server = servers[0] if servers else self._provided
        self._provided = None
        if not logins or not auto_login:
            self._provided = server
            return CommandFuture.settled()
        login = logins[0]
        if isinstance(login, (CredentialConfig, TokenConfig)):
            server = login.server_configuration(server)
            login = login.tx_config()
        return self._log_in(functools.partial(self.client.connect, login, self._servers(server)))

    def connect_with_credential(
        self, config: CredentialConfig, server_configuration: TxServerConfiguration | None = None
    ) -> CommandFuture[None]:
        """Flutter: `connectWithCredential`."""
        return self.connect(config, server_configuration)

    def connect_with_token(
        self, config: TokenConfig, server_configuration: TxServerConfiguration | None = None
    ) -> CommandFuture[None]:
        """Flutter: `connectWithToken`."""
        return self.connect(config, server_configuration)

    def credential_login(self, config: CredentialConfig) -> CommandFuture[None]:
        """Android and Flutter: `credentialLogin`."""
        return self.connect(config)

    def token_login(self, config: TokenConfig) -> CommandFuture[None]:
        """Android and Flutter: `tokenLogin`."""
        return self.connect(config)

    def disconnect(self) -> CommandFuture[None]:
        """Android and Flutter: `disconnect`; `TxClient.disconnect`."""
        return self.client.disconnect()

    def dispose(self) -> CommandFuture[None]:
        """Flutter: `dispose`; `TxClient.disconnect`."""
        return self.client.disconnect()

    def disconnect_with_call_back(self, callback: Callable[[int | None, str | None], object] | None) -> None:
        """Flutter: `disconnectWithCallBack`: disconnect, then call `callback(1000, None)` where callbacks run.

        1000 is the code of a WebSocket that was closed normally.
        """
        if callback is not None:
            check_function("callback", callback, "(code, reason)")
        future = self.client.disconnect()
        if callback is not None:
            future.add_done_callback(lambda done: callback(1000, None))

    # -- the connection ----------------------------------------------------------------------------------------------

    def is_connected(self) -> bool:
        """Flutter: `isConnected`; `TxClient.is_connected`."""
        return self.client.is_connected()

    def is_socket_connected(self) -> bool:
        """Android: `isSocketConnected`; `TxClient.is_connected`."""
        return self.client.is_connected()

    @property
    def is_ready(self) -> bool:
        """Whether calls go through at once; `TxClient.is_registered`."""
        return self.client.is_registered

    def get_connection_status(self) -> ConnectionStatus:
        """Flutter: `getConnectionStatus`; `TxClient.connection_status`."""
        return self.client.connection_status

    @property
    def connection_status_flow(self) -> SharedFlow[ConnectionStatus]:
        """Android: `connectionStatusFlow`."""
        return self._statuses

    def get_gateway_status(self) -> GatewayState:
        """Flutter: `getGatewayStatus`: `REGED` while the client is ready, `TRYING` on the way there, else `IDLE`."""
        if self.client.is_registered:
            return GatewayState.REGED
        is_logging_in = self._login is not None and not self._login.done()
        is_underway = is_logging_in or self.client.connection_status is not ConnectionStatus.DISCONNECTED
        return GatewayState.TRYING if is_underway else GatewayState.IDLE

    @property
    def sessid(self) -> str:
        """Android and Flutter: `sessid`; `TxClient.session_id`."""
        return self.client.session_id

    @property
    def is_session_locked(self) -> bool:
        """Whether every call goes to one assistant, whatever its destination; `TxClient.is_session_locked`."""
        return self.client.is_session_locked

    @property
    def voice_sdk_id(self) -> str | None:
        """Flutter: `voiceSdkId`; `TxClient.voice_sdk_id`."""
        return self.client.voice_sdk_id

    @property
    def call_report_id(self) -> str | None:
        """Flutter: `callReportId`; `TxClient.call_report_id`."""
        return self.client.call_report_id

    @property
    def server_configuration(self) -> TxServerConfiguration:
        """Flutter: `serverConfiguration`: that of `set_server_configuration`, or else that of the latest login."""
        return self.client.server_configuration if self._default_servers is None else self._default_servers

    def set_server_configuration(self, configuration: TxServerConfiguration | None) -> None:
        """The servers for all later logins without servers of their own. Flutter: `setServerConfiguration`."""
        self._default_servers = configuration

    @property
    def socket_host(self) -> str:
        """Flutter: `socketHost`, the host of the signalling server."""
        return urlsplit(self.server_configuration.socket_url).hostname or ""

    @property
    def socket_connection_metrics_flow(self) -> SharedFlow[SocketConnectionMetrics]:
        """Android: `socketConnectionMetricsFlow`. It has values from its first use on."""
        self._relay.listen("on_socket_metrics_changed", self._measured)
        return self._metrics

    @property
    def on_connection_metrics_update(self) -> Callable[[SocketConnectionMetrics], object] | None:
        """Flutter: `onConnectionMetricsUpdate`."""
        return self._on_metrics

    @on_connection_metrics_update.setter
    def on_connection_metrics_update(self, handler: Callable[[SocketConnectionMetrics], object] | None) -> None:
        if handler is not None:
            check_function("on_connection_metrics_update", handler, "(metrics)")
            self._relay.listen("on_socket_metrics_changed", self._measured)
        self._on_metrics = handler

    def get_connection_metrics(self) -> SocketConnectionMetrics:
        """Android and Flutter: `getConnectionMetrics`; `TxClient.socket_metrics`."""
        return self.client.socket_metrics

    def get_current_connection_quality(self) -> SocketConnectionQuality:
        """Android: `getCurrentConnectionQuality`."""
        return self.client.socket_metrics.quality

    @property
    def latency_tracker(self) -> LatencyTracker:
        """Android and Flutter: `latencyTracker`."""
        return LatencyTracker(self.client)

    def set_log_level(self, level: LogLevel) -> None:
        """Android and Flutter: `setLogLevel`; `TxClient.set_log_level`."""
        self.client.set_log_level(level)

    def set_custom_logger(self, logger: TxLogger | None) -> None:
        """Flutter: `setCustomLogger`; `TxClient.set_logger`."""
        self.client.set_logger(logger)

    def get_supported_audio_codecs(self) -> tuple[TxCodecCapability, ...]:
        """Android and Flutter: `getSupportedAudioCodecs`; `TxClient.get_supported_audio_codecs`."""
        return self.client.get_supported_audio_codecs()

    # -- what the server says ----------------------------------------------------------------------------------------

    @property
    def socket_response_flow(self) -> SocketResponseFlow:
        """Android: `socketResponseFlow`. LOADING, ESTABLISHED, LOGIN and CLIENT_READY, in this order, or ERROR.

        Then INVITE for each call that comes in, RINGING, ANSWER and BYE of every call (also if we end it), and
        AI_CONVERSATION. The `error_code` of an ERROR is Android's: the server's number; -32003 or -32004 for an error
        of the gateway; None for an error on this side.
        """
        return self._responses

    def socket_responses(self, timeout: float | None = None) -> SocketResponseSubscription:
        """`socket_response_flow.subscribe(timeout=timeout)`, for `for response in client.socket_responses():`."""
        return self._responses.subscribe(timeout=timeout)

    @property
    def socket_response_live_data(self) -> SocketResponseFlow:
        """Android, deprecated: `socketResponseLiveData`; `socket_response_flow`."""
        return self._responses

    def get_socket_response(self) -> SocketResponseFlow:
        """Android, deprecated: `getSocketResponse`; for `client.get_socket_response().observe(observer)`."""
        return self._responses

    @property
    def ws_messages_response_flow(self) -> SharedFlow[Mapping[str, Any]]:
        """Android: `wsMessagesResponseFlow`: every frame of the server. It has values from its first use on.

        Frames contain what was said, and network addresses: log them with care.
        """
        self._relay.listen("on_socket_message", self._messages.publish)
        return self._messages

    def get_ws_message_response(self) -> SharedFlow[Mapping[str, Any]]:
        """Android, deprecated: `getWsMessageResponse`; `ws_messages_response_flow`."""
        return self.ws_messages_response_flow

    @property
    def errors(self) -> SharedFlow[TelnyxErrorEvent]:
        """Flutter: `errors`, all that `on_telnyx_error` gets."""
        return self._errors

    @property
    def fatal_errors(self) -> SharedFlow[TelnyxErrorEvent]:
        """Flutter: `fatalErrors`, those that end the call or the connection."""
        return self._fatal_errors

    @property
    def recoverable_errors(self) -> SharedFlow[TelnyxErrorEvent]:
        """Flutter: `recoverableErrors`, the others."""
        return self._recoverable_errors

    @property
    def warnings(self) -> SharedFlow[TelnyxWarningEvent]:
        """Flutter: `warnings`, all that `on_telnyx_warning` gets."""
        return self._warnings

    # -- calls -------------------------------------------------------------------------------------------------------

    @property
    def calls(self) -> Mapping[UUID, TelnyxCall]:
        """Flutter: `calls`, those that have not ended, by id."""
        return {call_id: self._wrap(call) for call_id, call in self.client.calls.items()}

    def active_calls(self) -> Mapping[UUID, TelnyxCall]:
        """Flutter: `activeCalls()`, those that are answered and up, by id."""
        return {call_id: call for call_id, call in self.calls.items() if call.call.state.is_considered_active}

    def get_active_calls(self) -> Mapping[UUID, TelnyxCall]:
        """Android: `getActiveCalls`; `active_calls`."""
        return self.active_calls()

    def get_call_or_null(self, call_id: UUID | str) -> TelnyxCall | None:
        """Flutter: `getCallOrNull`; `TxClient.get_call`."""
        call = self.client.get_call(call_id)
        return None if call is None else self._wrap(call)

    def _known(self, call: UUID | str | Call | TelnyxCall | InviteResponse) -> TelnyxCall:
        """The call that the argument means: a call, its id, or its `InviteResponse`.

        Raises:
            CallError: There is no such call, or it is over.
        """
        if isinstance(call, TelnyxCall):
            return call
        if isinstance(call, Call):
            return self._wrap(call)
        call_id = call.call_id if isinstance(call, InviteResponse) else call
        found = self.get_call_or_null(call_id)
        if found is None:
            over = CallError("there is no call with this id, or it is over", call_id=str(call_id))
            raise over.with_reason(FailureReason.CALL_NOT_FOUND)
        return found

    @property
    def call(self) -> CallActions:
        """Android and Flutter: `client.call`, for `client.call.new_invite(...)` as their pages have it."""
        return CallActions(self)

    def create_call(self) -> CallActions:
        """Flutter: `createCall()`, for `create_call().end_call(invite.call_id)`; `call`."""
        return CallActions(self)

    def new_invite(
        self,
        caller_name: str = "",
        caller_number: str = "",
        destination_number: str = "",
        client_state: str | None = None,
        custom_headers: Mapping[str, str] | None = None,
        debug: bool = False,
        preferred_codecs: Iterable[TxCodecCapability | Mapping[str, Any] | str] | None = None,
        use_trickle_ice: bool = False,
        audio_constraints: AudioConstraints | None = None,
        muted_mic_on_start: bool = False,
        **options: Any,
    ) -> TelnyxCall:
        """Android and Flutter: `newInvite`; `TxClient.new_call` with Android's order of arguments.

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
        # Under the lock, so that callbacks of the call wait until it is in `_calls`.
        with self._lock:
            call = self.client.new_call(
                caller_name,
                caller_number,
                destination_number,
                None,
                client_state or None,
                custom_headers,
                debug=debug,
                preferred_codecs=preferred_codecs,
                audio_constraints=audio_constraints,
                **{"muted": muted_mic_on_start, **options},
            )
            return self._wrap(call, CallState.NEW)

    def accept_call(
        self,
        call_id: UUID | str | Call | TelnyxCall | InviteResponse,
        *details: Any,
        muted_mic_on_start: bool = False,
        **options: Any,
    ) -> TelnyxCall:
        """Answer a call that rings. Android: `acceptCall(callId, destinationNumber, customHeaders, debug)`; Flutter:
        `acceptCall(invite, callerName, callerNumber, clientState, ...)`.

        Args:
            call_id: The call, its id, or its `InviteResponse`.
            details: Further arguments of Android or Flutter. Texts are ignored, because the call knows who calls whom.
            muted_mic_on_start: Start muted.
            options: `custom_headers`, `debug`, and further arguments of `Call.answer`; `use_trickle_ice` is ignored.

        Raises:
            CallError: There is no such call.
        """
        call = self._known(call_id)
        for detail in details:
            if isinstance(detail, Mapping):
                options.setdefault("custom_headers", detail)
            elif isinstance(detail, bool):
                options.setdefault("debug", detail)
        for meaningless in ("destination_number", "use_trickle_ice"):
            options.pop(meaningless, None)
        call.call.answer(muted=True if muted_mic_on_start else None, **options)
        return call

    def hold_current_and_accept_incoming(
        self, call_id: UUID | str | Call | TelnyxCall | InviteResponse, **options: Any
    ) -> TelnyxCall:
        """Hold the active call, if there is one, and answer another. Flutter: `holdCurrentAndAcceptIncoming`."""
        call, current = self._known(call_id), self.client.active_call
        if current is not None and current is not call.call and not current.is_held:
            current.hold()
        return self.accept_call(call, **options)

    def end_current_and_accept_incoming(
        self, call_id: UUID | str | Call | TelnyxCall | InviteResponse, **options: Any
    ) -> TelnyxCall:
        """Hang up the active call, if there is one, and answer another. Flutter: `endCurrentAndAcceptIncoming`."""
        call, current = self._known(call_id), self.client.active_call
        if current is not None and current is not call.call:
            current.hangup()
        return self.accept_call(call, **options)

    def reject_call(self, call_id: UUID | str | Call | TelnyxCall | InviteResponse) -> CommandFuture[None]:
        """Refuse a call that rings. Flutter: `rejectCall`; `Call.reject`."""
        return self._known(call_id).call.reject()

    def end_call(self, call_id: UUID | str | Call | TelnyxCall | InviteResponse) -> CommandFuture[None]:
        """Hang up. Android: `endCall(callId)`; `Call.hangup`."""
        return self._known(call_id).call.hangup()

    # -- the conversation --------------------------------------------------------------------------------------------

    @property
    def transcript(self) -> tuple[TranscriptionItem, ...]:
        """Android and Flutter: `transcript`; `TxClient.transcript`."""
        return self.client.transcript

    @functools.cached_property
    def transcript_update_flow(self) -> SharedFlow[Sequence[TranscriptionItem]]:
        """Android: `transcriptUpdateFlow`, the whole transcript after every change."""
        flow = SharedFlow[Sequence[TranscriptionItem]](self.client.call_soon, self.client.transcript or None)
        self.client.ai_assistant_manager.subscribe_to_transcript_updates(flow.publish)
        return flow

    @property
    def on_transcript_update(self) -> Callable[[Sequence[TranscriptionItem]], object] | None:
        """Flutter: `onTranscriptUpdate`, one handler for the whole transcript."""
        return self._on_transcript_update

    @on_transcript_update.setter
    def on_transcript_update(self, handler: Callable[[Sequence[TranscriptionItem]], object] | None) -> None:
        manager = self.client.ai_assistant_manager
        updates = None if handler is None else manager.subscribe_to_transcript_updates(handler)
        if self._transcript_updates is not None:
            self._transcript_updates.cancel()
        self._on_transcript_update, self._transcript_updates = handler, updates

    def clear_transcript(self) -> CommandFuture[None]:
        """Flutter: `clearTranscript`; `AIAssistantManager.clear_transcriptions`."""
        return self.client.ai_assistant_manager.clear_transcriptions()

    @property
    def current_widget_settings(self) -> WidgetSettings | None:
        """Android and Flutter: `currentWidgetSettings`; `AIAssistantManager.widget_settings`."""
        return self.client.ai_assistant_manager.widget_settings

    def send_ai_assistant_message(
        self, message: str = "", images_urls: Iterable[ImageSource] | None = None
    ) -> CommandFuture[str]:
        """Android: `sendAIAssistantMessage`; `TxClient.send_ai_assistant_message`."""
        return self.client.send_ai_assistant_message(message, images_urls or ())

    def send_conversation_message(
        self, message: str, base64_images: Iterable[ImageSource] = (), *, base64_image: ImageSource | None = None
    ) -> CommandFuture[str]:
        """Flutter: `sendConversationMessage`; `base64_image` is its older name for a single image."""
        return self.client.send_ai_assistant_message(message, with_image(base64_images, base64_image))

    # -- inside ------------------------------------------------------------------------------------------------------

    def _servers(self, given: TxServerConfiguration | None) -> TxServerConfiguration | None:
        return self._default_servers if given is None else given

    def _log_in(self, log_in: Callable[[], CommandFuture[None]]) -> CommandFuture[None]:
        self._is_loading_due = True
        try:
            login = self._login = log_in()
        except BaseException:
            self._is_loading_due = False
            raise
        self.client.call_soon(self._tell_loading)
        return login

    def _wrap(self, call: Call, state: CallState | None = None) -> TelnyxCall:
        """The `TelnyxCall` of a call. `state` is the state that the program was told last; None: the present one."""
        with self._lock:
            found = self._calls.get(call.call_id)
            if found is None or found.call is not call:
                send, told = self.client.send_ai_assistant_message, call.state if state is None else state
                found = TelnyxCall(call, send, self.client.call_soon, told)
                if not call.state.is_terminal:
                    self._calls[call.call_id] = found
            return found

    # -- inside, where callbacks run ---------------------------------------------------------------------------------

    def _tell_loading(self) -> None:
        """Tell LOADING once for each login, before all that follows from it."""
        if self._is_loading_due:
            self._is_loading_due = False
            self._tell(SocketResponse.loading())

    def _tell(self, response: SocketResponse) -> None:
        self._responses.publish(response)
        data = response.data
        if data is not None and (on_message := self.on_socket_message_received) is not None:
            run("on_socket_message_received", on_message, TelnyxMessage(data.method, data))

    def _tell_message(self, method: SocketMethod, result: Any = None) -> None:
        self._tell(SocketResponse.message_received(ReceivedMessage(method.value, result)))

    def _connected(self) -> None:
        self._tell_loading()
        self._tell(SocketResponse.established())

    def _disconnected(self) -> None:
        self._tell(SocketResponse.disconnect())

    def _status_changed(self, status: ConnectionStatus) -> None:
        self._statuses.publish(status)
        if (handler := self.on_connection_state_changed) is not None:
            run("on_connection_state_changed", handler, status)

    def _measured(self, metrics: SocketConnectionMetrics) -> None:
        self._metrics.publish(metrics)
        if (handler := self._on_metrics) is not None:
            run("on_connection_metrics_update", handler, metrics)

    def _ready(self) -> None:
        self._tell_message(SocketMethod.LOGIN, LoginResponse(self.client.session_id))
        self._tell_message(SocketMethod.CLIENT_READY)

    def _failed(self, error: TxError) -> None:
        self._tell_loading()
        code = _error_code(error)
        self._tell(SocketResponse.error(error.message, code))
        if (on_socket_error := self.on_socket_error_received) is not None:
            run("on_socket_error_received", on_socket_error, TelnyxSocketError(code or 0, error.message))
        event = TelnyxErrorEvent(error, self.client.session_id, error.call_id)
        self._errors.publish(event)
        (self._fatal_errors if event.fatal else self._recoverable_errors).publish(event)
        if (on_error := self.on_telnyx_error) is not None:
            run("on_telnyx_error", on_error, event)

    def _warned(self, warning: TxWarning) -> None:
        if warning.is_cleared:  # Flutter tells only that a warning begins
            return
        event = TelnyxWarningEvent(warning, self.client.session_id, warning.call_id)
        self._warnings.publish(event)
        if (handler := self.on_telnyx_warning) is not None:
            run("on_telnyx_warning", handler, event)

    def _call_came_in(self, call: Call) -> None:
        self._wrap(call, CallState.NEW)
        info = call.call_info
        invite = InviteResponse(
            call.call_id, info.caller_name, info.caller_number, self.client.session_id, call.invite_custom_headers
        )
        self._tell_message(SocketMethod.INVITE, invite)

    def _rang(self, call_id: UUID) -> None:
        call = self.client.get_call(call_id)
        info = None if call is None else call.call_info
        name, number = ("", "") if info is None else (info.caller_name, info.caller_number)
        self._tell_message(SocketMethod.RINGING, RingingResponse(call_id, name, number, self.client.session_id))

    def _state_changed(self, state: CallState, call_id: UUID) -> None:
        with self._lock:
            call = self._calls.get(call_id)
            if state.is_terminal:
                self._calls.pop(call_id, None)
        if call is not None:
            call.call_state_flow.publish(TelnyxCallState.of(state))
        if state == CallState.DONE:
            self._answered.discard(call_id)
            reason = state.termination_reason
            if reason is not None and reason.is_local:  # else `on_remote_call_ended` is called
                self._ended(call_id, reason)
        elif state == CallState.ACTIVE and call_id not in self._answered:
            # Only the first time: a call is also `ACTIVE` again after a hold or a reconnection.
            self._answered.add(call_id)
            answer = AnswerResponse(call_id)
            if call is not None:
                answer = AnswerResponse(call_id, call.call.answer_custom_headers, call.call.telnyx_call_control_id)
            self._tell_message(SocketMethod.ANSWER, answer)

    def _ended(self, call_id: UUID, reason: CallTerminationReason | None) -> None:
        bye = ByeResponse(call_id)
        if reason is not None:
            bye = ByeResponse(call_id, reason.cause, reason.cause_code, reason.sip_code, reason.sip_reason)
        self._tell_message(SocketMethod.BYE, bye)

    def _conversed(self, message: Mapping[str, Any]) -> None:
        self._tell_message(SocketMethod.AI_CONVERSATION, AiConversationResponse(message))


_CALLBACKS: dict[str, Callable[..., None]] = {
    "on_ai_conversation_message": TelnyxClient._conversed,
    "on_call_state_updated": TelnyxClient._state_changed,
    "on_client_error": TelnyxClient._failed,
    "on_client_ready": TelnyxClient._ready,
    "on_client_warning": TelnyxClient._warned,
    "on_connection_state_changed": TelnyxClient._status_changed,
    "on_incoming_call": TelnyxClient._call_came_in,
    "on_remote_call_ended": TelnyxClient._ended,
    "on_ringing_ack_received": TelnyxClient._rang,
    "on_socket_connected": TelnyxClient._connected,
    "on_socket_disconnected": TelnyxClient._disconnected,
}
"""The method for each callback of the client."""


def _error_code(error: TxError) -> int | str | None:
    """Android's number of an error: the server's, or one of two for the gateway; None for an error on this side."""
    if not isinstance(error, ServerError):
        return None
    if error.server_code is None and isinstance(error, GatewayError):
        failed = error.server_message in _GATEWAY_FAILED
        return SocketError.GATEWAY_FAILURE_ERROR if failed else SocketError.GATEWAY_TIMEOUT_ERROR
    return error.server_code
