"""`Talk`: a call with an assistant, whose messages are verbs."""

from __future__ import annotations

from typing import Any

from telnyx_agent._protocol.outcomes import AgentStateChanged
from tests.protocol.script import Script


class Talk(Script):
    """A script with the assistant's messages as verbs."""

    def user(self, item_id: str | None, text: Any, status: str | None = "completed", **more: Any) -> None:
        content = [{"type": "input_audio", "transcript": text}] if isinstance(text, str) else text
        item = {"id": item_id, "type": "message", "role": "user", "content": content, "status": status, **more}
        self.ai("conversation.item.created", item={k: v for k, v in item.items() if v is not None})

    def assistant(self, item_id: str, text: str, status: str = "completed") -> None:
        item = {"id": item_id, "role": "assistant", "status": status, "content": [{"type": "text", "text": text}]}
        self.ai("conversation.item.created", item=item)

    def delta(self, text: str, item_id: str | None = "r1", **more: Any) -> None:
        ids = {} if item_id is None else {"item_id": item_id}
        self.ai("response.text.delta", delta=text, **ids, **more)

    def agent_states(self) -> list[str]:
        return [event.agent_state.name for event in self.events(AgentStateChanged)]
