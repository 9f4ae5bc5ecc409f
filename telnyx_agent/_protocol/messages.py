"""`Messages`: what the user types - sent at once, or kept until the connection is back, and never lost without a word.

Rules of this file:

1. A message is in the transcript when it has been sent, not before.
2. One that may wait is sent as soon as a call is up again, in order; if there will be none, it fails.
3. One that was on its way when the connection broke, and that the server has neither confirmed nor echoed, is sent
   again under the same id if it may wait. Otherwise its user is told that it may have been lost.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import attrs

from ..errors import CallError, SocketConnectionError, TxError
from . import requests
from .channel import Channel, Pending, RequestKind
from .conversation import Conversation
from .outcomes import ClientFailed, MessageFailed, MessageSent, SessionEvent
from .settings import SessionSettings

__all__ = ["Messages"]

_LIMIT = 100
"""Messages that may wait. Nobody types more in a minute; a program that does has to hear of it."""


@attrs.frozen
class _Message:
    item_id: str
    text: str = attrs.field(repr=False)
    image_urls: tuple[str, ...] = attrs.field(repr=False)
    may_wait: bool
    call_id: UUID | None = None
    sent_at: float = 0.0


class Messages:
    """Typed messages on their way to the assistant."""

    def __init__(
        self,
        channel: Channel,
        conversation: Conversation,
        settings: SessionSettings,
        report: Callable[[SessionEvent], None],
    ) -> None:
        self._channel = channel
        self._conversation = conversation
        self._settings = settings
        self._report = report
        self._waiting: list[_Message] = []
        self._under_way: dict[str, _Message] = {}

    def send(
        self, text: str, image_urls: tuple[str, ...], now: float, *, may_wait: bool, call_id: UUID | None = None
    ) -> str:
        """Send a message; its item's id is the result. `call_id` is the call whose transcript it belongs to."""
        message = _Message(self._channel.new_id(), text, image_urls, may_wait, call_id)
        self._send(message, now)
        return message.item_id

    def keep(self, text: str, image_urls: tuple[str, ...], *, call_id: UUID | None = None) -> str:
        """Keep a message until a call is up again; `MessageSent` or `MessageFailed` follows.

        Raises:
            CallError: Too many are waiting already.
        """
        if len(self._waiting) >= _LIMIT:
            raise CallError(f"{_LIMIT} messages are waiting for the connection already; this one was not kept")
        message = _Message(self._channel.new_id(), text, image_urls, True, call_id)
        self._waiting.append(message)
        return message.item_id

    def is_waiting(self, item_id: str) -> bool:
        """Whether a message is being kept."""
        return any(message.item_id == item_id for message in self._waiting)

    def send_waiting(self, now: float) -> None:
        """A call is up: send what waited for it."""
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            self._send(message, now)
            self._report(MessageSent(message.item_id))

    def confirmed(self, item_id: str) -> None:
        """The server answered the message, be it with an error: it is not under way any more."""
        self._under_way.pop(item_id, None)

    def connection_lost(self, now: float) -> None:
        """What was under way may have been lost (rule 3)."""
        under_way, self._under_way = tuple(self._under_way.values()), {}
        again: list[_Message] = []
        for message in under_way:
            if not self._conversation.is_unconfirmed(message.item_id) or now - message.sent_at > self._memory:
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

    def fail_waiting(self, error: TxError | None) -> None:
        """There is no call any more that the messages could belong to."""
        waiting, self._waiting = self._waiting, []
        self._under_way.clear()
        for message in waiting:
            failure = CallError("the call ended before the message could be sent")
            failure.__cause__ = error
            self._report(MessageFailed(message.item_id, failure))

    @property
    def _memory(self) -> float:
        """How long ago a message may have been written to a connection that nobody knew to be dead."""
        return self._settings.inbound_silence + self._settings.probe_timeout + self._settings.request_timeout

    def _send(self, message: _Message, now: float) -> None:
        item_id = message.item_id
        deadline = now + self._settings.request_timeout
        request_id = self._channel.expect(Pending(RequestKind.MESSAGE, item_id), deadline)
        self._channel.send(requests.message(request_id, item_id, message.text, message.image_urls))
        self._under_way[item_id] = attrs.evolve(message, sent_at=now)
        self._forget_old(now)
        self._conversation.typed(item_id, message.text, message.image_urls, now, message.call_id)

    def _forget_old(self, now: float) -> None:
        # In the order in which they were sent: the first that is not old ends it.
        while self._under_way:
            item_id, message = next(iter(self._under_way.items()))
            if now - message.sent_at <= self._memory:
                return
            del self._under_way[item_id]
