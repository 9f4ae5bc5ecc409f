"""The queue between the microphone's thread and the sender."""

from __future__ import annotations

import array
import threading
import time
from typing import Any

import numpy as np
import pytest

from telnyx_agent._media.capture import CaptureBuffer, as_samples
from telnyx_agent.errors import MediaError


def ramp(begin: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.arange(begin, begin + count, dtype=np.int16)


@pytest.mark.parametrize("block", [1, 100, 480, 960, 1000])
@pytest.mark.parametrize("frame", [1, 7, 960])
def test_samples_come_out_as_they_went_in(block: int, frame: int) -> None:
    """Whatever the sizes on both sides."""
    buffer = CaptureBuffer(20000)
    for begin in range(0, 6000, block):
        buffer.push(ramp(begin, min(block, 6000 - begin)))
    assert buffer.available == 6000
    heard = np.concatenate([buffer.read(frame) for _ in range(-(-6000 // frame))])
    assert (heard == ramp(0, 6000)).all()
    assert buffer.available == 0
    assert buffer.read(10).size == 0


def test_the_oldest_go_when_it_is_full() -> None:
    """200 ms stay, all else is counted, and the counts add up."""
    buffer = CaptureBuffer(9600)
    for begin in range(0, 30000, 480):
        buffer.push(ramp(begin, 480))
    assert buffer.available <= 9600
    assert buffer.dropped == buffer.pushed - buffer.available
    rest = buffer.read(10**6)
    assert rest[-1] == -(-30000 // 480) * 480 - 1
    assert (np.diff(rest) == 1).all()


def test_a_block_longer_than_the_buffer_keeps_its_end() -> None:
    """A device that hands over a second at once."""
    buffer = CaptureBuffer(1000)
    buffer.push(ramp(0, 5000))
    assert (buffer.read(10**6) == ramp(4000, 1000)).all()
    assert (buffer.pushed, buffer.dropped) == (5000, 4000)


def test_it_says_when_the_device_was_heard_last() -> None:
    """By the loop's clock; a block of nothing is none."""
    buffer = CaptureBuffer()
    assert buffer.last_push == 0.0
    buffer.push(ramp(0, 0))
    assert buffer.last_push == 0.0
    before = time.monotonic()
    buffer.push(ramp(0, 10))
    assert before <= buffer.last_push <= time.monotonic()


def test_the_usual_buffer_holds_a_fifth_of_a_second() -> None:
    """One sample more drops the oldest 10 ms."""
    buffer = CaptureBuffer()
    for begin in range(0, 9600, 480):
        buffer.push(ramp(begin, 480))
    assert (buffer.available, buffer.dropped) == (9600, 0)
    buffer.push(ramp(0, 1))
    assert (buffer.available, buffer.dropped) == (9121, 480)


def test_clear_empties_and_tells_how_much() -> None:
    """Stale audio goes in one step."""
    buffer = CaptureBuffer()
    for _ in range(5):
        buffer.push(ramp(0, 480))
    buffer.read(100)
    assert buffer.clear() == 2300
    assert buffer.available == 0


def test_two_threads_lose_nothing_that_is_not_counted() -> None:
    """One pushes, one reads, both as fast as they can: order holds and every sample is read or counted as dropped."""
    buffer = CaptureBuffer(4800)
    total = 2000
    seen: list[int] = []
    done = threading.Event()

    def pusher() -> None:
        for n in range(total):
            buffer.push(np.full(48, n, np.int16))
        done.set()

    thread = threading.Thread(target=pusher)
    thread.start()
    read = 0
    while not done.is_set() or buffer.available:
        part = buffer.read(100)
        read += part.size
        seen += part.tolist()
    thread.join()
    assert read + buffer.dropped == total * 48 == buffer.pushed
    assert seen == sorted(seen)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_are_samples(kind: type) -> None:
    """Bytes of all kinds, copied; an odd byte at the end is left out."""
    source = bytearray(ramp(0, 10).tobytes() + b"\x01")
    samples = as_samples(kind(source))
    source[:] = bytes(len(source))
    assert samples.tolist() == list(range(10))


def test_arrays_of_any_shape_are_samples() -> None:
    """sounddevice gives one column; the array is copied, because the device will use it again."""
    column = ramp(0, 10).reshape(-1, 1)
    samples = as_samples(column)
    column[:] = 0
    assert samples.tolist() == list(range(10))


@pytest.mark.parametrize(
    ("block", "what"),
    [
        (np.zeros(10, np.float32), r"an array of shape \(10,\) of float32"),
        (np.zeros((10, 2), np.int16), r"an array of shape \(10, 2\) of int16"),
        (np.zeros((2, 10), np.float32), r"an array of shape \(2, 10\) of float32"),
        (memoryview(array.array("f", [0.0] * 10)), "a memoryview with items of format 'f'"),
        (memoryview(array.array("h", range(10)))[::2], "a memoryview"),
        ([0] * 10, "a list"),
    ],
)
def test_what_is_not_mono_and_sixteen_bits_is_refused(block: Any, what: str) -> None:
    """By its type or by its shape: it would be heard as noise."""
    with pytest.raises(MediaError, match=what):
        as_samples(block)
