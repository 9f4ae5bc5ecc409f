"""`ConnectionStatus`: how far a client's connection is, as users see it."""

from __future__ import annotations

import enum

__all__ = ["ConnectionStatus", "shown"]


class ConnectionStatus(str, enum.Enum):
    """How far a client's connection is. Android: `ConnectionStatus`, Flutter likewise."""

    DISCONNECTED = "disconnected"
    """There is none: not yet, or not any more."""
    CONNECTED = "connected"
    """The WebSocket is open; the login is under way."""
    RECONNECTING = "reconnecting"
    """The connection was lost and is being made again."""
    CLIENT_READY = "clientReady"
    """Logged in and registered: calls go through."""


_SHOWN = {
    "connected": ConnectionStatus.CONNECTED,
    "ready": ConnectionStatus.CLIENT_READY,
    "reconnecting": ConnectionStatus.RECONNECTING,
}


def shown(status: str) -> ConnectionStatus:
    """What users see of a `LinkStatus`, given its value."""
    return _SHOWN.get(status, ConnectionStatus.DISCONNECTED)
