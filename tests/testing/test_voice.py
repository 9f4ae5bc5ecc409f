"""`voice`: espeak-ng, tones and silence, as words with their times."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from telnyx_agent.testing import EspeakVoice, SilentVoice, ToneVoice, synthesize
from telnyx_agent.testing.voice import resample, split_words
from tests.support.requirements import require


@pytest.mark.parametrize("text", ["", " ", "one", " Hi  there!\n", "a b c ", "Grüß dich, 3 mal"])
def test_words_join_to_the_text(text: str) -> None:
    """No white space is lost: deltas add up to the text."""
    assert "".join(split_words(text)) == text


@pytest.mark.parametrize("voice", [ToneVoice(), SilentVoice(0.1), SilentVoice()])
def test_words_have_their_times(voice: ToneVoice | SilentVoice) -> None:
    """Each word begins after the one before, within the sound."""
    speech = voice.speak("one two three")
    times = [time for time, _ in speech.words]
    assert times == sorted(times)
    assert [word for _, word in speech.words] == ["one", " two", " three"]
    assert times[-1] <= speech.seconds


def test_espeak_speaks() -> None:
    """Sound of a plausible length and level, words at rising times within it."""
    require("voice")
    speech = EspeakVoice().speak("Hello! It is 14:35 - I am here, dear friend.")
    assert 2 < speech.seconds < 8
    assert 5000 < np.abs(speech.samples).max() <= 32767
    times = [time for time, _ in speech.words]
    assert times == sorted(times)
    assert "".join(word for _, word in speech.words) == "Hello! It is 14:35 - I am here, dear friend."
    assert EspeakVoice().speak("").seconds == EspeakVoice().speak(" ").seconds == 0


def test_espeak_voices() -> None:
    """Voices sound different; one that does not exist is refused."""
    require("voice")
    low, high = synthesize("Hello", voice="en-us"), synthesize("Hello", voice="en-us+f3")
    assert not np.array_equal(low, high)
    with pytest.raises(ValueError, match="no voice 'vulcan'"):
        EspeakVoice("vulcan")


def test_espeak_on_many_threads() -> None:
    """The library has global state; the lock keeps the voices apart."""
    require("voice")
    alone = {name: synthesize("How are you?", voice=name) for name in ("en-us", "en-us+f3", "de")}
    results: list[tuple[str, np.ndarray]] = []
    threads = [
        threading.Thread(target=lambda name=name: results.append((name, synthesize("How are you?", voice=name))))
        for name in list(alone) * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(samples) == pytest.approx(len(alone[name]), rel=0.05) for name, samples in results)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000])
def test_resampling_keeps_a_tone(rate: int) -> None:
    """A tone stays where it is and as loud as it was."""
    time = np.arange(rate) / rate
    tone = (10000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)
    result = resample(tone, rate, 48000)
    assert len(result) == 48000
    spectrum = np.abs(np.fft.rfft(result.astype(float)))
    assert int(spectrum.argmax()) == 440
    assert np.abs(result).max() == pytest.approx(10000, rel=0.02)


def tone(seconds: float, level: int = 8000, rate: int = 16000) -> np.ndarray:
    return (level * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate)) / rate)).astype(np.int16)
