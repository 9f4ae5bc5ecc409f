"""`Channel`: frames out, and which of our requests wait for a reply. What belongs to one connection and to no call."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable

import attrs

from ..timers import Timer, TimerKind, Timers
from ..wire import jsonrpc
from ..wire.requests import Frame

__all__ = ["CALL_COMMANDS", "CALL_REQUESTS", "MOST_REQUESTS", "Channel", "Pending", "RequestKind"]


class RequestKind(enum.Enum):
    """Our requests, as far as their replies are told apart."""

    LOGIN = "login"
    GATEWAY_STATE = "gatewayState"
    PING = "ping"
    INVITE = "invite"
    BYE = "bye"
    MESSAGE = "message"
    ATTACH = "attach"
    ANSWER = "answer"
    RELOGIN = "login on a live connection"
    MODIFY = "modify"
    INFO = "info"


MOST_REQUESTS = 1024
"""Requests of ours that may have no reply at the same time. A program that sends faster than it is answered for so long
has the oldest ones fail."""

_LOGINS = frozenset({RequestKind.LOGIN, RequestKind.RELOGIN})

CALL_COMMANDS = frozenset({RequestKind.MODIFY, RequestKind.INFO})
"""Those that a user waits for the end of."""

CALL_REQUESTS = CALL_COMMANDS | {RequestKind.INVITE, RequestKind.ANSWER, RequestKind.ATTACH, RequestKind.BYE}
"""Those that `Calls.answered` is told of."""


@attrs.frozen
class Pending:
    """A request of ours that has no reply yet; `about` is the call or the transcript item it is about."""

    kind: RequestKind
    about: str = ""


class Channel:
    """The way out, and the requests under way.

    Args:
        new_id: Makes request ids: lower-case UUIDs (R4).
        timers: Where the time-outs of requests go.
    """

    def __init__(self, new_id: Callable[[], str], timers: Timers) -> None:
        self.new_id = new_id
        self._timers = timers
        self.texts: list[str] = []
        """What waits to be sent, oldest first."""
        # In the order in which they were made.
        self._pending: dict[str, Pending] = {}

    def send(self, frame: Frame) -> None:
        """Queue a frame."""
        self.texts.append(jsonrpc.encode(frame))

    def expect(self, pending: Pending, deadline: float) -> str:
        """A new request id, whose reply will be recognised until the deadline.

        Beyond `MOST_REQUESTS` the oldest one counts as not answered.
        """
        request_id = self.new_id()
        self._pending[request_id] = pending
        self._timers.set(Timer(TimerKind.REQUEST, request_id), deadline)
        if len(self._pending) > MOST_REQUESTS:
            self._timers.set(Timer(TimerKind.REQUEST, next(iter(self._pending))), -math.inf)
        return request_id

    def is_under_way(self, kind: RequestKind) -> bool:
        """Whether a request of this kind has no reply yet."""
        return any(pending.kind is kind for pending in self._pending.values())

    def settle(self, request_id: jsonrpc.RequestId | None) -> Pending | None:
        """The request that a reply or a time-out belongs to; None, also the second time, if there is none."""
        if not isinstance(request_id, str):
            return None  # ours are texts
        pending = self._pending.pop(request_id, None)
        if pending is not None:
            self._timers.cancel(Timer(TimerKind.REQUEST, request_id))
        return pending

    def settle_nameless(self) -> Pending | None:
        """The request that an error without an id belongs to (JSON-RPC 2.0, section 5: the server could not read it).

        That is a login, which nothing else goes out before, or the only request there is.
        """
        logins = [key for key, pending in self._pending.items() if pending.kind in _LOGINS]
        known = logins or list(self._pending)
        return self.settle(known[0]) if len(known) == 1 else None

    def forget(self) -> None:
        """The connection is gone, and with it all replies and what was not sent."""
        self.texts.clear()
        self._timers.cancel(*(Timer(TimerKind.REQUEST, request_id) for request_id in self._pending))
        self._pending.clear()

    def take_texts(self) -> list[str]:
        """What is to be sent, oldest first; once."""
        texts = [*self.texts]
        self.texts.clear()
        return texts
