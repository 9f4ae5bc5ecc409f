"""`Questions`: typed questions whose answer somebody waits for.

Rules of this file:

1. One question at a time: the next is sent when the one before has its answer, in the order in which they were asked.
2. A question is sent when the agent listens: when the call is up, its greeting is over, and it neither speaks nor is
   about to answer something else, for which it has its time. With `barge_in` it is sent at once.
3. The answer is everything that the assistant says in its call after the question, in responses that it began after it,
   until it has finished: no item grows, it responds to nothing, no tool is asked for, and for `SETTLE` seconds none of
   this changes, so that a tool that it asks for behind its words counts as going on.
4. An answer that is interrupted is none: the question fails with what there was of it.
5. A question fails when its message cannot be sent or was refused, and with its call.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from uuid import UUID

import attrs

from ...errors import AnswerInterruptedError, CallError, TxError
from ..outcomes import QuestionSettled, SessionEvent
from ..states import AgentState
from ..timers import Timer, TimerKind, Timers
from .agent import Agent
from .attribution import Attribution
from .speech_progress import SpeechProgress
from .text_messages import Messages
from .tool_calls import ToolCalls
from .transcript import Transcript
from .transcription import TranscriptionItem

__all__ = ["MAX_QUESTIONS", "Questions"]

SETTLE = 0.3
"""Seconds after which an answer that is complete is taken for all of it."""

MAX_QUESTIONS = 100
"""Questions that may wait for the one before. Each is a thread, or a task, of the program's."""

GREETING_WAIT = 1.5
"""Seconds after a call is up in which the assistant may begin to greet; later it waits for the user to speak. Its
greeting comes within a second of the answer (protocol.md, scenario A), and some assistants have none.
"""

THINKING_WAIT = 5.0
"""Seconds after the user has said something in which it is expected to begin to answer."""

SPEAKING_WAIT = 20.0
"""Seconds in which it is expected to come to an end of what it says. Longer is a story, or a sound without an end."""

_TIMER = Timer(TimerKind.ANSWER)


@attrs.define(eq=False)
class _Question:
    key: object = attrs.field(repr=False)
    text: str = attrs.field(repr=False)
    call_id: UUID | None = None
    barge_in: bool = False
    # When it came to its turn.
    since: float = 0.0
    # Of its message, once that is sent, or kept until it can be.
    item_id: str = ""
    # Responses that were under way when it was asked.
    earlier: frozenset[str] = frozenset()
    is_typed: bool = False

    @property
    def is_sent(self) -> bool:
        return bool(self.item_id)


class Questions:
    """The questions of one session.

    Args:
        calls: In which they are asked.
        transcript: Where the answers are.
        speech: Which response the agent speaks.
        agent: Whether it listens.
        tools: Whether it waits for a tool.
        messages: Whether a question waits for its call.
        timers: For `SETTLE`, and for agents that do not come to an end.
        send: Sends a text in a call, or keeps it until that is up; gives the id of its item, or raises a `TxError`.
        report: Takes `QuestionSettled`.
    """

    def __init__(
        self,
        calls: Attribution,
        transcript: Transcript,
        speech: SpeechProgress,
        agent: Agent,
        tools: ToolCalls,
        messages: Messages,
        timers: Timers,
        send: Callable[[str, UUID | None, float], str],
        report: Callable[[SessionEvent], None],
    ) -> None:
        self._calls = calls
        self._transcript = transcript
        self._speech = speech
        self._agent = agent
        self._tools = tools
        self._messages = messages
        self._timers = timers
        self._send = send
        self._report = report
        self._current: _Question | None = None
        self._queue: deque[_Question] = deque()

    def ask(self, key: object, text: str, now: float, *, call_id: UUID | None = None, barge_in: bool = False) -> None:
        """Ask as soon as the questions before are answered, and the agent listens. `QuestionSettled` follows.

        While a call is being set up or taken up again, the question waits.

        Args:
            key: Says in `QuestionSettled` which question it is.
            text: The question.
            now: The time.
            call_id: The call in which it is asked; None where there is one only.
            barge_in: Whether to ask although the agent speaks.
        """
        question = _Question(key, text, call_id, barge_in)
        if len(self._queue) >= MAX_QUESTIONS:
            self._settle(question, error=CallError(f"{MAX_QUESTIONS} questions wait for their answers already"))
            return
        self._queue.append(question)
        self._go_on(now)

    def forget(self, key: object, now: float) -> None:
        """Nobody waits for this answer any more; the message stays sent."""
        self._queue = deque(one for one in self._queue if one.key is not key)
        if self._current is not None and self._current.key is key:
            self._let_go()
            self._go_on(now)

    def timer_due(self, now: float) -> None:
        """The answer has settled, or the agent has been waited for long enough."""
        question = self._current
        if question is not None and not question.is_sent:
            self._try(question, now)
            self._go_on(now)
            return
        if question is None or not self._is_complete(question):
            return
        self._settle(question, " ".join(item.content.strip() for item in self._answers(question)))
        self._go_on(now)

    def look(self, now: float) -> None:
        """Something has changed in the conversation."""
        question = self._current
        if question is None:
            return
        if not question.is_sent:
            self._try(question, now)
            self._go_on(now)
            return
        is_typed = self._transcript.find_typed(question.item_id) is not None
        if is_typed and not question.is_typed:
            # It may have waited for the call, and what the agent was saying then is no answer either.
            question.is_typed = True
            question.earlier |= self._response_ids
        if not is_typed and not self._messages.is_waiting(question.item_id):
            self._settle(question, error=CallError("the question did not reach the agent, or was taken out again"))
        elif any(item.interrupted for item in self._answers(question)):
            said = " ".join(item.heard_text.strip() for item in self._answers(question))
            self._settle(question, error=AnswerInterruptedError("the agent was interrupted in its answer", text=said))
        elif self._is_complete(question):
            if _TIMER not in self._timers:
                self._timers.set(_TIMER, now + SETTLE)
            return
        else:
            self._timers.cancel(_TIMER)
            return
        self._go_on(now)

    def call_over(self, call_id: UUID | None, now: float) -> None:
        """A call is over: what was asked in it has no answer."""
        is_last = not self._calls.has_any
        waiting = [*([] if self._current is None else [self._current]), *self._queue]
        over = [one for one in waiting if is_last or one.call_id == call_id]
        self._queue = deque(one for one in self._queue if one not in over)
        for one in over:
            self._settle(one, error=CallError("the call ended before the agent had answered", call_id=one.call_id))
        self._go_on(now)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _go_on(self, now: float) -> None:
        """Ask the next question."""
        while self._current is None and self._queue:
            question = self._current = self._queue.popleft()
            question.since = now
            self._try(question, now)

    def _try(self, question: _Question, now: float) -> None:
        """Send the question if the agent listens, or has been waited for long enough."""
        deadline = None if question.barge_in else self._busy_until(question)
        if deadline is not None and now < deadline:
            if deadline < math.inf:
                self._timers.set(_TIMER, deadline)
            return
        self._timers.cancel(_TIMER)
        question.earlier = self._response_ids
        self._calls.asked = question.call_id
        try:
            question.item_id = self._send(question.text, question.call_id, now)
            question.is_typed = self._transcript.find_typed(question.item_id) is not None
        except TxError as error:
            self._settle(question, error=error)

    @property
    def _is_answering(self) -> bool:
        """Whether more is to be expected of the agent."""
        return self._transcript.open is not None or self._agent.is_responding or len(self._tools) > 0

    @property
    def _response_ids(self) -> frozenset[str]:
        """The responses that there have been so far, the one that has only been announced included."""
        announced = self._speech.response_id
        return frozenset(self._transcript.response_ids | (set() if announced is None else {announced}))

    def _busy_until(self, question: _Question) -> float | None:
        """Whether the agent is about to speak, or does, so that the question would be mixed up with that.

        Returns:
            None: it listens. Else when it is asked all the same; infinite while the call is being set up.
        """
        calls, agent = self._calls, self._agent
        if not calls.has_any:
            return None
        if not calls.is_established(question.call_id):
            return math.inf
        if self._is_answering or agent.state is AgentState.SPEAKING or agent.awaits_voice:
            return question.since + SPEAKING_WAIT
        if agent.state in (AgentState.THINKING, AgentState.PROCESSING_IMAGE):
            return agent.turn_since + THINKING_WAIT
        up_since = calls.awaits_greeting_since(question.call_id)
        return None if up_since is None else up_since + GREETING_WAIT

    def _answers(self, question: _Question) -> list[TranscriptionItem]:
        return [
            item
            for item in self._transcript.after(question.item_id)
            if item.role == TranscriptionItem.ROLE_ASSISTANT
            and item.response_id not in question.earlier
            and (question.call_id is None or item.call_id in (question.call_id, None))
        ]

    def _is_complete(self, question: _Question) -> bool:
        answers = self._answers(question)
        return bool(answers) and answers[-1].is_final and not self._is_answering

    def _settle(self, question: _Question, text: str = "", *, error: TxError | None = None) -> None:
        if question is self._current:
            self._let_go()
        self._report(QuestionSettled(question.key, text, error))

    def _let_go(self) -> None:
        """There is no current question any more."""
        self._current = None
        self._calls.asked = None
        self._timers.cancel(_TIMER)
