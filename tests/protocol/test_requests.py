"""`requests`: what is refused before it is sent, and what is left out. The frames themselves are in `test_vectors`."""

from __future__ import annotations

import json
import types
from typing import Any

import pytest

from telnyx_agent._protocol.wire import jsonrpc, requests
from telnyx_agent._protocol.wire.requests import AnonymousLogin, CallOptions
from telnyx_agent.errors import ClientConfigurationError

_circle: dict[str, Any] = {}
_circle["self"] = _circle
_deep: list[Any] = []
for _ in range(100_000):
    _deep = [_deep]


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), object(), b"bytes", {1, 2}, {1: "number as key"}, {None: 1}, [{"a": {2: 3}}], _deep],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_express_is_refused(value: Any) -> None:
    """At once, with the name of the argument."""
    with pytest.raises(ClientConfigurationError, match="user_variables"):
        AnonymousLogin("a", user_variables={"x": value})
    with pytest.raises(ClientConfigurationError, match="target_params"):
        AnonymousLogin("a", target_params={"x": value})
    with pytest.raises(ClientConfigurationError, match="preferred_codecs"):
        CallOptions("c", preferred_codecs=({"x": value},))


def test_a_circle_is_refused() -> None:
    """It has no end in JSON."""
    with pytest.raises(ClientConfigurationError):
        AnonymousLogin("a", user_variables=_circle)


def test_what_json_can_express_goes_out_as_it_is() -> None:
    """Every type of JSON, nested, and tuples as lists."""
    variables = {"s": "ü", "i": 10**30, "f": 0.5, "b": False, "n": None, "l": [1, ("a",)], "o": {"p": {}}}
    login = AnonymousLogin("a", user_variables=types.MappingProxyType(variables))
    text = jsonrpc.encode(requests.anonymous_login("1", login, "s"))
    assert json.loads(text)["params"]["userVariables"] == {**variables, "l": [1, ["a"]]}


def test_variables_are_as_they_were() -> None:
    """What the application does with its dictionary afterwards is its own affair."""
    variables = {"a": 1}
    login = AnonymousLogin("a", user_variables=variables)
    variables["b"] = 2
    assert login.user_variables == {"a": 1}


def test_secrets_are_not_shown() -> None:
    """Variables, numbers, headers, state."""
    login = AnonymousLogin("assistant-1", user_variables={"pin": "secret"}, target_params={"a": "secret"})
    options = CallOptions("c", "secret", "secret", "secret", "secret", (("X-A", "secret"),))
    assert "secret" not in repr(login) + repr(options)


def test_what_was_not_given_is_absent() -> None:
    """Not null, and not empty."""
    params = requests.invite("1", CallOptions("c"), "sdp", "s", "1.0")["params"]["dialogParams"]
    assert not {"clientState", "custom_headers", "preferred_codecs"} & set(params)
    assert params["userVariables"] == {}
    assert requests.bye("1", "c", "s", None, None)["params"] == {"sessid": "s", "dialogParams": {"callID": "c"}}
    assert "voice_sdk_id" not in requests.ping("1")
