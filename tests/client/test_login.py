"""Logging in and out: exactly one of ready and error, whatever the server does, and a client that can be used again."""

from __future__ import annotations

import logging
import re
import threading
from typing import Any

import pytest

from telnyx_agent import (
    AuthenticationError,
    CallState,
    ClientConfigurationError,
    GatewayError,
    LocalProtocolError,
    NetworkError,
    SocketConnectionError,
    TxClient,
    TxConfig,
    TxError,
    TxServerConfiguration,
)
from telnyx_agent._session_handle import SessionHandle
from telnyx_agent.errors import FailureReason
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario


def login(client: TxClient, agent: LocalAgent, target: str = "assistant-1") -> None:
    """Log in and wait for it."""
    client.anonymous_login(target, server_configuration=agent.configuration).result(10)


def test_a_login_tells_everything_once_and_in_order(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """Connected, session, ready, locked; then disconnected and released."""
    login(client, agent)
    assert (client.is_registered, client.is_connected(), client.connected_target_id) == (True, True, "assistant-1")

    client.disconnect().result(5)

    wanted = (
        "on_socket_connected",
        "on_client_ready",
        "on_ai_assistant_connection_state_changed",
        "on_socket_disconnected",
        "on_ai_assistant_connection_state_changed",
    )
    assert tuple(name for name in delegate.names if name in wanted) == wanted
    assert delegate.calls_of("on_ai_assistant_connection_state_changed") == [(True, "assistant-1"), (False, None)]
    assert delegate.calls_of("on_session_updated") == [(client.session_id,)]
    assert delegate.calls_of("on_client_error") == []
    assert (client.is_registered, client.is_connected(), client.connected_target_id) == (False, False, None)


def test_another_thread_disconnects_before_the_login_has_begun(
    client: TxClient, agent: LocalAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`disconnect` from another thread in the middle of `anonymous_login`: both have an end, and it is the end."""
    logging_out: list[Any] = []

    command = SessionHandle.command

    def come_between(handle: SessionHandle, *args: Any, **options: Any) -> Any:
        if not logging_out:
            logging_out.append(None)
            logging_out[0] = client.disconnect()
            assert logging_out[0].wait(5)
        return command(handle, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(SessionHandle, "command", come_between)
        logging_in = client.anonymous_login("assistant-1", server_configuration=agent.configuration)

    with pytest.raises(LocalProtocolError, match="before the login was complete"):
        logging_in.result(5)
    assert logging_out[0].exception(0) is None
    assert agent.frames == ()
    login(client, agent)


def test_a_login_that_is_interrupted_can_be_ended_and_made_again(
    client: TxClient, agent: LocalAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in `anonymous_login`: nothing is left, or what is left is ended by `disconnect`."""

    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    for where, name in ((client._assistant._record, "begin_login"), (SessionHandle, "command")):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, interrupt)
            with pytest.raises(KeyboardInterrupt):
                client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        client.disconnect().result(5)
        for thread in threading.enumerate():
            if thread.name in ("telnyx-agent-loop", "telnyx-agent-delegate"):
                thread.join(5)
                assert not thread.is_alive()
        login(client, agent)
        client.disconnect().result(5)


def test_callbacks_come_from_one_thread_of_their_own(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """Never from the loop, never from the caller."""
    login(client, agent)
    client.disconnect().result(5)

    assert {event.thread for event in delegate.events} == {"telnyx-agent-delegate"}


def test_wait_until_ready(client: TxClient, agent: LocalAgent) -> None:
    """The waiter returns when the future does, and refuses before any login."""
    with pytest.raises(SocketConnectionError):
        client.wait_until_ready(1)

    future = client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    client.wait_until_ready(10)

    future.result(5)
    assert client.session_id == agent.wait_for_frame("anonymous_login", direction="received").params["sessid"]


def failing(scenario: Scenario) -> tuple[BaseException | None, RecordingDelegate]:
    """What the login's future and the delegate say of a server that behaves like this."""
    delegate = RecordingDelegate()
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=scenario) as agent, TxClient(delegate) as client:
        error = client.anonymous_login("assistant-1", server_configuration=agent.configuration).exception(30)
        delegate.wait_for("on_socket_disconnected")
        assert not client.is_registered
    return error, delegate


@pytest.mark.parametrize("state", ["FAILED", "FAIL_WAIT", "TIMEOUT", "EXPIRED", "DOWN"])
@pytest.mark.parametrize("push", [False, True], ids=["result", "push"])
def test_gateway_failures(state: str, push: bool) -> None:
    """Every failed gateway state, in both forms of the frame, is one GatewayError that names the state."""
    error, delegate = failing(Scenario.gateway(state, gateway_push=push, speed=50))

    assert isinstance(error, GatewayError)
    assert state in str(error)
    assert not re.search("authentication|network", str(error), re.IGNORECASE)
    assert delegate.calls_of("on_client_error") == [(error,)]


@pytest.mark.parametrize("code", [-32001, -32000, -32602, 500])
def test_refused_logins(code: int) -> None:
    """Whatever code and text a refusal has, it is an AuthenticationError with both unchanged."""
    error, delegate = failing(Scenario.fast(login="reject", login_error=(code, "No NETWORK for you")))

    assert isinstance(error, AuthenticationError)
    assert (error.server_code, error.server_message) == (code, "No NETWORK for you")
    assert "authentication" in str(error)
    assert "network" not in str(error).lower()
    assert delegate.calls_of("on_client_error") == [(error,)]


@pytest.mark.parametrize("close_code", [4014, 1011, 1000])
def test_the_server_closes_during_the_login(close_code: int) -> None:
    """A socket that closes before REGED ends in one error; which, depends on what the server said before."""
    error, delegate = failing(Scenario.gateway("TRYING", gateway_close_code=close_code, speed=50))

    assert isinstance(error, TxError)
    assert delegate.calls_of("on_client_error") == [(error,)]


@pytest.mark.slow
def test_slow_registration_is_waited_for(client: TxClient, delegate: RecordingDelegate) -> None:
    """TRYING and REGISTER are on the way to REGED, asked for again."""
    scenario = Scenario.gateway("TRYING", "REGED", speed=50)
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=scenario) as agent:
        login(client, agent)
        client.disconnect().result(5)

    assert len(delegate.calls_of("on_client_ready")) == 1


def test_refused_port(client: TxClient, delegate: RecordingDelegate) -> None:
    """No server: a NetworkError for future, delegate and waiter alike; never connected, so never disconnected."""
    configuration = TxServerConfiguration("ws://127.0.0.1:9")
    error = client.anonymous_login("assistant-1", server_configuration=configuration).exception(10)

    assert isinstance(error, NetworkError)
    with pytest.raises(NetworkError):
        client.wait_until_ready(1)
    assert delegate.calls_of("on_client_error") == [(error,)]
    assert "on_socket_disconnected" not in delegate.names


def test_a_failed_client_can_log_in_again(client: TxClient, agent: LocalAgent) -> None:
    """After a refusal the same client logs in elsewhere."""
    with pytest.raises(AuthenticationError):
        client.anonymous_login("invalid_id", server_configuration=agent.configuration).result(10)
    client.disconnect().result(5)

    login(client, agent)

    assert client.is_registered


def test_log_in_again_after_disconnect(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """A client is reusable; each login has its own callbacks."""
    for _ in range(3):
        login(client, agent)
        client.disconnect().result(5)

    assert [name for name in delegate.names if name in ("on_client_ready", "on_socket_disconnected")] == [
        "on_client_ready",
        "on_socket_disconnected",
    ] * 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"target_id": ""}, "target_id"),
        ({"target_id": "  "}, "target_id"),
        ({"target_id": None}, "target_id"),
        ({"target_type": ""}, "target_type"),
        ({"conversation_id": " "}, "conversation_id"),
        ({"target_version_id": ""}, "target_version_id"),
        ({"target_version_id": " "}, "target_version_id"),
        ({"user_variables": {"x": object()}}, "user_variables"),
        ({"user_variables": {"x": float("nan")}}, "user_variables"),
        ({"log_level": "loud"}, "LogLevel"),
    ],
)
def test_unusable_arguments_are_refused_at_the_call(client: TxClient, arguments: dict[str, object], said: str) -> None:
    """The refusal names the argument; no thread is started."""
    with pytest.raises(ClientConfigurationError, match=said):
        client.anonymous_login(**{"target_id": "assistant-1", **arguments})  # type: ignore[arg-type]
    assert not [thread for thread in threading.enumerate() if thread.name == "telnyx-agent-loop"]


def test_an_unusable_logger_is_refused_at_the_call(client: TxClient) -> None:
    """As other arguments: no thread is started."""
    with pytest.raises(ClientConfigurationError, match="logger"):
        client.connect(TxConfig(sip_user="alice", password="a-password", custom_logger=object()))  # type: ignore[arg-type]
    assert not [thread for thread in threading.enumerate() if thread.name == "telnyx-agent-loop"]


def test_disconnect_is_idempotent_from_many_threads(client: TxClient, agent: LocalAgent) -> None:
    """Any number of disconnects, before, during and after, from any thread, all come back."""
    client.disconnect().result(1)
    login(client, agent)
    threads = [threading.Thread(target=lambda: client.disconnect().result(5)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert not any(thread.is_alive() for thread in threads)
    client.disconnect().result(1)


def test_disconnect_during_the_login(client: TxClient, delegate: RecordingDelegate) -> None:
    """The login's future fails, nothing hangs, and no ready comes afterwards."""
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.silent("login")) as agent:
        future = client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        call = client.new_call()
        agent.wait_for_frame("anonymous_login")
        client.disconnect().result(5)

        assert isinstance(future.exception(1), TxError)
        assert call.state == CallState.DONE
        assert "on_client_ready" not in delegate.names


def test_a_call_waits_for_the_login_and_shares_its_failure(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """Placed while the login is in flight, a call ends with the login's error, once."""
    future = client.anonymous_login("invalid_id", server_configuration=agent.configuration)
    call = client.new_call()

    with pytest.raises(AuthenticationError):
        call.wait_until_active(10)
    error = future.exception(5)
    assert call.wait_until_ended(1).error is error
    assert not any(frame.method == "telnyx_rtc.invite" for frame in agent.frames)
    client.disconnect().result(5)
    states = [state for state, _ in delegate.calls_of("on_call_state_updated")]
    assert states.count(CallState.DONE) == 1


def test_the_server_goes_away(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """A cut connection is told as a disconnection, once, and is made again; that is no error."""
    login(client, agent)
    agent.drop_connection()
    attempt, delay, error = delegate.wait_for("on_reconnecting")
    assert not client.is_connected()
    assert not client.is_registered
    client.disconnect().result(5)

    assert (attempt, isinstance(error, NetworkError)) == (1, True)
    assert 0.75 <= delay <= 1.25
    assert delegate.names.count("on_socket_disconnected") == 1
    assert "on_client_error" not in delegate.names
    assert not client.is_connected()


def test_nothing_without_a_login(client: TxClient, delegate: RecordingDelegate) -> None:
    """Every command without a login says what to do, and a disconnect has nothing to do."""
    with pytest.raises(SocketConnectionError, match="anonymous_login") as refused:
        client.new_call()
    assert isinstance(refused.value, TxError.SocketConnectionFailed)
    assert refused.value.reason is FailureReason.SOCKET_NOT_CONNECTED
    with pytest.raises(SocketConnectionError, match="anonymous_login"):
        client.send_ai_assistant_message("hello").result(1)
    with pytest.raises(ClientConfigurationError, match="pump"):
        client.process_events()
    assert (client.calls, delegate.names) == ({}, [])


def test_an_error_says_of_which_session_it_is(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Flutter: `sessionId`; here the server ends the session."""
    login(client, agent)
    session_id = client.session_id
    agent.send({"jsonrpc": "2.0", "id": "p-1", "method": "telnyx_rtc.punt", "params": {}})
    (error,) = delegate.wait_for("on_client_error", 10)
    assert session_id
    assert error.session_id == session_id


def test_an_error_reply_that_answers_nothing(
    client: TxClient, agent: LocalAgent, caplog: pytest.LogCaptureFixture
) -> None:
    """Is in the log, and told to nobody as an error: nothing that was asked for has failed."""
    delegate = RecordingDelegate(messages=True)
    client.delegate = delegate
    with caplog.at_level(logging.WARNING, logger="telnyx_agent"):
        login(client, agent)
        agent.send({"jsonrpc": "2.0", "id": 99421, "error": {"code": -32000, "message": "secret words"}})
        delegate.wait_for("on_socket_message", 10, predicate=lambda message: message.get("id") == 99421)
        client.disconnect().result(5)
    assert [one for one in caplog.messages if "an error reply (-32000) that answers no request" in one]
    assert "secret words" not in caplog.text
    assert delegate.calls_of("on_client_error") == []
