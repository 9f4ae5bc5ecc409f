"""`Spoken`: requests for tools, which are answered once for each time that they were made."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from telnyx_agent._protocol.spoken import Spoken
from telnyx_agent._protocol.timers import Timers
from telnyx_agent.errors import CallError


def made(**open_requests: int) -> tuple[Spoken, list[float]]:
    """One with these open requests, and the times at which the last of one tool's was answered."""
    reported: list[Any] = []
    spoken = Spoken(lambda: datetime(2026, 1, 1, tzinfo=timezone.utc), reported.append, Timers())
    answered: list[float] = []
    spoken.observer = answered.append
    spoken._tool_calls.update(open_requests)
    return spoken, answered


def test_a_tool_is_answered_as_often_as_it_was_asked_for() -> None:
    """The agent goes on with the last answer; what nobody has asked for is let through."""
    spoken, answered = made(a=3, b=1)
    for now in (1.0, 2.0, 3.0, 4.0):
        spoken.tool_answered("a", now)
    spoken.tool_answered("b", 5.0)
    spoken.tool_answered("unknown", 6.0)
    assert answered == [3.0, 5.0]
    assert spoken._tool_calls == {}


def test_tools_of_a_call_that_is_over() -> None:
    """Whoever answers is told, until the next call has ended."""
    spoken, answered = made(a=1)
    spoken._forget_tools()
    with pytest.raises(CallError, match="nobody waits"):
        spoken.tool_answered("a", 1.0)
    spoken._forget_tools()
    spoken.tool_answered("a", 2.0)
    assert answered == []
