"""How far a client's connection is, as it can be read and as it is told."""

from __future__ import annotations

import pytest

from telnyx_agent import AuthenticationError, ConnectionStatus, TxClient, TxConfig
from telnyx_agent.testing import LocalAgent, RecordingDelegate

C = ConnectionStatus
ALICE = TxConfig(sip_user="alice", password="a-password-of-alice")


def statuses(delegate: RecordingDelegate) -> list[ConnectionStatus]:
    """What the delegate was told."""
    return [status for (status,) in delegate.calls_of("on_connection_state_changed")]


def test_the_connections_states(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Each change once, also over a lost connection; the property says the same."""
    seen = [client.connection_status]
    client.connect(ALICE, agent.configuration).result(10)
    seen.append(client.connection_status)
    agent.drop_connection()
    delegate.wait_for("on_reconnected", 15)
    client.disconnect().result(5)
    seen.append(client.connection_status)
    assert seen == [C.DISCONNECTED, C.CLIENT_READY, C.DISCONNECTED]
    assert statuses(delegate) == [
        C.CONNECTED,
        C.CLIENT_READY,
        C.RECONNECTING,
        C.CONNECTED,
        C.CLIENT_READY,
        C.DISCONNECTED,
    ]


def test_a_state_is_told_before_what_it_means(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """on_client_ready comes right behind CLIENT_READY."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    at = delegate.names.index("on_client_ready")
    assert delegate.events[at - 1].args == (C.CLIENT_READY,)
    assert (C.CLIENT_READY.value, C.CLIENT_READY.name) == ("clientReady", "CLIENT_READY")


def test_a_refused_login_is_disconnected(delegate: RecordingDelegate) -> None:
    """Once, before the error."""
    with LocalAgent(voice="silent", ears="deaf", media=False, credentials={}) as agent, TxClient(delegate) as client:
        with pytest.raises(AuthenticationError):
            client.connect(ALICE, agent.configuration).result(10)
        client.disconnect().result(5)
    assert statuses(delegate) == [C.CONNECTED, C.DISCONNECTED]
