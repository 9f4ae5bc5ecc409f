"""`Watch`: a value that one thread changes and others wait for; `Deadline`: waiting that one Ctrl-C ends."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from ..errors import TxTimeoutError
from .threads import check_may_wait

__all__ = ["Deadline", "Watch"]

T = TypeVar("T")

# Waits are cut into slices: Python runs a signal's handler between two instructions, and a wait is one of them. A
# signal that comes just before the thread falls asleep is handled when the wait is over; on Windows, so is one that
# comes later. It happens: to one program in 200 that gets a signal while another thread keeps Python busy with imports.
_LONGEST_WAIT = 0.1 if sys.platform == "win32" else 0.5


class Deadline:
    """The end of a wait that may consist of several.

    Args:
        timeout: Seconds from now; None or infinity waits for ever, zero or less does not wait at all.
    """

    def __init__(self, timeout: float | None) -> None:
        self._end = math.inf if timeout is None else time.monotonic() + timeout

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._end

    @property
    def next_wait(self) -> float:
        """How long the next wait may take, in seconds: never so long that a Ctrl-C goes unnoticed."""
        return min(max(0.0, self._end - time.monotonic()), _LONGEST_WAIT)


class Watch(Generic[T]):
    """A value that is set on the loop thread and that any thread may read or wait for.

    Args:
        value: The value to begin with.
    """

    def __init__(self, value: T) -> None:
        self._value = value
        # Guards the list of waiters against `set`, and is what they sleep on. Never held while a predicate runs.
        # Re-entrant, because a signal handler may read or set the value while its own thread is in here.
        self._changed = threading.Condition(threading.RLock())
        # Per waiter, what was set since it looked last. It empties its own, so a history is as long as the waiter is
        # slow.
        self._unseen: list[deque[T]] = []
        self._followers: tuple[Callable[[T], object], ...] = ()

    def get(self) -> T:
        """The value now."""
        return self._value

    def set(self, value: T) -> None:
        """Change the value and let every waiter look at it. Does not wait for them."""
        with self._changed:
            self._value = value
            for unseen in self._unseen:
                unseen.append(value)
            self._changed.notify_all()
            # Under the lock, so that followers see the values in the order in which they were set.
            for follower in self._followers:
                follower(value)

    @contextlib.contextmanager
    def following(self, follower: Callable[[T], object]) -> Iterator[None]:
        """Call `follower` with the present value and every later one, in order, on the thread that sets it.

        It must be quick and not raise.
        """

        def entry(value: T) -> None:
            follower(value)

        with self._changed:
            self._followers = (*self._followers, entry)
            follower(self._value)
        try:
            yield
        finally:
            with self._changed:
                self._followers = tuple(other for other in self._followers if other is not entry)

    def wait(
        self, predicate: Callable[[T], object], timeout: float | None = None, *, what: str = "what was waited for"
    ) -> T:
        """Block until the value satisfies `predicate`. Ctrl-C interrupts.

        Sees the present value and every value set from then on, in order, also those that were replaced at once.

        Args:
            predicate: Called on this thread with each value; true ends the wait.
            timeout: Seconds; None waits for ever.
            what: For the error's text.

        Returns:
            The value that satisfied `predicate`; the present one may be another already.

        Raises:
            TxTimeoutError: No value satisfied `predicate` in time.
            LocalProtocolError: This is a thread of the SDK's own, and no value satisfies `predicate` yet.
        """
        deadline = Deadline(timeout)
        unseen: deque[T] = deque()
        with self._changed:
            unseen.append(self._value)
            self._unseen.append(unseen)
        try:
            while True:
                while unseen:
                    value = unseen.popleft()
                    if predicate(value):
                        return value
                with self._changed:
                    if not unseen:
                        if deadline.is_over:
                            raise TxTimeoutError(f"{what} did not happen within {timeout:g} s; it may still do so")
                        check_may_wait("a waiter")
                        self._changed.wait(deadline.next_wait)
        finally:
            with self._changed:
                # By identity: histories of two waiters may well be equal.
                self._unseen = [other for other in self._unseen if other is not unseen]
