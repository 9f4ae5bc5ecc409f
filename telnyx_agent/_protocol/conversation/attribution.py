"""`Attribution`: which call an item of the transcript belongs to. PURE.

The server's `ai_conversation` frames carry no call id (protocol.md 5.1): with one call that is no question, with
several at once it has to be told from what else is known.

Rules of this file:

1. A frame that names a call, or a conversation that is known to be a call's, is that call's.
2. Else, what the assistant says belongs to the call in which it was asked something and has not answered; else to the
   only one in which its voice is heard; else to the oldest in which it has not said anything yet; else to the call in
   which something was said, typed or heard last.
3. What the user says belongs to the only call that is up; of several, to the one in which something was said last.
"""

from __future__ import annotations

from uuid import UUID

import attrs

from ..._call_ids import call_uuid

__all__ = ["MAX_CONVERSATIONS", "Attribution"]

MAX_CONVERSATIONS = 100
"""Ids of conversations that are remembered. A call has one."""


@attrs.define
class _Call:
    """What is known of a call that has not ended."""

    established_at: float | None = None
    has_spoken: bool = False
    is_audible: bool = False


class Attribution:
    """The calls that there are at the moment.

    Args:
        joined: The conversation that the login joined: all calls have it, so it tells nothing.

    Attributes:
        asked: The call in which a question waits for its answer.
    """

    def __init__(self, joined: str | None = None) -> None:
        self._joined = joined
        self.asked: UUID | None = None
        self._calls: dict[UUID | None, _Call] = {}
        self._conversations: dict[str, UUID] = {}
        self._current: UUID | None = None

    @property
    def has_any(self) -> bool:
        """Whether there is a call."""
        return bool(self._calls)

    @property
    def is_audible(self) -> bool:
        """Whether the agent's voice is heard in one of them."""
        return any(call.is_audible for call in self._calls.values())

    def is_over(self, call_id: UUID | None) -> bool:
        """Whether a call has ended; without an id, whether all have."""
        return call_id not in self._calls if call_id is not None else not self._calls

    def is_established(self, call_id: UUID | None) -> bool:
        """Whether a call is up; without an id, whether one is."""
        found = [self._calls.get(call_id)] if call_id is not None else list(self._calls.values())
        return any(call is not None and call.established_at is not None for call in found)

    def awaits_greeting_since(self, call_id: UUID | None) -> float | None:
        """Since when a call is up in which the assistant has not said anything; None if it has."""
        found = self._calls.get(self.of(None) if call_id is None else call_id)
        return None if found is None or found.has_spoken else found.established_at

    # -- what happens --------------------------------------------------------------------------------------------------

    def started(self, call_id: UUID | None) -> None:
        """There is another call."""
        self._calls.setdefault(call_id, _Call())

    def established(self, call_id: UUID | None, now: float) -> None:
        """It is up; said again after each reconnection, too."""
        call = self._calls.get(call_id)
        if call is not None and call.established_at is None:
            call.established_at = now

    def ended(self, call_id: UUID | None) -> None:
        """It is over."""
        self._calls.pop(call_id, None)
        self._conversations = {name: call for name, call in self._conversations.items() if call in self._calls}
        if self._current == call_id:
            self._current = None
        if self.asked == call_id:
            self.asked = None

    def voice(self, call_id: UUID | None, audible: bool) -> None:
        """The agent's voice begins, or has ended, to be heard in a call."""
        call = self._calls.get(call_id)
        if call is not None:
            call.is_audible = audible
            self._current = call_id

    def said(self, call_id: UUID | None, *, by_assistant: bool = False) -> None:
        """Something was said or typed in a call."""
        call = self._calls.get(call_id)
        if call is not None:
            self._current = call_id
            call.has_spoken = call.has_spoken or by_assistant

    # -- which one -----------------------------------------------------------------------------------------------------

    def named(self, call_id: str | None, conversation_id: str | None) -> UUID | None:
        """The call that a frame names (rule 1); None if it names none that there is."""
        if call_id is None and conversation_id is None:
            return None
        named = call_uuid(call_id)
        if named not in self._calls:
            named = None
        if conversation_id is None or conversation_id == self._joined or len(self._calls) < 2:
            return named
        known = self._conversations.get(conversation_id)
        if named is None:
            named = known
        if named is None:
            # A new conversation: of a call that has none yet, if there is one.
            taken = set(self._conversations.values())
            free = [one for one in self._up() if one not in taken]
            named = free[0] if len(free) == 1 else None
        if named is not None and len(self._conversations) < MAX_CONVERSATIONS:
            self._conversations[conversation_id] = named
        return named

    def of(self, role: str | None) -> UUID | None:
        """The call that something without a name belongs to (rules 2 and 3); None without a call."""
        up = self._up()
        if len(up) < 2:
            return up[0] if up else None
        if role == "assistant":
            if self.asked in up:
                return self.asked
            audible = [one for one in up if self._calls[one].is_audible]
            if len(audible) == 1:
                return audible[0]
            silent = [one for one in up if not self._calls[one].has_spoken]
            if silent:
                return silent[0]
        return self._current if self._current in up else up[-1]

    def _up(self) -> list[UUID | None]:
        """The calls that are up, in the order in which they began; all of them if none is."""
        up = [one for one, call in self._calls.items() if call.established_at is not None]
        return up or list(self._calls)
