"""`Conversation`: the transcript, the agent's state and the widget settings, from the assistant's messages.

Rules of this file:

1. An item keeps its id and its place. The same id again replaces the item (R41, R44); a final item does not become
   partial again.
2. Deltas belong to their `item_id`, else to their `response_id`, else to the open item (R42). At most one item of the
   assistant's is open.
3. An open item becomes final with its `done`; with the next response or a new item of the user's, which then has
   interrupted it; or with the call (R43). Text that comes for it after all opens it again: the server knows better;
   but not once a `done` has brought the whole text. What changes nothing is not reported.
4. What was typed is there at once. The server's echo confirms it, under its id or as the same text under another (R45).
5. What the agent does, and how much of it was heard, is `Agent`'s business; this file tells it what was said.
6. Each request for a tool is reported, also one under an id that is open already: each gets an answer.
7. Calls that overlap share one transcript; each item has the id of its call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from .._call_ids import call_uuid
from ..errors import ServerError
from . import ai_events
from .budget import Key, growth_of
from .events import Refusal, WidgetConfig
from .items import key_of
from .outcomes import (
    AiMessage,
    ClientFailed,
    FunctionCallReceived,
    SessionEvent,
    TranscriptChanged,
    WidgetSettingsChanged,
)
from .spoken import MAX_OPEN_TOOL_CALLS, Spoken
from .states import AgentState
from .timers import Timers
from .transcription import EPOCH, MAX_TEXT, GrowingText, TranscriptionItem, whole
from .widget import AudioVisualizerConfig, WidgetSettings

__all__ = ["AudioVisualizerConfig", "Conversation", "TranscriptionItem", "WidgetSettings"]

MERGE_WINDOW = 10.0
"""Seconds in which an echo under another id is still taken for one (R45)."""

MAX_UNCONFIRMED = 1000
"""Typed messages that the server has not echoed, of which is remembered that they may be. Some servers echo nothing."""

GREETING_WAIT = 1.5
"""Seconds after a call is up in which the assistant may begin to greet; later it waits for the user to speak. Its
greeting comes within a second of the answer (protocol.md, scenario A), and some assistants have none.
"""

THINKING_WAIT = 5.0
"""Seconds after the user has said something in which it is expected to begin to answer."""

SPEAKING_WAIT = 20.0
"""Seconds in which it is expected to come to an end of what it says. Longer is a story, or a sound without an end."""


@attrs.define
class _OpenItem:
    """The assistant's item that still grows."""

    item: TranscriptionItem
    text: GrowingText


class Conversation(Spoken):
    """What was said and typed in one call, and who is at it.

    Args:
        new_id: Makes ids for items that came without.
        wall_clock: The time for `TranscriptionItem.timestamp`.
        report: Takes the events that follow.
        timers: For what the agent does when nothing comes.

    Attributes:
        conversation_id: The server's id of the conversation, once a message has brought it.
    """

    def __init__(
        self,
        *,
        new_id: Callable[[], str],
        wall_clock: Callable[[], datetime],
        report: Callable[[SessionEvent], None],
        timers: Timers | None = None,
    ) -> None:
        super().__init__(wall_clock, report, Timers() if timers is None else timers)
        self._new_id = new_id
        self.conversation_id: str | None = None
        self.widget_settings: WidgetSettings | None = None
        # Items typed here that the server has not confirmed, and until when an echo may have another id.
        self._unconfirmed: dict[str, float] = {}
        self._open: _OpenItem | None = None
        # Items of the assistant's whose whole text a `done` has brought.
        self._whole: set[str] = set()

    @property
    def is_answering(self) -> bool:
        """Whether more is to be expected of the assistant."""
        return self._open is not None or self.agent.is_responding or bool(self._tool_calls)

    # -- the call ------------------------------------------------------------------------------------------------------

    def start_call(self, call_id: str) -> None:
        """A call begins, and with it a new transcript (R47), unless there is another call already."""
        if not self.calls.has_any:
            self.agent.call_started()
            self.clear()
        self.calls.started(call_uuid(call_id))

    def call_established(self, call_id: str, now: float) -> None:
        """A call is up; the assistant may have begun to speak before."""
        self.calls.established(call_uuid(call_id), now)
        self.agent.call_established()
        self.observer(now)

    def end_call(self, call_id: str, now: float) -> None:
        """A call is over: nothing of it grows any more. The transcript stays. One that never started is no error."""
        ended = call_uuid(call_id)
        if self.calls.is_over(ended):
            # A call that only rang has nothing in the transcript, but something may have been asked in it.
            self.call_over(ended, now)
            return
        if self._open is not None and self._open.item.call_id in (ended, None):
            self._close(None, interrupted=False)
        for item in [item for item in self._items if item.is_partial and item.call_id in (ended, None)]:
            self._put(attrs.evolve(item, is_partial=False))
        self.calls.ended(ended)
        if not self.calls.has_any:
            self._unconfirmed.clear()
            self.agent.call_ended()
            self._forget_tools()
        self.call_over(ended, now)

    def busy_until(self, call_id: UUID | None, since: float) -> float | None:
        """Whether the assistant is about to speak, or does, so that a question would be mixed up with that.

        Args:
            call_id: The call in which it is to be asked.
            since: When somebody began to wait for it to listen.

        Returns:
            None: it listens. Else when it is asked all the same; infinite while the call is being set up.
        """
        if not self.calls.has_any:
            return None
        if not self.calls.is_established(call_id):
            return float("inf")
        if self.is_answering or self.agent_state is AgentState.SPEAKING or self.agent.awaits_voice:
            return since + SPEAKING_WAIT
        if self.agent_state in (AgentState.THINKING, AgentState.PROCESSING_IMAGE):
            return self.agent.turn_since + THINKING_WAIT
        up_since = self.calls.awaits_greeting_since(call_id)
        return None if up_since is None else up_since + GREETING_WAIT

    # -- our side ------------------------------------------------------------------------------------------------------

    def is_unconfirmed(self, item_id: str) -> bool:
        """Whether a typed message is in the transcript, but the server has not echoed it."""
        return item_id in self._unconfirmed

    def typed(
        self, item_id: str, text: str, image_urls: Sequence[str], now: float, call_id: UUID | None = None
    ) -> None:
        """A message is on its way to the assistant, perhaps for the second time. `call_id`: typed in that call."""
        self._unconfirmed[item_id] = now + MERGE_WINDOW
        if len(self._unconfirmed) > MAX_UNCONFIRMED:
            del self._unconfirmed[next(iter(self._unconfirmed))]
        if self.find_typed(item_id) is not None:
            return
        call_id = self.calls.of(TranscriptionItem.ROLE_USER) if call_id is None else call_id
        self.calls.said(call_id)
        self._put(
            self._new_item(
                item_id,
                TranscriptionItem.ROLE_USER,
                text,
                now,
                call_id=call_id,
                image_urls=image_urls,
                item_type="text_message_with_image" if image_urls else "text_message",
            ),
            own=True,
        )
        self._was_talked_over(now)
        self.agent.user_turn(AgentState.PROCESSING_IMAGE if image_urls else AgentState.THINKING, now)
        self.observer(now)

    def refused(self, item_id: str, refusal: Refusal, now: float) -> None:
        """The server did not take a message, so it was not said."""
        self._unconfirmed.pop(item_id, None)
        if (refused := self.find_typed(item_id)) is not None:
            self._keep([item for item in self._items if item is not refused])
        error = ServerError(
            f"the server did not take the message: {refusal}",
            server_message=refusal.message,
            server_code=refusal.code,
            data=dict(refusal.data),
        )
        self._report(ClientFailed(error))
        self.observer(now)

    def add(self, item: TranscriptionItem, now: float) -> None:
        """Put an item of the application's in, or in the place of the one with its role and id."""
        if item.timestamp == EPOCH:
            item = attrs.evolve(item, timestamp=self._wall_clock())
        self._put(attrs.evolve(item, at=now, call_id=item.call_id or self.calls.of(item.role)), own=True)

    def clear(self, role: str | None = None) -> None:
        """Forget all items, or those of one role."""
        if role is not None:
            self._clear_role(role)
            return
        had_items = bool(self._items)
        self._response_id = self._response_call = self._suspect = self._last_spoken = None
        self._budget.clear()
        self._items.clear()
        self._places.clear()
        self._aliases.clear()
        self._unconfirmed.clear()
        self._whole.clear()
        self._open = None
        if had_items:
            self._report(TranscriptChanged(None, ()))

    def _clear_role(self, role: str) -> None:
        left = [item for item in self._items if item.role != role]
        if len(left) == len(self._items):
            return
        if role == TranscriptionItem.ROLE_ASSISTANT:
            self._open = self._suspect = None
            self._whole.clear()
        self._keep(left)

    # -- the assistant's side ------------------------------------------------------------------------------------------

    def receive(self, event: ai_events.AiConversation, now: float) -> None:
        """An `ai_conversation` frame came."""
        self.conversation_id = event.conversation_id or self.conversation_id
        self._named = self.calls.named(event.call_id, event.conversation_id)
        self._report(AiMessage(event.params, event.content, self.conversation_id))
        if event.widget_settings is not None:
            self._configure(event.widget_settings)
        handler = self._HANDLERS.get(type(event.content))
        if handler is not None:
            handler(self, event.content, now)
            self.observer(now)

    def widget_config(self, event: WidgetConfig, now: float) -> None:
        """Widget settings came in a frame of their own."""
        self._configure(event.settings)

    def _configure(self, settings: WidgetSettings) -> None:
        """They replace earlier ones as a whole."""
        self.widget_settings = settings
        self._report(WidgetSettingsChanged(settings))

    def _on_message(self, message: ai_events.MessageItem, now: float) -> None:
        if message.role == TranscriptionItem.ROLE_USER:
            self._on_user_message(message, now)
        elif message.role == TranscriptionItem.ROLE_ASSISTANT:
            self._on_assistant_message(message, now)

    def _on_transcripts(self, transcripts: ai_events.Transcripts, now: float) -> None:
        for message in transcripts.items:
            self._on_message(message, now)

    def _on_user_message(self, message: ai_events.MessageItem, now: float) -> None:
        known = self._find_user_item(message, now)
        is_blank = _is_blank(message.text) and not message.image_urls
        if known is None:
            if is_blank:
                return
            call_id = self._call_of(message.role)
            self._was_talked_over(now)
            self._close(now, interrupted=True)
            item = self._new_item(
                message.item_id or self._new_id(),
                message.role,
                message.text,
                now,
                call_id=call_id,
                image_urls=message.image_urls,
                item_type="text_message_with_image" if message.image_urls else "text",
                is_partial=message.is_partial,
            )
        elif known.is_final and message.is_partial:
            return
        elif is_blank:
            item = attrs.evolve(known, is_partial=message.is_partial)
        else:
            # An echo may leave out the images, which were large.
            images = message.image_urls or known.image_urls
            item = attrs.evolve(known, content=message.text, image_urls=images, is_partial=message.is_partial)
        if item != known:
            self._put(item)
        elif item.is_final:
            return  # said again: what the agent does has not changed either
        # What the user said may be known only after the assistant has begun to respond to it.
        if known is None or self.agent_state is not AgentState.SPEAKING:
            self.agent.user_turn(_state_after(item), now)

    def _on_assistant_message(self, message: ai_events.MessageItem, now: float) -> None:
        if _is_blank(message.text):
            return
        known = self._find_spoken(message.item_id)
        if known is None and (last := self._last_of_assistant()) is not None:
            # What the deltas have built already, under another id (R44).
            known = last if _is_same(last.content, message.text) else None
        if known is None:
            self._close(now, interrupted=False)
            item_id = message.item_id or self._new_id()
            call_id = self._call_of(message.role)
            self._put(
                self._new_item(item_id, message.role, message.text, now, call_id=call_id, is_partial=message.is_partial)
            )
            return
        if self._open is not None and self._open.item.id == known.id:
            self._open = None
        self._replace(known, attrs.evolve(known, content=message.text, is_partial=message.is_partial))

    def _on_function_call(self, call: ai_events.FunctionCall, now: float) -> None:
        # Beyond the bound it is reported, too, so that it gets an answer; only nobody waits for that.
        if call.call_id in self._tool_calls or len(self._tool_calls) < MAX_OPEN_TOOL_CALLS:
            self._tool_calls[call.call_id] = self._tool_calls.get(call.call_id, 0) + 1
            self.agent.tool_wanted()
        self._report(FunctionCallReceived(call.call_id, call.name, call.arguments))

    def _on_response_created(self, response: ai_events.ResponseCreated, now: float) -> None:
        if self._open is not None and not _belongs(self._open.item, None, response.response_id):
            self._close(now, interrupted=True)
        self._response_begins(response.response_id, now)
        self.agent.response_began(now)

    def _on_delta(self, delta: ai_events.TextDelta, now: float) -> None:
        if not delta.delta:
            self.agent.response_began(now)
            return
        item_id = delta.item_id or delta.response_id or (None if self._open is None else self._open.item.id)
        if self._open is None or self._open.item.id != item_id:
            known = self._find_spoken(item_id)
            if known is not None and known.id in self._whole:
                return
            if known is not None and known.is_final and not known.interrupted:
                # Late, after its `done`. An item that came as a whole has this text already.
                if known.item_type == "response_delta" and self._may_grow(
                    key_of(known), len(known.content), delta.delta
                ):
                    self._put(attrs.evolve(known, content=known.content + whole(delta.delta)), whole(delta.delta))
                return
            response_id = delta.response_id or item_id or self._response_id
            self.agent.response_began(now)
            self._open_item(item_id or self._new_id(), response_id, known, now)
        else:
            self.agent.response_began(now)
        self._grow(delta.delta)

    def _open_item(self, item_id: str, response_id: str | None, known: TranscriptionItem | None, now: float) -> None:
        if self._open is not None:
            # Another item of the same response is no interruption.
            self._close(now, interrupted=self._open.item.response_id != response_id)
        text = GrowingText("" if known is None else known.content)
        self._response_begins(response_id or item_id if known is None else known.response_id, now)
        if known is None:
            item = self._new_item(
                item_id,
                TranscriptionItem.ROLE_ASSISTANT,
                text.snapshot(),
                now,
                call_id=self._response_call if self._named is None else self._named,
                item_type="response_delta",
                response_id=response_id or item_id,
            )
        else:
            item = known
        self._open = _OpenItem(attrs.evolve(item, is_partial=True, interrupted=False, heard_share=None), text)

    def _grow(self, delta: str) -> None:
        opened = self._open
        assert opened is not None
        text, key = opened.text, key_of(opened.item)
        if not self._may_grow(key, len(text), delta):
            return
        text.append(delta)
        opened.item = opened.item.grown(text.snapshot())
        if key in self._places:
            self._put(opened.item, whole(delta))
        elif not _is_blank(delta):
            # Blank so far, and therefore not in the transcript yet (R46).
            self._put(opened.item, opened.item.content)

    def _on_text_done(self, done: ai_events.TextDone, now: float) -> None:
        is_current = self._is_current(done.response_id or done.item_id)
        if self._open is not None and _belongs(self._open.item, done.item_id, done.response_id):
            is_current = True
            item_id = self._open.item.id
            if done.text is not None:
                self._open.item = attrs.evolve(self._open.item, content=done.text)
            self._close(now, interrupted=False)
            # There may have been no room for it.
            if done.text is not None and self._find_spoken(item_id) is not None:
                self._whole.add(item_id)
        elif done.text is not None and (known := self._find_spoken(done.item_id)) is not None:
            self._whole.add(known.id)
            self._replace(known, attrs.evolve(known, content=done.text))
        if is_current:
            self.agent.response_over(now)

    def _on_response_done(self, done: ai_events.ResponseDone, now: float) -> None:
        is_current = self._is_current(done.response_id)
        if self._open is not None and _belongs(self._open.item, None, done.response_id):
            self._close(now, interrupted=done.is_cancelled)
        elif done.is_cancelled and done.response_id is not None:
            # Its text was complete before its voice.
            last = self._last_of_assistant()
            if last is not None and last.response_id == done.response_id and not last.interrupted:
                self._put(attrs.evolve(last, interrupted=True, heard_share=self._share(last, now)))
        # After an interruption the agent is thinking already, and the end of the old response changes nothing.
        if is_current:
            self.agent.response_over(now)

    def _is_current(self, response_id: str | None) -> bool:
        """Whether this is the response that is being spoken, as far as one can tell."""
        return response_id is None or self._response_id in (None, response_id)

    _HANDLERS: Mapping[type, Callable[[Conversation, Any, float], None]] = {
        ai_events.MessageItem: _on_message,
        ai_events.Transcripts: _on_transcripts,
        ai_events.FunctionCall: _on_function_call,
        ai_events.ResponseCreated: _on_response_created,
        ai_events.TextDelta: _on_delta,
        ai_events.TextDone: _on_text_done,
        ai_events.ResponseDone: _on_response_done,
    }

    def _fell_silent(self, now: float) -> None:
        """The end of a response came without a word."""
        self._close(now, interrupted=False)

    # -- items ---------------------------------------------------------------------------------------------------------

    def _close(self, now: float | None, *, interrupted: bool) -> None:
        """The open item, if there is one, is complete. There is no time when the call is over."""
        opened, self._open = self._open, None
        if opened is not None and not _is_blank(opened.item.content):
            # As a plain text: nobody adds to it any more.
            item = attrs.evolve(opened.item, content=opened.item.content, is_partial=False)
            if interrupted and now is not None and self.calls.has_any:
                item = attrs.evolve(item, interrupted=True, heard_share=self._share(item, now))
            self._put(item)

    def _may_grow(self, key: Key, length: int, delta: str) -> bool:
        """Whether an item of that length has room for more; if not, the user is told once."""
        if length + len(delta) <= MAX_TEXT and self._budget.grow(key, growth_of(delta)):
            return True
        return self._fits(False)

    def _replace(self, known: TranscriptionItem, item: TranscriptionItem) -> None:
        """Put an item in the place of what is known of it, if there is a difference."""
        if item != known:
            self._put(item)

    def _find_user_item(self, message: ai_events.MessageItem, now: float) -> TranscriptionItem | None:
        """The item that a message is about, be it as the echo of what was typed here (R45)."""
        known = self.find(message.role, message.item_id)
        if known is not None:
            self._unconfirmed.pop(known.id, None)
            return known
        for item_id, deadline in self._unconfirmed.items():
            typed = self.find_typed(item_id)
            if typed is not None and now <= deadline and _is_same(typed.content, message.text):
                del self._unconfirmed[item_id]
                if message.item_id is not None:
                    self._aliases[message.item_id] = item_id
                return typed
        return None


def _belongs(item: TranscriptionItem, item_id: str | None, response_id: str | None) -> bool:
    """Whether ids, as far as there are any, are an item's."""
    if item_id is not None:
        return item.id == item_id
    return response_id is None or response_id in (item.response_id, item.id)


def _is_blank(text: str) -> bool:
    """Without a copy of it, as `strip` makes one."""
    return not text or text.isspace()


def _is_same(text: str, other: str) -> bool:
    """Whether two texts are the same but for blanks around them."""
    return text == other or text.strip() == other.strip()


def _state_after(item: TranscriptionItem) -> AgentState:
    """What the agent does when the user has said this much."""
    if item.is_partial:
        return AgentState.LISTENING
    return AgentState.PROCESSING_IMAGE if item.image_urls else AgentState.THINKING
