"""The process' switch interval while calls are up: counted, put back, and never taken from somebody else."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import pytest

from telnyx_agent._runtime import switch_interval

BEFORE = 0.004


@pytest.fixture(autouse=True)
def _interval() -> Iterator[None]:
    old = sys.getswitchinterval()
    sys.setswitchinterval(BEFORE)
    yield
    assert not switch_interval._held
    sys.setswitchinterval(old)


def now() -> float:
    return round(sys.getswitchinterval(), 6)


def test_lowered_while_held_and_put_back() -> None:
    """One call: the interval asked for, then the old one."""
    switch_interval.hold(0.0005)
    assert now() == 0.0005
    switch_interval.release(0.0005)
    assert now() == BEFORE


def test_the_shortest_counts_and_the_last_one_puts_back() -> None:
    """Several calls with different wishes, released in another order than held."""
    switch_interval.hold(0.001)
    switch_interval.hold(0.0002)
    switch_interval.hold(0.001)
    assert now() == 0.0002
    switch_interval.release(0.001)
    assert now() == 0.0002
    switch_interval.release(0.0002)
    assert now() == 0.001
    switch_interval.release(0.001)
    assert now() == BEFORE


def test_a_shorter_interval_of_the_program_stays() -> None:
    """Nothing is ever made longer."""
    sys.setswitchinterval(0.0001)
    switch_interval.hold(0.0005)
    assert now() == 0.0001
    switch_interval.release(0.0005)
    assert now() == 0.0001


def test_what_somebody_else_has_set_meanwhile_is_left_alone() -> None:
    """Also by later calls, until all are over; the next one begins anew."""
    switch_interval.hold(0.0005)
    sys.setswitchinterval(0.003)
    switch_interval.hold(0.0002)
    assert now() == 0.003
    switch_interval.release(0.0002)
    switch_interval.release(0.0005)
    assert now() == 0.003
    switch_interval.hold(0.0005)
    assert now() == 0.0005
    switch_interval.release(0.0005)
    assert now() == 0.003


def test_values_that_are_no_whole_microseconds() -> None:
    """What is read back is not what was set; that is not somebody else."""
    switch_interval.hold(0.0003000004)
    switch_interval.release(0.0003000004)
    assert now() == BEFORE


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
def test_impossible_intervals(wrong: float) -> None:
    """Refused before anything is changed."""
    with pytest.raises(ValueError, match="more than 0"):
        switch_interval.hold(wrong)
    assert now() == BEFORE


def test_released_too_often() -> None:
    """A bug of ours, said aloud."""
    switch_interval.hold(0.001)
    with pytest.raises(ValueError, match="more often"):
        switch_interval.release(0.0005)
    switch_interval.release(0.001)
    with pytest.raises(ValueError, match="more often"):
        switch_interval.release(0.001)
    assert now() == BEFORE


def test_from_many_threads_at_once() -> None:
    """No wish is lost and none is left over."""

    def work(seconds: float) -> None:
        for _ in range(300):
            switch_interval.hold(seconds)
            switch_interval.release(seconds)

    switch_interval.hold(0.0005)
    threads = [threading.Thread(target=work, args=(seconds,)) for seconds in (0.0002, 0.0004, 0.001, 0.0002)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert now() == 0.0005
    switch_interval.release(0.0005)
    assert now() == BEFORE


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_has_no_calls() -> None:
    """It gets the interval from before them."""
    switch_interval.hold(0.0005)
    child = os.fork()
    if child == 0:
        os._exit(0 if now() == BEFORE and not switch_interval._held else 1)
    _, status = os.waitpid(child, 0)
    switch_interval.release(0.0005)
    assert os.waitstatus_to_exitcode(status) == 0
