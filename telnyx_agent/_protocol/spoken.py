"""`Spoken`: what is known of the items beyond their text - what was heard of them, and which tools they want.

Rules of this file:

1. The assistant's voice belongs to its latest response; how much of that was heard is an estimate (`Hearing`).
2. An item whose text is complete is interrupted all the same if its voice ends soon after the user began.
3. A tool that was asked for in a call that is over is not answered.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import attrs

from .._call_ids import call_uuid
from ..errors import CallError
from .agent import Agent
from .budget import Key
from .items import Items, key_of
from .outcomes import SessionEvent
from .states import AgentState
from .timers import Timers
from .transcription import TranscriptionItem

__all__ = ["MAX_OPEN_TOOL_CALLS", "Spoken"]

MAX_OPEN_TOOL_CALLS = 64
"""Requests for tools that are remembered until they are answered. An agent asks for one or a few at a time."""

_GIVES_WAY = 1.5
"""Seconds after the user began in which a voice that ends was interrupted; as `TurnLatency.interrupted` has it."""

_ALL = 0.9
"""The share of an item that is taken for all of it: what was heard is an estimate."""


class Spoken(Items):
    """The items, the agent's voice and its tools.

    Args:
        wall_clock: The time for `TranscriptionItem.timestamp`.
        report: Takes the events that follow.
        timers: For what the agent does when nothing comes.

    Attributes:
        observer: Called with the time when something has changed.
        call_over: Called with the id of a call that is over, and the time.
        agent: What the agent does.
    """

    def __init__(
        self, wall_clock: Callable[[], datetime], report: Callable[[SessionEvent], None], timers: Timers
    ) -> None:
        super().__init__(wall_clock, report)
        self.observer: Callable[[float], None] = lambda now: None
        self.call_over: Callable[[UUID | None, float], None] = lambda call_id, now: None
        self.agent = Agent(timers, report, self._fell_silent)
        # The call that the frame names which is being handled.
        self._named: UUID | None = None
        # The response that the assistant speaks at present, and the call that it is in.
        self._response_id: str | None = None
        self._response_call: UUID | None = None
        # An item that is complete but was still being heard when the user began, and when that was.
        self._suspect: tuple[Key, float] | None = None
        # Tools that were asked for and are not answered, with how many times; those of the last call, which nobody
        # waits for any more.
        self._tool_calls: dict[str, int] = {}
        self._late_tool_calls: frozenset[str] = frozenset()

    @property
    def agent_state(self) -> AgentState:
        """What the agent does."""
        return self.agent.state

    @property
    def response_ids(self) -> frozenset[str]:
        """The responses that there have been so far, the one that has only been announced included."""
        ids = {item.response_id for item in self._items} | {self._response_id}
        return frozenset(one for one in ids if one is not None)

    # -- tools ---------------------------------------------------------------------------------------------------------

    def tool_answered(self, call_id: str, now: float) -> None:
        """The result of a tool is on its way.

        Raises:
            CallError: The call in which the tool was asked for is over.
        """
        if call_id in self._late_tool_calls:
            raise CallError("the call is over; nobody waits for the tool's result any more")
        open_requests = self._tool_calls.pop(call_id, 0)
        if open_requests > 1:
            self._tool_calls[call_id] = open_requests - 1
        elif open_requests == 1:
            self.agent.tool_answered(now)
            self.observer(now)

    def _forget_tools(self) -> None:
        """The call is over."""
        self._late_tool_calls = frozenset(self._tool_calls)
        self._tool_calls.clear()

    # -- the voice -----------------------------------------------------------------------------------------------------

    def voice(self, audible: bool, at: float, now: float, call_id: str | None = None) -> None:
        """The agent's voice begins, or has ended, to be heard in a call; `at` is when that was."""
        if not self.calls.has_any:
            return
        self.calls.voice(self.calls.of(None) if call_id is None else call_uuid(call_id), audible)
        audible = self.calls.is_audible
        self.agent.voice(audible, at, now)
        last = self._last_of_assistant()
        if not audible and last is not None and last.response_id == self._response_id:
            suspect, self._suspect = self._suspect, None
            share = self._share(last, now)
            yielded = suspect is not None and suspect[0] == key_of(last) and at - suspect[1] <= _GIVES_WAY
            is_interrupted = last.interrupted or (yielded and share is not None and share < _ALL)
            if is_interrupted and (share != last.heard_share or not last.interrupted):
                self._put(attrs.evolve(last, interrupted=True, heard_share=share))
        self.observer(now)

    def timer_due(self, now: float) -> None:
        """The agent has been silent for long enough for something."""
        self.agent.timer_due(now)
        self.observer(now)

    def _was_talked_over(self, now: float) -> None:
        """The user begins. If the voice ends soon, although its text is complete, it was interrupted."""
        last = self._last_of_assistant()
        if last is not None and last.is_final and self.agent.hearing.is_audible and not last.interrupted:
            self._suspect = (key_of(last), now)

    def _call_of(self, role: str) -> UUID | None:
        """The call that something new belongs to: the one that its frame names, or as far as one can tell."""
        call_id = self.calls.of(role) if self._named is None else self._named
        self.calls.said(call_id, by_assistant=role == TranscriptionItem.ROLE_ASSISTANT)
        return call_id

    def _response_begins(self, response_id: str | None, now: float) -> None:
        """What is heard from now on is this response's."""
        if response_id is not None and response_id == self._response_id:
            return
        self._response_call = self._call_of(TranscriptionItem.ROLE_ASSISTANT)
        last = self._last_of_assistant()
        hearing = self.agent.hearing
        if last is not None and last.is_final and not last.interrupted and last.response_id == self._response_id:
            length = sum(len(item.content) for item in self._items if item.response_id == last.response_id)
            if not hearing.is_audible:
                hearing.learn(length, now)
        self._response_id = response_id
        self._suspect = None
        hearing.begin(now)

    def _share(self, item: TranscriptionItem, now: float) -> float | None:
        """How much of an item has been heard, 0 to 1; None if nobody listened."""
        heard = self.agent.hearing.characters(now)
        if heard is None or item.response_id != self._response_id:
            return None
        before = self._items[: self._places.get(key_of(item), len(self._items))]
        heard -= sum(len(other.content) for other in before if other.response_id == item.response_id)
        return min(1.0, max(0.0, heard / max(1, len(item.content))))

    def _fell_silent(self, now: float) -> None:
        """The end of a response came without a word."""
        raise NotImplementedError
