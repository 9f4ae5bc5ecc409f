"""The verdict of the soak: what was left behind, and whether memory grows."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Callable, Iterator

import attrs
import pytest

from benchmarks import _leaks
from benchmarks._leaks import Sample, judge, slope


def samples(count: int = 40, step: int = 20, **growth: Callable[[int], float]) -> list[Sample]:
    """Samples a minute apart, each after `step` rounds; each figure as a function of the rounds."""

    def one(number: int) -> Sample:
        rounds = (number + 1) * step
        figure = {name: function(rounds) for name, function in growth.items()}
        return Sample(
            at=60.0 * number,
            rounds=rounds,
            threads=int(figure.get("threads", 7)),
            descriptors=int(figure.get("descriptors", 12)),
            tasks=int(figure.get("tasks", 3)),
            rss=figure.get("rss", 100.0) + figure.get("free", 0.0),
            held=figure.get("rss", 100.0),
            objects={"aiortc.Thing": int(figure.get("objects", 50))},
        )

    return [one(number) for number in range(count)]


def test_nothing_is_left_where_nothing_grows() -> None:
    """And an allocator's noise is no leak."""
    dice = random.Random(3)
    verdict = judge(samples(rss=lambda rounds: 100.0 + dice.uniform(-0.2, 0.2)), 1.0)
    assert verdict.passed
    assert verdict.left == ()
    assert verdict.memory_is == "flat"


@pytest.mark.parametrize("name", ["threads", "descriptors", "tasks", "objects"])
def test_one_for_each_call_is_found_within_few_calls(name: str) -> None:
    """Eight calls are enough."""
    verdict = judge(samples(count=4, step=4, **{name: lambda rounds: 7 + rounds}), 1.0)
    assert not verdict.passed
    assert ("aiortc.Thing" if name == "objects" else name) in verdict.left[0]


def test_what_is_kept_once_is_no_leak() -> None:
    """A pool has made another worker, a cache has filled."""
    assert judge(samples(threads=lambda rounds: 7 + (rounds > 100), objects=lambda rounds: min(rounds, 55)), 1.0).passed


def test_objects_that_are_kept_on_purpose_are_not_judged() -> None:
    """Such as the transcript's items."""
    growing = samples(objects=lambda rounds: rounds)
    assert not judge(growing, 1.0).passed
    assert judge(growing, 1.0, kept=["aiortc.Thing"]).passed


def test_a_slow_leak_of_memory_is_found_in_noise() -> None:
    """Two megabytes an hour, 0.1 MB of noise, and pools that fill at first."""
    dice = random.Random(5)

    def rss(rounds: int) -> float:
        return 100.0 + min(rounds, 100) * 0.05 + rounds / 20 / 60 * 2.0 + dice.uniform(-0.1, 0.1)

    verdict = judge(samples(count=80, rss=rss), 1.0)
    assert verdict.memory is not None
    assert verdict.memory.value == pytest.approx(2.0, abs=0.3)
    assert verdict.memory_is == "leak"
    assert not verdict.passed


def test_a_run_that_is_too_short_proves_nothing() -> None:
    """The same noise over five minutes says neither."""
    dice = random.Random(7)
    verdict = judge(samples(count=10, rss=lambda rounds: 100.0 + dice.uniform(-0.1, 0.1)), 1.0)
    assert verdict.memory_is == "undecided"
    assert judge(samples(count=3), 1.0).memory is None


def test_no_hour_is_told_from_seconds() -> None:
    """What a pool takes in a short run would be gigabytes a day; only what is far too much for each call is a leak."""

    def short(each: float) -> list[Sample]:
        return [attrs.evolve(one, at=one.at / 60.0) for one in samples(count=12, rss=lambda n: 100.0 + n * each / 1000)]

    assert judge(short(7.0), 1.0).memory_is == "too short"
    assert judge(short(7.0), 1.0).passed
    assert judge(short(100.0), 1.0).memory_is == "leak"


def test_one_wild_sample_does_not_move_the_slope() -> None:
    """The median of the slopes of all pairs."""
    found = slope(range(20), [3.0 * x + (500.0 if x == 10 else 0.0) for x in range(20)])
    assert found is not None
    assert found.value == pytest.approx(3.0)
    assert found.low <= 3.0 <= found.high


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


class _Kept:
    """Counted as the SDK's own would be."""

    __module__ = "telnyx_agent.made_up"


def test_a_sample_counts_what_there_really_is(loop: asyncio.AbstractEventLoop) -> None:
    """One thread, one descriptor, one task and one object more."""
    before = _leaks.take(0.0, 0, loop)
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    descriptor = os.open(os.devnull, os.O_RDONLY)
    sleeping = asyncio.run_coroutine_threadsafe(asyncio.Event().wait(), loop)
    kept = _Kept()
    kept.__dict__["itself"] = kept  # so that the collector knows it
    try:
        after = _leaks.take(1.0, 1, loop)
    finally:
        release.set()
        thread.join()
        os.close(descriptor)
        sleeping.cancel()
        _leaks.tasks(loop)  # a turn of the loop, so that the task is over before it ends
    assert (after.threads - before.threads, after.tasks - before.tasks) == (1, 1)
    assert after.descriptors - before.descriptors == (1 if before.descriptors else 0)
    assert after.objects["telnyx_agent.made_up._Kept"] == 1
