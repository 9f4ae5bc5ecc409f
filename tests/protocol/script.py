"""`Script`: a session, and a server that says what the test tells it to. No thread, no clock, no socket."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar, overload

from telnyx_agent._protocol import outcomes
from telnyx_agent._protocol.conversation.transcription import TranscriptionItem
from telnyx_agent._protocol.session.session import Session
from telnyx_agent._protocol.session.settings import SessionSettings
from telnyx_agent._protocol.states import AgentState, CallState
from telnyx_agent._protocol.wire.credentials import CredentialLogin
from telnyx_agent._protocol.wire.requests import AnonymousLogin, CallOptions
from telnyx_agent.errors import NetworkError

E = TypeVar("E")

CALL_ID = "074e7e59-6859-4b8b-8743-83df82e7f776"
SERVER_SESSION = "cf7894a7-c225-428a-a8ae-4145833e6ddb"
VOICE_SDK_ID = "VSDK1Ch8eUTpaTTKMC3HTSjybKJ3apyGYgw"
NOW = datetime(2025, 11, 21, 12, 0, tzinfo=timezone.utc)
OFFER = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
ANSWER = "v=0\r\nm=audio 16952 RTP/SAVPF 9\r\n"

VECTORS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))

RESET = NetworkError("network: reset")

ONE_CONNECTION = SessionSettings(reconnect_timeout=0.0)
"""For tests of how a session ends: a lost connection is not replaced."""


def vector(name: str) -> dict[str, Any]:
    """The frame of a vector, to do with as one likes."""
    return copy.deepcopy(next(one["json"] for one in VECTORS if one["name"] == name))


class Script:
    """Both ends of a connection. `now` is whatever the test says."""

    def __init__(
        self,
        *,
        settings: SessionSettings | None = None,
        random: float = 0.5,
        credentials: CredentialLogin | None = None,
        **login: Any,
    ) -> None:
        self._ids = itertools.count(1)
        self._server_ids = itertools.count(254271)
        self._sent: list[dict[str, Any]] = []
        self._events: list[Any] = []
        self.now = 1000.0
        self._login_method = "anonymous_login" if credentials is None else "login"
        self.session = Session(
            credentials or AnonymousLogin(**{"target_id": "assistant-123", "sdk_version": "0.1.0", **login}),
            new_id=lambda: f"00000000-0000-4000-8000-{next(self._ids):012}",
            random=lambda: random,
            wall_clock=lambda: NOW,
            settings=settings or SessionSettings(),
        )

    # -- the way to a state in which the test begins -------------------------------------------------------------------

    @classmethod
    def opened(cls, **options: Any) -> Script:
        """A session whose login is on its way."""
        script = cls(**options)
        script.session.connection_opened(script.now)
        return script

    @classmethod
    def logged_in(cls, **options: Any) -> Script:
        """A session that has asked for the gateway's state."""
        script = cls.opened(**options)
        script.accept_login()
        script.say("telnyx_rtc.clientReady", reattached_sessions=[])
        return script

    @classmethod
    def ready(cls, **options: Any) -> Script:
        """A session through which calls go."""
        script = cls.logged_in(**options)
        script.reply("telnyx_rtc.gatewayState", params={"state": "REGED"}, sessid=SERVER_SESSION)
        script.forget()
        return script

    @classmethod
    def calling(cls, **options: Any) -> Script:
        """A session with a call whose invite is out."""
        script = cls.ready(**options)
        script.place_call()
        script.forget_events()
        return script

    @classmethod
    def talking(cls, **options: Any) -> Script:
        """A session with an active call."""
        script = cls.calling(**options)
        script.reply("telnyx_rtc.invite", callID=CALL_ID, message="CALL CREATED", sessid=SERVER_SESSION)
        script.say("telnyx_rtc.answer", callID=CALL_ID, sdp=ANSWER)
        script.apply_sdp()
        script.forget()
        return script

    # -- the server says -----------------------------------------------------------------------------------------------

    def say(self, method: str, /, **params: Any) -> int:
        """A request of the server's; its id is the result."""
        request_id = next(self._server_ids)
        self.frame({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        return request_id

    def ai(self, kind: str, /, **params: Any) -> None:
        """An `ai_conversation` frame."""
        request_id = f"ai-{next(self._server_ids)}"
        self.frame(
            {"jsonrpc": "2.0", "id": request_id, "method": "ai_conversation", "params": {"type": kind, **params}}
        )

    def frame(self, frame: Mapping[str, Any]) -> None:
        """Any frame."""
        self.text(json.dumps(frame))

    def text(self, text: str | bytes) -> None:
        """Anything at all."""
        self.session.receive_text(text, self.now)

    def reply(self, method: str, /, **result: Any) -> None:
        """The result of the oldest request of this method that has not been looked at."""
        self.frame({"jsonrpc": "2.0", "id": self.expect(method)["id"], "result": result})

    def refuse(self, method: str, /, code: int | str, message: str, **more: Any) -> None:
        """Its error."""
        error = {"code": code, "message": message, **more}
        self.frame({"jsonrpc": "2.0", "id": self.expect(method)["id"], "error": error})

    def accept_login(self) -> None:
        """`logged in`."""
        self.reply(self._login_method, message="logged in", sessid=SERVER_SESSION)

    def gateway(self, state: str) -> None:
        """The answer to a question for the gateway's state."""
        self.reply("telnyx_rtc.gatewayState", params={"state": state}, sessid=SERVER_SESSION)

    # -- the client does -----------------------------------------------------------------------------------------------

    def place_call(self, call_id: str = CALL_ID, **options: Any) -> None:
        """A call, with its offer."""
        self.session.calls.create(CallOptions(call_id, **options), self.now)
        self.session.calls.set_local_description(call_id, OFFER, self.now)

    def apply_sdp(self, call_id: str = CALL_ID) -> None:
        """The media takes the remote SDP."""
        self.session.calls.remote_description_applied(call_id, self.now)

    def write(self, text: str, *image_urls: str) -> str:
        """A typed message; the item's id is the result."""
        return self.session.conversation.send_message(text, image_urls, self.now)

    def hang_up(self, **cause: Any) -> None:
        """The user has enough."""
        self.session.calls.hang_up(CALL_ID, self.now, **cause)

    def wait(self, seconds: float, *, answer_probes: bool = True) -> None:
        """Time goes by, and the driver serves every timer in time. A server that lives answers probes (R20)."""
        end = self.now + seconds
        while (deadline := self.session.get_timer()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            before = self.sent()
            self.session.handle_timer(self.now)
            after = self.sent()
            if answer_probes:
                for probe in [frame for frame in after if frame.get("method") == "telnyx_rtc.ping"]:
                    after.remove(probe)
                    self.frame({"jsonrpc": "2.0", "id": probe["id"], "result": {"message": "PONG"}})
            self._sent = before + after
        self.now = end

    def lose_connection(self, error: Any = None) -> None:
        """The socket is gone."""
        self.session.connection_closed(error, self.now)

    # -- what the session knows ----------------------------------------------------------------------------------------

    @property
    def items(self) -> tuple[TranscriptionItem, ...]:
        """What was said and typed."""
        return self.session.conversation.transcript.items

    @property
    def agent_state(self) -> AgentState:
        """What the agent does."""
        return self.session.conversation.agent.state

    # -- what came out -------------------------------------------------------------------------------------------------

    def sent(self) -> list[dict[str, Any]]:
        """All frames that were sent and not looked at yet."""
        self._sent += [json.loads(text) for text in self.session.texts_to_send()]
        frames, self._sent = self._sent, []
        return frames

    def sent_methods(self) -> list[str]:
        """Their methods; acknowledgements as `ack telnyx_rtc.bye`."""
        return [frame.get("method") or f"ack {frame['result']['method']}" for frame in self.sent()]

    def expect(self, method: str) -> dict[str, Any]:
        """The oldest request of this method that was sent; later ones stay."""
        frames = self.sent()
        found = next((frame for frame in frames if frame.get("method") == method), None)
        assert found is not None, f"no {method} among {[frame.get('method', 'ack') for frame in frames]}"
        self._sent = [frame for frame in frames if frame is not found]
        return found

    @overload
    def events(self) -> list[Any]: ...
    @overload
    def events(self, kind: type[E]) -> list[E]: ...
    def events(self, kind: Any = None) -> list[Any]:
        """What happened, but for `MessageReceived`; of one kind, the others stay."""
        while (event := self.session.next_event()) is not None:
            if not isinstance(event, outcomes.MessageReceived) or kind is outcomes.MessageReceived:
                self._events.append(event)
        found = [event for event in self._events if kind is None or isinstance(event, kind)]
        self._events = [event for event in self._events if not (kind is None or isinstance(event, kind))]
        return found

    def event(self, kind: type[E]) -> E:
        """The one event of a kind."""
        (found,) = self.events(kind)
        return found

    def states(self) -> list[str]:
        """The names of the call states that were gone through."""
        return [event.state.value for event in self.events(outcomes.CallStateChanged)]

    def end(self) -> CallState:
        """The state in which the call ended, which is the last of its states and comes once."""
        changes = self.events(outcomes.CallStateChanged)
        ends = [change for change in changes if change.state == CallState.DONE]
        assert len(ends) == 1, [str(change.state) for change in changes]
        assert changes[-1] is ends[0]
        return ends[0].state

    def forget(self) -> None:
        """The test begins here."""
        self.sent()
        self.forget_events()

    def forget_events(self) -> None:
        """The test begins here, but for what was sent."""
        self.events()

    # -- what the transcript looks like --------------------------------------------------------------------------------

    def transcript(self) -> list[str]:
        """The items, as `user: Hello` with marks: `...` partial, `!` interrupted."""
        return [
            f"{item.role}: {item.content}{'...' if item.is_partial else ''}{'!' if item.interrupted else ''}"
            for item in self.items
        ]


def ack(request_id: int, method: str) -> dict[str, Any]:
    """The acknowledgement that the protocol wants."""
    return {"jsonrpc": "2.0", "id": request_id, "result": {"method": method}}


def lose(script: Script, error: Any = RESET) -> None:
    """The connection breaks; what came of it so far does not matter."""
    script.forget()
    script.lose_connection(error)


def reopen(script: Script) -> outcomes.OpenConnection:
    """The time for the next attempt comes, and it succeeds."""
    while not (wanted := script.events(outcomes.OpenConnection)):
        deadline = script.session.get_timer()
        assert deadline is not None
        script.wait(deadline - script.now)
    script.session.connection_opened(script.now)
    (connection,) = wanted
    return connection


def log_in_again(script: Script, *, reattached: list[str] | None = None, attach: bool = False) -> None:
    """The server takes the session up again."""
    script.accept_login()
    if attach:
        script.say("telnyx_rtc.attach", callID=CALL_ID, sdp=OFFER)
    params = {} if reattached is None else {"reattached_sessions": reattached}
    script.say("telnyx_rtc.clientReady", **params)
    script.reply("telnyx_rtc.gatewayState", params={"state": "REGED"}, sessid=SERVER_SESSION)


def answer(script: Script) -> None:
    """The media answer the offer, and the server takes that."""
    script.session.calls.set_answer(CALL_ID, ANSWER, script.now)
    script.reply("telnyx_rtc.attach", sessid=SERVER_SESSION)
