"""When sound is made shorter: in silence at once, in speech for much delay at once and for a little after a while."""

from __future__ import annotations

import numpy as np
import pytest

from telnyx_agent._media.playout.time_scaling import Pace
from tests.media.harness import FRAME, RATE, Samples


def voiced() -> Samples:
    """20 ms of 125 Hz, of which one period may be left out."""
    time = np.arange(FRAME) / RATE
    harmonics = [np.sin(2 * np.pi * 125.0 * k * time) / k for k in range(1, 10)]
    samples: Samples = (4000.0 * np.sum(harmonics, axis=0)).astype(np.int16)
    return samples


def packets_until_shorter(excess: int, most: int = 100) -> int:
    """How many packets of speech pass before one is made shorter."""
    pace = Pace()
    return next((count for count in range(most) if pace.keep(voiced(), excess).size < FRAME), most)


def test_much_delay_is_taken_out_of_speech_at_once() -> None:
    """More than 20 ms over the target."""
    assert packets_until_shorter(1200) == 0


def test_a_little_delay_is_taken_out_of_speech_only_when_no_silence_comes() -> None:
    """15 ms over the target: not for 0.8 s; and 8 ms never."""
    assert packets_until_shorter(720) == 40
    assert packets_until_shorter(400) == 100


def test_delay_that_was_right_in_between_waits_anew() -> None:
    """What is counted is how long the delay has been over its target without a break."""
    pace = Pace()
    for _ in range(30):
        assert pace.keep(voiced(), 720).size == FRAME
    pace.keep(voiced(), 0)
    assert all(pace.keep(voiced(), 720).size == FRAME for _ in range(40))
    assert pace.keep(voiced(), 720).size < FRAME


def test_silence_is_made_shorter_at_once() -> None:
    """By all that is too much, but for what is needed to join."""
    pace = Pace()
    for _ in range(20):
        pace.keep(voiced(), 0)
    assert pace.keep(np.zeros(FRAME, np.int16), 300).size == FRAME - 300


def test_silence_is_made_right_to_the_sample() -> None:
    """Longer where it has to be; 1 ms too much does no harm and is left."""
    for excess, more in ((-300, 300), (-1, 1), (0, 0), (60, 0), (61, -61), (300, -300)):
        pace = Pace()
        pace.keep(np.zeros(FRAME, np.int16), -1)
        assert pace.keep(np.zeros(FRAME, np.int16), excess).size == FRAME + more, excess


@pytest.mark.parametrize(("packets", "is_silence"), [(120, False), (144, True)])
def test_noise_becomes_silence_while_the_delay_is_right(packets: int, is_silence: bool) -> None:
    """As fast as when each packet is measured: twice as loud as before is silence after 3 s."""
    pace = Pace()
    noise = np.full(FRAME, 48, np.int16)
    for _ in range(20):
        pace.keep(np.zeros(FRAME, np.int16), -1)
    for _ in range(packets):
        pace.keep(noise, 0)
    assert pace.keep(noise, 300).size == FRAME - 300 * is_silence


def test_speech_is_made_longer_where_the_delay_is_too_small() -> None:
    """By one period of 8 ms, from 5 ms on, and then not for the next two packets."""
    pace = Pace()
    assert [pace.keep(voiced(), -240).size for _ in range(8)] == [FRAME] * 8
    changes = [pace.keep(voiced(), -241).size - FRAME for _ in range(7)]
    assert changes == pytest.approx([384, 0, 0, 384, 0, 0, 384], abs=2)


def test_where_much_ends() -> None:
    """20 ms; and what was waited for in vain is taken out in one packet of three."""
    assert packets_until_shorter(960) == 40
    assert packets_until_shorter(961) == 0
    assert packets_until_shorter(481) == 40
    assert packets_until_shorter(480) == 100
    pace = Pace()
    changes = [pace.keep(voiced(), 720).size - FRAME for _ in range(47)]
    assert changes[40:] == pytest.approx([-384, 0, 0, -384, 0, 0, -384], abs=2)


@pytest.mark.parametrize(("noise", "excess"), [(0.7, 961), (1.5, 2401), (2.0, 4801)])
def test_the_more_delay_there_is_the_less_alike_periods_have_to_be(noise: float, excess: int) -> None:
    """50, 100 ms too much are worth a change that is not quite unheard, in voice with so much noise."""
    random = np.random.default_rng(1)
    packets = [voiced() + noise * 4000 * random.standard_normal(FRAME) for _ in range(30)]

    def changed(excess: int) -> int:
        pace = Pace()
        mixed = (packet.clip(-32768, 32767).astype(np.int16) for packet in packets)
        return sum(pace.keep(packet, excess).size < FRAME for packet in mixed)

    assert changed(excess) >= 20
    assert changed(excess - 1) <= 5
