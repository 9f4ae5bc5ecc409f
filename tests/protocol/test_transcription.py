"""`transcription`: the public value."""

from __future__ import annotations

import inspect
import json
from datetime import datetime, timezone

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telnyx_agent._protocol.conversation.transcription import EPOCH, GrowingText, TranscriptionItem, beginning, whole

NOON = datetime(2025, 11, 21, 12, tzinfo=timezone.utc)


def test_an_item_has_ios_names() -> None:
    """`speaker`, `text`, `isFinal`, `hasImages`, `imageCount`."""
    item = TranscriptionItem("1", "User", "Hello", NOON, image_urls=["https://a", "https://b"])
    assert (item.speaker, item.text, item.is_final, item.has_images, item.image_count) == (
        "user",
        "Hello",
        True,
        True,
        2,
    )
    assert item.image_urls == ("https://a", "https://b")
    assert (TranscriptionItem.ROLE_USER, TranscriptionItem.ROLE_ASSISTANT) == ("user", "assistant")


def test_an_item_is_a_value() -> None:
    """Equal by what it says, whether its text is one string or a place in a growing one; it cannot be changed."""
    growing = GrowingText("Hel")
    growing.append("lo")
    one, other = TranscriptionItem("1", "user", "Hello", at=1.0), TranscriptionItem("1", "user", growing.snapshot())
    assert one == other
    assert hash(one) == hash(other)
    assert one != attrs.evolve(one, is_partial=True)
    with pytest.raises(AttributeError):
        one.role = "assistant"  # type: ignore[misc]


@pytest.mark.parametrize(
    "item",
    [
        TranscriptionItem("1", "user", "Hello"),
        TranscriptionItem(
            "2",
            "assistant",
            "Grüße 🎉",
            NOON,
            True,
            ("https://a",),
            "response_delta",
            {"a": [1, None]},
            call_id="074e7e59-6859-4b8b-8743-83df82e7f776",
            response_id="r",
            interrupted=True,
        ),
    ],
)
def test_an_item_survives_json(item: TranscriptionItem) -> None:
    """`from_dict` of `to_dict` is the item again."""
    assert TranscriptionItem.from_dict(json.loads(json.dumps(item.to_dict()))) == item


def test_what_ios_does_not_have_is_said_by_name() -> None:
    """Its members may be given in its order; ours might get others beside them."""
    parameters = inspect.signature(TranscriptionItem).parameters.values()
    by_name = {parameter.name for parameter in parameters if parameter.kind is inspect.Parameter.KEYWORD_ONLY}
    assert by_name == {"call_id", "response_id", "interrupted", "heard_share", "at"}


def test_little_is_needed() -> None:
    """Id, role and content; without them there is no item."""
    values = {"id": "1", "role": "user", "content": "Hello"}
    assert TranscriptionItem.from_dict(values) == TranscriptionItem("1", "user", "Hello", EPOCH)
    with pytest.raises(KeyError):
        TranscriptionItem.from_dict({"id": "1"})
    with pytest.raises(ValueError, match="yesterday"):
        TranscriptionItem.from_dict({**values, "timestamp": "yesterday"})


def test_what_was_said_stays_out_of_logs() -> None:
    """`repr` has neither text nor images; `str` is for people."""
    item = TranscriptionItem("1", "user", "Hi", is_partial=True, image_urls=("data:" + "x" * 1000,), interrupted=True)
    assert repr(item) == "<TranscriptionItem user 1 is_partial interrupted 1 image(s)>"
    assert str(item) == "user: Hi"


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(max_size=5), min_size=1, max_size=10), st.data())
def test_a_growing_text_has_all_its_pasts(parts: list[str], data: st.DataObject) -> None:
    """In whatever order they are read."""
    text = GrowingText(parts[0])
    snapshots = [text.snapshot()]
    for part in parts[1:]:
        text.append(part)
        snapshots.append(text.snapshot())
    for number in data.draw(st.permutations(range(len(parts)))):
        assert str(snapshots[number]) == "".join(parts[: number + 1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("\ud83c\udf89", "🎉"),
        ("a\ud83cb", "a\ufffdb"),
        ("\udf89", "\ufffd"),
        ("🎉\ud83c", "🎉\ufffd"),
    ],
)
def test_surrogates_are_put_together(text: str, expected: str) -> None:
    """Or replaced: what comes out can always be printed."""
    assert whole(text) == expected
    whole(text).encode("utf-8")


def test_when_it_was_said_on_the_clock_of_the_session_makes_no_difference() -> None:
    """`at` is for sorting; two items with the same content are the same."""
    assert TranscriptionItem("1", "user", "Hi", at=1.0) == TranscriptionItem("1", "user", "Hi", at=2.0)
    assert hash(TranscriptionItem("1", "user", "Hi", metadata={"a": 1})) == hash(TranscriptionItem("1", "user", "Hi"))
    assert TranscriptionItem("1", "user", "Hi") != TranscriptionItem("1", "user", "Ho")


@pytest.mark.parametrize(
    ("share", "words"),
    [
        *((0.0, ""), (0.01, "one"), (3 / 13, "one"), (4 / 13, "one"), (5 / 13, "one two")),
        *((0.5, "one two"), (8 / 13, "one two"), (0.75, "one two three"), (1.0, "one two three")),
    ],
)
def test_beginnings_end_with_a_word(share: float, words: str) -> None:
    """One that was begun was heard."""
    assert beginning("one two three", share) == words
