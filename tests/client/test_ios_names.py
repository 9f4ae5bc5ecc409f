"""What iOS calls things, as far as no other test comes across it: the assistant's delegate, filters, second names."""

from __future__ import annotations

from telnyx_agent import CallState, TxClient
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

PATIENCE = 20.0


def test_what_a_delegate_of_the_assistant_is_told(delegate: RecordingDelegate) -> None:
    """`AIAssistantManagerDelegate`, with iOS's arguments."""
    scenario = Scenario.fast(widget_settings={"theme": "light"})
    with LocalAgent(greeting="Hello.", voice="silent", ears="deaf", media=False, scenario=scenario) as agent:
        with TxClient(delegate) as client:
            client.anonymous_login("assistant-1", server_configuration=agent.configuration)
            call = client.new_call()
            call.wait_until_active(PATIENCE)
            delegate.wait_for("on_transcription_updated", PATIENCE, predicate=lambda items: items[-1].is_final)
            (settings,) = delegate.wait_for("on_widget_settings_updated", PATIENCE)
            is_done = lambda message: message["type"] == "response.done"  # noqa: E731
            delegate.wait_for("on_ai_conversation_message", PATIENCE, predicate=is_done)
            client.disconnect().result(PATIENCE)
    assert settings.theme == "light"
    assert delegate.calls_of("on_ringing_ack_received") == [(call.call_id,)]
    assert delegate.calls_of("on_ai_assistant_connection_state_changed") == [(True, "assistant-1"), (False, None)]
    assert delegate.calls_of("on_session_updated") == [(client.session_id,)]
    ((items,), *_) = reversed(delegate.calls_of("on_transcription_updated"))
    assert [(item.role, item.content) for item in items] == [("assistant", "Hello.")]
    kinds = [message["type"] for (message,) in delegate.calls_of("on_ai_conversation_message")]
    assert {"response.text.delta", "response.done"} <= set(kinds)


def test_partial_and_final(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """`getPartialTranscriptions()` has what still grows, `getFinalTranscriptions()` the rest; the end completes all."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    call = client.new_call()
    call.wait_until_active(PATIENCE)
    delegate.wait_for("on_transcript_item_updated", PATIENCE, predicate=lambda item: item.is_final)
    delta = {"type": "response.text.delta", "item_id": "i-9", "response_id": "r-9", "delta": "Let me"}
    agent.send({"jsonrpc": "2.0", "id": 99, "method": "ai_conversation", "params": delta})
    delegate.wait_for("on_transcript_item_updated", PATIENCE, predicate=lambda item: item.content == "Let me")
    manager = client.ai_assistant_manager
    assert [item.content for item in manager.get_partial_transcriptions()] == ["Let me"]
    assert [item.is_partial for item in manager.get_final_transcriptions()] == [False]
    call.hangup().result(PATIENCE)
    assert manager.get_partial_transcriptions() == ()
    assert manager.get_final_transcriptions() == manager.transcript


def test_second_names(client: TxClient, agent: LocalAgent) -> None:
    """`getSessionId()`, `callState`, `muteAudio()` and `unmuteAudio()`."""
    assert client.session_id == ""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
    assert client.session_id == agent.wait_for_frame("anonymous_login").params["sessid"]
    call = client.new_call()
    call.wait_until_active(PATIENCE)
    assert call.call_state == call.state == CallState.ACTIVE
    muted = [call.is_muted]
    call.mute_audio()
    muted.append(call.is_muted)
    call.unmute_audio()
    assert [*muted, call.is_muted] == [False, True, False]
    call.deaf_audio()
    deaf = [call.is_deaf]
    call.undeaf_audio()
    deaf.append(call.is_deaf)
    assert [*deaf, call.is_deaf] == [True, False, False]
