"""Frames on the wire: taken apart and put together."""

from __future__ import annotations

import pytest

from telnyx_agent.testing._wire_frames import TEXT, FrameSplitter, WireFrame, without_extensions

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
SIZES = (0, 1, 125, 126, 65535, 65536, 200_000)


@pytest.mark.parametrize("mask", [None, b"\x01\x02\x03\x04", b"\0\0\0\0"], ids=["server", "client", "zeros"])
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_frames_survive_taking_apart(mask: bytes | None, step: int) -> None:
    """Whatever the size and however the bytes arrive, what comes out encodes to what went in."""
    frames = [WireFrame(TEXT, bytes(range(256)) * (size // 256) + bytes(size % 256), mask=mask) for size in SIZES]
    if step < 100:
        frames = frames[:4]
    stream = HEAD + b"".join(frame.encode() for frame in frames)
    splitter = FrameSplitter()

    pieces = [piece for start in range(0, len(stream), step) for piece in splitter.feed(stream[start : start + step])]

    assert pieces == [HEAD, *frames]
    assert splitter.rest == b""


def test_flags_survive_taking_apart() -> None:
    """Fragments and reserved bits stay what they are."""
    splitter = FrameSplitter()
    frames = [
        WireFrame(TEXT, b"a", fin=False),
        WireFrame(0, b"b"),
        WireFrame(9, b""),
        WireFrame(TEXT, b"c", reserved=64),
    ]

    assert splitter.feed(HEAD + b"".join(frame.encode() for frame in frames))[1:] == frames
    assert [frame.text for frame in frames] == [None, None, None, "c"]
    assert [frame.is_data for frame in frames] == [True, True, False, True]


def test_the_offer_to_compress_is_taken_away() -> None:
    """Compressed frames could not be looked into."""
    head = b"GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Extensions: permessage-deflate\r\nX-A: b\r\n\r\n"

    assert without_extensions(head) == b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n"
