"""JavaScript's `Call`: its states as texts, its ids, its methods in PEP 8. Part of `compat`'s `TelnyxRTC`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs

from .._images import ImageSource
from .._protocol.error_codes import ErrorCode
from .._protocol.states import CallDirection, CallState, CallStateKind
from .._protocol.warnings import TxWarning
from ..errors import ClientConfigurationError, SocketConnectionError, TxError

if TYPE_CHECKING:
    from .._media.stats import MediaStats
    from .._protocol.states import CallTerminationReason
    from .._runtime.futures import CommandFuture
    from ..audio import AudioDevice
    from ..call import Call
    from ..client import TxClient

__all__ = [
    "RtcCall",
    "RtcErrorEvent",
    "RtcWarningEvent",
    "TelnyxIds",
    "audio_device_id",
    "headers_of",
    "is_function_call_output_params",
    "is_function_call_params",
    "refuse_unknown",
    "rtc_state",
]

_STATES = {
    CallStateKind.NEW: "new",
    CallStateKind.ACTIVE: "active",
    CallStateKind.HELD: "held",
    CallStateKind.RECONNECTING: "recovering",
    CallStateKind.DROPPED: "recovering",
    CallStateKind.DONE: "hangup",
}
_OUTBOUND = {CallStateKind.CONNECTING: "requesting", CallStateKind.RINGING: "trying"}
_INBOUND = {CallStateKind.CONNECTING: "answering", CallStateKind.RINGING: "ringing"}

_ANSWER_OPTIONS = {"audioConstraints": "audio_constraints", "mutedMicOnStart": "muted"}
_ANSWER_MEANINGLESS = frozenset(
    {"audio", "customHeaders", "localElement", "preferred_codecs", "remoteElement", "video"}
)


def rtc_state(state: CallState, direction: CallDirection) -> str:
    """JavaScript's word for a state. There, only calls that come in are `ringing`."""
    own = _INBOUND if direction is CallDirection.INBOUND else _OUTBOUND
    return own.get(state.kind) or _STATES[state.kind]


def is_function_call_params(params: object) -> bool:
    """JavaScript: `isFunctionCallParams`: whether the params of a `telnyx.ai.conversation` event ask for a tool."""
    return _is_item(params, "conversation.item.created", "function_call", ("call_id", "name", "arguments"))


def is_function_call_output_params(params: object) -> bool:
    """JavaScript: `isFunctionCallOutputParams`: whether they are a tool's result."""
    return _is_item(params, "conversation.item.create", "function_call_output", ("call_id", "output"))


def _is_item(params: object, kind: str, item_kind: str, texts: tuple[str, ...]) -> bool:
    item = params.get("item") if isinstance(params, Mapping) and params.get("type") == kind else None
    if not isinstance(item, Mapping) or item.get("type") != item_kind:
        return False
    return all(isinstance(item.get(name), str) for name in texts)


def refuse_unknown(what: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    """A misspelt option would stay without effect for ever."""
    known = frozenset(known)
    unknown = sorted(set(given) - known)
    if unknown:
        raise ClientConfigurationError(f"unknown {what}: {', '.join(unknown)}; known are {', '.join(sorted(known))}")


def headers_of(headers: object) -> dict[str, str]:
    """JavaScript's list of `{"name": ..., "value": ...}`, or an ordinary mapping."""
    if isinstance(headers, Mapping):
        return dict(headers)
    if isinstance(headers, (list, tuple)) and all(isinstance(one, Mapping) and "name" in one for one in headers):
        return {one["name"]: one.get("value", "") for one in headers}
    raise ClientConfigurationError('customHeaders must be a list of {"name": ..., "value": ...}')


@attrs.frozen
class TelnyxIds:
    """JavaScript: `call.telnyxIDs`. Each is None until the server has sent it."""

    telnyx_call_control_id: str | None
    telnyx_leg_id: str | None
    telnyx_session_id: str | None


@attrs.frozen
class RtcErrorEvent:
    """What listeners of `telnyx.error`, and Flutter's `onTelnyxError`, get.

    `event.error.code` compares with `ErrorCode`.
    """

    error: TxError
    session_id: str
    call_id: UUID | None = None
    recoverable: bool = False
    """Always false: JavaScript's recovery of a browser's microphone permission has no counterpart."""

    @property
    def fatal(self) -> bool:
        """Whether the call or the connection cannot go on. JavaScript and Flutter: `event.error.fatal`."""
        code = self._code
        return code is None or code.is_fatal

    @property
    def name(self) -> str:
        """Such as `"LOGIN_FAILED"`. JavaScript and Flutter: `event.error.name`."""
        code = self._code
        return type(self.error).__name__ if code is None else code.name

    @property
    def _code(self) -> ErrorCode | None:
        return next((one for one in ErrorCode if one == self.error.code), None)

    def __str__(self) -> str:
        return str(self.error)


@attrs.frozen
class RtcWarningEvent:
    """What listeners of `telnyx.warning`, and Flutter's `onTelnyxWarning`, get.

    `event.warning.code` compares with `WarningCode`.
    """

    warning: TxWarning
    session_id: str
    call_id: UUID | None = None

    @property
    def name(self) -> str:
        """Such as `"HIGH_RTT"`. JavaScript and Flutter: `event.warning.name`."""
        return self.warning.name


class RtcCall:
    """JavaScript's `Call`. `RtcCall.call` is the `Call` that does the work, with everything else it can.

    Commands return futures where JavaScript returns promises: `call.hold().result()` for `await call.hold()`.

    Attributes:
        call: The `Call`.
        state: The state that the listeners were told last: `"new"`, `"requesting"`, `"trying"`, `"ringing"` (only of
            calls that come in), `"answering"`, `"active"`, `"held"`, `"recovering"`, `"hangup"`, `"destroy"`.
            JavaScript's `"early"` is `"trying"` here.
        prev_state: The one before; empty at first. JavaScript: `prevState`.
        recovered_call_id: Always empty: a call that is taken up again is the same object. JavaScript:
            `recoveredCallId`.
    """

    def __init__(self, call: Call, client: TxClient, on_notification: Callable[..., object] | None = None) -> None:
        """Made by `TelnyxRTC`."""
        self.call = call
        self._client = client
        self._on_notification = on_notification
        self._writes_file = False
        self.state = "new"
        self.prev_state = ""
        self.recovered_call_id = ""

    def get_establishment_timings(self) -> dict[str, Any]:
        """JavaScript: `getEstablishmentTimings()`: mode, direction, and steps with their milliseconds.

        The labels are those of `CallTimings`; the mode is always `"non-trickle"`: offers go out with their candidates.
        """
        steps = [
            {"label": step.label, "fromStart": round(1000 * step.from_start, 1), "delta": round(1000 * step.delta, 1)}
            for step in self.call.timings.steps
        ]
        return {"mode": "non-trickle", "direction": self.call.direction.value, "steps": steps}

    def __repr__(self) -> str:
        return f"<RtcCall {self.id} {self.state}>"

    # -- what it is --------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The call's id."""
        return str(self.call.call_id)

    @property
    def direction(self) -> str:
        """`"inbound"` or `"outbound"`."""
        return self.call.direction.value

    @property
    def telnyx_ids(self) -> TelnyxIds:
        """JavaScript: `telnyxIDs`."""
        call = self.call
        leg, session = call.telnyx_leg_id, call.telnyx_session_id
        return TelnyxIds(
            call.telnyx_call_control_id, None if leg is None else str(leg), None if session is None else str(session)
        )

    @property
    def options(self) -> Mapping[str, Any]:
        """What the call was made with, under JavaScript's names; `remoteCallerName` and `remoteCallerNumber` are of who
        is at the other end.
        """
        info, call = self.call.call_info, self.call
        inbound = call.direction is CallDirection.INBOUND
        return MappingProxyType(
            {
                "id": self.id,
                "callerName": info.caller_name,
                "callerNumber": info.caller_number,
                "clientState": call.client_state,
                "customHeaders": [{"name": name, "value": value} for name, value in call.invite_custom_headers.items()],
                "destinationNumber": info.destination_number,
                "remoteCallerName": info.caller_name if inbound else "",
                "remoteCallerNumber": info.caller_number if inbound else info.destination_number,
            }
        )

    @property
    def _reason(self) -> CallTerminationReason | None:
        return self.call.termination_reason

    @property
    def cause(self) -> str | None:
        """Why the call ended, such as `"USER_BUSY"`; None before."""
        return None if self._reason is None else self._reason.cause

    @property
    def cause_code(self) -> int | None:
        """The number that goes with it. JavaScript: `causeCode`."""
        return None if self._reason is None else self._reason.cause_code

    @property
    def sip_code(self) -> int | None:
        """SIP status code, such as 486. JavaScript: `sipCode`."""
        return None if self._reason is None else self._reason.sip_code

    @property
    def sip_reason(self) -> str | None:
        """SIP reason phrase. JavaScript: `sipReason`."""
        return None if self._reason is None else self._reason.sip_reason

    # -- what can be done --------------------------------------------------------------------------------------------

    def answer(self, params: Mapping[str, Any] | None = None) -> CommandFuture[None]:
        """Take a call that comes in.

        Args:
            params: `customHeaders`, `mutedMicOnStart`, `audioConstraints`.

        Raises:
            ClientConfigurationError: A parameter is unknown or unusable.
        """
        given = dict(params or {})
        refuse_unknown("parameter of answer", given, _ANSWER_MEANINGLESS | frozenset(_ANSWER_OPTIONS))
        arguments = {ours: given[name] for name, ours in _ANSWER_OPTIONS.items() if given.get(name) is not None}
        if given.get("customHeaders"):
            arguments["custom_headers"] = headers_of(given["customHeaders"])
        return self.call.answer(**arguments)

    def hangup(self, params: Mapping[str, Any] | None = None) -> CommandFuture[None]:
        """End the call, or turn it down.

        Args:
            params: `cause` and `causeCode`, as those of `Call.hangup`.
        """
        given = dict(params or {})
        refuse_unknown("parameter of hangup", given, ("cause", "causeCode"))
        return self.call.hangup(given.get("cause"), given.get("causeCode"))

    def hold(self) -> CommandFuture[None]:
        """As `Call.hold`."""
        return self.call.hold()

    def unhold(self) -> CommandFuture[None]:
        """As `Call.unhold`."""
        return self.call.unhold()

    def toggle_hold(self) -> CommandFuture[None]:
        """As `Call.toggle_hold`."""
        return self.call.toggle_hold()

    def dtmf(self, digits: str) -> CommandFuture[None]:
        """As `Call.dtmf`."""
        return self.call.dtmf(digits)

    def mute_audio(self) -> None:
        """As `Call.mute_audio`."""
        self.call.mute_audio()

    def unmute_audio(self) -> None:
        """As `Call.unmute_audio`."""
        self.call.unmute_audio()

    def toggle_audio_mute(self) -> None:
        """JavaScript: `toggleAudioMute`."""
        self.call.toggle_mute()

    @property
    def is_audio_muted(self) -> bool:
        """JavaScript: `isAudioMuted`."""
        return self.call.is_muted

    @property
    def is_muted(self) -> bool:
        """The same as `is_audio_muted`."""
        return self.call.is_muted

    def deaf(self) -> None:
        """As `Call.deaf_audio`."""
        self.call.deaf_audio()

    def undeaf(self) -> None:
        """As `Call.undeaf_audio`."""
        self.call.undeaf_audio()

    def toggle_deaf(self) -> None:
        """JavaScript: `toggleDeaf`."""
        self.call.toggle_deaf()

    def set_audio_in_device(self, device_id: int | str | None, muted: bool | None = None) -> CommandFuture[None]:
        """JavaScript: `setAudioInDevice(deviceId, muted)`; see `Call.set_audio_in_device`."""
        return self.call.set_audio_in_device(audio_device_id(device_id), muted)

    def set_audio_out_device(self, device_id: int | str | None) -> CommandFuture[None]:
        """JavaScript: `setAudioOutDevice`; see `Call.set_audio_out_device`."""
        return self.call.set_audio_out_device(audio_device_id(device_id))

    def set_audio_device(self, device: AudioDevice) -> CommandFuture[None]:
        """As `Call.set_audio_device`."""
        return self.call.set_audio_device(device)

    def get_stats(self) -> CommandFuture[MediaStats | None]:
        """JavaScript: `getStats`, here a future in place of a callback; see `Call.stats`."""
        return self.call.stats()

    def send_conversation_message(self, message: str, attachments: Iterable[ImageSource] = ()) -> CommandFuture[str]:
        """JavaScript: `call.sendConversationMessage`; see `AIAssistantManager.send_ai_assistant_message`."""
        return self._client.send_ai_assistant_message(message, attachments)

    def send_ai_conversation_message(self, item: Mapping[str, Any]) -> CommandFuture[None]:
        """JavaScript: `call.sendAIConversationMessage`, for the result of a client-side tool.

        Args:
            item: `{"type": "function_call_output", "call_id": ..., "output": ...}`, or
                `{"type": "response.audio_stream.subscribe"}`.

        Raises:
            SocketConnectionError: There is no connection: a result that comes late is worth nothing.
            ClientConfigurationError: It is no such item.
        """
        assistant = self._client.ai_assistant_manager
        if not self._client.is_connected():
            raise SocketConnectionError("the message cannot be sent: not connected")
        if item.get("type") == "response.audio_stream.subscribe":
            return assistant.subscribe_response_audio_stream()
        call_id, output = item.get("call_id"), item.get("output")
        if item.get("type") != "function_call_output" or not isinstance(call_id, str) or not isinstance(output, str):
            raise ClientConfigurationError("send_ai_conversation_message takes a function_call_output with two texts")
        return assistant.send_function_call_output(call_id, output)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _tell(self, state: str) -> bool:
        """Delegate thread: the listeners are about to be told this; whether it is new to them."""
        if state == self.state:
            return False
        self.prev_state, self.state = self.state, state
        return True


def audio_device_id(device_id: int | str | None) -> int | str | None:
    """JavaScript's ids of devices are texts, ours are the indexes of `list_devices()`, or names."""
    if isinstance(device_id, str):
        if device_id in ("", "default"):
            return None
        if device_id.isdecimal() and len(device_id) < 10:
            return int(device_id)
    return device_id
