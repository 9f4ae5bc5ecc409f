"""How the agent's voice arrives: delay from mouth to ear, quality, gaps; ours beside Chromium and bare aiortc.

    python -m benchmarks.voice_quality [--quick] [--output benchmarks/results]

Three mouths. The tape sends the same packets to all three at the same time, with forward error correction (as Chromium
and Telnyx' media servers send when loss is reported) or without; what is compared is the receivers. "own" is the whole
way, one program at a time: the speech is played into a virtual microphone, and the same program sends and receives.
Either way the network loses and delays the same packets for all, and all ears are PulseAudio null sinks. Takes about 25
minutes. Needs Chromium, PulseAudio, PortAudio, and the extra `benchmarks`. See README.md for how it is measured.
"""

from __future__ import annotations

import math
import multiprocessing
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _alignment
from benchmarks._network import CONDITIONS
from benchmarks._report import Report, command
from benchmarks._speech import RATE, Script, script
from benchmarks._studio import CONTESTANTS, Mouth, Studio

__all__ = ["judge", "measure", "run", "summarise"]

Figures = dict[str, Any]
"""One contestant in one take; times in seconds."""

_ATTEMPTS = 3  # of a take in which the measuring itself fell behind
_FEWER = ("clean", "loss 2.4 %", "bursts 4 %", "50 +- 20 ms, loss 5 %")
_FEWEST = ("clean", "loss 2.4 %", "50 +- 20 ms, loss 5 %")
_MOST_RATIO = 0.8
_NARROW_RATIO = 0.75  # delays of two takes of the same differ by more than what is left to the limit
_PESQ_NOISE = 0.03  # two takes of the same without loss are so far apart; with loss it is more
_MOUTHS: Mapping[Mouth, str] = {
    "tape with fec": "same packets, FEC",
    "tape": "same packets, no FEC",
    "own": "own microphone and encoder",
}
_LEGEND = (
    "Delay is from the moment a sound is made to the moment the null sink plays it (median and 95th percentile over "
    "windows of 0.8 s); the gap is the longest silence where there should be speech; concealed and buffer are what the "
    "receiver itself counts (`concealedSamples`, mean `jitterBufferDelay`)."
)
_MEANS = ("delay", "p95", "pesq", "gap", "concealed", "buffer")


def run(quick: bool = False) -> Report:
    """Measure all conditions."""
    figures: list[Figures] = []
    with Studio.open() as studio:
        for mouth, condition, seed, names in _plan(quick):
            print(f"{_MOUTHS[mouth]}, {condition}, seed {seed}: {', '.join(names)}", file=sys.stderr, flush=True)
            said = script(1 if quick else 2 if mouth == "own" else 4)
            figures += measure(studio, said, condition, mouth=mouth, seed=seed, names=names)
    return summarise(figures)


def _plan(quick: bool) -> Iterable[tuple[Mouth, str, int, Sequence[str]]]:
    """What is to be measured: mouth, condition, seed, contestants."""
    if quick:
        yield "tape with fec", "clean", 1, CONTESTANTS
        yield "tape with fec", "loss 5 %", 1, CONTESTANTS
        yield "own", "loss 5 %", 1, ("chromium",)
        yield "own", "loss 5 %", 1, ("ours",)
        return
    for condition in CONDITIONS:
        yield "tape with fec", condition, 1, CONTESTANTS
        for name in CONTESTANTS:
            if name != "aiortc" or condition in _FEWEST:
                yield "own", condition, 1, (name,)
        yield "tape with fec", condition, 2, CONTESTANTS
        if condition in _FEWER:
            yield "tape", condition, 1, CONTESTANTS


def measure(
    studio: Studio, said: Script, condition: str, *, mouth: Mouth, seed: int, names: Sequence[str]
) -> list[Figures]:
    """One condition, once; again when the measuring fell behind."""
    for attempt in range(1, _ATTEMPTS + 1):
        take = studio.take(said, CONDITIONS[condition], seed=seed, mouth=mouth, names=names)
        if not take.faults:
            break
        print(f"  attempt {attempt}: {'; '.join(take.faults)}", file=sys.stderr, flush=True)
    # Not forked: the debugging protocol's socket and the relay's pipes are nothing for the children.
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        judged = pool.map(judge, [said] * len(names), [take.heard[name].samples for name in names])
        judgements = dict(zip(names, judged, strict=True))
    return [
        {
            "mouth": mouth,
            "condition": condition,
            "seed": seed,
            "contestant": name,
            **judgements[name],
            **_counted(take.heard[name].stats),
            "stats": dict(take.heard[name].stats),
            "relay": dict(take.relay),
            "faults": list(take.faults),
        }
        for name in names
    ]


def judge(said: Script, heard: Any) -> Figures:
    """Delay, quality and gaps of what was heard."""
    begin, end = said.parts[0][0] / RATE, said.parts[-1][1] / RATE
    windows = _alignment.delays(said.samples, heard, begin=begin, end=end)
    scores = []
    for first, last in said.parts:
        inside = (windows.times >= first / RATE) & (windows.times <= last / RATE)
        delay = float(np.median(windows.delays[inside] if inside.any() else windows.delays))
        scores.append(_alignment.pesq_wide_band(said.samples, heard, delay, first=first, last=last))
    return {
        "delay": float(np.median(windows.delays)),
        "p95": float(np.percentile(windows.delays, 95)),
        "told": windows.share,
        "pesq": statistics.fmean(scores),
        "parts": scores,
        "gap": _alignment.longest_gap(said.samples, heard, windows, begin=begin, end=end),
    }


def _counted(stats: Mapping[str, float]) -> Figures:
    """What the receiver says about itself; aiortc says nothing."""
    total, emitted = stats.get("totalSamplesReceived"), stats.get("jitterBufferEmittedCount")
    return {
        "concealed": stats["concealedSamples"] / total if total else None,
        "buffer": stats["jitterBufferDelay"] / emitted if emitted else None,
    }


def summarise(figures: Sequence[Figures]) -> Report:
    """The table, of the means over the seeds."""
    means = _means(figures)
    rows = []
    for (mouth, condition, name), mean in means.items():
        theirs = means.get((mouth, condition, "chromium"))
        row: list[object] = [_MOUTHS[mouth], condition, name]
        row += [f"{1000 * mean['delay']:.0f}", f"{1000 * mean['p95']:.0f}", f"{mean['pesq']:.2f}"]
        row.append(f"{1000 * mean['gap']:.0f}")
        row.append(None if mean["concealed"] is None else f"{100 * mean['concealed']:.1f}")
        row.append(None if mean["buffer"] is None else f"{1000 * mean['buffer']:.0f}")
        row.append(None if theirs is None or name == "chromium" else f"{mean['delay'] / theirs['delay']:.2f}")
        row.append(None if theirs is None or name == "chromium" else f"{mean['pesq'] - theirs['pesq']:+.2f}")
        rows.append(row)
    columns = ["mouth", "network", "listener", "delay ms", "p95 ms", "PESQ-WB", "gap ms", "concealed %"]
    columns += ["buffer ms", "of Chromium's delay", "over its PESQ"]

    def plot(file: Path) -> None:
        _plot(means, file)

    return Report(
        name="voice_quality",
        title="The agent's voice under loss and jitter: ours, Chromium, bare aiortc",
        columns=columns,
        rows=rows,
        notes=_notes(means, figures),
        raw={"figures": list(figures)},
        plot=plot,
        shows_plot=True,
    )


def _means(figures: Sequence[Figures]) -> dict[tuple[Mouth, str, str], Figures]:
    """By mouth, condition and contestant, in the order of the plan's mouths and conditions."""
    means: dict[tuple[Mouth, str, str], Figures] = {}
    for mouth in _MOUTHS:
        for condition in CONDITIONS:
            for name in CONTESTANTS:
                same = [one for one in figures if _key(one) == (mouth, condition, name)]
                if same:
                    means[mouth, condition, name] = {field: _mean(one[field] for one in same) for field in _MEANS}
    return means


def _key(figure: Figures) -> tuple[Mouth, str, str]:
    return figure["mouth"], figure["condition"], figure["contestant"]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return statistics.fmean(known) if known else None


def _notes(means: Mapping[tuple[Mouth, str, str], Figures], figures: Sequence[Figures]) -> list[str]:
    takes = [sum(_key(one) == key for one in figures) for key in means]
    notes = [f"{_LEGEND} Each row is the mean of {min(takes)} to {max(takes)} takes, each with a seed of its own."]
    for mouth, title in _MOUTHS.items():
        missed, narrow, count = [], [], 0
        for condition in CONDITIONS:
            ours, theirs = means.get((mouth, condition, "ours")), means.get((mouth, condition, "chromium"))
            if ours is None or theirs is None:
                continue
            count += 1
            ratio, better = ours["delay"] / theirs["delay"], ours["pesq"] - theirs["pesq"]
            if ratio > _MOST_RATIO:
                missed.append(f"{condition}: delay {ratio:.2f}")
            elif ratio > _NARROW_RATIO:
                narrow.append(f"{condition} ({ratio:.2f})")
            if better < -_PESQ_NOISE:
                missed.append(f"{condition}: PESQ {better:+.2f}")
        if count:
            outcome = "missed in " + "; ".join(missed) if missed else f"met in all {count} conditions"
            close = f"; narrowly, less than takes differ, in {', '.join(narrow)}" if narrow else ""
            notes.append(
                f"Wanted: PESQ not below Chromium's (by more than {_PESQ_NOISE}), delay at most {_MOST_RATIO} of its. "
                f"{title}: {outcome}{close}."
            )
    doubtful = sum(bool(one["faults"]) for one in figures)
    if doubtful:
        notes.append(f"In {doubtful} of {len(figures)} figures the measuring itself fell behind even when repeated.")
    return notes


def _plot(means: Mapping[tuple[Mouth, str, str], Figures], file: Path) -> None:
    """Bars: delay above, quality below, a column for each mouth."""
    from matplotlib.figure import Figure

    mouths = [mouth for mouth in _MOUTHS if any(key[0] == mouth for key in means)]
    figure = Figure(figsize=(6.5 * len(mouths), 8), layout="constrained")
    grid = figure.subplots(2, len(mouths), squeeze=False)
    for column, mouth in enumerate(mouths):
        conditions = [condition for condition in CONDITIONS if any(key[:2] == (mouth, condition) for key in means)]
        for row, (field, factor, label) in enumerate((("delay", 1000.0, "delay, ms"), ("pesq", 1.0, "PESQ-WB"))):
            axes = grid[row][column]
            for number, name in enumerate(CONTESTANTS):
                places = [i for i, condition in enumerate(conditions) if (mouth, condition, name) in means]
                values = [factor * (means[mouth, conditions[i], name][field] or 0.0) for i in places]
                axes.bar([i + 0.27 * (number - 1) for i in places], values, 0.25, label=name)
            axes.set_xticks(range(len(conditions)), conditions, rotation=25, ha="right")
            axes.set_ylabel(label)
            axes.set_title(_MOUTHS[mouth])
            axes.grid(axis="y", alpha=0.3)
    grid[0][0].legend()
    figure.savefig(file)


if __name__ == "__main__":
    sys.exit(command(run, __doc__))
