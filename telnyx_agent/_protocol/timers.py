"""`Timers`: what is to happen when, by name. The one place where the protocol core keeps deadlines."""

from __future__ import annotations

import enum

import attrs

__all__ = ["Timer", "TimerKind", "Timers"]


class TimerKind(enum.Enum):
    """What can come due."""

    LOGIN = "no answer to the login"
    READY = "no REGED in time"
    CLIENT_READY = "no clientReady; ask for the gateway state without it"
    REQUERY = "ask for the gateway state again"
    REQUEST = "no answer to a request"
    INVITE = "no sign of life after an invite"
    SETUP = "the far end does not answer"
    ANSWER_SDP = "an answer came, but no SDP"
    REATTACH = "a lost call did not come back"
    KEYS = "a pause between telephone keys is over"
    LIVENESS = "look at the liveness clocks"
    PROBE = "no answer to a probe"
    ATTEMPT = "the next attempt to reconnect"
    AGENT = "look at what the agent does"
    ANSWER = "the answer to a question has settled"
    RECONNECT = "all attempts to reconnect together"
    TOKEN = "the token expires soon"


@attrs.frozen(cache_hash=True)
class Timer:
    """One deadline: what it is for, and which request or call it is about."""

    kind: TimerKind
    about: str = ""


class Timers:
    """Deadlines, a handful at a time."""

    def __init__(self) -> None:
        self._deadlines: dict[Timer, float] = {}
        # Asked for after every frame, and seldom another.
        self._next: float | None = None
        self._is_next_known = True

    def __contains__(self, timer: Timer) -> bool:
        return timer in self._deadlines

    def set(self, timer: Timer, deadline: float) -> None:
        """Set or move a deadline."""
        self._deadlines[timer] = deadline
        self._is_next_known = False

    def cancel(self, *timers: Timer) -> None:
        """Take deadlines out, as far as they are there."""
        for timer in timers:
            self._deadlines.pop(timer, None)
        self._is_next_known = False

    def clear(self) -> None:
        """Take all out."""
        self._deadlines.clear()
        self._is_next_known = False

    @property
    def next_deadline(self) -> float | None:
        """The earliest deadline."""
        if not self._is_next_known:
            self._next = min(self._deadlines.values(), default=None)
            self._is_next_known = True
        return self._next

    def pop_due(self, now: float) -> Timer | None:
        """Take out the earliest timer that is due. One at a time: what one causes may cancel the next."""
        due = [timer for timer, deadline in self._deadlines.items() if deadline <= now]
        if not due:
            return None
        first = min(due, key=self._deadlines.__getitem__)
        del self._deadlines[first]
        self._is_next_known = False
        return first
