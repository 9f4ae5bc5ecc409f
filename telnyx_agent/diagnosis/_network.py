"""`run_network_check`: DNS, the signalling server, STUN, and TURN over UDP, TCP and TLS - each with its time."""

from __future__ import annotations

import functools
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Any
from urllib.parse import urlsplit

import attrs

from .._net.connection import Closed, SignalingConnection
from .._net.proxies import choose_proxy
from .._net.tls import tls_context
from .._runtime.mends import certificate_problem
from .._runtime.workers import DaemonPool
from ..config import IceServer, TxServerConfiguration
from ..errors import ClientConfigurationError, TxError
from . import _stun
from ._results import CheckResult, Verdict, verdict_of

__all__ = ["NetworkReport", "run_network_check"]

_FIREWALL = "a firewall may be in the way"
_DNS_MEND = "connect this machine to the network, or correct the DNS server in the network's settings"
_RESEND_AFTER = 0.5


@attrs.frozen
class NetworkReport:
    """What a network check found.

    Attributes:
        results: One for each thing that was tried, in the order of the configuration.
    """

    results: tuple[CheckResult, ...]

    @property
    def ok(self) -> bool:
        """Whether everything worked."""
        return all(result.ok for result in self.results)

    @property
    def verdict(self) -> Verdict:
        """READY; DEGRADED if a server is out of reach that calls can do without; or BLOCKED."""
        return verdict_of(self.results)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "ok": self.ok,
            "verdict": self.verdict.value,
            "results": [attrs.asdict(result) for result in self.results],
        }

    def __str__(self) -> str:
        return "\n".join((*map(str, self.results), f"network: {self.verdict.value}"))


@attrs.frozen
class _Target:
    """One server and how to talk to it."""

    name: str
    host: str
    port: int
    transport: str
    server: IceServer | None = None

    @property
    def text(self) -> str:
        return f"{self.host}:{self.port}"


class _Failure(Exception):
    """A check did not work; the text says why."""


def run_network_check(configuration: TxServerConfiguration | None = None, *, timeout: float = 5.0) -> NetworkReport:
    """Try everything that a call needs of the network. Blocks for `timeout` and a little at most; all at once.

    Talks to nobody but the servers of the configuration. TURN servers are asked for an allocation, which is given back.

    Args:
        configuration: Signalling and ICE servers; Telnyx's production servers when not given. For a server on this
            machine no ICE server is tried that the configuration does not name itself.
        timeout: Seconds for each check.

    Raises:
        ClientConfigurationError: The time-out is not a positive number.
    """
    if not 0.0 < timeout <= 120.0:
        raise ClientConfigurationError(f"timeout is in seconds, up to 120; got {timeout!r}")
    configuration = TxServerConfiguration() if configuration is None else configuration
    tries: list[tuple[str, str, bool, Callable[[float], str]]] = []
    signaling = urlsplit(configuration.socket_url)
    secure = signaling.scheme == "wss"
    host, port = signaling.hostname or "", signaling.port or (443 if secure else 80)
    targets = _ice_targets(configuration)
    for name in dict.fromkeys((host, *(target.host for target in targets))):
        tries.append(("dns", name, name == host, functools.partial(_look_up, name)))
    tries.append(("wss" if secure else "ws", f"{host}:{port}", True, functools.partial(_upgrade, configuration)))
    for target in targets:
        check = _ask_stun if target.name == "stun" else _ask_turn
        tries.append((target.name, target.text, False, functools.partial(check, target, configuration)))
    pool = DaemonPool(len(tries), "telnyx-agent-check")
    started = [(name, target, needed, pool.submit(_timed, check, timeout)) for name, target, needed, check in tries]
    wait([future for _, _, _, future in started], timeout + 0.5)
    pool.shutdown(wait=False, cancel_futures=True)
    results = [_result(name, target, needed, future, timeout) for name, target, needed, future in started]
    hosts = {target.text: target.host for target in targets} | {f"{host}:{port}": host}
    return NetworkReport(_without_consequences(results, hosts, is_proxied=_is_proxied(configuration, host, port)))


def _is_proxied(configuration: TxServerConfiguration, host: str, port: int) -> bool:
    """Whether the signalling server's name is looked up by a proxy, or would be if its URL were right."""
    secure = configuration.socket_url.startswith("wss:")
    try:
        return choose_proxy(configuration.proxy, host, port, secure=secure, environment=os.environ) is not None
    except ClientConfigurationError:
        return True


def _without_consequences(
    results: list[CheckResult], hosts: Mapping[str, str], *, is_proxied: bool
) -> tuple[CheckResult, ...]:
    """Each cause once: nothing else is said about a host whose name could not be looked up.

    Args:
        results: All.
        hosts: The host of each target with a port.
        is_proxied: Whether a proxy looks the signalling server's name up: this machine need not be able to.
    """
    signaling = next(result for result in results if result.name in ("ws", "wss"))
    failed = [result for result in results if result.name == "dns" and not result.ok]
    if signaling.ok or is_proxied:
        failed = [result for result in failed if result.target != hosts[signaling.target]]
    unknown = {result.target for result in failed}
    kept = [
        result
        for result in results
        if (result.ok or result in failed if result.name == "dns" else hosts[result.target] not in unknown)
    ]
    if failed and not any(result.ok for result in results):
        cause = attrs.evolve(failed[0], detail=f"no name can be looked up: {failed[0].detail}", is_required=True)
        return (cause, signaling) if is_proxied else (cause,)
    return tuple(kept)


def _result(
    name: str, target: str, is_required: bool, future: Future[tuple[bool, float, str]], timeout: float
) -> CheckResult:
    if not future.done():
        # getaddrinfo cannot be interrupted; its thread is left behind and ends when the system gives up.
        detail = f"no answer within {timeout:g} s"
        if name == "dns":
            detail = f"the DNS server gives no answer; {_DNS_MEND}"
        return CheckResult(name, target, False, timeout, detail, is_required)
    ok, seconds, detail = future.result()
    return CheckResult(name, target, ok, seconds, detail, is_required)


def _timed(check: Callable[[float], str], timeout: float) -> tuple[bool, float, str]:
    begin = time.monotonic()
    try:
        detail, ok = check(begin + timeout), True
    except _Failure as exc:
        detail, ok = str(exc), False
    except TimeoutError:
        detail, ok = f"no answer within {timeout:g} s; {_FIREWALL}", False
    except ssl.SSLCertVerificationError as exc:
        detail, ok = f"the certificate is not accepted: {certificate_problem(exc)}", False
    except ssl.SSLError as exc:
        detail, ok = (
            f"it does not speak TLS ({exc.reason}): is the port right? A firewall may answer in its place",
            False,
        )
    except TxError as exc:
        detail, ok = str(exc), False
    except ValueError as exc:  # of a name that no label of DNS has room for
        detail, ok = f"not a usable host name: {exc}", False
    except OSError as exc:
        detail, ok = f"{exc.strerror or exc}; {_FIREWALL}", False
    return ok, time.monotonic() - begin, detail


def _ice_targets(configuration: TxServerConfiguration) -> list[_Target]:
    named = configuration.webrtc_ice_servers is not None or configuration.stun or configuration.turn
    if configuration.is_local and not named:
        return []
    return [_target(url, server) for server in configuration.ice_servers for url in server.urls]


def _target(url: str, server: IceServer) -> _Target:
    scheme, _, rest = url.partition(":")
    address, _, query = rest.partition("?")
    parts = urlsplit(f"//{address}")
    secure = scheme in ("stuns", "turns")
    transport = "tls" if secure else query.partition("=")[2] or "udp"
    name = "stun" if scheme.startswith("stun") else f"turn-{transport}"
    return _Target(name, parts.hostname or "", parts.port or (5349 if secure else 3478), transport, server)


def _look_up(host: str, deadline: float) -> str:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as exc:
        raise _Failure(f"the name cannot be looked up ({exc.strerror}); {_DNS_MEND}") from exc
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    return ", ".join(addresses[:3])


def _upgrade(configuration: TxServerConfiguration, deadline: float) -> str:
    """The whole way of a real connection: proxy, TCP, TLS with the configuration's certificates, WebSocket."""
    opened: Future[None] = Future()
    closed = threading.Event()

    def ended(how: Closed) -> None:
        if not opened.done():
            reason = "closed by the server" if how.error is None else str(how.error)
            opened.set_exception(_Failure(reason))
        closed.set()

    connection = SignalingConnection(
        configuration.socket_url,
        post=lambda handler, *args: handler(*args),
        on_open=lambda: opened.set_result(None),
        on_text=lambda text: None,
        on_closed=ended,
        connect_timeout=max(0.1, deadline - time.monotonic()),
        sslopt=configuration.tls_options,
        proxy=configuration.proxy,
    )
    connection.start()
    try:
        # Before Python 3.11, a future's time-out is no `TimeoutError`, so it is not left to `result`.
        if not wait([opened], max(0.1, deadline + 0.3 - time.monotonic())).done:
            raise TimeoutError
        opened.result()
    finally:
        connection.close()
        closed.wait(2.0)
        connection.join(1.0)
    return "the server can be reached"


# -- STUN and TURN -----------------------------------------------------------------------------------------------------


class _Channel:
    """A socket to a STUN or TURN server, over UDP, TCP or TLS, until a deadline."""

    def __init__(self, target: _Target, deadline: float, configuration: TxServerConfiguration) -> None:
        self._deadline = deadline
        self._datagrams = target.transport == "udp"
        self._buffer = b""
        if self._datagrams:
            family, kind, number, _, address = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, number)
            self._socket.connect(address)
            return
        self._socket = socket.create_connection((target.host, target.port), self._left)
        if target.transport == "tls":
            plain = self._socket
            try:
                context = tls_context({k: v for k, v in configuration.tls_options.items() if k != "check_certificate"})
                self._socket = context.wrap_socket(plain, server_hostname=target.host)
            except BaseException:
                plain.close()
                raise

    def __enter__(self) -> _Channel:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._socket.close()

    @property
    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0.0:
            raise TimeoutError
        return left

    def ask(
        self, method: int, credentials: _stun.Credentials | None = None, *, lifetime: int | None = None
    ) -> tuple[_stun.Answer, bytes]:
        """Send a request, again where datagrams get lost, and wait for its answer."""
        transaction = os.urandom(12)
        request = _stun.build_request(method, transaction, credentials, lifetime=lifetime)
        pause = _RESEND_AFTER
        while True:
            self._socket.settimeout(self._left)
            self._socket.sendall(request)
            until = min(self._deadline, time.monotonic() + pause) if self._datagrams else self._deadline
            try:
                return self._answer(method, transaction, until), transaction
            except TimeoutError:
                if not self._datagrams or time.monotonic() >= self._deadline:
                    raise
                pause *= 2

    def _answer(self, method: int, transaction: bytes, until: float) -> _stun.Answer:
        while True:
            answer = _stun.parse_answer(self._message(until), method, transaction)
            if answer is not None:
                return answer

    def _message(self, until: float) -> bytes:
        if self._datagrams:
            return self._receive(until)
        while (size := _stun.request_length(self._buffer)) is None or len(self._buffer) < size:
            data = self._receive(until)
            if not data:
                raise _Failure(f"the server closed the connection; {_FIREWALL}")
            self._buffer += data
        message, self._buffer = self._buffer[:size], self._buffer[size:]
        return message

    def _receive(self, until: float) -> bytes:
        left = until - time.monotonic()
        if left <= 0.0:
            raise TimeoutError
        self._socket.settimeout(left)
        return self._socket.recv(65536)


def _ask_stun(target: _Target, configuration: TxServerConfiguration, deadline: float) -> str:
    with _Channel(target, deadline, configuration) as channel:
        answer, transaction = channel.ask(_stun.BINDING)
    if answer.is_error:
        raise _Failure(f"the server refused: {answer.error_code} {answer.reason}")
    return f"this machine is seen as {_stun.address_text(_address(answer.address(transaction)))}"


def _ask_turn(target: _Target, configuration: TxServerConfiguration, deadline: float) -> str:
    with _Channel(target, deadline, configuration) as channel:
        answer, transaction = channel.ask(_stun.ALLOCATE)
        credentials = None
        if answer.is_error and answer.error_code == 401:
            credentials = _credentials(target, answer)
            answer, transaction = channel.ask(_stun.ALLOCATE, credentials)
        if answer.is_error and answer.error_code == 438:  # a nonce that is out of date; the answer has a new one
            credentials = _credentials(target, answer)
            answer, transaction = channel.ask(_stun.ALLOCATE, credentials)
        if answer.is_error and answer.error_code == 401:
            raise _Failure("the server does not accept username and credential")
        if answer.is_error:
            raise _Failure(f"the server refused: {answer.error_code} {answer.reason}")
        relayed = answer.address(transaction, _stun.RELAYED_ADDRESS)
        channel.ask(_stun.REFRESH, credentials, lifetime=0)
    return f"relays from {_stun.address_text(_address(relayed))}"


def _address(address: tuple[str, int] | None) -> tuple[str, int]:
    if address is None:
        raise _Failure("the server's answer has no address in it; is it a STUN or TURN server?")
    return address


def _credentials(target: _Target, answer: _stun.Answer) -> _stun.Credentials:
    server = target.server
    if server is None or server.username is None or server.credential is None:
        raise _Failure("the server wants a username and a credential, and the configuration has none")
    return _stun.Credentials(
        server.username,
        server.credential,
        answer.attributes.get(_stun.REALM, b""),
        answer.attributes.get(_stun.NONCE, b""),
    )
