"""`Messages`: what the user types - sent at once, or kept until the connection is back, and never lost without a word.

Rules of this file:

1. One that may wait is sent as soon as a call is up again, in order; if there will be none, it fails.
2. One that was on its way when the connection broke, and that the server has neither confirmed nor echoed, is sent
   again under the same id if it may wait. Otherwise its user is told that it may have been lost.
3. The server's echo confirms it, under its id or, for a while, as the same text under another (R45).
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import attrs

from ...errors import CallError, SocketConnectionError, TxError
from ..outcomes import ClientFailed, MessageFailed, SessionEvent
from ..session.pending import Channel, Pending, RequestKind
from ..session.settings import SessionSettings
from ..wire import requests

__all__ = ["Messages", "TypedMessage"]

_LIMIT = 100
"""Messages that may wait. Nobody types more in a minute; a program that does has to hear of it."""

MERGE_WINDOW = 10.0
"""Seconds in which an echo under another id is still taken for one (R45)."""

MAX_UNCONFIRMED = 1000
"""Typed messages that the server has not echoed, of which is remembered that they may be. Some servers echo nothing."""


@attrs.frozen
class TypedMessage:
    """A message of the user's.

    Attributes:
        item_id: The id of its item in the transcript.
        text: The text.
        image_urls: The images.
        may_wait: Whether it is kept while there is no connection.
        call_id: The call that it was typed in; None where that is not known.
    """

    item_id: str
    text: str = attrs.field(repr=False)
    image_urls: tuple[str, ...] = attrs.field(repr=False)
    may_wait: bool
    call_id: UUID | None = None


class Messages:
    """Typed messages on their way to the assistant.

    Args:
        channel: The way.
        settings: How long something may be under way.
        report: Is told what was lost.
    """

    def __init__(self, channel: Channel, settings: SessionSettings, report: Callable[[SessionEvent], None]) -> None:
        self._channel = channel
        self._settings = settings
        self._report = report
        self._waiting: list[TypedMessage] = []
        # With when each was sent.
        self._under_way: dict[str, tuple[TypedMessage, float]] = {}
        # Until when an echo may have another id.
        self._unconfirmed: dict[str, float] = {}

    # -- on the way ----------------------------------------------------------------------------------------------------

    def send(self, message: TypedMessage, now: float) -> None:
        """Send a message, perhaps for the second time."""
        item_id = message.item_id
        deadline = now + self._settings.request_timeout
        request_id = self._channel.expect(Pending(RequestKind.MESSAGE, item_id), deadline)
        self._channel.send(requests.message(request_id, item_id, message.text, message.image_urls))
        self._under_way[item_id] = message, now
        self._forget_old(now)
        self._unconfirmed[item_id] = now + MERGE_WINDOW
        if len(self._unconfirmed) > MAX_UNCONFIRMED:
            del self._unconfirmed[next(iter(self._unconfirmed))]

    def keep(self, message: TypedMessage) -> None:
        """Keep a message until a call is up again.

        Raises:
            CallError: Too many are waiting already.
        """
        if len(self._waiting) >= _LIMIT:
            raise CallError(f"{_LIMIT} messages are waiting for the connection already; this one was not kept")
        self._waiting.append(message)

    def is_waiting(self, item_id: str) -> bool:
        """Whether a message is being kept."""
        return any(message.item_id == item_id for message in self._waiting)

    def take_waiting(self) -> list[TypedMessage]:
        """A call is up: what has waited for it, to be sent now."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def fail_waiting(self, error: TxError | None) -> None:
        """There is no call any more that the messages could belong to."""
        self._under_way.clear()
        for message in self.take_waiting():
            failure = CallError("the call ended before the message could be sent")
            failure.__cause__ = error
            self._report(MessageFailed(message.item_id, failure))

    def connection_lost(self, now: float) -> None:
        """What was under way may have been lost (rule 2)."""
        under_way, self._under_way = tuple(self._under_way.values()), {}
        again: list[TypedMessage] = []
        for message, sent_at in under_way:
            if message.item_id not in self._unconfirmed or now - sent_at > self._memory:
                continue
            if message.may_wait:
                again.append(message)
            else:
                self._report(
                    ClientFailed(
                        SocketConnectionError(
                            "the connection was lost while a message was on its way; the assistant may not have got it"
                        )
                    )
                )
        self._waiting = again + self._waiting

    # -- what the server says of them ----------------------------------------------------------------------------------

    def answered(self, item_id: str) -> None:
        """The server answered the message, be it with an error: it is not under way any more."""
        self._under_way.pop(item_id, None)

    def confirmed(self, item_id: str) -> None:
        """The server has echoed it, or has refused it: there will be no echo of it any more."""
        self._unconfirmed.pop(item_id, None)

    def unconfirmed(self, now: float) -> list[str]:
        """The ids of those whose echo may still come under another id."""
        return [item_id for item_id, deadline in self._unconfirmed.items() if now <= deadline]

    def forget_unconfirmed(self) -> None:
        """No echo of any will come, or is wanted."""
        self._unconfirmed.clear()

    # -- inside --------------------------------------------------------------------------------------------------------

    @property
    def _memory(self) -> float:
        """How long ago a message may have been written to a connection that nobody knew to be dead."""
        return self._settings.inbound_silence + self._settings.probe_timeout + self._settings.request_timeout

    def _forget_old(self, now: float) -> None:
        # In the order in which they were sent: the first that is not old ends it.
        while self._under_way:
            item_id, (_, sent_at) = next(iter(self._under_way.items()))
            if now - sent_at <= self._memory:
                return
            del self._under_way[item_id]
