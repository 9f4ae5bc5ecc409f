"""From a connection to a WebSocket: the upgrade of RFC 6455, section 4.1."""

from __future__ import annotations

import base64
import hashlib
import secrets
from urllib.parse import urlsplit

import websocket

from .http_head import SWITCHING_PROTOCOLS, Head, HeadEndedError, NoHttpError, read_head
from .socket import Wire

__all__ = ["upgrade"]

_KEY_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def upgrade(wire: Wire, url: str, host: str, port: int, *, secure: bool) -> None:
    """Ask for a WebSocket. Blocks. Nothing of the answer but its head is read, whatever its status is.

    Args:
        wire: Connected, with TLS if that is wanted.
        url: Its path and query are asked for.
        host: The server's.
        port: The server's.
        secure: Whether TLS is spoken.

    Raises:
        websocket.WebSocketException: The answer was another; `explain` has words for it.
        OSError: The connection failed.
    """
    key = base64.b64encode(secrets.token_bytes(16))
    try:
        wire.send(_request(url, host, port, key, secure=secure))
        head = read_head(wire)
    except TimeoutError:
        raise websocket.WebSocketTimeoutException("no answer") from None
    except HeadEndedError:
        raise websocket.WebSocketConnectionClosedException("end of stream") from None
    except NoHttpError:
        raise websocket.WebSocketException("no HTTP") from None
    if head.status != SWITCHING_PROTOCOLS:
        raise websocket.WebSocketBadStatusException("no upgrade", head.status, resp_headers=dict(head.headers))
    if not _is_accepted(head, key):
        raise websocket.WebSocketException("another upgrade")


def _request(url: str, host: str, port: int, key: bytes, *, secure: bool) -> bytes:
    parts = urlsplit(url)
    resource = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    name = f"[{host}]" if ":" in host else host
    place = name if port in (80, 443) else f"{name}:{port}"
    lines = (
        f"GET {resource} HTTP/1.1",
        f"Host: {place}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Origin: {'https' if secure else 'http'}://{place}",
        f"Sec-WebSocket-Key: {key.decode('ascii')}",
        "Sec-WebSocket-Version: 13",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def _is_accepted(head: Head, key: bytes) -> bool:
    def words(name: str) -> list[str]:
        return [word.strip().lower() for word in head.headers.get(name, "").split(",")]

    expected = base64.b64encode(hashlib.sha1(key + _KEY_SUFFIX, usedforsecurity=False).digest()).decode("ascii")
    is_upgraded = "websocket" in words("upgrade") and "upgrade" in words("connection")
    # Nothing was offered, so a server that has chosen something does not speak to us.
    has_chosen = "sec-websocket-extensions" in head.headers or "sec-websocket-protocol" in head.headers
    return is_upgraded and not has_chosen and head.headers.get("sec-websocket-accept") == expected
