"""`conversation`: transcript, agent state and widget settings, through a session with an active call."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import pytest

from telnyx_agent._protocol import outcomes
from telnyx_agent._protocol.conversation.transcription import TranscriptionItem
from telnyx_agent._protocol.outcomes import AiMessage, FunctionCallReceived, TranscriptChanged
from telnyx_agent._protocol.states import AgentState
from telnyx_agent._protocol.wire.ai_inbound import FunctionCall
from tests.protocol.script import ANSWER, CALL_ID, NOW
from tests.protocol.talk import Talk

URL = "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        ([{"type": "input_audio", "transcript": "spoken"}], "spoken"),
        ([{"type": "input_text", "text": "typed"}], "typed"),
        ([{"type": "text", "text": "a"}, {"type": "input_audio", "transcript": "b"}], "a b"),
        ([{"type": "input_audio", "transcript": "heard", "text": "read"}], "heard"),
        ([{"text": "a"}, {"text": ""}, {"text": None}, {"x": 1}, 5, None, "b"], "a b"),
        ([{"text": "ein 🎉 日本"}], "ein 🎉 日本"),
    ],
)
def test_text_is_found_in_every_form_of_content(talk: Talk, content: Any, text: str) -> None:
    """A text, or parts with `transcript` or `text`, joined by one space (R41)."""
    talk.user("u1", content)
    assert talk.transcript() == [f"user: {text}"]


@pytest.mark.parametrize("image", [{"url": URL}, URL])
def test_images_are_kept(talk: Talk, image: Any) -> None:
    """With the text, or alone."""
    talk.user("u1", [{"type": "image_url", "image_url": image}])
    (item,) = talk.items
    assert (item.content, item.image_urls, item.item_type) == ("", (URL,), "text_message_with_image")


def test_an_item_that_grows_keeps_its_place(talk: Talk) -> None:
    """The same id again replaces it; completed is final (R41)."""
    talk.user("u1", "I want", "in_progress")
    assert talk.transcript() == ["user: I want..."]
    talk.delta("Hm.")
    talk.user("u1", "I want to leave")
    assert talk.transcript() == ["user: I want to leave", "assistant: Hm...."]


def test_a_final_item_does_not_become_partial_again(talk: Talk) -> None:
    """Late partials are old news."""
    talk.user("u1", "done")
    talk.forget_events()
    talk.user("u1", "do", "in_progress")
    assert talk.events(TranscriptChanged) == []
    assert talk.transcript() == ["user: done"]


def test_a_repeated_item_is_one_item(talk: Talk) -> None:
    """Android and Flutter show it twice."""
    talk.user("u1", "hello")
    talk.user("u1", "hello")
    talk.user("u1", "Hello!")
    assert talk.transcript() == ["user: Hello!"]


@pytest.mark.parametrize("text", ["", " \n", []])
def test_blank_items_are_ignored(talk: Talk, text: Any) -> None:
    """R46; but a blank end completes what there was."""
    talk.user("u1", text)
    talk.assistant("a1", "  ")
    assert talk.transcript() == []
    talk.user("u1", "hm", "in_progress")
    talk.user("u1", text)
    assert talk.transcript() == ["user: hm"]


def test_an_item_without_id_gets_one(talk: Talk) -> None:
    """Two such items are two."""
    talk.user(None, "one")
    talk.user(None, "two")
    assert talk.transcript() == ["user: one", "user: two"]
    assert len({item.id for item in talk.items}) == 2


@pytest.mark.parametrize("status", [None, "completed", "incomplete"])
def test_only_in_progress_is_partial(talk: Talk, status: str | None) -> None:
    """An echo may have no status at all."""
    talk.user("u1", "hello", status)
    assert talk.transcript() == ["user: hello"]


@pytest.mark.parametrize("role", ["system", "tool", "USER"])
def test_roles(talk: Talk, role: str) -> None:
    """Others than user and assistant are not part of the conversation; case does not matter."""
    talk.ai("conversation.item.created", item={"id": "x", "role": role, "content": "text"})
    assert talk.transcript() == (["user: text"] if role == "USER" else [])


def test_deltas_are_put_together(talk: Talk) -> None:
    """As they are; each is a change of its own, with the text by which the item grew."""
    for text in (" Hi", " there", "!"):
        talk.delta(text)
    changes = talk.events(TranscriptChanged)
    assert [change.delta for change in changes] == [" Hi", " there", "!"]
    assert [change.item.content for change in changes if change.item] == [" Hi", " Hi there", " Hi there!"]
    assert talk.transcript() == ["assistant:  Hi there!..."]


@pytest.mark.parametrize("done", ["response.text.done", "response.done", "response.output_item.done"])
@pytest.mark.parametrize(
    "ids",
    [
        {"item_id": "r1", "response_id": "r1", "item": {"id": "r1"}, "response": {"id": "r1"}},
        {"response_id": "r1"},
        {"response": {"id": "r1", "status": "completed"}},
        {},
    ],
)
def test_an_item_becomes_final_with_its_done(talk: Talk, done: str, ids: dict[str, Any]) -> None:
    """Whichever of the three events comes, and whatever it names (R43)."""
    talk.delta("Hello")
    talk.ai(done, **ids)
    assert talk.transcript() == ["assistant: Hello"]
    changes = talk.events(TranscriptChanged)
    assert [(change.item.is_final, change.delta) for change in changes if change.item] == [
        (False, "Hello"),
        (True, None),
    ]


@pytest.mark.parametrize("done", ["response.text.done", "response.done"])
def test_the_done_of_another_changes_nothing(talk: Talk, done: str) -> None:
    """11.1, assertion 2."""
    talk.delta("Hello")
    talk.ai(done, response_id="r0", **({"item_id": "r0"} if done == "response.text.done" else {}))
    assert talk.transcript() == ["assistant: Hello..."]
    assert talk.agent_state is AgentState.SPEAKING


def test_the_text_of_done_counts(talk: Talk) -> None:
    """Also when the item was complete already (R43)."""
    talk.delta("Helo")
    talk.ai("response.text.done", item_id="r1", text="Hello")
    assert talk.transcript() == ["assistant: Hello"]
    talk.ai("response.text.done", item_id="r1", text="Hello!")
    assert talk.transcript() == ["assistant: Hello!"]


def test_an_item_id_may_differ_from_the_response_id(talk: Talk) -> None:
    """Two items of one response do not interrupt each other; each has its own end."""
    talk.ai("response.created", response={"id": "r1"})
    talk.delta("One", "i1", response_id="r1")
    talk.delta("Two", "i2", response_id="r1")
    assert talk.transcript() == ["assistant: One", "assistant: Two..."]
    talk.ai("response.text.done", item_id="i2")
    assert talk.transcript() == ["assistant: One", "assistant: Two"]
    assert talk.agent_state is AgentState.LISTENING


@pytest.mark.parametrize("ids", [{}, {"response_id": "r1"}])
def test_deltas_without_item_id_have_a_home(talk: Talk, ids: dict[str, str]) -> None:
    """The response, or else the open item (R42)."""
    talk.ai("response.created", response={"id": "r1"})
    talk.delta("Hello", None, **ids)
    talk.delta(" there", None, **ids)
    talk.delta("!", None)
    assert talk.transcript() == ["assistant: Hello there!..."]
    talk.ai("response.done", response={"id": "r1"})
    assert talk.transcript() == ["assistant: Hello there!"]


def test_the_next_response_supersedes_an_open_one(talk: Talk) -> None:
    """Which was cut short."""
    talk.delta("One")
    talk.delta("Two", "r2")
    assert talk.transcript() == ["assistant: One!", "assistant: Two..."]
    talk.ai("response.created", response={"id": "r3"})
    assert talk.transcript() == ["assistant: One!", "assistant: Two!"]


def test_the_user_interrupts(talk: Talk) -> None:
    """A new item of the user's ends the assistant's, partial or not."""
    for status in ("in_progress", "completed"):
        talk.session.conversation.clear()
        talk.delta("As I was say", status)
        talk.user(f"u-{status}", "Stop", status)
        assert talk.transcript()[0] == "assistant: As I was say!"


def test_a_late_transcript_is_no_interruption(talk: Talk) -> None:
    """What the user said may be known only after the answer to it has begun."""
    talk.user("u1", "What is", "in_progress")
    talk.delta("It is")
    talk.user("u1", "What is it?")
    assert talk.transcript() == ["user: What is it?", "assistant: It is..."]
    assert talk.agent_state is AgentState.SPEAKING


def test_text_after_an_interruption_takes_it_back(talk: Talk) -> None:
    """The server knows better whether it was one."""
    talk.delta("One, ")
    talk.user("u1", "mhm")
    talk.delta("two")
    assert talk.transcript() == ["assistant: One, two...", "user: mhm"]
    talk.ai("response.done", response_id="r1")
    assert talk.transcript() == ["assistant: One, two", "user: mhm"]


def test_a_cancelled_response_was_interrupted(talk: Talk) -> None:
    """Also when its text was complete already; OpenAI's servers say it in this way."""
    talk.delta("Hello")
    talk.ai("response.done", response={"id": "r1", "status": "cancelled"})
    talk.delta("Again", "r2")
    talk.ai("response.text.done", item_id="r2", response_id="r2")
    talk.ai("response.done", response={"id": "r2", "status": "cancelled"})
    assert talk.transcript() == ["assistant: Hello!", "assistant: Again!"]


def test_late_text_is_not_lost(talk: Talk) -> None:
    """It is added to a final item, which stays final."""
    talk.delta("Hello")
    talk.ai("response.done", response_id="r1")
    talk.delta("!")
    assert talk.transcript() == ["assistant: Hello!"]


def test_an_assistants_item_may_come_as_a_whole(talk: Talk) -> None:
    """The greeting may (R44); deltas that repeat it do not double it."""
    talk.assistant("a1", "Welcome")
    talk.delta("Wel", "a1")
    talk.delta("come", "a1")
    assert talk.transcript() == ["assistant: Welcome"]


def test_an_item_that_deltas_built_is_confirmed(talk: Talk) -> None:
    """Under its id, or under another one with the same text (R44)."""
    talk.delta("Hello", "a1")
    talk.assistant("a1", "Hello.")
    assert talk.transcript() == ["assistant: Hello."]
    talk.delta("Bye", "a2")
    talk.assistant("other", "Bye ")
    assert talk.transcript() == ["assistant: Hello.", "assistant: Bye "]
    talk.assistant("a3", "Another")
    assert talk.transcript()[2:] == ["assistant: Another"]


def test_an_assistants_item_may_be_partial(talk: Talk) -> None:
    """Then deltas continue it."""
    talk.assistant("a1", "Wel", "in_progress")
    talk.delta("come", "a1")
    assert talk.transcript() == ["assistant: Welcome..."]


@pytest.mark.parametrize("blank", [[" "], [" ", "\n"]])
def test_blank_deltas_are_no_item_yet(talk: Talk, blank: list[str]) -> None:
    """But they belong to its text once there is more (R46)."""
    for text in [*blank, ""]:
        talk.delta(text)
    assert talk.events(TranscriptChanged) == []
    talk.delta("Hi")
    expected = "".join(blank) + "Hi"
    change = talk.event(TranscriptChanged)
    assert (change.delta, change.items[0].content) == (expected, expected)


def test_a_blank_response_leaves_nothing(talk: Talk) -> None:
    """However it ends."""
    talk.delta(" ")
    talk.ai("response.done", response_id="r1")
    talk.delta(" ", "r2")
    talk.user("u1", "Hello?")
    assert talk.transcript() == ["user: Hello?"]


def test_an_emoji_may_be_cut_in_two(talk: Talk) -> None:
    """By a server that counts in UTF-16 units; at no time does a text come out that cannot be printed."""
    talk.delta("Party \ud83c")
    (half,) = talk.events(TranscriptChanged)
    half.items[0].content.encode("utf-8")
    assert half.delta is not None
    half.delta.encode("utf-8")
    talk.delta("\udf89!")
    assert talk.items[0].content == "Party 🎉!"
    talk.user("u1", "\ud83c")
    assert talk.items[1].content == "\ufffd"


def test_ten_thousand_deltas_are_cheap(talk: Talk) -> None:
    """The time for a delta does not grow with the text, though somebody reads it every time."""
    frame = (
        '{"id":"%d","method":"ai_conversation","params":{"type":"response.text.delta","item_id":"r1","delta":"word "}}'
    )

    def seconds(first: int, last: int) -> float:
        start = time.perf_counter()
        for number in range(first, last):
            talk.session.receive_text(frame % number, talk.now)
            while (event := talk.session.next_event()) is not None:
                assert not isinstance(event, TranscriptChanged) or event.items[0].content
        return time.perf_counter() - start

    early, _, late = seconds(0, 1000), seconds(1000, 9000), seconds(9000, 10_000)
    assert late < 10 * early
    assert talk.items[0].content == "word " * 10_000


def test_earlier_changes_keep_their_text(talk: Talk) -> None:
    """A slow reader sees what was, not what has become of it."""
    for text in "abc":
        talk.delta(text)
    changes = talk.events(TranscriptChanged)
    assert [change.items[0].content for change in reversed(changes)] == ["abc", "ab", "a"]
    assert [change.items[0].content for change in changes] == ["a", "ab", "abc"]


def test_the_end_of_the_call_completes_everything(talk: Talk) -> None:
    """Before `DONE`, so that nobody who waits for that sees a partial item (R43)."""
    talk.user("u1", "I", "in_progress")
    talk.delta("Good b")
    talk.say("telnyx_rtc.bye", callID=CALL_ID)
    assert talk.transcript() == ["user: I", "assistant: Good b"]
    kinds = [type(event) for event in talk.events()]
    assert kinds[-1] is outcomes.CallStateChanged
    assert kinds.count(outcomes.CallStateChanged) == 1


def test_what_comes_after_the_call_is_complete(talk: Talk) -> None:
    """Nobody would complete it, and the agent is not there any more."""
    talk.hang_up()
    talk.forget_events()
    talk.delta("Bye")
    talk.user("u1", "B", "in_progress")
    assert talk.transcript() == ["assistant: Bye", "user: B"]
    assert talk.agent_state is AgentState.IDLE
    assert talk.agent_states() == []


def test_the_transcript_stays_until_the_next_call(talk: Talk) -> None:
    """R47; iOS and Android clear it before anybody could read it."""
    talk.user("u1", "hello")
    talk.hang_up()
    assert talk.transcript() == ["user: hello"]
    talk.forget_events()
    talk.place_call("a2f31dd9-b9e6-403a-89d8-33767df14a56")
    assert talk.transcript() == []
    assert talk.event(TranscriptChanged) == TranscriptChanged(None, ())


def test_a_second_call_at_the_same_time_clears_nothing(talk: Talk) -> None:
    """The first one still needs it."""
    talk.user("u1", "hello")
    talk.place_call("a2f31dd9-b9e6-403a-89d8-33767df14a56")
    assert talk.transcript() == ["user: hello"]


def test_clearing(talk: Talk) -> None:
    """An empty transcript cannot be cleared; after clearing, an id is as good as new."""
    talk.session.conversation.clear()
    assert talk.events() == []
    talk.delta("One")
    talk.session.conversation.clear()
    talk.delta("Two")
    assert talk.transcript() == ["assistant: Two..."]


def test_items_of_the_application(talk: Talk) -> None:
    """Added at the end, or in the place of the one with that id; the time is filled in where it is missing."""
    talk.session.conversation.transcript.add(TranscriptionItem("n1", "User", "note"), talk.now)
    talk.user("u1", "hello")
    talk.session.conversation.transcript.add(
        TranscriptionItem("n1", "user", "better note", metadata={"a": 1}), talk.now
    )
    assert talk.transcript() == ["user: better note", "user: hello"]
    item = talk.items[0]
    assert (item.timestamp, item.call_id, item.at, item.metadata) == (NOW, UUID(CALL_ID), talk.now, {"a": 1})


def test_items_know_when_and_where(talk: Talk) -> None:
    """Time of the first delta, call, response (R42)."""
    start = talk.now
    talk.delta("One", "i1", response_id="r1")
    talk.wait(5)
    talk.delta(" two", "i1", response_id="r1")
    (item,) = talk.items
    assert (item.timestamp, item.at, item.call_id, item.response_id) == (NOW, start, UUID(CALL_ID), "r1")
    assert item.item_type == "response_delta"


def test_the_agent_state_follows_the_conversation() -> None:
    """R50, and `IDLE` without a call."""
    talk = Talk.calling()
    assert isinstance(talk, Talk)
    assert talk.agent_state is AgentState.IDLE
    talk.say("telnyx_rtc.answer", callID=CALL_ID, sdp="x")
    talk.apply_sdp()
    talk.ai("response.created", response={"id": "r1"})
    talk.delta("Hello")
    talk.ai("response.text.done", item_id="r1", response_id="r1")
    talk.ai("response.done", response={"id": "r1"})
    talk.user("u1", "Hi", "in_progress")
    talk.user("u1", "Hi")
    talk.delta("So", "r2")
    talk.hang_up()
    assert talk.agent_states() == ["LISTENING", "SPEAKING", "LISTENING", "THINKING", "SPEAKING", "IDLE"]


def test_barge_in_is_heard_at_once(talk: Talk) -> None:
    """The user speaks, so the agent listens; the end of the old response then changes nothing."""
    talk.delta("As I was")
    talk.user("u1", "Sto", "in_progress")
    talk.user("u1", "Stop")
    talk.ai("response.done", response={"id": "r1", "status": "cancelled"})
    assert talk.agent_states() == ["SPEAKING", "LISTENING", "THINKING"]


@pytest.mark.parametrize(("urls", "state"), [((), "THINKING"), ((URL,), "PROCESSING_IMAGE")])
def test_a_typed_message_makes_it_think(talk: Talk, urls: tuple[str, ...], state: str) -> None:
    """About an image, if there is one; the echo says the same."""
    item_id = talk.write("Look", *urls)
    talk.user(item_id, "Look")
    assert talk.agent_states() == [state]


def test_the_agent_may_speak_before_the_call_is_active() -> None:
    """Early media: the answer does not make it listen again."""
    talk = Talk.calling()
    assert isinstance(talk, Talk)
    talk.delta("Welcome")
    talk.say("telnyx_rtc.answer", callID=CALL_ID, sdp="x")
    talk.apply_sdp()
    assert talk.agent_states() == ["SPEAKING"]


def test_function_calls_are_handed_on(talk: Talk) -> None:
    """With the arguments as the text that they are (R51)."""
    item = {"type": "function_call", "call_id": "c1", "name": "lookup", "arguments": '{"a": 1}'}
    talk.ai("conversation.item.created", item=item)
    assert talk.events(FunctionCallReceived) == [FunctionCallReceived(FunctionCall("c1", "lookup", '{"a": 1}'))]
    assert talk.transcript() == []


@pytest.mark.parametrize("kind", ["response.text.delta", "response.audio.delta", "something.new", ""])
def test_every_message_is_handed_on_raw(talk: Talk, kind: str) -> None:
    """Also of unknown types, which are no mistake (R40); none is acknowledged."""
    talk.sent()
    talk.ai(kind, delta="x", extra={"a": 1})
    assert talk.events(AiMessage) == [AiMessage({"type": kind, "delta": "x", "extra": {"a": 1}})]
    assert talk.events(outcomes.Malformed) == []
    assert talk.sent() == []


def test_an_unknown_kind_of_item_is_no_mistake(talk: Talk) -> None:
    """There will be more kinds."""
    talk.ai("conversation.item.created", item={"type": "reasoning", "id": "x"})
    assert talk.events(outcomes.Malformed) == []
    assert talk.transcript() == []


def test_role_and_id_are_the_identity(talk: Talk) -> None:
    """A server gives both sides of a turn the same id, in every order and form."""
    talk.delta("I am", "x", response_id="r")
    talk.user("x", "I am the user.")
    talk.delta(" the agent.", "x", response_id="r")
    done(talk, "r")
    assert [(item.role, item.id, item.content) for item in talk.items] == [
        ("assistant", "x", "I am the agent."),
        ("user", "x", "I am the user."),
    ]
    talk.user("y", "Hello")
    talk.delta("Hi", "y", response_id="r2")
    done(talk, "r2")
    talk.user("y", "Hello!")
    assert talk.transcript()[2:] == ["user: Hello!", "assistant: Hi"]


def test_one_id_for_two_roles_in_all_that_can_be_done_with_items(talk: Talk) -> None:
    """Add, find, clear, refuse: the other one is not touched."""
    item_id = talk.session.conversation.send_message("Question", (), talk.now)
    talk.delta("Answer", item_id, response_id="r")
    done(talk, "r")
    talk.session.conversation.transcript.add(TranscriptionItem(item_id, "system", "Note"), talk.now)
    assert talk.transcript() == ["user: Question", "assistant: Answer", "system: Note"]
    talk.session.conversation.transcript.add(TranscriptionItem(item_id, "system", "Better note"), talk.now)
    talk.refuse("ai_conversation", -32000, "no")
    assert talk.transcript() == ["assistant: Answer", "system: Better note"]
    talk.session.conversation.transcript.clear_role("system")
    talk.user(item_id, "Another")
    assert talk.transcript() == ["assistant: Answer", "user: Another"]
    talk.ai("response.text.done", item_id=item_id, text="Whole answer")
    assert talk.transcript() == ["assistant: Whole answer", "user: Another"]


def done(talk: Talk, response_id: str) -> None:
    """A response is complete."""
    talk.ai("response.done", response={"id": response_id})


SECOND = "11111111-2222-4333-8444-555555555555"


def both(talk: Talk) -> None:
    """Another call is up as well."""
    talk.place_call(SECOND)
    talk.say("telnyx_rtc.answer", callID=SECOND, sdp=ANSWER)
    talk.apply_sdp(SECOND)


def owners(talk: Talk) -> list[tuple[str, int]]:
    """Each item's text with the number of its call."""
    number = {UUID(CALL_ID): 1, UUID(SECOND): 2}
    return [(item.content, number[item.call_id]) for item in talk.items if item.call_id is not None]


def test_a_second_call_adds_to_the_transcript(talk: Talk) -> None:
    """Each agent greets its caller; what is typed is said in the call that it is typed in, the answer too."""
    talk.delta("Welcome", "a", response_id="a")
    done(talk, "a")
    both(talk)
    talk.delta("Hello", "b", response_id="b")
    done(talk, "b")
    talk.session.conversation.questions.ask("k", "Question", talk.now, call_id=UUID(CALL_ID))
    talk.delta("Answer", "c", response_id="c")
    done(talk, "c")
    talk.wait(1)
    talk.user("u", "Words")
    assert owners(talk) == [("Welcome", 1), ("Hello", 2), ("Question", 1), ("Answer", 1), ("Words", 1)]


def test_the_voice_tells_whose_words_they_are(talk: Talk) -> None:
    """Of two calls, the one in which the agent is heard."""
    both(talk)
    talk.delta("One", "a", response_id="a")
    done(talk, "a")
    talk.delta("Two", "b", response_id="b")
    done(talk, "b")
    for call_id in (SECOND, CALL_ID):
        talk.session.conversation.voice(True, talk.now, talk.now, call_id)
        talk.delta(f"In {call_id[:1]}", call_id, response_id=call_id)
        done(talk, call_id)
        talk.session.conversation.voice(False, talk.now, talk.now, call_id)
    assert owners(talk)[2:] == [("In 1", 2), ("In 0", 1)]


def test_the_frame_tells_whose_words_they_are(talk: Talk) -> None:
    """By the call's id, or by that of a conversation that is known to be the call's."""
    both(talk)
    for name, call_id, number in (("x", SECOND, 2), ("y", CALL_ID, 1)):
        item = {"id": f"{name}1", "role": "user", "content": f"{name} by call"}
        talk.ai("conversation.item.created", item=item, callID=call_id, conversation_id=name)
        item = {"id": f"{name}2", "role": "user", "content": f"{name} by conversation"}
        talk.ai("conversation.item.created", item=item, conversation_id=name)
        assert owners(talk)[-2:] == [(f"{name} by call", number), (f"{name} by conversation", number)]
    talk.ai("response.text.delta", delta="Hi", item_id="z", response_id="z", conversation_id="x")
    assert owners(talk)[-1] == ("Hi", 2)


def test_the_end_of_one_of_two_calls(talk: Talk) -> None:
    """Its items are complete, those of the other go on; what was asked in it has no answer."""
    both(talk)
    talk.ai("response.text.delta", delta="Goodbye", item_id="a", response_id="a", callID=SECOND)
    talk.session.conversation.questions.ask("k", "Question", talk.now, call_id=UUID(SECOND))
    talk.events()
    talk.session.calls.hang_up(SECOND, talk.now)
    assert [type(event).__name__ for event in talk.events(outcomes.QuestionSettled)] == ["QuestionSettled"]
    assert talk.transcript() == ["assistant: Goodbye"]
    talk.delta("Still here", "b", response_id="b")
    assert talk.transcript()[1:] == ["assistant: Still here..."]
    assert owners(talk) == [("Goodbye", 2), ("Still here", 1)]
