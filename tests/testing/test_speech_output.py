"""`Mouth`: words come when they are spoken."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from telnyx_agent.testing import SilentVoice, Speech
from telnyx_agent.testing._speech_output import FRAME, Mouth, Utterance


def silence(seconds: float, noise: int = 0) -> np.ndarray:
    samples = np.zeros(round(seconds * 16000))
    if noise:
        samples += np.random.default_rng(3).normal(0, noise, len(samples))
    return samples.astype(np.int16)


class Story:
    """One utterance, and what was announced of it."""

    def __init__(self, seconds_per_word: float, text: str) -> None:
        self.log: list[str] = []
        speech = SilentVoice(seconds_per_word).speak(text)
        loud = Speech(speech.samples + np.int16(7), speech.words)
        self.utterance = Utterance(
            loud, lambda: self.log.append("start"), self.log.append, lambda: self.log.append("done")
        )


def test_words_come_when_they_are_spoken() -> None:
    """20 ms of sound at a time; each word when its time has come, the end with the last sample."""
    mouth, story = Mouth(lambda samples: None), Story(0.05, "a b")
    mouth.say(story.utterance)
    seen = []
    for _ in range(6):
        assert len(mouth.step()) == FRAME
        seen.append(len(story.log))
    assert story.log == ["start", "a", " b", "done"]
    assert seen == [2, 2, 3, 3, 4, 4]
    assert not mouth.is_speaking


def test_silent_words_come_at_once() -> None:
    """A speech without sound is over in one step."""
    mouth, story = Mouth(lambda samples: None), Story(0.0, "a b c")
    mouth.say(story.utterance)
    assert np.abs(mouth.step()).max() == 0
    assert story.log == ["start", "a b c", "done"]


def test_a_mouth_that_is_stopped() -> None:
    """Nothing more is announced, what waits is forgotten, and the next step is silence."""
    mouth, first, second = Mouth(lambda samples: None), Story(0.1, "a b"), Story(0.1, "c")
    mouth.say(first.utterance)
    mouth.say(second.utterance)
    assert mouth.step().max() == 7
    assert mouth.stop()
    assert not mouth.stop()
    assert mouth.step().max() == 0
    assert (first.log, second.log) == (["start", "a"], [])


def test_a_mouth_that_pauses() -> None:
    """Silence, and then on from where it was."""
    mouth, story = Mouth(lambda samples: None), Story(0.02, "a b")
    mouth.say(story.utterance)
    mouth.step()
    mouth.paused = True
    assert mouth.step().max() == 0
    mouth.paused = False
    mouth.step()
    assert story.log[-1] == "done"


def test_the_pace_does_not_drift() -> None:
    """Half a second of frames takes half a second."""

    async def scenario() -> float:
        frames = asyncio.Queue[int]()
        mouth = Mouth(lambda samples: frames.put_nowait(len(samples)))
        loop = asyncio.get_running_loop()
        start = loop.time()
        task = asyncio.create_task(mouth.run())
        for _ in range(26):
            await frames.get()
        task.cancel()
        return loop.time() - start

    assert asyncio.run(scenario()) == pytest.approx(0.5, abs=0.15)
