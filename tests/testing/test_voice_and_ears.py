"""`faculties`: voice, ears and brain by name."""

from __future__ import annotations

import pytest

from telnyx_agent.testing import LocalAgent


def test_faculties_by_name() -> None:
    """What has no such name is refused when the agent is made."""
    with pytest.raises(ValueError, match="no ears 'big'"):
        LocalAgent(voice="silent", ears="big")
