"""Checks of what users pass to `TxClient`: everything that can be wrong is said at the call, before anything is
sent.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable, Container, Mapping
from typing import Any

from ._protocol.requests import AnonymousLogin, CallOptions
from ._version import __version__
from .config import LogLevel
from .errors import ClientConfigurationError

__all__ = [
    "checked_call",
    "checked_call_id",
    "checked_headers",
    "checked_level",
    "checked_login",
    "encoded_client_state",
]

_HEADER_NAME = re.compile(r"^[Xx]-[!#$%&'*+.^_`|~0-9A-Za-z-]+$")


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
        if not isinstance(value, str) or not value.strip():
            raise ClientConfigurationError(f"{name} must be a text that is not blank, such as 'assistant-2f0f4f9e-...'")
    optionals: list[tuple[str, object]] = [
        ("target_version_id", target_version_id),
        ("conversation_id", conversation_id),
    ]
    for name, optional in optionals:
        if optional is not None and (not isinstance(optional, str) or not optional.strip()):
            raise ClientConfigurationError(f"{name} must be a text that is not blank, or None")
    variables = dict(user_variables or {})
    try:
        json.dumps(variables, allow_nan=False)
    except (TypeError, ValueError) as exc:
        raise ClientConfigurationError(f"user_variables must be something that JSON can express: {exc}") from exc
    return AnonymousLogin(
        target_id=target_id,
        target_type=target_type,
        target_version_id=target_version_id,
        user_variables=variables,
        reconnection=bool(reconnection),
        conversation_id=conversation_id,
        sdk_version=__version__,
    )


def checked_level(level: LogLevel | int | str) -> LogLevel:
    """A `LogLevel` from one, its number or its name."""
    try:
        return LogLevel[level.upper()] if isinstance(level, str) else LogLevel(level)
    except (KeyError, ValueError) as exc:
        raise ClientConfigurationError(f"{level!r} is not a LogLevel") from exc


def checked_call(
    caller_name: str,
    caller_number: str,
    destination_number: str,
    call_id: uuid.UUID | str | None,
    client_state: str | bytes | None,
    custom_headers: Mapping[str, str] | None,
    taken: Container[uuid.UUID],
    new_id: Callable[[], str],
) -> CallOptions:
    """What a call is placed with, or a `ClientConfigurationError` that names the argument."""
    return CallOptions(
        call_id=checked_call_id(call_id, taken) or new_id(),
        caller_name=caller_name,
        caller_number=caller_number,
        destination_number=destination_number,
        client_state=encoded_client_state(client_state),
        custom_headers=checked_headers(custom_headers),
    )


def checked_call_id(call_id: uuid.UUID | str | None, taken: Container[uuid.UUID]) -> str | None:
    """The wire form of a call id: a lower-case UUID that is not taken; None when the user gave none."""
    if call_id is None:
        return None
    try:
        checked = uuid.UUID(str(call_id))
    except ValueError as exc:
        raise ClientConfigurationError(f"{call_id!r} is not a UUID; leave call_id out to get one") from exc
    if checked in taken:
        raise ClientConfigurationError(f"there is a call {checked} already")
    return str(checked)


def encoded_client_state(client_state: str | bytes | None) -> str | None:
    """Base64 without line breaks, as Android and Flutter send it (Android's line breaks once cut it off at 57
    bytes).
    """
    if client_state is None:
        return None
    data = client_state.encode() if isinstance(client_state, str) else client_state
    return base64.b64encode(data).decode("ascii")


def checked_headers(headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Custom headers whose names the server takes (`X-...`, R26) and that cannot smuggle in other headers."""
    checked = []
    for name, value in (headers or {}).items():
        if not _HEADER_NAME.match(str(name)):
            raise ClientConfigurationError(f"{name!r} cannot be a custom header; its name must start with 'X-'")
        text = str(value)
        if re.search(r"[\x00-\x1f\x7f]", text):
            raise ClientConfigurationError(f"the value of {name} has a line break or another control character")
        checked.append((name, text))
    return tuple(checked)
