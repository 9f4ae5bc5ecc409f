"""From host and port to a connection: the program's look at the certificate, words for what went wrong, reports."""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest
import websocket
from websockets.sync.server import ServerConnection

from telnyx_agent import ClientConfigurationError, NetworkError, ServerError, TxClient, TxServerConfiguration
from telnyx_agent._quality import upload
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent._runtime.proxies import choose_proxy
from telnyx_agent._runtime.tls import check_certificate, check_tls_options, tls_context
from telnyx_agent._runtime.wire import Wire
from telnyx_agent._signaling_errors import explain
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, Scenario
from tests.runtime.sockets import Authority, Client, Peer, raw_server, ws_server
from tests.support.proxies import TestProxy


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("tls"))


async def coroutine(certificate: bytes) -> bool:
    return True


def drain(connection: ServerConnection) -> None:
    """Take whatever comes."""
    for _ in connection:
        pass


def leave(certificate: bytes) -> bool:
    raise SystemExit(3)


# -- the program's look at the certificate -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer", [False, None, 1, "yes", np.True_, [True], object()], ids=lambda answer: type(answer).__name__
)
def test_only_true_is_a_yes(answer: Any) -> None:
    """What happens to be true has not looked."""
    check_certificate({"check_certificate": lambda der: True}, b"", "here")
    with pytest.raises(NetworkError, match="check_certificate"):
        check_certificate({"check_certificate": lambda der: answer}, b"", "here")


@pytest.mark.parametrize("check", [lambda der: coroutine(der), leave], ids=["coroutine", "SystemExit"])
def test_no_look_is_a_no(check: Callable[[bytes], Any]) -> None:
    """A coroutine comes back, and is closed; or whatever is raised."""
    with pytest.raises(NetworkError, match="check_certificate failed"):
        check_certificate({"check_certificate": check}, b"", "here")


class Asynchronous:
    async def __call__(self, certificate: bytes) -> bool:
        return True


@pytest.mark.parametrize(
    "check",
    [coroutine, functools.partial(coroutine), Asynchronous(), Asynchronous().__call__, bool, "pins", lambda: True],
    ids=["async def", "partial", "object", "method", "class", "text", "no parameter"],
)
def test_what_cannot_look_is_refused_when_it_is_given(check: Any) -> None:
    """Before anything is connected."""
    with pytest.raises(ClientConfigurationError, match="check_certificate"):
        TxServerConfiguration(check_certificate=check)


def test_a_check_that_hangs(loop: LoopThread, authority: Authority) -> None:
    """The connection ends in time all the same, and says why; one that is closed meanwhile ends at once."""
    gate = threading.Event()
    sslopt = {"ca_certs": str(authority.file), "check_certificate": lambda der: gate.wait(20)}
    try:
        with ws_server(drain, ssl=authority.server_context("localhost")) as port:
            url = f"wss://localhost:{port}"
            late = Client.to(url, loop, sslopt=sslopt, connect_timeout=0.8).closed(5.0)
            assert "check_certificate did not answer in time" in str(late.error)
            client = Client.to(url, loop, sslopt=sslopt)
            time.sleep(0.3)
            client.connection.close()
            assert client.closed(2.0).error is None
    finally:
        gate.set()


CHANGES: dict[str, Callable[[ssl.SSLContext], None]] = {
    "no verification": lambda context: (
        setattr(context, "check_hostname", False),
        setattr(context, "verify_mode", ssl.CERT_NONE),
    )[0],
    "optional": lambda context: setattr(context, "verify_mode", ssl.CERT_OPTIONAL),
    "any name": lambda context: setattr(context, "check_hostname", False),
    "TLS 1.0": lambda context: setattr(context, "minimum_version", ssl.TLSVersion.TLSv1),
}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("name", CHANGES)
def test_a_context_that_is_changed_later(name: str, loop: LoopThread, authority: Authority) -> None:
    """It is looked at again when the connection is made."""
    context = ssl.create_default_context(cafile=str(authority.file))
    check_tls_options({"context": context})
    CHANGES[name](context)
    with pytest.raises(ClientConfigurationError):
        tls_context({"context": context})


def test_what_was_not_verified_is_refused_after_the_handshake(loop: LoopThread, authority: Authority) -> None:
    """However it came to that."""
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname = False
    careless.verify_mode = ssl.CERT_NONE
    with ws_server(drain, ssl=authority.server_context("localhost")) as port:
        wire = Wire()
        try:
            wire.begin_phase(5.0)
            wire.connect("127.0.0.1", port, ())
            with pytest.raises(ClientConfigurationError, match="changed meanwhile"):
                wire.start_tls(careless, "localhost")
        finally:
            wire.release()


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


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 307, 400, 401, 403, 404, 407, 408, 418, 426, 429, 500, 502, 503, 504, 599])
def test_each_status_has_its_words(status: int) -> None:
    """The number, what it means, and what to do."""
    exc = websocket.WebSocketBadStatusException("status %d", status, None, {"retry-after": "7"})
    error = explain(exc, "here", 443, 5.0)
    assert isinstance(error, ServerError)
    assert (error.server_code, error.retry_after) == (status, 7.0)
    assert f"here:443 answered with HTTP status {status}: " in str(error)


def test_statuses_differ() -> None:
    """401 and 503 are told apart, and so are all others that mean something."""
    texts = {
        str(explain(websocket.WebSocketBadStatusException("%d", status), "h", 1, 5.0)).partition(": ")[2]
        for status in (302, 400, 401, 403, 404, 407, 408, 426, 429, 500, 502, 503, 504)
    }
    assert len(texts) == 13


@pytest.mark.parametrize(
    ("header", "seconds"), [("0", 0.0), ("120", 120.0), ("soon", None), ("", None), ("-5", None), ("9" * 20, None)]
)
def test_retry_after(header: str, seconds: float | None) -> None:
    """Seconds; other things are none."""
    exc = websocket.WebSocketBadStatusException("%d", 503, None, {"retry-after": header})
    assert explain(exc, "h", 1, 5.0).retry_after == seconds  # type: ignore[attr-defined]


def test_retry_after_a_date() -> None:
    """HTTP knows both forms."""
    date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=60), usegmt=True)
    exc = websocket.WebSocketBadStatusException("%d", 503, None, {"retry-after": date})
    assert 55 < explain(exc, "h", 1, 5.0).retry_after < 61  # type: ignore[attr-defined]


# -- proxies -----------------------------------------------------------------------------------------------------------


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


# -- a first login that is refused for the moment ----------------------------------------------------------------------


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


# -- reports -----------------------------------------------------------------------------------------------------------

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
