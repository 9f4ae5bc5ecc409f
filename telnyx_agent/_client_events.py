"""`ClientEvents`: the part of `TxClient` that gives its events to whoever takes them, instead of calling back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ._callables import check_function
from ._client_base import ClientBase
from .errors import ClientConfigurationError

if TYPE_CHECKING:
    from ._event_stream import EventStream

__all__ = ["ClientEvents"]


class ClientEvents(ClientBase):
    """See `TxClient`."""

    def events(self, timeout: float | None = None, *, maxsize: int = 1000, audio_levels: bool = False) -> EventStream:
        """Everything that happens from now on, one typed event after the other, for a `for` loop.

            for event in client.events():
                match event:
                    case TranscriptItemUpdated(item) if item.is_final:
                        print(item)

        Events are those of the delegate, in the same order; it makes no difference whether there is one, or whether its
        callbacks block or are pumped. The stream ends when the login is over and its last event was taken, whether it
        failed, was lost or was ended by `disconnect()`. Begun before a login, it waits for one.

        Args:
            timeout: Seconds to wait for each event, after which `next` raises `TxTimeoutError`; the stream can be taken
                from again. None waits for ever.
            maxsize: Most events that wait to be taken. When there are more, the oldest is thrown away, and an
                `EventsDropped(count)` stands in the place of those that were.
            audio_levels: Also give `AudioLevel`, 20 times a second.

        Raises:
            ClientConfigurationError: `maxsize` or `timeout` is unusable.
        """
        if isinstance(maxsize, bool) or not isinstance(maxsize, int) or maxsize < 1:
            raise ClientConfigurationError(f"maxsize must be at least 1, not {maxsize!r}")
        if timeout is not None and not timeout >= 0:
            raise ClientConfigurationError(f"timeout must be 0 or more seconds, or None, not {timeout!r}")
        from ._event_stream import EventStream

        stream = EventStream(maxsize, timeout, audio_levels)
        self._audience.add_stream(stream)
        if audio_levels:
            for call_id in tuple(self._calls):
                self._watch_levels(str(call_id))
        return stream

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call `function` where the callbacks run, behind those that are due. Any thread.

        Before the first login there is no such place: it is called at once.

        Raises:
            ClientConfigurationError: `function` is no plain function without parameters.
        """
        check_function("function", function, "()")
        if self._last_dispatcher is None:
            function()
        else:
            self._last_dispatcher.submit(function)
