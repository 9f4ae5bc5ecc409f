"""Shorter, longer, joined: by whole periods, without a step, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from telnyx_agent._media.codecs.concealment import Concealer
from telnyx_agent._media.playout import wsola
from telnyx_agent._media.playout.noise import SilenceMeter
from telnyx_agent._media.playout.time_scaling import Pace
from tests.media.harness import FRAME, RATE, Samples, tone


def voice(pitch: float, samples: int = FRAME, phase: float = 0.3) -> Samples:
    """Some harmonics."""
    time = np.arange(samples) / RATE
    sound = sum(np.sin(2 * np.pi * pitch * k * time + phase * k) / k for k in range(1, 8))
    return np.asarray(3000.0 * sound, np.int16)


def noise(level: float, samples: int = FRAME, seed: int = 1) -> Samples:
    return np.random.default_rng(seed).normal(0.0, level, samples).astype(np.int16)


def steepest(samples: Samples) -> float:
    return float(np.abs(np.diff(samples.astype(float))).max())


def test_a_crossfade_goes_evenly_from_the_old_to_the_new() -> None:
    """The first sample is not yet all old, the last not yet all new, so that a seam shows on neither side."""
    old, new = np.zeros(4, np.int16), np.full(4, 1000, np.int16)
    assert wsola.crossfade(old, new).tolist() == [200, 400, 600, 800]
    assert wsola.crossfade(new, old).tolist() == [800, 600, 400, 200]
    assert old.tolist() == [0] * 4


@pytest.mark.parametrize("period", [120, 240, 480])
def test_exactly_periodic_sound_stays_exactly_that(period: int) -> None:
    """One period less, or more, to the sample; from 100 to 400 Hz, which fit into a packet twice."""
    time = np.arange(2 * FRAME)
    sound = sum(np.sin(2 * np.pi * k * time / period + k) / k for k in range(1, 6))
    whole = np.asarray(3000.0 * sound, np.int16)
    samples = whole[:FRAME]
    for changed in (wsola.shorten(samples, 0.95), wsola.lengthen(samples, 0.95)):
        assert changed.size != FRAME
        assert (changed.size - FRAME) % period == 0
        assert np.abs(changed.astype(int) - whole[: changed.size]).max() <= 2


def test_silence_is_cut_where_it_is_told_to() -> None:
    """The end stays as it is, and so does all but 5 ms of the beginning."""
    samples = np.arange(FRAME).astype(np.int16)
    shorter = wsola.shorten_silence(samples, 300)
    assert shorter[240:].tolist() == list(range(540, FRAME))
    assert shorter[0] == pytest.approx(1, abs=1)
    assert shorter[239] == pytest.approx(538, abs=2)
    longer = wsola.lengthen_silence(samples, 300)
    assert longer[:720].tolist() == list(range(720))
    assert longer[720] == pytest.approx(720, abs=2)
    assert longer[959] == pytest.approx(660, abs=2)
    assert longer[960:].tolist() == list(range(660, FRAME))


@pytest.mark.parametrize("pitch", [110.0, 140.0, 220.0, 333.0])
@pytest.mark.parametrize("change", [wsola.shorten, wsola.lengthen])
def test_a_voice_changes_by_whole_periods_and_nobody_hears_where(change: object, pitch: float) -> None:
    """The result is the same voice: its period is what it was at every place, and no step is steeper."""
    samples = voice(pitch)
    changed = change(samples, 0.9)  # type: ignore[operator]
    period = RATE / pitch
    periods = abs(changed.size - samples.size) / period
    assert round(periods) >= 1
    assert periods == pytest.approx(round(periods), abs=3 / period)
    assert steepest(changed) <= 1.05 * steepest(samples)
    lag = round(period)
    assert np.corrcoef(changed[:-lag], changed[lag:])[0, 1] > 0.99
    assert changed[0] == pytest.approx(samples[0], abs=300)
    assert changed[-1] == samples[-1]


def test_noise_is_left_alone() -> None:
    """What has no period is not changed when likeness is asked for."""
    samples = noise(3000.0)
    assert wsola.shorten(samples, 0.9) is samples
    assert wsola.lengthen(samples, 0.9) is samples


@pytest.mark.parametrize("size", [0, 1, 100, 239, 480])
def test_short_pieces_do_no_harm(size: int) -> None:
    """Too little to find a period in is given back."""
    samples = noise(1000.0, size)
    for changed in (wsola.shorten(samples, 0.5), wsola.lengthen(samples, 0.5)):
        assert changed.size in range(size - 240, size + 241)
    assert wsola.shorten_silence(samples, 1000).size <= size
    assert wsola.lengthen_silence(samples, 1000).size >= size


def test_silence_changes_by_any_amount() -> None:
    """Exactly as much as asked for, as far as there is so much."""
    samples = noise(20.0)
    assert wsola.shorten_silence(samples, 333).size == FRAME - 333
    assert wsola.lengthen_silence(samples, 333).size == FRAME + 333
    assert wsola.shorten_silence(samples, 5000).size == wsola.OVERLAP
    assert wsola.lengthen_silence(samples, 5000).size == 2 * FRAME - wsola.OVERLAP


@pytest.mark.parametrize("change", [wsola.shorten_silence, wsola.lengthen_silence])
@pytest.mark.parametrize(("size", "count"), [(FRAME, 0), (FRAME, -1), (wsola.OVERLAP, 333), (100, 333), (0, 333)])
def test_silence_that_cannot_change_is_the_same(
    change: Callable[[Samples, int], Samples], size: int, count: int
) -> None:
    """Nothing is wanted, or too little is there."""
    samples = noise(20.0, size)
    assert change(samples, count) is samples


def test_join_finds_the_place_where_the_sound_goes_on() -> None:
    """Made-up sound that is 3 ms off is met where it is most alike, without a step."""
    whole = voice(150.0, 4 * FRAME)
    made, real = whole[1000 + 144 : 1000 + 144 + wsola.OVERLAP], whole[1000 : 1000 + FRAME]
    joined, place = wsola.join(made, real, 240, 240)
    period = RATE / 150.0
    assert (place - 144 + period / 2) % period - period / 2 == pytest.approx(0.0, abs=8)
    assert joined.size == FRAME - place
    assert steepest(joined) <= 1.1 * steepest(whole)


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_join_goes_where_it_is_told_when_another_place_would_be_no_better(radius: int) -> None:
    """It is looked for in steps of an eighth of a millisecond."""
    whole = voice(150.0, 4 * FRAME)
    made, real = whole[1240 : 1240 + wsola.OVERLAP], whole[1000 : 1000 + FRAME]
    assert wsola.join(made, real, 240, radius)[1] == 240


def test_join_goes_where_it_is_told_when_nothing_is_alike() -> None:
    """Silence is like nothing."""
    joined, place = wsola.join(np.zeros(240, np.int16), noise(2000.0), 480, 0)
    assert place == 480
    assert abs(int(joined[0])) < 100
    assert joined.size == FRAME - 480


def test_concealment_begins_without_a_step() -> None:
    """The voice goes on from where it was, with its period."""
    whole = voice(147.0, 5 * FRAME)
    concealer = Concealer()
    concealer.heard(whole[: 4 * FRAME])
    made = concealer.conceal(FRAME)
    assert steepest(np.concatenate((whole[: 4 * FRAME], made))) <= 1.3 * steepest(whole)
    assert np.corrcoef(made, whole[4 * FRAME :])[0, 1] > 0.9


def test_silence_is_what_is_not_above_the_noise() -> None:
    """Noise becomes silence once it has been there for a while; speech never does."""
    meter = SilenceMeter()
    assert meter.is_silence(np.zeros(FRAME, np.int16))
    assert not meter.is_silence(noise(150.0))
    for seed in range(600):
        meter.is_silence(noise(150.0, seed=seed))
    assert meter.is_silence(noise(150.0))
    assert not meter.is_silence(voice(150.0))
    for _ in range(3000):
        assert not meter.is_silence(tone(200.0, 0.02))


def test_pace_prefers_silence() -> None:
    """In silence all that is over goes at once, in speech a period now and then after a while, else nothing."""
    pace = Pace()
    quiet, loud = np.zeros(FRAME, np.int16), voice(150.0)
    assert pace.keep(quiet, 700).size == FRAME - 700
    assert pace.keep(quiet, -300).size == FRAME + 300
    assert pace.keep(quiet, 30) is quiet
    assert pace.keep(loud, 400) is loud
    assert all(pace.keep(loud, 700) is loud for _ in range(40))  # there may be a silence soon
    sizes = [pace.keep(loud, 700).size for _ in range(9)]
    assert sum(size < FRAME for size in sizes) == 3
    assert all(pace.keep(loud, 3000).size < FRAME for _ in range(5))
