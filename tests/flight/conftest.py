"""An agent, a client and a delegate whose session is recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telnyx_agent import TxClient
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Real WebRTC; says back what was typed."""
    with LocalAgent(
        lambda text: f"canary {text}",
        voice="silent",
        ears="deaf",
        scenario=Scenario.fast(),
        greeting="canary greeting",
    ) as agent:
        yield agent


@pytest.fixture
def delegate() -> RecordingDelegate:
    """The delegate of `client`."""
    return RecordingDelegate()


@pytest.fixture
def client(delegate: RecordingDelegate) -> Iterator[TxClient]:
    """A client that makes no sound."""
    with TxClient(delegate, audio=NullAudio()) as client:
        yield client
