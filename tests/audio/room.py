"""A simulated room: what the agent says leaves a loudspeaker, is reflected, and comes back in the microphone.

Used by the tests of echo processing and by `benchmarks/echo.py`. Samples are float64 at full scale 32768, 48 kHz, mono,
until `as_pcm`.
"""

from __future__ import annotations

import math
import time
from typing import Protocol

import attrs
import numpy as np
import numpy.typing as npt

__all__ = ["RATE", "Float", "Int16", "Room", "as_pcm", "erle", "level_db", "run", "syllables"]

RATE = 48000
BLOCK = 480
Float = npt.NDArray[np.float64]
Int16 = npt.NDArray[np.int16]


@attrs.frozen
class Room:
    """A room with a loudspeaker and a microphone.

    Attributes:
        delay: Seconds from handing a sample over to its first echo: buffers, converters and the way through the air.
        rt60: Reverberation time in seconds.
        coupling: Root mean square of the echo over that of the agent's voice.
        drift_ppm: By how much the microphone's clock runs faster than the loudspeaker's.
        distortion: How hard the loudspeaker is driven; 0 is linear, at 1 full scale comes out at 0.76 of it.
        noise: Root mean square of the microphone's noise, of 32768.
        seed: Which room of this kind.
    """

    delay: float = 0.06
    rt60: float = 0.25
    coupling: float = 0.5
    drift_ppm: float = 0.0
    distortion: float = 1.0
    noise: float = 5.0
    seed: int = 1

    def response(self) -> Float:
        """The impulse response: a direct way, as strong as all reflections, which fade exponentially."""
        count = round(self.rt60 * RATE)
        reflections = np.random.default_rng(self.seed).standard_normal(count)
        reflections *= 10 ** (-3 * np.arange(count) / count)
        reflections[: round(0.002 * RATE)] = 0.0
        reflections[0] = math.sqrt(float(np.sum(reflections**2)))
        reflections *= self.coupling / math.sqrt(float(np.sum(reflections**2)))
        return np.concatenate((np.zeros(round(self.delay * RATE)), reflections))

    def echo(self, agent: Int16) -> Float:
        """What of the agent's voice arrives at the microphone, as long as the voice."""
        voice = agent / 32768
        if self.distortion:
            voice = np.tanh(voice * self.distortion) / self.distortion
        if self.drift_ppm:
            heard_at = np.arange(len(voice)) * (1 + self.drift_ppm * 1e-6)
            voice = np.interp(heard_at, np.arange(len(voice)), voice)
        return 32768 * _convolved(voice, self.response())

    def microphone(self, agent: Int16, user: Float | None = None) -> Int16:
        """Echo, noise and the user, as the card delivers them."""
        heard = self.echo(agent)
        heard += self.noise * np.random.default_rng(self.seed + 100).standard_normal(len(heard))
        if user is not None:
            heard[: len(user)] += user[: len(heard)]
        return as_pcm(heard)


class Processor(Protocol):
    def process_render(self, pcm: Int16) -> Int16: ...
    def process_capture(self, pcm: Int16, delay: float) -> Int16: ...


def run(processor: Processor, agent: Int16, microphone: Int16, delay: float) -> tuple[Int16, float]:
    """Both directions through a processor, block by block: what is sent, and the CPU seconds per block."""
    count = len(agent) // BLOCK
    sent = np.zeros(count * BLOCK, np.int16)
    begin = time.thread_time()
    for start in range(0, count * BLOCK, BLOCK):
        part = slice(start, start + BLOCK)
        processor.process_render(agent[part].copy())
        sent[part] = processor.process_capture(microphone[part].copy(), delay)
    return sent, (time.thread_time() - begin) / count


def erle(microphone: Int16, sent: Int16, start: float, end: float) -> float:
    """Echo return loss enhancement between two moments in seconds: how many dB less is sent than was heard."""
    part = slice(round(start * RATE), round(end * RATE))
    return level_db(microphone[part]) - level_db(sent[part])


def level_db(samples: npt.NDArray[np.generic]) -> float:
    """Mean square in dB, of int16 samples' scale; digital silence is -30."""
    return 10 * math.log10(float(np.mean(samples.astype(np.float64) ** 2)) + 1e-3)


def as_pcm(samples: Float) -> Int16:
    """To what cards deliver."""
    pcm: Int16 = np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
    return pcm


def syllables(seconds: float, *, pitch: float = 120.0, level: float = 2000.0, seed: int = 0) -> Int16:
    """Something like speech, without a speech engine: voiced syllables with changing formants, and pauses."""
    random = np.random.default_rng(seed)
    parts: list[Float] = []
    total = 0
    while total < seconds * RATE:
        length = round(random.uniform(0.12, 0.3) * RATE)
        moment = np.arange(length) / RATE
        tone = pitch * random.uniform(0.85, 1.2)
        phase = 2 * np.pi * tone * (moment + random.uniform(-0.2, 0.2) * moment**2)
        formants = (random.uniform(300, 800), random.uniform(900, 2300), random.uniform(2400, 3500))
        syllable = np.zeros(length)
        for harmonic in range(1, int(5000 / tone)):
            strength = sum(math.exp(-(((harmonic * tone - formant) / 180) ** 2)) for formant in formants) + 0.02
            syllable += strength / harmonic**0.5 * np.sin(harmonic * phase + random.uniform(0, 6.28))
        syllable += 0.05 * random.standard_normal(length)
        parts.append(syllable * np.hanning(length) ** 0.5 * random.uniform(0.5, 1.0))
        parts.append(np.zeros(round(random.choice([0.02, 0.05, 0.25], p=[0.5, 0.4, 0.1]) * RATE)))
        total += len(parts[-1]) + length
    voice = np.concatenate(parts)[: round(seconds * RATE)]
    return as_pcm(voice * level / math.sqrt(float(np.mean(voice**2))))


def _convolved(signal: Float, response: Float) -> Float:
    size = 1 << (len(signal) + len(response)).bit_length()
    return np.fft.irfft(np.fft.rfft(signal, size) * np.fft.rfft(response, size), size)[: len(signal)]
