"""pytest fixtures: a local Telnyx, a client that is logged in to it, a delegate that remembers everything.

Installed with the package; no import is needed:

    def test_greeting(local_agent, telnyx_client, recording_delegate):
        call = telnyx_client.new_call()
        recording_delegate.wait_for("on_transcription_updated")

The agent is fast and silent: its words come as text, at once. A marker changes that:

    @pytest.mark.local_agent(speech=True)                              # speaks and listens
    @pytest.mark.local_agent(scenario=Scenario.rejected("USER_BUSY"))  # any argument of LocalAgent
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from telnyx_agent import TxClient

    from .local_agent import LocalAgent
    from .recording import RecordingDelegate

LOGIN_TIMEOUT = 10.0


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "local_agent(speech=False, **arguments): arguments of LocalAgent for the fixture local_agent",
    )


@pytest.fixture
def local_agent(request: pytest.FixtureRequest) -> Iterator[LocalAgent]:
    """A running `LocalAgent`: fast, silent, one for each test. The marker `local_agent` changes its arguments."""
    from .local_agent import LocalAgent
    from .scenario import Scenario

    marker = request.node.get_closest_marker("local_agent")
    arguments: dict[str, Any] = dict(marker.kwargs) if marker is not None else {}
    if not arguments.pop("speech", False):
        arguments = {"voice": "silent", "ears": "deaf", **arguments}
    with LocalAgent(**{"scenario": Scenario.fast(), **arguments}) as agent:
        yield agent


@pytest.fixture
def recording_delegate() -> RecordingDelegate:
    """A delegate that records every callback; `wait_for` waits for one."""
    from .recording import RecordingDelegate

    return RecordingDelegate()


@pytest.fixture
def telnyx_client(local_agent: LocalAgent, recording_delegate: RecordingDelegate) -> Iterator[TxClient]:
    """A `TxClient` without sound, logged in to `local_agent`, with `recording_delegate` as its delegate."""
    from telnyx_agent import TxClient
    from telnyx_agent.audio import NullAudio

    with TxClient(delegate=recording_delegate, audio=NullAudio()) as client:
        login = client.anonymous_login("assistant-fixture", server_configuration=local_agent.configuration)
        login.result(LOGIN_TIMEOUT)
        yield client
