"""What the client's tests share: a quick local agent and a client that talks to it through a recording delegate."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telnyx_agent import TxClient
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Signalling only: calls get an SDP that leads nowhere; answers come at once and as text."""
    with LocalAgent(voice="silent", ears="deaf", scenario=Scenario.fast(), media=False) as agent:
        yield agent


@pytest.fixture
def talking_agent() -> Iterator[LocalAgent]:
    """Real WebRTC; the agent plays tones for words and notices that somebody spoke."""
    with LocalAgent(voice="tones", ears="energy", scenario=Scenario.fast()) as agent:
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
