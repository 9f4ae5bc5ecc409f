"""What the three pages say comes next: a call, transcript updates, text messages during active calls."""

from __future__ import annotations

import inspect
import itertools
import uuid
from collections.abc import Sequence

import pytest

from telnyx_agent import CallError, CallState, TranscriptionItem, TxClient
from telnyx_agent.compat import TelnyxClient
from telnyx_agent.testing import RecordingDelegate, Scenario, SilentVoice
from tests.support.pages import ASSISTANT, HearsTheSame, login, quiet_agent
from tests.support.sound_card import SoundCard


def test_a_call(client: TxClient, delegate: RecordingDelegate) -> None:
    """Next: "Start a conversation using newCall()": audio flows both ways, and the delegate hears how it goes."""
    card = SoundCard()
    card.speak()
    with quiet_agent(voice="tones", barge_in=False) as agent:
        login(client, agent).result(10)
        call = client.new_call("Ada", "+12125550101", "", call_id=uuid.uuid4(), audio=card.device)
        call.wait_until_active(15)
        assert client.calls == {call.call_id: call}
        assert card.heard.wait(10)
        agent.wait_for_call(lambda record: record.seconds_heard > 0.2, 10)
        call.hangup().result(5)
        agent.wait_for_frame("telnyx_rtc.bye", direction="received")
    states = [state for state, call_id in delegate.calls_of("on_call_state_updated") if call_id == call.call_id]
    assert [state for state in states if state != CallState.NEW] == [
        CallState.CONNECTING,
        CallState.RINGING,
        CallState.ACTIVE,
        CallState.DONE,
    ]
    assert not client.calls


def test_transcript_updates(client: TxClient, delegate: RecordingDelegate) -> None:
    """Next: "Set up transcript updates to receive real-time conversation data": word by word, of both speakers."""
    card = SoundCard()
    greeting = "Hello there. What can I do for you?"
    scenario = Scenario.fast(reply_delay=0.0)
    ears = HearsTheSame("where is my order")
    with quiet_agent(greeting=greeting, voice=SilentVoice(0.05), ears=ears, scenario=scenario) as agent:
        login(client, agent)
        lists: list[Sequence[TranscriptionItem]] = []
        with client.ai_assistant_manager.subscribe_to_transcript_updates(lists.append):
            call = client.new_call(audio=card.device)
            delegate.wait_for("on_transcript_item_updated", 15, predicate=lambda item: item.content == greeting)
            greeted = [item for (item,) in delegate.calls_of("on_transcript_item_updated")]
            delegate.wait_for("on_transcript_item_updated", predicate=lambda item: item.is_final)
            card.speak()
            delegate.wait_for("on_transcript_item_updated", 10, predicate=lambda item: item.role == "user")
            call.hangup().result(5)
    assert len({item.id for item in greeted}) == 1
    assert {item.role for item in greeted} == {"assistant"}
    texts = [item.content for item in greeted]
    assert len(texts) > 3
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert greeted[0].is_partial
    whole = client.transcript
    assert [(item.role, item.content) for item in whole[:2]] == [
        ("assistant", greeting),
        ("user", "where is my order"),
    ]
    assert whole[0].is_final
    assert [tuple(items) for (items,) in delegate.calls_of("on_transcription_updated")] == [tuple(i) for i in lists]
    assert tuple(lists[-1]) == whole == call.transcript


def test_text_messages_during_active_calls(client: TxClient, delegate: RecordingDelegate) -> None:
    """They arrive, are answered, and are refused without a call."""
    with quiet_agent(brain=lambda text: f"You wrote: {text}", greeting="") as agent:
        login(client, agent).result(10)
        with pytest.raises(CallError):
            client.send_ai_assistant_message("Is anybody there?").result(5)
        with client.new_call() as call:
            call.wait_until_active(15)
            item_id = client.send_ai_assistant_message("What is your name?").result(5)
            assert client.transcript[-1].id == item_id
            sent = agent.wait_for_frame("ai_conversation", direction="received").params
            assert sent["type"] == "conversation.item.create"
            assert sent["item"]["id"] == item_id
            assert [part["text"] for part in sent["item"]["content"]] == ["What is your name?"]
            delegate.wait_for(
                "on_transcript_item_updated", predicate=lambda item: item.role == "assistant" and item.is_final
            )
        with pytest.raises(CallError):
            client.send_ai_assistant_message("And now?").result(5)
        assert len([f for f in agent.frames if f.method == "ai_conversation" and f.direction == "received"]) == 1
    # What was shown at once and what the server says of it are one item.
    assert [(item.role, item.content, item.is_final) for item in call.transcript] == [
        ("user", "What is your name?", True),
        ("assistant", "You wrote: What is your name?", True),
    ]
    assert call.transcript[0].id == item_id


@pytest.mark.parametrize("send", ["send_ai_assistant_message", "send_conversation_message"])
def test_all_three_by_androids_and_flutters_names(
    send: str, telnyx_client: TelnyxClient, delegate: RecordingDelegate
) -> None:
    """`newInvite` with its own order of arguments, `onTranscriptUpdate`, which is one slot, messages, `endCall`."""
    parameters = list(inspect.signature(TelnyxClient.new_invite).parameters)[1:5]
    assert parameters == ["caller_name", "caller_number", "destination_number", "client_state"]
    replaced: list[Sequence[TranscriptionItem]] = []
    updates: list[Sequence[TranscriptionItem]] = []
    telnyx_client.on_transcript_update = replaced.append
    telnyx_client.on_transcript_update = updates.append
    answer = "You wrote: What is new?"
    with quiet_agent(brain=lambda text: f"You wrote: {text}", greeting="Hello.") as agent:
        telnyx_client.anonymous_login(ASSISTANT, server_configuration=agent.configuration).result(10)
        call = telnyx_client.new_invite("Ada", "+12125550101", "", "my state")
        call.wait_until_active(15)
        dialog = agent.wait_for_frame("telnyx_rtc.invite").params["dialogParams"]
        assert dialog["caller_id_name"] == "Ada"
        assert dialog["clientState"] == "bXkgc3RhdGU="  # base64, as on Android
        delegate.wait_for("on_transcription_updated", 10, predicate=lambda items: items[-1].content == "Hello.")
        getattr(call if send == "send_conversation_message" else telnyx_client, send)("What is new?").result(5)
        sent = agent.wait_for_frame("ai_conversation", direction="received").params
        assert sent["item"]["content"] == [{"type": "input_text", "text": "What is new?"}]
        delegate.wait_for("on_transcription_updated", 10, predicate=lambda items: items[-1].content == answer)
        call.end_call().result(5)
        assert call.call_state == CallState.DONE
        telnyx_client.disconnect().result(5)
    assert tuple(updates[-1]) == telnyx_client.transcript
    assert [(item.role, item.content) for item in updates[-1]] == [
        ("assistant", "Hello."),
        ("user", "What is new?"),
        ("assistant", answer),
    ]
    assert replaced == []
    assert telnyx_client.on_transcript_update is not None
    telnyx_client.on_transcript_update = None
    assert telnyx_client.on_transcript_update is None
