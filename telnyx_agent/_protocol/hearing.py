"""`Hearing`: how much of what the agent says has really been heard, from how long its voice was.

Nobody says which word is being spoken. So the share is estimated: seconds heard, times the characters that the agent
speaks in a second, which are learned from its complete responses.
"""

from __future__ import annotations

import math
import re

__all__ = ["Hearing", "beginning"]

USUAL_PACE = 15.0
"""Characters a second: speech of ordinary speed, about 160 words a minute."""

_SLOWEST, _FASTEST = 6.0, 40.0
_AHEAD = 1.5  # seconds that the voice may come before the text that it speaks
_TELLING = 1.0  # seconds; shorter responses say little about the pace
_BLANK = re.compile(r"\s")


class Hearing:
    """What is heard of the agent's voice in one call. Times are those at which it was heard.

    Attributes:
        is_on: Whether anybody listens at all; else nothing is known.
        is_audible: Whether it is heard now.
    """

    def __init__(self) -> None:
        self.is_on = False
        self.is_audible = False
        self._pace = USUAL_PACE
        self._since = 0.0
        self._seconds = 0.0

    def voice(self, audible: bool, at: float) -> None:
        """The voice begins, or has ended, to be heard at that time."""
        self.is_on = True
        if self.is_audible and not audible:
            self._seconds += max(0.0, at - self._since)
        elif audible and not self.is_audible:
            self._since = at
        self.is_audible = audible

    def begin(self, now: float) -> None:
        """What is heard from now on belongs to another response."""
        self._seconds = 0.0
        if now - self._since > _AHEAD:
            self._since = now

    def seconds(self, now: float) -> float:
        """How long the response has been heard."""
        return self._seconds + (max(0.0, now - self._since) if self.is_audible else 0.0)

    def characters(self, now: float) -> float | None:
        """How many characters of the response have been heard; None if nobody listened."""
        return self.seconds(now) * self._pace if self.is_on else None

    def learn(self, length: int, now: float) -> None:
        """A response of so many characters was heard from beginning to end."""
        seconds = self.seconds(now)
        if seconds >= _TELLING:
            pace = min(_FASTEST, max(_SLOWEST, length / seconds))
            self._pace = (self._pace + pace) / 2


def beginning(text: str, share: float) -> str:
    """The words of a text that make up so much of it; a word that was begun was heard.

    Costs what it gives, and not what it leaves out: the text may be long.
    """
    limit = math.ceil(share * len(text))
    if limit <= 0:
        return ""
    if not text[limit - 1 : limit].isspace():
        end = _BLANK.search(text, limit)
        limit = len(text) if end is None else end.start()
    return text[:limit].strip()
