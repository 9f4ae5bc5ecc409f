"""Logins that fail, as the three pages have it: one error, which delegate, flow and `await` tell, each once.

iOS asks for its class, Android and Flutter look for two words in its text, and the names of iOS's two cases mean the
opposite of what they say. `tests/support/pages.py` has their code; the statements are in docs/parity.tsv.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from telnyx_agent import (
    AuthenticationError,
    CallError,
    ClientConfigurationError,
    GatewayError,
    LocalProtocolError,
    NetworkError,
    SocketConnectionError,
    TxClient,
    TxClientDelegate,
    TxError,
    TxServerConfiguration,
    TxTimeoutError,
)
from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import SocketResponse, SocketStatus, TelnyxClient
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from tests.support.bad_servers import answering_server
from tests.support.pages import (
    ASSISTANT,
    INVALID,
    NETWORK_FAILURES,
    android_when,
    flutter_if,
    ios_switch,
    keywords_in,
    login,
    quiet_agent,
    unreachable,
)

AUTHENTICATION = "Invalid assistant ID or authentication failed"
NETWORK = "Network connection failed"


@attrs.frozen
class Failed:
    """What a login came to that was awaited in Flutter's way."""

    error: TxError
    delegate: RecordingDelegate
    flow: list[SocketResponse]

    @property
    def said(self) -> set[str]:
        """What the code of the three pages prints."""
        return {ios_switch(self.error), android_when(self.flow_error.error_message), flutter_if(self.error)}

    @property
    def flow_error(self) -> SocketResponse:
        """The only one."""
        (response,) = [response for response in self.flow if response.status is SocketStatus.ERROR]
        return response

    def check(self) -> None:
        """All three have the same error, once; its text is one readable sentence."""
        assert self.delegate.calls_of("on_client_error") == [(self.error,)]
        assert self.delegate.calls_of("on_client_error")[0][0] is self.error
        assert "on_client_ready" not in self.delegate.names
        text = str(self.error)
        assert text == self.error.message == self.error.localized_description == self.flow_error.error_message
        assert len(text.split()) >= 3
        assert text.isprintable()  # one line, no control characters
        assert not any(mark in text for mark in ("Error(", "Traceback", " at 0x", "{", "None", "Errno"))
        assert self.flow_error.data is None


def failed(configuration: TxServerConfiguration, target: str = ASSISTANT) -> Failed:
    """Log in where that fails."""
    delegate, flow = RecordingDelegate(), RecordingDelegate()
    with TelnyxClient(delegate, audio=NullAudio()) as client:
        client.socket_response_flow.collect(flow.on_response)

        async def main() -> None:
            await client.anonymous_login_async(target, server_configuration=configuration)

        with pytest.raises(TxError) as caught:
            asyncio.run(main())
        assert not client.is_ready
    return Failed(caught.value, delegate, [response for (response,) in flow.calls_of("on_response")])


def test_a_refused_login(agent: LocalAgent) -> None:
    """An invalid assistant: "authentication", which iOS's page calls `socketFailure`, with the server's own words."""
    refused = failed(agent.configuration, INVALID)
    refused.check()
    error = refused.error
    assert isinstance(error, AuthenticationError)
    assert (error.server_code, error.server_message) == (-32001, "Login Incorrect")
    assert refused.flow_error.error_code == -32001  # the server's, as on Android
    assert [response.status.name for response in refused.flow] == ["LOADING", "ESTABLISHED", "ERROR", "DISCONNECT"]
    assert refused.said == {AUTHENTICATION}
    assert keywords_in(str(error)) == {"authentication"}
    assert error.kind == "socketFailure"
    assert not isinstance(error, (TxError.ClientConfigurationFailure, SocketConnectionError))


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] if kind == "silent" else []) for kind in NETWORK_FAILURES]
)
def test_a_network_failure(kind: str, tmp_path: Path) -> None:
    """No way to the server: "network", which iOS's page calls `clientConfigurationFailure`."""
    with unreachable(kind, tmp_path) as configuration:
        nowhere = failed(configuration)
    nowhere.check()
    error = nowhere.error
    assert isinstance(error, NetworkError)
    # A socket that was never connected is not disconnected either.
    assert nowhere.delegate.names == ["on_client_error"]
    assert [response.status.name for response in nowhere.flow] == ["LOADING", "ERROR"]
    assert nowhere.flow_error.error_code is None
    assert nowhere.said == {NETWORK}
    assert keywords_in(str(error)) == {"network"}
    assert error.kind == "clientConfigurationFailure"
    # Still what it really is, and not the namesake of iOS's case.
    assert isinstance(error, SocketConnectionError)
    assert not isinstance(error, (TxError.SocketFailure, ClientConfigurationError))


@contextlib.contextmanager
def in_trouble(kind: str) -> Iterator[TxServerConfiguration]:
    """A server that is there and does not let anybody in: a gateway with these states, or one that answers 503."""
    with contextlib.ExitStack() as stack:
        if kind == "HTTP 503":
            port, _ = stack.enter_context(answering_server(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"))
            yield TxServerConfiguration(f"ws://127.0.0.1:{port}")
        else:
            scenario = Scenario.gateway(*kind.split(), speed=50)
            yield stack.enter_context(quiet_agent(scenario=scenario)).configuration


SLOW_TROUBLE = ("UNREGED", "TRYING REGISTER UNREGED", "", "HTTP 503")


@pytest.mark.parametrize("kind", ["FAILED", *(pytest.param(kind, marks=pytest.mark.slow) for kind in SLOW_TROUBLE)])
def test_neither_word_in_other_failures(kind: str) -> None:
    """A gateway that fails or never registers, and a server in trouble: "Unexpected error"."""
    with in_trouble(kind) as configuration:
        other = failed(configuration)
    other.check()
    assert isinstance(other.error, GatewayError) or kind == "HTTP 503"
    assert other.said == {f"Unexpected error: {other.error}"}
    assert keywords_in(str(other.error)) == set()


def test_errors_of_ones_own_are_unexpected(client: TxClient) -> None:
    """A call that is rejected, a login too many, a wrong argument, a call too early: neither of iOS's two cases."""
    with quiet_agent(scenario=Scenario.rejected(speed=50)) as agent:
        login(client, agent).result(10)
        with pytest.raises(CallError) as rejected:
            client.new_call().wait_until_active(15)
        with pytest.raises(LocalProtocolError) as twice:
            login(client, agent)
    with pytest.raises(ClientConfigurationError) as blank:
        TxClient().anonymous_login("")
    with pytest.raises(SocketConnectionError) as too_early:
        TxClient().new_call()
    for error in (rejected.value, twice.value, blank.value, too_early.value):
        assert ios_switch(error) == flutter_if(error) == f"Unexpected error: {error}"
        assert keywords_in(str(error)) == set()
        assert error.kind == ("callFailure" if error is rejected.value else "unexpected")


def test_an_error_that_is_raised_by_a_future(agent: LocalAgent, client: TxClient) -> None:
    """The method itself does not raise; the future does, always the same error."""
    future = login(client, agent, INVALID)
    with pytest.raises(AuthenticationError) as caught:
        future.result(10)
    assert future.exception() is caught.value


# -- what others write brings neither word into an error that it does not belong to ------------------------------------

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


def test_whatever_a_server_writes_a_refused_login_is_no_network_failure(client: TxClient) -> None:
    """Its text is kept aside, as one line."""
    scenarios = [Scenario.fast(login="reject", login_error=(-32001, text)) for text in REFUSALS]
    with quiet_agent(scenario=scenarios) as agent:
        # The address has the wrong word in it, too.
        configuration = TxServerConfiguration(f"{agent.url}/network.example", webrtc_ice_servers=())
        for text in REFUSALS:
            error = login(client, agent, server_configuration=configuration).exception(10)
            client.disconnect().result(5)
            assert isinstance(error, AuthenticationError)
            assert keywords_in(str(error)) == {"authentication"}
            assert error.server_message == text.replace("\n", " ")


@pytest.mark.parametrize("where", ["host name", "close reason"])
def test_whatever_a_server_is_called_a_network_failure_is_no_refused_login(where: str, client: TxClient) -> None:
    """A host that nobody knows, and a connection that is lost during the login."""
    with quiet_agent(scenario=Scenario.silent("login")) as agent:
        if where == "host name":
            configuration = TxServerConfiguration("wss://authentication.invalid/authentication?authentication=1")
            future = login(client, agent, server_configuration=configuration)
        else:
            future = login(client, agent)
            agent.wait_for_frame("anonymous_login")
            agent.close_connection(4014, "Authentication failed: not authenticated")
        error = future.exception(10)
    assert isinstance(error, NetworkError)
    assert keywords_in(str(error)) == {"network"}


def test_neither_word_crosses_into_other_errors(client: TxClient) -> None:
    """Arguments, targets and hang-up causes with these words in them."""
    with pytest.raises(ClientConfigurationError) as url:
        TxServerConfiguration("http://network.example/authentication")
    with pytest.raises(ClientConfigurationError) as ice:
        TxServerConfiguration(webrtc_ice_servers=["network:authentication"])
    with quiet_agent(scenario=Scenario.rejected("NETWORK_OUT_OF_ORDER", speed=50)) as agent:
        login(client, agent, "network-authentication-assistant").result(10)
        with pytest.raises(LocalProtocolError) as again:
            login(client, agent)
        with pytest.raises(ClientConfigurationError) as header:
            client.new_call(custom_headers={"Network-Authentication": "1"})
        call = client.new_call()
        with pytest.raises(CallError) as rejected:
            call.wait_until_active(15)
        reason = call.termination_reason
        assert reason is not None
        assert reason.cause == "NETWORK_OUT_OF_ORDER"  # data are not touched, only texts
    errors = [url.value, ice.value, again.value, header.value, rejected.value]
    assert [keywords_in(str(error)) for error in errors] == [set()] * 5


# -- when --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", ["authentication", "network"])
def test_flow_then_delegate_then_raise_each_once(failure: str, agent: LocalAgent, tmp_path: Path) -> None:
    """Three paths, one order."""
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


@pytest.mark.slow
def test_no_answer_to_the_login_is_a_network_failure() -> None:
    """Of a server that takes the connection and then says nothing."""
    with quiet_agent(scenario=Scenario.silent("login")) as agent:
        silent = failed(agent.configuration)
    silent.check()
    assert isinstance(silent.error, NetworkError)
    assert silent.said == {NETWORK}


def test_a_waiters_time_is_not_the_logins(client: TxClient) -> None:
    """Who does not wait any longer has no part in the login, which goes on."""
    with quiet_agent(scenario=Scenario(gateway_delay=0.5)) as agent:
        future = login(client, agent)
        with pytest.raises(TxTimeoutError):
            future.result(0.1)
        future.result(10)


@pytest.mark.parametrize("sooner", ["the call", "the failure"])
def test_a_call_behind_a_failed_login_shows_why(sooner: str, client: TxClient, tmp_path: Path) -> None:
    """Whether the call or the login's failure comes first is chance; either way the login's error is what is seen."""
    with unreachable("refused", tmp_path) as nowhere:
        future = client.anonymous_login(ASSISTANT, server_configuration=nowhere)
        if sooner == "the failure":
            future.wait(10)
        try:
            reason = client.new_call().wait_until_ended(10)
        except TxError as raised:
            seen: TxError | None = raised
        else:
            seen = reason.error
        assert seen is future.exception(10)
    assert isinstance(seen, NetworkError)
