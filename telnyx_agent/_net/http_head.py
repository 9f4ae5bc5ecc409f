"""The head of an HTTP/1 answer, as far as this SDK wants to know it: of an upgrade, of a proxy, of a report's receiver.

In place of `http.client` and websocket-client, which wait for bodies, follow redirects, or keep cookies that any server
may set, for all others in the process and without a bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

import attrs

__all__ = ["LONGEST_HEAD", "SWITCHING_PROTOCOLS", "Head", "HeadEndedError", "NoHttpError", "read_head"]

LONGEST_HEAD = 65_536
"""Bytes of an answer's head, with those of the interim answers before it. Most servers allow themselves 8 to 32 KiB."""

_STATUS = re.compile(rb"HTTP/1\.[0-9] +([1-5][0-9][0-9])(?: .*)?", re.DOTALL)
SWITCHING_PROTOCOLS = 101
"""The status of a successful WebSocket upgrade (RFC 6455 4.1)."""


class NoHttpError(Exception):
    """What came is not the head of an HTTP answer, or is too long. Its text quotes nothing."""


class HeadEndedError(NoHttpError):
    """The connection was closed before the end of the head."""


class Stream(Protocol):
    """What is read from; `Wire`."""

    def recv(self, size: int) -> bytes: ...


@attrs.frozen
class Head:
    """The head of an answer.

    Attributes:
        status: 100 to 599.
        headers: Names in lower case; the values of one that came several times are joined with commas.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)


def read_head(stream: Stream) -> Head:
    """Read one head, and nothing of what comes behind it. Interim answers (100, 103) before it are skipped.

    Raises:
        NoHttpError: It is none.
        OSError: The connection failed, or the time was up.
    """
    size = 0
    while True:
        head = bytearray()
        # Byte by byte (they are buffered below): what comes behind the head is not ours to take.
        while not head.endswith((b"\r\n\r\n", b"\n\n")):
            byte = stream.recv(1)
            head += byte
            size += 1
            if not byte:
                line, newline, _ = head.partition(b"\n")
                raise HeadEndedError("closed") if not newline or _STATUS.match(line) else NoHttpError("no HTTP")
            if size > LONGEST_HEAD:
                raise NoHttpError("too long")
        lines = bytes(head).splitlines()
        match = _STATUS.fullmatch(lines[0])
        if match is None:
            raise NoHttpError("no HTTP")
        status = int(match[1])
        if status >= 200 or status == SWITCHING_PROTOCOLS:
            return Head(status, _headers(lines[1:]))


def _headers(lines: list[bytes]) -> dict[str, str]:
    """Lines that are no header are left out: what matters of an answer is its status."""
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
