"""What a log may show of a frame: its shape, its ids and codes, and nothing that was said or that opens a door.

This is a list of what may be shown, not of what must not: a member that Telnyx adds tomorrow is hidden until somebody
has looked at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import RemoteProtocolError
from .jsonrpc import decode_frames, encode

__all__ = ["is_entered", "is_shown", "redact", "redacted_text"]

_SHOWN = frozenset(
    {
        *("jsonrpc", "id", "method", "type", "code", "message", "state", "status", "role", "action", "holdState"),
        *("sessid", "callID", "callId", "call_id", "item_id", "response_id", "previous_item_id"),
        *("telnyx_session_id", "telnyx_leg_id", "reattached_sessions", "call_report_id", "dc", "region"),
        *("cause", "causeCode", "sipCode", "sipReason", "display_direction", "serno", "auth-expires"),
        *("target_type", "target_version_id", "reconnection", "sdkVersion", "data", "User-Agent", "trickle"),
        *("audio", "video", "useStereo", "attach", "screenShare", "content_index", "output_index"),
        *("sdpMid", "sdpMLineIndex", "mimeType", "clockRate", "channels"),
    }
)
"""Members whose plain value is shown; the ids are what one finds a call by in Telnyx's own logs."""

_ENTERED = frozenset(
    {"params", "result", "error", "dialogParams", "item", "response", "User-Agent", "preferred_codecs"}
)
"""Members whose own members are looked at."""

_SHOWN_LISTS = frozenset({"reattached_sessions"})
"""Members that are lists of such values. Elsewhere a list is a mistake of the server's, and may hold anything."""

_SPOKEN = "ai_conversation"
_NOT_SHOWN_THERE = frozenset({"message", "data"})
"""Elsewhere these hold the server's own words."""

_LONGEST = 200
_LONGEST_LINE = 4000


def redacted_text(text: str | bytes) -> str:
    """A frame as it may be logged; of what is not a frame only the size."""
    try:
        frames = decode_frames(text)
    except RemoteProtocolError as error:
        return f"<{error.message}; {len(text)} {'characters' if isinstance(text, str) else 'bytes'}>"
    shown = " ".join(encode(redact(frame)) for frame in frames)
    return shown if len(shown) <= _LONGEST_LINE else f"{shown[:_LONGEST_LINE]}..."


def redact(frame: Mapping[str, Any]) -> Mapping[str, Any]:
    """A decoded frame as it may be logged."""
    spoken = frame.get("method") == _SPOKEN
    return {name: _redact_member(name, value, spoken) for name, value in frame.items()}


def is_shown(name: str, *, spoken: bool) -> bool:
    """Whether a plain value of the member `name` may be shown; `spoken` in the frames of the conversation."""
    return name in _SHOWN and not (spoken and name in _NOT_SHOWN_THERE)


def is_entered(name: str) -> bool:
    """Whether the members of the member `name` are looked at one by one."""
    return name in _ENTERED


def _redact_member(name: str, value: Any, spoken: bool) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if name in _ENTERED and isinstance(value, dict):
        return {inner: _redact_member(inner, member, spoken) for inner, member in value.items()}
    if name in _ENTERED and isinstance(value, (list, tuple)):
        return [_redact_member(name, member, spoken) for member in value]
    if name not in _SHOWN or (spoken and name in _NOT_SHOWN_THERE):
        return _size(value)
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."
    if isinstance(value, (int, float)):
        return value
    if name in _SHOWN_LISTS and isinstance(value, (list, tuple)) and all(isinstance(member, str) for member in value):
        return list(value)
    return _size(value)


def _size(value: Any) -> str:
    if isinstance(value, str):
        return f"<{len(value)} characters>"
    if isinstance(value, (dict, list, tuple)):
        return f"<{len(value)} members>"
    return "<hidden>"
