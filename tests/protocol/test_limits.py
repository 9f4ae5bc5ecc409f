"""A transcript has an end: a server that never stops talking is left out, with one error, and nothing else breaks."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import pytest

from telnyx_agent._protocol import outcomes
from telnyx_agent._protocol.conversation import limits as budget
from telnyx_agent._protocol.conversation import text_messages
from telnyx_agent._protocol.conversation import transcript as items_module
from telnyx_agent._protocol.conversation.attribution import MAX_CONVERSATIONS, Attribution
from telnyx_agent._protocol.conversation.limits import ITEM_BYTES, Budget, growth_of, size_of
from telnyx_agent._protocol.conversation.tool_calls import MAX_OPEN_TOOL_CALLS
from telnyx_agent._protocol.conversation.transcription import MAX_TEXT, beginning
from telnyx_agent._protocol.conversation.widget import MAX_SETTING, MAX_SETTINGS
from telnyx_agent._protocol.wire.ai_inbound import MAX_ID, MAX_ITEMS_IN_FRAME
from telnyx_agent.errors import RemoteProtocolError
from tests.protocol.script import Script


def small(monkeypatch: pytest.MonkeyPatch, **limits: int) -> Script:
    """An active call with room for little."""
    monkeypatch.setattr(items_module, "Budget", lambda: Budget(**limits))
    return Script.talking()


def complaints(script: Script) -> list[Any]:
    return [event.error for event in script.events(outcomes.ClientFailed)]


def item(script: Script, item_id: str, text: str, status: str = "completed", role: str = "user") -> None:
    script.ai(
        "conversation.item.created",
        item={"id": item_id, "role": role, "status": status, "content": [{"type": "text", "text": text}]},
    )


def contents(script: Script) -> list[str]:
    return [one.content for one in script.items]


def test_too_many_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that fit stay, can still change, and one error says that there are more."""
    script = small(monkeypatch, items=3)
    for number in range(6):
        item(script, f"i{number}", f"text {number}")
    (error,) = complaints(script)
    assert isinstance(error, RemoteProtocolError)
    assert "full (3 items" in str(error)
    assert contents(script) == ["text 0", "text 1", "text 2"]

    item(script, "i1", "changed")

    assert contents(script) == ["text 0", "changed", "text 2"]
    assert complaints(script) == []


def test_too_much_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """By deltas: what fits is there, it becomes final, and nothing is doubled."""
    script = small(monkeypatch, size=ITEM_BYTES + 2 * growth_of("1234"))
    for _ in range(5):
        script.ai("response.text.delta", item_id="a", response_id="r", delta="1234")
    script.ai("response.text.delta", item_id="a", response_id="r", delta=" " * 1000)
    assert contents(script) == ["12341234"]
    assert len(complaints(script)) == 1

    script.ai("response.done", response={"id": "r", "status": "completed"})

    (only,) = script.items
    assert only.is_final
    item(script, "b", "123")
    assert contents(script) == ["12341234"]


def test_an_item_has_an_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much room there is: what the loop does with one text must not take long."""
    monkeypatch.setattr(items_module, "MAX_TEXT", 10)
    script = Script.talking()
    for _ in range(5):
        script.ai("response.text.delta", item_id="a", response_id="r", delta="1234")
    assert contents(script) == ["12341234"]
    assert len(complaints(script)) == 1
    script.ai("response.done", response={"id": "r"})
    script.ai("response.text.delta", item_id="a", response_id="r", delta="567")
    assert contents(script) == ["12341234"]


def test_bytes_are_counted_and_not_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """One emoji makes a text of Python's four times as large."""
    room = ITEM_BYTES + ("x" * 1000).__sizeof__()
    script = small(monkeypatch, size=room)
    item(script, "a", "x" * 999 + "\N{GRINNING FACE}")
    assert contents(script) == []
    item(script, "a", "x" * 1000)
    assert len(contents(script)) == 1


def test_what_is_said_again_is_not_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An item that is recognised word by word takes no more room than it has in the end."""
    script = small(monkeypatch, size=size_of(["x" * 19]))
    for length in range(1, 20):
        item(script, "a", "x" * length, "in_progress")
    item(script, "a", "x" * 19)
    assert contents(script) == ["x" * 19]
    assert complaints(script) == []


def test_room_is_made_by_clearing_and_by_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next error is said again."""
    script = small(monkeypatch, items=1)
    for number in range(2):
        item(script, f"i{number}", "text")
    script.session.conversation.clear()
    for number in range(2, 4):
        item(script, f"i{number}", "text")
    assert len(complaints(script)) == 2
    assert [one.id for one in script.items] == ["i2"]


def test_images_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the largest of what may come."""
    script = small(monkeypatch, size=ITEM_BYTES + 100)
    content = [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100}}]
    script.ai("conversation.item.created", item={"id": "a", "role": "user", "content": content})
    assert contents(script) == []
    assert len(complaints(script)) == 1


def test_what_the_program_sends_has_room_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that has filled the transcript does not keep the program's own messages out of it, nor the reverse."""
    script = small(monkeypatch, size=size_of(["server"]), own_size=size_of(["mine"]))
    item(script, "a", "server")
    item(script, "b", "server")
    item_id = script.session.conversation.send_message("mine", (), script.now)
    assert contents(script) == ["server", "mine"]
    item(script, item_id, "min")  # the server makes it shorter: still the program's
    assert contents(script) == ["server", "min"]
    item(script, item_id, "not mine but longer")
    assert contents(script) == ["server", "min"]


def test_a_refused_message_gives_its_room_back() -> None:
    """Bookkeeping: what is forgotten is free, and what does not grow always fits."""
    a, b, c, d = (("user", name) for name in "abcd")
    one = Budget(items=2, size=1000)
    assert one.replace(a, 1000)
    assert not one.grow(b, 1)
    one.forget(a)
    assert one.grow(b, 1000 - ITEM_BYTES)
    assert one.replace(b, 1000)
    assert one.replace(b, 300)
    assert one.replace(c, 700)
    assert not one.replace(d, 0)
    assert one.replace(c, 0)


def test_an_open_item_is_never_counted_with_less_than_it_takes_in_the_end() -> None:
    """Else it could not become final."""
    for text in ("", "a", "é" * 100, "\N{EURO SIGN}", "\N{GRINNING FACE}" * 50):
        for delta in ("a", "b" * 1000, "\N{GRINNING FACE}", "é"):
            assert (text + delta).__sizeof__() <= text.__sizeof__() + 4 * len(text) + growth_of(delta)


def test_a_part_is_counted_with_its_place_in_the_list() -> None:
    """Eight bytes, beside what it takes itself and what it adds to the whole."""
    for delta in ("", "a", "é" * 100, "\N{GRINNING FACE}"):
        assert growth_of(delta) == delta.__sizeof__() + 8 + 4 * len(delta)


def test_the_last_byte_may_be_used() -> None:
    """Of the server's and of the program's items, each on its own; also after a new transcript began."""
    one = Budget(items=4, size=1000, own_size=500)
    for _ in range(2):
        assert not one.replace(("user", "a"), 1001)
        assert one.replace(("user", "a"), 1000)
        assert not one.replace(("user", "b"), 1)
        assert not one.replace(("user", "c"), 501, own=True)
        assert one.replace(("user", "c"), 500, own=True)
        assert not one.replace(("user", "d"), 1, own=True)
        one.clear()


def test_real_limits_are_generous() -> None:
    """A day of talking fits."""
    assert budget.MAX_ITEMS >= 10 * 60 * 8
    assert budget.MAX_BYTES >= 24 * 100_000 + budget.MAX_ITEMS * ITEM_BYTES


# -- what one frame may bring ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {"type": "conversation.item.created", "item": {"role": "user", "content": "x" * (MAX_TEXT + 1)}},
        {"type": "conversation.item.created", "item": {"role": "user", "content": ["x" * MAX_TEXT, "x"]}},
        {"type": "conversation.item.created", "item": {"id": "x" * (MAX_ID + 1), "role": "user", "content": "x"}},
        {"type": "conversation.item.created", "item": {"role": "x" * (MAX_ID + 1), "content": "x"}},
        {"type": "conversation.item.created", "item": {"type": "function_call", "call_id": "x" * (MAX_ID + 1)}},
        {"type": "response.text.delta", "delta": "x" * (MAX_TEXT + 1)},
        {"type": "response.text.delta", "delta": "x", "item_id": "x" * (MAX_ID + 1)},
        {"type": "response.text.delta", "delta": "x", "response_id": "x" * (MAX_ID + 1)},
        {"type": "response.text.done", "text": "x" * (MAX_TEXT + 1)},
        {"type": "response.text.done", "item_id": "x" * (MAX_ID + 1)},
        {"type": "response.created", "response": {"id": "x" * (MAX_ID + 1)}},
        {"type": "response.done", "response_id": "x" * (MAX_ID + 1)},
        {"type": "x", "transcript": {"text": "x" * (MAX_TEXT + 1)}},
        {"type": "x", "transcription": "x" * (MAX_TEXT + 1)},
        {"type": "x", "transcriptions": [{"text": "x"}] * (MAX_ITEMS_IN_FRAME + 1)},
    ],
    ids=lambda params: "-".join([params["type"], *(name for name in params if name != "type")]),
)
def test_what_is_too_long_is_left_out(params: dict[str, Any]) -> None:
    """With one line in the log; the call goes on, and nothing of it is kept."""
    script = Script.talking()
    script.ai(params["type"], **{name: value for name, value in params.items() if name != "type"})
    assert len(script.events(outcomes.Malformed)) == 1
    assert script.items == ()
    item(script, "a", "still there")
    assert contents(script) == ["still there"]


def test_items_of_one_frame() -> None:
    """As many as are allowed."""
    script = Script.talking()
    script.ai("x", transcriptions=[{"text": f"text {number}"} for number in range(MAX_ITEMS_IN_FRAME)])
    assert len(script.items) == MAX_ITEMS_IN_FRAME


def test_the_id_of_the_conversation_has_a_length() -> None:
    """One that is too long is none."""
    script = Script.talking()
    script.ai("x", conversation_id="x" * (MAX_ID + 1))
    assert script.session.conversation.conversation_id is None


def test_settings_of_a_widget_have_an_end() -> None:
    """A text that is too long counts as missing; of too many only what is known is kept."""
    script = Script.talking()
    script.ai("x", widget_settings={"theme": "x" * (MAX_SETTING + 1), "language": "de", "custom_styles": {"a": {}}})
    settings = script.session.conversation.widget_settings
    assert settings is not None
    assert (settings.theme, settings.language, settings.custom_styles) == ("dark", "de", {"a": {}})
    many: dict[str, Any] = {str(number): [{}, "x" * MAX_SETTING] for number in range(MAX_SETTINGS // MAX_SETTING)}
    script.ai("x", widget_settings={"language": "en", "styles": many})
    settings = script.session.conversation.widget_settings
    assert settings is not None
    assert (settings.language, settings.custom_styles, settings.raw) == ("en", None, {})


def test_typed_messages_that_nobody_confirms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Are not all looked through for an echo for ever."""
    monkeypatch.setattr(text_messages, "MAX_UNCONFIRMED", 2)
    script = Script.talking()
    ids = [script.session.conversation.send_message(f"text {number}", (), script.now) for number in range(3)]
    item(script, "echo", "text 0")
    item(script, "echo 2", "text 2")
    assert [one.id for one in script.items] == [*ids, "echo"]


def test_requests_for_tools_that_nobody_answers() -> None:
    """All are told, but only so many are waited for."""
    script = Script.talking()
    for number in range(MAX_OPEN_TOOL_CALLS + 10):
        call = {"type": "function_call", "call_id": f"c{number}", "name": "f", "arguments": ""}
        script.ai("conversation.item.created", item=call)
    assert len(script.events(outcomes.FunctionCallReceived)) == MAX_OPEN_TOOL_CALLS + 10
    assert len(script.session.conversation._tools) == MAX_OPEN_TOOL_CALLS
    script.session.conversation.send_function_call_output(f"c{MAX_OPEN_TOOL_CALLS}", "", script.now)
    assert script.sent_methods()[-1] == "ai_conversation"


@pytest.mark.parametrize(
    "text", ["x" * MAX_TEXT, "\N{GRINNING FACE}" * MAX_TEXT, "a b " * (MAX_TEXT // 4), " " * MAX_TEXT]
)
def test_what_is_done_with_the_longest_text_takes_milliseconds(text: str) -> None:
    """All that the loop does: an item that is compared with every other, an answer that was interrupted."""
    script = Script.talking()
    script.session.conversation.voice(True, script.now, script.now)
    item(script, "long", text, role="assistant")
    begin = time.process_time()
    for number in range(20):
        item(script, f"i{number}", f"text {number}", role="assistant")
        script.ai("response.text.delta", item_id=f"d{number}", response_id=f"r{number}", delta="x")
        beginning(text, 0.5)
    assert time.process_time() - begin < 20 * 0.02


def test_conversations_that_are_remembered() -> None:
    """Only so many: a server may make up a new one with every frame."""
    first, second = UUID(int=1), UUID(int=2)
    calls = Attribution()
    for call_id in (first, second):
        calls.started(call_id)
    for number in range(MAX_CONVERSATIONS + 10):
        assert calls.named(str(first), f"conversation {number}") == first
    assert calls.named(None, "conversation 0") == first
    assert len(calls._conversations) == MAX_CONVERSATIONS
