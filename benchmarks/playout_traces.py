"""The playout buffer alone, in simulated time: delay, quality and gaps under loss and jitter, beside bare aiortc's.

    python -m benchmarks.playout_traces [--quick]

No network, no sound card, no clock: packets arrive when `_network.Pattern` says, and the device asks for 10 ms every
10 ms. So the figures are exact and repeatable, and contain nothing but what the receiver does; the tests in
`tests/traces/` hold the same code to limits. The delay is from the moment a sound is made to the moment the device is
given it: 20 ms of packet, 6.5 ms of codec, the network's, and the receiver's own.
"""

from __future__ import annotations

import functools
import heapq
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from benchmarks import _alignment
from benchmarks._network import CONDITIONS, Pattern, Shape
from benchmarks._report import Report, command
from benchmarks._speech import RATE, script
from telnyx_agent._media.codecs.opus import OpusDecoder, OpusEncoder, library
from telnyx_agent._media.playout.playout import Playout
from telnyx_agent._media.playout.sequence import ReceivedPacket
from telnyx_agent.codecs import OpusSettings

__all__ = ["run", "simulate"]

Samples = NDArray[np.int16]
FRAME, BLOCK = 960, 480
_PHASES = (0.0015, 0.0045, 0.0085)  # seconds by which packets are ahead of the device's turn differ from call to call
_CONDITIONS: Mapping[str, Shape] = {
    **CONDITIONS,
    "jitter 30 ms": Shape(delay=0.030, jitter=0.030),
    "Wi-Fi spikes 150 ms": Shape(spike=5.0, spike_delay=0.15),
}
_LEGEND = (
    "Sender: Opus mono, 32 kbit/s. Without a receiver the delay would be 26.5 ms and the network's. Processor time is "
    "that of `get`, decoding included; aiortc decodes elsewhere."
)


class _Receiver(Protocol):
    def put(self, packet: ReceivedPacket) -> None: ...

    def get(self, samples: int) -> Samples: ...


class _Bare:
    """aiortc's own jitter buffer as its receiver makes it (capacity 16, prefetch 4), its decoder, and a queue."""

    def __init__(self) -> None:
        from aiortc.jitterbuffer import JitterBuffer

        self._buffer = JitterBuffer(capacity=16, prefetch=4)
        lib = library()
        assert lib is not None
        self._decoder = OpusDecoder(lib)
        self._queue: deque[Samples] = deque()
        self._rest: Samples = np.empty(0, np.int16)

    def put(self, packet: ReceivedPacket) -> None:
        """As `RTCRtpReceiver` does."""
        from aiortc.rtp import RtpPacket

        rtp: Any = RtpPacket(sequence_number=packet.sequence_number, timestamp=packet.timestamp)
        rtp._data = packet.payload
        _, frame = self._buffer.add(rtp)
        if frame is not None:
            self._queue.append(self._decoder.decode(frame.data))

    def get(self, samples: int) -> Samples:
        """As a device does that takes what is there."""
        while self._rest.size < samples and self._queue:
            self._rest = np.concatenate((self._rest, self._queue.popleft()))
        piece, self._rest = self._rest[:samples], self._rest[samples:]
        return np.concatenate((piece, np.zeros(samples - piece.size, np.int16)))


def _ours() -> Playout:
    lib = library()
    assert lib is not None
    return Playout(OpusDecoder(lib))


_CONTESTANTS: Mapping[str, Callable[[], _Receiver]] = {"ours": _ours, "aiortc + queue": _Bare}


@attrs.frozen
class _Take:
    delay: float
    p95: float
    pesq: float
    gap: float
    concealed: float | None
    cost: float


@functools.cache
def _payloads(fec: bool) -> list[bytes]:
    lib = library()
    if lib is None:
        raise RuntimeError("this benchmark needs libopus")
    encoder = OpusEncoder(lib, OpusSettings(bitrate=32000, complexity=9, fec=fec, expected_loss=10 if fec else 0))
    samples = script().samples
    return [encoder.encode(samples[at : at + FRAME]) for at in range(0, samples.size - FRAME + 1, FRAME)]


def simulate(receiver: _Receiver, shape: Shape, seed: int, *, fec: bool, phase: float) -> tuple[Samples, float]:
    """What is heard, and what a block cost in seconds of processor time.

    Args:
        receiver: Fresh.
        shape: Of the network.
        seed: Of its pattern.
        fec: Whether the packets carry the one before them.
        phase: Seconds from a turn of the device to the sending of a packet.
    """
    pattern, payloads = Pattern(shape, seed), _payloads(fec)
    arrivals: list[tuple[float, int]] = []
    for number in range(len(payloads)):
        delay = pattern.fate(number)
        if delay is not None:
            heapq.heappush(arrivals, ((number + 1) * FRAME / RATE + phase + delay, number))
    heard, spent = [], 0.0
    for turn in range((len(payloads) * FRAME + RATE) // BLOCK):
        now = turn * BLOCK / RATE
        while arrivals and arrivals[0][0] <= now:
            at, number = heapq.heappop(arrivals)
            receiver.put(ReceivedPacket(number & 0xFFFF, number * FRAME, payloads[number], at))
        begin = time.process_time()
        heard.append(receiver.get(BLOCK))
        spent += time.process_time() - begin
    return np.concatenate(heard), spent / len(heard)


def _judge(heard: Samples, receiver: _Receiver, cost: float, parts: int) -> _Take:
    said = script()
    begin, end = said.parts[0][0] / RATE, said.parts[parts - 1][1] / RATE
    windows = _alignment.delays(said.samples, heard, begin=begin, end=end)
    middle = float(np.median(windows.delays))
    scores = [
        _alignment.pesq_wide_band(said.samples, heard, middle, first=first, last=last)
        for first, last in said.parts[:parts]
    ]
    concealed = None
    if isinstance(receiver, Playout):
        stats = receiver.stats()
        concealed = stats.concealed_samples / stats.total_samples
    return _Take(
        delay=middle,
        p95=float(np.percentile(windows.delays, 95)),
        pesq=statistics.fmean(scores),
        gap=_alignment.longest_gap(said.samples, heard, windows, begin=begin, end=end),
        concealed=concealed,
        cost=cost,
    )


def run(quick: bool = False) -> Report:
    """Measure all conditions."""
    seeds, parts = ((1,), 1) if quick else ((1, 2, 3), 4)
    rows: list[list[object]] = []
    raw: list[dict[str, Any]] = []
    for condition, shape in _CONDITIONS.items():
        for fec in (False, True):
            for name, make in _CONTESTANTS.items():
                takes = []
                for seed, phase in zip(seeds, _PHASES, strict=False):
                    receiver = make()
                    heard, cost = simulate(receiver, shape, seed, fec=fec, phase=phase)
                    takes.append(_judge(heard, receiver, cost, parts))
                rows.append([condition, "yes" if fec else "no", name, *_cells(takes)])
                raw += [{"condition": condition, "fec": fec, "contestant": name, **attrs.asdict(t)} for t in takes]
            print(f"{condition}, FEC {fec}: {rows[-2][3:]}", file=sys.stderr, flush=True)
    columns = ["network", "FEC", "receiver", "delay ms", "p95 ms", "PESQ-WB", "gap ms", "concealed %", "us per 10 ms"]

    def plot(file: Path) -> None:
        _plot(raw, file)

    return Report(
        name="playout_traces",
        title="The playout buffer alone, in simulated time: ours and bare aiortc's",
        columns=columns,
        rows=rows,
        notes=[f"Means over the seeds {', '.join(map(str, seeds))}. {_LEGEND}"],
        raw={"takes": raw},
        plot=plot,
        shows_plot=True,
    )


def _cells(takes: list[_Take]) -> list[object]:
    concealed = [take.concealed for take in takes if take.concealed is not None]
    return [
        f"{1000 * statistics.fmean(take.delay for take in takes):.0f}",
        f"{1000 * statistics.fmean(take.p95 for take in takes):.0f}",
        f"{statistics.fmean(take.pesq for take in takes):.2f}",
        f"{1000 * max(take.gap for take in takes):.0f}",
        f"{100 * statistics.fmean(concealed):.1f}" if concealed else None,
        f"{1e6 * statistics.median(take.cost for take in takes):.0f}" if concealed else None,
    ]


def _plot(raw: list[dict[str, Any]], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), layout="constrained")
    upper, lower = figure.subplots(2, 1)
    names = list(_CONTESTANTS)
    for axes, field, factor, label in ((upper, "delay", 1000.0, "delay, ms"), (lower, "pesq", 1.0, "PESQ-WB")):
        for offset, name in enumerate(names):
            values = []
            for condition in _CONDITIONS:
                same = [r[field] for r in raw if r["condition"] == condition and r["contestant"] == name and r["fec"]]
                values.append(factor * statistics.fmean(same))
            axes.bar([i + 0.4 * offset - 0.2 for i in range(len(values))], values, 0.38, label=name)
        axes.set_xticks(range(len(_CONDITIONS)), list(_CONDITIONS), rotation=20, ha="right")
        axes.set_ylabel(label)
        axes.grid(axis="y", alpha=0.3)
    upper.set_title("sender with error correction")
    upper.legend()
    figure.savefig(file)


if __name__ == "__main__":
    sys.exit(command(run, __doc__))
