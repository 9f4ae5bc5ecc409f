"""`Listeners`: those who get a client's events - its delegates, and the streams of `TxClient.events`."""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections import deque
from collections.abc import Collection, Mapping
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, get_args

import attrs

from ._callables import check_methods, takes
from .delegate import ASSISTANT_CALLBACKS, CALLBACK_NAMES, TxClientDelegate
from .events import AudioLevel, DelegateEvent, RemoteCallEnded, TranscriptionUpdated

if TYPE_CHECKING:
    from ._event_stream import EventStream
    from ._flight import FlightSlot
    from ._protocol.conversation.transcription import TranscriptionItem
    from ._runtime.dispatch import Dispatcher

__all__ = ["MOST_SNAPSHOT_ITEMS", "SHORT_TRANSCRIPT", "Listeners", "TranscriptSnapshot", "check_delegate"]

MOST_SNAPSHOT_ITEMS = 131_072
"""How many items, at eight bytes each, all waiting snapshots of long transcripts may have. Beyond that the newest
snapshot is replaced. A program whose callbacks are quick enough gets every change."""

SHORT_TRANSCRIPT = 64
"""A transcript of so many items or fewer needs no such limit: it is no larger than its callback, which is counted."""


class _Snapshots:
    """Snapshots of the transcript that wait for the program. The loop makes them; callbacks open them."""

    def __init__(self) -> None:
        # `add` may put newer items into a snapshot, but not while it is being opened.
        self._lock = threading.Lock()
        self._waiting: deque[TranscriptSnapshot] = deque()
        self._count = 0

    def add(self, items: tuple[TranscriptionItem, ...]) -> TranscriptSnapshot | None:
        """A new snapshot, which must be opened; None if the newest one that waits has got these items instead."""
        with self._lock:
            self._count += len(items)
            if self._waiting and self._count > MOST_SNAPSHOT_ITEMS:
                newest = self._waiting[-1]
                self._count -= len(newest._items)
                newest._items = items
                return None
            snapshot = TranscriptSnapshot(self, items)
            self._waiting.append(snapshot)
            return snapshot


class TranscriptSnapshot:
    """The transcript for callbacks that wait. Its items may be replaced by newer ones until a callback opens it."""

    __slots__ = ("_items", "_owner")

    def __init__(self, owner: _Snapshots | None, items: tuple[TranscriptionItem, ...]) -> None:
        self._owner = owner
        self._items = items

    def open(self) -> tuple[TranscriptionItem, ...]:
        """The items. From now on they do not change."""
        owner = self._owner
        if owner is None:
            return self._items
        with owner._lock:
            # Callbacks run in the order of their snapshots. The second callback of a snapshot finds it open already.
            if owner._waiting and owner._waiting[0] is self:
                owner._waiting.popleft()
                owner._count -= len(self._items)
            return self._items


class Listeners:
    """The delegates and streams of one client. The loop gives them events; callbacks run where the dispatcher says."""

    def __init__(self, delegate: object | None, flight: FlightSlot) -> None:
        self._listening: dict[type, dict[str, bool]] = {}
        self.delegate = delegate
        self.assistant_delegate: object | None = None
        """Who gets the assistant's callbacks besides the delegate. May be set on any thread."""
        self.flight = flight
        # Streams are added on any thread. Weak references, so that a stream that the program has forgotten ends.
        self._lock = threading.Lock()
        self._streams: tuple[weakref.ref[EventStream], ...] = ()
        self._snapshots = _Snapshots()

    @property
    def delegate(self) -> object | None:
        """Who gets the callbacks. May be set on any thread."""
        return self._delegate

    @delegate.setter
    def delegate(self, delegate: object | None) -> None:
        self._delegate = delegate
        # For `listens`, which is called several times for each frame: the attributes of its class, and its own.
        self._of_class = self._listening.setdefault(type(delegate), {})
        self._own_attributes = _attributes_of(delegate)

    # -- the loop ----------------------------------------------------------------------------------------------------

    def send(self, dispatcher: Dispatcher, event: DelegateEvent) -> None:
        """Give an event to everybody who wants it."""
        kind = type(event)
        self.tell(dispatcher, kind, *[getattr(event, name) for name in _NAMES[kind]])

    def tell(self, dispatcher: Dispatcher, kind: type[DelegateEvent], *args: Any) -> None:
        """As `send`, but with the event's class and members. An event is only made if a stream wants it.

        Each delegate has a callback of its own, so that an exception of one does not stop the others.
        """
        name = kind.callback
        listens = self._delegate is None or self.listens(name)
        assistant = self.assistant_delegate is not None and name in ASSISTANT_CALLBACKS
        if not (listens or assistant or self._streams or self.flight.recorder is not None):
            return
        if self._streams:
            self.stream(kind(*args), weight=dispatcher.pressure.message_weight)
        if assistant:
            dispatcher.submit(functools.partial(self._call_assistant_delegate, name, args), name)
        # `call_delegate` looks for the delegate when it runs: a delegate that was set meanwhile gets the event, if the
        # present one has the method.
        call = functools.partial(self.call_delegate, name, args)
        if self.flight.recorder is not None:
            # Recorded even if the delegate has no such method: a replay may use another delegate.
            call = functools.partial(self.flight.recorder.run, self.flight.recorder.callback(name, args), call)
        if listens:
            dispatcher.submit(call, name)

    def send_transcript(
        self, dispatcher: Dispatcher, items: tuple[TranscriptionItem, ...], *, is_observed: bool
    ) -> TranscriptSnapshot | None:
        """As `send`, for the transcript. `is_observed` says whether there are observers of the whole transcript.

        Returns:
            The snapshot for the observers, which they open where callbacks run. None if there are none, or if a
            callback that waits already brings these items.
        """
        if len(items) <= SHORT_TRANSCRIPT:
            self.tell(dispatcher, TranscriptionUpdated, items)
            return TranscriptSnapshot(None, items) if is_observed else None
        name = TranscriptionUpdated.callback
        if self._streams:
            self.stream(TranscriptionUpdated(items), weight=8 * len(items) + dispatcher.pressure.message_weight)
        recorder = self.flight.recorder
        number = None if recorder is None else recorder.callback(name, (items,))
        listens = self.delegate is None or self.listens(name)
        assistant = self.assistant_delegate is not None
        snapshot = self._snapshots.add(items) if listens or is_observed or assistant else None
        if snapshot is None:
            return None
        if assistant:
            dispatcher.submit(lambda: self._call_assistant_delegate(name, (snapshot.open(),)), name)
        if listens:
            call = functools.partial(self._call_with_items, name, snapshot)
            run = call if recorder is None or number is None else functools.partial(recorder.run, number, call)
            dispatcher.submit(run, name)
        return snapshot

    def stream(self, event: DelegateEvent, *, weight: int = 0) -> bool:
        """Put an event of `weight` bytes into the streams, at once. Returns whether a stream wanted it."""
        wanted = False
        for reference in self._streams:
            stream = reference()
            if stream is not None and not stream.is_over and (type(event) is not AudioLevel or stream.wants_levels):
                stream.put(event, weight)
                wanted = True
        return wanted

    @property
    def has_streams(self) -> bool:
        """Whether there may be a stream that takes events."""
        return bool(self._streams)

    def end_streams(self) -> None:
        """The login is over."""
        with self._lock:
            streams, self._streams = self._streams, ()
        for reference in streams:
            stream = reference()
            if stream is not None:
                stream.end()

    def wants(self, kind: type[DelegateEvent]) -> bool:
        """Whether anybody wants this event. For events that cost time to make."""
        return self.listens(kind.callback) or self.has_streams or self.flight.recorder is not None

    # -- any thread --------------------------------------------------------------------------------------------------

    def add_stream(self, stream: EventStream) -> None:
        """Give the events from now on to this stream, too."""
        with self._lock:
            living = [one for one in self._streams if (known := one()) is not None and not known.is_over]
            self._streams = (*living, weakref.ref(stream))

    def listens(self, name: str) -> bool:
        """Whether the delegate may have a method of this name. Does not run code of the delegate."""
        known = self._of_class.get(name)
        if known is None:
            known = self._of_class[name] = _has_its_own(type(self._delegate), name)
        return known or name in self._own_attributes

    # -- where callbacks run -----------------------------------------------------------------------------------------

    def call_delegate(self, name: str, args: tuple[Any, ...]) -> object:
        """Call the delegate's method, if it has one. Returns its result."""
        method = getattr(self.delegate, name, None)
        if method is None:
            return None
        return method(*(args[:1] if name == RemoteCallEnded.callback and _takes_one(method) else args))

    def _call_with_items(self, name: str, snapshot: TranscriptSnapshot) -> object:
        return self.call_delegate(name, (snapshot.open(),))

    def _call_assistant_delegate(self, name: str, args: tuple[Any, ...]) -> object:
        delegate = self.assistant_delegate
        if delegate is None or delegate is self.delegate:
            return None
        method = getattr(delegate, name, None)
        return None if method is None else method(*args)


_NAMES = {kind: tuple(field.name for field in attrs.fields(kind)) for kind in get_args(DelegateEvent)}
"""The arguments of each event's callback."""


def _attributes_of(delegate: object) -> Collection[str]:
    """The names of the object's own attributes. Unlike `vars`, this runs no code of the object."""
    try:
        attributes: dict[str, Any] = object.__getattribute__(delegate, "__dict__")
    except AttributeError:
        return ()
    return attributes


def _has_its_own(kind: type, name: str) -> bool:
    finds: Any = kind.__getattribute__
    if finds is not object.__getattribute__ and not issubclass(kind, _PLAIN):
        # It finds attributes with code of its own, such as `weakref.proxy` and `wrapt.ObjectProxy`.
        return True
    found = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
    inherited = found is not None and found is vars(TxClientDelegate).get(name)
    return not inherited and (found is not None or hasattr(kind, "__getattr__"))


_PLAIN = (SimpleNamespace, ModuleType)
"""Classes whose own `__getattribute__` does the same as that of `object`."""


def _takes_one(method: Any) -> bool:
    """Whether this is `onRemoteCallEnded(callId)`, as Telnyx's iOS pages have it; its source has the reason too."""
    return takes(method, 2) is False and takes(method, 1) is True


@functools.cache
def _forms() -> Mapping[str, tuple[str, ...]]:
    """The parameters of each callback."""
    forms: dict[str, tuple[str, ...]] = {}
    for name in CALLBACK_NAMES:
        parameters = list(inspect.signature(getattr(TxClientDelegate, name)).parameters)[1:]
        forms[name] = (f"({', '.join(parameters)})",)
    forms["on_remote_call_ended"] += ("(call_id)",)
    return forms


def check_delegate(name: str, delegate: object | None, callbacks: Collection[str] = CALLBACK_NAMES) -> None:
    """Refuse a delegate whose callbacks would never run, or would fail each time. Any other object is accepted.

    Args:
        name: The argument's name, for the error.
        delegate: The delegate, or None.
        callbacks: The names of the callbacks that it may have.

    Raises:
        ClientConfigurationError: `delegate` is a class or a plain value, or one of its callbacks is `async def`, takes
            a wrong number of parameters or is no function. The text has the callback's name and its right form.
    """
    if delegate is not None:
        forms = _forms()
        check_methods(name, delegate, {callback: forms[callback] for callback in sorted(callbacks)})
