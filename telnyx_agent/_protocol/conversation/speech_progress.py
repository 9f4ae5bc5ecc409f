"""`SpeechProgress`: how much of what the agent says has really been heard, from how long its voice was.

Rules of this file:

1. Nobody says which word is being spoken. So the share is estimated: seconds heard, times the characters that the agent
   speaks in a second, which are learned from its complete responses.
2. The voice belongs to the agent's latest response.
3. An item whose text is complete is interrupted all the same if its voice ends soon after the user began.
"""

from __future__ import annotations

import attrs

from .limits import Key
from .transcript import Transcript, key_of
from .transcription import TranscriptionItem

__all__ = ["SpeechProgress"]

USUAL_PACE = 15.0
"""Characters a second: speech of ordinary speed, about 160 words a minute."""

_SLOWEST, _FASTEST = 6.0, 40.0
_AHEAD = 1.5  # seconds that the voice may come before the text that it speaks
_TELLING = 1.0  # seconds; shorter responses say little about the pace

_GIVES_WAY = 1.5
"""Seconds after the user began in which a voice that ends was interrupted; as `TurnLatency.interrupted` has it."""

_ALL = 0.9
"""The share of an item that is taken for all of it: what was heard is an estimate."""


class SpeechProgress:
    """What is heard of the agent's voice. Times are those at which it was heard.

    Args:
        transcript: What it says.

    Attributes:
        is_on: Whether anybody listens at all; else nothing is known.
        is_audible: Whether it is heard now.
        response_id: The response that it speaks.
    """

    def __init__(self, transcript: Transcript) -> None:
        self.is_on = False
        self.is_audible = False
        self.response_id: str | None = None
        self._transcript = transcript
        self._pace = USUAL_PACE
        self._since = 0.0
        self._seconds = 0.0
        # An item that was complete but still being heard when the user began, and when that was.
        self._suspect: tuple[Key, float] | None = None

    def call_started(self) -> None:
        """Perhaps with another agent, whose pace is another."""
        self.is_on = self.is_audible = False
        self._pace = USUAL_PACE
        self._since = self._seconds = 0.0
        self.forget_response()

    def forget_response(self) -> None:
        """What was said is not in the transcript any more."""
        self.response_id = None
        self._suspect = None

    # -- what happens --------------------------------------------------------------------------------------------------

    def voice(self, audible: bool, at: float) -> None:
        """The voice begins, or has ended, to be heard at that time."""
        self.is_on = True
        if self.is_audible and not audible:
            self._seconds += max(0.0, at - self._since)
        elif audible and not self.is_audible:
            self._since = at
        self.is_audible = audible

    def begin(self, response_id: str | None, now: float) -> None:
        """What is heard from now on belongs to this response."""
        last = self._transcript.last_spoken
        was_heard = last is not None and last.is_final and not last.interrupted and last.response_id == self.response_id
        if was_heard and not self.is_audible:
            self._learn(self._transcript.length_of(self.response_id), now)
        self.response_id = response_id
        self._suspect = None
        self._seconds = 0.0
        if now - self._since > _AHEAD:
            self._since = now

    def user_began(self, now: float) -> None:
        """If the voice ends soon, although its text is complete, it was interrupted."""
        last = self._transcript.last_spoken
        if last is not None and last.is_final and self.is_audible and not last.interrupted:
            self._suspect = (key_of(last), now)

    def fell_silent(self, at: float, now: float) -> TranscriptionItem | None:
        """The voice has ended; said after `voice`.

        Returns:
            The latest item with how much of it was heard, if it was interrupted and that is news.
        """
        last = self._transcript.last_spoken
        if last is None or last.response_id != self.response_id:
            return None
        suspect, self._suspect = self._suspect, None
        share = self._share(last, now)
        yielded = suspect is not None and suspect[0] == key_of(last) and at - suspect[1] <= _GIVES_WAY
        is_interrupted = last.interrupted or (yielded and share is not None and share < _ALL)
        if not is_interrupted or (last.interrupted and last.heard_share == share):
            return None
        return attrs.evolve(last, interrupted=True, heard_share=share)

    # -- how much ------------------------------------------------------------------------------------------------------

    def interrupted(self, item: TranscriptionItem, now: float) -> TranscriptionItem:
        """An item that the user has cut short, with how much of it was heard."""
        return attrs.evolve(item, interrupted=True, heard_share=self._share(item, now))

    def seconds(self, now: float) -> float:
        """How long the response has been heard."""
        return self._seconds + (max(0.0, now - self._since) if self.is_audible else 0.0)

    def characters(self, now: float) -> float | None:
        """How many characters of the response have been heard; None if nobody listened."""
        return self.seconds(now) * self._pace if self.is_on else None

    def _share(self, item: TranscriptionItem, now: float) -> float | None:
        """How much of an item has been heard, 0 to 1; None if nobody listened."""
        heard = self.characters(now)
        if heard is None or item.response_id != self.response_id:
            return None
        heard -= self._transcript.length_of(item.response_id, before=item)
        return min(1.0, max(0.0, heard / max(1, len(item.content))))

    def _learn(self, length: int, now: float) -> None:
        """A response of so many characters was heard from beginning to end."""
        seconds = self.seconds(now)
        if seconds >= _TELLING:
            pace = min(_FASTEST, max(_SLOWEST, length / seconds))
            self._pace = (self._pace + pace) / 2
