"""One socket of the emulated Telnyx server, without the socket: frames in, frames and events out. Pure.

    connection = ServerConnection(1, registry, scenario, new_id=..., accept=..., now=now, query={})
    connection.receive_text(text, now)
    for text in connection.texts_to_send(): ...
    while (event := connection.next_event()) is not None: ...
    deadline = connection.get_timer()     # then connection.handle_timer(now)

Time, ids and randomness are arguments. The rules are protocol.md 0.1 (S1 to S21, what the server's ancestor does) and
10.1 (rules 1 to 8): strict in what is recorded, lenient in what is accepted, exact in what is answered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ._bounds import CONTROL_LIMIT
from ._credentials import Credentials
from ._events import CallDetached, CallEnded, CloseSocket, Malformed, ServerEvent
from ._registry import CallPhase, Registry, ServerCall, ServerSession
from ._send_queue import NO_ID, Outbox
from ._server_calls import CallHandler
from ._server_conversation import ConversationHandler
from ._server_incoming import IncomingHandler
from ._server_login import LoginHandler
from .scenario import FunctionCall, HangUp, Scenario

__all__ = ["ServerConnection"]

_ANSWERED_WITH_NOTHING = frozenset(
    {
        "telnyx_rtc.ringing_ack",
        "telnyx_rtc.media",
        "telnyx_rtc.event",
        "telnyx_rtc.broadcast",
        "telnyx_rtc.subscribe",
        "telnyx_rtc.unsubscribe",
        "echo",
    }
)


class ServerConnection:
    """The server's half of one WebSocket.

    Args:
        number: Which connection of the server this is, from 1.
        registry: Sessions of the whole server.
        scenario: How to behave on this connection.
        new_id: Makes a UUID as text.
        accept: Says whether a target id is welcome; must not raise.
        now: The time; any clock, the same in every call.
        query: Query parameters of the URL (rule 1).
        epoch: Unix time at `now` = 0, for the pings' `serno`.
        credentials: Who may log in with credentials.
    """

    def __init__(
        self,
        number: int,
        registry: Registry,
        scenario: Scenario,
        *,
        new_id: Callable[[], str],
        accept: Callable[[str], bool],
        now: float,
        query: Mapping[str, str],
        epoch: float = 0.0,
        credentials: Credentials | None = None,
    ) -> None:
        self.number = number
        self._epoch = epoch
        self.scenario = scenario
        self._registry = registry
        self._new_id = new_id
        known = query.get("voice_sdk_id", "")
        is_known = known in registry.voice_sdk_ids
        # Rule 2: 30 url-safe characters after the prefix.
        voice_sdk_id = known if is_known else "VSDK1" + (new_id() + new_id()).replace("-", "")[:30]
        registry.voice_sdk_ids.add(voice_sdk_id)
        self._outbox = Outbox(
            scenario, new_id=new_id, next_request_id=registry.next_request_id, voice_sdk_id=voice_sdk_id
        )
        self._calls = CallHandler(self._outbox, scenario, registry)
        self._conversation = ConversationHandler(self._outbox, scenario)
        self._incoming = IncomingHandler(self._outbox, scenario, self._calls)
        self._logins = LoginHandler(
            self._outbox,
            scenario,
            registry,
            self._calls,
            accept=accept,
            credentials=credentials or Credentials(),
            knows_voice_sdk_id=is_known,
        )
        self._last_inbound = now
        self._closed = False
        self._methods: dict[str, Callable[[Any, Mapping[str, Any], ServerSession, float], None]] = {
            "telnyx_rtc.gatewayState": lambda i, p, s, t: self._logins.gateway_state(i, t),
            "telnyx_rtc.ping": lambda i, p, s, t: self._pong(i),
            "telnyx_rtc.invite": lambda i, p, s, t: self._calls.invite(i, p, s, t, ready=self._logins.registered),
            "telnyx_rtc.answer": self._incoming.answer,
            "telnyx_rtc.bye": self._calls.bye,
            "telnyx_rtc.modify": self._calls.modify,
            "telnyx_rtc.info": lambda i, p, s, t: self._calls.info(i, p, s),
            "telnyx_rtc.candidate": lambda i, p, s, t: self._calls.candidate(i, p, s, end=False),
            "telnyx_rtc.endOfCandidates": lambda i, p, s, t: self._calls.candidate(i, p, s, end=True),
            "telnyx_rtc.attach": self._calls.attach,
            "telnyx_rtc.attachCalls": lambda i, p, s, t: self._outbox.reply(i, {"params": {"state": "ATTACHED"}}),
            "ai_conversation": lambda i, p, s, t: self._conversation.receive(i, p, s),
        }
        if scenario.ping_early:
            self.ping(now)
        self._outbox.reached("open", now)

    # -- state ---------------------------------------------------------------------------------------------------------

    @property
    def session_id(self) -> str:
        """The session id; empty until the first frame (S1)."""
        return self._outbox.session_id

    @property
    def session(self) -> ServerSession | None:
        """The session, once logged in."""
        return self._logins.session

    @property
    def can_be_called(self) -> bool:
        """Whether the client is logged in with credentials, and registered."""
        return self.session is not None and self.session.has_credentials and self._logins.registered

    @property
    def voice_sdk_id(self) -> str:
        """The affinity token of this connection."""
        return self._outbox.voice_sdk_id

    # -- in ------------------------------------------------------------------------------------------------------------

    def receive_text(self, text: str | bytes, now: float) -> None:
        """A frame came. Bad ones are reported as `Malformed` and otherwise ignored."""
        self._last_inbound = now
        if self._outbox.muted or self._closed:
            return
        if isinstance(text, bytes):
            self._outbox.emit(Malformed("binary frame"))
            return
        if len(text) > CONTROL_LIMIT and '"ai_conversation"' not in text:
            self._outbox.emit(Malformed("too large for what it is"))
            return
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            self._outbox.emit(Malformed("not JSON"))
            return
        # S21: batches are accepted.
        for frame in message if isinstance(message, list) else [message]:
            if isinstance(frame, dict):
                self._receive_frame(frame, now)
            else:
                self._outbox.emit(Malformed("not an object"))

    def _receive_frame(self, frame: Mapping[str, Any], now: float) -> None:
        raw_params = frame.get("params")
        params: Mapping[str, Any] = raw_params if isinstance(raw_params, Mapping) else {}
        if not self._outbox.session_id:
            # S1: the first frame fixes the session id, whatever it is.
            given = params.get("sessid")
            self._outbox.session_id = given if isinstance(given, str) and given else self._new_id()
        if "result" in frame or "error" in frame:
            return  # S3: acks and pongs are not looked at
        request_id = frame.get("id", NO_ID)
        method = frame.get("method")
        if frame.get("jsonrpc") != "2.0":
            self._outbox.error(request_id, -32600, "Invalid message")
        elif not isinstance(method, str):
            return  # debug reports have neither method nor result
        elif method in ("login", "anonymous_login"):
            self._logins.login(request_id, method, params, now, self)
            self._arm_half_death(now)
        elif self.session is None:
            self._outbox.error(request_id, -32000, "Authentication Required")
        elif method in self._methods:
            self._methods[method](request_id, params, self.session, now)
        elif method == "telnyx_rtc.disable_push_notification":
            self._outbox.reply(request_id, {"message": "disable push notification success"})
        elif method in _ANSWERED_WITH_NOTHING:
            self._outbox.reply(request_id, {})
        else:
            self._outbox.error(request_id, -32601, "Invalid Method, Missing Method or Permission Denied")

    def _pong(self, request_id: Any) -> None:
        """S5: the same for a probe, JavaScript's pong and the verbatim echo of iOS and Android."""
        if self.scenario.answer_pings:
            self._outbox.reply(request_id, {"message": "PONG"})

    def _arm_half_death(self, now: float) -> None:
        if self.scenario.half_dead_after is not None:
            self._outbox.at(now + self.scenario.half_dead_after, lambda _: self.fall_silent())

    def fall_silent(self) -> None:
        """Neither read nor write any more, though the socket stays open (F)."""
        self._outbox.muted = True

    def connection_lost(self, now: float) -> None:
        """The socket is gone: unanswered calls end, answered ones wait for their client (S14)."""
        if self._closed:
            return
        self._closed = True
        self._outbox.cancel_all()
        session = self.session
        if session is None or session.connection is not self:
            return
        self._outbox.hold_conversation()
        for call in self._registry.detach(session, now, self.scenario.detach_timeout):
            call.phase = CallPhase.ENDED
            self._outbox.emit(CallEnded(call.call_id, "ORIGINATOR_CANCEL", by_client=True))
        for call in session.calls.values():
            self._outbox.emit(CallDetached(call.call_id))

    def supersede(self, now: float) -> None:
        """Another socket logged in with this session id: punt (S15), then close."""
        self._outbox.request("telnyx_rtc.punt", {})
        self._outbox.emit(CloseSocket(1000, "superseded"))

    # -- out -----------------------------------------------------------------------------------------------------------

    def texts_to_send(self) -> list[str | bytes]:
        """Frames that go out now, in order; each once. `bytes` are binary frames, from injections only."""
        return self._outbox.texts_to_send()

    def catch_up(self) -> None:
        """A call has moved to this connection: send what was said in it meanwhile."""
        self._outbox.catch_up()

    def probe_wanted(self) -> int | None:
        """If not None: send a WebSocket ping after those texts, and call `probe_answered` with this on its pong."""
        return self._outbox.probe_wanted()

    def probe_answered(self, number: int) -> None:
        """The client has received everything that was sent before that ping."""
        self._outbox.probe_answered(number)

    def next_event(self) -> ServerEvent | None:
        """The oldest thing that happened and was not reported yet."""
        return self._outbox.next_event()

    def get_timer(self) -> float | None:
        """When `handle_timer` wants to be called next, or None."""
        times = [self._outbox.get_timer(), self._ping_due()]
        return min((time for time in times if time is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`. Calling it too early or too late is harmless."""
        self._outbox.handle_timer(now)
        due = self._ping_due()
        if due is not None and due <= now:
            self.ping(now)
            self._last_inbound = now

    def _ping_due(self) -> float | None:
        """S6: a ping is sent only after a time without anything from the client."""
        interval = self.scenario.ping_interval
        if interval is None or self.session is None or self._closed or self._outbox.muted:
            return None
        return self._last_inbound + interval

    # -- what the far end does of its own accord -----------------------------------------------------------------------

    def ping(self, now: float) -> None:
        """Send a ping; `serno` is Unix time in seconds (S6)."""
        self._outbox.request("telnyx_rtc.ping", {"serno": int(self._epoch + now)})

    def punt(self, now: float) -> None:
        """Evict the client (H)."""
        self._logins.punt(now)

    def send_request(self, method: str, params: Mapping[str, Any]) -> int:
        """Send any server request; returns its id."""
        return self._outbox.request(method, params)

    def send_raw(self, text: str | bytes) -> None:
        """Send anything at all."""
        self._outbox.raw(text)

    def hang_up(self, call_id: str, reason: HangUp, now: float) -> bool:
        """The far end hangs up; False if there is no such call."""
        call = self._call(call_id)
        if call is not None and self.session is not None:
            self._calls.hang_up(self.session, call, reason, now)
        return call is not None

    def call_client(self, call_id: str, dialog: Mapping[str, Any], ring: float, now: float) -> None:
        """Call the client, which is logged in with credentials; it rings for `ring` seconds."""
        if self.session is not None:
            self._incoming.call(self.session, call_id, dialog, ring, now)

    def set_local_description(self, call_id: str, sdp: str, now: float) -> None:
        """The SDP that `CallOffered`, `OfferWanted` or `AttachWanted` asked for."""
        call = self._call(call_id)
        if call is not None and call.to_client and call.phase is CallPhase.INVITED:
            self._incoming.send_invite(call, sdp, now)
        elif call is not None and self.session is not None:
            self._calls.set_local_description(self.session, call, sdp, now)

    def refuse_media(self, call_id: str, now: float) -> None:
        """There will be no such SDP."""
        call = self._call(call_id)
        if call is not None and self.session is not None:
            self._calls.refuse_media(self.session, call, now)

    def answer_media_update(self, call_id: str, sdp: str | None) -> None:
        """The SDP that `MediaUpdateOffered` asked for; None if it cannot be made."""
        call = self._call(call_id)
        if call is not None:
            self._calls.answer_media_update(call, sdp)

    def user_item(self, item_id: str, text: str, *, completed: bool) -> None:
        """What the ears heard."""
        if self.session is not None:
            self._conversation.user_item(self.session, item_id, text, completed=completed)

    def response_created(self, response_id: str, now: float) -> None:
        """The agent begins to speak."""
        self._conversation.response_created(response_id, now)

    def response_delta(self, response_id: str, delta: str) -> None:
        """The agent spoke some more words."""
        if self.session is not None:
            self._conversation.response_delta(self.session, response_id, delta)

    def response_done(self, response_id: str, text: str) -> None:
        """The agent said all it wanted."""
        self._conversation.response_done(response_id, text)

    def function_call(self, call: FunctionCall) -> str:
        """The agent asks for a client-side tool; returns the id of the request."""
        if self.session is None:
            return ""
        return self._conversation.function_call(self.session, call)

    def _call(self, call_id: str) -> ServerCall | None:
        return None if self.session is None else self.session.find_call(call_id)
