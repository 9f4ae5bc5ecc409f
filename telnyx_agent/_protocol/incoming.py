"""`AllCalls`: the calls of a session, also those that somebody else makes.

Rules of this file:

1. An invite makes the call ring, once: a repetition, also one that comes after the call's end, changes nothing.
2. Sessions with an assistant are never called; what looks like it is acknowledged and ignored.
3. The user takes a call (`answer_call`), its media make the answer (`set_local_description`), and the call is active
   when the server has confirmed that (JavaScript; the mobile SDKs do not wait).
4. Until then the server ends the call with the connection (S14), and so do we; from then on it is as any other.
5. To turn a call down is a bye with 17 (`hang_up`); the caller's giving up is a bye of the server's.
6. An invite that nobody could answer is refused and makes no call: without an offer, with an id that is none, or when
   too many calls ring already, or have begun to in the last seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import attrs

from ..errors import CallError, LocalProtocolError, RemoteProtocolError, ServerError
from . import events, requests
from .calls import Calls
from .channel import Pending, RequestKind
from .credentials import is_anonymous
from .dialog import CAUSE_CODES, Dialog
from .jsonrpc import MOST_ID_CHARACTERS
from .outcomes import CallUpdated, IncomingCall, Malformed, SessionEvent
from .requests import CallOptions
from .states import CallDirection, CallInput, CallTerminationReason
from .timers import Timer, TimerKind

__all__ = ["AllCalls", "IncomingDialog"]

_REMEMBERED = 1000
"""Of how many calls an invite with their id is recognised as a repetition, so that none comes back after its end."""

MOST_RINGING = 20
"""Calls that may ring at the same time; further ones get a busy tone. A server must not be able to fill the memory."""

RINGING_PERIOD = 10.0
"""Seconds in which at most `MOST_RINGING` calls may begin to ring, also if they end at once: each one is made with its
audio path, and is kept until its callback has run."""

_UNUSABLE, _BUSY = "MANDATORY_IE_MISSING", "USER_BUSY"


class IncomingDialog(Dialog):
    """A call that somebody else makes.

    Args:
        event: The invite; it has an SDP.
        report: Takes the events that follow.
    """

    def __init__(self, event: events.Invite, report: Callable[[SessionEvent], None]) -> None:
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
        self.is_invited = True
        self.is_taken = False
        self.is_answer_sent = False
        self.answer_sdp: str | None = None
        self._offer_sdp = event.sdp or ""

    def ring(self, event: events.Invite) -> None:
        """The call is announced."""
        known = {name: value for name, value in attrs.asdict(event.ids).items() if value is not None}
        self.details = attrs.evolve(self.details, **known)
        self._report(IncomingCall(self.options, self.details))
        self._enter(CallInput.OFFERED)

    def take(self, headers: tuple[tuple[str, str], ...]) -> str:
        """The user takes it; the offer is the result."""
        self.is_taken = True
        # From here on they are what we send: in the answer, and when the call is taken up again.
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

    # What is said of calls that *we* make tells nothing about this one but its ids.

    def ringing(self, event: events.Ringing) -> None:
        self.learn(event.ids)

    def media(self, event: events.Media) -> None:
        self.learn(event.ids)

    def answer(self, event: events.Answer) -> None:
        self.learn(event.ids)


class AllCalls(Calls):
    """Calls in both directions."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._known: dict[str, None] = {}
        # When the last calls began to ring.
        self._rang: deque[float] = deque(maxlen=MOST_RINGING)

    # -- the far end ---------------------------------------------------------------------------------------------------

    def invite(self, event: events.Invite, now: float) -> None:
        """Somebody calls."""
        if is_anonymous(self._registration.login) or not self._registration.is_logged_in:
            return
        if event.call_id in self._dialogs or event.call_id in self._known:
            return
        if not events.is_call_id(event.call_id):
            # Not remembered: it may have thousands of characters.
            self._report(Malformed(RemoteProtocolError("telnyx_rtc.invite with a callID that is not a UUID")))
            # Nor repeated: a server that takes nothing would fill what waits to be sent with them. It gets its result.
            if len(event.call_id) <= MOST_ID_CHARACTERS:
                self._refuse(event.call_id, _UNUSABLE)
            return
        self._remember(event.call_id)
        if event.sdp is None:
            self._report(Malformed(RemoteProtocolError("telnyx_rtc.invite without a description of its audio (SDP)")))
            self._refuse(event.call_id, _UNUSABLE)
            return
        are_too_many = len(self._rang) == MOST_RINGING and now - self._rang[0] < RINGING_PERIOD
        if are_too_many or sum(_is_new(dialog) for dialog in self._dialogs.values()) >= MOST_RINGING:
            self._refuse(event.call_id, _BUSY)
            return
        self._rang.append(now)
        dialog = IncomingDialog(event, self._report)
        self._dialogs[event.call_id] = dialog
        self._timers.set(Timer(TimerKind.SETUP, event.call_id), now + self._settings.setup_timeout)
        dialog.ring(event)

    def _refuse(self, call_id: str, cause: str) -> None:
        """Nobody waits for the answer to this bye."""
        session_id = self._registration.session_id
        self._channel.send(requests.bye(self._channel.new_id(), call_id, session_id, cause, CAUSE_CODES[cause]))

    def reattached(self, call_ids: tuple[str, ...], now: float) -> None:
        """As for other calls; one that rings is new, so the server does not count it among them."""
        new = (dialog.call_id for dialog in self._dialogs.values() if _is_new(dialog))
        super().reattached((*call_ids, *new), now)

    def answer_accepted(self, call_id: str, now: float) -> None:
        """The server has our answer: the call is active."""
        dialog = self._dialogs.get(call_id)
        if isinstance(dialog, IncomingDialog) and dialog.is_answer_sent and not dialog.is_answered:
            dialog.confirmed()
            self._look_at(dialog, now)

    def answer_refused(self, call_id: str, refusal: events.Refusal | None, now: float) -> None:
        """The server did not take our answer, or said nothing. The bye is for the case that it keeps the call."""
        dialog = self._dialogs.get(call_id)
        if not isinstance(dialog, IncomingDialog) or dialog.is_answered:
            return
        if refusal is None:
            error = CallError("the server did not confirm the answer to the call in time", call_id=call_id)
        else:
            text = f"the server refused the answer to the call: {refusal}"
            error = CallError(text, code=40005, call_id=call_id, cause=refusal.cause)
            error.__cause__ = ServerError(
                str(refusal), call_id=call_id, server_message=refusal.message, server_code=refusal.code
            )
        reason = CallTerminationReason(error.cause, None if refusal is None else refusal.cause_code, error=error)
        self._end(dialog, reason, now, bye=dialog.hangup_cause)

    def answer_later(self, call_id: str) -> None:
        """The server wants a login first; the answer goes out again after it (R16)."""
        dialog = self._dialogs.get(call_id)
        if isinstance(dialog, IncomingDialog):
            dialog.is_answer_sent = False

    # -- our side ------------------------------------------------------------------------------------------------------

    def create(self, options: CallOptions, now: float) -> None:
        """A call is wanted."""
        super().create(options, now)
        self._remember(options.call_id)

    def _remember(self, call_id: str) -> None:
        self._known[call_id] = None
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]

    def answer_call(self, call_id: str, headers: tuple[tuple[str, str], ...], now: float) -> str:
        """The user takes a call.

        Returns:
            The offer; the answer to it is wanted by `set_local_description`.

        Raises:
            CallError: There is no such call: it has ended, or never was.
            LocalProtocolError: It is a call that we make, or it was taken already.
        """
        dialog = self._dialogs.get(call_id)
        if dialog is None:
            raise CallError("the call cannot be answered: it has ended", call_id=call_id)
        if not isinstance(dialog, IncomingDialog):
            raise LocalProtocolError("only incoming calls can be answered", call_id=call_id)
        if dialog.is_taken:
            raise LocalProtocolError("the call was answered already", call_id=call_id)
        self._conversation.start_call(call_id)
        self._expect_media(call_id, now)
        return dialog.take(headers)

    def set_local_description(self, call_id: str, offer: str, now: float) -> None:
        """The offer is made, or the answer."""
        dialog = self._dialogs.get(call_id)
        if not isinstance(dialog, IncomingDialog):
            super().set_local_description(call_id, offer, now)
            return
        if dialog.answer_sdp is not None or not dialog.is_taken:
            raise LocalProtocolError("the call wants no answer", call_id=call_id)
        dialog.answer_sdp = offer
        self._timers.cancel(Timer(TimerKind.MEDIA, call_id))
        self._send_answers(now)

    def session_ready(self, now: float) -> None:
        """The session is ready, for the first time or again."""
        super().session_ready(now)
        self._send_answers(now)

    def _send_answers(self, now: float) -> None:
        if not self._registration.is_ready:
            return
        for dialog in self._dialogs.values():
            if isinstance(dialog, IncomingDialog) and dialog.answer_sdp is not None and not dialog.is_answer_sent:
                dialog.is_answer_sent = True
                deadline = now + self._settings.request_timeout
                request_id = self._channel.expect(Pending(RequestKind.ANSWER, dialog.call_id), deadline)
                session_id = self._registration.session_id
                self._channel.send(
                    requests.answer(request_id, dialog.options, dialog.answer_sdp, session_id, self._sdk_version)
                )


def _is_new(dialog: Dialog) -> bool:
    return isinstance(dialog, IncomingDialog) and not dialog.is_established
