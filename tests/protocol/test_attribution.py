"""`Attribution`: which of several calls a frame belongs to that hardly ever says so."""

from __future__ import annotations

import uuid

import pytest

from telnyx_agent._protocol.conversation.attribution import MAX_CONVERSATIONS, Attribution

A, B, C = (uuid.UUID(int=number) for number in (1, 2, 3))


def calls(*up: uuid.UUID, ringing: tuple[uuid.UUID, ...] = (), joined: str | None = None) -> Attribution:
    """These calls are up, one second after the other."""
    found = Attribution(joined)
    for now, call in enumerate(up):
        found.started(call)
        found.established(call, float(now))
    for call in ringing:
        found.started(call)
    return found


def test_one_call_has_everything() -> None:
    """Also one that only rings; and without a call nothing belongs anywhere."""
    for found in (calls(A), calls(ringing=(A,)), calls(A, ringing=(B,))):
        assert found.of("assistant") == found.of("user") == found.of(None) == A
    assert calls().of("assistant") is None
    assert not calls().has_any
    assert calls(ringing=(A,)).has_any


def test_what_is_up_and_what_is_over() -> None:
    """Of one call, or of any."""
    found = calls(A, ringing=(B,))
    assert found.is_established(A)
    assert not found.is_established(B)
    assert not found.is_established(C)
    assert found.is_established(None)
    assert not calls(ringing=(B,)).is_established(None)
    assert not found.is_over(A)
    assert found.is_over(C)
    assert not found.is_over(None)
    found.ended(A)
    found.ended(B)
    assert found.is_over(A)
    assert found.is_over(None)


def test_the_greeting_is_awaited_since_the_call_is_up_for_the_first_time() -> None:
    """Until the assistant has said something; what the user says is no greeting."""
    found = calls(A)
    found.established(A, 9.0)
    assert found.awaits_greeting_since(A) == found.awaits_greeting_since(None) == 0.0
    found.said(A)
    assert found.awaits_greeting_since(A) == 0.0
    found.said(A, by_assistant=True)
    found.said(A)
    assert found.awaits_greeting_since(A) is None
    assert found.awaits_greeting_since(B) is None
    assert calls(ringing=(A,)).awaits_greeting_since(A) is None


def test_whom_the_assistant_speaks_to() -> None:
    """The call that waits for an answer, else the one in which it is heard, else one that it has not greeted."""
    found = calls(A, B, C)
    assert found.of("assistant") == A
    found.said(A, by_assistant=True)
    assert found.of("assistant") == B
    found.voice(C, True)
    assert found.of("assistant") == C
    assert found.is_audible
    found.asked = A
    assert found.of("assistant") == A
    found.ended(A)
    assert found.asked is None
    assert found.of("assistant") == C
    found.voice(C, False)
    assert not found.is_audible
    assert found.of("assistant") == B


def test_two_voices_at_once_tell_nothing() -> None:
    """Then the call in which something happened last counts."""
    found = calls(A, B, C)
    for call in (A, B, C):
        found.said(call, by_assistant=True)
    found.voice(B, True)
    found.voice(A, True)
    assert found.of("assistant") == A
    assert found.of("user") == A


def test_the_user_is_where_something_was_said_last() -> None:
    """The newest call, where nothing was; and another one's end changes nothing."""
    found = calls(A, B, C)
    assert found.of("user") == C
    found.said(A)
    assert found.of("user") == A
    found.ended(B)
    assert found.of("user") == A
    found.ended(A)
    found.started(B)
    found.established(B, 9.0)
    assert found.of("user") == B
    found.said(uuid.UUID(int=99))
    found.voice(uuid.UUID(int=99), True)
    assert found.of("user") == B
    assert not found.is_audible


@pytest.mark.parametrize("joined", [None, "other"])
def test_a_conversation_belongs_to_the_call_that_has_none(joined: str | None) -> None:
    """It is remembered, from a frame that names the call, or where only one is left."""
    found = calls(A, B, joined=joined)
    assert found.named(None, "one") is None
    assert found.named(str(A), "one") == A
    assert found.named(None, "one") == A
    assert found.named(None, "two") == B
    assert found.named(None, "three") is None
    assert found.named(str(B), "one") == B
    assert found.named(None, "one") == B


def test_what_names_nothing() -> None:
    """A conversation that all calls have, an id of no call, a single call's conversation."""
    found = calls(A, B, joined="joined")
    assert found.named(None, "joined") is None
    assert found.named(str(A), "joined") == A
    assert found.named(None, "joined") is None
    assert found.named(None, None) is None
    assert found.named(str(C), None) is None
    assert found.named("nonsense", None) is None
    assert found.named(str(B), None) == B
    single = calls(A)
    assert single.named(None, "one") is None
    assert single.named(str(A), "one") == A
    single.started(B)
    single.established(B, 5.0)
    assert single.named(None, "one") is None


def test_conversations_end_with_their_call_and_are_not_kept_without_end() -> None:
    """A conversation names its call until that ends; the oldest are forgotten."""
    found = calls(A, B, C)
    assert found.named(str(A), "one") == A
    found.ended(A)
    assert found.named(None, "one") is None
    for number in range(MAX_CONVERSATIONS + 1):
        assert found.named(str(B), f"c{number}") == B
    assert found.named(None, f"c{MAX_CONVERSATIONS - 1}") == B
    assert found.named(None, f"c{MAX_CONVERSATIONS}") == C
