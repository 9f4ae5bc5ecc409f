"""Keeps keys and SDP out of the logs of the media libraries, which print them at DEBUG level.

At that level aiortc logs every session description, with the password of ICE and the fingerprint of the certificate in
it, and aioice every STUN message, with the user name and signature of TURN. The rest of what they say, who tried which
address and when, is what one looks for when a call gets no audio, and stays.
"""

from __future__ import annotations

import logging
import re

__all__ = ["hide_secrets"]

_LOGGERS = (
    *("aiortc", "aiortc.rtcpeerconnection", "aiortc.rtcicetransport", "aiortc.rtcdtlstransport"),
    *("aiortc.rtcsctptransport", "aiortc.rtcdatachannel", "aioice", "aioice.ice", "aioice.turn", "aioice.mdns"),
)
"""By name, since a filter sees only what is logged to its own logger, and not what goes to loggers below it. Those of
RTP are not in it: they log numbers of packets, hundreds a second."""

_DESCRIPTION = re.compile(r"v=0\s.*", re.DOTALL)
_ATTRIBUTES = re.compile(
    r"('(?:USERNAME|MESSAGE-INTEGRITY|NONCE|REALM|DATA)': )(b?'(?:[^'\\]|\\.)*'|b?\"(?:[^\"\\]|\\.)*\")", re.DOTALL
)
_LINES = re.compile(r"(ice-(?:pwd|ufrag)|fingerprint)([:=])[^\r\n]*", re.IGNORECASE)


class _Hide(logging.Filter):
    """Lets everything pass, without what is secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - a message that cannot be formatted is for the handlers to complain about
            return True
        hidden = _redacted(message)
        if hidden != message:
            record.msg, record.args = hidden, ()
        return True


def _redacted(message: str) -> str:
    message = _DESCRIPTION.sub(lambda match: f"<a description of {match[0].count('a=')} attributes>", message)
    message = _ATTRIBUTES.sub(r"\1<hidden>", message)
    return _LINES.sub(r"\1\2<hidden>", message)


_HIDE = _Hide()


def hide_secrets() -> None:
    """Add the filter to their loggers. May be called several times. A program that wants to see everything removes the
    filter after the first login: `logging.getLogger("aiortc.rtcpeerconnection").filters.clear()`.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_HIDE)
