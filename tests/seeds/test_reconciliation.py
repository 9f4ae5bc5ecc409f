"""The five notes on reconciling the three pages (api_parity.md, (a)): one error, three readings, each path once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from telnyx_agent import (
    AuthenticationError,
    CallError,
    ClientConfigurationError,
    GatewayError,
    LocalProtocolError,
    NetworkError,
    SocketConnectionError,
    TxClientDelegate,
    TxError,
    TxServerConfiguration,
    TxTimeoutError,
)
from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import SocketResponse, SocketStatus, TelnyxClient
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from tests.support.seeds import (
    ASSISTANT,
    INVALID,
    android_when,
    flutter_if,
    ios_switch,
    keywords_in,
    login,
    quiet_agent,
    run,
    unreachable,
)

AUTHENTICATION = "Invalid assistant ID or authentication failed"
NETWORK = "Network connection failed"


# -- note 1 ------------------------------------------------------------------------------------------------------------


def test_note_1_one_authentication_error_for_all_three_pages(
    agent: LocalAgent, telnyx_client: TelnyxClient, delegate: RecordingDelegate
) -> None:
    """One object has the word, is a `TxError` and a `SocketFailure`, is raised, and reaches delegate and flow."""
    collected = RecordingDelegate()
    telnyx_client.socket_response_flow.collect(collected.on_response)

    async def main() -> None:
        await telnyx_client.anonymous_login_async(INVALID, server_configuration=agent.configuration)

    with pytest.raises(AuthenticationError) as caught:
        run(main)
    error = caught.value
    assert isinstance(error, TxError)
    assert ios_switch(error) == android_when(error.message) == flutter_if(error) == AUTHENTICATION
    telnyx_client.disconnect().result(5)
    assert delegate.calls_of("on_client_error") == [(error,)]
    assert delegate.calls_of("on_client_error")[0][0] is error
    failures = [response for (response,) in collected.calls_of("on_response") if response.status is SocketStatus.ERROR]
    assert [failure.error_message for failure in failures] == [str(error)]


# -- note 2 ------------------------------------------------------------------------------------------------------------


def test_note_2_the_ios_names_are_swapped_and_both_readings_hold(
    agent: LocalAgent, telnyx_client: TelnyxClient, tmp_path: Path
) -> None:
    """`NetworkError` is iOS's `clientConfigurationFailure` and still a `SocketConnectionError`, not its namesake."""
    with unreachable("refused", tmp_path) as nowhere:
        error = telnyx_client.anonymous_login(ASSISTANT, server_configuration=nowhere).exception(10)
    assert isinstance(error, NetworkError)
    assert isinstance(error, SocketConnectionError)
    assert isinstance(error, TxError.ClientConfigurationFailure)
    assert not isinstance(error, ClientConfigurationError)
    assert ios_switch(error) == android_when(error.message) == flutter_if(error) == NETWORK
    # The natural classes do not match the names that the page gives to their opposites.
    refused = login(telnyx_client.client, agent, INVALID).exception(10)
    assert not isinstance(refused, SocketConnectionError)
    argument = ClientConfigurationError("wrong")
    plain = SocketConnectionError("not there")
    assert not isinstance(argument, TxError.ClientConfigurationFailure)
    assert not isinstance(plain, TxError.SocketFailure)
    assert [e.kind for e in (refused, error, argument, plain)] == [
        "socketFailure",
        "clientConfigurationFailure",
        "unexpected",
        "unexpected",
    ]


# -- note 3 ------------------------------------------------------------------------------------------------------------

REFUSALS = [
    "Login Incorrect",
    "Authentication Required",
    "AUTHENTICATION FAILURE: NETWORK IS DOWN",
    "the network at network.example is unreachable",
    "no route to wss://network.example:443/network?network=1",
    "Networking error; networks down; Unauthenticated",
    "nobody authenticated you, nor will the authenticator",
    "",
    "\n",
    "%s {0} \\",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_note_3_server_texts_cannot_make_an_authentication_failure_a_network_failure(
    text: str, telnyx_client: TelnyxClient
) -> None:
    """A refused login has "authentication" and not "network", whatever the server writes; its text is kept aside."""
    with quiet_agent(scenario=Scenario.fast(login="reject", login_error=(-32001, text))) as agent:
        # The address has the wrong word in it, too.
        configuration = TxServerConfiguration(f"{agent.url}/network.example", webrtc_ice_servers=())
        error = telnyx_client.anonymous_login(ASSISTANT, server_configuration=configuration).exception(10)
    assert isinstance(error, AuthenticationError)
    assert keywords_in(str(error)) == {"authentication"}
    assert flutter_if(error) == AUTHENTICATION
    # As one line, as all words of the server's are.
    assert error.server_message == text.replace("\n", " ")


def test_note_3_a_host_name_cannot_make_a_network_failure_an_authentication_failure(
    telnyx_client: TelnyxClient,
) -> None:
    """An unknown host has "network" and not "authentication", even if it is called so."""
    configuration = TxServerConfiguration("wss://authentication.invalid/authentication?authentication=1")
    error = telnyx_client.anonymous_login(ASSISTANT, server_configuration=configuration).exception(10)
    assert isinstance(error, NetworkError)
    assert keywords_in(str(error)) == {"network"}


def test_note_3_a_close_reason_cannot_make_a_network_failure_an_authentication_failure(
    telnyx_client: TelnyxClient,
) -> None:
    """A connection that is lost during the login has "network", whatever reason the server gives for closing it."""
    with quiet_agent(scenario=Scenario.silent("login")) as agent:
        future = login(telnyx_client.client, agent)
        agent.wait_for_frame("anonymous_login")
        agent.close_connection(4014, "Authentication failed: not authenticated")
        error = future.exception(10)
    assert isinstance(error, NetworkError)
    assert keywords_in(str(error)) == {"network"}


def test_note_3_neither_word_crosses_into_other_errors(telnyx_client: TelnyxClient) -> None:
    """Arguments, targets and hang-up causes with these words in them do not bring them into the error's text."""
    errors: list[TxError] = []
    with pytest.raises(ClientConfigurationError) as url:
        TxServerConfiguration("http://network.example/authentication")
    with pytest.raises(ClientConfigurationError) as ice:
        TxServerConfiguration(webrtc_ice_servers=["network:authentication"])
    scenario = Scenario.rejected("NETWORK_OUT_OF_ORDER", speed=50)
    with quiet_agent(scenario=scenario) as agent:
        login(telnyx_client.client, agent, "network-authentication-assistant").result(10)
        with pytest.raises(LocalProtocolError) as again:
            login(telnyx_client.client, agent)
        with pytest.raises(ClientConfigurationError) as header:
            telnyx_client.client.new_call(custom_headers={"Network-Authentication": "1"})
        call = telnyx_client.client.new_call()
        with pytest.raises(CallError) as rejected:
            call.wait_until_active(15)
        reason = call.termination_reason
        assert reason is not None
        assert reason.cause == "NETWORK_OUT_OF_ORDER"  # data are not touched, only texts
    errors += [url.value, ice.value, again.value, header.value, rejected.value]
    assert [keywords_in(str(error)) for error in errors] == [set()] * 5


# -- note 4 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", ["authentication", "network"])
def test_note_4_flow_then_delegate_then_raise_each_once(failure: str, agent: LocalAgent, tmp_path: Path) -> None:
    """Three paths, one order: the flow's ERROR, the delegate's callback, the exception; each exactly once."""
    order: list[str] = []
    known = threading.Event()

    def note(where: str) -> None:
        known.wait(10)
        order.append(f"{where}, future {'done' if future.done() else 'pending'}")

    class Delegate(TxClientDelegate):
        def on_client_error(self, error: TxError) -> None:
            note("delegate")

    def collect(response: SocketResponse) -> None:
        if response.status is SocketStatus.ERROR:
            note("flow")

    with TelnyxClient(Delegate(), audio=NullAudio()) as client, unreachable("refused", tmp_path) as nowhere:
        client.socket_response_flow.collect(collect)
        target, configuration = (INVALID, agent.configuration) if failure == "authentication" else (ASSISTANT, nowhere)
        future = client.anonymous_login(target, server_configuration=configuration)
        known.set()
        with pytest.raises(TxError):
            future.result(10)
        order.append("raise")
        client.disconnect().result(5)
    assert order == ["flow, future pending", "delegate, future pending", "raise"]


# -- note 5 ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_note_5_no_answer_to_the_login_is_a_network_failure(
    telnyx_client: TelnyxClient, delegate: RecordingDelegate
) -> None:
    """Login timeout (no reply at all) counts as network."""
    with quiet_agent(scenario=Scenario.silent("login")) as agent:
        future = login(telnyx_client.client, agent)
        with pytest.raises(TxTimeoutError):  # a waiter's time is not the login's
            future.result(0.1)
        error = future.exception(20)
        telnyx_client.disconnect().result(5)
    assert isinstance(error, NetworkError)
    assert keywords_in(str(error)) == {"network"}
    assert ios_switch(error) == NETWORK
    assert delegate.calls_of("on_client_error") == [(error,)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "states", [("UNREGED",), ("TRYING", "REGISTER", "UNREGED"), ()], ids=["UNREGED", "several", "none"]
)
def test_note_5_a_gateway_that_never_registers_is_neither(
    states: tuple[str, ...], telnyx_client: TelnyxClient, delegate: RecordingDelegate
) -> None:
    """A gateway that never gets to REGED counts as gateway error, with neither word."""
    with quiet_agent(scenario=Scenario.gateway(*states, speed=50)) as agent:
        error = login(telnyx_client.client, agent).exception(30)
        telnyx_client.disconnect().result(5)
    assert isinstance(error, GatewayError)
    assert keywords_in(str(error)) == set()
    assert ios_switch(error) == android_when(error.message) == flutter_if(error) == f"Unexpected error: {error}"
    assert delegate.calls_of("on_client_error") == [(error,)]


@pytest.mark.parametrize("state", ["FAILED", "FAIL_WAIT", "TIMEOUT", "EXPIRED", "DOWN"])
def test_note_5_a_failed_gateway_is_neither(state: str, telnyx_client: TelnyxClient) -> None:
    """A gateway that says so itself is a gateway error at once."""
    with quiet_agent(scenario=Scenario.gateway(state, speed=50)) as agent:
        error = login(telnyx_client.client, agent).exception(5)
    assert isinstance(error, GatewayError)
    assert keywords_in(str(error)) == set()


# -- the pages' two lines, "log in, then call", when the login fails ---------------------------------------------------


@pytest.mark.parametrize("sooner", ["the call", "the failure"])
def test_a_call_behind_a_failed_login_shows_why(sooner: str, telnyx_client: TelnyxClient, tmp_path: Path) -> None:
    """Whether the call or the login's failure comes first is chance; either way the login's error is what is seen."""
    with unreachable("refused", tmp_path) as nowhere:
        future = telnyx_client.anonymous_login(ASSISTANT, server_configuration=nowhere)
        if sooner == "the failure":
            future.wait(10)
        try:
            reason = telnyx_client.client.new_call().wait_until_ended(10)
        except TxError as raised:
            seen: TxError | None = raised
        else:
            seen = reason.error
        assert seen is future.exception(10)
    assert isinstance(seen, NetworkError)
