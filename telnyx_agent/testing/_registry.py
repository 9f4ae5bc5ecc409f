"""What outlives a socket: sessions, their calls and the server-wide request counter. Pure.

A session is known by its id, which the first frame on a socket fixed (S1). When its socket is lost, unanswered calls
end at once, answered ones wait `detach_timeout` for the client to log in with the same session id (S14, S15).
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import attrs

from ._bounds import CALLS_AT_ONCE, SESSIONS_AT_ONCE, Recent
from ._deliveries import Deliveries
from ._events import CallEnded

__all__ = ["CallPhase", "Connection", "Registry", "ServerCall", "ServerSession"]

RECOVERY_EXPIRED = "RECOVERY_ON_TIMER_EXPIRE"


class CallPhase(enum.Enum):
    """How far a call got."""

    INVITED = "invited"
    RINGING = "ringing"
    EARLY = "early"
    ANSWERED = "answered"
    ENDED = "ended"


class Connection(Protocol):
    """What the registry's users need of the connection that holds a session."""

    number: int

    def supersede(self, now: float) -> None:
        """Another socket took the session over: punt, then close."""


@attrs.define
class ServerCall:
    """One call, as the server sees it."""

    call_id: str
    dialog: dict[str, Any]
    leg_id: str
    telnyx_session_id: str
    control_id: str
    phase: CallPhase = CallPhase.INVITED
    local_sdp: str | None = None
    held: bool = False
    detached: bool = False
    attach_pending: bool = False
    update_request: Any = None
    updating: bool = False
    steps: deque[tuple[float, str]] = attrs.field(factory=deque)
    invited_at: float = 0.0
    cause: str | None = None
    to_client: bool = False
    """Whether the server calls the client."""

    @property
    def key(self) -> str:
        """Call ids are compared without regard to case: iOS and Android spell UUIDs differently."""
        return self.call_id.lower()

    def ids(self) -> dict[str, Any]:
        """The three Telnyx ids."""
        return {
            "telnyx_call_control_id": self.control_id,
            "telnyx_leg_id": self.leg_id,
            "telnyx_session_id": self.telnyx_session_id,
        }

    def parties(self) -> dict[str, Any]:
        """Caller and callee as `ringing` and `attach` name them."""
        return {
            "callee_id_name": str(self.dialog.get("remote_caller_id_name") or "Outbound Call"),
            "callee_id_number": str(self.dialog.get("destination_number") or ""),
            "caller_id_name": str(self.dialog.get("caller_id_name") or ""),
            "caller_id_number": str(self.dialog.get("caller_id_number") or ""),
        }


@attrs.define
class ServerSession:
    """One logged-in client."""

    session_id: str
    target_id: str = ""
    """The assistant; of a login with credentials the user."""
    has_credentials: bool = False
    voice_sdk_id: str = ""
    connection: Connection | None = None
    calls: dict[str, ServerCall] = attrs.field(factory=dict)
    pending_functions: dict[str, str] = attrs.field(factory=dict)
    last_item_id: str | None = None
    deliveries: Deliveries = attrs.field(factory=Deliveries)
    """What was said in its calls, as far as its client may not have received it; sent again when that is back."""
    expires_at: float | None = None

    def find_call(self, call_id: object) -> ServerCall | None:
        """A live call by its id."""
        return self.calls.get(call_id.lower()) if isinstance(call_id, str) else None

    @property
    def active_call(self) -> ServerCall | None:
        """The call that conversation frames belong to: the latest one that is answered."""
        answered = [call for call in self.calls.values() if call.phase is CallPhase.ANSWERED]
        return answered[-1] if answered else None


class Registry:
    """All sessions of one server.

    Args:
        first_request_id: Where the server-wide counter of request ids starts (S7; rule 3: a random 5-digit number).
    """

    def __init__(self, *, first_request_id: int) -> None:
        self.sessions: dict[str, ServerSession] = {}
        self.voice_sdk_ids = Recent()
        self.report_ids = Recent()
        """Keys of call reports, as given out with `REGED`."""
        self._request_id = first_request_id
        self._events: deque[CallEnded] = deque()

    def next_request_id(self) -> int:
        """A new id; unique in this server."""
        self._request_id += 1
        return self._request_id

    def call_exists(self, call_id: str) -> bool:
        """Whether any session has a live call with this id."""
        return any(call_id.lower() in session.calls for session in self.sessions.values())

    @property
    def is_full(self) -> bool:
        """Whether there are as many calls as this server takes."""
        return sum(len(session.calls) for session in self.sessions.values()) >= CALLS_AT_ONCE

    def make_room(self) -> None:
        """If there are too many sessions, forget the one that has waited longest for its client, if any waits."""
        if len(self.sessions) >= SESSIONS_AT_ONCE:
            waiting = [session for session in self.sessions.values() if session.connection is None]
            if waiting:
                self.forget(min(waiting, key=lambda session: session.expires_at or 0.0))

    def detach(self, session: ServerSession, now: float, timeout: float) -> list[ServerCall]:
        """The session's socket is gone. Returns the calls that end with it, already removed."""
        session.connection = None
        lost = [call for call in session.calls.values() if call.phase is not CallPhase.ANSWERED]
        for call in lost:
            del session.calls[call.key]
        for call in session.calls.values():
            call.detached = True
        session.expires_at = now + timeout
        return lost

    def get_timer(self) -> float | None:
        """When `handle_timer` wants to be called next."""
        return min((s.expires_at for s in self.sessions.values() if s.expires_at is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Forget sessions whose client did not come back."""
        for session in list(self.sessions.values()):
            if session.expires_at is not None and session.expires_at <= now:
                self.forget(session)

    def forget(self, session: ServerSession) -> None:
        """End a session's calls and the session."""
        for call in session.calls.values():
            call.phase = CallPhase.ENDED
            self._events.append(CallEnded(call.call_id, RECOVERY_EXPIRED, by_client=False))
        session.calls.clear()
        self.sessions.pop(session.session_id, None)

    def next_event(self) -> CallEnded | None:
        """The oldest call that ended because nobody came back for it."""
        return self._events.popleft() if self._events else None


IdMaker = Callable[[], str]
