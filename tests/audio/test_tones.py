"""`tones`: what is heard while a call rings, as it was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from telnyx_agent import ClientConfigurationError, MediaError
from telnyx_agent.audio import Tone
from telnyx_agent.audio._wavefile import WavWriter
from telnyx_agent.audio.tones import ToneSource, check_ring_source, open_ring_source

RATE = 48000


def strongest(samples: np.ndarray, count: int) -> set[int]:
    """The strongest frequencies, in whole hertz."""
    spectrum = np.abs(np.fft.rfft(samples[:RATE].astype(float) * np.hanning(RATE)))
    found: set[int] = set()
    for place in np.argsort(spectrum)[::-1]:
        if all(abs(int(place) - other) > 5 for other in found):
            found.add(int(place))
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize(
    ("tone", "frequencies", "seconds"),
    [(Tone.RINGBACK_US, {440, 480}, 6.0), (Tone.RINGBACK_EU, {425}, 5.0)],
)
def test_tones_are_those_of_the_networks(tone: Tone, frequencies: set[int], seconds: float) -> None:
    """Frequencies, rhythm and level; no click at either end."""
    samples = tone.samples()
    assert len(samples) == seconds * RATE
    assert strongest(samples, len(frequencies)) == frequencies
    on = round(tone.cadence[0] * RATE)
    assert np.any(samples[on - 2000 : on])
    assert not np.any(samples[on:])
    assert np.max(np.abs(samples)) <= tone.level * 32767
    assert np.max(np.abs(np.diff(samples[:20].astype(int)))) < 30


@pytest.mark.parametrize(
    "arguments",
    [
        {"frequencies": ()},
        {"frequencies": (0.0,)},
        {"frequencies": (24000.0,)},
        {"cadence": ()},
        {"cadence": (-1.0, 2.0)},
        {"cadence": (0.0, 0.0)},
        {"cadence": (100.0,)},
        {"level": 0.0},
        {"level": 1.5},
    ],
)
def test_tones_that_nobody_can_hear(arguments: dict[str, object]) -> None:
    """Are refused when they are made."""
    with pytest.raises(ClientConfigurationError):
        Tone(**arguments)  # type: ignore[arg-type]


def test_a_source_begins_anew_without_a_gap() -> None:
    """Whatever the blocks are."""
    source = ToneSource(np.arange(7, dtype=np.int16))
    heard = np.concatenate([source.read(n) for n in (3, 5, 0, 20)])
    assert list(heard) == [n % 7 for n in range(28)]


def test_a_file(tmp_path: Path) -> None:
    """Its samples, again and again."""
    path = tmp_path / "ring.wav"
    writer = WavWriter(path)
    writer.write(np.arange(1, 481, dtype=np.int16))
    writer.close()
    check_ring_source("ringtone", path)
    source = open_ring_source(path)
    assert list(source.read(960)) == [*range(1, 481)] * 2


def test_what_cannot_be_played_is_said_at_once(tmp_path: Path) -> None:
    """When the client is made, not when somebody calls."""
    with pytest.raises(MediaError):
        check_ring_source("ringback", tmp_path / "none.wav")
    with pytest.raises(ClientConfigurationError, match="ringback"):
        check_ring_source("ringback", 440)  # type: ignore[arg-type]
    empty = tmp_path / "empty.wav"
    WavWriter(empty).close()
    with pytest.raises(MediaError, match="no sound"):
        open_ring_source(empty)
