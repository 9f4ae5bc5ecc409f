"""The id of the conversation: joined, told by the server, forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from telnyx_agent import AuthenticationError, TxClient, TxError
from telnyx_agent.errors import ConversationNotFoundError
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

PATIENCE = 20.0


def make_agent(**changes: Any) -> LocalAgent:
    """Text only."""
    return LocalAgent(voice="silent", ears="deaf", scenario=Scenario.fast(**changes), media=False)


def test_joining_a_conversation(client: TxClient) -> None:
    """The id is on the wire in JavaScript's place and in the mobile SDKs' (R8), and can be asked for."""
    with make_agent(conversations=("conv-1",)) as agent:
        client.anonymous_login("assistant-1", conversation_id="conv-1", server_configuration=agent.configuration)
        assert client.conversation_id == "conv-1"
        client.wait_until_ready(PATIENCE)
        params = agent.wait_for_frame("anonymous_login").params
        assert params["conversation_id"] == "conv-1"
        assert params["target_params"] == {"conversation_id": "conv-1"}
        client.disconnect().result(PATIENCE)


def test_a_conversation_that_does_not_exist(client: TxClient) -> None:
    """Is a refused login with an error of its own, and the server's number; another refusal has not."""
    with make_agent(conversations=("conv-1",)) as agent:
        login = client.anonymous_login(
            "assistant-1", conversation_id="conv-2", server_configuration=agent.configuration
        )
        with pytest.raises(ConversationNotFoundError) as refused:
            login.result(PATIENCE)
    assert isinstance(refused.value, AuthenticationError)
    assert isinstance(refused.value, TxError.SocketFailure)
    assert refused.value.server_code == 10007
    client.disconnect().result(PATIENCE)
    with make_agent(login="reject") as agent:
        other = client.anonymous_login("assistant-1", server_configuration=agent.configuration).exception(PATIENCE)
    assert type(other) is AuthenticationError


def test_the_server_tells_the_id(client: TxClient, delegate: RecordingDelegate) -> None:
    """With any frame of the conversation; it is kept for a later login, which joins it."""
    with make_agent(conversation_id="conv-9") as agent:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        assert client.conversation_id is None
        delegate.wait_for("on_widget_settings_updated", PATIENCE)
        assert client.conversation_id == "conv-9"
        client.disconnect().result(PATIENCE)
        assert client.conversation_id == "conv-9"

        client.anonymous_login(
            "assistant-1", conversation_id=client.conversation_id, server_configuration=agent.configuration
        ).result(PATIENCE)
        frame = agent.wait_for_frame("anonymous_login", count=2)
        assert frame.params["conversation_id"] == "conv-9"
        client.disconnect().result(PATIENCE)


def test_a_login_without_one_forgets_it(client: TxClient, agent: LocalAgent) -> None:
    """It is another conversation."""
    client.anonymous_login("assistant-1", conversation_id="conv-1", server_configuration=agent.configuration)
    client.disconnect().result(PATIENCE)
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
    assert client.conversation_id is None
