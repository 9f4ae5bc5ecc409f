"""The id of the conversation, in both spellings; and dynamic variables by name."""

from __future__ import annotations

from typing import Any

import pytest

from telnyx_agent import AuthenticationError, ClientConfigurationError, TxClient, TxError
from telnyx_agent._variables import dynamic_variable_headers
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


@pytest.mark.parametrize(
    ("variables", "headers"),
    [
        ({"account_number": 1}, {"X-Account-Number": "1"}),
        ({"vip": True, "name": "Ann"}, {"X-Vip": "true", "X-Name": "Ann"}),
        ({"line2_text": "grün", "share": 0.5}, {"X-Line2-Text": "grün", "X-Share": "0.5"}),
        ({}, {}),
    ],
)
def test_variables_become_headers(variables: dict[str, Any], headers: dict[str, str]) -> None:
    """As Telnyx turns them back: without `X-`, in lower case, with `_` for `-`."""
    assert dynamic_variable_headers(variables) == headers
    back = {name.removeprefix("X-").lower().replace("-", "_") for name in headers}
    assert back == set(variables)


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"Account": 1}, "'Account' cannot be set"),
        ({"two words": 1}, "cannot be set"),
        ({"a__b": 1}, "single '_' between"),
        ({"_a": 1}, "cannot be set"),
        ({"": 1}, "cannot be set"),
        ({1: 1}, "1 cannot be set"),
        ({"a": None}, "must be a text, a number or a truth value"),
        ({"a": [1]}, "must be a text, a number or a truth value"),
        ({"a": "x\r\nX-B: y"}, "line break"),
        ({"account_number": 1}, "is set by a custom header already"),
    ],
)
def test_variables_that_cannot_be_set(variables: Any, text: str) -> None:
    """Are refused at once, with what would do."""
    with pytest.raises(ClientConfigurationError, match=text):
        dynamic_variable_headers(variables, {"x-account-number": "7"})


def test_variables_of_a_call(client: TxClient, agent: LocalAgent) -> None:
    """They go with the invite, behind the other headers."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    call = client.new_call(custom_headers={"X-Other": "a"}, dynamic_variables={"account_number": 1001})
    call.wait_until_active(PATIENCE)
    (record,) = agent.calls
    assert record.custom_headers == (("X-Other", "a"), ("X-Account-Number", "1001"))
    assert call.invite_custom_headers == {"X-Other": "a", "X-Account-Number": "1001"}
