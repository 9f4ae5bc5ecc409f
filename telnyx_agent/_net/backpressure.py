"""`Backpressure`: how much of one login waits in this process, and `Inflow`: the way of its messages to the loop.

A server may send faster than the loop can work, and the loop may work faster than the program's callbacks run. Both
would fill the memory. So what waits is counted, messages and callbacks together, and above a limit the reader thread
stops receiving: the server's data stays in the socket's buffers, and then the server has to wait as well.
"""

from __future__ import annotations

import itertools
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Generic, TypeVar

__all__ = ["CALLBACK_WEIGHT", "ITEM_WEIGHT", "MOST_WAITING", "SLICE", "TOGETHER", "Backpressure", "Inflow"]

M = TypeVar("M")

MOST_WAITING = 8 * 2**20
"""Bytes that may wait before the reader thread stops receiving. Beyond it come the chunk that it has just received and
one message of 5 MiB at most, so that all of it together stays far below 64 MiB."""

ITEM_WEIGHT = 512
"""Bytes that each message counts for beside its text: the objects that it is made of."""

CALLBACK_WEIGHT = 4096
"""Bytes that each callback counts for beside the message that has caused it. It is made of a dozen objects, and
Python's garbage collector looks at each of them: with 2,000 callbacks waiting a collection takes 10 ms longer, with
16,000 30."""

TOGETHER = 16
"""How many messages to deliver at once, if so many are there: to wake the loop for each costs as much as to decode
it."""

SLICE = 0.005
"""Seconds that the loop works on messages before it looks after everything else: a quarter of a frame of audio."""

_log = logging.getLogger("telnyx_agent")


class Backpressure:
    """Bytes of one login that wait for the loop or for the program. Any thread, unless it says otherwise.

    Args:
        count: How many callbacks wait for the program.
        limit: Bytes above which the reader thread waits for room. The loop works on no further messages while the
            callbacks alone have more: a message may cause many of them.
    """

    def __init__(self, count: Callable[[], int] = lambda: 0, limit: int = MOST_WAITING) -> None:
        self._count = count
        self._limit = limit
        # Guards all below. Re-entrant, because a signal handler or a finaliser may give a command while its own thread
        # is in here.
        self._room = threading.Condition(threading.RLock())
        self._messages = 0
        # What the messages weigh that callbacks may keep alive, as far as that is more than a callback counts for.
        self._kept = 0
        self._blocked = 0
        self._paused: list[Callable[[], None]] = []
        self.message_weight = 0
        """What the message that the loop is working on weighs: each callback that it causes may keep it alive."""
        self.is_awaited = False
        """Whether somebody waits for room, and `room_made` is to be called after each callback."""

    @property
    def waiting(self) -> int:
        """Bytes that wait now."""
        return self._messages + self._kept + self._count() * CALLBACK_WEIGHT

    @property
    def is_full(self) -> bool:
        """Whether nothing more is received."""
        return self.waiting > self._limit

    @property
    def has_too_many_callbacks(self) -> bool:
        """Whether the loop works on no further messages."""
        return self._kept + self._count() * CALLBACK_WEIGHT > self._limit

    def add_messages(self, weight: int) -> None:
        """Messages wait for the loop from now on. Never blocks."""
        with self._room:
            self._messages += weight

    def take_messages(self, weight: int) -> None:
        """They do not wait any more."""
        with self._room:
            self._messages -= weight
            self._room.notify_all()

    def keep_message(self) -> int:
        """A callback waits from now on; what to give to `room_made` when it begins. Never blocks.

        Costs next to nothing for ordinary messages: those have their room in `CALLBACK_WEIGHT`.
        """
        weight = self.message_weight
        if weight <= CALLBACK_WEIGHT // 2:
            return 0
        with self._room:
            self._kept += weight
        return weight

    def room_made(self, weight: int) -> None:
        """A callback has begun. To be called where it kept a message, or `is_awaited`."""
        paused: list[Callable[[], None]] = []
        with self._room:
            self._kept -= weight
            self._room.notify_all()
            if self._paused and not self.has_too_many_callbacks:
                paused, self._paused = self._paused, paused
                self._look()
        for go_on in paused:
            go_on()

    def wait_for_room(self, is_stopped: Callable[[], bool]) -> None:
        """Block until less than the limit waits, or `is_stopped`. For the reader thread."""
        with self._room:
            self._blocked += 1
            self._look()
            try:
                while self.is_full and not is_stopped():
                    self._room.wait()
            finally:
                self._blocked -= 1
                self._look()

    def pause(self, go_on: Callable[[], None]) -> bool:
        """Call `go_on` on any thread when the callbacks have room again; False if they have it now. Loop thread."""
        with self._room:
            self._paused.append(go_on)
            self._look()
            # Not before: a callback that begins now either is not counted any more, or finds `go_on`.
            if self.has_too_many_callbacks:
                return True
            self._paused.remove(go_on)
            self._look()
            return False

    def end_pause(self, go_on: Callable[[], None]) -> bool:
        """Do not call this one later; whether it would have been called."""
        with self._room:
            was_paused = go_on in self._paused
            if was_paused:
                self._paused.remove(go_on)
                self._look()
            return was_paused

    def wake(self) -> None:
        """Let everybody in `wait_for_room` look again."""
        with self._room:
            self._room.notify_all()

    def _look(self) -> None:
        """Under the lock."""
        self.is_awaited = bool(self._blocked or self._paused)


class Inflow(Generic[M]):
    """The messages of one connection, from the reader thread to the loop, in order.

    Args:
        post: Runs a function on the loop; `LoopThread.post`.
        handler: Takes each message, on the loop. Where that may take long, it returns an iterator, each step of which
            is a part of the work; other work of the loop may come in between. What it raises is logged.
        pressure: Counts what waits.
    """

    def __init__(
        self,
        post: Callable[..., None],
        handler: Callable[[M], Iterator[object] | None],
        pressure: Backpressure,
    ) -> None:
        self._post = post
        self._handler = handler
        self._pressure = pressure
        # Guards all below: the reader, the loop and any closing thread use it. Re-entrant, because a signal handler may
        # close the connection while its own thread is in here.
        self._lock = threading.RLock()
        self._messages: deque[M] = deque()
        # Of the message that the loop has begun: the steps that are left, and its weight. Loop thread only.
        self._steps: Iterator[object] | None = None
        self._weight = 0
        self._is_posted = False
        self._is_patient = True
        self._drops = False
        self._at_end: Callable[[], object] | None = None

    # -- the reader thread ---------------------------------------------------------------------------------------------

    def deliver(self, messages: Sequence[M]) -> None:
        """Hand over some messages. Blocks while too much waits; after `stop` they are dropped where it would block.

        Raises:
            RuntimeError: The loop has ended.
        """
        if self._pressure.is_full:
            self._pressure.wait_for_room(lambda: not self._is_patient)
            if self._pressure.is_full:
                return
        weight = _weight_of(messages)
        with self._lock:
            if self._drops:
                return
            self._pressure.add_messages(weight)
            self._messages.extend(messages)
        self._wake()

    def finish(self, at_end: Callable[[], object]) -> None:
        """No more messages come: call `at_end` on the loop after the last one.

        Raises:
            RuntimeError: The loop has ended.
        """
        with self._lock:
            self._at_end = at_end
        self._wake()

    # -- any thread ----------------------------------------------------------------------------------------------------

    def stop(self, *, drop: bool) -> None:
        """Never block again; with `drop`, forget what waits and what still comes."""
        with self._lock:
            self._is_patient = False
            if drop:
                self._drops = True
                self._pressure.take_messages(_weight_of(self._messages))
                self._messages.clear()
        self._pressure.wake()
        if drop and self._pressure.end_pause(self._post_work):
            self._post_work()

    def _wake(self) -> None:
        with self._lock:
            if self._is_posted:
                return
            self._is_posted = True
        self._post(self._work)

    def _post_work(self) -> None:
        try:
            self._post(self._work)
        except RuntimeError:  # the loop has ended, and with it all interest in what waits
            return

    # -- the loop ------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Handle what waits, until all is done or the slice is over."""
        messages, pressure = self._messages, self._pressure
        end = time.monotonic() + SLICE
        done = 0
        for turn in itertools.count():
            # A message causes a handful of callbacks: to count them for every eighth one is enough.
            may_be_too_many = turn % 8 == 0 and pressure.has_too_many_callbacks and not self._drops
            if may_be_too_many and pressure.pause(self._post_work):
                self._end_of_slice(done)
                return
            if self._steps is not None:
                done += self._go_on(end)
            elif messages:
                done += self._begin()
            elif self._rest():
                self._end_of_slice(done)
                return
            if time.monotonic() >= end:
                break
        self._end_of_slice(done)
        self._post_work()

    def _begin(self) -> int:
        """Hand over the next message; its weight, if it is done."""
        try:
            message = self._messages.popleft()
        except IndexError:  # `stop` came in between
            return 0
        weight = self._pressure.message_weight = sys.getsizeof(message) + ITEM_WEIGHT
        try:
            self._steps = self._handler(message)
        except Exception:  # noqa: BLE001 - one message, whatever is in it, must not cost the others
            _log.exception("a message of the server could not be handled")
        if self._steps is None:
            return weight
        self._weight = weight
        return 0

    def _go_on(self, end: float) -> int:
        """Do further steps of the message that was begun; its weight, if it is done."""
        assert self._steps is not None
        self._pressure.message_weight = self._weight
        try:
            for _ in self._steps:
                if self._drops:
                    break
                if time.monotonic() >= end or self._pressure.has_too_many_callbacks:
                    return 0
        except Exception:  # noqa: BLE001 - as in `_begin`
            _log.exception("a message of the server could not be handled")
        self._steps = None
        return self._weight

    def _rest(self) -> bool:
        """Whether nothing waits any more; then the next `_wake` posts again."""
        with self._lock:
            if self._messages:
                return False
            self._is_posted = False
            return True

    def _end_of_slice(self, done: int) -> None:
        self._pressure.message_weight = 0
        self._pressure.take_messages(done)
        with self._lock:
            at_end = None
            if not self._is_posted:
                at_end, self._at_end = self._at_end, None
        if at_end is not None:
            at_end()


def _weight_of(messages: Collection[object]) -> int:
    return sum(map(sys.getsizeof, messages)) + ITEM_WEIGHT * len(messages)
