"""An agent with real media, and a client by Android's and Flutter's names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import TelnyxClient
from telnyx_agent.testing import LocalAgent, RecordingDelegate
from tests.support.pages import quiet_agent


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """A local agent that answers at once and without a sound."""
    with quiet_agent() as agent:
        yield agent


@pytest.fixture
def telnyx_client(delegate: RecordingDelegate) -> Iterator[TelnyxClient]:
    """The Android and Flutter spellings. Hides the fixture of this name of the pytest plugin."""
    with TelnyxClient(delegate, audio=NullAudio()) as client:
        yield client
