"""Servers that a client does not want to meet, and two small ones that ICE does: real sockets on this machine."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
from aioice import stun

__all__ = [
    "StunServer",
    "TurnServer",
    "answering_server",
    "refusing_port",
    "self_signed_server",
    "silent_server",
]


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else can take meanwhile: bound, but not listening."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A port on which the kernel accepts connections and nobody ever says anything."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


@contextlib.contextmanager
def _served(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port whose connections `handle` gets, one after the other, on a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                # The connection that `closing` makes below ends the thread.
                if closing.is_set():
                    connection.close()
                    return
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(5.0)
                    handle(connection)

        closing = threading.Event()
        thread = threading.Thread(target=serve, name=f"test-server-{port}", daemon=True)
        thread.start()
        try:
            yield port
        finally:
            closing.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join(6.0)


@contextlib.contextmanager
def answering_server(answer: bytes, *, after: int | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A port that reads one HTTP request, or `after` bytes, answers with these bytes, and closes.

    Yields the port and the list of what was read.
    """
    requests: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        request = b""
        while len(request) < after if after is not None else b"\r\n\r\n" not in request:
            chunk = connection.recv(4096)
            if not chunk:
                break
            request += chunk
        requests.append(request)
        connection.sendall(answer)

    with _served(handle) as port:
        yield port, requests


@contextlib.contextmanager
def self_signed_server(directory: Path) -> Iterator[int]:
    """A TLS port with a certificate for 127.0.0.1 that nobody has signed but itself."""
    certificate = directory / "self-signed.pem"
    certificate.write_bytes(_self_signed())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(4096)

    with _served(handle) as port:
        yield port


def _self_signed() -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


@attrs.define
class StunServer:
    """A STUN server on UDP that tells everybody where they come from, and notes that they came.

    Attributes:
        asked: Set when the first binding request has come.
        url: For an `IceServer`.
    """

    asked: threading.Event = attrs.field(factory=threading.Event)
    url: str = ""

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[StunServer]:
        """Serve until the end of the block."""
        server = cls()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            server.url = f"stun:127.0.0.1:{sock.getsockname()[1]}"
            thread = threading.Thread(target=server._serve, args=(sock,), name="test-stun", daemon=True)
            thread.start()
            try:
                yield server
            finally:
                # An empty datagram ends the thread.
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                    end.sendto(b"", sock.getsockname())
                thread.join(5.0)

    def _serve(self, sock: socket.socket) -> None:
        while True:
            data, address = sock.recvfrom(2048)
            if not data:
                return
            request = stun.parse_message(data)
            self.asked.set()
            reply = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
            reply.attributes["XOR-MAPPED-ADDRESS"] = address[:2]
            sock.sendto(bytes(reply), address)


@attrs.define
class TurnServer:
    """The beginning of a TURN server on TCP: it challenges, checks who comes, and then refuses (486).

    Attributes:
        username: Who it lets in.
        credential: With which password.
        seen: The user names that came with a valid signature.
        asked: Set when the first of them has come.
        url: For an `IceServer`.
    """

    username: str
    credential: str
    seen: list[str] = attrs.field(factory=list)
    asked: threading.Event = attrs.field(factory=threading.Event)
    url: str = ""

    REALM = "test.invalid"
    NONCE = b"0123456789abcdef"

    @classmethod
    @contextlib.contextmanager
    def running(cls, username: str, credential: str) -> Iterator[TurnServer]:
        """Serve until the end of the block."""
        server = cls(username, credential)
        with _served(server._handle) as port:
            server.url = f"turn:127.0.0.1:{port}?transport=tcp"
            yield server

    def _handle(self, connection: socket.socket) -> None:
        while True:
            header = _exactly(connection, 20)
            if header is None:
                return
            body = _exactly(connection, int.from_bytes(header[2:4], "big"))
            if body is None:
                return
            data = header + body
            request = stun.parse_message(data)
            reply = stun.Message(request.message_method, stun.Class.ERROR, request.transaction_id)
            reply.attributes["REALM"] = self.REALM
            reply.attributes["NONCE"] = self.NONCE
            key = hashlib.md5(f"{self.username}:{self.REALM}:{self.credential}".encode()).digest()
            # A signed request ends in 24 bytes MESSAGE-INTEGRITY (20 of them the signature) and 8 bytes FINGERPRINT.
            if "USERNAME" in request.attributes and data[-28:-8] == stun.message_integrity(data[:-32], key):
                self.seen.append(request.attributes["USERNAME"])
                self.asked.set()
                reply.attributes["ERROR-CODE"] = (486, "Allocation Quota Reached")
                reply.add_message_integrity(key)
            else:
                reply.attributes["ERROR-CODE"] = (401, "Unauthorized")
            connection.sendall(bytes(reply))


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        chunk = connection.recv(count - len(data))
        if not chunk:
            return None
        data += chunk
    return data
