"""What only Flutter has: handlers that are set on the client, `call.callHandler`, and the names of its pages.

Parts of `compat`'s `TelnyxClient` and `TelnyxCall`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit
from uuid import UUID

import attrs

from .._callables import check_function
from .._client_logging import checked_logger, sink_of
from .._connection_status import ConnectionStatus
from .._protocol.states import GatewayState
from .._protocol.warnings import TxWarning
from ..call import Call
from ..config import TxLogger, TxServerConfiguration
from ..errors import CallError, TxError
from ._android import AndroidCall, AndroidClient, CallActions
from ._flows import SharedFlow
from ._socket_flow import InviteResponse, ReceivedMessage, SocketResponse, SocketStatus

if TYPE_CHECKING:
    from .._protocol.credentials import Login
    from .._protocol.socket_health import SocketConnectionMetrics
    from .._protocol.states import CallState
    from .._runtime.futures import CommandFuture
    from . import TelnyxCall
    from ._mobile import CredentialConfig, TokenConfig

__all__ = [
    "CallHandler",
    "FlutterCall",
    "FlutterCallActions",
    "FlutterClient",
    "TelnyxErrorConstants",
    "TelnyxErrorEvent",
    "TelnyxMessage",
    "TelnyxSocketError",
    "TelnyxWarningEvent",
]


class TelnyxErrorConstants:
    """Flutter: `TelnyxErrorConstants`, what `TelnyxSocketError.error_code` may be."""

    TOKEN_ERROR_CODE = -32000
    CREDENTIAL_ERROR_CODE = -32001
    CODEC_ERROR_CODE = -32002
    GATEWAY_TIMEOUT_ERROR_CODE = -32003
    GATEWAY_FAILED_ERROR_CODE = -32004


@attrs.frozen
class TelnyxSocketError:
    """What `TelnyxClient.on_socket_error_received` gets. `error_code` is the server's; 0 for what is this side's."""

    error_code: int | str = 0
    error_message: str = "Generic error. Source unknown."


@attrs.frozen
class TelnyxMessage:
    """What `TelnyxClient.on_socket_message_received` gets. `socket_method` compares with `SocketMethod`."""

    socket_method: str
    message: ReceivedMessage


@attrs.frozen
class TelnyxErrorEvent:
    """What `TelnyxClient.on_telnyx_error` and `errors` get. `event.error.code` compares with `ErrorCode`."""

    error: TxError
    session_id: str
    call_id: UUID | None = None

    @property
    def fatal(self) -> bool:
        """Whether the call or the connection cannot go on; the same as `event.error.fatal`."""
        return self.error.fatal

    @property
    def name(self) -> str:
        """Such as `"LOGIN_FAILED"`; the same as `event.error.name`."""
        return self.error.name

    def __str__(self) -> str:
        return str(self.error)


@attrs.frozen
class TelnyxWarningEvent:
    """What `TelnyxClient.on_telnyx_warning` and `warnings` get. `event.warning.code` compares with `WarningCode`."""

    warning: TxWarning
    session_id: str
    call_id: UUID | None = None

    @property
    def name(self) -> str:
        """Such as `"HIGH_RTT"`; the same as `event.warning.name`."""
        return self.warning.name


class CallHandler:
    """Flutter: `call.callHandler`."""

    def __init__(self, call: Call) -> None:
        """Made by `TelnyxCall.call_handler`."""
        self._call = call

    @property
    def on_call_state_changed(self) -> Callable[[CallState], object] | None:
        """Flutter: `onCallStateChanged`; the same as `Call.on_state_changed`."""
        return self._call.on_state_changed

    @on_call_state_changed.setter
    def on_call_state_changed(self, listener: Callable[[CallState], object] | None) -> None:
        self._call.on_state_changed = listener


class FlutterCall(AndroidCall):
    """A call with Flutter's further names. Any thread."""

    @property
    def call_handler(self) -> CallHandler:
        """Flutter: `callHandler`."""
        return CallHandler(self)

    @property
    def muted(self) -> bool:
        """Flutter: `muted`; the same as `is_muted`."""
        return self.is_muted

    @property
    def held(self) -> bool:
        """Flutter: `held`; the same as `is_held`."""
        return self.is_held

    def enable_speaker_phone(self, enable: bool) -> None:
        """Flutter: `enableSpeakerPhone`. Without effect: there is no earpiece here; see `set_audio_out_device`."""


class FlutterCallActions(CallActions):
    """Flutter: `client.call`, whose methods are about the call that was placed, or came in, last."""

    @property
    def call_id(self) -> UUID | None:
        """The call's id; None if there is none."""
        call = self._latest()
        return None if call is None else call.call_id

    def dtmf(self, call_id: UUID | str | None, tone: str) -> CommandFuture[None]:
        """`Call.dtmf` of that call, or of the last.

        Raises:
            CallError: There is none.
        """
        return self._required(call_id).dtmf(tone)

    def on_mute_unmute_pressed(self) -> None:
        """`Call.toggle_mute` of the last call."""
        self._required().toggle_mute()

    def on_hold_unhold_pressed(self) -> CommandFuture[None]:
        """`Call.toggle_hold` of the last call."""
        return self._required().toggle_hold()

    def enable_speaker_phone(self, enable: bool) -> None:
        """Without effect; see `TelnyxCall.enable_speaker_phone`."""

    def end_call(self, call_id: UUID | str | Call | None = None) -> CommandFuture[None]:
        """Hang up that call, or the last; turn it down if it rings."""
        return self._required(call_id).hangup()

    def _latest(self) -> Call | None:
        return next(reversed(list(self._client.calls.values())), None)

    def _required(self, call_id: UUID | str | Call | None = None) -> Call:
        call = self._latest() if call_id is None else self._client._known(call_id)
        if call is None:
            raise CallError("there is no call")
        return cast("Call", call)


_HANDLERS = frozenset(
    {
        "on_connection_metrics_update",
        "on_connection_state_changed",
        "on_socket_error_received",
        "on_socket_message_received",
        "on_telnyx_error",
        "on_telnyx_warning",
    }
)


class FlutterClient(AndroidClient):
    """A client with Flutter's handlers. They are called where callbacks run, with one argument; None takes one away.

    Raises:
        ClientConfigurationError: When a handler is set: no plain function of one parameter.
    """

    on_socket_message_received: Callable[[TelnyxMessage], object] | None = None
    """Flutter: `onSocketMessageReceived`; logins, calls and the conversation. Every frame as it is:
    `TxClientDelegate.on_socket_message`."""

    on_socket_error_received: Callable[[TelnyxSocketError], object] | None = None
    """Flutter: `onSocketErrorReceived`."""

    on_telnyx_error: Callable[[TelnyxErrorEvent], object] | None = None
    """Flutter: `onTelnyxError`; beside `on_socket_error_received`, never in its place."""

    on_telnyx_warning: Callable[[TelnyxWarningEvent], object] | None = None
    """Flutter: `onTelnyxWarning`."""

    on_connection_state_changed: Callable[[ConnectionStatus], object] | None = None
    """Flutter: `onConnectionStateChanged`."""

    _on_metrics: Callable[[SocketConnectionMetrics], object] | None = None
    _default_servers: TxServerConfiguration | None = None

    def __init__(self, delegate: object | None = None, **options: Any) -> None:
        super().__init__(delegate, **options)
        self._audience.taps = (*self._audience.taps, self._to_flutter)
        self._error_flows = tuple(SharedFlow[TelnyxErrorEvent](self._deliver) for _ in range(3))
        self._warnings_flow = SharedFlow[TelnyxWarningEvent](self._deliver)

    def __setattr__(self, name: str, value: object) -> None:
        """Handlers are checked when they are set."""
        if name in _HANDLERS and value is not None:
            check_function(name, value, "(value)")
        super().__setattr__(name, value)

    @property
    def on_connection_metrics_update(self) -> Callable[[SocketConnectionMetrics], object] | None:
        """Flutter: `onConnectionMetricsUpdate`."""
        return self._on_metrics

    @on_connection_metrics_update.setter
    def on_connection_metrics_update(self, handler: Callable[[SocketConnectionMetrics], object] | None) -> None:
        self._audience.tapped = self._audience.tapped | {"on_socket_metrics_changed"}
        self._on_metrics = handler

    @property
    def call(self) -> FlutterCallActions:
        """Android and Flutter: `client.call`, for what their pages do with the last call."""
        return FlutterCallActions(self)

    # -- streams; a new collector gets the last value first, which Dart's do not ---------------------------------------

    @property
    def errors(self) -> SharedFlow[TelnyxErrorEvent]:
        """Flutter: `errors`, all that `on_telnyx_error` gets."""
        return self._error_flows[0]

    @property
    def fatal_errors(self) -> SharedFlow[TelnyxErrorEvent]:
        """Flutter: `fatalErrors`, those that end the call or the connection."""
        return self._error_flows[1]

    @property
    def recoverable_errors(self) -> SharedFlow[TelnyxErrorEvent]:
        """Flutter: `recoverableErrors`, the others."""
        return self._error_flows[2]

    @property
    def warnings(self) -> SharedFlow[TelnyxWarningEvent]:
        """Flutter: `warnings`, all that `on_telnyx_warning` gets."""
        return self._warnings_flow

    # -- the client ----------------------------------------------------------------------------------------------------

    @property
    def server_configuration(self) -> TxServerConfiguration:
        """Flutter: `serverConfiguration`, of `set_server_configuration` or else of the latest login."""
        return super().server_configuration if self._default_servers is None else self._default_servers

    @property
    def socket_host(self) -> str:
        """Flutter: `socketHost`, the host of the signalling server."""
        return urlsplit(self.server_configuration.socket_url).hostname or ""

    def set_server_configuration(self, configuration: TxServerConfiguration | None) -> None:
        """The servers of all later logins that are given none. Flutter: `setServerConfiguration`."""
        self._default_servers = configuration

    def set_custom_logger(self, logger: TxLogger | None) -> None:
        """Where the log goes from here on, this session's too; None is stderr. Flutter: `setCustomLogger`.

        Raises:
            ClientConfigurationError: It has no method `log`.
        """
        self._logger = checked_logger(logger)
        if self._log is not None and self._last_dispatcher is not None:
            self._log.redirect(sink_of(logger, self._last_dispatcher))

    def get_gateway_status(self) -> GatewayState:
        """Flutter: `getGatewayStatus`: `REGED` while the client is ready, `TRYING` on the way there, else `IDLE`."""
        if self.is_ready:
            return GatewayState.REGED
        is_underway = self.connection_status is not ConnectionStatus.DISCONNECTED or self._link is not None
        return GatewayState.TRYING if is_underway else GatewayState.IDLE

    def get_call_or_null(self, call_id: UUID | str) -> Call | None:
        """Flutter: `getCallOrNull`; the same as `get_call`."""
        return self.get_call(call_id)

    def disconnect_with_call_back(self, callback: Callable[[int | None, str | None], object] | None) -> None:
        """Flutter: `disconnectWithCallBack`: disconnect, then call `callback(1000, None)` where callbacks run.

        1000 is what WebSockets say of a normal end.
        """
        if callback is not None:
            check_function("callback", callback, "(code, reason)")
        future = self.disconnect()
        if callback is not None:
            future.add_done_callback(lambda done: callback(1000, None))

    def dispose(self) -> CommandFuture[None]:
        """Flutter: `dispose`; the same as `disconnect`."""
        return self.disconnect()

    def create_call(self) -> FlutterCallActions:
        """Flutter: `createCall()`, for `create_call().end_call(invite.call_id)`; the same as `call`."""
        return FlutterCallActions(self)

    def get_connection_status(self) -> ConnectionStatus:
        """Flutter: `getConnectionStatus`; the same as `connection_status`."""
        return self.connection_status

    def connect_with_credential(
        self, config: CredentialConfig, server_configuration: TxServerConfiguration | None = None
    ) -> CommandFuture[None]:
        """Flutter: `connectWithCredential`; see `connect`."""
        return self.connect(config, server_configuration)

    def connect_with_token(
        self, config: TokenConfig, server_configuration: TxServerConfiguration | None = None
    ) -> CommandFuture[None]:
        """Flutter: `connectWithToken`; see `connect`."""
        return self.connect(config, server_configuration)

    def accept_call(
        self,
        call_id: UUID | str | Call | InviteResponse,
        *details: Any,
        muted_mic_on_start: bool = False,
        **options: Any,
    ) -> TelnyxCall:
        """Take a call that rings. Android: `acceptCall(callId, destinationNumber, customHeaders, debug)`; Flutter:
        `acceptCall(invite, callerName, callerNumber, clientState, ...)`.

        Args:
            call_id: The call, its id, or what came with the invitation.
            details: As one of the two has them. Texts are ignored: the call knows who calls whom.
            muted_mic_on_start: Start muted.
            options: `custom_headers`, `debug`, and further arguments of `Call.answer`.

        Raises:
            CallError: There is no such call.
        """
        found: UUID | str | Call = call_id.call_id if isinstance(call_id, InviteResponse) else call_id
        for detail in details:
            if isinstance(detail, Mapping):
                options.setdefault("custom_headers", detail)
            elif isinstance(detail, bool):
                options.setdefault("debug", detail)
        options.pop("destination_number", None)
        return super().accept_call(found, muted_mic_on_start=muted_mic_on_start, **options)

    # -- inside, where callbacks run ---------------------------------------------------------------------------------

    def _tell_flutter(self, response: SocketResponse) -> None:
        """What has gone to Android's flow."""
        data = response.data
        if response.status is SocketStatus.ERROR and self.on_socket_error_received is not None:
            error = TelnyxSocketError(response.error_code or 0, response.error_message or "")
            self.on_socket_error_received(error)
        elif data is not None and self.on_socket_message_received is not None:
            self.on_socket_message_received(TelnyxMessage(data.method, data))

    def _to_flutter(self, name: str, args: tuple[Any, ...]) -> None:
        if name == "on_client_error":
            self._tell_error(TelnyxErrorEvent(args[0], self.session_id, args[0].call_id))
        elif name == "on_client_warning" and not args[0].is_cleared:
            warning = TelnyxWarningEvent(args[0], self.session_id, args[0].call_id)
            self._warnings_flow._publish(warning)
            if self.on_telnyx_warning is not None:
                self.on_telnyx_warning(warning)
        elif name == "on_connection_state_changed" and self.on_connection_state_changed is not None:
            self.on_connection_state_changed(args[0])
        elif name == "on_socket_metrics_changed" and self._on_metrics is not None:
            self._on_metrics(args[0])

    def _tell_error(self, error: TelnyxErrorEvent) -> None:
        everything, fatal, recoverable = self._error_flows
        everything._publish(error)
        (fatal if error.fatal else recoverable)._publish(error)
        if self.on_telnyx_error is not None:
            self.on_telnyx_error(error)

    def _log_in(self, login: Login, configuration: TxServerConfiguration | None, *args: Any) -> CommandFuture[None]:
        servers = self._default_servers if configuration is None else configuration
        return super()._log_in(login, servers, *args)
