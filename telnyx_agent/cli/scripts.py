"""What the caller does in `talk`: nothing, a WAV file, or lines from stdin. Each is a `Script` of a `LiveCall`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .lines import LineReader
    from .live_call import LiveCall
    from .prompter import Prompter

__all__ = ["SpeakFile", "TypeLines", "stay"]

GREETING_PATIENCE = 3.0
"""Seconds that an assistant has to begin its greeting; some wait for the user to speak first."""


def stay(live: LiveCall, now: float) -> bool:
    """Leave everything to microphone and speaker, until somebody hangs up."""
    return False


class SpeakFile:
    """Lets the agent greet, says the file, waits for the answer to it, hangs up.

    Args:
        prompter: The call's device.
        samples: The file, at 48 kHz.
        lead_in: Seconds of silence before it, in place of waiting for the greeting.
    """

    ANSWER_PATIENCE = 10.0
    END_OF_TURN = 3.0
    # An office that can be heard behind the agent must not keep the call up for ever.
    LONGEST_ANSWER = 120.0

    def __init__(self, prompter: Prompter, samples: npt.NDArray[np.int16], lead_in: float | None) -> None:
        self._prompter = prompter
        self._samples = samples
        self._lead_in = lead_in
        self._began = False
        self._said_at: float | None = None

    def __call__(self, live: LiveCall, now: float) -> bool:
        """One step."""
        if not self._began:
            self._begin(live, now)
            return False
        if self._prompter.is_speaking:
            return False
        if self._said_at is None:
            self._said_at = now
            live.reporter.status("the file was said; waiting for the answer")
        waited = now - self._said_at
        if waited < self.END_OF_TURN:
            return False
        patience = 0.0 if waited > self.ANSWER_PATIENCE else float("inf")
        return waited > self.LONGEST_ANSWER or live.turns.is_over(now, pause=self.END_OF_TURN, patience=patience)

    def _begin(self, live: LiveCall, now: float) -> None:
        if self._lead_in is None:
            due = live.turns.is_over(now, pause=0.5, patience=GREETING_PATIENCE)
        else:
            due = (live.duration or 0.0) >= self._lead_in
        if due:
            self._began = True
            live.turns.ask(now)
            self._prompter.say(self._samples)


class TypeLines:
    """Sends lines as typed messages, and hangs up when they have ended and the last one is answered.

    Args:
        lines: Where they come from.
        is_interactive: Whether somebody types them and knows when to; otherwise each waits for the answer to the one
            before it.
    """

    ANSWER_PATIENCE = 15.0
    END_OF_TURN = 0.8

    def __init__(self, lines: LineReader, *, is_interactive: bool) -> None:
        self._lines = lines
        self._is_interactive = is_interactive
        self._patience = GREETING_PATIENCE

    def __call__(self, live: LiveCall, now: float) -> bool:
        """One step."""
        is_agents_turn = not live.turns.is_over(now, pause=self.END_OF_TURN, patience=self._patience)
        if is_agents_turn and not self._is_interactive:
            return False
        line = self._lines.next_line()
        if line is not None:
            live.send(line, now)
            self._patience = self.ANSWER_PATIENCE
        return self._lines.at_end and not is_agents_turn
