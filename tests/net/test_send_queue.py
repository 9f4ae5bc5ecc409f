"""`Outbox`: what goes out in which order, and how much may pile up."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

from telnyx_agent._net.send_queue import TEXT_WEIGHT, Opcode, Outbox


def test_texts_in_order_and_the_close_frame_last() -> None:
    """What was put before `close` goes out first; what comes after it does not go out."""
    outbox = Outbox(60.0, 1000)
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
    assert 0.1 <= time.monotonic() - begin < 4.0
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
    """`put` says when too much is waiting, each text with its weight; what was taken does not count any more."""
    outbox = Outbox(60.0, 10 + 2 * TEXT_WEIGHT)
    assert outbox.put(b"12345")
    assert outbox.put(b"67890")
    assert not outbox.put(b"")
    outbox.take()
    outbox.take()
    assert outbox.put(b"")


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
