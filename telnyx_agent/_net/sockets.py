"""`Sockets`: the WebSocket connections of one login, of which one counts. Loop thread only.

What an older one still says is not listened to any more (R57), but its end is waited for: nothing is left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Protocol

from ..errors import SocketConnectionError, TxError, in_words
from .connection import Closed, Received, SignalingConnection

__all__ = ["SocketReports", "Sockets"]


class SocketReports(Protocol):
    """Where it is said what became of the connection that counts."""

    def socket_opened(self) -> None:
        """It is open."""

    def message_received(self, message: Received) -> Iterator[object] | None:
        """A message came. Where several frames came with it, the steps of the result handle one each."""

    def socket_was_closed(self, closed: Closed, *, was_open: bool) -> None:
        """It is gone, and there is none that counts."""

    def old_socket_was_closed(self) -> None:
        """One that did not count any more is gone, too."""


class _Socket:
    """One connection, as an identity; what it says goes to its owner, until it has ended.

    An error that ended a connection keeps it alive, by the frames of its traceback, for as long as somebody keeps the
    error, as delegates do. It must not keep the session and the client alive as well.
    """

    connection: SignalingConnection | None = None
    """None where it could not be made."""
    was_open = False

    def __init__(self, owner: Sockets) -> None:
        self._owner: Sockets | None = owner

    def opened(self) -> None:
        if self._owner is not None:
            self._owner._opened(self)

    def received(self, message: Received) -> Iterator[object] | None:
        return None if self._owner is None else self._owner._received(self, message)

    def closed(self, closed: Closed) -> None:
        owner, self._owner = self._owner, None
        if owner is not None:
            owner._closed(self, closed)

    def closed_for_good(self) -> None:
        """Nobody listens any more to what it says."""
        self._owner = None


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

    @property
    def are_held_back(self) -> bool:
        """Whether the connection that counts is not read now, because too much waits in this process."""
        connection = None if self._current is None else self._current.connection
        return connection is not None and connection.is_held_back

    def open(self, make_url: Callable[[], str]) -> None:
        """Open a connection, which counts from now on. What keeps it from being made is reported as its end."""
        socket = self._current = _Socket(self)
        self._all.add(socket)
        try:
            connection = self._connect(
                make_url(), on_open=socket.opened, on_text=socket.received, on_closed=socket.closed
            )
            socket.connection = connection
            connection.start()
        except Exception as exc:  # noqa: BLE001 - the session must learn of any failure
            # In the loop's next turn, because the caller does not expect the end before this function has returned.
            asyncio.get_running_loop().call_soon(socket.closed, Closed(None, "", _not_made(exc)))

    def send(self, text: str) -> bool:
        """Send a text; False if there is no connection."""
        if self._current is None or self._current.connection is None:
            return False
        self._current.connection.send(text)
        return True

    def drop(self) -> bool:
        """Close the connection that counts, and let none count. Whether it had been open."""
        socket, self._current = self._current, None
        if socket is None:
            return False
        if socket.connection is not None:
            socket.connection.close()
        return socket.was_open

    def close(self, code: int, reason: str) -> bool:
        """Close the connection that counts, and wait for its end; False if there is none."""
        if self._current is None:
            return False
        if self._current.connection is not None:
            self._current.connection.close(code, reason)
        return True

    def abandon(self) -> bool:
        """Wait for no connection any more; whether there was one whose end has not come."""
        were_left, self._current = bool(self._all), None
        for socket in self._all:
            socket.closed_for_good()
        self._all.clear()
        return were_left

    def _opened(self, socket: _Socket) -> None:
        if socket is self._current:
            socket.was_open = True
            self._reports.socket_opened()

    def _received(self, socket: _Socket, message: Received) -> Iterator[object] | None:
        if socket is not self._current:
            return None
        steps = self._reports.message_received(message)
        return None if steps is None else self._while_current(socket, steps)

    def _while_current(self, socket: _Socket, steps: Iterator[object]) -> Iterator[object]:
        while socket is self._current:
            try:
                yield next(steps)
            except StopIteration:
                return

    def _closed(self, socket: _Socket, closed: Closed) -> None:
        self._all.discard(socket)
        if socket is self._current:
            self._current = None
            self._reports.socket_was_closed(closed, was_open=socket.was_open)
        else:
            self._reports.old_socket_was_closed()


def _not_made(exc: Exception) -> TxError:
    if isinstance(exc, TxError):
        return exc
    error = SocketConnectionError(f"the connection could not be made: {in_words(exc)}")
    error.__cause__ = exc
    return error
