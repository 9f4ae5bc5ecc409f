"""`Calls`: the calls of one session, in both directions - the frames for them, their time-outs, their ends.

Rules of this file:

1. An invite goes out when the session is ready and the offer is made. So does the answer to the server's invite.
2. A call that is not up yet ends when its connection is lost (S14): the server hangs it up, too. A call that is up
   waits until the server takes it up again.
3. To refuse a call, we send a bye with 17 (`hang_up`). If the caller gives up, the server sends a bye.
4. Every call ends in `_end`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from ...errors import CallError, LocalProtocolError, MediaError, TxError
from ..conversation.conversation import Conversation
from ..outcomes import CallProgress, CallStep, ClientWarning, RingingAckReceived, SessionEvent
from ..session.pending import Channel, Pending, RequestKind
from ..session.registration import Registration
from ..session.settings import SessionSettings
from ..states import CallTerminationReason, NetworkReason
from ..timers import Timer, TimerKind, Timers
from ..warnings import TxWarning, WarningCode
from ..wire import inbound, requests
from ..wire.requests import CallOptions
from .byes import Byes
from .dialog import CAUSE_CODES, Dialog, Dialogs, IncomingDialog
from .dtmf import KeyRun, Keys
from .hold import Holds, HoldWish
from .incoming import Invites

__all__ = ["Calls"]

_TIMERS = (TimerKind.INVITE, TimerKind.SETUP, TimerKind.ANSWER_SDP, TimerKind.REATTACH, TimerKind.MEDIA)

_Answer = inbound.Reply | inbound.Refusal | None
"""The server's answer to a request of ours; None: no answer in time."""


class Calls:
    """All calls that have not ended. Commands about other calls are ignored, because both sides may end a call at once.

    Args:
        channel: Sends requests and knows which reply belongs to which.
        timers: The timers of the session.
        registration: Whether requests may be sent, and the session's id.
        dialogs: The calls.
        conversation: Learns when a call begins, is up and is over.
        settings: The time limits.
        sdk_version: For invites and answers.
        report: Takes the events that follow.
    """

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
        self._holds = Holds(channel, registration, settings, report)
        self._keys = Keys(channel, timers, registration, settings, report)
        self._byes = Byes(channel, registration, settings)
        self._invites = Invites(channel, registration, dialogs, report)
        self._answered: Mapping[RequestKind, Callable[[Dialog, _Answer, float], None]] = {
            RequestKind.INVITE: self._invite_answered,
            RequestKind.ANSWER: self._answer_answered,
            RequestKind.ATTACH: self._attach_answered,
            RequestKind.MODIFY: self._holds.answered,
            RequestKind.INFO: self._keys.answered,
        }
        # The error with which the session has failed.
        self._failure: TxError | None = None

    # -- the program's commands ----------------------------------------------------------------------------------------

    def create(self, options: CallOptions, now: float) -> None:
        """The program places a call, and its media make an offer. The session need not be ready yet.

        In a session that has failed, the call ends at once with the same error.

        Raises:
            LocalProtocolError: The session was ended by `disconnect`, or there is a call with this id.
        """
        dialog = Dialog(options, self._report)
        if self._registration.is_over:
            if self._failure is None:
                raise LocalProtocolError("the session is over; log in again", call_id=options.call_id)
            dialog.announce()
            dialog.end(_reason(self._failure))
            return
        if options.call_id in self._dialogs:
            raise LocalProtocolError(f"there is a call {options.call_id} already", call_id=options.call_id)
        self._conversation.start_call(options.call_id)
        self._dialogs[options.call_id] = dialog
        self._expect_media(options.call_id, now)
        dialog.place()
        self._invites.remember(options.call_id)

    def answer(self, call_id: str, headers: tuple[tuple[str, str], ...], now: float) -> str:
        """The user answers a call.

        Returns:
            The offer. Make an answer to it, then call `set_local_description`.

        Raises:
            CallError: There is no call with this id, or it has ended.
            LocalProtocolError: We have placed this call ourselves, or it was answered already.
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

    def hang_up(self, call_id: str, now: float, cause: str | None = None, cause_code: int | None = None) -> None:
        """The user ends a call. The far end gets a bye if it knows the call; by default with the cause of R31."""
        dialog = self._dialogs.get(call_id)
        if dialog is None:
            return
        if cause is None and cause_code is None:
            cause, cause_code = dialog.hangup_cause
        elif cause is not None and cause_code is None:
            cause_code = CAUSE_CODES.get(cause)
        reason = CallTerminationReason(cause, cause_code, is_local=True)
        self._end(dialog, reason, now, bye=(cause, cause_code))

    def hold(self, call_id: str, wish: HoldWish, now: float) -> str:
        """Hold a call, or end the hold. Returns a ticket; a `CommandSettled` with this ticket has the result.

        Raises:
            CallError: The call was not answered yet, or is over.
        """
        return self._holds.want(self._required(call_id), wish, now)

    def press_keys(self, call_id: str, runs: tuple[KeyRun, ...], now: float) -> str:
        """Send DTMF digits. Returns a ticket; a `CommandSettled` with this ticket has the result.

        Raises:
            CallError: The call is not active, or is over.
        """
        return self._keys.press(self._required(call_id), runs, now)

    def set_bye_headers(self, call_id: str, headers: tuple[tuple[str, str], ...]) -> None:
        """Custom headers for our bye, if we send one."""
        dialog = self._dialogs.get(call_id)
        if dialog is not None:
            dialog.bye_headers = headers

    # -- the media -----------------------------------------------------------------------------------------------------

    def set_local_description(self, call_id: str, sdp: str, now: float) -> None:
        """The offer of a call, or the answer to the offer of an incoming call, is complete.

        It goes out at once, or when the session is ready (R17).

        Raises:
            LocalProtocolError: The call has a local description already, or needs none.
        """
        dialog = self._dialogs.get(call_id)
        if dialog is not None:
            dialog.describe(sdp)
            self._timers.cancel(Timer(TimerKind.MEDIA, call_id))
            self._send_descriptions(now)

    def remote_description_applied(self, call_id: str, now: float) -> None:
        """The media have applied the SDP of `RemoteDescription`.

        Raises:
            LocalProtocolError: The call has no remote description.
        """
        dialog = self._dialogs.get(call_id)
        if dialog is None:
            return
        if not dialog.has_remote_description:
            raise LocalProtocolError("the call has no remote description", call_id=call_id)
        self._timers.cancel(Timer(TimerKind.MEDIA, call_id))
        dialog.remote_description_applied()
        self._look_at(dialog, now)

    def set_answer(self, call_id: str, sdp: str, now: float) -> None:
        """Our answer to the latest `MediaOffered` is made. It is dropped if its connection is lost meanwhile."""
        dialog = self._dialogs.get(call_id)
        if dialog is None or not dialog.awaits_media_answer or not self._registration.is_logged_in:
            return
        dialog.awaits_media_answer = False
        self._timers.cancel(Timer(TimerKind.MEDIA, call_id))
        deadline = now + self._settings.attach_timeout
        request_id = self._channel.expect(Pending(RequestKind.ATTACH, call_id), deadline)
        session_id = self._registration.session_id
        self._channel.send(requests.attach(request_id, dialog.options, sdp, session_id, self._sdk_version))

    def fail(self, call_id: str, error: TxError, now: float) -> None:
        """The call's media cannot go on, so the call ends."""
        dialog = self._dialogs.get(call_id)
        if dialog is not None:
            self._end(dialog, _reason(error), now, bye=dialog.hangup_cause)

    def media_lost(self, call_id: str, error: TxError, now: float, *, can_repair: bool) -> bool:
        """The media of a call are lost. Returns whether to open another connection, over which new ones are offered."""
        dialog = self._dialogs.get(call_id)
        if dialog is None or (dialog.is_lost and not dialog.is_taken_up):
            return False
        dialog.repairs = [time for time in dialog.repairs if now - time < self._settings.reconnect_timeout]
        if not dialog.is_established or not can_repair or len(dialog.repairs) >= self._settings.media_repairs:
            self._end(dialog, _reason(error), now, bye=dialog.hangup_cause)
            return False
        dialog.repairs.append(now)
        return True

    # -- the server's requests -----------------------------------------------------------------------------------------

    def on_invite(self, event: inbound.Invite, now: float) -> None:
        """Somebody calls."""
        if self._invites.admit(event, now):
            dialog = self._dialogs[event.call_id] = IncomingDialog(event, self._report)
            self._timers.set(Timer(TimerKind.SETUP, event.call_id), now + self._settings.setup_timeout)
            dialog.ring(event)

    def on_ringing(self, event: inbound.Ringing, now: float) -> None:
        """The far end rings."""
        dialog = self._invited(event.call_id)
        if dialog is not None:
            self._report(RingingAckReceived(UUID(event.call_id)))
            dialog.ringing(event)
            self._look_at(dialog, now)

    def on_media(self, event: inbound.Media, now: float) -> None:
        """Early media."""
        dialog = self._invited(event.call_id)
        if dialog is not None:
            had_description = dialog.has_remote_description
            dialog.media(event)
            self._described(dialog, had_description, now)
            self._look_at(dialog, now)

    def on_answer(self, event: inbound.Answer, now: float) -> None:
        """The far end answered."""
        dialog = self._invited(event.call_id)
        if dialog is not None:
            had_description = dialog.has_remote_description
            dialog.answer(event)
            self._described(dialog, had_description, now)
            self._look_at(dialog, now)
            waits_for_sdp = Timer(TimerKind.ANSWER_SDP, dialog.call_id)
            # Set once: a second answer without SDP must not extend the time.
            if not dialog.has_remote_description and waits_for_sdp not in self._timers:
                self._timers.set(waits_for_sdp, now + self._settings.answer_sdp_grace)

    def on_bye(self, event: inbound.Bye, now: float) -> None:
        """The far end hung up. We send no bye then."""
        dialog = self._invited(event.call_id)
        if dialog is not None:
            dialog.bye(event)
            reason = CallTerminationReason(
                event.cause, event.cause_code, event.sip_code, event.sip_reason, event.sip_call_id
            )
            self._end(dialog, reason, now)

    def on_attach(self, event: inbound.Attach, now: float) -> None:
        """The server offers to take a call up again (R54). For a call that we do not have, only warn (R55)."""
        dialog = self._dialogs.get(event.call_id)
        if dialog is None:
            self._report(ClientWarning(TxWarning(WarningCode.UNKNOWN_REATTACHED_SESSION, event.call_id)))
        elif dialog.is_established and event.sdp is not None:
            self._expect_media(event.call_id, now)
            dialog.media_offered(event.sdp, event.ids)

    def reattached(self, call_ids: tuple[str, ...], now: float) -> None:
        """The server says which calls it knows. The others are lost (R38), except those that it has just offered to
        take up again and those that ring.
        """
        for dialog in tuple(self._dialogs.values()):
            is_known = dialog.call_id in call_ids or dialog.is_taken_up or dialog.is_offered
            if dialog.is_invited and not is_known:
                self._end(dialog, _reason(_lost_by_server(dialog.call_id)), now)

    # -- the answers to our requests -----------------------------------------------------------------------------------

    def answered(self, pending: Pending, answer: inbound.Reply | inbound.Refusal | None, now: float) -> None:
        """A request about a call was answered. `answer` is None if there was no answer in time."""
        if pending.kind is RequestKind.BYE:
            if answer is not None:
                self._byes.answered(pending.about)
            return
        dialog = self._dialogs.get(pending.about)
        if dialog is not None:
            self._answered[pending.kind](dialog, answer, now)

    def login_required(self, pending: Pending) -> None:
        """The server wants a login before this request (R16)."""
        dialog = self._dialogs.get(pending.about)
        if dialog is None:
            return
        if pending.kind is RequestKind.ATTACH:
            # The server will offer the call again, or has lost it.
            dialog.is_taken_up = False
        elif pending.kind is RequestKind.ANSWER:
            dialog.is_sent = False
        elif pending.kind is RequestKind.INVITE and dialog.is_invited:
            dialog.is_sent = False
            self._cancel_timers(dialog.call_id)

    def _invite_answered(self, dialog: Dialog, answer: _Answer, now: float) -> None:
        if isinstance(answer, inbound.Reply):
            self._timers.cancel(Timer(TimerKind.INVITE, dialog.call_id))
            self._report(CallProgress(dialog.call_id, CallStep.INVITE_ACCEPTED))
        elif answer is not None and dialog.is_invited:
            # The server then has no such call, so we send no bye (R30).
            cause = "" if answer.cause is None else f", {answer.cause}"
            text = f"the server refused the call: {answer}{cause}"
            error = CallError(text, code=40005, call_id=dialog.call_id, cause=answer.cause)
            error.__cause__ = answer.for_call(dialog.call_id)
            self._end(dialog, CallTerminationReason(answer.cause, answer.cause_code, error=error), now)

    def _answer_answered(self, dialog: Dialog, answer: _Answer, now: float) -> None:
        if not isinstance(dialog, IncomingDialog) or dialog.is_answered:
            return
        if isinstance(answer, inbound.Reply):
            if dialog.is_sent:
                dialog.confirmed()
                self._look_at(dialog, now)
            return
        cause_code = None
        if answer is None:
            error = CallError("the server did not confirm the answer to the call in time", call_id=dialog.call_id)
        else:
            text = f"the server refused the answer to the call: {answer}"
            error = CallError(text, code=40005, call_id=dialog.call_id, cause=answer.cause)
            error.__cause__ = answer.for_call(dialog.call_id)
            cause_code = answer.cause_code
        # The bye is for a server that has kept the call.
        self._end(dialog, CallTerminationReason(error.cause, cause_code, error=error), now, bye=dialog.hangup_cause)

    def _attach_answered(self, dialog: Dialog, answer: _Answer, now: float) -> None:
        if not dialog.is_taken_up:
            return
        if isinstance(answer, inbound.Reply):
            if not dialog.awaits_media_answer:
                self._timers.cancel(Timer(TimerKind.REATTACH, dialog.call_id))
                dialog.taken_up()
                self._holds.go_on(dialog, now)
                self._send_waiting_messages(now)
            return
        why = "the server did not confirm it in time" if answer is None else f"the server refused: {answer}"
        error = CallError(f"the call could not be taken up again: {why}", code=48501, call_id=dialog.call_id)
        # A server that refused has hung up itself (S16).
        self._end(dialog, _reason(error), now, bye=dialog.hangup_cause if answer is None else None)

    # -- the connection ------------------------------------------------------------------------------------------------

    def logged_in(self, now: float) -> None:
        """The server takes requests again."""
        self._byes.logged_in(now)

    def session_ready(self, now: float) -> None:
        """The session is ready, for the first time or again."""
        self._send_descriptions(now)
        self._send_waiting_messages(now)
        for dialog in tuple(self._dialogs.values()):
            self._holds.go_on(dialog, now)
            if dialog.is_lost and not dialog.is_taken_up:
                deadline = now + self._settings.attach_timeout
                self._timers.set(Timer(TimerKind.REATTACH, dialog.call_id), deadline)

    def connection_lost(self, error: TxError, now: float, reason: NetworkReason, *, deliberate: bool) -> None:
        """The connection is lost and will be replaced. Calls that were active wait for the next one.

        The server has ended all other calls that it knew (S14).
        """
        for dialog in tuple(self._dialogs.values()):
            self._holds.connection_lost(dialog.call_id)
            self._keys.end(dialog.call_id, "the connection was lost")
            if dialog.is_established:
                # An offer that its media were answering came over the lost connection.
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
                # If our answer was on its way, the server may have the call and offer it again. So send a bye.
                self._end(dialog, _reason(error), now, bye=dialog.hangup_cause)

    def session_renewed(self, now: float) -> None:
        """The next login begins another session of the server, which does not have our calls."""
        self._byes.session_renewed()
        for dialog in tuple(self._dialogs.values()):
            if dialog.is_lost:
                self._end(dialog, _reason(_lost_by_server(dialog.call_id)), now)

    def hang_up_all(self, now: float) -> None:
        """The user disconnects."""
        for call_id in tuple(self._dialogs):
            self.hang_up(call_id, now)

    def fail_all(
        self, error: TxError, now: float, *, lost: NetworkReason | None, cause: str | None = None, bye: bool
    ) -> None:
        """The session has failed, so all calls end. With `lost`, calls that were answered are `DROPPED` first."""
        self._failure = error
        for dialog in tuple(self._dialogs.values()):
            if lost is not None:
                dialog.lose(lost)
            self._end(dialog, _reason(error, cause), now, bye=dialog.hangup_cause if bye else None)

    # -- time ----------------------------------------------------------------------------------------------------------

    def timer_due(self, timer: Timer, now: float) -> None:
        """A timer of a call is due."""
        dialog = self._dialogs.get(timer.about)
        if dialog is None:
            return
        if timer.kind is TimerKind.KEYS:
            self._keys.pause_over(dialog, now)
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
        # The bye has the usual cause, because that keeps TeXML from calling again.
        self._end(dialog, reason, now, bye=dialog.hangup_cause)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _required(self, call_id: str) -> Dialog:
        dialog = self._dialogs.get(call_id)
        if dialog is None:
            raise CallError("the call is over", call_id=call_id)
        return dialog

    def _invited(self, call_id: str) -> Dialog | None:
        """The call with this id, if the server knows it."""
        dialog = self._dialogs.get(call_id)
        return dialog if dialog is not None and dialog.is_invited else None

    def _expect_media(self, call_id: str, now: float) -> None:
        """Limit the time in which the media of a call make or apply a description: a library may hang, or a thread may
        not start.
        """
        self._timers.set(Timer(TimerKind.MEDIA, call_id), now + self._settings.media_timeout)

    def _described(self, dialog: Dialog, had_description: bool, now: float) -> None:
        if dialog.has_remote_description and not had_description:
            self._expect_media(dialog.call_id, now)

    def _look_at(self, dialog: Dialog, now: float) -> None:
        """The far end or the media have moved on: cancel the timers that are not needed now."""
        self._timers.cancel(Timer(TimerKind.INVITE, dialog.call_id))
        if dialog.is_answered:
            self._timers.cancel(Timer(TimerKind.SETUP, dialog.call_id))
        if dialog.has_remote_description:
            self._timers.cancel(Timer(TimerKind.ANSWER_SDP, dialog.call_id))
        if dialog.state.is_considered_active:
            self._conversation.call_established(dialog.call_id, now)
            self._send_waiting_messages(now)

    def _send_descriptions(self, now: float) -> None:
        """Send the invites and answers that can be sent now."""
        if not self._registration.is_ready:
            return
        for dialog in self._dialogs.values():
            if dialog.local_description is not None and not dialog.is_sent:
                dialog.is_sent = True
                if isinstance(dialog, IncomingDialog):
                    self._send_answer(dialog, dialog.local_description, now)
                else:
                    self._send_invite(dialog, dialog.local_description, now)

    def _send_invite(self, dialog: Dialog, offer: str, now: float) -> None:
        timeout = dialog.options.answer_timeout
        deadline = now + (self._settings.setup_timeout if timeout is None else timeout)
        request_id = self._channel.expect(Pending(RequestKind.INVITE, dialog.call_id), deadline)
        self._timers.set(Timer(TimerKind.INVITE, dialog.call_id), min(deadline, now + self._settings.invite_timeout))
        self._timers.set(Timer(TimerKind.SETUP, dialog.call_id), deadline)
        session_id = self._registration.session_id
        self._channel.send(requests.invite(request_id, dialog.options, offer, session_id, self._sdk_version))
        self._report(CallProgress(dialog.call_id, CallStep.INVITE_SENT))

    def _send_answer(self, dialog: Dialog, answer: str, now: float) -> None:
        deadline = now + self._settings.request_timeout
        request_id = self._channel.expect(Pending(RequestKind.ANSWER, dialog.call_id), deadline)
        session_id = self._registration.session_id
        self._channel.send(requests.answer(request_id, dialog.options, answer, session_id, self._sdk_version))

    def _send_waiting_messages(self, now: float) -> None:
        if self._dialogs.has_active and self._registration.is_ready:
            self._conversation.send_waiting(now)

    def _end(
        self,
        dialog: Dialog,
        reason: CallTerminationReason,
        now: float,
        *,
        bye: tuple[str | None, int | None] | None = None,
    ) -> None:
        call_id = dialog.call_id
        if bye is not None and dialog.is_invited:
            self._byes.say(call_id, *bye, dialog.bye_headers, now)
        del self._dialogs[call_id]
        self._cancel_timers(call_id)
        self._holds.end(call_id)
        self._keys.end(call_id, "the call ended")
        if not self._dialogs:
            self._conversation.messages.fail_waiting(reason.error)
        self._conversation.end_call(call_id, now)
        dialog.end(reason)

    def _cancel_timers(self, call_id: str) -> None:
        self._timers.cancel(*(Timer(kind, call_id) for kind in _TIMERS))


def _lost_by_server(call_id: str) -> CallError:
    return CallError("the server has lost the call", code=48501, call_id=call_id)


def _reason(error: TxError, cause: str | None = None) -> CallTerminationReason:
    if cause is None and isinstance(error, CallError):
        cause = error.cause
    return CallTerminationReason(cause, error=error)
