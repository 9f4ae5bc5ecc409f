"""The other side of the soak, in a process of its own: a local agent, and a bad network for each client.

    python -m benchmarks._far_end PROXIES SEED

Driven by `benchmarks._child.Child`. Nothing of it counts as the program's own, so that what is measured is the SDK.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from telnyx_agent.testing import FaultProxy, FaultRates, LocalAgent, Scenario, UdpFaults

from . import _leaks
from ._child import serve

__all__ = ["FarEnd"]

GREETING = "Hello there."
_UDP = {
    "none": UdpFaults(),
    "loss": UdpFaults(loss=0.1, jitter=0.03, duplicate=0.02),
    "blackout": UdpFaults(blackout=True),
}
_DELAYED = FaultRates(delay=0.03, jitter=0.1)


class FarEnd:
    """The agent and its proxies.

    Args:
        agent: Is running.
        proxies: One for each client.
    """

    def __init__(self, agent: LocalAgent, proxies: list[FaultProxy]) -> None:
        self._agent = agent
        self._proxies = proxies

    def urls(self) -> list[str]:
        """That of the agent itself, then those of the proxies."""
        return [self._agent.url, *(proxy.url for proxy in self._proxies)]

    def disturb(self, proxy: int, kind: str) -> None:
        """Let something happen, now: `reset`, `cut`, `close`, `stall`; or from now on: `delay`, `loss`, `blackout`."""
        one = self._proxies[proxy]
        if kind in ("reset", "cut", "stall"):
            getattr(one, kind)()
        elif kind == "close":
            one.close(1012, "restarting")
        elif kind == "delay":
            one.rates["to_client"] = one.rates["to_server"] = _DELAYED
        else:
            one.set_udp(_UDP[kind])

    def calm(self, proxy: int) -> None:
        """Nothing happens any more."""
        one = self._proxies[proxy]
        one.rates["to_client"] = one.rates["to_server"] = FaultRates()
        one.set_udp(_UDP["none"])
        one.resume()

    def say(self, text: str, call_id: str) -> None:
        """Have the agent say something in a call."""
        self._agent.say(text, call_id=call_id)

    def greet(self, call_id: str) -> None:
        """Have the agent say something in a call, if it is still there."""
        with contextlib.suppress(LookupError):
            self._agent.say(GREETING, call_id=call_id)

    def hang_up(self, call_id: str) -> bool:
        """Have the agent hang up; whether there was such a call."""
        try:
            self._agent.hang_up(call_id=call_id)
        except LookupError:
            return False
        return True

    def said(self, call_id: str) -> list[str]:
        """What the agent has said in a call."""
        for call in self._agent.calls:
            if call.call_id == call_id:
                return [line.text for line in call.transcript if line.role == "assistant"]
        return []

    def open_calls(self) -> int:
        """Calls that have not ended here."""
        return sum(call.state != "ended" for call in self._agent.calls)

    def holds(self) -> dict[str, Any]:
        """Threads and descriptors of this process."""
        sample = _leaks.take(0.0, 0, None)
        return {"threads": sample.threads, "descriptors": sample.descriptors, "rss": sample.rss}


def main() -> None:
    """Serve until standard input ends."""
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    with contextlib.ExitStack() as stack:
        agent = stack.enter_context(LocalAgent(voice="tones", ears="deaf", scenario=Scenario.fast(), greeting=GREETING))
        proxies = [
            stack.enter_context(FaultProxy(agent, seed=seed * 1000 + number, udp=UdpFaults()))
            for number in range(count)
        ]
        serve(FarEnd(agent, proxies))


if __name__ == "__main__":
    main()
