"""The sending half of a server connection: frames in order, request ids, delayed actions, injected garbage. Pure."""

from __future__ import annotations

import heapq
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from ._events import ServerEvent
from .scenario import Scenario

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
        self._held: list[dict[str, Any]] | None = None
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

    def conversation(self, params: Mapping[str, Any]) -> None:
        """Send an `ai_conversation` frame: the one kind of server request whose id is a UUID."""
        if self._held is not None:
            self._held.append(dict(params))
            return
        told = {} if self.conversation_id is None else {"conversation_id": self.conversation_id}
        self._frame({"id": self.new_id(), "jsonrpc": "2.0", "method": "ai_conversation", "params": {**params, **told}})

    def hold_conversation(self, held: list[dict[str, Any]]) -> None:
        """From now on nobody listens: put what belongs to the conversation into `held`."""
        self._held = held

    def release_conversation(self) -> None:
        """The client is back: send what was held, and hold nothing any more."""
        held, self._held = self._held, None
        for params in held or ():
            self.conversation(params)
        if held is not None:
            held.clear()

    def raw(self, text: str | bytes) -> None:
        """Send something exactly as it is."""
        if not self.muted:
            self._texts.append(text)

    def _frame(self, frame: Mapping[str, Any]) -> None:
        self.raw(json.dumps({**frame, "voice_sdk_id": self.voice_sdk_id}, ensure_ascii=False, separators=(",", ":")))

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
