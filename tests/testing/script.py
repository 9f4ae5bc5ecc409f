"""A scripted client for the pure server core: a clock of its own, no socket, no thread."""

from __future__ import annotations

import itertools
import json
import random
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from telnyx_agent.testing import _events as ev
from telnyx_agent.testing._registry import Registry
from telnyx_agent.testing._server_protocol import ServerConnection
from telnyx_agent.testing.scenario import Scenario

OFFER = "\r\n".join(
    (
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuvwx",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host",
        "a=mid:0",
        "a=rtpmap:111 opus/48000/2",
        "",
    )
)
ANSWER = OFFER.replace("v=0", "v=0\r\na=answer")
CALL_ID = "074e7e59-6859-4b8b-8743-83df82e7f776"
SESSION_ID = "cf7894a7-c225-428a-a8ae-4145833e6ddb"


class Server:
    """A registry and its clock, on which any number of scripted clients connect.

    Args:
        scenario: Default for the clients.
        accept: Which targets are welcome.
    """

    def __init__(self, scenario: Scenario | None = None, accept: Callable[[str], bool] = lambda target: True) -> None:
        self.now = 1000.0
        self.registry = Registry(first_request_id=12344)
        self.scenario = scenario or Scenario()
        self.accept = accept
        self.clients: list[Client] = []
        self._random = random.Random(1)

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def connect(self, scenario: Scenario | None = None, **query: str) -> Client:
        client = Client(self, scenario or self.scenario, query)
        self.clients.append(client)
        return client

    def logged_in(self, scenario: Scenario | None = None, **login: Any) -> Client:
        """A client that is logged in and registered; its frames and events so far are gone."""
        client = self.connect(scenario)
        client.login(**login)
        client.request("telnyx_rtc.gatewayState", {})
        self.pass_time(0.1)
        client.take()
        client.events.clear()
        return client

    def pass_time(self, seconds: float) -> None:
        """Let time pass, stopping at every timer."""
        end = self.now + seconds
        while True:
            timers = [client.core.get_timer() for client in self.clients if client.is_open]
            due = min(
                (timer for timer in [*timers, self.registry.get_timer()] if timer is not None), default=float("inf")
            )
            if due > end:
                break
            self.now = max(self.now, due)
            for client in self.clients:
                if client.is_open:
                    client.core.handle_timer(self.now)
                    client.collect()
            self.registry.handle_timer(self.now)
        self.now = end


class Client:
    """One scripted client."""

    def __init__(self, server: Server, scenario: Scenario, query: Mapping[str, str]) -> None:
        self.server = server
        self.is_open = True
        self.closed: ev.CloseSocket | None = None
        self.events: list[ev.ServerEvent] = []
        self.raw: list[str | bytes] = []
        self._frames: list[dict[str, Any]] = []
        self._ids = itertools.count(1)
        self.core = ServerConnection(
            len(server.clients) + 1,
            server.registry,
            scenario,
            new_id=server.new_id,
            accept=server.accept,
            now=server.now,
            query=query,
            epoch=1_753_000_000.0,
        )
        self.collect()

    def collect(self) -> None:
        """Take over what the core has ready."""
        for text in self.core.texts_to_send():
            self.raw.append(text)
            try:
                frame = json.loads(text)
            except ValueError:
                continue
            if isinstance(frame, dict):
                self._frames.append(frame)
                if not self.core.scenario.injections:
                    check_harmless(frame)
        while (event := self.core.next_event()) is not None:
            self.events.append(event)
            if isinstance(event, ev.CloseSocket):
                self.closed = event
                self.is_open = False

    # -- sending -------------------------------------------------------------------------------------------------------

    def send(self, frame: Any) -> None:
        self.core.receive_text(frame if isinstance(frame, (str, bytes)) else json.dumps(frame), self.server.now)
        for client in self.server.clients:
            client.collect()

    def request(self, method: str, params: Mapping[str, Any] | None, request_id: Any = None) -> Any:
        request_id = f"client-{next(self._ids)}" if request_id is None else request_id
        frame: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
        if params is not None:
            frame["params"] = dict(params)
        self.send(frame)
        return request_id

    def ask(self, method: str, params: Mapping[str, Any] | None, request_id: Any = None) -> dict[str, Any]:
        """Send a request and return the reply that comes at once."""
        request_id = self.request(method, params, request_id)
        return self.reply(request_id)

    def login(self, **changes: Any) -> Any:
        params = {
            "target_type": "ai_assistant",
            "target_id": "assistant-1",
            "sessid": SESSION_ID,
            "reconnection": False,
        }
        request_id = self.request("anonymous_login", {**params, **changes})
        self.server.pass_time(0.03)
        return request_id

    def invite(self, call_id: str = CALL_ID, answered: bool = True, **changes: Any) -> Any:
        """Place a call; by default let it be answered."""
        dialog = {"callID": call_id, "caller_id_name": "Ann", "caller_id_number": "1", "destination_number": ""}
        request_id = self.request("telnyx_rtc.invite", {"sdp": OFFER, "dialogParams": dialog, **changes})
        if answered:
            self.core.set_local_description(call_id, ANSWER, self.server.now)
            self.server.pass_time(0.6)
        return request_id

    def lose(self) -> None:
        """The socket is gone."""
        self.is_open = False
        self.core.connection_lost(self.server.now)
        self.collect()

    # -- what came -----------------------------------------------------------------------------------------------------

    def take(self) -> list[dict[str, Any]]:
        """Frames since the last time."""
        self.collect()
        frames, self._frames = self._frames, []
        return frames

    def names(self) -> list[str]:
        """The same, by name: method, conversation type, `result` or `error`."""
        return [name_of(frame) for frame in self.take()]

    def reply(self, request_id: Any) -> dict[str, Any]:
        """The reply to a request; the frames before it are kept."""
        self.collect()
        for frame in self._frames:
            if "method" not in frame and frame.get("id") == request_id and type(frame["id"]) is type(request_id):
                self._frames.remove(frame)
                return frame
        raise AssertionError(f"no reply to {request_id!r} in {self._frames!r}")

    def frame(self, name: str) -> dict[str, Any]:
        """The first frame of that name; it and those before it are gone."""
        self.collect()
        for index, frame in enumerate(self._frames):
            if name_of(frame) == name:
                del self._frames[: index + 1]
                return frame
        raise AssertionError(f"no {name!r} in {[name_of(frame) for frame in self._frames]!r}")

    def event(self, kind: type[Any]) -> Any:
        """The first event of that kind."""
        self.collect()
        for event in self.events:
            if isinstance(event, kind):
                self.events.remove(event)
                return event
        raise AssertionError(f"no {kind.__name__} in {self.events!r}")


def check_harmless(frame: Mapping[str, Any]) -> None:
    """protocol.md 1.4: what would break a real Android, iOS, React Native or JavaScript SDK."""
    method, params, result = frame.get("method"), frame.get("params"), frame.get("result")
    assert "params" not in frame or isinstance(params, dict), "Android calls asJsonObject"
    if isinstance(result, dict):
        assert "params" not in result or "sessid" in result, "Android reads sessid beside params"
    if "error" in frame:
        assert isinstance(frame["error"]["code"], int), "Android and iOS"
    if not isinstance(params, dict):
        return
    if method != "telnyx_rtc.gatewayState":
        assert "state" not in params, "Android takes any such frame for a gateway state"
    if method == "telnyx_rtc.ringing":
        needed = {"callID", "caller_id_name", "caller_id_number", "telnyx_leg_id", "telnyx_session_id"}
        assert needed <= params.keys(), "Android and React Native"
    if method == "telnyx_rtc.bye":
        assert "cause" in params, "React Native"
    if method == "telnyx_rtc.ping":
        assert "serno" in params, "React Native"
    if method != "ai_conversation":
        wrong = {"conversation_id", "ai_conversation", "assistant_message"} & params.keys()
        assert not wrong, "iOS takes such frames for conversation"


def name_of(frame: Mapping[str, Any]) -> str:
    if "error" in frame:
        return "error"
    if "result" in frame:
        return "result"
    if frame.get("method") == "ai_conversation":
        return str(frame["params"].get("type"))
    return str(frame.get("method", "")).removeprefix("telnyx_rtc.")


def is_uuid(text: str) -> bool:
    return str(uuid.UUID(text)) == text
