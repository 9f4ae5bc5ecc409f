"""Questions and their answers in the pure core: what belongs to an answer, when it is complete, and how it fails."""

from __future__ import annotations

from typing import Any, cast

import pytest

from telnyx_agent import AnswerInterruptedError, CallError, TxError
from telnyx_agent._protocol import outcomes
from telnyx_agent._protocol.conversation.agent import PAUSE, QUIET, TOOL_REPLY
from telnyx_agent._protocol.conversation.questions import (
    GREETING_WAIT,
    MAX_QUESTIONS,
    SETTLE,
    SPEAKING_WAIT,
    THINKING_WAIT,
)
from tests.protocol.script import Script


class Quiz(Script):
    """A call in which questions are asked."""

    def ask(self, text: str, key: object = "k") -> None:
        """Ask; the key tells the questions apart."""
        self.session.conversation.questions.ask(key, text, self.now)

    def says(self, text: str, response: str = "r1", *, done: bool = True) -> None:
        """A response, as text."""
        self.ai("response.created", response={"id": response})
        self.ai("response.text.delta", delta=text, item_id=response, response_id=response)
        if done:
            self.ai("response.done", response={"id": response})

    def asked(self) -> list[str]:
        """The texts that were sent."""
        frames = [frame for frame in self.sent() if frame.get("method") == "ai_conversation"]
        return [frame["params"]["item"]["content"][0]["text"] for frame in frames]

    def settled(self) -> list[tuple[Any, str | type[TxError]]]:
        """Keys with answers, or with the types of errors."""
        return [
            (one.key, one.text if one.error is None else type(one.error))
            for one in self.events(outcomes.QuestionSettled)
        ]


@pytest.fixture
def quiz() -> Quiz:
    """An active call whose agent listens: it did not greet."""
    quiz = cast(Quiz, Quiz.talking())
    quiz.wait(GREETING_WAIT)
    return quiz


def test_the_answer_is_what_comes_after_the_question(quiz: Quiz) -> None:
    """When it is complete, and has been for a moment."""
    quiz.says("Welcome.", "r0")
    quiz.ask("Who are you?")
    assert quiz.asked() == ["Who are you?"]
    quiz.wait(1.0)
    quiz.says("I am", done=False)
    quiz.wait(1.0)
    quiz.ai("response.text.delta", delta=" Ann.", item_id="r1", response_id="r1")
    assert quiz.settled() == []
    quiz.ai("response.done", response={"id": "r1"})
    assert quiz.settled() == []
    quiz.wait(SETTLE)
    assert quiz.settled() == [("k", "I am Ann.")]


def test_what_was_begun_before_is_no_answer(quiz: Quiz) -> None:
    """A greeting of which only the beginning was announced when the question was asked."""
    quiz.ai("response.created", response={"id": "r0"})
    quiz.ask("Who are you?")
    quiz.ai("response.text.delta", delta="Welcome!", item_id="i0", response_id="r0")
    quiz.ai("response.done", response={"id": "r0"})
    quiz.wait(5.0)
    assert quiz.settled() == []
    quiz.says("I am Ann.")
    quiz.wait(SETTLE)
    assert quiz.settled() == [("k", "I am Ann.")]


def test_what_was_announced_before_is_no_answer_to_who_barges_in(quiz: Quiz) -> None:
    """Not one word of it has come yet."""
    quiz.ai("response.created", response={"id": "r0"})
    quiz.session.conversation.questions.ask("k", "Who are you?", quiz.now, barge_in=True)
    assert quiz.asked() == ["Who are you?"]
    quiz.ai("response.text.delta", delta="Welcome!", item_id="i0", response_id="r0")
    quiz.ai("response.done", response={"id": "r0"})
    quiz.wait(SETTLE)
    assert quiz.settled() == []
    quiz.says("I am Ann.")
    quiz.wait(SETTLE)
    assert quiz.settled() == [("k", "I am Ann.")]


def test_two_responses_close_together_are_one_answer(quiz: Quiz) -> None:
    """And a moment later is a new one."""
    quiz.ask("Who are you?")
    quiz.says("I am Ann.")
    quiz.wait(SETTLE / 2)
    quiz.says("And you?", "r2")
    quiz.wait(SETTLE)
    assert quiz.settled() == [("k", "I am Ann. And you?")]
    quiz.says("Hello?", "r3")
    quiz.wait(SETTLE)
    assert quiz.settled() == []


def test_one_question_after_the_other(quiz: Quiz) -> None:
    """The second goes out when the first is answered."""
    quiz.ask("One?", 1)
    quiz.ask("Two?", 2)
    assert quiz.asked() == ["One?"]
    quiz.says("First.")
    quiz.wait(SETTLE)
    assert quiz.asked() == ["Two?"]
    quiz.says("Second.", "r2")
    quiz.wait(SETTLE)
    assert quiz.settled() == [(1, "First."), (2, "Second.")]


def test_a_tool_that_is_asked_for_behind_the_words(quiz: Quiz) -> None:
    """The answer goes on, however long the tool takes and the agent thinks about its result."""
    quiz.ask("Where is my order?")
    quiz.says("One moment.")
    item = {"type": "function_call", "call_id": "call-1", "name": "look_up", "arguments": "{}"}
    quiz.ai("conversation.item.created", item=item)
    quiz.wait(20.0)
    quiz.session.conversation.send_function_call_output("call-1", "shipped", quiz.now)
    quiz.wait(TOOL_REPLY / 2)
    assert quiz.settled() == []
    quiz.says("It is shipped.", "r2")
    quiz.wait(SETTLE)
    assert quiz.settled() == [("k", "One moment. It is shipped.")]


def test_a_tool_to_whose_result_nothing_is_said(quiz: Quiz) -> None:
    """After a while the words before it are the answer."""
    quiz.ask("Remember that")
    quiz.says("I will.")
    item = {"type": "function_call", "call_id": "call-1", "name": "remember", "arguments": "{}"}
    quiz.ai("conversation.item.created", item=item)
    quiz.session.conversation.send_function_call_output("call-1", "", quiz.now)
    quiz.wait(TOOL_REPLY + SETTLE)
    assert quiz.settled() == [("k", "I will.")]


def test_an_answer_that_nobody_ends(quiz: Quiz) -> None:
    """A server without `response.done`."""
    quiz.ask("Who are you?")
    quiz.says("I am Ann.", done=False)
    quiz.wait(QUIET + SETTLE)
    assert quiz.settled() == [("k", "I am Ann.")]


def test_an_interrupted_answer_is_an_error(quiz: Quiz) -> None:
    """With what there was of it, and the next question goes on."""
    quiz.ask("Tell me a story", 1)
    quiz.ask("Who are you?", 2)
    quiz.says("Once upon a", done=False)
    item = {"id": "u", "type": "message", "role": "user", "status": "completed", "content": "Stop"}
    quiz.ai("conversation.item.created", item=item)
    (first,) = quiz.events(outcomes.QuestionSettled)
    assert isinstance(first.error, AnswerInterruptedError)
    assert first.error.text == "Once upon a"
    assert "Once" not in str(first.error)
    assert "Once" not in repr(first)
    assert quiz.asked() == ["Tell me a story"]
    quiz.wait(THINKING_WAIT)  # what it says to "Stop" would be no answer to the next question
    assert quiz.asked() == ["Who are you?"]


def test_words_of_the_user_before_the_answer(quiz: Quiz) -> None:
    """Are no interruption: the agent answers what comes."""
    quiz.ask("Who are you?")
    item = {"id": "u", "type": "message", "role": "user", "status": "completed", "content": "Please"}
    quiz.ai("conversation.item.created", item=item)
    quiz.says("I am Ann.")
    quiz.wait(SETTLE)
    assert quiz.settled() == [("k", "I am Ann.")]


def test_the_end_of_the_call(quiz: Quiz) -> None:
    """All questions fail, those that were not asked yet too."""
    quiz.ask("One?", 1)
    quiz.ask("Two?", 2)
    quiz.says("Fir", done=False)
    quiz.hang_up()
    assert quiz.settled() == [(1, CallError), (2, CallError)]


def test_no_call(quiz: Quiz) -> None:
    """As for any message."""
    quiz.hang_up()
    quiz.ask("Anybody there?")
    assert quiz.settled() == [("k", CallError)]


def test_a_refused_question(quiz: Quiz) -> None:
    """The server did not take it."""
    quiz.ask("Who are you?")
    quiz.refuse("ai_conversation", -32002, "not now")
    assert quiz.settled() == [("k", CallError)]


def test_a_cleared_transcript(quiz: Quiz) -> None:
    """Takes question and answer with it, as soon as anything happens."""
    quiz.ask("Who are you?")
    quiz.session.conversation.clear()
    quiz.says("I am Ann.")
    assert quiz.settled() == [("k", CallError)]


def test_a_question_waits_for_the_call() -> None:
    """And for the greeting, which is no answer."""
    quiz = cast(Quiz, Quiz.calling())
    quiz.ask("Who are you?")
    assert "ai_conversation" not in quiz.sent_methods()
    quiz.ai("response.created", response={"id": "r0"})
    quiz.say("telnyx_rtc.answer", callID="074e7e59-6859-4b8b-8743-83df82e7f776", sdp="v=0\r\n")
    quiz.apply_sdp()
    quiz.ai("response.text.delta", delta="Welcome!", item_id="r0", response_id="r0")
    assert quiz.asked() == []
    quiz.ai("response.done", response={"id": "r0"})
    assert quiz.asked() == ["Who are you?"]
    quiz.says("I am Ann.")
    quiz.wait(SETTLE)
    assert quiz.settled() == [("k", "I am Ann.")]


def test_a_question_that_nobody_waits_for(quiz: Quiz) -> None:
    """Its answer is not told, and the next question goes out when the agent has had time to begin with it."""
    quiz.ask("One?", 1)
    quiz.ask("Two?", 2)
    quiz.ask("Three?", 3)
    quiz.session.conversation.questions.forget(1, quiz.now)
    quiz.session.conversation.questions.forget(3, quiz.now)
    quiz.session.conversation.questions.forget(4, quiz.now)
    assert quiz.asked() == ["One?"]
    quiz.wait(THINKING_WAIT)
    assert quiz.asked() == ["Two?"]
    quiz.says("Second.")
    quiz.wait(SETTLE)
    assert quiz.settled() == [(2, "Second.")]
    assert quiz.asked() == []


def active() -> Quiz:
    """A call that has just become active."""
    return cast(Quiz, Quiz.talking())


def test_the_greeting_is_no_answer() -> None:
    """A question right behind ACTIVE is asked when the greeting is over; in a call without sound, at its last word."""
    quiz = active()
    quiz.ask("What are your opening hours?")
    assert quiz.asked() == []
    quiz.wait(GREETING_WAIT / 2)
    quiz.says("Welcome! What can", "r0", done=False)
    quiz.wait(GREETING_WAIT)
    assert quiz.asked() == []
    quiz.ai("response.text.delta", delta=" I do?", item_id="r0", response_id="r0")
    quiz.ai("response.done", response={"id": "r0"})
    assert quiz.asked() == ["What are your opening hours?"]
    quiz.says("Nine to five.")
    quiz.wait(SETTLE)
    assert quiz.settled() == [("k", "Nine to five.")]


def test_the_voice_of_the_greeting_is_waited_for() -> None:
    """Where the agent is heard, it listens when it has finished speaking, and not when its text is complete."""
    quiz = active()
    quiz.session.conversation.voice(True, quiz.now, quiz.now)
    quiz.ask("What are your opening hours?")
    quiz.says("Welcome!", "r0")
    quiz.wait(3.0)
    assert quiz.asked() == []
    quiz.session.conversation.voice(False, quiz.now, quiz.now)
    quiz.wait(PAUSE)
    assert quiz.asked() == ["What are your opening hours?"]


def test_an_agent_that_does_not_greet_is_not_waited_for_long() -> None:
    """And only in the beginning of a call."""
    quiz = active()
    quiz.ask("Who are you?")
    quiz.wait(GREETING_WAIT - 0.01)
    assert quiz.asked() == []
    quiz.wait(0.01)
    assert quiz.asked() == ["Who are you?"]
    quiz.says("I am Ann.")
    quiz.wait(SETTLE)
    quiz.ask("And who am I?")
    assert quiz.asked() == ["And who am I?"]


def test_an_agent_that_does_not_stop_speaking_is_asked_all_the_same() -> None:
    """A sound without an end is no reason to wait for ever."""
    quiz = active()
    quiz.session.conversation.voice(True, quiz.now, quiz.now)
    quiz.ask("Who are you?")
    quiz.wait(SPEAKING_WAIT - 0.01)
    assert quiz.asked() == []
    quiz.wait(0.01)
    assert quiz.asked() == ["Who are you?"]


def test_barge_in() -> None:
    """Asked at once, whatever the agent says; what it said before is no answer all the same."""
    quiz = active()
    quiz.says("Welcome! What", "r0", done=False)
    quiz.session.conversation.questions.ask("k", "Who are you?", quiz.now, barge_in=True)
    assert quiz.asked() == ["Who are you?"]
    quiz.ai("response.done", response={"id": "r0", "status": "cancelled"})
    quiz.says("I am Ann.")
    quiz.wait(SETTLE)
    assert quiz.settled() == [("k", "I am Ann.")]


def test_too_many_questions(quiz: Quiz) -> None:
    """The one that is one too many fails at once."""
    for number in range(MAX_QUESTIONS + 1):
        quiz.ask("?", number)
    assert quiz.settled() == []
    quiz.ask("?", "last")
    assert quiz.settled() == [("last", CallError)]
