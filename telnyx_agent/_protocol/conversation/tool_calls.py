"""`ToolCalls`: the tools that the agent has asked for and that are not answered.

Rules of this file:

1. A tool that was asked for several times under one id is answered as often.
2. A tool that was asked for in a call that is over is not answered.
"""

from __future__ import annotations

from ...errors import CallError

__all__ = ["MAX_OPEN_TOOL_CALLS", "ToolCalls"]

MAX_OPEN_TOOL_CALLS = 64
"""Requests for tools that are remembered until they are answered. An agent asks for one or a few at a time."""


class ToolCalls:
    """The requests of one call after the other."""

    def __init__(self) -> None:
        # With how many times each was asked for.
        self._open: dict[str, int] = {}
        # Those of the last call, whose results the agent does not wait for.
        self._late: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self._open)

    def asked(self, call_id: str) -> bool:
        """The agent asks for a tool. Whether that is remembered; beyond the bound it is not."""
        if call_id not in self._open and len(self._open) >= MAX_OPEN_TOOL_CALLS:
            return False
        self._open[call_id] = self._open.get(call_id, 0) + 1
        return True

    def answered(self, call_id: str) -> bool:
        """The result of a tool is on its way. Whether it was the last that was asked for under this id.

        Raises:
            CallError: The call in which it was asked for is over.
        """
        if call_id in self._late:
            raise CallError("the call is over, so the agent does not wait for the tool's result")
        times = self._open.pop(call_id, 0)
        if times > 1:
            self._open[call_id] = times - 1
        return times == 1

    def call_ended(self) -> None:
        """Nobody waits for them any more."""
        self._late = frozenset(self._open)
        self._open.clear()
