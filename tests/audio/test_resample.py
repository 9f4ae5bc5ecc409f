"""`Resampler`: quality, exact counts, and joins that cannot be heard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telnyx_agent.audio._resample import Resampler, check_rate
from telnyx_agent.audio._samples import Float32
from telnyx_agent.errors import MediaError
from tests.audio.memory_stream import snr

COMMON_RATES = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 96000, 192000]


def sine(frequency: float, rate: int, seconds: float = 1.0) -> Float32:
    phase = 2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate
    return (0.5 * np.sin(phase)).astype(np.float32)


def in_blocks(resampler: Resampler, samples: Float32, block: int) -> Float32:
    return np.concatenate([resampler.process(samples[i : i + block]) for i in range(0, len(samples), block)])


@pytest.mark.parametrize("frequency", [300, 1000, 3000])
@pytest.mark.parametrize("rate", COMMON_RATES)
def test_a_sine_stays_a_sine_upwards_and_downwards(rate: int, frequency: int) -> None:
    """In 10 ms blocks, to 48 kHz and from it: at least 85 dB, where 16 bits can have 98."""
    for source, target in ((rate, 48000), (48000, rate)):
        converted = in_blocks(Resampler(source, target), sine(frequency, source), source // 100)
        assert snr(converted[target // 10 :], frequency, rate=target) > 85
        assert np.std(converted[target // 10 :]) == pytest.approx(0.5 / 2**0.5, rel=0.001)


def test_what_the_lower_rate_cannot_hold_is_removed() -> None:
    """5 kHz does not become 3 kHz at 8 kHz."""
    converted = Resampler(48000, 8000).process(sine(5000, 48000))
    assert np.max(np.abs(converted[800:])) < 0.5 / 1000


def test_images_above_the_lower_rate_do_not_appear() -> None:
    """1 kHz at 8 kHz has nothing at 7 kHz when it is at 48 kHz."""
    spectrum = np.abs(np.fft.rfft(Resampler(8000, 48000).process(sine(1000, 8000))[4800:] * np.hanning(43200)))
    assert spectrum[round(7000 * 43200 / 48000)] < np.max(spectrum) / 3000


@given(st.lists(st.integers(0, 700), max_size=30), st.sampled_from(COMMON_RATES))
def test_the_sizes_of_the_blocks_do_not_matter(sizes: list[int], rate: int) -> None:
    """However the stream is cut, the output is the same: so there is no click at a join."""
    samples = sine(440, rate, 1.0)[: sum(sizes)]
    resampler, parts, start = Resampler(rate, 48000), [np.zeros(0, np.float32)], 0
    for size in sizes:
        parts.append(resampler.process(samples[start : start + size]))
        start += size
    assert np.allclose(np.concatenate(parts), Resampler(rate, 48000).process(samples), atol=1e-6)


@given(st.integers(1, 5000), st.sampled_from(COMMON_RATES))
def test_the_count_is_exact(samples: int, rate: int) -> None:
    """`n * target / source`, rounded up, so that nothing accumulates over a long call."""
    assert len(Resampler(rate, 48000).process(np.zeros(samples, np.float32))) == -(-samples * 48000 // rate)
    assert len(Resampler(48000, rate).process(np.zeros(samples, np.float32))) == -(-samples * rate // 48000)


@pytest.mark.parametrize("rate", COMMON_RATES)
def test_a_constant_stays_a_constant(rate: int) -> None:
    """All phases of the filter have the same gain, or there would be a whistle."""
    converted = Resampler(rate, 48000).process(np.full(rate, 0.25, np.float32))
    assert np.allclose(converted[4800:], 0.25, atol=1e-6)


def test_flush_gives_the_rest_and_begins_anew() -> None:
    """The end of a file is not cut off, and the next file does not begin with it."""
    resampler = Resampler(8000, 48000)
    impulse = np.zeros(100, np.float32)
    impulse[-1] = 1.0
    body, tail = resampler.process(impulse), resampler.flush()
    assert np.max(np.abs(body)) < 0.1
    assert np.max(np.abs(tail)) > 0.9
    assert len(tail) == resampler.delay * 6
    assert not np.any(resampler.process(np.zeros(100, np.float32)))


def test_equal_rates_pass_through() -> None:
    """No filter, no delay."""
    resampler = Resampler(48000, 48000)
    samples = sine(1000, 48000, 0.01)
    assert resampler.process(samples) is samples
    assert resampler.delay == 0
    assert len(resampler.flush()) == 0


@pytest.mark.parametrize("rate", [0, -8000, 999, 768_001])
def test_impossible_rates_are_refused(rate: int) -> None:
    """With the range that is possible."""
    with pytest.raises(MediaError, match="between 1000 and 768000 Hz"):
        check_rate(rate)
    with pytest.raises(MediaError):
        Resampler(48000, rate)
