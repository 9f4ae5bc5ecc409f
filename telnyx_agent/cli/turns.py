"""`TurnWatch`: whose turn it is in a conversation, by the agent's state, words and loudness. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._protocol.states import AgentState

if TYPE_CHECKING:
    from .._protocol.conversation.transcription import TranscriptionItem

__all__ = ["TurnWatch"]

AUDIBLE = 0.005
"""RMS level (0 to 1) above which the agent is heard to speak; codecs make less noise than that."""

PATIENCE = 15.0
"""Seconds after which an agent that says it thinks or speaks, but is neither heard nor read, is no longer believed."""

_BUSY = frozenset({AgentState.THINKING, AgentState.SPEAKING, AgentState.PROCESSING_IMAGE})


class TurnWatch:
    """Knows how long the agent has been silent. Its words may be ahead of its voice or behind it: both count.

    All times are of one monotonic clock, in seconds.
    """

    def __init__(self, now: float) -> None:
        self._last_sign = now
        self._asked_at = now
        self._busy = False
        self._answers: set[str] = set()
        self._complete: set[str] = set()

    @property
    def has_answered(self) -> bool:
        """Whether the agent has completed an answer that it began after `ask`."""
        return not self._answers.isdisjoint(self._complete)

    def begin(self, now: float) -> None:
        """The call was answered. The greeting is an answer, too: to the call; it may have begun already."""
        self._asked_at = now

    def ask(self, now: float) -> None:
        """The user begins to say something, or has typed it: an answer is due."""
        self._asked_at = now
        self._complete |= self._answers
        self._answers = set()

    def agent_state(self, state: AgentState, now: float) -> None:
        """The agent said what it does."""
        self._busy = state in _BUSY
        # Listening comes when the pause has been long enough already.
        if state is not AgentState.LISTENING:
            self._last_sign = now

    def item(self, item: TranscriptionItem, now: float) -> None:
        """The transcript has changed. The user's own words are a sign too: an answer to them is on its way."""
        self._last_sign = now
        if item.role != "assistant":
            return
        if item.id not in self._complete:
            self._answers.add(item.id)
        if not item.is_partial:
            self._complete.add(item.id)

    def level(self, level: float, now: float) -> None:
        """How loud the agent is."""
        if level > AUDIBLE:
            self._last_sign = now

    def silence(self, now: float) -> float:
        """Seconds since the last sign of the agent; 0.0 while it is about to say something."""
        quiet = now - self._last_sign
        return 0.0 if self._busy and quiet < PATIENCE else quiet

    def is_over(self, now: float, *, pause: float, patience: float) -> bool:
        """Whether the agent's turn is over.

        Args:
            now: The time.
            pause: Seconds of silence that end a turn.
            patience: Seconds after `ask` after which no answer is waited for any more.
        """
        due = self.has_answered or now - self._asked_at > patience
        return due and self.silence(now) >= pause
