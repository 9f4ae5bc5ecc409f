"""Says things at the pace of speech, 20 ms of sound at a time, and announces each word in time. Loop thread only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import attrs
import numpy as np

from .voice import SAMPLE_RATE, Samples, Speech

__all__ = ["FRAME", "Mouth", "Utterance"]

FRAME = 960  # 20 ms
_SILENCE = np.zeros(FRAME, np.int16)
# Behind by more than this, the clock is set anew: a machine that slept must not say it all at once.
_MAX_LATENESS = 0.2


@attrs.define(eq=False)
class Utterance:
    """One thing to say, and what to do as it is said."""

    speech: Speech
    on_start: Callable[[], None]
    on_words: Callable[[str], None]
    on_done: Callable[[], None]
    position: int = 0
    next_word: int = 0


class Mouth:
    """Speaks utterances one after the other, and silence between them, so that RTP flows all the time.

    Args:
        play: Takes 960 samples (mono, 48 kHz) every 20 ms.
    """

    def __init__(self, play: Callable[[Samples], None]) -> None:
        self.play = play
        self.paused = False
        self.ringback: Samples | None = None
        self._rung = 0
        self._queue: deque[Utterance] = deque()
        self._current: Utterance | None = None

    @property
    def is_speaking(self) -> bool:
        """Whether something is being said or waits to be said."""
        return self._current is not None or bool(self._queue)

    def say(self, utterance: Utterance) -> None:
        """Say something after what is being said."""
        self._queue.append(utterance)

    def stop(self) -> bool:
        """Fall silent at once, in the middle of a word; True if there was something to stop."""
        was_speaking = self.is_speaking
        self._queue.clear()
        self._current = None
        return was_speaking

    async def run(self) -> None:
        """Speak until cancelled. The pace does not drift: each deadline is counted from the first."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self.play(self.step())
            due += FRAME / SAMPLE_RATE
            delay = due - loop.time()
            if delay < -_MAX_LATENESS:
                due = loop.time()
            await asyncio.sleep(max(0.0, delay))

    def step(self) -> Samples:
        """The next 20 ms."""
        if self.paused:
            return _SILENCE
        if self.ringback is not None:
            return self._ring(self.ringback)
        if self._current is None:
            if not self._queue:
                return _SILENCE
            self._current = self._queue.popleft()
            self._current.on_start()
        current = self._current
        if current is None:  # on_start stopped us
            return _SILENCE
        samples = current.speech.samples[current.position : current.position + FRAME]
        current.position += FRAME
        self._announce(current)
        if self._current is current and current.position >= len(current.speech.samples):
            self._current = None
            current.on_done()
        if len(samples) < FRAME:
            samples = np.concatenate((samples, _SILENCE[: FRAME - len(samples)]))
        return samples

    def _ring(self, tone: Samples) -> Samples:
        """The next 20 ms of a tone, which comes again and again."""
        begin = self._rung % (len(tone) // FRAME) * FRAME
        self._rung += 1
        return tone[begin : begin + FRAME]

    def _announce(self, current: Utterance) -> None:
        """Announce the words that began up to now; those that began together, together."""
        words = current.speech.words
        spoken = []
        at_end = current.position >= len(current.speech.samples)
        while current.next_word < len(words):
            start, word = words[current.next_word]
            if not at_end and start * SAMPLE_RATE >= current.position:
                break
            spoken.append(word)
            current.next_word += 1
        if spoken:
            current.on_words("".join(spoken))
