"""An agent whose conversation is recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telnyx_agent.testing import LocalAgent, Scenario


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
