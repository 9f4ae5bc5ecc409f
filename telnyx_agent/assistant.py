"""`AIAssistantManager`: the transcript, its observers, typed messages and the assistant's settings, from any thread.

iOS: `client.aiAssistantManager`. The transcript belongs to the current call, or to the last one until the next begins
(iOS and Android clear it when the call ends, before anybody could read it).
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import attrs

from ._arguments import checked_arguments
from ._callables import check_function
from ._checks import check_message
from ._images import DEFAULT_IMAGE_LIMIT, ImageSource, image_urls
from ._protocol.states import AgentState
from ._protocol.transcription import TranscriptionItem
from ._protocol.widget import WidgetSettings
from ._runtime.waiting import Watch
from ._tools import ToolRunner
from ._transcript_edits import AssistantPort, Items, TranscriptEdits
from .errors import CallError

if TYPE_CHECKING:
    from ._audience import Snapshot
    from ._protocol.outcomes import QuestionSettled, TranscriptChanged
    from ._runtime.dispatch import Dispatcher
    from ._runtime.futures import CommandFuture

__all__ = ["AIAssistantManager", "TranscriptCancellable"]


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


@attrs.frozen
class _Observer:
    """One subscription; compared by identity of its key. It gets the whole transcript, or an item and its delta."""

    key: object
    notify: Callable[..., object]
    wants_all: bool


@checked_arguments
class AIAssistantManager(TranscriptEdits):
    """The assistant's side of a client. Every method may be called from any thread and inside any callback."""

    def __init__(self, port: AssistantPort) -> None:
        """Made by `TxClient`; use `client.ai_assistant_manager`."""
        super().__init__(port)
        self._tools = ToolRunner(self.send_function_call_output)
        self._conversation_id: str | None = None
        # The questions that somebody waits for, by what was given as their key.
        self._questions: dict[object, CommandFuture[str]] = {}
        self._transcript: Items = ()
        self._agent_state = Watch(AgentState.IDLE)
        # Subscriptions come and go on any thread while the loop reads them: a tuple that is replaced under a lock.
        self._lock = threading.Lock()
        self._observers: tuple[_Observer, ...] = ()
        self._has_observers_of_all = False

    def __repr__(self) -> str:
        return f"<AIAssistantManager {len(self._transcript)} items, agent {self.agent_state.value}>"

    # -- transcript --------------------------------------------------------------------------------------------------

    @property
    def transcript(self) -> tuple[TranscriptionItem, ...]:
        """The transcript so far, in order: an immutable snapshot. May be ahead of the callbacks delivered so far.

        iOS: `transcript`, `getTranscriptions()`.
        """
        return self._transcript

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

    def export_text(self) -> str:
        """The transcript as text: a line `role: content` for each item, images named by their number."""
        return "".join(f"{_line(item)}\n" for item in self.transcript)

    def export_json(self, *, indent: int | None = 2) -> str:
        """The transcript as a JSON list of `TranscriptionItem.to_dict()`."""
        return json.dumps([item.to_dict() for item in self.transcript], ensure_ascii=False, indent=indent)

    # -- messages ----------------------------------------------------------------------------------------------------

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
        return self._port.send_message(message, urls, wait)

    # -- client-side tools -------------------------------------------------------------------------------------------

    @property
    def answers_unknown_tools(self) -> bool:
        """Whether a request for a tool that this program does not have is answered with an error; True at first.

        Set it to False if you answer requests yourself, in `on_function_call`. An agent without an answer waits.
        """
        return self._tools.answers_unknown

    @answers_unknown_tools.setter
    def answers_unknown_tools(self, answers: bool) -> None:
        self._tools.answers_unknown = bool(answers)

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
        return self._port.perform(
            lambda session, now: session.conversation.send_function_call_output(call_id, output, now)
        )

    def subscribe_response_audio_stream(self) -> CommandFuture[None]:
        """Ask for events about the agent's voice before it is played; they come to `on_ai_conversation_message`.

        The message is the JavaScript SDK's `response.audio_stream.subscribe`. What the server sends then is documented
        nowhere.

        Returns:
            A future that is done when it is sent. Its error is a `SocketConnectionError` without a connection.
        """
        return self._port.perform(lambda session, now: session.conversation.subscribe_audio_stream())

    # -- the assistant -----------------------------------------------------------------------------------------------

    @property
    def agent_state(self) -> AgentState:
        """Whether the agent listens, thinks or speaks; `IDLE` without a call."""
        return self._agent_state.get()

    def wait_for_agent_state(self, state: AgentState, timeout: float | None = None) -> None:
        """Block until the agent is in `state`. One Ctrl-C interrupts.

        Raises:
            TxTimeoutError: The time was up.
        """
        self._agent_state.wait(lambda now: now is state, timeout)

    @property
    def widget_settings(self) -> WidgetSettings | None:
        """The latest widget settings; None before the server has sent any. iOS: `getWidgetSettings()`."""
        return self._widget_settings

    # -- fed by the hub, on the loop thread --------------------------------------------------------------------------

    def _apply_transcript(self, change: TranscriptChanged) -> None:
        self._transcript = change.items

    def _apply_agent_state(self, state: AgentState) -> None:
        self._agent_state.set(state)

    def _apply_widget_settings(self, settings: WidgetSettings | None) -> None:
        self._widget_settings = settings

    def _apply_conversation_id(self, conversation_id: str | None) -> None:
        if conversation_id is not None:
            self._conversation_id = conversation_id

    def _begin_login(self, conversation_id: str | None) -> None:
        """Any thread, before the first frame."""
        self._conversation_id = conversation_id
        self._widget_settings = None

    def _settle_question(self, question: QuestionSettled) -> None:
        future = self._questions.pop(question.key, None)
        if future is not None:
            future.settle(question.text, question.error)

    def _forget_questions(self) -> None:
        """The login is over: no answer comes any more."""
        while self._questions:
            _, future = self._questions.popitem()
            future.settle(error=CallError("the call ended before the answer was complete"))

    def _replace(self, edit: Callable[[Items], Items]) -> None:
        """Without a session."""
        self._transcript = edit(self._transcript)

    def _notify(self, dispatcher: Dispatcher, change: TranscriptChanged, snapshot: Snapshot | None) -> None:
        """`snapshot` is None where an update that still waits brings the new transcript."""
        for observer in self._observers:
            if not observer.wants_all and change.item is not None:
                notify = functools.partial(self._notify_one, observer, change.item, change.delta)
                dispatcher.submit(notify, name="transcript observer")
            elif observer.wants_all and snapshot is not None:
                dispatcher.submit(functools.partial(self._notify_all, observer, snapshot), name="transcript observer")

    def _set_observers(self, observers: Iterable[_Observer]) -> None:
        """Under the lock."""
        self._observers = tuple(observers)
        self._has_observers_of_all = any(observer.wants_all for observer in self._observers)

    def _notify_one(self, observer: _Observer, *args: object) -> object:
        # Asked again here, on the delegate thread, so that nothing comes after cancel().
        return observer.notify(*args) if observer in self._observers else None

    def _notify_all(self, observer: _Observer, snapshot: Snapshot) -> object:
        return self._notify_one(observer, snapshot.open())

    def _subscribe(self, notify: Callable[..., object], *, wants_all: bool = False) -> TranscriptCancellable:
        observer = _Observer(object(), notify, wants_all)

        def cancel() -> None:
            with self._lock:
                self._set_observers(other for other in self._observers if other is not observer)

        with self._lock:
            self._set_observers((*self._observers, observer))
        return TranscriptCancellable(cancel)


def _line(item: TranscriptionItem) -> str:
    images = f" [{len(item.image_urls)} image(s)]" if item.image_urls else ""
    return f"{item.role}: {item.content}{images}"
