"""A transcript has an end: a server that never stops talking is left out, with one error, and nothing else breaks."""

from __future__ import annotations

from typing import Any

import pytest

from telnyx_agent import RemoteProtocolError
from telnyx_agent._protocol import budget, outcomes
from telnyx_agent._protocol import items as items_module
from telnyx_agent._protocol.budget import Budget
from tests.protocol.script import Script


def small(monkeypatch: pytest.MonkeyPatch, **limits: int) -> Script:
    """An active call with room for little."""
    monkeypatch.setattr(items_module, "Budget", lambda: Budget(**limits))
    return Script.talking()


def complaints(script: Script) -> list[Any]:
    return [event.error for event in script.events(outcomes.ClientFailed)]


def item(script: Script, item_id: str, text: str, status: str = "completed", role: str = "user") -> None:
    script.ai(
        "conversation.item.created",
        item={"id": item_id, "role": role, "status": status, "content": [{"type": "text", "text": text}]},
    )


def contents(script: Script) -> list[str]:
    return [one.content for one in script.session.transcript]


def test_too_many_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that fit stay, can still change, and one error says that there are more."""
    script = small(monkeypatch, items=3)
    for number in range(6):
        item(script, f"i{number}", f"text {number}")
    (error,) = complaints(script)
    assert isinstance(error, RemoteProtocolError)
    assert "full (3 items" in str(error)
    assert contents(script) == ["text 0", "text 1", "text 2"]

    item(script, "i1", "changed")

    assert contents(script) == ["text 0", "changed", "text 2"]
    assert complaints(script) == []


def test_too_much_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """By deltas: what fits is there, it becomes final, and nothing is doubled."""
    script = small(monkeypatch, characters=10)
    for _ in range(5):
        script.ai("response.text.delta", item_id="a", response_id="r", delta="1234")
    script.ai("response.text.delta", item_id="a", response_id="r", delta=" " * 1000)
    assert contents(script) == ["12341234"]
    assert len(complaints(script)) == 1

    script.ai("response.done", response={"id": "r", "status": "completed"})

    (only,) = script.session.transcript
    assert only.is_final
    item(script, "b", "123")
    item(script, "c", "12")
    assert contents(script) == ["12341234", "12"]


def test_what_is_said_again_is_not_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An item that is recognised word by word takes no more room than it has in the end."""
    script = small(monkeypatch, characters=20)
    for length in range(1, 20):
        item(script, "a", "x" * length, "in_progress")
    item(script, "a", "x" * 19)
    assert contents(script) == ["x" * 19]
    assert complaints(script) == []


def test_room_is_made_by_clearing_and_by_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next error is said again."""
    script = small(monkeypatch, items=1)
    for number in range(2):
        item(script, f"i{number}", "text")
    script.session.clear_transcript(script.now)
    for number in range(2, 4):
        item(script, f"i{number}", "text")
    assert len(complaints(script)) == 2
    assert [one.id for one in script.session.transcript] == ["i2"]


def test_images_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the largest of what may come."""
    script = small(monkeypatch, characters=100)
    content = [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100}}]
    script.ai("conversation.item.created", item={"id": "a", "role": "user", "content": content})
    assert contents(script) == []
    assert len(complaints(script)) == 1


def test_a_refused_message_gives_its_room_back() -> None:
    """Bookkeeping: what is forgotten is free, and what does not grow always fits."""
    one = Budget(items=2, characters=10)
    assert one.replace("a", 10)
    assert not one.grow("b", 1)
    one.forget("a")
    assert one.grow("b", 10)
    assert one.replace("b", 10)
    assert one.replace("b", 3)
    assert one.replace("c", 7)
    assert not one.replace("d", 0)
    assert one.replace("c", 0)


def test_real_limits_are_generous() -> None:
    """A day of talking fits."""
    assert budget.MAX_ITEMS >= 10 * 60 * 8
    assert budget.MAX_CHARACTERS >= 24 * 100_000
