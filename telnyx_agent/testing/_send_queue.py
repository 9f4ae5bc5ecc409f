"""The sending half of a server connection: frames in order, request ids, delayed actions, injected garbage. Pure."""

from __future__ import annotations

import heapq
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from ._deliveries import Deliveries
from ._events import ServerEvent
from .scenario import Scenario

__all__ = ["NO_ID", "Outbox"]

NO_ID: Any = object()
"""The id of a notification: it gets no reply."""

Action = Callable[[float], None]


class Outbox:
    """Where everything that a connection sends, and everything that it does later, goes through.

    Args:
        scenario: For `speed` and `injections`.
        new_id: Makes a UUID as text.
        next_request_id: Makes the integer id of a server request.
        voice_sdk_id: Put on every frame.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        new_id: Callable[[], str],
        next_request_id: Callable[[], int],
        voice_sdk_id: str,
    ) -> None:
        self.new_id = new_id
        self.voice_sdk_id = voice_sdk_id
        self.session_id = ""
        self.conversation_id: str | None = None
        self.muted = False
        self._deliveries: Deliveries | None = None
        self._holds = False
        # Numbers of deliveries: the latest that was written, and the latest that a ping followed; whether one is out.
        self._written = 0
        self._probed = 0
        self._probing = False
        self._scenario = scenario
        self._next_request_id = next_request_id
        self._texts: deque[str | bytes] = deque()
        self._events: deque[ServerEvent] = deque()
        self._actions: list[tuple[float, int, Action]] = []
        self._action_count = 0

    # -- frames --------------------------------------------------------------------------------------------------------

    def reply(self, request_id: Any, result: Mapping[str, Any]) -> None:
        """Answer a request; every result carries the session id (S4). A notification gets nothing."""
        if request_id is not NO_ID:
            self._frame({"id": request_id, "jsonrpc": "2.0", "result": {**result, "sessid": self.session_id}})

    def error(self, request_id: Any, code: int, message: str, **members: Any) -> None:
        """Answer a request with an error; further members go beside `message` (S9)."""
        if request_id is not NO_ID:
            self._frame({"id": request_id, "jsonrpc": "2.0", "error": {"code": code, "message": message, **members}})

    def request(self, method: str, params: Mapping[str, Any]) -> int:
        """Send a server request. Its id is an integer, unlike the client's."""
        request_id = self._next_request_id()
        self._frame({"id": request_id, "jsonrpc": "2.0", "method": method, "params": dict(params)})
        return request_id

    def conversation(self, params: Mapping[str, Any], *, keep: bool = True) -> None:
        """Send an `ai_conversation` frame: the one kind of server request whose id is a UUID.

        What is to be kept is sent again to a client that comes back and may not have received it: the same frame, with
        the same id.
        """
        told = {} if self.conversation_id is None else {"conversation_id": self.conversation_id}
        frame = {"id": self.new_id(), "jsonrpc": "2.0", "method": "ai_conversation", "params": {**params, **told}}
        if keep and self._deliveries is not None:
            self._deliveries.add(_text(frame))
            self.catch_up()
        else:
            self._frame(frame)

    def catch_up(self) -> None:
        """Send what is kept and was not written to this connection, unless nobody listens."""
        if self._deliveries is None or self._holds or self.muted:
            return
        for number, text in self._deliveries.after(self._written):
            # The same frame, with the id of the connection that it goes over now.
            self.raw(f'{text[:-1]},"voice_sdk_id":{json.dumps(self.voice_sdk_id)}}}')
            self._written = number

    def keep_conversation(self, deliveries: Deliveries, *, hold: bool) -> None:
        """The session is known, and what its client may not have received; with `hold` nobody listens for now."""
        self._deliveries, self._holds = deliveries, hold

    def hold_conversation(self) -> None:
        """From now on nobody listens: keep what belongs to the conversation."""
        self._holds = True

    def release_conversation(self) -> None:
        """The client is back: send what it may not have received, and hold nothing any more."""
        self._holds = False
        self.catch_up()

    def probe_wanted(self) -> int | None:
        """A number to pass to `probe_answered` once a ping, sent now, is answered; None if there is no need for one.

        There is one at a time, so a client that is slow gets few of them.
        """
        if self._probing or self._written <= self._probed:
            return None
        self._probing, self._probed = True, self._written
        return self._probed

    def probe_answered(self, number: int) -> None:
        """What was sent before that ping has arrived."""
        self._probing = False
        if self._deliveries is not None:
            self._deliveries.arrived(number)

    def raw(self, text: str | bytes) -> None:
        """Send something exactly as it is."""
        if not self.muted:
            self._texts.append(text)

    def _frame(self, frame: Mapping[str, Any]) -> None:
        self.raw(_text({**frame, "voice_sdk_id": self.voice_sdk_id}))

    def texts_to_send(self) -> list[str | bytes]:
        """What goes to the client now, in order; each once."""
        texts = list(self._texts)
        self._texts.clear()
        return texts

    # -- events --------------------------------------------------------------------------------------------------------

    def emit(self, event: ServerEvent) -> None:
        """Tell the driver that something happened."""
        self._events.append(event)

    def next_event(self) -> ServerEvent | None:
        """The oldest event that the driver has not seen."""
        return self._events.popleft() if self._events else None

    # -- later ---------------------------------------------------------------------------------------------------------

    def at(self, due: float, action: Action) -> None:
        """Do something later; actions for the same time keep their order."""
        heapq.heappush(self._actions, (due, self._action_count, action))
        self._action_count += 1

    def after(self, delay: float, now: float, action: Action) -> None:
        """Do something after a delay that the scenario scales; at once if nothing is left of it."""
        self.at(now + self._scenario.scaled(delay), action)

    def get_timer(self) -> float | None:
        """When `handle_timer` wants to be called next."""
        return self._actions[0][0] if self._actions else None

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        while self._actions and self._actions[0][0] <= now:
            due, _, action = heapq.heappop(self._actions)
            # An action counts from when it was due, so that a late wake-up does not add up.
            action(max(due, now))

    def cancel_all(self) -> None:
        """Forget everything that was to happen later."""
        self._actions.clear()

    def reached(self, point: str, now: float, call_id: str = "") -> None:
        """A point where the scenario may have garbage ready."""
        for injection in self._scenario.injections:
            if injection.at == point:
                text = injection.text
                if isinstance(text, str):
                    text = text.replace("{call_id}", call_id).replace("{session_id}", self.session_id)
                if injection.delay:
                    self.at(now + injection.delay, lambda _now, text=text: self.raw(text))  # type: ignore[misc]
                else:
                    self.raw(text)


def _text(frame: Mapping[str, Any]) -> str:
    """A frame as JSON. A client may have sent half of a surrogate pair, which is repeated to it and has no UTF-8."""
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace").decode()
