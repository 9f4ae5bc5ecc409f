"""`Asks`: typed questions whose answer somebody waits for.

Rules of this file:

1. One question at a time: the next is sent when the one before has its answer, in the order in which they were asked.
2. The answer is everything that the assistant says after the question, in responses that it began after it, until it
   has finished: no item grows, it responds to nothing, no tool is asked for, and for `SETTLE` seconds none of this
   changes, so that a tool that it asks for behind its words counts as going on.
3. An answer that is interrupted is none: the question fails with what there was of it.
4. A question fails when its message cannot be sent or was refused, and with the call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs

from ..errors import AnswerInterruptedError, CallError, TxError
from .conversation import Conversation
from .outcomes import QuestionSettled, SessionEvent
from .timers import Timer, TimerKind, Timers
from .transcription import TranscriptionItem

__all__ = ["Asks"]

SETTLE = 0.3
"""Seconds after which an answer that is complete is taken for all of it."""

_TIMER = Timer(TimerKind.ANSWER)


@attrs.define
class _Question:
    key: object
    text: str
    item_id: str = ""
    # Responses that were under way when it was asked.
    earlier: frozenset[str] = frozenset()
    is_typed: bool = False


class Asks:
    """The questions of one session.

    Args:
        conversation: Where the answers are.
        timers: For `SETTLE`.
        send: Sends a text, or keeps it until there is a call; gives the id of its item, or raises a `TxError`.
        is_waiting: Whether a message is being kept.
        report: Takes `QuestionSettled`.
    """

    def __init__(
        self,
        conversation: Conversation,
        timers: Timers,
        send: Callable[[str, float], str],
        is_waiting: Callable[[str], bool],
        report: Callable[[SessionEvent], None],
    ) -> None:
        self._conversation = conversation
        self._timers = timers
        self._send = send
        self._is_waiting = is_waiting
        self._report = report
        self._current: _Question | None = None
        self._queue: deque[_Question] = deque()
        conversation.observer = self._look

    def ask(self, key: object, text: str, now: float) -> None:
        """Ask as soon as the questions before are answered. `QuestionSettled` follows."""
        self._queue.append(_Question(key, text))
        self._go_on(now)

    def forget(self, key: object, now: float) -> None:
        """Nobody waits for this answer any more; the message stays sent."""
        self._queue = deque(one for one in self._queue if one.key is not key)
        if self._current is not None and self._current.key is key:
            self._current = None
            self._timers.cancel(_TIMER)
            self._go_on(now)

    def timer_due(self, now: float) -> None:
        """The answer has settled."""
        question = self._current
        if question is None or not self._is_complete(question):
            return
        self._settle(question, " ".join(item.content.strip() for item in self._answers(question)))
        self._go_on(now)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _go_on(self, now: float) -> None:
        """Ask the next question."""
        while self._current is None and self._queue:
            question = self._current = self._queue.popleft()
            question.earlier = self._conversation.response_ids
            try:
                question.item_id = self._send(question.text, now)
                question.is_typed = self._conversation.find(question.item_id) is not None
            except TxError as error:
                self._settle(question, error=error)

    def _look(self, now: float | None) -> None:
        """Something has changed in the conversation; without a time, the call is over."""
        question = self._current
        if now is None:
            waiting = [*([] if question is None else [question]), *self._queue]
            self._queue.clear()
            for one in waiting:
                self._settle(one, error=CallError("the call ended before the agent had answered"))
            return
        if question is None or not question.item_id:
            return
        is_typed = self._conversation.find(question.item_id) is not None
        if is_typed and not question.is_typed:
            # It may have waited for the call, and what the agent was saying then is no answer either.
            question.is_typed = True
            question.earlier |= self._conversation.response_ids
        if not is_typed and not self._is_waiting(question.item_id):
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

    def _answers(self, question: _Question) -> list[TranscriptionItem]:
        return [
            item
            for item in self._conversation.items_after(question.item_id)
            if item.role == TranscriptionItem.ROLE_ASSISTANT and item.response_id not in question.earlier
        ]

    def _is_complete(self, question: _Question) -> bool:
        answers = self._answers(question)
        return bool(answers) and answers[-1].is_final and not self._conversation.is_answering

    def _settle(self, question: _Question, text: str = "", *, error: TxError | None = None) -> None:
        if question is self._current:
            self._current = None
            self._timers.cancel(_TIMER)
        self._report(QuestionSettled(question.key, text, error))
