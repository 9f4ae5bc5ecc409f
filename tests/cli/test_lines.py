"""`LineReader`: lines of stdin, whole and in order."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from telnyx_agent.cli.lines import LineReader


@pytest.fixture
def pipe() -> Iterator[tuple[LineReader, int]]:
    """A reader, and where to write what it reads."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", buffering=0) as source:
        yield LineReader(source), write_end


def next_line(reader: LineReader) -> str | None:
    """The next line, when it is there."""
    wait = threading.Event().wait
    for _ in range(500):
        line = reader.next_line()
        if line is not None or reader.at_end:
            return line
        wait(0.01)
    raise AssertionError("no line came")


def test_lines_come_whole_and_in_order(pipe: tuple[LineReader, int]) -> None:
    """However the bytes come; blank lines are left out; the last line needs no line break."""
    reader, write_end = pipe
    assert reader.next_line() is None
    for piece in (b"fir", b"st\n\n \nG\xc3", b"\xbc\xc3\x9fe\r\nla", b"st"):
        os.write(write_end, piece)
    os.close(write_end)
    assert [next_line(reader) for _ in range(4)] == ["first", "Güße", "last", None]
    assert reader.at_end
