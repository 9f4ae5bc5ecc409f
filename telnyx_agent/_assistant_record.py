"""`AssistantRecord`: what is known of the assistant - transcript, agent's state, settings - and who observes it.

The program has an `AIAssistantManager`, which reads this record. One record serves all logins of a client, because the
transcript of the last call stays after its login.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ._protocol.conversation.transcription import TranscriptionItem
from ._protocol.conversation.widget import WidgetSettings
from ._protocol.states import AgentState
from ._runtime.watch import Watch

if TYPE_CHECKING:
    from ._listeners import TranscriptSnapshot
    from ._protocol.outcomes import TranscriptChanged
    from ._runtime.dispatch import Dispatcher

__all__ = ["AssistantRecord", "Items"]

Items = tuple[TranscriptionItem, ...]


@attrs.frozen
class _Observer:
    """One subscription. It gets the whole transcript, or an item and its delta. Each `key` is another object."""

    key: object
    notify: Callable[..., object]
    wants_all: bool


class AssistantRecord:
    """The state of the assistant. The loop writes it; any thread reads it and may subscribe."""

    def __init__(self) -> None:
        self.transcript: Items = ()
        """An immutable snapshot. The loop replaces it; without a login, `AIAssistantManager` does."""
        self.agent_state = Watch(AgentState.IDLE)
        self.conversation_id: str | None = None
        self.widget_settings: WidgetSettings | None = None
        # Any thread may subscribe while the loop reads: so this is a tuple, which is replaced under a lock.
        self._lock = threading.Lock()
        self._observers: tuple[_Observer, ...] = ()
        self.has_observers_of_all = False
        """Whether an observer wants the whole transcript with each change."""

    def begin_login(self, conversation_id: str | None) -> None:
        """Forget what belonged to the last login. Any thread, before the first frame."""
        self.conversation_id = conversation_id
        self.widget_settings = None

    # -- observers: any thread ---------------------------------------------------------------------------------------

    def subscribe(self, notify: Callable[..., object], *, wants_all: bool) -> Callable[[], None]:
        """Call `notify` from now on, where callbacks run. Returns a function that ends the subscription."""
        observer = _Observer(object(), notify, wants_all)

        def cancel() -> None:
            self._set_observers(without=observer)

        self._set_observers(observer)
        return cancel

    def _set_observers(self, *more: _Observer, without: _Observer | None = None) -> None:
        with self._lock:
            self._observers = (*(one for one in self._observers if one is not without), *more)
            self.has_observers_of_all = any(one.wants_all for one in self._observers)

    # -- the loop ----------------------------------------------------------------------------------------------------

    def notify(self, dispatcher: Dispatcher, change: TranscriptChanged, snapshot: TranscriptSnapshot | None) -> None:
        """Call the observers. `snapshot` is None where a callback that still waits brings the new transcript."""
        for observer in self._observers:
            if not observer.wants_all and change.item is not None:
                notify = functools.partial(self._notify_one, observer, change.item, change.delta)
                dispatcher.submit(notify, name="transcript observer")
            elif observer.wants_all and snapshot is not None:
                dispatcher.submit(functools.partial(self._notify_all, observer, snapshot), name="transcript observer")

    def _notify_one(self, observer: _Observer, *args: object) -> object:
        # Looked up again on the delegate thread, so that no call follows `cancel()`.
        return observer.notify(*args) if observer in self._observers else None

    def _notify_all(self, observer: _Observer, snapshot: TranscriptSnapshot) -> object:
        return self._notify_one(observer, snapshot.open())
