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
