"""`Sockets`: the WebSocket connections of one login, of which one counts. Loop thread only.

What an older one still says is not listened to any more (R57), but its end is waited for: nothing is left behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .._signaling import Closed, SignalingConnection

__all__ = ["SocketReports", "Sockets"]


class SocketReports(Protocol):
    """Where it is said what became of the connection that counts."""

    def socket_opened(self) -> None:
        """It is open."""

    def text_received(self, text: str | bytes) -> None:
        """A message came."""

    def socket_was_closed(self, closed: Closed, *, was_open: bool) -> None:
        """It is gone, and there is none that counts."""

    def old_socket_was_closed(self) -> None:
        """One that did not count any more is gone, too."""


class _Socket:
    """One connection, as an identity; what it says goes to its owner, until it has ended.

    An error that ended a connection keeps it alive, by the frames of its traceback, for as long as somebody keeps the
    error, as delegates do. It must not keep the session and the client alive as well.
    """

    connection: SignalingConnection
    was_open = False

    def __init__(self, owner: Sockets) -> None:
        self._owner: Sockets | None = owner

    def opened(self) -> None:
        if self._owner is not None:
            self._owner._opened(self)

    def received(self, text: str | bytes) -> None:
        if self._owner is not None:
            self._owner._received(self, text)

    def closed(self, closed: Closed) -> None:
        owner, self._owner = self._owner, None
        if owner is not None:
            owner._closed(self, closed)


class Sockets:
    """Opens, drops and closes connections.

    Args:
        connect: Makes a `SignalingConnection` from a URL and its handlers.
        reports: Is told.
    """

    def __init__(self, connect: Callable[..., SignalingConnection], reports: SocketReports) -> None:
        self._connect = connect
        self._reports = reports
        self._current: _Socket | None = None
        self._all: set[_Socket] = set()

    @property
    def are_gone(self) -> bool:
        """Whether every connection has come to its end."""
        return not self._all

    def open(self, url: str) -> None:
        """Open a connection, which counts from now on."""
        socket = self._current = _Socket(self)
        socket.connection = self._connect(url, on_open=socket.opened, on_text=socket.received, on_closed=socket.closed)
        self._all.add(socket)
        socket.connection.start()

    def send(self, text: str) -> bool:
        """Send a text; False if there is no connection."""
        if self._current is not None:
            self._current.connection.send(text)
        return self._current is not None

    def drop(self) -> bool:
        """Close the connection that counts, and let none count. Whether it had been open."""
        socket, self._current = self._current, None
        if socket is None:
            return False
        socket.connection.close()
        return socket.was_open

    def close(self, code: int, reason: str) -> bool:
        """Close the connection that counts, and wait for its end; False if there is none."""
        if self._current is not None:
            self._current.connection.close(code, reason)
        return self._current is not None

    def _opened(self, socket: _Socket) -> None:
        if socket is self._current:
            socket.was_open = True
            self._reports.socket_opened()

    def _received(self, socket: _Socket, text: str | bytes) -> None:
        if socket is self._current:
            self._reports.text_received(text)

    def _closed(self, socket: _Socket, closed: Closed) -> None:
        self._all.discard(socket)
        if socket is self._current:
            self._current = None
            self._reports.socket_was_closed(closed, was_open=socket.was_open)
        else:
            self._reports.old_socket_was_closed()
