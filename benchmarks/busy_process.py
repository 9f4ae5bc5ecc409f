"""How regular a call stays while other threads of the process compute: bare aiortc, and ours with switch intervals.

Gaps between frames that were sent, as they arrive in another process, and between blocks that the device has played:
the 99th percentile. What the threads lose by a shorter switch interval is measured beside it.
"""

from __future__ import annotations

import math
import sys
import time
from typing import Any

from telnyx_agent._runtime.switch_interval import DEFAULT_INTERVAL

from ._media_process import Side
from ._report import Report, command

THREADS = (0, 1, 2, 4)
CONTESTANTS: tuple[tuple[str, str, float | None], ...] = (
    ("bare aiortc", "aiortc", None),
    ("telnyx_agent, 5 ms (CPython's own)", "ours", None),
    ("telnyx_agent, 0.5 ms", "ours", 0.0005),
    ("telnyx_agent, 0.2 ms (default)", "ours", DEFAULT_INTERVAL),
)
WANTED = 0.04


def measure(kind: str, interval: float | None, seconds: float) -> list[dict[str, Any]]:
    """One call of one contestant with more and more busy threads."""
    found = []
    with Side("far") as far, Side(kind) as side:
        side.call(far)
        side.ask("wait")
        if interval is not None:
            side.ask("hold", interval)
        time.sleep(2.0)
        running = 0
        for threads in THREADS:
            side.ask("busy", threads - running)
            running = threads
            time.sleep(0.7)
            far.ask("collect")
            own = side.ask("measure", seconds)
            found.append(
                {
                    "threads": threads,
                    "sent": far.ask("collect")[0],
                    "played": own["played"][0],
                    "concealed": own["concealed"],
                    "turns": own["turns"],
                }
            )
    return found


def p99(gaps: list[float], expected: float, seconds: float) -> float:
    """The 99th percentile; a stream that has stopped altogether is one long gap."""
    if len(gaps) < 0.2 * seconds / expected:
        return math.inf
    return sorted(gaps)[math.ceil(0.99 * len(gaps)) - 1]


def run(quick: bool = False) -> Report:
    """All contestants, one after the other."""
    seconds = 1.5 if quick else 5.0
    raw = {title: measure(kind, interval, seconds) for title, kind, interval in CONTESTANTS}
    rows: list[list[object]] = []
    worst = 0.0
    for title, kind, interval in CONTESTANTS:
        for step in raw[title]:
            sent = p99(step["sent"], 0.02, seconds)
            played = p99(step["played"], 0.02, seconds)
            alone = next(other for other in raw[CONTESTANTS[1][0]] if other["threads"] == step["threads"])
            pace = step["turns"] / alone["turns"] if alone["turns"] else None
            concealed = None if kind == "aiortc" else 100 * step["concealed"]
            rows.append([title, step["threads"], 1000 * sent, 1000 * played, concealed, pace])
            if interval == DEFAULT_INTERVAL and step["threads"] == 4:
                worst = max(sent, played)
    verdict = (
        f"Wanted: at most {1000 * WANTED:.0f} ms with 4 busy threads at the default: {1000 * worst:.0f} ms, "
        f"{'met' if worst <= WANTED else 'missed'}."
    )
    return Report(
        "busy_process",
        "A call in a busy process",
        [
            "",
            "busy threads",
            "gap of sent frames, p99, ms",
            "gap of played blocks, p99, ms",
            "% concealed",
            "speed of the busy threads (5 ms = 1)",
        ],
        rows,
        [
            verdict,
            "Without busy threads a frame is sent and a block played every 20 ms.",
            "inf: hardly anything came any more.",
        ],
        {"steps": raw},
    )


def main() -> int:
    """Measure, print, write."""
    return command(run, __doc__)


if __name__ == "__main__":
    sys.exit(main())
