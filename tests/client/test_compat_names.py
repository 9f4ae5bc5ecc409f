"""What Android and Flutter call things, as far as no other test comes across it."""

from __future__ import annotations

import threading

import attrs
import pytest

from telnyx_agent import CallError
from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import (
    ByeResponse,
    LoginResponse,
    ReceivedMessage,
    SocketError,
    SocketMethod,
    SocketResponse,
    SocketStatus,
    TelnyxClient,
    TokenConfig,
)
from telnyx_agent.quality import SocketConnectionMetrics
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

PATIENCE = 20.0


@pytest.mark.parametrize("login", ["connect_with_token", "token_login"])
def test_a_token_logs_in_by_any_name(login: str) -> None:
    """Server and ICE servers are Telnyx's, so it is looked at up to the socket."""
    config = TokenConfig(sip_token="a.secret.token")
    called: list[object] = []
    with TelnyxClient(audio=NullAudio()) as client:
        client.connect = lambda config, *rest: called.append(config)  # type: ignore[assignment,method-assign]
        getattr(client, login)(config)
    assert called == [config]


def test_the_factories_of_a_response() -> None:
    """Each has its status, and what belongs to it."""
    message = ReceivedMessage(SocketMethod.LOGIN.method_name, LoginResponse("a-session"))
    responses = [
        SocketResponse.loading(),
        SocketResponse.established(),
        SocketResponse.message_received(message),
        SocketResponse.error("it failed", -32001),
        SocketResponse.disconnect(),
    ]
    assert [response.status for response in responses] == [
        SocketStatus.LOADING,
        SocketStatus.ESTABLISHED,
        SocketStatus.MESSAGERECEIVED,
        SocketStatus.ERROR,
        SocketStatus.DISCONNECT,
    ]
    assert [response.data for response in responses] == [None, None, message, None, None]
    assert (responses[3].error_message, responses[3].error_code) == ("it failed", -32001)
    assert SocketResponse.ai_conversation(message) == SocketResponse.message_received(message)
    assert SocketStatus["MESSAGE_RECEIVED"] is SocketStatus.MESSAGERECEIVED


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (SocketMethod.ANSWER, "telnyx_rtc.answer"),
        (SocketMethod.ATTACH, "telnyx_rtc.attach"),
        (SocketMethod.INVITE, "telnyx_rtc.invite"),
        (SocketMethod.BYE, "telnyx_rtc.bye"),
        (SocketMethod.MODIFY, "telnyx_rtc.modify"),
        (SocketMethod.MEDIA, "telnyx_rtc.media"),
        (SocketMethod.INFO, "telnyx_rtc.info"),
        (SocketMethod.RINGING, "telnyx_rtc.ringing"),
        (SocketMethod.PINGPONG, "telnyx_rtc.ping"),
        (SocketMethod.CLIENT_READY, "telnyx_rtc.clientReady"),
        (SocketMethod.GATEWAY_STATE, "telnyx_rtc.gatewayState"),
        (SocketMethod.ATTACH_CALL, "telnyx_rtc.attachCalls"),
        (SocketMethod.LOGIN, "login"),
        (SocketMethod.ANONYMOUS_LOGIN, "anonymous_login"),
        (SocketMethod.AI_CONVERSATION, "ai_conversation"),
    ],
)
def test_methods_have_their_names_on_the_wire(method: SocketMethod, name: str) -> None:
    """`data.method == SocketMethod.LOGIN.methodName`, and without `methodName` as well."""
    assert (method.method_name, method) == (name, name)


def test_androids_error_numbers() -> None:
    """`SocketError.errorCode`."""
    assert {error.name: int(error) for error in SocketError} == {
        "TOKEN_ERROR": -32000,
        "CREDENTIAL_ERROR": -32001,
        "CODEC_ERROR": -32002,
        "GATEWAY_TIMEOUT_ERROR": -32003,
        "GATEWAY_FAILURE_ERROR": -32004,
    }


def test_a_bye_says_why(agent: LocalAgent) -> None:
    """`ByeResponse(callId, cause, causeCode, sipCode, sipReason)` on the flow."""
    with TelnyxClient(audio=NullAudio()) as client, client.socket_response_flow.subscribe(timeout=PATIENCE) as flow:
        client.connect_anonymously(agent.configuration, "assistant-1")
        call = client.new_invite("Ann", "", "", "state")
        call.wait_until_active(PATIENCE)
        agent.hang_up("USER_BUSY")
        bye = next(data.result for response in flow if (data := response.data) and data.method == SocketMethod.BYE)
    assert bye == ByeResponse(call.call_id, "USER_BUSY", 17, 486, "Busy Here")


def test_flutter_hangs_up_on_the_call(agent: LocalAgent) -> None:
    """`call.endCall()`."""
    with TelnyxClient(audio=NullAudio()) as client:
        client.connect_anonymously(agent.configuration, "assistant-1")
        call = client.new_invite("Ann", "", "", "state")
        call.wait_until_active(PATIENCE)
        call.end_call().result(PATIENCE)
        assert call.call_state.is_terminal
        bye = agent.wait_for_frame("telnyx_rtc.bye", direction="received")
        assert bye.params["dialogParams"]["callID"] == str(call.call_id)


def test_the_audio_path_by_flutters_name(talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """`call.restartIce()`: not before there is a path; then the call goes on over another one."""
    with TelnyxClient(delegate, audio=NullAudio()) as client:
        client.connect_anonymously(talking_agent.configuration, "assistant-1").result(PATIENCE)
        call = client.new_invite("Ann", "", "", "state")
        with pytest.raises(CallError, match="no audio path yet"):
            call.restart_ice()
        call.wait_until_active(PATIENCE)
        while call.call.media_setup_time is None:
            call.call.stats().result(5)
        call.restart_ice().result(PATIENCE)
        delegate.wait_for("on_reconnected", PATIENCE)
        delegate.wait_for(
            "on_call_state_updated", PATIENCE, count=2, predicate=lambda state, _: state.value == "ACTIVE"
        )


def test_the_flow_of_the_sockets_metrics() -> None:
    """`socketConnectionMetricsFlow`: a value for each ping, the last one for who comes later."""
    scenario = attrs.evolve(Scenario.fast(), ping_interval=0.2)
    measured = threading.Event()

    def collect(metrics: SocketConnectionMetrics) -> None:
        if metrics.total_pings >= 2:
            measured.set()

    with LocalAgent(voice="silent", ears="deaf", scenario=scenario, media=False) as agent:
        with TelnyxClient(audio=NullAudio()) as client:
            client.socket_connection_metrics_flow.collect(collect)
            client.connect_anonymously(agent.configuration, "assistant-1").result(PATIENCE)
            assert measured.wait(PATIENCE)
            assert client.socket_connection_metrics_flow.replay is not None
