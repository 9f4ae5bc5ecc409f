"""`run_network_check`: against the local agent, a real TURN server, and servers that are none."""

from __future__ import annotations

import contextlib
import os
import pty
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from telnyx_agent import ClientConfigurationError, IceServer, TxClient, TxServerConfiguration
from telnyx_agent.diagnosis import CheckResult, NetworkReport, Verdict, run_network_check
from telnyx_agent.testing import LocalAgent
from tests.support.bad_servers import _self_signed, answering_server, self_signed_server
from tests.support.requirements import require, which

USER, PASSWORD = "testuser", "correct-horse"


def by_name(report: NetworkReport) -> dict[str, CheckResult]:
    return {result.name: result for result in report.results}


def test_a_local_agent_is_in_reach(agent: LocalAgent) -> None:
    """DNS and the WebSocket; no ICE server is asked that the configuration does not name."""
    report = run_network_check(TxServerConfiguration(agent.url))
    assert [result.name for result in report.results] == ["dns", "ws"]
    assert report.ok
    assert report.verdict is Verdict.READY
    assert all(0.0 <= result.seconds < 5.0 for result in report.results)
    assert report.to_dict()["verdict"] == "ready"
    assert agent.frames == ()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_server_that_is_not_there_blocks() -> None:
    """The reason is in words."""
    report = run_network_check(TxServerConfiguration(f"ws://127.0.0.1:{free_port()}"))
    assert report.verdict is Verdict.BLOCKED
    result = by_name(report)["ws"]
    assert not result.ok
    assert "refused" in result.detail
    assert "FAILED" in str(report)


def test_a_name_that_does_not_exist_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system's resolver says."""

    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    report = run_network_check(TxServerConfiguration("wss://nowhere.invalid", ()), timeout=3.0)
    assert report.verdict is Verdict.BLOCKED
    (result,) = report.results
    assert result.name == "dns"
    assert "cannot be looked up" in result.detail


@pytest.mark.parametrize("never", [False, True])
def test_a_machine_without_dns_is_told_once(monkeypatch: pytest.MonkeyPatch, never: bool) -> None:
    """One cause, one mend; not a line for each server, and nothing about firewalls. Also where nobody ever answers."""
    go_on = threading.Event()

    def unknown(*args: object, **kwargs: object) -> None:
        if never:
            go_on.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    try:
        report = run_network_check(timeout=0.5)
    finally:
        go_on.set()
        # Those that were given up still look up; with the real resolver they would leave this machine.
        for thread in threading.enumerate():
            if thread.name.startswith("telnyx-agent"):
                thread.join(5)
    assert report.verdict is Verdict.BLOCKED
    (result,) = report.results
    assert result.name == "dns"
    assert "DNS server" in result.detail
    assert "firewall" not in str(report)


def test_a_name_that_is_not_known_is_the_only_thing_said_about_its_server(
    agent: LocalAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other servers are checked as ever."""
    real = socket.getaddrinfo

    def some(host: str, *args: object, **kwargs: object) -> object:
        if host == "turn.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", some)
    servers = (IceServer(["turn:turn.invalid?transport=tcp", "stun:turn.invalid"]),)
    report = run_network_check(TxServerConfiguration(agent.url, servers), timeout=3.0)
    assert [(result.name, result.ok) for result in report.results] == [("dns", True), ("dns", False), ("ws", True)]
    assert report.verdict is Verdict.DEGRADED


def test_tls_that_somebody_looks_into_names_the_mend(tmp_path: Path) -> None:
    """A certificate of a CA that nobody here knows, as companies' proxies and virus scanners show it."""
    with self_signed_server(tmp_path) as port:
        report = run_network_check(TxServerConfiguration(f"wss://127.0.0.1:{port}", ()))
    detail = by_name(report)["wss"].detail
    assert "ca_file" in detail
    assert "SSL_CERT_FILE" in detail


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "511 Network Authentication Required"])
def test_a_network_with_a_login_page_names_the_mend(status: str) -> None:
    """Hotels and trains answer every request themselves until somebody has logged in. They are not followed."""
    answer = f"HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:1/login\r\nContent-Length: 0\r\n\r\n".encode()
    with answering_server(answer) as (port, _):
        report = run_network_check(TxServerConfiguration(f"ws://127.0.0.1:{port}", ()))
    assert "open a browser" in by_name(report)["ws"].detail


def test_a_server_that_says_nothing_costs_the_time_out_and_no_more() -> None:
    """All checks run at once."""
    with socket.create_server(("127.0.0.1", 0)) as mute, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        tcp, udp = mute.getsockname()[1], deaf.getsockname()[1]
        servers = (
            IceServer(f"stun:127.0.0.1:{udp}"),
            IceServer(f"turn:127.0.0.1:{udp}?transport=udp", USER, PASSWORD),
            IceServer(f"turn:127.0.0.1:{tcp}?transport=tcp", USER, PASSWORD),
            IceServer(f"turns:127.0.0.1:{tcp}", USER, PASSWORD),
        )
        report = run_network_check(TxServerConfiguration(f"ws://127.0.0.1:{tcp}", servers), timeout=1.0)
    results = by_name(report)
    assert set(results) == {"dns", "ws", "stun", "turn-udp", "turn-tcp", "turn-tls"}
    assert not any(results[name].ok for name in ("ws", "stun", "turn-udp", "turn-tcp", "turn-tls"))
    assert all(result.seconds < 3.0 for result in report.results)
    assert "no answer within 1 s" in results["stun"].detail
    assert PASSWORD not in str(report) + repr(report)


def test_an_ice_server_out_of_reach_degrades(agent: LocalAgent) -> None:
    """Calls may work without it."""
    servers = (IceServer(f"turn:127.0.0.1:{free_port()}?transport=tcp", USER, PASSWORD),)
    report = run_network_check(TxServerConfiguration(agent.url, servers), timeout=2.0)
    assert report.verdict is Verdict.DEGRADED
    assert not report.ok
    assert "refused" in by_name(report)["turn-tcp"].detail.lower()


@pytest.mark.parametrize("timeout", [0.0, -1.0, 1000.0, float("nan")])
def test_an_unusable_time_out_is_refused(timeout: float) -> None:
    """Before anything is sent."""
    with pytest.raises(ClientConfigurationError, match="timeout"):
        run_network_check(TxServerConfiguration("ws://127.0.0.1:1"), timeout=timeout)


class Turn:
    """coturn on this machine, with a certificate of its own."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "turn.pem"
        self.certificate.write_bytes(_self_signed())
        self.port, self.tls_port = free_port(), free_port()
        options = {
            "listening-ip": "127.0.0.1",
            "relay-ip": "127.0.0.1",
            "listening-port": self.port,
            "tls-listening-port": self.tls_port,
            "cert": self.certificate,
            "pkey": self.certificate,
            "realm": "telnyx.test",
            "user": f"{USER}:{PASSWORD}",
            "log-file": "stdout",
            "pidfile": folder / "turn.pid",
            "userdb": folder / "turn.db",
        }
        command = [which("turnserver"), "-n", "--lt-cred-mech", "--no-cli", "--simple-log", "--verbose"]
        command += [f"--{name}={value}" for name, value in options.items()]
        # A terminal, or it would keep its last lines to itself.
        self._terminal, terminal = pty.openpty()
        try:
            self._process = subprocess.Popen(command, stdout=terminal, stderr=terminal, cwd=folder)
        finally:
            os.close(terminal)
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, *texts: str) -> None:
        def said() -> bool:
            return all(any(text in line for line in self.lines) for text in texts)

        with self._changed:
            assert self._changed.wait_for(said, 20), self.lines[-20:]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._reader.join(10)

    def servers(self, password: str = PASSWORD) -> tuple[IceServer, ...]:
        urls = (
            f"turn:127.0.0.1:{self.port}?transport=udp",
            f"turn:127.0.0.1:{self.port}?transport=tcp",
            f"turns:127.0.0.1:{self.tls_port}",
        )
        return (IceServer(f"stun:127.0.0.1:{self.port}"), *(IceServer(url, USER, password) for url in urls))

    def _read(self) -> None:
        # The end of a terminal is an error.
        with contextlib.suppress(OSError), open(self._terminal, encoding="utf-8", errors="replace") as output:
            for line in output:
                with self._changed:
                    self.lines.append(line)
                    self._changed.notify_all()


@pytest.fixture
def turn(tmp_path: Path) -> Iterator[Turn]:
    """Listening."""
    require("turnserver")
    server = Turn(tmp_path)
    try:
        server.wait_for(
            f"DTLS/UDP listener opened on: 127.0.0.1:{server.port}",
            f"TLS/TCP listener opened on : 127.0.0.1:{server.port}",
            f"TLS/TCP listener opened on : 127.0.0.1:{server.tls_port}",
        )
        yield server
    finally:
        server.close()


def test_a_real_turn_server_relays_over_udp_tcp_and_tls(agent: LocalAgent, turn: Turn) -> None:
    """An allocation with long-term credentials, given back at once."""
    configuration = TxServerConfiguration(agent.url, turn.servers(), ca_file=turn.certificate)
    report = run_network_check(configuration, timeout=10.0)
    assert report.ok, str(report)
    results = by_name(report)
    assert set(results) == {"dns", "ws", "stun", "turn-udp", "turn-tcp", "turn-tls"}
    assert "this machine is seen as 127.0.0.1:" in results["stun"].detail
    assert all("relays from 127.0.0.1:" in results[f"turn-{way}"].detail for way in ("udp", "tcp", "tls"))
    turn.wait_for("lifetime=0")


def test_a_wrong_credential_is_said_to_be_one(agent: LocalAgent, turn: Turn) -> None:
    """And is in no text."""
    configuration = TxServerConfiguration(agent.url, turn.servers("wrong-horse")[:3])
    results = by_name(run_network_check(configuration, timeout=10.0))
    assert results["stun"].ok
    assert not results["turn-udp"].ok
    assert "does not accept username and credential" in results["turn-udp"].detail
    nobody = (IceServer(f"turn:127.0.0.1:{turn.port}"),)
    detail = by_name(run_network_check(TxServerConfiguration(agent.url, nobody)))["turn-udp"].detail
    assert "wants a username" in detail


def test_a_certificate_that_nobody_knows_is_refused(agent: LocalAgent, turn: Turn) -> None:
    """TLS is verified here as everywhere."""
    report = run_network_check(TxServerConfiguration(agent.url, turn.servers()[3:]), timeout=10.0)
    result = by_name(report)["turn-tls"]
    assert not result.ok
    assert "certificate" in result.detail


def test_a_turns_port_that_speaks_no_tls(agent: LocalAgent) -> None:
    """A readable reason, no traceback."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            with server.accept()[0] as client:
                client.recv(10)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        servers = (IceServer(f"turns:127.0.0.1:{server.getsockname()[1]}", USER, PASSWORD),)
        result = by_name(run_network_check(TxServerConfiguration(agent.url, servers), timeout=5.0))["turn-tls"]
        thread.join(10)
    assert not result.ok
    assert "does not speak TLS (" in result.detail
    assert "is the port right?" in result.detail


@pytest.mark.parametrize("host", ["a..b", "a" * 70 + ".invalid", "."])
def test_a_name_that_no_dns_has_room_for(agent: LocalAgent, host: str) -> None:
    """Python refuses to look it up, with an error of another kind; the other servers are checked as ever."""
    report = run_network_check(TxServerConfiguration(agent.url, (IceServer(f"stun:{host}:1"),)), timeout=3.0)
    (result,) = (result for result in report.results if not result.ok)
    assert (result.name, result.target) == ("dns", host)
    assert "not a usable host name" in result.detail
    assert report.verdict is Verdict.DEGRADED
    blocked = run_network_check(TxServerConfiguration(f"wss://{host}", ()), timeout=3.0)
    assert blocked.verdict is Verdict.BLOCKED


def test_an_answer_without_an_address_is_none(agent: LocalAgent) -> None:
    """Whatever answers there is no STUN server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            request, address = server.recvfrom(2000)
            server.sendto(b"\x01\x01\0\0" + request[4:20], address)

        thread = threading.Thread(target=serve)
        thread.start()
        servers = (IceServer(f"stun:127.0.0.1:{server.getsockname()[1]}"),)
        result = by_name(run_network_check(TxServerConfiguration(agent.url, servers), timeout=5.0))["stun"]
        thread.join(10)
    assert not result.ok
    assert "no address in it; is it a STUN or TURN server?" in result.detail


@pytest.mark.parametrize("stun_is_known", [True, False])
def test_a_proxy_that_is_wrong_where_names_cannot_be_looked_up(
    monkeypatch: pytest.MonkeyPatch, stun_is_known: bool
) -> None:
    """The proxy looks the signalling server's name up, so the proxy is to blame, and is named; DNS is another cause, if
    it is one.
    """
    real = socket.getaddrinfo

    def some(host: str, *args: object, **kwargs: object) -> object:
        if host == "127.0.0.1" and stun_is_known:
            return real(host, *args, **kwargs)  # type: ignore[arg-type]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", some)
    for proxy, says in (("socks9://proxy.invalid", "https_proxy"), (f"http://127.0.0.1:{free_port()}", "proxy 127")):
        monkeypatch.setenv("https_proxy", proxy)
        configuration = TxServerConfiguration("wss://rtc.invalid", (IceServer("stun:127.0.0.1:9"),))
        report = run_network_check(configuration, timeout=2.0)
        assert report.verdict is Verdict.BLOCKED
        details = {result.name: result.detail for result in report.results if not result.ok}
        if stun_is_known or proxy.startswith("socks9"):
            assert says in details["wss"]
        assert ("dns" in details) is not stun_is_known


def test_the_client_checks_the_network_of_its_login(agent: LocalAgent, client: TxClient) -> None:
    """`client.server_configuration` says where it is, also while connected."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    report = run_network_check(client.server_configuration, timeout=3.0)
    assert report.ok
    assert by_name(report)["ws"].target == f"127.0.0.1:{agent.port}"
