"""`Inbox`: from the text of a frame to what it means. Here bad frames end, as `Malformed`; none gets any further."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...errors import RemoteProtocolError
from .._frozen import frozen
from ..outcomes import Malformed, MessageReceived, SessionEvent
from ..wire import inbound as events
from ..wire import jsonrpc

__all__ = ["Inbound", "Inbox", "RecentRequests"]

_MAX_COMPLAINTS = 100
"""Kinds of mistakes that are reported; a server that makes more is not worth the memory."""

_LONG = 65_536


@frozen
class Inbound:
    """A frame that makes sense.

    Attributes:
        content: What it means.
        id: The server's request, to be acknowledged; or our request, which this is the reply to.
        method: Of a request.
        voice_sdk_id: As in every frame.
    """

    content: events.Event | events.Reply | events.Refusal
    id: jsonrpc.RequestId | None
    method: str | None
    voice_sdk_id: str | None


class Inbox:
    """Reads frames.

    Args:
        report: Takes `MessageReceived` for every frame, and `Malformed` once for each kind of mistake.

    Attributes:
        shows_frames: Whether there is anybody for `MessageReceived`.
    """

    def __init__(self, report: Callable[[SessionEvent], None]) -> None:
        self._report = report
        self._recent = RecentRequests()
        self._complaints: set[str] = set()
        self.shows_frames = True

    def read(self, text: str | bytes) -> Iterable[Inbound]:
        """What came with one message of the WebSocket: a tuple of one frame or of none, or an iterator over the frames
        of a batch (S21), each of which is read when the iterator comes to it.
        """
        try:
            frames = jsonrpc.decode_frames(text)
        except RemoteProtocolError as error:
            self.complain(error)
            return ()
        if len(frames) == 1:
            inbound = self._read_one(frames[0], text)
            return () if inbound is None else (inbound,)
        # One after the other: what a frame causes comes before the next.
        return filter(None, (self._read_one(frame, None) for frame in frames))

    def _read_one(self, frame: Mapping[str, Any], text: str | bytes | None) -> Inbound | None:
        if self.shows_frames:
            self._report(MessageReceived(frame))
        try:
            message = jsonrpc.classify(frame)
            if isinstance(message, jsonrpc.Result):
                return Inbound(events.parse_result(message), message.id, None, message.voice_sdk_id)
            if isinstance(message, jsonrpc.ErrorReply):
                return Inbound(events.parse_error(message), message.id, None, message.voice_sdk_id)
            event = events.parse(message)
            if isinstance(event, events.Unknown):
                raise RemoteProtocolError(f"unknown method {message.method[:60]!r}")
        except RemoteProtocolError as error:
            self.complain(error)
            return None
        # A ping may look like the one before, and wants an answer all the same.
        may_repeat = message.id is None or text is None or isinstance(event, events.Ping)
        if not may_repeat and self._recent.is_repetition(message.id, _lasting(text, message.voice_sdk_id)):
            if not self._recent.is_of_earlier_connection(message.id):
                self.complain(RemoteProtocolError(f"{message.method} came twice with the same id"))
            # It still wants its acknowledgement: that may be what the server missed.
            event = events.Info(message.method)
        return Inbound(event, message.id, message.method, message.voice_sdk_id)

    def forget(self) -> None:
        """The connection is gone; the next server numbers its requests anew. Ids that are texts are unique for ever."""
        self._recent.forget_numbers()

    def complain(self, error: RemoteProtocolError) -> None:
        """Report a mistake of the server's, once for each kind."""
        if error.message not in self._complaints and len(self._complaints) < _MAX_COMPLAINTS:
            self._complaints.add(error.message)
            self._report(Malformed(error))


def _lasting(text: str | bytes | None, voice_sdk_id: str | None) -> str | bytes | None:
    """A frame without that which may be another when it is sent again on another connection.

    Very long ones are taken as they are: a copy of megabytes for each is too much for what only tells repetitions.
    """
    if not isinstance(text, str) or voice_sdk_id is None or len(text) > _LONG:
        return text
    return text.replace(voice_sdk_id, "")


class RecentRequests:
    """Recognises a frame that was sent twice.

    Only one that is the same in every character is one: servers are not known to number their requests well, and to
    lose a frame is worse than to take one twice.

    A server that does not know what became of its frames when a connection was lost may send them again on the next. So
    many are remembered: what an assistant says in a minute, which is how long half of a connection may be dead.
    """

    _KEPT = 512

    def __init__(self) -> None:
        self._order: deque[jsonrpc.RequestId | None] = deque()
        self._hashes: dict[jsonrpc.RequestId | None, int] = {}
        # Those that came on this connection.
        self._fresh: set[jsonrpc.RequestId | None] = set()

    def is_repetition(self, request_id: jsonrpc.RequestId | None, text: str | bytes | None) -> bool:
        """Whether this very frame came before; remembers it."""
        new = hash(text)
        known = self._hashes.get(request_id)
        if known is None:
            self._order.append(request_id)
            self._fresh.add(request_id)
        self._hashes[request_id] = new
        if len(self._order) > self._KEPT:
            oldest = self._order.popleft()
            del self._hashes[oldest]
            self._fresh.discard(oldest)
        return known == new

    def is_of_earlier_connection(self, request_id: jsonrpc.RequestId | None) -> bool:
        """Whether a repetition is no mistake: the server cannot know whether the first one came."""
        return request_id not in self._fresh

    def forget_numbers(self) -> None:
        """The connection is lost. Forget the ids that are numbers."""
        kept = [request_id for request_id in self._order if isinstance(request_id, str)]
        self._order = deque(kept)
        self._hashes = {request_id: self._hashes[request_id] for request_id in kept}
        self._fresh.clear()
