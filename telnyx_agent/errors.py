"""Every exception that the SDK raises or hands to `on_client_error`.

* `TxError` - the root; catching it is enough
    * `SocketConnectionError` - the WebSocket to Telnyx cannot be used
        * `NetworkError` - DNS, refused, TLS, time-out, connection lost
    * `ClientConfigurationError` - an argument is wrong or missing; nothing was sent
    * `CallError` - not logged in, call not found, rejected, no media
        * `AnswerInterruptedError` - `Call.ask`: the agent was interrupted in its answer
    * `ServerError` - the server answered with an error
        * `AuthenticationError` - the login was refused: unknown assistant or bad credentials
            * `ConversationNotFoundError` - the conversation that was to be joined does not exist
        * `GatewayError` - logged in, but the gateway never registered
    * `MediaError` - no audio device, no PortAudio, no usable codec, no ICE candidate
    * `LocalProtocolError` - the SDK or its user broke the protocol
    * `RemoteProtocolError` - the server broke the protocol
    * `TxTimeoutError` - a waiter's time was up; also a builtin `TimeoutError`

Texts are a contract. Telnyx's own pages tell applications to look for the words "authentication" and "network" in the
message, in lower case, so `AuthenticationError` always contains the first and `NetworkError` the second, and no other
error contains either (`docs/parity.tsv`, statements a-16 to a-18 and f-08 to f-10).

Telnyx's iOS page names the cases `socketFailure` (for a refused login) and `clientConfigurationFailure` (for a network
failure); neither exists in the iOS source. `TxError.SocketFailure`, `TxError.ClientConfigurationFailure` and
`TxError.CallFailure` can be used in `except` and `isinstance` exactly as that page uses them. They are real base
classes, because `except` does not look at anything else.
"""

from __future__ import annotations

import enum
import re
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from . import _lazy
from ._call_ids import call_uuid
from ._error_codes import ErrorCode

__all__ = [
    "AnswerInterruptedError",
    "AuthenticationError",
    "CallError",
    "ClientConfigurationError",
    "ConversationNotFoundError",
    "ErrorCode",
    "FailureReason",
    "GatewayError",
    "LocalProtocolError",
    "MediaError",
    "NetworkError",
    "RemoteProtocolError",
    "ServerError",
    "SocketConnectionError",
    "TxError",
    "TxTimeoutError",
]

_KEYWORDS = re.compile(r"authenticat\w*|network\w*", re.IGNORECASE)


_E = TypeVar("_E", bound="TxError")


def in_words(exc: BaseException) -> str:
    """The kind of an exception and its text, also of one of the program's own whose text cannot be made."""
    try:
        return f"{type(exc).__name__}: {exc}"
    except BaseException:  # noqa: BLE001 - what went wrong before this is what has to be told
        return type(exc).__name__


class FailureReason(str, enum.Enum):
    """Why, as iOS has it: the `reason` of its `TxError` cases. `error.reason` has it, where iOS has one."""

    SOCKET_NOT_CONNECTED = "socketNotConnected"
    SOCKET_CANCELLED = "socketCancelled"
    USER_NAME_AND_PASSWORD_ARE_REQUIRED = "userNameAndPasswordAreRequired"
    USER_NAME_IS_REQUIRED = "userNameIsRequired"
    PASSWORD_IS_REQUIRED = "passwordIsRequired"
    TOKEN_IS_REQUIRED = "tokenIsRequired"
    DESTINATION_NUMBER_IS_REQUIRED = "destinationNumberIsRequired"
    RECONNECT_FAILED = "reconnectFailed"
    CALL_NOT_FOUND = "callNotFound"
    NO_METRICS_COLLECTED = "noMetricsCollected"
    SIGNALING_SERVER_ERROR = "signalingServerError"
    GATEWAY_NOT_REGISTERED = "gatewayNotRegistered"


class TxError(Exception):
    """The root of all errors of this SDK.

    Args:
        message: One readable sentence that says what to do.
        code: The official SDKs' error number (40001 to 49001, see `docs/errors.md`); what the server sent is in
            `ServerError.server_code`.
        call_id: The call the error belongs to, if any: a UUID or its text. The attribute is a UUID, as `Call.call_id`
            is; what is no UUID names no call.
    """

    keyword: ClassVar[str | None] = None
    """The word that every message of this class contains; texts of other classes never do."""

    kind: ClassVar[str] = "unexpected"
    """The case name that Telnyx's iOS page gives to this error."""

    default_code: ClassVar[int | None] = None

    reason: FailureReason | None = None
    """iOS's reason, such as `FailureReason.GATEWAY_NOT_REGISTERED`; None where it has none."""

    session_id: str | None = None
    """The session that `on_client_error` was told it of; None before, and for what only raises."""

    SocketFailure: ClassVar[type[TxError]]
    ClientConfigurationFailure: ClassVar[type[TxError]]
    CallFailure: ClassVar[type[TxError]]
    SocketConnectionFailed: ClassVar[type[TxError]]
    ClientConfigurationFailed: ClassVar[type[TxError]]
    CallFailed: ClassVar[type[TxError]]
    ServerError: ClassVar[type[TxError]]
    SignalingServerError: ClassVar[type[TxError]]

    def __init__(self, message: str, *, code: int | str | None = None, call_id: UUID | str | None = None) -> None:
        self.message: str = self._with_keyword(message)
        self.code: int | str | None = self.default_code if code is None else code
        self.call_id: UUID | None = call_uuid(call_id)
        super().__init__(self.message)

    @property
    def localized_description(self) -> str:
        """iOS's name for the message."""
        return self.message

    @property
    def name(self) -> str:
        """Such as `"LOGIN_FAILED"`; of an error without an official number, its class."""
        code = self._known_code
        return type(self).__name__ if code is None else code.name

    @property
    def description(self) -> str:
        """What `code` means, in one line, without the particulars. Flutter: `description`."""
        code = self._known_code
        return self.message if code is None else code.message

    @property
    def fatal(self) -> bool:
        """Whether the call or the connection cannot go on. Flutter: `fatal`."""
        code = self._known_code
        return code is None or code.is_fatal

    @property
    def causes(self) -> tuple[str, ...]:
        """What usually leads to it, for people; empty without an official number. Flutter: `causes`."""
        code = self._known_code
        return () if code is None else code.causes

    @property
    def solutions(self) -> tuple[str, ...]:
        """What can be done about it, for people; empty likewise. Flutter: `solutions`."""
        code = self._known_code
        return () if code is None else code.solutions

    @property
    def _known_code(self) -> ErrorCode | None:
        return next((one for one in ErrorCode if one == self.code), None)

    def with_reason(self: _E, reason: FailureReason) -> _E:
        """This error, with its `reason`: for the SDK, where it raises one."""
        self.reason = reason
        return self

    @classmethod
    def _with_keyword(cls, message: str) -> str:
        """Keep the promise about the two words, whatever text the server or the system put into the message."""
        keep = cls.keyword

        def replace(match: re.Match[str]) -> str:
            word = match.group()
            if keep is not None and word.lower().startswith(keep[:11]):
                return word.lower()
            return "login" if word.lower().startswith("auth") else "connection"

        text = _KEYWORDS.sub(replace, message)
        if keep is not None and keep not in text:
            text = f"{keep}: {text}"
        return text


class _SocketFailure(TxError):
    """Telnyx's iOS page: `.socketFailure`, "Invalid assistant ID or authentication failed"."""


class _ClientConfigurationFailure(TxError):
    """Telnyx's iOS page: `.clientConfigurationFailure`, "Network connection failed"."""


class SocketConnectionError(TxError):
    """The WebSocket is not there or cannot be used. iOS: `socketConnectionFailed`."""

    default_code = 45002
    reason = FailureReason.SOCKET_NOT_CONNECTED


class NetworkError(SocketConnectionError, _ClientConfigurationFailure):
    """DNS failure, connection refused, TLS failure, time-out, or a connection that was lost.

    The message always contains the word "network".
    """

    keyword = "network"
    kind = "clientConfigurationFailure"
    default_code = 45001
    reason = FailureReason.SOCKET_CANCELLED


class ClientConfigurationError(TxError, ValueError):
    """An argument is missing or wrong; raised at the call, before anything is sent. iOS:
    `clientConfigurationFailed`.
    """

    default_code = 46002


class CallError(TxError):
    """A call cannot be placed, was rejected, or ended because it had no media. iOS: `callFailed`.

    Args:
        cause: The hang-up cause in words, such as `"USER_BUSY"`, where one is known.
    """

    kind = "callFailure"
    default_code = 44002

    def __init__(
        self,
        message: str,
        *,
        code: int | str | None = None,
        call_id: UUID | str | None = None,
        cause: str | None = None,
    ) -> None:
        super().__init__(message, code=code, call_id=call_id)
        self.cause: str | None = cause


class AnswerInterruptedError(CallError):
    """`Call.ask`: somebody spoke or wrote before the agent had finished its answer.

    Args:
        text: What it had said by then and was heard; never part of the message.
    """

    def __init__(self, message: str, *, text: str = "", call_id: UUID | str | None = None) -> None:
        super().__init__(message, call_id=call_id)
        self.text: str = text


class ServerError(TxError):
    """The server answered a request with an error. iOS: `serverError(signalingServerError(message, code))`.

    Args:
        server_message: The server's text, unchanged.
        server_code: The server's code, unchanged; usually an integer such as -32001, rarely a string.
        data: Further members of the error object, such as `cause` and `causeCode`.
    """

    default_code = 49001
    reason: FailureReason | None = FailureReason.SIGNALING_SERVER_ERROR

    def __init__(
        self,
        message: str,
        *,
        code: int | str | None = None,
        call_id: UUID | str | None = None,
        server_message: str | None = None,
        server_code: int | str | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code=code, call_id=call_id)
        self.server_message: str | None = server_message
        self.server_code: int | str | None = server_code
        self.data: dict[str, Any] = dict(data or {})
        self.retry_after: float | None = None
        """Of an HTTP answer: in how many seconds another try makes sense, as the server says; None if it does not."""


class AuthenticationError(ServerError, _SocketFailure):
    """The login was refused: the assistant does not exist, does not take anonymous web calls, or the credentials are
    wrong.

    The message always contains the word "authentication".
    """

    keyword = "authentication"
    kind = "socketFailure"
    default_code = 46001


class ConversationNotFoundError(AuthenticationError):
    """The login was refused because the conversation that it was to join does not exist, or is somebody else's.

    The server's number is 10007.
    """


class GatewayError(ServerError):
    """The login was accepted but the gateway did not reach `REGED`. iOS: `serverError(gatewayNotRegistered)`."""

    default_code = 45004
    reason = FailureReason.GATEWAY_NOT_REGISTERED


class MediaError(TxError):
    """Audio cannot flow: no PortAudio, no device, no codec in common, no ICE candidate."""

    default_code = 42003


class LocalProtocolError(TxError):
    """Something was asked for that the protocol does not allow in the present state. The state did not change."""

    default_code = 49001


class RemoteProtocolError(TxError):
    """The server sent something that the protocol does not allow. It was ignored."""

    default_code = 49001


class TxTimeoutError(TxError, TimeoutError):
    """A waiter such as `Call.wait_for_state` ran out of time. What it waited for goes on."""

    default_code = None


TxError.SocketFailure = _SocketFailure
TxError.ClientConfigurationFailure = _ClientConfigurationFailure
TxError.CallFailure = CallError
# The cases as iOS's source has them.
TxError.SocketConnectionFailed = SocketConnectionError
TxError.ClientConfigurationFailed = ClientConfigurationError
TxError.CallFailed = CallError
TxError.ServerError = TxError.SignalingServerError = ServerError

_lazy.adopt(globals())
