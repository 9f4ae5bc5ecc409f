"""`_samples`: what may be given as sound, and what becomes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from telnyx_agent.audio._samples import SILENCE, as_int16, to_float, to_int16
from telnyx_agent.errors import ClientConfigurationError

SAMPLES = np.array([0, 1, -1, 32767, -32768], np.int16)


@pytest.mark.parametrize(
    "given",
    [
        SAMPLES,
        SAMPLES.tobytes(),
        bytearray(SAMPLES.tobytes()),
        SAMPLES.data,
        memoryview(SAMPLES.tobytes()),
        SAMPLES.reshape(-1, 1),
        SAMPLES.reshape(1, -1),
    ],
    ids=["array", "bytes", "bytearray", "memoryview-h", "memoryview-B", "column", "row"],
)
def test_every_form_of_16_bit_samples_is_taken(given: Any) -> None:
    """Whatever it comes in, the samples are the same."""
    assert as_int16(given).tolist() == SAMPLES.tolist()


def test_int16_arrays_are_not_copied() -> None:
    """An array passes through the seam as it is."""
    assert as_int16(SAMPLES) is SAMPLES


def test_float_samples_are_scaled_and_clipped() -> None:
    """Speech engines deliver -1.0 to 1.0, and sometimes more."""
    given = np.array([0.0, 0.5, -1.0, 1.0, 7.0, -7.0, np.nan, np.inf, -np.inf])
    assert as_int16(given).tolist() == [0, 16384, -32768, 32767, 32767, -32768, 0, 32767, -32768]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (np.zeros((10, 2), np.int16), "mono"),
        (np.zeros(10, np.int32), "int32"),
        (b"\0\0\0", "3 bytes"),
        ("text", "str"),
        (None, "NoneType"),
        ([1, 2], "list"),
    ],
)
def test_what_is_no_mono_sound_is_refused(given: Any, word: str) -> None:
    """The message names what was given."""
    with pytest.raises(ClientConfigurationError, match=word):
        as_int16(given)


def test_int16_survives_the_way_through_float() -> None:
    """Conversion both ways is exact, so that a file at 48 kHz is sent as it is."""
    everything = np.arange(-32768, 32768).astype(np.int16)
    assert np.array_equal(to_int16(to_float(everything)), everything)


def test_the_shared_silence_cannot_be_changed() -> None:
    """One block serves all calls, so nobody may write to it."""
    with pytest.raises(ValueError, match="read-only"):
        SILENCE[0] = 1
