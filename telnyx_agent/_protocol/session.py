"""`Session`: one login with its calls and its conversation. Frames and commands in, frames and events out.

    session.receive_text(text, now)   session.texts_to_send()   session.next_event()
    session.get_timer()               session.handle_timer(now)

Rules of this file:

1. Nothing goes out before the login (S1), and nothing else before it is accepted (S2).
2. Whatever arrives, `receive_text` does not raise; what is not understood changes nothing and is `Malformed`.
3. Replies belong to requests by their id; replies to nobody are ignored. Requests are acknowledged also for calls that
   are not known (R27).
4. Calls wait for `Ready`. Each ends in exactly one `DONE`, the last event about it; the transcript is final before.
5. Every session comes to one of `Ready` and `LoginFailed`, unless the user disconnects first.
6. A session that was `Ready` outlives its sockets: `OpenConnection` asks for the next, until `reconnect_timeout`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from ..errors import (
    LocalProtocolError,
    RemoteProtocolError,
    SocketConnectionError,
    TxError,
)
from . import events, requests
from .ai_events import AiConversation
from .channel import CALL_COMMANDS, Pending, RequestKind
from .connection import Connection
from .credentials import Login, token_of
from .inbox import Inbound
from .jsonrpc import RequestId
from .outcomes import ServerLocated, SessionUpdated
from .requests import CallOptions
from .settings import SessionSettings
from .states import NetworkReason
from .timers import TimerKind
from .token_watch import TokenWatch
from .view import no_clock

__all__ = ["Session", "SessionSettings"]

_LOGIN_REQUIRED = -32000
"""What the server answers on a connection whose login it does not know (S2)."""


class Session(Connection):
    """One login. Not thread-safe; times are seconds on any clock that does not go back.

    Args:
        login: Whom to log in to.
        new_id: Makes lower-case UUIDs.
        random: Gives numbers from 0.0 to 1.0.
        wall_clock: The time of day for `TranscriptionItem.timestamp`.
        settings: How long to wait for what.
    """

    def __init__(
        self,
        login: Login,
        *,
        new_id: Callable[[], str],
        random: Callable[[], float],
        wall_clock: Callable[[], datetime] = no_clock,
        settings: SessionSettings | None = None,
    ) -> None:
        super().__init__(login, new_id, random, wall_clock, SessionSettings() if settings is None else settings)
        self._token_watch = TokenWatch(self._timers, wall_clock, self._events.append)
        self._handlers: Mapping[type, Callable[[Any, float], None]] = {
            events.ClientReady: self._on_client_ready,
            events.GatewayReport: self._on_gateway,
            events.Ping: self._on_ping,
            events.Punt: self._on_punt,
            events.Ringing: self._calls.ringing,
            events.Media: self._calls.media,
            events.Answer: self._calls.answer,
            events.Bye: self._calls.bye,
            events.Invite: self._calls.invite,
            events.Attach: self._calls.attach,
            events.WidgetConfig: self.conversation.widget_config,
            AiConversation: self.conversation.receive,
        }

    # -- the socket ----------------------------------------------------------------------------------------------------

    @property
    def awaits_attempt(self) -> bool:
        """Whether another connection is wanted, but not yet."""
        return self._recovery.is_planned

    def network_changed(self, now: float) -> None:
        """This machine has a network again, or another one: a planned attempt is made now."""
        self._recovery.hurry(now)

    def receive_text(self, text: str | bytes, now: float) -> None:
        """A message came: `frames_of` and `receive` in one."""
        for inbound in self.frames_of(text, now):
            self.receive(inbound, now)

    def frames_of(self, text: str | bytes, now: float) -> Iterable[Inbound]:
        """The frames of a message, each to be given to `receive` at once. Never raises for what the server sends.

        Returns:
            A tuple, or, for a batch, an iterator; other things may be done with the session between its steps. It ends
            early when the connection that brought the batch is given up.
        """
        if not self._registration.has_connection:
            return ()
        self._liveness.heard(now)
        frames = self._inbox.read(text)
        return frames if isinstance(frames, tuple) else self._while_connected(frames)

    def _while_connected(self, frames: Iterable[Inbound]) -> Iterator[Inbound]:
        for frame in frames:
            if not self._registration.has_connection:
                return
            yield frame

    def receive(self, inbound: Inbound, now: float) -> None:
        """A frame came."""
        content = inbound.content
        if inbound.voice_sdk_id is not None:
            self._channel.voice_sdk_id = inbound.voice_sdk_id
        if isinstance(content, events.Reply):
            self._receive_result(inbound.id, content, now)
        elif isinstance(content, events.Refusal):
            self._receive_error(inbound.id, content, now)
        else:
            if inbound.method in events.ACKNOWLEDGED:
                self._acknowledge(inbound.id, inbound.method)
            handler = self._handlers.get(type(content))
            if handler is not None:
                handler(content, now)

    def message_skipped(self, error: RemoteProtocolError, now: float) -> None:
        """A message came that is too long to be looked at."""
        if self._registration.has_connection:
            self._liveness.heard(now)
            self._inbox.complain(error)

    def not_read(self, now: float) -> None:
        """The connection has something that is not read now, because too much waits in this process: it is alive."""
        self._liveness.confirmed(now)

    def handle_timer(self, now: float) -> None:
        """Do what is due. To be called too early does no harm."""
        while (timer := self._timers.pop_due(now)) is not None:
            if timer.kind is TimerKind.REQUEST:
                self._request_expired(timer.about, now)
            elif timer.kind in (TimerKind.LIVENESS, TimerKind.PROBE):
                self._look_at_liveness(timer.kind, now)
            elif timer.kind is TimerKind.ATTEMPT:
                self._open_another(now)
            elif timer.kind is TimerKind.RECONNECT:
                self._fail(self._login_error or self._recovery.exhausted(), now, lost=NetworkReason.NETWORK_LOST)
            elif timer.kind is TimerKind.TOKEN:
                self._token_watch.due()
            elif timer.kind in (TimerKind.AGENT, TimerKind.ANSWER):
                self.conversation.timer_due(timer.kind, now)
            elif timer.about:
                self._calls.timer_due(timer, now)
            else:
                self._conclude(self._registration.timer_due(timer.kind, now), now)

    def _request_expired(self, request_id: str, now: float) -> None:
        pending = self._channel.settle(request_id)
        if pending is not None and pending.kind is RequestKind.ATTACH:
            self._calls.attach_refused(pending.about, None, now)
        elif pending is not None and pending.kind is RequestKind.ANSWER:
            self._calls.answer_refused(pending.about, None, now)
        elif pending is not None and pending.kind is RequestKind.RELOGIN:
            self._relogin.refused(None)
        elif pending is not None and pending.kind in CALL_COMMANDS:
            self._calls.command_answered(pending, None, now)

    # -- calls ---------------------------------------------------------------------------------------------------------

    def create_call(self, options: CallOptions, now: float) -> None:
        """A call is wanted; may be said while the login is under way, or before the socket is open.

        In a session that has failed, the call ends at once with the same error.

        Raises:
            LocalProtocolError: The session was ended by `disconnect`, or there is a call with this id.
        """
        if not self._registration.is_over:
            self._calls.create(options, now)
        elif self._failure is not None:
            self._calls.create_failed(options, self._failure)
        else:
            raise LocalProtocolError("the session is over; log in again", call_id=options.call_id)

    def media_lost(self, call_id: str, error: TxError, now: float, *, was_up: bool = True) -> None:
        """The media of a call are gone. They are made anew over another connection (R56); or else the call ends.

        Those that never were up would not be the next time. A call without connection gets new ones in any case.
        """
        if self._calls.media_lost(call_id, error, now, can_repair=was_up and self._recovery.is_allowed):
            self._replace(error, now, NetworkReason.NETWORK_LOST, deliberate=True, at_once=True)

    # -- the end -------------------------------------------------------------------------------------------------------

    def disconnect(self, now: float) -> None:
        """Hang up all calls and close the connection. Idempotent."""
        if self._registration.is_over:
            return
        self._calls.hang_up_all(now)
        self._close()

    # -- frames --------------------------------------------------------------------------------------------------------

    def _acknowledge(self, request_id: RequestId | None, method: str) -> None:
        """Say that a request came, also for a call that we do not know (R27)."""
        if request_id is not None and self._registration.is_logged_in:
            self._channel.send(requests.ack(request_id, method))

    def _receive_result(self, request_id: RequestId | None, reply: events.Reply, now: float) -> None:
        pending = self._channel.settle(request_id)
        if pending is not None:
            self._liveness.confirmed(now)
            self._socket_health.answered(request_id, now)
            self._adopt_session_id(reply, pending)
            if pending.kind is RequestKind.LOGIN:
                self._registration.login_accepted(now)
                self._calls.logged_in(now)
                self._watch_token(now)
            elif pending.kind is RequestKind.INVITE:
                self._calls.invite_accepted(pending.about)
            elif pending.kind is RequestKind.ATTACH:
                self._calls.attach_accepted(pending.about, now)
            elif pending.kind is RequestKind.ANSWER:
                self._calls.answer_accepted(pending.about, now)
            elif pending.kind is RequestKind.RELOGIN:
                self._relogin.accepted()
                self._watch_token(now)
            elif pending.kind is RequestKind.MESSAGE:
                self.conversation.messages.answered(pending.about)
            elif pending.kind is RequestKind.BYE:
                self._calls.bye_answered(pending.about)
            elif pending.kind in CALL_COMMANDS:
                self._calls.command_answered(pending, reply, now)
        # Told by its form and not by its id, as all official SDKs do (R5).
        if reply.gateway is not None:
            self._on_gateway(reply.gateway, now)

    def _receive_error(self, request_id: RequestId | None, refusal: events.Refusal, now: float) -> None:
        pending = self._channel.settle_nameless() if request_id is None else self._channel.settle(request_id)
        if pending is None:
            number = "" if refusal.number is None else f" ({refusal.number})"
            self._inbox.complain(RemoteProtocolError(f"an error reply{number} that answers no request"))
            return
        self._liveness.confirmed(now)
        if pending.kind is RequestKind.MESSAGE:
            self.conversation.messages.answered(pending.about)
        elif pending.kind in CALL_COMMANDS:
            self._calls.command_answered(pending, refusal, now)
        elif pending.kind is RequestKind.BYE and refusal.number != _LOGIN_REQUIRED:
            self._calls.bye_answered(pending.about)
        if pending.kind is RequestKind.LOGIN:
            self._conclude(self._registration.login_refused(refusal), now)
        elif pending.kind is RequestKind.RELOGIN:
            self._relogin.refused(refusal)
        elif refusal.number == _LOGIN_REQUIRED:
            self._log_in_again(pending, refusal, now)
        elif pending.kind is RequestKind.GATEWAY_STATE:
            self._conclude(self._registration.gateway_refused(refusal), now)
        elif pending.kind is RequestKind.INVITE:
            self._calls.invite_refused(pending.about, refusal, now)
        elif pending.kind is RequestKind.ATTACH:
            self._calls.attach_refused(pending.about, refusal, now)
        elif pending.kind is RequestKind.ANSWER:
            self._calls.answer_refused(pending.about, refusal, now)
        elif pending.kind is RequestKind.MESSAGE:
            self.conversation.refused(pending.about, refusal, now)

    def _watch_token(self, now: float) -> None:
        self._token_watch.logged_in(token_of(self._registration.login), now)

    def _log_in_again(self, pending: Pending, refusal: events.Refusal, now: float) -> None:
        """The server does not know our login any more (R16). An invite goes out again after the next one."""
        self._liveness.stop()
        self._conclude(self._registration.login_lost(refusal, now), now)
        if pending.kind is RequestKind.INVITE:
            self._calls.invite_later(pending.about)
        elif pending.kind is RequestKind.ANSWER:
            self._calls.answer_later(pending.about)
        elif pending.kind is RequestKind.ATTACH:
            self._calls.attach_later(pending.about)
        elif pending.kind is RequestKind.MESSAGE and not self._registration.is_over:
            self.conversation.refused(pending.about, refusal, now)

    def _adopt_session_id(self, reply: events.Reply, pending: Pending) -> None:
        """The server's word counts (R10); the login's result is news even if it says what we said."""
        session_id = reply.session_id or self.session_id
        if session_id != self.session_id or pending.kind is RequestKind.LOGIN:
            self._registration.session_id = session_id
            self._events.append(SessionUpdated(session_id))

    # -- the server's requests; those about calls and the conversation go straight there -------------------------------

    def _on_client_ready(self, event: events.ClientReady, now: float) -> None:
        if self._relogin.explains_announcement():
            self._registration.ask_again(now)
        elif event.reattached_calls is not None:
            self._calls.reattached(event.reattached_calls, now)
        self._registration.client_ready(now)

    def _on_gateway(self, report: events.GatewayReport, now: float) -> None:
        if report.datacenter is not None or report.region is not None:
            self._events.append(ServerLocated(report.datacenter, report.region))
        self._conclude(self._registration.gateway_reported(report, now), now)

    def _on_ping(self, event: events.Ping, now: float) -> None:
        if self._registration.is_logged_in:
            self._socket_health.server_ping(now)
            # Each is answered by a ping of ours (R19), but the reply is waited for to one at a time: a server that
            # pings and never answers must not make us keep a request for each.
            if self._channel.is_under_way(RequestKind.PING):
                self._channel.send(requests.ping(self._channel.new_id(), self.voice_sdk_id))
            else:
                self._request(RequestKind.PING, "", now, requests.ping, self.voice_sdk_id)

    def _on_punt(self, event: events.Punt, now: float) -> None:
        error = SocketConnectionError("the server ended this session: it was taken over by another connection (punt)")
        self._fail(error, now, lost=None, cause="PURGE", bye=False)
