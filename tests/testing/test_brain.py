"""`brain`: what the local agent answers."""

from __future__ import annotations

import datetime

import pytest

from telnyx_agent.testing import Reply, ScriptedBrain


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("What are your opening hours?", "We are open from nine to five, Monday to Friday."),
        ("hello", "Hello! What can I do for you?"),
        ("What time is it?", "It is 09:05."),
        ("What day is it today?", "Today is Monday, 3 March."),
        ("Repeat after me: one, two", "one, two"),
        ("repeat", "What shall I repeat?"),
        ("The moon is a balloon.", "You said: The moon is a balloon."),
        ("No, thank you", "You are welcome."),
        ("Good morning", "Hello! What can I do for you?"),
        ("You can hang up now", "As you wish. Goodbye!"),
    ],
)
def test_small_talk(text: str, answer: str) -> None:
    """The first rule that fits answers."""
    brain = ScriptedBrain(now=lambda: datetime.datetime(2025, 3, 3, 9, 5))
    assert brain(text).text == answer


def test_hanging_up() -> None:
    """Only when asked; goodbye counts as asking if one wants it to."""
    assert ScriptedBrain()("Please hang up").hang_up
    assert not ScriptedBrain()("Goodbye").hang_up
    assert ScriptedBrain(hang_up_on_goodbye=True)("Goodbye").hang_up


def test_every_phrase_has_an_answer() -> None:
    """Nothing in the vocabulary is merely repeated."""
    brain = ScriptedBrain()
    assert [phrase for phrase in brain.phrases if brain(phrase).text.startswith("You said")] == []
    assert len(set(brain.phrases)) == len(brain.phrases)


def test_tools() -> None:
    """An order is looked up by the client; its answer is read out."""
    reply = ScriptedBrain()("Where is my order?")
    assert reply.function_call is not None
    assert reply.function_call.name == "lookup_order"
    brain = ScriptedBrain()
    assert brain.function_output("x", '{"order_status": "shipped"}') == Reply("I looked it up: order status shipped.")
    assert brain.function_output("x", "not json") == Reply("I looked it up: not json.")
