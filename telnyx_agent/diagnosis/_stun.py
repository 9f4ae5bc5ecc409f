"""STUN and TURN messages, as much of RFC 8489 and RFC 8656 as a check needs. PURE: bytes in, bytes out.

Not aioice's: the check must work where no call does, without the media libraries, on a thread that may be given up.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from collections.abc import Mapping

import attrs

__all__ = [
    "ALLOCATE",
    "BINDING",
    "REFRESH",
    "Answer",
    "Credentials",
    "address_text",
    "build_request",
    "parse_answer",
    "request_length",
]

BINDING, ALLOCATE, REFRESH = 0x001, 0x003, 0x004

USERNAME, INTEGRITY, ERROR_CODE, REALM, NONCE = 0x0006, 0x0008, 0x0009, 0x0014, 0x0015
RELAYED_ADDRESS, MAPPED_ADDRESS, LIFETIME, TRANSPORT = 0x0016, 0x0020, 0x000D, 0x0019
FINGERPRINT = 0x8028
_COOKIE = 0x2112A442
_HEADER = struct.Struct("!HHI12s")
_UDP = b"\x11\x00\x00\x00"
_RESPONSE, _ERROR = 0x100, 0x110


@attrs.frozen
class Credentials:
    """What a TURN server asks for (long-term credentials; RFC 8489, 9.2)."""

    username: str = attrs.field(repr=False)
    password: str = attrs.field(repr=False)
    realm: bytes
    nonce: bytes = attrs.field(repr=False)

    @property
    def key(self) -> bytes:
        """What messages are signed with."""
        text = b":".join((self.username.encode(), self.realm, self.password.encode()))
        return hashlib.md5(text, usedforsecurity=False).digest()


@attrs.frozen
class Answer:
    """A server's answer to one request."""

    is_error: bool
    error_code: int | None
    reason: str
    attributes: Mapping[int, bytes] = attrs.field(repr=False)

    def address(self, transaction: bytes, attribute: int = MAPPED_ADDRESS) -> tuple[str, int] | None:
        """One of the XORed addresses in it."""
        value = self.attributes.get(attribute)
        return None if value is None else _unmasked(value, transaction)


def build_request(
    method: int,
    transaction: bytes,
    credentials: Credentials | None = None,
    *,
    lifetime: int | None = None,
) -> bytes:
    """A request; signed where there are credentials.

    Args:
        method: `BINDING`, `ALLOCATE` or `REFRESH`.
        transaction: Twelve bytes by which the answer is recognised.
        credentials: What the server asked for.
        lifetime: Seconds; 0 gives an allocation back.
    """
    body = b""
    if method == ALLOCATE:
        body += _attribute(TRANSPORT, _UDP)
    if lifetime is not None:
        body += _attribute(LIFETIME, struct.pack("!I", lifetime))
    if credentials is not None:
        body += _attribute(USERNAME, credentials.username.encode())
        body += _attribute(REALM, credentials.realm) + _attribute(NONCE, credentials.nonce)
        signed = _HEADER.pack(method, len(body) + 24, _COOKIE, transaction) + body
        body += _attribute(INTEGRITY, hmac.new(credentials.key, signed, hashlib.sha1).digest())
    marked = _HEADER.pack(method, len(body) + 8, _COOKIE, transaction) + body
    mark = zlib.crc32(marked) ^ 0x5354554E
    return marked + _attribute(FINGERPRINT, struct.pack("!I", mark))


def parse_answer(data: bytes, method: int, transaction: bytes) -> Answer | None:
    """The answer to a request; None if this is something else."""
    if len(data) < 20:
        return None
    kind, length, cookie, known = _HEADER.unpack_from(data)
    if cookie != _COOKIE or known != transaction or kind not in (method | _RESPONSE, method | _ERROR):
        return None
    if len(data) < 20 + length:
        return None
    attributes: dict[int, bytes] = {}
    position, end = 20, 20 + length
    while position + 4 <= end:
        name, size = struct.unpack_from("!HH", data, position)
        if position + 4 + size > end:
            return None
        attributes.setdefault(name, data[position + 4 : position + 4 + size])
        position += 4 + size + -size % 4
    error = attributes.get(ERROR_CODE, b"")
    code = (error[2] & 7) * 100 + error[3] if len(error) >= 4 else None
    return Answer(kind == method | _ERROR, code, error[4:].decode("utf-8", "replace"), attributes)


def request_length(data: bytes) -> int | None:
    """How long the message at the beginning of a stream is; None while that is not known yet."""
    return 20 + int.from_bytes(data[2:4], "big") if len(data) >= 4 else None


def address_text(address: tuple[str, int] | None) -> str:
    """For people."""
    if address is None:
        return "an unknown address"
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _attribute(name: int, value: bytes) -> bytes:
    return struct.pack("!HH", name, len(value)) + value + bytes(-len(value) % 4)


def _unmasked(value: bytes, transaction: bytes) -> tuple[str, int] | None:
    if len(value) not in (8, 20):
        return None
    port = int.from_bytes(value[2:4], "big") ^ (_COOKIE >> 16)
    mask = _COOKIE.to_bytes(4, "big") + transaction
    raw = bytes(a ^ b for a, b in zip(value[4:], mask, strict=False))
    if len(raw) == 4:
        return ".".join(map(str, raw)), port
    return ":".join(f"{raw[i] << 8 | raw[i + 1]:x}" for i in range(0, 16, 2)), port
