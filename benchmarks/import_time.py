"""What starting costs a program: `import telnyx_agent`, a `TxClient()`, and what is loaded with them.

    python -m benchmarks.import_time

Each round is a fresh interpreter, with the byte code compiled already, as pip does when it installs. Wanted: 150 ms at
most for the import, and none of aiortc, PyAV and numpy before a call needs them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from ._report import Report, command

WANTED = 0.150
HEAVY = ("aiortc", "av", "numpy", "aioice", "cryptography", "sounddevice", "livekit", "asyncio", "websocket", "attr")
NEVER = ("aiortc", "av", "numpy")

_ROOT = Path(__file__).resolve().parents[1]

# What was done before, and what is measured.
_SCRIPTS = {
    "import telnyx_agent": ("", "import telnyx_agent"),
    "TxClient()": ("import telnyx_agent", "client = telnyx_agent.TxClient()"),
    "import telnyx_agent.audio": ("import telnyx_agent", "import telnyx_agent.audio"),
    "what a call loads": ("import telnyx_agent", "import telnyx_agent._media.rtc.peer, telnyx_agent._media.call_audio"),
}
_FRAME = """
import sys, time
{before}
begin, cpu = time.perf_counter(), time.process_time()
{script}
seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
import json
print(json.dumps([seconds, cpu, sorted({{name.partition(".")[0] for name in sys.modules}} & set({heavy!r}))]))
"""


def measure(cache: str, before: str, script: str) -> tuple[float, float, list[str]]:
    """Seconds and CPU seconds in a fresh interpreter, and which of the heavy libraries it has loaded by then."""
    source = _FRAME.format(before=before, script=script, heavy=HEAVY)
    seconds, cpu, loaded = json.loads(in_fresh_interpreter(cache, "-c", source).stdout)
    return float(seconds), float(cpu), list(loaded)


def in_fresh_interpreter(cache: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it with its byte code in a folder of ours, whatever the settings of the machine are."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.run(
        [sys.executable, *arguments], cwd=_ROOT, env=environment, capture_output=True, text=True, check=True
    )


def slowest_imports(cache: str, count: int = 8) -> list[tuple[str, float]]:
    """The modules that take longest by themselves, in milliseconds, as `-X importtime` tells."""
    done = in_fresh_interpreter(cache, "-X", "importtime", "-c", "import telnyx_agent")
    found = []
    begun = False
    for line in done.stderr.splitlines():
        own, _, name = (part.strip() for part in line.removeprefix("import time:").split("|"))
        # The interpreter's own start ends with `site`.
        if begun and own.isdigit():
            found.append((name, int(own) / 1000))
        begun = begun or name == "site"
    return sorted(found, key=lambda one: -one[1])[:count]


def run(quick: bool = False) -> Report:
    """All scripts in turns, so that what disturbs the machine disturbs all of them."""
    with tempfile.TemporaryDirectory() as cache:
        return _run(cache, quick)


def _run(cache: str, quick: bool) -> Report:
    rounds = 3 if quick else 25
    times: dict[str, list[float]] = {name: [] for name in _SCRIPTS}
    cpu_times: dict[str, list[float]] = {name: [] for name in _SCRIPTS}
    loaded: dict[str, list[str]] = {}
    for scripts in _SCRIPTS.values():
        measure(cache, *scripts)  # compiles
    for _ in range(rounds):
        for name, scripts in _SCRIPTS.items():
            seconds, cpu, loaded[name] = measure(cache, *scripts)
            times[name].append(seconds)
            cpu_times[name].append(cpu)
    rows = []
    for name, measured in times.items():
        ordered = sorted(measured)
        middle, high = statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        rows.append(
            (
                f"`{name}`",
                middle * 1e3,
                high * 1e3,
                statistics.median(cpu_times[name]) * 1e3,
                ", ".join(loaded[name]) or "-",
            )
        )
    found = statistics.median(times["import telnyx_agent"])
    verdict = "met" if found <= WANTED else "missed"
    early = sorted(set(loaded["TxClient()"]) & set(NEVER))
    slowest = slowest_imports(cache)
    return Report(
        name="import_time",
        title="What starting costs",
        columns=("step", "median ms", "p95 ms", "CPU ms", "loaded by then"),
        rows=rows,
        notes=(
            f"Wanted: {WANTED * 1e3:.0f} ms for the import: {verdict}, {found * 1e3:.0f} ms.",
            f"Wanted before a call: none of {', '.join(NEVER)}. {'Missed: ' + ', '.join(early) if early else 'Met'}.",
            f"{rounds} fresh interpreters each; each step without those above it.",
            "Slowest modules, by themselves: " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in slowest) + ".",
        ),
        raw={"seconds": times, "CPU seconds": cpu_times, "slowest": slowest},
    )


if __name__ == "__main__":
    sys.exit(command(run, __doc__))
