"""`Processing`: blocks of any length through a processor of 10 ms, and a processor that fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from telnyx_agent._media.processing import Processing

Int16 = NDArray[np.int16]


class Recorder:
    """Adds 1000 to what is heard and 2000 to what is sent, in place, and remembers what it was given."""

    def __init__(self) -> None:
        self.rendered: list[Int16] = []
        self.captured: list[Int16] = []
        self.delays: list[float] = []
        self.closed = 0

    def process_render(self, pcm: Int16) -> Int16:
        assert pcm.shape == (480,)
        assert pcm.dtype == np.int16
        self.rendered.append(pcm.copy())
        pcm += 1000
        return pcm

    def process_capture(self, pcm: Int16, delay: float) -> Int16:
        assert pcm.shape == (480,)
        assert pcm.dtype == np.int16
        self.captured.append(pcm.copy())
        self.delays.append(delay)
        pcm += 2000
        return pcm

    def close(self) -> None:
        self.closed += 1


class Failing(Recorder):
    """Works until it is told not to."""

    def __init__(self, result: object = None) -> None:
        super().__init__()
        self.result = result
        self.broken = False

    def process_capture(self, pcm: Int16, delay: float) -> Int16:
        if not self.broken:
            return super().process_capture(pcm, delay)
        if isinstance(self.result, BaseException):
            raise self.result
        if self.result is None:
            pcm[:] = -1
            raise ValueError("half-way through the block")
        return self.result  # type: ignore[return-value]


def ramp(count: int, start: int = 0) -> Int16:
    """Samples that tell where they come from."""
    return ((np.arange(start, start + count) % 8000) + 1).astype(np.int16)


def in_blocks(work: Callable[[Int16], Int16], samples: Int16, length: int) -> list[Int16]:
    return [work(samples[start : start + length]) for start in range(0, len(samples) - length + 1, length)]


@pytest.mark.parametrize("length", [480, 960, 2400])
def test_whole_blocks_are_not_delayed(length: int) -> None:
    """In both directions: what goes in comes out of the same call."""
    recorder = Recorder()
    processing = Processing(recorder)
    samples = ramp(24_000)
    for start in range(0, len(samples), length):
        block = samples[start : start + length]
        np.testing.assert_array_equal(processing.render(block), block + 1000)
        np.testing.assert_array_equal(processing.capture(block), block + 2000)
    np.testing.assert_array_equal(np.concatenate(recorder.rendered), samples)
    np.testing.assert_array_equal(np.concatenate(recorder.captured), samples)


@pytest.mark.parametrize("length", [1, 160, 441, 479, 481, 1024, 4096])
def test_other_lengths_are_heard_a_little_later_and_without_a_gap(length: int) -> None:
    """10 ms at most, and as many samples as were asked for each time."""
    recorder = Recorder()
    processing = Processing(recorder)
    samples = ramp(max(24_000, 8 * length) // length * length)
    blocks = in_blocks(processing.render, samples, length)
    assert {len(block) for block in blocks} == {length}
    heard = np.concatenate(blocks)
    late = int(np.count_nonzero(heard == 0))
    assert late <= 480
    np.testing.assert_array_equal(heard[:late], 0)
    np.testing.assert_array_equal(heard[late:], samples[: len(samples) - late] + 1000)
    np.testing.assert_array_equal(np.concatenate(recorder.rendered), samples[: len(recorder.rendered) * 480])


@pytest.mark.parametrize("length", [1, 160, 441, 479, 481, 1024, 4096])
def test_no_captured_sample_is_lost_or_added(length: int) -> None:
    """What does not fill a block waits for the next call."""
    processing = Processing(Recorder())
    samples = ramp(max(24_000, 8 * length) // length * length)
    sent = np.concatenate(in_blocks(processing.capture, samples, length))
    assert 0 <= len(samples) - len(sent) < 480
    np.testing.assert_array_equal(sent, samples[: len(sent)] + 2000)


def test_a_device_may_change_its_mind_about_the_length() -> None:
    """As when another device takes over: always as many samples as were asked for, in order, with silence between."""
    processing = Processing(Recorder())
    samples, position, heard = ramp(60_000), 0, []
    for length in [480, 480, 160, 160, 441, 1024, 480, 1, 4096, 479] * 5:
        block = processing.render(samples[position : position + length])
        assert len(block) == length
        heard.append(block)
        position += length
    joined = np.concatenate(heard)
    voice = joined[joined != 0]
    assert len(joined) - len(voice) <= 960
    np.testing.assert_array_equal(voice, samples[: len(voice)] + 1000)


def test_nothing_in_nothing_out() -> None:
    """Empty blocks give empty blocks."""
    processing = Processing(Recorder())
    empty = np.empty(0, np.int16)
    assert processing.render(empty).size == 0
    assert processing.capture(empty).size == 0


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (None, "half-way through the block"),
        (np.zeros(479, np.int16), r"480 samples of int16, not an array of shape (479,) of int16"),
        (np.zeros(480, np.float32), r"not an array of shape (480,) of float32"),
        (b"bytes", "not bytes"),
        (SystemExit("panic"), "panic"),  # libraries in other languages raise what is no `Exception`
    ],
)
def test_a_failing_processor_is_switched_off(result: object, words: str, caplog: pytest.LogCaptureFixture) -> None:
    """One traceback; the block in hand goes out as it came, and so do all after it, both ways."""
    failing = Failing(result)
    processing = Processing(failing)
    assert processing.is_on
    np.testing.assert_array_equal(processing.capture(ramp(480)), ramp(480) + 2000)
    failing.broken = True
    for start in range(0, 4800, 960):
        np.testing.assert_array_equal(processing.capture(ramp(960, start)), ramp(960, start))
        np.testing.assert_array_equal(processing.render(ramp(960, start)), ramp(960, start))
    assert not processing.is_on
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("telnyx_agent.audio", logging.ERROR)
    assert "switched off for this call" in record.message
    assert words in caplog.text
    assert record.exc_info is not None
    processing.close()
    assert failing.closed == 1


def test_a_failure_loses_no_sample() -> None:
    """Those that waited for their block to be complete come first, unprocessed."""
    failing = Failing()
    processing = Processing(failing)
    samples = ramp(4410)
    sent = [processing.capture(samples[:441])]
    failing.broken = True
    sent += in_blocks(processing.capture, samples[441:], 441)
    np.testing.assert_array_equal(np.concatenate(sent), samples)


def test_what_is_heard_stays_in_order_after_a_failure() -> None:
    """The samples in store are played out, and the delay stays as it was: no jump."""

    class Deaf(Recorder):
        def process_render(self, pcm: Int16) -> Int16:
            if len(self.rendered) == 5:
                raise ValueError("enough")
            return super().process_render(pcm)

    processing = Processing(Deaf())
    samples = ramp(441 * 20)
    heard = np.concatenate(in_blocks(processing.render, samples, 441))
    late = int(np.count_nonzero(heard == 0))
    expected = samples.copy()
    expected[: 5 * 480] += 1000
    np.testing.assert_array_equal(heard[late:], expected[: len(samples) - late])
    assert late <= 480


def test_the_delay_is_asked_once_a_second() -> None:
    """And is what the processor is told; the store of odd blocks comes on top."""
    asked: list[float] = []

    def delay() -> float:
        asked.append(0.04 + len(asked) / 100)
        return asked[-1]

    recorder = Recorder()
    processing = Processing(recorder, delay=delay)
    for _ in range(250):
        processing.capture(ramp(480))
    assert len(asked) == 3
    assert recorder.delays == [0.04] * 100 + [0.05] * 100 + [0.06] * 50
    processing.render(ramp(160))
    processing.capture(ramp(480))
    assert recorder.delays[-1] == pytest.approx(0.06 + 320 / 48000)


@pytest.mark.parametrize(("told", "used"), [(0.05, 0.05), (-1.0, 0.0), (float("nan"), 0.0), (float("inf"), 0.0)])
def test_a_delay_that_is_none_is_not_passed_on(told: float, used: float) -> None:
    """Drivers have been seen to tell the strangest things."""
    recorder = Recorder()
    Processing(recorder, delay=told).capture(ramp(480))
    assert recorder.delays == [used]


def test_it_closes_the_processor_once(caplog: pytest.LogCaptureFixture) -> None:
    """From then on everything passes as it is."""
    recorder = Recorder()
    processing = Processing(recorder)
    processing.close()
    processing.close()
    assert recorder.closed == 1
    assert not processing.is_on
    np.testing.assert_array_equal(processing.render(ramp(480)), ramp(480))
    np.testing.assert_array_equal(processing.capture(ramp(441)), ramp(441))
    assert recorder.rendered == recorder.captured == []
    assert not caplog.records


def test_a_processor_that_cannot_be_closed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The end of a call goes on."""

    class Stubborn(Recorder):
        def close(self) -> None:
            raise SystemExit("no")

    Processing(Stubborn()).close()
    assert "could not be closed" in caplog.text


def test_a_block_that_fails_because_of_the_end_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    """A sound card's last block may be under way when the call ends."""

    class Ending(Recorder):
        def process_capture(self, pcm: Int16, delay: float) -> Int16:
            processing.close()
            raise RuntimeError("closed under my feet")

    processing = Processing(Ending())
    np.testing.assert_array_equal(processing.capture(ramp(480)), ramp(480))
    assert not caplog.records


def test_the_directions_do_not_wait_for_each_other() -> None:
    """A processor that is stuck in one does not hold up the other; nor does a second thread in the same one wait."""
    inside, leave = threading.Event(), threading.Event()

    class Slow(Recorder):
        def process_capture(self, pcm: Int16, delay: float) -> Int16:
            inside.set()
            assert leave.wait(10)
            return super().process_capture(pcm, delay)

    processing = Processing(Slow())
    results: dict[str, Any] = {}
    thread = threading.Thread(target=lambda: results.update(sent=processing.capture(ramp(480))))
    thread.start()
    assert inside.wait(10)
    np.testing.assert_array_equal(processing.render(ramp(480)), ramp(480) + 1000)
    np.testing.assert_array_equal(processing.capture(ramp(480, 7)), ramp(480, 7))
    leave.set()
    thread.join(10)
    np.testing.assert_array_equal(results["sent"], ramp(480) + 2000)


def test_both_directions_may_fail_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """And still there is one traceback."""
    together = threading.Barrier(2, timeout=10)

    class Broken(Recorder):
        def process_render(self, pcm: Int16) -> Int16:
            together.wait()
            raise ValueError("render")

        def process_capture(self, pcm: Int16, delay: float) -> Int16:
            together.wait()
            raise ValueError("capture")

    processing = Processing(Broken())
    thread = threading.Thread(target=processing.render, args=(ramp(480),))
    thread.start()
    np.testing.assert_array_equal(processing.capture(ramp(480)), ramp(480))
    thread.join(10)
    assert len(caplog.records) == 1
