"""The frames of a debug report, as the JavaScript SDK sends them."""

from __future__ import annotations

from telnyx_agent._protocol.wire.debug_report import debug_report_data, debug_report_start, debug_report_stop


def frame(kind: str) -> dict[str, object]:
    return {
        "jsonrpc": "2.0",
        "id": "frame-1",
        "type": kind,
        "debug_report_id": "report-1",
        "debug_report_version": 1,
        "call_id": "call-1",
    }


def test_beginning_and_end() -> None:
    """The frames of the vectors, with our ids."""
    assert debug_report_start("frame-1", "report-1", "call-1") == frame("debug_report_start")
    assert debug_report_stop("frame-1", "report-1", "call-1") == frame("debug_report_stop")


def test_a_sample_has_its_reports_twice() -> None:
    """Under both names that are in use."""
    stats = {"inbound": {"packetsReceived": 1}}
    sample = debug_report_data(
        "frame-1", "report-1", "call-1", connection_id="peer-1", timestamp="2025-01-01T00:00:00Z", stats=stats
    )
    data = {
        "event": "stats",
        "tag": "stats",
        "peerId": "call-1",
        "connectionId": "peer-1",
        "data": stats,
        "timestamp": "2025-01-01T00:00:00Z",
        "statsObject": stats,
    }
    assert sample == {**frame("debug_report_data"), "debug_report_data": data}
