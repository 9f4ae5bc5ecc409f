"""`Calls`: the dialogs of one session - what goes on the wire for them, their time-outs, and how they end."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import CallError, LocalProtocolError, MediaError, TxError
from . import events, requests
from .channel import Channel, Pending, RequestKind
from .controls import Controls
from .conversation import Conversation
from .dialog import CAUSE_CODES, Dialog, Dialogs
from .hold import HoldWish, server_error
from .keys import KeyRun
from .outcomes import CallProgress, CallStep, RingingReceived, SessionEvent, Warned
from .registration import Registration
from .requests import CallOptions
from .settings import SessionSettings
from .states import CallTerminationReason, NetworkReason
from .timers import Timer, TimerKind, Timers
from .warnings import WarningCode

__all__ = ["Calls", "Headers"]

Headers = tuple[tuple[str, str], ...]
"""Names and values of custom headers."""

_TIMERS = (TimerKind.INVITE, TimerKind.SETUP, TimerKind.ANSWER_SDP, TimerKind.REATTACH, TimerKind.MEDIA)

_FAREWELLS = 100
"""For how many calls a bye is repeated; a server that never confirms one must not cost memory."""


class Calls:
    """All calls that have not ended. Commands about others are ignored: ends come from three sides and cross."""

    def __init__(
        self,
        channel: Channel,
        timers: Timers,
        registration: Registration,
        dialogs: Dialogs,
        conversation: Conversation,
        settings: SessionSettings,
        sdk_version: str,
        report: Callable[[SessionEvent], None],
    ) -> None:
        self._channel = channel
        self._timers = timers
        self._registration = registration
        self._dialogs = dialogs
        self._conversation = conversation
        self._settings = settings
        self._sdk_version = sdk_version
        self._report = report
        self._controls = Controls(channel, timers, registration, settings, report)
        # Calls that ended on our side, with cause and code, until the server has confirmed the bye.
        self._farewells: dict[str, tuple[str | None, int | None, Headers]] = {}

    # -- our side ------------------------------------------------------------------------------------------------------

    def create(self, options: CallOptions, now: float) -> None:
        """A call is wanted; its media make an offer meanwhile."""
        if options.call_id in self._dialogs:
            raise LocalProtocolError(f"there is a call {options.call_id} already", call_id=options.call_id)
        self._conversation.start_call(options.call_id)
        self._dialogs[options.call_id] = dialog = Dialog(options, self._report)
        self._expect_media(options.call_id, now)
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
        self._timers.cancel(Timer(TimerKind.MEDIA, call_id))
        self.send_invites(now)

    def remote_description_applied(self, call_id: str, now: float) -> None:
        """The media took the remote SDP."""
        dialog = self._dialogs.get(call_id)
        if dialog is None:
            return
        if not dialog.has_remote_description:
            raise LocalProtocolError("the call has no remote description", call_id=call_id)
        self._timers.cancel(Timer(TimerKind.MEDIA, call_id))
        dialog.remote_description_applied()
        self._look_at(dialog, now)

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

    def hold(self, call_id: str, wish: HoldWish, now: float) -> str:
        """The user wants to hold a call, or not; see `Holds.want`."""
        return self._controls.holds.want(self._required(call_id), wish, now)

    def press_keys(self, call_id: str, runs: tuple[KeyRun, ...], now: float) -> str:
        """The user presses keys; see `Keys.press`."""
        return self._controls.keys.press(self._required(call_id), runs, now)

    def set_bye_headers(self, call_id: str, headers: Headers) -> None:
        """Custom headers for our bye, should there be one."""
        dialog = self._dialogs.get(call_id)
        if dialog is not None:
            dialog.bye_headers = headers

    def command_answered(self, pending: Pending, reply: events.Reply | events.Refusal | None, now: float) -> None:
        """What the server says to a hold or to keys; None: nothing in time."""
        dialog = self._dialogs.get(pending.about)
        if dialog is not None:
            self._controls.answered(dialog, pending, reply, now)

    # -- the far end ---------------------------------------------------------------------------------------------------

    def ringing(self, event: events.Ringing, now: float) -> None:
        """The far end rings."""
        dialog = self._invited(event.call_id)
        if dialog is not None:
            self._report(RingingReceived(event.call_id))
            dialog.ringing(event)
            self._look_at(dialog, now)

    def media(self, event: events.Media, now: float) -> None:
        """Early media."""
        dialog = self._invited(event.call_id)
        if dialog is not None:
            had_description = dialog.has_remote_description
            dialog.media(event)
            self._described(dialog, had_description, now)
            self._look_at(dialog, now)

    def answer(self, event: events.Answer, now: float) -> None:
        """The far end answered."""
        dialog = self._invited(event.call_id)
        if dialog is not None:
            had_description = dialog.has_remote_description
            dialog.answer(event)
            self._described(dialog, had_description, now)
            self._look_at(dialog, now)
            waits_for_sdp = Timer(TimerKind.ANSWER_SDP, dialog.call_id)
            # Once: an answer that is repeated without one gives no more time.
            if not dialog.has_remote_description and waits_for_sdp not in self._timers:
                self._timers.set(waits_for_sdp, now + self._settings.answer_sdp_grace)

    def bye(self, event: events.Bye, now: float) -> None:
        """The far end hung up; there is no bye from us then."""
        dialog = self._invited(event.call_id)
        if dialog is not None:
            dialog.bye(event)
            reason = CallTerminationReason(
                event.cause, event.cause_code, event.sip_code, event.sip_reason, event.sip_call_id
            )
            self._end(dialog, reason, now)

    def invite_accepted(self, call_id: str) -> None:
        """The server took the invite."""
        self._timers.cancel(Timer(TimerKind.INVITE, call_id))
        if call_id in self._dialogs:
            self._report(CallProgress(call_id, CallStep.INVITE_ACCEPTED))

    def invite_refused(self, call_id: str, refusal: events.Refusal, now: float) -> None:
        """The server did not take it. It knows no such call then, so there is no bye (R30)."""
        dialog = self._invited(call_id)
        if dialog is None:
            return
        cause = "" if refusal.cause is None else f", {refusal.cause}"
        text = f"the server refused the call: {refusal}{cause}"
        error = CallError(text, code=40005, call_id=call_id, cause=refusal.cause)
        error.__cause__ = server_error(call_id, refusal)
        self._end(dialog, CallTerminationReason(refusal.cause, refusal.cause_code, error=error), now)

    def invite_later(self, call_id: str) -> None:
        """The server wants a login first; the invite goes out again after it (R16)."""
        dialog = self._invited(call_id)
        if dialog is not None:
            dialog.is_invited = False
            self._cancel_timers(call_id)

    def reattached(self, call_ids: tuple[str, ...], now: float) -> None:
        """The server says which calls it knows; the others are lost (R38), unless it has just offered to go on."""
        for dialog in tuple(self._dialogs.values()):
            if dialog.is_invited and not dialog.is_taken_up and dialog.call_id not in call_ids:
                self._end(dialog, _reason(_lost_by_server(dialog.call_id)), now)

    # -- a lost connection ---------------------------------------------------------------------------------------------

    def connection_lost(self, error: TxError, now: float, reason: NetworkReason, *, deliberate: bool) -> None:
        """The connection is gone and will be replaced. Calls that were active wait for that; the server has hung up all
        others that it knew of (S14).
        """
        for dialog in tuple(self._dialogs.values()):
            self._controls.connection_lost(dialog.call_id)
            if dialog.is_established:
                # Whatever its media were to answer came from a connection that is gone.
                self._timers.cancel(Timer(TimerKind.MEDIA, dialog.call_id))
                if not dialog.is_lost:
                    dialog.lost_since = now
                deadline = dialog.lost_since + self._settings.reconnect_timeout
                self._timers.set(Timer(TimerKind.REATTACH, dialog.call_id), deadline)
                if deliberate:
                    dialog.replace(reason)
                else:
                    dialog.lose(reason)
            elif dialog.is_invited:
                # The answer may have been under way, and the server would offer it again.
                self._end(dialog, _reason(error), now, bye=dialog.hangup_cause)

    def logged_in(self, now: float) -> None:
        """The server takes requests again: say goodbye where that could not be done before, or may have been lost."""
        for call_id, cause in self._farewells.items():
            self._send_bye(call_id, cause, now)

    def bye_answered(self, call_id: str) -> None:
        """The server knows that the call is over."""
        self._farewells.pop(call_id, None)

    def session_ready(self, now: float) -> None:
        """The session is ready, for the first time or again."""
        self.send_invites(now)
        self._send_waiting_messages(now)
        for dialog in tuple(self._dialogs.values()):
            self._controls.holds.go_on(dialog, now)
            if dialog.is_lost and not dialog.is_taken_up:
                deadline = now + self._settings.attach_timeout
                self._timers.set(Timer(TimerKind.REATTACH, dialog.call_id), deadline)

    def session_renewed(self, now: float) -> None:
        """The next login begins another session, which has none of our calls."""
        self._farewells.clear()
        for dialog in tuple(self._dialogs.values()):
            if dialog.is_lost:
                self._end(dialog, _reason(_lost_by_server(dialog.call_id)), now)

    def attach(self, event: events.Attach, now: float) -> None:
        """The server offers to take a call up again (R54); one that we do not have is none of our business (R55)."""
        dialog = self._dialogs.get(event.call_id)
        if dialog is None:
            self._report(Warned(WarningCode.UNKNOWN_REATTACHED_SESSION, event.call_id))
        elif dialog.is_established and event.sdp is not None:
            self._expect_media(event.call_id, now)
            dialog.media_offered(event.sdp, event.ids)

    def attach_later(self, call_id: str) -> None:
        """The server wants a login first; then it offers the call again, or it has lost it (R16)."""
        dialog = self._dialogs.get(call_id)
        if dialog is not None:
            dialog.is_taken_up = False

    def set_answer(self, call_id: str, answer: str, now: float) -> None:
        """Our answer to that offer is made, unless the connection that it was for is gone again."""
        dialog = self._dialogs.get(call_id)
        if dialog is None or not dialog.awaits_media_answer or not self._registration.is_logged_in:
            return
        dialog.awaits_media_answer = False
        self._timers.cancel(Timer(TimerKind.MEDIA, call_id))
        deadline = now + self._settings.attach_timeout
        request_id = self._channel.expect(Pending(RequestKind.ATTACH, call_id), deadline)
        session_id = self._registration.session_id
        self._channel.send(requests.attach(request_id, dialog.options, answer, session_id, self._sdk_version))

    def attach_accepted(self, call_id: str, now: float) -> None:
        """The server has our answer."""
        dialog = self._dialogs.get(call_id)
        if dialog is not None and dialog.is_taken_up and not dialog.awaits_media_answer:
            self._timers.cancel(Timer(TimerKind.REATTACH, call_id))
            dialog.taken_up()
            self._controls.holds.go_on(dialog, now)
            self._send_waiting_messages(now)

    def attach_refused(self, call_id: str, refusal: events.Refusal | None, now: float) -> None:
        """The server did not take our answer, or said nothing. If it refused, it has hung up itself (S16)."""
        dialog = self._dialogs.get(call_id)
        if dialog is None or not dialog.is_taken_up:
            return
        why = "the server did not confirm it in time" if refusal is None else f"the server refused: {refusal}"
        error = CallError(f"the call could not be taken up again: {why}", code=48501, call_id=call_id)
        self._end(dialog, _reason(error), now, bye=dialog.hangup_cause if refusal is None else None)

    def media_lost(self, call_id: str, error: TxError, now: float, *, can_repair: bool) -> bool:
        """The media of a call are gone. Whether another connection is wanted, over which the server offers new ones."""
        dialog = self._dialogs.get(call_id)
        if dialog is None or (dialog.is_lost and not dialog.is_taken_up):
            return False
        dialog.repairs = [time for time in dialog.repairs if now - time < self._settings.reconnect_timeout]
        if not dialog.is_established or not can_repair or len(dialog.repairs) >= self._settings.media_repairs:
            self._end(dialog, _reason(error), now, bye=dialog.hangup_cause)
            return False
        dialog.repairs.append(now)
        return True

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
        if timer.kind is TimerKind.KEYS:
            self._controls.keys.pause_over(dialog, now)
            return
        if timer.kind is TimerKind.REATTACH:
            reason = _reason(_lost_by_server(dialog.call_id))
        elif timer.kind is TimerKind.MEDIA:
            text = f"the call's media could not be set up within {self._settings.media_timeout:g} s"
            reason = _reason(MediaError(text, code=40004, call_id=dialog.call_id))
        elif timer.kind is TimerKind.ANSWER_SDP:
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

    def _expect_media(self, call_id: str, now: float) -> None:
        """The media of a call are to make a description, or to apply one. They have a limit of their own, also where a
        thread cannot be started or a library hangs.
        """
        self._timers.set(Timer(TimerKind.MEDIA, call_id), now + self._settings.media_timeout)

    def _described(self, dialog: Dialog, had_description: bool, now: float) -> None:
        if dialog.has_remote_description and not had_description:
            self._expect_media(dialog.call_id, now)

    def _required(self, call_id: str) -> Dialog:
        dialog = self._dialogs.get(call_id)
        if dialog is None:
            raise CallError("the call is over", call_id=call_id)
        return dialog

    def _invited(self, call_id: str) -> Dialog | None:
        """The call that the server means; it cannot mean one that it was not told of."""
        dialog = self._dialogs.get(call_id)
        return dialog if dialog is not None and dialog.is_invited else None

    def _send_invite(self, dialog: Dialog, offer: str, now: float) -> None:
        dialog.is_invited = True
        timeout = dialog.options.answer_timeout
        deadline = now + (self._settings.setup_timeout if timeout is None else timeout)
        request_id = self._channel.expect(Pending(RequestKind.INVITE, dialog.call_id), deadline)
        self._timers.set(Timer(TimerKind.INVITE, dialog.call_id), min(deadline, now + self._settings.invite_timeout))
        self._timers.set(Timer(TimerKind.SETUP, dialog.call_id), deadline)
        session_id = self._registration.session_id
        self._channel.send(requests.invite(request_id, dialog.options, offer, session_id, self._sdk_version))
        self._report(CallProgress(dialog.call_id, CallStep.INVITE_SENT))

    def _look_at(self, dialog: Dialog, now: float) -> None:
        """After a sign of life: stop the clocks that it has settled."""
        self._timers.cancel(Timer(TimerKind.INVITE, dialog.call_id))
        if dialog.is_answered:
            self._timers.cancel(Timer(TimerKind.SETUP, dialog.call_id))
        if dialog.has_remote_description:
            self._timers.cancel(Timer(TimerKind.ANSWER_SDP, dialog.call_id))
        if dialog.state.is_considered_active:
            self._conversation.call_established(dialog.call_id, now)
            self._send_waiting_messages(now)

    def _end(
        self,
        dialog: Dialog,
        reason: CallTerminationReason,
        now: float,
        *,
        bye: tuple[str | None, int | None] | None = None,
    ) -> None:
        if bye is not None and dialog.is_invited:
            farewell = (*bye, dialog.bye_headers)
            self._keep_farewell(dialog.call_id, farewell)
            if self._registration.is_logged_in:
                self._send_bye(dialog.call_id, farewell, now)
        del self._dialogs[dialog.call_id]
        self._cancel_timers(dialog.call_id)
        self._controls.end(dialog.call_id)
        if not self._dialogs:
            self._conversation.messages.fail_waiting(reason.error)
        self._conversation.end_call(dialog.call_id, now)
        dialog.end(reason)

    def _keep_farewell(self, call_id: str, cause: tuple[str | None, int | None, Headers]) -> None:
        self._farewells[call_id] = cause
        if len(self._farewells) > _FAREWELLS:
            del self._farewells[next(iter(self._farewells))]

    def _send_waiting_messages(self, now: float) -> None:
        if self._dialogs.has_active and self._registration.is_ready:
            self._conversation.send_waiting(now)

    def _send_bye(self, call_id: str, cause: tuple[str | None, int | None, Headers], now: float) -> None:
        request_id = self._channel.expect(Pending(RequestKind.BYE, call_id), now + self._settings.request_timeout)
        self._channel.send(requests.bye(request_id, call_id, self._registration.session_id, *cause))

    def _cancel_timers(self, call_id: str) -> None:
        self._timers.cancel(*(Timer(kind, call_id) for kind in _TIMERS))


def _lost_by_server(call_id: str) -> CallError:
    return CallError("the server has lost the call", code=48501, call_id=call_id)


def _reason(error: TxError, cause: str | None = None) -> CallTerminationReason:
    if cause is None and isinstance(error, CallError):
        cause = error.cause
    return CallTerminationReason(cause, error=error)
