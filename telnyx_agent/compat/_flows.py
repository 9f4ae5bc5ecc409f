"""Kotlin's flows: shared ones that replay their last value, and the state flow of a call."""

from __future__ import annotations

import functools
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from .._callables import check_function, check_result
from .._runtime.dispatch import report
from .._runtime.threads import check_may_wait
from .._runtime.watch import Deadline
from ..assistant import TranscriptCancellable
from ..errors import ClientConfigurationError, TxTimeoutError

__all__ = ["FlowSubscription", "SharedFlow", "StateFlow", "run"]

T = TypeVar("T")

_logger = logging.getLogger("telnyx_agent.delegate")


def run(name: str, function: Callable[[T], object], value: T) -> None:
    """Call one of several functions of the program. An exception is reported, so that the others are called, too."""
    try:
        check_result(name, function(value))
    except Exception as exc:  # noqa: BLE001 - it is the program's function
        report(_logger, f"{name} raised {type(exc).__name__}; the call goes on", exc)


class FlowSubscription(Iterator[T]):
    """What `subscribe` of a flow gives: an iterator over the last value and every later one.

    It ends with `cancel`, or at the end of its `with` block. For any thread, but one at a time.
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
        """End it; values that were not taken are dropped. Idempotent, any thread."""
        self._end()
        with self._changed:
            self._is_over = True
            self._values.clear()
            self._changed.notify_all()

    def __next__(self) -> T:
        """The next value; blocks until there is one. One Ctrl-C interrupts.

        Raises:
            TxTimeoutError: There was no value in time. The subscription goes on.
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

    def __init__(self, call_soon: Callable[[Callable[[], object]], None], last: T | None = None) -> None:
        """Made by `TelnyxClient` and `TelnyxCall`.

        Args:
            call_soon: `TxClient.call_soon`.
            last: What the first collector gets; None for nothing yet.
        """
        self._call_soon = call_soon
        # Collectors come from any thread while values are published where callbacks run.
        self._lock = threading.Lock()
        self._collectors: tuple[Callable[[T], object], ...] = ()
        self._takers: tuple[Callable[[T], object], ...] = ()
        self._last = last

    @property
    def replay(self) -> T | None:
        """The last value; what a new collector gets first."""
        return self._last

    def collect(self, collector: Callable[[T], object]) -> TranscriptCancellable:
        """Call `collector` with the last value and every later one, where callbacks run.

        Returns:
            An object whose `cancel()` ends the collection. It is also a context manager, which ends it on exit.

        Raises:
            ClientConfigurationError: `collector` is no plain function of one parameter.
        """
        check_function("collector", collector, "(value)")
        # The same function may be given twice.
        entry = functools.partial(collector)
        with self._lock:
            self._collectors = (*self._collectors, entry)
            last = self._last
        if last is not None:
            self._call_soon(functools.partial(self._send, entry, last))

        def cancel() -> None:
            with self._lock:
                self._collectors = tuple(other for other in self._collectors if other is not entry)

        return TranscriptCancellable(cancel)

    def subscribe(self, maxsize: int = 64, timeout: float | None = None) -> FlowSubscription[T]:
        """An iterator over the last value and every later one, for a `for` loop on a thread of yours.

        Args:
            maxsize: How many values may wait to be taken. Of more, the oldest is dropped, as on Android.
            timeout: Seconds to wait for each value; then `next` raises `TxTimeoutError`. None: no limit.
        """
        return FlowSubscription[T](self, maxsize, timeout)

    def publish(self, value: T) -> None:
        """Give a value to all collectors and subscriptions. Called by `TelnyxClient`, where callbacks run."""
        with self._lock:
            self._last = value
            collectors = self._collectors
            for put in self._takers:
                put(value)
        for entry in collectors:
            self._send(entry, value)

    def _attach(self, put: Callable[[T], object]) -> Callable[[], None]:
        """Call `put` with the last value and every later one."""
        entry = functools.partial(put)
        with self._lock:
            self._takers = (*self._takers, entry)
            if self._last is not None:
                put(self._last)

        def end() -> None:
            with self._lock:
                self._takers = tuple(other for other in self._takers if other is not entry)

        return end

    def _send(self, entry: Callable[[T], object], value: T) -> None:
        # Looked up again when it runs, so that no value follows a cancellation.
        if any(other is entry for other in self._collectors):
            run("collector", entry, value)


class StateFlow(SharedFlow[T]):
    """Kotlin: `StateFlow`; it has a value from the beginning."""

    def __init__(self, call_soon: Callable[[Callable[[], object]], None], last: T, present: Callable[[], T]) -> None:
        """Made by `TelnyxCall`.

        Args:
            call_soon: `TxClient.call_soon`.
            last: The first value.
            present: Says what the value is now.
        """
        super().__init__(call_soon, last)
        self._present = present

    @property
    def value(self) -> T:
        """The value now. May be ahead of what the collectors were given so far."""
        return self._present()
