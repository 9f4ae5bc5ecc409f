"""Sound made up by repeating the last period: exact, however the calls cut it, and joined to the real one after it."""

from __future__ import annotations

import numpy as np
import pytest

from telnyx_agent._media.codecs.concealment import Concealer
from tests.media.harness import FRAME, Samples


def voice(period: int, samples: int, begin: int = 0) -> Samples:
    """A sound with a period of so many samples, and some harmonics, as one stream from `begin` on."""
    time = (np.arange(samples) + begin) / period
    parts = [np.sin(2 * np.pi * k * time + k) / k for k in range(1, 6)]
    return np.asarray(3000 * np.sum(parts, axis=0), np.int16)


def heard(samples: Samples) -> Concealer:
    concealer = Concealer()
    for begin in range(0, samples.size, FRAME):
        concealer.heard(samples[begin : begin + FRAME])
    return concealer


@pytest.mark.parametrize("period", [120, 126, 240, 480, 600, 720])
def test_a_voice_goes_on_with_its_period(period: int) -> None:
    """From 400 Hz to 66 Hz, for as long as is asked, as if nothing had been lost."""
    known, wanted = voice(period, 6 * FRAME), voice(period, 3 * FRAME, begin=6 * FRAME)
    made = heard(known).conceal(3 * FRAME)
    assert np.abs(made.astype(int) - wanted).max() <= 2


@pytest.mark.parametrize("size", [1, 119, 120, 121, 480])
def test_in_any_pieces(size: int) -> None:
    """Also where two periods are not alike, so that there is a step to be spread over 2.5 ms."""
    known = voice(333, 6 * FRAME)
    known[-40:] += 500
    whole = heard(known).conceal(2 * FRAME)
    pieces = heard(known)
    made = np.concatenate([pieces.conceal(size) for _ in range(-(-2 * FRAME // size))])[: whole.size]
    assert np.abs(made[120:].astype(int) - whole[120:]).max() <= 1
    assert abs(int(made[0]) - int(known[-1])) < 400


def test_the_step_to_the_first_made_up_sample_is_spread() -> None:
    """The last sample stands out; what follows comes back from it within 2.5 ms, evenly."""
    known = voice(480, 6 * FRAME)
    smooth = heard(known).conceal(FRAME).astype(int)
    known[-1] += 1200
    made = heard(known).conceal(FRAME).astype(int)
    away = made - smooth
    assert away[0] == pytest.approx(1200, abs=15)
    assert away[60] == pytest.approx(600, abs=15)
    assert np.abs(away[120:400]).max() <= 15


def test_what_comes_after_is_faded_into() -> None:
    """In 5 ms; from then on it is what has come, and so is all that comes later."""
    concealer = heard(voice(480, 6 * FRAME))
    concealer.conceal(FRAME)
    flat = np.full(FRAME, 9000, np.int16)
    joined = concealer.heard(flat)
    going_on = voice(480, 240, begin=7 * FRAME).astype(int)
    assert joined[0] == pytest.approx(going_on[0], abs=2)
    assert joined[120] == pytest.approx((9000 + going_on[120]) / 2, abs=30)
    assert (joined[240:] == 9000).all()
    assert concealer.heard(flat) is flat


def test_a_gap_after_a_gap_is_judged_by_what_was_heard_last() -> None:
    """The second gap continues the sound after the first one."""
    concealer = heard(voice(480, 6 * FRAME))
    concealer.conceal(FRAME)
    for begin in range(0, 6 * FRAME, FRAME):
        concealer.heard(voice(300, FRAME, begin))
    assert np.abs(concealer.conceal(FRAME).astype(int) - voice(300, FRAME, begin=6 * FRAME)).max() <= 2


def test_nothing_is_made_of_nothing() -> None:
    """A new stream has no past."""
    assert not Concealer().conceal(FRAME).any()
    concealer = heard(voice(480, 6 * FRAME))
    concealer.conceal(FRAME)
    concealer.reset()
    assert not concealer.conceal(FRAME).any()


def test_loud_sound_does_not_wrap_around() -> None:
    """A step at full level stays at full level."""
    known = np.full(6 * FRAME, 32767, np.int16)
    known[::2] = 32000
    known[-1] = -32768
    made = heard(known).conceal(FRAME).astype(int)
    assert made[0] == pytest.approx(-32768, abs=600)
    assert np.abs(np.diff(made)).max() < 2000
