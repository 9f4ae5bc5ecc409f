"""A call with an agent, for the tests of what is done with one."""

from __future__ import annotations

import time
from collections.abc import Callable

from telnyx_agent import Call, TxClient
from telnyx_agent.testing import LocalAgent
from tests.support.duplex import Duplex

__all__ = ["talk", "until"]


def talk(client: TxClient, agent: LocalAgent, device: Duplex | None = None) -> Call:
    """An active call."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    call = client.new_call(audio=device)
    call.wait_until_active(15)
    return call


def until(condition: Callable[[], bool], timeout: float = 20.0) -> None:
    """Audio counters change without an event."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
