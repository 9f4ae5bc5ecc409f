"""`World`: the client's pure core, the server's pure core, and a network between them that does what it is told.

No thread, no clock, no socket. Every method of the first two sections is one step that may come at any time; what must
hold at any time is checked as events come out. A test, a Hypothesis machine or a seeded random walk chooses the steps.
"""

from __future__ import annotations

import itertools
import json
import random
import uuid
from collections import deque
from typing import Any

from telnyx_agent._protocol import outcomes as out
from telnyx_agent._protocol.session.session import Session
from telnyx_agent._protocol.session.settings import SessionSettings
from telnyx_agent._protocol.states import CALL_TABLE, CallState, CallStateKind
from telnyx_agent._protocol.wire.credentials import Login
from telnyx_agent._protocol.wire.requests import AnonymousLogin, CallOptions
from telnyx_agent.errors import CallError, LocalProtocolError, NetworkError, SocketConnectionError, TxError
from telnyx_agent.testing import _events as ev
from telnyx_agent.testing._registry import Registry
from telnyx_agent.testing._server_protocol import ServerConnection
from telnyx_agent.testing.scenario import HangUp, Scenario
from tests.testing.script import ANSWER, OFFER

SUCCESSORS = {kind: set(row.values()) for kind, row in CALL_TABLE.items()}
_CALL_EVENTS = (out.CallStateChanged, out.CallUpdated, out.RemoteDescription, out.MediaOffered, out.RingingAckReceived)


class Link:
    """One TCP connection, as both ends see it."""

    def __init__(self, server: ServerConnection) -> None:
        self.server = server
        self.to_server: deque[str] = deque()
        self.to_client: deque[str | bytes] = deque()
        self.client_has_it = True
        self.server_has_it = True
        self.is_frozen = False
        self.methods: list[str] = []
        self.offered: set[str] = set()


class World:
    """Everything that there is.

    Args:
        seed: For ids and jitter.
        scenario: How the server behaves.
        settings: The client's.
        login: The client's; anonymous unless given.
    """

    def __init__(
        self,
        seed: int = 0,
        scenario: Scenario | None = None,
        settings: SessionSettings | None = None,
        login: Login | None = None,
    ) -> None:
        self.now = 1000.0
        self.scenario = scenario or Scenario.fast(widget_settings=None, detach_timeout=120.0)
        self.settings = settings or SessionSettings()
        self._random = random.Random(seed)
        self._numbers = itertools.count(1)
        self.registry = Registry(first_request_id=12344)
        self.links: list[Link] = []
        self.link: Link | None = None
        self.wants_connection: out.OpenConnection | None = out.OpenConnection()
        self.is_closing = False
        self.calls: dict[str, list[CallState]] = {}
        self.unoffered: list[str] = []
        self.to_apply: list[str] = []
        self.to_answer: list[str] = []
        self.logins: list[out.SessionEvent] = []
        self.final_errors: list[TxError] = []
        self.reconnections: list[out.SessionEvent] = []
        self.kept: dict[str, str | None] = {}
        self.heard: set[str] = set()
        self.patient: dict[str, str] = {}
        self.received: list[str] = []
        self.lost_at: float | None = None
        self.disconnected = False
        self.session = Session(
            login or AnonymousLogin(target_id="assistant-1"),
            new_id=self._new_id,
            random=self._random.random,
            settings=self.settings,
        )

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    # -- the network's steps -------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """The connection that the client wants is made."""
        wanted, self.wants_connection = self.wants_connection, None
        if wanted is None:
            return
        query = {} if wanted.voice_sdk_id is None else {"voice_sdk_id": wanted.voice_sdk_id}
        server = ServerConnection(
            len(self.links) + 1,
            self.registry,
            self.scenario,
            new_id=self._new_id,
            accept=lambda target: True,
            now=self.now,
            query=query,
        )
        self.link = Link(server)
        self.links.append(self.link)
        self.session.connection_opened(self.now)
        self.settle()

    def refuse_connection(self) -> None:
        """It cannot be made."""
        if self.wants_connection is not None:
            self.wants_connection = None
            self.session.connection_closed(NetworkError("network: refused"), self.now)
            self.settle()

    def deliver_to_server(self) -> None:
        """The oldest frame arrives."""
        for link in self.links:
            if link.to_server and link.server_has_it:
                text = link.to_server.popleft()
                if not link.is_frozen:
                    link.server.receive_text(text, self.now)
                self.settle()
                return

    def deliver_to_client(self) -> None:
        """The oldest frame arrives."""
        link = self.link
        if link is None or not link.to_client:
            return
        text = link.to_client.popleft()
        if not link.is_frozen:
            was_over = self.session.registration.is_over
            self.session.receive_text(text, self.now)
            if not was_over:
                self._note_what_was_heard(text)
        self.settle()

    def deliver_all(self) -> None:
        """Everything that is under way arrives, in both directions, until nothing is."""
        for _ in range(10_000):
            waiting = any(link.to_server and link.server_has_it for link in self.links)
            if not waiting and not (self.link is not None and self.link.to_client):
                return
            self.deliver_to_server()
            self.deliver_to_client()
        raise AssertionError("they never stop talking")

    def lose(self, *, error: bool = True, server_knows: bool = True) -> None:
        """The connection breaks; what was under way is lost. The server may notice later."""
        link, self.link = self.link, None
        if link is None:
            return
        link.client_has_it = False
        link.to_client.clear()
        link.to_server.clear()
        if server_knows:
            self._server_loses(link)
        self.session.connection_closed(NetworkError("network: reset") if error else None, self.now)
        self.is_closing = False
        self.settle()

    def server_notices(self) -> None:
        """The server notices a connection that broke before."""
        for link in self.links:
            if link.server_has_it and not link.client_has_it:
                self._server_loses(link)
                self.settle()
                return

    def freeze(self) -> None:
        """The connection stays open and carries nothing any more."""
        if self.link is not None:
            self.link.is_frozen = True

    def wait(self, seconds: float) -> None:
        """Time goes by; everybody's timers are served in time."""
        end = self.now + seconds
        while True:
            servers = [link.server.get_timer() for link in self.links if link.server_has_it]
            timers = [self.session.get_timer(), self.registry.get_timer(), *servers]
            due = min((timer for timer in timers if timer is not None), default=end + 1)
            if due > end:
                break
            self.now = max(self.now, due)
            self.session.handle_timer(self.now)
            for link in self.links:
                if link.server_has_it:
                    link.server.handle_timer(self.now)
            self.registry.handle_timer(self.now)
            while self.registry.next_event() is not None:
                pass
            self.settle()
        self.now = end

    # -- the users' steps ----------------------------------------------------------------------------------------------

    def place_call(self) -> None:
        """The user calls."""
        call_id = self._new_id()
        try:
            self.session.calls.create(CallOptions(call_id), self.now)
        except LocalProtocolError:
            assert self.disconnected
            return
        self.calls.setdefault(call_id, [])
        self.unoffered.append(call_id)
        self.settle()

    def offer(self) -> None:
        """The media of a call have their offer."""
        if self.unoffered:
            self.session.calls.set_local_description(self.unoffered.pop(0), OFFER, self.now)
            self.settle()

    def apply(self) -> None:
        """The media of a call took the remote SDP."""
        if self.to_apply:
            self.session.calls.remote_description_applied(self.to_apply.pop(0), self.now)
            self.settle()

    def answer(self) -> None:
        """The media of a call have answered the server's offer."""
        if self.to_answer:
            self.session.calls.set_answer(self.to_answer.pop(0), ANSWER, self.now)
            self.settle()

    def hang_up(self, index: int = 0) -> None:
        """The user hangs up, perhaps for the second time."""
        if self.calls:
            self.session.calls.hang_up(list(self.calls)[index % len(self.calls)], self.now)
            self.settle()

    def lose_media(self, index: int = 0) -> None:
        """The media of a call are gone."""
        if self.calls:
            call_id = list(self.calls)[index % len(self.calls)]
            self.session.media_lost(call_id, CallError("gone", code=33001), self.now)
            self.settle()

    def write(self, *, may_wait: bool = False) -> None:
        """The user types."""
        text = f"typed {next(self._numbers)}"
        try:
            item_id = self.session.conversation.send_message(text, (), self.now, may_wait=may_wait)
        except (CallError, SocketConnectionError):
            assert all(item.content != text for item in self.session.conversation.transcript.items)
            return
        if self.session.conversation.messages.is_waiting(item_id):
            self.kept[item_id] = None
        if may_wait:
            self.patient[item_id] = text
        self.settle()

    def disconnect(self) -> None:
        """The user has enough of it all."""
        self.disconnected = True
        self.session.disconnect(self.now)
        self.settle()

    # -- the server's steps --------------------------------------------------------------------------------------------

    def say(self) -> None:
        """The server has heard the user, and the assistant answers; complete items, with texts that are never said
        again.
        """
        link = self._latest_link()
        if link is None or link.server.session is None or link.server.session.active_call is None:
            return
        number = next(self._numbers)
        link.server.user_item(self._new_id(), f"heard {number}", completed=True)
        response_id = self._new_id()
        link.server.response_created(response_id, self.now)
        link.server.response_delta(response_id, f"said {number}")
        link.server.response_done(response_id, f"said {number}")
        self.settle()

    def server_hangs_up(self) -> None:
        """The far end ends a call."""
        link = self._latest_link()
        if link is not None and link.server.session is not None:
            for call in list(link.server.session.calls.values()):
                link.server.hang_up(call.call_id, HangUp(), self.now)
                break
            self.settle()

    def ping(self) -> None:
        """The server pings."""
        link = self._latest_link()
        if link is not None:
            link.server.ping(self.now)
            self.settle()

    def gateway_fails(self) -> None:
        """The gateway goes down under a session."""
        link = self._latest_link()
        if link is not None and link.server.session is not None:
            link.server.send_request("telnyx_rtc.gatewayState", {"state": "FAILED"})
            self.settle()

    def punt(self) -> None:
        """The server evicts the client."""
        link = self._latest_link()
        if link is not None and link.server.session is not None:
            link.server.punt(self.now)
            self.settle()

    def babble(self) -> None:
        """The server sends what makes no sense, or what came before."""
        link = self._latest_link()
        if link is not None:
            nonsense = ["{", "[]", '{"id":1,"result":{}}', '{"method":"telnyx_rtc.bye"}']
            link.server.send_raw(self._random.choice(nonsense))
            for call_id in self.calls:
                link.server.send_request("telnyx_rtc.answer", {"callID": call_id})
            self.settle()

    # -- the end of the world ------------------------------------------------------------------------------------------

    def get_on(self, seconds: float = 30.0) -> None:
        """A good network and willing media for a while: whatever can come to rest does."""
        end = self.now + seconds
        while self.now < end:
            self.connect()
            self.offer()
            self.apply()
            self.answer()
            self.deliver_all()
            if self.is_closing:
                self.lose(error=False)
            self.wait(0.25)

    def check_no_ghosts(self) -> None:
        """The server has no call on this connection that the client has ended."""
        session = None if self.link is None else self.link.server.session
        for call in () if session is None else session.calls.values():
            assert not self.calls[call.call_id][-1].is_terminal, f"{call.call_id} rings on"

    def check_no_words_lost(self) -> None:
        """What was typed with patience has reached the server or has failed, if the call that it was for is still up.

        More than once is possible: nobody knows of a connection that broke what it had carried.
        """
        shown = {item.id for item in self.session.conversation.transcript.items}
        for item_id, text in self.patient.items():
            if item_id in shown:
                assert text in self.received, f"{text} was lost"

    def finish(self) -> None:
        """The user disconnects; then it is all over, and said to be so exactly once."""
        self.disconnect()
        self.refuse_connection()
        self.lose(error=False)
        self.check_over()

    def check_over(self) -> None:
        """Nothing is left, and nothing more can happen."""
        assert self.session.registration.is_closed
        for states in self.calls.values():
            assert [state.kind for state in states].count(CallStateKind.DONE) == 1
        assert None not in self.kept.values(), "a message that nobody knows the fate of"
        self.session.handle_timer(self.now + 1e6)
        assert self.session.get_timer() is None
        assert self.session.texts_to_send() == []
        while (event := self.session.next_event()) is not None:
            raise AssertionError(f"{event} after the end")

    # -- inside --------------------------------------------------------------------------------------------------------

    def _latest_link(self) -> Link | None:
        alive = [link for link in self.links if link.server_has_it]
        return alive[-1] if alive else None

    def _server_loses(self, link: Link) -> None:
        link.server_has_it = False
        link.server.connection_lost(self.now)

    def settle(self) -> None:
        """Both drivers do what they do after every step."""
        while True:
            self._take_from_client()
            progress = self._handle_client_event()
            for link in list(self.links):
                progress |= self._handle_server(link)
            if not progress:
                break
        self._check_transcript()

    def _take_from_client(self) -> None:
        for text in self.session.texts_to_send():
            assert self.link is not None, f"nowhere to send {text[:80]}"
            frame = json.loads(text)
            method = frame.get("method", "ack")
            if not self.link.methods:
                assert method in ("anonymous_login", "login"), f"the first frame is {method} (S1)"
                self._check_login(frame["params"])
            if method == "telnyx_rtc.attach":
                assert frame["params"]["dialogParams"]["callID"] in self.link.offered, "nobody has asked for that"
            self.link.methods.append(method)
            self.link.to_server.append(text)

    def _check_login(self, params: dict[str, Any]) -> None:
        """A reconnection takes the session up again, unless it has been lost for too long (R53)."""
        if len(self.links) > 1:
            is_fresh = self.lost_at is not None and self.now - self.lost_at >= self.settings.session_lifetime
            assert params["reconnection"] is not is_fresh
            assert is_fresh or params["sessid"] in self.registry.sessions or not self.registry.sessions

    def _handle_client_event(self) -> bool:
        event = self.session.next_event()
        if event is None:
            return False
        if isinstance(event, out.IncomingCall):
            self._handle_incoming(event)
        elif isinstance(event, _CALL_EVENTS):
            self._handle_call_event(event)
        elif isinstance(event, (out.ClientReady, out.LoginFailed)):
            self.logins.append(event)
            self.lost_at = None
            assert len(self.logins) == 1, self.logins
        elif isinstance(event, (out.Reconnecting, out.Reconnected)):
            self._check_going(event)
            self.reconnections.append(event)
            self.lost_at = None if isinstance(event, out.Reconnected) else self.lost_at or self.now
        elif isinstance(event, out.ClientFailed) and event.is_final:
            assert not self.final_errors, (self.final_errors, event.error)
            assert isinstance(self.logins[0], out.ClientReady)
            self.final_errors.append(event.error)
        elif isinstance(event, out.OpenConnection):
            self._check_going(event)
            assert self.link is None
            self.wants_connection = event
        elif isinstance(event, out.DropConnection):
            link, self.link = self.link, None
            assert link is not None
            link.client_has_it = False
            link.to_client.clear()
        elif isinstance(event, out.CloseConnection):
            self._close()
        elif isinstance(event, (out.MessageSent, out.MessageFailed)):
            self._handle_message(event)
        return True

    def _check_going(self, event: out.SessionEvent) -> None:
        assert not self.final_errors, f"{event} after the end"
        assert not self.disconnected, f"{event} after disconnect()"
        assert not any(isinstance(login, out.LoginFailed) for login in self.logins), f"{event} after the end"

    def _close(self) -> None:
        self.is_closing = True
        if self.link is None and self.wants_connection is None:
            self.session.connection_closed(None, self.now)
            self.is_closing = False

    def _handle_incoming(self, event: out.IncomingCall) -> None:
        raise AssertionError("nobody calls an anonymous client")

    def _first_state(self, call_id: str) -> CallStateKind:
        return CallStateKind.NEW

    def _handle_call_event(self, event: Any) -> None:
        states = self.calls.setdefault(str(event.call_id), [])
        assert not states or not states[-1].is_terminal, f"{event} after DONE"
        if isinstance(event, out.CallStateChanged):
            previous = states[-1].kind if states else None
            kind = event.state.kind
            assert kind is self._first_state(event.call_id) if previous is None else kind in SUCCESSORS[previous], (
                previous,
                kind,
            )
            states.append(event.state)
            if event.state.is_terminal:
                assert event.state.termination_reason is not None
        elif isinstance(event, out.RemoteDescription):
            self.to_apply.append(event.call_id)
        elif isinstance(event, out.MediaOffered):
            assert self.link is not None
            self.link.offered.add(event.call_id)
            self.to_answer = [other for other in self.to_answer if other != event.call_id]
            self.to_answer.append(event.call_id)

    def _handle_message(self, event: out.MessageSent | out.MessageFailed) -> None:
        if event.item_id in self.kept and self.kept[event.item_id] is None:
            self.kept[event.item_id] = type(event).__name__

    def _handle_server(self, link: Link) -> bool:
        progress = False
        for text in link.server.texts_to_send():
            progress = True
            if link.server_has_it and link.client_has_it:
                link.to_client.append(text)
        while (event := link.server.next_event()) is not None:
            progress = True
            if isinstance(event, (ev.CallOffered, ev.AttachWanted)):
                sdp = ANSWER if isinstance(event, ev.CallOffered) else OFFER
                link.server.set_local_description(event.call_id, sdp, self.now)
            elif isinstance(event, ev.OfferWanted):
                link.server.set_local_description(event.call_id, OFFER, self.now)
            elif isinstance(event, ev.MessageTyped):
                self.received.append(event.text)
            elif isinstance(event, ev.CloseSocket) and link.server_has_it:
                self._server_loses(link)
        return progress

    # -- the transcript ------------------------------------------------------------------------------------------------

    def _note_what_was_heard(self, text: str | bytes) -> None:
        """Remember the complete items that the client was told of."""
        try:
            frame = json.loads(text)
        except ValueError:
            return
        if not isinstance(frame, dict) or frame.get("method") != "ai_conversation":
            return
        item = frame["params"].get("item", {})
        if item.get("status") == "completed":
            self.heard.add(item["id"])

    def _check_transcript(self) -> None:
        items = self.session.conversation.transcript.items
        ids = [item.id for item in items]
        assert len(set(ids)) == len(ids)
        finals = [item.content for item in items if item.is_final]
        assert len(set(finals)) == len(finals), f"doubled: {finals}"
        if not items:
            self.heard.clear()  # another call began
        missing = self.heard - set(ids)
        if missing:
            # A call that begins clears the transcript; nothing else may.
            assert not any(item.id in self.heard for item in items), f"lost: {missing}"
            self.heard &= set(ids)
