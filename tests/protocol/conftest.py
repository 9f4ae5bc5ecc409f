"""What tests of a conversation share."""

from __future__ import annotations

import pytest

from .talk import Talk


@pytest.fixture
def talk() -> Talk:
    """An active call."""
    script = Talk.talking()
    assert isinstance(script, Talk)
    return script
