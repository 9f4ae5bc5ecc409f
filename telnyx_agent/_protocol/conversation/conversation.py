"""`Conversation`: the transcript of a session's calls, the messages that are typed, and the agent's state.

Its sources are the assistant's messages, the agent's voice and the commands of the program.

Rules of this file:

1. A final item does not become partial again.
2. Deltas belong to their `item_id`, else to their `response_id`, else to the open item (R42).
3. An open item becomes final with its `done`, or when the call ends (R43). It also becomes final when the next response
   or a new item of the user begins: then it was interrupted. Later text for a final item opens it again, unless its
   `done` has brought the whole text. A change is reported only if something has changed.
4. A typed message is in the transcript when it was sent, and not before. The server's echo confirms it, with the same
   id, or with the same text and another id (R45).
5. Each request for a tool is reported, even if an open request has the same id: each gets an answer.
6. Calls at the same time share one transcript; each item has the id of its call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from ..._call_ids import call_uuid
from ...errors import CallError, ClientConfigurationError, ServerError, SocketConnectionError
from ..calls.dialog import Dialogs
from ..outcomes import AiMessage, ClientFailed, FunctionCallReceived, MessageSent, SessionEvent, WidgetSettingsUpdated
from ..session.pending import Channel
from ..session.registration import Registration
from ..session.settings import SessionSettings
from ..states import AgentState
from ..timers import TimerKind, Timers
from ..wire import ai_inbound, requests
from ..wire.credentials import conversation_of
from ..wire.inbound import Refusal, WidgetConfig
from .agent import Agent
from .attribution import Attribution
from .questions import Questions
from .speech_progress import SpeechProgress
from .text_messages import Messages, TypedMessage
from .tool_calls import ToolCalls
from .transcript import Transcript
from .transcription import TranscriptionItem, is_blank
from .widget import WidgetSettings

__all__ = ["Conversation"]


class Conversation:
    """What is said and typed in the calls of one session, and what the agent does.

    Args:
        channel: Sends frames.
        registration: Whether frames may be sent.
        dialogs: Whether there is a call, without which messages do not reach the assistant.
        timers: The timers of the session.
        settings: The time limits.
        wall_clock: The time for `TranscriptionItem.timestamp`.
        report: Takes the events that follow.

    Attributes:
        transcript: What was said and typed.
        agent: What the agent does.
        messages: Typed messages on their way to the assistant.
        questions: Typed questions whose answers are waited for (`Call.ask`).
        widget_settings: The latest widget settings (R18).
    """

    def __init__(
        self,
        channel: Channel,
        registration: Registration,
        dialogs: Dialogs,
        timers: Timers,
        settings: SessionSettings,
        wall_clock: Callable[[], datetime],
        report: Callable[[SessionEvent], None],
    ) -> None:
        self._channel = channel
        self._registration = registration
        self._dialogs = dialogs
        self._report = report
        self._calls = Attribution(conversation_of(registration.login))
        self.transcript = Transcript(self._calls, wall_clock, report)
        self._speech = SpeechProgress(self.transcript)
        self.agent = Agent(self._speech, timers, report, self._fell_silent)
        self._tools = ToolCalls()
        self.messages = Messages(channel, settings, report)
        self.questions = Questions(
            self._calls,
            self.transcript,
            self._speech,
            self.agent,
            self._tools,
            self.messages,
            timers,
            self._send_question,
            report,
        )
        self.widget_settings: WidgetSettings | None = None
        # The server's id of the conversation, once a message has brought it.
        self._conversation_id: str | None = None
        # The call that is named in the present frame.
        self._named: UUID | None = None
        # The call in which the assistant speaks now.
        self._response_call: UUID | None = None

    @property
    def conversation_id(self) -> str | None:
        """The id of the conversation: the one that the server has sent, or that the login joined."""
        return self._conversation_id or conversation_of(self._registration.login)

    # -- the program's commands ----------------------------------------------------------------------------------------

    def send_message(
        self,
        text: str,
        image_urls: Sequence[str],
        now: float,
        *,
        may_wait: bool = False,
        call_id: UUID | None = None,
    ) -> str:
        """Send typed text, images (`data:` or `https:` URLs) or both (R45, R48).

        Args:
            text: The text.
            image_urls: The images.
            now: The time.
            may_wait: Whether to keep the message while a call is being set up or taken up again. Then `MessageSent` or
                `MessageFailed` follows.
            call_id: The call whose transcript the message belongs to; None: `Attribution` decides. It is not sent,
                because frames with messages have no call id.

        Returns:
            The id of the transcript item.

        Raises:
            ClientConfigurationError: There is nothing to send.
            CallError: No call is active; nothing was sent.
            SocketConnectionError: A call is active, but its connection is lost at the moment; nothing was sent.
        """
        item_id = self._send_or_keep(text, image_urls, now, may_wait=may_wait, call_id=call_id)
        self.questions.look(now)
        return item_id

    def send_function_call_output(self, call_id: str, output: str, now: float) -> None:
        """Answer a `FunctionCallReceived`.

        Raises:
            SocketConnectionError: Not connected. The output is not kept: a late answer is of no use (R49).
            CallError: The call in which the agent asked is over.
        """
        if not self._registration.is_ready:
            raise SocketConnectionError("not connected; the tool's result was not sent")
        if self._tools.answered(call_id):
            self.agent.tool_answered(now)
            self.questions.look(now)
        self._channel.send(requests.function_call_output(call_id, output))

    def subscribe_audio_stream(self) -> None:
        """Ask for events about audio before it is played; they come as `AiMessage`.

        Raises:
            SocketConnectionError: Not connected.
        """
        if not self._registration.is_ready:
            raise SocketConnectionError("not connected; the message was not sent")
        self._channel.send(requests.audio_stream_subscribe())

    def clear(self) -> None:
        """Clear the transcript."""
        self._response_call = None
        self._speech.forget_response()
        self.messages.forget_unconfirmed()
        self.transcript.clear()

    # -- the calls -----------------------------------------------------------------------------------------------------

    def start_call(self, call_id: str) -> None:
        """A call begins, and with it a new transcript (R47), unless there is another call already."""
        if not self._calls.has_any:
            self._speech.call_started()
            self.agent.call_started()
            self.clear()
        self._calls.started(call_uuid(call_id))

    def call_established(self, call_id: str, now: float) -> None:
        """A call is up; the assistant may have begun to speak before."""
        self._calls.established(call_uuid(call_id), now)
        self.agent.call_established()
        self.questions.look(now)

    def end_call(self, call_id: str, now: float) -> None:
        """A call is over: its items are final now. The transcript stays. The call need not have started."""
        ended = call_uuid(call_id)
        # A call that only rang has no items, but it may have questions.
        if not self._calls.is_over(ended):
            self.transcript.end_call(ended)
            self._calls.ended(ended)
            if not self._calls.has_any:
                self.messages.forget_unconfirmed()
                self.agent.call_ended()
                self._tools.call_ended()
        self.questions.call_over(ended, now)

    def voice(self, audible: bool, at: float, now: float, call_id: str | None = None) -> None:
        """The agent's voice has become audible, or silent, in a call. `at` is the time of that, on the same clock."""
        if not self._calls.has_any:
            return
        self._calls.voice(self._calls.of(None) if call_id is None else call_uuid(call_id), audible)
        audible = self._calls.is_audible
        self.agent.voice(audible, at, now)
        if not audible and (item := self._speech.fell_silent(at, now)) is not None:
            self.transcript.put(item)
        self.questions.look(now)

    def timer_due(self, kind: TimerKind, now: float) -> None:
        """One of the conversation's timers is due."""
        if kind is TimerKind.ANSWER:
            self.questions.timer_due(now)
        else:
            self.agent.timer_due(now)
            self.questions.look(now)

    # -- our messages --------------------------------------------------------------------------------------------------

    def send_waiting(self, now: float) -> None:
        """A call is up: send what waited for it."""
        waiting = self.messages.take_waiting()
        for message in waiting:
            self._send(message, now)
            self._report(MessageSent(message.item_id))
        if waiting:
            self.questions.look(now)

    def refused(self, item_id: str, refusal: Refusal, now: float) -> None:
        """The server refused a message: remove it from the transcript."""
        self.messages.confirmed(item_id)
        if (refused := self.transcript.find_typed(item_id)) is not None:
            self.transcript.remove(refused)
        self._report(ClientFailed(refusal.as_error(ServerError, f"the server did not take the message: {refusal}")))
        self.questions.look(now)

    def _send_question(self, text: str, call_id: UUID | None, now: float) -> str:
        return self._send_or_keep(text, (), now, may_wait=True, call_id=call_id)

    def _send_or_keep(
        self, text: str, image_urls: Sequence[str], now: float, *, may_wait: bool, call_id: UUID | None
    ) -> str:
        if not text.strip() and not image_urls:
            raise ClientConfigurationError("there is nothing to send: give a text, an image or both")
        message = TypedMessage(self._channel.new_id(), text, tuple(image_urls), may_wait, call_id)
        if self._registration.is_ready and self._dialogs.has_active:
            self._send(message, now)
        elif may_wait and self._dialogs:
            self.messages.keep(message)
        elif self._dialogs.has_lost or self._dialogs.has_active:
            raise SocketConnectionError(
                "the connection is lost at the moment and being made again; the message was not sent"
            )
        else:
            raise CallError("no call is active; messages reach the assistant only during a call")
        return message.item_id

    def _send(self, message: TypedMessage, now: float) -> None:
        """Send a message to the assistant, perhaps for the second time."""
        self.messages.send(message, now)
        if self.transcript.find_typed(message.item_id) is not None:
            return
        call_id = self._calls.of(TranscriptionItem.ROLE_USER) if message.call_id is None else message.call_id
        self._calls.said(call_id)
        self.transcript.put(
            self.transcript.new_item(
                message.item_id,
                TranscriptionItem.ROLE_USER,
                message.text,
                now,
                call_id=call_id,
                image_urls=message.image_urls,
                item_type="text_message_with_image" if message.image_urls else "text_message",
            ),
            own=True,
        )
        self._speech.user_began(now)
        self.agent.user_turn(AgentState.PROCESSING_IMAGE if message.image_urls else AgentState.THINKING, now)

    # -- the assistant's messages --------------------------------------------------------------------------------------

    def receive(self, event: ai_inbound.AiConversation, now: float) -> None:
        """An `ai_conversation` frame came."""
        self._conversation_id = event.conversation_id or self._conversation_id
        self._named = self._calls.named(event.call_id, event.conversation_id)
        self._report(AiMessage(event.params, event.content, self._conversation_id))
        if event.widget_settings is not None:
            self._configure(event.widget_settings)
        handler = self._HANDLERS.get(type(event.content))
        if handler is not None:
            handler(self, event.content, now)
            self.questions.look(now)

    def widget_config(self, event: WidgetConfig, now: float) -> None:
        """Widget settings came in a frame of their own."""
        self._configure(event.settings)

    def _configure(self, settings: WidgetSettings) -> None:
        """New widget settings replace all earlier ones."""
        self.widget_settings = settings
        self._report(WidgetSettingsUpdated(settings))

    def _on_message(self, message: ai_inbound.MessageItem, now: float) -> None:
        if message.role == TranscriptionItem.ROLE_USER:
            self._on_user_message(message, now)
        elif message.role == TranscriptionItem.ROLE_ASSISTANT:
            self._on_assistant_message(message, now)

    def _on_transcripts(self, transcripts: ai_inbound.Transcripts, now: float) -> None:
        for message in transcripts.items:
            self._on_message(message, now)

    def _on_user_message(self, message: ai_inbound.MessageItem, now: float) -> None:
        known = self._find_user_item(message, now)
        has_nothing = is_blank(message.text) and not message.image_urls
        if known is None:
            if has_nothing:
                return
            call_id = self._call_of(message.role)
            self._speech.user_began(now)
            self._close(now, interrupted=True)
            item = self.transcript.new_item(
                message.item_id or self._channel.new_id(),
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
        elif has_nothing:
            item = attrs.evolve(known, is_partial=message.is_partial)
        else:
            # An echo may come without the images, which may be large.
            images = message.image_urls or known.image_urls
            item = attrs.evolve(known, content=message.text, image_urls=images, is_partial=message.is_partial)
        if item != known:
            self.transcript.put(item)
        elif item.is_final:
            return  # a repetition, after which the agent's state is also the same
        # The user's words may come only after the assistant has begun to respond to them.
        if known is None or self.agent.state is not AgentState.SPEAKING:
            self.agent.user_turn(_state_after(item), now)

    def _on_assistant_message(self, message: ai_inbound.MessageItem, now: float) -> None:
        if is_blank(message.text):
            return
        transcript = self.transcript
        known = transcript.find_spoken(message.item_id)
        if known is None and (last := transcript.last_spoken) is not None:
            # The deltas may have brought this text already, with another id (R44).
            known = last if _is_same(last.content, message.text) else None
        if known is None:
            self._close(now, interrupted=False)
            item_id = message.item_id or self._channel.new_id()
            call_id = self._call_of(message.role)
            transcript.put(
                transcript.new_item(
                    item_id, message.role, message.text, now, call_id=call_id, is_partial=message.is_partial
                )
            )
            return
        if transcript.open is not None and transcript.open.item.id == known.id:
            transcript.open = None
        transcript.replace(known, attrs.evolve(known, content=message.text, is_partial=message.is_partial))

    def _on_function_call(self, call: ai_inbound.FunctionCall, now: float) -> None:
        # A request beyond the limit of `ToolCalls` is reported, too, so that it is answered. The agent's state does not
        # change with it.
        if self._tools.asked(call.call_id):
            self.agent.tool_wanted()
        self._report(FunctionCallReceived(call))

    def _on_response_created(self, response: ai_inbound.ResponseCreated, now: float) -> None:
        opened = self.transcript.open
        if opened is not None and not _belongs(opened.item, None, response.response_id):
            self._close(now, interrupted=True)
        self._response_begins(response.response_id, now)
        self.agent.response_began(now)

    def _on_delta(self, delta: ai_inbound.TextDelta, now: float) -> None:
        if not delta.delta:
            self.agent.response_began(now)
            return
        transcript = self.transcript
        opened = transcript.open
        item_id = delta.item_id or delta.response_id or (None if opened is None else opened.item.id)
        if opened is not None and opened.item.id == item_id:
            self.agent.response_began(now)
            transcript.grow(delta.delta)
            return
        known = transcript.find_spoken(item_id)
        if known is not None and transcript.is_whole(known.id):
            return
        if known is not None and known.is_final and not known.interrupted:
            # The delta came after its `done`. An item that came in one piece has this text already.
            if known.item_type == "response_delta":
                transcript.lengthen(known, delta.delta)
            return
        response_id = delta.response_id or item_id or self._speech.response_id
        self.agent.response_began(now)
        self._open(item_id or self._channel.new_id(), response_id, known, now)
        transcript.grow(delta.delta)

    def _on_text_done(self, done: ai_inbound.TextDone, now: float) -> None:
        transcript = self.transcript
        opened = transcript.open
        is_current = self._is_current(done.response_id or done.item_id)
        if opened is not None and _belongs(opened.item, done.item_id, done.response_id):
            is_current = True
            if done.text is not None:
                opened.item = attrs.evolve(opened.item, content=done.text)
            self._close(now, interrupted=False)
            # If the transcript was full, the item is not there.
            if done.text is not None and transcript.find_spoken(opened.item.id) is not None:
                transcript.mark_whole(opened.item.id)
        elif done.text is not None and (known := transcript.find_spoken(done.item_id)) is not None:
            transcript.mark_whole(known.id)
            transcript.replace(known, attrs.evolve(known, content=done.text))
        if is_current:
            self.agent.response_over(now)

    def _on_response_done(self, done: ai_inbound.ResponseDone, now: float) -> None:
        opened = self.transcript.open
        is_current = self._is_current(done.response_id)
        if opened is not None and _belongs(opened.item, None, done.response_id):
            self._close(now, interrupted=done.is_cancelled)
        elif done.is_cancelled and done.response_id is not None:
            # Its text was complete, but its voice was interrupted.
            last = self.transcript.last_spoken
            if last is not None and last.response_id == done.response_id and not last.interrupted:
                self.transcript.put(self._speech.interrupted(last, now))
        # After an interruption the agent thinks about something new. The end of the old response does not change that.
        if is_current:
            self.agent.response_over(now)

    _HANDLERS: Mapping[type, Callable[[Conversation, Any, float], None]] = {
        ai_inbound.MessageItem: _on_message,
        ai_inbound.Transcripts: _on_transcripts,
        ai_inbound.FunctionCall: _on_function_call,
        ai_inbound.ResponseCreated: _on_response_created,
        ai_inbound.TextDelta: _on_delta,
        ai_inbound.TextDone: _on_text_done,
        ai_inbound.ResponseDone: _on_response_done,
    }

    def _fell_silent(self, now: float) -> None:
        """The agent fell silent, and no frame said that its response is done."""
        self._close(now, interrupted=False)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _is_current(self, response_id: str | None) -> bool:
        """Whether this is the response that is being spoken; true also where the ids do not say so."""
        return response_id is None or self._speech.response_id in (None, response_id)

    def _call_of(self, role: str) -> UUID | None:
        """The call that a new item belongs to: the one that its frame names, else the choice of `Attribution`."""
        call_id = self._calls.of(role) if self._named is None else self._named
        self._calls.said(call_id, by_assistant=role == TranscriptionItem.ROLE_ASSISTANT)
        return call_id

    def _response_begins(self, response_id: str | None, now: float) -> None:
        """From now on, the agent's voice belongs to this response."""
        if response_id is None or response_id != self._speech.response_id:
            self._response_call = self._call_of(TranscriptionItem.ROLE_ASSISTANT)
            self._speech.begin(response_id, now)

    def _open(self, item_id: str, response_id: str | None, known: TranscriptionItem | None, now: float) -> None:
        """Text comes for an item that is not open: a new one, or one that was final."""
        opened = self.transcript.open
        if opened is not None:
            # A second item of the same response does not interrupt the first.
            self._close(now, interrupted=opened.item.response_id != response_id)
        self._response_begins(response_id or item_id if known is None else known.response_id, now)
        if known is None:
            known = self.transcript.new_item(
                item_id,
                TranscriptionItem.ROLE_ASSISTANT,
                "",
                now,
                call_id=self._response_call if self._named is None else self._named,
                item_type="response_delta",
                response_id=response_id or item_id,
            )
        self.transcript.begin(known)

    def _close(self, now: float, *, interrupted: bool) -> None:
        """Make the open item, if there is one, final."""
        item = self.transcript.close()
        if item is not None:
            self.transcript.put(self._speech.interrupted(item, now) if interrupted and self._calls.has_any else item)

    def _find_user_item(self, message: ai_inbound.MessageItem, now: float) -> TranscriptionItem | None:
        """The item of a message: one with its id, or a typed message of which it is the echo (R45)."""
        known = self.transcript.find(message.role, message.item_id)
        if known is not None:
            self.messages.confirmed(known.id)
            return known
        for item_id in self.messages.unconfirmed(now):
            typed = self.transcript.find_typed(item_id)
            if typed is not None and _is_same(typed.content, message.text):
                self.messages.confirmed(item_id)
                if message.item_id is not None:
                    self.transcript.know_as(message.item_id, item_id)
                return typed
        return None


def _belongs(item: TranscriptionItem, item_id: str | None, response_id: str | None) -> bool:
    """Whether the ids in a frame, if there are any, are those of `item`."""
    if item_id is not None:
        return item.id == item_id
    return response_id is None or response_id in (item.response_id, item.id)


def _is_same(text: str, other: str) -> bool:
    """Whether two texts are the same, apart from blanks around them."""
    return text == other or text.strip() == other.strip()


def _state_after(item: TranscriptionItem) -> AgentState:
    """The agent's state after this item of the user."""
    if item.is_partial:
        return AgentState.LISTENING
    return AgentState.PROCESSING_IMAGE if item.image_urls else AgentState.THINKING
