"""How long a call takes to come up: to ACTIVE, to the first packet and to the first sound, beside the official SDK.

    python -m benchmarks.setup_time

Ours and the official JavaScript SDK in Chromium talk to the same local agent (real WebSocket, real ICE and DTLS) in one
run, in turns, so that what disturbs the machine disturbs both. The agent waits for nothing and greets at once: measured
are the client, the answering aiortc, and the machine. Needs Chromium and npm, as `tests/browser` does.
"""

from __future__ import annotations

import contextlib
import math
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from telnyx_agent import TxClient
from telnyx_agent._media.playout.playout import Playout
from telnyx_agent._media.playout.sequence import ReceivedPacket
from telnyx_agent.audio import PcmAudio
from telnyx_agent.testing import LocalAgent, Scenario
from tests.support.browser_sdk import OfficialClient, measure_setup, official_client

from ._report import Report, command

Figures = dict[str, list[float]]

STEPS = {
    "login": "login to ready",
    "active": "new_call to ACTIVE",
    "media": "new_call to media connected",
    "packet": "new_call to first packet",
    "heard": "new_call to first sound",
}
_AUDIBLE = 300  # of 32768; the agent's tones are louder, a codec's beginning is not


def run(quick: bool = False) -> Report:
    """Ours and theirs in turns."""
    rounds = 2 if quick else 20
    ours: Figures = {}
    theirs: Figures = {}
    with LocalAgent(voice="tones", ears="deaf", scenario=Scenario(speed=math.inf)) as agent:
        with official_client() as browser:
            first = measure_ours(agent)
            measure_theirs(agent, browser)  # Chromium warms up, too
            for _ in range(rounds):
                collect(ours, measure_ours(agent))
                collect(theirs, measure_theirs(agent, browser))
    return report(first, ours, theirs)


class FirstSound:
    """The end of a device that notes when it was handed the first sound."""

    def __init__(self) -> None:
        self.at = math.nan
        self.come = threading.Event()

    def __call__(self, pcm: NDArray[np.int16]) -> None:
        if not self.come.is_set() and int(np.abs(pcm).max(initial=0)) > _AUDIBLE:
            self.at = time.perf_counter()
            self.come.set()


@contextlib.contextmanager
def first_packet() -> Iterator[list[float]]:
    """When the first packet came to a jitter buffer, as a list of one."""
    times: list[float] = []
    put = Playout.put

    def noted(playout: Playout, packet: ReceivedPacket) -> None:
        if not times:
            times.append(time.perf_counter())
        put(playout, packet)

    with mock.patch.object(Playout, "put", noted):
        yield times


def measure_ours(agent: LocalAgent) -> dict[str, float]:
    """One login and one call of ours; seconds."""
    sound = FirstSound()
    with first_packet() as packets, TxClient(audio=PcmAudio(sink=sound)) as client:
        begin = time.perf_counter()
        client.anonymous_login("assistant-benchmark", server_configuration=agent.configuration).result(10)
        ready = time.perf_counter() - begin
        begin = time.perf_counter()
        call = client.new_call()
        call.wait_until_active(15)
        if not sound.come.wait(15):
            raise RuntimeError("the agent was not heard")
        return {
            "login": ready,
            "active": call.setup_time or math.nan,
            "media": call.media_setup_time or math.nan,
            "packet": packets[0] - begin,
            "heard": sound.at - begin,
        }


def measure_theirs(agent: LocalAgent, browser: OfficialClient) -> dict[str, float]:
    """One login and one call of the JavaScript SDK; seconds, by the page's clock."""
    times = measure_setup(browser, agent.url, hear=True)
    return {"login": times.ready, "active": times.active, "heard": math.nan if times.heard is None else times.heard}


def collect(figures: Figures, measured: dict[str, float]) -> None:
    """Add one round to the series."""
    for name, value in measured.items():
        figures.setdefault(name, []).append(value)


def report(first: dict[str, float], ours: Figures, theirs: Figures) -> Report:
    """Milliseconds and the ratio of the medians."""
    rows: list[tuple[object, ...]] = []
    for name, title in STEPS.items():
        mine, other = ours[name], theirs.get(name)
        cells: list[object] = [
            milliseconds(statistics.median(mine)),
            milliseconds(p95(mine)),
            milliseconds(first[name]),
        ]
        if other is None:
            cells += [None, None, None]
        else:
            middle = statistics.median(other)
            cells += [milliseconds(middle), milliseconds(p95(other)), statistics.median(mine) / middle]
        rows.append((title, *cells))
    return Report(
        name="setup_time",
        title="Set-up time against the local agent, in milliseconds",
        columns=(
            "",
            "ours, median",
            "p95",
            "first in the process",
            "JavaScript SDK, median",
            "p95",
            "ratio of medians",
        ),
        rows=rows,
        notes=(
            f"{len(ours['login'])} rounds in turns. The first sound of ours is that which the audio device was handed.",
            "The first sound of theirs is that which Chromium has decoded for playing.",
            "The first call in a process also imports aiortc and PyAV.",
        ),
        raw={"first": first, "telnyx_agent": ours, "javascript": theirs},
    )


def milliseconds(seconds: float) -> int:
    """Whole ones: the rest is noise."""
    return round(seconds * 1000)


def p95(values: list[float]) -> float:
    """The 95th percentile; the maximum of few values."""
    return sorted(values)[min(len(values) - 1, math.ceil(0.95 * len(values)) - 1)]


if __name__ == "__main__":
    sys.exit(command(run, __doc__))
