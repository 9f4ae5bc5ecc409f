"""What is said in the voice benchmark: sentences of several voices with natural pauses, the same in every run."""

from __future__ import annotations

import functools

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["RATE", "Script", "script"]

RATE = 48000
_LEVEL = 1600.0  # root mean square while somebody speaks: -26 dB, as PESQ's recommendation has it
_PAUSE, _BETWEEN = 0.5, 0.8  # seconds between two sentences, and between two voices
_WARM_UP = "This is only said to let everything settle. The receiver may learn what the network is like."
_PARTS = (
    (
        "en-us",
        150,
        "The birch canoe slid on the smooth planks.",
        "Glue the sheet to the dark blue background.",
        "It is easy to tell the depth of a well.",
    ),
    (
        "en-us+f3",
        165,
        "These days a chicken leg is a rare dish.",
        "Rice is often served in round bowls.",
        "The juice of lemons makes fine punch.",
    ),
    (
        "en-us+m3",
        160,
        "The box was thrown beside the parked truck.",
        "The hogs were fed chopped corn and garbage.",
        "Four hours of steady work faced us.",
    ),
    (
        "en-us+f2",
        155,
        "A large size in stockings is hard to sell.",
        "The boy was there when the sun rose.",
        "A rod is used to catch pink salmon.",
    ),
)


@attrs.frozen(eq=False)
class Script:
    """Speech, and which part of it is judged.

    Attributes:
        samples: Mono, 16 bit, 48 kHz: a warm-up, the parts, and silence around them.
        parts: First and last sample of each part, with some of the silence around it.
    """

    samples: NDArray[np.int16]
    parts: tuple[tuple[int, int], ...]


@functools.cache
def script(parts: int = len(_PARTS)) -> Script:
    """The first so many parts, each some nine seconds long."""
    silence = np.zeros(round(_BETWEEN * RATE), np.int16)
    pieces = [silence, _say("en-us+m7", 160, _WARM_UP), silence]
    bounds = []
    for voice, speed, *sentences in _PARTS[:parts]:
        begin = sum(piece.size for piece in pieces) - silence.size // 2
        pause = np.zeros(round(_PAUSE * RATE), np.int16)
        for number, sentence in enumerate(sentences):
            pieces += [pause] * (number > 0) + [_say(voice, speed, sentence)]
        bounds.append((begin, sum(piece.size for piece in pieces) + silence.size // 2))
        pieces.append(silence)
    return Script(np.concatenate([*pieces, silence]), tuple(bounds))


def _say(voice: str, speed: int, text: str) -> NDArray[np.int16]:
    from telnyx_agent.testing import EspeakVoice

    samples = EspeakVoice(voice, words_per_minute=speed).speak(text).samples.astype(np.float64)
    loud = np.flatnonzero(np.abs(samples) > 200.0)
    samples = samples[loud[0] : loud[-1]]
    samples *= _LEVEL / np.sqrt(np.mean(samples * samples))
    clipped: NDArray[np.int16] = np.clip(np.round(samples), -32768, 32767).astype(np.int16)
    return clipped
