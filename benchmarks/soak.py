"""Nothing is left behind: threads, descriptors, tasks, objects and memory over calls, drops and starts with faults.

    python -m benchmarks.soak                                   # all three parts: 1,000 calls, 500 drops, 200 starts
    python -m benchmarks.soak --calls 1000 --at-once 4 --seed 7
    python -m benchmarks.soak --minutes 60 --at-once 2          # calls for an hour
    python -m benchmarks.soak --drops 500
    python -m benchmarks.soak --starts 200

Real WebSockets and real WebRTC against a local agent in another process, through `telnyx_agent.testing.FaultProxy`:
connections are reset, cut, closed and half open, frames and packets late or lost, all drawn from the seed. Ends with 1 if
something was left behind, hung, or was lost. `benchmarks/README.md` says how the verdict is found.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from . import _soak_parts
from ._leaks import Slope, Verdict, judge
from ._report import RESULTS, Report
from ._soak_parts import Part

__all__ = ["main", "report", "run"]

WANTED = 1.0
"""Megabytes per hour."""

_CALLS, _DROPS, _STARTS, _AT_ONCE = 1000, 500, 200, 4


def run(quick: bool = False) -> Report:
    """All three parts."""
    less = 25 if quick else 1
    parts = [
        _soak_parts.calls(_CALLS // less, _AT_ONCE, 0),
        _soak_parts.drops(_DROPS // less, 0),
        _soak_parts.starts(_STARTS // less, 0),
    ]
    return report(parts)[0]


def report(parts: Sequence[Part]) -> tuple[Report, bool]:
    """The table, and whether everything was as it should be."""
    rows: list[tuple[object, ...]] = []
    notes: list[str] = []
    passed = True
    raw: dict[str, Any] = {}
    for part in parts:
        verdict = judge(part.samples, WANTED)
        passed = passed and verdict.passed and not part.wrong
        rows += _soak_parts.table(part)
        notes.append(sentence(part, verdict))
        record = attrs.asdict(part, filter=lambda attribute, value: attribute.name != "began")
        raw[part.name] = {**record, "verdict": attrs.asdict(verdict)}
    notes.append(
        "Samples are taken when nothing is going on, after a garbage collection. Times in ms, median / longest since the "
        "row before: calls without a fault from `new_call` to ACTIVE and to the first sound; drops until the call is "
        "active again (the back-off is a second); starts in all, and the stop alone."
    )
    columns = ("part", "done", "minutes", "threads", "descriptors", "tasks", "objects", "RSS MB", "time", "time 2")
    title = "Soak: what calls, drops, starts and stops leave behind"
    return Report("soak", title, columns, rows, notes, raw, lambda path: draw(parts, path)), passed


def sentence(part: Part, verdict: Verdict) -> str:
    """What came of a part."""
    first, last = part.samples[0], part.samples[-1]
    outcome = "; ".join((*part.wrong[:5], *verdict.left)) or "nothing hung, was lost or left behind"
    memory = "too few samples for memory"
    if verdict.memory is not None and verdict.per_round is not None:
        rate = (last.rounds - first.rounds) / max(1e-9, last.at - first.at) * 3600.0
        memory = (
            f"memory {_interval(verdict.memory, 'MB')} per hour of this work ({rate:.0f} an hour), "
            f"{_interval(verdict.per_round, 'KB')} each: {verdict.memory_is} (wanted: less than {WANTED:g} MB per hour)"
        )
    parts = {name: statistics.median(seconds for _, seconds in values) for name, values in part.series.items()}
    times = ", ".join(f"{1000 * seconds:.0f} ms {name}" for name, seconds in parts.items())
    good = "passed" if verdict.passed and not part.wrong else "FAILED"
    return f"{last.rounds} {part.name}: {good}: {outcome}; {memory}; medians: {times}."


def _interval(slope: Slope, unit: str) -> str:
    return f"{slope.value:+.2f} {unit} [{slope.low:+.2f}, {slope.high:+.2f}]"


def draw(parts: Sequence[Part], path: Path) -> None:
    """Counts, memory and times of each part."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(3, len(parts), figsize=(5 * len(parts), 8), squeeze=False, sharex="col")
    for column, part in enumerate(parts):
        done = [sample.rounds for sample in part.samples]
        for name in ("threads", "descriptors", "tasks"):
            axes[0][column].plot(done, [getattr(sample, name) for sample in part.samples], label=name)
        axes[0][column].set_title(part.name)
        axes[0][column].set_ylim(bottom=0)
        axes[0][column].legend()
        axes[1][column].plot(done, [sample.rss for sample in part.samples], label="RSS, MB")
        axes[1][column].legend()
        for name, values in part.series.items():
            numbers, seconds = zip(*values, strict=True)
            axes[2][column].plot(numbers, seconds, ".", markersize=3, label=f"{name}, s")
        axes[2][column].set_xlabel("done")
        axes[2][column].set_ylim(bottom=0)
        axes[2][column].legend()
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 when something was left behind, hung or lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="all three parts, a twenty-fifth of each")
    parser.add_argument("--calls", type=int, help=f"so many calls ({_CALLS}, if no part is asked for)")
    parser.add_argument("--at-once", type=int, default=_AT_ONCE, help="calls at a time (%(default)s)")
    parser.add_argument("--minutes", type=float, help="calls for so long, in place of --calls")
    parser.add_argument("--drops", type=int, help=f"lost connections in one session ({_DROPS})")
    parser.add_argument("--starts", type=int, help=f"starts and stops ({_STARTS})")
    parser.add_argument("--seed", type=int, default=0, help="of all faults (%(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where to write the results (%(default)s)")
    options = parser.parse_args(arguments)
    asked = any(value is not None for value in (options.calls, options.minutes, options.drops, options.starts))
    less = 25 if options.quick else 1
    parts = []
    if not asked or options.calls or options.minutes:
        count = options.calls or _CALLS // less
        parts.append(_soak_parts.calls(count, options.at_once, options.seed, options.minutes))
    if not asked or options.drops:
        parts.append(_soak_parts.drops(options.drops or _DROPS // less, options.seed))
    if not asked or options.starts:
        parts.append(_soak_parts.starts(options.starts or _STARTS // less, options.seed))
    made, passed = report(parts)
    print(made.markdown())
    made.write(options.output)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
