"""`resample`: the band is kept, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from telnyx_agent._media.codecs.resample import Downsampler, Upsampler
from tests.media.harness import FRAME, RATE, level, tone


@pytest.mark.parametrize("factor", [3, 6])
def test_resampling_keeps_the_band_and_nothing_else(factor: int) -> None:
    """Down and up again: speech in the band at its level, what is above it gone, blocks joined without a seam."""
    low, high = tone(1000, 1.0), tone(RATE / factor / 2 * 1.25, 1.0)
    for source, least, most in ((low, 0.98, 1.02), (high, 0.0, 0.01)):
        down, up = Downsampler(factor), Upsampler(factor)
        heard = np.concatenate([up.process(down.process(source[at : at + FRAME])) for at in range(0, RATE, FRAME)])
        assert heard.size == RATE
        assert least <= level(heard[4800:]) / level(source) <= most


@pytest.mark.parametrize("factor", [3, 6])
def test_both_filters_delay_all_sound_alike(factor: int) -> None:
    """What they make of one single sample is the same from both ends: half a filter of delay at each frequency."""
    taps = 24 * factor
    one = np.zeros(2 * taps, np.int16)
    one[0] = 30000
    up = Upsampler(factor).process(one)[:taps]
    # Which of the filter's values come out depends on where the sample stands between two that are kept.
    down = np.concatenate([Downsampler(factor).process(np.roll(one, at))[:25] for at in range(factor)])
    for response in (up, down.reshape(factor, 25).T[:, ::-1].reshape(-1)):
        heard = np.trim_zeros(response)
        assert heard.size > taps / 2
        assert (heard == heard[::-1]).all()
