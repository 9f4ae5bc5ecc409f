"""Quality of real calls against the local agent: metrics, warnings, debug frames, the socket's health."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import attrs
import pytest

from telnyx_agent import Call, CallState, ClientConfigurationError, TxClient
from telnyx_agent.audio import NullAudio
from telnyx_agent.quality import CallQualityMetrics, TxWarning, WarningCode
from telnyx_agent.testing import FaultProxy, LocalAgent, RecordingDelegate, Scenario, UdpFaults
from tests.support.duplex import BLOCK, Duplex, words


@pytest.fixture
def delegate() -> RecordingDelegate:
    """Also of what tells of no event."""
    return RecordingDelegate(quality=True)


def call_agent(client: TxClient, agent: LocalAgent | FaultProxy, **options: Any) -> Call:
    """Log in and call; audio flows."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    call = client.new_call(**options)
    call.wait_until_active(20)
    return call


def until(delegate: RecordingDelegate, condition: Any, timeout: float = 30.0) -> CallQualityMetrics:
    """The first metrics of which something is true."""
    args = delegate.wait_for("on_call_quality_changed", timeout, predicate=lambda metrics, call_id: condition(metrics))
    metrics = args[0]
    assert isinstance(metrics, CallQualityMetrics)
    return metrics


def test_metrics_come_without_a_debug_flag(talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Of an ordinary call: packets both ways, levels of both sides, a good MOS; also to the call's own function."""
    speech = words(1.0)
    device = Duplex(lambda step: speech[(step % 100) * BLOCK :][:BLOCK])
    own: list[CallQualityMetrics] = []
    with TxClient(delegate, audio=device) as client:
        call = call_agent(client, talking_agent, quality_interval=0.2)
        call.on_call_quality_change = own.append
        metrics = until(delegate, lambda metrics: metrics.outbound_audio_level > 0.01 and metrics.mos > 4.0)
        assert metrics.quality.value in ("excellent", "good", "fair")
        assert metrics.inbound_audio is not None
        assert metrics.inbound_audio["packetsReceived"] > 0
        assert metrics.outbound_audio is not None
        assert metrics.outbound_audio["packetsSent"] > 0
        assert 0.0 <= metrics.jitter < 0.2
        assert {"host"} == {candidate["type"] for candidate in metrics.ice_candidates}
        assert {candidate["selected"] for candidate in metrics.ice_candidates} == {"true", "false"} or all(
            candidate["selected"] == "true" for candidate in metrics.ice_candidates
        )
        # The other side's reports come every second or so, and the first has no round trip yet.
        told = until(delegate, lambda metrics: metrics.rtt >= 0.0)
        assert told.remote_inbound_audio is not None
        assert 0.0 <= told.rtt < 1.0
        until(delegate, lambda metrics: metrics.remote_outbound_audio is not None)
        assert own
        assert call.quality_metrics.outbound_audio is not None
        times = [event.time for event in delegate.events if event.name == "on_call_quality_changed"]
        assert delegate.events[0].name != "on_call_quality_changed"
        assert len(times) >= 5
        json.dumps(metrics.to_dict(), allow_nan=False)


@pytest.mark.slow
def test_the_interval_is_kept(talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """A quarter of a second is a quarter of a second."""
    with TxClient(delegate, audio=NullAudio()) as client:
        call_agent(client, talking_agent, quality_interval=0.25)
        delegate.wait_for("on_call_quality_changed", 30, count=9)
    times = [event.time for event in delegate.events if event.name == "on_call_quality_changed"]
    assert times[8] - times[0] == pytest.approx(2.0, abs=0.7)


@pytest.mark.parametrize("interval", [0.0, 0.05, -1.0, 61.0, float("nan")])
def test_an_unusable_interval_is_refused(client: TxClient, agent: LocalAgent, interval: float) -> None:
    """At `new_call`, before anything is sent."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    with pytest.raises(ClientConfigurationError, match="quality_interval"):
        client.new_call(quality_interval=interval)


def test_a_slow_callback_gets_the_latest_metrics(talking_agent: LocalAgent) -> None:
    """While it blocks, they do not queue up."""
    entered, release = threading.Event(), threading.Event()
    seen: list[int] = []

    class App:
        def on_call_quality_changed(self, metrics: CallQualityMetrics, call_id: object) -> None:
            assert metrics.outbound_audio is not None
            seen.append(metrics.outbound_audio["packetsSent"])
            if len(seen) == 1:
                entered.set()
                release.wait(20)

    with TxClient(App(), audio=NullAudio()) as client:
        call = call_agent(client, talking_agent, quality_interval=0.1)
        assert entered.wait(20)
        first = seen[0]
        deadline = time.monotonic() + 20

        def sent() -> int:
            outbound = call.quality_metrics.outbound_audio
            return 0 if outbound is None else int(outbound["packetsSent"])

        while sent() < first + 50 and time.monotonic() < deadline:
            call.stats().result(5)
        release.set()
        call.hangup().result(10)
    assert len(seen) >= 2
    assert seen[1] >= first + 50


@pytest.mark.slow
def test_a_bad_network_is_warned_of_once_and_cleared(talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Real loss on the path of the media."""
    with (
        FaultProxy(talking_agent, udp=UdpFaults(loss=0.3)) as proxy,
        TxClient(delegate, audio=NullAudio()) as client,
    ):
        call = call_agent(client, proxy, quality_interval=0.5)
        is_loss = lambda warning: warning.code == WarningCode.HIGH_PACKET_LOSS  # noqa: E731
        (warning,) = delegate.wait_for("on_client_warning", 40, predicate=is_loss)
        assert isinstance(warning, TxWarning)
        assert warning.call_id == call.call_id
        assert warning.value is not None
        assert warning.value > 0.01
        assert WarningCode.HIGH_PACKET_LOSS in [active.code for active in call.warnings]
        assert call.report.warnings["HIGH_PACKET_LOSS"] == 1
        names = [args[0].name for args in delegate.calls_of("on_client_warning")]
        assert names.count("HIGH_PACKET_LOSS") == 1
        proxy.set_udp(UdpFaults())
        cleared = lambda warning: warning.code == WarningCode.HIGH_PACKET_LOSS and warning.is_cleared  # noqa: E731
        delegate.wait_for("on_client_warning", 40, predicate=cleared)
        assert WarningCode.HIGH_PACKET_LOSS not in [active.code for active in call.warnings]


def test_a_lost_connection_is_warned_of_and_cleared(agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """36003 once, whatever the number of attempts; cleared when the connection is back."""
    with TxClient(delegate, audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        agent.drop_connection()
        delegate.wait_for("on_reconnected", 20)
        delegate.wait_for("on_client_warning", 10, count=2)
        warnings = [args[0] for args in delegate.calls_of("on_client_warning")]
        assert [(warning.name, warning.is_cleared) for warning in warnings] == [
            ("SIGNALING_RECOVERY_REQUIRED", False),
            ("SIGNALING_RECOVERY_REQUIRED", True),
        ]
        assert client.socket_metrics.reconnect_count == 1


def test_a_lost_path_is_warned_of_and_cleared(talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """33001 while the media are being made anew."""
    with TxClient(delegate, audio=NullAudio()) as client:
        call = call_agent(client, talking_agent, quality_interval=0.2)
        until(delegate, lambda metrics: metrics.mos > 1)
        link = client._logins.handle
        assert link.dispatcher is not None
        assert link.loop is not None
        assert link.driver is not None
        from telnyx_agent.errors import CallError

        error = CallError("the audio connection to the other side was lost", code=33001, call_id=str(call.call_id))
        link.loop.post(link.driver.media_lost, str(call.call_id), error, True)
        lost = lambda warning: warning.code == 33001 and not warning.is_cleared  # noqa: E731
        found = lambda warning: warning.code == 33001 and warning.is_cleared  # noqa: E731
        delegate.wait_for("on_client_warning", 20, predicate=lost)
        delegate.wait_for("on_client_warning", 40, predicate=found)
        assert call.state == CallState.ACTIVE
        assert 33001 not in [warning.code for warning in call.warnings]


def test_debug_frames_go_out_only_when_asked(talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Start, data, stop, as the official SDKs send them; the server does not answer."""
    with TxClient(delegate, audio=NullAudio()) as client:
        call = call_agent(client, talking_agent, quality_interval=0.2)
        until(delegate, lambda metrics: metrics.mos > 1)
        call.hangup().result(10)
        assert not [record for record in talking_agent.frames if "debug_report_id" in record.message]
        delegate.clear()
        call = client.new_call(quality_interval=0.2, debug=True)
        call.wait_until_active(20)
        delegate.wait_for("on_call_quality_changed", 20, count=4)
        call.hangup().result(10)
        talking_agent.wait_for_frame("(other)", predicate=lambda frame: frame.get("type") == "debug_report_stop")
        frames = [record.message for record in talking_agent.frames if "debug_report_id" in record.message]
    kinds = [frame["type"] for frame in frames]
    assert kinds[0] == "debug_report_start"
    assert kinds[-1] == "debug_report_stop"
    assert set(kinds[1:-1]) == {"debug_report_data"}
    assert {frame["call_id"] for frame in frames} == {str(call.call_id)}
    assert len({frame["debug_report_id"] for frame in frames}) == 1
    assert len({frame["id"] for frame in frames}) == len(frames)
    data = frames[1]["debug_report_data"]
    assert data["event"] == data["tag"] == "stats"
    assert "inbound-rtp" in data["statsObject"]
    assert all("method" not in frame and "params" not in frame for frame in frames)


def test_the_socket_s_pings_are_measured(delegate: RecordingDelegate) -> None:
    """Each ping of the server's is answered by one of ours, whose answer is a round trip."""
    scenario = attrs.evolve(Scenario.fast(), ping_interval=0.2)
    with (
        LocalAgent(voice="silent", ears="deaf", scenario=scenario, media=False) as agent,
        TxClient(delegate, audio=NullAudio()) as client,
    ):
        assert client.socket_metrics.quality.value == "disconnected"
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        is_measured = lambda metrics: metrics.total_pings >= 2 and metrics.round_trip_ms is not None  # noqa: E731
        delegate.wait_for("on_socket_metrics_changed", 20, predicate=is_measured)
        metrics = client.socket_metrics
        assert metrics.round_trip_ms is not None
        assert 0.0 < metrics.round_trip_ms < 5000.0
        assert metrics.interval_ms is not None
        assert metrics.quality.value == "poor"  # 30 s is what is expected
    assert client.socket_metrics.total_pings >= 2
