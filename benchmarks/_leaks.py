"""Whether a program that does the same again and again keeps something: counts, a robust slope, a verdict.

Rules of this file:

1. Samples are taken when nothing is going on, after a garbage collection: what is counted then was left behind.
2. What can be counted (threads, descriptors, tasks, live objects of the SDK and of its media libraries) must not grow;
   a few may be kept once, by a cache that fills, and are told apart by how many there are per round of work.
3. Memory cannot be counted so: an allocator keeps what was freed, and grows in steps. glibc is therefore asked to give
   free pages back before memory is read (`held`); with what it had kept it is `rss`, which is reported beside it. The
   slope is the median of the slopes between all pairs of samples (Theil and Sen), without the first part of the run, in
   which pools fill. The interval around it is that of Sen (Kendall's tau, 95 %). Only an interval that lies below the
   limit is a proof, and only one that lies above it is a leak; between the two the run was too short to tell.
4. What an hour would bring is not told from seconds: that takes four minutes without the first part. In a shorter run
   only what is far too much for each round is a leak.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import gc
import math
import os
import statistics
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import attrs

__all__ = ["KEPT_ONCE", "Sample", "Slope", "Verdict", "judge", "resident", "slope", "take", "watched_objects"]

WATCHED = ("telnyx_agent", "aiortc", "aioice", "pylibsrtp", "av", "websocket")
"""Packages whose live objects are counted."""

KEPT_ONCE = 3
"""So many threads, descriptors or tasks may be there in the end that were not there in the beginning."""

OBJECTS_PER_CALL = 0.1
"""So many objects of one kind more per round of work are a leak; and at least `OBJECTS` of them."""
OBJECTS = 8

WARM_UP = 0.3
"""The first part of a run, in which pools fill."""


SHORTEST = 240.0
"""Seconds of samples from which an hour may be extrapolated."""

KB_PER_ROUND = 50.0
"""More than this for each round is a leak in a run of any length; a peer connection that is kept takes 200 and more."""


@attrs.frozen
class Sample:
    """What a process holds at one moment.

    Attributes:
        at: Seconds since the beginning.
        rounds: Rounds of work that were done, such as calls.
        threads: Of Python.
        descriptors: That are open; 0 where it cannot be known.
        tasks: Of the SDK's event loop that are not done.
        rss: Megabytes, as found; 0.0 where it cannot be known.
        held: Megabytes, after the allocator gave back what was free; as `rss` where it cannot be asked to.
        live: Live objects, all together.
        objects: Live objects by type.
    """

    at: float
    rounds: int
    threads: int
    descriptors: int
    tasks: int
    rss: float
    held: float = 0.0
    live: int = 0
    objects: Mapping[str, int] = attrs.field(factory=dict, repr=False)


@attrs.frozen
class Slope:
    """Growth per unit, and the interval in which it lies with 95 %."""

    value: float
    low: float
    high: float


@attrs.frozen
class Verdict:
    """What came of it.

    Attributes:
        left: What was left behind, in words; empty if nothing was.
        memory: Growth of `held` in MB per hour of this work, None if there were too few samples.
        as_found: The same of `rss`.
        per_round: Growth in KB per round.
        memory_is: `"flat"` (the whole interval lies below the limit), `"leak"` (above it), `"undecided"`, or
            `"too short"` to speak of hours.
    """

    left: tuple[str, ...]
    memory: Slope | None
    per_round: Slope | None
    memory_is: str
    as_found: Slope | None = None

    @property
    def passed(self) -> bool:
        """Nothing was left behind, and memory is not known to grow."""
        return not self.left and self.memory_is != "leak"


def watched_objects() -> dict[str, int]:
    """How many live objects of each watched type there are; classes, functions and modules do not count."""
    counts: Counter[str] = Counter()
    for one in gc.get_objects():
        kind = type(one)
        home = kind.__module__
        if isinstance(home, str) and home.partition(".")[0] in WATCHED and not issubclass(kind, type):
            counts[f"{home}.{kind.__qualname__}"] += 1
    return dict(counts)


def take(at: float, rounds: int, loop: asyncio.AbstractEventLoop | None) -> Sample:
    """Collect garbage and count.

    Args:
        at: Seconds since the beginning.
        rounds: Rounds of work that were done.
        loop: The SDK's event loop; None while there is none.
    """
    for _ in range(3):  # finalizers make garbage of their own
        gc.collect()
    objects = watched_objects()
    live = sum(objects.values())
    found = resident() / 1e6
    trim()
    held = resident() / 1e6
    return Sample(at, rounds, threading.active_count(), descriptors(), tasks(loop), found, held, live, objects)


def tasks(loop: asyncio.AbstractEventLoop | None) -> int:
    """Tasks of a loop of another thread that are not done; asked there, since the set belongs to that thread."""
    if loop is None:
        return 0

    async def count() -> int:
        return len(asyncio.all_tasks()) - 1

    return asyncio.run_coroutine_threadsafe(count(), loop).result(10)


def descriptors() -> int:
    """How many are open."""
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # without that of the folder itself
    except OSError:
        return 0


def resident(process: int | str = "self") -> int:
    """Bytes of memory that a process takes now; 0 where it cannot be known, as after its end."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@functools.cache
def _malloc_trim() -> Callable[[int], int]:
    """Of glibc; elsewhere a function that does nothing."""
    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    return found or (lambda keep: 0)


def trim() -> None:
    """Have the allocator give back pages in which nothing is."""
    _malloc_trim()(0)


def slope(x: Sequence[float], y: Sequence[float]) -> Slope | None:
    """Theil and Sen: the median of the slopes of all pairs, with Sen's interval; None for fewer than five points."""
    count = len(x)
    slopes = sorted((y[j] - y[i]) / (x[j] - x[i]) for i in range(count) for j in range(i + 1, count) if x[j] != x[i])
    if count < 5 or not slopes:
        return None
    spread = 1.96 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18.0)
    low = max(0, math.floor((len(slopes) - spread) / 2.0))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2.0))
    return Slope(statistics.median(slopes), slopes[low], slopes[high])


def judge(samples: Sequence[Sample], wanted: float, *, warm_up: float = WARM_UP, kept: Collection[str] = ()) -> Verdict:
    """Compare the end of a run with its beginning.

    Args:
        samples: In order; the first one after a first round of work, so that what is imported and kept once is there.
        wanted: Megabytes per hour of this work that memory may grow.
        warm_up: The part of the samples, from the first on, that do not count for memory.
        kept: Kinds of objects that are kept on purpose, such as the transcript's.
    """
    left: list[str] = []
    if len(samples) >= 2:
        for name in ("threads", "descriptors", "tasks"):
            begin, end = getattr(samples[0], name), min(getattr(sample, name) for sample in samples[-2:])
            if end - begin > KEPT_ONCE or (len(samples) == 2 and end > begin):
                left.append(f"{end - begin} {name} ({begin} before, {end} after)")
        left += _objects_left(samples, kept)
    steady = samples[math.floor(len(samples) * warm_up) :]
    hours = [sample.at / 3600.0 for sample in steady]
    memory = slope(hours, [sample.held for sample in steady])
    as_found = slope(hours, [sample.rss for sample in steady])
    per_round = slope([float(sample.rounds) for sample in steady], [1000.0 * sample.held for sample in steady])
    span = steady[-1].at - steady[0].at if steady else 0.0
    return Verdict(tuple(left), memory, per_round, _memory_is(memory, per_round, span, wanted), as_found)


def _objects_left(samples: Sequence[Sample], kept: Collection[str]) -> list[str]:
    """Kinds of objects of which there are more and more."""
    begin, end = samples[0], samples[-1]
    rounds = max(1, end.rounds - begin.rounds)
    found = []
    for kind, count in sorted(end.objects.items()):
        if kind in kept:
            continue
        # The smaller of the last two: what is about to go when a sample is taken is no leak.
        more = min(count, samples[-2].objects.get(kind, 0) if len(samples) > 2 else count) - begin.objects.get(kind, 0)
        if more >= OBJECTS and more / rounds >= OBJECTS_PER_CALL:
            found.append(f"{more} objects of {kind}, {more / rounds:.2g} each time")
    return found


def _memory_is(memory: Slope | None, per_round: Slope | None, span: float, wanted: float) -> str:
    if memory is None or per_round is None:
        return "too short"
    if per_round.low > KB_PER_ROUND:
        return "leak"
    if span < SHORTEST:
        return "too short"
    if memory.high < wanted:
        return "flat"
    return "leak" if memory.low > wanted else "undecided"
