"""What is heard while a call rings: a generated tone, or a WAV file, again and again."""

from __future__ import annotations

import math
import os
from typing import ClassVar, Union

import attrs
import numpy as np

from .._arguments import checked_path
from ..errors import ClientConfigurationError, MediaError
from ._samples import SAMPLE_RATE, Int16
from ._wavefile import WavReader

__all__ = ["RingSource", "Tone", "ToneSource", "check_ring_source", "open_ring_source"]

RingSource = Union["Tone", str, "os.PathLike[str]"]
"""A tone, or the path of a WAV file."""

_LONGEST = 60
"""Seconds of a file; what comes after them is not played."""

_RAMP = 240  # samples: 5 ms, so that a tone does not click


@attrs.frozen
class Tone:
    """A tone in a rhythm, such as the ringback of a telephone network (ITU-T E.180).

    Attributes:
        frequencies: In hertz; several sound together.
        cadence: Seconds of sound and of silence in turn, from the beginning again after the last.
        level: How loud, 0.0 to 1.0.

    Raises:
        ClientConfigurationError: No such tone can be heard.
    """

    frequencies: tuple[float, ...] = (440.0, 480.0)
    cadence: tuple[float, ...] = (2.0, 4.0)
    level: float = 0.15

    RINGBACK_US: ClassVar[Tone]
    """North America: 440 and 480 Hz, 2 s on, 4 s off."""
    RINGBACK_EU: ClassVar[Tone]
    """Most of Europe: 425 Hz, 1 s on, 4 s off."""
    RINGBACK_UK: ClassVar[Tone]
    """The United Kingdom: 400 and 450 Hz, twice 0.4 s, 2 s off."""
    RINGTONE: ClassVar[Tone]
    """For incoming calls: 660 and 880 Hz, twice 0.4 s, 2 s off."""

    def __attrs_post_init__(self) -> None:
        if not self.frequencies or not all(0 < value < SAMPLE_RATE / 2 for value in self.frequencies):
            raise ClientConfigurationError("frequencies must be one or more hertz, each below 24000")
        if not self.cadence or not all(0 <= value <= _LONGEST for value in self.cadence) or sum(self.cadence) < 0.1:
            raise ClientConfigurationError("cadence must be seconds of sound and of silence in turn, 60 at most each")
        if not 0.0 < self.level <= 1.0:
            raise ClientConfigurationError(f"level must be above 0.0 and at most 1.0, not {self.level!r}")

    def samples(self) -> Int16:
        """One turn of the cadence, 48 kHz mono."""
        return np.concatenate([self._part(seconds, index % 2 == 0) for index, seconds in enumerate(self.cadence)])

    def _part(self, seconds: float, sounds: bool) -> Int16:
        count = round(seconds * SAMPLE_RATE)
        if not sounds or not count:
            return np.zeros(count, np.int16)
        time = np.arange(count, dtype=np.float64) / SAMPLE_RATE
        wave = sum((np.sin(2 * math.pi * frequency * time) for frequency in self.frequencies), np.zeros(count))
        ramp = np.minimum(1.0, np.minimum(np.arange(count), np.arange(count)[::-1]) / _RAMP)
        scaled: Int16 = (wave * ramp * (self.level * 32767 / len(self.frequencies))).astype(np.int16)
        return scaled


Tone.RINGBACK_US = Tone()
Tone.RINGBACK_EU = Tone((425.0,), (1.0, 4.0))
Tone.RINGBACK_UK = Tone((400.0, 450.0), (0.4, 0.2, 0.4, 2.0))
Tone.RINGTONE = Tone((660.0, 880.0), (0.4, 0.2, 0.4, 2.0), 0.3)


class ToneSource:
    """Samples again and again. One thread at a time."""

    def __init__(self, samples: Int16) -> None:
        self._samples = samples
        self._position = 0

    def read(self, count: int) -> Int16:
        """The next samples, exactly that many."""
        places = np.arange(self._position, self._position + count) % len(self._samples)
        self._position = (self._position + count) % len(self._samples)
        return self._samples[places]


def check_ring_source(name: str, source: RingSource | None) -> None:
    """Refuse what cannot be played when it is given, and not when somebody calls.

    Raises:
        ClientConfigurationError: It is neither a tone nor a path.
        MediaError: The file cannot be read or is no WAV.
    """
    given: object = source
    if isinstance(given, (str, bytes, os.PathLike)):
        WavReader(checked_path(name, given)).close()
    elif given is not None and not isinstance(given, Tone):
        raise ClientConfigurationError(f"{name} must be a Tone or the path of a WAV file; got {type(given).__name__}")


def open_ring_source(source: RingSource) -> ToneSource:
    """Make or read it.

    Raises:
        MediaError: The file cannot be read, or has nothing in it.
    """
    if isinstance(source, Tone):
        return ToneSource(source.samples())
    with WavReader(source) as reader:
        samples = reader.read(_LONGEST * SAMPLE_RATE)
    if not len(samples):
        raise MediaError(f"{os.fspath(source)} has no sound in it; give another file")
    return ToneSource(samples)
