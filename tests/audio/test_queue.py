"""`SampleQueue`: what goes in comes out, bounded, and nothing is lost uncounted."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telnyx_agent.audio._queue import SampleQueue
from tests.audio.memory_stream import Int16


def counting(start: int, samples: int) -> Int16:
    return (np.arange(start, start + samples) % 32768).astype(np.int16)


def test_what_is_put_is_got_in_order() -> None:
    """In portions of any size."""
    queue = SampleQueue(1000, 10)
    assert queue.put(counting(0, 25), drop_oldest=False) == 25
    assert queue.put(counting(25, 5), drop_oldest=False) == 5
    assert [queue.get(n).tolist() for n in (7, 7)] == [list(range(7)), list(range(7, 14))]
    assert queue.get(100).tolist() == list(range(14, 30))
    assert len(queue.get(1)) == 0


def test_the_newest_is_refused_when_speaking() -> None:
    """What was begun to be said is said to its end."""
    queue = SampleQueue(30, 10)
    assert queue.put(counting(0, 50), drop_oldest=False) == 30
    assert queue.put(counting(50, 5), drop_oldest=False) == 0
    assert queue.dropped == 25
    assert queue.get(100).tolist() == list(range(30))


def test_the_oldest_is_dropped_when_listening() -> None:
    """A reader that comes late hears the present."""
    queue = SampleQueue(30, 10)
    for start in range(0, 100, 10):
        queue.put(counting(start, 10), drop_oldest=True)
    assert queue.dropped == 70
    assert queue.get(100).tolist() == list(range(70, 100))


def test_clear_also_drops_what_is_half_read() -> None:
    """And does not count as a loss."""
    queue = SampleQueue(100, 10)
    queue.put(counting(0, 50), drop_oldest=False)
    queue.get(15)
    queue.clear()
    assert len(queue.get(100)) == 0
    assert queue.dropped == 0
    assert queue.put(counting(0, 100), drop_oldest=False) == 100


@given(st.lists(st.tuples(st.sampled_from(["put", "push", "get", "clear"]), st.integers(0, 60))))
def test_the_bound_holds_and_nothing_is_lost_uncounted(actions: list[tuple[str, int]]) -> None:
    """Against a plain list, for any sequence of actions; a piece that is half read is beyond the bound."""
    limit, piece = 100, 7
    queue, position = SampleQueue(limit, piece), 0
    put = got = cleared = 0
    for action, count in actions:
        if action in ("put", "push"):
            put += count
            queue.put(counting(position, count), drop_oldest=action == "push")
            position += count
        elif action == "get":
            part = queue.get(count)
            assert np.all(np.diff(part) > 0)
            got += len(part)
        else:
            before = put - got - cleared - queue.dropped
            queue.clear()
            cleared += before
            assert len(queue.get(0)) == 0
        assert 0 <= put - got - cleared - queue.dropped <= limit + piece
    assert len(queue.get(1000)) == put - got - cleared - queue.dropped


def test_waiting_ends_when_enough_is_there() -> None:
    """Not before, and without polling."""
    queue = SampleQueue(1000, 10)
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(queue.wait(50, 10)))
    waiter.start()
    for _ in range(5):
        assert not answers
        queue.put(counting(0, 10), drop_oldest=True)
    waiter.join(10)
    assert answers == [True]


def test_waiting_ends_when_time_is_up() -> None:
    """What is there stays there."""
    queue = SampleQueue(1000, 10)
    queue.put(counting(0, 10), drop_oldest=True)
    begin = time.monotonic()
    assert not queue.wait(50, 0.05)
    assert time.monotonic() - begin >= 0.05
    assert len(queue.get(50)) == 10


@pytest.mark.parametrize("timeout", [None, 10.0])
def test_waiting_ends_when_the_queue_is_closed(timeout: float | None) -> None:
    """Nobody waits for a call that is over."""
    queue = SampleQueue(1000, 10)
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(queue.wait(50, timeout)))
    waiter.start()
    queue.close()
    waiter.join(10)
    assert answers == [False]
    queue.open()
    assert not queue.wait(1, 0.01)


def test_both_sides_and_clear_at_once() -> None:
    """Three threads for a while: the order holds, and the counts add up."""
    queue, total = SampleQueue(5000, 100), 200_000
    received: list[Int16] = []
    finished = threading.Event()

    def put() -> None:
        for start in range(0, total, 100):
            queue.put(counting(start, 100), drop_oldest=True)
        finished.set()

    def clear() -> None:
        while not finished.wait(0.001):
            queue.clear()

    threads = [threading.Thread(target=put), threading.Thread(target=clear)]
    for thread in threads:
        thread.start()
    while not finished.is_set():
        received.append(queue.get(70))
    for thread in threads:
        thread.join()
    received.append(queue.get(total))
    steps = np.diff(np.concatenate(received).astype(np.int64))
    assert np.all(np.mod(steps, 32768) > 0)
    assert queue._queued() == 0
