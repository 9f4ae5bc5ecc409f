"""Seeded mutation runs: the same seed, the same frames. Says which one was too much, and how to see it again."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from .mutate import mutated_bytes, mutated_frame
from .session_world import SessionWorld
from .targets import TARGETS, corpus

__all__ = ["Finding", "Report", "run_session", "run_stack", "run_target"]

LONGEST = 2.0
"""Seconds of processor time for one input. Real ones take a fraction of a millisecond."""


class Finding(Exception):
    """Something did not hold; the text says for which input."""


@attrs.frozen
class Report:
    """What a run did.

    Attributes:
        inputs: How many.
        seconds: How long it took.
        slowest: Processor time of the slowest one, in seconds.
        peak_growth: How much more memory the process took at its peak than before, in bytes.
        sessions: How many sessions there were; 0 for other targets.
        events: How many events they had.
    """

    inputs: int
    seconds: float
    slowest: float
    peak_growth: int
    sessions: int = 0
    events: int = 0


def run_session(
    frames: int, seed: int, *, lasting: bool = False, progress: Callable[[int], None] = lambda _: None
) -> Report:
    """Mutated server frames against the pure `Session`.

    Args:
        frames: How many.
        seed: Decides all.
        lasting: Whether to keep to one session as long as it lives, to see what gathers in it.
        progress: Is told the number of frames, now and then.

    Raises:
        Finding: An exception left the core, something did not hold, or one frame took too long.
    """
    dice = random.Random(seed)
    world = SessionWorld(dice, lasting=lasting)
    examples = [json.loads(data) for data in corpus("frames")]
    watch = _Watch()
    for number in range(frames):
        text = mutated_frame(dice.choice(examples), examples, world.known, dice)
        said: str | bytes = text.encode("utf-8", "replace") if dice.random() < 0.005 else text
        watch.step(lambda said=said: world.frame(said), number, seed, said)  # type: ignore[misc]
        if number % 10_000 == 0:
            progress(number)
    return watch.report(frames, world.sessions, world.events)


def run_stack(
    frames: int, seed: int, *, media: float = 0.005, progress: Callable[[int], None] = lambda _: None
) -> Report:
    """Mutated server frames, datagrams, commands and time against the whole stack, from the socket to the callbacks.

    Args:
        frames: How many messages.
        seed: Decides all, but for what real media do by the real clock.
        media: Fraction of logins whose calls have real media.
        progress: Is told the number of frames, now and then.

    Raises:
        Finding: Something did not hold.
    """
    from .stack_world import StackWorld

    dice = random.Random(seed)
    watch = _Watch()
    number = 0
    said: str | bytes = ""
    try:
        with StackWorld(dice, media=media) as world:
            for number in range(frames):
                said = world.mutated()
                world.step(said)
                if number % 1_000 == 0:
                    progress(number)
                    world.check_memory()
    except Exception as exc:
        raise Finding(f"input {number} of seed {seed}: {type(exc).__name__}: {exc}: {_shown(said)}") from exc
    return watch.report(frames, world.sessions, world.events, slowest=world.slowest)


def run_target(name: str, inputs: int, seed: int, *, progress: Callable[[int], None] = lambda _: None) -> Report:
    """Mutated examples against one of `TARGETS`.

    Raises:
        Finding: As above.
    """
    function, folder = TARGETS[name]
    dice = random.Random(seed)
    examples = corpus(folder)
    frames = [json.loads(data) for data in examples] if folder == "frames" else []
    for number, data in enumerate(examples):
        _attempt(lambda data=data: function(data), f"example {number}", seed, data)  # type: ignore[misc]
    watch = _Watch()
    for number in range(inputs):
        data = mutated_bytes(dice.choice(examples), examples, dice)
        if name == "codec" and number % 4:
            text = mutated_frame(dice.choice(frames), frames, {"id": [], "callID": [], "item": []}, dice)
            data = text.encode("utf-8", "replace")
        elif name == "session":
            data = b"0" + data
        watch.step(lambda data=data: function(data), number, seed, data)  # type: ignore[misc]
        if number % 10_000 == 0:
            progress(number)
    return watch.report(inputs)


class _Watch:
    """Times each input."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._memory = _peak_memory()
        self._slowest = 0.0

    def step(self, action: Callable[[], Any], number: int, seed: int, data: str | bytes) -> None:
        start = time.thread_time()
        _attempt(action, f"input {number}", seed, data)
        taken = time.thread_time() - start
        self._slowest = max(self._slowest, taken)
        if taken > LONGEST:
            raise Finding(f"input {number} of seed {seed} took {taken:.1f} s: {_shown(data)}")

    def report(self, inputs: int, sessions: int = 0, events: int = 0, slowest: float = 0.0) -> Report:
        growth = max(0, _peak_memory() - self._memory)
        seconds = time.monotonic() - self._begin
        return Report(inputs, seconds, max(self._slowest, slowest), growth, sessions, events)


def _attempt(action: Callable[[], Any], what: str, seed: int, data: str | bytes) -> None:
    try:
        action()
    except Exception as exc:
        raise Finding(f"{what} of seed {seed}: {type(exc).__name__}: {exc}: {_shown(data)}") from exc


def _shown(data: str | bytes) -> str:
    shown = repr(data)
    return shown if len(shown) < 3000 else f"{shown[:3000]}... ({len(data)} in all)"


def _peak_memory() -> int:
    """Bytes that this process has taken at most."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def table(rows: Sequence[tuple[str, Report]]) -> str:
    """The reports as lines of text."""
    lines = [f"{'target':10} {'inputs':>9} {'seconds':>8} {'slowest':>9} {'memory':>8} {'sessions':>8} {'events':>9}"]
    for name, one in rows:
        lines.append(
            f"{name:10} {one.inputs:9} {one.seconds:8.1f} {one.slowest * 1000:6.1f} ms"
            f" {one.peak_growth / 2**20:5.0f} MB {one.sessions:8} {one.events:9}"
        )
    return "\n".join(lines)
