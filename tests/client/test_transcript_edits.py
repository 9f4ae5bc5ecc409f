"""iOS's commands on the transcript and the settings, with and without a connection."""

from __future__ import annotations

from typing import Any

from telnyx_agent import TranscriptionItem, TxClient, WidgetSettings
from telnyx_agent.testing import LocalAgent, RecordingDelegate

PATIENCE = 20.0
ITEM = TranscriptionItem("test-id", "user", "Hello, this is a test transcription")
OTHER = TranscriptionItem("other-id", "assistant", "Second")


def test_without_a_connection(client: TxClient) -> None:
    """As iOS's own tests use it: add, replace, filter, clear; each takes effect at once."""
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


def test_settings_of_ones_own(client: TxClient) -> None:
    """`updateWidgetSettings` and `clearAllData`."""
    manager = client.ai_assistant_manager
    manager.update_widget_settings(WidgetSettings(theme="light", language="en", auto_start=True))
    settings = manager.widget_settings
    assert settings is not None
    assert (settings.theme, settings.language, settings.auto_start) == ("light", "en", True)
    manager.add_transcription(ITEM)
    manager.clear_all_data()
    assert manager.widget_settings is None
    assert not manager.transcript


def test_in_a_session(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """The delegate and the observers are told as of any change."""
    manager = client.ai_assistant_manager
    assert (manager.is_ai_assistant_connected, manager.connected_target_id) == (False, None)
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
    assert (manager.is_ai_assistant_connected, manager.connected_target_id) == (True, "assistant-1")

    manager.add_transcription(ITEM).result(PATIENCE)
    manager.add_transcription(OTHER).result(PATIENCE)
    manager.clear_transcriptions_by_role("assistant").result(PATIENCE)
    assert [item.id for item in manager.transcript] == ["test-id"]
    sizes = [len(items) for (items,) in delegate.calls_of("on_transcription_updated")]
    assert sizes == [1, 2, 1]

    manager.clear_all_data().result(PATIENCE)
    assert not manager.transcript
    client.disconnect().result(PATIENCE)
    assert not manager.is_ai_assistant_connected


def test_deltas(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Only what was added; together they are the text."""
    deltas: list[tuple[str, str]] = []

    def note(item: TranscriptionItem, delta: str) -> None:
        deltas.append((item.id, delta))

    client.ai_assistant_manager.subscribe_to_transcript_deltas(note)
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    client.new_call().wait_until_active(PATIENCE)
    (item,) = delegate.wait_for("on_transcript_item_updated", PATIENCE, predicate=_is_final)
    client.disconnect().result(PATIENCE)
    assert "".join(delta for _, delta in deltas).strip() == item.content
    assert {item_id for item_id, _ in deltas} == {item.id}


def _is_final(item: Any) -> bool:
    return bool(item.is_final)
