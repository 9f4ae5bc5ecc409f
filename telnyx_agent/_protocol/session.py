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

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..errors import (
    AuthenticationError,
    CallError,
    ClientConfigurationError,
    GatewayError,
    LocalProtocolError,
    NetworkError,
    SocketConnectionError,
    TxError,
)
from . import events, requests
from .ai_events import AiConversation
from .channel import Pending, RequestKind
from .inbox import Inbound
from .jsonrpc import RequestId
from .liveness import Verdict
from .outcomes import (
    ClientFailed,
    CloseConnection,
    DropConnection,
    LoginFailed,
    Ready,
    Reconnected,
    SessionUpdated,
)
from .requests import AnonymousLogin, CallOptions, Frame
from .settings import SessionSettings
from .states import NetworkReason, SessionState
from .timers import TimerKind
from .view import SessionView, no_clock

__all__ = ["Session", "SessionSettings"]

_LOGIN_REQUIRED = -32000
"""What the server answers on a connection whose login it does not know (S2)."""


class Session(SessionView):
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
        login: AnonymousLogin,
        *,
        new_id: Callable[[], str],
        random: Callable[[], float],
        wall_clock: Callable[[], datetime] = no_clock,
        settings: SessionSettings | None = None,
    ) -> None:
        super().__init__(login, new_id, random, wall_clock, SessionSettings() if settings is None else settings)
        self._handlers: Mapping[type, Callable[[Any, float], None]] = {
            events.ClientReady: self._on_client_ready,
            events.GatewayReport: self._on_gateway,
            events.Ping: self._on_ping,
            events.Punt: self._on_punt,
            events.Ringing: self._calls.ringing,
            events.Media: self._calls.media,
            events.Answer: self._calls.answer,
            events.Bye: self._calls.bye,
            events.Attach: self._calls.attach,
            events.WidgetConfig: self._conversation.widget_config,
            AiConversation: self._conversation.receive,
        }

    # -- the socket ----------------------------------------------------------------------------------------------------

    def connection_opened(self, now: float) -> None:
        """The socket is open: the login goes out (R6)."""
        self._registration.open(now)

    def connection_closed(self, error: TxError | None, now: float) -> None:
        """The socket is gone, or could not be opened. `OpenConnection` follows if it is to be replaced.

        Not replaced are those of a session that is over or that never was ready. Calls end with them.

        Args:
            error: Why; None if it was closed in an orderly way.
            now: The time.
        """
        if self._registration.is_over:
            self._registration.close()
            self._forget_connection()
            self._timers.clear()
            return
        failure = error or NetworkError("network connection closed by the server")
        if self._was_ready and self._recovery.is_allowed:
            self._lose(failure, now)
        elif self.state is not SessionState.IDLE or not self._recovery.try_without_region(self.voice_sdk_id):
            self._registration.close()
            self._forget_connection()
            self._timers.clear()
            self._failure = failure
            if not self._was_ready:
                self._events.append(LoginFailed(failure))
            elif error is not None:
                self._events.append(ClientFailed(error, is_final=True))
            self._calls.fail_all(failure, now, lost=NetworkReason.NETWORK_LOST, bye=False)

    def _lose(
        self,
        error: TxError,
        now: float,
        reason: NetworkReason = NetworkReason.NETWORK_LOST,
        *,
        deliberate: bool = False,
        at_once: bool = False,
    ) -> None:
        """There is no connection any more, but there will be another."""
        self._registration.lose()
        self._forget_connection()
        end = self._recovery.begin(error, now, at_once=at_once)
        if end is not None:
            self._fail(end, now, lost=reason)
            return
        self._calls.connection_lost(error, now, reason, deliberate=deliberate)
        self._messages.connection_lost(now)

    def _replace(self, error: TxError, now: float, reason: NetworkReason, **how: bool) -> None:
        """The connection is no good any more, though its socket may be open."""
        self._events.append(DropConnection())
        self._lose(error, now, reason, **how)

    def _forget_connection(self) -> None:
        self._socket_health.lost()
        self._liveness.stop()
        self._channel.forget()
        self._inbox.forget()

    def _open_another(self, now: float) -> None:
        """The time has come for the next attempt."""
        if self._recovery.is_session_stale(now):
            self._registration.renew()
            self._channel.voice_sdk_id = None
            self._calls.session_renewed(now)
        self._recovery.attempt_due(self.voice_sdk_id)

    def receive_text(self, text: str | bytes, now: float) -> None:
        """A frame came. Never raises for what the server sends."""
        if not self._registration.has_connection:
            return
        self._liveness.heard(now)
        for inbound in self._inbox.read(text):
            self._receive(inbound, now)
            if not self._registration.has_connection:
                return

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
                self._fail(self._recovery.exhausted(), now, lost=NetworkReason.NETWORK_LOST)
            elif timer.about:
                self._calls.timer_due(timer, now)
            else:
                self._conclude(self._registration.timer_due(timer.kind, now), now)

    def _request_expired(self, request_id: str, now: float) -> None:
        pending = self._channel.settle(request_id)
        if pending is not None and pending.kind is RequestKind.ATTACH:
            self._calls.attach_refused(pending.about, None, now)

    def _look_at_liveness(self, kind: TimerKind, now: float) -> None:
        verdict = self._liveness.timer_due(kind, now)
        if verdict is Verdict.UNCERTAIN:
            self._request(RequestKind.PING, "", now, requests.ping, self.voice_sdk_id)
        elif verdict is Verdict.DEAD:
            error = NetworkError("the network connection is dead: the server does not answer any more")
            if self._recovery.is_allowed:
                self._replace(error, now, NetworkReason.NETWORK_LOST, at_once=True)
            else:
                self._fail(error, now, lost=NetworkReason.NETWORK_LOST)

    # -- calls ---------------------------------------------------------------------------------------------------------

    def create_call(self, options: CallOptions, now: float) -> None:
        """A call is wanted; may be said while the login is under way, or before the socket is open.

        In a session that has failed, the call ends at once with the same error.

        Raises:
            LocalProtocolError: The session was ended by `disconnect`, or there is a call with this id.
        """
        if not self._registration.is_over:
            self._calls.create(options)
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

    # -- the assistant -------------------------------------------------------------------------------------------------

    def send_message(self, text: str, image_urls: Sequence[str], now: float, *, may_wait: bool = False) -> str:
        """Send typed text, images (`data:` or `https:` URLs) or both; the transcript has it at once (R45, R48).

        Args:
            text: The text.
            image_urls: The images.
            now: The time.
            may_wait: Whether to keep the message while a call is being set up or taken up again. What became of it is
                then told by `MessageSent` or `MessageFailed`.

        Returns:
            The id of the transcript item.

        Raises:
            ClientConfigurationError: There is nothing to send.
            CallError: No call is active; nothing was sent.
            SocketConnectionError: A call is active, but its connection is lost at the moment; nothing was sent.
        """
        if not text.strip() and not image_urls:
            raise ClientConfigurationError("there is nothing to send: give a text, an image or both")
        if self.is_ready and self._calls.has_active:
            return self._messages.send(text, tuple(image_urls), now, may_wait=may_wait)
        if may_wait and self._calls.has_any:
            return self._messages.keep(text, tuple(image_urls))
        if self._calls.has_lost or self._calls.has_active:
            raise SocketConnectionError(
                "the connection is lost at the moment and being made again; the message was not sent"
            )
        raise CallError("no call is active; messages reach the assistant only during a call")

    def send_function_call_output(self, call_id: str, output: str, now: float) -> None:
        """Answer a `FunctionCallReceived`.

        Raises:
            SocketConnectionError: Not connected; an answer that comes late is worth nothing, so it is not kept (R49).
        """
        self._notify(requests.function_call_output(call_id, output))

    def subscribe_audio_stream(self, now: float) -> None:
        """Ask for events about audio before it is played; they come as `AiMessage`.

        Raises:
            SocketConnectionError: Not connected.
        """
        self._notify(requests.audio_stream_subscribe())

    # -- the end -------------------------------------------------------------------------------------------------------

    def disconnect(self, now: float) -> None:
        """Hang up all calls and close the connection. Idempotent."""
        if self._registration.is_over:
            return
        self._calls.hang_up_all(now)
        self._close()

    def _fail(
        self,
        error: TxError,
        now: float,
        *,
        lost: NetworkReason | None = NetworkReason.SERVER_ERROR,
        cause: str | None = None,
        bye: bool = True,
    ) -> None:
        self._failure = error
        self._recovery.stop()
        self._events.append(ClientFailed(error, is_final=True) if self._was_ready else LoginFailed(error))
        self._calls.fail_all(error, now, lost=lost, cause=cause, bye=bye)
        self._close()

    def _close(self) -> None:
        self._registration.end()
        self._liveness.stop()
        self._timers.clear()
        self._events.append(CloseConnection())

    # -- frames --------------------------------------------------------------------------------------------------------

    def _receive(self, inbound: Inbound, now: float) -> None:
        if inbound.voice_sdk_id is not None:
            self._channel.voice_sdk_id = inbound.voice_sdk_id
        if isinstance(inbound.content, events.Reply):
            self._receive_result(inbound.id, inbound.content, now)
        elif isinstance(inbound.content, events.Refusal):
            self._receive_error(inbound.id, inbound.content, now)
        else:
            self._acknowledge(inbound)
            handler = self._handlers.get(type(inbound.content))
            if handler is not None:
                handler(inbound.content, now)

    def _acknowledge(self, inbound: Inbound) -> None:
        """Say that a request came, also for a call that we do not know (R27)."""
        if inbound.id is not None and inbound.method in events.ACKNOWLEDGED and self._registration.is_logged_in:
            self._channel.send(requests.ack(inbound.id, inbound.method))

    def _receive_result(self, request_id: RequestId | None, reply: events.Reply, now: float) -> None:
        pending = self._channel.settle(request_id)
        if pending is not None:
            self._liveness.confirmed(now)
            self._socket_health.answered(request_id, now)
            self._adopt_session_id(reply, pending)
            if pending.kind is RequestKind.LOGIN:
                self._registration.login_accepted(now)
                self._calls.logged_in(now)
            elif pending.kind is RequestKind.INVITE:
                self._calls.invite_accepted(pending.about)
            elif pending.kind is RequestKind.ATTACH:
                self._calls.attach_accepted(pending.about, now)
            elif pending.kind is RequestKind.MESSAGE:
                self._messages.confirmed(pending.about)
            elif pending.kind is RequestKind.BYE:
                self._calls.bye_answered(pending.about)
        # Told by its form and not by its id, as all official SDKs do (R5).
        if reply.gateway is not None:
            self._on_gateway(reply.gateway, now)

    def _receive_error(self, request_id: RequestId | None, refusal: events.Refusal, now: float) -> None:
        pending = self._channel.settle(request_id)
        if pending is None:
            return
        self._liveness.confirmed(now)
        if pending.kind is RequestKind.MESSAGE:
            self._messages.confirmed(pending.about)
        elif pending.kind is RequestKind.BYE and refusal.code != _LOGIN_REQUIRED:
            self._calls.bye_answered(pending.about)
        if pending.kind is RequestKind.LOGIN:
            self._conclude(self._registration.login_refused(refusal), now)
        elif refusal.code == _LOGIN_REQUIRED:
            self._log_in_again(pending, refusal, now)
        elif pending.kind is RequestKind.GATEWAY_STATE:
            self._conclude(self._registration.gateway_refused(refusal), now)
        elif pending.kind is RequestKind.INVITE:
            self._calls.invite_refused(pending.about, refusal, now)
        elif pending.kind is RequestKind.ATTACH:
            self._calls.attach_refused(pending.about, refusal, now)
        elif pending.kind is RequestKind.MESSAGE:
            self._conversation.refused(pending.about, refusal)

    def _log_in_again(self, pending: Pending, refusal: events.Refusal, now: float) -> None:
        """The server does not know our login any more (R16). An invite goes out again after the next one."""
        self._liveness.stop()
        self._conclude(self._registration.login_lost(refusal, now), now)
        if pending.kind is RequestKind.INVITE:
            self._calls.invite_later(pending.about)
        elif pending.kind is RequestKind.MESSAGE and not self._registration.is_over:
            self._conversation.refused(pending.about, refusal)

    def _adopt_session_id(self, reply: events.Reply, pending: Pending) -> None:
        """The server's word counts (R10); the login's result is news even if it says what we said."""
        session_id = reply.session_id or self.session_id
        if session_id != self.session_id or pending.kind is RequestKind.LOGIN:
            self._registration.session_id = session_id
            self._events.append(SessionUpdated(session_id))

    def _conclude(self, outcome: Ready | LoginFailed | None, now: float) -> None:
        """What the registration came to."""
        if isinstance(outcome, LoginFailed):
            self._login_failed(outcome.error, now)
        elif outcome is not None:
            if not self._was_ready:
                self._was_ready = True
                self._events.append(outcome)
            elif self._recovery.lost_at is not None:
                self._events.append(Reconnected())
            self._recovery.succeeded()
            self._socket_health.ready()
            self._liveness.start(now)
            self._calls.session_ready(now)

    def _login_failed(self, error: TxError, now: float) -> None:
        """Final for a first login and for a refusal; otherwise another connection may do better (R14, R15)."""
        if isinstance(error, AuthenticationError):
            self._fail(error, now)
        elif self._was_ready and self._recovery.is_allowed:
            is_gateway = isinstance(error, GatewayError)
            self._replace(error, now, NetworkReason.SERVER_ERROR if is_gateway else NetworkReason.NETWORK_LOST)
        else:
            self._fail(error, now)

    def _request(self, kind: RequestKind, about: str, now: float, build: Callable[..., Frame], *args: Any) -> None:
        request_id = self._channel.expect(Pending(kind, about), now + self._settings.request_timeout)
        if kind is RequestKind.PING:
            self._socket_health.asked(request_id, now)
        self._channel.send(build(request_id, *args))

    def _notify(self, frame: Frame) -> None:
        if not self.is_ready:
            raise SocketConnectionError("not connected; the message was not sent")
        self._channel.send(frame)

    # -- the server's requests; those about calls and the conversation go straight there -------------------------------

    def _on_client_ready(self, event: events.ClientReady, now: float) -> None:
        if event.reattached_calls is not None:
            self._calls.reattached(event.reattached_calls, now)
        self._registration.client_ready(now)

    def _on_gateway(self, report: events.GatewayReport, now: float) -> None:
        self._conclude(self._registration.gateway_reported(report, now), now)

    def _on_ping(self, event: events.Ping, now: float) -> None:
        if self._registration.is_logged_in:
            self._socket_health.server_ping(now)
            self._request(RequestKind.PING, "", now, requests.ping, self.voice_sdk_id)

    def _on_punt(self, event: events.Punt, now: float) -> None:
        error = SocketConnectionError("the server ended this session: it was taken over by another connection (punt)")
        self._fail(error, now, lost=None, cause="PURGE", bye=False)
