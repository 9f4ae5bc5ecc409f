"""Dynamic variables of a call, by name."""

from __future__ import annotations

from typing import Any

import pytest

from telnyx_agent import ClientConfigurationError, TxClient
from telnyx_agent._variables import dynamic_variable_headers
from telnyx_agent.testing import LocalAgent

PATIENCE = 20.0


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
