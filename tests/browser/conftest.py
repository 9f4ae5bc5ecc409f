"""What every test here needs: Chromium, npm, and a spoken question for its microphone."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from tests.support.requirements import require

QUESTION = "What are your opening hours?"
LEAD_IN = 5.5
"""Seconds of silence before the question, so that the agent can finish its greeting."""


@pytest.fixture(autouse=True)
def _browser() -> None:
    require("chromium", "npm")


@pytest.fixture(scope="session")
def spoken_question(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV file with a silence and then the question, as a caller's microphone would hear it."""
    from telnyx_agent.testing import synthesize

    rate = 48000
    samples = np.concatenate([np.zeros(int(LEAD_IN * rate), np.int16), synthesize(QUESTION, rate=rate)])
    path = tmp_path_factory.mktemp("microphone") / "question.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path
