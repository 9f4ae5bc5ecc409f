"""A conversation with something of everything, for recordings of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from telnyx_agent import AgentState, SessionRecording, TxClient
from telnyx_agent.testing import LocalAgent, RecordingDelegate

__all__ = ["PICTURE", "converse", "recorded_calls"]

PICTURE = b"\x89PNG\r\n\x1a\n" + b"canary"


def converse(
    client: TxClient,
    agent: LocalAgent,
    delegate: RecordingDelegate,
    path: Path,
    *,
    include_content: bool = False,
    meanwhile: Callable[[], object] | None = None,
) -> SessionRecording:
    """Login, call, typed text and image, tool, unknown and broken frames, remote hang-up, disconnection; recorded."""
    with client.record_session(path, include_content=include_content) as recording:
        client.anonymous_login(
            "assistant-canary",
            user_variables={"canary_name": "canary value"},
            server_configuration=agent.configuration,
            conversation_id="conversation-canary",
        )
        call = client.new_call(
            "canary name",
            "+15550001111222",
            "+15550001111222",
            client_state="canary state",
            custom_headers={"X-Canary": "canary header"},
        )
        call.wait_until_active(20)
        client.send_ai_assistant_message("canary typed", [PICTURE]).result(5)
        delegate.wait_for(
            "on_transcript_item_updated",
            20,
            predicate=lambda item: item.role == "assistant" and item.is_final and "canary typed" in item.content,
        )
        client.ai_assistant_manager.wait_for_agent_state(AgentState.LISTENING, 20)
        agent.call_function("canary_tool", {"canary": "canary"})
        agent.send({"jsonrpc": "2.0", "id": "x1", "method": "unknown_method", "params": {"word": "canary"}})
        agent.send("canary, not JSON")
        delegate.wait_for("on_ai_conversation_message", predicate=lambda message: "canary_tool" in str(message))
        if meanwhile is not None:
            meanwhile()
        agent.hang_up()
        call.wait_until_ended(10)
        client.disconnect().result(10)
    return recording


def recorded_calls(delegate: RecordingDelegate) -> list[tuple[str, tuple[object, ...]]]:
    """What a delegate was told, but for the levels, which are only told to who asks for them."""
    return [(event.name, event.args) for event in delegate.events if event.name != "on_audio_level"]
