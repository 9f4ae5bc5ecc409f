"""Flutter's pages, snippet by snippet: TxClient, Call, states, AI conversations, errors; and rows of its tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from telnyx_agent import CallTerminationReason, LogLevel, NetworkReason
from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import (
    AudioCodec,
    CallState,
    CredentialConfig,
    SocketMethod,
    TelnyxCall,
    TelnyxClient,
    TelnyxErrorConstants,
    TelnyxErrorEvent,
    TelnyxMessage,
    TelnyxSocketError,
    TelnyxWarningEvent,
    TokenConfig,
    TranscriptItem,
)
from telnyx_agent.errors import ErrorCode
from telnyx_agent.quality import WarningCode
from telnyx_agent.testing import LocalAgent, Scenario

PATIENCE = 20.0


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


@pytest.fixture
def client() -> Iterator[TelnyxClient]:
    """`TelnyxClient _telnyxClient = TelnyxClient();`."""
    with TelnyxClient(audio=NullAudio()) as found:
        yield found


def credentials(**more: Any) -> CredentialConfig:
    """The page's configuration, with all that it has."""
    return CredentialConfig(
        sip_user="alice",
        sip_password="a-password-of-alice",
        sip_caller_id_name="Caller Name",
        sip_caller_id_number="1234567890",
        notification_token="a-push-token",
        debug=True,
        auto_reconnect=True,
        **more,
    )


# -- classes/TxClient.md, classes/Call.md ------------------------------------------------------------------------------


def test_listening_for_events_and_accepting_a_call(talking_agent: LocalAgent, client: TelnyxClient, log: Log) -> None:
    """The page's `switch (message.socketMethod)`, with its `acceptCall(invite, name, number, state)`."""

    def on_message(message: TelnyxMessage) -> None:
        log.add(message.socket_method)
        match message.socket_method:
            case SocketMethod.INVITE:
                invite = message.message.invite_params
                assert invite is not None
                log.add((invite.caller_id_name, invite.caller_id_number))
                log.add(client.accept_call(invite, "callerName", "000000000", "State", custom_headers={"X-A": "b"}))
            case SocketMethod.BYE:
                assert message.message.bye_params is not None
                log.add(("bye", message.message.bye_params.cause))

    client.on_socket_message_received = on_message
    client.connect_with_credential(credentials(), talking_agent.configuration)
    log.wait(lambda one: one == SocketMethod.CLIENT_READY)
    talking_agent.call_client("Bob", "+15550122")
    call = log.wait(lambda one: isinstance(one, TelnyxCall))
    log.wait(lambda one: one == SocketMethod.ANSWER)
    assert ("Bob", "+15550122") in log.seen
    assert client.call.call_id == call.call_id
    client.call.dtmf(client.call.call_id, "5").result(PATIENCE)
    client.call.on_mute_unmute_pressed()
    assert call.muted
    client.call.on_hold_unhold_pressed().result(PATIENCE)
    assert call.held
    call.enable_speaker_phone(True)
    client.call.enable_speaker_phone(False)
    talking_agent.hang_up()
    log.wait(lambda one: one == ("bye", "NORMAL_CLEARING"))
    assert call.call.answer_custom_headers == {"X-A": "b"}
    methods = [one for one in log.seen if isinstance(one, str)]
    assert methods == ["login", "telnyx_rtc.clientReady", "telnyx_rtc.invite", "telnyx_rtc.answer", "telnyx_rtc.bye"]


def test_declining_a_call(agent: LocalAgent, client: TelnyxClient, log: Log) -> None:
    """`createCall().endCall(invite.callID)`."""

    def on_message(message: TelnyxMessage) -> None:
        invite = message.message.invite_params
        if invite is not None:
            client.create_call().end_call(invite.call_id)
        log.add(message.socket_method)

    client.on_socket_message_received = on_message
    client.connect_with_token(TokenConfig(sip_token="a.token.x"), agent.configuration).result(PATIENCE)
    agent.call_client("Bob", "+15550122")
    log.wait(lambda one: one == SocketMethod.BYE)
    assert agent.wait_for_frame("telnyx_rtc.bye", direction="received").params["cause"] == "USER_BUSY"


# -- ai-agent/*.md -----------------------------------------------------------------------------------------------------


def test_starting_conversations(talking_agent: LocalAgent, client: TelnyxClient, log: Log) -> None:
    """`newInvite` with headers, codecs and debug; states, mute, hold, metrics, end."""
    client.anonymous_login("your_assistant_id", server_configuration=talking_agent.configuration).result(PATIENCE)
    assert "audio/opus" in [codec.mime_type for codec in client.get_supported_audio_codecs()]
    ai_call = client.new_invite(
        "John Doe",
        "+1234567890",
        "",
        "customer_support_session",
        custom_headers={"X-Session-Context": "billing_inquiry", "X-User-Tier": "premium"},
        preferred_codecs=[
            AudioCodec(mime_type="audio/opus", clock_rate=48000, channels=2, sdp_fmtp_line="minptime=10;useinbandfec=1")
        ],
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
    assert ai_call.call_state.is_active
    ai_call.on_mute_unmute_pressed()
    assert ai_call.muted
    ai_call.on_hold_unhold_pressed().result(PATIENCE)
    assert ai_call.held
    ai_call.on_hold_unhold_pressed().result(PATIENCE)
    log.wait(lambda one: isinstance(one, float) and one > 1)
    ai_call.end_call()
    log.wait(lambda one: one == "ended: NORMAL_CLEARING")
    dialog = talking_agent.wait_for_frame("telnyx_rtc.invite").params["dialogParams"]
    assert {one["name"] for one in dialog["custom_headers"]} == {"X-Session-Context", "X-User-Tier"}


def test_transcript_updates_and_text_messages(agent: LocalAgent, client: TelnyxClient, log: Log) -> None:
    """`onTranscriptUpdate`, `calls.values.firstOrNull`, `transcript`, `clearTranscript`."""

    def on_transcript_update(transcript: list[TranscriptItem]) -> None:
        if transcript and transcript[-1].role == "assistant" and transcript[-1].is_final:
            log.add([f"{item.role}: {item.content}" for item in transcript])

    client.on_transcript_update = on_transcript_update  # type: ignore[assignment]
    client.anonymous_login("your_assistant_id", server_configuration=agent.configuration).result(PATIENCE)
    client.new_invite("Your Name", "Your Number", "", "Your custom state")
    log.wait(bool)
    active_call = next(iter(client.calls.values()), None)
    assert isinstance(active_call, TelnyxCall)
    active_call.send_conversation_message("Hello, can you help me with my account?")
    lines = log.wait(lambda one: any("account" in line for line in one))
    assert lines[1] == "user: Hello, can you help me with my account?"
    assert all(item.timestamp.isoformat() for item in client.transcript)
    client.clear_transcript().result(PATIENCE)
    assert list(client.transcript) == []


# -- error handling ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "user", "code", "structured"),
    [
        (Scenario.fast(), "invalid-user", TelnyxErrorConstants.CREDENTIAL_ERROR_CODE, ErrorCode.LOGIN_FAILED),
        (
            Scenario.gateway("FAILED"),
            "alice",
            TelnyxErrorConstants.GATEWAY_FAILED_ERROR_CODE,
            ErrorCode.GATEWAY_FAILED,
        ),
    ],
)
def test_consuming_errors(
    client: TelnyxClient, log: Log, scenario: Scenario, user: str, code: int, structured: ErrorCode
) -> None:
    """`onSocketErrorReceived` with the legacy number, `onTelnyxError` beside it with the structured one."""
    with LocalAgent(voice="silent", ears="deaf", scenario=scenario, media=False) as agent:
        client.on_socket_error_received = log.add
        client.on_telnyx_error = log.add
        config = CredentialConfig(sip_user=user, sip_password="x", auto_reconnect=False)
        client.connect_with_credential(config, agent.configuration)
        error = log.wait(lambda one: isinstance(one, TelnyxSocketError))
        event = log.wait(lambda one: isinstance(one, TelnyxErrorEvent))
    assert error.error_code == code
    assert error.error_message == str(event.error)
    assert event.error.code == structured


def test_warnings_status_and_metrics(client: TelnyxClient, agent: LocalAgent, log: Log) -> None:
    """`onTelnyxWarning`, `onConnectionStateChanged`, `getConnectionStatus`."""
    client.on_telnyx_warning = log.add
    client.on_connection_state_changed = lambda status: log.add(status.value)
    client.on_connection_metrics_update = log.add
    assert client.on_connection_metrics_update is not None
    assert client.get_connection_status().value == "disconnected"
    client.connect_with_credential(credentials(), agent.configuration).result(PATIENCE)
    agent.drop_connection()
    warning = log.wait(lambda one: isinstance(one, TelnyxWarningEvent))
    assert warning.warning.code == WarningCode.SIGNALING_RECOVERY_REQUIRED
    log.wait(lambda one: one == "clientReady", 2)
    assert [one for one in log.seen if isinstance(one, str)][:4] == [
        *("connected", "clientReady", "reconnecting", "connected")
    ]


def test_a_configuration_has_flutters_names() -> None:
    """`ringTonePath`, `ringbackPath`, `notificationToken`, `logLevel`, `reconnectionTimeout`."""
    config = credentials(ring_tone_path="ring.wav", ringback_path="back.wav", log_level=LogLevel.DEBUG)
    same = config.tx_config()
    assert (same.ringtone, same.ring_back_tone, same.log_level) == ("ring.wav", "back.wav", LogLevel.DEBUG)
    assert "a-push-token" not in repr(config)


# -- rows of Flutter's own tests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"sip_code": 403, "sip_reason": "Forbidden"}, "SIP 403: Forbidden"),
        ({"cause": "CALL_REJECTED", "sip_code": 403}, "SIP 403: CALL_REJECTED"),
        ({"sip_code": 404}, "SIP 404"),
        ({"cause": "NETWORK_ERROR"}, "NETWORK_ERROR"),
        ({"sip_reason": "Gone"}, "Gone"),
        ({"cause": "TIMEOUT", "sip_code": 408, "sip_reason": ""}, "SIP 408: TIMEOUT"),
        ({"cause": "CALL_REJECTED", "sip_code": 403, "sip_reason": "Forbidden Access"}, "SIP 403: Forbidden Access"),
    ],
)
def test_a_termination_reason_in_one_line(fields: dict[str, Any], text: str) -> None:
    """`call_termination_reason_test.dart`."""
    assert str(CallTerminationReason(**fields)) == text


def test_the_flags_of_states() -> None:
    """`call_state_test.dart`, `network_reason_test.dart`."""
    every = [
        getattr(CallState, name)
        for name in ["NEW", "CONNECTING", "RINGING", "ACTIVE", "HELD", "RECONNECTING", "DROPPED", "DONE"]
    ]
    flags = {"is_active": "ACTIVE", "is_reconnecting": "RECONNECTING", "is_dropped": "DROPPED", "is_done": "DONE"}
    for flag, name in flags.items():
        assert [state.value for state in every if getattr(state, flag)] == [name]
    state = CallState.of(CallState.dropped(NetworkReason.NETWORK_LOST))
    assert state.network_reason is state.call_network_change_reason is NetworkReason.NETWORK_LOST
    assert NetworkReason.NETWORK_SWITCH.message == "Network switched"
    assert NetworkReason.NETWORK_LOST.message == "Network lost"
    assert NetworkReason.SERVER_ERROR.message == "Server error"
