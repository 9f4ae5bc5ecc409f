"""The assistant: live transcript, observers, typed messages and images, agent state, export."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from telnyx_agent import AgentState, CallError, ClientConfigurationError, TranscriptionItem, TxClient
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

PNG = b"\x89PNG\r\n\x1a\n" + bytes.fromhex("0000000d49484452000000020000000308020000003688c3b0") + bytes(20)


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Text only, but with a call that is really up."""
    with LocalAgent(
        brain=lambda text: f"You wrote {text}.",
        greeting="Hello there.",
        voice="silent",
        ears="deaf",
        scenario=Scenario.fast(),
        media=False,
    ) as agent:
        yield agent


def start(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """A call whose greeting is complete. Without media: typed text needs an active call, not sound."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    client.new_call().wait_until_active(15)
    final(delegate, "Hello there.")


def final(delegate: RecordingDelegate, content: str) -> TranscriptionItem:
    """Wait until an item with this text is complete."""
    item = delegate.wait_for(
        "on_transcript_item_updated", 10, predicate=lambda item: item.is_final and item.content == content
    )[0]
    assert isinstance(item, TranscriptionItem)
    return item


def test_the_agents_words_grow_and_become_final(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """One item with one id from the first word to the last, partial while it grows."""
    start(client, agent, delegate)
    updates = [item for (item,) in delegate.calls_of("on_transcript_item_updated")]

    assert len({item.id for item in updates}) == 1
    assert [item.is_partial for item in updates[:-1]] == [True] * (len(updates) - 1)
    assert all("Hello there.".startswith(item.content.strip()) for item in updates)
    assert client.ai_assistant_manager.get_final_transcriptions() == client.transcript
    assert client.transcript[0].role == "assistant"


def test_typed_text_is_shown_at_once_and_answered(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """The local echo and the server's are one item; the answer follows."""
    start(client, agent, delegate)
    item_id = client.send_ai_assistant_message("good morning").result(5)
    assert client.transcript[-1].id == item_id

    final(delegate, "You wrote good morning.")

    assert [(item.role, item.content) for item in client.transcript] == [
        ("assistant", "Hello there."),
        ("user", "good morning"),
        ("assistant", "You wrote good morning."),
    ]
    assert [item.is_final for item in client.transcript] == [True, True, True]


def test_images_travel_with_the_text(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, tmp_path: Path
) -> None:
    """Text and images are one item on the wire and in the transcript; the agent has seen the image."""
    path = tmp_path / "picture"
    path.write_bytes(PNG)
    start(client, agent, delegate)

    client.send_ai_assistant_message("what is this", images=[path]).result(5)
    frame = agent.wait_for_frame("ai_conversation", direction="received")

    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert frame.params["item"]["content"] == [
        {"type": "input_text", "text": "what is this"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    item = next(item for item in client.transcript if item.role == "user")
    assert (item.image_urls, item.content) == ((url,), "what is this")
    answer = delegate.wait_for(
        "on_transcript_item_updated", 10, predicate=lambda i: i.role == "assistant" and "png" in i.content.lower()
    )
    assert answer


def test_what_cannot_be_sent(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Nothing to say is refused at once; no call is a CallError, and nothing stays in the transcript."""
    with pytest.raises(ClientConfigurationError):
        client.send_ai_assistant_message("  ")
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)

    with pytest.raises(CallError, match="call"):
        client.send_ai_assistant_message("hello").result(5)
    assert client.transcript == ()


def test_observers(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Observers get every change on the delegate thread until cancelled; one's exception is not the other's."""
    lists: list[int] = []
    items: list[TranscriptionItem] = []
    threads: set[str] = set()
    manager = client.ai_assistant_manager

    def fail(_: object) -> None:
        raise RuntimeError("user's bug")

    def note(item: TranscriptionItem) -> None:
        items.append(item)
        threads.add(threading.current_thread().name)

    manager.subscribe_to_transcript_updates(fail)
    manager.subscribe_to_transcript_updates(lambda all_items: lists.append(len(all_items)))
    with manager.subscribe_to_transcript_item_updates(note):
        start(client, agent, delegate)
        client.send_ai_assistant_message("one").result(5)
        final(delegate, "You wrote one.")
    seen = len(items)
    client.send_ai_assistant_message("two").result(5)
    final(delegate, "You wrote two.")
    client.disconnect().result(5)

    assert threads == {"telnyx-agent-delegate"}
    assert items[-1].content == "You wrote one." or seen == len(items)
    assert "You wrote two." not in [item.content for item in items]
    assert lists[-1] == 5


def test_the_transcript_outlives_the_call(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Kept after the call and the connection; the next call begins a new one, the old call keeps its own."""
    start(client, agent, delegate)
    call = next(iter(client.calls.values()))
    call.hangup().result(5)
    assert [item.content for item in client.transcript] == ["Hello there."]
    kept = call.transcript

    client.new_call().wait_until_active(15)
    delegate.wait_for("on_transcription_updated", predicate=lambda items: not items or items[0].id != kept[0].id)

    assert call.transcript == kept
    assert len(kept) == 1


def test_filters_and_export(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, tmp_path: Path) -> None:
    """iOS's filters, and the transcript as text and as JSON."""
    start(client, agent, delegate)
    client.send_ai_assistant_message("hi", images=[PNG]).result(5)
    manager = client.ai_assistant_manager

    assert [item.content for item in manager.get_user_transcriptions()] == ["hi"]
    assert manager.get_transcriptions_by_role("USER") == manager.get_user_transcriptions()
    assert manager.get_assistant_transcriptions()[0].content == "Hello there."
    assert manager.export_text().splitlines()[:2] == ["assistant: Hello there.", "user: hi [1 image(s)]"]
    exported = json.loads(manager.export_json())
    assert [TranscriptionItem.from_dict(entry) for entry in exported[:2]] == list(client.transcript[:2])

    manager.clear_transcriptions().result(5)
    assert "Hello there." not in [item.content for item in client.transcript]


def test_agent_state_and_widget_settings(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """The agent thinks, speaks and listens; the settings are those that the server sent."""
    start(client, agent, delegate)
    client.ai_assistant_manager.wait_for_agent_state(AgentState.LISTENING, 10)
    client.send_ai_assistant_message("hi").result(5)
    final(delegate, "You wrote hi.")
    client.ai_assistant_manager.wait_for_agent_state(AgentState.LISTENING, 10)

    states = [state for (state,) in delegate.calls_of("on_agent_state_changed")]
    assert {AgentState.THINKING, AgentState.SPEAKING, AgentState.LISTENING} <= set(states)
    settings = client.ai_assistant_manager.widget_settings
    assert settings is not None
    assert (settings.theme, settings.start_call_text) == ("dark", "Let's chat")


def test_nothing_that_was_said_is_in_a_repr(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Client, manager, call, items and frozen values show no transcript, no number, no variable."""
    client.anonymous_login(
        "assistant-1", user_variables={"secret": "canary-variable"}, server_configuration=agent.configuration
    )
    call = client.new_call("canary-name", "canary-number", custom_headers={"X-A": "canary-header"})
    call.wait_until_active(15)
    final(delegate, "Hello there.")
    client.send_ai_assistant_message("canary-text").result(5)

    shown = repr([client, client.ai_assistant_manager, call, call.call_info, call.transcript, call.state])
    assert "canary" not in shown
    assert "Hello there" not in shown
