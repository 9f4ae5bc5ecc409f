"""Helpers of the media tests: tones, a duplex device, spectra, waiting with a deadline, a codec with exact output."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from fractions import Fraction
from typing import Any, ParamSpec, TypeVar

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

from telnyx_agent._media.call_audio import AudioBridge
from telnyx_agent._media.codecs.codec import CodecError, Decoder, Encoder
from telnyx_agent._media.playout.sequence import ReceivedPacket

__all__ = [
    "CONCEALED",
    "FRAME",
    "RATE",
    "Device",
    "Pulse",
    "RawDecoder",
    "Samples",
    "decode",
    "encode",
    "energies",
    "level",
    "likeness",
    "opus_payloads",
    "own_address",
    "packets",
    "patient",
    "pitch",
    "run",
    "snr",
    "speechlike",
    "tone",
    "until",
]

Samples = NDArray[np.int16]
_T = TypeVar("_T")
_P = ParamSpec("_P")
RATE = 48000
FRAME = 960
CONCEALED = -7777
"""What `RawDecoder` makes up."""


class RawDecoder:
    """A codec whose payload is the samples themselves, so that a test can say exactly what must come out."""

    clock_rate = RATE

    def __init__(self, clock_rate: int = RATE) -> None:
        self.clock_rate = clock_rate
        self.resets = 0

    def duration(self, payload: bytes) -> int:
        if len(payload) % 2:
            raise CodecError("half a sample")
        return len(payload) // 2

    def decode(self, payload: bytes) -> Samples:
        return np.frombuffer(payload, np.int16)

    def conceal(self, samples: int) -> Samples:
        return np.full(samples, CONCEALED, np.int16)

    def has_fec(self, payload: bytes) -> bool:
        """`recover` has nothing."""
        return False

    def recover(self, payload: bytes, samples: int) -> Samples | None:
        return None

    def reset(self) -> None:
        self.resets += 1


def packets(
    count: int,
    *,
    first: int = 100,
    timestamp: int = 5000,
    samples: int = FRAME,
    start: int = 0,
    value: Callable[[int], int] = lambda index: 1000 + index,
    ssrc: int = 1,
) -> list[ReceivedPacket]:
    """Packets for `RawDecoder`; packet number n is filled with `value(n)`."""
    return [
        ReceivedPacket(
            (first + index) & 0xFFFF,
            (timestamp + index * samples) & 0xFFFFFFFF,
            np.full(samples, value(start + index), np.int16).tobytes(),
            index * samples / RATE,
            ssrc,
        )
        for index in range(count)
    ]


def tone(frequency: float, seconds: float, *, amplitude: float = 8000.0, phase: float = 0.0) -> Samples:
    """A sine."""
    t = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * frequency * t + phase)).astype(np.int16)


def level(samples: Samples) -> float:
    """Root mean square, in int16 units."""
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if samples.size else 0.0


def energies(samples: Samples, block: int = 480) -> NDArray[np.float64]:
    """Root mean square of each block."""
    whole = samples[: samples.size // block * block].astype(np.float64).reshape(-1, block)
    return np.asarray(np.sqrt(np.mean(whole**2, axis=1)))


def pitch(samples: Samples) -> float:
    """The strongest frequency."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(np.argmax(spectrum) * RATE / samples.size)


def snr(reference: Samples, heard: Samples, longest_delay: int = 2000) -> float:
    """Signal to noise in dB after the best alignment and gain."""
    a, b = reference.astype(np.float64), heard.astype(np.float64)
    probe = a[4800:12800]
    delay = int(np.argmax(np.correlate(b[4800 : 12800 + longest_delay], probe, "valid")))
    count = min(a.size, b.size - delay)
    a, b = a[:count], b[delay : delay + count]
    gain = float(b @ a) / float(a @ a)
    noise = b - gain * a
    return 10 * float(np.log10(gain**2 * float(a @ a) / max(float(noise @ noise), 1e-9)))


def likeness(reference: Samples, heard: Samples) -> float:
    """Correlation, 0..1, of the two sounds' energies over time and bands; for codecs that do not keep the waveform."""

    def picture(samples: Samples) -> NDArray[np.float64]:
        blocks = samples[: samples.size // FRAME * FRAME].astype(np.float64).reshape(-1, FRAME) * np.hanning(FRAME)
        power = np.abs(np.fft.rfft(blocks, axis=1)[:, 2:82]) ** 2
        return np.asarray(np.log10(power.reshape(len(blocks), 20, 4).sum(axis=2) + 1e4))

    def correlation(delay: int) -> float:
        a, b = picture(reference[: reference.size - 2 * FRAME]), picture(heard[delay:])
        count = min(len(a), len(b))
        return float(np.corrcoef(a[:count].ravel(), b[:count].ravel())[0, 1])

    return max(correlation(delay) for delay in range(0, 2 * FRAME, 60))


def own_address() -> str:
    """The address by which this machine would be reached; loopback where there is no other."""
    import ifaddr

    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            if isinstance(ip.ip, str) and ip.ip != "127.0.0.1":
                return ip.ip
    return "127.0.0.1"


def run(main: Callable[[], Coroutine[Any, Any, _T]], timeout: float = 50.0) -> _T:
    """Run a coroutine on a new loop and insist that it leaves no task behind."""

    async def guarded() -> _T:
        result = await asyncio.wait_for(main(), timeout)
        me = asyncio.current_task()
        others = {task for task in asyncio.all_tasks() if task is not me}
        if others:
            await asyncio.wait(others, timeout=1.0)
        left = [task for task in others if not task.done()]
        assert not left, left
        return result

    return asyncio.run(guarded())


class _Stalls(threading.Thread):
    """Measures how long this process was held up at worst, by other work on the machine or in the process."""

    def __init__(self) -> None:
        super().__init__(name="test-stalls", daemon=True)
        self._end = threading.Event()
        self.worst = 0.0

    def run(self) -> None:
        while not self._end.is_set():
            begin = time.monotonic()
            self._end.wait(0.002)
            self.worst = max(self.worst, time.monotonic() - begin)

    def stop(self) -> float:
        self._end.set()
        self.join()
        return self.worst


def patient(test: Callable[_P, None], *, stall: float = 0.02, tries: int = 8) -> Callable[_P, None]:
    """A test that measures real time: begin again when it failed while the machine was busy with other things.

    A failure without a stall of `stall` seconds, or the last of `tries`, is a failure.
    """

    @functools.wraps(test)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> None:
        for attempt in range(1, tries + 1):
            stalls = _Stalls()
            stalls.start()
            try:
                return test(*args, **kwargs)
            except AssertionError:
                if stalls.stop() < stall or attempt == tries:
                    raise
            finally:
                stalls.stop()
        return None

    return wrapper


async def until(condition: Callable[[], bool], timeout: float = 15.0) -> None:
    """Wait for something on a real media path, which has no event of its own."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("did not happen in time")
        await asyncio.sleep(0.01)


class Pulse:
    """How long the loop was busy at a time, at most, in CPU seconds of its thread; the machine may be busy, too."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def __aenter__(self) -> Pulse:
        self._task = asyncio.ensure_future(self._beat())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _beat(self) -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now = time.thread_time()
            self.longest = max(self.longest, now - last)
            last = now


class Device:
    """A duplex sound card: 10 ms blocks at the pace of real time, on a thread of its own."""

    def __init__(self, bridge: AudioBridge, source: Iterable[Samples] | Samples) -> None:
        self._bridge = bridge
        self._source = source if isinstance(source, np.ndarray) else np.concatenate(list(source))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="test-device")
        self.heard: list[Samples] = []

    def __enter__(self) -> Device:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def recording(self) -> Samples:
        """All that was heard so far."""
        return np.concatenate(self.heard) if self.heard else np.empty(0, np.int16)

    def _run(self) -> None:
        position, due = 0, time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            if self._source.size:
                self._bridge.push_capture(np.take(self._source, np.arange(position, position + 480), mode="wrap"))
            self.heard.append(self._bridge.pull_render(480))
            position += 480
            due += 0.01


def speechlike(seconds: float, *, highest: float = 3400.0) -> Samples:
    """A voice of a kind: a gliding pitch with harmonics and syllables."""
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t)) / RATE
    voice = sum((np.sin(n * phase) / n for n in range(1, int(highest / 160))), np.zeros_like(t))
    return (5000 * voice * (0.55 + 0.45 * np.sin(2 * np.pi * 3 * t))).astype(np.int16)


def encode(encoder: Encoder, samples: Samples) -> list[bytes]:
    return [encoder.encode(samples[at : at + FRAME]) for at in range(0, samples.size // FRAME * FRAME, FRAME)]


def decode(decoder: Decoder, payloads: list[bytes]) -> Samples:
    return np.concatenate([decoder.decode(payload) for payload in payloads])


def opus_payloads(samples: Samples, milliseconds: int, channels: int) -> list[bytes]:
    """Opus by FFmpeg, which can make what our own encoder does not: other packet lengths and stereo."""
    context = av.CodecContext.create("libopus", "w")
    assert isinstance(context, AudioCodecContext)
    context.format, context.layout, context.sample_rate = "s16", "stereo" if channels == 2 else "mono", RATE
    context.bit_rate, context.time_base = 64000, Fraction(1, RATE)
    context.options = {"frame_duration": str(milliseconds), "application": "voip"}
    size = milliseconds * RATE // 1000
    payloads = []
    for at in range(0, samples.size // size * size, size):
        block = np.repeat(samples[at : at + size], channels).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout=context.layout.name)
        frame.sample_rate, frame.pts = RATE, at
        payloads += [bytes(packet) for packet in context.encode(frame)]
    return payloads
