"""A pure `Session` among hostile frames: a driver, a server that sometimes is honest, and what must hold throughout."""

from __future__ import annotations

import itertools
import json
import math
import random
from typing import Any

from telnyx_agent._protocol import outcomes
from telnyx_agent._protocol.conversation.limits import MAX_ITEMS
from telnyx_agent._protocol.session.session import Session
from telnyx_agent._protocol.states import SessionState
from telnyx_agent._protocol.wire.credentials import CredentialLogin, Login
from telnyx_agent._protocol.wire.requests import AnonymousLogin, CallOptions
from telnyx_agent.errors import NetworkError, TxError

from .server_side import SDP, HonestServer

__all__ = ["SessionWorld"]

_MOST_EVENTS = 5000
"""Of one frame, the largest batches included."""


class SessionWorld:
    """One session after the other. `frame` is what a server says; everything else happens by chance.

    Args:
        dice: Decides.
        lasting: Whether to keep to a session until a frame ends it.
    """

    def __init__(self, dice: random.Random, *, lasting: bool = False) -> None:
        self._dice = dice
        self._lasting = lasting
        self._ids = itertools.count(1)
        self.sessions = 0
        self.events = 0
        self.begin()

    def begin(self) -> None:
        """A new session; the old one is forgotten."""
        self.sessions += 1
        self.now = 1000.0
        login: Login = AnonymousLogin(target_id="assistant-1")
        if self._dice.random() < 0.4:
            login = CredentialLogin(sip_user="alice", password="secret")
        self.session = Session(login, new_id=self._new_id, random=self._dice.random)
        self._server = HonestServer()
        self.known = self._server.known
        self.asked: set[int] = set()
        self._done: set[str] = set()
        self._logins = 0
        self.session.connection_opened(self.now)
        self._pump()

    def _new_id(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._ids):012}"

    # -- what happens --------------------------------------------------------------------------------------------------

    def frame(self, text: str | bytes) -> None:
        """A hostile frame, after something by chance: an honest answer, a command, time."""
        chance = self._dice.random()
        if chance < 0.3:
            self._answer_honestly()
        elif chance < 0.4:
            self._command()
        elif chance < 0.45:
            self._wait(self._dice.choice((0.1, 1.0, 5.0, 40.0)))
        elif chance < 0.452:
            self.session.connection_closed(NetworkError("lost"), self.now)
            self._pump()
        self.session.receive_text(text, self.now)
        self._pump()
        self.now += 0.001
        is_over = self.session.registration.state in (SessionState.CLOSING, SessionState.CLOSED)
        if is_over or (not self._lasting and self._dice.random() < 0.002):
            self._check_end()
            self.begin()

    def say(self, frame: dict[str, Any]) -> None:
        """An honest frame."""
        self.session.receive_text(json.dumps({"jsonrpc": "2.0", **frame}), self.now)
        self._pump()

    def _answer_honestly(self) -> None:
        for frame in self._server.answers():
            self.say(frame)

    def _command(self) -> None:
        session, call_id = self.session, self._new_id()
        calls = self.known["callID"] or [call_id]
        try:
            action = self._dice.randrange(12)
            if action <= 1 and len(self.known["callID"]) < 5:
                session.calls.create(CallOptions(call_id), self.now)
                self.known["callID"].append(call_id)
                session.calls.set_local_description(call_id, SDP, self.now)
            elif action == 2:
                session.conversation.send_message("hello", (), self.now, may_wait=self._dice.random() < 0.5)
            elif action == 3 and self._dice.random() < 0.1:
                session.calls.hang_up(self._dice.choice(calls), self.now)
            elif action == 4 and self._dice.random() < 0.1:
                session.media_lost(self._dice.choice(calls), NetworkError("no audio"), self.now)
            elif action == 5 and not self._lasting and self._dice.random() < 0.02:
                session.disconnect(self.now)
            elif action == 6:
                self.say({"id": "i", "method": "telnyx_rtc.invite", "params": {"callID": call_id, "sdp": SDP}})
            elif action == 7:
                answered = self._dice.choice(calls)
                session.calls.answer(answered, (), self.now)
                session.calls.set_local_description(answered, SDP, self.now)
            elif action == 8:
                session.relogin.start(CredentialLogin(token="another"), self.now)
            elif action == 9:
                self._ask()
            elif action == 10:
                session.conversation.voice(self._dice.random() < 0.5, self.now - self._dice.random(), self.now)
            elif action == 11 and self.known["tool"]:
                session.conversation.send_function_call_output(self._dice.choice(self.known["tool"]), "done", self.now)
        except TxError:
            pass  # refused in words: that is what commands may do
        self._pump()

    def _ask(self) -> None:
        if self.asked and self._dice.random() < 0.2:
            forgotten = self._dice.choice(sorted(self.asked))
            self.asked.discard(forgotten)
            self.session.conversation.questions.forget(forgotten, self.now)
        elif len(self.asked) < 5:
            question = next(self._ids)
            self.asked.add(question)
            self.session.conversation.questions.ask(question, "why", self.now)

    def _wait(self, seconds: float) -> None:
        end = self.now + seconds
        for _ in range(1000):
            deadline = self.session.get_timer()
            if deadline is None or deadline > end:
                break
            self.now = max(self.now, deadline)
            self.session.handle_timer(self.now)
            self._pump()
        else:
            raise AssertionError("a timer that is due again and again")
        self.now = end

    # -- what the driver does, and what must hold ----------------------------------------------------------------------

    def _pump(self) -> None:
        for _ in range(_MOST_EVENTS):
            for text in self.session.texts_to_send():
                self._server.sent(json.loads(text))
            event = self.session.next_event()
            if event is None:
                break
            self._happened(event)
        else:
            raise AssertionError("events without end")
        deadline = self.session.get_timer()
        assert deadline is None or math.isfinite(deadline), deadline
        assert len(self.session.conversation.transcript.items) <= MAX_ITEMS

    def _happened(self, event: Any) -> None:
        self.events += 1
        repr(event)
        if isinstance(event, (outcomes.ClientReady, outcomes.LoginFailed)):
            self._logins += 1
            assert self._logins == 1, "both ready and failed, or one of them twice"
        elif isinstance(event, outcomes.IncomingCall):
            assert event.options.call_id not in self.known["callID"], "it rings twice"
            self.known["callID"].append(event.options.call_id)
        elif isinstance(event, outcomes.CallStateChanged):
            assert event.call_id not in self._done, "something about a call after its end"
            if event.state.is_terminal:
                self._done.add(event.call_id)
        elif isinstance(event, outcomes.TranscriptChanged) and event.item is not None:
            self.known["item"] = [*self.known["item"][-6:], event.item.id, event.item.response_id or ""]
        elif isinstance(event, outcomes.QuestionSettled):
            # Removal fails if it was forgotten, or settled before.
            self.asked.remove(event.key)  # type: ignore[arg-type]
            assert event.error is not None or event.text.strip(), "an answer without a word"
        elif isinstance(event, outcomes.FunctionCallReceived):
            self.known["tool"] = [*self.known["tool"][-6:], event.call.call_id]
        elif isinstance(event, outcomes.OpenConnection):
            self.session.connection_opened(self.now)
        elif isinstance(event, outcomes.CloseConnection):
            self.session.connection_closed(None, self.now)
        elif isinstance(event, outcomes.RemoteDescription):
            self._applied(event.call_id)
        elif isinstance(event, outcomes.MediaOffered):
            self.session.calls.set_answer(event.call_id, SDP, self.now)

    def _applied(self, call_id: str) -> None:
        try:
            self.session.calls.remote_description_applied(call_id, self.now)
        except TxError:
            pass  # another came before this one was taken up

    def _check_end(self) -> None:
        """However it ended: each call has its end once the session has."""
        self.session.disconnect(self.now)
        self._pump()
        self._wait(120.0)
        missing = set(self.known["callID"]) - self._done
        assert not missing, f"calls without an end: {missing}"
        assert not self.asked, f"questions without an end: {self.asked}"
