"""`Hearing`: seconds of voice, and the characters that they are worth."""

from __future__ import annotations

import pytest

from telnyx_agent._protocol.hearing import USUAL_PACE, Hearing


def test_nobody_listens() -> None:
    """Nothing is known."""
    hearing = Hearing()
    assert (hearing.is_on, hearing.is_audible, hearing.characters(5.0), hearing.seconds(5.0)) == (
        False,
        False,
        None,
        0.0,
    )


def test_seconds_of_voice_are_added_up() -> None:
    """Those between a beginning and its end; what is said twice counts once, and no time goes back."""
    hearing = Hearing()
    hearing.voice(True, 10.0)
    assert (hearing.is_on, hearing.is_audible, hearing.seconds(12.0), hearing.seconds(9.0)) == (True, True, 2.0, 0.0)
    hearing.voice(True, 11.0)
    hearing.voice(False, 13.0)
    hearing.voice(False, 20.0)
    assert (hearing.is_audible, hearing.seconds(30.0)) == (False, 3.0)
    hearing.voice(True, 40.0)
    assert hearing.seconds(40.5) == 3.5
    hearing.voice(False, 39.0)
    assert hearing.seconds(50.0) == 3.0
    assert hearing.characters(50.0) == 3.0 * USUAL_PACE == 45.0


@pytest.mark.parametrize(("ahead", "seconds"), [(1.5, 2.5), (1.6, 1.0)])
def test_a_voice_may_come_before_its_text(ahead: float, seconds: float) -> None:
    """By a second and a half; what is older belongs to the response before it."""
    hearing = Hearing()
    hearing.voice(True, 0.0)
    hearing.voice(False, 3.0)
    hearing.voice(True, 10.0)
    hearing.begin(10.0 + ahead)
    assert hearing.seconds(11.0 + ahead) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("length", "seconds", "pace"),
    [
        (25, 1.0, 20.0),  # half of it is what was known before
        (100, 0.99, 15.0),  # too short to tell
        (50, 2.0, 20.0),
        (12, 2.0, 10.5),
        (11, 2.0, 10.5),  # nobody speaks slower than 6 characters a second
        (80, 2.0, 27.5),
        (81, 2.0, 27.5),  # or faster than 40
    ],
)
def test_the_pace_is_learnt(length: int, seconds: float, pace: float) -> None:
    """From responses that were heard from beginning to end, with its bounds."""
    hearing = Hearing()
    hearing.voice(True, 0.0)
    hearing.learn(length, seconds)
    hearing.begin(100.0)
    assert hearing.characters(101.0) == pytest.approx(pace)
