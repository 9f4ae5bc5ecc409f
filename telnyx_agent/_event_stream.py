"""`EventStream`: the client's events one by one, for a `for` loop on a thread or in an event loop.

The loop thread puts events in and never waits: the buffer has a limit, in events and in bytes. When it is full, the
oldest events are dropped. An `EventsDropped` with their number takes their place.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType

from ._net.backpressure import ITEM_WEIGHT
from ._runtime.threads import check_may_wait
from ._runtime.watch import Deadline
from .errors import TxTimeoutError
from .events import Event, EventsDropped

__all__ = ["DEFAULT_SIZE", "MOST_BYTES", "EventStream"]

DEFAULT_SIZE = 1000
"""Events; more than a lively minute of a call has."""

MOST_BYTES = 8 * 2**20
"""Bytes that the events of one stream may keep alive. A single event may keep more: the newest one always stays."""


class EventStream(Iterator[Event]):
    """The events from here on, in order, until the login is over. Made by `TxClient.events`.

    One taker at a time; several streams of one client each get all events. Dropping the last reference ends a stream,
    as leaving a `for` loop does.

    Args:
        size: Most events that wait to be taken.
        timeout: Seconds that `next` waits for an event; None for ever.
        audio_levels: Whether this stream wants `AudioLevel` events.
    """

    def __init__(self, size: int = DEFAULT_SIZE, timeout: float | None = None, audio_levels: bool = False) -> None:
        self.wants_levels = audio_levels
        self._size = size
        self._timeout = timeout
        self._changed = threading.Condition(threading.RLock())
        self._events: deque[tuple[Event, int]] = deque()
        self._bytes = 0
        self._dropped = 0
        self._is_over = False
        self._wake: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"<EventStream {len(self._events)} waiting{', ended' if self._is_over else ''}>"

    def __enter__(self) -> EventStream:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> EventStream:
        return self

    def __next__(self) -> Event:
        """The next event; blocks until there is one. One Ctrl-C interrupts.

        Raises:
            StopIteration: The login is over, and all events were taken; or the stream was closed.
            TxTimeoutError: There was none in time. The stream goes on, `next` may be called again.
        """
        deadline = Deadline(self._timeout)
        with self._changed:
            while True:
                event = self.take()
                if event is not None:
                    return event
                if self._is_over:
                    raise StopIteration
                if deadline.is_over:
                    raise TxTimeoutError(f"there was no event within {self._timeout:g} s; the stream goes on")
                check_may_wait("an event stream")
                self._changed.wait(deadline.next_wait)

    def take(self) -> Event | None:
        """The next event if there is one; does not wait. Any thread."""
        with self._changed:
            if self._dropped:
                count, self._dropped = self._dropped, 0
                return EventsDropped(count)
            return self._pop() if self._events else None

    def _pop(self) -> Event:
        event, weight = self._events.popleft()
        self._bytes -= weight
        return event

    @property
    def is_over(self) -> bool:
        """Whether no more events come; those that wait can still be taken."""
        return self._is_over

    def close(self) -> None:
        """End the stream. What was not taken is thrown away. Idempotent, any thread."""
        with self._changed:
            self._events.clear()
            self._bytes = self._dropped = 0
        self.end()

    # -- the other end -------------------------------------------------------------------------------------------------

    def put(self, event: Event, weight: int = 0) -> None:
        """One more event (loop thread), which keeps `weight` bytes alive beside itself. Does not wait."""
        weight += ITEM_WEIGHT
        with self._changed:
            if self._is_over:
                return
            while self._events and (len(self._events) >= self._size or self._bytes + weight > MOST_BYTES):
                self._pop()
                self._dropped += 1
            self._events.append((event, weight))
            self._bytes += weight
            self._changed.notify()
        self._call()

    def end(self) -> None:
        """No more events come. Any thread."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._call()

    def on_change(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever there may be something new, on whatever thread; it must neither block nor raise."""
        self._wake = wake

    def _call(self) -> None:
        wake = self._wake
        if wake is not None:
            wake()
