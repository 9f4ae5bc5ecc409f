"""`upload`: the form in which a report is posted."""

from __future__ import annotations

import json

from telnyx_agent._quality.upload import UploadIdentity, chosen_logs, report_url, upload_payload
from tests.quality.samples import CALL_ID, gathered


def test_the_upload_has_the_official_form() -> None:
    """protocol.md 7.2: host, summary, stats, logs; the id of the report is not in the body and not in a repr."""
    assert report_url("wss://eu.rtc.telnyx.com") == "https://eu.rtc.telnyx.com/call_report"
    assert report_url("ws://127.0.0.1:8080/?x=1") == "http://127.0.0.1:8080/call_report"
    log = gathered(6)
    log.event("state", 0.5, state="ACTIVE")
    identity = UploadIdentity("secret-report", "VSDK1", "sess", "assistant-1", "alice", "bob", "eu-west", "ams3", "1.0")
    assert "secret-report" not in repr(identity)
    payload = upload_payload(log.report("DONE", 6.0), identity, "rtc.telnyx.com")
    summary = payload["summary"]
    assert summary["callId"] == CALL_ID
    assert (summary["callerNumber"], summary["destinationNumber"]) == ("alice", "bob")
    assert (summary["state"], summary["durationSeconds"], summary["direction"]) == ("done", 6.0, "outbound")
    assert summary["startTimestamp"] == "2026-01-02T03:04:05.000Z"
    assert summary["clientSummary"]["authentication"]["anonymousLogin"]["targetId"] == "assistant-1"
    assert payload["stats"][0]["audio"]["outbound"]["packetsSent"] == 250
    assert payload["logs"] == [
        {
            "timestamp": "2026-01-02T03:04:05.500Z",
            "level": "info",
            "message": "state",
            "context": {"state": "ACTIVE"},
        }
    ]
    assert "secret-report" not in json.dumps(payload)


def test_the_levels_of_a_reports_log() -> None:
    """Each contains those above it; the latest are kept."""
    logs = [{"level": level, "message": level} for level in ("info", "warn", "debug", "error")]
    assert [entry["level"] for entry in chosen_logs(logs, "debug", 10)] == ["info", "warn", "debug", "error"]
    assert [entry["level"] for entry in chosen_logs(logs, "warn", 10)] == ["warn", "error"]
    assert [entry["level"] for entry in chosen_logs(logs, "debug", 1)] == ["error"]
    assert chosen_logs(logs, "debug", 0) == []
