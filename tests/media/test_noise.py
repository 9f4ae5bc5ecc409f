"""What passes for silence: by its level, by the noise before it, and never what is loud."""

from __future__ import annotations

import numpy as np
import pytest

from telnyx_agent._media.playout.noise import SilenceMeter
from tests.media.harness import FRAME, Samples


def sound(level: int) -> Samples:
    """20 ms whose power is that of the level."""
    return np.full(FRAME, level, np.int16)


def after(*levels: int) -> SilenceMeter:
    """A meter that has heard twelve seconds of each level."""
    meter = SilenceMeter()
    for level in levels:
        for _ in range(600):
            meter.is_silence(sound(level))
    return meter


@pytest.mark.parametrize(
    ("before", "most"),
    [
        ((), 48),  # nothing is known: 6 dB above -63 dB
        ((0,), 24),  # -63 dB, where there is no noise at all
        ((100,), 200),  # 6 dB above the noise
        ((300, 0), 24),  # the noise has ended
        ((395,), 400),  # -38 dB, however loud the noise is
    ],
)
def test_silence_is_what_is_not_above_the_noise(before: tuple[int, ...], most: int) -> None:
    """The limit follows the noise that was heard before."""
    assert after(*before).is_silence(sound(most))
    assert not after(*before).is_silence(sound(most + 2))


def test_noise_that_becomes_louder_is_silence_after_three_seconds() -> None:
    """Twice the level of what was the limit: 140 packets of 20 ms, however they are counted."""
    meter = after(0)
    heard = [meter.is_silence(sound(48)) for _ in range(150)]
    assert heard.index(True) == 139
    assert all(heard[139:])
    assert not after(0).is_silence(sound(48), 139)
    assert after(0).is_silence(sound(48), 140)


def test_a_packet_without_sound_is_silence() -> None:
    """No samples are no sound."""
    assert SilenceMeter().is_silence(np.empty(0, np.int16))


def test_the_whole_packet_counts() -> None:
    """A loud end is no silence, and it does not become the noise."""
    packet = sound(0)
    packet[-100:] = 3000
    meter = after(0)
    assert not meter.is_silence(packet)
    assert not meter.is_silence(sound(48))
