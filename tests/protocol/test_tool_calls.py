"""`ToolCalls`: requests for tools, which are answered once for each time that they were made."""

from __future__ import annotations

import pytest

from telnyx_agent._protocol.conversation.tool_calls import MAX_OPEN_TOOL_CALLS, ToolCalls
from telnyx_agent.errors import CallError


def asked(*call_ids: str) -> ToolCalls:
    """These requests."""
    tools = ToolCalls()
    for call_id in call_ids:
        assert tools.asked(call_id)
    return tools


def test_a_tool_is_answered_as_often_as_it_was_asked_for() -> None:
    """The agent goes on with the last answer; what nobody has asked for is let through."""
    tools = asked("a", "a", "a", "b")
    assert [tools.answered(call_id) for call_id in ("a", "a", "a", "a", "b", "unknown")] == [
        *(False, False, True, False, True, False)
    ]
    assert len(tools) == 0


def test_tools_of_a_call_that_is_over() -> None:
    """Whoever answers is told, until the next call has ended."""
    tools = asked("a")
    tools.call_ended()
    assert len(tools) == 0
    with pytest.raises(CallError, match="does not wait"):
        tools.answered("a")
    tools.call_ended()
    assert not tools.answered("a")


def test_only_so_many_are_remembered() -> None:
    """One of those that are may still be asked for again."""
    tools = asked(*(str(number) for number in range(MAX_OPEN_TOOL_CALLS)))
    assert not tools.asked("one more")
    assert tools.asked("0")
    assert not tools.answered("one more")
    assert [tools.answered("0"), tools.answered("0")] == [False, True]
