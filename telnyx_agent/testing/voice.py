"""The agent's voice: text in, 48 kHz sound and the time of each word out.

`EspeakVoice` speaks (espeak-ng, from the wheel `espeakng-loader`, extra `demo`), `ToneVoice` plays a note per word and
needs nothing, `SilentVoice` says its words without a sound, as fast as one likes. Anything with `speak(text)` will do.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import threading
import wave
from typing import Any, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from ..errors import ClientConfigurationError, MediaError
from ._checks import MissingPackageError, check_number, missing_package

__all__ = ["EspeakVoice", "SilentVoice", "Speech", "ToneVoice", "Voice", "synthesize"]

SAMPLE_RATE = 48000
Samples = NDArray[np.int16]


@attrs.frozen(eq=False)
class Speech:
    """Something to say.

    Attributes:
        samples: Mono, 16 bit, 48 kHz.
        words: Each word as it is written, with the blanks before it, and the second at which it begins. Their texts
            together are the text.
    """

    samples: Samples
    words: tuple[tuple[float, str], ...]

    @property
    def seconds(self) -> float:
        """How long it takes to say it."""
        return len(self.samples) / SAMPLE_RATE


class Voice(Protocol):
    """What an agent needs to speak."""

    def speak(self, text: str) -> Speech:
        """Turn a text into sound. Called on one thread at a time; may take a while; must not raise for any text."""


def split_words(text: str) -> list[str]:
    """The words of a text, each with the white space before it, so that they join to the text again."""
    words: list[str] = []
    start = 0
    for index in range(1, len(text) + 1):
        at_end = index == len(text)
        if at_end or (text[index].isspace() and not text[index - 1].isspace()):
            words.append(text[start:index])
            start = index
    if len(words) > 1 and not words[-1].strip():
        words[-2:] = [words[-2] + words[-1]]
    return words


class SilentVoice:
    """Says words without a sound; for tests that are about text.

    Args:
        seconds_per_word: How long each word takes.
    """

    def __init__(self, seconds_per_word: float = 0.0) -> None:
        self._seconds_per_word = check_number("seconds_per_word", seconds_per_word, 0.0, 60.0)

    def speak(self, text: str) -> Speech:
        """Silence of the right length."""
        words = split_words(text)
        samples = np.zeros(round(len(words) * self._seconds_per_word * SAMPLE_RATE), np.int16)
        return Speech(samples, tuple((i * self._seconds_per_word, word) for i, word in enumerate(words)))


class ToneVoice:
    """Plays a short melody, one note for each word; works without any extra.

    Args:
        seconds_per_word: Length of a note with the gap after it.
        level: Peak amplitude, 0 to 1.
    """

    _SCALE = (392.0, 440.0, 523.25, 587.33, 659.25)

    def __init__(self, seconds_per_word: float = 0.16, level: float = 0.25) -> None:
        self._seconds_per_word = check_number("seconds_per_word", seconds_per_word, 0.01, 60.0)
        self._level = check_number("level", level, 0.0, 1.0)

    def speak(self, text: str) -> Speech:
        """A melody that depends on the words, so that answers can be told apart by ear."""
        words = split_words(text)
        length = round(self._seconds_per_word * SAMPLE_RATE)
        time = np.arange(length) / SAMPLE_RATE
        # A quick swell and a decay: an abrupt note would click.
        envelope = np.minimum(1.0, time / 0.01) * np.clip((self._seconds_per_word * 0.85 - time) / 0.03, 0.0, 1.0)
        notes = [np.zeros(0)]
        for word in words:
            frequency = self._SCALE[sum(word.strip().encode()) % len(self._SCALE)]
            notes.append(np.sin(2 * math.pi * frequency * time) * envelope * self._level * 32767)
        samples = np.concatenate(notes).astype(np.int16)
        return Speech(samples, tuple((i * length / SAMPLE_RATE, word) for i, word in enumerate(words)))


class EspeakVoice:
    """Speaks with espeak-ng. Several voices may be used in one process; they take turns.

    Args:
        name: An espeak-ng voice, such as `"en-us"`, `"en-us+f3"` (the same in variant f3), `"de"`.
        words_per_minute: 80 to 450.
        pitch: 0 to 100.

    Raises:
        ClientConfigurationError: `espeakng-loader` is not installed (then it is an ImportError as well), espeak-ng has
            no voice of that name, or a number is out of range.
    """

    def __init__(self, name: str = "en-us", *, words_per_minute: int = 160, pitch: int = 50) -> None:
        if not isinstance(name, str):
            raise ClientConfigurationError(f"name is the name of an espeak-ng voice, such as 'en-us'; got {name!r}")
        self._name = name
        self._words_per_minute = int(check_number("words_per_minute", words_per_minute, 80, 450))
        self._pitch = int(check_number("pitch", pitch, 0, 100))
        _engine().check_voice(name)

    def speak(self, text: str) -> Speech:
        """Speak a text. Costs about a hundredth of the time that it takes to say it."""
        if not text.strip():
            return Speech(np.zeros(0, np.int16), ((0.0, text),) if text else ())
        raw, starts, rate = _engine().speak(text, self._name, self._words_per_minute, self._pitch)
        words: list[tuple[float, str]] = []
        position = 0
        for word in split_words(text):
            # espeak reports the character at which it begins a word; numbers and marks may give none or several.
            first = position + len(word) - len(word.lstrip())
            position += len(word)
            time = next((t for char, t in starts if first <= char < position), None)
            words.append((words[-1][0] if time is None and words else time or 0.0, word))
        return Speech(resample(raw, rate, SAMPLE_RATE), tuple(words))


def resample(samples: Samples, from_rate: int, to_rate: int) -> Samples:
    """Change the sample rate of a whole clip, through its spectrum: exact for band-limited sound, no state."""
    if from_rate == to_rate or not len(samples):
        return samples
    length = round(len(samples) * to_rate / from_rate)
    spectrum = np.fft.rfft(samples.astype(np.float64))
    bins = length // 2 + 1
    resized = np.zeros(bins, np.complex128)
    kept = min(bins, len(spectrum))
    resized[:kept] = spectrum[:kept]
    result = np.fft.irfft(resized, length) * (length / len(samples))
    return np.clip(np.round(result), -32768, 32767).astype(np.int16)


def synthesize(
    text: str, path: str | os.PathLike[str] | None = None, rate: int = SAMPLE_RATE, voice: str | Voice = "en-us+f3"
) -> Samples:
    """Speak a text, as a caller for tests and demos would; the default voice is not the agent's.

    Args:
        text: What to say.
        path: Where to write a WAV file (mono, 16 bit); None to write none.
        rate: Sample rate of the result.
        voice: An espeak-ng voice, or anything with `speak`.

    Returns:
        The samples.

    Raises:
        ClientConfigurationError: An argument is wrong, or `espeakng-loader` is not installed (then it is an ImportError
            as well); the message says what to install.
        MediaError: The file cannot be written.
    """
    if not isinstance(text, str):
        raise ClientConfigurationError(f"text is what to say, a str; got {type(text).__name__}")
    rate = int(check_number("rate", rate, 1000, 384_000))
    if not isinstance(voice, str) and not callable(getattr(voice, "speak", None)):
        raise ClientConfigurationError(f"voice is the name of an espeak-ng voice, or has speak(text); got {voice!r}")
    speaker = EspeakVoice(voice) if isinstance(voice, str) else voice
    samples = resample(speaker.speak(text).samples, SAMPLE_RATE, rate)
    if path is not None:
        try:
            _write(os.fspath(path), samples, rate)
        except OSError as exc:
            raise MediaError(f"{os.fspath(path)} cannot be written: {exc.strerror or exc}") from exc
    return samples


def _write(path: str, samples: Samples, rate: int) -> None:
    # Opened here: `wave` leaves a file that it cannot open half made, and its finaliser complains.
    with open(path, "wb") as raw, wave.open(raw, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())


# -- espeak-ng through ctypes ------------------------------------------------------------------------------------------


class _Event(ctypes.Structure):
    """`espeak_EVENT` of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_POSITION_CHARACTER = 1
_EVENT_LIST_END = 0
_EVENT_WORD = 1
_DONT_EXIT = 0x8000
_RATE, _PITCH = 1, 3


class _Engine:
    """The one espeak-ng of this process: the library keeps global state and is not thread-safe, hence the lock."""

    def __init__(self) -> None:
        try:
            import espeakng_loader

            self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        except (ImportError, OSError) as exc:
            raise missing_package("speech", "espeakng-loader", exc) from exc
        self._lock = threading.Lock()
        data = espeakng_loader.get_data_path().encode()
        self.rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, _DONT_EXIT)
        if self.rate <= 0:
            raise MissingPackageError("espeak-ng could not be initialised; reinstall the package espeakng-loader")
        self._library.espeak_Synth.argtypes = (
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        )
        self._chunks: list[Samples] = []
        self._starts: list[tuple[int, float]] = []
        # Kept here: the library calls it as long as the process lives.
        self._callback = _Callback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, wave_data: Any, count: int, events: Any) -> int:
        """Collect sound and the times of words; called by the library inside `espeak_Synth`."""
        if wave_data and count > 0:
            self._chunks.append(np.ctypeslib.as_array(wave_data, shape=(count,)).copy())
        index = 0
        while events and events[index].type != _EVENT_LIST_END:
            event = events[index]
            if event.type == _EVENT_WORD:
                self._starts.append((event.text_position - 1, event.audio_position / 1000))
            index += 1
        return 0

    def check_voice(self, name: str) -> None:
        """Raise ValueError unless there is such a voice."""
        with self._lock:
            self._select(name)

    def _select(self, name: str) -> None:
        if self._library.espeak_SetVoiceByName(name.encode()) != 0:
            raise ClientConfigurationError(f"espeak-ng has no voice {name!r}; try 'en-us', 'en-us+f3', 'de' or 'fr'")

    def speak(
        self, text: str, name: str, words_per_minute: int, pitch: int
    ) -> tuple[Samples, list[tuple[int, float]], int]:
        """Sound at the library's rate, with (character index, second) of each word's beginning."""
        data = text.replace("\0", " ").encode() + b"\0"
        with self._lock:
            self._select(name)
            self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
            self._library.espeak_SetParameter(_PITCH, pitch, 0)
            self._chunks, self._starts = [], []
            self._library.espeak_Synth(data, len(data), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None)
            chunks, starts = self._chunks, self._starts
        samples = np.concatenate(chunks) if chunks else np.zeros(0, np.int16)
        return samples, starts, self.rate


@functools.cache
def _engine() -> _Engine:
    return _Engine()
