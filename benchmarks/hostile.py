"""What a hostile server can do to the process: floods and giants, beside honest use.

    python -m benchmarks.hostile

Four processes: the program under test, with one client that is attacked and another in an honest call; the hostile
server; the honest agent; and this one, which watches. For each family of attacks a new program: the longest time in
which its loop stood still, the memory that it took, how long the attacked client's `disconnect()` took while the attack
went on, and what the honest call lost. Wanted: at most 50 ms (250 ms for one message of 5 MiB), 64 MiB, 2 s, nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from ._child import Child
from ._hostile_families import FAMILIES, Family
from ._leaks import resident
from ._report import Report, command

WANTED = (
    "Wanted: a pause of at most 50 ms (250 ms for one message of 5 MiB), 64 MiB, 2 s, no packet lost, each call with"
    " one end, no traceback."
)
HOW = (
    "*pause*: the longest time in which the SDK's loop did not come round; *of it machine*: what its thread waited for"
    " a processor meanwhile, which is not the program's doing and is taken off; *work*: the most that it computed at a"
    " stretch; *collection*: the longest garbage collection of any thread; the rest of a pause it waited for other"
    " threads of the program. *packets* and *frames* are those of an honest call of another client in the same process."
    " `disconnect()` is the attacked client's, while the attack goes on."
)
WANTED_MEMORY = 64 * 2**20
WANTED_DISCONNECT = 2.0
_HANGS = 60.0
"""Seconds for one question to a child. The program under test gives up after 30."""


@attrs.frozen
class Measured:
    """What one family came to.

    Attributes:
        family: Its name.
        pause: Seconds that the loop stood still, by the clock.
        waited: Of these, what it waited for a processor: the machine was busy.
        work: The most that the loop's thread computed without looking up.
        collection: Seconds of work of the longest garbage collection.
        memory: Bytes.
        disconnect: Seconds, None if it did not settle.
        received: Packets of the honest call that came.
        lost: Packets of it that did not come, or for which there was no room.
        late: Packets that came after they should have been heard.
        made_up: Frames of 20 ms that were heard and had to be made up.
        sent: Bytes of the attack.
        wrong: What must not be; empty if nothing was.
        is_met: Whether all that is wanted was there.
    """

    family: str
    pause: float
    waited: float
    work: float
    collection: float
    memory: int
    disconnect: float | None
    received: int
    lost: int
    late: int
    made_up: int
    sent: int
    wrong: str
    is_met: bool


class Watch:
    """Samples a process's memory."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stopped = threading.Event()
        self._before = self._peak = resident(pid)
        assert self._before > 0, "this system does not tell what a process takes"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(0.005):
            self._peak = max(self._peak, resident(self._pid))

    def stop(self) -> int:
        """End it. By how many bytes the process had grown at most."""
        self._stopped.set()
        self._thread.join()
        return self._peak - self._before


@contextlib.contextmanager
def _child(module: str, *arguments: str) -> Iterator[Child]:
    child = Child(module, *arguments)
    try:
        yield child
    finally:
        child.end()


def measure(family: Family, honest: str, hostile: Child, seconds: float) -> Measured:
    """Attack a new program."""
    with _child("benchmarks._hostile_victim") as victim:
        hostile.ask("arm", family.name)
        victim.ask("begin", honest, hostile.ask("url"), family.name, patience=_HANGS)
        watch = Watch(victim.pid)
        victim.ask("watch", patience=_HANGS)
        hostile.ask("attack")
        time.sleep(seconds)
        outcome: dict[str, Any] = {}
        disconnect: float | None = None
        try:
            disconnect = victim.ask("disconnect", patience=_HANGS)
            sent = hostile.ask("sent")
            hostile.ask("stop")
            outcome = victim.ask("report", patience=_HANGS)
        except TimeoutError:
            sent = hostile.ask("sent")
            hostile.ask("stop")
            nothing = dict.fromkeys(("waited", "collection", "received", "lost", "late", "made_up"), 0)
            outcome = {**nothing, "pause": _HANGS, "work": _HANGS, "wrong": "it hangs"}
            victim.kill()
        finally:
            memory = watch.stop()
        with contextlib.suppress(TimeoutError, RuntimeError):
            victim.ask("end", patience=_HANGS)
    return _judged(family, outcome, memory, disconnect, sent)


def _judged(family: Family, outcome: dict[str, Any], memory: int, disconnect: float | None, sent: int) -> Measured:
    wrong = [outcome["wrong"], *outcome.get("errors", [])[:1]]
    if outcome.get("honest", "active") != "active":
        wrong.append(f"the honest call is {outcome['honest']}")
    text = "; ".join(filter(None, wrong))
    is_met = (
        outcome["pause"] - outcome["waited"] <= family.pause
        and memory <= WANTED_MEMORY
        and disconnect is not None
        and disconnect <= WANTED_DISCONNECT
        and outcome["lost"] == 0
        and not text
    )
    names = ("pause", "waited", "work", "collection", "received", "lost", "late", "made_up")
    return Measured(
        family=family.name,
        memory=memory,
        disconnect=disconnect,
        sent=sent,
        wrong=text,
        is_met=is_met,
        **{name: outcome[name] for name in names},
    )


def run(quick: bool = False, families: Sequence[Family] = FAMILIES) -> Report:
    """All families, one after the other."""
    found = []
    with _child("benchmarks._far_end", "0", "1") as far, _child("benchmarks._hostile_server") as hostile:
        (honest,) = far.ask("urls")
        for family in families:
            one = measure(family, honest, hostile, min(family.seconds, 1.0) if quick else family.seconds)
            print(" | ".join(map(str, _row(one))), file=sys.stderr, flush=True)
            found.append(one)
    return report(found)


def _row(one: Measured) -> tuple[object, ...]:
    return (
        one.family,
        round(one.pause * 1000),
        round(one.waited * 1000),
        round(one.work * 1000),
        round(one.collection * 1000),
        round(one.memory / 2**20),
        "never" if one.disconnect is None else f"{one.disconnect:.2f}",
        one.lost,
        one.late,
        one.made_up,
        one.received,
        f"{one.sent / 2**20:.1f}",
        one.wrong.replace("|", "/") or ("met" if one.is_met else "missed"),
    )


def report(found: Sequence[Measured]) -> Report:
    """The table."""
    missed = [one.family for one in found if not one.is_met]
    verdict = "met by all" if not missed else f"missed by {len(missed)} of {len(found)}: {', '.join(missed)}"
    return Report(
        name="hostile",
        title="What a hostile server can do to the process",
        columns=(
            *("family", "pause ms", "of it machine ms", "work ms", "collection ms", "memory MiB", "disconnect s"),
            *("packets lost", "late", "frames made up", "packets received", "sent MiB", "verdict"),
        ),
        rows=[_row(one) for one in found],
        notes=(WANTED + f" That was {verdict}.", HOW),
        raw={one.family: attrs.asdict(one) for one in found},
    )


def main() -> int:
    """The command line; with words, only the families that have one of them in their names."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--only", action="append", default=[])
    options, rest = parser.parse_known_args()
    if not options.only:
        return command(run, __doc__, rest)
    chosen = [family for family in FAMILIES if any(word in family.name for word in options.only)]
    print(run("--quick" in rest, chosen).markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
