"""Nothing is left behind: threads, descriptors, tasks, objects and memory over calls, drops and starts with faults.

    python -m benchmarks.soak                                   # all three parts: 1,000 calls, 500 drops, 200 starts
    python -m benchmarks.soak --calls 1000 --at-once 4 --seed 7
    python -m benchmarks.soak --minutes 60 --at-once 2          # calls for an hour
    python -m benchmarks.soak --drops 500
    python -m benchmarks.soak --starts 200

Real WebSockets and real WebRTC against a local agent in another process, through `telnyx_agent.testing.FaultProxy`:
connections are reset, cut, closed and half open, frames and packets late or lost, all drawn from the seed. Each part
gets a page of its own. Ends with 1 if something was left behind, hung, or was lost. `benchmarks/README.md` says how the
verdict is found.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs

from . import _leaks, _soak_parts
from ._leaks import Slope, Verdict
from ._report import RESULTS, Report
from ._soak_parts import Part

__all__ = ["main", "report"]

WANTED = 1.0
"""Megabytes per hour."""

_CALLS, _DROPS, _STARTS, _AT_ONCE = 1000, 500, 200, 4


_TITLES = {
    "calls": "Soak: what calls with faults leave behind",
    "drops": "Soak: one session whose connection is lost again and again",
    "starts": "Soak: what starts and stops leave behind",
}
_ABOUT = {
    "calls": "calls without a fault, from `new_call` to ACTIVE, and to the first sound",
    "drops": "until the call is active again (the back-off is a second)",
    "starts": "start and stop together, and the stop alone",
}
_KEPT = (
    *("telnyx_agent.TranscriptionItem", "telnyx_agent._protocol.conversation.transcription.TranscriptionItem"),
    "telnyx_agent._quality.report._Window",
)
"""What one call keeps on purpose: what was said, and its report's entries, one for five seconds, 300 at most."""


def report(part: Part, command: str) -> tuple[Report, bool]:
    """The table of one part, and whether everything was as it should be."""
    is_talk = part.name == "drops"
    warm_up = _soak_parts.TALKATIVE + 0.05 if is_talk else _leaks.WARM_UP
    verdict = _leaks.judge(part.samples, WANTED, warm_up=warm_up, kept=_KEPT if is_talk else ())
    record = attrs.asdict(part, filter=lambda attribute, value: attribute.name not in ("began", "times"))
    record["series"] = part.series
    notes = [sentence(part, verdict)]
    notes.append("; ".join(f"{count} {what}" for what, count in sorted(part.outcomes.items())) + ".")
    notes.append(
        "Samples are taken when nothing is going on, after a garbage collection. Times in ms, median / longest since "
        f"the row before: {_ABOUT[part.name]}."
    )
    columns = (
        "part",
        "done",
        "minutes",
        "threads",
        "descriptors",
        "tasks",
        "objects",
        "RSS MB",
        "held MB",
        "time",
        "time 2",
    )
    made = Report(
        name=f"soak_{part.name}",
        title=_TITLES[part.name],
        columns=columns,
        rows=list(_soak_parts.table(part)),
        notes=notes,
        raw={**record, "verdict": attrs.asdict(verdict)},
        plot=lambda path: draw(part, path),
        command=command,
    )
    return made, verdict.passed and not part.wrong


def sentence(part: Part, verdict: Verdict) -> str:
    """What came of a part."""
    first, last = part.samples[0], part.samples[-1]
    outcome = "; ".join((*part.wrong[:5], *verdict.left)) or "nothing hung, was lost or left behind"
    memory = "too few samples for memory"
    if verdict.memory is not None and verdict.per_round is not None and verdict.as_found is not None:
        rate = (last.rounds - first.rounds) / max(1e-9, last.at - first.at) * 3600.0
        memory = (
            f"memory {_interval(verdict.memory, 'MB')} per hour of this work ({rate:.0f} an hour), "
            f"{_interval(verdict.per_round, 'KB')} each: {verdict.memory_is} "
            f"(wanted: less than {WANTED:g} MB per hour); "
            f"with free pages that the allocator kept {_interval(verdict.as_found, 'MB')} per hour"
        )
    parts = {name: statistics.median(seconds for _, seconds in values) for name, values in part.series.items()}
    times = ", ".join(f"{1000 * seconds:.0f} ms {name}" for name, seconds in parts.items())
    good = "passed" if verdict.passed and not part.wrong else "FAILED"
    return f"{last.rounds} {part.name}: {good}: {outcome}; {memory}; medians: {times}."


def _interval(slope: Slope, unit: str) -> str:
    return f"{slope.value:+.2f} {unit} [{slope.low:+.2f}, {slope.high:+.2f}]"


def draw(part: Part, path: Path) -> None:
    """Counts, memory and times."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(3, 1, figsize=(9, 9), sharex=True)
    done = [sample.rounds for sample in part.samples]
    for name in ("threads", "descriptors", "tasks"):
        axes[0].plot(done, [getattr(sample, name) for sample in part.samples], label=name)
    axes[0].set_title(_TITLES[part.name])
    axes[1].plot(done, [sample.rss for sample in part.samples], label="RSS, MB")
    axes[1].plot(done, [sample.held for sample in part.samples], label="without free pages, MB")
    for name, values in part.series.items():
        numbers, seconds = zip(*values, strict=True)
        axes[2].plot(numbers, seconds, ".", markersize=3, label=f"{name}, s")
    axes[2].set_xlabel(part.name)
    for axis in (axes[0], axes[2]):
        axis.set_ylim(bottom=0)
    for axis in axes:
        axis.legend()
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
    passed = True
    for make, command in _chosen(options):
        made, good = report(make(), command)
        print(made.markdown(), flush=True)
        made.write(options.output)
        passed = passed and good
    return 0 if passed else 1


def _chosen(options: argparse.Namespace) -> Iterator[tuple[Callable[[], Part], str]]:
    """The parts that were asked for, and the command for each; all if none was."""
    is_all = all(value is None for value in (options.calls, options.minutes, options.drops, options.starts))
    less = 25 if options.quick else 1
    seed = options.seed
    if is_all or options.calls or options.minutes:
        count, at_once, minutes = options.calls or _CALLS // less, options.at_once, options.minutes
        amount = f"--calls {count}" if minutes is None else f"--minutes {minutes:g}"
        yield (
            lambda: _soak_parts.calls(count, at_once, seed, minutes),
            f"soak {amount} --at-once {at_once} --seed {seed}",
        )
    if is_all or options.drops:
        drops = options.drops or _DROPS // less
        yield lambda: _soak_parts.drops(drops, seed), f"soak --drops {drops} --seed {seed}"
    if is_all or options.starts:
        starts = options.starts or _STARTS // less
        yield lambda: _soak_parts.starts(starts, seed), f"soak --starts {starts} --seed {seed}"


if __name__ == "__main__":
    sys.exit(main())
