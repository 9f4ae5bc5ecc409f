"""HTTP posts at the port of the WebSockets, as at Telnyx's host: call reports. Loop thread only.

`websockets` knows no request but GET. So a POST is collected here, taken apart, and handed to it as a GET that its
`process_request` answers; it needs to know nothing of the body.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from .call_reports import PostedReport, PostLog

__all__ = ["PostReader", "answer_post"]

REPORT_PATH = "/call_report"
MAX_BODY = 2_000_000
"""What Telnyx takes (protocol.md 7.2)."""

MAX_HEAD = 16_384

_METHODS = (b"POST ", b"OPTIONS ")
_DROPPED = (b"content-length:", b"transfer-encoding:", b"expect:")


class PostReader:
    """What a TCP connection begins with: a WebSocket's GET, which is left alone, or a post."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._passing = False
        self.method = ""
        self.body: bytes | None = None
        """Of the post; None while there is none, and of one that is too large."""

    @property
    def size(self) -> int:
        """Bytes of a request that is not complete."""
        return len(self._data)

    def forget(self) -> None:
        """The connection is gone."""
        self._data.clear()

    def feed(self, data: bytes) -> bytes:
        """What `websockets` is to see of what came; nothing while a post is incomplete."""
        if self._passing:
            return data if not self.method else b""  # behind a post comes nothing that we want
        self._data += data
        # Looked for at the beginning only: a body of 2 MB comes in a thousand pieces.
        head, end, _ = bytes(self._data[: MAX_HEAD + 4]).partition(b"\r\n\r\n")
        if not any(self._data.startswith(method[: len(self._data)]) for method in _METHODS) or len(head) > MAX_HEAD:
            return self._give(bytes(self._data))
        if not end:
            return b""
        request_line, *lines = head.split(b"\r\n")
        length = next((line.partition(b":")[2].strip() for line in lines if line.lower().startswith(_DROPPED[0])), b"0")
        wanted = int(length[:20]) if length.isdigit() else 0
        begin = len(head) + len(end)
        if len(self._data) - begin < wanted <= MAX_BODY:
            return b""
        self.method, _, target = request_line.decode("latin-1").partition(" ")
        self.body = bytes(self._data[begin : begin + wanted]) if wanted <= MAX_BODY else None
        kept = [line for line in lines if not line.lower().startswith(_DROPPED)]
        return self._give(b"\r\n".join([b"GET " + target.encode("latin-1"), *kept, b"", b""]))

    def _give(self, data: bytes) -> bytes:
        self._passing = True
        self._data.clear()
        return data


def answer_post(
    connection: ServerConnection, request: Request, reader: PostReader, report_ids: Container[str], log: PostLog
) -> Response | None:
    """The answer to a post; None for a WebSocket, which goes on with its handshake."""
    if not reader.method:
        return None
    status = HTTPStatus.NOT_FOUND
    if reader.method == "OPTIONS":  # a browser asks whether its page may post here
        status = HTTPStatus.NO_CONTENT
    elif request.path.partition("?")[0] == REPORT_PATH:
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        report = _judge(headers, reader.body, report_ids)
        log.add(report)
        status = HTTPStatus(report.status)
    response = connection.respond(status, "")
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Allow-Headers"] = "*"
    return response


def _judge(headers: Mapping[str, str], body: bytes | None, report_ids: Container[str]) -> PostedReport:
    call_id, voice_sdk_id = headers.get("x-call-id", ""), headers.get("x-voice-sdk-id", "")
    report_id = headers.get("x-call-report-id", "")
    status = HTTPStatus.OK
    if body is None:
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    elif report_id not in report_ids:
        status = HTTPStatus.UNAUTHORIZED
    else:
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            content = None
        if not (call_id and voice_sdk_id and isinstance(content, dict)):
            status = HTTPStatus.BAD_REQUEST
    taken = body if body is not None and status is HTTPStatus.OK else b""
    return PostedReport(call_id, report_id, voice_sdk_id, int(status), taken)
