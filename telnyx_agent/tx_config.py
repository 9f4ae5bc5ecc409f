"""`TxConfig`: who logs in with credentials, and how that login behaves. Frozen; iOS's `TxConfig` in PEP 8.

Push notifications are the only fields of iOS's that are left out: a desktop has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from ._arguments import check_argument, plain_fields
from ._callables import check_logger
from ._checks import checked_level
from ._version import __version__
from .config import LogLevel, TxLogger
from .errors import ClientConfigurationError, FailureReason

if TYPE_CHECKING:
    from ._protocol.wire.credentials import CredentialLogin
    from .audio.tones import RingSource

__all__ = ["TxConfig"]


def _check_seconds(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise ClientConfigurationError(f"{attribute.name} must be 0 or more seconds, not {value!r}")


LOG_LEVELS = ("debug", "info", "warn", "error")
"""The levels of a report's log, as iOS and JavaScript have them."""


def _check_log_level(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in LOG_LEVELS:
        raise ClientConfigurationError(f"{attribute.name} must be one of {', '.join(LOG_LEVELS)}, not {value!r}")


def _check_count(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ClientConfigurationError(f"{attribute.name} must be 0 or more, not {value!r}")


def _check_text(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    # Not quoted in the error: it may be a secret.
    check_argument(attribute.name, value, "str | None")


def _check_logger(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    check_logger(attribute.name, value)


@attrs.frozen(kw_only=True, field_transformer=plain_fields)
class TxConfig:
    """The credentials of a SIP connection, for `TxClient.connect`: either user and password, or a token.

        client.connect(TxConfig(sip_user="alice", password=os.environ["SIP_PASSWORD"]))
        client.connect(TxConfig(token=token))

    Neither password nor token is ever shown by `repr`, written to a log, or part of an error.

    Args:
        sip_user: The user of your credential connection. iOS: `sipUser`.
        password: Its password.
        token: A telephony credential's token (a JWT), in place of both.
        caller_id_name: Your name in calls without a `caller_name`. Android: `sipCallerIDName`.
        caller_id_number: Your number in calls without a `caller_number`. Android: `sipCallerIDNumber`.
        ringtone: What you hear while somebody calls you, in place of the client's: a `Tone`, or the path of a WAV file.
            iOS: `ringtone`.
        ring_back_tone: What you hear while the other side rings, in place of the client's. iOS: `ringBackTone`.
        log_level: How much this session logs to stderr; `NONE` is silent.
        reconnect_client: Whether a lost connection is replaced. iOS: `reconnectClient`.
        reconnect_timeout: Seconds for which that is tried; `math.inf`: no limit. iOS: `reconnectTimeOut`.
        force_relay_candidate: Send and receive audio over a TURN server only. iOS: `forceRelayCandidate`.
        debug: Send the quality samples of all calls to Telnyx too, for its debugging tools. iOS: `debug`,
            `sendWebRTCStatsViaSocket`.
        custom_logger: Gets this session's log instead of the client's `logger`. iOS: `customLogger`.
        enable_call_reports: Whether each call's report is posted to Telnyx (iOS: by default). None: as
            `TxClient(enable_call_reports=...)` says. iOS: `enableCallReports`.
        call_report_interval: Seconds that one entry of `CallReport.stats` covers. iOS: `callReportInterval`.
        call_report_log_level: The lowest level of the events that are posted with a report: `"debug"`, `"info"`,
            `"warn"` or `"error"`. iOS: `callReportLogLevel`.
        call_report_max_log_entries: How many of these events are posted at most; the latest. iOS:
            `callReportMaxLogEntries`.

    Raises:
        ClientConfigurationError: A value has a wrong type or range. What is *missing* is found by `validate_params`.
    """

    sip_user: str | None = attrs.field(default=None, validator=_check_text)
    password: str | None = attrs.field(default=None, repr=False, validator=_check_text)
    token: str | None = attrs.field(default=None, repr=False, validator=_check_text)
    caller_id_name: str | None = attrs.field(default=None, repr=False, validator=_check_text)
    caller_id_number: str | None = attrs.field(default=None, repr=False, validator=_check_text)
    ringtone: RingSource | None = None
    ring_back_tone: RingSource | None = None
    log_level: LogLevel = attrs.field(default=LogLevel.NONE, converter=checked_level)
    reconnect_client: bool = True
    reconnect_timeout: float = attrs.field(default=60.0, validator=_check_seconds)
    force_relay_candidate: bool = False
    debug: bool = False
    custom_logger: TxLogger | None = attrs.field(default=None, repr=False, validator=_check_logger)
    enable_call_reports: bool | None = None
    call_report_interval: float = attrs.field(default=5.0, validator=_check_seconds)
    call_report_log_level: str = attrs.field(default="debug", validator=_check_log_level)
    call_report_max_log_entries: int = attrs.field(default=1000, validator=_check_count)

    def validate_params(self) -> None:
        """Check that there is a user with a password, or a token. iOS: `validateParams()`; `connect` does it.

        Raises:
            ClientConfigurationError: Something is missing, or both are given; the text says what.
        """
        checked_credentials(self.sip_user, self.password, self.token)


def checked_credentials(sip_user: str | None, password: str | None, token: str | None) -> CredentialLogin:
    """The login request, or a `ClientConfigurationError` that names what is missing, in the order of iOS."""
    from ._protocol.wire.credentials import CredentialLogin

    for name, value in (("sip_user", sip_user), ("password", password), ("token", token)):
        if value is not None and not isinstance(value, str):
            raise ClientConfigurationError(f"{name} must be a text, not {type(value).__name__}")
    if token is not None and (sip_user is not None or password is not None):
        raise ClientConfigurationError("give either sip_user and password, or token, not both")
    if token is not None:
        if not token.strip():
            error = ClientConfigurationError("token is required: it is blank")
            raise error.with_reason(FailureReason.TOKEN_IS_REQUIRED)
        return CredentialLogin(token=token, sdk_version=__version__)
    user_is_missing, password_is_missing = not (sip_user or "").strip(), not password
    if user_is_missing and password_is_missing:
        raise ClientConfigurationError("sip_user and password are required, or token").with_reason(
            FailureReason.USER_NAME_AND_PASSWORD_ARE_REQUIRED
        )
    if user_is_missing:
        raise ClientConfigurationError("sip_user is required with a password").with_reason(
            FailureReason.USER_NAME_IS_REQUIRED
        )
    if password_is_missing:
        error = ClientConfigurationError("password is required with sip_user")
        raise error.with_reason(FailureReason.PASSWORD_IS_REQUIRED)
    return CredentialLogin(sip_user=sip_user, password=password, sdk_version=__version__)
