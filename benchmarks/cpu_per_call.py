"""What one duplex call costs: processor time, memory, threads, and how many calls one core holds; beside bare aiortc.

Both contestants do the same job: every 10 or 20 ms a device's thread hands over speech and takes what is to be heard,
as mono 48 kHz samples; both say the same words and hear the same. The far end is in a process of its own, the same for
both. Only the contestant's process is counted, all its threads and the kernel's work for them. The rounds alternate, so
that whatever disturbs the machine disturbs both.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

from ._media_process import Side
from ._report import Report, command

CONTESTANTS = {"aiortc": "bare aiortc", "ours": "telnyx_agent"}
WANTED_RATIO, WANTED_RSS, WANTED_THREADS = 0.4, 1.5, 1.0
STEPS = (1, 2, 4, 6, 8, 12, 16, 20, 24, 28, 32, 40, 48)
LATE = 0.02
"""A frame that comes more than a frame's time after it should have is late."""


@contextlib.contextmanager
def sides(calls: int) -> Iterator[dict[str, Side]]:
    """Both contestants with so many calls each to a far end of their own."""
    with contextlib.ExitStack() as stack:
        found: dict[str, Side] = {}
        for kind in CONTESTANTS:
            far = stack.enter_context(Side("far"))
            found[kind] = stack.enter_context(Side(kind))
            for _ in range(calls):
                found[kind].call(far)
            found[kind].ask("wait")
        yield found


def measure_cpu(calls: int, rounds: int, seconds: float) -> dict[str, list[dict[str, Any]]]:
    """Figures of both with so many calls each, in turns."""
    figures: dict[str, list[dict[str, Any]]] = {kind: [] for kind in CONTESTANTS}
    with sides(calls) as running:
        time.sleep(2.0)  # until the playout has settled
        for _ in range(rounds):
            for kind, side in running.items():
                measured = side.ask("measure", seconds)
                figures[kind].append({name: measured[name] for name in ("cpu", "rss", "threads")})
    return figures


def lateness(gaps: list[float]) -> list[float]:
    """By how much each frame came after its time, if the most punctual one was in time."""
    lags = [total - 0.02 * number for number, total in enumerate(itertools.accumulate(gaps), 1)]
    return [lag - min(lags) for lag in lags]


def measure_capacity(kind: str, seconds: float) -> list[dict[str, float]]:
    """More and more calls on one core, until frames are late; the far end has the other cores."""
    steps: list[dict[str, float]] = []
    with Side("far") as far, Side(kind) as side:
        side.ask("pin", 0)
        if (os.cpu_count() or 1) > 1:
            far.ask("pin", 1)
        calls = 0
        for wanted in STEPS:
            for _ in range(wanted - calls):
                side.call(far)
            calls = wanted
            side.ask("wait")
            time.sleep(1.5)
            far.ask("collect")
            own = side.ask("measure", seconds)
            late = sorted(lag for gaps in far.ask("collect") for lag in lateness(gaps))
            step = {
                "calls": wanted,
                "late": sum(lag > LATE for lag in late) / max(1, len(late)),
                "p99": late[math.ceil(0.99 * len(late)) - 1] if late else math.inf,
                "concealed": own["concealed"] / wanted,
                "cpu": own["cpu"],
            }
            steps.append(step)
            if step["late"] > 0.01 or step["concealed"] > 0.02 or step["cpu"] > 0.97:
                break
    return steps


def held(steps: list[dict[str, float]]) -> int:
    """Calls with at most 1 % of frames late and hardly anything concealed."""
    good = [step["calls"] for step in steps if step["late"] <= 0.01 and step["concealed"] <= 0.02]
    return int(max(good, default=0))


def median(figures: list[dict[str, Any]], name: str) -> float:
    """Of one figure in all rounds."""
    return float(statistics.median(round_[name] for round_ in figures))


def run(quick: bool = False) -> Report:
    """One call, four calls, and as many as one core holds."""
    rounds, seconds, more = (1, 1.0, 2) if quick else (7, 4.0, 8)
    one = measure_cpu(1, rounds, seconds)
    many = measure_cpu(more, max(1, rounds // 2), seconds)
    capacity = {kind: [] if quick else measure_capacity(kind, 4.0) for kind in CONTESTANTS}
    rows, extra = [], {}
    for kind, title in CONTESTANTS.items():
        cpu, cpu_many = median(one[kind], "cpu"), median(many[kind], "cpu") / more
        rss = (median(many[kind], "rss") - median(one[kind], "rss")) / (more - 1) / 1e6
        threads = (median(many[kind], "threads") - median(one[kind], "threads")) / (more - 1)
        extra[kind] = (cpu, cpu_many, rss, threads)
        calls = held(capacity[kind]) if capacity[kind] else None
        first = median(one[kind], "rss") / 1e6
        rows.append([title, 100 * cpu, 100 * cpu_many, first, rss, threads, calls])
    (bare, bare_many, _, _), (ours, ours_many, rss, threads) = extra["aiortc"], extra["ours"]
    rows.append(["ratio", ours / bare, ours_many / bare_many, None, None, None, None])
    single, several = ours / bare, ours_many / bare_many
    verdict = (
        f"Wanted: ratio at most {WANTED_RATIO}: {single:.2f} with one call ({_met(single <= WANTED_RATIO)}), "
        f"{several:.2f} with {more} calls ({_met(several <= WANTED_RATIO)}). Per extra call at most {WANTED_RSS} MB "
        f"({_met(rss <= WANTED_RSS)}) and {WANTED_THREADS:.0f} thread ({_met(threads <= WANTED_THREADS)})."
    )
    return Report(
        "cpu_per_call",
        "What one duplex call costs",
        [
            "",
            "% of a core, one call",
            f"% of a core per call, {more} calls",
            "MB resident, one call",
            "MB per extra call",
            "threads per extra call",
            "calls on one core until frames are late",
        ],
        rows,
        [
            verdict,
            "Medians of rounds that alternate.",
            "Late: 1 % of the frames arrive 20 ms or more after the most punctual one's time, or 2 % are concealed.",
        ],
        {"one": one, "many": many, "capacity": capacity},
    )


def _met(holds: bool) -> str:
    return "met" if holds else "missed"


def main() -> int:
    """Measure, print, write."""
    return command(run, __doc__)


if __name__ == "__main__":
    sys.exit(main())
