"""`Calls`: the dialogs of one session - what goes on the wire for them, their time-outs, and how they end."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import CallError, LocalProtocolError, ServerError, TxError
from . import events, requests
from .channel import Channel, Pending, RequestKind
from .conversation import Conversation
from .dialog import CAUSE_CODES, Dialog
from .outcomes import RingingReceived, SessionEvent
from .registration import Registration
from .requests import CallOptions
from .settings import SessionSettings
from .states import CallTerminationReason, NetworkReason
from .timers import Timer, TimerKind, Timers

__all__ = ["Calls"]

_TIMERS = (TimerKind.INVITE, TimerKind.SETUP, TimerKind.ANSWER_SDP)


class Calls:
    """All calls that have not ended. Commands about others are ignored: ends come from three sides and cross."""

    def __init__(
        self,
        channel: Channel,
        timers: Timers,
        registration: Registration,
        conversation: Conversation,
        settings: SessionSettings,
        sdk_version: str,
        report: Callable[[SessionEvent], None],
    ) -> None:
        self._channel = channel
        self._timers = timers
        self._registration = registration
        self._conversation = conversation
        self._settings = settings
        self._sdk_version = sdk_version
        self._report = report
        self._dialogs: dict[str, Dialog] = {}

    @property
    def has_active(self) -> bool:
        """Whether a call is answered and up."""
        return any(dialog.state.is_considered_active for dialog in self._dialogs.values())

    # -- our side ------------------------------------------------------------------------------------------------------

    def create(self, options: CallOptions) -> None:
        """A call is wanted."""
        if options.call_id in self._dialogs:
            raise LocalProtocolError(f"there is a call {options.call_id} already", call_id=options.call_id)
        if not self._dialogs:
            self._conversation.start_call(options.call_id)
        self._dialogs[options.call_id] = dialog = Dialog(options, self._report)
        dialog.place()

    def create_failed(self, options: CallOptions, error: TxError) -> None:
        """A call is wanted, but there will be no session for it any more."""
        dialog = Dialog(options, self._report)
        dialog.announce()
        dialog.end(_reason(error))

    def set_local_description(self, call_id: str, offer: str, now: float) -> None:
        """The offer is made; it goes out at once, or when the session is ready (R17)."""
        dialog = self._dialogs.get(call_id)
        if dialog is None:
            return
        if dialog.offer is not None:
            raise LocalProtocolError("the call has an offer already", call_id=call_id)
        dialog.offer = offer
        self.send_invites(now)

    def remote_description_applied(self, call_id: str) -> None:
        """The media took the remote SDP."""
        dialog = self._dialogs.get(call_id)
        if dialog is None:
            return
        if not dialog.has_remote_description:
            raise LocalProtocolError("the call has no remote description", call_id=call_id)
        dialog.remote_description_applied()
        self._look_at(dialog)

    def send_invites(self, now: float) -> None:
        """Send what waited for the session or for its offer."""
        if not self._registration.is_ready:
            return
        for dialog in self._dialogs.values():
            if dialog.offer is not None and not dialog.is_invited:
                self._send_invite(dialog, dialog.offer, now)

    def hang_up(self, call_id: str, now: float, cause: str | None = None, cause_code: int | None = None) -> None:
        """The user has enough. Without a cause, the one that fits the state (R31)."""
        dialog = self._dialogs.get(call_id)
        if dialog is None:
            return
        if cause is None and cause_code is None:
            cause, cause_code = dialog.hangup_cause
        elif cause is not None and cause_code is None:
            cause_code = CAUSE_CODES.get(cause)
        reason = CallTerminationReason(cause, cause_code, is_local=True)
        self._end(dialog, reason, now, bye=(cause, cause_code))

    def fail(self, call_id: str, error: TxError, now: float) -> None:
        """The call's media cannot go on."""
        dialog = self._dialogs.get(call_id)
        if dialog is not None:
            self._end(dialog, _reason(error), now, bye=dialog.hangup_cause)

    # -- the far end ---------------------------------------------------------------------------------------------------

    def ringing(self, event: events.Ringing, now: float) -> None:
        """The far end rings."""
        dialog = self._invited(event.call_id)
        if dialog is not None:
            self._report(RingingReceived(event.call_id))
            dialog.ringing(event)
            self._look_at(dialog)

    def media(self, event: events.Media, now: float) -> None:
        """Early media."""
        dialog = self._invited(event.call_id)
        if dialog is not None:
            dialog.media(event)
            self._look_at(dialog)

    def answer(self, event: events.Answer, now: float) -> None:
        """The far end answered."""
        dialog = self._invited(event.call_id)
        if dialog is not None:
            dialog.answer(event)
            self._look_at(dialog)
            if not dialog.has_remote_description:
                deadline = now + self._settings.answer_sdp_grace
                self._timers.set(Timer(TimerKind.ANSWER_SDP, dialog.call_id), deadline)

    def bye(self, event: events.Bye, now: float) -> None:
        """The far end hung up; there is no bye from us then."""
        dialog = self._invited(event.call_id)
        if dialog is not None:
            dialog.learn(event.ids)
            reason = CallTerminationReason(
                event.cause, event.cause_code, event.sip_code, event.sip_reason, event.sip_call_id
            )
            self._end(dialog, reason, now)

    def invite_accepted(self, call_id: str) -> None:
        """The server took the invite."""
        self._timers.cancel(Timer(TimerKind.INVITE, call_id))

    def invite_refused(self, call_id: str, refusal: events.Refusal, now: float) -> None:
        """The server did not take it. It knows no such call then, so there is no bye (R30)."""
        dialog = self._invited(call_id)
        if dialog is None:
            return
        cause = "" if refusal.cause is None else f", {refusal.cause}"
        text = f"the server refused the call: {refusal}{cause}"
        error = CallError(text, code=40005, call_id=call_id, cause=refusal.cause)
        error.__cause__ = ServerError(
            str(refusal),
            code=refusal.code,
            call_id=call_id,
            server_message=refusal.message,
            server_code=refusal.code,
            data=dict(refusal.data),
        )
        self._end(dialog, CallTerminationReason(refusal.cause, refusal.cause_code, error=error), now)

    def invite_later(self, call_id: str) -> None:
        """The server wants a login first; the invite goes out again after it (R16)."""
        dialog = self._invited(call_id)
        if dialog is not None:
            dialog.is_invited = False
            self._cancel_timers(call_id)

    def reattached(self, call_ids: tuple[str, ...], now: float) -> None:
        """The server says which calls it knows; the others are lost (R38)."""
        for dialog in tuple(self._dialogs.values()):
            if dialog.is_invited and dialog.call_id not in call_ids:
                error = CallError("the server has lost the call", code=48501, call_id=dialog.call_id)
                self._end(dialog, _reason(error), now)

    # -- the end -------------------------------------------------------------------------------------------------------

    def hang_up_all(self, now: float) -> None:
        """The user disconnects."""
        for call_id in tuple(self._dialogs):
            self.hang_up(call_id, now)

    def fail_all(
        self, error: TxError, now: float, *, lost: NetworkReason | None, cause: str | None = None, bye: bool
    ) -> None:
        """The session is over. Calls that were answered are `DROPPED` first, if the connection was what was lost."""
        for dialog in tuple(self._dialogs.values()):
            if lost is not None:
                dialog.lose(lost)
            self._end(dialog, _reason(error, cause), now, bye=dialog.hangup_cause if bye else None)

    def timer_due(self, timer: Timer, now: float) -> None:
        """One of this file's timers came due."""
        dialog = self._dialogs.get(timer.about)
        if dialog is None:
            return
        if timer.kind is TimerKind.ANSWER_SDP:
            error = CallError(
                "the answer came without an audio description (SDP)",
                code=40004,
                call_id=dialog.call_id,
                cause="AnswerError",
            )
            reason = _reason(error)
        else:
            what = "the server did not react to the call" if timer.kind is TimerKind.INVITE else "nobody answered"
            cause = "RECOVERY_ON_TIMER_EXPIRE"
            error = CallError(f"{what} in time", call_id=dialog.call_id, cause=cause)
            reason = CallTerminationReason(cause, CAUSE_CODES[cause], error=error)
        # The cause on the wire stays the one that keeps TeXML from calling again.
        self._end(dialog, reason, now, bye=dialog.hangup_cause)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _invited(self, call_id: str) -> Dialog | None:
        """The call that the server means; it cannot mean one that it was not told of."""
        dialog = self._dialogs.get(call_id)
        return dialog if dialog is not None and dialog.is_invited else None

    def _send_invite(self, dialog: Dialog, offer: str, now: float) -> None:
        dialog.is_invited = True
        deadline = now + self._settings.setup_timeout
        request_id = self._channel.expect(Pending(RequestKind.INVITE, dialog.call_id), deadline)
        self._timers.set(Timer(TimerKind.INVITE, dialog.call_id), now + self._settings.invite_timeout)
        self._timers.set(Timer(TimerKind.SETUP, dialog.call_id), deadline)
        session_id = self._registration.session_id
        self._channel.send(requests.invite(request_id, dialog.options, offer, session_id, self._sdk_version))

    def _look_at(self, dialog: Dialog) -> None:
        """After a sign of life: stop the clocks that it has settled."""
        self._timers.cancel(Timer(TimerKind.INVITE, dialog.call_id))
        if dialog.is_answered:
            self._timers.cancel(Timer(TimerKind.SETUP, dialog.call_id))
        if dialog.has_remote_description:
            self._timers.cancel(Timer(TimerKind.ANSWER_SDP, dialog.call_id))
        if dialog.state.is_considered_active:
            self._conversation.call_established()

    def _end(
        self,
        dialog: Dialog,
        reason: CallTerminationReason,
        now: float,
        *,
        bye: tuple[str | None, int | None] | None = None,
    ) -> None:
        if bye is not None and dialog.is_invited and self._registration.is_logged_in:
            request_id = self._channel.expect(
                Pending(RequestKind.BYE, dialog.call_id), now + self._settings.request_timeout
            )
            self._channel.send(requests.bye(request_id, dialog.call_id, self._registration.session_id, *bye))
        del self._dialogs[dialog.call_id]
        self._cancel_timers(dialog.call_id)
        if not self._dialogs:
            self._conversation.end_call()
        dialog.end(reason)

    def _cancel_timers(self, call_id: str) -> None:
        self._timers.cancel(*(Timer(kind, call_id) for kind in _TIMERS))


def _reason(error: TxError, cause: str | None = None) -> CallTerminationReason:
    if cause is None and isinstance(error, CallError):
        cause = error.cause
    return CallTerminationReason(cause, error=error)
