"""Echo of the agent's voice in the microphone: what is left of it, and what that does to the user's voice.

    python -m benchmarks.echo [--quick] [--output benchmarks/results]

In simulated rooms, with no clock: synthetic speech through a loudspeaker that distorts, 10 to 200 ms of delay, 0.15 to
0.5 s of reverberation, clocks that drift apart. And with real calls: the speaker's cable of a private PulseAudio looped
back into the microphone's, a `TxClient` with its sound card, and the local agent at the other end, which answers itself
if it hears itself. Needs the extras `aec` and `demo`, `pip install pesq` for the PESQ columns, PulseAudio for calls.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import itertools
import logging
import math
import statistics
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from benchmarks._report import Report, command
from telnyx_agent import TxClient
from telnyx_agent.audio import AudioConstraints, SoundDeviceAudio
from telnyx_agent.audio._apm import AudioProcessingModule
from telnyx_agent.audio._chain import Chain
from telnyx_agent.audio._half_duplex import EchoGate
from telnyx_agent.audio.processing import AudioProcessor, create_processor
from telnyx_agent.testing import LocalAgent, synthesize
from tests.audio.room import RATE, Float, Int16, Room, as_pcm, erle, level_db
from tests.audio.room import run as run_processor
from tests.support.pulse import PulseServer
from tests.support.requirements import missing

AGENT = (
    "Good morning, this is the booking assistant of the Blue Harbour Hotel. I can help you to find a room, to change a "
    "booking, or to answer a question about your stay. What would you like to do today? Please take your time. If you "
    "are looking for a place to have dinner, I can also reserve a table for you in one of our two restaurants."
)
USER = "Yes please, I would like to book a double room for two nights from next Friday, with a view of the sea."

LEARNING = 12.0  # seconds of the agent alone before the user speaks
OVER_ECHO = 6.0  # dB by which the user is louder than the echo, at the microphone
CALL_SECONDS = 12.0
LOOPBACK_MS = 30

logger = logging.getLogger("benchmarks.echo")


@attrs.frozen
class Contestant:
    """A way to deal with the echo.

    Attributes:
        name: For the table.
        make: A fresh processor for one call.
        constraints: What gives the same in a real call; None if it is not to be had there.
    """

    name: str
    make: Callable[[], AudioProcessor]
    constraints: AudioConstraints | None = None
    needs: str = "livekit"
    without_extra: bool = False


def contestants() -> list[Contestant]:
    """All that can run here, ours last."""
    echo_only = AudioConstraints(noise_suppression=False, auto_gain_control=False)
    everything = AudioConstraints()
    found = [
        Contestant("nothing", lambda: Chain(None, None, None), AudioConstraints.disabled(), needs="numpy"),
        Contestant("Speex (pyaec 1.0, 48 kHz)", Speex, needs="pyaec"),
        Contestant("WebRTC AEC3 alone", lambda: Chain(module(noise=False), None, None)),
        Contestant("WebRTC AEC3 + noise suppression", lambda: Chain(module(noise=True), None, None)),
        Contestant("WebRTC all three, its own gain", WebRtcAll),
        Contestant("ours without the extra (half-duplex)", half_duplex, everything, needs="numpy", without_extra=True),
        Contestant("ours, echo cancellation only", lambda: ours(echo_only), echo_only),
        Contestant("ours, everything (default)", lambda: ours(everything), everything),
    ]
    return [one for one in found if importlib.util.find_spec(one.needs) is not None]


def module(*, noise: bool) -> AudioProcessingModule:
    """The WebRTC module with echo cancellation."""
    return AudioProcessingModule(echo_cancellation=True, noise_suppression=noise)


def half_duplex() -> Chain:
    """What a call without the extra gets, less the gain, which would hide how much the microphone is turned down."""
    return Chain(None, EchoGate(), None)


def ours(constraints: AudioConstraints) -> AudioProcessor:
    """What a call gets."""
    processor = create_processor(constraints, loudspeaker=True)
    assert processor is not None
    return processor


class WebRtcAll:
    """The module as its package's own users have it: all on, and by its public methods."""

    def __init__(self) -> None:
        self._rtc = importlib.import_module("livekit.rtc")
        self._module = self._rtc.AudioProcessingModule(
            echo_cancellation=True, noise_suppression=True, high_pass_filter=True, auto_gain_control=True
        )

    def process_render(self, pcm: Int16) -> Int16:
        self._module.process_reverse_stream(self._frame(pcm))
        return pcm

    def process_capture(self, pcm: Int16, delay: float) -> Int16:
        frame = self._frame(pcm)
        self._module.set_stream_delay_ms(round(1000 * delay))
        self._module.process_stream(frame)
        return np.frombuffer(frame.data, np.int16)

    def close(self) -> None:
        self._module = None

    def _frame(self, pcm: Int16) -> Any:
        return self._rtc.AudioFrame(bytearray(pcm.tobytes()), RATE, 1, len(pcm))


class Speex:
    """Speex' echo canceller with a tail of 200 ms; it wants both directions at once, and no delay between them."""

    def __init__(self) -> None:
        self._canceller = importlib.import_module("pyaec").Aec(480, RATE // 5, RATE, True)
        self._played: list[Int16] = []

    def process_render(self, pcm: Int16) -> Int16:
        self._played.append(pcm.copy())
        return pcm

    def process_capture(self, pcm: Int16, delay: float) -> Int16:
        late = round(delay * 100)
        played = self._played[-1 - late] if len(self._played) > late else np.zeros(480, np.int16)
        return np.array(self._canceller.cancel_echo(pcm.tolist(), played.tolist()), np.int16)

    def close(self) -> None:
        self._canceller = None


# -- simulated rooms ---------------------------------------------------------------------------------------------------


def rooms(quick: bool) -> list[Room]:
    """Every combination, and a few that are worse."""
    if quick:
        return [Room(delay=0.06, rt60=0.15), Room(delay=0.1, rt60=0.3, drift_ppm=100, seed=2)]
    usual = [
        Room(delay=delay, rt60=rt60, seed=seed)
        for (delay, rt60), seed in zip(itertools.product((0.01, 0.06, 0.2), (0.15, 0.3, 0.5)), itertools.count(1))
    ]
    return [
        *usual,
        Room(delay=0.06, rt60=0.3, drift_ppm=100, seed=20),
        Room(delay=0.12, rt60=0.3, coupling=1.5, distortion=3.0, seed=21),
        Room(delay=0.06, rt60=0.25, coupling=0.05, noise=30.0, seed=22),
    ]


@attrs.define
class Figures:
    """What one contestant did, one value for each room."""

    early: list[float] = attrs.field(factory=list)
    settled: list[float] = attrs.field(factory=list)
    alone: list[float] = attrs.field(factory=list)
    passed: list[float] = attrs.field(factory=list)
    double_talk: list[float] = attrs.field(factory=list)
    micros: list[float] = attrs.field(factory=list)


def measure(contestant: Contestant, room: Room, agent: Int16, user: Int16) -> dict[str, float]:
    """One contestant in one room."""
    learning = agent[: round(LEARNING * RATE)]
    echo = room.echo(agent)
    loud = user * 10 ** ((level_db(echo) + OVER_ECHO - level_db(user)) / 20)
    silence = np.zeros(len(user) + RATE, np.int16)

    first = room.microphone(learning)
    sent, seconds = processed(contestant, learning, first, room)
    values = {"early": erle(first, sent, 0, 2), "settled": erle(first, sent, 2, LEARNING), "micros": 1e6 * seconds}

    for name, played in (("alone", np.concatenate((learning, silence))), ("double_talk", agent)):
        start = len(learning) + RATE // 2
        spoken = np.concatenate((np.zeros(start), loud))[: len(played)]
        sent, _ = processed(contestant, played, room.microphone(played, spoken), room)
        clean, heard = aligned(spoken[start:], sent[start:].astype(np.float64))
        values[name] = quality(clean, heard)
        if name == "double_talk":
            values["passed"] = share_passed(clean, heard)
    return values


def processed(contestant: Contestant, played: Int16, heard: Int16, room: Room) -> tuple[Int16, float]:
    """A call through a fresh processor."""
    processor = contestant.make()
    try:
        return run_processor(processor, played, heard, room.delay)
    finally:
        processor.close()


def aligned(clean: Float, heard: Float) -> tuple[Float, Float]:
    """Both from the same moment on: processing takes its time."""
    size = 1 << (len(clean) + len(heard)).bit_length()
    match = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(clean, size)), size)[: RATE // 10]
    late = int(np.argmax(np.abs(match)))
    count = min(len(clean), len(heard) - late)
    return clean[:count], heard[late : late + count]


def share_passed(clean: Float, heard: Float) -> float:
    """How much of the user's speech is less than 15 dB down, in per cent of the 20 ms frames in which there is any."""
    count = len(clean) // 960
    before, after = ((part[: count * 960].reshape(count, 960) ** 2).mean(axis=1) for part in (clean, heard))
    speech = before > before.max() * 0.01
    return 100 * float(np.mean(after[speech] > before[speech] * 10**-1.5))


def quality(clean: Float, heard: Float) -> float:
    """Wide-band PESQ; not a number without the package, or when nothing is left."""
    try:
        pesq = importlib.import_module("pesq")
    except ImportError:
        return math.nan
    try:
        return float(pesq.pesq(16000, as_pcm(at_16k(clean)), as_pcm(at_16k(heard)), "wb"))
    except pesq.NoUtterancesError:
        return math.nan


def at_16k(samples: Float) -> Float:
    """Every third sample, after a low-pass filter."""
    taps = np.sinc(np.arange(-90, 91) / 3) * np.hamming(181) / 3
    return np.convolve(samples, taps, "same")[::3]


# -- real calls --------------------------------------------------------------------------------------------------------


@attrs.frozen
class CallFigures:
    """A call in which nobody says a word but the agent.

    Attributes:
        sent_db: Level of what was sent while the agent was heard, dB of full scale; the loudest half of it.
        heard_seconds: Sound that the agent took for somebody's.
        answers: How often the agent answered itself.
    """

    sent_db: float
    heard_seconds: float
    answers: int


def call(contestant: Contestant, seconds: float) -> CallFigures:
    """One call over the sound system, whose speaker leads back into its microphone."""
    assert contestant.constraints is not None
    with PulseServer.running() as pulse, pulse.environment(), without_extra(contestant.without_extra):
        pulse.control("load-module", "module-loopback", "source=spk.monitor", "sink=mic", f"latency_msec={LOOPBACK_MS}")
        with tempfile.TemporaryDirectory() as folder, LocalAgent(greeting=AGENT, ears="energy") as agent:
            file = Path(folder) / "call.wav"
            with TxClient(audio=SoundDeviceAudio(), audio_constraints=contestant.constraints) as client:
                client.anonymous_login("assistant-echo", server_configuration=agent.configuration).result(10)
                one = client.new_call()
                one.wait_until_active(15)
                one.record(file)
                time.sleep(seconds)  # a call of this length is what is measured
                one.hangup().result(10)
            sent, heard = read_stereo(file)
            (record,) = agent.calls
    count = len(heard) // 960
    levels = [(part[: count * 960].reshape(count, 960).astype(np.float64) ** 2).mean(axis=1) for part in (heard, sent)]
    speech = levels[0] > levels[0].max() * 0.01
    answers = sum(line.role == "user" for line in record.transcript)
    return CallFigures(level_db(np.sqrt(levels[1][speech])) - 90.3, record.seconds_heard, answers)


def read_stereo(file: Path) -> tuple[Int16, Int16]:
    """What was sent and what was heard."""
    with wave.open(str(file)) as recording:
        samples = np.frombuffer(recording.readframes(recording.getnframes()), np.int16).reshape(-1, 2)
    return samples[:, 0], samples[:, 1]


@contextlib.contextmanager
def without_extra(wanted: bool) -> Iterator[None]:
    """As on a machine on which the extra is not installed, if that is wanted."""
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if wanted and name.split(".")[0] == "livekit"}
    if wanted:
        sys.modules["livekit"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if wanted:
            del sys.modules["livekit"]
        sys.modules.update(hidden)


# -- the report --------------------------------------------------------------------------------------------------------


def run(quick: bool = False) -> Report:
    """All contestants in all rooms, and in one call each."""
    agent = synthesize(AGENT, rate=RATE, voice="en-us+m3")
    agent = np.concatenate((agent, agent))[: round((LEARNING + 7) * RATE)]
    user = synthesize(USER, rate=RATE)[: 6 * RATE]
    chosen = rooms(quick)
    lacking = missing("portaudio", "pulseaudio", "pactl", "alsa-pulse")
    rows, raw = [], {}
    for contestant in contestants():
        figures = Figures()
        for room in chosen:
            for name, value in measure(contestant, room, agent, user).items():
                getattr(figures, name).append(value)
        real = None
        if contestant.constraints is not None and not lacking:
            real = call(contestant, 5.0 if quick else CALL_SECONDS)
        rows.append(row(contestant, figures, real))
        raw[contestant.name] = {**attrs.asdict(figures), "call": None if real is None else attrs.asdict(real)}
        logger.info("%s: done", contestant.name)
    notes = [*explanation(len(chosen)), "Wanted: ERLE of 30 dB within 2 s. " + verdict(raw)]
    if lacking:
        notes.append(f"No calls were made: this machine lacks {', '.join(lacking)}.")
    return Report(
        name="echo",
        title="Echo of the agent's voice",
        columns=(
            "what is done about it",
            "ERLE 0-2 s, dB",
            "ERLE settled, dB",
            "user alone, PESQ",
            "user over agent, % passed",
            "user over agent, PESQ",
            "us per 10 ms",
            "call: sent, dBFS",
            "call: agent answered itself",
        ),
        rows=rows,
        notes=notes,
        raw=raw,
        plot=lambda path: plot(path, raw),
        shows_plot=True,
    )


def row(contestant: Contestant, figures: Figures, real: CallFigures | None) -> Sequence[object]:
    """One line of the table."""
    return (
        contestant.name,
        with_worst(figures.early),
        with_worst(figures.settled),
        middle(figures.alone),
        f"{statistics.median(figures.passed):.0f}",
        middle(figures.double_talk),
        f"{statistics.median(figures.micros):.0f}",
        None if real is None else f"{real.sent_db:.0f}",
        None if real is None else real.answers,
    )


def explanation(count: int) -> tuple[str, ...]:
    """What the columns mean."""
    simulated = (
        f"{count} simulated rooms with 10 to 200 ms of delay, RT60 of 0.15 to 0.5 s, a loudspeaker that distorts, in "
        "one of them 100 ppm of drift, in one a faint echo in much noise: the median, and the worst room in brackets. "
        "ERLE from the agent's first word on; noise counts as echo."
    )
    user = (
        f"The user begins after {LEARNING:.0f} s, {OVER_ECHO:.0f} dB louder than the echo. Passed is the share of the "
        "user's speech that is less than 15 dB down. Wide-band PESQ; with nothing done it shows what echo and noise "
        "take. Time is CPU, both directions together."
    )
    calls = (
        "Call: over PulseAudio, with the speaker looped back into the microphone; only the agent speaks. Level of what "
        "was sent while it was heard, and how often it took its own voice for somebody's and answered."
    )
    return simulated, user, calls


def with_worst(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f})"


def middle(values: list[float]) -> str | None:
    known = [value for value in values if not math.isnan(value)]
    return f"{statistics.median(known):.2f}" if known else None


def verdict(raw: dict[str, Any]) -> str:
    """Who has it in every room."""
    good = [name for name, figures in raw.items() if min(figures["early"]) >= 30]
    return f"In every room: {', '.join(good) or 'nobody'}."


def plot(path: Path, raw: dict[str, Any]) -> None:
    """ERLE in the first two seconds, room by room."""
    pyplot = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(9, 4))
    axes.boxplot([figures["early"] for figures in raw.values()], vert=False)
    axes.set_yticks(range(1, len(raw) + 1), list(raw))
    axes.axvline(30, linestyle="--", color="grey")
    axes.set_xlabel("echo return loss enhancement in the first 2 s, dB, over all rooms")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(command(run, __doc__))
