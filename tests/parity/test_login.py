"""What the three pages on the anonymous login say of it, each behaviour once; the statements are in docs/parity.tsv.

What only the live service can show (that a pinned version answers, that the assistant's own voice answers) is not here.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from telnyx_agent import ClientConfigurationError, LocalProtocolError, LogLevel, TxClient, TxClientDelegate, TxError
from telnyx_agent import TxServerConfiguration as Servers
from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import TelnyxClient
from telnyx_agent.testing import FrameRecord, LocalAgent, RecordingDelegate, Scenario
from tests.support.pages import (
    ASSISTANT,
    INVALID,
    SEED_VARIABLES,
    keys_of,
    login,
    login_frame,
    login_params,
    quiet_agent,
    round_trip,
)

CREDENTIALS = {"login", "passwd", "password", "login_token", "token", "sip_user", "sip_password", "authorization"}
DEFAULTS: dict[str, Any] = {
    "target_type": "ai_assistant",
    "target_version_id": None,
    "user_variables": None,
    "reconnection": False,
}
"""What may be given beside the target and the servers, in the order of all three pages."""
GIVEN = {
    "target_type": "some_type",
    "target_version_id": "v1.2.0",
    "user_variables": SEED_VARIABLES,
    "reconnection": True,
}


# -- the method of each page -------------------------------------------------------------------------------------------


def ios(servers: Servers, target: str, **given: Any) -> None:
    with TxClient(audio=NullAudio()) as client:
        client.anonymous_login(target, **given, server_configuration=servers).result(10)


def ios_by_position(servers: Servers, target: str, **given: Any) -> None:
    with TxClient(audio=NullAudio()) as client:
        rest: list[Any] = [*{**DEFAULTS, **given}.values(), servers]
        client.anonymous_login(target, *rest).result(10)


def android(servers: Servers, target: str, **given: Any) -> None:
    with TelnyxClient(audio=NullAudio()) as client:
        client.connect_anonymously(**given, target_id=target, provided_server_config=servers).result(10)


def android_by_position(servers: Servers, target: str, **given: Any) -> None:
    with TelnyxClient(audio=NullAudio()) as client:
        rest: list[Any] = [*{**DEFAULTS, **given}.values(), LogLevel.NONE]
        client.connect_anonymously(servers, target, *rest).result(10)


def flutter(servers: Servers, target: str, **given: Any) -> None:
    async def main() -> None:
        answer: object = await client.anonymous_login_async(target_id=target, **given, server_configuration=servers)
        assert answer is None

    with TelnyxClient(audio=NullAudio()) as client:
        asyncio.run(main())


def flutter_without_await(servers: Servers, target: str, **given: Any) -> None:
    with TelnyxClient(audio=NullAudio()) as client:
        future = client.anonymous_login(target_id=target, **given, server_configuration=servers)
        assert future.exception(10) is None


Method = Callable[..., None]
each_method = pytest.mark.parametrize(
    "method", [ios, ios_by_position, android, android_by_position, flutter, flutter_without_await]
)

SIGNATURES: list[tuple[Callable[..., object], dict[str, object]]] = [
    (TxClient.anonymous_login, {"target_id": inspect.Parameter.empty, **DEFAULTS, "server_configuration": None}),
    # Android's `targetId` has no default although it is the second: see test_the_target_id_is_required.
    (TelnyxClient.connect_anonymously, {"provided_server_config": None, "target_id": None, **DEFAULTS, "log_level": 0}),
]


@pytest.mark.parametrize(("method", "parameters"), SIGNATURES, ids=["iOS", "Android"])
def test_parameters_in_their_order_with_their_defaults(
    method: Callable[..., object], parameters: dict[str, object]
) -> None:
    """Those of the page, by position as well; what is only ours is optional and given by name."""
    found = list(inspect.signature(method).parameters.values())[1:]
    by_position = [(p.name, p.default) for p in found if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert by_position == list(parameters.items())
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in found[len(parameters) :])


@each_method
def test_what_is_given_arrives(method: Method, agent: LocalAgent) -> None:
    """Each value where it belongs, as it was given: the pages' examples of variables and version among them."""
    method(agent.configuration, ASSISTANT, **GIVEN)
    params = login_params(agent)
    assert (params["target_id"], params["target_type"]) == (ASSISTANT, "some_type")
    assert params["target_version_id"] == "v1.2.0"
    assert params["userVariables"] == SEED_VARIABLES
    assert '"12345"' in str(login_frame(agent).data)  # a text, not a number
    assert params["reconnection"] is True


@each_method
def test_what_is_not_given(method: Method, agent: LocalAgent) -> None:
    """An assistant, its latest version, no variables, no reconnection; and no credentials in any frame."""
    method(agent.configuration, ASSISTANT)
    params = login_params(agent)
    assert (params["target_id"], params["target_type"]) == (ASSISTANT, "ai_assistant")
    assert "target_version_id" not in params  # absent, not null
    assert not params.get("userVariables")
    assert params["reconnection"] is False
    received = [frame for frame in agent.frames if frame.direction == "received"]
    assert received[0].method == "anonymous_login"
    assert not CREDENTIALS & {name for frame in received for name in keys_of(frame.message)}


@each_method
def test_a_blank_target_is_refused(method: Method, agent: LocalAgent) -> None:
    """At once; nothing is opened."""
    for blank in ("", "  ", "\t\n"):
        with pytest.raises(ClientConfigurationError, match="target_id"):
            method(agent.configuration, blank)
    assert agent.frames == ()


def test_the_target_id_is_required(telnyx_client: TelnyxClient) -> None:
    """Also where it stands behind a parameter that has a default."""
    with pytest.raises(TypeError, match="target_id"):
        TxClient().anonymous_login()  # type: ignore[call-arg]
    for arguments in ((), (Servers(),)):
        with pytest.raises(TypeError, match="target_id"):
            telnyx_client.connect_anonymously(*arguments)
    with pytest.raises(TypeError, match="target_id"):
        asyncio.run(telnyx_client.anonymous_login_async())  # type: ignore[call-arg]
    assert not telnyx_client.is_connected()


def test_user_variables_are_any_json(agent: LocalAgent, client: TxClient) -> None:
    """Every JSON value arrives as it was given, none and an empty mapping are the same, and the rest is refused."""
    variables = {
        "nested": {"list": [1, 2.5, "drei", [None]]},
        "yes": True,
        "no": False,
        "n": 7,
        "none": None,
        "ü": "🙂",
    }
    given: list[Mapping[str, Any] | None] = [variables, {}, None]
    for each in given:
        login(client, agent, user_variables=each).result(10)
        client.disconnect().result(5)
    arrived = login_params(agent, 1)["userVariables"]
    assert arrived == variables
    assert arrived["yes"] is True  # to ==, it is the same as 1
    assert type(arrived["n"]) is int
    assert [login_params(agent, count).get("userVariables") or {} for count in (2, 3)] == [{}, {}]
    with pytest.raises(ClientConfigurationError, match="user_variables"):
        login(client, agent, user_variables={"not json": object()})


# -- after it ----------------------------------------------------------------------------------------------------------


def test_the_call_may_follow_at_once(client: TxClient) -> None:
    """After it, "you are now connected and can make a call": at once; the invite waits for the login."""
    with quiet_agent(scenario=Scenario(client_ready_delay=0.5)) as agent:
        login(client, agent)
        call = client.new_call()
        assert not client.is_registered
        call.wait_until_active(15)
        assert client.is_registered
        received = [frame.method for frame in agent.frames if frame.direction == "received"]
        steps = ["anonymous_login", "telnyx_rtc.gatewayState", "telnyx_rtc.invite"]
        assert sorted(steps, key=received.index) == steps


def test_connected_after_the_await(telnyx_client: TelnyxClient, delegate: RecordingDelegate) -> None:
    """Flutter's `await` returns when the client is ready, and not before."""
    with quiet_agent(scenario=Scenario(gateway_delay=0.3)) as agent:

        async def main() -> tuple[bool, bool]:
            login = telnyx_client.anonymous_login_async(ASSISTANT, server_configuration=agent.configuration)
            before = telnyx_client.is_ready
            await login
            return before, telnyx_client.is_ready

        assert asyncio.run(main()) == (False, True)
        assert delegate.names.count("on_client_ready") == 1
        with telnyx_client.new_invite() as call:
            call.wait_until_active(15)


def test_every_call_goes_to_the_assistant(agent: LocalAgent, client: TxClient) -> None:
    """Call Routing: "any subsequent call, regardless of the destination"."""
    login(client, agent).result(10)
    for destination in ("", "+12125550100", "sip:somebody@example.com", "anything at all"):
        with client.new_call("Ada", "+12125550101", destination) as call:
            call.wait_until_active(15)
        record = agent.calls[-1]
        assert (record.call_id, record.target_id) == (str(call.call_id), ASSISTANT)
        assert record.destination_number == destination or not destination


def lock_of(client: TxClient) -> tuple[bool, str | None]:
    """Whether the session is locked, and to whom."""
    return client.is_session_locked, client.connected_target_id


def test_locked_until_the_disconnection(agent: LocalAgent, client: TxClient) -> None:
    """Session Lock: another login needs a `disconnect()` first, and leaves the first one alone."""
    assert lock_of(client) == (False, None)
    login(client, agent).result(10)
    assert lock_of(client) == (True, ASSISTANT)
    with pytest.raises(LocalProtocolError, match="disconnect"):
        login(client, agent, "assistant-other")
    assert lock_of(client) == (True, ASSISTANT)
    client.disconnect().result(5)
    assert lock_of(client) == (False, None)
    login(client, agent, "assistant-other").result(10)
    assert lock_of(client) == (True, "assistant-other")


# -- the log -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [LogLevel.NONE, LogLevel.ERROR, LogLevel.INFO, LogLevel.VERTO, LogLevel.ALL])
def test_the_log_level(level: LogLevel, agent: LocalAgent, capfd: pytest.CaptureFixture[str]) -> None:
    """On stderr: nothing at NONE, errors, "ready", frames; of a good login, a call and a refused login."""
    with TelnyxClient(audio=NullAudio()) as client:
        client.connect_anonymously(agent.configuration, ASSISTANT, log_level=level).result(10)
        with client.new_invite() as call:
            call.wait_until_active(15)
        client.disconnect().result(5)
        client.connect_anonymously(agent.configuration, INVALID, log_level=level).exception(10)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert bool(captured.err) is (level > LogLevel.NONE)
    assert ("authentication" in captured.err) is (level >= LogLevel.ERROR)
    assert ("ready" in captured.err) is (level >= LogLevel.INFO)
    assert ("telnyx_rtc.invite" in captured.err) is (level >= LogLevel.VERTO)


def test_the_log_level_is_the_sessions(agent: LocalAgent, capfd: pytest.CaptureFixture[str]) -> None:
    """Not that of other clients, and not of the client's next session."""
    with TxClient(audio=NullAudio()) as chatty, TxClient(audio=NullAudio()) as silent:
        login(silent, agent).result(10)
        assert capfd.readouterr().err == ""
        login(chatty, agent, log_level=LogLevel.DEBUG).result(10)
        chatty.disconnect().result(5)
        assert "ready" in capfd.readouterr().err
        silent.disconnect().result(5)
        login(chatty, agent).result(10)
        chatty.disconnect().result(5)
    assert capfd.readouterr().err == ""


# -- the delegate ------------------------------------------------------------------------------------------------------


def is_registered(frame: FrameRecord) -> bool:
    """Whether the server says in this frame that the registration is complete."""
    return frame.direction == "sent" and '"REGED"' in str(frame.data)


def test_client_ready_once_and_only_when_registered() -> None:
    """`onClientReady()`, "Handle successful anonymous connection": not before `REGED`, and not for every `REGED`."""
    reged_before: list[bool] = []

    class Delegate(TxClientDelegate):
        def on_client_ready(self) -> None:
            reged_before.append(any(map(is_registered, agent.frames)))

    with quiet_agent(scenario=Scenario(gateway_delay=0.3)) as agent, TxClient(Delegate()) as client:
        login(client, agent).result(10)
        assert reged_before == [True]
        again = {"jsonrpc": "2.0", "id": 424242, "method": "telnyx_rtc.gatewayState", "params": {"state": "REGED"}}
        agent.send(again)
        agent.send({"jsonrpc": "2.0", "id": 424243, "method": "telnyx_rtc.clientReady", "params": {}})
        round_trip(agent)
        client.disconnect().result(5)
    assert reged_before == [True]


@pytest.mark.parametrize("who", ["the server", "a lost connection", "disconnect()"])
def test_disconnected_once(who: str, agent: LocalAgent, client: TxClient, delegate: RecordingDelegate) -> None:
    """`onSocketDisconnected()`: whoever ends the connection, and that alone is no error."""
    login(client, agent).result(10)
    if who == "the server":
        agent.close_connection(1000)
    elif who == "a lost connection":
        agent.drop_connection()
    else:
        client.disconnect()
    delegate.wait_for("on_socket_disconnected")
    client.disconnect().result(5)
    client.disconnect().result(5)
    assert delegate.names.count("on_socket_disconnected") == 1
    assert "on_client_error" not in delegate.names
    assert not client.is_connected()


def test_three_methods_make_a_delegate(agent: LocalAgent, caplog: pytest.LogCaptureFixture) -> None:
    """iOS's page has only `onClientReady`, `onClientError` and `onSocketDisconnected`, of any class: that is enough."""

    class ThreeMethods:
        def __init__(self) -> None:
            self.called: list[str] = []

        def on_client_ready(self) -> None:
            self.called.append("ready")

        def on_client_error(self, error: TxError) -> None:
            self.called.append("error")

        def on_socket_disconnected(self) -> None:
            self.called.append("disconnected")

    delegate = ThreeMethods()
    with TxClient(delegate, audio=NullAudio()) as client, caplog.at_level(logging.WARNING, "telnyx_agent"):
        login(client, agent)
        with client.new_call() as call:  # with all the callbacks that a call brings
            call.wait_until_active(15)
            client.send_ai_assistant_message("Hello").result(5)
        client.disconnect().result(5)
        assert delegate.called == ["ready", "disconnected"]
        login(client, agent, INVALID).exception(10)
    assert delegate.called == ["ready", "disconnected", "error", "disconnected"]
    assert [record.getMessage() for record in caplog.records if "delegate" in record.name] == []
