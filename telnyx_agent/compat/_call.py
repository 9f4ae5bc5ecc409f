"""`TelnyxCall`: a call by Android's and Flutter's names. `TelnyxCall.call` is the `Call` that does the work."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, cast
from uuid import UUID

from .._callables import check_function
from .._protocol import states
from ._flows import StateFlow

if TYPE_CHECKING:
    from .._images import ImageSource
    from .._runtime.futures import CommandFuture
    from ..call import Call
    from ..quality import CallQualityMetrics

__all__ = ["CallHandler", "CallState", "TelnyxCall", "with_image"]


class _NeverReached(enum.Enum):
    ERROR = "ERROR"
    RENEGOTIATING = "RENEGOTIATING"


class CallState(states.CallState):
    """`telnyx_agent.CallState` with the additional names of Android and Flutter, so that a ported `when` works.

    The states of a `TelnyxCall` are of this class. States of both classes are equal if their kinds are equal.

    No call is ever `ERROR` or `RENEGOTIATING`: a call that failed is `DONE` with a reason, and a call whose connection
    is replaced is `RECONNECTING`.
    """

    ERROR: ClassVar[states.CallState]
    """Android: `CallState.ERROR`; never reached."""
    RENEGOTIATING: ClassVar[states.CallState]
    """Android: `CallState.RENEGOTIATING`; never reached."""

    @classmethod
    def of(cls, state: states.CallState) -> CallState:
        """The same state, of this class."""
        return cls(state.kind, state.reason, state.termination_reason)

    @property
    def call_network_change_reason(self) -> states.NetworkReason | None:
        """Android: `callNetworkChangeReason`; `reason`."""
        return self.reason

    @property
    def network_reason(self) -> states.NetworkReason | None:
        """Flutter: `networkReason`; `reason`."""
        return self.reason

    @property
    def is_active(self) -> bool:
        """Flutter: `isActive`."""
        return self.kind is states.CallStateKind.ACTIVE

    @property
    def is_reconnecting(self) -> bool:
        """Flutter: `isReconnecting`."""
        return self.kind is states.CallStateKind.RECONNECTING

    @property
    def is_dropped(self) -> bool:
        """Flutter: `isDropped`."""
        return self.kind is states.CallStateKind.DROPPED

    @property
    def is_done(self) -> bool:
        """Flutter: `isDone`."""
        return self.kind is states.CallStateKind.DONE


for _kind in states.CallStateKind:
    setattr(CallState, _kind.name, CallState(_kind))
# These kinds are not in the core's `CallStateKind`, because its tables have only states that a call can be in.
CallState.ERROR = CallState(cast("states.CallStateKind", _NeverReached.ERROR))
CallState.RENEGOTIATING = CallState(cast("states.CallStateKind", _NeverReached.RENEGOTIATING))


class CallHandler:
    """Flutter: `call.callHandler`."""

    def __init__(self, call: Call) -> None:
        """Made by `TelnyxCall`."""
        self._call = call
        self._listener: Callable[[CallState], object] | None = None

    @property
    def on_call_state_changed(self) -> Callable[[CallState], object] | None:
        """Flutter: `onCallStateChanged`; see `Call.on_state_changed`.

        Raises:
            ClientConfigurationError: When it is set: no plain function of one parameter.
        """
        return self._listener

    @on_call_state_changed.setter
    def on_call_state_changed(self, listener: Callable[[CallState], object] | None) -> None:
        if listener is not None:
            check_function("on_call_state_changed", listener, "(state)")
        self._listener = listener
        self._call.on_state_changed = None if listener is None else lambda state: listener(CallState.of(state))


class TelnyxCall:
    """A call by Android's and Flutter's names. Any thread. As a context manager it hangs up at the end of the block.

    Android's methods take the call's id first, Flutter's do not. So the id may be given; it is ignored.

    Attributes:
        call: The `Call`, which has all other methods.
    """

    def __init__(
        self,
        call: Call,
        send_message: Callable[..., CommandFuture[str]],
        call_soon: Callable[[Callable[[], object]], None],
        state: states.CallState,
    ) -> None:
        """Made by `TelnyxClient`. `state` is the state that the program was told last."""
        self.call = call
        self._handler = CallHandler(call)
        self._send_message = send_message
        self._state_flow = StateFlow(call_soon, CallState.of(state), lambda: self.call_state)

    def __repr__(self) -> str:
        return f"<TelnyxCall {self.call_id} {self.call.state}>"

    def __enter__(self) -> TelnyxCall:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.call.__exit__(exc_type, exc, traceback)

    # -- what it is --------------------------------------------------------------------------------------------------

    @property
    def call_id(self) -> UUID:
        """Android and Flutter: `callId`."""
        return self.call.call_id

    @property
    def call_state(self) -> CallState:
        """Flutter: `callState`."""
        return CallState.of(self.call.state)

    def get_call_state(self) -> CallState:
        """Android: `getCallState`."""
        return self.call_state

    @property
    def call_state_flow(self) -> StateFlow[CallState]:
        """Android: `callStateFlow`. `value` is the present state. `collect(f)` calls `f` with this state and all later
        ones, where callbacks run. `subscribe()` returns an iterator over the same states.
        """
        return self._state_flow

    @property
    def call_handler(self) -> CallHandler:
        """Flutter: `callHandler`."""
        return self._handler

    @property
    def telnyx_session_id(self) -> UUID | None:
        """Flutter: `telnyxSessionId`."""
        return self.call.telnyx_session_id

    @property
    def telnyx_leg_id(self) -> UUID | None:
        """Flutter: `telnyxLegId`."""
        return self.call.telnyx_leg_id

    @property
    def telnyx_call_control_id(self) -> str | None:
        """Flutter: `telnyxCallControlId`."""
        return self.call.telnyx_call_control_id

    def get_telnyx_session_id(self) -> UUID | None:
        """Android: `getTelnyxSessionId`."""
        return self.call.telnyx_session_id

    def get_telnyx_leg_id(self) -> UUID | None:
        """Android: `getTelnyxLegId`."""
        return self.call.telnyx_leg_id

    def get_telnyx_call_control_id(self) -> str | None:
        """Android: `getTelnyxCallControlId`; None (on Android: empty) if the server has sent none."""
        return self.call.telnyx_call_control_id

    @property
    def on_call_quality_change(self) -> Callable[[CallQualityMetrics], object] | None:
        """Android and Flutter: `onCallQualityChange`; see `Call.on_call_quality_change`."""
        return self.call.on_call_quality_change

    @on_call_quality_change.setter
    def on_call_quality_change(self, listener: Callable[[CallQualityMetrics], object] | None) -> None:
        self.call.on_call_quality_change = listener

    def wait_until_active(self, timeout: float | None = None) -> None:
        """`Call.wait_until_active`."""
        self.call.wait_until_active(timeout)

    # -- what it does ------------------------------------------------------------------------------------------------

    def accept_call(
        self,
        call_id: UUID | str | None = None,
        destination_number: str = "",
        custom_headers: Mapping[str, str] | None = None,
        debug: bool = False,
    ) -> CommandFuture[None]:
        """Android: `call.acceptCall(callId, destinationNumber, ...)`; `Call.answer`.

        The first two arguments are ignored, because a call knows its own id and destination.
        """
        return self.call.answer(custom_headers, debug)

    def end_call(self, call_id: UUID | str | None = None) -> CommandFuture[None]:
        """Android and Flutter: `endCall`; `Call.hangup`."""
        return self.call.hangup()

    def on_hold_unhold_pressed(self, call_id: UUID | str | None = None) -> CommandFuture[None]:
        """Android and Flutter: `onHoldUnholdPressed`; `Call.toggle_hold`."""
        return self.call.toggle_hold()

    def get_is_on_hold_status(self) -> bool:
        """Android: `getIsOnHoldStatus`; `Call.is_held`."""
        return self.call.is_held

    @property
    def held(self) -> bool:
        """Flutter: `held`; `Call.is_held`."""
        return self.call.is_held

    def on_mute_unmute_pressed(self) -> None:
        """Android and Flutter: `onMuteUnmutePressed`; `Call.toggle_mute`."""
        self.call.toggle_mute()

    def set_mute_state(self, muted: bool) -> None:
        """Android and Flutter: `setMuteState`; `Call.mute_audio` or `Call.unmute_audio`."""
        if muted:
            self.call.mute_audio()
        else:
            self.call.unmute_audio()

    def get_is_mute_status(self) -> bool:
        """Android: `getIsMuteStatus`; `Call.is_muted`."""
        return self.call.is_muted

    @property
    def muted(self) -> bool:
        """Flutter: `muted`; `Call.is_muted`."""
        return self.call.is_muted

    def dtmf(self, digits: UUID | str, tone: str | None = None) -> CommandFuture[None]:
        """Android: `dtmf(callId, tone)`; Flutter: `dtmf(tone)`; `Call.dtmf`."""
        return self.call.dtmf(str(digits) if tone is None else tone)

    def restart_ice(self) -> CommandFuture[None]:
        """Flutter: `restartIce`; `Call.ice_restart`."""
        return self.call.ice_restart()

    def send_conversation_message(
        self, message: str, base64_images: Iterable[ImageSource] = (), *, base64_image: ImageSource | None = None
    ) -> CommandFuture[str]:
        """Flutter: `call.sendConversationMessage`; `TxClient.send_ai_assistant_message`."""
        return self._send_message(message, with_image(base64_images, base64_image))

    def enable_speaker_phone(self, enable: bool) -> None:
        """Flutter: `enableSpeakerPhone`. Without effect: there is no earpiece here; see `Call.set_audio_out_device`."""


def with_image(images: Iterable[ImageSource], image: ImageSource | None) -> Iterable[ImageSource]:
    """The images of both arguments: Flutter's list, and its older argument for a single image."""
    return images if image is None else (*images, image)
