"""Where speech begins and ends, by energy. Pure: samples in, turns out; time is counted in samples."""

from __future__ import annotations

from collections import deque

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["Endpointer", "Samples", "SpeechEnded", "SpeechGoesOn", "SpeechStarted", "Turn", "level_db"]

RATE = 16000
FRAME = 320  # 20 ms
Samples = NDArray[np.int16]

# An utterance longer than this is cut, so that a caller with music on does not fill the memory.
MAX_SECONDS = 20.0
_LOUDEST_BACKGROUND = -35.0


@attrs.frozen
class SpeechStarted:
    """Somebody began to speak."""


@attrs.frozen(eq=False)
class SpeechGoesOn:
    """Somebody has been speaking for a while; these are the samples so far."""

    samples: Samples


@attrs.frozen(eq=False)
class SpeechEnded:
    """Somebody stopped; these are all the samples, with a little silence at both ends."""

    samples: Samples


Turn = SpeechStarted | SpeechGoesOn | SpeechEnded


class Endpointer:
    """Cuts a stream of 16 kHz mono sound into utterances.

    Args:
        threshold: Level in dB below full scale above which sound may be speech. The level of the background is followed
            and speech has to stand out of it by 10 dB.
        start: Seconds of speech before it counts.
        end: Seconds of silence that end an utterance.
        report: Seconds between two `SpeechGoesOn`.
    """

    def __init__(self, *, threshold: float = -45.0, start: float = 0.06, end: float = 0.6, report: float = 0.8) -> None:
        self._threshold = threshold
        self._start_frames = max(1, round(start * RATE / FRAME))
        self._end_frames = max(1, round(end * RATE / FRAME))
        self._report_frames = max(1, round(report * RATE / FRAME))
        self._rest = np.zeros(0, np.int16)
        self._before: deque[Samples] = deque(maxlen=20)  # 0.4 s of lead-in
        self._frames: list[Samples] = []
        self._active = 0
        self._silent = 0
        self._background: float | None = None
        self.is_speaking = False

    def feed(self, samples: Samples) -> list[Turn]:
        """Hear some more sound, of any length."""
        turns: list[Turn] = []
        data = np.concatenate((self._rest, samples))
        whole = len(data) // FRAME * FRAME
        for start in range(0, whole, FRAME):
            turn = self._frame(data[start : start + FRAME])
            if turn is not None:
                turns.append(turn)
        self._rest = data[whole:]
        return turns

    def reset(self) -> None:
        """Forget what was being said."""
        self._frames, self.is_speaking, self._active, self._silent = [], False, 0, 0
        self._before.clear()

    def _frame(self, frame: Samples) -> Turn | None:
        level = level_db(frame)
        if self._background is None:
            # Somebody may be speaking already: no background is that loud.
            self._background = min(level, _LOUDEST_BACKGROUND)
        loud = level > max(self._threshold, self._background + 10.0)
        # Down at once, up slowly (5 dB/s), never during speech.
        if level < self._background:
            self._background = level
        elif not self.is_speaking:
            self._background = min(level, self._background + 0.1)
        if not self.is_speaking:
            return self._wait(frame, loud)
        self._frames.append(frame)
        self._silent = 0 if loud else self._silent + 1
        if self._silent >= self._end_frames or len(self._frames) * FRAME >= MAX_SECONDS * RATE:
            ended = SpeechEnded(np.concatenate(self._frames))
            self.reset()
            return ended
        if len(self._frames) % self._report_frames == 0:
            return SpeechGoesOn(np.concatenate(self._frames))
        return None

    def _wait(self, frame: Samples, loud: bool) -> Turn | None:
        self._before.append(frame)
        self._active = self._active + 1 if loud else max(0, self._active - 1)
        if self._active < self._start_frames:
            return None
        self._frames = list(self._before)
        self._before.clear()
        self.is_speaking, self._active, self._silent = True, 0, 0
        return SpeechStarted()


def level_db(samples: Samples) -> float:
    """RMS level in dB relative to full scale; -120 for digital silence."""
    power = float(np.mean(np.square(samples.astype(np.float32)))) if len(samples) else 0.0
    return -120.0 if power <= 0 else max(-120.0, 10.0 * float(np.log10(power / 32768.0**2)))
