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
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..errors import (
    CallError,
    ClientConfigurationError,
    LocalProtocolError,
    NetworkError,
    SocketConnectionError,
    TxError,
)
from . import events, requests
from .ai_events import AiConversation
from .calls import Calls
from .channel import Channel, Pending, RequestKind
from .conversation import Conversation
from .inbox import Inbound, Inbox
from .jsonrpc import RequestId
from .outcomes import (
    ClientFailed,
    CloseConnection,
    LoginFailed,
    Ready,
    SessionEvent,
    SessionUpdated,
)
from .registration import Registration
from .requests import AnonymousLogin, CallOptions, Frame
from .settings import SessionSettings
from .states import AgentState, NetworkReason, SessionState
from .timers import TimerKind, Timers
from .transcription import EPOCH, TranscriptionItem
from .widget import WidgetSettings

__all__ = ["Session", "SessionSettings"]

_LOGIN_REQUIRED = -32000
"""What the server answers on a connection whose login it does not know (S2)."""


def _no_clock() -> datetime:
    return EPOCH


class Session:
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
        wall_clock: Callable[[], datetime] = _no_clock,
        settings: SessionSettings | None = None,
    ) -> None:
        settings = SessionSettings() if settings is None else settings
        self._login = login
        self._settings = settings
        self._events: deque[SessionEvent] = deque()
        report = self._events.append
        self._timers = Timers()
        self._channel = Channel(new_id, self._timers)
        self._registration = Registration(login, self._channel, self._timers, settings, random)
        self._conversation = Conversation(new_id=new_id, wall_clock=wall_clock, report=report)
        self._calls = Calls(
            self._channel, self._timers, self._registration, self._conversation, settings, login.sdk_version, report
        )
        self._inbox = Inbox(report)
        self._handlers: Mapping[type, Callable[[Any, float], None]] = {
            events.ClientReady: self._on_client_ready,
            events.GatewayReport: self._on_gateway,
            events.Ping: self._on_ping,
            events.Punt: self._on_punt,
            events.Ringing: self._calls.ringing,
            events.Media: self._calls.media,
            events.Answer: self._calls.answer,
            events.Bye: self._calls.bye,
            events.WidgetConfig: self._conversation.widget_config,
            AiConversation: self._conversation.receive,
        }
        self._was_ready = False
        self._failure: TxError | None = None

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> SessionState:
        """How far the connection has come."""
        return self._registration.state

    @property
    def is_ready(self) -> bool:
        """Whether calls go through."""
        return self._registration.is_ready

    @property
    def session_id(self) -> str:
        """The session id: ours, until the server has confirmed or replaced it (R7, R10)."""
        return self._registration.session_id

    @property
    def voice_sdk_id(self) -> str | None:
        """The token that leads a reconnection back to the same server (R3)."""
        return self._channel.voice_sdk_id

    @property
    def target_id(self) -> str:
        """Whom the session is locked to."""
        return self._login.target_id

    @property
    def call_report_id(self) -> str | None:
        """The key for call reports."""
        return self._registration.report.call_report_id

    @property
    def datacenter(self) -> str | None:
        """Where we are connected to, such as `"ams3-prod"`."""
        return self._registration.report.datacenter

    @property
    def region(self) -> str | None:
        """Where that is, such as `"eu-west"`."""
        return self._registration.report.region

    @property
    def widget_settings(self) -> WidgetSettings | None:
        """The latest widget settings (R18)."""
        return self._conversation.widget_settings

    @property
    def transcript(self) -> tuple[TranscriptionItem, ...]:
        """The transcript of the current call, or of the last one until the next begins."""
        return self._conversation.transcript

    @property
    def agent_state(self) -> AgentState:
        """What the assistant does at the moment."""
        return self._conversation.agent_state

    # -- the socket ----------------------------------------------------------------------------------------------------

    def connection_opened(self, now: float) -> None:
        """The socket is open: the login goes out (R6)."""
        self._registration.open(now)

    def connection_closed(self, error: TxError | None, now: float) -> None:
        """The socket is gone, and with it all calls.

        Args:
            error: Why; None if it was closed in an orderly way.
            now: The time.
        """
        was_over = self._registration.is_over
        self._registration.close()
        self._channel.forget()
        self._inbox.forget()
        self._timers.clear()
        if was_over:
            return
        self._failure = failure = error or NetworkError("network connection closed by the server")
        if not self._was_ready:
            self._events.append(LoginFailed(failure))
        elif error is not None:
            self._events.append(ClientFailed(error))
        self._calls.fail_all(failure, now, lost=NetworkReason.NETWORK_LOST, bye=False)

    def receive_text(self, text: str | bytes, now: float) -> None:
        """A frame came. Never raises for what the server sends."""
        if self.state is SessionState.IDLE or self._registration.is_over:
            return
        for inbound in self._inbox.read(text):
            self._receive(inbound, now)
            if self._registration.is_over:
                return

    def texts_to_send(self) -> list[str]:
        """The frames to send, in order; each is handed out once."""
        return self._channel.take_texts()

    def next_event(self) -> SessionEvent | None:
        """The next thing that happened; None if that was all."""
        return self._events.popleft() if self._events else None

    def get_timer(self) -> float | None:
        """When `handle_timer` wants to be called; None for never."""
        return self._timers.next_deadline

    def handle_timer(self, now: float) -> None:
        """Do what is due. To be called too early does no harm."""
        while (timer := self._timers.pop_due(now)) is not None:
            if timer.kind is TimerKind.REQUEST:
                self._channel.settle(timer.about)
            elif timer.about:
                self._calls.timer_due(timer, now)
            else:
                self._conclude(self._registration.timer_due(timer.kind, now), now)

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

    def set_local_description(self, call_id: str, sdp: str, now: float) -> None:
        """The complete offer of a call is there.

        Raises:
            LocalProtocolError: The call has one already.
        """
        self._calls.set_local_description(call_id, sdp, now)

    def remote_description_applied(self, call_id: str, now: float) -> None:
        """The media took what `RemoteDescription` brought.

        Raises:
            LocalProtocolError: There was none.
        """
        self._calls.remote_description_applied(call_id)

    def fail_call(self, call_id: str, error: TxError, now: float) -> None:
        """The media of a call failed, so the call ends."""
        self._calls.fail(call_id, error, now)

    def hangup(self, call_id: str, now: float, *, cause: str | None = None, cause_code: int | None = None) -> None:
        """End a call. One that has ended, or never was, is no error. The far end is told if it was called."""
        self._calls.hang_up(call_id, now, cause, cause_code)

    # -- the assistant -------------------------------------------------------------------------------------------------

    def send_message(self, text: str, image_urls: Sequence[str], now: float) -> str:
        """Send typed text, images (`data:` or `https:` URLs) or both; the transcript has it at once (R45, R48).

        Returns:
            The id of the transcript item.

        Raises:
            ClientConfigurationError: There is nothing to send.
            CallError: No call is active; nothing was sent.
        """
        if not text.strip() and not image_urls:
            raise ClientConfigurationError("there is nothing to send: give a text, an image or both")
        if not self.is_ready or not self._calls.has_active:
            raise CallError("no call is active; messages reach the assistant only during a call")
        item_id = self._channel.new_id()
        self._request(RequestKind.MESSAGE, item_id, now, requests.message, item_id, text, image_urls)
        self._conversation.typed(item_id, text, image_urls, now)
        return item_id

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

    def clear_transcript(self, now: float) -> None:
        """Forget the transcript."""
        self._conversation.clear()

    def add_transcription(self, item: TranscriptionItem, now: float) -> None:
        """Put an item of the application's into the transcript, or in the place of the one with its id."""
        self._conversation.add(item, now)

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
        self._events.append(ClientFailed(error) if self._was_ready else LoginFailed(error))
        self._calls.fail_all(error, now, lost=lost, cause=cause, bye=bye)
        self._close()

    def _close(self) -> None:
        self._registration.end()
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
            self._adopt_session_id(reply, pending)
            if pending.kind is RequestKind.LOGIN:
                self._registration.login_accepted(now)
            elif pending.kind is RequestKind.INVITE:
                self._calls.invite_accepted(pending.about)
        # Told by its form and not by its id, as all official SDKs do (R5).
        if reply.gateway is not None:
            self._on_gateway(reply.gateway, now)

    def _receive_error(self, request_id: RequestId | None, refusal: events.Refusal, now: float) -> None:
        pending = self._channel.settle(request_id)
        if pending is None:
            return
        if pending.kind is RequestKind.LOGIN:
            self._conclude(self._registration.login_refused(refusal), now)
        elif refusal.code == _LOGIN_REQUIRED:
            self._log_in_again(pending, refusal, now)
        elif pending.kind is RequestKind.GATEWAY_STATE:
            self._conclude(self._registration.gateway_refused(refusal), now)
        elif pending.kind is RequestKind.INVITE:
            self._calls.invite_refused(pending.about, refusal, now)
        elif pending.kind is RequestKind.MESSAGE:
            self._conversation.refused(pending.about, refusal)

    def _log_in_again(self, pending: Pending, refusal: events.Refusal, now: float) -> None:
        """The server does not know our login any more (R16). An invite goes out again after the next one."""
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
            self._fail(outcome.error, now)
        elif outcome is not None:
            if not self._was_ready:
                self._was_ready = True
                self._events.append(outcome)
            self._calls.send_invites(now)

    def _request(self, kind: RequestKind, about: str, now: float, build: Callable[..., Frame], *args: Any) -> None:
        request_id = self._channel.expect(Pending(kind, about), now + self._settings.request_timeout)
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
            self._request(RequestKind.PING, "", now, requests.ping, self.voice_sdk_id)

    def _on_punt(self, event: events.Punt, now: float) -> None:
        error = SocketConnectionError("the server ended this session: it was taken over by another connection (punt)")
        self._fail(error, now, lost=None, cause="PURGE", bye=False)
