"""Every state machine of the protocol, as data: session, gateway, call; and the values that users see of them.

Rules of this file:

1. The tables here say which state follows which. All states in the SDK come out of `advance`.
2. If a table does not have a pair of state and event, `advance` raises `LocalProtocolError`, and the state stays as it
   was: the caller has made a mistake. For events that the *server* may send at any time, call `allows` first, because
   they are no mistake of ours.
3. This file knows neither frames nor time. The reason of a change is in the values (`CallState.reason`,
   `CallState.termination_reason`), never in a table.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import ClassVar, TypeVar

import attrs

from ..errors import LocalProtocolError
from .calls.reasons import CallTerminationReason, NetworkReason

__all__ = [
    "CALL_TABLE",
    "GATEWAY_TABLE",
    "SESSION_TABLE",
    "AgentState",
    "CallDirection",
    "CallInput",
    "CallState",
    "CallStateKind",
    "CallTerminationReason",
    "GatewayPhase",
    "GatewayState",
    "NetworkReason",
    "SessionInput",
    "SessionState",
    "advance",
    "allows",
]

_State = TypeVar("_State", bound=enum.Enum)
_Input = TypeVar("_Input", bound=enum.Enum)


def allows(table: Mapping[_State, Mapping[_Input, _State]], state: _State, event: _Input) -> bool:
    """Whether `advance` would accept this event in this state."""
    return event in table[state]


def advance(table: Mapping[_State, Mapping[_Input, _State]], state: _State, event: _Input) -> _State:
    """The state that follows.

    Raises:
        LocalProtocolError: The table has no such arrow; the message names state and event.
    """
    try:
        return table[state][event]
    except KeyError:
        raise LocalProtocolError(
            f"{type(event).__name__} {event.name} is not allowed in {type(state).__name__} {state.name}"
        ) from None


# -- the session: from the socket's opening to its end -----------------------------------------------------------------


class SessionState(enum.Enum):
    """How far one connection to the server has come."""

    IDLE = "idle"
    """The socket is not open yet."""
    LOGGING_IN = "logging in"
    """The login frame, the first of all frames, is out (S1, R19)."""
    REGISTERING = "registering"
    """The login was accepted; the gateway has not said `REGED` yet."""
    READY = "ready"
    """Calls go through."""
    RECONNECTING = "reconnecting"
    """The socket is gone, and another one is to follow; from its opening on it is as with the first."""
    CLOSING = "closing"
    """We are done with it, by wish or by failure; what still arrives is ignored."""
    CLOSED = "closed"
    """The socket is gone."""


class SessionInput(enum.Enum):
    """What can happen to a session."""

    OPENED = "the socket opened"
    LOGIN_ACCEPTED = "the server accepted the login"
    REGISTERED = "the gateway said REGED"
    LOGIN_REQUIRED = "the server asked for a new login (R16)"
    LOST = "the socket was lost or given up, and another will follow"
    ENDED = "we ended the session"
    CLOSED = "the socket closed"


SESSION_TABLE: Mapping[SessionState, Mapping[SessionInput, SessionState]] = {
    SessionState.IDLE: {
        SessionInput.OPENED: SessionState.LOGGING_IN,
        SessionInput.ENDED: SessionState.CLOSING,
        SessionInput.CLOSED: SessionState.CLOSED,
    },
    SessionState.LOGGING_IN: {
        SessionInput.LOGIN_ACCEPTED: SessionState.REGISTERING,
        SessionInput.LOST: SessionState.RECONNECTING,
        SessionInput.ENDED: SessionState.CLOSING,
        SessionInput.CLOSED: SessionState.CLOSED,
    },
    SessionState.REGISTERING: {
        SessionInput.REGISTERED: SessionState.READY,
        SessionInput.LOGIN_REQUIRED: SessionState.LOGGING_IN,
        SessionInput.LOST: SessionState.RECONNECTING,
        SessionInput.ENDED: SessionState.CLOSING,
        SessionInput.CLOSED: SessionState.CLOSED,
    },
    SessionState.READY: {
        SessionInput.LOGIN_REQUIRED: SessionState.LOGGING_IN,
        SessionInput.LOST: SessionState.RECONNECTING,
        SessionInput.ENDED: SessionState.CLOSING,
        SessionInput.CLOSED: SessionState.CLOSED,
    },
    SessionState.RECONNECTING: {
        SessionInput.OPENED: SessionState.LOGGING_IN,
        # An attempt that did not even get a socket.
        SessionInput.LOST: SessionState.RECONNECTING,
        SessionInput.ENDED: SessionState.CLOSING,
        SessionInput.CLOSED: SessionState.CLOSED,
    },
    SessionState.CLOSING: {
        # The socket may open in the very moment in which the user gives up; no login follows then.
        SessionInput.OPENED: SessionState.CLOSING,
        SessionInput.ENDED: SessionState.CLOSING,
        SessionInput.CLOSED: SessionState.CLOSED,
    },
    SessionState.CLOSED: {
        SessionInput.ENDED: SessionState.CLOSED,
    },
}


# -- the gateway: what the server says about the registration ----------------------------------------------------------


class GatewayState(str, enum.Enum):
    """The gateway states on the wire, as far as any official SDK knows them (protocol.md 2.6)."""

    UNREGED = "UNREGED"
    TRYING = "TRYING"
    REGISTER = "REGISTER"
    REGED = "REGED"
    UNREGISTER = "UNREGISTER"
    FAILED = "FAILED"
    FAIL_WAIT = "FAIL_WAIT"
    EXPIRED = "EXPIRED"
    NOREG = "NOREG"
    TIMEOUT = "TIMEOUT"
    DOWN = "DOWN"
    ATTACHED = "ATTACHED"
    IDLE = "IDLE"
    """Flutter's, before there is a login; no server sends it."""


class GatewayPhase(enum.Enum):
    """What the gateway states amount to. The events of this machine are the `GatewayState`s themselves."""

    WAITING = "waiting"
    REGISTERED = "registered"
    FAILED = "failed"


# `ATTACHED` answers `attachCalls` and says nothing about the registration (11.1, assertion 10).
_NOT_YET = (
    GatewayState.UNREGED,
    GatewayState.TRYING,
    GatewayState.REGISTER,
    GatewayState.UNREGISTER,
    GatewayState.NOREG,
    GatewayState.ATTACHED,
    GatewayState.IDLE,
)
_LOST = (
    GatewayState.FAILED,
    GatewayState.FAIL_WAIT,
    GatewayState.EXPIRED,
    GatewayState.TIMEOUT,
    GatewayState.DOWN,
)

GATEWAY_TABLE: Mapping[GatewayPhase, Mapping[GatewayState, GatewayPhase]] = {
    GatewayPhase.WAITING: {
        GatewayState.REGED: GatewayPhase.REGISTERED,
        **dict.fromkeys(_NOT_YET, GatewayPhase.WAITING),
        **dict.fromkeys(_LOST, GatewayPhase.FAILED),
    },
    GatewayPhase.REGISTERED: {
        GatewayState.REGED: GatewayPhase.REGISTERED,
        # Once registered, a state on the way there is old news (iOS and Flutter ignore it too).
        **dict.fromkeys(_NOT_YET, GatewayPhase.REGISTERED),
        **dict.fromkeys(_LOST, GatewayPhase.FAILED),
    },
    GatewayPhase.FAILED: {},
}


# -- the call ----------------------------------------------------------------------------------------------------------


class CallStateKind(enum.Enum):
    """The kinds of `CallState`, without the reasons that a state may carry. iOS: the cases of `CallState`."""

    NEW = "NEW"
    CONNECTING = "CONNECTING"
    RINGING = "RINGING"
    ACTIVE = "ACTIVE"
    HELD = "HELD"
    RECONNECTING = "RECONNECTING"
    DROPPED = "DROPPED"
    DONE = "DONE"


class CallDirection(str, enum.Enum):
    """Who called whom."""

    INBOUND = "inbound"
    """Somebody calls you."""
    OUTBOUND = "outbound"
    """You call."""


class CallInput(enum.Enum):
    """What can happen to a call."""

    PLACED = "the offer is being made"
    OFFERED = "somebody calls us"
    TAKEN = "the user takes the call, and the answer is being made"
    PROGRESS = "the far end rings or sends early media"
    ESTABLISHED = "the far end answered and its SDP is applied"
    HELD = "the server confirmed the hold"
    RESUMED = "the server confirmed the end of the hold"
    LOST = "the signalling connection was lost"
    RECOVERING = "the connection is being made again"
    ENDED = "the call is over"


CALL_TABLE: Mapping[CallStateKind, Mapping[CallInput, CallStateKind]] = {
    CallStateKind.NEW: {
        CallInput.PLACED: CallStateKind.CONNECTING,
        CallInput.OFFERED: CallStateKind.RINGING,
        CallInput.ENDED: CallStateKind.DONE,
    },
    CallStateKind.CONNECTING: {
        CallInput.PROGRESS: CallStateKind.RINGING,
        CallInput.ESTABLISHED: CallStateKind.ACTIVE,
        CallInput.ENDED: CallStateKind.DONE,
    },
    CallStateKind.RINGING: {
        CallInput.PROGRESS: CallStateKind.RINGING,
        CallInput.TAKEN: CallStateKind.CONNECTING,
        CallInput.ESTABLISHED: CallStateKind.ACTIVE,
        CallInput.ENDED: CallStateKind.DONE,
    },
    # Only answered calls can be recovered (S14), so `LOST` leads to DROPPED from here on and is unknown before.
    CallStateKind.ACTIVE: {
        CallInput.HELD: CallStateKind.HELD,
        CallInput.LOST: CallStateKind.DROPPED,
        CallInput.RECOVERING: CallStateKind.RECONNECTING,
        CallInput.ENDED: CallStateKind.DONE,
    },
    CallStateKind.HELD: {
        CallInput.RESUMED: CallStateKind.ACTIVE,
        CallInput.LOST: CallStateKind.DROPPED,
        CallInput.RECOVERING: CallStateKind.RECONNECTING,
        CallInput.ENDED: CallStateKind.DONE,
    },
    CallStateKind.RECONNECTING: {
        CallInput.ESTABLISHED: CallStateKind.ACTIVE,
        CallInput.HELD: CallStateKind.HELD,
        CallInput.LOST: CallStateKind.DROPPED,
        CallInput.ENDED: CallStateKind.DONE,
    },
    CallStateKind.DROPPED: {
        CallInput.RECOVERING: CallStateKind.RECONNECTING,
        CallInput.ENDED: CallStateKind.DONE,
    },
    CallStateKind.DONE: {},
}


@attrs.frozen(eq=False, repr=False)
class CallState:
    """The state of a call, with its reason where it has one. iOS: `CallState`.

    States compare and hash by kind only: `state == CallState.DONE` is true whatever ended the call.

    Attributes:
        kind: Which state.
        reason: Why, of `RECONNECTING` and `DROPPED`.
        termination_reason: Why, of `DONE`.
    """

    kind: CallStateKind
    reason: NetworkReason | None = None
    termination_reason: CallTerminationReason | None = None

    NEW: ClassVar[CallState]
    """Made; nothing has been done for it yet."""
    CONNECTING: ClassVar[CallState]
    """The offer is being made or on its way; of an incoming call, the answer."""
    RINGING: ClassVar[CallState]
    """The far end rings, and early media may be heard; or an incoming call waits for your answer."""
    ACTIVE: ClassVar[CallState]
    """Answered."""
    HELD: ClassVar[CallState]
    """On hold."""
    RECONNECTING: ClassVar[CallState]
    """The connection is being made again; the call may come back."""
    DROPPED: ClassVar[CallState]
    """The connection was lost."""
    DONE: ClassVar[CallState]
    """Over. The last state."""

    @classmethod
    def reconnecting(cls, reason: NetworkReason) -> CallState:
        """`RECONNECTING` with its reason."""
        return cls(CallStateKind.RECONNECTING, reason=reason)

    @classmethod
    def dropped(cls, reason: NetworkReason) -> CallState:
        """`DROPPED` with its reason."""
        return cls(CallStateKind.DROPPED, reason=reason)

    @classmethod
    def done(cls, reason: CallTerminationReason | None) -> CallState:
        """`DONE` with its reason."""
        return cls(CallStateKind.DONE, termination_reason=reason)

    @property
    def value(self) -> str:
        """The name of the state, such as `"NEW"`. iOS: `value`."""
        return self.kind.value

    def get_reason(self) -> str | None:
        """The reason in words: the network's, or the cause of `DONE`. iOS: `getReason()`."""
        if self.termination_reason is not None:
            return self.termination_reason.cause
        return None if self.reason is None else self.reason.value

    @property
    def is_considered_active(self) -> bool:
        """Whether the call is answered and up: `ACTIVE` or `HELD`. iOS: `isConsideredActive`."""
        return self.kind in (CallStateKind.ACTIVE, CallStateKind.HELD)

    @property
    def is_terminal(self) -> bool:
        """Whether nothing follows: `DONE`."""
        return self.kind is CallStateKind.DONE

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CallState):
            return NotImplemented
        return self.kind is other.kind

    def __hash__(self) -> int:
        return hash(self.kind)

    def __str__(self) -> str:
        why = self.termination_reason if self.reason is None else self.reason.value
        return self.value if why is None else f"{self.value} ({why})"

    def __repr__(self) -> str:
        return f"<CallState {self}>"


for _kind in CallStateKind:
    setattr(CallState, _kind.name, CallState(_kind))
del _kind


# -- the agent ---------------------------------------------------------------------------------------------------------


class AgentState(str, enum.Enum):
    """What the assistant does at the moment, as far as its messages tell (R50)."""

    IDLE = "idle"
    """There is no call."""
    LISTENING = "listening"
    """It waits for the user or hears them speak."""
    THINKING = "thinking"
    """The user has finished; no response yet."""
    SPEAKING = "speaking"
    """It responds; the user may interrupt."""
    PROCESSING_IMAGE = "processing image"
    """As `THINKING`, about an image."""
