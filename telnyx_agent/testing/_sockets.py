"""Keeps account of the TCP connections of a WebSocket server, so that none is left when it stops. Loop thread only."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from typing import Any

from websockets.asyncio.server import Server, ServerConnection
from websockets.protocol import State

from ._bounds import CONNECTIONS_AT_ONCE, POSTING_BYTES
from ._posts import PostReader

__all__ = ["CountedConnection", "Sockets"]


class Sockets:
    """The TCP connections that are open, those that have not finished their handshake included.

    `websockets` waits for handlers, not for transports, and has no bound on a client that never sends its request.
    """

    def __init__(self) -> None:
        self._connections: set[ServerConnection] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()
        self.posting = 0
        """Bytes of posts that are not complete."""

    @property
    def connection_class(self) -> Any:
        """For `serve(create_connection=...)`: makes connections that are counted here."""
        return functools.partial(CountedConnection, self)

    def opened(self, connection: ServerConnection) -> None:
        """A TCP connection came; one too many is cut at once."""
        self._connections.add(connection)
        self._none_left.clear()
        if len(self._connections) > CONNECTIONS_AT_ONCE:
            connection.transport.abort()

    def lost(self, connection: ServerConnection) -> None:
        """A TCP connection is gone."""
        self._connections.discard(connection)
        if not self._connections:
            self._none_left.set()

    async def stop_accepting(self, server: Server) -> None:
        """Take no more connections, but finish with those that are being accepted.

        asyncio loses a connection, and warns about it much later, that is accepted in the moment in which its server is
        closed.
        """
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError):  # Windows' loop accepts in another way
            for listening in server.sockets:
                loop.remove_reader(listening.fileno())
        for _ in range(3):
            await asyncio.sleep(0)

    async def close(self, patience: float) -> None:
        """Wait until all are gone; cut those that never spoke at once, and the others after that many seconds."""
        for connection in list(self._connections):
            if connection.protocol.state is State.CONNECTING:
                connection.transport.abort()
        try:
            await asyncio.wait_for(self._none_left.wait(), patience)
        except asyncio.TimeoutError:
            for connection in list(self._connections):
                connection.transport.abort()
            # Nothing is sent any more: this only takes a turn of the loop.
            await self._none_left.wait()


class CountedConnection(ServerConnection):
    """Tells of its beginning and end, and takes posts."""

    def __init__(self, sockets: Sockets, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sockets = sockets
        self.post = PostReader()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._sockets.opened(self)

    def data_received(self, data: bytes) -> None:
        before = self.post.size
        seen = self.post.feed(data)
        self._sockets.posting += self.post.size - before
        if self._sockets.posting > POSTING_BYTES:
            self.transport.abort()
        elif seen:
            super().data_received(seen)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sockets.posting -= self.post.size
        self.post.forget()
        super().connection_lost(exc)
        self._sockets.lost(self)
