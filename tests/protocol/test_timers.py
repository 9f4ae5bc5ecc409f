"""`Timers`: what comes due, and in which order."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from telnyx_agent._protocol.timers import Timer, TimerKind, Timers

LOGIN, READY = Timer(TimerKind.LOGIN), Timer(TimerKind.READY)


def test_timers_come_due_in_order() -> None:
    """One at a time, not before their time, and once."""
    timers = Timers()
    assert timers.next_deadline is None
    timers.set(READY, 15.0)
    timers.set(LOGIN, 10.0)
    assert timers.next_deadline == 10.0
    assert timers.pop_due(9.9) is None
    assert [timers.pop_due(20.0), timers.pop_due(20.0), timers.pop_due(20.0)] == [LOGIN, READY, None]


def test_timers_can_be_moved_and_taken_back() -> None:
    """By name."""
    timers = Timers()
    timers.set(LOGIN, 10.0)
    timers.set(LOGIN, 20.0)
    timers.set(Timer(TimerKind.INVITE, "call"), 5.0)
    timers.cancel(Timer(TimerKind.INVITE, "another"), READY)
    assert timers.next_deadline == 5.0
    timers.cancel(Timer(TimerKind.INVITE, "call"))
    assert (LOGIN in timers, READY in timers, timers.next_deadline) == (True, False, 20.0)
    timers.clear()
    assert timers.next_deadline is None


@given(st.lists(st.tuples(st.sampled_from(["set", "cancel", "due", "clear"]), st.integers(0, 8), st.integers(0, 50))))
def test_timers_are_what_a_dictionary_would_be(steps: list[tuple[str, int, int]]) -> None:
    """Whatever is set, moved, cancelled and taken: the earliest comes, and what was replaced does not pile up."""
    timers, model = Timers(), dict[Timer, float]()
    for action, number, deadline in steps * 3:
        timer = Timer(TimerKind.REQUEST, str(number))
        if action == "set":
            timers.set(timer, deadline)
            model[timer] = deadline
        elif action == "cancel":
            timers.cancel(timer)
            model.pop(timer, None)
        elif action == "clear" and deadline == 0:
            timers.clear()
            model.clear()
        elif action == "due":
            due = timers.pop_due(deadline)
            earliest = min(model.values(), default=None)
            assert (due is None) == (earliest is None or earliest > deadline)
            if due is not None:
                assert model.pop(due) == earliest
        assert timers.next_deadline == min(model.values(), default=None)
        assert len(timers) == len(model)
        assert len(timers._heap) <= 2 * len(model) + 65


def test_twenty_thousand_timers_take_no_time() -> None:
    """Each costs O(log n): a scan for each would be a quarter of a billion steps."""
    timers = Timers()
    for number in range(20_000):
        timers.set(Timer(TimerKind.REQUEST, str(number)), number % 977)
    begin, last = time.process_time(), -1.0
    while timers.next_deadline is not None:
        deadline = timers.next_deadline
        assert deadline >= last
        last = deadline
        assert timers.pop_due(1000) is not None
    assert time.process_time() - begin < 5


def test_timers_that_are_moved_leave_little_behind() -> None:
    """As many out of date as there are deadlines, and 64."""
    timers = Timers()
    timers.set(Timer(TimerKind.READY), 5.0)
    most = 0
    for number in range(1000):
        timers.set(Timer(TimerKind.LOGIN), float(number))
        most = max(most, len(timers._heap))
    assert most == 2 * 2 + 64
    assert timers.next_deadline == 5.0
    assert len(timers) == 2
