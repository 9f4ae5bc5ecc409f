"""`Sockets`: one connection counts; what older ones say is not heard, but their end is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from telnyx_agent._net.connection import Closed, Received
from telnyx_agent._net.sockets import Sockets
from telnyx_agent.errors import NetworkError, SocketConnectionError

GONE = Closed(1000, "", None)


class Connection:
    """One that says what it is told to say."""

    is_held_back = True

    def __init__(
        self, url: str, on_open: Callable[[], None], on_text: Any, on_closed: Callable[[Closed], None]
    ) -> None:
        self.url, self.on_open, self.on_text, self.on_closed = url, on_open, on_text, on_closed
        self.did: list[object] = []

    def start(self) -> None:
        self.did.append("start")

    def send(self, text: str) -> None:
        self.did.append(text)

    def close(self, code: int = 0, reason: str = "") -> None:
        self.did.append((code, reason))


class World:
    """Connections, and what was reported of them."""

    def __init__(self) -> None:
        self.made: list[Connection] = []
        self.told: list[object] = []
        self.sockets = Sockets(cast(Any, self.connect), self)

    def connect(self, url: str, **handlers: Any) -> Connection:
        self.made.append(Connection(url, **handlers))
        return self.made[-1]

    def socket_opened(self) -> None:
        self.told.append("opened")

    def message_received(self, message: Received) -> Iterator[object] | None:
        self.told.append(message)
        return iter([1, 2, 3]) if message == "three" else None

    def socket_was_closed(self, closed: Closed, *, was_open: bool) -> None:
        self.told.append((closed, was_open))

    def old_socket_was_closed(self) -> None:
        self.told.append("old")

    def open(self) -> Connection:
        self.sockets.open(lambda: "wss://host")
        return self.made[-1]


def test_without_a_connection_there_is_nothing_to_do() -> None:
    """Each says so."""
    sockets = World().sockets
    assert (sockets.send("x"), sockets.drop(), sockets.close(1000, ""), sockets.abandon()) == (False,) * 4
    assert sockets.are_gone
    assert not sockets.are_held_back


def test_the_connection_that_counts() -> None:
    """What it says is reported, and what is sent goes to it, until its end."""
    world = World()
    connection = world.open()
    connection.on_open()
    assert connection.on_text("one") is None
    assert list(connection.on_text("three")) == [1, 2, 3]
    assert world.sockets.send("hello")
    assert world.sockets.are_held_back
    assert world.sockets.close(4000, "over")
    assert not world.sockets.are_gone
    connection.on_closed(GONE)
    assert world.sockets.are_gone
    assert not world.sockets.send("late")
    assert connection.did == ["start", "hello", (4000, "over")]
    assert world.told == ["opened", "one", "three", (GONE, True)]


@pytest.mark.parametrize("was_open", [True, False])
def test_a_connection_that_is_dropped(was_open: bool) -> None:
    """It is closed, and heard no more, also in the midst of a batch; its end is told as that of an old one, once."""
    world = World()
    connection = world.open()
    if was_open:
        connection.on_open()
    steps = connection.on_text("three")
    assert next(steps) == 1
    world.told.clear()
    assert world.sockets.drop() is was_open
    assert list(steps) == []
    connection.on_open()
    assert connection.on_text("one") is None
    assert world.told == []
    assert connection.did == ["start", (0, "")]
    assert not world.sockets.are_gone
    connection.on_closed(GONE)
    connection.on_closed(GONE)
    assert world.told == ["old"]
    assert world.sockets.are_gone


def test_the_next_connection_takes_over() -> None:
    """The end of the one before changes nothing for it."""
    world = World()
    old, new = world.open(), world.open()
    new.on_open()
    old.on_closed(GONE)
    assert world.told == ["opened", "old"]
    assert world.sockets.send("x")
    assert (old.did, new.did) == (["start"], ["start", "x"])


def test_connections_that_are_given_up() -> None:
    """Their end is told to nobody any more."""
    world = World()
    connections = [world.open(), world.open()]
    assert world.sockets.abandon()
    assert world.sockets.are_gone
    for connection in connections:
        connection.on_open()
        assert connection.on_text("one") is None
        connection.on_closed(GONE)
    assert world.told == []
    assert not world.sockets.abandon()


@pytest.mark.parametrize(
    ("error", "kind"), [(NetworkError("no"), NetworkError), (ValueError("no"), SocketConnectionError)]
)
def test_a_connection_that_cannot_be_made(error: Exception, kind: type[Exception]) -> None:
    """It is its end, which comes after `open` has returned; until then it can be dropped and closed as any other."""
    world = World()

    def make_url() -> str:
        raise error

    async def run() -> None:
        world.sockets.open(make_url)
        assert world.told == []
        assert not world.sockets.send("x")
        assert not world.sockets.are_held_back
        assert world.sockets.close(1000, "")
        await asyncio.sleep(0)
        (told,) = world.told
        closed, was_open = cast("tuple[Closed, bool]", told)
        assert (type(closed.error), was_open) == (kind, False)
        assert closed.error is not None
        assert error in (closed.error, closed.error.__cause__)
        world.sockets.open(make_url)
        assert not world.sockets.drop()
        await asyncio.sleep(0)
        assert world.told[1:] == ["old"]

    asyncio.run(run())
