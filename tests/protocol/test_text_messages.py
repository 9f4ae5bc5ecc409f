"""What the user types: sent, confirmed by its echo under whatever id, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from telnyx_agent._protocol.outcomes import ClientFailed, TranscriptChanged
from telnyx_agent.errors import CallError, ClientConfigurationError, ServerError
from tests.protocol.script import ANSWER, Script
from tests.protocol.talk import Talk

URL = "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD"


def test_a_typed_message_goes_out_and_is_there_at_once(talk: Talk) -> None:
    """With the same id in both places (R45, R48)."""
    item_id = talk.write("What is this?", URL)
    params = talk.expect("ai_conversation")["params"]
    assert params["type"] == "conversation.item.create"
    assert params["previous_item_id"] is None
    assert params["item"]["id"] == item_id == item_id.lower()
    assert [part["type"] for part in params["item"]["content"]] == ["input_text", "image_url"]
    (item,) = talk.items
    assert (item.id, item.role, item.content, item.image_urls, item.is_final) == (
        item_id,
        "user",
        "What is this?",
        (URL,),
        True,
    )


def test_a_blank_text_is_left_out(talk: Talk) -> None:
    """An image may go alone; nothing at all may not."""
    talk.write("  ", URL)
    assert [part["type"] for part in talk.expect("ai_conversation")["params"]["item"]["content"]] == ["image_url"]
    with pytest.raises(ClientConfigurationError, match="nothing to send"):
        talk.write(" ")


@pytest.mark.parametrize("state", ["opened", "ready", "calling"])
def test_messages_need_an_active_call(state: str) -> None:
    """Nothing goes out, and nothing stays in the transcript."""
    script: Script = getattr(Script, state)()
    script.sent()
    with pytest.raises(CallError):
        script.write("Hello")
    assert (script.sent(), script.transcript()) == ([], [])


@pytest.mark.parametrize("content", ["Hello", [{"type": "input_text", "text": "Hello"}]])
def test_the_echo_confirms(talk: Talk, content: Any) -> None:
    """It replaces the item; images that it leaves out stay."""
    item_id = talk.write("Hello", URL)
    talk.user(item_id, content)
    (item,) = talk.items
    assert (item.content, item.image_urls, item.item_type) == ("Hello", (URL,), "text_message_with_image")


def test_an_echo_under_another_id_is_merged(talk: Talk) -> None:
    """If it says the same within ten seconds; the item keeps its id, and the server's is known from then on (R45)."""
    item_id = talk.write("Hello")
    talk.wait(9.9)
    talk.user("server-1", "Hello ")
    talk.user("server-1", "Hello!")
    assert [(item.id, item.content) for item in talk.items] == [(item_id, "Hello!")]


def test_the_same_text_again_is_another_item(talk: Talk) -> None:
    """After the window, after the confirmation, or when it was not typed."""
    first = talk.write("Yes")
    talk.user(first, "Yes")
    talk.user("server-1", "Yes")
    talk.write("No")
    talk.wait(10.1)
    talk.user("server-2", "No")
    assert talk.transcript() == ["user: Yes", "user: Yes", "user: No", "user: No"]


def test_two_equal_messages_have_two_echoes(talk: Talk) -> None:
    """Each is confirmed once."""
    talk.write("Yes")
    talk.write("Yes")
    talk.user("server-1", "Yes")
    talk.user("server-2", "Yes")
    assert talk.transcript() == ["user: Yes", "user: Yes"]


def test_a_refused_message_was_not_said(talk: Talk) -> None:
    """It leaves the transcript, and the application is told (iOS keeps it)."""
    talk.user("u1", "before")
    talk.write("Hello")
    talk.user("u2", "after")
    talk.forget_events()
    talk.refuse("ai_conversation", -32601, "Invalid Method")
    assert talk.transcript() == ["user: before", "user: after"]
    change = talk.event(TranscriptChanged)
    assert (change.item, len(change.items)) == (None, 2)
    error = talk.event(ClientFailed).error
    assert isinstance(error, ServerError)
    assert error.server_code == -32601
    talk.user("u2", "after!")
    assert talk.transcript() == ["user: before", "user: after!"]


@pytest.mark.parametrize("reply", ["result", "none"])
def test_a_message_needs_no_reply(talk: Talk, reply: str) -> None:
    """No SDK waits for one."""
    talk.write("Hello")
    if reply == "result":
        talk.reply("ai_conversation")
    talk.forget()
    talk.wait(60)
    assert (talk.events(), talk.sent()) == ([], [])


SECOND = "11111111-2222-4333-8444-555555555555"


def both(talk: Talk) -> None:
    """Another call is up as well."""
    talk.place_call(SECOND)
    talk.say("telnyx_rtc.answer", callID=SECOND, sdp=ANSWER)
    talk.apply_sdp(SECOND)
