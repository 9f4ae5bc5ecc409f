"""The pages of JavaScript's SDK, snippet by snippet, on `TelnyxRTC`: README, Call, SwEvent, error handling."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from telnyx_agent import CallQualityMetrics, CallState, ClientConfigurationError, SocketConnectionError, TxError
from telnyx_agent.audio import DeviceInfo, NullAudio
from telnyx_agent.compat import (
    MediaDeviceInfo,
    Notification,
    RtcCall,
    RtcErrorEvent,
    RtcWarningEvent,
    SwEvent,
    TelnyxIds,
    TelnyxRTC,
    is_function_call_output_params,
    is_function_call_params,
)
from telnyx_agent.compat._javascript_call import audio_device_id
from telnyx_agent.quality import ErrorCode, WarningCode
from telnyx_agent.testing import LocalAgent, Scenario

PATIENCE = 20.0
LOGIN = {"target_type": "ai_assistant", "target_id": "assistant-1"}
SECRET = "a-password-of-alice"


class Log:
    """What listeners have got; waits for what is still to come."""

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


def rtc(agent: LocalAgent, **options: Any) -> TelnyxRTC:
    """A client of that agent."""
    return TelnyxRTC(options, server_configuration=agent.configuration, audio=NullAudio())


def states(log: Log) -> Callable[[Notification], None]:
    """A listener that writes states down, as they are while it runs."""

    def notified(notification: Notification) -> None:
        if notification.type == "callUpdate":
            assert notification.call is not None
            log.add((notification.call.direction, notification.call.prev_state, notification.call.state))

    return notified


# -- README: client, events, calls -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"login_token": "a.token.x"}, {"login_token": "a.token.x"}),
        ({"login": "alice", "password": SECRET}, {"login": "alice", "passwd": SECRET}),
        # As the option's page says: login and password come before a token.
        ({"login": "alice", "password": SECRET, "login_token": "a.token.x"}, {"login": "alice", "passwd": SECRET}),
    ],
)
def test_client(agent: LocalAgent, log: Log, options: dict[str, Any], expected: dict[str, str]) -> None:
    """`new TelnyxRTC({...})`, `connect()`, `telnyx.ready`, `disconnect()`, `off`."""
    with rtc(agent, **options) as client:
        assert not client.connected
        assert client.connection.closed
        assert (client.region, client.dc) == (None, None)
        client.on("telnyx.ready", lambda: log.add((client.region, client.dc)))
        client.connect()
        assert log.wait(bool) == ("eu-west", "ams3-prod")
        assert client.get_is_registered()
        assert (client.connection.connected, client.connection.is_alive, client.connection.is_dead) == (
            True,
            True,
            False,
        )
        client.disconnect().result(PATIENCE)
        client.off("telnyx.ready")
        assert client.connection.is_dead
    params = agent.wait_for_frame("login").params
    assert {name: params.get(name) for name in expected} == expected
    assert ("login_token" in params) == ("login_token" in expected)


def test_an_assistant_comes_before_credentials(agent: LocalAgent) -> None:
    """`anonymous_login` beside a token."""
    with rtc(agent, anonymous_login=LOGIN, login_token="a.token.x") as client:
        client.connect().result(PATIENCE)
    assert agent.wait_for_frame("anonymous_login").params["target_id"] == "assistant-1"
    assert not [frame for frame in agent.frames if frame.method == "login"]


def test_an_outgoing_call(talking_agent: LocalAgent, log: Log) -> None:
    """Dial, keys, hold, mute, deaf, hang-up; the states in JavaScript's words, each once."""
    with rtc(talking_agent, login_token="a.token.x") as client:
        client.on("telnyx.notification", states(log))
        client.connect().result(PATIENCE)
        call = client.new_call({"destinationNumber": "18004377950", "callerNumber": "155531234567"})
        assert (call.state, call.direction, call.prev_state) == ("new", "outbound", "")
        log.wait(lambda one: one[2] == "active")
        assert client.get_active_calls() == [call]
        assert client.has_active_call()
        assert call.telnyx_ids.telnyx_session_id is not None
        assert isinstance(call.telnyx_ids, TelnyxIds)
        call.dtmf("1234").result(PATIENCE)
        call.hold().result(PATIENCE)
        log.wait(lambda one: one[2] == "held")
        call.unhold().result(PATIENCE)
        call.toggle_hold().result(PATIENCE)
        call.toggle_hold().result(PATIENCE)
        call.mute_audio()
        assert call.is_audio_muted
        call.toggle_audio_mute()
        assert not call.is_audio_muted
        call.deaf()
        call.toggle_deaf()
        assert not call.call.is_deaf
        call.hangup().result(PATIENCE)
        log.wait(lambda one: one[2] == "destroy")
        assert (call.cause, call.cause_code) == ("NORMAL_CLEARING", 16)
        assert client.calls == {}
        assert call.options["remoteCallerNumber"] == "18004377950"
    words = [one[2] for one in log.seen]
    assert words[0] == "requesting"
    assert words[-7:] == ["active", "held", "active", "held", "active", "hangup", "destroy"]
    assert [one[1] for one in log.seen] == ["new", *words[:-1]]
    assert "ringing" not in words  # in JavaScript, of incoming calls only


def test_answering_an_incoming_call(talking_agent: LocalAgent, log: Log) -> None:
    """The page's `if (notification.type === 'callUpdate' && call.state === 'ringing') call.answer()`."""

    def notified(notification: Notification) -> None:
        call = notification.call
        assert call is not None
        log.add(call.state)
        if notification.type == "callUpdate" and call.state == "ringing":
            log.add(dict(call.options))
            call.answer({"customHeaders": [{"name": "X-Desk", "value": "7"}], "mutedMicOnStart": True})

    with rtc(talking_agent, login="alice", password=SECRET) as client:
        client.on(SwEvent.NOTIFICATION, notified).connect().result(PATIENCE)
        talking_agent.call_client("Bob", "+15550122")
        log.wait(lambda one: one == "active")
        (call,) = client.get_active_calls()
        assert call.is_muted
        assert call.direction == "inbound"
        talking_agent.hang_up()
        log.wait(lambda one: one == "destroy")
    assert [one for one in log.seen if isinstance(one, str)] == ["ringing", "answering", "active", "hangup", "destroy"]
    options = log.wait(lambda one: isinstance(one, dict))
    assert (options["remoteCallerName"], options["remoteCallerNumber"]) == ("Bob", "+15550122")
    assert talking_agent.wait_for_frame("telnyx_rtc.answer").params["dialogParams"]["custom_headers"] == [
        {"name": "X-Desk", "value": "7"}
    ]


def test_a_call_has_its_own_listener(agent: LocalAgent, log: Log) -> None:
    """`onNotification` gets the call's updates in place of the client's listener, the first one included."""
    with rtc(agent, anonymous_login=LOGIN) as client:
        client.on("telnyx.notification", lambda: log.add("the client's"))
        client.connect().result(PATIENCE)
        client.new_call({"destinationNumber": "", "onNotification": states(log)})
        log.wait(lambda one: one[2] == "active")
    assert log.seen[0] == ("outbound", "new", "requesting")
    assert "the client's" not in log.seen


def test_a_rejected_call_says_why(log: Log) -> None:
    """`call.cause`, `call.causeCode`, `call.sipCode`, `call.sipReason` at `hangup`."""

    def notified(notification: Notification) -> None:
        call = notification.call
        assert call is not None
        if call.state == "hangup":
            log.add((call.cause, call.cause_code, call.sip_code, call.sip_reason))

    scenario = Scenario.rejected("USER_BUSY")
    with (
        LocalAgent(voice="silent", ears="deaf", scenario=scenario, media=False) as agent,
        rtc(agent, anonymous_login=LOGIN) as client,
    ):
        client.on("telnyx.notification", notified).connect().result(PATIENCE)
        client.new_call()
        assert log.wait(bool)[:3] == ("USER_BUSY", 17, 486)


# -- README: debugging, quality, codecs --------------------------------------------------------------------------------


def test_in_call_quality_metrics(talking_agent: LocalAgent, log: Log) -> None:
    """`telnyx.stats.frame` while the call is up, `telnyx.stats.report` at its end."""
    with rtc(talking_agent, anonymous_login=LOGIN) as client:
        client.on("telnyx.stats.frame", log.add).on("telnyx.stats.report", log.add)
        client.connect().result(PATIENCE)
        call = client.new_call({"destinationNumber": "", "debug": True})
        metrics = log.wait(lambda one: isinstance(one, CallQualityMetrics) and one.mos > 1)
        assert metrics.inbound_audio is not None
        call.hangup().result(PATIENCE)
        assert log.wait(lambda one: isinstance(one, list))
    frame = talking_agent.wait_for_frame("(other)", predicate=lambda frame: frame.get("type") == "debug_report_data")
    assert frame.message["call_id"] == call.id


def test_debug_output_to_a_file(agent: LocalAgent, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`debugOutput: 'file'`: nothing is sent, and the report is in the current directory."""
    monkeypatch.chdir(tmp_path)
    with rtc(agent, anonymous_login=LOGIN, debug=True, debugOutput="file") as client:
        client.on("telnyx.notification", states(log)).connect().result(PATIENCE)
        call = client.new_call()
        log.wait(lambda one: one[2] == "active")
        call.hangup().result(PATIENCE)
        log.wait(lambda one: one[2] == "destroy")
        with pytest.raises(ClientConfigurationError, match="debugOutput"):
            client.new_call({"debugOutput": "printer"})
    assert json.loads((tmp_path / f"webrtc-stats-{call.id}.json").read_text())["call_id"] == call.id
    assert not [frame for frame in agent.frames if "debug_report_id" in frame.message]


def test_preferred_codec(agent: LocalAgent) -> None:
    """A W3C capability goes out as it is."""
    pcma = {"mimeType": "audio/PCMA", "clockRate": 8000, "channels": 1}
    with rtc(agent, anonymous_login=LOGIN, mutedMicOnStart=True) as client:
        client.connect().result(PATIENCE)
        call = client.new_call({"destinationNumber": "123", "preferred_codecs": [pcma]})
        assert call.is_audio_muted
        dialog = agent.wait_for_frame("telnyx_rtc.invite", PATIENCE).params["dialogParams"]
    assert dialog["preferred_codecs"] == [pcma]


# -- README: AI assistants ---------------------------------------------------------------------------------------------


def test_receiving_and_responding_to_ai_conversation_events(agent: LocalAgent, log: Log) -> None:
    """The page's tool, by hand: `function_call` in, `call.sendAIConversationMessage` out."""

    def conversed(event: dict[str, Any]) -> None:
        params = event["params"]
        item = params.get("item") or {}
        if params["type"] == "conversation.item.created" and item.get("type") == "function_call":
            arguments = json.loads(item["arguments"])
            output = json.dumps({"status": "found", **arguments})
            call.send_ai_conversation_message(
                {"type": "function_call_output", "call_id": item["call_id"], "output": output}
            )
            log.add(item["call_id"])

    with rtc(agent, anonymous_login=LOGIN) as client:
        client.on("telnyx.ai.conversation", conversed).on("telnyx.notification", states(log))
        client.connect().result(PATIENCE)
        call = client.new_call({"destinationNumber": "", "remoteElement": "remoteElement"})
        log.wait(lambda one: one[2] == "active")
        agent.call_function("lookup", {"order": 1})
        call_id = log.wait(lambda one: isinstance(one, str))
        frame = agent.wait_for_frame(
            "ai_conversation",
            direction="received",
            predicate=lambda frame: frame["params"].get("item", {}).get("type") == "function_call_output",
        )
        assert frame.params["type"] == "conversation.item.create"
        assert frame.params["item"] == {
            "type": "function_call_output",
            "call_id": call_id,
            "output": '{"status": "found", "order": 1}',
        }
        assert "id" not in frame.message
        call.send_ai_conversation_message({"type": "response.audio_stream.subscribe"}).result(PATIENCE)
        bad: list[dict[str, Any]] = [{}, {"type": "function_call_output", "call_id": "c", "output": {}}]
        for item in bad:
            with pytest.raises(ClientConfigurationError):
                call.send_ai_conversation_message(item)
        client.disconnect().result(PATIENCE)
        with pytest.raises(SocketConnectionError):
            call.send_ai_conversation_message({"type": "function_call_output", "call_id": "c", "output": ""})


CALL = {"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "{}"}


@pytest.mark.parametrize(
    ("params", "is_call", "is_output"),
    [
        ({"type": "conversation.item.created", "item": CALL}, True, False),
        ({"type": "conversation.item.create", "item": OUTPUT}, False, True),
        ({"type": "conversation.item.create", "item": CALL}, False, False),
        ({"type": "conversation.item.created", "item": OUTPUT}, False, False),
        ({"type": "conversation.item.created"}, False, False),
        ({"type": "conversation.item.created", "item": None}, False, False),
        ({"type": "conversation.item.created", "item": {**CALL, "arguments": {}}}, False, False),
        ({"type": "conversation.item.created", "item": {**CALL, "name": None}}, False, False),
        ({"type": "conversation.item.create", "item": {**OUTPUT, "output": 1}}, False, False),
        (None, False, False),
    ],
)
def test_what_a_message_is(params: Any, is_call: bool, is_output: bool) -> None:
    """`AIConversation.test.ts`: `isFunctionCallParams`, `isFunctionCallOutputParams`."""
    assert is_function_call_params(params) is is_call
    assert is_function_call_output_params(params) is is_output


# -- error handling ----------------------------------------------------------------------------------------------------


def test_errors_have_numbers(agent: LocalAgent, log: Log) -> None:
    """`switch (event.error.code)`."""
    with rtc(agent, login="invalid-user", password=SECRET) as client:
        client.on(SwEvent.ERROR, log.add)
        client.connect()
        event = log.wait(bool)
        assert isinstance(event, RtcErrorEvent)
        assert event.error.code == ErrorCode.LOGIN_FAILED
        assert (event.fatal, event.name, event.recoverable) == (True, "LOGIN_FAILED", False)
        assert SECRET not in repr(event)


def test_warnings_have_numbers(agent: LocalAgent, log: Log) -> None:
    """`telnyx.warning` when something begins, and `telnyx.ready` again when the connection is back."""
    with rtc(agent, anonymous_login=LOGIN) as client:
        client.on("telnyx.warning", log.add).on("telnyx.ready", lambda: log.add("ready"))
        client.on("telnyx.socket.error", lambda event: log.add(event.error))
        client.connect().result(PATIENCE)
        agent.drop_connection()
        event = log.wait(lambda one: isinstance(one, RtcWarningEvent))
        assert event.warning.code == WarningCode.SIGNALING_RECOVERY_REQUIRED
        assert event.session_id == client.session_id
        log.wait(lambda one: one == "ready", 2)
        client.disconnect().result(PATIENCE)
    assert len([one for one in log.seen if isinstance(one, RtcWarningEvent)]) == 1


def test_a_token_is_refreshed(agent: LocalAgent, log: Log) -> None:
    """`client.login({creds: {login_token}, onSuccess})`."""
    with rtc(agent, login_token="an.old.token") as client:
        client.connect().result(PATIENCE)
        client.login({"creds": {"login_token": "a.new.token"}, "onSuccess": lambda: log.add("refreshed")})
        log.wait(lambda one: one == "refreshed")
        assert client._config is not None
        assert client._config.token == "a.new.token"
        client.login({"creds": {"login": "invalid-user", "password": SECRET}, "onError": log.add})
        assert log.wait(lambda one: one != "refreshed").code == ErrorCode.LOGIN_FAILED
        assert client._config.token == "a.new.token"
        with pytest.raises(ClientConfigurationError):
            client.login({"creds": {}})


@pytest.mark.parametrize("code", list(ErrorCode))
def test_an_event_says_whether_it_is_fatal(code: ErrorCode) -> None:
    """`errors.test.ts`: the registry's default; an error without a number is fatal."""
    event = RtcErrorEvent(TxError("x", code=int(code)), "session")
    assert (event.fatal, event.name) == (code.is_fatal, code.name)
    unknown = RtcErrorEvent(TxError("x"), "session")
    assert (unknown.fatal, unknown.name) == (True, "TxError")


# -- options -----------------------------------------------------------------------------------------------------------


def test_options_that_are_a_browser_s_have_no_effect() -> None:
    """Ported code may keep them."""
    client = TelnyxRTC(
        {
            "login_token": "a.token.x",
            "trickleIce": True,
            "prefetchIceCandidates": True,
            "keepConnectionAliveOnSocketClose": True,
            "rtcIp": "192.0.2.1",
            "rtcPort": 1443,
            "forceRelayCandidate": True,
            "enableCallReports": True,
            "autoReconnect": False,
        }
    )
    assert client._where.signaling_server == "wss://192.0.2.1:1443" or client._where.host == "192.0.2.1"
    assert client.client._media.relay_only
    assert client.client._enable_call_reports
    assert client.client._reconnect_timeout == 0.0
    assert client._config is not None
    assert not client._config.reconnect_client


@pytest.mark.parametrize(
    "options",
    [
        {"login": "alice"},
        {"password": SECRET},
        {"login_token": ""},
        {"login_token": "x", "enableCallRecording": True},
        {"login_token": "x", "video": True},
        {"login_token": "x", "logintoken": "x"},
        {"anonymous_login": "assistant-1"},
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, Any]) -> None:
    """Refused where JavaScript sends them, or tells an error later."""
    with pytest.raises(ClientConfigurationError) as caught:
        TelnyxRTC(options)
    assert SECRET not in str(caught.value)


def test_calls_that_cannot_be_meant(agent: LocalAgent) -> None:
    """Unknown options and forms."""
    with rtc(agent, anonymous_login=LOGIN) as client:
        client.connect().result(PATIENCE)
        unusable: list[dict[str, Any]] = [{"customHeaders": "X-A: b"}, {"iceServers": []}, {"mic": 1}]
        for options in unusable:
            with pytest.raises(ClientConfigurationError):
                client.new_call(options)
        call = client.new_call({"customHeaders": {"X-A": "b"}})
        with pytest.raises(ClientConfigurationError):
            call.hangup({"reason": "x"})
        with pytest.raises(ClientConfigurationError):
            call.answer({"x": 1})


# -- devices -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A headset and a loudspeaker."""
    found = [
        DeviceInfo(0, "Headset", "ALSA", 1, 2, 48000, True, True),
        DeviceInfo(1, "Speaker", "ALSA", 0, 2, 48000, False, False),
    ]
    monkeypatch.setattr("telnyx_agent.audio.list_devices", lambda: found)


@pytest.mark.usefixtures("devices")
def test_devices(agent: LocalAgent) -> None:
    """`getAudioInDevices`, `getAudioOutDevices`, `checkPermissions`, `speaker`, `setAudioSettings`."""
    with rtc(agent, anonymous_login=LOGIN) as client:
        assert client.get_audio_in_devices() == [MediaDeviceInfo("0", "audioinput", "Headset", "ALSA")]
        result = client.get_audio_out_devices()
        assert [one.device_id for one in result] == ["0", "1"]
        assert client.check_permissions()
        with pytest.raises(ClientConfigurationError):
            client.check_permissions(True, True)
        client.speaker = result[1].device_id
        client.set_audio_settings({"micId": "0", "micLabel": "Headset"})
        with pytest.raises(ClientConfigurationError, match="echoCancellation"):
            client.set_audio_settings({"echoCancellation": False})
        device = client._device_for(None, None)
        assert device is not None
        assert getattr(device, "name", "") == "input 0 and output 1"
    assert TelnyxRTC.web_rtc_info()["supportWebRTC"]


def test_a_microphone_that_cannot_be_had_leaves_the_mute_alone(talking_agent: LocalAgent) -> None:
    """`AudioMuteState.test.ts`: `setAudioInDevice(deviceId, muted)` that fails."""
    with rtc(talking_agent, anonymous_login=LOGIN) as client:
        client.connect().result(PATIENCE)
        call = client.new_call({"mutedMicOnStart": True})
        call.call.wait_until_active(PATIENCE)
        with pytest.raises(TxError):
            call.set_audio_in_device("12345", False).result(PATIENCE)
        assert call.is_audio_muted


@pytest.mark.slow
def test_checks_before_a_call(talking_agent: LocalAgent) -> None:
    """`client.runPreCall()`, `client.runNetworkCheck()`."""
    with rtc(talking_agent, anonymous_login=LOGIN) as client:
        client.connect().result(PATIENCE)
        assert client.run_network_check(5.0).ok
        found = client.run_pre_call({"durationMs": 2000})
        assert found.verdict.value in ("ready", "degraded")


def test_the_wrapped_call_can_do_the_rest(agent: LocalAgent) -> None:
    """`RtcCall.call` is the `Call`; the same object each time."""
    with rtc(agent, anonymous_login=LOGIN) as client:
        client.connect().result(PATIENCE)
        call = client.new_call()
        assert isinstance(call, RtcCall)
        assert client.calls[call.id] is call
        call.call.wait_until_active(PATIENCE)
        assert call.call.state == CallState.ACTIVE
        assert repr(call).startswith("<RtcCall ")


@pytest.mark.parametrize(
    ("given", "device"),
    [("3", 3), (3, 3), ("", None), ("default", None), (None, None), ("\N{SUPERSCRIPT TWO}",) * 2, ("1" * 5000,) * 2],
)
def test_ids_of_devices_are_indexes_or_names(given: int | str | None, device: int | str | None) -> None:
    """Whatever is no index that Python can read is a name."""
    assert audio_device_id(given) == device
