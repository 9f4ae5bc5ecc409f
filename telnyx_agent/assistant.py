"""`AIAssistantManager`: the transcript, its observers, typed messages and the assistant's settings, from any thread.

iOS: `client.aiAssistantManager`. The transcript belongs to the current call, or to the last one until the next begins
(iOS and Android clear it when the call ends, before anybody could read it).
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
"""What is looked at before an item goes to the loop, where nobody could be told what is wrong with it."""


class TranscriptCancellable:
    """What `subscribe...` returns: `cancel()` ends the subscription. iOS: `TranscriptCancellable`.

    Unlike on iOS it need not be kept: a subscription lasts until it is cancelled. Works as a context manager too.
    """

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel = cancel

    def cancel(self) -> None:
        """No further calls of the handler, except one that is running now. Idempotent, any thread."""
        self._cancel()

    def __enter__(self) -> TranscriptCancellable:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()


@checked_arguments
class AIAssistantManager:
    """The assistant's side of a client. Every method may be called from any thread and inside any callback."""

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

        An `AIAssistantManagerDelegate`, or any object with some of its methods. They are called where those of the
        client's delegate are; an object that is both is called once.

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
        """The transcript so far, in order: an immutable snapshot. May be ahead of the callbacks delivered so far.

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
        """Put an item of your own into the transcript, or in the place of the one with its role and id.

        iOS: `addTranscription`.

        Observers and delegate are told as of any change. Without a connection, only the snapshot changes, at once.

        Raises:
            ClientConfigurationError: A member of the item has a wrong type.
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
        """Forget the transcript. `Call.transcript` of earlier calls stays."""
        return self._edit(lambda session, now: session.conversation.clear(), lambda items: ())

    def clear_transcriptions_by_role(self, role: str) -> CommandFuture[None]:
        """Forget the items of one role, `"user"` or `"assistant"`, in any case. iOS: `clearTranscriptionsByRole`."""
        wanted = role.lower()

        def without(items: Items) -> Items:
            return tuple(item for item in items if item.role != wanted)

        return self._edit(lambda session, now: session.conversation.transcript.clear_role(wanted), without)

    def clear_all_data(self) -> CommandFuture[None]:
        """Forget transcript and widget settings. iOS: `clearAllData`, `reset`.

        The session stays locked to the assistant until it is disconnected.
        """
        self._record.widget_settings = None
        return self.clear_transcriptions()

    # -- observers -----------------------------------------------------------------------------------------------------

    def subscribe_to_transcript_updates(
        self, handler: Callable[[Sequence[TranscriptionItem]], object]
    ) -> TranscriptCancellable:
        """Call `handler` with the whole transcript after every change, also after every delta.

        While a slow handler keeps very many long transcripts waiting, further changes come together: the last call
        brings the newest transcript. Runs on the delegate thread, after the delegate. Lasts over calls and logins until
        it is cancelled.

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
                it is sent, and shown, as soon as the call is up again, or fails when the call ends; and it is sent
                again if the connection broke before the server confirmed it.

        Returns:
            A future with the id of the transcript item, done when the message is sent. Its error is a `CallError` where
            no call is active, and a `SocketConnectionError` where its connection is lost: nothing was sent then, and
            nothing stays in the transcript. Its truth value is iOS's `Bool`: False if it has been refused at once.

        Raises:
            ClientConfigurationError: Nothing to send, too much to send (4 MiB), or an image that cannot be read, is of
                another type or too large.
        """
        # iOS's unit tests: an image that is empty, or none at all, is a message without one.
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
        """Whether a request for a tool that this program does not have is answered with an error; True at first.

        Set it to False if you answer requests yourself, in `on_function_call`. An agent without an answer waits.
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
            A future that is done when the output is sent. Its error is a `SocketConnectionError` where there is no
            connection (a result that comes late is worth nothing, so it is not kept), or a `CallError` where the call
            in which the agent asked is over.
        """
        return self._logins.answer_function_call(call_id, output)

    def subscribe_response_audio_stream(self) -> CommandFuture[None]:
        """Ask for events about the agent's voice before it is played; they come to `on_ai_conversation_message`.

        The message is the JavaScript SDK's `response.audio_stream.subscribe`. What the server sends then is documented
        nowhere.

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

        Raises:
            TxTimeoutError: The time was up.
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
        """Put your own widget settings in the place of the server's, for `widget_settings`. iOS:
        `updateWidgetSettings`. The server's next ones replace them. During a session, the delegate is told.
        """
        self._record.widget_settings = settings
        # Only told: what the program does next is not to be undone when the loop comes to it.
        handle, send = self._logins.handle, self._listeners.send
        if (dispatcher := handle.dispatcher) is not None:
            handle.post(lambda driver: functools.partial(send, dispatcher), WidgetSettingsUpdated(settings))

    # -- inside --------------------------------------------------------------------------------------------------------

    def _edit(self, action: Callable[[Session, float], None], offline: Callable[[Items], Items]) -> CommandFuture[None]:
        """Change the transcript: in the session, or, without one, what is left of the last."""
        handle = self._logins.handle
        if not handle.is_open:
            self._record.transcript = offline(self._record.transcript)
        return handle.command(lambda driver: driver.perform, action)  # without a login it is done now

    def _subscribe(self, notify: Callable[..., object], *, wants_all: bool = False) -> TranscriptCancellable:
        return TranscriptCancellable(self._record.subscribe(notify, wants_all=wants_all))


def _line(item: TranscriptionItem) -> str:
    images = f" [{len(item.image_urls)} image(s)]" if item.image_urls else ""
    return f"{item.role}: {item.content}{images}"
