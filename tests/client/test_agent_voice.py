"""What the agent does, and what was heard of it, in a call with real sound."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telnyx_agent import AgentState, TranscriptionItem, TxClient
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

PATIENCE = 30.0
LOUD = 0.005


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """A note for each word; greets, and tells a long story."""
    with LocalAgent(
        lambda text: "word " * 100 if "story" in text else "All right.",
        greeting="Hello there my friend.",
        voice="tones",
        ears="deaf",
        scenario=Scenario.fast(),
    ) as agent:
        yield agent


def state_times(delegate: RecordingDelegate, state: AgentState) -> list[float]:
    """When the agent began to do something."""
    return [e.time for e in delegate.events if e.name == "on_agent_state_changed" and e.args == (state,)]


def test_it_speaks_while_it_is_heard(agent: LocalAgent) -> None:
    """From the first sound of its greeting to the last, as the levels show them."""
    delegate = RecordingDelegate(levels=True)
    with TxClient(delegate, audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        client.new_call()
        delegate.wait_for("on_agent_state_changed", PATIENCE, predicate=lambda state: state is AgentState.SPEAKING)
        heard = [state for (state,) in delegate.calls_of("on_agent_state_changed")]
        client.ai_assistant_manager.wait_for_agent_state(AgentState.LISTENING, PATIENCE)
        delegate.wait_for(
            "on_agent_state_changed",
            PATIENCE,
            count=2 if heard[0] is AgentState.LISTENING else 1,
            predicate=lambda state: state is AgentState.LISTENING,
        )
    loud = [e.time for e in delegate.events if e.name == "on_audio_level" and e.args[0] > LOUD]
    (began,) = state_times(delegate, AgentState.SPEAKING)
    ended = state_times(delegate, AgentState.LISTENING)[-1]
    # A busy machine tells both late, and leaves levels out.
    assert loud[0] - 2.0 < began < loud[0] + 1.0
    assert loud[-1] < ended


def test_an_interrupted_item_says_what_was_heard(agent: LocalAgent) -> None:
    """The agent is stopped in the midst of its story; a beginning of it was heard."""
    delegate = RecordingDelegate()
    with TxClient(delegate, audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        client.new_call().wait_until_active(PATIENCE)
        client.send_ai_assistant_message("a story please").result(PATIENCE)
        delegate.wait_for(
            "on_transcript_item_updated",
            PATIENCE,
            predicate=lambda item: item.role == "assistant" and len(item.content) > 40,
        )
        client.send_ai_assistant_message("stop").result(PATIENCE)
        (item,) = delegate.wait_for(
            "on_transcript_item_updated", PATIENCE, predicate=lambda item: item.is_interrupted and item.is_final
        )
    assert isinstance(item, TranscriptionItem)
    assert item.heard_share is not None
    assert 0 < item.heard_share <= 1
    assert item.heard_text
    assert item.content.startswith(item.heard_text)
