"""One conversation: hears, thinks, answers, is interrupted. Loop thread only; ears and brain work on their own threads.

sound -> Endpointer -> ears' thread -> user item -> brain's thread (brain, then voice) -> Mouth -> deltas and sound
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import attrs

from ._bounds import TRANSCRIPT_BYTES, Kept, size_of
from ._endpoint import Endpointer, Samples, SpeechEnded, SpeechGoesOn, SpeechStarted
from ._images import describe_images
from ._speech_output import Mouth, Utterance
from ._worker import Worker
from .brain import Brain, Reply, to_reply
from .ears import Ears
from .scenario import FunctionCall
from .voice import Speech, Voice

__all__ = ["Dialogue", "Faculties", "Line"]

logger = logging.getLogger("telnyx_agent.testing")


class Wire(Protocol):
    """What a conversation sends to its client."""

    def new_id(self) -> str: ...
    def user_item(self, item_id: str, text: str, *, completed: bool) -> None: ...
    def response_created(self, response_id: str) -> None: ...
    def response_delta(self, response_id: str, delta: str) -> None: ...
    def response_done(self, response_id: str, text: str) -> None: ...
    def function_call(self, call: FunctionCall) -> None: ...
    def hang_up(self) -> None: ...


@attrs.frozen
class Faculties:
    """What an agent hears, thinks and speaks with, and the threads on which it does."""

    brain: Brain
    voice: Voice
    ears: Ears
    mind: Worker
    hearing: Worker
    barge_in: bool = True


@attrs.frozen
class Line:
    """One line of what was said in a call: `role` is `"user"` or `"assistant"`."""

    role: str
    text: str


class Dialogue:
    """The conversation of one call.

    Args:
        faculties: Ears, brain and voice.
        mouth: Speaks.
        wire: Sends.
        reply_delay: Seconds of thinking time before an answer.
    """

    def __init__(self, faculties: Faculties, mouth: Mouth, wire: Wire, *, reply_delay: float) -> None:
        self.lines: Kept[Line] = Kept(TRANSCRIPT_BYTES)
        self.is_listening = False
        self._faculties = faculties
        self._mouth = mouth
        self._wire = wire
        self._reply_delay = reply_delay
        self._endpointer = Endpointer()
        self._loop = asyncio.get_running_loop()
        self._ended = False
        # What is being said by the user: its item, and what was sent of it.
        self._user_item = ""
        self._partial = ""
        # Answers to what was said before the latest user turn are out of date.
        self._turn = 0
        self._ready: Callable[[], None] | None = None

    def end(self) -> None:
        """The call is over: nothing is said or sent any more."""
        self._ended = True
        self.is_listening = False
        self._mouth.stop()

    # -- hearing -------------------------------------------------------------------------------------------------------

    def hear(self, samples: Samples) -> None:
        """Some sound from the caller (16 kHz)."""
        if not self.is_listening or self._ended:
            return
        for turn in self._endpointer.feed(samples):
            if isinstance(turn, SpeechStarted):
                self._user_item, self._partial = self._wire.new_id(), ""
                if self._faculties.barge_in:
                    self._mouth.stop()
            elif isinstance(turn, SpeechGoesOn):
                if self._faculties.hearing.is_idle:
                    self._recognise(turn.samples, self._user_item, completed=False)
            elif isinstance(turn, SpeechEnded):
                self._recognise(turn.samples, self._user_item, completed=True)

    def _recognise(self, samples: Samples, item_id: str, *, completed: bool) -> None:
        def job() -> None:
            text = self._faculties.ears.hear(samples).strip()
            self._post(lambda: self._heard(text, item_id, completed=completed))

        if not self._faculties.hearing.submit(job):
            self._heard("", item_id, completed=completed)

    def _heard(self, text: str, item_id: str, *, completed: bool) -> None:
        if not completed:
            if text and text != self._partial and item_id == self._user_item:
                self._partial = text
                self._wire.user_item(item_id, text, completed=False)
            return
        if text:
            self._user_item = ""
            self.lines.add(Line("user", text), size_of(text))
            self._wire.user_item(item_id, text, completed=True)
            self._think(lambda: self._faculties.brain(text), size=size_of(text))
        else:
            # Only a noise: what was ready to be said still is.
            if self._partial:
                self._wire.user_item(item_id, self._partial, completed=True)
            self._say_ready()

    # -- typed messages and tools --------------------------------------------------------------------------------------

    def typed(self, text: str, images: Sequence[str]) -> None:
        """The client sent text or images; the agent stops talking and answers them."""
        if self._ended:
            return
        self.lines.add(Line("user", text), size_of(text))
        self._mouth.stop()
        brain: Any = self._faculties.brain

        def answer() -> Any:
            if not images:
                return brain(text)
            see = getattr(brain, "see", None)
            return see(text, images) if callable(see) else _see(brain, text, images)

        self._think(answer, size=size_of(text) + sum(map(size_of, images)))

    def function_output(self, name: str | None, output: str) -> None:
        """A client-side tool answered."""
        if self._ended:
            return
        take: Any = getattr(self._faculties.brain, "function_output", None)
        tool = name or "tool"

        def answer() -> Any:
            return take(tool, output) if callable(take) else f"The {tool.replace('_', ' ')} says: {output}"

        # Of several tools that were asked for together, each result gets its answer.
        self._think(answer, size=size_of(output), goes_on=True)

    # -- answering -----------------------------------------------------------------------------------------------------

    def say(self, text: str, *, function_calls: Sequence[FunctionCall] = ()) -> None:
        """Say something, after what is being said; then ask for tools."""

        def job() -> None:
            speech = self._speak(text)
            self._post(lambda: self._utter(Reply(text), speech, function_calls))

        self._faculties.mind.submit(job)

    def _think(self, answer: Callable[[], Any], *, size: int, goes_on: bool = False) -> None:
        if not goes_on:
            self._turn += 1
        turn = self._turn
        asked = self._loop.time()

        def job() -> None:
            try:
                reply = to_reply(answer())
            except Exception:
                logger.exception("the brain failed")
                reply = Reply("Sorry, something went wrong in my head.")
            speech = self._speak(reply.text)
            self._post(lambda: self._answered(turn, asked, reply, speech))

        self._faculties.mind.submit(job, size=size)

    def _speak(self, text: str) -> Speech | None:
        """On the brain's thread: sound for a text, None if there is nothing to say."""
        return self._faculties.voice.speak(text) if text else None

    def _answered(self, turn: int, asked: float, reply: Reply, speech: Speech | None) -> None:
        """The answer is ready: say it when the thinking time is over and the user does not speak."""

        def ready() -> None:
            if turn != self._turn or self._ended:
                return
            if self._endpointer.is_speaking:
                self._ready = ready
            else:
                self._utter(reply, speech, [reply.function_call] if reply.function_call is not None else [])

        self._loop.call_at(max(self._loop.time(), asked + self._reply_delay), ready)

    def _say_ready(self) -> None:
        ready, self._ready = self._ready, None
        if ready is not None:
            ready()

    def _utter(self, reply: Reply, speech: Speech | None, function_calls: Sequence[FunctionCall]) -> None:
        if self._ended:
            return

        def after() -> None:
            for call in function_calls:
                self._wire.function_call(call)
            if reply.hang_up:
                self._wire.hang_up()

        if speech is None:
            after()
            return
        response_id = self._wire.new_id()
        line, spoken = 0, ""

        def start() -> None:
            nonlocal line
            line = self.lines.total
            self.lines.add(Line("assistant", ""), 0)
            self._wire.response_created(response_id)

        def words(delta: str) -> None:
            nonlocal spoken
            spoken += delta
            self.lines.replace(line, Line("assistant", spoken), size_of(spoken))
            self._wire.response_delta(response_id, delta)

        def done() -> None:
            self._wire.response_done(response_id, reply.text)
            after()

        self._mouth.say(Utterance(speech, start, words, done))

    def _post(self, call: Callable[[], None]) -> None:
        """From another thread to the loop, unless that has ended."""

        def run() -> None:
            if not self._ended:
                call()

        try:
            self._loop.call_soon_threadsafe(run)
        except RuntimeError:
            logger.debug("the loop has ended; an answer came too late")


def _see(brain: Brain, text: str, images: Sequence[str]) -> Reply:
    """For brains that know nothing of images: say what they are, then answer the text."""
    description = describe_images(images)
    if not text.strip():
        return Reply(description)
    reply = to_reply(brain(text))
    return attrs.evolve(reply, text=f"{description} {reply.text}".strip())
