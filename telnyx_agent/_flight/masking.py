"""What a recording may show of texts and frames. As in `_protocol/wire/redact`, a list of what may be shown.

A recording is made to be given away, so it is stricter than a log: no free text of the server's, no text of a third
party's. A masked value keeps its kind and its size:

| in the file | stands for |
|---|---|
| `{"*": 12}` | a text of 12 characters |
| `{"*": 12, "json": true}` | the same, of JSON: a tool's arguments |
| `{"*": "number"}` | a number |
| `{"*": "object", "members": 2}`, `{"*": "list", "members": 2}` | an object or a list with 2 members |
| `{"*": "bytes", "size": 9}` | 9 bytes |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .._protocol.wire.redact import is_entered, is_shown

__all__ = [
    "TEXTS",
    "masked",
    "masked_arguments",
    "masked_frame",
    "masked_message",
    "shown_cause",
    "shown_id",
    "shown_sip_reason",
]

TEXTS = frozenset({"text", "transcript", "delta", "content"})
"""Members of the conversation's messages that are shown to whoever asked for what was said."""

_FREE = frozenset({"message", "data"})
"""Members that a log shows, and that may hold anything the server likes to say."""

_ID = re.compile(r"[A-Za-z0-9_.:/=~<>-]{1,200}")
_PHONE_NUMBER = re.compile(r"[0-9().-]{7,}")
_CAUSE = re.compile(r"[A-Z][A-Z_]{1,39}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_ -]{0,39}")

_SIP_REASONS = frozenset(
    {
        *("Trying", "Ringing", "Call Is Being Forwarded", "Queued", "Session Progress", "OK", "Accepted"),
        *("Moved Permanently", "Moved Temporarily", "Use Proxy", "Alternative Service"),
        *("Bad Request", "Unauthorized", "Payment Required", "Forbidden", "Not Found", "Method Not Allowed"),
        *("Not Acceptable", "Not Acceptable Here", "Proxy Authentication Required", "Request Timeout", "Gone"),
        *("Temporarily Unavailable", "Temporarily not available", "Call/Transaction Does Not Exist", "Loop Detected"),
        *("Too Many Hops", "Address Incomplete", "Ambiguous", "Busy Here", "Request Terminated", "Request Pending"),
        *("Server Internal Error", "Not Implemented", "Bad Gateway", "Service Unavailable", "Server Time-out"),
        *("Busy Everywhere", "Decline", "Does Not Exist Anywhere"),
    }
)
"""RFC 3261, section 21, and what FreeSWITCH says in their place."""


def masked(value: Any) -> Any:
    """A value of which only kind and size are shown."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"*": len(value)}
    if isinstance(value, (int, float)):
        return {"*": "number"}
    if isinstance(value, Mapping):
        return {"*": "object", "members": len(value)}
    if isinstance(value, (bytes, bytearray)):
        return {"*": "bytes", "size": len(value)}
    return {"*": "list", "members": len(value)}


def masked_arguments(text: str) -> Any:
    """A tool's arguments: JSON, which whoever gets them will want to decode."""
    return {"*": len(text), "json": True}


def shown_id(text: str) -> Any:
    """An id, a state, a kind: shown if it looks like one, and not like a phone number."""
    return text if _ID.fullmatch(text) and not _PHONE_NUMBER.fullmatch(text) else masked(text)


def shown_cause(text: str) -> Any:
    """The cause of a call's end, such as `USER_BUSY`."""
    return text if _CAUSE.fullmatch(text) else masked(text)


def shown_sip_reason(text: str) -> Any:
    """A SIP reason phrase, if it is one that everybody uses."""
    return text if text in _SIP_REASONS else masked(text)


def masked_frame(frame: Mapping[str, Any], *, with_texts: bool) -> dict[str, Any]:
    """A decoded frame.

    Args:
        frame: It.
        with_texts: Whether what was said and typed is shown.
    """
    spoken = frame.get("method") == "ai_conversation"
    return _members(frame, spoken, with_texts and spoken)


def masked_message(params: Mapping[str, Any], *, with_texts: bool) -> dict[str, Any]:
    """The `params` of an `ai_conversation` frame."""
    return _members(params, True, with_texts)


def _members(members: Mapping[str, Any], spoken: bool, with_texts: bool) -> dict[str, Any]:
    found = {}
    for name, value in tuple(members.items()):
        # Of a member with a strange name not even the name is shown.
        if _NAME.fullmatch(name):
            found[name] = _member(name, value, spoken, with_texts)
    return found


def _member(name: str, value: Any, spoken: bool, with_texts: bool) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(name, value, spoken, with_texts)
    if isinstance(value, Mapping) and is_entered(name):
        return _members(value, spoken, with_texts)
    if isinstance(value, (list, tuple)):
        if is_entered(name) or (spoken and name == "content"):
            return [
                _members(one, spoken, with_texts) if isinstance(one, Mapping) else _member(name, one, spoken, False)
                for one in value
            ]
        return masked(value)
    if isinstance(value, (int, float)) and is_shown(name, spoken=spoken):
        return value
    return masked(value)


def _text(name: str, text: str, spoken: bool, with_texts: bool) -> Any:
    if name == "sdp":
        return {"*": len(text), "outline": _outline(text)}
    if with_texts and name in TEXTS:
        return text
    if spoken and name == "arguments":
        return masked_arguments(text)
    if not is_shown(name, spoken=spoken) or name in _FREE:
        return masked(text)
    if name == "cause":
        return shown_cause(text)
    if name == "sipReason":
        return shown_sip_reason(text)
    return shown_id(text)


# -- SDP: what was offered, without where ------------------------------------------------------------------------------

_LINES = re.compile(
    r"a=(?:rtpmap:\d+ (?:opus|G722|PCMU|PCMA|telephone-event|CN)/\d+(?:/\d)?|setup:(?:actpass|active|passive)|"
    r"sendrecv|sendonly|recvonly|inactive|rtcp-mux|end-of-candidates|ice-lite)$",
    re.IGNORECASE,
)
_MEDIA = re.compile(r"(m=\w+) \d+ ([A-Z/]+)((?: \d+)*)")
_CANDIDATE = re.compile(r"a=candidate:\S+ (\d) (udp|tcp) \d+ (\S+) \d+ typ (host|srflx|prflx|relay)", re.IGNORECASE)
_MOST_LINES = 60


def _outline(sdp: str) -> list[str]:
    """Codecs, directions, kinds of candidates: what one asks for when there is no audio. No address, key or name."""
    found = []
    for line in sdp.splitlines():
        if candidate := _CANDIDATE.match(line):
            component, transport, address, kind = candidate.groups()
            family = "mdns" if address.endswith(".local") else "ip6" if ":" in address else "ip4"
            found.append(f"a=candidate {component} {transport.lower()} {family} {kind.lower()}")
        elif media := _MEDIA.match(line):
            found.append(f"{media[1]} {media[2]}{media[3]}")
        elif _LINES.match(line):
            found.append(line)
    return found[:_MOST_LINES]
