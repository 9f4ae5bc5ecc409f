"""`Endpointer`: where an utterance begins and ends."""

from __future__ import annotations

import numpy as np
import pytest

from telnyx_agent.testing._endpoint import Endpointer, SpeechEnded, SpeechGoesOn, SpeechStarted, Turn
from tests.testing.sounds import silence, tone


def feed(endpointer: Endpointer, *parts: np.ndarray) -> list[Turn]:
    data = np.concatenate(parts)
    return [turn for start in range(0, len(data), 333) for turn in endpointer.feed(data[start : start + 333])]


def test_one_utterance() -> None:
    """Start, progress, end; the sound has some silence around it and nothing is lost."""
    turns = feed(Endpointer(), silence(0.5), tone(1.0), silence(1.0))
    assert [type(turn) for turn in turns] == [SpeechStarted, SpeechGoesOn, SpeechGoesOn, SpeechEnded]
    ended = turns[-1]
    assert isinstance(ended, SpeechEnded)
    assert 1.6 < len(ended.samples) / 16000 < 2.1
    assert np.abs(ended.samples.astype(int)).sum() == pytest.approx(np.abs(tone(1.0).astype(int)).sum(), rel=0.05)


def test_clicks_are_no_speech() -> None:
    """A single loud frame does not interrupt anybody."""
    assert feed(Endpointer(), *[silence(0.3), tone(0.02)] * 5) == []


def test_pauses_within_a_sentence() -> None:
    """Less than the end of an utterance does not end it."""
    turns = feed(Endpointer(report=9), silence(0.3), tone(0.5), silence(0.4), tone(0.5), silence(1.0))
    assert [type(turn) for turn in turns] == [SpeechStarted, SpeechEnded]


def test_a_noisy_room() -> None:
    """Steady noise is background, speech that stands out of it is heard."""
    endpointer = Endpointer(report=9)
    assert feed(endpointer, silence(2.0, noise=400)) == []
    turns = feed(endpointer, tone(0.7) + silence(0.7, noise=400), silence(1.0, noise=400))
    assert [type(turn) for turn in turns] == [SpeechStarted, SpeechEnded]


def test_somebody_who_never_stops() -> None:
    """Music is cut after a while, so that memory stays bounded."""
    turns = feed(Endpointer(report=100), silence(0.2), tone(45))
    assert [type(turn) for turn in turns].count(SpeechEnded) == 2
