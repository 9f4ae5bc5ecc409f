"""A flow of Android's: it replays its last value, and each subscriber takes at its own speed."""

from __future__ import annotations

import threading

import pytest

from telnyx_agent import ClientConfigurationError, TxTimeoutError
from telnyx_agent.compat import SocketResponse, SocketStatus, TelnyxClient
from telnyx_agent.testing import LocalAgent

PATIENCE = 20.0


def test_a_late_subscriber_gets_the_last_value(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """Each subscriber has a buffer of its own, whose oldest values go first."""
    flow = telnyx_client.socket_response_flow
    early = flow.subscribe(maxsize=2, timeout=0)
    telnyx_client.connect_anonymously(agent.configuration, "assistant-1").result(PATIENCE)
    assert flow.replay is not None
    with flow.subscribe(timeout=PATIENCE) as late:
        assert next(late).status is SocketStatus.MESSAGERECEIVED
    assert list(late) == []
    telnyx_client.disconnect().result(PATIENCE)
    next(early)
    assert next(early) == SocketResponse.disconnect()
    with pytest.raises(TxTimeoutError):
        next(early)


def test_cancelling_wakes_the_taker(telnyx_client: TelnyxClient) -> None:
    """On whatever thread it waits; and waiting has a limit."""
    waiting = telnyx_client.socket_response_flow.subscribe()
    taken: list[SocketResponse] = []
    taker = threading.Thread(target=lambda: taken.extend(waiting))
    taker.start()
    waiting.cancel()
    taker.join(PATIENCE)
    assert not taker.is_alive()
    assert taken == []
    with pytest.raises(TxTimeoutError):
        next(telnyx_client.socket_responses(timeout=0.01))
    with pytest.raises(ClientConfigurationError):
        telnyx_client.socket_response_flow.subscribe(maxsize=0)
