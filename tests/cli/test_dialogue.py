"""`dialogue`: the demo's picture, and for whom it speaks."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from telnyx_agent import TranscriptionItem
from telnyx_agent.audio import NullAudio
from telnyx_agent.cli.dialogue import Dialogue, Turn, demo_picture
from telnyx_agent.cli.prompter import Prompter
from telnyx_agent.cli.turns import TurnWatch


def test_the_picture_is_a_png() -> None:
    """It decodes, has the size it says, and is small."""
    import av

    picture = demo_picture(20, 10)
    with av.open(io.BytesIO(picture), "r") as file:
        frame = next(file.decode(video=0))
    assert (frame.width, frame.height) == (20, 10)
    assert len(demo_picture()) < 1000


class Call:
    """What a dialogue looks at: nobody has been understood yet, and the agent has been silent since 0.0."""

    def __init__(self) -> None:
        self.call = self.client = self
        self.transcript: list[TranscriptionItem] = []
        self.input_level = 0.0
        self.turns = TurnWatch(0.0)


def taken_over(voice: Callable[[float], bool]) -> float | None:
    """When the demo begins to speak for a user whose microphone hears a voice at these times, within 30 s."""
    taken: list[float] = []
    call: Any = Call()
    dialogue = Dialogue(
        (Turn("Hello"),),
        Prompter(NullAudio()),
        lambda text: np.zeros(480, np.int16),
        patience=3.0,
        on_takeover=lambda: taken.append(now),
    )
    for now in np.arange(0.0, 30.0, 0.1):
        call.input_level = 0.05 if voice(now) else 0.001
        dialogue(call, now)
        if taken:
            return taken[0]
    return None


def test_it_speaks_for_a_user_who_stays_silent_and_for_no_other() -> None:
    """The agent is given time to understand who has spoken; it may have been noise, so not for ever."""
    assert taken_over(lambda now: False) == pytest.approx(4.0, abs=0.2)
    assert taken_over(lambda now: 2 < now < 3) == pytest.approx(15.0, abs=0.2)
    assert taken_over(lambda now: True) == pytest.approx(15.0, abs=0.2)
    # Its own voice, from the loudspeaker.
    assert taken_over(lambda now: now < 0.3) == pytest.approx(4.0, abs=0.2)
