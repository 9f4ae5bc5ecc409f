"""Proxies: which one is taken, and the WebSocket through real ones; no password in any text."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from websockets.sync.server import ServerConnection

from telnyx_agent import ClientConfigurationError, NetworkError, TxClient, TxServerConfiguration
from telnyx_agent._net.proxies import Proxy, choose_proxy, is_loopback, open_tunnel, parse_proxy
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, Scenario
from tests.net.sockets import Authority, Client, ws_server
from tests.support.bad_servers import refusing_port, silent_server
from tests.support.proxies import TestProxy

SECRET = "CANARY"


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread.acquire()
    yield thread
    thread.release()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("tls"))


def echo(connection: ServerConnection) -> None:
    with contextlib.suppress(Exception):  # a client that goes away is no failure of the server
        for message in connection:
            connection.send(message)


# -- which one ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy:3128", Proxy("http", "proxy", 3128)),
        ("proxy:3128", Proxy("http", "proxy", 3128)),
        ("http://proxy", Proxy("http", "proxy", 80)),
        ("http://user:p%40ss@proxy:1", Proxy("http", "proxy", 1, "user", "p@ss")),
        ("socks5://[::1]", Proxy("socks5", "::1", 1080)),
        ("socks5h://proxy", Proxy("socks5h", "proxy", 1080)),
        ("socks5h://user@proxy:9050/", Proxy("socks5h", "proxy", 9050, "user")),
    ],
)
def test_urls_of_proxies(url: str, proxy: Proxy) -> None:
    """Every form in use."""
    assert parse_proxy(url) == proxy


@pytest.mark.parametrize(
    "url",
    [
        "https://CANARY@proxy",
        "socks4://CANARY@proxy",
        "http://CANARY:CANARY@",
        "http://CANARY@proxy:x",
        "http://[CANARY",
        f"socks5://{'CANARY' * 50}@proxy",
    ],
)
def test_unusable_proxies_are_refused(url: str) -> None:
    """When the configuration is made, and without quoting what may be a password."""
    with pytest.raises(ClientConfigurationError) as caught:
        TxServerConfiguration(proxy=url)
    assert SECRET not in "".join(traceback.format_exception(None, caught.value, None))


ENVIRONMENT = {"https_proxy": "http://secure:1", "http_proxy": "http://plain:2", "ALL_PROXY": "socks5://all:3"}


@pytest.mark.parametrize(
    ("environment", "secure", "host"),
    [
        (ENVIRONMENT, True, "secure"),
        (ENVIRONMENT, False, "plain"),
        ({"HTTPS_PROXY": "capitals:1"}, True, "capitals"),
        ({"HTTP_PROXY": "set-by-strangers:1"}, False, None),
        ({"ALL_PROXY": "socks5://all:3"}, True, "all"),
        ({"https_proxy": ""}, True, None),
        ({}, True, None),
    ],
)
def test_the_environment_is_asked(environment: dict[str, str], secure: bool, host: str | None) -> None:
    """By scheme, in small letters first."""
    chosen = choose_proxy(None, "rtc.telnyx.com", 443, secure=secure, environment=environment)

    assert (chosen and chosen.host) == host
    assert choose_proxy("", "rtc.telnyx.com", 443, secure=secure, environment=environment) is None
    own = choose_proxy("http://mine:1", "127.0.0.1", 443, secure=secure, environment={"no_proxy": "*"})
    assert own == Proxy("http", "mine", 1)


@pytest.mark.parametrize(
    ("exceptions", "is_direct"),
    [
        ("*", True),
        ("rtc.telnyx.com", True),
        ("telnyx.com", True),
        (".telnyx.com", True),
        ("*.telnyx.com", True),
        ("a.org, TELNYX.com ,b.org", True),
        ("rtc.telnyx.com:443", True),
        ("rtc.telnyx.com:80", False),
        ("elnyx.com", False),
        ("com.telnyx", False),
        ("rtc.telnyx.com:\N{SUPERSCRIPT TWO}", False),
        ("rtc.telnyx.com:" + "4" * 5000, False),
        ("10.0.0.0/8", False),
        ("", False),
    ],
)
def test_exceptions_by_name(exceptions: str, is_direct: bool) -> None:
    """`no_proxy`, as other programs read it."""
    environment = {**ENVIRONMENT, "NO_PROXY": exceptions}
    for host in ("rtc.telnyx.com", "RTC.Telnyx.com", "rtc.telnyx.com."):
        chosen = choose_proxy(None, host, 443, secure=True, environment=environment)
        assert (chosen is None) == is_direct, host


@pytest.mark.parametrize(
    ("host", "exceptions", "is_direct"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:443", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("2001:db8::1", "2001:db8::/32", True),
        ("2001:db8::1", "[2001:db8::1]", True),
        ("127.9.9.9", "", True),
        ("::1", "", True),
        ("::ffff:127.0.0.1", "", True),
        ("localhost", "", True),
    ],
)
def test_exceptions_by_address(host: str, exceptions: str, is_direct: bool) -> None:
    """Addresses, networks, and this machine, which the environment's proxies are never for."""
    chosen = choose_proxy(None, host, 443, secure=True, environment={**ENVIRONMENT, "no_proxy": exceptions})
    assert (chosen is None) == is_direct


def test_what_is_this_machine() -> None:
    """By the name or address only."""
    assert [is_loopback(host) for host in ("LocalHost", "localhost.", "127.0.0.1", "::1")] == [True] * 4
    assert [is_loopback(host) for host in ("localhost.evil.example", "128.0.0.1", "127.0.0.1.evil.example", "")] == [
        False
    ] * 4


# -- through real ones -------------------------------------------------------------------------------------------------

PROXIES = [
    TestProxy("http"),
    TestProxy("http", "user", f"{SECRET}:@/ä"),
    TestProxy("socks5"),
    TestProxy("socks5", "user", f"{SECRET}ä"),
]


@pytest.mark.parametrize("which", range(4), ids=["http", "http with a password", "socks5", "socks5 with a password"])
@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_the_websocket_goes_through(loop: LoopThread, authority: Authority, which: int, secure: bool) -> None:
    """Texts both ways; TLS is with the server, not with the proxy."""
    model = PROXIES[which]
    options: dict[str, Any] = {"ssl": authority.server_context("localhost")} if secure else {}
    with ws_server(echo, **options) as port:
        with TestProxy(model.kind, model.username, model.password).running() as proxy:
            client = Client.to(
                f"{'wss' if secure else 'ws'}://localhost:{port}",
                loop,
                sslopt={"ca_certs": str(authority.file)},
                proxy=_quoted(proxy),
            ).wait_open()
            client.connection.send("hello")
            assert client.text() == "hello"
            client.connection.close()
            assert client.closed(2.0).error is None
    # What looked the name up is the proxy with HTTP, and we ourselves with socks5.
    host = "localhost" if model.kind == "http" else "127.0.0.1"
    assert proxy.targets in ([f"{host}:{port}"], [f"::1:{port}"])


def test_the_proxy_may_look_up_names(loop: LoopThread) -> None:
    """`socks5h`: the name goes to the proxy as it is."""
    with ws_server(echo) as port, TestProxy("socks5").running() as proxy:
        client = Client.to(f"ws://localhost:{port}", loop, proxy=proxy.url("socks5h")).wait_open()
        client.connection.close()
        client.closed(2.0)
    assert proxy.targets == [f"localhost:{port}"]


def test_a_client_through_the_environments_proxy(monkeypatch: pytest.MonkeyPatch, loop: LoopThread) -> None:
    """`http_proxy` is for servers elsewhere; a local agent is reached directly."""
    with refusing_port() as nobody:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{nobody}")
        monkeypatch.delenv("no_proxy", raising=False)
        with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.fast()) as agent:
            with TxClient(audio=NullAudio()) as client:
                client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        closed = Client.to("ws://telnyx.invalid/", loop).closed(5.0)
    assert isinstance(closed.error, NetworkError)
    assert f"the proxy 127.0.0.1:{nobody} refused" in str(closed.error)


def test_a_client_through_a_proxy_of_its_own() -> None:
    """A whole login."""
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.fast()) as agent:
        with TestProxy("http").running() as proxy, TxClient(audio=NullAudio()) as client:
            configuration = TxServerConfiguration(agent.url, (), proxy=proxy.url())
            client.anonymous_login("assistant-1", server_configuration=configuration).result(10)
            client.disconnect().result(5)
    assert proxy.targets == [f"127.0.0.1:{agent.port}"]


def _quoted(proxy: TestProxy) -> str:
    user = "" if proxy.username is None else f"{proxy.username}:{quote(proxy.password or '', safe='')}@"
    return f"{proxy.kind}://{user}127.0.0.1:{proxy.port}"


# -- those that will not -----------------------------------------------------------------------------------------------


def refused(proxy: TestProxy, loop: LoopThread, url: str, port: int = 9) -> str:
    """What the network error says."""
    error = Client.to(f"ws://user:{SECRET}@localhost:{port}/?{SECRET}", loop, proxy=url).closed(5.0).error
    assert isinstance(error, NetworkError)
    shown = "".join(traceback.format_exception(type(error), error, error.__traceback__)) + repr(error)
    assert SECRET not in shown
    return str(error)


@pytest.mark.parametrize("kind", ["http", "socks5"])
@pytest.mark.parametrize("user", ["", f"user:{SECRET}@"], ids=["no password", "a wrong password"])
def test_wrong_passwords(loop: LoopThread, kind: str, user: str) -> None:
    """Said, and not shown. The word for a refused login stays with the server's refusal."""
    with TestProxy(kind, "user", "right").running() as proxy:  # type: ignore[arg-type]
        text = refused(proxy, loop, f"{kind}://{user}127.0.0.1:{proxy.port}")
    assert "user name and password" in text or "another way to log in" in text
    assert "authentication" not in text


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_a_server_that_the_proxy_cannot_reach(loop: LoopThread, kind: str) -> None:
    """It says so, and so do we."""
    with refusing_port() as port, TestProxy(kind).running() as proxy:  # type: ignore[arg-type]
        text = refused(proxy, loop, proxy.url(), port)
    assert "502" in text or "refused the connection" in text


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("http", b"SSH-2.0-OpenSSH_9.0\r\n\r\n"),
        ("http", b""),
        ("http", b"HTTP/1.1 CANARY\r\n\r\n"),
        ("http", b"HTTP/1.1 403 CANARY\r\n\r\nCANARY"),
        ("http", b"HTTP/1.1 200 OK\r\n" + b"X: CANARY\r\n" * 5000),
        ("socks5", b"\x04\x5b"),
        ("socks5", b"\x05\x01"),
        ("socks5", b""),
        ("socks5", b"\x05\x00\x05\x02\x00\x01"),
        ("socks5", b"\x05\x00\x05\x63\x00\x01"),
        ("socks5", b"\x05\x00\x04\x00\x00\x01"),
    ],
)
def test_what_is_no_proxy(loop: LoopThread, kind: str, answer: bytes) -> None:
    """Whatever it answers, it is a network error that names the proxy and quotes nothing."""
    with TestProxy(kind, answer=answer).running() as proxy:  # type: ignore[arg-type]
        assert f"127.0.0.1:{proxy.port}" in refused(proxy, loop, proxy.url())


def test_a_silent_proxy(loop: LoopThread) -> None:
    """The connect time-out holds for it as well, and so does `close`."""
    with silent_server() as port:
        client = Client.to("ws://localhost:9", loop, proxy=f"http://127.0.0.1:{port}", connect_timeout=0.3)
        assert isinstance(client.closed(3.0).error, NetworkError)
        client = Client.to("ws://localhost:9", loop, proxy=f"socks5://127.0.0.1:{port}", connect_timeout=60)
        begin = time.monotonic()
        client.connection.close()
        assert client.closed(3.0).error is None
        assert time.monotonic() - begin < 2.0


def test_a_proxy_that_is_not_there(loop: LoopThread) -> None:
    """It is the proxy that is not there, not the server."""
    closed = Client.to("ws://localhost:9", loop, proxy="http://proxy.invalid:1").closed(6.0)
    assert "the proxy proxy.invalid" in str(closed.error)


# -- configuration -----------------------------------------------------------------------------------------------------


def test_pinning(loop: LoopThread, authority: Authority) -> None:
    """The hook sees the certificate once it is verified, and has the last word."""
    seen: list[bytes] = []

    def broken(certificate: bytes) -> bool:
        raise KeyError("pins")

    with ws_server(echo, ssl=authority.server_context("localhost")) as port:
        for check, accepted in (
            (lambda der: seen.append(der) or True, True),
            (lambda der: False, False),
            (broken, False),
        ):
            sslopt = {"ca_certs": str(authority.file), "check_certificate": check}
            client = Client.to(f"wss://localhost:{port}", loop, sslopt=sslopt)
            if accepted:
                client.wait_open().connection.close()
                assert client.closed(3.0).error is None
            else:
                error = client.closed(3.0).error
                assert isinstance(error, NetworkError)
                assert "check_certificate" in str(error)
        untrusted = Client.to(f"wss://localhost:{port}", loop, sslopt={"check_certificate": seen.append})
        assert "TLS certificate" in str(untrusted.closed(3.0).error)
    (certificate,) = seen
    assert certificate == server_certificate(authority)


def server_certificate(authority: Authority) -> bytes:
    """Of the last server that the authority has vouched for."""
    text = (authority.directory / "server.pem").read_text()
    return ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE") :])


def test_a_client_with_a_ca_file_and_a_pin(authority: Authority) -> None:
    """From `TxServerConfiguration` to the wire: a login over TLS, to a proxy in front of a local agent."""
    seen: list[bytes] = []
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.fast()) as agent:
        with tls_in_front_of(agent.port, authority) as port, TxClient(audio=NullAudio()) as client:
            configuration = TxServerConfiguration(
                f"wss://localhost:{port}",
                (),
                ca_file=authority.file,
                check_certificate=lambda der: not seen.append(der),
            )
            client.anonymous_login("assistant-1", server_configuration=configuration).result(10)
            client.disconnect().result(5)
            bare = TxServerConfiguration(f"wss://localhost:{port}", ())
            with pytest.raises(NetworkError, match="TLS certificate"):
                client.anonymous_login("assistant-1", server_configuration=bare).result(10)
    assert len(seen) == 1


@contextlib.contextmanager
def tls_in_front_of(port: int, authority: Authority) -> Iterator[int]:
    """TLS on a port of its own, in front of a server without."""
    context = authority.server_context("localhost")
    threads: list[threading.Thread] = []
    sockets: list[socket.socket] = []

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                try:
                    secure = context.wrap_socket(sock, server_side=True)
                except OSError:  # the client does not trust us
                    sock.close()
                    continue
                server = socket.create_connection(("127.0.0.1", port))
                sockets.extend((secure, server))
                for pair in ((secure, server), (server, secure)):
                    threads.append(threading.Thread(target=pump, args=pair, daemon=True))
                    threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            acceptor.join(5)
            for sock in sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(5)
            for sock in sockets:
                sock.close()


# -- SOCKS5, byte by byte (RFC 1928, RFC 1929) -------------------------------------------------------------------------


class Said:
    """A stream on which the proxy says this, one byte at a time."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = b"".join(answers)
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> int:
        self.sent.append(data)
        return len(data)

    def recv(self, size: int) -> bytes:
        assert size > 0
        part, self._answers = self._answers[:1], self._answers[1:]
        return part

    def look_up(self, host: str) -> str:
        return "192.0.2.7"

    @property
    def left(self) -> bytes:
        return self._answers


DONE = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"
ACCOUNT: dict[str, Any] = {"username": "me", "password": "PaSs"}


@pytest.mark.parametrize(
    ("kind", "host", "address"),
    [
        ("socks5", "192.0.2.1", b"\x01\xc0\x00\x02\x01"),
        ("socks5", "2001:db8::1", b"\x04" + bytes.fromhex("20010db8000000000000000000000001")),
        ("socks5", "a.example", b"\x01\xc0\x00\x02\x07"),  # looked up here
        ("socks5h", "a.example", b"\x03\x09a.example"),  # by the proxy
        ("socks5h", "192.0.2.1", b"\x01\xc0\x00\x02\x01"),
    ],
)
def test_what_a_socks_proxy_is_asked_for(kind: Any, host: str, address: bytes) -> None:
    """Each kind of address in its form, and the port behind it, high byte first."""
    stream = Said(b"\x05\x00", DONE)
    open_tunnel(stream, Proxy(kind, "proxy", 1080), host, 0x1234)
    assert stream.sent == [b"\x05\x01\x00", b"\x05\x01\x00" + address + b"\x12\x34"]


@pytest.mark.parametrize(
    "bound", [b"\x01" + bytes(4), b"\x04" + bytes(16), b"\x03\x00", b"\x03\x05abcde"], ids=["4", "6", "no name", "name"]
)
def test_a_socks_answer_is_read_to_its_end(bound: bytes) -> None:
    """And not beyond it: what comes next is the server's."""
    stream = Said(b"\x05\x00", b"\x05\x00\x00" + bound + b"\x00\x50", b"next")
    open_tunnel(stream, Proxy("socks5", "proxy", 1080), "192.0.2.1", 443)
    assert stream.left == b"next"


@pytest.mark.parametrize(("method", "login"), [(0, []), (2, [b"\x01\x02me\x04PaSs"])])
def test_a_socks_proxy_chooses_whether_to_log_in(method: int, login: list[bytes]) -> None:
    """Both are offered where there is a name."""
    answers = [bytes([5, method]), *([b"\x01\x00"] if login else []), DONE]
    stream = Said(*answers)
    open_tunnel(stream, Proxy("socks5", "proxy", 1080, **ACCOUNT), "192.0.2.1", 443)
    assert stream.sent[:-1] == [b"\x05\x02\x00\x02", *login]


@pytest.mark.parametrize(
    ("answers", "secret", "words"),
    [
        (b"\x04\x00", {}, "did not answer as a SOCKS5 proxy does"),
        (b"\x05\x01", {}, "did not answer as a SOCKS5 proxy does"),
        (b"\x05\x02", {}, "did not answer as a SOCKS5 proxy does"),
        (b"\x05\x01", ACCOUNT, "did not answer as a SOCKS5 proxy does"),
        (b"\x05\xff", {}, "wants another way to log in"),
        (b"\x05\xff", ACCOUNT, "wants another way to log in"),
        (b"\x05\x02\x01\x01", ACCOUNT, "wants another user name and password"),
        (b"\x05\x00\x04\x00\x00\x01", {}, "did not answer as a SOCKS5 proxy does"),
        (b"\x05\x00\x05\x01\x00\x01", {}, "it failed"),
        (b"\x05\x00\x05\x02\x00\x01", {}, "its rules forbid that"),
        (b"\x05\x00\x05\x03\x00\x01", {}, "it cannot reach the network"),
        (b"\x05\x00\x05\x04\x00\x01", {}, "it cannot reach the host"),
        (b"\x05\x00\x05\x05\x00\x01", {}, "the host refused the connection"),
        (b"\x05\x00\x05\x06\x00\x01", {}, "the connection took too long"),
        (b"\x05\x00\x05\x07\x00\x01", {}, "it does not know CONNECT"),
        (b"\x05\x00\x05\x08\x00\x01", {}, "it does not know this kind of address"),
        (b"\x05\x00\x05\x09\x00\x01", {}, "error 9"),
        (b"", {}, "closed the connection"),
        (b"\x05", {}, "closed the connection"),
        (b"\x05\x00" + DONE[:-1], {}, "closed the connection"),
    ],
)
def test_what_a_socks_proxy_may_say_instead(answers: bytes, secret: dict[str, Any], words: str) -> None:
    """Each in words, and never with the password."""
    with pytest.raises(NetworkError, match=words) as caught:
        open_tunnel(Said(answers), Proxy("socks5", "proxy", 1080, **secret), "192.0.2.1", 443)
    assert "PaSs" not in str(caught.value)
    assert "proxy:1080" in str(caught.value)


@pytest.mark.parametrize("status", [200, 299])
def test_what_an_http_proxy_is_asked_for(status: int) -> None:
    """CONNECT, with the name and password where there are some; any 2xx is a yes."""
    answer = b"HTTP/1.1 %d fine\r\n\r\n" % status
    stream = Said(answer)
    open_tunnel(stream, Proxy("http", "proxy", 3128), "a.example", 443)
    assert b"".join(stream.sent) == b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"
    stream = Said(answer, b"next")
    open_tunnel(stream, Proxy("http", "proxy", 3128, **ACCOUNT), "2001:db8::1", 443)
    head = b"".join(stream.sent)
    assert head.startswith(b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n")
    assert head.endswith(b"Proxy-Authorization: Basic bWU6UGFTcw==\r\n\r\n")
    assert stream.left == b"next"


@pytest.mark.parametrize(("status", "words"), [(407, "another user name"), (300, "status 300"), (403, "status 403")])
def test_what_an_http_proxy_may_say_instead(status: int, words: str) -> None:
    """A refused tunnel is a `NetworkError` whose text fits the status."""
    with pytest.raises(NetworkError, match=words):
        open_tunnel(Said(b"HTTP/1.1 %d no\r\n\r\n" % status), Proxy("http", "proxy", 3128), "a.example", 443)
