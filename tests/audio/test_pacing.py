"""`_pacing`: the arithmetic with a clock of its own, and the thread as tolerantly as a busy machine needs."""

from __future__ import annotations

import logging
import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telnyx_agent.audio._pacing import MAX_BURST, PERIOD, Pacer, Schedule

START = 1000.0


def at(block: float) -> float:
    """The time of a block of the grid."""
    return START + block * PERIOD


def test_nothing_is_due_before_the_start() -> None:
    """The first block is due at the start, not before."""
    schedule = Schedule(START)
    assert schedule.due(at(-0.1)) == 0
    assert schedule.due(at(0)) == 1
    assert schedule.due(at(0.9)) == 0


def test_blocks_are_due_on_the_grid() -> None:
    """Deadlines are start + n * period however late each was served, so nothing drifts."""
    schedule = Schedule(START)
    for block in range(100_000):
        assert schedule.deadline == pytest.approx(at(block), abs=1e-7)
        assert schedule.due(at(block) + 0.009) == 1
    assert schedule.late_ticks == schedule.skipped_ticks == 0


def test_a_wake_up_exactly_at_the_deadline_counts() -> None:
    """Rounding of large clock values does not lose a block for a period."""
    schedule = Schedule(START)
    for _ in range(10_000):
        assert schedule.due(schedule.deadline) == 1
    assert schedule.late_ticks == 0


def test_a_short_stall_is_made_up_for() -> None:
    """Five blocks are due at once, four of them late; the next is due where it always was."""
    schedule = Schedule(START)
    schedule.due(at(0))
    assert schedule.due(at(5.5)) == 5
    assert schedule.late_ticks == 4
    assert schedule.skipped_ticks == 0
    assert schedule.deadline == pytest.approx(at(6))


def test_a_long_stall_is_not_made_up_for() -> None:
    """After an hour of sleep there is no hour's burst: a few blocks at most, the rest is counted."""
    schedule = Schedule(START)
    schedule.due(at(0))
    assert schedule.due(START + 3600) == MAX_BURST
    assert schedule.skipped_ticks == 180_000 - MAX_BURST
    assert schedule.late_ticks == MAX_BURST - 1
    assert schedule.deadline == pytest.approx(START + 3600 + PERIOD)


@given(st.lists(st.floats(0, 50, allow_nan=False), max_size=100))
def test_blocks_run_and_given_up_are_those_of_the_grid(steps: list[float]) -> None:
    """At whatever times one looks: none is lost without being counted, none is early, and bursts are bounded."""
    schedule, now, run = Schedule(START), 0.0, 0
    for step in steps:
        now += step
        due = schedule.due(at(now))
        run += due
        assert due <= MAX_BURST
        assert abs(run + schedule.skipped_ticks - (int(now + 1e-6) + 1)) <= 1
        assert schedule.deadline > at(now) - 1e-6


class Ticks:
    """A step that notes when it ran."""

    def __init__(self, until: int = 50) -> None:
        self.times: list[float] = []
        self.done = threading.Event()
        self._until = until

    def __call__(self) -> None:
        self.times.append(time.perf_counter())
        if len(self.times) >= self._until:
            self.done.set()


@pytest.mark.slow
def test_the_thread_keeps_the_pace() -> None:
    """As many blocks as the clock says, but for what was skipped; and a machine that is idle skips none."""
    ticks, ended = Ticks(100), threading.Event()
    pacer = Pacer([ticks], ended.set)
    begin = time.perf_counter()
    pacer.start()
    assert ticks.done.wait(10)
    elapsed = ticks.times[99] - begin
    assert pacer.stop()
    assert ended.is_set()
    assert elapsed >= 99 * PERIOD - 0.001
    assert elapsed == pytest.approx((99 + pacer.skipped_ticks) * PERIOD, abs=0.1)


def test_a_stalled_step_is_caught_up_with() -> None:
    """A block that takes 60 ms is followed by blocks without a pause, and then by the old grid."""
    ticks, stall = Ticks(30), threading.Event()

    def step() -> None:
        ticks()
        if len(ticks.times) == 10:
            stall.wait(0.06)

    pacer = Pacer([step], lambda: None)
    pacer.start()
    assert ticks.done.wait(10)
    pacer.stop()
    gaps = [after - before for before, after in pairwise(ticks.times)]
    assert gaps[9] >= 0.06
    assert min(gaps[10:15]) < 0.005
    assert pacer.late_ticks >= 2


def test_steps_run_in_order_on_one_thread() -> None:
    """Rendering and capturing never run at the same time."""
    names: list[tuple[str, str]] = []
    done = threading.Event()

    def note(what: str) -> None:
        names.append((what, threading.current_thread().name))
        if len(names) >= 20:
            done.set()

    pacer = Pacer([lambda: note("render"), lambda: note("capture")], lambda: note("end"))
    pacer.start()
    assert done.wait(10)
    pacer.stop()
    assert {thread for _, thread in names} == {"telnyx-agent-audio"}
    assert [what for what, _ in names[:4]] == ["render", "capture", "render", "capture"]
    assert [what for what, _ in names].count("end") == 1
    assert names[-1][0] == "end"


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(1)], ids=["exception", "exit"])
def test_a_step_that_raises_is_logged_once_and_goes_on(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """With its traceback; the call's sound does not end."""
    ticks = Ticks(10)

    def step() -> None:
        ticks()
        raise error

    pacer = Pacer([step], lambda: None)
    with caplog.at_level(logging.ERROR, "telnyx_agent.audio"):
        pacer.start()
        assert ticks.done.wait(10)
        pacer.stop()
    records = [record for record in caplog.records if record.name == "telnyx_agent.audio"]
    assert len(records) == 1
    assert records[0].exc_info is not None
    assert records[0].exc_info[1] is error


def test_a_step_may_stop_its_own_pacer() -> None:
    """No further step runs then, not even in the same block, and the end is still reported."""
    second, ended = Ticks(), threading.Event()
    answers: list[bool] = []
    pacer = Pacer([lambda: answers.append(pacer.stop()), second], ended.set)
    pacer.start()
    assert ended.wait(10)
    assert answers == [False]
    assert second.times == []
    assert pacer.stop()


def test_stopping_does_not_wait_for_the_next_block() -> None:
    """The thread is woken."""
    pacer = Pacer([Ticks()], lambda: None)
    pacer.start()
    begin = time.perf_counter()
    assert pacer.stop()
    assert time.perf_counter() - begin < 4.0
    assert pacer.stopping


def test_a_stuck_step_does_not_hold_up_the_program_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`stop` gives up with a warning; the step that is stuck is the last."""
    monkeypatch.setattr("telnyx_agent.audio._pacing._JOIN_TIMEOUT", 0.05)
    stuck, release, after = threading.Event(), threading.Event(), Ticks()

    def step() -> None:
        stuck.set()
        release.wait(10)

    pacer = Pacer([step, after], lambda: None)
    pacer.start()
    assert stuck.wait(10)
    assert not pacer.stop()
    assert "stuck" in caplog.text
    release.set()
    monkeypatch.setattr("telnyx_agent.audio._pacing._JOIN_TIMEOUT", 5.0)
    assert pacer.stop()
    assert after.times == []
