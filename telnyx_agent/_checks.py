"""Checks of what users pass to `TxClient`: everything that can be wrong is said at the call, before anything is
sent.
"""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._arguments import MESSAGE_LIMIT, check_argument, is_text, json_copy, plain
from ._runtime.imports import uninterrupted
from ._version import __version__
from .config import LogLevel
from .errors import ClientConfigurationError

if TYPE_CHECKING:
    from ._protocol.wire.requests import AnonymousLogin, CallOptions

__all__ = [
    "check_message",
    "checked_answer_timeout",
    "checked_call",
    "checked_call_id",
    "checked_headers",
    "checked_level",
    "checked_login",
    "checked_timeout",
    "encoded_client_state",
]

_HEADER_NAME = re.compile(r"[Xx]-[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# Line breaks of all kinds, other control characters, and halves of characters: what SIP would take for an end of line,
# or cannot carry. Other languages' letters are fine, SIP is UTF-8 (RFC 3261, 7.3.1).
_UNUSABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def checked_login(
    target_id: str,
    target_type: str,
    target_version_id: str | None,
    user_variables: Mapping[str, Any] | None,
    reconnection: bool,
    conversation_id: str | None,
) -> AnonymousLogin:
    """The login request, or a `ClientConfigurationError` that names the argument."""
    # Typed as what it may be at run time: users of this check are those who do not run a type checker.
    required: list[tuple[str, object]] = [("target_id", target_id), ("target_type", target_type)]
    for name, value in required:
        if not is_text(value) or not value.strip():  # type: ignore[attr-defined]
            raise ClientConfigurationError(f"{name} must be a text that is not blank, such as 'assistant-2f0f4f9e-...'")
    optionals: list[tuple[str, object]] = [
        ("target_version_id", target_version_id),
        ("conversation_id", conversation_id),
    ]
    for name, optional in optionals:
        if optional is not None and not (is_text(optional) and optional.strip()):  # type: ignore[attr-defined]
            raise ClientConfigurationError(f"{name} must be a text that is not blank, or None")
    variables = json_copy("user_variables", dict(user_variables or {}))
    with uninterrupted():
        from ._protocol.wire.requests import AnonymousLogin

    return AnonymousLogin(
        target_id=plain(target_id),
        target_type=plain(target_type),
        target_version_id=plain(target_version_id),
        user_variables=variables,
        reconnection=bool(reconnection),
        conversation_id=plain(conversation_id),
        sdk_version=__version__,
    )


def checked_level(level: LogLevel | int | str, name: str = "log_level") -> LogLevel:
    """A `LogLevel` from one, its number or its name."""
    try:
        return LogLevel[level.upper()] if isinstance(level, str) else LogLevel(level)
    except (KeyError, ValueError) as exc:
        raise ClientConfigurationError(f"{name}: {level!r} is not a LogLevel") from exc


def checked_timeout(seconds: float) -> float:
    """A `reconnect_timeout`: seconds, 0 for never, infinite for ever."""
    if not isinstance(seconds, (int, float)) or not seconds >= 0:
        raise ClientConfigurationError(f"reconnect_timeout must be 0 or more seconds, not {seconds!r}")
    return float(seconds)


def checked_answer_timeout(seconds: float | None) -> float | None:
    """An `invite_timeout`: more than 0 seconds, or None."""
    if seconds is not None and (not isinstance(seconds, (int, float)) or not seconds > 0):
        raise ClientConfigurationError(f"invite_timeout must be more than 0 seconds, or None; got {seconds!r}")
    return None if seconds is None else float(seconds)


def checked_call(
    caller_name: str,
    caller_number: str,
    destination_number: str,
    call_id: uuid.UUID | str | None,
    client_state: str | bytes | None,
    custom_headers: Mapping[str, str] | None,
    taken: Container[str],
    new_id: Callable[[], str],
) -> CallOptions:
    """What a call is placed with, or a `ClientConfigurationError` that names the argument."""
    from ._protocol.wire.requests import CallOptions

    return CallOptions(
        call_id=checked_call_id(call_id, taken) or new_id(),
        caller_name=_checked_text("caller_name", caller_name),
        caller_number=_checked_text("caller_number", caller_number),
        destination_number=_checked_text("destination_number", destination_number),
        client_state=encoded_client_state(client_state),
        custom_headers=checked_headers(custom_headers),
    )


def checked_call_id(call_id: uuid.UUID | str | None, taken: Container[str]) -> str | None:
    """The wire form of a call id: a lower-case UUID that is not taken; None when the user gave none."""
    if call_id is None:
        return None
    try:
        checked = str(uuid.UUID(str(call_id)))
    except ValueError as exc:
        raise ClientConfigurationError(f"call_id: {call_id!r} is not a UUID; leave call_id out to get one") from exc
    if checked in taken:
        raise ClientConfigurationError(f"call_id: there is a call {checked} already")
    return checked


def encoded_client_state(client_state: str | bytes | None) -> str | None:
    """Base64 without line breaks, as Android and Flutter send it (Android's line breaks once cut it off at 57
    bytes).
    """
    if client_state is None:
        return None
    try:
        data = client_state.encode() if isinstance(client_state, str) else client_state
    except UnicodeEncodeError as exc:
        raise ClientConfigurationError(f"client_state cannot be sent: {exc.reason}; give bytes") from exc
    return base64.b64encode(data).decode("ascii")


def check_message(text: str, image_urls: Sequence[str]) -> None:
    """Refuse a message with nothing in it, and one that no server would take."""
    if not text.strip() and not image_urls:
        raise ClientConfigurationError("there is nothing to send: give a text, an image or both")
    size = len(text) + sum(map(len, image_urls))
    if size > MESSAGE_LIMIT:
        raise ClientConfigurationError(
            f"the message has {size:,} characters with its images, more than the limit of {MESSAGE_LIMIT:,}; "
            "send it in parts, or make the images smaller"
        )


def checked_headers(headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Custom headers whose names the server takes (`X-...`, R26) and that cannot smuggle in other headers."""
    checked = []
    check_argument("custom_headers", headers, "Mapping[str, str] | None")
    for given, value in (headers or {}).items():
        name = plain(str(given))
        if not _HEADER_NAME.fullmatch(name):
            raise ClientConfigurationError(
                f"custom_headers: {name!r} is no custom header; its name must start with 'X-'"
            )
        checked.append((name, _checked_text(f"the value of {name}", plain(str(value)))))
    size = sum(len(name) + len(value) for name, value in checked)
    if size > MESSAGE_LIMIT:
        raise ClientConfigurationError(
            f"custom_headers have {size:,} characters, more than the limit of {MESSAGE_LIMIT:,}"
        )
    return tuple(checked)


def _checked_text(what: str, text: str) -> str:
    """A text that becomes part of a SIP header. It is not quoted in the error: it may be a number."""
    if not isinstance(text, str):
        raise ClientConfigurationError(f"{what} must be a text")
    if _UNUSABLE.search(text):
        raise ClientConfigurationError(f"{what} has a line break or another control character")
    return text
