"""What the tests of Android's and Flutter's names share: local agents, a delegate that records, and a client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import TelnyxClient
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
    """The delegate of `telnyx_client`."""
    return RecordingDelegate()


@pytest.fixture
def telnyx_client(delegate: RecordingDelegate) -> Iterator[TelnyxClient]:
    """A client that makes no sound. Hides the fixture of this name of the pytest plugin."""
    with TelnyxClient(delegate, audio=NullAudio()) as client:
        yield client
