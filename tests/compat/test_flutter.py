"""What only Flutter has: handlers that are set on the client and on a call, streams of errors, and its pages' names."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from telnyx_agent import CallState, ClientConfigurationError, LogLevel
from telnyx_agent.compat import (
    AudioCodec,
    CredentialConfig,
    GatewayState,
    SocketMethod,
    TelnyxCall,
    TelnyxClient,
    TelnyxErrorConstants,
    TelnyxErrorEvent,
    TelnyxMessage,
    TelnyxSocketError,
    TelnyxWarningEvent,
    TokenConfig,
)
from telnyx_agent.errors import ConversationNotFoundError, ErrorCode
from telnyx_agent.quality import WarningCode
from telnyx_agent.testing import LocalAgent, Scenario

PATIENCE = 20.0
ALICE = CredentialConfig(sip_user="alice", sip_password="a-password-of-alice")


class Log:
    """What handlers have got; waits for what is still to come."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self._changed = threading.Condition()

    def add(self, what: Any) -> None:
        with self._changed:
            self.seen.append(what)
            self._changed.notify_all()

    def wait(self, found: Callable[[Any], bool], count: int = 1) -> Any:
        def hits() -> list[Any]:
            return [one for one in self.seen if found(one)]

        with self._changed:
            assert self._changed.wait_for(lambda: len(hits()) >= count, PATIENCE), self.seen
            return hits()[count - 1]


@pytest.fixture
def log() -> Log:
    """Of one test."""
    return Log()


# -- calls -------------------------------------------------------------------------------------------------------------


def test_listening_for_events_and_accepting_a_call(
    talking_agent: LocalAgent, telnyx_client: TelnyxClient, log: Log
) -> None:
    """The page's `switch (message.socketMethod)`, with its `acceptCall(invite, name, number, state)`."""

    def on_message(message: TelnyxMessage) -> None:
        log.add(message.socket_method)
        match message.socket_method:
            case SocketMethod.INVITE:
                invite = message.message.invite_params
                assert invite is not None
                log.add((invite.caller_id_name, invite.caller_id_number))
                headers = {"X-A": "b"}
                log.add(telnyx_client.accept_call(invite, "callerName", "000000000", "State", custom_headers=headers))
            case SocketMethod.BYE:
                assert message.message.bye_params is not None
                log.add(("bye", message.message.bye_params.cause))

    telnyx_client.on_socket_message_received = on_message
    telnyx_client.connect_with_credential(ALICE, talking_agent.configuration)
    log.wait(lambda one: one == SocketMethod.CLIENT_READY)
    talking_agent.call_client("Bob", "+15550122")
    call = log.wait(lambda one: isinstance(one, TelnyxCall))
    log.wait(lambda one: one == SocketMethod.ANSWER)
    assert ("Bob", "+15550122") in log.seen
    assert telnyx_client.call.call_id == call.call_id
    telnyx_client.call.dtmf(telnyx_client.call.call_id, "5").result(PATIENCE)
    assert talking_agent.calls[0].digits == "5"
    telnyx_client.call.on_mute_unmute_pressed()
    assert call.muted
    telnyx_client.call.on_hold_unhold_pressed().result(PATIENCE)
    assert call.held
    telnyx_client.call.enable_speaker_phone(False)
    talking_agent.hang_up()
    log.wait(lambda one: one == ("bye", "NORMAL_CLEARING"))
    assert call.call.answer_custom_headers == {"X-A": "b"}
    methods = [one for one in log.seen if isinstance(one, str)]
    assert methods == ["login", "telnyx_rtc.clientReady", "telnyx_rtc.invite", "telnyx_rtc.answer", "telnyx_rtc.bye"]


def test_declining_a_call(agent: LocalAgent, telnyx_client: TelnyxClient, log: Log) -> None:
    """`createCall().endCall(invite.callID)`."""

    def on_message(message: TelnyxMessage) -> None:
        invite = message.message.invite_params
        if invite is not None:
            telnyx_client.create_call().end_call(invite.call_id)
        log.add(message.socket_method)

    telnyx_client.on_socket_message_received = on_message
    telnyx_client.connect_with_token(TokenConfig(sip_token="a.token.x"), agent.configuration).result(PATIENCE)
    agent.call_client("Bob", "+15550122")
    log.wait(lambda one: one == SocketMethod.BYE)
    assert agent.wait_for_frame("telnyx_rtc.bye", direction="received").params["cause"] == "USER_BUSY"


def test_starting_conversations(talking_agent: LocalAgent, telnyx_client: TelnyxClient, log: Log) -> None:
    """`newInvite` with headers, codecs and debug; `callHandler.onCallStateChanged`, metrics, end."""
    telnyx_client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration).result(PATIENCE)
    opus = AudioCodec(mime_type="audio/opus", clock_rate=48000, channels=2, sdp_fmtp_line="minptime=10;useinbandfec=1")
    ai_call = telnyx_client.new_invite(
        "John Doe",
        "+1234567890",
        "",
        "customer_support_session",
        custom_headers={"X-Session-Context": "billing_inquiry", "X-User-Tier": "premium"},
        preferred_codecs=[opus],
        debug=True,
    )
    ai_call.on_call_quality_change = lambda metrics: log.add(metrics.mos)

    def on_call_state_changed(state: CallState) -> None:
        if state == CallState.ACTIVE:
            log.add("connected")
        elif state == CallState.DONE:
            reason = state.termination_reason
            log.add(f"ended: {reason.cause if reason else None}")

    ai_call.call_handler.on_call_state_changed = on_call_state_changed
    assert ai_call.call_handler.on_call_state_changed is on_call_state_changed
    log.wait(lambda one: one == "connected")
    log.wait(lambda one: isinstance(one, float) and one > 1)
    ai_call.end_call()
    log.wait(lambda one: one == "ended: NORMAL_CLEARING")
    dialog = talking_agent.wait_for_frame("telnyx_rtc.invite").params["dialogParams"]
    assert {one["name"] for one in dialog["custom_headers"]} == {"X-Session-Context", "X-User-Tier"}


# -- errors and warnings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "user", "code", "structured"),
    [
        (Scenario.fast(), "invalid-user", TelnyxErrorConstants.CREDENTIAL_ERROR_CODE, ErrorCode.LOGIN_FAILED),
        (
            Scenario.gateway("FAILED", speed=50),
            "alice",
            TelnyxErrorConstants.GATEWAY_FAILED_ERROR_CODE,
            ErrorCode.GATEWAY_FAILED,
        ),
    ],
)
def test_consuming_errors(
    telnyx_client: TelnyxClient, log: Log, scenario: Scenario, user: str, code: int, structured: ErrorCode
) -> None:
    """`onSocketErrorReceived` with the legacy number, `onTelnyxError` beside it with the structured one."""
    with LocalAgent(voice="silent", ears="deaf", scenario=scenario, media=False) as agent:
        telnyx_client.on_socket_error_received = log.add
        telnyx_client.on_telnyx_error = log.add
        config = CredentialConfig(sip_user=user, sip_password="x", auto_reconnect=False)
        telnyx_client.connect_with_credential(config, agent.configuration)
        error = log.wait(lambda one: isinstance(one, TelnyxSocketError))
        event = log.wait(lambda one: isinstance(one, TelnyxErrorEvent))
    assert error.error_code == code
    assert error.error_message == str(event.error)
    assert event.error.code == structured


def test_streams_of_errors(telnyx_client: TelnyxClient) -> None:
    """`errors`, `fatalErrors`, `recoverableErrors`; a refused login ends the session."""
    everything: list[TelnyxErrorEvent] = []
    recoverable: list[TelnyxErrorEvent] = []
    fatal = threading.Event()
    telnyx_client.errors.collect(everything.append)
    telnyx_client.fatal_errors.collect(lambda event: fatal.set())
    telnyx_client.recoverable_errors.collect(recoverable.append)
    scenario = Scenario.fast(conversations=("conv-1",))
    with LocalAgent(voice="silent", ears="deaf", scenario=scenario, media=False) as agent:
        server = agent.configuration
        telnyx_client.anonymous_login("assistant-1", conversation_id="conv-2", server_configuration=server)
        assert fatal.wait(PATIENCE)
        telnyx_client.disconnect().result(PATIENCE)
    (event,) = everything
    assert isinstance(event.error, ConversationNotFoundError)
    assert event.error.session_id is None
    assert recoverable == []


def test_warnings_and_the_connections_state(telnyx_client: TelnyxClient, agent: LocalAgent, log: Log) -> None:
    """`onTelnyxWarning`, the stream `warnings`, `onConnectionStateChanged`."""
    streamed: list[TelnyxWarningEvent] = []
    telnyx_client.on_telnyx_warning = log.add
    telnyx_client.on_connection_state_changed = lambda status: log.add(status.value)
    telnyx_client.on_connection_metrics_update = log.add
    telnyx_client.warnings.collect(streamed.append)
    telnyx_client.connect_with_credential(ALICE, agent.configuration).result(PATIENCE)
    agent.drop_connection()
    warning = log.wait(lambda one: isinstance(one, TelnyxWarningEvent))
    assert warning.warning.code == WarningCode.SIGNALING_RECOVERY_REQUIRED
    assert warning.name == "SIGNALING_RECOVERY_REQUIRED"
    log.wait(lambda one: one == "clientReady", 2)
    assert [one for one in log.seen if isinstance(one, str)][:4] == [
        *("connected", "clientReady", "reconnecting", "connected")
    ]
    assert streamed[0] == warning


# -- the client --------------------------------------------------------------------------------------------------------


def test_the_client_and_its_servers(agent: LocalAgent, telnyx_client: TelnyxClient, log: Log) -> None:
    """`setServerConfiguration`, `getGatewayStatus`, `getCallOrNull`, `disconnectWithCallBack`, `dispose`."""
    assert telnyx_client.get_gateway_status() is GatewayState.IDLE
    telnyx_client.set_server_configuration(agent.configuration)
    assert telnyx_client.server_configuration == agent.configuration
    login = telnyx_client.anonymous_login("assistant-1")
    assert telnyx_client.get_gateway_status() in (GatewayState.TRYING, GatewayState.REGED)
    login.result(PATIENCE)
    assert telnyx_client.get_gateway_status() is GatewayState.REGED
    call = telnyx_client.new_invite("", "", "", "")
    assert telnyx_client.get_call_or_null(str(call.call_id)) is call
    assert telnyx_client.get_call_or_null("00000000-0000-4000-8000-000000000000") is None
    telnyx_client.disconnect_with_call_back(lambda code, reason: log.add((code, reason)))
    log.wait(lambda one: one == (1000, None))
    telnyx_client.dispose().result(PATIENCE)
    assert telnyx_client.get_gateway_status() is GatewayState.IDLE
    telnyx_client.disconnect_with_call_back(None)
    assert log.seen == [(1000, None)]


def test_a_logger_is_set_at_run_time(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`setCustomLogger`: of this session from here on, and of the next."""
    seen: list[str] = []
    arrived = threading.Event()

    class Logger:
        def log(self, level: LogLevel, message: str) -> None:
            seen.append(message)
            arrived.set()

    telnyx_client.set_server_configuration(agent.configuration)
    telnyx_client.anonymous_login("assistant-1", log_level=LogLevel.ALL).result(PATIENCE)
    assert seen == []
    telnyx_client.set_custom_logger(Logger())
    agent.send({"jsonrpc": "2.0", "id": "p-1", "method": "telnyx_rtc.ping", "params": {}})
    assert arrived.wait(PATIENCE)
    telnyx_client.disconnect().result(PATIENCE)
    seen.clear()
    telnyx_client.anonymous_login("assistant-1", log_level=LogLevel.ALL).result(PATIENCE)
    telnyx_client.disconnect().result(PATIENCE)
    assert any(message.startswith("ready: session") for message in seen)
    with pytest.raises(ClientConfigurationError):
        telnyx_client.set_custom_logger(object())  # type: ignore[arg-type]
