"""The values that Flutter's handlers and streams get; public in `compat`."""

from __future__ import annotations

from uuid import UUID

import attrs

from ..errors import TxError
from ..quality import TxWarning
from ._socket_flow import ReceivedMessage, SocketError

__all__ = ["TelnyxErrorConstants", "TelnyxErrorEvent", "TelnyxMessage", "TelnyxSocketError", "TelnyxWarningEvent"]


class TelnyxErrorConstants:
    """Flutter: `TelnyxErrorConstants`, what `TelnyxSocketError.error_code` may be."""

    TOKEN_ERROR_CODE = int(SocketError.TOKEN_ERROR)
    CREDENTIAL_ERROR_CODE = int(SocketError.CREDENTIAL_ERROR)
    CODEC_ERROR_CODE = int(SocketError.CODEC_ERROR)
    GATEWAY_TIMEOUT_ERROR_CODE = int(SocketError.GATEWAY_TIMEOUT_ERROR)
    GATEWAY_FAILED_ERROR_CODE = int(SocketError.GATEWAY_FAILURE_ERROR)


@attrs.frozen
class TelnyxSocketError:
    """What `TelnyxClient.on_socket_error_received` gets. `error_code` is the server's; 0 for an error on this side."""

    error_code: int | str = 0
    error_message: str = "Generic error. Source unknown."


@attrs.frozen
class TelnyxMessage:
    """What `TelnyxClient.on_socket_message_received` gets. `socket_method` compares with `SocketMethod`."""

    socket_method: str
    message: ReceivedMessage


@attrs.frozen
class TelnyxErrorEvent:
    """What `TelnyxClient.on_telnyx_error` and `errors` get. `event.error.code` compares with `ErrorCode`."""

    error: TxError
    session_id: str
    call_id: UUID | None = None

    @property
    def fatal(self) -> bool:
        """Whether the call or the connection cannot go on; the same as `event.error.fatal`."""
        return self.error.fatal

    @property
    def name(self) -> str:
        """Such as `"LOGIN_FAILED"`; the same as `event.error.name`."""
        return self.error.name

    def __str__(self) -> str:
        return str(self.error)


@attrs.frozen
class TelnyxWarningEvent:
    """What `TelnyxClient.on_telnyx_warning` and `warnings` get. `event.warning.code` compares with `WarningCode`."""

    warning: TxWarning
    session_id: str
    call_id: UUID | None = None

    @property
    def name(self) -> str:
        """Such as `"HIGH_RTT"`; the same as `event.warning.name`."""
        return self.warning.name
