"""Agents for the command line to call, and a spoken question."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telnyx_agent.testing import LocalAgent, Scenario
from tests.support.requirements import require

QUESTION = "What are your opening hours?"


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Real WebRTC; says its words without a sound and at once, and understands nothing."""
    with LocalAgent(voice="silent", ears="deaf", scenario=Scenario.fast()) as agent:
        yield agent


@pytest.fixture
def speaking_agent() -> Iterator[LocalAgent]:
    """Speaks and understands."""
    require("voice", "ears")
    with LocalAgent(scenario=Scenario.fast(), greeting="Hello!") as agent:
        yield agent


@pytest.fixture(scope="session")
def spoken_question(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV file that asks `QUESTION`, at a telephone's sample rate."""
    require("voice")
    from telnyx_agent.testing import synthesize

    path = tmp_path_factory.mktemp("question") / "question.wav"
    synthesize(QUESTION, path, rate=16000)
    return path
