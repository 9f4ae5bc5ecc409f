"""What one can see of a client: how far its connection is, which calls are up, and every frame that comes."""

from __future__ import annotations

import pytest

from telnyx_agent import AuthenticationError, CallState, ConnectionStatus, TxClient, TxConfig
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

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


def test_the_active_call(talking_agent: LocalAgent) -> None:
    """The latest of those that are answered; a call that rings is none of them."""
    delegate = RecordingDelegate()
    with TxClient(delegate, audio=NullAudio()) as client:
        client.connect(ALICE, talking_agent.configuration).result(10)
        assert client.active_call is None
        own = client.new_call(destination_number="+15550100")
        own.wait_until_active(15)
        talking_agent.call_client()
        (call,) = delegate.wait_for("on_incoming_call")
        assert client.active_call is own
        call.answer(audio=NullAudio()).result(10)
        assert client.active_call is call
        assert list(client.calls.values()) == [own, call]
        call.hangup().result(10)
        call.wait_for_state(CallState.DONE, 5)
        assert client.active_call is own


def test_every_frame_for_those_who_ask() -> None:
    """As the server sent it, in order; a delegate without the method costs nothing and gets nothing."""
    delegate = RecordingDelegate(messages=True)
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.fast()) as agent:
        with TxClient(delegate) as client:
            client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
            agent.send({"jsonrpc": "2.0", "id": 7, "method": "telnyx_rtc.unheard_of", "params": {"a": 1}})
            delegate.wait_for("on_socket_message", 5, predicate=lambda frame: frame.get("id") == 7)
        sent = [frame.message for frame in agent.frames if frame.direction == "sent"]
    got = [frame for (frame,) in delegate.calls_of("on_socket_message")]
    assert got == sent[: len(got)]
    assert len(got) >= 4
