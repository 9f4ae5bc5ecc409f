"""`Watch` and `Deadline`: nothing that was set is missed, and waits end."""

from __future__ import annotations

import math
import threading
import time

import pytest

from telnyx_agent._runtime.watch import Deadline, Watch
from telnyx_agent.errors import TxTimeoutError

from .conftest import RunProgram


class Waiter(threading.Thread):
    """Waits on a thread of its own until the watch shows `wanted`."""

    def __init__(self, watch: Watch[str], wanted: str) -> None:
        super().__init__()
        self.watch = watch
        self.wanted = wanted
        self.seen: list[str] = []
        self.looking = threading.Event()
        self.found: str | None = None
        self.start()

    def run(self) -> None:
        self.found = self.watch.wait(self.look, 5.0)

    def look(self, value: str) -> bool:
        self.seen.append(value)
        self.looking.set()
        return value == self.wanted

    def result(self) -> str | None:
        self.join(5.0)
        return self.found


def test_the_present_value_satisfies_at_once() -> None:
    """A predicate that is true already does not wait, not even for a time-out of zero."""
    assert Watch("ACTIVE").wait(lambda value: value == "ACTIVE", 0.0) == "ACTIVE"


def test_a_later_value_ends_the_wait() -> None:
    """`wait` returns the value that satisfied."""
    watch = Watch("NEW")
    waiter = Waiter(watch, "ACTIVE")
    waiter.looking.wait(5.0)
    watch.set("ACTIVE")

    assert waiter.result() == "ACTIVE"
    assert watch.get() == "ACTIVE"


def test_values_that_were_replaced_at_once_are_seen() -> None:
    """A call that rings and is answered in the same moment satisfies who waits for the ringing."""
    watch = Watch("NEW")
    waiter = Waiter(watch, "RINGING")
    waiter.looking.wait(5.0)
    for state in ("CONNECTING", "RINGING", "ACTIVE", "DONE"):
        watch.set(state)

    assert waiter.result() == "RINGING"
    assert waiter.seen == ["NEW", "CONNECTING", "RINGING"]


def test_every_waiter_sees_everything_in_order() -> None:
    """Ten waiters, a thousand values: none is missed and none is doubled, for none of them."""
    watch = Watch("0")
    waiters = [Waiter(watch, "1000") for _ in range(10)]
    for waiter in waiters:
        waiter.looking.wait(5.0)
    for number in range(1, 1001):
        watch.set(str(number))

    for waiter in waiters:
        assert waiter.result() == "1000"
        assert waiter.seen == [str(number) for number in range(1001)]


def test_time_is_up() -> None:
    """The error is a `TimeoutError` of both kinds, says what did not happen, and comes neither early nor late."""
    begin = time.monotonic()
    with pytest.raises(TxTimeoutError, match=r"the answer did not happen within 0\.2 s") as caught:
        Watch(0).wait(bool, 0.2, what="the answer")

    assert isinstance(caught.value, TimeoutError)
    assert 0.2 <= time.monotonic() - begin < 4.0


@pytest.mark.parametrize("timeout", [0, -1])
def test_no_time_at_all(timeout: float) -> None:
    """A time-out of zero or less looks once and gives up."""
    with pytest.raises(TxTimeoutError):
        Watch(0).wait(bool, timeout)


@pytest.mark.parametrize("timeout", [None, math.inf, 1e300])
def test_very_patient_waiters(timeout: float | None) -> None:
    """None, infinity and absurd numbers all mean: wait."""
    watch = Watch(0)
    timer = threading.Timer(0.05, watch.set, (7,))
    timer.start()
    assert watch.wait(bool, timeout) == 7
    timer.join()


def test_a_raising_predicate_is_the_callers() -> None:
    """What a predicate raises comes out of `wait`, and the waiter is forgotten."""
    watch = Watch(0)
    with pytest.raises(ZeroDivisionError):
        watch.wait(lambda value: 1 / value, 1.0)
    assert watch._unseen == []


def test_a_predicate_may_use_the_watch() -> None:
    """No lock is held while a predicate runs: it may set, get and even wait."""
    watch = Watch(1)

    def count(value: int) -> bool:
        if value < 5:
            watch.set(value + 1)
        return watch.wait(lambda now: now >= value, 1.0) == 5

    assert watch.wait(count, 1.0) == 5 or watch.get() == 5


def test_deadlines() -> None:
    """What is left never is negative, and never so much that a signal would have to wait for long."""
    assert Deadline(None).next_wait == Deadline(math.inf).next_wait <= 1.0
    assert Deadline(-5).next_wait == 0.0
    assert Deadline(-5).is_over
    assert not Deadline(60).is_over


def test_ctrl_c_interrupts(run_program: RunProgram) -> None:
    """One Ctrl-C ends a wait without time-out."""
    outcome = run_program(
        """
        from telnyx_agent._runtime.watch import Watch
        watch = Watch(0)
        try:
            print("waiting")
            watch.wait(bool)
        except KeyboardInterrupt:
            print("interrupted", watch._unseen)
        """,
        interrupt=True,
    )
    assert outcome.stdout.split("\n")[1] == "interrupted []"


@pytest.mark.slow_except(2)
@pytest.mark.parametrize(
    "wait",
    [
        "Watch(0).wait(bool)",
        "CommandFuture().result()",
        "CommandFuture().result(60)",
        "PumpDispatcher().process_events(60)",
        "next(EventStream())",
    ],
)
def test_a_signal_just_before_the_wait_is_not_lost(run_program: RunProgram, wait: str) -> None:
    """One that Python has noted, but that did not wake the thread: as `interrupt_main` does it, and, when it comes in
    the moment before the thread falls asleep, the system.
    """
    outcome = run_program(
        f"""
        import _thread, sys, threading, time
        from telnyx_agent._event_stream import EventStream
        from telnyx_agent._runtime.dispatch import PumpDispatcher
        from telnyx_agent._runtime.futures import CommandFuture
        from telnyx_agent._runtime.watch import Watch

        def note_a_signal():
            waiting = threading.Condition.wait.__code__
            while sys._current_frames()[threading.main_thread().ident].f_code is not waiting:
                time.sleep(0.01)
            time.sleep(0.1)
            _thread.interrupt_main()

        threading.Thread(target=note_a_signal, daemon=True).start()
        begin = time.monotonic()
        try:
            {wait}
        except KeyboardInterrupt:
            print(time.monotonic() - begin)
        """
    )
    assert float(outcome.stdout) < 10.0, outcome.stderr


def test_followers_leave_one_by_one() -> None:
    """Each sees the present value and every later one until it leaves; the others go on."""
    watch = Watch(1)
    first: list[int] = []
    second: list[int] = []
    with watch.following(first.append):
        with watch.following(second.append):
            watch.set(2)
        watch.set(3)
    watch.set(4)
    assert (first, second) == ([1, 2, 3], [1, 2])
