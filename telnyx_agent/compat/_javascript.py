"""JavaScript's spelling of the client: its options, its event names, its `on` and `off`. `compat` shows it to users."""

from __future__ import annotations

import enum
import json
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import attrs

from .._callables import check_function, takes
from .._login_state import LinkStatus
from .._protocol.states import CallState
from .._protocol.warnings import TxWarning
from .._runtime.dispatch import report
from ..client import TxClient
from ..config import TxServerConfiguration
from ..errors import ClientConfigurationError, MediaError, TxError
from ._javascript_call import RtcCall, RtcErrorEvent, RtcWarningEvent, rtc_state
from ._javascript_devices import RtcDevices
from ._javascript_options import call_arguments, chosen_configuration, chosen_login, client_settings, credentials_of

if TYPE_CHECKING:
    from uuid import UUID

    from .._quality.metrics import CallQualityMetrics
    from .._runtime.futures import CommandFuture
    from ..call import Call

__all__ = ["Notification", "RtcCall", "RtcConnection", "RtcErrorEvent", "RtcWarningEvent", "SwEvent", "TelnyxRTC"]

_logger = logging.getLogger("telnyx_agent.delegate")

Listener = Callable[..., object]


class SwEvent(str, enum.Enum):
    """JavaScript: `SwEvent`, the names of the events. A text does as well: `client.on("telnyx.ready", ...)`."""

    SOCKET_OPEN = "telnyx.socket.open"
    SOCKET_CLOSE = "telnyx.socket.close"
    SOCKET_ERROR = "telnyx.socket.error"
    READY = "telnyx.ready"
    ERROR = "telnyx.error"
    WARNING = "telnyx.warning"
    NOTIFICATION = "telnyx.notification"
    STATS_FRAME = "telnyx.stats.frame"
    STATS_REPORT = "telnyx.stats.report"
    AI_CONVERSATION_MESSAGE = "telnyx.ai.conversation"


@attrs.frozen
class Notification:
    """What listeners of `telnyx.notification` get.

    Attributes:
        type: `"callUpdate"`, at each change of a call's state; `"userMediaError"` when an audio device fails.
        call: The call; None where it is about none.
        error: Of `"userMediaError"`.
    """

    type: str
    call: RtcCall = attrs.field(default=None)  # as in JavaScript: who looks at the type knows
    error: TxError | None = None


@attrs.frozen
class RtcConnection:
    """JavaScript: `client.connection`, how the WebSocket is; a snapshot."""

    connecting: bool
    connected: bool
    closed: bool

    @property
    def closing(self) -> bool:
        """Always false: `disconnect()` returns a future for that."""
        return False

    @property
    def is_alive(self) -> bool:
        """Connecting or connected."""
        return self.connecting or self.connected

    @property
    def is_dead(self) -> bool:
        """Neither."""
        return not self.is_alive


class TelnyxRTC(RtcDevices):
    """JavaScript's `TelnyxRTC`: the login is an option, `connect()` makes it, and events have names.

        client = TelnyxRTC({"anonymous_login": {"target_type": "ai_assistant", "target_id": "assistant-..."}})
        client.on("telnyx.ready", lambda: client.new_call({"destinationNumber": ""}))
        client.connect()

    Listeners run where callbacks run: one at a time, in order; see `TxClientDelegate`. One that takes no argument is
    called without, as in JavaScript.

    Args:
        options: As in JavaScript, under its names: `anonymous_login` (with `target_type`, `target_id`,
            `target_version_id`, `target_params` and `conversation_id` in it), or `login` and `password`, or
            `login_token`; `userVariables`, `autoReconnect`, `debug`, `debugOutput`, `enableCallReports` (here off
            unless it is true), `env`, `forceRelayCandidate`, `iceServers`, `mutedMicOnStart`, `region`, `ringbackFile`,
            `ringtoneFile`, `rtcIp`, `rtcPort`. Options of a browser's page are taken and have no effect.
        server_configuration: In place of `env`, `region`, `rtcIp` and `iceServers`.
        settings: As for `TxClient`, such as `audio`.

    Attributes:
        client: The `TxClient` that does the work.

    Raises:
        ClientConfigurationError: An option is unknown or unusable.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        *,
        server_configuration: TxServerConfiguration | None = None,
        **settings: Any,
    ) -> None:
        own = client_settings(options)
        self._login, self._config = chosen_login(options)
        self._where = server_configuration or chosen_configuration(options)
        self._options = dict(options)
        super().__init__(TxClient(**{**own, **settings}))
        # Listeners and calls come and go on any thread while events are delivered.
        self._lock = threading.RLock()
        self._listeners: tuple[tuple[str, Listener, bool], ...] = ()
        self._calls: dict[UUID, RtcCall] = {}
        self.client._audience.taps = (*self.client._audience.taps, self._deliver)

    def __enter__(self) -> TelnyxRTC:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.__exit__(exc_type, exc, traceback)

    # -- connection --------------------------------------------------------------------------------------------------

    def connect(self) -> CommandFuture[None]:
        """Connect and log in; `telnyx.ready` or `telnyx.error` follows.

        Returns:
            As of `TxClient.anonymous_login`, or of `TxClient.connect`.
        """
        if self._config is not None:
            return self.client.connect(self._config, self._where)
        assert self._login is not None  # one of them is there
        return self.client.anonymous_login(**self._login, server_configuration=self._where)

    def login(self, options: Mapping[str, Any]) -> CommandFuture[None]:
        """Go on with other credentials; JavaScript: `client.login({creds: {...}})`. See `TxClient.update_credentials`.

        Args:
            options: `creds`, with `login_token`, or `login` and `password`; `onSuccess` and `onError`, called when it
                is done.
        """
        creds = options.get("creds")
        config = credentials_of(creds if isinstance(creds, Mapping) else {})
        future = self.client.update_credentials(sip_user=config.sip_user, password=config.password, token=config.token)

        def settled(done: CommandFuture[None]) -> None:
            error = done.exception()
            if error is None:
                self._config, self._login = config, None
            listener = options.get("onSuccess") if error is None else options.get("onError")
            if listener is not None:
                listener(*(() if error is None else (error,)))

        future.add_done_callback(settled)  # type: ignore[arg-type]
        return future

    def disconnect(self) -> CommandFuture[None]:
        """As `TxClient.disconnect`. Listeners stay; take them away with `off`."""
        return self.client.disconnect()

    def logout(self) -> CommandFuture[None]:
        """The same as `disconnect`."""
        return self.client.disconnect()

    @property
    def connected(self) -> bool:
        """Whether the WebSocket is open."""
        return self.client.is_connected()

    @property
    def connection(self) -> RtcConnection:
        """How the WebSocket is."""
        status = self.client._watch.get().status
        connecting = status in (LinkStatus.CONNECTING, LinkStatus.RECONNECTING)
        return RtcConnection(connecting, self.connected, not connecting and not self.connected)

    def get_is_registered(self) -> bool:
        """Whether calls go through at once."""
        return self.client.is_registered

    @property
    def session_id(self) -> str:
        """The session's id; empty before the login."""
        return self.client.session_id

    @property
    def region(self) -> str | None:
        """Where the client is connected to, such as `"eu-west"`; None before `telnyx.ready`."""
        return self.client.region

    @property
    def dc(self) -> str | None:
        """The data centre; None before `telnyx.ready`."""
        return self.client.datacenter

    # -- calls -------------------------------------------------------------------------------------------------------

    @property
    def calls(self) -> Mapping[str, RtcCall]:
        """The calls that have not ended, by id."""
        return {str(call.call_id): self._wrap(call) for call in self.client.calls.values()}

    def get_active_calls(self) -> list[RtcCall]:
        """The same, as a list: JavaScript's active calls are all that have not ended."""
        return [call for call in self.calls.values() if not call.call.state.is_terminal]

    def has_active_call(self) -> bool:
        """Whether a call is up."""
        return self.client.has_active_call()

    def new_call(self, options: Mapping[str, Any] | None = None) -> RtcCall:
        """Call; options under JavaScript's names: `destinationNumber`, `callerName`, `callerNumber`, `clientState`,
        `customHeaders` (a list of `{"name": ..., "value": ...}`), `debug`, `debugOutput`, `forceRelayCandidate`, `id`,
        `micId`, `mutedMicOnStart`, `onNotification`, `preferred_codecs`, `speakerId`.

        `debug` sends the quality samples to Telnyx; `debugOutput: "file"` writes the call's report to
        `webrtc-stats-<id>.json` in the current directory at the end, and sends nothing.

        Raises:
            ClientConfigurationError: An option is unknown or unusable, or `video` is wanted.
            SocketConnectionError: Not connected; call `connect` first.
        """
        given = dict(options or {})
        arguments = {"muted": bool(self._options.get("mutedMicOnStart")), **call_arguments(given)}
        is_debug = bool(arguments.pop("debug", self._options.get("debug")))
        output = given.get("debugOutput", self._options.get("debugOutput")) or "socket"
        if output not in ("socket", "file"):
            raise ClientConfigurationError(f"debugOutput is 'socket' or 'file'; got {output!r}")
        if (on_notification := given.get("onNotification")) is not None:
            check_function("onNotification", on_notification, "(notification)", "()")
        device = self._device_for(given.get("micId"), given.get("speakerId"))
        if device is not None:
            arguments["audio"] = device
        # Events of the call wait until it is known here.
        with self._lock:
            call = self.client.new_call(debug=is_debug and output == "socket", **arguments)
            found = self._wrap(call, on_notification)
            found._writes_file = is_debug and output == "file"
        return found

    # -- events ------------------------------------------------------------------------------------------------------

    def on(self, event: SwEvent | str, listener: Listener) -> TelnyxRTC:
        """Call `listener` at each such event. Returns the client, so that calls can be chained.

        Args:
            event: `telnyx.ready` (a dict), `telnyx.error` (an `RtcErrorEvent`), `telnyx.warning` (an
                `RtcWarningEvent`), `telnyx.notification` (a `Notification`), `telnyx.ai.conversation` (a dict with
                `method` and `params`; from then on tools that are not registered are yours to answer),
                `telnyx.stats.frame` (`CallQualityMetrics`, every second of a call; `debug` is
                not needed), `telnyx.stats.report` (the entries of a call's report, a list, at its end),
                `telnyx.socket.open`, `telnyx.socket.close`, `telnyx.socket.error` (an `RtcErrorEvent`).
            listener: Your function; with one argument, or none.

        Raises:
            ClientConfigurationError: There is no such event, or `listener` is no plain function.
        """
        check_function("listener", listener, "(event)", "()")
        known = [one.value for one in SwEvent]
        name = event.value if isinstance(event, SwEvent) else event
        if name not in known:
            raise ClientConfigurationError(f"there is no event {name!r}; there are {', '.join(sorted(known))}")
        if name == SwEvent.AI_CONVERSATION_MESSAGE.value:
            # Such a listener answers the tools that it knows itself, as on JavaScript's page.
            self.client.ai_assistant_manager.answers_unknown_tools = False
        with self._lock:
            self._listeners = (*self._listeners, (name, listener, _takes_argument(listener)))
        return self

    def off(self, event: SwEvent | str, listener: Listener | None = None) -> TelnyxRTC:
        """Do not call `listener`, or any listener, at such events any more."""
        name = event.value if isinstance(event, SwEvent) else event
        with self._lock:
            self._listeners = tuple(
                one for one in self._listeners if one[0] != name or (listener is not None and one[1] != listener)
            )
        return self

    # -- inside, on the delegate's thread ----------------------------------------------------------------------------

    def _deliver(self, name: str, args: tuple[Any, ...]) -> None:
        handler = _HANDLERS.get(name)
        if handler is not None:
            handler(self, *args)

    def _tell(self, event: SwEvent, payload: object, own: Listener | None = None) -> None:
        """To the call's own listener in place of the client's, as in JavaScript."""
        if own is not None:
            self._call_listener(event, own, _takes_argument(own), payload)
            return
        for name, listener, takes_argument in self._listeners:
            if name == event.value:
                self._call_listener(event, listener, takes_argument, payload)

    def _call_listener(self, event: SwEvent, listener: Listener, takes_argument: bool, payload: object) -> None:
        try:
            listener(*((payload,) if takes_argument else ()))
        except Exception as exc:  # noqa: BLE001 - one's exception must not cost the others the event
            report(_logger, f"{event.value} raised {type(exc).__name__}; the call goes on", exc)

    def _wrap(self, call: Call, on_notification: Listener | None = None) -> RtcCall:
        with self._lock:
            found = self._calls.get(call.call_id)
            if found is None:
                found = self._calls[call.call_id] = RtcCall(call, self.client, on_notification)
                call.on_call_quality_change = self._on_metrics
            return found

    def _on_metrics(self, metrics: CallQualityMetrics) -> None:
        self._tell(SwEvent.STATS_FRAME, metrics)

    def _update(self, call: RtcCall, state: str) -> None:
        if call._tell(state):
            self._tell(SwEvent.NOTIFICATION, Notification("callUpdate", call), call._on_notification)

    def _on_incoming(self, call: Call) -> None:
        self._update(self._wrap(call), "ringing")

    def _on_call_state(self, state: CallState, call_id: UUID) -> None:
        with self._lock:
            call = self._calls.get(call_id)
        if call is None:
            return
        if state.is_terminal:
            stats = [dict(entry) for entry in call.call.report.stats]
            self._tell(SwEvent.STATS_REPORT, stats)
            if call._writes_file:
                _write(call)
        self._update(call, rtc_state(state, call.call.direction))
        if state.is_terminal:
            self._update(call, "destroy")
            with self._lock:
                self._calls.pop(call_id, None)

    def _on_error(self, error: TxError) -> None:
        event = RtcErrorEvent(error, self.client.session_id, error.call_id)
        self._tell(SwEvent.ERROR, event)
        if isinstance(error, MediaError):
            self._tell(SwEvent.NOTIFICATION, Notification("userMediaError", error=error))

    def _on_warning(self, warning: TxWarning) -> None:
        if not warning.is_cleared:  # which JavaScript does not tell
            self._tell(SwEvent.WARNING, RtcWarningEvent(warning, self.client.session_id, warning.call_id))

    def _on_reconnecting(self, attempt: int, delay: float, error: TxError) -> None:
        self._tell(SwEvent.SOCKET_ERROR, RtcErrorEvent(error, self.client.session_id))

    def _on_ready(self) -> None:
        self._tell(SwEvent.READY, {"type": "vertoClientReady", "sessionId": self.client.session_id})


def _takes_argument(listener: Listener) -> bool:
    return takes(listener, 1) is not False


def _write(call: RtcCall) -> None:
    path = Path(f"webrtc-stats-{call.id}.json")
    try:
        path.write_text(json.dumps(call.call.report.to_dict()), encoding="utf-8")
    except OSError as exc:
        _logger.warning("%s could not be written: %s", path, exc)


_HANDLERS: dict[str, Callable[..., None]] = {
    "on_ai_conversation_message": lambda client, params: client._tell(
        SwEvent.AI_CONVERSATION_MESSAGE, {"method": "ai_conversation", "params": params}
    ),
    "on_call_state_updated": TelnyxRTC._on_call_state,
    "on_client_error": TelnyxRTC._on_error,
    "on_client_ready": TelnyxRTC._on_ready,
    "on_client_warning": TelnyxRTC._on_warning,
    "on_incoming_call": TelnyxRTC._on_incoming,
    "on_reconnected": TelnyxRTC._on_ready,
    "on_reconnecting": TelnyxRTC._on_reconnecting,
    "on_socket_connected": lambda client: client._tell(SwEvent.SOCKET_OPEN, None),
    "on_socket_disconnected": lambda client: client._tell(SwEvent.SOCKET_CLOSE, None),
}
"""What becomes of the client's events."""
