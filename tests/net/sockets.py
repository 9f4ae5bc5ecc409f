"""Raw servers for `tests/net/test_connection.py`: real sockets that do with WebSocket whatever a test wants."""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import ipaddress
import queue
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.sync.server import Server, ServerConnection, serve

from telnyx_agent._net.connection import Closed, SignalingConnection
from telnyx_agent._runtime.loop import LoopThread

__all__ = ["Authority", "Client", "Peer", "frame", "full_server", "raw_server", "ws_server"]


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, length: int | None = None) -> bytes:
    """A frame as a server sends it; `length` may lie about the payload."""
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if size < 126:
        head += bytes([size])
    elif size < 65536:
        head += b"\x7e" + struct.pack("!H", size)
    else:
        head += b"\x7f" + struct.pack("!Q", size)
    return head + payload


class Peer:
    """The server's end of one connection, spoken byte by byte."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.request = b""

    def read_request(self) -> bytes:
        while b"\r\n\r\n" not in self.request:
            chunk = self.sock.recv(4096)
            if not chunk:
                raise ConnectionError("the client is gone")
            self.request += chunk
        return self.request

    def upgrade(self) -> Peer:
        request = self.read_request()
        key = next(line.partition(b": ")[2] for line in request.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key"))
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        return self

    def send(self, opcode: int, payload: bytes = b"", **options: Any) -> None:
        self.sock.sendall(frame(opcode, payload, **options))

    def receive(self) -> tuple[int, bytes]:
        """The client's next frame, unmasked."""
        head = self._exactly(2)
        assert head[1] & 0x80, "clients have to mask"
        size = head[1] & 0x7F
        if size == 126:
            size = struct.unpack("!H", self._exactly(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self._exactly(8))[0]
        mask = self._exactly(4)
        return head[0] & 0xF, bytes(byte ^ mask[i % 4] for i, byte in enumerate(self._exactly(size)))

    def close_code(self) -> int:
        """The code of the client's close frame, whatever it sends before that."""
        while True:
            opcode, payload = self.receive()
            if opcode == 8:
                return int(struct.unpack("!H", payload[:2])[0])

    def reset(self) -> None:
        """Cut the connection so that the client gets an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            chunk = self.sock.recv(size - len(data))
            if not chunk:
                raise ConnectionError("the client is gone")
            data += chunk
        return data


@contextlib.contextmanager
def raw_server(
    handle: Callable[[Peer], None], *, context: ssl.SSLContext | None = None, address: str = "127.0.0.1"
) -> Iterator[int]:
    """A port on which each connection is handled by `handle`, on a thread of its own, and then closed."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, 0), family=family)
    connections: list[tuple[threading.Thread, socket.socket]] = []
    failures: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def converse(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            sock.settimeout(10.0)
            if context is not None:
                with context.wrap_socket(sock, server_side=True) as secure:
                    handle(Peer(secure))
            else:
                handle(Peer(sock))

    def guarded(sock: socket.socket) -> None:
        try:
            converse(sock)
        except BaseException as exc:  # noqa: BLE001 - raised again when the server is closed
            failures.put(exc)

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=guarded, args=(sock,), daemon=True)
            connections.append((thread, sock))
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for thread, sock in connections:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            thread.join(5)
        if not failures.empty():
            raise failures.get()


@contextlib.contextmanager
def ws_server(
    handler: Callable[[ServerConnection], None], *, address: str = "127.0.0.1", **options: Any
) -> Iterator[int]:
    """A port with a real WebSocket server, written by others."""
    server: Server = serve(handler, address, 0, **options)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()
        thread.join(5)


@contextlib.contextmanager
def full_server(port: int = 0, address: str = "127.0.0.1") -> Iterator[int]:
    """A port that does not even complete TCP connections: its queue is full, so the kernel drops whoever knocks."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family))
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(3):
            knocking = stack.enter_context(socket.socket(family))
            knocking.setblocking(False)
            knocking.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@attrs.define
class Client:
    """A connection and what its handlers were told."""

    connection: SignalingConnection
    loop: LoopThread
    events: list[tuple[str, Any]]
    opened: threading.Event
    ended: threading.Event
    texts: queue.SimpleQueue[str | bytes]
    began: float
    on_loop: list[bool]

    @classmethod
    def to(cls, url: str, loop: LoopThread, *, start: bool = True, **options: Any) -> Client:
        events: list[tuple[str, Any]] = []
        opened, ended = threading.Event(), threading.Event()
        texts: queue.SimpleQueue[str | bytes] = queue.SimpleQueue()
        on_loop: list[bool] = []

        def note(kind: str, value: Any = None) -> None:
            on_loop.append(loop.is_current)
            events.append((kind, value))

        def on_open() -> None:
            note("open")
            opened.set()

        def on_text(text: str | bytes) -> None:
            note("text", text)
            texts.put(text)

        def on_closed(closed: Closed) -> None:
            note("closed", closed)
            ended.set()

        connection = SignalingConnection(
            url,
            post=options.pop("post", loop.post),
            on_open=on_open,
            on_text=options.pop("on_text", on_text),
            on_closed=on_closed,
            **options,
        )
        client = cls(connection, loop, events, opened, ended, texts, time.monotonic(), on_loop)
        if start:
            connection.start()
        return client

    def wait_open(self) -> Client:
        assert self.opened.wait(5), self.events
        return self

    def text(self) -> str | bytes:
        return self.texts.get(timeout=5)

    def closed(self, within: float = 5.0) -> Closed:
        """Wait for the end, check that it is the end, and return what was told of it."""
        assert self.ended.wait(within), f"not closed after {within} s: {self.events}"
        assert self.connection.join(1.0)
        done = threading.Event()
        self.loop.post(done.set)
        assert done.wait(5)
        assert [kind for kind, _ in self.events].count("closed") == 1
        assert self.events[-1][0] == "closed"
        assert all(self.on_loop)
        closed: Closed = self.events[-1][1]
        return closed

    def seconds(self) -> float:
        return time.monotonic() - self.began


@attrs.frozen
class Authority:
    """A certificate authority of our own, and servers that it vouches for."""

    directory: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(cls, directory: Path) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("telnyx-agent test authority")
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _builder(name, name, key)
            .add_extension(x509.BasicConstraints(True, 0), True)
            .add_extension(_key_usage(signs_certificates=True), True)
            .add_extension(identifier, False)
            .sign(key, hashes.SHA256())
        )
        authority = cls(directory, key, certificate)
        authority.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return authority

    @property
    def file(self) -> Path:
        """What clients need."""
        return self.directory / "ca.pem"

    def server_context(self, *names: str) -> ssl.SSLContext:
        """TLS for a server with these host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [
            x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
        ]
        certificate = (
            _builder(_name(names[0]), self.certificate.subject, key)
            .add_extension(x509.SubjectAlternativeName(alternatives), False)
            .add_extension(_key_usage(signs_certificates=False), True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
            .sign(self.key, hashes.SHA256())
        )
        file = self.directory / "server.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
