"""The 33 statements of Telnyx's iOS page "Anonymous Connection for AI Agents", each a test (api_parity.md, a.1).

What only the live service can show (that a pinned version answers, that the assistant's own voice answers) is not here;
the docstrings say so with "live". Everything else runs against the local agent, over a real WebSocket and real WebRTC.
"""

from __future__ import annotations

import inspect
import itertools
import logging
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from telnyx_agent import (
    AuthenticationError,
    CallError,
    CallState,
    ClientConfigurationError,
    GatewayError,
    IceServer,
    LocalProtocolError,
    NetworkError,
    SocketConnectionError,
    TranscriptionItem,
    TxClient,
    TxClientDelegate,
    TxError,
    TxServerConfiguration,
)
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import FrameRecord, LocalAgent, RecordingDelegate, Scenario, SilentVoice
from tests.support.bad_servers import StunServer, TurnServer, answering_server
from tests.support.seeds import (
    ASSISTANT,
    INVALID,
    NETWORK_FAILURES,
    SEED_VARIABLES,
    HearsTheSame,
    SoundCard,
    ios_switch,
    keys_of,
    login,
    login_frame,
    login_params,
    quiet_agent,
    round_trip,
    unreachable,
)

CREDENTIALS = {"login", "passwd", "password", "login_token", "token", "sip_user", "sip_password", "authorization"}


def slow_if(kind: str, *slow: str) -> object:
    """A parameter that is marked as slow if it is one of those."""
    return pytest.param(kind, marks=[pytest.mark.slow] if kind in slow else [])


NETWORK_CASES = [slow_if(kind, "silent") for kind in NETWORK_FAILURES]


# -- the method and its arguments --------------------------------------------------------------------------------------


def test_i_01_no_credentials_in_the_login_frame(agent: LocalAgent, client: TxClient) -> None:
    """`anonymousLogin` connects "without traditional authentication credentials"."""
    login(client, agent).result(10)
    received = [frame for frame in agent.frames if frame.direction == "received"]
    assert received[0].method == "anonymous_login"
    assert not CREDENTIALS & {name for frame in received for name in keys_of(frame.message)}


def test_i_02_no_call_before_the_login(client: TxClient, delegate: RecordingDelegate) -> None:
    """The login is "the first step in establishing communication": without it there is no call."""
    with pytest.raises(SocketConnectionError, match="anonymous_login"):
        client.new_call()
    assert not client.calls
    assert delegate.names == []


def test_i_03_six_parameters_in_the_order_of_ios() -> None:
    """`targetId, targetType, targetVersionId, userVariables, reconnection, serverConfiguration`, in this order."""
    parameters = list(inspect.signature(TxClient.anonymous_login).parameters.values())[1:]
    by_position = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert by_position == [
        "target_id",
        "target_type",
        "target_version_id",
        "user_variables",
        "reconnection",
        "server_configuration",
    ]
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[6:])


def test_i_04_only_the_target_id_is_required(agent: LocalAgent, client: TxClient) -> None:
    """`targetId` is required and must not be blank; all other parameters are optional."""
    with pytest.raises(TypeError, match="target_id"):
        client.anonymous_login()  # type: ignore[call-arg]
    for blank in ("", "  ", "\t\n"):
        with pytest.raises(ClientConfigurationError, match="target_id"):
            login(client, agent, blank)
    parameters = list(inspect.signature(TxClient.anonymous_login).parameters.values())[2:]
    assert all(p.default is not p.empty for p in parameters)
    login(client, agent).result(10)
    assert len([frame for frame in agent.frames if frame.method == "anonymous_login"]) == 1


def test_i_05_the_target_type_is_ai_assistant_by_default(agent: LocalAgent, client: TxClient) -> None:
    """`targetType: String = "ai_assistant"`."""
    assert inspect.signature(TxClient.anonymous_login).parameters["target_type"].default == "ai_assistant"
    login(client, agent).result(10)
    assert login_params(agent)["target_type"] == "ai_assistant"
    client.disconnect().result(5)
    login(client, agent, target_type="other_type").result(10)
    assert login_params(agent, 2)["target_type"] == "other_type"


def test_i_06_no_version_means_the_latest(agent: LocalAgent, client: TxClient) -> None:
    """`targetVersionId: String? = nil`; "If not provided, uses latest version": the key is absent, not null."""
    login(client, agent).result(10)
    params = login_params(agent)
    assert params["target_id"] == ASSISTANT
    assert "target_version_id" not in params


def test_i_07_user_variables_are_any_json(agent: LocalAgent, client: TxClient) -> None:
    """`userVariables: [String: Any] = [:]`: empty by default, and every JSON value arrives as it was given."""
    login(client, agent).result(10)
    assert login_params(agent).get("userVariables", {}) == {}
    client.disconnect().result(5)
    variables = {
        "nested": {"list": [1, 2.5, "drei", [None]]},
        "yes": True,
        "no": False,
        "n": 7,
        "none": None,
        "ü": "🙂",
    }
    login(client, agent, user_variables=variables).result(10)
    arrived = login_params(agent, 2)["userVariables"]
    assert arrived == variables
    assert arrived["yes"] is True  # to ==, it is the same as 1
    assert type(arrived["n"]) is int
    client.disconnect().result(5)
    with pytest.raises(ClientConfigurationError, match="user_variables"):
        login(client, agent, user_variables={"not json": object()})


def test_i_08_reconnection_is_false_unless_told(agent: LocalAgent, client: TxClient) -> None:
    """`reconnection: Bool = false`, "Whether this is a reconnection attempt" (nothing reconnects by itself yet)."""
    login(client, agent).result(10)
    assert login_params(agent)["reconnection"] is False
    client.disconnect().result(5)
    login(client, agent, reconnection=True).result(10)
    assert login_params(agent, 2)["reconnection"] is True


FIRST_LOOK_UP = """
import sys

def refuse(event, args):
    if event == "socket.getaddrinfo":
        print(args[0] if isinstance(args[0], str) else args[0].decode(), args[1], flush=True)
        raise OSError("no look-ups in this test")

sys.addaudithook(refuse)
from telnyx_agent import TxClient

with TxClient() as client:
    print(type(client.anonymous_login("assistant-1").exception(10)).__name__)
"""


def test_i_09_telnyx_servers_by_default() -> None:
    """`serverConfiguration: TxServerConfiguration = TxServerConfiguration()`: Telnyx's servers (not contacted)."""
    default = TxServerConfiguration()
    assert default.socket_url == "wss://rtc.telnyx.com"
    urls = [url for server in default.ice_servers for url in server.urls]
    assert urls == [
        "stun:stun.telnyx.com:3478",
        "stun:stun.l.google.com:19302",
        "turn:turn.telnyx.com:3478?transport=udp",
        "turn:turn.telnyx.com:3478?transport=tcp",
        "turns:turn.telnyx.com:443",
        "turns:turn2.telnyx.com:443",
    ]
    assert all(server.username and server.credential for server in default.ice_servers if "turn" in server.urls[0])
    # In a process of its own, where the look-up that a login without configuration begins with is seen and refused.
    done = subprocess.run([sys.executable, "-c", FIRST_LOOK_UP], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split("\n")[:2] == ["rtc.telnyx.com 443", "NetworkError"]


# -- the server configuration ------------------------------------------------------------------------------------------


def test_i_10_a_signalling_server_of_ones_own(agent: LocalAgent, client: TxClient) -> None:
    """`signalingServer: URL?`, a "custom signaling server URL": it is connected to, with its port, path and query."""
    with answering_server(b"HTTP/1.1 404 Not Found\r\n\r\n") as (port, requests):
        elsewhere = TxServerConfiguration(signaling_server=f"ws://127.0.0.1:{port}/deep/path?tenant=7")
        with pytest.raises(TxError):
            client.anonymous_login(ASSISTANT, server_configuration=elsewhere).result(10)
    head, *headers = requests[0].decode().split("\r\n")
    assert head.startswith("GET /deep/path?tenant=7")
    assert f"Host: 127.0.0.1:{port}" in headers
    client.anonymous_login(ASSISTANT, server_configuration=TxServerConfiguration(agent.url)).result(10)
    assert client.is_connected()


def test_i_11_ice_servers_of_ones_own(agent: LocalAgent, client: TxClient) -> None:
    """`webRTCIceServers: [RTCIceServer]?`, "custom STUN/TURN servers for WebRTC connections": a call asks them."""
    with StunServer.running() as stun:
        configuration = TxServerConfiguration(agent.url, [IceServer(stun.url)])
        login(client, agent, server_configuration=configuration).result(10)
        assert not stun.asked.is_set()
        with client.new_call() as call:
            call.wait_until_active(15)
        assert stun.asked.is_set()


@pytest.mark.parametrize("failure", ["authentication", "network", "gateway"])
def test_i_12_the_error_is_readable(failure: str, client: TxClient, tmp_path: Path) -> None:
    """`catch { print("Connection failed: ...error.localizedDescription...") }` prints a sentence."""
    with (
        quiet_agent(scenario=Scenario.gateway("FAILED", speed=50)) as agent,
        unreachable("refused", tmp_path) as nowhere,
    ):
        configuration = nowhere if failure == "network" else agent.configuration
        target = INVALID if failure == "authentication" else ASSISTANT
        error = client.anonymous_login(target, server_configuration=configuration).exception(10)
    assert isinstance(error, TxError)
    text = str(error)
    assert error.localized_description == text
    assert len(text.split()) >= 3
    assert text.isprintable()  # one line, no control characters
    assert not any(mark in text for mark in ("Error(", "Traceback", " at 0x", "{", "None", "Errno"))


def test_i_13_the_call_may_follow_at_once(client: TxClient) -> None:
    """After `anonymousLogin` returns "you are now connected and can make a call": back to back, nothing awaited."""
    with quiet_agent(scenario=Scenario(client_ready_delay=0.5)) as agent:
        login(client, agent)
        call = client.new_call()
        assert not client.is_registered
        call.wait_until_active(15)
        received = [frame.method for frame in agent.frames if frame.direction == "received"]
        assert received.index("anonymous_login") < received.index("telnyx_rtc.gatewayState")
        assert received.index("telnyx_rtc.gatewayState") < received.index("telnyx_rtc.invite")


def test_i_14_the_example_of_user_variables(agent: LocalAgent, client: TxClient) -> None:
    """`user_id "12345"`, `session_context "support_chat"`, `language "en-US"` arrive as they were given."""
    login(client, agent, user_variables=SEED_VARIABLES).result(10)
    assert login_params(agent)["userVariables"] == SEED_VARIABLES
    assert '"12345"' in str(login_frame(agent).data)  # a text, not a number


def test_i_15_a_version_can_be_pinned(agent: LocalAgent, client: TxClient) -> None:
    """`targetVersionId: "v1.2.0" // Use specific version` (that this version answers: live)."""
    login(client, agent, target_version_id="v1.2.0").result(10)
    assert login_params(agent)["target_version_id"] == "v1.2.0"


def test_i_16_only_the_signalling_server(agent: LocalAgent, client: TxClient) -> None:
    """Example 1, "Custom signaling server only": Telnyx's ICE servers are kept."""
    seed = TxServerConfiguration(signaling_server="wss://your-custom-signaling-server.com")
    assert seed.socket_url == "wss://your-custom-signaling-server.com"
    assert seed.ice_servers == TxServerConfiguration().ice_servers
    login(client, agent, server_configuration=TxServerConfiguration(signaling_server=agent.url)).result(10)
    assert client.is_registered


def test_i_17_only_the_ice_servers(agent: LocalAgent, client: TxClient) -> None:
    """Example 2, "Custom STUN/TURN servers only": Telnyx's signalling is kept; TURN over TCP gets user and password."""
    stun = IceServer(["stun:stun.example.com:3478"])
    turn = IceServer(["turn:turn.example.com:3478?transport=tcp"], username="your-username", credential="your-password")
    seed = TxServerConfiguration(webrtc_ice_servers=[stun, turn])
    assert seed.socket_url == TxServerConfiguration().socket_url
    assert seed.ice_servers == (stun, turn)
    # The same dictionary as W3C and iOS write it.
    ported = {"urlStrings": list(turn.urls), "username": "your-username", "credential": "your-password"}
    assert TxServerConfiguration(webrtc_ice_servers=[ported]).ice_servers == (turn,)
    with StunServer.running() as real_stun, TurnServer.running("your-username", "your-password") as real_turn:
        servers = [IceServer([real_stun.url]), IceServer([real_turn.url], "your-username", "your-password")]
        login(client, agent, server_configuration=TxServerConfiguration(agent.url, servers)).result(10)
        with client.new_call() as call:
            call.wait_until_active(15)
        assert real_turn.seen[:1] == ["your-username"]  # noted only if the password was right, too
        assert real_stun.asked.is_set()


def test_i_18_signalling_and_ice_servers(agent: LocalAgent, client: TxClient) -> None:
    """Example 3, "Full custom configuration (signaling server + STUN/TURN)"."""
    with StunServer.running() as stun, TurnServer.running("user", "word") as turn:
        servers = (IceServer(stun.url), IceServer(turn.url, "user", "word"))
        configuration = TxServerConfiguration(signaling_server=agent.url, webrtc_ice_servers=servers)
        assert (configuration.socket_url, configuration.ice_servers) == (agent.url, servers)
        login(client, agent, server_configuration=configuration).result(10)
        with client.new_call() as call:
            call.wait_until_active(15)
        assert stun.asked.is_set()
        assert turn.asked.is_set()


# -- important notes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("destination", ["", "+12125550100", "sip:somebody@example.com", "anything at all"])
def test_i_19_every_call_goes_to_the_assistant(destination: str, agent: LocalAgent, client: TxClient) -> None:
    """Call Routing: "any subsequent call, regardless of the destination" goes to the assistant (Telnyx's: live)."""
    login(client, agent).result(10)
    with client.new_call("Ada", "+12125550101", destination) as call:
        call.wait_until_active(15)
        record = agent.wait_for_call(lambda record: record.state == "answered")
        assert record.call_id == str(call.call_id)
        assert record.target_id == ASSISTANT
        if destination:
            assert record.destination_number == destination


def lock_of(client: TxClient) -> tuple[bool, str | None]:
    """Whether the session is locked, and to whom."""
    return client.is_session_locked, client.connected_target_id


def test_i_20_locked_until_the_disconnection(agent: LocalAgent, client: TxClient) -> None:
    """Session Lock: "The session becomes locked to the AI assistant until disconnection"."""
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


def test_i_21_the_latest_version_when_none_is_given(agent: LocalAgent, client: TxClient) -> None:
    """Version Control: no `targetVersionId`, and None as well, mean "the latest available version" (which: live)."""
    login(client, agent, target_version_id=None).result(10)
    assert "target_version_id" not in login_params(agent)
    client.disconnect().result(5)
    with pytest.raises(ClientConfigurationError, match="target_version_id"):
        login(client, agent, target_version_id=" ")


def test_i_22_authentication_errors_reach_the_delegate(
    agent: LocalAgent, client: TxClient, delegate: RecordingDelegate
) -> None:
    """Error Handling: "Monitor delegate callbacks for authentication errors": an error reply is one callback."""
    login(client, agent, INVALID)
    (error,) = delegate.wait_for("on_client_error")
    assert isinstance(error, AuthenticationError)
    assert (error.server_code, error.server_message) == (-32001, "Login Incorrect")
    client.disconnect().result(5)
    assert delegate.names.count("on_client_error") == 1
    assert "on_client_ready" not in delegate.names


def test_i_23_signalling_and_ice_are_each_ones_own_choice(agent: LocalAgent) -> None:
    """Server Configuration: "You can customize: Signaling Server, ICE Servers": each alone, both, or neither."""
    servers = [IceServer("stun:stun.example.com:3478")]
    default = TxServerConfiguration()
    for url in (None, agent.url):
        for ice in (None, [], servers):
            chosen = TxServerConfiguration(signaling_server=url, webrtc_ice_servers=ice)
            assert chosen.socket_url == (default.socket_url if url is None else url)
            assert chosen.ice_servers == (default.ice_servers if ice is None else tuple(ice))
    for unusable in ("https://your-server.com", "wss://", "your-server.com"):
        with pytest.raises(ClientConfigurationError):
            TxServerConfiguration(signaling_server=unusable)
    with pytest.raises(ClientConfigurationError):
        TxServerConfiguration(webrtc_ice_servers=["https://stun.example.com"])


# -- the delegate ------------------------------------------------------------------------------------------------------


def is_registered(frame: FrameRecord) -> bool:
    """Whether the server says in this frame that the registration is complete."""
    return frame.direction == "sent" and '"REGED"' in str(frame.data)


def test_i_24_client_ready_once_and_only_when_registered() -> None:
    """`onClientReady()`, "Handle successful anonymous connection": once, and not before `REGED`."""
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


@pytest.mark.parametrize("kind", NETWORK_CASES)
def test_i_25_connection_errors_reach_the_delegate(
    kind: str, client: TxClient, delegate: RecordingDelegate, tmp_path: Path
) -> None:
    """`onClientError(error:)`, "Handle connection errors": also where the connection never came to be."""
    with unreachable(kind, tmp_path) as configuration:
        client.anonymous_login(ASSISTANT, server_configuration=configuration)
        (error,) = delegate.wait_for("on_client_error", 10)
        client.disconnect().result(5)
    assert isinstance(error, NetworkError)
    assert error.localized_description
    # A socket that was never connected is not disconnected either.
    assert delegate.names == ["on_client_error"]


@pytest.mark.parametrize("who", ["the server", "a lost connection", "disconnect()"])
def test_i_26_disconnected_once(who: str, agent: LocalAgent, client: TxClient, delegate: RecordingDelegate) -> None:
    """`onSocketDisconnected()`, "Disconnected from AI assistant": once, whoever ends the connection."""
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
    assert not client.is_connected()


def test_i_27_three_methods_make_a_delegate(agent: LocalAgent, caplog: pytest.LogCaptureFixture) -> None:
    """The page's delegate has only `onClientReady`, `onClientError` and `onSocketDisconnected`: that is enough."""

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


# -- error handling ----------------------------------------------------------------------------------------------------


def test_i_28_a_refused_login_is_a_socket_failure(
    agent: LocalAgent, client: TxClient, delegate: RecordingDelegate
) -> None:
    """`case .socketFailure: print("Invalid assistant ID or authentication failed")`."""
    with pytest.raises(TxError.SocketFailure):
        login(client, agent, INVALID).result(10)
    (error,) = delegate.wait_for("on_client_error")
    assert isinstance(error, TxError.SocketFailure)
    assert not isinstance(error, TxError.ClientConfigurationFailure)
    assert error.kind == "socketFailure"
    assert ios_switch(error) == "Invalid assistant ID or authentication failed"


@pytest.mark.parametrize("kind", NETWORK_CASES)
def test_i_29_a_network_failure_is_a_client_configuration_failure(
    kind: str, client: TxClient, delegate: RecordingDelegate, tmp_path: Path
) -> None:
    """`case .clientConfigurationFailure: print("Network connection failed")`."""
    with unreachable(kind, tmp_path) as configuration, pytest.raises(TxError.ClientConfigurationFailure):
        client.anonymous_login(ASSISTANT, server_configuration=configuration).result(10)
    (error,) = delegate.wait_for("on_client_error")
    assert isinstance(error, TxError.ClientConfigurationFailure)
    assert not isinstance(error, TxError.SocketFailure)
    assert error.kind == "clientConfigurationFailure"
    assert ios_switch(error) == "Network connection failed"


def test_i_30_other_errors_are_unexpected(client: TxClient, delegate: RecordingDelegate) -> None:
    """`default: print("Unexpected error: ...")`: no other error matches either case."""
    with quiet_agent(scenario=[Scenario.gateway("FAILED", speed=50), Scenario.rejected(speed=50)]) as agent:
        login(client, agent)
        (gateway,) = delegate.wait_for("on_client_error")
        client.disconnect().result(5)
        login(client, agent).result(10)
        with pytest.raises(CallError) as rejected:
            client.new_call().wait_until_active(15)
        with pytest.raises(LocalProtocolError) as twice:
            login(client, agent)
    with pytest.raises(ClientConfigurationError) as blank:
        TxClient().anonymous_login("")
    with pytest.raises(SocketConnectionError) as too_early:
        TxClient().new_call()
    assert isinstance(gateway, GatewayError)
    for error in (gateway, rejected.value, twice.value, blank.value, too_early.value):
        assert ios_switch(error) == f"Unexpected error: {error}"


# -- next steps --------------------------------------------------------------------------------------------------------


def test_i_31_next_a_call(client: TxClient, delegate: RecordingDelegate) -> None:
    """Next: "Start a conversation using newCall()": audio flows both ways, and the delegate hears how it goes."""
    card = SoundCard()
    card.speak()
    with quiet_agent(voice="tones", barge_in=False) as agent:
        login(client, agent).result(10)
        call = client.new_call("Ada", "+12125550101", "", call_id=uuid.uuid4(), audio=card.device)
        call.wait_until_active(15)
        assert client.calls == {call.call_id: call}
        assert card.heard.wait(10)
        agent.wait_for_call(lambda record: record.seconds_heard > 0.2, 10)
        call.hangup().result(5)
        agent.wait_for_frame("telnyx_rtc.bye", direction="received")
    states = [state for state, call_id in delegate.calls_of("on_call_state_updated") if call_id == call.call_id]
    assert [state for state in states if state != CallState.NEW] == [
        CallState.CONNECTING,
        CallState.RINGING,
        CallState.ACTIVE,
        CallState.DONE,
    ]
    assert not client.calls


def test_i_32_next_transcript_updates(client: TxClient, delegate: RecordingDelegate) -> None:
    """Next: "Set up transcript updates to receive real-time conversation data": word by word, both speakers."""
    card = SoundCard()
    greeting = "Hello there. What can I do for you?"
    scenario = Scenario.fast(reply_delay=0.0)
    ears = HearsTheSame("where is my order")
    with quiet_agent(greeting=greeting, voice=SilentVoice(0.05), ears=ears, scenario=scenario) as agent:
        login(client, agent)
        lists: list[Sequence[TranscriptionItem]] = []
        with client.ai_assistant_manager.subscribe_to_transcript_updates(lists.append):
            call = client.new_call(audio=card.device)
            delegate.wait_for("on_transcript_item_updated", 15, predicate=lambda item: item.content == greeting)
            greeted = [item for (item,) in delegate.calls_of("on_transcript_item_updated")]
            delegate.wait_for("on_transcript_item_updated", predicate=lambda item: item.is_final)
            card.speak()
            delegate.wait_for("on_transcript_item_updated", 10, predicate=lambda item: item.role == "user")
            call.hangup().result(5)
    assert len({item.id for item in greeted}) == 1
    assert {item.role for item in greeted} == {"assistant"}
    texts = [item.content for item in greeted]
    assert len(texts) > 3
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert greeted[0].is_partial
    whole = client.transcript
    assert [(item.role, item.content) for item in whole[:2]] == [
        ("assistant", greeting),
        ("user", "where is my order"),
    ]
    assert whole[0].is_final
    assert [tuple(items) for (items,) in delegate.calls_of("on_transcription_updated")] == [tuple(i) for i in lists]
    assert tuple(lists[-1]) == whole == call.transcript


def test_i_33_next_text_messages_during_active_calls(client: TxClient, delegate: RecordingDelegate) -> None:
    """Next: "Send text messages during active calls": they arrive, are answered, and are refused without a call."""
    with quiet_agent(brain=lambda text: f"You wrote: {text}", greeting="") as agent:
        login(client, agent).result(10)
        with pytest.raises(CallError):
            client.send_ai_assistant_message("Is anybody there?").result(5)
        with client.new_call() as call:
            call.wait_until_active(15)
            item_id = client.send_ai_assistant_message("What is your name?").result(5)
            sent = agent.wait_for_frame("ai_conversation", direction="received").params
            assert sent["type"] == "conversation.item.create"
            assert sent["item"]["id"] == item_id
            assert [part["text"] for part in sent["item"]["content"]] == ["What is your name?"]
            delegate.wait_for(
                "on_transcript_item_updated", predicate=lambda item: item.role == "assistant" and item.is_final
            )
        with pytest.raises(CallError):
            client.send_ai_assistant_message("And now?").result(5)
        assert len([f for f in agent.frames if f.method == "ai_conversation" and f.direction == "received"]) == 1
    assert [(item.role, item.content) for item in call.transcript] == [
        ("user", "What is your name?"),
        ("assistant", "You wrote: What is your name?"),
    ]
    assert call.transcript[0].id == item_id
