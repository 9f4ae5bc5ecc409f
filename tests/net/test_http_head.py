"""The head of an HTTP answer: of an upgrade, of a proxy, of a report's receiver. Nothing behind it is waited for."""

from __future__ import annotations

import io
import time

import pytest

from telnyx_agent._net.http_head import HeadEndedError, NoHttpError, read_head


class Bytes(io.BytesIO):
    """A stream that ends where its bytes end."""

    def recv(self, size: int) -> bytes:
        return self.read(size)


def test_nothing_behind_the_head_is_taken() -> None:
    """The body stays in the stream; interim responses are skipped, headers joined."""
    stream = Bytes(
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 503 No\r\nA: 1\r\nno header\r\n: x\r\na:2\r\n\r\nbody"
    )
    head = read_head(stream)
    assert head.status == 503
    assert head.headers == {"a": "1, 2", "": "x"}
    assert stream.read() == b"body"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 429\r\n\r\n", 429),
        (b"HTTP/1.0 500 \r\n\r\n", 500),
        (b"HTTP/1.1 200 OK\nServer: x\n\n", 200),
        (b"HTTP/1.1 401 \xff\xfe\r\nWWW-Authenticate: \xff\r\n\r\n", 401),
        (b"HTTP/1.1 101 Switching\r\n\r\n", 101),
    ],
)
def test_odd_but_understandable(answer: bytes, status: int) -> None:
    """Heads that are not quite right, with a status that can be read."""
    assert read_head(Bytes(answer)).status == status


@pytest.mark.parametrize(
    "answer",
    [
        b"\r\n\r\n",
        b"\n\n",
        b"\x00" * 100 + b"\n\n",
        b"SSH-2.0-x\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 " + b"9" * 5000 + b" x\r\n\r\n",
        b"HTTP/1.1 -1 x\r\n\r\n",
        b"HTTP/1.1 000 x\r\n\r\n",
        b"HTTP/1.1 999 x\r\n\r\n",
        "HTTP/1.1 ٢٠٠ x\r\n\r\n".encode(),
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000,
    ],
)
def test_what_is_no_head(answer: bytes) -> None:
    """Said soon, also where it has no end, and without a word of it."""
    begin = time.thread_time()
    with pytest.raises(NoHttpError) as caught:
        read_head(Bytes(answer))
    assert type(caught.value) is NoHttpError
    assert len(str(caught.value)) < 20
    assert time.thread_time() - begin < 0.5


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nA: b\r\n"])
def test_half_a_head(answer: bytes) -> None:
    """The connection ended within the head."""
    with pytest.raises(HeadEndedError):
        read_head(Bytes(answer))
