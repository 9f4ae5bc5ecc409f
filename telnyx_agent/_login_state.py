"""`Link`: what properties and waiters of the client see of its connection, and how far that has come."""

from __future__ import annotations

import enum

import attrs

from ._protocol.session.socket_health import SocketConnectionMetrics
from .errors import TxError

__all__ = ["Link", "LinkStatus"]


class LinkStatus(enum.Enum):
    """How far a connection has come."""

    IDLE = "idle"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    READY = "ready"
    RECONNECTING = "reconnecting"
    FAILED = "failed"
    CLOSED = "closed"


@attrs.frozen
class Link:
    """What waiters and properties of the client see of its connection."""

    status: LinkStatus = LinkStatus.IDLE
    error: TxError | None = None
    session_id: str = ""
    target_id: str | None = None
    datacenter: str | None = None
    region: str | None = None
    voice_sdk_id: str | None = attrs.field(default=None, repr=False)
    call_report_id: str | None = attrs.field(default=None, repr=False)
    began_at: float | None = None
    ready_after: float | None = None
    socket: SocketConnectionMetrics = attrs.field(factory=SocketConnectionMetrics)
