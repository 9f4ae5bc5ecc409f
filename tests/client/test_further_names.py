"""What the four SDKs have beside their pages: Flutter's streams, Android's latency tracker, identities of a session."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from telnyx_agent import (
    AuthenticationError,
    CallTerminationReason,
    ClientConfigurationError,
    LogLevel,
    NetworkError,
    TxClient,
    TxError,
    TxServerConfiguration,
    TxTimeoutError,
)
from telnyx_agent.audio import AudioLevelSmoother, DeviceInfo, NullAudio, _portaudio
from telnyx_agent.compat import (
    GatewayState,
    PreCallDiagnosticException,
    TelnyxClient,
    TelnyxErrorEvent,
    TelnyxWarningEvent,
)
from telnyx_agent.diagnosis import environment_info, run_pre_call_diagnosis
from telnyx_agent.errors import ConversationNotFoundError, ErrorCode
from telnyx_agent.quality import TxWarning, WarningCode
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

PATIENCE = 20.0


def make_agent(**changes: Any) -> LocalAgent:
    """Text only."""
    return LocalAgent(voice="silent", ears="deaf", scenario=Scenario.fast(**changes), media=False)


@pytest.fixture
def mobile() -> Iterator[TelnyxClient]:
    """With Android's and Flutter's names."""
    with TelnyxClient(audio=NullAudio()) as found:
        yield found


# -- the session -------------------------------------------------------------------------------------------------------


def test_what_a_session_is_known_by(client: TxClient) -> None:
    """Flutter: `voiceSdkId`, `callReportId`; Android: the latency of the registration; the servers."""
    assert (client.voice_sdk_id, client.call_report_id, client.registration_latency) == (None, None, None)
    assert client.server_configuration == TxServerConfiguration()
    with make_agent() as agent:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
        assert client.server_configuration == agent.configuration
        assert client.voice_sdk_id
        assert client.call_report_id
        assert client.registration_latency is not None
        assert 0.0 < client.registration_latency < PATIENCE
        assert client.voice_sdk_id not in repr(client._watch.get())
        client.disconnect().result(PATIENCE)


def test_flutters_client(mobile: TelnyxClient) -> None:
    """`setServerConfiguration`, `getGatewayStatus`, `getCallOrNull`, `disconnectWithCallBack`, `dispose`."""
    assert mobile.get_gateway_status() is GatewayState.IDLE
    with make_agent() as agent:
        mobile.set_server_configuration(agent.configuration)
        assert mobile.server_configuration == agent.configuration
        login = mobile.anonymous_login("assistant-1")
        assert mobile.get_gateway_status() in (GatewayState.TRYING, GatewayState.REGED)
        login.result(PATIENCE)
        assert mobile.get_gateway_status() is GatewayState.REGED
        call = mobile.new_invite("", "", "", "")
        assert mobile.get_call_or_null(str(call.call_id)) is call
        assert mobile.get_call_or_null("00000000-0000-4000-8000-000000000000") is None
        told: list[tuple[int | None, str | None]] = []
        over = threading.Event()

        def on_over(code: int | None, reason: str | None) -> None:
            told.append((code, reason))
            over.set()

        mobile.disconnect_with_call_back(on_over)
        assert over.wait(PATIENCE)
        assert told == [(1000, None)]
        mobile.dispose().result(PATIENCE)
        assert mobile.get_gateway_status() is GatewayState.IDLE
        mobile.disconnect_with_call_back(None)


def test_a_configuration_is_copied() -> None:
    """Flutter: `copyWith`."""
    before = TxServerConfiguration(host="example.org", port=8443)
    after = before.copy_with(port=9443)
    assert (after.host, after.port, before.port) == ("example.org", 9443, 8443)


def test_a_logger_is_set_at_run_time(mobile: TelnyxClient) -> None:
    """Flutter: `setCustomLogger`: of this session from here on, and of the next."""
    seen: list[str] = []
    arrived = threading.Event()

    class Logger:
        def log(self, level: LogLevel, message: str) -> None:
            seen.append(message)
            arrived.set()

    with make_agent() as agent:
        mobile.set_server_configuration(agent.configuration)
        mobile.anonymous_login("assistant-1", log_level=LogLevel.ALL).result(PATIENCE)
        assert seen == []
        mobile.set_custom_logger(Logger())
        agent.send({"jsonrpc": "2.0", "id": "p-1", "method": "telnyx_rtc.ping", "params": {}})
        assert arrived.wait(PATIENCE)
        mobile.disconnect().result(PATIENCE)
        seen.clear()
        mobile.anonymous_login("assistant-1", log_level=LogLevel.ALL).result(PATIENCE)
        mobile.disconnect().result(PATIENCE)
        assert any(message.startswith("ready: session") for message in seen)
    with pytest.raises(ClientConfigurationError):
        mobile.set_custom_logger(object())  # type: ignore[arg-type]


# -- errors and warnings -----------------------------------------------------------------------------------------------


def test_flutters_streams(mobile: TelnyxClient) -> None:
    """`errors`, `fatalErrors`, `recoverableErrors`; a refused login ends the session."""
    everything: list[TelnyxErrorEvent] = []
    recoverable: list[TelnyxErrorEvent] = []
    fatal = threading.Event()
    mobile.errors.collect(everything.append)
    mobile.fatal_errors.collect(lambda event: fatal.set())
    mobile.recoverable_errors.collect(recoverable.append)
    with make_agent(conversations=("conv-1",)) as agent:
        mobile.anonymous_login("assistant-1", conversation_id="conv-2", server_configuration=agent.configuration)
        assert fatal.wait(PATIENCE)
        mobile.disconnect().result(PATIENCE)
    (event,) = everything
    assert isinstance(event.error, ConversationNotFoundError)
    assert event.error.session_id is None
    assert recoverable == []


def test_an_error_says_of_which_session_it_is(client: TxClient, delegate: RecordingDelegate) -> None:
    """Flutter: `sessionId`; here the server ends the session."""
    with make_agent() as agent:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
        session_id = client.session_id
        agent.send({"jsonrpc": "2.0", "id": "p-1", "method": "telnyx_rtc.punt", "params": {}})
        (error,) = delegate.wait_for("on_client_error", PATIENCE)
        assert session_id
        assert error.session_id == session_id
        client.disconnect().result(PATIENCE)


def test_the_stream_of_warnings(mobile: TelnyxClient) -> None:
    """Flutter: `warnings`."""
    with make_agent() as agent, mobile.warnings.subscribe(timeout=PATIENCE) as seen:
        mobile.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
        mobile.new_invite("", "", "", "").wait_until_active(PATIENCE)
        second = mobile.new_invite("", "", "", "")
        event = next(seen)
        mobile.disconnect().result(PATIENCE)
    assert isinstance(event, TelnyxWarningEvent)
    assert event.name == "MULTIPLE_ACTIVE_CALLS_DETECTED"
    assert event.call_id == second.call_id


def test_what_a_warning_comes_of() -> None:
    """Flutter: `name`, `causes`, `solutions`."""
    warning = TxWarning(WarningCode.HIGH_RTT, detail="to the relay")
    assert warning.name == "HIGH_RTT"
    assert warning.causes == (WarningCode.HIGH_RTT.message, "to the relay")
    assert warning.solutions == (WarningCode.HIGH_RTT.advice,)
    assert TxWarning(WarningCode.HIGH_RTT).causes == (WarningCode.HIGH_RTT.message,)


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_error_has_causes_and_solutions(code: ErrorCode) -> None:
    """Flutter: `TelnyxError(code, name, description, causes, solutions, fatal)`."""
    error = TxError("something", code=int(code))
    assert (error.name, error.description, error.fatal) == (code.name, code.message, code.is_fatal)
    assert error.causes == code.causes
    assert all(error.causes)
    assert error.solutions == code.solutions
    assert all(error.solutions)


def test_an_error_without_a_number() -> None:
    """Has the name of its class, and no advice."""
    error = TxTimeoutError("too late")
    assert (error.name, error.description, error.fatal) == ("TxTimeoutError", "too late", True)
    assert (error.causes, error.solutions, error.session_id) == ((), (), None)
    assert NetworkError("gone").name == "WEBSOCKET_CONNECTION_FAILED"


def test_a_lost_conversation_has_an_error_of_its_own(client: TxClient) -> None:
    """Which is a refused login all the same; another refusal is none."""
    with make_agent(conversations=("conv-1",)) as agent:
        lost = client.anonymous_login(
            "assistant-1", conversation_id="conv-2", server_configuration=agent.configuration
        ).exception(PATIENCE)
    assert isinstance(lost, ConversationNotFoundError)
    assert isinstance(lost, TxError.SocketFailure)
    with make_agent(login="reject") as agent:
        other = client.anonymous_login("assistant-1", server_configuration=agent.configuration).exception(PATIENCE)
    assert type(other) is AuthenticationError


def test_a_diagnosis_that_comes_to_nothing(mobile: TelnyxClient) -> None:
    """Flutter: `PreCallDiagnosticException`."""
    with pytest.raises(PreCallDiagnosticException):
        run_pre_call_diagnosis(mobile.client, duration=0.1)


def test_an_error_reply_that_answers_nothing(client: TxClient, caplog: pytest.LogCaptureFixture) -> None:
    """Is in the log, and told to nobody as an error: nothing that was asked for has failed."""
    came = threading.Event()

    class Delegate(RecordingDelegate):
        def on_socket_message(self, message: Mapping[str, Any]) -> None:
            if message.get("id") == 99421:
                came.set()

    delegate = Delegate()
    client.delegate = delegate
    with make_agent() as agent, caplog.at_level(logging.WARNING, logger="telnyx_agent"):
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
        agent.send({"jsonrpc": "2.0", "id": 99421, "error": {"code": -32000, "message": "secret words"}})
        assert came.wait(PATIENCE)
        client.disconnect().result(PATIENCE)
    assert [one for one in caplog.messages if "an error reply (-32000) that answers no request" in one]
    assert "secret words" not in caplog.text
    assert delegate.calls_of("on_client_error") == []


def test_a_reason_that_says_nothing() -> None:
    """Flutter: `Unknown reason`."""
    assert str(CallTerminationReason()) == "Unknown reason"


def test_every_frame_by_the_old_name(mobile: TelnyxClient) -> None:
    """Android, deprecated: `getWsMessageResponse()`."""
    seen: list[Mapping[str, Any]] = []
    mobile.get_ws_message_response().collect(seen.append)
    with make_agent() as agent:
        mobile.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
        mobile.disconnect().result(PATIENCE)
    assert "telnyx_rtc.clientReady" in [frame.get("method") for frame in seen]


# -- times -------------------------------------------------------------------------------------------------------------


def test_latency_of_the_latest_call(talking_agent: LocalAgent, mobile: TelnyxClient) -> None:
    """Android: `latencyTracker.getCurrentCallMetrics().toFormattedString()`."""
    assert mobile.latency_tracker.get_current_call_metrics() is None
    mobile.anonymous_login("assistant-1", server_configuration=talking_agent.configuration).result(PATIENCE)
    call = mobile.new_invite("", "", "", "")
    call.wait_until_active(PATIENCE)
    metrics = mobile.latency_tracker.get_current_call_metrics()
    assert metrics is not None
    assert (metrics.call_id, metrics.is_outbound) == (call.call_id, True)
    assert metrics.registration_latency_ms is not None
    assert call.call.timings.call_setup is not None
    assert metrics.call_setup_latency_ms == round(1000 * call.call.timings.call_setup)
    text = metrics.to_formatted_string()
    assert f"call setup latency: {metrics.call_setup_latency_ms} ms" in text
    assert f"  active: {metrics.call_setup_latency_ms} ms" in text


# -- sound and machine -------------------------------------------------------------------------------------------------


def test_a_meter_rises_fast_and_falls_slowly() -> None:
    """As the widgets' visualizers: four times the level, at most 1."""
    bar = AudioLevelSmoother(attack=0.5, release=0.25)
    assert bar.update(0.2) == pytest.approx(0.4)
    assert bar.update(0.9) == pytest.approx(0.7)
    assert bar.update(0.0) == pytest.approx(0.525)
    assert bar.value == pytest.approx(0.525)
    with pytest.raises(ClientConfigurationError):
        AudioLevelSmoother(attack=0.0)


def test_microphones_and_loudspeakers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that is both is in both lists."""
    headset, monitor = (
        DeviceInfo(0, "headset", "ALSA", 1, 2, 48000, True, True),
        DeviceInfo(1, "monitor", "ALSA", 0, 2, 48000, False, False),
    )
    monkeypatch.setattr(_portaudio, "list_devices", lambda *, refresh=False: [headset, monitor])
    assert _portaudio.input_devices() == [headset]
    assert _portaudio.output_devices(refresh=True) == [headset, monitor]


def test_versions_for_a_report() -> None:
    """Of Python, the system, the SDK and what it stands on."""
    info = environment_info()
    assert info["aiortc"]
    assert info["python"].startswith("CPython")
    assert set(info) >= {"telnyx_agent", "system", "av", "numpy", "websocket-client"}
