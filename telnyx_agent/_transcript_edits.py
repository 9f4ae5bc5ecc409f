"""`TranscriptEdits`: the part of `AIAssistantManager` with which a program changes transcript and settings itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from ._arguments import check_argument
from ._audience import check_delegate
from ._protocol.transcription import TranscriptionItem
from ._protocol.widget import WidgetSettings
from .delegate import ASSISTANT_CALLBACKS

if TYPE_CHECKING:
    from ._protocol.session import Session
    from ._runtime.futures import CommandFuture

__all__ = ["AssistantPort", "Items", "TranscriptEdits"]

_ITEM = {
    "id": "str",
    "content": "str",
    "item_type": "str | None",
    "metadata": "Mapping[str, Any]",
    "response_id": "str | None",
    "timestamp": "datetime",
}
"""What is looked at before an item goes to the loop, where nobody could be told what is wrong with it."""

Items = tuple[TranscriptionItem, ...]


@attrs.frozen
class AssistantPort:
    """The commands of the assistant, as the client hands them over.

    Attributes:
        edit_transcript: Changes the transcript: in the session, or, without one, what is left of the last.
        tell: Gives delegate and streams an event, if there is a session.
        add_tap: From here on a function gets every event, where callbacks run.
        client_delegate: The client's delegate.
        connection_info: What the session is locked to, as iOS has it.
    """

    send_message: Callable[[str, tuple[str, ...], bool], CommandFuture[str]]
    edit_transcript: Callable[[Callable[[Session, float], None], Callable[[Items], Items]], CommandFuture[None]]
    perform: Callable[[Callable[[Session, float], None]], CommandFuture[None]]
    connected_target_id: Callable[[], str | None]
    tell: Callable[..., None]
    add_tap: Callable[[Callable[[str, tuple[Any, ...]], object]], None]
    client_delegate: Callable[[], object | None]
    connection_info: Callable[[], dict[str, Any]]


class TranscriptEdits:
    """See `AIAssistantManager`."""

    def __init__(self, port: AssistantPort) -> None:
        self._port = port
        self._widget_settings: WidgetSettings | None = None
        self._delegate: object | None = None
        self._is_tapping = False

    @property
    def delegate(self) -> object | None:
        """Who gets the assistant's callbacks besides the client's delegate. iOS: `aiAssistantManager.delegate`.

        An `AIAssistantManagerDelegate`, or any object with some of its methods. They are called where those of the
        client's delegate are; an object that is both is called once.

        Raises:
            ClientConfigurationError: When it is set, as for `TxClient.delegate`.
        """
        return self._delegate

    @delegate.setter
    def delegate(self, delegate: object | None) -> None:
        check_delegate("delegate", delegate, ASSISTANT_CALLBACKS)
        self._delegate = delegate
        if delegate is not None and not self._is_tapping:
            self._is_tapping = True
            self._port.add_tap(self._to_delegate)

    def _to_delegate(self, name: str, args: tuple[Any, ...]) -> object:
        delegate = self._delegate
        if name not in ASSISTANT_CALLBACKS or delegate is None or delegate is self._port.client_delegate():
            return None
        method = getattr(delegate, name, None)
        return None if method is None else method(*args)

    def get_connection_info(self) -> dict[str, Any]:
        """What the session is locked to: `isConnected`, `targetId`, `targetType`, `targetVersionId`. iOS:
        `getConnectionInfo`.
        """
        return self._port.connection_info()

    @property
    def is_ai_assistant_connected(self) -> bool:
        """Whether the session is locked to an assistant: from `on_client_ready` (iOS: too early) to the disconnection
        (iOS: never).
        """
        return self.connected_target_id is not None

    @property
    def connected_target_id(self) -> str | None:
        """The assistant that the session is locked to, or None."""
        return self._port.connected_target_id()

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

        return self._port.edit_transcript(
            lambda session, now: session.conversation.transcript.add(item, now), with_item
        )

    def clear_transcriptions(self) -> CommandFuture[None]:
        """Forget the transcript. `Call.transcript` of earlier calls stays."""
        return self._port.edit_transcript(lambda session, now: session.conversation.clear(), lambda items: ())

    def clear_transcriptions_by_role(self, role: str) -> CommandFuture[None]:
        """Forget the items of one role, `"user"` or `"assistant"`, in any case. iOS: `clearTranscriptionsByRole`."""
        wanted = role.lower()

        def without(items: Items) -> Items:
            return tuple(item for item in items if item.role != wanted)

        return self._port.edit_transcript(
            lambda session, now: session.conversation.transcript.clear_role(wanted), without
        )

    def clear_all_data(self) -> CommandFuture[None]:
        """Forget transcript and widget settings. iOS: `clearAllData`, `reset`.

        The session stays locked to the assistant until it is disconnected.
        """
        self._widget_settings = None
        return self.clear_transcriptions()

    def update_widget_settings(self, settings: WidgetSettings) -> None:
        """Put your own widget settings in the place of the server's, for `widget_settings`. iOS:
        `updateWidgetSettings`. The server's next ones replace them. During a session, the delegate is told.
        """
        self._widget_settings = settings
        self._port.tell("on_widget_settings_updated", settings)
