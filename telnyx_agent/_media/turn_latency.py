"""How long the user waits for the agent: from the end of the user's speech to the first of the agent's that is heard.

PURE: sound and time are arguments. Speech is told from noise by its energy, above a floor that follows the noise. That
is simple and fast (some microseconds a block); it takes loud music for speech.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["TurnLatency", "TurnMeter"]

_RATE = 48000
_FRAME = 480  # samples; the unit in which speech is told from noise, and so the resolution of all times
_FRAME_SECONDS = _FRAME / _RATE
_ONES: NDArray[np.float32] = np.ones(_FRAME, np.float32)
_AT_ONCE = 4800  # samples that are looked at together: code that is run for each block is never in the caches

_LOUDEST_FLOOR = 3000.0**2  # a "noise" louder than that is speech without pauses
_LOWEST_FLOOR = 11.0**2  # -69 dBFS
_BEGIN_ABOVE = 14.0  # times the floor, in power; the least of many noise frames lies some dB below their mean
_GO_ON_ABOVE = 6.0  # a last consonant is much softer than what began the word
_FLOOR_PARTS, _FLOOR_PART = 5, 30  # the floor is the least of 1.5 s, kept as five times 30 frames

_BEGIN, _BEGIN_OF = 5, 8  # that many loud frames of so many are speech that begins; a click is not
_GO_ON, _GO_ON_OF = 2, 3  # that many of so many are speech that goes on

_IN_WORD = 0.1  # seconds that a consonant may be silent
_USER_PAUSE = 0.6  # seconds of silence that make two utterances of one
_AGENT_PAUSE = 0.35
_OVERLAP = 0.1  # the user may speak so far into the agent's answer and still have waited for it
_DECISION = 0.2  # seconds after the answer has begun
_YIELD = 1.5  # an agent that stops so soon after the user began was interrupted

_REMEMBERED = 8  # utterances

_FOLLOW = 0.05  # how fast a side's clock follows the times of its blocks
_JUMP = 0.1  # seconds off from which the blocks are believed at once


@attrs.frozen
class TurnLatency:
    """One answer of the agent's, and how long the user waited for it.

    Times are in seconds of the monotonic clock (`time.monotonic()`), as `TranscriptionItem.at`. They are those at which
    blocks crossed the seam to the audio device; what the sound card itself adds is not in them.

    Attributes:
        started_at: When the user began to speak.
        user_speech_end: When the user's last sound before the answer ended; not when that became sure.
        agent_audio_start: When the first sound of the answer was handed to the device.
        latency: From `user_speech_end` to `agent_audio_start`; 0 when the agent began within the last word.
        interrupted: Whether the user began while the agent still spoke, and the agent stopped for it (barge-in).
        barge_in_latency: With `interrupted`: from `started_at` to the agent's last sound. None otherwise.
    """

    started_at: float
    user_speech_end: float
    agent_audio_start: float
    latency: float
    interrupted: bool = False
    barge_in_latency: float | None = None


class _Floor:
    """The noise that speech stands out of: the least power of the last one and a half seconds."""

    def __init__(self) -> None:
        self._parts: deque[float] = deque(maxlen=_FLOOR_PARTS)
        self._least = _LOUDEST_FLOOR
        self._frames = 0
        self._past = _LOUDEST_FLOOR  # of the parts that are complete
        self.power = _LOWEST_FLOOR

    def add(self, power: float) -> None:
        """Take one frame into account."""
        self._least = min(self._least, power)
        self._frames += 1
        if self._frames == _FLOOR_PART:
            self._parts.append(self._least)
            self._past = min(self._parts)
            self._least, self._frames = _LOUDEST_FLOOR, 0
        # Without a whole part the beginning of the first word would pass for noise.
        self.power = max(_LOWEST_FLOOR, min(self._past, self._least)) if self._parts else _LOWEST_FLOOR


class _Speech:
    """The utterances of one side.

    Args:
        pause: Seconds of silence that end an utterance.

    Attributes:
        utterances: Beginning and end of the last ones, oldest first; the last may still grow. Never changed, only
            replaced, because the other side's thread reads it.
    """

    def __init__(self, pause: float) -> None:
        self.utterances: tuple[tuple[float, float], ...] = ()
        self._pause = pause
        self._floor = _Floor()
        self._loud: deque[bool] = deque([False] * _BEGIN_OF, maxlen=_BEGIN_OF)
        self._speaking = False
        self._peak = 0.0

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is under way, as far as is known."""
        return self._speaking

    def frame(self, power: float, begin: float) -> bool:
        """Take the next 10 ms into account, which begin at `begin`.

        Returns:
            Whether an utterance has begun, as is known by now.
        """
        self._floor.add(power)
        in_word = self._speaking and begin - self.utterances[-1][1] < _IN_WORD
        loud = power > self._floor.power * (_GO_ON_ABOVE if in_word else _BEGIN_ABOVE)
        self._loud.append(loud)
        if self._speaking:
            self._go_on(power, loud, begin)
            return False
        if not loud or not self._begins():
            return False
        self._speaking = True
        self._peak = power
        recent = tuple(self._loud)
        first = begin - (_BEGIN_OF - 1 - recent.index(True)) * _FRAME_SECONDS
        self.utterances = (*self.utterances[1 - _REMEMBERED :], (first, begin + _FRAME_SECONDS))
        return True

    def _go_on(self, power: float, loud: bool, begin: float) -> None:
        first, end = self.utterances[-1]
        self._peak = max(self._peak, power)
        if self._peak <= self._floor.power * _BEGIN_ABOVE:
            # It was noise that has become louder, as is known now.
            self.utterances = self.utterances[:-1]
            self._stop()
        elif loud and sum(tuple(self._loud)[-_GO_ON_OF:]) >= _GO_ON and (begin - end < _IN_WORD or self._begins()):
            self.utterances = (*self.utterances[:-1], (first, begin + _FRAME_SECONDS))
        elif begin - end > self._pause:
            self._stop()

    def _begins(self) -> bool:
        return sum(self._loud) >= _BEGIN

    def _stop(self) -> None:
        self._speaking = False
        self._loud.extend([False] * _BEGIN_OF)


class _Side:
    """Cuts one side's blocks into frames and gives each its time."""

    def __init__(self, pause: float) -> None:
        self.speech = _Speech(pause)
        self._sum = self._squares = 0.0  # of the frame that is not complete
        self._count = 0
        self._end = -1.0  # when the last block ended
        self._waiting: list[tuple[NDArray[np.int16], float]] = []  # blocks and when they began
        self._samples = 0  # in these

    def add(self, samples: NDArray[np.int16], now: float, *, ahead: bool) -> bool:
        """Take a block.

        Args:
            samples: The block.
            now: When it crossed the seam.
            ahead: Whether it begins then, as what is rendered does; else it ends then.

        Returns:
            Whether an utterance has begun, as far as was looked.
        """
        seconds = samples.size / _RATE
        begin = now if ahead else now - seconds
        late = begin - self._end
        # Threads are late at random, sound is not.
        begin = begin if abs(late) > _JUMP else self._end + _FOLLOW * late
        self._end = begin + seconds
        self._waiting.append((samples, begin))
        self._samples += samples.size
        return self._samples >= _AT_ONCE and self._work()

    def _work(self) -> bool:
        begun = False
        for samples, begin in self._waiting:
            begun |= self._frames(samples, begin)
        self._waiting.clear()
        self._samples = 0
        return begun

    def _frames(self, samples: NDArray[np.int16], begin: float) -> bool:
        begun = False
        position = 0
        while position < samples.size:
            part = samples[position : position + _FRAME - self._count].astype(np.float32)
            position += part.size
            self._squares += float(part @ part)
            self._sum += float(part @ _ONES[: part.size])  # a third of what `sum` costs
            self._count += part.size
            if self._count == _FRAME:
                mean = self._sum / _FRAME  # microphones have an offset, which is no sound
                power = max(0.0, self._squares / _FRAME - mean * mean)
                begun |= self.speech.frame(power, begin + position / _RATE - _FRAME_SECONDS)
                self._sum = self._squares = 0.0
                self._count = 0
        return begun


class TurnMeter:
    """Finds the turns of one call in what was sent and what was heard.

    Each side may have a thread of its own; no side is called by two threads at once.

    Args:
        on_turn: Takes each `TurnLatency` two to three tenths of a second after the answer has begun, on the thread that
            called `rendered`. It must be quick and not raise.
        on_voice: Told, likewise, when the agent's voice begins or has ended to be heard, and when that was; the end is
            known only after a pause. The first time, with the first block, it is told that there is silence.
    """

    def __init__(
        self,
        on_turn: Callable[[TurnLatency], None],
        on_voice: Callable[[bool, float], None] = lambda audible, at: None,
    ) -> None:
        self._on_turn = on_turn
        self._on_voice = on_voice
        self._voice: bool | None = None  # until somebody listens
        self._user = _Side(_USER_PAUSE)
        self._agent = _Side(_AGENT_PAUSE)
        self._answer: float | None = None  # when one began of which is not decided yet whether it ends a turn
        self._answered = float("-inf")  # until then the user's utterances have been answered

    def captured(self, samples: NDArray[np.int16], now: float) -> None:
        """What was sent: a block of int16 samples at 48 kHz that ends `now`; zeros while muted (device thread)."""
        self._user.add(samples, now, ahead=False)

    def rendered(self, samples: NDArray[np.int16], now: float) -> None:
        """What is heard: a block of int16 samples at 48 kHz that begins `now` (device thread)."""
        if self._agent.add(samples, now, ahead=True):
            self._answer = self._agent.speech.utterances[-1][0]
        speech = self._agent.speech
        if speech.is_speaking is not self._voice:
            self._voice = speech.is_speaking
            utterance = speech.utterances[-1] if speech.utterances else (now, now)
            self._on_voice(speech.is_speaking, utterance[0 if speech.is_speaking else 1])
        if self._answer is not None and now >= self._answer + _DECISION:
            answer, self._answer = self._answer, None
            turn = self._turn(answer)
            if turn is not None:
                self._on_turn(turn)

    def _turn(self, answer: float) -> TurnLatency | None:
        """The turn that ends with the answer that began then."""
        answers = [one for one in self._agent.speech.utterances if one[0] <= answer]
        if not answers or answers[-1][0] != answer:
            return None  # it was noise that has become louder
        asked = [one for one in self._user.speech.utterances if self._answered < one[0] < answer]
        if not asked:
            return None
        started, ended = asked[-1]
        if ended > answer + _OVERLAP:
            return None  # the agent talks over the user; nobody waited
        barge_in = None
        if len(answers) > 1 and started < answers[-2][1]:
            barge_in = answers[-2][1] - started
            if ended < answers[-2][1] and barge_in > _YIELD:
                return None  # "uh-huh": the agent did not stop for it
        self._answered = answer
        latency = max(0.0, answer - ended)
        return TurnLatency(started, ended, answer, latency, barge_in is not None, barge_in)
