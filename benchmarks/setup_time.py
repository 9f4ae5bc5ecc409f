"""How long a call takes to come up: `new_call` to ACTIVE and to media, beside the official JavaScript SDK in Chromium.

    python -m benchmarks.setup_time [--rounds 20] [--output benchmarks/results]

Both talk to the same local agent (real WebSocket, real ICE and DTLS) in one run, in turns, so that what disturbs the
machine disturbs both. The agent waits for nothing (`Scenario(speed=inf)`): measured are the client, the answering
aiortc, and the machine. Needs Chromium and npm, as `tests/browser` does. Prints a table and writes it, with the raw
figures, to the output folder.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import sys
import time
from pathlib import Path

from telnyx_agent import TxClient
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, Scenario
from tests.support.browser_sdk import OfficialClient, measure_setup, official_client

Figures = dict[str, list[float]]


def main() -> int:
    """Run the rounds, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()

    scenario = Scenario(speed=math.inf)
    with LocalAgent(voice="tones", ears="deaf", scenario=scenario) as agent, official_client() as browser:
        first = measure_ours(agent)
        measure_theirs(agent, browser)  # Chromium warms up, too
        ours: Figures = {}
        theirs: Figures = {}
        for _ in range(options.rounds):
            collect(ours, measure_ours(agent))
            collect(theirs, measure_theirs(agent, browser))

    table = report(first, ours, theirs, options.rounds)
    print(table)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "setup_time.md").write_text(table, encoding="utf-8")
    raw = {"first": first, "telnyx_agent": ours, "javascript": theirs}
    (options.output / "setup_time.json").write_text(json.dumps(raw, indent=1), encoding="utf-8")
    return 0


def measure_ours(agent: LocalAgent) -> dict[str, float]:
    """One login and one call of ours; seconds."""
    with TxClient(audio=NullAudio()) as client:
        begin = time.perf_counter()
        client.anonymous_login("assistant-benchmark", server_configuration=agent.configuration).result(10)
        ready = time.perf_counter() - begin
        call = client.new_call()
        call.wait_until_active(15)
        deadline = time.monotonic() + 10
        while call.media_setup_time is None and time.monotonic() < deadline:
            call.stats().result(5)
        return {"login": ready, "active": call.setup_time or math.nan, "media": call.media_setup_time or math.nan}


def measure_theirs(agent: LocalAgent, browser: OfficialClient) -> dict[str, float]:
    """One login and one call of the JavaScript SDK; seconds, by the page's clock."""
    times = measure_setup(browser, agent.url)
    return {"login": times.ready, "active": times.active}


def collect(figures: Figures, measured: dict[str, float]) -> None:
    """Add one round to the series."""
    for name, value in measured.items():
        figures.setdefault(name, []).append(value)


def report(first: dict[str, float], ours: Figures, theirs: Figures, rounds: int) -> str:
    """The table, in Markdown."""
    names = {"login": "login to ready", "active": "new_call to ACTIVE", "media": "new_call to media"}
    lines = [
        "# Set-up time against the local agent",
        "",
        f"{rounds} rounds in turns, {platform.machine()}, Python {platform.python_version()}, milliseconds.",
        "",
        "| | ours, median | ours, p95 | first in the process | JavaScript SDK, median | p95 | ratio of medians |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, title in names.items():
        mine = ours[name]
        cells = [f"{1000 * value:.0f}" for value in (statistics.median(mine), p95(mine), first[name])]
        other = theirs.get(name)
        if other is None:
            cells += ["-", "-", "-"]
        else:
            cells += [f"{1000 * statistics.median(other):.0f}", f"{1000 * p95(other):.0f}"]
            cells.append(f"{statistics.median(mine) / statistics.median(other):.2f}")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def p95(values: list[float]) -> float:
    """The 95th percentile; the maximum of few values."""
    return sorted(values)[min(len(values) - 1, math.ceil(0.95 * len(values)) - 1)]


if __name__ == "__main__":
    sys.exit(main())
