"""Half an hour with two clocks that differ, in a few seconds: the delay stays where it is, and so does the memory."""

from __future__ import annotations

import numpy as np
import pytest

from telnyx_agent._media.playout.playout import Playout
from telnyx_agent._media.playout.sequence import ReceivedPacket
from tests.media.harness import FRAME, RATE, RawDecoder

MINUTES = 30


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("ppm", [-1000, -200, 200, 1000])
def test_the_delay_is_flat_for_half_an_hour(ppm: int) -> None:
    """At 1000 ppm the clocks are 1.8 s apart in the end; the delay of no minute is more than 12 ms off another's."""
    playout = Playout(RawDecoder())
    random = np.random.default_rng(3)
    words = [(random.normal(0.0, 2000.0, FRAME)).astype(np.int16).tobytes() for _ in range(5)]
    pause = bytes(2 * FRAME)
    length = 0.02 / (1.0 + ppm * 1e-6)
    number, delays, minutes, kept = 0, [], [], 0
    for block in range(MINUTES * 6000):
        now = block * 0.01 + 0.0047
        while (number + 1) * length <= now:
            payload = words[number % 5] if number % 200 < 150 else pause
            playout.put(ReceivedPacket(number % 65536, number * FRAME % 2**32, payload, (number + 1) * length))
            number += 1
        playout.get(480)
        delays.append(now + 0.01 - playout.position / FRAME * length)
        if block % 6000 == 5999:
            minutes.append(float(np.median(delays)))
            delays.clear()
            kept = max(kept, len(playout._packets), playout._pcm.size // FRAME)
    stats = playout.stats()
    assert max(minutes) - min(minutes) <= 0.012
    assert max(minutes) <= 0.02 + 0.02
    assert kept <= 2
    assert stats.concealed_samples / stats.total_samples < 0.005
    moved = (stats.removed_samples - stats.inserted_samples) / RATE
    # Of a faster sender so much is left out; a slower one is late now and then, which is made up for.
    surplus = MINUTES * 60 * max(0, ppm) * 1e-6
    assert moved == pytest.approx(surplus, abs=0.1 + 0.25 * surplus)
