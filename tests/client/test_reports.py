"""The report of a call: there at any time, and posted when it is wanted."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import pytest

from telnyx_agent import Call, CallState, TxClient, TxConfig
from telnyx_agent.audio import NullAudio
from telnyx_agent.quality import CallQualityMetrics, CallReport
from telnyx_agent.testing import FaultProxy, LocalAgent, RecordingDelegate

SECRET = "Marmalade"


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


def test_the_report_is_there_at_any_time(talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """During the call, at its end, with `on_call_report` before `DONE`; and nothing personal is in it."""
    with TxClient(delegate, audio=NullAudio()) as client:
        call = call_agent(
            client,
            talking_agent,
            caller_name=SECRET,
            caller_number=SECRET,
            custom_headers={"X-Secret": SECRET},
            quality_interval=0.2,
        )
        until(delegate, lambda metrics: metrics.mos > 1)
        early = call.report
        assert early.state == "ACTIVE"
        assert early.timings["setup"] > 0.0
        client.send_ai_assistant_message(SECRET).result(5)
        call.hangup().result(10)
        report, call_id = delegate.wait_for("on_call_report", 10)
        assert isinstance(report, CallReport)
        assert call_id == call.call_id
        assert call.report is call.report
        assert call.report == report
    done = next(i for i, event in enumerate(delegate.events) if event.args[:1] == (CallState.DONE,))
    told = next(i for i, event in enumerate(delegate.events) if event.name == "on_call_report")
    assert told < done
    assert report.state == "DONE"
    assert report.duration >= early.duration
    assert report.ended_by["cause"] == "NORMAL_CLEARING"
    assert report.mos is not None
    assert report.totals["inboundAudio"]["packetsReceived"] > 0
    assert report.codec == "opus"
    assert report.candidates
    assert report.stats
    text = report.to_json() + repr(report)
    assert SECRET not in text
    assert "127.0.0.1" not in text
    assert [event["state"] for event in report.events if event["event"] == "state"][-1] == "DONE"


def test_a_call_that_never_had_media_has_a_report(agent: LocalAgent, client: TxClient) -> None:
    """Hung up before the answer."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    call = client.new_call()
    call.hangup().result(10)
    assert call.report.state == "DONE"
    assert call.report.mos is None
    assert call.report_upload is None


class Front:
    """Takes HTTP posts at the port where the local agent's WebSockets go through, as Telnyx's host does.

    `websockets` refuses every request but GET, so what begins with POST is answered here.

    Args:
        port: The agent's.
        statuses: The answers to the posts, one after another; the last one for all others.
    """

    def __init__(self, port: int, statuses: list[int]) -> None:
        self._target = ("127.0.0.1", port)
        self._statuses = statuses
        self._server = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._changed = threading.Condition()
        self.posts: list[tuple[str, dict[str, str], Any]] = []
        self.port = self._server.getsockname()[1]
        self._start(self._accept)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for one in self._sockets:
            one.close()

    def wait_for_posts(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.posts) >= count, 30), self.posts

    def _start(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._server.accept()[0]
                self._sockets.append(client)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            head = client.recv(4, socket.MSG_PEEK)
            if head == b"POST":
                self._take_post(client)
                return
            agent = socket.create_connection(self._target)
            self._sockets.append(agent)
            self._start(self._pipe, agent, client)
            self._pipe(client, agent)

    def _pipe(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _take_post(self, client: socket.socket) -> None:
        with client.makefile("rb") as stream:
            path = stream.readline().split()[1].decode()
            headers = {}
            while line := stream.readline().strip():
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = json.loads(stream.read(int(headers["content-length"])))
        with self._changed:
            status = self._statuses[min(len(self.posts), len(self._statuses) - 1)]
            self.posts.append((path, headers, body))
            self._changed.notify_all()
        client.sendall(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        client.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def front(agent: LocalAgent, *statuses: int) -> Iterator[Front]:
    """At work."""
    door = Front(agent.port, list(statuses))
    try:
        yield door
    finally:
        door.close()


def upload(agent: LocalAgent, door: Front, **options: Any) -> Call:
    """One call through the door, hung up."""
    configuration = attrs.evolve(agent.configuration, signaling_server=f"ws://127.0.0.1:{door.port}")
    with TxClient(audio=NullAudio(), **options) as client:
        client.anonymous_login("assistant-1", server_configuration=configuration).result(10)
        call = client.new_call(caller_number="+15550100")
        call.wait_until_active(20)
        call.hangup().result(10)
        return call


def test_reports_are_posted_when_asked(agent: LocalAgent, no_pauses: None) -> None:
    """To the signalling host, with the official headers and form."""
    with front(agent, 200) as door:
        call = upload(agent, door, enable_call_reports=True)
        assert call.report_upload is not None
        assert call.report_upload.result(20) == 200
        ((path, headers, body),) = door.posts
    assert path == "/call_report"
    assert headers["x-call-id"] == str(call.call_id)
    assert headers["x-call-report-id"]
    assert headers["x-voice-sdk-id"].startswith("VSDK1")
    assert headers["content-type"] == "application/json"
    assert body["summary"]["callId"] == str(call.call_id)
    assert body["summary"]["callerNumber"] == "+15550100"
    assert body["summary"]["direction"] == "outbound"


def test_nothing_is_posted_unasked(agent: LocalAgent) -> None:
    """Off by default."""
    with front(agent, 200) as door:
        call = upload(agent, door)
        assert call.report_upload is None
        assert door.posts == []


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two attempts."""
    from telnyx_agent._quality import upload as module

    monkeypatch.setattr(module, "RETRY_DELAYS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(module.post_report, "__kwdefaults__", {"proxy": None, "retry_delays": (0.0, 0.0, 0.0)})


def test_a_failing_server_is_tried_again(agent: LocalAgent, no_pauses: None) -> None:
    """After 5xx, three more times."""
    with front(agent, 500, 503, 200) as door:
        call = upload(agent, door, enable_call_reports=True)
        assert call.report_upload is not None
        assert call.report_upload.result(20) == 200
        assert len(door.posts) == 3


@pytest.mark.parametrize(("status", "attempts"), [(302, 1), (401, 1), (413, 1), (500, 4)])
def test_a_refused_report_costs_nothing_else(
    agent: LocalAgent, no_pauses: None, caplog: pytest.LogCaptureFixture, status: int, attempts: int
) -> None:
    """R59: the call ended as it should, one line is logged, the id is not in it."""
    with front(agent, status) as door:
        call = upload(agent, door, enable_call_reports=True)
        assert call.report_upload is not None
        error = call.report_upload.exception(20)
        assert str(status) in str(error)
        assert len(door.posts) == attempts
        secret = door.posts[0][1]["x-call-report-id"]
    assert call.termination_reason is not None
    assert call.termination_reason.error is None
    lines = [record.getMessage() for record in caplog.records if record.name == "telnyx_agent.quality"]
    assert len(lines) == 1
    assert "could not be uploaded" in lines[0]
    assert secret not in lines[0]


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
            client.connect(one, agent.configuration).result(20)
            call = client.new_call(destination_number="+15550100")
            call.wait_until_active(20)
            call.hangup().result(20)
    assert len(posted) == 2 * count
    if count:
        assert len(posted[0]["logs"]) > 2
        assert len(posted[1]["logs"]) == 2
