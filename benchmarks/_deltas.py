"""The server's end of `benchmarks.transcript`: a local agent in a process of its own that floods its client."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

from telnyx_agent.testing import LocalAgent, Scenario
from telnyx_agent.testing._wire_frames import TEXT, WireFrame

from ._child import serve

__all__ = ["delta_frame", "opening_frame"]


def _frame(number: int, **params: object) -> str:
    request = {"jsonrpc": "2.0", "id": number, "method": "ai_conversation", "params": params}
    return json.dumps({**request, "voice_sdk_id": "benchmark"})


def opening_frame(response: str) -> str:
    """The agent begins to answer."""
    return _frame(1, type="response.created", response={"id": response, "output": [], "status": "in_progress"})


def delta_frame(response: str, number: int) -> str:
    """A few more of its letters."""
    ids = {"item_id": response, "response_id": response, "content_index": 0, "output_index": 0}
    return _frame(number + 2, type="response.text.delta", delta=f"word{number} ", **ids)


class Flood:
    """What the parent can ask for."""

    def __init__(self, agent: LocalAgent) -> None:
        self._agent = agent
        self._data = b""

    def url(self) -> str:
        return self._agent.url

    def prepare(self, response: str, deltas: int) -> None:
        """Make the deltas of one answer."""
        texts = [opening_frame(response), *(delta_frame(response, number) for number in range(deltas))]
        self._data = b"".join(WireFrame(TEXT, text.encode()).encode() for text in texts)

    def burst(self) -> None:
        """Send what was prepared as fast as the socket takes it."""

        def send(server: Any) -> None:
            # Past the agent's own way of sending, which is slower than what is measured here and keeps a limit.
            link = server._links[server.core(None).number]
            link.socket.transport.write(self._data)

        self._agent._server.perform(send)


def main() -> None:
    """Serve until the input ends."""
    scenario = Scenario(speed=math.inf)
    with LocalAgent(media=False, voice="silent", ears="deaf", greeting="", scenario=scenario) as agent:
        with contextlib.suppress(KeyboardInterrupt):
            serve(Flood(agent))


if __name__ == "__main__":
    main()
