"""The agent's brain: what somebody said in, what to answer out. Any `callable(text) -> text` is one."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ._images import describe_images
from .scenario import FunctionCall

__all__ = ["Brain", "Reply", "ScriptedBrain"]


@attrs.frozen
class Reply:
    """An answer that does more than speak.

    Args:
        text: What to say; may be empty.
        hang_up: Whether to hang up afterwards.
        function_call: A client-side tool to ask for afterwards.
    """

    text: str = ""
    hang_up: bool = False
    function_call: FunctionCall | None = None


Brain = Callable[[str], str | Reply | None]
"""Gets what was said or typed, returns what to say. Called on a thread of its own, one call at a time; may block.

Optional attributes: `phrases` (what callers are expected to say, makes the ears reliable), `see(text, images)` (for
messages with images; `images` are URLs) and `function_output(name, output)` (for results of client-side tools); both
return the same as the brain itself.
"""


def to_reply(answer: Any) -> Reply:
    """What a brain returned, as a `Reply`."""
    if isinstance(answer, Reply):
        return answer
    return Reply("" if answer is None else str(answer))


@attrs.frozen
class _Rule:
    """Words to look for, the answer, and what callers may say to get it."""

    pattern: re.Pattern[str]
    answer: Callable[[re.Match[str]], Reply]
    phrases: tuple[str, ...] = ()


LOOK_UP = FunctionCall("lookup_order", '{"order_id": "1001"}')
REPEATABLE = ("the quick brown fox", "one two three", "peter piper", "good weather today", "telephone", "hello world")
STORY = (
    "Once upon a time there was a little packet that wanted to see the world. It travelled through long wires and "
    "wide networks, over mountains and under the sea, met many routers and a few firewalls, and in the end it arrived "
    "safely, in order, and on time."
)

# What to look for, what to answer, what callers may say. The first rule that fits wins.
_SMALL_TALK: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        r"\b(open(ing)?|close|hours)\b",
        "We are open from nine to five, Monday to Friday.",
        ("What are your opening hours?", "When do you open?", "When do you close today?", "Are you open on Sunday?"),
    ),
    (
        r"\b(your name|who are you)\b",
        "I am the local agent. I live on your machine.",
        ("What is your name?", "Who are you?"),
    ),
    (
        r"\b(can you do|help)\b",
        "You can ask me for the time, the date, or our opening hours.",
        ("What can you do?", "Can you help me?"),
    ),
    (r"\bjoke\b", "Why did the packet cross the network? To get to the other site.", ("Tell me a joke",)),
    (r"\bweather\b", "I have no window, but I hope for sunshine.", ("What is the weather like today?",)),
    (r"\bstory\b", STORY, ("Tell me a story",)),
    (r"\bhow are you\b", "I am fine, thank you. And you?", ("How are you?", "Hello, how are you today?")),
    (r"\bthank", "You are welcome.", ("Thank you", "Thank you very much", "No, thank you")),
    (r"\b(stop|wait|quiet)\b", "All right, I am listening.", ("Stop", "Please stop", "Wait a moment please")),
    (r"^\W*(yes|yeah|okay|ok)\b", "Very well.", ("Yes", "Yes please")),
    (r"^\W*no\b", "All right.", ("No",)),
    (
        r"\b(hello|hi|hey|good (morning|afternoon|evening))\b",
        "Hello! What can I do for you?",
        ("Hello", "Hi there", "Good morning", "Good afternoon", "Good evening"),
    ),
)


class ScriptedBrain:
    """Small talk: greetings, the time and the date, opening hours, "repeat after me ...", an order to look up, goodbye.

    Args:
        hang_up_on_goodbye: Whether "goodbye" ends the call; "please hang up" always does.
        now: Tells the time.

    Attributes:
        phrases: Everything that it understands, as callers would say it.
    """

    def __init__(
        self,
        *,
        hang_up_on_goodbye: bool = False,
        now: Callable[[], datetime.datetime] = datetime.datetime.now,
    ) -> None:
        self._now = now
        self._rules = (*self._moving_rules(hang_up_on_goodbye), *map(_fixed_rule, _SMALL_TALK))
        self.phrases: tuple[str, ...] = tuple(phrase for rule in self._rules for phrase in rule.phrases)

    def __call__(self, text: str) -> Reply:
        """The answer of the first rule that fits; what was not understood is repeated."""
        return self._find(text) or Reply(f"You said: {text.strip()}")

    def see(self, text: str, images: Sequence[str]) -> Reply:
        """Says what the images are (it cannot look at them), and answers the text if it understands it."""
        reply = self._find(text) or Reply()
        return attrs.evolve(reply, text=f"{describe_images(images)} {reply.text}".strip())

    def function_output(self, name: str, output: str) -> Reply:
        """Reads out what a client-side tool found, or why it found nothing."""
        try:
            value = json.loads(output)
        except ValueError:
            value = output
        if isinstance(value, dict) and set(value) == {"error"}:
            return Reply(f"I could not look it up: {value['error']}.")
        if isinstance(value, dict):
            value = ", ".join(f"{key.replace('_', ' ')} {item}" for key, item in value.items())
        return Reply(f"I looked it up: {value}.")

    def _find(self, text: str) -> Reply | None:
        for rule in self._rules:
            match = rule.pattern.search(text)
            if match is not None:
                return rule.answer(match)
        return None

    def _moving_rules(self, hang_up_on_goodbye: bool) -> tuple[_Rule, ...]:
        """Rules whose answer is more than a text."""
        goodbye = Reply("Goodbye! It was nice talking to you.", hang_up=hang_up_on_goodbye)
        return (
            _rule(
                r"\brepeat( after me)?\b[\s:,]*(?P<what>.*)",
                lambda match: Reply(match["what"].strip() or "What shall I repeat?"),
                *(f"Repeat after me: {words}" for words in REPEATABLE),
            ),
            _rule(
                r"\b(hang up|end the call)\b",
                lambda match: Reply("As you wish. Goodbye!", hang_up=True),
                "Please hang up",
                "You can hang up now",
                "Please end the call",
            ),
            _rule(r"\b(good ?bye|bye|see you)\b", lambda match: goodbye, "Goodbye", "Bye bye", "See you later"),
            _rule(
                r"\border\b",
                lambda match: Reply("One moment, I will look that up.", function_call=LOOK_UP),
                "Where is my order?",
                "Can you look up my order?",
            ),
            _rule(
                r"\btime\b",
                lambda match: Reply(f"It is {self._now():%H:%M}."),
                "What time is it?",
                "Can you tell me the time?",
            ),
            _rule(
                r"\b(day|date)\b",
                lambda match: Reply(f"Today is {self._now():%A}, {self._now().day} {self._now():%B}."),
                "What day is it today?",
                "What is the date today?",
            ),
        )


def _rule(pattern: str, answer: Callable[[re.Match[str]], Reply], *phrases: str) -> _Rule:
    return _Rule(re.compile(pattern, re.IGNORECASE), answer, phrases)


def _fixed_rule(row: tuple[str, str, tuple[str, ...]]) -> _Rule:
    pattern, text, phrases = row
    return _rule(pattern, lambda match: Reply(text), *phrases)
