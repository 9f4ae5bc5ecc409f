"""`AudioLevelSmoother`: what a meter shows."""

from __future__ import annotations

import pytest

from telnyx_agent import ClientConfigurationError
from telnyx_agent.audio import AudioLevelSmoother


def test_a_meter_rises_fast_and_falls_slowly() -> None:
    """As the official widgets' visualizers: four times the level, at most 1."""
    bar = AudioLevelSmoother(attack=0.5, release=0.25)
    assert bar.update(0.2) == pytest.approx(0.4)
    assert bar.update(0.9) == pytest.approx(0.7)
    assert bar.update(0.0) == pytest.approx(0.525)
    assert bar.value == pytest.approx(0.525)
    with pytest.raises(ClientConfigurationError):
        AudioLevelSmoother(attack=0.0)
