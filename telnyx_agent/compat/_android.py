"""What only Android has: a call's states as a flow, its further states, `client.call`, and flows of the connection.

Parts of `compat`'s `TelnyxClient` and `TelnyxCall`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast
from uuid import UUID

from .._protocol import states
from .._protocol.socket_health import SocketConnectionMetrics, SocketConnectionQuality
from ..call import Call
from ._flows import SharedFlow, StateFlow
from ._latency import LatencyTracker
from ._mobile import MobileCall, MobileClient

if TYPE_CHECKING:
    from .._connection_status import ConnectionStatus
    from .._images import ImageSource
    from .._runtime.futures import CommandFuture
    from . import TelnyxCall
    from ._socket_flow import SocketResponseFlow

__all__ = ["AndroidCall", "AndroidClient", "CallActions", "CallState"]


class _NeverReached(enum.Enum):
    ERROR = "ERROR"
    RENEGOTIATING = "RENEGOTIATING"


class CallState(states.CallState):
    """`telnyx_agent.CallState` with the two states that only Android has, so that ported `when`s work as they are.

    The states of `call_state_flow` are of this class.

    No call is ever in one of the two: what failed ends as `DONE` with its reason, and a call whose connection is
    made anew is `RECONNECTING`. States of either class compare equal by their kind.
    """

    ERROR: ClassVar[states.CallState]
    """Android: `CallState.ERROR`; never reached."""
    RENEGOTIATING: ClassVar[states.CallState]
    """Android: `CallState.RENEGOTIATING`; never reached."""

    @classmethod
    def of(cls, state: states.CallState) -> CallState:
        """The same state, of this class."""
        return cls(state.kind, state.reason, state.termination_reason)


# Kinds of their own, not the core's: its tables know what can happen to a call.
CallState.ERROR = CallState(cast("states.CallStateKind", _NeverReached.ERROR))
CallState.RENEGOTIATING = CallState(cast("states.CallStateKind", _NeverReached.RENEGOTIATING))


class AndroidCall(MobileCall):
    """A call with Android's further names. Any thread."""

    _state_flow: StateFlow[CallState]

    @property
    def call_state_flow(self) -> StateFlow[CallState]:
        """Android: `callStateFlow`. `value` is the state now; `collect(f)` gives `f` this and every later one, where
        callbacks run; `subscribe()` is an iterator over the same.
        """
        return self._state_flow

    def accept_call(
        self,
        call_id: UUID | str | None = None,
        destination_number: str = "",
        custom_headers: Mapping[str, str] | None = None,
        debug: bool = False,
    ) -> CommandFuture[None]:
        """Android: `call.acceptCall(callId, destinationNumber, ...)`; the same as `answer`. The first two are ignored:
        a call knows its own.
        """
        return self.answer(custom_headers, debug)

    def get_call_state(self) -> states.CallState:
        """Android: `getCallState`; the same as `call_state`."""
        return self.call_state

    def get_telnyx_session_id(self) -> UUID | None:
        """Android: `getTelnyxSessionId`."""
        return self.telnyx_session_id

    def get_telnyx_leg_id(self) -> UUID | None:
        """Android: `getTelnyxLegId`."""
        return self.telnyx_leg_id

    def get_telnyx_call_control_id(self) -> str | None:
        """Android: `getTelnyxCallControlId`; None, not empty, where the server has sent none."""
        return self.telnyx_call_control_id

    def _apply_state(self, state: states.CallState) -> None:
        super()._apply_state(state)
        self._state_flow._publish(CallState.of(state))


class CallActions:
    """Android: `telnyxClient.call`, by which its pages place calls. New code asks the client."""

    def __init__(self, client: Any) -> None:
        """Made by `TelnyxClient.call`."""
        self._client = client

    def new_invite(self, *args: Any, **options: Any) -> TelnyxCall:
        """`TelnyxClient.new_invite`."""
        return cast("TelnyxCall", self._client.new_invite(*args, **options))

    def accept_call(self, *args: Any, **options: Any) -> TelnyxCall:
        """`TelnyxClient.accept_call`."""
        return cast("TelnyxCall", self._client.accept_call(*args, **options))

    def end_call(self, call_id: UUID | str | Call) -> CommandFuture[None]:
        """`TelnyxClient.end_call`."""
        return cast("CommandFuture[None]", self._client.end_call(call_id))


class AndroidClient(MobileClient):
    """A client with Android's flows and getters. Any thread."""

    if TYPE_CHECKING:

        @property
        def socket_response_flow(self) -> SocketResponseFlow: ...
        def _deliver(self, function: Callable[[], None]) -> None: ...

    def __init__(self, delegate: object | None = None, **options: Any) -> None:
        super().__init__(delegate, **options)
        self._status_flow: SharedFlow[ConnectionStatus] = SharedFlow(self._deliver)
        self._messages_flow: SharedFlow[Mapping[str, Any]] = SharedFlow(self._deliver)
        self._metrics_flow: SharedFlow[SocketConnectionMetrics] = SharedFlow(self._deliver)
        self._audience.taps = (*self._audience.taps, self._to_connection_flows)

    @property
    def call(self) -> CallActions:
        """Android: `client.call`, for `client.call.new_invite(...)` as its pages have it (deprecated there)."""
        return CallActions(self)

    @property
    def connection_status_flow(self) -> SharedFlow[ConnectionStatus]:
        """Android: `connectionStatusFlow`; also `on_connection_state_changed`."""
        return self._status_flow

    @property
    def ws_messages_response_flow(self) -> SharedFlow[Mapping[str, Any]]:
        """Android: `wsMessagesResponseFlow`: every frame of the server's from now on; also `on_socket_message`.

        Contains what was said and how to reach you: log with care.
        """
        self._audience.tapped = self._audience.tapped | {"on_socket_message"}
        return self._messages_flow

    @property
    def socket_connection_metrics_flow(self) -> SharedFlow[SocketConnectionMetrics]:
        """Android: `socketConnectionMetricsFlow`; also `on_socket_metrics_changed`."""
        self._audience.tapped = self._audience.tapped | {"on_socket_metrics_changed"}
        return self._metrics_flow

    def get_connection_metrics(self) -> SocketConnectionMetrics:
        """Android: `getConnectionMetrics`; the same as `socket_metrics`."""
        return self.socket_metrics

    def get_current_connection_quality(self) -> SocketConnectionQuality:
        """Android: `getCurrentConnectionQuality`."""
        return self.socket_metrics.quality

    def get_socket_response(self) -> SocketResponseFlow:
        """Android, deprecated: `getSocketResponse`; for `client.get_socket_response().observe(observer)`."""
        return self.socket_response_flow

    @property
    def socket_response_live_data(self) -> SocketResponseFlow:
        """Android, deprecated: `socketResponseLiveData`; the same as `socket_response_flow`."""
        return self.socket_response_flow

    def get_ws_message_response(self) -> SharedFlow[Mapping[str, Any]]:
        """Android, deprecated: `getWsMessageResponse`; the same as `ws_messages_response_flow`."""
        return self.ws_messages_response_flow

    @property
    def latency_tracker(self) -> LatencyTracker:
        """Android and Flutter: `latencyTracker`."""
        return LatencyTracker(self)

    def is_socket_connected(self) -> bool:
        """Android: `isSocketConnected`; the same as `is_connected()`."""
        return self.is_connected()

    def send_ai_assistant_message(
        self,
        message: str = "",
        images: Iterable[ImageSource] = (),
        *,
        images_urls: Iterable[ImageSource] | None = None,
        **options: Any,
    ) -> CommandFuture[str]:
        """As `AIAssistantManager.send_ai_assistant_message`; `images_urls` is Android's name for `images`."""
        return super().send_ai_assistant_message(message, (*images, *(images_urls or ())), **options)

    @property
    def sessid(self) -> str:
        """Android: `sessid`; the same as `session_id`."""
        return self.session_id

    def _to_connection_flows(self, name: str, args: tuple[Any, ...]) -> None:
        if name == "on_connection_state_changed":
            self._status_flow._publish(args[0])
        elif name == "on_socket_message":
            self._messages_flow._publish(args[0])
        elif name == "on_socket_metrics_changed":
            self._metrics_flow._publish(args[0])
