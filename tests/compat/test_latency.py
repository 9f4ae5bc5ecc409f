"""`latencyTracker`: the times of the latest call, in milliseconds."""

from __future__ import annotations

from telnyx_agent.compat import TelnyxClient
from telnyx_agent.testing import LocalAgent

PATIENCE = 20.0


def test_latency_of_the_latest_call(talking_agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """Android: `latencyTracker.getCurrentCallMetrics().toFormattedString()`."""
    assert telnyx_client.latency_tracker.get_current_call_metrics() is None
    telnyx_client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration).result(PATIENCE)
    call = telnyx_client.new_invite("", "", "", "")
    call.wait_until_active(PATIENCE)
    metrics = telnyx_client.latency_tracker.get_current_call_metrics()
    assert metrics is not None
    assert (metrics.call_id, metrics.is_outbound) == (call.call_id, True)
    assert metrics.registration_latency_ms is not None
    assert call.call.timings.call_setup is not None
    assert metrics.call_setup_latency_ms == round(1000 * call.call.timings.call_setup)
    text = metrics.to_formatted_string()
    assert f"call setup latency: {metrics.call_setup_latency_ms} ms" in text
    assert f"  active: {metrics.call_setup_latency_ms} ms" in text
