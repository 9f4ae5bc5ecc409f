"""The snippets of iOS's pages, translated as they stand there, and what its unit tests say."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest

from telnyx_agent import (
    AIAssistantManagerDelegate,
    Call,
    CallError,
    CallState,
    CallTerminationReason,
    ClientConfigurationError,
    GatewayError,
    LogLevel,
    NetworkReason,
    Region,
    ServerError,
    TranscriptionItem,
    TxClient,
    TxClientDelegate,
    TxConfig,
    TxError,
    TxServerConfiguration,
    WidgetSettings,
)
from telnyx_agent.audio import NullAudio
from telnyx_agent.codecs import TxCodecCapability
from telnyx_agent.errors import FailureReason
from telnyx_agent.quality import CallQuality, CallQualityMetrics, MOSCalculator
from telnyx_agent.testing import LocalAgent, RecordingDelegate

PATIENCE = 20.0
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


def test_starting_conversations(agent: LocalAgent) -> None:
    """The complete flow: log in, call when ready, say each state, then mute, hold and hang up by the page's names."""

    class Conversation(TxClientDelegate):
        def __init__(self) -> None:
            self.client = TxClient(delegate=self, audio=NullAudio())
            self.current_call: Call | None = None
            self.said: list[str] = []
            self.is_active, self.is_over = threading.Event(), threading.Event()

        def on_client_ready(self) -> None:
            self.current_call = self.client.new_call(
                caller_name="Customer",
                caller_number="+1234567890",
                destination_number="",
                call_id=uuid4(),
                client_state="ai_session",
                custom_headers={"X-Session-Context": "customer_support", "X-User-Tier": "premium"},
            )

        def on_call_state_updated(self, call_state: CallState, call_id: UUID) -> None:
            if self.current_call is None or self.current_call.call_id != call_id:
                return
            match call_state:
                case CallState.NEW:
                    self.said.append("Call invitation sent")
                case CallState.RINGING:
                    self.said.append("AI Assistant ringing...")
                case CallState.ACTIVE:
                    self.said.append("Connected to AI Assistant")
                    self.is_active.set()
                case CallState.DONE:
                    self.said.append("AI conversation ended")
                    self.is_over.set()

    conversation = Conversation()
    with conversation.client as client:
        client.anonymous_login(target_id="assistant-1", server_configuration=agent.configuration)
        assert conversation.is_active.wait(PATIENCE)
        active_call = conversation.current_call
        assert active_call is not None
        active_call.mute_unmute()
        assert active_call.is_muted
        active_call.hold_unhold().result(PATIENCE)
        assert active_call.is_held
        active_call.hangup()
        assert conversation.is_over.wait(PATIENCE)
    assert conversation.said[-2:] == ["Connected to AI Assistant", "AI conversation ended"]


def test_the_truth_of_a_message(agent: LocalAgent, client: TxClient) -> None:
    """Text messaging: `let success = client.sendAIAssistantMessage(...); if success { ... } else { ... }`."""

    def send_text_message(message: str) -> str:
        success = client.send_ai_assistant_message(message)
        return f"Text message sent: {message}" if success else "Failed to send message. Check connection."

    assert send_text_message("Hello") == "Failed to send message. Check connection."
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
    client.new_call().wait_until_active(PATIENCE)
    assert any(call.call_state == CallState.ACTIVE for call in client.calls.values())
    assert send_text_message("Hello") == "Text message sent: Hello"
    failed = client.send_ai_assistant_message("Hello again")
    client.disconnect().result(PATIENCE)
    assert failed.done()


class Conversation(AIAssistantManagerDelegate):
    """Transcript updates, "Delegate Pattern (Alternative Approach)"."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.heard = threading.Event()

    def on_transcription_updated(self, transcriptions: Sequence[TranscriptionItem]) -> None:
        self.seen.append(("transcription", transcriptions))
        if transcriptions and transcriptions[-1].is_final and transcriptions[-1].role == "assistant":
            self.heard.set()

    def on_widget_settings_updated(self, settings: WidgetSettings) -> None:
        self.seen.append(("settings", settings))

    def on_ai_conversation_message(self, message: Mapping[str, Any]) -> None:
        self.seen.append(("message", message["type"]))

    def on_ai_assistant_connection_state_changed(self, is_connected: bool, target_id: str | None) -> None:
        self.seen.append(("connection", (is_connected, target_id)))

    def on_ringing_ack_received(self, call_id: UUID) -> None:
        self.seen.append(("ringing", call_id))


def test_the_delegate_of_the_assistant(agent: LocalAgent, client: TxClient, delegate: RecordingDelegate) -> None:
    """It gets what the client's delegate gets, too; and can be taken away."""
    view = Conversation()
    client.ai_assistant_manager.delegate = view
    assert client.ai_assistant_manager.delegate is view
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
    call = client.new_call()
    assert view.heard.wait(PATIENCE)
    names = [name for name, _ in view.seen]
    assert view.seen[0] == ("connection", (True, "assistant-1"))
    assert ("ringing", call.call_id) in view.seen
    assert {"transcription", "message"} <= set(names)
    delegate.wait_for("on_transcription_updated", PATIENCE)
    settings = WidgetSettings(theme="dark", language="en", auto_start=True, show_transcript=False)
    client.ai_assistant_manager.update_widget_settings(settings)
    delegate.wait_for("on_widget_settings_updated", PATIENCE, predicate=lambda found: found is settings)
    client.ai_assistant_manager.delegate = None
    client.disconnect().result(PATIENCE)
    assert ("settings", settings) in view.seen
    assert ("connection", (False, None)) not in view.seen


def test_one_object_as_both_delegates(agent: LocalAgent) -> None:
    """`client.delegate = self; client.aiAssistantManager.delegate = self` tells each thing once."""

    class View(TxClientDelegate, AIAssistantManagerDelegate):
        def __init__(self) -> None:
            self.connections: list[bool] = []

        def on_ai_assistant_connection_state_changed(self, is_connected: bool, target_id: str | None) -> None:
            self.connections.append(is_connected)

    view = View()
    with TxClient(view, audio=NullAudio()) as client:
        client.ai_assistant_manager.delegate = view
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
        client.disconnect().result(PATIENCE)
    assert view.connections == [True, False]


def test_a_delegate_with_less(agent: LocalAgent, client: TxClient) -> None:
    """Any object with some of the methods."""
    told = threading.Event()

    class Little:
        def on_ringing_ack_received(self, call_id: UUID) -> None:
            told.set()

    client.ai_assistant_manager.delegate = Little()
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    client.new_call()
    assert told.wait(PATIENCE)


def test_what_the_session_is_locked_to(agent: LocalAgent, client: TxClient) -> None:
    """AnonymousLoginTests: `getConnectionInfo()` before, during and after."""
    manager = client.ai_assistant_manager
    nothing = {"isConnected": False, "targetId": None, "targetType": None, "targetVersionId": None}
    assert manager.get_connection_info() == nothing
    assert not manager.is_ai_assistant_connected
    client.anonymous_login("test-assistant", target_version_id="v1.0", server_configuration=agent.configuration).result(
        PATIENCE
    )
    assert manager.get_connection_info() == {
        "isConnected": True,
        "targetId": "test-assistant",
        "targetType": "ai_assistant",
        "targetVersionId": "v1.0",
    }
    client.disconnect().result(PATIENCE)
    assert manager.get_connection_info() == nothing


def test_observers_and_clearing(agent: LocalAgent, client: TxClient, delegate: RecordingDelegate) -> None:
    """Transcript updates: both kinds of observers, filters, and the ways to clear."""
    manager = client.ai_assistant_manager
    whole: list[int] = []
    items: list[str] = []
    with (
        manager.subscribe_to_transcript_updates(lambda transcripts: whole.append(len(transcripts))),
        manager.subscribe_to_transcript_item_updates(lambda item: items.append(item.id)),
    ):
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
        delegate.wait_for("on_widget_settings_updated", PATIENCE)  # the agent's own come a moment after the login
        for name, role in (("1", "user"), ("2", "assistant")):
            item = TranscriptionItem(id=name, role=role, content="text", timestamp=datetime.now(timezone.utc))
            manager.add_transcription(item).result(PATIENCE)
        assert [item.id for item in manager.get_user_transcriptions()] == ["1"]
        manager.clear_transcriptions_by_role("user").result(PATIENCE)
        assert [item.id for item in manager.transcript] == ["2"]
        manager.update_widget_settings(WidgetSettings(theme="light"))
        manager.clear_all_data().result(PATIENCE)
    assert manager.transcript == ()
    assert manager.widget_settings is None
    client.disconnect().result(PATIENCE)
    assert items[:2] == ["1", "2"]
    assert whole == [1, 2, 1, 0]


def test_images_by_ioss_names(agent: LocalAgent, client: TxClient) -> None:
    """AIAssistantManagerTests: text and image, text alone, and an empty image that is none."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
    client.new_call().wait_until_active(PATIENCE)
    client.send_ai_assistant_message("What is in this image?", base64_images=[PIXEL]).result(5)
    client.send_ai_assistant_message("Hello without image", base64_images=None).result(5)
    client.send_ai_assistant_message("Hello with empty image", base64_images=[""]).result(5)
    record = agent.wait_for_call(lambda call: len([t for t in call.transcript if t.role == "user"]) >= 2, PATIENCE)
    assert "Hello without image" in [turn.text for turn in record.transcript]
    sent = client.ai_assistant_manager.get_user_transcriptions()
    assert sent[0].image_urls == (f"data:image/png;base64,{PIXEL}",)
    assert [item.image_count for item in sent[1:]] == [0, 0]


# -- errors ------------------------------------------------------------------------------------------------------------


def described(error: TxError) -> str:
    """Error handling, "Best Practices" 1: a `switch` over iOS's cases and reasons."""
    if isinstance(error, TxError.ServerError):
        if error.reason is FailureReason.GATEWAY_NOT_REGISTERED:
            return "gateway"
        assert isinstance(error, ServerError)
        return f"server {error.server_code}"
    if isinstance(error, TxError.SocketConnectionFailed):
        return f"socket {error.reason.value if error.reason else None}"
    if isinstance(error, TxError.ClientConfigurationFailed):
        return f"configuration {error.reason.value if error.reason else None}"
    if isinstance(error, TxError.CallFailed):
        return f"call {error.reason.value if error.reason else None}"
    return "other"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (TxConfig(sip_user="", password=""), "configuration userNameAndPasswordAreRequired"),
        (TxConfig(sip_user="", password="<password>"), "configuration userNameIsRequired"),
        (TxConfig(sip_user="<userName>", password=""), "configuration passwordIsRequired"),
        (TxConfig(token=""), "configuration tokenIsRequired"),
    ],
)
def test_what_a_configuration_lacks(client: TxClient, config: TxConfig, reason: str) -> None:
    """TelnyxRTCTests: the four refusals of `connect`."""
    with pytest.raises(ClientConfigurationError) as refused:
        client.connect(config)
    assert described(refused.value) == reason


def test_what_a_call_lacks(agent: LocalAgent, client: TxClient) -> None:
    """`callFailed(destinationNumberIsRequired)`; and without a login there is no socket."""
    with pytest.raises(TxError) as refused:
        client.new_call(caller_name="Ann", destination_number="+15550100")
    assert described(refused.value) == "socket socketNotConnected"
    client.connect(TxConfig(token="a.b.c"), agent.configuration).result(PATIENCE)
    with pytest.raises(CallError) as lacking:
        client.new_call(caller_name="Ann")
    assert described(lacking.value) == "call destinationNumberIsRequired"


def test_what_the_server_refuses(client: TxClient, delegate: RecordingDelegate) -> None:
    """testLoginErrorInvalidCredentials: `serverError`, code -32001; a gateway that fails is `gatewayNotRegistered`."""
    with LocalAgent(credentials={"alice": "another"}, media=False) as strict:
        client.connect(TxConfig(sip_user="alice", password="wrong"), strict.configuration)
        (error,) = delegate.wait_for("on_client_error", PATIENCE)
    assert described(error) == "server -32001"
    assert described(GatewayError("not registered")) == "gateway"
    assert described(TxError("something")) == "other"


def test_states_and_their_reasons() -> None:
    """Error handling, "Handle call reconnection": `case .RECONNECTING(let reason)`, `case .DONE(let reason)`."""

    def shown(call_state: CallState) -> str:
        match call_state:
            case CallState(kind=CallState.RECONNECTING.kind, reason=NetworkReason.NETWORK_SWITCH):
                return "reconnecting"
            case CallState(kind=CallState.DROPPED.kind, reason=NetworkReason.NETWORK_LOST):
                return "network lost"
            case CallState(
                kind=CallState.DONE.kind, termination_reason=CallTerminationReason(sip_code=int()) as reason
            ):
                return f"Call failed: {reason.sip_reason} (SIP {reason.sip_code})"
            case CallState(kind=CallState.DONE.kind, termination_reason=CallTerminationReason() as reason):
                return f"Call ended: {reason.cause}"
        return "nothing"

    assert shown(CallState.reconnecting(NetworkReason.NETWORK_SWITCH)) == "reconnecting"
    assert shown(CallState.dropped(NetworkReason.NETWORK_LOST)) == "network lost"
    forbidden = CallTerminationReason("CALL_REJECTED", 21, 403, "Forbidden")
    assert shown(CallState.done(forbidden)) == "Call failed: Forbidden (SIP 403)"
    assert shown(CallState.done(CallTerminationReason("USER_BUSY", 17))) == "Call ended: USER_BUSY"
    assert shown(CallState.done(None)) == shown(CallState.ACTIVE) == "nothing"


# -- credentials -------------------------------------------------------------------------------------------------------


def test_the_first_page(agent: LocalAgent) -> None:
    """index.md: a delegate with `onRemoteCallEnded(callId:)` alone, a token, an incoming call that is answered."""

    class ViewController(TxClientDelegate):
        def __init__(self) -> None:
            self.my_call: Call | None = None
            self.headers: Mapping[str, str] = {}
            self.ended: list[UUID] = []
            self.is_over = threading.Event()

        def on_remote_call_ended(self, call_id: UUID) -> None:  # type: ignore[override]
            self.ended.append(call_id)
            self.is_over.set()

        def on_incoming_call(self, call: Call) -> None:
            call.answer(custom_headers={"X-test1": "ios-header-test", "X-test2": "ios-header-2"})
            self.my_call = call
            self.headers = call.invite_custom_headers

    controller = ViewController()
    telnyx_client = TxClient()
    telnyx_client.delegate = controller
    with telnyx_client:
        telnyx_client.connect(TxConfig(token="MY_JWT_TELNYX_TOKEN"), agent.configuration).result(PATIENCE)
        ring = agent.call_client("Bob", custom_headers={"X-Parcel": "42"})
        record = ring.wait_until_answered(PATIENCE)
        ring.hang_up()
        assert controller.is_over.wait(PATIENCE)
    assert controller.my_call is not None
    assert controller.ended == [controller.my_call.call_id]
    assert controller.headers == {"X-Parcel": "42"}
    assert dict(record.answer_custom_headers) == {"X-test1": "ios-header-test", "X-test2": "ios-header-2"}


def test_every_option_of_the_pages(agent: LocalAgent, client: TxClient) -> None:
    """Call reports, trickle ICE, logging: the parameters of `TxConfig`; the logger gets this session's log."""
    logged = threading.Event()

    class MyCustomLogger:
        def log(self, level: LogLevel, message: str) -> None:
            logged.set()

    config = TxConfig(
        sip_user="alice",
        password="a-password-of-alice",
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
    client.connect(config, agent.configuration).result(PATIENCE)
    assert logged.wait(PATIENCE)
    for wrong in ({"call_report_log_level": "verbose"}, {"call_report_max_log_entries": -1}):
        with pytest.raises(ClientConfigurationError):
            TxConfig(token="a.b.c", **wrong)


@pytest.mark.parametrize(("wanted", "of_client", "count"), [(True, False, 1), (False, True, 0), (None, True, 1)])
def test_who_says_whether_reports_are_posted(
    agent: LocalAgent, monkeypatch: pytest.MonkeyPatch, wanted: bool | None, of_client: bool, count: int
) -> None:
    """`enableCallReports` of the login, or else the client's; with the latest entries of the wanted level."""
    posted: list[Mapping[str, Any]] = []

    def post(url: str, payload: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:
        posted.append(payload)

    monkeypatch.setattr("telnyx_agent._quality.upload.post_report", post)
    config = TxConfig(sip_user="alice", password="a-password-of-alice", enable_call_reports=wanted)
    limited = TxConfig(token="a.b.c", enable_call_reports=wanted, call_report_max_log_entries=2)
    for one in (config, limited):
        with TxClient(audio=NullAudio(), enable_call_reports=of_client) as client:
            client.connect(one, agent.configuration).result(PATIENCE)
            call = client.new_call(destination_number="+15550100")
            call.wait_until_active(PATIENCE)
            call.hangup().result(PATIENCE)
    assert len(posted) == 2 * count
    if count:
        assert len(posted[0]["logs"]) > 2
        assert len(posted[1]["logs"]) == 2


def test_the_levels_of_a_reports_log() -> None:
    """Each contains those above it; the latest are kept."""
    from telnyx_agent._quality.upload import chosen_logs

    logs = [{"level": level, "message": level} for level in ("info", "warn", "debug", "error")]
    assert [entry["level"] for entry in chosen_logs(logs, "debug", 10)] == ["info", "warn", "debug", "error"]
    assert [entry["level"] for entry in chosen_logs(logs, "warn", 10)] == ["warn", "error"]
    assert [entry["level"] for entry in chosen_logs(logs, "debug", 1)] == ["error"]
    assert chosen_logs(logs, "debug", 0) == []


# -- values ------------------------------------------------------------------------------------------------------------


def test_regions() -> None:
    """RegionTests: values, display names, both ways back, hosts, and who falls back."""
    names = ("AUTO", "EU", "US-CENTRAL", "US-EAST", "US-WEST", "CA-CENTRAL", "APAC")
    regions = [Region.from_display_name(name) for name in names]
    assert [region.display_name for region in regions if region is not None] == list(names)
    assert Region.from_display_name("Us-Central") is Region.US_CENTRAL
    for wrong in ("INVALID", "", "US-SOUTH", "EUROPE", "ASIA"):
        assert Region.from_display_name(wrong) is None
    assert Region.from_value("ca-central") is Region.CA_CENTRAL
    for wrong in ("invalid", "", "US-CENTRAL", "AUTO"):
        assert Region.from_value(wrong) is None
    for region in Region:
        url = TxServerConfiguration(environment="production", region=region).socket_url
        prefix = "" if region is Region.AUTO else f"{region.value}."
        assert url == f"wss://{prefix}rtc.telnyx.com"
        assert TxServerConfiguration(region=region).has_fallback == (region is not Region.AUTO)
    assert TxServerConfiguration(environment="development", region=Region.EU).socket_url == "wss://eu.rtcdev.telnyx.com"
    assert not TxServerConfiguration("wss://eu.example.com").has_fallback
    with_token = TxServerConfiguration(region=Region.APAC).url_with(voice_sdk_id="test_sdk_id_123")
    assert with_token == "wss://apac.rtc.telnyx.com?voice_sdk_id=test_sdk_id_123"


def test_codec_capabilities() -> None:
    """TxCodecCapabilityTests: ids, dictionaries, equality."""
    opus = TxCodecCapability(
        mime_type="audio/opus", clock_rate=48000, channels=2, sdp_fmtp_line="minptime=10;useinbandfec=1"
    )
    pcma = TxCodecCapability(mime_type="audio/PCMA", clock_rate=8000)
    assert opus.to_dictionary() == {
        "mimeType": "audio/opus",
        "clockRate": 48000,
        "channels": 2,
        "sdpFmtpLine": "minptime=10;useinbandfec=1",
    }
    assert pcma.to_dictionary() == {"mimeType": "audio/PCMA", "clockRate": 8000}
    assert (opus.id, pcma.id) == ("audio/opus_48000_2", "audio/PCMA_8000")
    assert TxCodecCapability("audio/telephone-event", 16000).id == "audio/telephone-event_16000"
    assert opus != pcma
    assert opus == TxCodecCapability("audio/opus", 48000, 2, "minptime=10;useinbandfec=1")


@pytest.mark.parametrize(("jitter", "rtt"), [(math.inf, 50.0), (20.0, math.inf), (20.0, -math.inf), (math.nan, 50.0)])
def test_no_mos_without_times(jitter: float, rtt: float) -> None:
    """MOSCalculatorTests: not finite is NaN, and NaN is unknown."""
    mos = MOSCalculator.calculate_mos(jitter=jitter, rtt=rtt, packets_received=100, packets_lost=0)
    assert math.isnan(mos)
    assert MOSCalculator.get_quality(mos) is CallQuality.UNKNOWN


def test_mos_and_its_bands() -> None:
    """MOSCalculatorTests: within 1 to 5, and every value has a band."""
    for arguments in ((5, 20, 1000, 0), (200, 400, 10, 990)):
        assert 1.0 <= MOSCalculator.calculate_mos(*arguments) <= 5.0
    bands = {
        CallQuality.EXCELLENT: (4.3, 5.0),
        CallQuality.GOOD: (4.2, 4.15),
        CallQuality.FAIR: (4.05, 4.0, 3.8, 3.7),
        CallQuality.POOR: (3.65, 3.5, 3.1),
        CallQuality.BAD: (3.0, 1.0, 0.0, -1.0),
        CallQuality.UNKNOWN: (math.inf, -math.inf, math.nan),
    }
    for quality, values in bands.items():
        assert {MOSCalculator.get_quality(value) for value in values} == {quality}


def test_the_page_of_metrics() -> None:
    """webrtc-stats.md: `metrics.quality` in a `switch`, `rawValue`, seconds times 1000."""
    metrics = CallQualityMetrics(jitter=0.004, rtt=0.05, mos=4.3, quality=CallQuality.EXCELLENT)
    match metrics.quality:
        case CallQuality.EXCELLENT | CallQuality.GOOD:
            color = "green"
        case CallQuality.FAIR:
            color = "yellow"
        case _:
            color = "red"
    assert (metrics.quality.value, color) == ("excellent", "green")
    assert (metrics.jitter * 1000, metrics.rtt * 1000) == (4.0, 50.0)


@pytest.mark.parametrize(("environment", "count"), [("production", 6), ("development", 5)])
def test_default_ice_servers(environment: str, count: int) -> None:
    """TurnServerConfigurationTests: two STUN, TURN by UDP before TCP, TURNS on 443 last."""
    servers = TxServerConfiguration(environment=environment).ice_servers
    suffix = "" if environment == "production" else "dev"
    urls = [server.urls[0] for server in servers]
    assert len(urls) == count
    assert urls[:5] == [
        f"stun:stun{suffix}.telnyx.com:3478",
        "stun:stun.l.google.com:19302",
        f"turn:turn{suffix}.telnyx.com:3478?transport=udp",
        f"turn:turn{suffix}.telnyx.com:3478?transport=tcp",
        f"turns:turn{suffix}.telnyx.com:443",
    ]
    assert urls[5:] == (["turns:turn2.telnyx.com:443"] if environment == "production" else [])
    assert {(server.username, server.credential) for server in servers[2:]} == {("testuser", "testpassword")}


def test_codecs_of_an_answer(talking_agent: LocalAgent, client: TxClient, delegate: RecordingDelegate) -> None:
    """README, "Setting Preferred Codecs", for inbound calls: `call.answer(preferredCodecs:)`."""
    assert client.get_supported_audio_codecs()[0].mime_type == "audio/opus"
    preferred_codecs = [
        TxCodecCapability(mime_type="audio/iLBC", clock_rate=8000),
        TxCodecCapability(mime_type="audio/PCMU", clock_rate=8000, channels=1),
    ]
    client.connect(TxConfig(token="a.b.c"), talking_agent.configuration).result(PATIENCE)
    ring = talking_agent.call_client("Bob")
    (call,) = delegate.wait_for("on_incoming_call", PATIENCE)
    call.answer(preferred_codecs=preferred_codecs).result(PATIENCE)
    assert call.session_id == client.session_id != ""
    ring.wait_until_answered(PATIENCE)
    stats = call.stats().result(PATIENCE)
    assert stats is not None
    assert stats.codec == "PCMU"


def test_a_reconnection_that_fails() -> None:
    """`callFailed(reconnectFailed)`: its reason, on the error that the client ends with."""
    from telnyx_agent._protocol.recovery import Recovery
    from telnyx_agent._protocol.settings import SessionSettings
    from telnyx_agent._protocol.timers import Timers

    reported: list[object] = []
    recovery = Recovery(Timers(), SessionSettings(), lambda: 0.5, reported.append)
    assert described(recovery.exhausted()) == "socket reconnectFailed"
