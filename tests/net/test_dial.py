"""From host and port to a connection: look-ups, proxies, a first login that is refused for the moment, reports."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from telnyx_agent import ClientConfigurationError, NetworkError, ServerError, TxClient, TxServerConfiguration
from telnyx_agent._net.proxies import choose_proxy
from telnyx_agent._net.socket import Wire
from telnyx_agent._quality import upload
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, Scenario
from tests.net.sockets import Authority, Client, Peer, raw_server
from tests.support.proxies import TestProxy


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("tls"))


def test_to_wait_for_a_look_up_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waiting thread sleeps."""
    look_up = socket.getaddrinfo

    def slow(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if host == "localhost" and not kwargs.get("flags"):
            time.sleep(0.4)
        return look_up(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    waits: list[float] = []
    wait = Wire._wait
    monkeypatch.setattr(Wire, "_wait", lambda *args: waits.append(time.monotonic()) or wait(*args))
    wire = Wire()
    begin = time.thread_time()
    assert wire.look_up("localhost") in ("127.0.0.1", "::1")
    assert time.thread_time() - begin < 0.2
    assert len(waits) <= 2
    wire.release()


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("https_proxy", "https://proxy:1", "https:// is not supported"),
        ("HTTPS_PROXY", "socks4://proxy:1", "socks4:// is not supported"),
        ("all_proxy", "http://proxy:99999", "port"),
        ("ALL_PROXY", "http://proxy:0", "port"),
        ("https_proxy", "http://proxy:x", "port"),
        ("https_proxy", "http://", "no host"),
        ("https_proxy", "CANARY://proxy", "scheme"),
        ("https_proxy", "http://[::1", "no host"),
    ],
)
def test_an_unusable_variable_is_named(variable: str, value: str, words: str) -> None:
    """Which one, why, and what to do; not its value, which may hold a password."""
    with pytest.raises(ClientConfigurationError) as caught:
        choose_proxy(None, "rtc.telnyx.com", 443, secure=True, environment={variable: value})
    text = str(caught.value)
    assert f"the environment variable {variable} " in text
    assert words in text
    assert "no_proxy" in text
    assert "CANARY" not in text


def test_a_variable_is_named_when_its_proxy_fails(loop: LoopThread, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was not found, or wants a password."""
    monkeypatch.setenv("http_proxy", "foo.invalid")
    text = str(Client.to("ws://server.invalid", loop).closed(5.0).error)
    assert "the proxy foo.invalid was not found" in text
    assert "environment variable http_proxy: correct it" in text
    with TestProxy(username="user", password="secret").running() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        text = str(Client.to("ws://server.invalid", loop).closed(5.0).error)
    assert "from the environment variable http_proxy" in text
    assert "http://user:password@host:port" in text


def relay(peer: Peer, port: int) -> None:
    """On to the agent, until one of both closes."""
    with socket.create_connection(("127.0.0.1", port)) as there:
        other = threading.Thread(target=pump, args=(there, peer.sock), daemon=True)
        other.start()
        pump(peer.sock, there)
        other.join(5)


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("status", [429, 503])
def test_a_first_login_is_tried_again(status: int) -> None:
    """A server that is overloaded for a moment costs a second, not the login."""
    refused: list[float] = []
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.fast()) as agent:

        def handle(peer: Peer) -> None:
            if not refused:
                refused.append(time.monotonic())
                peer.read_request()
                peer.sock.sendall(b"HTTP/1.1 %d Not now\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n" % status)
            else:
                relay(peer, agent.port)

        with raw_server(handle) as port, TxClient(audio=NullAudio()) as client:
            configuration = TxServerConfiguration(f"ws://127.0.0.1:{port}", ())
            client.anonymous_login("assistant-1", server_configuration=configuration).result(10)
            assert time.monotonic() - refused[0] >= 1.0
            client.disconnect().result(5)


IDENTITY = upload.UploadIdentity("SECRET-ID")
PAYLOAD = {"summary": {"callId": "1"}}


def post(port: int, url: str = "http://127.0.0.1:{}/call_report", **options: Any) -> BaseException | int | None:
    future = upload.post_report(url.format(port), PAYLOAD, IDENTITY, tls={}, retry_delays=(), **options)
    return future.exception(10) or future.result(0)


def answering(answer: bytes) -> Callable[[Peer], None]:
    def handle(peer: Peer) -> None:
        peer.read_request()
        with contextlib.suppress(OSError):
            peer.sock.sendall(answer)

    return handle


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_report_follows_no_redirect(status: int) -> None:
    """Its headers are a credential for one server."""
    visited = threading.Event()
    with raw_server(lambda peer: visited.set()) as other:
        head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: http://127.0.0.1:{other}/\r\nContent-Length: 0\r\n\r\n"
        with raw_server(answering(head.encode())) as port:
            error = post(port)
    assert isinstance(error, ServerError)
    assert error.server_code == status
    assert not visited.is_set()


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 999 odd\r\n\r\n", b"HTTP/1.1 200 " + b"x" * 100_000, b"\n\n"],
    ids=["nothing", "another protocol", "no status", "endless", "empty"],
)
def test_a_report_and_odd_answers(answer: bytes) -> None:
    """An error, and no more of the answer than its head is read."""
    with raw_server(answering(answer)) as port:
        assert isinstance(post(port), (NetworkError, OSError))


def test_a_report_and_interim_answers() -> None:
    """Only the last head counts; what comes behind it is not read."""
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1000000\r\n\r\n"
    with raw_server(answering(answer)) as port:
        assert post(port) == 201


def test_a_report_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it together, however often a byte comes."""
    monkeypatch.setattr(upload, "TIMEOUT", 0.5)
    gone = threading.Event()

    def trickle(peer: Peer) -> None:
        peer.read_request()
        with contextlib.suppress(OSError):
            while not gone.wait(0.05):
                peer.sock.sendall(b"x")

    begin = time.monotonic()
    with raw_server(trickle) as port:
        error = post(port)
        gone.set()
    assert isinstance(error, TimeoutError)
    assert time.monotonic() - begin < 4.0


def test_a_report_goes_by_https_only() -> None:
    """Except to this machine."""
    error = post(1, "http://reports.invalid:{}/call_report")
    assert isinstance(error, ClientConfigurationError)
    assert "https" in str(error)


def test_a_report_is_sent_only_where_the_pin_fits(authority: Authority) -> None:
    """The same look at the certificate as for the session."""
    seen: list[bytes] = []

    def handle(peer: Peer) -> None:
        seen.append(peer.read_request())
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with raw_server(handle, context=authority.server_context("localhost")) as port:
        for accepted in (False, True):
            tls = {"ca_certs": str(authority.file), "check_certificate": lambda der, answer=accepted: answer}
            url = f"https://localhost:{port}/call_report"
            future = upload.post_report(url, PAYLOAD, IDENTITY, tls=tls, retry_delays=())
            assert (future.exception(10) is None) is accepted
            if not accepted:
                assert not any(seen)
    assert any(b"SECRET-ID" in request for request in seen)


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread.acquire()
    yield thread
    thread.release()
