"""`Dialog`: one call leg, from `new_call` or the server's invite to the end.

Rules of this file:

1. The first SDP counts, whether it came with `media` or with `answer` (R28, S13).
2. A call is active when it was answered *and* its SDP is applied, in any order (R29).
3. Ringing and early media make a call `RINGING`. After the answer they are ignored.
4. A call that was active goes on after its connection is lost: the server offers new media for it, and then it is as
   before, also held if it was held (R54).
5. Changes are reported as events. `calls` decides which frames are sent.
6. A call that comes in is active when the server has confirmed the answer (as in JavaScript; the mobile SDKs do not
   wait).
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ...errors import LocalProtocolError
from ..outcomes import (
    CallDetails,
    CallProgress,
    CallStateChanged,
    CallStep,
    CallUpdated,
    IncomingCall,
    MediaOffered,
    RemoteDescription,
    SessionEvent,
)
from ..states import (
    CALL_TABLE,
    CallDirection,
    CallInput,
    CallState,
    CallStateKind,
    CallTerminationReason,
    NetworkReason,
    advance,
    allows,
)
from ..wire import inbound
from ..wire.requests import CallOptions

__all__ = ["CAUSE_CODES", "Dialog", "Dialogs", "IncomingDialog"]

CAUSE_CODES = {
    "UNALLOCATED_NUMBER": 1,
    "NORMAL_CLEARING": 16,
    "USER_BUSY": 17,
    "CALL_REJECTED": 21,
    "NORMAL_TEMPORARY_FAILURE": 41,
    "INCOMPATIBLE_DESTINATION": 88,
    "MANDATORY_IE_MISSING": 96,
    "RECOVERY_ON_TIMER_EXPIRE": 102,
    "ORIGINATOR_CANCEL": 487,
}
"""Hang-up causes and their numbers, as far as all servers agree on these (S20)."""

_ESTABLISHED = frozenset({CallStateKind.ACTIVE, CallStateKind.HELD, CallStateKind.DROPPED, CallStateKind.RECONNECTING})


class Dialog:
    """One call that we make. Its methods are called for what happens to it.

    Args:
        options: What the program wants of the call.
        report: Takes the events that follow.
    """

    def __init__(self, options: CallOptions, report: Callable[[SessionEvent], None]) -> None:
        self.options = options
        self._report = report
        self.state = CallState.NEW
        self.details = CallDetails()
        self.local_description: str | None = None
        """Our offer, or our answer to the server's."""
        self.is_sent = False
        """Whether that was sent."""
        self.is_answered = False
        self.is_taken_up = False
        """Whether the server has offered on this connection to take the call up again."""
        self.awaits_media_answer = False
        """Whether our answer to that offer is being made."""
        self.lost_since = 0.0
        """For a lost call: when its connection was lost."""
        self.repairs: list[float] = []
        """The times at which its media were lost while the signalling worked."""
        self.bye_headers: tuple[tuple[str, str], ...] = ()
        """Custom headers for our bye."""
        self._has_answer = False
        self._is_applied = False
        self._is_held = False
        self._loss = NetworkReason.SERVER_ERROR

    @property
    def call_id(self) -> str:
        """The call's id."""
        return self.options.call_id

    @property
    def has_remote_description(self) -> bool:
        """Whether an SDP came."""
        return self._has_answer

    @property
    def is_invited(self) -> bool:
        """Whether both sides know of the call."""
        return self.is_sent

    @property
    def is_offered(self) -> bool:
        """Whether it is a call that comes in and is not up yet."""
        return False

    @property
    def hangup_cause(self) -> tuple[str, int]:
        """Cause and code for a bye of ours (R31): 16; 17 before the answer, which keeps TeXML from calling again."""
        cause = "NORMAL_CLEARING" if self.is_answered else "USER_BUSY"
        return cause, CAUSE_CODES[cause]

    # -- our side ------------------------------------------------------------------------------------------------------

    def announce(self) -> None:
        """Report that there is a call."""
        self._report(CallStateChanged(self.call_id, self.state))

    def place(self) -> None:
        """The program places the call, and its offer is being made."""
        self.announce()
        self._enter(CallInput.PLACED)

    def describe(self, sdp: str) -> None:
        """Its local description is made.

        Raises:
            LocalProtocolError: It has one already.
        """
        if self.local_description is not None:
            raise LocalProtocolError("the call has an offer already", call_id=self.call_id)
        self.local_description = sdp

    def remote_description_applied(self) -> None:
        """The media took the SDP."""
        self._is_applied = True
        self._activate()

    @property
    def is_established(self) -> bool:
        """Whether the call has been active, so that it can be taken up again (S14)."""
        return self.state.kind in _ESTABLISHED

    @property
    def is_lost(self) -> bool:
        """Whether the call waits for being taken up again."""
        return self.state.kind in (CallStateKind.DROPPED, CallStateKind.RECONNECTING)

    def lose(self, reason: NetworkReason) -> None:
        """The signalling connection is lost. Reported for calls that were answered (S14)."""
        self._leave_connection(reason)
        if allows(CALL_TABLE, self.state.kind, CallInput.LOST):
            self._enter(CallInput.LOST, reason=reason)

    def replace(self, reason: NetworkReason) -> None:
        """We have given up the connection ourselves, to get another."""
        self._leave_connection(reason)
        if allows(CALL_TABLE, self.state.kind, CallInput.RECOVERING):
            self._enter(CallInput.RECOVERING, reason=reason)

    def _leave_connection(self, reason: NetworkReason) -> None:
        self.is_taken_up = self.awaits_media_answer = False
        self._loss = reason

    def media_offered(self, sdp: str, ids: inbound.CallIds) -> None:
        """The server takes the call up again."""
        self.learn(ids)
        self.is_taken_up = self.awaits_media_answer = True
        if allows(CALL_TABLE, self.state.kind, CallInput.RECOVERING):
            self._enter(CallInput.RECOVERING, reason=self._loss)
        self._report(MediaOffered(self.call_id, sdp))

    def taken_up(self) -> None:
        """The server has our answer: the call goes on."""
        if self.state.kind is CallStateKind.RECONNECTING:
            self._enter(CallInput.HELD if self._is_held else CallInput.ESTABLISHED)

    def hold_confirmed(self, held: bool) -> None:
        """The server says whether the call is on hold now."""
        event = CallInput.HELD if held else CallInput.RESUMED
        if allows(CALL_TABLE, self.state.kind, event):
            self._enter(event)

    def end(self, reason: CallTerminationReason) -> None:
        """The call is over."""
        self._enter(CallInput.ENDED, termination_reason=reason)

    # -- the far end ---------------------------------------------------------------------------------------------------

    def ringing(self, event: inbound.Ringing) -> None:
        """The far end rings."""
        self.learn(event.ids)
        self._report(CallProgress(self.call_id, CallStep.RINGING))
        self._progress()

    def media(self, event: inbound.Media) -> None:
        """Early media; without SDP, as React Native's tests have it, it means nothing."""
        self.learn(event.ids)
        if event.sdp is not None:
            self._progress()
            self._accept(event.sdp)

    def answer(self, event: inbound.Answer) -> None:
        """The far end answered."""
        self.is_answered = True
        self._report(CallProgress(self.call_id, CallStep.ANSWERED))
        self.learn(event.ids, answer_custom_headers=event.custom_headers)
        if event.sdp is not None:
            self._accept(event.sdp)
        self._activate()

    def bye(self, event: inbound.Bye) -> None:
        """The far end hung up."""
        self.learn(event.ids, bye_custom_headers=event.custom_headers)

    def learn(self, ids: inbound.CallIds, **headers: tuple[tuple[str, str], ...]) -> None:
        """Keep what is new. What is not in the frame stays as it was."""
        known = {name: value for name, value in attrs.asdict(ids).items() if value is not None}
        known |= {name: value for name, value in headers.items() if value}
        details = attrs.evolve(self.details, **known)
        if details != self.details:
            self.details = details
            self._report(CallUpdated(self.call_id, details))

    # -- inside --------------------------------------------------------------------------------------------------------

    def _progress(self) -> None:
        if not self.is_answered and allows(CALL_TABLE, self.state.kind, CallInput.PROGRESS):
            self._enter(CallInput.PROGRESS)

    def _accept(self, sdp: str) -> None:
        if not self._has_answer:
            self._has_answer = True
            self._report(CallProgress(self.call_id, CallStep.REMOTE_DESCRIPTION))
            self._report(RemoteDescription(self.call_id, sdp))

    def _activate(self) -> None:
        ready = self.is_answered and self._is_applied and not self.is_established
        if ready and allows(CALL_TABLE, self.state.kind, CallInput.ESTABLISHED):
            self._enter(CallInput.ESTABLISHED)

    def _enter(
        self,
        event: CallInput,
        *,
        reason: NetworkReason | None = None,
        termination_reason: CallTerminationReason | None = None,
    ) -> None:
        kind = advance(CALL_TABLE, self.state.kind, event)
        if kind in (CallStateKind.ACTIVE, CallStateKind.HELD):
            self._is_held = kind is CallStateKind.HELD
        if kind is not self.state.kind:
            self.state = CallState(kind, reason, termination_reason)
            self._report(CallStateChanged(self.call_id, self.state))


class IncomingDialog(Dialog):
    """A call that somebody else makes.

    Args:
        event: The invite; it has an SDP.
        report: Takes the events that follow.
    """

    def __init__(self, event: inbound.Invite, report: Callable[[SessionEvent], None]) -> None:
        options = CallOptions(
            event.call_id,
            caller_name=event.caller_name,
            caller_number=event.caller_number,
            destination_number=event.callee_number,
            callee_name=event.callee_name,
            custom_headers=event.custom_headers,
            direction=CallDirection.INBOUND,
        )
        super().__init__(options, report)
        self.is_taken = False
        self._offer_sdp = event.sdp or ""

    def ring(self, event: inbound.Invite) -> None:
        """The call is announced."""
        known = {name: value for name, value in attrs.asdict(event.ids).items() if value is not None}
        self.details = attrs.evolve(self.details, **known)
        self._report(IncomingCall(self.options, self.details))
        self._enter(CallInput.OFFERED)

    def take(self, headers: tuple[tuple[str, str], ...]) -> str:
        """The user answers the call. Returns the offer."""
        self.is_taken = True
        # From now on, our frames have these headers: the answer, and the attach when the call is taken up again.
        self.options = attrs.evolve(self.options, custom_headers=headers)
        if headers:
            self.details = attrs.evolve(self.details, answer_custom_headers=headers)
            self._report(CallUpdated(self.call_id, self.details))
        self._enter(CallInput.TAKEN)
        return self._offer_sdp

    def confirmed(self) -> None:
        """The server has our answer."""
        self.is_answered = True
        self._enter(CallInput.ESTABLISHED)

    @property
    def has_remote_description(self) -> bool:
        """The offer came with the invite."""
        return True

    @property
    def is_invited(self) -> bool:
        """From the beginning."""
        return True

    @property
    def is_offered(self) -> bool:
        """Whether it is not up yet."""
        return not self.is_established

    def describe(self, sdp: str) -> None:
        """The answer is made."""
        if self.local_description is not None or not self.is_taken:
            raise LocalProtocolError("the call needs no answer", call_id=self.call_id)
        self.local_description = sdp

    # These frames are about calls that *we* make. Here, only their ids are of use.

    def ringing(self, event: inbound.Ringing) -> None:
        self.learn(event.ids)

    def media(self, event: inbound.Media) -> None:
        self.learn(event.ids)

    def answer(self, event: inbound.Answer) -> None:
        self.learn(event.ids)


class Dialogs(dict[str, Dialog]):
    """The calls of a session that have not ended, by their ids, in the order in which they began."""

    @property
    def has_active(self) -> bool:
        """Whether a call is answered and up."""
        return any(dialog.state.is_considered_active for dialog in self.values())

    @property
    def has_lost(self) -> bool:
        """Whether a call waits for being taken up again."""
        return any(dialog.is_lost for dialog in self.values())
