"""Kotlin's flows as `compat` has them: shared ones that replay their last value, and the state flow of a call."""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from .._callables import check_function, check_result
from .._runtime.threads import check_may_wait
from .._runtime.waiting import Deadline
from ..assistant import TranscriptCancellable
from ..errors import ClientConfigurationError, TxTimeoutError

__all__ = ["FlowSubscription", "SharedFlow", "StateFlow"]

T = TypeVar("T")


class FlowSubscription(Iterator[T]):
    """What `subscribe` of a flow gives: an iterator over the last value and every later one.

    It ends when it is cancelled, or with the block that it manages. One taker at a time, on any thread.
    """

    def __init__(self, flow: SharedFlow[T], maxsize: int, timeout: float | None) -> None:
        if maxsize < 1:
            raise ClientConfigurationError(f"maxsize must be at least 1, not {maxsize!r}")
        self._timeout = timeout
        self._changed = threading.Condition(threading.RLock())
        # Android: onBufferOverflow = DROP_OLDEST.
        self._values: deque[T] = deque(maxlen=maxsize)
        self._is_over = False
        self._end = flow._attach(self._put)

    def __enter__(self) -> FlowSubscription[T]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.cancel()

    def cancel(self) -> None:
        """End it; what was not taken is thrown away. Idempotent, any thread."""
        self._end()
        with self._changed:
            self._is_over = True
            self._values.clear()
            self._changed.notify_all()

    def __next__(self) -> T:
        """The next value; blocks until there is one. One Ctrl-C interrupts.

        Raises:
            TxTimeoutError: There was none in time; it goes on.
        """
        deadline = Deadline(self._timeout)
        with self._changed:
            while not self._values:
                if self._is_over:
                    raise StopIteration
                if deadline.is_over:
                    raise TxTimeoutError(f"there was no value within {self._timeout:g} s")
                check_may_wait("a flow")
                self._changed.wait(deadline.next_wait)
            return self._values.popleft()

    def _put(self, value: T) -> None:
        with self._changed:
            self._values.append(value)
            self._changed.notify_all()


class SharedFlow(Generic[T]):
    """Kotlin: `SharedFlow` with `replay = 1`: a new collector gets the last value first."""

    def __init__(self, deliver: Callable[[Callable[[], None]], None]) -> None:
        """Made by `TelnyxClient` and `TelnyxCall`.

        Args:
            deliver: Runs a function where callbacks run.
        """
        self._deliver = deliver
        # Collectors come from any thread while the delegate thread publishes.
        self._lock = threading.Lock()
        self._collectors: tuple[Callable[[T], object], ...] = ()
        self._takers: tuple[Callable[[T], object], ...] = ()
        self._last: T | None = None

    @property
    def replay(self) -> T | None:
        """The last value; what a new collector gets first."""
        return self._last

    def collect(self, collector: Callable[[T], object]) -> TranscriptCancellable:
        """Call `collector` with the last value and every later one, where callbacks run.

        Returns:
            Ends the collection when cancelled or left as a context manager.

        Raises:
            ClientConfigurationError: `collector` is no plain function of one parameter.
        """
        check_function("collector", collector, "(value)")

        def entry(value: T) -> None:
            check_result("collector", collector(value))

        with self._lock:
            self._collectors = (*self._collectors, entry)
            last = self._last
        if last is not None:
            self._deliver(functools.partial(self._send, entry, last))
        return TranscriptCancellable(functools.partial(self._cancel, entry))

    def subscribe(self, maxsize: int = 64, timeout: float | None = None) -> FlowSubscription[T]:
        """An iterator over the last value and every later one, for a `for` loop on a thread of yours.

        Args:
            maxsize: Most values that wait to be taken; of more, the oldest is dropped, as on Android.
            timeout: Seconds to wait for each value, after which `next` raises `TxTimeoutError`; None for ever.
        """
        return FlowSubscription[T](self, maxsize, timeout)

    def _attach(self, put: Callable[[T], object]) -> Callable[[], None]:
        """Call `put` with the last value, and with every later one as soon as it is published."""

        def entry(value: T) -> None:
            put(value)

        with self._lock:
            self._takers = (*self._takers, entry)
            if self._last is not None:
                put(self._last)

        def end() -> None:
            with self._lock:
                self._takers = tuple(other for other in self._takers if other is not entry)

        return end

    def _cancel(self, entry: Callable[[T], object]) -> None:
        with self._lock:
            self._collectors = tuple(other for other in self._collectors if other is not entry)

    def _publish(self, value: T) -> None:
        with self._lock:
            self._last = value
            collectors = self._collectors
            for put in self._takers:
                put(value)
        for entry in collectors:
            self._deliver(functools.partial(self._send, entry, value))

    def _send(self, entry: Callable[[T], object], value: T) -> None:
        if entry in self._collectors:
            entry(value)


class StateFlow(SharedFlow[T]):
    """Kotlin: `StateFlow`; it has a value from the beginning."""

    def __init__(self, deliver: Callable[[Callable[[], None]], None], value: T) -> None:
        """Made by `TelnyxCall`.

        Args:
            deliver: Runs a function where callbacks run.
            value: The first one.
        """
        super().__init__(deliver)
        self._last: T = value

    @property
    def value(self) -> T:
        """The value now. May be ahead of what the collectors were given so far."""
        return self._last
