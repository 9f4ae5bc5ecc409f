"""Android's socket-response flow: its values, and the flow that replays the last one. `compat` shows them to users."""

from __future__ import annotations

import enum
import functools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

import attrs

from ._runtime.waiting import Deadline
from .assistant import TranscriptCancellable
from .errors import ClientConfigurationError, TxTimeoutError

__all__ = [
    "AiConversationResponse",
    "AnswerResponse",
    "ByeResponse",
    "LoginResponse",
    "ReceivedMessage",
    "RingingResponse",
    "SocketError",
    "SocketMethod",
    "SocketResponse",
    "SocketResponseFlow",
    "SocketResponseSubscription",
    "SocketStatus",
]


class SocketStatus(enum.Enum):
    """Android: `SocketStatus`."""

    ESTABLISHED = "established"
    MESSAGERECEIVED = "messagereceived"
    MESSAGE_RECEIVED = MESSAGERECEIVED
    ERROR = "error"
    LOADING = "loading"
    DISCONNECT = "disconnect"


class SocketMethod(str, enum.Enum):
    """Android: `SocketMethod`. Compares equal to its wire name."""

    LOGIN = "login"
    ANONYMOUS_LOGIN = "anonymous_login"
    CLIENT_READY = "telnyx_rtc.clientReady"
    GATEWAY_STATE = "telnyx_rtc.gatewayState"
    INVITE = "telnyx_rtc.invite"
    RINGING = "telnyx_rtc.ringing"
    MEDIA = "telnyx_rtc.media"
    ANSWER = "telnyx_rtc.answer"
    BYE = "telnyx_rtc.bye"
    MODIFY = "telnyx_rtc.modify"
    INFO = "telnyx_rtc.info"
    ATTACH = "telnyx_rtc.attach"
    ATTACH_CALL = "telnyx_rtc.attachCalls"
    CANDIDATE = "telnyx_rtc.candidate"
    END_OF_CANDIDATES = "telnyx_rtc.endOfCandidates"
    PINGPONG = "telnyx_rtc.ping"
    DISABLE_PUSH = "telnyx_rtc.disable_push_notification"
    AI_CONVERSATION = "ai_conversation"

    @property
    def method_name(self) -> str:
        """Android: `methodName`."""
        return self.value


class SocketError(enum.IntEnum):
    """Android: `SocketError`; compares equal to `SocketResponse.error_code`."""

    TOKEN_ERROR = -32000
    CREDENTIAL_ERROR = -32001
    CODEC_ERROR = -32002
    GATEWAY_TIMEOUT_ERROR = -32003
    GATEWAY_FAILURE_ERROR = -32004


@attrs.frozen
class LoginResponse:
    """Android: `LoginResponse`."""

    sessid: str


@attrs.frozen
class ByeResponse:
    """Android: `ByeResponse`."""

    call_id: UUID
    cause: str | None = None
    cause_code: int | None = None
    sip_code: int | None = None
    sip_reason: str | None = None


@attrs.frozen
class RingingResponse:
    """Android: `RingingResponse`."""

    call_id: UUID


@attrs.frozen
class AnswerResponse:
    """Android: `AnswerResponse`; a call is up, with its SDP applied already."""

    call_id: UUID
    custom_headers: Mapping[str, str] = attrs.field(factory=dict, repr=False, hash=False)
    telnyx_call_control_id: str | None = None


@attrs.frozen
class AiConversationResponse:
    """Android: `AiConversationResponse`; the frame's `params` as they came."""

    ai_conversation_params: Mapping[str, Any] = attrs.field(repr=False, hash=False)


@attrs.frozen
class ReceivedMessage:
    """Android: `ReceivedMessageBody`."""

    method: str
    result: Any = attrs.field(default=None, repr=False)


@attrs.frozen
class SocketResponse:
    """Android: `SocketResponse`, with its factories."""

    status: SocketStatus
    data: ReceivedMessage | None = None
    error_message: str | None = None
    error_code: int | str | None = None

    @classmethod
    def established(cls) -> SocketResponse:
        """The socket is open."""
        return cls(SocketStatus.ESTABLISHED)

    @classmethod
    def loading(cls) -> SocketResponse:
        """The connection is being made."""
        return cls(SocketStatus.LOADING)

    @classmethod
    def disconnect(cls) -> SocketResponse:
        """The socket is gone."""
        return cls(SocketStatus.DISCONNECT)

    @classmethod
    def error(cls, error_message: str, error_code: int | str | None = None) -> SocketResponse:
        """Something failed."""
        return cls(SocketStatus.ERROR, error_message=error_message, error_code=error_code)

    @classmethod
    def message_received(cls, data: ReceivedMessage) -> SocketResponse:
        """A message came."""
        return cls(SocketStatus.MESSAGERECEIVED, data)


class SocketResponseSubscription(Iterator[SocketResponse]):
    """What `SocketResponseFlow.subscribe` gives: an iterator over the last response and every later one.

    It ends when it is cancelled, or with the block that it manages. One taker at a time, on any thread.
    """

    def __init__(self, flow: SocketResponseFlow, maxsize: int, timeout: float | None) -> None:
        if maxsize < 1:
            raise ClientConfigurationError(f"maxsize must be at least 1, not {maxsize!r}")
        self._timeout = timeout
        self._changed = threading.Condition(threading.RLock())
        # Android: onBufferOverflow = DROP_OLDEST.
        self._responses: deque[SocketResponse] = deque(maxlen=maxsize)
        self._is_over = False
        self._end = flow._attach(self._put)

    def __enter__(self) -> SocketResponseSubscription:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.cancel()

    def cancel(self) -> None:
        """End it; what was not taken is thrown away. Idempotent, any thread."""
        self._end()
        with self._changed:
            self._is_over = True
            self._responses.clear()
            self._changed.notify_all()

    def __next__(self) -> SocketResponse:
        """The next response; blocks until there is one. One Ctrl-C interrupts.

        Raises:
            TxTimeoutError: There was none in time; it goes on.
        """
        deadline = Deadline(self._timeout)
        with self._changed:
            while not self._responses:
                if self._is_over:
                    raise StopIteration
                if deadline.is_over:
                    raise TxTimeoutError(f"there was no response within {self._timeout:g} s")
                self._changed.wait(deadline.next_wait)
            return self._responses.popleft()

    def _put(self, response: SocketResponse) -> None:
        with self._changed:
            self._responses.append(response)
            self._changed.notify_all()


class SocketResponseFlow:
    """Android: `socketResponseFlow`, a shared flow that replays its last value to a new collector."""

    def __init__(self, deliver: Callable[[Callable[[], None]], None]) -> None:
        """Made by `TelnyxClient`.

        Args:
            deliver: Runs a function where callbacks run.
        """
        self._deliver = deliver
        # Collectors come from any thread while the delegate thread publishes.
        self._lock = threading.Lock()
        self._collectors: tuple[Callable[[SocketResponse], object], ...] = ()
        self._takers: tuple[Callable[[SocketResponse], object], ...] = ()
        self._last: SocketResponse | None = None

    @property
    def replay(self) -> SocketResponse | None:
        """The last value; what a new collector gets first."""
        return self._last

    def collect(self, collector: Callable[[SocketResponse], object]) -> TranscriptCancellable:
        """Call `collector` with the last value and every later one, where callbacks run.

        Returns:
            Ends the collection when cancelled or left as a context manager.
        """

        def entry(response: SocketResponse) -> None:
            collector(response)

        with self._lock:
            self._collectors = (*self._collectors, entry)
            last = self._last
        if last is not None:
            self._deliver(functools.partial(self._send, entry, last))
        return TranscriptCancellable(functools.partial(self._cancel, entry))

    def subscribe(self, maxsize: int = 64, timeout: float | None = None) -> SocketResponseSubscription:
        """An iterator over the last value and every later one, for a `for` loop on a thread of yours.

        Args:
            maxsize: Most values that wait to be taken; of more, the oldest is dropped, as on Android.
            timeout: Seconds to wait for each value, after which `next` raises `TxTimeoutError`; None for ever.
        """
        return SocketResponseSubscription(self, maxsize, timeout)

    def _attach(self, put: Callable[[SocketResponse], object]) -> Callable[[], None]:
        """Call `put` with the last value, and with every later one as soon as it is published."""

        def entry(response: SocketResponse) -> None:
            put(response)

        with self._lock:
            self._takers = (*self._takers, entry)
            if self._last is not None:
                put(self._last)

        def end() -> None:
            with self._lock:
                self._takers = tuple(other for other in self._takers if other is not entry)

        return end

    def _cancel(self, entry: Callable[[SocketResponse], object]) -> None:
        with self._lock:
            self._collectors = tuple(other for other in self._collectors if other is not entry)

    def _publish(self, response: SocketResponse) -> None:
        with self._lock:
            self._last = response
            collectors = self._collectors
            for put in self._takers:
                put(response)
        for entry in collectors:
            self._deliver(functools.partial(self._send, entry, response))

    def _send(self, entry: Callable[[SocketResponse], object], response: SocketResponse) -> None:
        if entry in self._collectors:
            entry(response)
