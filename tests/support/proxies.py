"""Proxies on this machine: HTTP CONNECT and SOCKS5, with and without user names, on real sockets."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Literal

import attrs

__all__ = ["TestProxy"]


@attrs.define
class TestProxy:
    """A proxy that connects to whatever it is asked for on this machine.

    Attributes:
        kind: Which protocol it speaks.
        username: Who it lets in; None for everybody.
        password: With which password.
        targets: What it was asked for, as `"host:port"`.
        answer: For `"http"`: what it says in place of a tunnel. For `"socks5"`: the same.
        port: Where it listens.
    """

    __test__ = False

    kind: Literal["http", "socks5"] = "http"
    username: str | None = None
    password: str | None = None
    targets: list[str] = attrs.field(factory=list)
    answer: bytes | None = None
    port: int = 0
    _sockets: list[socket.socket] = attrs.field(factory=list)
    _threads: list[threading.Thread] = attrs.field(factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator[TestProxy]:
        """Serve until the end of the block."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            self._start(self._accept, listener)
            try:
                yield self
            finally:
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                for sock in self._sockets:
                    with contextlib.suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)
                for thread in self._threads:
                    thread.join(5)
                for sock in self._sockets:
                    sock.close()

    def url(self, scheme: str | None = None) -> str:
        """For the client."""
        user = "" if self.username is None else f"{self.username}:{self.password}@"
        return f"{scheme or self.kind}://{user}127.0.0.1:{self.port}"

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name="test-proxy", daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self._sockets.append(sock)
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            target = self._by_http(sock) if self.kind == "http" else self._by_socks(sock)
            if target is None:
                sock.shutdown(socket.SHUT_RDWR)
                return
            self.targets.append(f"{target[0]}:{target[1]}")
            try:
                server = socket.create_connection(target, timeout=5)
            except OSError:
                sock.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n" if self.kind == "http" else _reply(5))
                return
            server.settimeout(None)
            self._sockets.append(server)
            sock.sendall(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n" if self.kind == "http" else _reply(0))
            self._start(_pump, sock, server)
            _pump(server, sock)

    def _by_http(self, sock: socket.socket) -> tuple[str, int] | None:
        head = b""
        while b"\r\n\r\n" not in head:
            chunk = sock.recv(4096)
            if not chunk:
                return None
            head += chunk
        if self.answer is not None:
            sock.sendall(self.answer)
            return None
        if self.username is not None:
            wanted = base64.b64encode(f"{self.username}:{self.password}".encode())
            if b"Proxy-Authorization: Basic " + wanted + b"\r\n" not in head:
                sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return None
        method, target, _ = head.split(b"\r\n")[0].decode().split()
        assert method == "CONNECT"
        host, _, port = target.rpartition(":")
        return host.strip("[]"), int(port)

    def _by_socks(self, sock: socket.socket) -> tuple[str, int] | None:
        methods = _exactly(sock, _exactly(sock, 2)[1])
        if self.answer is not None:
            sock.sendall(self.answer)
            return None
        wanted = 0 if self.username is None else 2
        sock.sendall(bytes([5, wanted if wanted in methods else 0xFF]))
        if wanted not in methods:
            return None
        if wanted == 2:
            name = _exactly(sock, _exactly(sock, 2)[1]).decode()
            password = _exactly(sock, _exactly(sock, 1)[0]).decode()
            good = (name, password) == (self.username, self.password)
            sock.sendall(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                return None
        kind = _exactly(sock, 4)[3]
        if kind == 3:
            host = _exactly(sock, _exactly(sock, 1)[0]).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, _exactly(sock, size))
        return host, int.from_bytes(_exactly(sock, 2), "big")


def _reply(code: int) -> bytes:
    return bytes([5, code, 0, 1, 127, 0, 0, 1, 0, 0])


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = sock.recv(size - len(data))
        if not chunk:
            raise ConnectionError("the client is gone")
        data += chunk
    return data
