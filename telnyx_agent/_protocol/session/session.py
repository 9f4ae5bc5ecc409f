"""`Session`: one login with its calls and its conversation. Frames and commands in, frames and events out.

    session.receive_text(text, now)   session.texts_to_send()   session.next_event()
    session.get_timer()               session.handle_timer(now)

Commands about calls are methods of `session.calls`, those about words and messages are methods of
`session.conversation`.

Rules of this file:

1. The first frame is the login (S1). No other frame goes out before the server has accepted it (S2).
2. `receive_text` never raises. A frame that is not understood changes nothing; it is reported as `Malformed`.
3. A reply belongs to the request with its id. Other replies are ignored. The server's requests are acknowledged, also
   those about calls that are not known (R27).
4. Calls wait for `ClientReady`. Each call ends in exactly one `DONE`, its last event. Before that, its transcript is
   final.
5. Every session reports either `ClientReady` or `LoginFailed`, unless the user disconnects first.
6. A session that was ready goes on when its socket is lost: `OpenConnection` asks for the next one, until
   `reconnect_timeout`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from ...errors import (
    AuthenticationError,
    GatewayError,
    NetworkError,
    RemoteProtocolError,
    SocketConnectionError,
    TxError,
)
from ..calls.calls import Calls
from ..calls.dialog import Dialogs
from ..conversation.conversation import Conversation
from ..conversation.transcription import EPOCH
from ..outcomes import (
    ClientFailed,
    ClientReady,
    ClientWarning,
    CloseConnection,
    DropConnection,
    LoginFailed,
    Reconnected,
    ServerLocated,
    SessionEvent,
    SessionUpdated,
)
from ..states import NetworkReason, SessionState
from ..timers import TimerKind, Timers
from ..warnings import TxWarning, WarningCode
from ..wire import inbound as events
from ..wire import requests
from ..wire.ai_inbound import AiConversation
from ..wire.credentials import Login, retries_of, token_of
from ..wire.jsonrpc import RequestId
from ..wire.requests import Frame
from .inbox import Inbound, Inbox
from .liveness import Liveness, Verdict
from .pending import CALL_COMMANDS, CALL_REQUESTS, Channel, Pending, RequestKind
from .recovery import Recovery
from .registration import Registration
from .relogin import Relogin
from .settings import SessionSettings
from .socket_health import SocketHealth
from .token_expiry import TokenWatch

__all__ = ["Session"]

_LOGIN_REQUIRED = -32000
"""What the server answers on a connection whose login it does not know (S2)."""


class Session:
    """One login. Not thread-safe; times are seconds on any clock that does not go back.

    Args:
        login: Whom to log in to.
        new_id: Makes lower-case UUIDs.
        random: Gives numbers from 0.0 to 1.0.
        wall_clock: The time of day for `TranscriptionItem.timestamp`; without one, the transcript has no times.
        settings: How long to wait for what.

    Attributes:
        registration: The state of the login, and what the server says about itself.
        relogin: Exchanges the credentials.
        recovery: When the next connection is tried.
        liveness: Whether the server still answers.
        socket_health: Round trips and intervals of the pings.
        inbox: Reads frames.
        calls: The calls.
        conversation: What is said and typed in them.
        texts_to_send: Takes out the frames to send, in order.
        waiting_texts: The frames that `texts_to_send` would take out; a driver looks after each event.
    """

    def __init__(
        self,
        login: Login,
        *,
        new_id: Callable[[], str],
        random: Callable[[], float],
        wall_clock: Callable[[], datetime] = lambda: EPOCH,
        settings: SessionSettings | None = None,
    ) -> None:
        settings = SessionSettings() if settings is None else settings
        self._settings = settings
        self._events: deque[SessionEvent] = deque()
        report = self._events.append
        self._timers = timers = Timers()
        self._channel = channel = Channel(new_id, timers)
        self.texts_to_send = channel.take_texts
        self.waiting_texts = channel.texts
        self.registration = registration = Registration(login, channel, timers, settings, random)
        self.relogin = Relogin(channel, registration, settings, report)
        self.recovery = Recovery(timers, settings, random, report)
        self.liveness = Liveness(timers, settings)
        self.socket_health = SocketHealth()
        self.inbox = Inbox(report)
        self._token_watch = TokenWatch(timers, wall_clock, report)
        dialogs = Dialogs()
        self.conversation = Conversation(channel, registration, dialogs, timers, settings, wall_clock, report)
        self.calls = Calls(
            channel, timers, registration, dialogs, self.conversation, settings, login.sdk_version, report
        )
        self._was_ready = False
        # The error of the first login, while it is tried again.
        self._login_error: TxError | None = None
        self._handlers: Mapping[type, Callable[[Any, float], None]] = {
            events.ClientReady: self._on_client_ready,
            events.GatewayReport: self._on_gateway,
            events.Ping: self._on_ping,
            events.Punt: self._on_punt,
            events.Ringing: self.calls.on_ringing,
            events.Media: self.calls.on_media,
            events.Answer: self.calls.on_answer,
            events.Bye: self.calls.on_bye,
            events.Invite: self.calls.on_invite,
            events.Attach: self.calls.on_attach,
            events.WidgetConfig: self.conversation.widget_config,
            AiConversation: self.conversation.receive,
        }

    # -- what comes out ------------------------------------------------------------------------------------------------

    def next_event(self) -> SessionEvent | None:
        """The next event; None if there is none."""
        return self._events.popleft() if self._events else None

    def get_timer(self) -> float | None:
        """When to call `handle_timer`; None: no timer is set."""
        return self._timers.next_deadline

    # -- the socket ----------------------------------------------------------------------------------------------------

    def connection_opened(self, now: float) -> None:
        """The socket is open: the login goes out (R6)."""
        self.registration.open(now)

    def connection_closed(self, error: TxError | None, now: float) -> None:
        """The socket is closed, or could not be opened. `OpenConnection` follows if another one is wanted.

        None is wanted for a session that is over or was never ready. Its calls end.

        Args:
            error: The reason; None if the socket was closed without an error.
            now: The time.
        """
        if self.registration.is_over:
            self._end_connection()
            return
        failure = error or NetworkError("network connection closed by the server")
        if self._was_ready and self.recovery.is_allowed:
            self._lose(failure, now)
        elif self.registration.state is SessionState.IDLE and (
            self.recovery.try_without_region(self.registration.voice_sdk_id) or self.recovery.try_later(failure, now)
        ):
            # Another connection follows, and the login with it.
            return
        else:
            self._end_connection()
            self._will_not_reconnect()
            if not self._was_ready:
                self._events.append(LoginFailed(failure))
            elif error is not None:
                self._events.append(ClientFailed(error, is_final=True))
            self.calls.fail_all(failure, now, lost=NetworkReason.NETWORK_LOST, bye=False)

    def media_lost(self, call_id: str, error: TxError, now: float, *, was_up: bool = True) -> None:
        """The media of a call are lost. They are made again over another connection (R56), or else the call ends.

        Media that were never up (`was_up`) are not tried again. A call whose connection is lost gets new media anyway.
        """
        if self.calls.media_lost(call_id, error, now, can_repair=was_up and self.recovery.is_allowed):
            self._replace(error, now, NetworkReason.NETWORK_LOST, deliberate=True, at_once=True)

    def disconnect(self, now: float) -> None:
        """Hang up all calls and close the connection. Idempotent."""
        if self.registration.is_over:
            return
        self.calls.hang_up_all(now)
        self._close()

    def send_debug_frame(self, frame: Frame) -> None:
        """Send a frame of a debug report (protocol.md 7.1). Without a connection, the frame is lost."""
        if self.registration.is_ready:
            self._channel.send(frame)

    def _lose(
        self,
        error: TxError,
        now: float,
        reason: NetworkReason = NetworkReason.NETWORK_LOST,
        *,
        deliberate: bool = False,
        at_once: bool = False,
    ) -> None:
        """The connection is lost, and another one will be tried."""
        self.registration.lose()
        self._forget_connection()
        end = self.recovery.begin(error, now, at_once=at_once)
        if end is not None:
            self._fail(end, now, lost=reason)
            return
        self.calls.connection_lost(error, now, reason, deliberate=deliberate)
        self.conversation.messages.connection_lost(now)

    def _replace(self, error: TxError, now: float, reason: NetworkReason, **how: bool) -> None:
        """Give up the connection, whose socket may still be open, for another one."""
        self._events.append(DropConnection())
        self._lose(error, now, reason, **how)

    def _end_connection(self) -> None:
        """The last socket is closed."""
        self.registration.close()
        self._forget_connection()
        self._timers.clear()

    def _forget_connection(self) -> None:
        self.socket_health.lost()
        self.liveness.stop()
        self.relogin.connection_lost()
        self._channel.forget()
        self.inbox.forget()

    def _will_not_reconnect(self) -> None:
        if self._was_ready and not self.recovery.is_allowed:
            self._events.append(ClientWarning(TxWarning(WarningCode.RECONNECTION_FAILED_WITH_NO_AUTO_RECONNECT)))

    # -- frames --------------------------------------------------------------------------------------------------------

    def receive_text(self, text: str | bytes, now: float) -> None:
        """A message came: `frames_of`, and `receive` for each frame."""
        for inbound in self.frames_of(text, now):
            self.receive(inbound, now)

    def frames_of(self, text: str | bytes, now: float) -> Iterable[Inbound]:
        """The frames of a message. Give each to `receive` before you take the next. No message makes this raise.

        Returns:
            A tuple; for a batch, an iterator. Between its steps, other methods of the session may be called. It ends
            early if the connection that brought the batch is given up.
        """
        if not self.registration.has_connection:
            return ()
        self.liveness.heard(now)
        frames = self.inbox.read(text)
        return frames if isinstance(frames, tuple) else self._while_connected(frames)

    def _while_connected(self, frames: Iterable[Inbound]) -> Iterator[Inbound]:
        for frame in frames:
            if not self.registration.has_connection:
                return
            yield frame

    def message_skipped(self, error: RemoteProtocolError, now: float) -> None:
        """A message came that was too long to be read."""
        if self.registration.has_connection:
            self.liveness.heard(now)
            self.inbox.complain(error)

    def receive(self, inbound: Inbound, now: float) -> None:
        """A frame came."""
        content = inbound.content
        if inbound.voice_sdk_id is not None:
            self.registration.voice_sdk_id = inbound.voice_sdk_id
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

    def _acknowledge(self, request_id: RequestId | None, method: str) -> None:
        """Say that a request came, also for a call that we do not know (R27)."""
        if request_id is not None and self.registration.is_logged_in:
            self._channel.send(requests.ack(request_id, method))

    def _receive_result(self, request_id: RequestId | None, reply: events.Reply, now: float) -> None:
        pending = self._channel.settle(request_id)
        if pending is not None:
            self.liveness.confirmed(now)
            self.socket_health.answered(request_id, now)
            self._adopt_session_id(reply, pending)
            if pending.kind is RequestKind.LOGIN:
                self.registration.login_accepted(now)
                self.calls.logged_in(now)
                self._watch_token(now)
            elif pending.kind is RequestKind.RELOGIN:
                self.relogin.accepted()
                self._watch_token(now)
            elif pending.kind is RequestKind.MESSAGE:
                self.conversation.messages.answered(pending.about)
            elif pending.kind in CALL_REQUESTS:
                self.calls.answered(pending, reply, now)
        # A gateway's state is recognised by its form and not by its id, as in all official SDKs (R5).
        if reply.gateway is not None:
            self._on_gateway(reply.gateway, now)

    def _receive_error(self, request_id: RequestId | None, refusal: events.Refusal, now: float) -> None:
        pending = self._channel.settle_nameless() if request_id is None else self._channel.settle(request_id)
        if pending is None:
            number = "" if refusal.number is None else f" ({refusal.number})"
            self.inbox.complain(RemoteProtocolError(f"an error reply{number} that answers no request"))
            return
        self.liveness.confirmed(now)
        if pending.kind is RequestKind.MESSAGE:
            self.conversation.messages.answered(pending.about)
        if pending.kind is RequestKind.LOGIN:
            self._conclude(self.registration.login_refused(refusal), now)
        elif pending.kind is RequestKind.RELOGIN:
            self.relogin.refused(refusal)
        elif refusal.number == _LOGIN_REQUIRED:
            self._log_in_again(pending, refusal, now)
        elif pending.kind is RequestKind.GATEWAY_STATE:
            self._conclude(self.registration.gateway_refused(refusal), now)
        elif pending.kind is RequestKind.MESSAGE:
            self.conversation.refused(pending.about, refusal, now)
        elif pending.kind in CALL_REQUESTS:
            self.calls.answered(pending, refusal, now)

    def _watch_token(self, now: float) -> None:
        self._token_watch.logged_in(token_of(self.registration.login), now)

    def _log_in_again(self, pending: Pending, refusal: events.Refusal, now: float) -> None:
        """The server does not know our login any more (R16). After the next login, the invite is sent again."""
        if pending.kind in CALL_COMMANDS:
            self.calls.answered(pending, refusal, now)
        self.liveness.stop()
        self._conclude(self.registration.login_lost(refusal, now), now)
        if pending.kind is not RequestKind.MESSAGE:
            self.calls.login_required(pending)
        elif not self.registration.is_over:
            self.conversation.refused(pending.about, refusal, now)

    def _adopt_session_id(self, reply: events.Reply, pending: Pending) -> None:
        """The server's session id counts (R10). It is reported after each login, even if it is the one that we sent."""
        session_id = reply.session_id or self.registration.session_id
        if session_id != self.registration.session_id or pending.kind is RequestKind.LOGIN:
            self.registration.session_id = session_id
            self._events.append(SessionUpdated(session_id))

    def _ping(self, now: float) -> None:
        """Send a ping, and wait for its reply."""
        request_id = self._channel.expect(Pending(RequestKind.PING), now + self._settings.request_timeout)
        self.socket_health.asked(request_id, now)
        self._channel.send(requests.ping(request_id, self.registration.voice_sdk_id))

    # -- the server's requests; those about calls and the conversation go straight there -------------------------------

    def _on_client_ready(self, event: events.ClientReady, now: float) -> None:
        if self.relogin.explains_announcement():
            self.registration.ask_again(now)
        elif event.reattached_calls is not None:
            self.calls.reattached(event.reattached_calls, now)
        self.registration.client_ready(now)

    def _on_gateway(self, report: events.GatewayReport, now: float) -> None:
        if report.datacenter is not None or report.region is not None:
            self._events.append(ServerLocated(report.datacenter, report.region))
        self._conclude(self.registration.gateway_reported(report, now), now)

    def _on_ping(self, event: events.Ping, now: float) -> None:
        if self.registration.is_logged_in:
            self.socket_health.server_ping(now)
            # Each ping is answered with a ping of ours (R19), but only one of ours at a time waits for its reply. Else
            # a server that pings and never replies could fill our memory with requests.
            if self._channel.is_under_way(RequestKind.PING):
                self._channel.send(requests.ping(self._channel.new_id(), self.registration.voice_sdk_id))
            else:
                self._ping(now)

    def _on_punt(self, event: events.Punt, now: float) -> None:
        error = SocketConnectionError("the server ended this session: it was taken over by another connection (punt)")
        self._fail(error, now, lost=None, cause="PURGE", bye=False)

    # -- time ----------------------------------------------------------------------------------------------------------

    def handle_timer(self, now: float) -> None:
        """Do what is due. Does nothing if it is called too early."""
        while (timer := self._timers.pop_due(now)) is not None:
            if timer.kind is TimerKind.REQUEST:
                self._request_expired(timer.about, now)
            elif timer.kind in (TimerKind.LIVENESS, TimerKind.PROBE):
                self._look_at_liveness(timer.kind, now)
            elif timer.kind is TimerKind.ATTEMPT:
                self._open_another(now)
            elif timer.kind is TimerKind.RECONNECT:
                self._fail(self._login_error or self.recovery.exhausted(), now, lost=NetworkReason.NETWORK_LOST)
            elif timer.kind is TimerKind.TOKEN:
                self._token_watch.due()
            elif timer.kind in (TimerKind.AGENT, TimerKind.ANSWER):
                self.conversation.timer_due(timer.kind, now)
            elif timer.about:
                self.calls.timer_due(timer, now)
            else:
                self._conclude(self.registration.timer_due(timer.kind, now), now)

    def _request_expired(self, request_id: str, now: float) -> None:
        pending = self._channel.settle(request_id)
        if pending is not None and pending.kind is RequestKind.RELOGIN:
            self.relogin.refused(None)
        elif pending is not None and pending.kind in CALL_REQUESTS:
            self.calls.answered(pending, None, now)

    def _open_another(self, now: float) -> None:
        """It is time for the next attempt to connect."""
        if self.recovery.is_session_stale(now):
            self.registration.renew()
            self.calls.session_renewed(now)
        self.recovery.attempt_due(self.registration.voice_sdk_id)

    def _look_at_liveness(self, kind: TimerKind, now: float) -> None:
        verdict = self.liveness.timer_due(kind, now)
        if verdict is Verdict.UNCERTAIN:
            self._ping(now)
        elif verdict is Verdict.DEAD:
            error = NetworkError("the network connection is dead: the server does not answer any more")
            if self.recovery.is_allowed:
                self._replace(error, now, NetworkReason.NETWORK_LOST, at_once=True)
            else:
                self._will_not_reconnect()
                self._fail(error, now, lost=NetworkReason.NETWORK_LOST)

    # -- the result of the login, and the end --------------------------------------------------------------------------

    def _conclude(self, outcome: ClientReady | LoginFailed | None, now: float) -> None:
        """The registration has a result, or None so far."""
        if isinstance(outcome, LoginFailed):
            self._login_failed(outcome.error, now)
        elif outcome is not None:
            if not self._was_ready:
                self._was_ready = True
                self._login_error = None
                self._events.append(outcome)
            elif self.recovery.lost_at is not None:
                self._events.append(Reconnected())
            self.recovery.succeeded()
            self.socket_health.ready()
            self.liveness.start(now)
            self.calls.session_ready(now)

    def _login_failed(self, error: TxError, now: float) -> None:
        """A refused login is final (R15). Two others are tried again on another connection: that of a session that was
        ready (R14), and a first login with credentials whose gateway failed, because a SIP registrar may be slow.
        """
        if isinstance(error, AuthenticationError):
            self._fail(error, now)
        elif self._was_ready and self.recovery.is_allowed:
            is_gateway = isinstance(error, GatewayError)
            self._replace(error, now, NetworkReason.SERVER_ERROR if is_gateway else NetworkReason.NETWORK_LOST)
        elif not self._was_ready and self.recovery.may_retry_login(error, retries_of(self.registration.login)):
            self._login_error = error
            self._replace(error, now, NetworkReason.SERVER_ERROR)
        else:
            self._fail(error, now)

    def _fail(
        self,
        error: TxError,
        now: float,
        *,
        lost: NetworkReason | None = NetworkReason.SERVER_ERROR,
        cause: str | None = None,
        bye: bool = True,
    ) -> None:
        self.recovery.stop()
        self._events.append(ClientFailed(error, is_final=True) if self._was_ready else LoginFailed(error))
        self.calls.fail_all(error, now, lost=lost, cause=cause, bye=bye)
        self._close()

    def _close(self) -> None:
        self.registration.end()
        self.liveness.stop()
        self._timers.clear()
        self._events.append(CloseConnection())
