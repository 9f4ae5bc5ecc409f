"""Logging in with credentials: who is let in, what goes wrong, calls to numbers, other credentials later on."""

from __future__ import annotations

import logging
import threading

import pytest

from telnyx_agent import (
    AuthenticationError,
    CallError,
    CallState,
    ClientConfigurationError,
    GatewayError,
    LocalProtocolError,
    LogLevel,
    NetworkError,
    SocketConnectionError,
    TxClient,
    TxClientDelegate,
    TxConfig,
    TxError,
    TxServerConfiguration,
)
from telnyx_agent._runtime.futures import CommandFuture
from telnyx_agent.audio import NullAudio
from telnyx_agent.errors import FailureReason
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

PASSWORD, TOKEN, NEXT_TOKEN = "a-password-of-alice", "eyJ-a-token-of-alice", "eyJ-the-next-token"
ALICE = TxConfig(sip_user="alice", password=PASSWORD)
BY_TOKEN = TxConfig(token=TOKEN)


def guarded(scenario: Scenario | None = None, *, media: bool = False) -> LocalAgent:
    """An agent that lets in Alice and two tokens."""
    return LocalAgent(
        voice="silent",
        ears="deaf",
        scenario=scenario or Scenario.fast(),
        media=media,
        credentials={"alice": PASSWORD},
        tokens=[TOKEN, NEXT_TOKEN],
    )


@pytest.mark.parametrize("config", [ALICE, BY_TOKEN], ids=["password", "token"])
def test_a_login_is_told_in_order(client: TxClient, delegate: RecordingDelegate, config: TxConfig) -> None:
    """Connected, ready, disconnected; nothing about an assistant, to whom nothing is locked."""
    with guarded() as agent:
        client.connect(config, agent.configuration).result(10)
        assert (client.is_registered, client.is_connected()) == (True, True)
        assert (client.is_session_locked, client.connected_target_id) == (False, None)
        assert client.session_id == agent.wait_for_frame("login", direction="received").params["sessid"]
        client.disconnect().result(5)
    wanted = ["on_socket_connected", "on_session_updated", "on_client_ready", "on_socket_disconnected"]
    assert [name for name in delegate.names if name != "on_connection_state_changed"] == wanted


def test_another_kind_of_login_may_follow(client: TxClient) -> None:
    """After `disconnect()`, also an anonymous one, which locks the session."""
    with guarded() as agent:
        client.connect(ALICE, agent.configuration).result(10)
        client.disconnect().result(5)
        assert not client.is_connected()
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        assert (client.is_session_locked, client.connected_target_id) == (True, "assistant-1")


REFUSED = [
    (TxConfig(sip_user="alice", password="another-password"), "Login Incorrect"),
    (TxConfig(sip_user="mallory", password=PASSWORD), "Login Incorrect"),
    (TxConfig(token="eyJ-a-forged-token"), "JWT token authentication failed"),
]


@pytest.mark.parametrize(("config", "text"), REFUSED, ids=["password", "user", "token"])
def test_who_is_not_let_in(delegate: RecordingDelegate, config: TxConfig, text: str) -> None:
    """One AuthenticationError with the official code, for the future and for the delegate; then nothing."""
    with guarded() as agent, TxClient(delegate) as client:
        error = client.connect(config, agent.configuration).exception(10)
        delegate.wait_for("on_socket_disconnected")
    assert isinstance(error, AuthenticationError)
    assert isinstance(error, TxError.ServerError)
    assert (error.code, error.server_code, error.server_message) == (46001, -32001, text)
    assert error.reason is FailureReason.SIGNALING_SERVER_ERROR
    assert delegate.calls_of("on_client_error") == [(error,)]
    assert "on_client_ready" not in delegate.names


def test_another_try_right_after_a_refusal(client: TxClient) -> None:
    """Whoever types the password again need not disconnect first; from the main thread and inside the callback."""
    with guarded() as agent:
        for wrong, _ in REFUSED:
            with pytest.raises(AuthenticationError):
                client.connect(wrong, agent.configuration).result(10)
        client.connect(ALICE, agent.configuration).result(10)
        assert client.is_registered

    class Stubborn(TxClientDelegate):
        def on_client_error(self, error: TxError) -> None:
            again.append(stubborn.connect(ALICE, agent.configuration))

    again: list[CommandFuture[None]] = []
    with guarded() as agent, TxClient(Stubborn()) as stubborn:
        assert isinstance(stubborn.connect(REFUSED[0][0], agent.configuration).exception(10), AuthenticationError)
        again[0].result(10)
        assert stubborn.is_registered


@pytest.mark.parametrize(
    ("config", "what", "reason"),
    [
        (TxConfig(), "sip_user and password are required", "userNameAndPasswordAreRequired"),
        (TxConfig(sip_user="", password=""), "sip_user and password are required", "userNameAndPasswordAreRequired"),
        (TxConfig(sip_user="alice"), "password is required", "passwordIsRequired"),
        (TxConfig(sip_user="alice", password=""), "password is required", "passwordIsRequired"),
        (TxConfig(password=PASSWORD), "sip_user is required", "userNameIsRequired"),
        (TxConfig(sip_user="", password=PASSWORD), "sip_user is required", "userNameIsRequired"),
        (TxConfig(token=" "), "token is required", "tokenIsRequired"),
        (TxConfig(token=""), "token is required", "tokenIsRequired"),
        (TxConfig(sip_user="alice", password=PASSWORD, token=TOKEN), "not both", None),
    ],
)
def test_what_is_missing_is_said_at_once(client: TxClient, config: TxConfig, what: str, reason: str | None) -> None:
    """iOS's cases of `clientConfigurationFailed`; nothing is sent, no thread starts, and no secret is in the text."""
    for refuse in (lambda: client.connect(config), config.validate_params):
        with pytest.raises(TxError.ClientConfigurationFailed, match=what) as caught:
            refuse()
        assert isinstance(caught.value, ClientConfigurationError)
        assert (caught.value.reason.value if caught.value.reason else None) == reason
        assert PASSWORD not in str(caught.value)
    with pytest.raises(SocketConnectionError):
        client.wait_until_ready(0)


def test_every_option_of_ios(client: TxClient) -> None:
    """They are taken; the config's logger gets this session's log."""
    logged = threading.Event()

    class MyCustomLogger:
        def log(self, level: LogLevel, message: str) -> None:
            logged.set()

    config = TxConfig(
        sip_user="alice",
        password=PASSWORD,
        log_level=LogLevel.ALL,
        custom_logger=MyCustomLogger(),
        reconnect_client=True,
        debug=False,
        force_relay_candidate=False,
        reconnect_timeout=60.0,
        enable_call_reports=False,
        call_report_interval=5.0,
        call_report_log_level="debug",
        call_report_max_log_entries=1000,
    )
    with guarded() as agent:
        client.connect(config, agent.configuration).result(10)
        assert logged.wait(10)


def test_connect_takes_a_config(client: TxClient) -> None:
    """Not a user and a password."""
    with pytest.raises(ClientConfigurationError, match="TxConfig"):
        client.connect("alice")  # type: ignore[arg-type]


def test_secrets_are_in_no_repr_and_in_no_log(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the level that shows every frame; the frames that the agent keeps show nothing either."""
    config = TxConfig(sip_user="alice", password=PASSWORD, log_level=LogLevel.ALL)
    assert PASSWORD not in repr(config)
    assert TOKEN not in repr(BY_TOKEN)
    caplog.set_level(logging.DEBUG)
    with guarded() as agent, TxClient() as client:
        client.connect(config, agent.configuration).result(10)
        client.update_credentials(token=TOKEN).result(5)
        seen = caplog.text + capsys.readouterr().err + repr(agent.frames) + repr(agent) + repr(client)
    assert "login" in seen
    assert PASSWORD not in seen
    assert TOKEN not in seen


# -- the gateway -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_gateway_on_its_way_is_waited_for(client: TxClient) -> None:
    """UNREGED, then REGED: one question more."""
    with guarded(Scenario.gateway("UNREGED", "REGED", speed=50)) as agent:
        client.connect(ALICE, agent.configuration).result(15)
        agent.wait_for_frame("telnyx_rtc.gatewayState", direction="received", count=2)
    assert client.session_id


def test_a_gateway_that_fails_is_tried_elsewhere(client: TxClient, delegate: RecordingDelegate) -> None:
    """FAILED on the first connection, REGED on the second: ready once, and no error."""
    first, second = Scenario.gateway("FAILED", speed=50), Scenario.fast()
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=[first, second]) as agent:
        client.connect(ALICE, agent.configuration).result(15)
        assert client.is_registered
        ((attempt, _, error),) = delegate.calls_of("on_reconnecting")
        assert attempt == 1
        assert isinstance(error, GatewayError)
        assert delegate.calls_of("on_client_error") == []
        assert delegate.names.count("on_client_ready") == 1


def test_a_gateway_that_goes_on_failing(delegate: RecordingDelegate) -> None:
    """Without reconnection at once; the error has the state and the official code."""
    config = TxConfig(sip_user="alice", password=PASSWORD, reconnect_client=False)
    with guarded(Scenario.gateway("FAIL_WAIT", speed=50)) as agent, TxClient(delegate) as client:
        error = client.connect(config, agent.configuration).exception(10)
    assert isinstance(error, GatewayError)
    assert (error.code, error.server_message) == (45004, "FAIL_WAIT")
    assert "on_reconnecting" not in delegate.names


def test_no_server(client: TxClient) -> None:
    """A NetworkError, as with every login."""
    error = client.connect(ALICE, TxServerConfiguration(signaling_server="ws://127.0.0.1:9")).exception(20)
    assert isinstance(error, NetworkError)


# -- calls -------------------------------------------------------------------------------------------------------------


def test_a_call_to_a_number(client: TxClient) -> None:
    """The number is on the wire, and so is who calls: the config's name and number where the call has none."""
    config = TxConfig(sip_user="alice", password=PASSWORD, caller_id_name="Alice A.", caller_id_number="+15550111")
    with guarded(media=True) as agent:
        client.connect(config, agent.configuration).result(10)
        with client.new_call(destination_number="+15550100") as call:
            call.wait_until_active(15)
            record = agent.wait_for_call(lambda record: record.state == "answered")
        with client.new_call("Bob", "+15550122", "+15550100") as second:
            second.wait_until_active(15)
        other = agent.calls[-1]
    assert (record.destination_number, record.caller_name, record.caller_number) == (
        "+15550100",
        "Alice A.",
        "+15550111",
    )
    assert (other.caller_name, other.caller_number) == ("Bob", "+15550122")
    assert record.target_id == "alice"


def test_a_call_needs_somebody_to_call(client: TxClient) -> None:
    """iOS: destinationNumberIsRequired; nothing is sent. After an anonymous login none is needed."""
    with guarded() as agent:
        client.connect(ALICE, agent.configuration).result(10)
        with pytest.raises(CallError, match="destination_number is required") as lacking:
            client.new_call()
        assert lacking.value.reason is FailureReason.DESTINATION_NUMBER_IS_REQUIRED
        assert client.calls == {}
        client.disconnect().result(5)
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        client.new_call().hangup().result(5)


def test_a_call_may_be_placed_before_the_login_is_through(client: TxClient) -> None:
    """It waits."""
    with guarded(media=True) as agent:
        client.connect(ALICE, agent.configuration)
        call = client.new_call(destination_number="+15550100")
        call.wait_until_active(15)


def test_one_login_at_a_time(client: TxClient) -> None:
    """The second is refused at the call; the message names no assistant, because there is none."""
    with guarded() as agent:
        client.connect(ALICE, agent.configuration)
        with pytest.raises(LocalProtocolError, match="logged in already"):
            client.connect(BY_TOKEN, agent.configuration)
        with pytest.raises(LocalProtocolError, match="logged in already"):
            client.anonymous_login("assistant-1", server_configuration=agent.configuration)


# -- reconnection ------------------------------------------------------------------------------------------------------


def test_a_lost_connection_comes_back_with_the_same_session(delegate: RecordingDelegate) -> None:
    """The same session id, the credentials again; the call survives."""
    with guarded(media=True) as agent, TxClient(delegate, audio=NullAudio()) as client:
        client.connect(ALICE, agent.configuration).result(10)
        call = client.new_call(destination_number="+15550100")
        call.wait_until_active(15)
        session_id = client.session_id

        agent.drop_connection()
        delegate.wait_for("on_reconnected", 15)
        call.wait_for_state(CallState.ACTIVE, 15)
        login = agent.wait_for_frame("login", direction="received", count=2).params

    assert (login["sessid"], login["reconnection"], login["login"]) == (session_id, True, "alice")


def test_reconnection_can_be_switched_off(delegate: RecordingDelegate) -> None:
    """iOS: `reconnectClient`. The session ends with its connection."""
    config = TxConfig(sip_user="alice", password=PASSWORD, reconnect_client=False)
    with guarded() as agent, TxClient(delegate) as client:
        client.connect(config, agent.configuration).result(10)
        agent.drop_connection()
        (error,) = delegate.wait_for("on_client_error", 10)
    assert isinstance(error, NetworkError)
    assert "on_reconnecting" not in delegate.names


# -- other credentials -------------------------------------------------------------------------------------------------


def test_a_token_is_replaced_during_a_call(delegate: RecordingDelegate) -> None:
    """The call goes on, nothing is told to the delegate, and the next connection logs in with the new token."""
    with guarded(media=True) as agent, TxClient(delegate, audio=NullAudio()) as client:
        client.connect(BY_TOKEN, agent.configuration).result(10)
        call = client.new_call(destination_number="+15550100")
        delegate.wait_for("on_call_state_updated", 15, predicate=lambda state, _: state == CallState.ACTIVE)
        delegate.clear()

        client.update_credentials(token=NEXT_TOKEN).result(5)
        agent.wait_for_frame("telnyx_rtc.gatewayState", direction="received", count=2)

        assert call.state == CallState.ACTIVE
        assert not {"on_client_ready", "on_call_state_updated", "on_client_error"} & set(delegate.names)
        agent.drop_connection()
        delegate.wait_for("on_reconnected", 15)
        assert agent.wait_for_frame("login", direction="received", count=3).params["login_token"] == NEXT_TOKEN


def test_a_token_that_is_refused_changes_nothing(client: TxClient, delegate: RecordingDelegate) -> None:
    """The future says so; the session goes on, and comes back with the old token."""
    with guarded() as agent:
        client.connect(BY_TOKEN, agent.configuration).result(10)
        error = client.update_credentials(token="eyJ-a-forged-token").exception(5)
        assert isinstance(error, AuthenticationError)
        assert error.server_code == -32001
        assert client.is_registered
        assert delegate.calls_of("on_client_error") == []
        agent.drop_connection()
        delegate.wait_for("on_reconnected", 15)
        assert agent.wait_for_frame("login", direction="received", count=3).params["login_token"] == TOKEN


def test_credentials_cannot_be_changed_where_there_are_none(client: TxClient, agent: LocalAgent) -> None:
    """Without a login, and on an anonymous session; and what is missing is said at once."""
    assert isinstance(client.update_credentials(token=TOKEN).exception(5), SocketConnectionError)
    with pytest.raises(ClientConfigurationError):
        client.update_credentials()
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    assert isinstance(client.update_credentials(token=TOKEN).exception(5), LocalProtocolError)


def test_a_disconnection_settles_what_waits(client: TxClient) -> None:
    """`disconnect()` while the server thinks about the new token, or about the login."""
    with guarded(Scenario.fast(login_delay=0.02)) as agent:
        client.connect(BY_TOKEN, agent.configuration).result(10)
        future = client.update_credentials(token=NEXT_TOKEN)
        client.disconnect().result(5)
        assert future.wait(5)
    with guarded(Scenario.silent("login")) as agent:
        future = client.connect(BY_TOKEN, agent.configuration)
        agent.wait_for_frame("login", direction="received")
        client.disconnect().result(5)
        assert isinstance(future.exception(5), TxError)


def test_debug_is_for_all_calls_of_the_session(delegate: RecordingDelegate) -> None:
    """iOS: `debug`. Their quality samples go to the server, of calls in both directions; without it none do."""
    config = TxConfig(sip_user="alice", password=PASSWORD, debug=True)
    with guarded(media=True) as agent, TxClient(delegate, audio=NullAudio()) as client:
        client.connect(config, agent.configuration).result(10)
        client.new_call(destination_number="+15550100").wait_until_active(15)
        agent.wait_for_frame("(other)", 15, predicate=lambda frame: frame.get("type") == "debug_report_start")
        agent.call_client()
        (call,) = delegate.wait_for("on_incoming_call", 10)
        call.answer(audio=NullAudio()).result(10)
        agent.wait_for_frame("(other)", 15, predicate=lambda frame: frame.get("type") == "debug_report_start", count=2)
