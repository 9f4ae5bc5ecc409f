"""What Opus is told unless the program says otherwise, and up to where the program may say it."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from telnyx_agent import ClientConfigurationError
from telnyx_agent.codecs import OpusSettings


def opus(**settings: Any) -> OpusSettings:
    return OpusSettings(**settings)


def test_what_is_used_when_nothing_is_said() -> None:
    """As in the docstring, and in docs/performance.md."""
    assert attrs.asdict(OpusSettings()) == {
        "bitrate": 96000,
        "complexity": 4,
        "fec": None,
        "expected_loss": 0,
        "dtx": False,
        "application": "voip",
    }


@pytest.mark.parametrize(
    ("name", "low", "high"), [("bitrate", 6000, 510000), ("complexity", 0, 10), ("expected_loss", 0, 100)]
)
def test_both_ends_of_a_range_are_allowed(name: str, low: int, high: int) -> None:
    """And nothing beyond them."""
    for value in (low, high):
        assert getattr(opus(**{name: value}), name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ClientConfigurationError, match=f"{name} is {value}; .*from {low} to {high}"):
            opus(**{name: value})


@pytest.mark.parametrize("name", ["fec", "dtx"])
@pytest.mark.parametrize("value", [True, False, None, 0, 1, "yes"])
def test_yes_and_no_are_said_as_such(name: str, value: Any) -> None:
    """0 and 1 are no answers; None is one for `fec` only: it depends on the loss."""
    if isinstance(value, bool) or (value is None and name == "fec"):
        assert getattr(opus(**{name: value}), name) is value
    else:
        with pytest.raises(ClientConfigurationError, match=f"{name} is {value!r}"):
            opus(**{name: value})


@pytest.mark.parametrize("application", ["voip", "audio", "lowdelay"])
def test_all_applications(application: str) -> None:
    """libopus's three modes are accepted."""
    assert opus(application=application).application == application
