"""A client by Android's and Flutter's names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import TelnyxClient
from telnyx_agent.testing import RecordingDelegate


@pytest.fixture
def telnyx_client(delegate: RecordingDelegate) -> Iterator[TelnyxClient]:
    """A client that makes no sound. Hides the fixture of this name of the pytest plugin."""
    with TelnyxClient(delegate, audio=NullAudio()) as client:
        yield client
