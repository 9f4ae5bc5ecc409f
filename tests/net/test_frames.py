"""`FrameDecoder`: in any pieces the same messages; what RFC 6455 forbids is refused, and not collected."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telnyx_agent._net.frames import MOST_DECLARED, BadFrameError, ControlFrame, FrameDecoder, TooLong
from telnyx_agent._net.send_queue import Opcode
from tests.net.sockets import frame


def decode(*pieces: bytes, limit: int = 1 << 20) -> list[str | bytes | ControlFrame | TooLong]:
    decoder = FrameDecoder(limit)
    return [item for piece in pieces for item in decoder.feed(piece)]


ALL = (
    frame(1, b"")
    + frame(1, "zwölf".encode())
    + frame(9, b"are you there")
    + frame(2, b"\xff" * 300)
    + frame(1, "ä".encode()[:1], fin=False)
    + frame(10, b"")
    + frame(0, "ä".encode()[1:], fin=False)
    + frame(0, b"")
    + frame(2, b"one", fin=False)
    + frame(0, b" two")
    + frame(1, b"x" * 70_000)
    + frame(8, struct.pack("!H", 1000) + b"bye")
)
ITEMS = [
    "",
    "zwölf",
    ControlFrame(Opcode.PING, b"are you there"),
    b"\xff" * 300,
    ControlFrame(Opcode.PONG, b""),
    "ä",
    b"one two",
    "x" * 70_000,
    ControlFrame(Opcode.CLOSE, b"\x03\xe8bye"),
]


def test_all_kinds_at_once() -> None:
    """Texts are text, also where a character was cut in two; control frames may come inside a message."""
    assert decode(ALL) == ITEMS


@given(st.lists(st.integers(0, 1000) | st.integers(0, len(ALL)), max_size=30))
def test_in_any_pieces(cuts: list[int]) -> None:
    """Where the stream is cut says nothing."""
    places = [0, *sorted(cuts), len(ALL)]
    pieces = [ALL[begin:end] for begin, end in itertools.pairwise(places)]
    decoder = FrameDecoder(1 << 20)
    assert [item for piece in pieces for item in decoder.feed(piece)] == ITEMS
    assert decoder.held == 0


def test_byte_by_byte() -> None:
    """The first thousand bytes, each on its own."""
    assert decode(*(ALL[at : at + 1] for at in range(1000)), ALL[1000:]) == ITEMS


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x85abcdhello", 1002),  # masked, which only clients may do
        (b"\x83\x00", 1002),
        (b"\xc1\x00", 1002),
        (frame(0, b"?"), 1002),
        (frame(1, b"a", fin=False) + frame(1, b"b"), 1002),
        (frame(1, b"a", fin=False) + frame(2, b"b"), 1002),
        (frame(9, b"", fin=False), 1002),
        (frame(9, b"?" * 126), 1002),
        (frame(8, b"\x03"), 1002),
        *((frame(8, struct.pack("!H", code)), 1002) for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000)),
        (frame(1, b"\xed\xa0\x80"), 1007),
        (frame(1, b"\xc3", fin=False) + frame(0, b"?"), 1007),
    ],
)
def test_what_is_not_allowed(data: bytes, code: int) -> None:
    """It is refused with the code that RFC 6455 gives, after what came before it; the error quotes nothing."""
    decoder = FrameDecoder(1000)
    items = decoder.feed(frame(1, b"before") + data)
    assert next(items) == "before"
    with pytest.raises(BadFrameError) as caught:
        list(items)
    assert caught.value.code == code
    assert caught.value.__context__ is None  # which would hold on to the payload


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 1014, 3000, 4999])
def test_close_codes(code: int) -> None:
    """These may stand in a close frame, and so may none."""
    payload = struct.pack("!H", code)
    assert decode(frame(8, payload), frame(8, b"")) == [ControlFrame(8, payload), ControlFrame(8, b"")]


TOO_LONG = {
    "one frame": frame(1, b"x" * 1001),
    "binary": frame(2, b"x" * 5000),
    "two frames": frame(1, b"x" * 600, fin=False) + frame(0, b"x" * 401),
    "many frames": frame(1, b"x" * 600, fin=False) + frame(0, b"x" * 5000, fin=False) * 3 + frame(0, b""),
    "a ping in between": frame(1, b"x" * 2000, fin=False) + frame(9, b"?") + frame(0, b"x"),
}


@pytest.mark.parametrize("name", TOO_LONG)
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_what_is_too_long_is_skipped(name: str, piece: int) -> None:
    """Something stands in its place, what comes behind it is read, and none of it is kept."""
    data = frame(1, b"before") + TOO_LONG[name] + frame(1, b"behind")
    decoder = FrameDecoder(1000)
    items: list[object] = []
    for at in range(0, len(data), piece):
        items += decoder.feed(data[at : at + piece])
        assert decoder.held <= 1000 + 14
    pings = [ControlFrame(Opcode.PING, b"?")] if "ping" in name else []
    assert items == ["before", *pings, TooLong(1000), "behind"]
    assert decoder.held == 0


@pytest.mark.parametrize("length", [MOST_DECLARED + 1, 2**40, 2**63])
def test_what_would_take_for_ever_is_refused_by_its_length(length: int) -> None:
    """Not a byte of the payload is waited for."""
    with pytest.raises(BadFrameError) as caught:
        decode(frame(1, b"", length=length), limit=1000)
    assert caught.value.code == 1009


def test_a_text_that_would_take_four_times_as_much_here() -> None:
    """One emoji among many letters: Python keeps four bytes for each character."""
    text = "x" * 100_000
    limit = 150_000
    assert decode(frame(1, text.encode()), limit=limit) == [text]
    assert decode(frame(1, (text + "ä").encode()), limit=limit) == [text + "ä"]
    assert decode(frame(1, ("x" * 70_000 + "😀").encode()), limit=limit) == ["x" * 70_000 + "😀"]
    assert decode(frame(1, (text + "😀").encode()), frame(1, b"behind"), limit=limit) == [TooLong(limit), "behind"]


def test_exactly_the_limit() -> None:
    """As one frame, and as two; what is held is never more than a message and a frame."""
    decoder = FrameDecoder(1000)
    assert list(decoder.feed(frame(1, b"x" * 1000))) == ["x" * 1000]
    assert list(decoder.feed(frame(1, b"x" * 500, fin=False))) == []
    assert decoder.held == 500
    assert list(decoder.feed(frame(0, b"x" * 500))) == ["x" * 1000]
    assert decoder.held == 0
