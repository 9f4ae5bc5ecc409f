"""The local agent takes call reports at the port of its WebSockets, as Telnyx's host does."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from telnyx_agent import TxClient
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, Scenario


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Signalling only."""
    with LocalAgent(voice="silent", ears="deaf", scenario=Scenario.fast(), media=False) as agent:
        yield agent


def post(agent: LocalAgent, path: str, headers: dict[str, str], body: bytes, method: str = "POST") -> tuple[int, str]:
    """Status and the header that a browser looks at."""
    connection = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status, response.getheader("Access-Control-Allow-Origin") or ""
    finally:
        connection.close()


def report_id(agent: LocalAgent) -> str:
    """The key that the last login got."""
    found = [
        frame.message["result"]["params"]["call_report_id"]
        for frame in agent.frames
        if "call_report_id" in str(frame.message.get("result"))
    ]
    return str(found[-1])


def test_a_real_client_s_report_is_taken(agent: LocalAgent) -> None:
    """From `TxClient(enable_call_reports=True)`, without any other server."""
    with TxClient(audio=NullAudio(), enable_call_reports=True) as client:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        call = client.new_call(caller_number="+15550100")
        call.wait_until_active(20)
        call.hangup().result(10)
        assert call.report_upload is not None
        assert call.report_upload.result(10) == 200
    report = agent.wait_for_call_report(lambda report: report.call_id == str(call.call_id))
    assert agent.call_reports == (report,)
    assert report.status == 200
    assert report.voice_sdk_id.startswith("VSDK1")
    assert report.body["summary"]["callId"] == str(call.call_id)
    assert report.body["summary"]["callerNumber"] == "+15550100"
    assert "+15550100" not in repr(report)
    assert report.report_id not in repr(report)


def test_what_cannot_be_taken_is_refused_as_by_telnyx(agent: LocalAgent) -> None:
    """401 without a known key, 400 without the other headers or for what is no report, 413 for too much."""
    with TxClient(audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        good = {"x-call-report-id": report_id(agent), "x-call-id": "c", "x-voice-sdk-id": "v"}
        body = json.dumps({"summary": {}, "stats": []}).encode()

        def status(headers: dict[str, str], body: bytes = body, path: str = "/call_report") -> int:
            return post(agent, path, headers, body)[0]

        assert status(good) == 200
        assert status({**good, "x-call-report-id": "unknown"}) == 401
        assert status({name: good[name] for name in ("x-call-report-id", "x-call-id")}) == 400
        assert status({name: good[name] for name in ("x-call-report-id", "x-voice-sdk-id")}) == 400
        assert status(good, b"{") == 400
        assert status(good, b"[]") == 400
        assert status(good, path="/call_recording") == 404
        assert status({**good, "Content-Length": "2000001"}, b"") == 413
        # The session lives through all of it.
        assert client.is_registered
    assert [report.status for report in agent.call_reports] == [200, 401, 400, 400, 400, 400, 413]


def test_a_browser_may_ask_first(agent: LocalAgent) -> None:
    """The official JavaScript SDK's fetch asks with OPTIONS, because the page is of another origin."""
    assert post(agent, "/call_report", {}, b"", "OPTIONS") == (204, "*")
    assert agent.call_reports == ()


def test_waiting_for_a_report_that_does_not_come(agent: LocalAgent) -> None:
    """Ends with its time."""
    with pytest.raises(TimeoutError, match="no such call report"):
        agent.wait_for_call_report(timeout=0.05)
