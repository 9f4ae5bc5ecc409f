"""`AIAssistantManager`: the transcript, its observers, typed messages and the assistant's settings, from any thread.

iOS: `client.aiAssistantManager`. The transcript is that of the current call. After the call it stays until the next one
begins (iOS and Android clear it when the call ends, before a program can read it).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import attrs

from ._arguments import check_argument, checked_arguments
from ._callables import check_function
from ._checks import check_message
from ._images import DEFAULT_IMAGE_LIMIT, ImageSource, image_urls
from ._listeners import check_delegate
from ._protocol.conversation.transcription import TranscriptionItem
from ._protocol.conversation.widget import WidgetSettings
from ._protocol.states import AgentState
from ._session_handle import not_connected
from .delegate import ASSISTANT_CALLBACKS
from .events import WidgetSettingsUpdated

if TYPE_CHECKING:
    from ._assistant_record import AssistantRecord, Items
    from ._listeners import Listeners
    from ._login import Logins
    from ._protocol.session.session import Session
    from ._runtime.futures import CommandFuture

__all__ = ["AIAssistantManager", "TranscriptCancellable"]

_ITEM = {
    "id": "str",
    "content": "str",
    "item_type": "str | None",
    "metadata": "Mapping[str, Any]",
    "response_id": "str | None",
    "timestamp": "datetime",
}
"""The members of an item that are checked here. On the loop, an error could not be raised in the program's code."""


class TranscriptCancellable:
    """What `subscribe...` returns: `cancel()` ends the subscription. iOS: `TranscriptCancellable`.

    Unlike on iOS it need not be kept: a subscription lasts until it is cancelled. Works as a context manager too.
    """

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel = cancel

    def cancel(self) -> None:
        """Do not call the handler again; a call that is running goes on. Idempotent, any thread."""
        self._cancel()

    def __enter__(self) -> TranscriptCancellable:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()


@checked_arguments
class AIAssistantManager:
    """Transcript, messages and settings of a client's assistant. Methods are for any thread and inside any callback."""

    def __init__(self, record: AssistantRecord, logins: Logins, listeners: Listeners) -> None:
        """Made by `TxClient`; use `client.ai_assistant_manager`."""
        self._record = record
        self._logins = logins
        self._listeners = listeners

    def __repr__(self) -> str:
        return f"<AIAssistantManager {len(self.transcript)} items, agent {self.agent_state.value}>"

    @property
    def delegate(self) -> object | None:
        """Who gets the assistant's callbacks besides the client's delegate. iOS: `aiAssistantManager.delegate`.

        An `AIAssistantManagerDelegate`, or any object with some of its methods. They are called on the same thread as
        those of the client's delegate. An object that is both delegates is called once.

        Raises:
            ClientConfigurationError: When it is set, as for `TxClient.delegate`.
        """
        return self._listeners.assistant_delegate

    @delegate.setter
    def delegate(self, delegate: object | None) -> None:
        check_delegate("delegate", delegate, ASSISTANT_CALLBACKS)
        self._listeners.assistant_delegate = delegate

    # -- transcript ----------------------------------------------------------------------------------------------------

    @property
    def transcript(self) -> tuple[TranscriptionItem, ...]:
        """The transcript so far, in order: an immutable snapshot. It may contain items that no callback has shown yet.

        iOS: `transcript`, `getTranscriptions()`.
        """
        return self._record.transcript

    def get_transcriptions_by_role(self, role: str) -> tuple[TranscriptionItem, ...]:
        """Only the items of one role, `"user"` or `"assistant"`, in any case."""
        return tuple(item for item in self.transcript if item.role == role.lower())

    def get_user_transcriptions(self) -> tuple[TranscriptionItem, ...]:
        """Only what the user said or typed."""
        return self.get_transcriptions_by_role("user")

    def get_assistant_transcriptions(self) -> tuple[TranscriptionItem, ...]:
        """Only what the assistant said."""
        return self.get_transcriptions_by_role("assistant")

    def get_partial_transcriptions(self) -> tuple[TranscriptionItem, ...]:
        """Only the items that still grow."""
        return tuple(item for item in self.transcript if item.is_partial)

    def get_final_transcriptions(self) -> tuple[TranscriptionItem, ...]:
        """Only the items that are complete."""
        return tuple(item for item in self.transcript if not item.is_partial)

    def export_text(self) -> str:
        """The transcript as text: a line `role: content` for each item, images named by their number."""
        return "".join(f"{_line(item)}\n" for item in self.transcript)

    def export_json(self, *, indent: int | None = 2) -> str:
        """The transcript as a JSON list of `TranscriptionItem.to_dict()`."""
        return json.dumps([item.to_dict() for item in self.transcript], ensure_ascii=False, indent=indent)

    def add_transcription(self, item: TranscriptionItem) -> CommandFuture[None]:
        """Add an item of your own to the transcript. It replaces an item with the same role and id.

        iOS: `addTranscription`.

        Observers and delegate are called as for any change. Without a login they are not called, and the transcript
        changes at once.

        Raises:
            ClientConfigurationError: A member of the item has a wrong type; the text names it.
        """
        members = {}
        for name, annotation in _ITEM.items():
            members[name] = check_argument(f"item.{name}", getattr(item, name), annotation)
        item = attrs.evolve(item, **members)

        def with_item(items: Items) -> Items:
            known = [(other.role, other.id) for other in items]
            if (item.role, item.id) in known:
                place = known.index((item.role, item.id))
                return (*items[:place], item, *items[place + 1 :])
            return (*items, item)

        return self._edit(lambda session, now: session.conversation.transcript.add(item, now), with_item)

    def clear_transcriptions(self) -> CommandFuture[None]:
        """Clear the transcript. `Call.transcript` of earlier calls stays."""
        return self._edit(lambda session, now: session.conversation.clear(), lambda items: ())

    def clear_transcriptions_by_role(self, role: str) -> CommandFuture[None]:
        """Remove the items of one role, `"user"` or `"assistant"`, in any case. iOS: `clearTranscriptionsByRole`."""
        wanted = role.lower()

        def without(items: Items) -> Items:
            return tuple(item for item in items if item.role != wanted)

        return self._edit(lambda session, now: session.conversation.transcript.clear_role(wanted), without)

    def clear_all_data(self) -> CommandFuture[None]:
        """Clear the transcript and the widget settings. iOS: `clearAllData`, `reset`.

        The session stays locked to the assistant until it is disconnected.
        """
        self._record.widget_settings = None
        return self.clear_transcriptions()

    # -- observers -----------------------------------------------------------------------------------------------------

    def subscribe_to_transcript_updates(
        self, handler: Callable[[Sequence[TranscriptionItem]], object]
    ) -> TranscriptCancellable:
        """Call `handler` with the whole transcript after every change, also after every delta.

        If the handler is slow and very many long transcripts wait for it, several changes come in one call; the last
        call always brings the newest transcript. Runs on the delegate thread, after the delegate. The subscription goes
        on over calls and logins until it is cancelled.

        Raises:
            ClientConfigurationError: `handler` is no plain function of one parameter.
        """
        check_function("handler", handler, "(transcriptions)")
        return self._subscribe(handler, wants_all=True)

    def subscribe_to_transcript_item_updates(
        self, handler: Callable[[TranscriptionItem], object]
    ) -> TranscriptCancellable:
        """Call `handler` with each item that is new or changed. Otherwise as `subscribe_to_transcript_updates`.

        Raises:
            ClientConfigurationError: `handler` is no plain function of one parameter.
        """
        check_function("handler", handler, "(item)")

        return self._subscribe(lambda item, delta: handler(item))

    def subscribe_to_transcript_deltas(
        self, handler: Callable[[TranscriptionItem, str], object]
    ) -> TranscriptCancellable:
        """Call `handler` with an item and the text by which it has just grown. Otherwise as the other subscriptions.

        Raises:
            ClientConfigurationError: `handler` is no plain function of two parameters.
        """
        check_function("handler", handler, "(item, delta)")

        return self._subscribe(lambda item, delta: None if delta is None else handler(item, delta))

    # -- messages and tools --------------------------------------------------------------------------------------------

    def send_ai_assistant_message(
        self,
        message: str = "",
        images: Iterable[ImageSource] = (),
        *,
        base64_images: Iterable[str] | None = (),
        image_limit: int = DEFAULT_IMAGE_LIMIT,
        wait: bool = False,
    ) -> CommandFuture[str]:
        """Send typed text, images or both to the assistant during a call. The transcript shows it at once.

        Args:
            message: The text; may be blank if there is an image.
            images: Each a path, the bytes of an image, base64, a `data:` URL or an `https://` URL; JPEG, PNG, GIF or
                WebP.
            base64_images: iOS's name for images in base64; the same as `images`, and sent after those.
            image_limit: Most characters of one encoded image.
            wait: What happens while the call is being set up or its connection is lost. False: the message fails. True:
                the message is sent, and shown, when the call is up again. It fails if the call ends first. It is sent
                again if the connection is lost before the server has confirmed it.

        Returns:
            A future with the id of the transcript item. It is done when the message is sent. Its error is a `CallError`
            if no call is active, or a `SocketConnectionError` if the connection is lost. Then nothing was sent, and the
            transcript does not show it. Its truth value is iOS's `Bool`: False if the message was refused at once.

        Raises:
            ClientConfigurationError: There is nothing to send, or more than 4 MiB, or an image cannot be read, has
                another type or is too large.
        """
        # As in iOS's unit tests: empty images, and None, are left out.
        encoded = base64_images if isinstance(base64_images, Iterable) else (base64_images or ())
        if not isinstance(encoded, (str, bytes)) and isinstance(encoded, Iterable):
            encoded = [image for image in encoded if image]
        urls = image_urls(images, limit=image_limit)
        urls += image_urls(encoded or (), limit=image_limit, name="base64_images")
        check_message(message, urls)
        return self._logins.handle.command(
            lambda driver: driver.send_message, message, urls, wait, refusal=not_connected()
        )

    @property
    def answers_unknown_tools(self) -> bool:
        """Whether the SDK answers a request for a tool that this program does not have with an error; True by default.

        Set it to False if you answer requests yourself, in `on_function_call`. An agent that gets no answer waits.
        """
        return self._logins.tools.answers_unknown

    @answers_unknown_tools.setter
    def answers_unknown_tools(self, answers: bool) -> None:
        self._logins.tools.answers_unknown = bool(answers)

    def send_function_call_output(self, call_id: str, output: str) -> CommandFuture[None]:
        """Answer a `FunctionCall` yourself.

        Args:
            call_id: That of the function call.
            output: The result, a text; JSON by custom.

        Returns:
            A future that is done when the output is sent. Its error is a `SocketConnectionError` if there is no
            connection (the output is not kept, because the agent has no use for a late result), or a `CallError` if the
            call in which the agent asked is over.
        """
        return self._logins.answer_function_call(call_id, output)

    def subscribe_response_audio_stream(self) -> CommandFuture[None]:
        """Ask for events about the agent's voice before it is played; they come to `on_ai_conversation_message`.

        The message is the JavaScript SDK's `response.audio_stream.subscribe`. Telnyx does not document what the server
        sends then.

        Returns:
            A future that is done when it is sent. Its error is a `SocketConnectionError` without a connection.
        """
        return self._logins.handle.perform(lambda session, now: session.conversation.subscribe_audio_stream())

    # -- the assistant -------------------------------------------------------------------------------------------------

    @property
    def agent_state(self) -> AgentState:
        """Whether the agent listens, thinks or speaks; `IDLE` without a call."""
        return self._record.agent_state.get()

    def wait_for_agent_state(self, state: AgentState, timeout: float | None = None) -> None:
        """Block until the agent is in `state`. One Ctrl-C interrupts.

        Args:
            state: The state to wait for.
            timeout: Seconds; None: no limit.

        Raises:
            TxTimeoutError: The agent was not in `state` in time.
        """
        self._record.agent_state.wait(lambda now: now is state, timeout)

    @property
    def connected_target_id(self) -> str | None:
        """The assistant that the session is locked to, or None."""
        return self._logins.connection.get().target_id

    @property
    def is_ai_assistant_connected(self) -> bool:
        """Whether the session is locked to an assistant: from `on_client_ready` (iOS: too early) to the disconnection
        (iOS: never).
        """
        return self.connected_target_id is not None

    def get_connection_info(self) -> dict[str, Any]:
        """What the session is locked to: `isConnected`, `targetId`, `targetType`, `targetVersionId`. iOS:
        `getConnectionInfo`.
        """
        target, login = self.connected_target_id, self._logins.login
        info = {"isConnected": target is not None, "targetId": target, "targetType": None, "targetVersionId": None}
        if target is not None:
            info["targetType"] = getattr(login, "target_type", None)
            info["targetVersionId"] = getattr(login, "target_version_id", None)
        return info

    @property
    def widget_settings(self) -> WidgetSettings | None:
        """The latest widget settings; None before the server has sent any. iOS: `getWidgetSettings()`."""
        return self._record.widget_settings

    def update_widget_settings(self, settings: WidgetSettings) -> None:
        """Replace the widget settings by your own, for `widget_settings`. iOS: `updateWidgetSettings`.

        The next settings of the server replace them. During a session, the delegate is called.
        """
        self._record.widget_settings = settings
        # The loop only calls the delegate. If it set the value too, it could undo what the program has set since then.
        handle, send = self._logins.handle, self._listeners.send
        if (dispatcher := handle.dispatcher) is not None:
            handle.post(lambda driver: functools.partial(send, dispatcher), WidgetSettingsUpdated(settings))

    # -- inside --------------------------------------------------------------------------------------------------------

    def _edit(self, action: Callable[[Session, float], None], offline: Callable[[Items], Items]) -> CommandFuture[None]:
        """Change the transcript: that of the session, or, without a login, the one that the last login has left."""
        handle = self._logins.handle
        if not handle.is_open:
            self._record.transcript = offline(self._record.transcript)
        return handle.command(lambda driver: driver.perform, action)  # done at once if there is no login

    def _subscribe(self, notify: Callable[..., object], *, wants_all: bool = False) -> TranscriptCancellable:
        return TranscriptCancellable(self._record.subscribe(notify, wants_all=wants_all))


def _line(item: TranscriptionItem) -> str:
    images = f" [{len(item.image_urls)} image(s)]" if item.image_urls else ""
    return f"{item.role}: {item.content}{images}"
