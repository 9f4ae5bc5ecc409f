"""`LineEditor`: what a terminal does with keys."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telnyx_agent.cli.editor import LONGEST_LINE, LineEditor


@pytest.mark.parametrize(
    ("keys", "lines", "left"),
    [
        ("hello\n", ["hello"], ""),
        ("one\rtwo\nthree", ["one", "two"], "three"),
        ("helo\x7flo\x08", [], "hell"),
        ("\x7f\x7fa", [], "a"),
        ("one two  \x17", [], "one "),
        ("one\x17two", [], "two"),
        ("one two\x15three", [], "three"),
        ("e\u0301\x7f", [], ""),
        ("a\x1b[Ab\x1b[15~c\x1bOPd\x1bxe", [], "abcde"),
        ("Grüße, 你好\n", ["Grüße, 你好"], ""),
        ("a\tb\x07c", [], "a bc"),
        ("text\x04more", [], "textmore"),
    ],
)
def test_keys(keys: str, lines: list[str], left: str) -> None:
    """What is complete, and what is being typed."""
    editor = LineEditor()
    assert editor.feed(keys.encode()) == lines
    assert editor.line == left
    assert not editor.at_end


def test_ctrl_d_in_an_empty_line_is_the_end() -> None:
    """What is typed after it counts no more."""
    editor = LineEditor()
    assert editor.feed(b"one\n\x04two\n") == ["one"]
    assert editor.at_end


def test_a_line_has_a_bound() -> None:
    """Somebody who sleeps on the keyboard fills no memory."""
    editor = LineEditor()
    editor.feed(b"x" * (LONGEST_LINE + 10))
    assert len(editor.line) == LONGEST_LINE


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_bytes_may_come_in_any_pieces(keys: bytes, cuts: list[int]) -> None:
    """Lines and rest are the same, and nothing in them can steer a terminal."""
    whole, pieces = LineEditor(), LineEditor()
    lines = whole.feed(keys)
    places = [0, *sorted(min(cut, len(keys)) for cut in cuts), len(keys)]
    assert [line for a, b in itertools.pairwise(places) for line in pieces.feed(keys[a:b])] == lines
    assert (pieces.line, pieces.at_end) == (whole.line, whole.at_end)
    assert not any(char < " " or char == "\x7f" for line in (*lines, whole.line) for char in line)
