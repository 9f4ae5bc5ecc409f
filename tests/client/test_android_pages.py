"""The snippets of Android's pages and README, translated as they stand there, and what its unit tests say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from telnyx_agent import (
    AuthenticationError,
    CallError,
    CallState,
    ClientConfigurationError,
    GatewayError,
    LogLevel,
    NetworkError,
    TxError,
    TxServerConfiguration,
    compat,
)
from telnyx_agent import Region as AnyRegion
from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import (
    AnswerResponse,
    ByeResponse,
    CredentialConfig,
    InviteResponse,
    ReceivedMessage,
    SocketError,
    SocketFlowObserver,
    SocketMethod,
    SocketResponse,
    SocketStatus,
    TelnyxClient,
    TokenConfig,
    TranscriptItem,
)
from telnyx_agent.testing import LocalAgent, Scenario

PATIENCE = 20.0
ALICE = CredentialConfig(sip_user="alice", sip_password="a-password-of-alice", sip_caller_id_name="Alice")


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Text only."""
    with LocalAgent(voice="silent", ears="deaf", scenario=Scenario.fast(), media=False) as agent:
        yield agent


@pytest.fixture
def telnyx_client() -> Iterator[TelnyxClient]:
    """`telnyxClient = TelnyxClient(context)`."""
    with TelnyxClient(audio=NullAudio()) as client:
        yield client


def test_starting_conversations(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """The complete flow of "Starting Conversations": `call.newInvite`, and the controls by the call's id."""
    telnyx_client.anonymous_login(target_id="assistant-1", server_configuration=agent.configuration)
    said = []
    for response in telnyx_client.socket_responses(timeout=PATIENCE):
        match response.status, response.data:
            case SocketStatus.MESSAGERECEIVED, ReceivedMessage(method=SocketMethod.LOGIN.method_name):
                telnyx_client.call.new_invite(
                    caller_name="Customer",
                    caller_number="+1234567890",
                    destination_number="",
                    client_state="ai_session",
                    custom_headers={"X-Session-Context": "customer_support", "X-User-Tier": "premium"},
                )
            case SocketStatus.MESSAGERECEIVED, ReceivedMessage(method=SocketMethod.RINGING.method_name):
                said.append("AI Assistant ringing...")
            case SocketStatus.MESSAGERECEIVED, ReceivedMessage(method=SocketMethod.ANSWER.method_name):
                said.append("Connected to AI Assistant")
                (active_call,) = telnyx_client.calls.values()
                assert isinstance(active_call, compat.TelnyxCall)
                active_call.on_mute_unmute_pressed()
                assert active_call.get_is_mute_status()
                active_call.on_hold_unhold_pressed(active_call.call_id).result(PATIENCE)
                assert active_call.get_is_on_hold_status()
                active_call.on_hold_unhold_pressed(active_call.call_id).result(PATIENCE)
                active_call.dtmf(active_call.call_id, "2").result(PATIENCE)
                active_call.end_call(active_call.call_id)
            case SocketStatus.MESSAGERECEIVED, ReceivedMessage(method=SocketMethod.BYE.method_name):
                said.append("AI conversation ended")
                break
    # Once: the end of a hold is no answer.
    assert said == ["AI Assistant ringing...", "Connected to AI Assistant", "AI conversation ended"]
    (record,) = agent.calls
    assert dict(record.custom_headers)["X-User-Tier"] == "premium"
    assert record.digits == "2"


def test_an_invitation_on_the_flow(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """README, "Accepting a call": INVITE, `acceptCall(inviteResponse.callId, ...)`, ANSWER, BYE."""
    telnyx_client.connect(provided_server_config=agent.configuration, credential_config=ALICE).result(PATIENCE)
    agent.call_client("Bob", "+15550122", custom_headers={"X-Parcel": "42"})
    seen: list[Any] = []
    for response in telnyx_client.socket_responses(timeout=PATIENCE):
        data = response.data
        if data is None:
            continue
        if data.method == SocketMethod.INVITE.method_name:
            invite_response = data.result
            assert isinstance(invite_response, InviteResponse)
            call = telnyx_client.accept_call(invite_response.call_id, invite_response.caller_id_number)
        elif data.method == SocketMethod.ANSWER.method_name:
            assert isinstance(data.result, AnswerResponse)
            telnyx_client.end_call(data.result.call_id)
        elif data.method == SocketMethod.BYE.method_name:
            break
        seen.append(data.result)
    invite = next(one for one in seen if isinstance(one, InviteResponse))
    assert (invite.call_id, invite.caller_id_name, invite.caller_id_number) == (call.call_id, "Bob", "+15550122")
    assert invite.sessid == telnyx_client.sessid
    assert invite.custom_headers == {"X-Parcel": "42"}
    assert data is not None
    bye = data.result
    assert isinstance(bye, ByeResponse)
    assert (bye.call_id, bye.cause, bye.cause_code) == (call.call_id, "NORMAL_CLEARING", 16)
    assert "Bob" not in repr(invite)
    assert "0122" not in repr(invite)


def test_one_bye_for_each_call(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """Whoever ends it; of one that the other side ends, with what it said."""
    byes: list[ByeResponse] = []
    telnyx_client.connect_anonymously(agent.configuration, "assistant-1").result(PATIENCE)

    def take(response: SocketResponse) -> None:
        if response.data is not None and isinstance(response.data.result, ByeResponse):
            byes.append(response.data.result)

    telnyx_client.socket_response_flow.collect(take)
    mine = telnyx_client.new_invite("", "", "", "")
    mine.wait_until_active(PATIENCE)
    mine.end_call().result(PATIENCE)
    theirs = telnyx_client.new_invite("", "", "", "")
    theirs.wait_until_active(PATIENCE)
    agent.hang_up("CALL_REJECTED")
    theirs.call.wait_until_ended(PATIENCE)
    telnyx_client.disconnect().result(PATIENCE)
    assert [bye.call_id for bye in byes] == [mine.call_id, theirs.call_id]
    assert byes[1].cause == "CALL_REJECTED"


def test_observing_the_states_of_a_call(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """Quickstart, "Observe Call State Changes": `callStateFlow.collect` with a `when` over all of Android's states."""
    telnyx_client.connect_anonymously(agent.configuration, "assistant-1").result(PATIENCE)
    shown: list[str] = []
    done = threading.Event()

    def collect(call_state: compat.CallState) -> None:
        if call_state == compat.CallState.NEW:
            shown.append("Call initializing...")
        elif call_state == compat.CallState.CONNECTING:
            shown.append("Connecting call...")
        elif call_state == compat.CallState.RINGING:
            shown.append("Ringing...")
        elif call_state == compat.CallState.ACTIVE:
            shown.append("Call is active")
        elif call_state == compat.CallState.DONE:
            assert call_state.termination_reason is not None
            shown.append(f"Call ended: {call_state.termination_reason.cause}")
            done.set()
        elif call_state in (compat.CallState.DROPPED, compat.CallState.RECONNECTING):
            assert call_state.call_network_change_reason is not None
            shown.append(call_state.call_network_change_reason.description)
        elif call_state in (compat.CallState.ERROR, compat.CallState.RENEGOTIATING):
            shown.append("Error with call.")

    ongoing_call = telnyx_client.new_invite("Ann", "", "", "state")
    ongoing_call.call_state_flow.collect(collect)
    ongoing_call.wait_until_active(PATIENCE)
    assert ongoing_call.call_state_flow.value == ongoing_call.get_call_state() == CallState.ACTIVE
    ongoing_call.end_call(ongoing_call.call_id)
    assert done.wait(PATIENCE)
    assert shown[-2:] == ["Call is active", "Call ended: NORMAL_CLEARING"]
    assert "Error with call." not in shown
    with ongoing_call.call_state_flow.subscribe(timeout=PATIENCE) as states:
        assert next(states) == CallState.DONE


def test_androids_further_states() -> None:
    """CallStateRenegotiationTest: names, no reason, equal to themselves and to nothing else."""
    names = ("NEW", "CONNECTING", "RINGING", "ACTIVE", "RENEGOTIATING", "HELD", "ERROR")
    states = [getattr(compat.CallState, name) for name in names]
    assert [state.value for state in states] == list(names)
    assert len(set(states)) == 7
    assert compat.CallState.RENEGOTIATING == compat.CallState.RENEGOTIATING != CallState.ACTIVE
    assert compat.CallState.ERROR.get_reason() is None
    assert "RENEGOTIATING" in str(compat.CallState.RENEGOTIATING)
    assert compat.CallState.DONE == CallState.DONE
    lost = CallState.dropped(compat.CallNetworkChangeReason.NETWORK_LOST)
    assert lost.get_reason() == "Network lost"


def test_an_observer_with_a_method_for_each_status(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`getSocketResponse().observe(this, object : SocketObserver<...>() { ... })`."""
    ready, gone = threading.Event(), threading.Event()

    class Observer(SocketFlowObserver):
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def on_connection_established(self) -> None:
            self.seen.append("established")

        def on_loading(self) -> None:
            self.seen.append("loading")

        def on_message_received(self, data: ReceivedMessage) -> None:
            self.seen.append(data.method)
            if data.method == SocketMethod.CLIENT_READY.method_name:
                ready.set()

        def on_error(self, error_code: int | str | None, message: str | None) -> None:
            self.seen.append((error_code, message))

        def on_socket_disconnect(self) -> None:
            gone.set()

    observer = Observer()
    telnyx_client.get_socket_response().observe(observer)
    telnyx_client.connect_anonymously(agent.configuration, "assistant-1")
    assert ready.wait(PATIENCE)
    telnyx_client.disconnect()
    assert gone.wait(PATIENCE)
    assert observer.seen[:4] == ["loading", "established", SocketMethod.LOGIN, SocketMethod.CLIENT_READY]
    observer.handle_response(SocketResponse.error("my error message", 0))
    assert observer.seen[-1] == (0, "my error message")
    assert telnyx_client.socket_response_live_data is telnyx_client.socket_response_flow


def fails(telnyx_client: TelnyxClient, error: TxError) -> None:
    """As if something had failed so."""
    delegate: Any = telnyx_client.client.delegate
    delegate.on_client_error(error)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("NOREG", SocketError.GATEWAY_TIMEOUT_ERROR),
        ("EXPIRED", SocketError.GATEWAY_TIMEOUT_ERROR),
        ("FAILED", SocketError.GATEWAY_FAILURE_ERROR),
        ("FAIL_WAIT", SocketError.GATEWAY_FAILURE_ERROR),
        ("DOWN", SocketError.GATEWAY_FAILURE_ERROR),
    ],
)
def test_the_codes_of_a_gateway_that_fails(telnyx_client: TelnyxClient, state: str, code: int) -> None:
    """ErrorHandling.md: -32003 for one that does not register in time, -32004 for one that failed."""
    fails(telnyx_client, GatewayError("no", server_message=state))
    response = telnyx_client.socket_response_flow.replay
    assert response is not None
    assert (response.status, response.error_code) == (SocketStatus.ERROR, code)


def test_the_codes_of_other_errors(telnyx_client: TelnyxClient) -> None:
    """The server's number, where there is one; None for what is this side's, as "No Network Connection" has."""
    told = {
        "server": AuthenticationError("no", server_code=-32001),
        "network": NetworkError("no"),
        "gateway": GatewayError("no", server_message="FAILED", server_code=-32000),
    }
    codes = {}
    for name, error in told.items():
        fails(telnyx_client, error)
        response = telnyx_client.socket_response_flow.replay
        codes[name] = None if response is None else response.error_code
    assert codes == {"server": SocketError.CREDENTIAL_ERROR, "network": None, "gateway": SocketError.TOKEN_ERROR}


@pytest.mark.parametrize("how", ["keywords", "positions", "first connect", "no auto login"])
def test_connecting_as_on_android(agent: LocalAgent, telnyx_client: TelnyxClient, how: str) -> None:
    """`connect(providedServerConfig, credentialConfig)`; `connect()` and `credentialLogin` after it; `autoLogin`."""
    server = agent.configuration
    if how == "keywords":
        login = telnyx_client.connect(provided_server_config=server, token_config=TokenConfig(sip_token="a.b.c"))
    elif how == "positions":
        login = telnyx_client.connect(server, ALICE)
    elif how == "first connect":
        telnyx_client.connect(server).result(PATIENCE)
        assert not telnyx_client.is_socket_connected()
        login = telnyx_client.credential_login(ALICE)
    else:
        telnyx_client.connect(provided_server_config=server, credential_config=ALICE, auto_login=False)
        login = telnyx_client.token_login(TokenConfig(sip_token="a.b.c"))
    login.result(PATIENCE)
    assert telnyx_client.is_socket_connected()


def test_what_connect_refuses(telnyx_client: TelnyxClient) -> None:
    """Two logins or two servers at once; nothing is opened."""
    with pytest.raises(ClientConfigurationError):
        telnyx_client.connect(ALICE, token_config=TokenConfig(sip_token="a.b.c"))
    with pytest.raises(ClientConfigurationError):
        telnyx_client.connect(TxServerConfiguration(), ALICE, provided_server_config=TxServerConfiguration())
    with pytest.raises(ClientConfigurationError):
        telnyx_client.connect("alice")  # type: ignore[arg-type]


def test_the_region_of_a_configuration() -> None:
    """TelnyxConfig.md: region and fallback belong to the login there, to the servers here."""
    config = CredentialConfig(
        sip_user="alice",
        sip_password="a-password-of-alice",
        region=AnyRegion.US_EAST,
        fallback_on_region_failure=False,
    )
    server = config.server_configuration(None)
    assert server is not None
    assert (server.socket_url, server.has_fallback) == ("wss://us-east.rtc.telnyx.com", False)
    assert config.server_configuration(TxServerConfiguration.development()) == TxServerConfiguration(
        environment="development", region="us-east", fallback_on_region_failure=False
    )
    assert TokenConfig(sip_token="a.b.c").server_configuration(None) is None


def test_a_logger_in_the_configuration(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """README, "Custom Logging": `log(level, tag, message, throwable)`, given with the login."""
    said: list[tuple[LogLevel, str | None, str]] = []
    logged = threading.Event()

    class MyCustomLogger:
        def log(self, level: LogLevel, tag: str | None, message: str, throwable: BaseException | None) -> None:
            said.append((level, tag, message))
            logged.set()

    config = CredentialConfig(
        sip_user="alice",
        sip_password="a-password-of-alice",
        log_level=LogLevel.ALL,
        custom_logger=MyCustomLogger(),  # type: ignore[arg-type]
    )
    telnyx_client.connect(agent.configuration, config).result(PATIENCE)
    assert logged.wait(PATIENCE)
    assert not any("a-password-of-alice" in message for _, _, message in said)


def test_what_only_android_calls_so(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """Flows of the connection, and getters."""
    statuses: list[str] = []
    frames: list[Any] = []
    telnyx_client.connection_status_flow.collect(lambda status: statuses.append(status.name))
    telnyx_client.ws_messages_response_flow.collect(frames.append)
    telnyx_client.connect_anonymously(agent.configuration, "assistant-1").result(PATIENCE)
    assert telnyx_client.get_active_calls() == {}
    call = telnyx_client.new_invite("Ann", "", "", "state", {"X-A": "1"}, True, ["PCMU"], False, None, True)
    call.wait_until_active(PATIENCE)
    assert call.muted
    assert call.get_telnyx_session_id() == call.telnyx_session_id
    assert call.get_telnyx_leg_id() == call.telnyx_leg_id
    assert call.get_telnyx_call_control_id() == call.telnyx_call_control_id
    assert telnyx_client.get_connection_metrics() == telnyx_client.client.socket_metrics
    assert telnyx_client.get_current_connection_quality() is telnyx_client.client.socket_metrics.quality
    telnyx_client.disconnect().result(PATIENCE)
    assert statuses == ["CONNECTED", "CLIENT_READY", "DISCONNECTED"]
    assert any(frame.get("method") == SocketMethod.ANSWER for frame in frames)


def test_messages_are_found_in_the_transcript(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """Text messaging, `sendMessageWithConfirmation`: sent when a call is active, confirmed by the flow."""
    confirmed = threading.Event()
    message = "Question: may I ask?"

    def is_ai_call_active() -> bool:
        return any(call.call_state == CallState.ACTIVE for call in telnyx_client.calls.values())

    telnyx_client.connect_anonymously(agent.configuration, "assistant-1").result(PATIENCE)
    assert not is_ai_call_active()
    telnyx_client.new_invite("Ann", "", "", "").wait_until_active(PATIENCE)
    assert is_ai_call_active()

    def collect(transcript: Any) -> None:
        user_messages = [item for item in transcript if item.role == TranscriptItem.ROLE_USER]
        if any(message in item.content for item in user_messages):
            confirmed.set()

    telnyx_client.transcript_update_flow.collect(collect)
    telnyx_client.send_ai_assistant_message(message)
    assert confirmed.wait(PATIENCE)
    pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
    telnyx_client.send_ai_assistant_message("Look", images_urls=[pixel]).result(PATIENCE)
    assert [item.image_urls for item in telnyx_client.transcript if item.content == "Look"] == [(pixel,)]


def test_the_call_of_the_client_is_a_way_to_it(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`client.call.acceptCall` and `endCall`; what it is not given it does not have."""
    with pytest.raises(CallError):
        telnyx_client.call.end_call(uuid4())
    telnyx_client.connect(agent.configuration, ALICE).result(PATIENCE)
    ring = agent.call_client("Bob")
    invitation = next(
        response.data.result
        for response in telnyx_client.socket_responses(timeout=PATIENCE)
        if response.data is not None and response.data.method == SocketMethod.INVITE
    )
    call = telnyx_client.call.accept_call(invitation.call_id)
    ring.wait_until_answered(PATIENCE)
    telnyx_client.call.end_call(call).result(PATIENCE)
