"""`Agent`: what the agent does - listen, think, speak - from its messages and from what is heard of it.

Rules of this file:

1. Where its voice is listened to, it speaks from the first sound that is heard to the last, whatever its messages say:
   text may be complete long before its sound is, and the first sound may come before any text. A pause between two
   sentences is no end. Where nobody listens (a call without media), its messages say when it speaks (R50).
2. What the user has said last decides what it does when it does not speak; that, too, is how a tool's result counts.
3. After an interruption the rest of its voice, on its way already, is not its speaking; a voice that goes on is.
4. A response whose end nobody announces is over when neither text nor voice has come for a while.
5. Without a call it is `IDLE`.
"""

from __future__ import annotations

from collections.abc import Callable

from ..outcomes import AgentStateChanged, SessionEvent
from ..states import AgentState
from ..timers import Timer, TimerKind, Timers
from .speech_progress import SpeechProgress

__all__ = ["Agent"]

PAUSE = 0.45
"""Seconds of silence, beyond those that it takes to notice silence, after which it has finished speaking."""

YIELD = 1.0
"""Seconds that an interrupted voice may still be heard; later it is not interrupted after all."""

TAIL = 0.2
"""Seconds that the rest of an interrupted voice is heard when the next response has begun already."""

VOICE_WAIT = 1.5
"""Seconds for the voice to begin after its text is complete."""

TOOL_REPLY = 10.0
"""Seconds in which it begins to respond to a tool's result; later it has nothing to say to it."""

QUIET = 4.0
"""Seconds without text, and without voice, after which a response is over."""


_TIMER = Timer(TimerKind.AGENT)


class Agent:
    """What the agent does in one call after the other.

    Args:
        speech: What is heard of it.
        timers: For what is over when nothing happens.
        report: Takes `AgentStateChanged`.
        on_quiet: Called with the time when a response has ended without a word.
    """

    def __init__(
        self,
        speech: SpeechProgress,
        timers: Timers,
        report: Callable[[SessionEvent], None],
        on_quiet: Callable[[float], None],
    ) -> None:
        self.state = AgentState.IDLE
        self._speech = speech
        # When the user has said something last.
        self.turn_since = 0.0
        self._timers = timers
        self._report = report
        self._on_quiet = on_quiet
        self._has_call = False
        # What it does when it does not speak.
        self._turn = AgentState.IDLE
        self._is_responding = False
        # Whether a response to a tool's result is to come.
        self._is_expected = False
        # Whether the voice of the present response has been heard.
        self._was_heard = False
        self._is_stale = False
        self._silent_until: float | None = None
        self._voice_due: float | None = None
        self._stale_until: float | None = None
        self._quiet_at: float | None = None

    @property
    def is_responding(self) -> bool:
        """Whether text is to be expected."""
        return self._is_responding or self._is_expected

    @property
    def awaits_voice(self) -> bool:
        """Whether its text is complete, and its voice is still to come."""
        return self._voice_due is not None

    # -- the call ------------------------------------------------------------------------------------------------------

    def call_started(self) -> None:
        """A call begins."""
        self._forget()
        self._has_call = True

    def call_established(self) -> None:
        """The call is up; it may have begun to speak before."""
        if self._turn is AgentState.IDLE:
            self._turn = AgentState.LISTENING
            self._look()

    def call_ended(self) -> None:
        """The call is over."""
        self._forget()
        self._look()
        self._has_call = False

    def _forget(self) -> None:
        self._turn = AgentState.IDLE
        self._is_responding = self._is_expected = self._was_heard = self._is_stale = False
        self._silent_until = self._voice_due = self._stale_until = self._quiet_at = None
        self._timers.cancel(_TIMER)

    # -- messages ------------------------------------------------------------------------------------------------------

    def response_began(self, now: float) -> None:
        """It begins to respond, or says more."""
        is_news = not self._is_responding or self._is_expected or self._voice_due is not None
        if not self._is_responding:
            self._is_responding = True
            self._was_heard = self._speech.is_audible and not self._is_stale
            if self._stale_until is not None:
                self._stale_until = min(self._stale_until, now + TAIL)
        self._is_expected = False
        self._voice_due = None
        self._quiet_at = now + QUIET
        # For each further word the timer is only put off: one that comes too early looks again.
        if is_news:
            self._look()

    def response_over(self, now: float) -> None:
        """Its text is complete."""
        if self._is_responding:
            self._is_responding = False
            self._quiet_at = None
            self._turn = AgentState.LISTENING
            if self._speech.is_on and not self._was_heard:
                self._voice_due = now + VOICE_WAIT
        self._look()

    def user_turn(self, turn: AgentState, now: float) -> None:
        """The user has said or typed something: it is to listen or to think."""
        self._turn = turn
        self.turn_since = now
        self._is_responding = self._is_expected = False
        self._voice_due = self._silent_until = self._quiet_at = None
        if self._speech.is_audible:
            self._is_stale = True
            self._stale_until = now + YIELD
        self._look()

    def tool_wanted(self) -> None:
        """It waits for a tool."""
        self._turn = AgentState.THINKING
        self._look()

    def tool_answered(self, now: float) -> None:
        """It has the result of a tool, and is to respond to it."""
        self._is_expected = not self._is_responding
        if self._is_expected:
            self._quiet_at = now + TOOL_REPLY
        self._look()

    # -- the voice -----------------------------------------------------------------------------------------------------

    def voice(self, audible: bool, at: float, now: float) -> None:
        """Its voice begins, or has ended, to be heard.

        Args:
            audible: Which.
            at: When that was; silence is known for such only later.
            now: The time.
        """
        if not self._speech.is_on and self._is_responding:
            # Nobody listened when it began.
            self._was_heard = True
        self._speech.voice(audible, at)
        if audible:
            self._silent_until = self._voice_due = None
            if not self._is_stale:
                self._was_heard = True
                self._turn = AgentState.LISTENING
        else:
            if not self._is_stale and self._was_heard:
                self._silent_until = now + PAUSE
            self._is_stale = False
            self._stale_until = None
            if self._is_responding:
                self._quiet_at = max(self._quiet_at or 0.0, now + QUIET)
        self._look()

    def timer_due(self, now: float) -> None:
        """Something has not happened for long enough."""
        if self._stale_until is not None and self._stale_until <= now:
            self._stale_until = None
            self._is_stale = False
            self._was_heard = self._speech.is_audible
        if self._silent_until is not None and self._silent_until <= now:
            self._silent_until = None
            if not self._is_responding:
                self._was_heard = False
        if self._voice_due is not None and self._voice_due <= now:
            self._voice_due = None
        if self._quiet_at is not None and self._quiet_at <= now:
            self._quiet_at = None
            if self._speech.is_audible and not self._is_stale:
                self._quiet_at = now + QUIET
            elif self.is_responding:
                self._on_quiet(now)
                self._is_responding, self._is_expected = True, False
                self.response_over(now)
        self._look()

    # -- the state -----------------------------------------------------------------------------------------------------

    def _now_doing(self) -> AgentState:
        is_thinking = self._turn in (AgentState.THINKING, AgentState.PROCESSING_IMAGE)
        prepares = self._turn if is_thinking else AgentState.THINKING
        if self._speech.is_audible and not self._is_stale:
            return AgentState.SPEAKING
        if self._is_responding:
            return AgentState.SPEAKING if self._was_heard or not self._speech.is_on else prepares
        if self._silent_until is not None:
            return AgentState.SPEAKING
        return prepares if self._voice_due is not None else self._turn

    def _look(self) -> None:
        due = None
        for deadline in (self._silent_until, self._voice_due, self._stale_until, self._quiet_at):
            if deadline is not None and (due is None or deadline < due):
                due = deadline
        if due is None or not self._has_call:
            self._timers.cancel(_TIMER)
        else:
            self._timers.set(_TIMER, due)
        state = self._now_doing() if self._turn is not AgentState.IDLE or self._is_active else AgentState.IDLE
        if state is not self.state and self._has_call:
            self.state = state
            self._report(AgentStateChanged(state))

    @property
    def _is_active(self) -> bool:
        """Whether it does something although the call is not up yet."""
        return self._is_responding or self._was_heard
