"""A long call between two clocks that differ: delay minute by minute, memory, and what the playout did about it.

    python -m benchmarks.drift [--minutes 30] [--ppm 200] [--quick]

Two `MediaPeer`s in one process, in real time over this machine's own network. The sound card of the one that speaks
runs `--ppm` faster than the one that listens. It says a short tone every second; the delay is from the moment the first
sample of the tone is handed to the sender to the moment the listener's card is given it. After 30 minutes at 200 ppm
the clocks are 360 ms apart; a buffer that does nothing about it is so much later, or has run empty.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import statistics
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from benchmarks._leaks import resident
from benchmarks._report import RESULTS, Report
from telnyx_agent._media.call_audio import AudioBridge
from telnyx_agent._media.rtc.peer import MediaPeer
from telnyx_agent._media.stats import PlayoutStats

__all__ = ["measure", "run"]

RATE, BLOCK = 48000, 480
_MINUTES, _QUICK_MINUTES = 30.0, 0.5
_PPM = 200.0
_TONE = 2400  # samples of each tone
_LOUD = 2000  # of a tone of 8000; noise does not reach it
_MOST_SPREAD, _MOST_GROWTH = 0.010, 2.0  # seconds, MB


class _Card:
    """A thread in the place of a sound card, with a clock that is off by so many parts in a million."""

    def __init__(self, bridge: AudioBridge, ppm: float, name: str) -> None:
        self._bridge = bridge
        self._block = BLOCK / RATE / (1.0 + ppm * 1e-6)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        origin, count = time.monotonic(), 0
        while not self._stop.is_set():
            count += 1
            due = origin + count * self._block
            time.sleep(max(0.0, due - time.monotonic()))
            self.turn(count, due)

    def turn(self, count: int, due: float) -> None:
        """Ten milliseconds of this card's time have passed; they ended at `due`."""
        raise NotImplementedError


class _Speaker(_Card):
    """Says a tone every hundredth block, over noise."""

    def __init__(self, bridge: AudioBridge, ppm: float) -> None:
        super().__init__(bridge, ppm, "drift-speaker")
        moments = np.arange(_TONE) / RATE
        tone = 8000.0 * np.sin(2 * np.pi * 1000.0 * moments) * np.minimum(1.0, (_TONE - np.arange(_TONE)) / 480.0)
        self._tone: NDArray[np.int16] = tone.astype(np.int16)
        self._noise = np.random.default_rng(5).normal(0.0, 30.0, RATE).astype(np.int16)
        self.said: deque[float] = deque(maxlen=64)

    def turn(self, count: int, due: float) -> None:
        """Speak."""
        place = count % 100 * BLOCK
        block = self._noise[place : place + BLOCK].copy()
        if place < _TONE:
            block += self._tone[place : place + BLOCK]
        if not place:
            self.said.append(due)
        self._bridge.push_capture(block)


class _Listener(_Card):
    """Finds the tones in what it is given."""

    def __init__(self, bridge: AudioBridge, speaker: _Speaker) -> None:
        super().__init__(bridge, 0.0, "drift-listener")
        self._speaker = speaker
        self._quiet = 0
        self.delays: deque[tuple[float, float]] = deque()

    def turn(self, count: int, due: float) -> None:
        """Listen."""
        block = self._bridge.pull_render(BLOCK)
        loud = np.flatnonzero(np.abs(block) > _LOUD)
        if loud.size and self._quiet > RATE // 4:
            heard = due + int(loud[0]) / RATE
            said = [moment for moment in list(self._speaker.said) if 0.0 < heard - moment < 0.9]
            if said:
                self.delays.append((heard, heard - said[-1]))
        self._quiet = 0 if loud.size else self._quiet + BLOCK


@attrs.frozen
class _Minute:
    number: int
    delay: float
    spread: float
    rss: float
    stats: PlayoutStats


async def measure(minutes: float, ppm: float) -> list[_Minute]:
    """Hold the call; a figure for each minute, or for each sixth of a shorter call."""
    bridges = AudioBridge(), AudioBridge()
    connected = asyncio.Event()

    def changed(state: str) -> None:
        if state == "connected":
            connected.set()

    caller = MediaPeer(ice_servers=(), bridge=bridges[0], on_state=lambda state: None)
    agent = MediaPeer(ice_servers=(), bridge=bridges[1], on_state=changed)
    await caller.accept_answer(await agent.create_answer(await caller.create_offer()))
    await asyncio.wait_for(connected.wait(), 20.0)
    speaker = _Speaker(bridges[0], ppm)
    listener = _Listener(bridges[1], speaker)
    speaker.start()
    listener.start()
    found: list[_Minute] = []
    step = min(60.0, minutes * 10.0)
    try:
        await asyncio.sleep(5.0)  # until the playout has settled
        listener.delays.clear()
        for number in range(1, round(minutes * 60.0 / step) + 1):
            await asyncio.sleep(step)
            delays = [delay for _, delay in list(listener.delays)]
            listener.delays.clear()
            middle = statistics.median(delays) if delays else math.nan
            spread = max(delays) - min(delays) if delays else math.nan
            found.append(_Minute(number, middle, spread, resident() / 1e6, bridges[1].playout.stats()))
            print(f"{number}: {1000 * middle:.1f} ms, {found[-1].rss:.1f} MB", file=sys.stderr, flush=True)
    finally:
        speaker.stop()
        listener.stop()
        await caller.close()
        await agent.close()
    return found


def run(quick: bool = False, *, minutes: float | None = None, ppm: float = _PPM) -> Report:
    """Measure, and say whether the delay was flat."""
    length = minutes or (_QUICK_MINUTES if quick else _MINUTES)
    found = asyncio.run(measure(length, ppm))
    rows: list[list[object]] = []
    for one in found:
        stats = one.stats
        row: list[object] = [one.number, f"{1000 * one.delay:.1f}", f"{1000 * one.spread:.1f}", f"{one.rss:.1f}"]
        row += [stats.removed_samples, stats.inserted_samples, stats.concealed_samples, stats.packets_lost]
        rows.append(row)
    delays = [one.delay for one in found]
    spread, growth = max(delays) - min(delays), found[-1].rss - found[0].rss
    apart = length * 60.0 * ppm * 1e-6
    flat = "flat" if spread <= _MOST_SPREAD else "NOT flat"
    steady = "no growth" if growth <= _MOST_GROWTH else "GROWTH"
    about = (
        f"{length:g} minutes, the speaker's clock {ppm:+g} ppm: {1000 * apart:.0f} ms apart in the end. The last four "
        "columns count samples at 48 kHz and packets since the beginning."
    )
    outcome = (
        f"Medians between {1000 * min(delays):.1f} and {1000 * max(delays):.1f} ms: {flat} (at most "
        f"{1000 * _MOST_SPREAD:.0f} ms apart). Memory {growth:+.1f} MB: {steady} (at most {_MOST_GROWTH:g} MB)."
    )
    raw: dict[str, Any] = {"minutes": [attrs.asdict(one) for one in found], "ppm": ppm}
    return Report(
        name="drift",
        title="A long call between two clocks that differ",
        columns=["minute", "delay ms", "spread ms", "RSS MB", "removed", "inserted", "concealed", "lost"],
        rows=rows,
        notes=[about, outcome],
        raw=raw,
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="half a minute")
    parser.add_argument("--minutes", type=float, help=f"how long the call lasts ({_MINUTES:g})")
    parser.add_argument("--ppm", type=float, default=_PPM, help="how much faster the speaker's clock is (%(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where to write the results (%(default)s)")
    options = parser.parse_args()
    report = run(options.quick, minutes=options.minutes, ppm=options.ppm)
    print(report.markdown())
    report.write(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
