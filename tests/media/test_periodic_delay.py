"""`Spikes` alone: how many, how high, how far apart, and how long they are expected to come again. In samples."""

from __future__ import annotations

import pytest

from telnyx_agent._media.playout.periodic_delay import Spikes

SECOND = 48000


def seen(*heights: int, apart: int = SECOND) -> Spikes:
    """Hold-ups of these heights, one after the other."""
    spikes = Spikes()
    for height in heights:
        spikes.passed(apart)
        spikes.late(height)
    return spikes


@pytest.mark.parametrize(
    ("heights", "worth"),
    [
        ((), 0),
        ((6000, 6000), 0),  # two may be chance
        ((6000, 6000, 6000), 5000),  # five sixths: the last of it is made up well
        ((6000, 1919, 6000), 0),  # less than 40 ms is no spike
        ((6000, 1920, 6000), 5000),
        ((3000, 4800, 9000), 4000),  # the highest may have been an exception
        ((9000, 9000, 1920, 1920, 1920, 2400), 1600),  # the last four count
        ((12000, 12000, 12000), 8000),  # nobody is waited for longer than 200 ms
    ],
)
def test_what_they_are_worth(heights: tuple[int, ...], worth: int) -> None:
    """How much delay spikes of these heights ask for."""
    assert seen(*heights).worth == worth


@pytest.mark.parametrize(
    ("apart", "worth"), [(SECOND // 2 - 1, 0), (SECOND // 2, 5000), (10 * SECOND, 5000), (10 * SECOND + 1, 0)]
)
def test_how_far_they_are_apart(apart: int, worth: int) -> None:
    """Within half a second they are one; what comes after more than ten seconds has nothing to do with them."""
    assert seen(6000, 6000, 6000, apart=apart).worth == worth


def test_packets_of_one_spike_make_it_as_high_as_the_highest() -> None:
    """And it lasts as long as they come."""
    spikes = seen(2400, 2400)
    for height in (2000, 9000, 3600, 2400):
        spikes.passed(960)
        spikes.late(height)
    spikes.passed(SECOND)
    spikes.late(6000)
    assert spikes.worth == 5000


def test_when_it_is_over() -> None:
    """When none has come for twice the longest time between two of them."""
    spikes = seen(6000, 6000)
    spikes.passed(3 * SECOND)
    spikes.late(6000)
    spikes.passed(6 * SECOND)
    assert spikes.worth == 5000
    spikes.passed(1)
    assert spikes.worth == 0
    spikes.late(6000)
    assert spikes.worth == 5000
