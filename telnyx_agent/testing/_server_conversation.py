"""`ai_conversation` in both directions: transcripts and responses out, typed messages and tool results in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._events import FunctionOutput, MessageTyped
from ._registry import ServerSession
from ._send_queue import Outbox
from .scenario import FunctionCall, Scenario

__all__ = ["ConversationHandler"]


class ConversationHandler:
    """The conversation of one connection.

    Args:
        outbox: Where frames and events go.
        scenario: Which of the shapes seen on the wire to use.
    """

    def __init__(self, outbox: Outbox, scenario: Scenario) -> None:
        self._outbox = outbox
        self._scenario = scenario

    # -- client to server ----------------------------------------------------------------------------------------------

    def receive(self, request_id: Any, params: Mapping[str, Any], session: ServerSession) -> None:
        """A17, A18: a typed message, a tool's output, or something that we only confirm."""
        item = params.get("item")
        if params.get("type") == "conversation.item.create" and isinstance(item, Mapping):
            if item.get("type") == "function_call_output":
                self._function_output(item, session)
            elif item.get("type", "message") == "message":
                self._message(item, session)
        self._outbox.reply(request_id, {})

    def _message(self, item: Mapping[str, Any], session: ServerSession) -> None:
        given = item.get("id")
        item_id = given if isinstance(given, str) and given else self._outbox.new_id()
        content = item.get("content")
        text, images = read_content(content)
        if self._scenario.echo_messages:
            shown = text if self._scenario.content_as_string else content
            self._item_created(session, {"id": item_id, **_user_message(shown, "completed")})
        call = session.active_call
        self._outbox.emit(MessageTyped(None if call is None else call.call_id, item_id, text, images))

    def _function_output(self, item: Mapping[str, Any], session: ServerSession) -> None:
        call_id, output = item.get("call_id"), item.get("output")
        if not isinstance(call_id, str):
            return
        text = output if isinstance(output, str) else ""
        call = session.active_call
        name = session.pending_functions.pop(call_id, None)
        self._outbox.emit(FunctionOutput(None if call is None else call.call_id, call_id, name, text))

    # -- server to client ----------------------------------------------------------------------------------------------

    def user_item(self, session: ServerSession, item_id: str, text: str, *, completed: bool) -> None:
        """A15: what the user said, as heard."""
        if not completed and not self._scenario.in_progress_items:
            return
        content: Any = text if self._scenario.content_as_string else [{"type": "input_audio", "transcript": text}]
        self._item_created(
            session, {"id": item_id, **_user_message(content, "completed" if completed else "in_progress")}
        )

    def _item_created(self, session: ServerSession, item: Mapping[str, Any]) -> None:
        previous = session.last_item_id
        if previous == item["id"]:
            previous = None
        session.last_item_id = str(item["id"])
        self._outbox.conversation(
            {"type": "conversation.item.created", "previous_item_id": previous, "item": dict(item)}
        )

    def response_created(self, response_id: str, now: float) -> None:
        """A12: the agent begins a turn."""
        response = {"id": response_id, "output": [], "status": "in_progress"}
        self._outbox.conversation({"type": "response.created", "response": response})
        self._outbox.reached("response", now)

    def response_delta(self, session: ServerSession, response_id: str, delta: str) -> None:
        """A13: more of the agent's words. Item and response have the same id, as captured."""
        params: dict[str, Any] = {"type": "response.text.delta", "content_index": 0, "output_index": 0, "delta": delta}
        if self._scenario.delta_item_id:
            params["item_id"] = response_id
        if self._scenario.delta_response_id:
            params["response_id"] = response_id
        session.last_item_id = response_id
        self._outbox.conversation(params)

    def response_done(self, response_id: str, text: str) -> None:
        """A14: the agent's turn is complete. An interrupted turn never gets here."""
        if not self._scenario.response_done:
            return
        ids = {"item_id": response_id, "response_id": response_id}
        self._outbox.conversation({"type": "response.text.done", "text": text, **ids})
        response = {"id": response_id, "output": [], "status": "completed"}
        self._outbox.conversation({"type": "response.done", "response_id": response_id, "response": response})

    def function_call(self, session: ServerSession, call: FunctionCall) -> str:
        """A18: ask for a client-side tool. Returns the id that the output must carry."""
        call_id = call.call_id or f"call-{self._outbox.new_id()}"
        session.pending_functions[call_id] = call.name
        item = {"type": "function_call", "call_id": call_id, "name": call.name, "arguments": call.arguments}
        self._outbox.conversation({"type": "conversation.item.created", "item": item})
        return call_id


def _user_message(content: Any, status: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "status": status, "content": content}


def read_content(content: object) -> tuple[str, tuple[str, ...]]:
    """Text and image URLs of a message's content, which is a list of parts or a plain string."""
    if isinstance(content, str):
        return content, ()
    texts: list[str] = []
    images: list[str] = []
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, Mapping):
            continue
        text = part.get("text") or part.get("transcript")
        if isinstance(text, str):
            texts.append(text)
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, Mapping) else image
        if isinstance(url, str):
            images.append(url)
    return " ".join(texts), tuple(images)
