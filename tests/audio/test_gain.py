"""The automatic gain, without a clock or a sound card."""

from __future__ import annotations

import numpy as np
import pytest

from telnyx_agent.audio._gain import AutomaticGain
from telnyx_agent.audio._half_duplex import ramped
from tests.audio.room import RATE, Int16, as_pcm, level_db, syllables


def level_after(voice: Int16, *, learn: bool = True) -> tuple[float, float]:
    """Level of the last two seconds in dB of full scale, and the gain that it ended with."""
    gain, before, sent = AutomaticGain(), 1.0, []
    for start in range(0, len(voice) - 479, 480):
        block = voice[start : start + 480].astype(np.float32)
        factor = gain.gain(block, learn=learn)
        sent.append(ramped(block, before, factor))
        before = factor
    return level_db(np.concatenate(sent)[-2 * RATE :]) - 90.3, gain.gain_db


def test_a_quiet_voice_is_brought_up_and_a_loud_one_down() -> None:
    """Towards the same level, without clipping."""
    quiet, up = level_after(syllables(12, level=500))
    loud, down = level_after(syllables(12, level=6000))
    assert up > 6
    assert down < -3
    assert quiet == pytest.approx(loud, abs=6)  # 22 dB apart as they were spoken


def test_a_usual_voice_is_left_alone() -> None:
    """At a normal level the gain stays within 3 dB."""
    _, gain = level_after(syllables(10, level=2300))
    assert abs(gain) < 3


def test_noise_is_no_voice() -> None:
    """Nor is silence: neither is brought up."""
    noise = as_pcm(60 * np.random.default_rng(1).standard_normal(10 * RATE))
    assert level_after(noise)[1] == pytest.approx(0, abs=1)
    assert level_after(np.zeros(5 * RATE, np.int16))[1] == 0


def test_nothing_is_learnt_from_the_agents_voice() -> None:
    """While only the agent is heard, the gain does not change."""
    assert level_after(syllables(10, level=300), learn=False)[1] == 0


def test_a_shout_does_not_clip() -> None:
    """Although the gain is still that of the quiet words before."""
    voice = np.concatenate((syllables(10, level=400), syllables(1, level=6000, seed=3)))
    gain, peaks, gains = AutomaticGain(), [], []
    for start in range(0, len(voice) - 479, 480):
        block = voice[start : start + 480].astype(np.float32)
        gains.append(gain.gain_db)
        peaks.append(float(np.abs(block).max()) * gain.gain(block, learn=True))
    assert gains[999] > 5
    assert max(peaks) == pytest.approx(29000, rel=0.001)
