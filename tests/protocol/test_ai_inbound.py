"""Every type of `ai_conversation` that an official SDK or widget knows, decoded to its event; and iOS's other forms."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from telnyx_agent._protocol import outcomes
from telnyx_agent._protocol.wire import ai_inbound as ai
from telnyx_agent.events import FunctionCall
from tests.protocol.script import Script, vector

KNOWN: list[tuple[dict[str, Any], ai.AiEvent]] = [
    (
        {
            "type": "conversation.item.created",
            "item": {"id": "u1", "role": "user", "status": "in_progress", "content": "Hel"},
        },
        ai.MessageItem("u1", "user", True, "Hel"),
    ),
    (
        {
            "type": "conversation.item.created",
            "item": {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": "{}"},
        },
        ai.FunctionCall("c1", "look_up", "{}"),
    ),
    (
        {
            "type": "conversation.item.created",
            "item": {"type": "function_call_output", "call_id": "c1", "output": "done"},
        },
        ai.FunctionCallOutput("c1", "done"),
    ),
    ({"type": "response.created", "response": {"id": "r1", "output": []}}, ai.ResponseCreated("r1")),
    ({"type": "response.output_item.added", "response_id": "r1", "item": {"id": "i1"}}, ai.OutputItemAdded("i1", "r1")),
    ({"type": "response.content_part.added", "response_id": "r1", "item_id": "i1"}, ai.ContentPartAdded("i1", "r1")),
    (
        {"type": "response.text.delta", "delta": " Hi", "item_id": "i1", "response_id": "r1"},
        ai.TextDelta("i1", "r1", " Hi"),
    ),
    ({"type": "response.text.done", "text": "Hi", "item_id": "i1", "response_id": "r1"}, ai.TextDone("i1", "r1", "Hi")),
    ({"type": "response.output_item.done", "item": {"id": "i1"}, "response_id": "r1"}, ai.TextDone("i1", "r1")),
    ({"type": "response.done", "response": {"id": "r1", "status": "cancelled"}}, ai.ResponseDone("r1", True)),
    ({"type": "widget_settings", "widget_settings": {"theme": "light"}}, ai.OtherAi("widget_settings")),
    ({"type": "response.audio.wave"}, ai.OtherAi("response.audio.wave")),
]


@pytest.mark.parametrize(("params", "event"), KNOWN)
def test_each_type_has_its_event(params: dict[str, Any], event: ai.AiEvent) -> None:
    """The raw frame and the event are reported together."""
    script = Script.talking()
    script.ai(params["type"], **{name: value for name, value in params.items() if name != "type"})
    message = script.event(outcomes.AiMessage)
    assert message.params == params
    assert message.event == event
    assert not script.events(outcomes.Malformed)


def test_every_event_is_in_the_union() -> None:
    """And shows nothing of what was said."""
    kinds = {type(event) for _, event in KNOWN} | {ai.Transcripts}
    assert set(ai.AiEvent.__args__) == kinds
    for kind in kinds:
        telling = {"text", "delta", "arguments", "output", "image_urls"}
        for field in attrs.fields(kind):
            assert field.name not in telling or field.repr is False


@pytest.mark.parametrize(
    "params",
    [
        {"transcript": {"id": "t1", "text": "Hello world", "speaker": "user", "timestamp": "2025-01-28T10:00:00Z"}},
        {"transcription": {"id": "t1", "content": "Hello world", "role": "user"}},
        {"transcription": "Hello world", "id": "t1", "role": "user"},
        {"transcriptions": [{"id": "t1", "text": "Hello world", "speaker": "USER"}]},
        {"conversation": {"messages": [{"id": "t1", "content": "Hello world", "role": "user"}]}},
        {"conversation": {"events": [{"id": "t1", "text": "Hello world"}]}},
        {"conversation": {"transcript": {"id": "t1", "text": "Hello world"}}},
    ],
)
@pytest.mark.parametrize("method", ["telnyx_rtc.transcription", "ai_conversation"])
def test_forms_that_only_ios_reads(method: str, params: dict[str, Any]) -> None:
    """`AIAssistantManagerTests.testProcessTranscriptionMessage` and its relatives: a final item of the user's."""
    script = Script.talking()
    script.say(method, **params)
    assert script.transcript() == ["user: Hello world"]
    assert script.items[0].id == "t1"
    script.say(method, **params)
    assert len(script.items) == 1


@pytest.mark.parametrize(
    ("marks", "is_partial"),
    [
        ({}, False),
        ({"isFinal": True}, False),
        ({"isFinal": False}, True),
        ({"isPartial": True}, True),
        ({"isPartial": False}, False),
        ({"isFinal": True, "isPartial": True}, True),
        ({"isFinal": 0}, False),
    ],
)
def test_which_transcriptions_are_partial(marks: dict[str, Any], is_partial: bool) -> None:
    """Either of iOS's marks says so; without one, or with one that is none, it is final."""
    script = Script.talking()
    script.say("telnyx_rtc.transcription", transcript={"id": "t1", "text": "Hi", "role": "user", **marks})
    (item,) = script.items
    assert item.is_partial is is_partial


def test_partial_transcriptions() -> None:
    """`isFinal: false` grows under its id."""
    script = Script.talking()
    for text, final in (("I want", False), ("I want to go", True)):
        script.say("telnyx_rtc.transcription", transcript={"id": "t1", "text": text, "role": "user", "isFinal": final})
    assert script.transcript() == ["user: I want to go"]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"conversation_id": "conv-1"}, "conv-1"),
        ({"target_params": {"conversation_id": "conv-1"}}, "conv-1"),
        ({"conversation": {"id": "conv-1"}}, "conv-1"),
        ({"conversation_id": 7}, None),
        ({}, None),
    ],
)
def test_the_conversations_id(params: dict[str, Any], found: str | None) -> None:
    """Wherever a frame has it; it stays known."""
    script = Script.talking()
    script.ai("response.created", **params)
    script.ai("response.done")
    assert script.session.conversation.conversation_id == found
    assert [message.conversation_id for message in script.events(outcomes.AiMessage)] == [found, found]


def test_the_id_of_the_login_counts_until_the_server_tells_one() -> None:
    """As the login joined it."""
    script = Script.talking(conversation_id="conv-1")
    assert script.session.conversation.conversation_id == "conv-1"
    script.ai("response.created", conversation_id="conv-2")
    assert script.session.conversation.conversation_id == "conv-2"


def test_the_captured_function_call() -> None:
    """JavaScript's vector, with the arguments as text and decoded."""
    script = Script.talking()
    script.frame(vector("ai_function_call"))
    call = script.event(outcomes.FunctionCallReceived).call
    assert call.parsed_arguments() == {"orderId": "abc"}
    with pytest.raises(ValueError, match="no JSON object"):
        FunctionCall("c", "n", "[]").parsed_arguments()
    assert FunctionCall("c", "n", "").parsed_arguments() == {}
    script.session.conversation.send_function_call_output(call.call_id, '{"result": true}', script.now)
    sent = script.expect("ai_conversation")
    expected = vector("ai_function_call_output")
    expected["params"]["item"]["call_id"] = call.call_id
    assert sent == expected


@pytest.mark.parametrize(
    ("call_id", "known"),
    [
        ("c1", "c1"),
        (0, "0"),
        (5, "5"),
        (-5, "-5"),
        (2**63 - 1, str(2**63 - 1)),
        (2**63, None),
        (-(2**63), None),
        (True, None),
        (1.5, None),
        ("", None),
        (None, None),
    ],
)
def test_the_id_of_a_function_call(call_id: object, known: str | None) -> None:
    """A text, or a number of ordinary size; whatever else it is, nobody could be answered."""
    script = Script.talking()
    item = {"type": "function_call", "call_id": call_id, "name": "n", "arguments": "{}"}
    script.ai("conversation.item.created", item=item)
    received = [event.call.call_id for event in script.events(outcomes.FunctionCallReceived)]
    assert received == ([] if known is None else [known])


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_clearing_one_role(role: str) -> None:
    """The other's items stay, and what the server sends later finds its place."""
    script = Script.talking()
    script.ai("response.created", response={"id": "r1"})
    script.ai("response.text.delta", delta="Hello", item_id="r1", response_id="r1")
    script.write("Hi")
    script.session.conversation.transcript.clear_role(role)
    left = {"user": ["assistant: Hello..."], "assistant": ["user: Hi"]}[role]
    assert script.transcript() == left
    script.session.conversation.transcript.clear_role("nobody")
    script.ai("response.text.delta", delta=" there", item_id="r1", response_id="r1")
    assert script.transcript()[-1] == ("assistant: Hello there..." if role == "user" else "assistant:  there...")
