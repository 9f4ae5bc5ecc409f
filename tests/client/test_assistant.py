"""The assistant as the client knows it: its delegate, what it does, its settings, and what the session is locked to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from uuid import UUID

import pytest

from telnyx_agent import (
    AgentState,
    AIAssistantManagerDelegate,
    TranscriptionItem,
    TxClient,
    TxClientDelegate,
    WidgetSettings,
)
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

PATIENCE = 20.0


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Text only, but with a call that is really up."""
    with LocalAgent(greeting="Hello.", voice="silent", ears="deaf", scenario=Scenario.fast(), media=False) as agent:
        yield agent


def test_both_delegates_are_told(agent: LocalAgent, client: TxClient, delegate: RecordingDelegate) -> None:
    """iOS: `aiAssistantManager.delegate` gets of the assistant what the client's delegate gets; it can be removed."""
    view = RecordingDelegate()
    client.ai_assistant_manager.delegate = view
    assert client.ai_assistant_manager.delegate is view
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
    call = client.new_call()
    for each in (delegate, view):
        each.wait_for("on_transcription_updated", PATIENCE, predicate=lambda items: bool(items) and items[-1].is_final)
        is_done = lambda message: message["type"] == "response.done"  # noqa: E731
        each.wait_for("on_ai_conversation_message", PATIENCE, predicate=is_done)
        each.wait_for("on_widget_settings_updated", PATIENCE, predicate=lambda settings: settings.theme == "dark")
        each.wait_for("on_ringing_ack_received", PATIENCE)
        assert each.calls_of("on_ringing_ack_received") == [(call.call_id,)]
        assert each.calls_of("on_ai_assistant_connection_state_changed") == [(True, "assistant-1")]
        ((items,), *_) = reversed(each.calls_of("on_transcription_updated"))
        assert [(item.role, item.content) for item in items] == [("assistant", "Hello.")]
        kinds = [message["type"] for (message,) in each.calls_of("on_ai_conversation_message")]
        assert {"response.text.delta", "response.done"} <= set(kinds)
    settings = WidgetSettings(theme="light", language="en", auto_start=True, show_transcript=False)
    client.ai_assistant_manager.update_widget_settings(settings)
    for each in (delegate, view):
        each.wait_for("on_widget_settings_updated", PATIENCE, predicate=lambda found: found is settings)
    client.ai_assistant_manager.delegate = None
    client.disconnect().result(PATIENCE)
    assert view.calls_of("on_ai_assistant_connection_state_changed") == [(True, "assistant-1")]
    assert delegate.calls_of("on_ai_assistant_connection_state_changed") == [(True, "assistant-1"), (False, None)]


def test_one_object_as_both_delegates(agent: LocalAgent) -> None:
    """iOS: `client.delegate = self; client.aiAssistantManager.delegate = self` tells each thing once."""

    class View(TxClientDelegate, AIAssistantManagerDelegate):
        def __init__(self) -> None:
            self.connections: list[bool] = []

        def on_ai_assistant_connection_state_changed(self, is_connected: bool, target_id: str | None) -> None:
            self.connections.append(is_connected)

    view = View()
    with TxClient(view, audio=NullAudio()) as client:
        client.ai_assistant_manager.delegate = view
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
        client.disconnect().result(PATIENCE)
    assert view.connections == [True, False]


def test_a_delegate_with_less(agent: LocalAgent, client: TxClient) -> None:
    """Any object with some of the methods."""
    told = threading.Event()

    class Little:
        def on_ringing_ack_received(self, call_id: UUID) -> None:
            told.set()

    client.ai_assistant_manager.delegate = Little()
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    client.new_call()
    assert told.wait(PATIENCE)


def test_what_the_session_is_locked_to(agent: LocalAgent, client: TxClient) -> None:
    """iOS: `getConnectionInfo()`, `isAIAssistantConnected`, `connectedTargetId` before, during and after."""
    manager = client.ai_assistant_manager
    nothing = {"isConnected": False, "targetId": None, "targetType": None, "targetVersionId": None}
    assert manager.get_connection_info() == nothing
    assert (manager.is_ai_assistant_connected, manager.connected_target_id) == (False, None)
    server = agent.configuration
    client.anonymous_login("assistant-1", target_version_id="v1.0", server_configuration=server).result(PATIENCE)
    assert (manager.is_ai_assistant_connected, manager.connected_target_id) == (True, "assistant-1")
    assert manager.get_connection_info() == {
        "isConnected": True,
        "targetId": "assistant-1",
        "targetType": "ai_assistant",
        "targetVersionId": "v1.0",
    }
    client.disconnect().result(PATIENCE)
    assert manager.get_connection_info() == nothing
    assert not manager.is_ai_assistant_connected


def test_what_the_agent_does(agent: LocalAgent, client: TxClient, delegate: RecordingDelegate) -> None:
    """It thinks, speaks and listens; the settings are those that the server sent."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    client.new_call().wait_until_active(PATIENCE)
    manager = client.ai_assistant_manager
    delegate.wait_for("on_transcript_item_updated", PATIENCE, predicate=lambda item: item.is_final)
    manager.wait_for_agent_state(AgentState.LISTENING, PATIENCE)
    client.send_ai_assistant_message("hi").result(5)
    delegate.wait_for(
        "on_transcript_item_updated", PATIENCE, count=2, predicate=lambda i: i.role == "assistant" and i.is_final
    )
    manager.wait_for_agent_state(AgentState.LISTENING, PATIENCE)
    states = [state for (state,) in delegate.calls_of("on_agent_state_changed")]
    assert {AgentState.THINKING, AgentState.SPEAKING, AgentState.LISTENING} <= set(states)
    settings = manager.widget_settings
    assert settings is not None
    assert (settings.theme, settings.start_call_text) == ("dark", "Let's chat")


# -- with a voice ------------------------------------------------------------------------------------------------------

LOUD = 0.005


@pytest.fixture
def speaking_agent() -> Iterator[LocalAgent]:
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


def test_it_speaks_while_it_is_heard(speaking_agent: LocalAgent) -> None:
    """From the first sound of its greeting to the last, as the levels show them."""
    delegate = RecordingDelegate(levels=True)
    with TxClient(delegate, audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=speaking_agent.configuration)
        client.new_call()
        delegate.wait_for("on_agent_state_changed", 30.0, predicate=lambda state: state is AgentState.SPEAKING)
        heard = [state for (state,) in delegate.calls_of("on_agent_state_changed")]
        client.ai_assistant_manager.wait_for_agent_state(AgentState.LISTENING, 30.0)
        delegate.wait_for(
            "on_agent_state_changed",
            30.0,
            count=2 if heard[0] is AgentState.LISTENING else 1,
            predicate=lambda state: state is AgentState.LISTENING,
        )
    loud = [e.time for e in delegate.events if e.name == "on_audio_level" and e.args[0] > LOUD]
    (began,) = state_times(delegate, AgentState.SPEAKING)
    ended = state_times(delegate, AgentState.LISTENING)[-1]
    # A busy machine tells both late, and leaves levels out.
    assert loud[0] - 2.0 < began < loud[0] + 1.0
    assert loud[-1] < ended


def test_an_interrupted_item_says_what_was_heard(speaking_agent: LocalAgent) -> None:
    """The agent is stopped in the midst of its story; a beginning of it was heard."""
    delegate = RecordingDelegate()
    with TxClient(delegate, audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=speaking_agent.configuration)
        client.new_call().wait_until_active(30.0)
        client.send_ai_assistant_message("a story please").result(30.0)
        delegate.wait_for(
            "on_transcript_item_updated",
            30.0,
            predicate=lambda item: item.role == "assistant" and len(item.content) > 40,
        )
        client.send_ai_assistant_message("stop").result(30.0)
        (item,) = delegate.wait_for(
            "on_transcript_item_updated", 30.0, predicate=lambda item: item.is_interrupted and item.is_final
        )
    assert isinstance(item, TranscriptionItem)
    assert item.heard_share is not None
    assert 0 < item.heard_share <= 1
    assert item.heard_text
    assert item.content.startswith(item.heard_text)
