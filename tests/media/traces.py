"""Text traces of a network, run through the playout with no clock: a small language, and what came of it.

A trace has a line for each thing; `#` begins a comment. Times in seconds, lengths in milliseconds, shares in percent.

    codec opus|g722|pcmu|pcma     fec 10 (share of loss that the encoder expects)     dtx
    packet 20                     block 10 (one size, or several in turn)             seconds 10      seed 1
    loss 2.4                      lose 100-104 130 (numbers)                          burst 2.1 40 80 (begin, end, loss)
    jitter 20 (0..20 late, each for itself)     late 100-110 by 60 (numbers)          step 4 by 80 (from then on)
    hold 3-3.2 (all that is sent then comes together at its end)                      spike 5 by 150 (a hold every 5 s)
    duplicate 20 (every 20th)     drift 200 (ppm by which the sender is faster)       ssrc 4        wrap
    silent 4-6 (the sender sends nothing, its clock goes on)                          stall 3-3.4 (the device sleeps)
    flush 4                       after 3.2 (from then on `recovery` counts)

    expect <figure> <=|>=|== <limit>                                                  figures of `Outcome`
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from telnyx_agent._media.codecs.codec import RATE, Decoder
from telnyx_agent._media.codecs.opus import OpusEncoder, library
from telnyx_agent._media.codecs.table import create_decoder, create_encoder
from telnyx_agent._media.playout.playout import Playout
from telnyx_agent._media.playout.sequence import ReceivedPacket
from telnyx_agent.codecs import OpusSettings
from tests.media.harness import FRAME, Samples

__all__ = ["FOLDER", "Outcome", "Trace", "read", "run"]

FOLDER = Path(__file__).parents[1] / "traces"
_BEGIN = 2.0  # seconds after which figures count
_SLACK = 0.012  # a delay so near to its base has returned


@attrs.frozen
class Trace:
    """One file."""

    name: str
    title: str
    words: dict[str, list[list[str]]]
    limits: list[tuple[str, str, float]]

    def number(self, word: str, default: float) -> float:
        """The argument of the last line that begins with this word."""
        return float(self.words[word][-1][0]) if word in self.words else default

    def text(self, word: str, default: str) -> str:
        return self.words[word][-1][0] if word in self.words else default

    def ranges(self, word: str) -> list[tuple[float, float]]:
        """All arguments of all lines with this word, each `a-b` or `a`."""
        return [_range(text) for line in self.words.get(word, []) for text in line if text[0].isdigit()]


@attrs.define
class Outcome:
    """What was heard. Milliseconds, percent, numbers, seconds."""

    median: float
    """From the moment a sound is complete in its packet to the moment the device has it; without network delay."""
    p95: float
    concealed: float
    gap: float
    """The longest silence in what should be sound."""
    lost: int
    late: int
    duplicated: int
    recovered: int
    discarded: int
    recovery: float
    """From the given moment until the delay is as before."""
    spread: float
    """Of the delay over the seconds of the second half, highest minus lowest."""
    click: float
    """The steepest step in what was heard against the steepest with no network between."""
    events: int
    changed: float
    """Share of samples left out or put in."""


def read(path: Path) -> Trace:
    """A trace from its file; the first comment is its title."""
    title, words, limits = "", dict[str, list[list[str]]](), list[tuple[str, str, float]]()
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not title:
            title = line.lstrip("# ")
        parts = line.partition("#")[0].split()
        if parts and parts[0] == "expect":
            limits.append((parts[1], parts[2], float(parts[3])))
        elif parts:
            words.setdefault(parts[0], []).append(parts[1:])
    return Trace(path.stem, title, words, limits)


def _range(text: str) -> tuple[float, float]:
    begin, _, end = text.partition("-")
    return float(begin), float(end or begin)


@functools.cache
def _voice(seconds: int) -> Samples:
    """Something like speech: syllables of gliding pitch with a falling spectrum, and pauses, over faint noise."""
    time = np.arange(seconds * RATE) / RATE
    random = np.random.default_rng(11)
    pitch = 130.0 + 30.0 * np.sin(2 * np.pi * 0.4 * time) + 8.0 * np.sin(2 * np.pi * 2.3 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    sound = sum(np.sin(k * phase + k * k) / k**1.2 for k in range(1, 18))
    syllables = np.clip(1.6 * np.sin(2 * np.pi * 1.9 * time) + 0.9, 0.05, 1.0)
    words = np.clip(20.0 * (np.sin(2 * np.pi * 0.45 * time + 0.5) + 0.75), 0.0, 1.0)
    voice: Samples = (2500.0 * sound * syllables * words + random.normal(0.0, 4.0, time.size)).astype(np.int16)
    return voice


@functools.cache
def _payloads(codec: str, fec: int, dtx: bool, size: int, seconds: int) -> list[bytes]:
    voice = _voice(seconds)
    if codec == "opus":
        lib = library()
        assert lib is not None
        settings = OpusSettings(bitrate=32000, complexity=3, fec=fec > 0, expected_loss=fec, dtx=dtx)
        opus = OpusEncoder(lib, settings)
        return [opus.encode(frame) for frame in voice.reshape(-1, FRAME)]
    encoder = create_encoder(codec)
    whole = b"".join(encoder.encode(frame) for frame in voice.reshape(-1, FRAME))
    per_packet = size * 8  # bytes for a millisecond: 8, of all three
    return [whole[at : at + per_packet] for at in range(0, len(whole) - per_packet + 1, per_packet)]


def _arrivals(trace: Trace, payloads: list[bytes], length: float) -> list[tuple[float, int]]:
    """When each packet that comes comes, by its number, in order of time."""
    random = np.random.default_rng(int(trace.number("seed", 1)))
    count = len(payloads)
    lost = random.random(count) < trace.number("loss", 0.0) / 100
    if "burst" in trace.words:
        begin, end, share = (float(word) / 100 for word in trace.words["burst"][-1])
        bad = False
        for n in range(count):
            bad = random.random() >= end if bad else random.random() < begin
            lost[n] |= bad and random.random() < share
    for first, last in trace.ranges("lose"):
        lost[int(first) : int(last) + 1] = True
    rate = 1.0 + trace.number("drift", 0.0) * 1e-6
    sent = (np.arange(count) + 1) * length / rate
    times = sent + random.random(count) * trace.number("jitter", 0.0) / 1000
    for numbers, _, late in trace.words.get("late", []):
        first, last = _range(numbers)
        times[int(first) : int(last) + 1] += float(late) / 1000
    for moment, _, late in trace.words.get("step", []):
        times[sent >= float(moment)] += float(late) / 1000
    holds = trace.ranges("hold")
    if "spike" in trace.words:
        every, _, by = trace.words["spike"][-1]
        holds += [(at, at + float(by) / 1000) for at in np.arange(float(every), sent[-1], float(every))]
    for begin_at, end_at in holds:
        inside = (times >= begin_at) & (times < end_at)
        times[inside] = end_at + 1e-5 * np.arange(int(inside.sum()))
    for begin_at, end_at in trace.ranges("silent"):
        lost |= (sent >= begin_at) & (sent < end_at)
    arrivals = [(float(times[n]), n) for n in range(count) if not lost[n] and payloads[n]]
    if "duplicate" in trace.words:
        arrivals += [(at + 0.001, n) for at, n in arrivals if n % int(trace.number("duplicate", 1)) == 0]
    return sorted(arrivals)


def _numbers(trace: Trace, payloads: list[bytes], length: float) -> list[int]:
    """The sequence number of each packet: what is never sent has none."""
    silent = trace.ranges("silent")
    number = 65500 if "wrap" in trace.words else 100
    numbers = []
    for n, payload in enumerate(payloads):
        numbers.append(number)
        number += bool(payload) and not any(begin <= (n + 1) * length < end for begin, end in silent)
    return numbers


def run(trace: Trace) -> Outcome:
    """Play it."""
    codec, seconds, size = (
        trace.text("codec", "opus"),
        int(trace.number("seconds", 10)),
        int(trace.number("packet", 20)),
    )
    payloads = _payloads(codec, int(trace.number("fec", 0)), "dtx" in trace.words, size, seconds)
    length = size / 1000
    arrivals, numbers = _arrivals(trace, payloads, length), _numbers(trace, payloads, length)
    decoder: Decoder = create_decoder(codec)
    ticks = round(length * decoder.clock_rate)
    first_time = 2**32 - 200 * ticks if "wrap" in trace.words else 5000
    change, flush = trace.number("ssrc", 1e9), trace.number("flush", 1e9)
    playout = Playout(decoder)
    blocks = [int(float(word) * 48) for word in trace.words.get("block", [["10"]])[-1]]
    stalls = trace.ranges("stall")
    shift = arrivals[0][1] * size * 48
    heard: list[Samples] = []
    moments, places = [], []
    now, turn, at = 0.0031, 0, 0
    while now < seconds + 0.5:
        while at < len(arrivals) and arrivals[at][0] <= now:
            arrival, n = arrivals[at]
            ssrc = 1 + (n * length >= change)
            timestamp = (first_time + n * ticks + (ssrc - 1) * 12345) % 2**32
            playout.put(ReceivedPacket(numbers[n] % 65536, timestamp, payloads[n], arrival, ssrc))
            at += 1
        if now >= flush:
            playout.flush()
            flush = 1e9
        if not any(begin <= now < end for begin, end in stalls):
            moments.append(now)
            heard.append(playout.get(blocks[turn % len(blocks)]))
            places.append(playout.position + shift)
        now += blocks[turn % len(blocks)] / RATE
        turn += 1
    return _judge(trace, playout, np.array(moments), np.array(places, float), heard, payloads)


def _steepest(codec: str, payloads: list[bytes]) -> float:
    decoder = create_decoder(codec)
    sound = np.concatenate([decoder.decode(payload) for payload in payloads if payload]).astype(float)
    return float(np.abs(np.diff(sound)).max())


def _judge(
    trace: Trace,
    playout: Playout,
    times: NDArray[np.float64],
    ends: NDArray[np.float64],
    heard: list[Samples],
    payloads: list[bytes],
) -> Outcome:
    sizes = np.array([block.size for block in heard]) / RATE
    rate = 1.0 + trace.number("drift", 0.0) * 1e-6
    length = trace.number("packet", 20) / 1000
    seconds = trace.number("seconds", 10)
    # The block is complete at its moment, and ends with the sample before `places`.
    delays = times + sizes - ends / RATE / rate - length
    voice = _voice(int(seconds))
    # While nothing is played there is no delay.
    moving = np.diff(ends, prepend=0.0) > 0
    counted = (times > _BEGIN) & (ends < voice.size) & moving
    stats = playout.stats()
    sound = np.concatenate(heard)
    gaps, run_length = 0.0, 0.0
    for index in np.flatnonzero(counted):
        said = voice[max(0, int(ends[index]) - 960) : int(ends[index])].astype(float)
        silent = float(np.abs(heard[index]).max(initial=0)) < 30.0 and float(np.sqrt(np.mean(said * said))) > 500.0
        run_length = run_length + sizes[index] if silent else 0.0
        gaps = max(gaps, run_length)
    after = next((float(line[0]) for line in trace.words.get("after", [])), 0.0)
    base = float(np.median(delays[(times > 1.0) & (times < after)])) if after else 0.0
    over = times[counted & (times > after) & (delays > base + _SLACK)] if after else np.zeros(0)
    late_half = counted & (times > seconds / 2)
    edges = np.floor(times[late_half])
    levels = [float(np.median(delays[late_half][edges == edge])) for edge in np.unique(edges)]
    steepest = _steepest(trace.text("codec", "opus"), payloads)
    return Outcome(
        median=1000 * float(np.median(delays[counted])),
        p95=1000 * float(np.percentile(delays[counted], 95)),
        concealed=100 * stats.concealed_samples / stats.total_samples,
        gap=1000 * gaps,
        lost=stats.packets_lost,
        late=stats.packets_late,
        duplicated=stats.packets_duplicated,
        recovered=stats.fec_packets_recovered,
        discarded=stats.packets_discarded,
        recovery=float(over.max() - after) if over.size else 0.0,
        spread=1000 * (max(levels) - min(levels)) if levels else 0.0,
        click=float(np.abs(np.diff(sound.astype(float))).max()) / steepest,
        events=stats.concealment_events,
        changed=100 * (stats.removed_samples + stats.inserted_samples) / stats.total_samples,
    )


def fails(outcome: Outcome, limits: list[tuple[str, str, float]]) -> list[str]:
    """The limits that are not kept."""
    broken = []
    for figure, relation, limit in limits:
        value = getattr(outcome, figure)
        kept = {"<=": value <= limit, ">=": value >= limit, "==": value == limit}[relation]
        if not kept:
            broken.append(f"{figure} is {value:.4g}, not {relation} {limit:g}")
    return broken


def check_words(trace: Trace) -> list[str]:
    """Lines that mean nothing."""
    known = set(re.findall(r"[a-z]+", (__doc__ or "").split("\n\n")[2])) | {"after"}
    return [word for word in trace.words if word not in known]
