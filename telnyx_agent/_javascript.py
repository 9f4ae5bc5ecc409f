"""JavaScript's spelling of the client: its options, its event names, its `on` and `off`. `compat` shows it to users."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import attrs

from ._images import ImageSource
from ._runtime.dispatch import report
from .call import Call, CallPort
from .client import TxClient
from .config import Environment, LogLevel, TxServerConfiguration
from .errors import ClientConfigurationError

if TYPE_CHECKING:
    from ._media.bridge import AudioBridge
    from ._protocol.requests import CallOptions
    from ._runtime.futures import CommandFuture

__all__ = ["Notification", "RtcCall", "TelnyxRTC"]

_logger = logging.getLogger("telnyx_agent.delegate")

Listener = Callable[..., object]

_CLIENT_OPTIONS = frozenset({"anonymous_login", "debug", "env", "iceServers", "region", "userVariables"})
_LOGIN_OPTIONS = frozenset({"target_id", "target_params", "target_type", "target_version_id"})
_CALL_OPTIONS = {
    "callerName": "caller_name",
    "callerNumber": "caller_number",
    "clientState": "client_state",
    "customHeaders": "custom_headers",
    "destinationNumber": "destination_number",
    "id": "call_id",
    "mutedMicOnStart": "muted",
}
"""JavaScript's names of the call's options, and ours."""

_MEANINGLESS = frozenset({"audio", "localElement", "remoteElement", "useStereo", "video"})
"""Options of a page with media elements."""


class RtcCall(Call):
    """A call with JavaScript's spellings."""

    def __init__(
        self, options: CallOptions, bridge: AudioBridge, port: CallPort, send: Callable[..., CommandFuture[str]]
    ) -> None:
        super().__init__(options, bridge, port)
        self._send = send

    @property
    def id(self) -> str:
        """JavaScript: `call.id`."""
        return str(self.call_id)

    def send_conversation_message(self, message: str, attachments: Iterable[ImageSource] = ()) -> CommandFuture[str]:
        """JavaScript: `call.sendConversationMessage`; see `AIAssistantManager.send_ai_assistant_message`."""
        return self._send(message, attachments)


@attrs.frozen
class Notification:
    """What listeners of `telnyx.notification` get."""

    type: str
    call: RtcCall


class _RtcClient(TxClient):
    """A client whose calls are `RtcCall`."""

    def _make_call(self, options: CallOptions, bridge: AudioBridge, port: CallPort) -> Call:
        return RtcCall(options, bridge, port, self.send_ai_assistant_message)


class TelnyxRTC:
    """JavaScript's `TelnyxRTC`: the login is an option, `connect()` makes it, and events have names.

        client = TelnyxRTC({"anonymous_login": {"target_type": "ai_assistant", "target_id": "assistant-..."}})
        client.on("telnyx.ready", lambda: client.new_call({"destinationNumber": ""}))
        client.connect()

    Listeners run where callbacks run: one at a time, in order; see `TxClientDelegate`.

    Args:
        options: As in JavaScript, under its names: `anonymous_login` with `target_type`, `target_id`,
            `target_version_id`, `target_params` (`conversation_id` in it); `userVariables`, `debug`, `env`, `region`,
            `iceServers`.
        server_configuration: In place of `env`, `region` and `iceServers`.
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
        _refuse_unknown("option", options, _CLIENT_OPTIONS)
        login = options.get("anonymous_login")
        if not isinstance(login, Mapping):
            raise ClientConfigurationError("TelnyxRTC needs anonymous_login, with target_type and target_id")
        _refuse_unknown("member of anonymous_login", login, _LOGIN_OPTIONS)
        target_params = login.get("target_params") or {}
        _refuse_unknown("member of target_params", target_params, frozenset({"conversation_id"}))
        self.remote_element: object = None
        """Kept for pages that are ported; the sound goes to the audio device."""
        self.client: TxClient = _RtcClient(**settings)
        self._login: dict[str, Any] = {
            "target_id": login.get("target_id", ""),
            "target_type": login.get("target_type", "ai_assistant"),
            "target_version_id": login.get("target_version_id"),
            "conversation_id": target_params.get("conversation_id"),
            "user_variables": options.get("userVariables"),
            "server_configuration": server_configuration or _configuration(options),
            "log_level": LogLevel.ALL if options.get("debug") else LogLevel.NONE,
        }
        # Listeners come and go on any thread while events are delivered.
        self._lock = threading.Lock()
        self._listeners: tuple[tuple[str, Listener], ...] = ()
        self.client._audience.taps = (*self.client._audience.taps, self._deliver)

    def __enter__(self) -> TelnyxRTC:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.__exit__(exc_type, exc, traceback)

    def connect(self) -> CommandFuture[None]:
        """Connect and log in; `telnyx.ready` or `telnyx.error` follows.

        Returns:
            As of `TxClient.anonymous_login`.
        """
        return self.client.anonymous_login(**self._login)

    def disconnect(self) -> CommandFuture[None]:
        """As `TxClient.disconnect`."""
        return self.client.disconnect()

    @property
    def connected(self) -> bool:
        """Whether the WebSocket is open."""
        return self.client.is_connected()

    def get_is_registered(self) -> bool:
        """Whether calls go through at once."""
        return self.client.is_registered

    @property
    def calls(self) -> Mapping[str, RtcCall]:
        """The calls that have not ended, by id."""
        return {call.id: call for call in self.client.calls.values() if isinstance(call, RtcCall)}

    def new_call(self, options: Mapping[str, Any] | None = None) -> RtcCall:
        """Call; options under JavaScript's names: `destinationNumber`, `callerName`, `callerNumber`, `clientState`,
        `customHeaders` (a list of `{"name": ..., "value": ...}`), `id`, `mutedMicOnStart`.

        Raises:
            ClientConfigurationError: An option is unknown or unusable, or `video` is wanted.
            SocketConnectionError: Not connected; call `connect` first.
        """
        given = dict(options or {})
        _refuse_unknown("option of newCall", given, _MEANINGLESS | frozenset(_CALL_OPTIONS))
        if given.get("video"):
            raise ClientConfigurationError("video: there is none")
        arguments = {ours: given[name] for name, ours in _CALL_OPTIONS.items() if given.get(name) is not None}
        if "custom_headers" in arguments:
            arguments["custom_headers"] = {one["name"]: one["value"] for one in arguments["custom_headers"]}
        call = self.client.new_call(**arguments)
        assert isinstance(call, RtcCall)
        return call

    def on(self, event: str, listener: Listener) -> TelnyxRTC:
        """Call `listener` at each such event. Returns the client, so that calls can be chained.

        Args:
            event: `telnyx.ready`, `telnyx.error` (gets the error), `telnyx.notification` (a `Notification` of type
                `callUpdate` at each change of a call's state), `telnyx.ai.conversation` (a dict with `method` and
                `params`), `telnyx.socket.open`, `telnyx.socket.close`.
            listener: Your function.

        Raises:
            ClientConfigurationError: There is no such event.
        """
        if event not in _EVENTS.values():
            raise ClientConfigurationError(
                f"there is no event {event!r}; there are {', '.join(sorted(_EVENTS.values()))}"
            )
        with self._lock:
            self._listeners = (*self._listeners, (event, listener))
        return self

    def off(self, event: str, listener: Listener | None = None) -> TelnyxRTC:
        """Do not call `listener`, or any listener, at such events any more."""
        with self._lock:
            self._listeners = tuple(
                (name, one) for name, one in self._listeners if name != event or (listener or one) != one
            )
        return self

    def _deliver(self, name: str, args: tuple[Any, ...]) -> None:
        """Delegate thread."""
        event = _EVENTS.get(name)
        for known, listener in self._listeners:
            if known == event:
                self._deliver_to(listener, name, args)

    def _deliver_to(self, listener: Listener, name: str, args: tuple[Any, ...]) -> None:
        arguments: tuple[Any, ...] = ()
        if name == "on_client_error":
            arguments = args
        elif name == "on_ai_conversation_message":
            arguments = ({"method": "ai_conversation", "params": args[0]},)
        elif name == "on_call_state_updated":
            call = self.client.get_call(args[1])
            if not isinstance(call, RtcCall):  # there is none any more
                return
            arguments = (Notification("callUpdate", call),)
        try:
            listener(*arguments)
        except Exception as exc:  # noqa: BLE001 - one's exception must not cost the others the event
            report(_logger, f"{_EVENTS[name]} raised {type(exc).__name__}; the call goes on", exc)


_EVENTS = {
    "on_ai_conversation_message": "telnyx.ai.conversation",
    "on_call_state_updated": "telnyx.notification",
    "on_client_error": "telnyx.error",
    "on_client_ready": "telnyx.ready",
    "on_socket_connected": "telnyx.socket.open",
    "on_socket_disconnected": "telnyx.socket.close",
}
"""JavaScript's name of each event."""


def _refuse_unknown(what: str, given: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise ClientConfigurationError(f"unknown {what}: {', '.join(unknown)}; known are {', '.join(sorted(known))}")


def _configuration(options: Mapping[str, Any]) -> TxServerConfiguration:
    chosen: dict[str, Any] = {}
    if options.get("env") is not None:
        if options["env"] not in [one.value for one in Environment]:
            raise ClientConfigurationError(f"env: there is no {options['env']!r}")
        chosen["environment"] = Environment(options["env"])
    if options.get("region") is not None:
        chosen["region"] = options["region"]
    if options.get("iceServers") is not None:
        chosen["webrtc_ice_servers"] = options["iceServers"]
    return TxServerConfiguration(**chosen)
