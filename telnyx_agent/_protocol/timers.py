"""`Timers`: what is to happen when, by name. The one place where the protocol core keeps deadlines."""

from __future__ import annotations

import enum
import heapq

import attrs

__all__ = ["Timer", "TimerKind", "Timers"]

_SPARE = 64
"""Entries of the heap that may be out of date beside as many as there are deadlines."""


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
    MEDIA = "the call's media have not made, or not applied, a description"
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
    """Deadlines, ordered in a heap: each command costs O(log n), however many there are."""

    def __init__(self) -> None:
        self._deadlines: dict[Timer, float] = {}
        # Every deadline that was ever set and is not past; those that were moved or cancelled are skipped when they
        # come up. The number keeps the order of deadlines that are equal, and spares comparing timers.
        self._heap: list[tuple[float, int, Timer]] = []
        self._number = 0

    def __contains__(self, timer: Timer) -> bool:
        return timer in self._deadlines

    def __len__(self) -> int:
        return len(self._deadlines)

    def set(self, timer: Timer, deadline: float) -> None:
        """Set or move a deadline."""
        self._deadlines[timer] = deadline
        self._number += 1
        heapq.heappush(self._heap, (deadline, self._number, timer))
        if len(self._heap) > 2 * len(self._deadlines) + _SPARE:
            self._heap = [entry for entry in self._heap if self._counts(entry)]
            heapq.heapify(self._heap)

    def cancel(self, *timers: Timer) -> None:
        """Take deadlines out, as far as they are there."""
        for timer in timers:
            self._deadlines.pop(timer, None)

    def clear(self) -> None:
        """Take all out."""
        self._deadlines.clear()
        self._heap.clear()

    @property
    def next_deadline(self) -> float | None:
        """The earliest deadline."""
        heap, deadlines = self._heap, self._deadlines
        while heap and deadlines.get(heap[0][2]) != heap[0][0]:  # as `_counts`; asked for after each frame
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now: float) -> Timer | None:
        """Take out the earliest timer that is due. One at a time: what one causes may cancel the next."""
        deadline = self.next_deadline
        if deadline is None or deadline > now:
            return None
        timer = heapq.heappop(self._heap)[2]
        del self._deadlines[timer]
        return timer

    def _counts(self, entry: tuple[float, int, Timer]) -> bool:
        """Whether an entry of the heap is what its timer was set to last."""
        return self._deadlines.get(entry[2]) == entry[0]
