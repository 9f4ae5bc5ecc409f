"""When sound is made shorter: in silence at once, in speech for much delay at once and for a little after a while."""

from __future__ import annotations

import numpy as np

from telnyx_agent._media.pace import Pace
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
