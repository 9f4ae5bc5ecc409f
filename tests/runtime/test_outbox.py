"""`Outbox` and `Inflow`: what goes out in which order, and how much may pile up."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from telnyx_agent._runtime.inflow import Inflow
from telnyx_agent._runtime.outbox import Opcode, Outbox


def test_texts_in_order_and_the_close_frame_last() -> None:
    """What was put before `close` goes out first; what comes after it does not go out."""
    outbox = Outbox(60.0, 100)
    assert outbox.put(b"a")
    assert outbox.put(b"b")
    assert outbox.has_texts
    assert outbox.close(b"bye")
    assert not outbox.close(b"again")
    assert outbox.put(b"late")
    assert outbox.is_closing
    assert [outbox.take() for _ in range(3)] == [(Opcode.TEXT, b"a"), (Opcode.TEXT, b"b"), (Opcode.CLOSE, b"bye")]


def test_only_the_latest_ping_is_answered() -> None:
    """A server that pings without reading does not fill our memory."""
    outbox = Outbox(60.0, 100)
    outbox.put(b"text")
    for number in range(1000):
        outbox.answer_ping(b"%d" % number)
    assert outbox.take() == (Opcode.PONG, b"999")
    assert outbox.take() == (Opcode.TEXT, b"text")


def test_pings_are_due_in_time() -> None:
    """A ping comes by itself after each interval, also between texts, and not any more after `close`."""
    outbox = Outbox(0.05, 100)
    begin = time.monotonic()
    assert outbox.take() == (Opcode.PING, b"")
    assert outbox.take() == (Opcode.PING, b"")
    assert 0.1 <= time.monotonic() - begin < 1.0
    outbox.close(b"", drop_texts=True)
    assert outbox.take() == (Opcode.CLOSE, b"")
    outbox.end()
    assert outbox.take() is None


def test_dropping_what_the_server_will_not_read() -> None:
    """When the server has closed, only the answer to that goes out."""
    outbox = Outbox(60.0, 100)
    outbox.put(b"text")
    outbox.answer_ping(b"ping")
    outbox.close(b"bye", drop_texts=True)
    assert outbox.take() == (Opcode.CLOSE, b"bye")


def test_the_backlog_is_limited() -> None:
    """`put` says when too much is waiting, and what was taken does not count any more."""
    outbox = Outbox(60.0, 10)
    assert outbox.put(b"12345")
    assert outbox.put(b"12345")
    assert not outbox.put(b"1")
    for _ in range(3):
        outbox.take()
    assert outbox.put(b"1234567890")


def test_the_end_wakes_the_sender() -> None:
    """`end` ends a wait, and nothing goes out after it."""
    outbox = Outbox(float("inf"), 10)
    taken: queue.Queue[Any] = queue.Queue()
    thread = threading.Thread(target=lambda: taken.put(outbox.take()))
    thread.start()
    outbox.end()
    assert taken.get(timeout=5) is None
    thread.join()
    outbox.put(b"late")
    assert not outbox.close(b"late")
    assert outbox.take() is None


class SlowLoop:
    """A loop that runs what was posted when it is told to."""

    def __init__(self) -> None:
        self.posted: queue.Queue[tuple[Callable[..., None], tuple[Any, ...]]] = queue.Queue()

    def post(self, fn: Callable[..., None], *args: Any) -> None:
        self.posted.put((fn, args))

    def run_one(self) -> None:
        fn, args = self.posted.get(timeout=5)
        fn(*args)


def test_a_slow_loop_holds_the_receiver_back() -> None:
    """No more is handed over than the limit and one message; the rest waits, and comes in order."""
    loop = SlowLoop()
    got: list[int] = []
    inflow = Inflow(loop.post, got.append, 100)
    delivered: list[int] = []

    def receive() -> None:
        for number in range(10):
            inflow.deliver((number,), 60)
            delivered.append(number)

    thread = threading.Thread(target=receive)
    thread.start()
    while len(got) < 10:
        loop.run_one()
        assert len(delivered) <= len(got) + 2
    thread.join(5)
    assert got == list(range(10))


def test_messages_behind_one_that_raises_are_handled() -> None:
    """In order; what was raised is reported by whoever runs the loop."""
    loop = SlowLoop()
    got: list[int] = []

    def handle(number: int) -> None:
        got.append(number)
        if number == 3:
            raise RuntimeError("a bug")

    inflow = Inflow(loop.post, handle, 10_000)
    inflow.deliver(range(10), 10)
    inflow.deliver((10, 11), 2)
    assert loop.posted.qsize() == 2
    with pytest.raises(RuntimeError, match="a bug"):
        loop.run_one()
    assert got == list(range(10))
    loop.run_one()
    assert got == list(range(12))


def test_a_stopped_inflow_never_blocks() -> None:
    """After `stop` the receiver is free, whatever the loop does; the surplus is dropped."""
    loop = SlowLoop()
    got: list[int] = []
    inflow = Inflow(loop.post, got.append, 100)
    inflow.deliver((1,), 200)
    thread = threading.Thread(target=inflow.deliver, args=((2,), 200))
    thread.start()
    inflow.stop()
    thread.join(5)
    assert not thread.is_alive()
    loop.run_one()
    inflow.deliver((3,), 1)
    loop.run_one()
    assert got == [1, 3]
