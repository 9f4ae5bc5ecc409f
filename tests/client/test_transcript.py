"""The transcript of a conversation: it grows word by word, is observed, filtered, changed by the program, exported."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from telnyx_agent import TranscriptionItem, TxClient, WidgetSettings
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

PATIENCE = 20.0
PNG = b"\x89PNG\r\n\x1a\n" + bytes.fromhex("0000000d49484452000000020000000308020000003688c3b0") + bytes(20)
ITEM = TranscriptionItem("test-id", "user", "Hello, this is a test transcription")
OTHER = TranscriptionItem("other-id", "assistant", "Second")


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


def test_partial_and_final(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """iOS: `getPartialTranscriptions()` has what still grows, `getFinalTranscriptions()` the rest; the call's end
    completes all.
    """
    start(client, agent, delegate)
    delta = {"type": "response.text.delta", "item_id": "i-9", "response_id": "r-9", "delta": "Let me"}
    agent.send({"jsonrpc": "2.0", "id": 99, "method": "ai_conversation", "params": delta})
    delegate.wait_for("on_transcript_item_updated", PATIENCE, predicate=lambda item: item.content == "Let me")
    manager = client.ai_assistant_manager
    assert [item.content for item in manager.get_partial_transcriptions()] == ["Let me"]
    assert [item.is_partial for item in manager.get_final_transcriptions()] == [False]
    next(iter(client.calls.values())).hangup().result(PATIENCE)
    assert manager.get_partial_transcriptions() == ()
    assert manager.get_final_transcriptions() == manager.transcript


def test_observers(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Observers get every change on the delegate thread until cancelled; one's exception is not the other's."""
    lists: list[int] = []
    items: list[TranscriptionItem] = []
    deltas: list[tuple[str, str]] = []
    threads: set[str] = set()
    manager = client.ai_assistant_manager

    def fail(_: object) -> None:
        raise RuntimeError("user's bug")

    def note(item: TranscriptionItem) -> None:
        items.append(item)
        threads.add(threading.current_thread().name)

    def note_delta(item: TranscriptionItem, delta: str) -> None:
        deltas.append((item.id, delta))

    manager.subscribe_to_transcript_updates(fail)
    manager.subscribe_to_transcript_updates(lambda all_items: lists.append(len(all_items)))
    with manager.subscribe_to_transcript_item_updates(note), manager.subscribe_to_transcript_deltas(note_delta):
        start(client, agent, delegate)
        greeting = client.transcript[0]
        assert "".join(delta for _, delta in deltas).strip() == greeting.content
        assert {item_id for item_id, _ in deltas} == {greeting.id}
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


def test_filters_and_export(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
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


# -- the program's own changes -----------------------------------------------------------------------------------------


def test_changes_without_a_connection(client: TxClient) -> None:
    """As iOS's own tests make them: add, replace, filter, clear, settings; each takes effect at once."""
    manager = client.ai_assistant_manager
    manager.add_transcription(ITEM)
    manager.add_transcription(OTHER)
    assert list(manager.transcript) == [ITEM, OTHER]
    manager.add_transcription(TranscriptionItem("test-id", "user", "Changed"))
    assert [item.text for item in manager.transcript] == ["Changed", "Second"]
    manager.clear_transcriptions_by_role("USER").result(PATIENCE)
    assert list(manager.transcript) == [OTHER]
    manager.clear_transcriptions()
    assert not manager.transcript
    manager.update_widget_settings(WidgetSettings(theme="light", language="en", auto_start=True))
    settings = manager.widget_settings
    assert settings is not None
    assert (settings.theme, settings.language, settings.auto_start) == ("light", "en", True)
    manager.add_transcription(ITEM)
    manager.clear_all_data()
    assert manager.widget_settings is None
    assert not manager.transcript


def test_changes_in_a_session(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """The delegate and the observers are told as of any change; `clearAllData()` leaves nothing."""
    manager = client.ai_assistant_manager
    whole: list[int] = []
    items: list[str] = []
    with (
        manager.subscribe_to_transcript_updates(lambda transcripts: whole.append(len(transcripts))),
        manager.subscribe_to_transcript_item_updates(lambda item: items.append(item.id)),
    ):
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
        delegate.wait_for("on_widget_settings_updated", PATIENCE)  # the agent's own come a moment after the login
        for item in (ITEM, OTHER):
            manager.add_transcription(item).result(PATIENCE)
        assert [item.id for item in manager.get_user_transcriptions()] == [ITEM.id]
        manager.clear_transcriptions_by_role("user").result(PATIENCE)
        assert [item.id for item in manager.transcript] == [OTHER.id]
        manager.update_widget_settings(WidgetSettings(theme="light"))
        manager.clear_all_data().result(PATIENCE)
        assert not manager.transcript
        assert manager.widget_settings is None
    client.disconnect().result(PATIENCE)
    assert items[:2] == [ITEM.id, OTHER.id]
    assert whole == [1, 2, 1, 0]
    assert [len(transcript) for (transcript,) in delegate.calls_of("on_transcription_updated")] == whole
