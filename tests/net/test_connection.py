"""`SignalingConnection` against real servers, good and bad: one `on_closed` on every path, soon, with a good error."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import socket
import ssl
import struct
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import ServerConnection

from telnyx_agent._net import connection as _signaling
from telnyx_agent._net.backpressure import MOST_WAITING
from telnyx_agent._net.connection import Closed, SignalingConnection
from telnyx_agent._net.frames import TooLong
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent.errors import (
    ClientConfigurationError,
    NetworkError,
    RemoteProtocolError,
    ServerError,
    SocketConnectionError,
    TxError,
)
from tests.net.sockets import Authority, Client, Peer, frame, full_server, raw_server, ws_server
from tests.support.requirements import require, which

CONNECT_TIMEOUT = 0.5
"""For the tests that wait for it."""

SECRET = "CANARY"
SECRETIVE = f"user:{SECRET}@127.0.0.1:{{}}/path?voice_sdk_id={SECRET}#{SECRET}"


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread.acquire()
    yield thread
    thread.release()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("tls"))


def echo(connection: ServerConnection) -> None:
    with contextlib.suppress(Exception):  # a client that goes away in the middle is what some tests are about
        for message in connection:
            connection.send(message)


def silence(peer: Peer) -> None:
    """Upgrade, and then neither read nor write."""
    peer.upgrade()
    gone.wait(10)


gone = threading.Event()


@pytest.fixture(autouse=True)
def _gone() -> Iterator[None]:
    """Lets servers that wait for nothing end with the test."""
    gone.clear()
    yield
    gone.set()


def check_network_error(closed: Closed, *words: str) -> NetworkError:
    """A network error that says so, says what to do, and gives away nothing, with all that it was caused by."""
    error = closed.error
    assert isinstance(error, NetworkError), closed
    assert "network" in str(error)
    for word in words:
        assert word in str(error)
    check_no_secret(error)
    return error


def check_no_secret(error: TxError) -> None:
    assert SECRET not in "".join(traceback.format_exception(type(error), error, error.__traceback__))
    assert SECRET not in repr(error)


# -- the good case -----------------------------------------------------------------------------------------------------


def test_open_talk_close(loop: LoopThread) -> None:
    """Handlers run on the loop: open, texts in order, closed; the server sees our code and reason."""
    seen: queue.SimpleQueue[tuple[int | None, str | None]] = queue.SimpleQueue()

    def serve(connection: ServerConnection) -> None:
        echo(connection)
        received = connection.protocol.close_rcvd
        seen.put((received.code, received.reason) if received else (None, None))

    with ws_server(serve) as port:
        client = Client.to(f"ws://127.0.0.1:{port}/path?a=b", loop).wait_open()
        for number in range(100):
            client.connection.send(f"text {number} äöü")
        assert [client.text() for _ in range(100)] == [f"text {number} äöü" for number in range(100)]
        client.connection.close(1000, "good bye")
        assert client.closed(5.0) == Closed(1000, "good bye", None)
        assert seen.get(timeout=5) == (1000, "good bye")
    assert [kind for kind, _ in client.events] == ["open", *["text"] * 100, "closed"]


def test_start_returns_at_once(loop: LoopThread) -> None:
    """Nothing of the connecting happens on the calling thread, which is the loop."""
    with full_server() as port:
        begin = time.monotonic()
        client = Client.to(f"ws://127.0.0.1:{port}", loop)
        assert time.monotonic() - begin < 1.0
        client.connection.close()
        client.closed(1.0)


def test_texts_sent_before_the_opening_go_out_first(loop: LoopThread) -> None:
    """They wait for the connection, and keep their order."""
    with ws_server(echo) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop, start=False)
        client.connection.send("one")
        client.connection.start()
        client.connection.send("two")
        client.wait_open().connection.send("three")
        assert [client.text() for _ in range(3)] == ["one", "two", "three"]
        client.connection.close()
        client.closed(5.0)


@pytest.mark.parametrize("wait_for_opening", [True, False])
def test_what_was_sent_before_close_arrives(loop: LoopThread, wait_for_opening: bool) -> None:
    """A BYE followed by a close at once: fifty times out of fifty, open or not yet open."""
    arrived: queue.SimpleQueue[str | bytes] = queue.SimpleQueue()

    def serve(connection: ServerConnection) -> None:
        for message in connection:
            arrived.put(message)

    with ws_server(serve) as port:
        for number in range(50):
            client = Client.to(f"ws://127.0.0.1:{port}", loop)
            if wait_for_opening:
                client.wait_open()
            client.connection.send(f"bye {number}")
            client.connection.close()
            client.connection.send("too late")
            assert client.closed(5.0).error is None
            assert arrived.get(timeout=5) == f"bye {number}"
        assert arrived.empty()


def test_long_messages(loop: LoopThread) -> None:
    """Four megabytes in both directions, whole."""
    text = "0123456789abcdef" * 2**18
    with ws_server(echo, max_size=2**24) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop).wait_open()
        client.connection.send(text)
        assert client.text() == text
        client.connection.close()
        client.closed(5.0)


def test_kinds_of_messages(loop: LoopThread) -> None:
    """Binary messages come as bytes, empty ones as empty, and fragments as one, also with a ping in between."""
    pongs: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()

    def serve(peer: Peer) -> None:
        peer.upgrade()
        peer.send(2, b"\x00\xff")
        peer.send(1)
        peer.send(1, "ä".encode()[:1], fin=False)
        peer.send(9, b"ping")
        peer.send(0, b"", fin=False)
        peer.send(0, "ä".encode()[1:])
        peer.send(2, b"b" * 70_000, fin=False)
        peer.send(0, b"c" * 70_000)
        pongs.put(peer.receive())
        peer.close_code()

    with raw_server(serve) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop)
        assert [client.text() for _ in range(4)] == [b"\x00\xff", "", "ä", b"b" * 70_000 + b"c" * 70_000]
        assert pongs.get(timeout=5) == (10, b"ping")
        client.connection.close()
        client.closed(5.0)


def test_one_byte_at_a_time(loop: LoopThread) -> None:
    """How the bytes arrive makes no difference."""

    def serve(peer: Peer) -> None:
        peer.upgrade()
        for byte in frame(1, b"slowly") + frame(9, b"?") + frame(8, struct.pack("!H", 1000) + b"done"):
            peer.sock.sendall(bytes([byte]))
        peer.close_code()

    with raw_server(serve) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop)
        assert client.text() == "slowly"
        assert client.closed() == Closed(1000, "done", None)


def test_frames_right_behind_the_upgrade(loop: LoopThread) -> None:
    """What comes in the same packet as the answer to the upgrade is not lost."""

    def serve(peer: Peer) -> None:
        real, sent = peer.sock, bytearray()

        class Collecting:
            recv = real.recv

            def sendall(self, data: bytes) -> None:
                sent.extend(data)

        peer.sock = Collecting()  # type: ignore[assignment]
        peer.upgrade()
        real.sendall(bytes(sent) + frame(1, b"early") + frame(8, struct.pack("!H", 1001)))

    with raw_server(serve) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop)
        assert client.closed() == Closed(1001, "", None)
        assert [kind for kind, _ in client.events] == ["open", "text", "closed"]


def test_pings(loop: LoopThread) -> None:
    """We ping at every interval; who does not answer is not cut off for that."""
    pinged = threading.Event()

    def serve(peer: Peer) -> None:
        peer.upgrade()
        for _ in range(3):
            assert peer.receive() == (9, b"")
        pinged.set()
        peer.close_code()

    with raw_server(serve) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop, ping_interval=0.05).wait_open()
        assert pinged.wait(5)
        client.connection.close()
        assert client.closed(2.5).error is None


def test_small_packets_are_not_held_back(loop: LoopThread) -> None:
    """TCP_NODELAY and keep-alive are on."""
    with ws_server(echo) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop).wait_open()
        wire = client.connection._wire
        assert wire is not None
        assert wire._sock is not None
        assert wire._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert wire._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        client.connection.close()
        client.closed(5.0)


def test_odd_characters_do_not_end_the_session(loop: LoopThread) -> None:
    """A lone surrogate, which has no UTF-8, becomes a question mark."""
    with ws_server(echo) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop)
        client.connection.send("a\ud800b")
        assert client.text() == "a?b"
        client.connection.close()
        client.closed(5.0)


# -- closing -----------------------------------------------------------------------------------------------------------


def test_close_before_start(loop: LoopThread) -> None:
    """A connection that was closed before it began ends at once, and says so once."""
    client = Client.to("ws://127.0.0.1:1", loop, start=False)
    client.connection.close()
    assert client.connection.join(0)
    client.connection.start()
    assert client.closed(1.0) == Closed(None, "", None)


def test_start_is_for_once(loop: LoopThread) -> None:
    """A connection cannot be started again; a new one is made."""
    client = Client.to("ws://127.0.0.1:1", loop)
    client.closed()
    with pytest.raises(RuntimeError):
        client.connection.start()


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("stage", ["TCP", "upgrade or TLS"])
def test_close_while_connecting(loop: LoopThread, scheme: str, stage: str) -> None:
    """Whatever it waits for, it ends at once, as asked for, and without ever having been open."""
    reached = threading.Event()

    def serve(peer: Peer) -> None:
        peer.sock.recv(1)
        reached.set()
        gone.wait(10)

    with full_server() if stage == "TCP" else raw_server(serve) as port:
        client = Client.to(f"{scheme}://127.0.0.1:{port}", loop)
        if stage != "TCP":
            assert reached.wait(5)
        begin = time.monotonic()
        client.connection.close()
        assert client.closed(4.0) == Closed(None, "", None)
        assert time.monotonic() - begin < 4.0
        gone.set()


def test_close_while_connecting_with_texts_waiting(loop: LoopThread) -> None:
    """Then the opening gets two seconds, but no more."""
    with full_server() as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop)
        client.connection.send("bye")
        client.connection.close()
        assert client.closed(5.0) == Closed(None, "", None)
        assert client.seconds() > 1.0


def test_close_when_the_server_is_silent(loop: LoopThread) -> None:
    """A half-open connection ends within two seconds, as asked for."""
    with raw_server(silence) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop).wait_open()
        begin = time.monotonic()
        client.connection.close()
        assert client.closed(5.0) == Closed(1006, "", None)
        assert time.monotonic() - begin < 5.0
        gone.set()


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_close_when_the_server_does_not_read(loop: LoopThread, authority: Authority, scheme: str) -> None:
    """With the send buffer full and 20 MB waiting: within two seconds."""
    context = authority.server_context("127.0.0.1") if scheme == "wss" else None
    with raw_server(silence, context=context) as port:
        client = Client.to(f"{scheme}://127.0.0.1:{port}", loop, sslopt={"ca_certs": str(authority.file)}).wait_open()
        for _ in range(20):
            client.connection.send("x" * 2**20)
        wait_until(lambda: client.connection._outbox._backlog < 20 * 2**20)
        begin = time.monotonic()
        client.connection.close()
        assert client.closed(5.0) == Closed(1006, "", None)
        assert time.monotonic() - begin < 5.0
        gone.set()


def test_a_server_that_takes_nothing_is_given_up(loop: LoopThread) -> None:
    """What waits to be sent is bounded: at 32 MB the connection is lost, visibly."""
    with raw_server(silence) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop).wait_open()
        for _ in range(50):
            client.connection.send("x" * 2**20)
        check_network_error(client.closed(5.0), "takes nothing")
        gone.set()


def test_close_under_a_flood(loop: LoopThread) -> None:
    """A server that never stops sending cannot keep the connection open, nor fill the memory while the loop is busy."""

    def flood(peer: Peer) -> None:
        peer.upgrade()
        while not gone.is_set():
            peer.send(1, b"x" * 60_000)

    posted: queue.SimpleQueue[tuple[Callable[..., None], tuple[object, ...]]] = queue.SimpleQueue()
    with raw_server(flood) as port:
        # A loop that is busy all the time: what is posted to it waits.
        client = Client.to(f"ws://127.0.0.1:{port}", loop, post=lambda fn, *args: posted.put((fn, args)))
        pressure = client.connection._pressure
        wait_until(lambda: pressure.is_full)
        time.sleep(0.2)  # time enough to collect another 100 MB
        assert pressure.waiting < MOST_WAITING + 200_000
        begin = time.monotonic()
        client.connection.close()
        assert client.connection.join(5.0)
        assert time.monotonic() - begin < 5.0
        gone.set()
    while not posted.empty():
        fn, args = posted.get()
        fn(*args)
    assert client.events[-1] == ("closed", Closed(1006, "", None))


def test_close_from_many_threads(loop: LoopThread) -> None:
    """Ten threads that close and send at once: one close frame, one `on_closed`."""
    with ws_server(echo) as port:
        for _ in range(10):
            client = Client.to(f"ws://127.0.0.1:{port}", loop).wait_open()
            barrier = threading.Barrier(10)

            def end(client: Client = client, barrier: threading.Barrier = barrier) -> None:
                barrier.wait()
                client.connection.send("text")
                client.connection.close()
                client.connection.close(4000)

            threads = [threading.Thread(target=end) for _ in range(10)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(5)
            assert client.closed(5.0) == Closed(1000, "", None)
            client.connection.close()
            client.connection.send("after the end")


def test_close_on_the_loop(loop: LoopThread) -> None:
    """A handler may close, as the session does when the login is refused."""
    with ws_server(echo) as port:
        ended = threading.Event()
        connection = SignalingConnection(
            f"ws://127.0.0.1:{port}",
            post=loop.post,
            on_open=lambda: connection.close(),
            on_text=lambda text: None,
            on_closed=lambda closed: ended.set(),
        )
        connection.start()
        assert ended.wait(2)
        assert connection.join(1)


def test_long_reasons_are_cut(loop: LoopThread) -> None:
    """A close frame has room for 123 bytes; characters are not cut in half."""
    with ws_server(echo) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop).wait_open()
        client.connection.close(4001, "ä" * 100)
        assert client.closed(5.0) == Closed(4001, "ä" * 61, None)


@pytest.mark.parametrize(
    ("code", "is_orderly"), [(1000, True), (1001, True), (1011, False), (1008, False), (4014, False)]
)
def test_close_codes_of_the_server(loop: LoopThread, code: int, is_orderly: bool) -> None:
    """The server's code and reason are reported, and answered; all but 1000 and 1001 are network errors."""
    answers: queue.SimpleQueue[int] = queue.SimpleQueue()

    def serve(peer: Peer) -> None:
        peer.upgrade()
        peer.send(8, struct.pack("!H", code) + b"because")
        answers.put(peer.close_code())

    with raw_server(serve) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop)
        closed = client.closed()
        assert (closed.code, closed.reason) == (code, "because")
        assert answers.get(timeout=5) == code
        if is_orderly:
            assert closed.error is None
        else:
            check_network_error(closed, str(code), "because")
        assert [kind for kind, _ in client.events] == ["open", "closed"]


def test_close_frame_without_a_code(loop: LoopThread) -> None:
    """It is reported as 1005, and as an error: nobody said that the end was wanted."""

    def serve(peer: Peer) -> None:
        peer.upgrade()
        peer.send(8)
        assert peer.receive() == (8, b"")

    with raw_server(serve) as port:
        closed = Client.to(f"ws://127.0.0.1:{port}", loop).closed()
        assert closed.code == 1005
        check_network_error(closed, "1005")


def test_the_servers_last_words_are_found(loop: LoopThread) -> None:
    """A server that closes and is gone while we are sending: its code is reported, not our broken pipe."""

    def serve(peer: Peer) -> None:
        peer.upgrade()
        peer.receive()
        peer.send(8, struct.pack("!H", 4014) + b"gateway down")

    with raw_server(serve) as port:
        for _ in range(20):
            client = Client.to(f"ws://127.0.0.1:{port}", loop)
            for _ in range(5):
                client.connection.send("text")
            closed = client.closed()
            # When the server's RST overtakes its words, they are gone for everybody.
            assert closed.code in (4014, 1006)
            check_network_error(closed)


# -- losses ------------------------------------------------------------------------------------------------------------


def disappear(peer: Peer) -> None:
    peer.upgrade()


def disappear_in_a_frame(peer: Peer) -> None:
    peer.upgrade()
    peer.send(1, b"half a frame", length=1000)


def disappear_in_a_message(peer: Peer) -> None:
    peer.upgrade()
    peer.send(1, b"half a message", fin=False)


def reset(peer: Peer) -> None:
    peer.upgrade()
    peer.receive()
    peer.reset()


@pytest.mark.parametrize("serve", [disappear, disappear_in_a_frame, disappear_in_a_message, reset])
def test_lost_connections(loop: LoopThread, serve: Callable[[Peer], None]) -> None:
    """An end without a close frame is 1006 and a network error, and no half message is delivered."""
    with raw_server(serve) as port:
        client = Client.to(f"ws://{SECRETIVE.format(port)}", loop)
        client.connection.send("text")
        closed = client.closed()
        assert closed.code == 1006
        check_network_error(closed, "lost", f"127.0.0.1:{port}")
        assert [kind for kind, _ in client.events] == ["open", "closed"]


# -- frames that WebSocket does not allow ------------------------------------------------------------------------------

BAD_FRAMES = {
    "an unknown opcode": (frame(3, b"?"), 1002),
    "a reserved bit": (frame(1, b"?", rsv=4), 1002),
    "a fragment without its message": (frame(0, b"?"), 1002),
    "a message inside another": (frame(1, b"a", fin=False) + frame(1, b"b"), 1002),
    "a fragmented ping": (frame(9, b"?", fin=False), 1002),
    "a long ping": (frame(9, b"?" * 126), 1002),
    "a long pong": (frame(10, b"?" * 126), 1002),
    "a long close": (frame(8, b"\x03\xe8" + b"?" * 124), 1002),
    "half a close code": (frame(8, b"\x03"), 1002),
    "a close code that may not be sent": (frame(8, struct.pack("!H", 1006)), 1002),
    "a text that is not UTF-8": (frame(1, b"\xff\xfe" + SECRET.encode()), 1007),
    "half a character": (frame(1, "ä".encode()[:1]), 1007),
    "a surrogate in UTF-8": (frame(1, b"\xed\xa0\x80"), 1007),
    "exabytes": (frame(1, b"x" * 5000, length=2**62), 1009),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_frames_end_the_connection(loop: LoopThread, name: str) -> None:
    """The server is told which rule it broke; the error is its own, not the network's; nothing of it is delivered."""
    data, code = BAD_FRAMES[name]
    told: queue.SimpleQueue[int] = queue.SimpleQueue()

    def serve(peer: Peer) -> None:
        peer.upgrade()
        peer.sock.sendall(data)
        told.put(peer.close_code())

    with raw_server(serve) as port:
        client = Client.to(f"ws://{SECRETIVE.format(port)}", loop, max_frame=1000)
        client.connection.send("text")
        closed = client.closed(2.5)
        assert closed.code == code
        assert isinstance(closed.error, RemoteProtocolError)
        assert "network" not in str(closed.error)
        check_no_secret(closed.error)
        assert told.get(timeout=5) == code
        assert [kind for kind, _ in client.events] == ["open", "closed"]


def test_the_longest_allowed_message(loop: LoopThread) -> None:
    """Exactly `max_frame` bytes are not too many, in one piece or in two."""

    def serve(peer: Peer) -> None:
        peer.upgrade()
        peer.send(1, b"x" * 1000)
        peer.send(1, b"x" * 500, fin=False)
        peer.send(0, b"x" * 500)
        peer.close_code()

    with raw_server(serve) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop, max_frame=1000)
        assert [client.text(), client.text()] == ["x" * 1000] * 2
        client.connection.close()
        client.closed(5.0)


def test_a_message_that_is_too_long_is_skipped(loop: LoopThread) -> None:
    """In one piece or in many; what comes behind it is delivered, and the connection goes on."""

    def serve(peer: Peer) -> None:
        peer.upgrade()
        peer.send(1, b"x" * 1001)
        peer.send(1, b"x" * 600, fin=False)
        peer.send(0, b"x" * 600)
        peer.send(1, b"behind")
        peer.close_code()

    with raw_server(serve) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop, max_frame=1000)
        assert [client.text(), client.text(), client.text()] == [TooLong(1000), TooLong(1000), "behind"]
        client.connection.close()
        assert client.closed(5.0).error is None


def test_an_endless_message_is_not_collected(loop: LoopThread) -> None:
    """A message that never ends costs no memory, and the connection can still be closed."""
    sent = [0]

    def serve(peer: Peer) -> None:
        peer.upgrade()
        peer.send(1, b"x" * 2**16, fin=False)
        while not gone.is_set():
            peer.send(0, b"x" * 2**16, fin=False)
            sent[0] += 2**16

    with raw_server(serve) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop).wait_open()
        wait_until(lambda: sent[0] > 20 * 2**20)
        assert client.connection._decoder.held < 6 * 2**20
        client.connection.close()
        client.closed(2.5)
        gone.set()


# -- connecting --------------------------------------------------------------------------------------------------------


def answer(*parts: bytes) -> Callable[[Peer], None]:
    """A server that answers the upgrade with these bytes, each `{}` in them replaced by what was asked for."""

    def serve(peer: Peer) -> None:
        asked = peer.read_request().split(b"\r\n")[0]
        for part in parts:
            peer.sock.sendall(part.replace(b"{}", asked))
        peer.sock.shutdown(socket.SHUT_WR)
        while peer.sock.recv(65536):
            pass

    return serve


def cut(peer: Peer) -> None:
    peer.read_request()
    peer.reset()


BAD_ANSWERS: dict[str, tuple[Callable[[Peer], None], str]] = {
    "continue": (answer(b"HTTP/1.1 100 Continue\r\n\r\n"), "closed the connection"),
    "early hints": (answer(b"HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n"), "closed the connection"),
    "a web page": (answer(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n", b"{}" * 100), "status 200"),
    "a redirect": (answer(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/{}\r\n\r\n"), "status 302"),
    "a redirect to nowhere": (answer(b"HTTP/1.1 301 Moved Permanently\r\n\r\n"), "status 301"),
    "unauthorised": (answer(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm={}\r\n\r\n"), "status 401"),
    "forbidden": (answer(b"HTTP/1.1 403 Forbidden\r\n\r\n"), "status 403"),
    "not found": (answer(b"HTTP/1.1 404 Not Found: {}\r\nContent-Length: 30\r\n\r\ncannot {}"), "status 404"),
    "too many requests": (answer(b"HTTP/1.1 429 Too Many Requests\r\n\r\n"), "status 429"),
    "no status": (answer(b"\r\n\r\n"), "does not speak WebSocket"),
    "unavailable": (answer(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"), "status 503"),
    "a body that never ends": (
        answer(b"HTTP/1.1 500 No\r\nContent-Length: 9999999999\r\n\r\n", b"x" * 2**21),
        "status 500",
    ),
    "an odd length": (answer(b"HTTP/1.1 500 No\r\nContent-Length: {}\r\n\r\n"), "status 500"),
    "a refusal after an interim answer": (
        answer(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 {}\r\n\r\n"),
        "status 401",
    ),
    "a line that is no header": (answer(b"HTTP/1.1 401 No\r\n{}\r\n: \xff\r\n\r\n"), "status 401"),
    "a date without end": (
        answer(b"HTTP/1.1 403 No\r\nRetry-After: Mon, 01 Jan 2024 00:00:00 +" + b"9" * 21 + b"\r\n\r\n"),
        "status 403",
    ),
    "a status without end": (answer(b"HTTP/1.1 " + b"9" * 5000 + b" {}\r\n\r\n"), "does not speak"),
    "empty lines": (answer(b"\r\n" * 1000), "does not speak"),
    "a head without end": (answer(b"HTTP/1.1 101 OK\r\n" + b"X-{}: x\r\n" * 20_000), "does not speak"),
    "what was not offered": (
        answer(b"HTTP/1.1 101 OK\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
        "does not speak",
    ),
    "no accept": (answer(b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), "does not speak"),
    "a wrong accept": (
        answer(b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n"),
        "does not speak WebSocket",
    ),
    "garbage": (answer(b"\x00\xff{}\r\n\r\n"), "does not speak WebSocket"),
    "something else": (answer(b"SSH-2.0-OpenSSH_9.2 {}\r\n\r\n"), "does not speak WebSocket"),
    "nothing": (answer(), "closed the connection"),
    "half an answer": (answer(b"HTTP/1.1 101 Switching"), "closed the connection"),
    "a TLS alert": (answer(b"\x15\x03\x03\x00\x02\x02\x0a"), "does not speak WebSocket"),
    "a cut": (cut, "no connection to"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_bad_answers_to_the_upgrade(loop: LoopThread, name: str) -> None:
    """The error says what came, and nothing of what was asked; an HTTP status is the server's error."""
    serve, words = BAD_ANSWERS[name]
    with raw_server(serve) as port:
        client = Client.to(f"ws://{SECRETIVE.format(port)}", loop)
        client.connection.send("never")
        closed = client.closed()
        assert closed.code is None
        assert closed.error is not None
        check_no_secret(closed.error)
        assert f"127.0.0.1:{port}" in str(closed.error)
        if isinstance(closed.error, ServerError):
            assert "network" not in str(closed.error)
            assert f"status {closed.error.server_code}" == words
        else:
            check_network_error(closed, words)
            assert not words.startswith("status")
        assert [kind for kind, _ in client.events] == ["closed"]


def test_a_server_sets_no_cookies(loop: LoopThread) -> None:
    """What one server says does not reach another, nor does it stay: websocket-client kept cookies for all."""
    requests: list[bytes] = []

    def serve(peer: Peer) -> None:
        requests.append(peer.read_request())
        peer.sock.sendall(b'HTTP/1.1 302 No\r\nSet-Cookie: a="' + b"\\" * 60_000 + b'"; domain=127.0.0.1\r\n\r\n')

    with raw_server(serve) as port:
        for _ in range(2):
            assert isinstance(Client.to(f"ws://127.0.0.1:{port}", loop).closed(2.0).error, ServerError)
    assert len(requests) == 2
    assert b"cookie" not in requests[1].lower()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 503 No\r\n\r\n", b"\r\n\r\n"])
def test_whoever_waits_hears_of_the_end(loop: LoopThread, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    """Also where no words can be found for it."""

    def fail(*args: object, **kwargs: object) -> None:
        raise OverflowError("odd")

    def serve(peer: Peer) -> None:
        peer.read_request()
        peer.sock.sendall(answer)

    monkeypatch.setattr(_signaling, "explain", fail)
    with raw_server(serve) as port:
        error = Client.to(f"ws://127.0.0.1:{port}", loop).closed(2.0).error
    assert isinstance(error, SocketConnectionError)
    assert "OverflowError" in str(error)


def test_redirects_are_not_followed(loop: LoopThread) -> None:
    """A server cannot send the login to another one."""
    visited = threading.Event()
    with raw_server(lambda peer: visited.set()) as other:
        location = f"ws://127.0.0.1:{other}/".encode()
        with raw_server(answer(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: " + location + b"\r\n\r\n")) as port:
            closed = Client.to(f"ws://127.0.0.1:{port}", loop).closed()
    assert isinstance(closed.error, ServerError)
    assert closed.error.server_code == 307
    assert not visited.is_set()


def trickle(peer: Peer) -> None:
    """One byte of the answer now and then: no single wait is ever long."""
    peer.read_request()
    while not gone.wait(0.05):
        peer.sock.sendall(b"x")


def say_nothing(peer: Peer) -> None:
    gone.wait(10)


DELAYS: dict[str, Callable[[], contextlib.AbstractContextManager[int]]] = {
    "drops": full_server,
    "says nothing": lambda: raw_server(say_nothing),
    "trickles": lambda: raw_server(trickle),
}


@pytest.mark.parametrize(
    ("scheme", "server"),
    [("ws", "drops"), ("ws", "says nothing"), ("ws", "trickles"), ("wss", "drops"), ("wss", "says nothing")],
)
def test_connecting_takes_no_longer_than_its_time(loop: LoopThread, scheme: str, server: str) -> None:
    """However the server delays it, the error comes when the time is up, and says how long that was."""
    with DELAYS[server]() as port:
        client = Client.to(f"{scheme}://{SECRETIVE.format(port)}", loop, connect_timeout=CONNECT_TIMEOUT)
        error = check_network_error(client.closed(CONNECT_TIMEOUT + 1.0), "within 0.5 s")
        assert client.seconds() >= CONNECT_TIMEOUT
        assert error.__cause__ is not None
        gone.set()


def test_what_has_taken_so_long_is_said(loop: LoopThread) -> None:
    """Where somebody takes the connection and is silent, no firewall is in between."""
    with raw_server(say_nothing) as port:
        silent: dict[str, dict[str, Any]] = {
            "did not answer the WebSocket upgrade": {"url": f"ws://127.0.0.1:{port}"},
            "does that port speak TLS": {"url": f"wss://127.0.0.1:{port}"},
            "the network proxy 127.0.0.1": {"url": "ws://localhost:9", "proxy": f"http://127.0.0.1:{port}"},
            "did not open a connection to localhost:9": {
                "url": "ws://localhost:9",
                "proxy": f"socks5://127.0.0.1:{port}",
            },
        }
        clients = {
            words: Client.to(loop=loop, connect_timeout=CONNECT_TIMEOUT, **options) for words, options in silent.items()
        }
        for words, client in clients.items():
            error = check_network_error(client.closed(CONNECT_TIMEOUT + 2.0), words, "within 0.5 s")
            assert "firewall" not in str(error)
        gone.set()


def test_refused(loop: LoopThread) -> None:
    """Nobody listens: said at once."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        client = Client.to(f"ws://{SECRETIVE.format(port)}", loop)
        error = check_network_error(client.closed(1.0), "refused", f"127.0.0.1:{port}")
        assert isinstance(error.__cause__, ConnectionRefusedError)


def test_unknown_host(loop: LoopThread) -> None:
    """A name that does not exist is named, with what to check."""
    client = Client.to(f"wss://no-such-host.invalid/?voice_sdk_id={SECRET}", loop)
    error = check_network_error(client.closed(6.0), "no-such-host.invalid")
    assert isinstance(error.__cause__, (socket.gaierror, TimeoutError))


@pytest.mark.parametrize("host", ["a" * 64 + ".invalid", "xn--a\u0378.invalid"])
def test_impossible_host(loop: LoopThread, host: str) -> None:
    """A name that cannot exist is an error like any other, not an exception in a thread."""
    check_network_error(Client.to(f"ws://{host}/", loop).closed(6.0))


def test_words_in_the_host_name_change_nothing(loop: LoopThread) -> None:
    """A host called `authentication` does not turn a network error into the other one."""
    closed = Client.to("ws://authentication.invalid/", loop).closed(6.0)
    assert "authentication" not in str(check_network_error(closed))


def test_ipv6(loop: LoopThread) -> None:
    """A literal IPv6 address works."""
    if not has_ipv6():
        pytest.skip("no IPv6 on this machine")
    with ws_server(echo, address="::1", family=socket.AF_INET6) as port:
        client = Client.to(f"ws://[::1]:{port}/", loop)
        client.connection.send("six")
        assert client.text() == "six"
        client.connection.close()
        client.closed(5.0)


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


# -- TLS ---------------------------------------------------------------------------------------------------------------


def test_tls_works(loop: LoopThread, authority: Authority) -> None:
    """With a CA file, or with a context of the caller's."""
    context = ssl.create_default_context(cafile=str(authority.file))
    with ws_server(echo, ssl=authority.server_context("localhost")) as port:
        for sslopt in ({"ca_certs": str(authority.file)}, {"context": context}):
            client = Client.to(f"wss://localhost:{port}", loop, sslopt=sslopt)
            client.connection.send("secret")
            assert client.text() == "secret"
            client.connection.close()
            assert client.closed(5.0) == Closed(1000, "", None)


def test_tls_both_ways_at_once(loop: LoopThread, authority: Authority) -> None:
    """Two thousand messages of all sizes each way at the same time: the two threads do not disturb each other."""
    texts = [str(number) * (number % 500 + 1) for number in range(2000)]
    received: queue.SimpleQueue[list[str | bytes]] = queue.SimpleQueue()

    def serve(connection: ServerConnection) -> None:
        sender = threading.Thread(target=lambda: [connection.send(text) for text in texts])
        sender.start()
        received.put([connection.recv() for _ in texts])
        sender.join()
        echo(connection)

    with ws_server(serve, ssl=authority.server_context("127.0.0.1")) as port:
        client = Client.to(f"wss://127.0.0.1:{port}", loop, sslopt={"ca_certs": str(authority.file)})
        for text in texts:
            client.connection.send(text)
        assert [client.text() for _ in texts] == texts
        assert received.get(timeout=10) == texts
        client.connection.close()
        client.closed(5.0)


def test_sending_while_the_server_is_silent(loop: LoopThread, authority: Authority) -> None:
    """A waiting reader does not keep the writer from sending: with TLS this deadlocks in Python 3.13.6's own `ssl`."""
    for scheme, context in (("ws", None), ("wss", authority.server_context("127.0.0.1"))):
        arrived = threading.Event()

        def serve(peer: Peer, arrived: threading.Event = arrived) -> None:
            peer.upgrade()
            if peer.receive() == (1, b"hello"):
                arrived.set()
            peer.close_code()

        with raw_server(serve, context=context) as port:
            client = Client.to(
                f"{scheme}://127.0.0.1:{port}", loop, sslopt={"ca_certs": str(authority.file)}
            ).wait_open()
            client.connection.send("hello")
            assert arrived.wait(2)
            client.connection.close()
            client.closed(5.0)


def test_self_signed_certificates_are_refused(loop: LoopThread, authority: Authority) -> None:
    """What the system does not trust is not talked to, and the login is not sent."""
    with raw_server(say_nothing, context=authority.server_context("127.0.0.1")) as port:
        client = Client.to(f"wss://{SECRETIVE.format(port)}", loop)
        error = check_network_error(client.closed(), "TLS certificate")
        assert isinstance(error.__cause__, ssl.SSLCertVerificationError)
        gone.set()


def test_certificates_of_others_are_refused(loop: LoopThread, authority: Authority) -> None:
    """A good certificate for another host is not good."""
    with raw_server(say_nothing, context=authority.server_context("example.com")) as port:
        client = Client.to(f"wss://127.0.0.1:{port}", loop, sslopt={"ca_certs": str(authority.file)})
        check_network_error(client.closed(), "TLS certificate", "127.0.0.1")
        gone.set()


def test_the_name_to_verify_can_be_given(loop: LoopThread, authority: Authority) -> None:
    """`server_hostname` is verified in place of the URL's host."""
    with ws_server(echo, ssl=authority.server_context("example.com")) as port:
        sslopt = {"ca_certs": str(authority.file), "server_hostname": "example.com"}
        client = Client.to(f"wss://127.0.0.1:{port}", loop, sslopt=sslopt).wait_open()
        client.connection.close()
        client.closed(5.0)


def test_old_tls_is_refused(loop: LoopThread, authority: Authority) -> None:
    """Nothing below TLS 1.2."""
    old = authority.server_context("127.0.0.1")
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that is what this test is about
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with raw_server(say_nothing, context=old) as port:
        client = Client.to(f"wss://127.0.0.1:{port}", loop, sslopt={"ca_certs": str(authority.file)})
        check_network_error(client.closed(), "TLS")
        gone.set()


def test_tls_to_a_port_without_it(loop: LoopThread) -> None:
    """`wss://` where `ws://` is spoken."""
    with ws_server(echo) as port:
        check_network_error(Client.to(f"wss://127.0.0.1:{port}", loop).closed(), "TLS")


def test_a_port_with_tls_without_it(loop: LoopThread, authority: Authority) -> None:
    """`ws://` where `wss://` is spoken."""
    with raw_server(say_nothing, context=authority.server_context("127.0.0.1")) as port:
        check_network_error(Client.to(f"ws://127.0.0.1:{port}", loop).closed())
        gone.set()


def test_tls_lost(loop: LoopThread, authority: Authority) -> None:
    """A TLS connection that is cut is a lost connection, not a TLS problem."""
    for serve in (disappear, reset):
        with raw_server(serve, context=authority.server_context("127.0.0.1")) as port:
            client = Client.to(f"wss://127.0.0.1:{port}", loop, sslopt={"ca_certs": str(authority.file)})
            client.connection.send("text")
            closed = client.closed()
            assert closed.code == 1006
            check_network_error(closed, "lost")


def test_tls_when_the_server_is_silent(loop: LoopThread, authority: Authority) -> None:
    """`close` is as quick with TLS as without."""
    with raw_server(silence, context=authority.server_context("127.0.0.1")) as port:
        client = Client.to(f"wss://127.0.0.1:{port}", loop, sslopt={"ca_certs": str(authority.file)}).wait_open()
        client.connection.close()
        assert client.closed(5.0) == Closed(1006, "", None)
        gone.set()


def test_missing_ca_file(loop: LoopThread) -> None:
    """A CA file that is not there is the caller's mistake, and is said to be."""
    with ws_server(echo) as port:
        closed = Client.to(f"wss://127.0.0.1:{port}", loop, sslopt={"ca_certs": "/no/such/file"}).closed()
        assert isinstance(closed.error, ClientConfigurationError)


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def outdated() -> ssl.SSLContext:
    context = ssl.create_default_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context


def any_host() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


@pytest.mark.parametrize(
    "sslopt",
    [
        {"cert_reqs": ssl.CERT_NONE},
        {"check_hostname": False},
        {"context": unverified()},
        {"context": any_host()},
        {"context": outdated()},
    ],
    ids=["cert_reqs", "check_hostname", "unverified context", "any host", "TLS 1.0"],
)
def test_security_cannot_be_turned_off(loop: LoopThread, sslopt: dict[str, object]) -> None:
    """Neither by websocket-client's options nor by a context."""
    with pytest.raises(ClientConfigurationError, match=r"verif|TLS 1\.1"):
        Client.to("wss://127.0.0.1:1", loop, sslopt=sslopt)


@pytest.mark.parametrize(
    "url", ["http://h/CANARY", "wss://", "wss://:443/", "wss://h:x/?CANARY", "//h", "", "wss://[::1/"]
)
def test_bad_urls(loop: LoopThread, url: str) -> None:
    """Refused at once, without repeating the URL."""
    with pytest.raises(ClientConfigurationError) as caught:
        Client.to(url, loop)
    check_no_secret(caught.value)


# -- the process -------------------------------------------------------------------------------------------------------


def test_a_loop_that_has_ended(capfd: pytest.CaptureFixture[str]) -> None:
    """When nobody takes messages any more, the threads end without a word."""
    gate = threading.Event()

    def serve(connection: ServerConnection) -> None:
        gate.wait(5)
        connection.send("to nobody")
        echo(connection)

    loop = LoopThread.acquire()
    with ws_server(serve) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop).wait_open()
        loop.release()
        gate.set()
        assert client.connection.join(5.0)
    assert "Exception in thread" not in capfd.readouterr().err


def test_raising_handlers_do_not_end_the_connection(loop: LoopThread, caplog: pytest.LogCaptureFixture) -> None:
    """A bug in the session is logged by the loop, and the next message comes."""

    def on_text(text: str | bytes) -> None:
        got.put(text)
        raise ValueError("a bug")

    got: queue.SimpleQueue[str | bytes] = queue.SimpleQueue()
    with ws_server(echo) as port:
        client = Client.to(f"ws://127.0.0.1:{port}", loop, on_text=on_text)
        client.connection.send("one")
        client.connection.send("two")
        assert [got.get(timeout=5), got.get(timeout=5)] == ["one", "two"]
        client.connection.close()
        client.closed(5.0)
    assert caplog.text.count("ValueError: a bug") == 2


@pytest.mark.slow
def test_two_hundred_connections_leave_nothing(loop: LoopThread, authority: Authority) -> None:
    """Opened and closed, lost, refused, given up: no thread and no descriptor is left."""
    descriptors = Path("/proc/self/fd")
    with (
        ws_server(echo) as good,
        ws_server(echo, ssl=authority.server_context("127.0.0.1")) as secure,
        raw_server(disappear) as bad,
        full_server() as full,
    ):
        before = len(os.listdir(descriptors)) if descriptors.exists() else 0
        for number in range(200):
            port = (good, secure, bad, 1, full)[number % 5]
            scheme = "wss" if port == secure else "ws"
            client = Client.to(
                f"{scheme}://127.0.0.1:{port}",
                loop,
                sslopt={"ca_certs": str(authority.file)},
                connect_timeout=0.02 if port == full else 5.0,
            )
            if port in (good, secure):
                client.wait_open().connection.close()
            client.closed()
        assert not [thread for thread in threading.enumerate() if re.search("reader|writer|resolver", thread.name)]
        if before:
            wait_until(lambda: len(os.listdir(descriptors)) <= before)


def wait_until(condition: Callable[[], bool], timeout: float = 5.0) -> None:
    """For what raises no event: kernel buffers, descriptors of a server's threads."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


PROGRAM = """
    import os, sys, threading, time
    from websockets.sync.server import serve
    from telnyx_agent._runtime.loop import LoopThread
    from telnyx_agent._net.connection import SignalingConnection

    def echo(connection):
        for message in connection:
            connection.send(message)

    server = serve(echo, "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    loop = LoopThread.acquire()
    opened, texts, ended = threading.Event(), [], threading.Event()
    connection = SignalingConnection(
        f"ws://127.0.0.1:{server.socket.getsockname()[1]}", post=loop.post,
        on_open=opened.set, on_text=texts.append, on_closed=lambda closed: (print(closed), ended.set()))
    connection.start()
    assert opened.wait(5)
"""


def run(source: str, *command: str, timeout: float = 20.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, sys.executable, "-W", "ignore", "-c", textwrap.dedent(source)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.mark.slow
def test_an_open_connection_does_not_hold_up_the_exit() -> None:
    """A program that falls off its end is gone."""
    begin = time.monotonic()
    outcome = run(PROGRAM)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert time.monotonic() - begin < 20.0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_does_not_disturb_the_parent() -> None:
    """What the child does with the connection that it has inherited does nothing; the parent goes on talking."""
    outcome = run(
        PROGRAM
        + """
    pid = os.fork()
    if pid == 0:
        connection.send("from the child")
        connection.close()
        os._exit(0)
    os.waitpid(pid, 0)
    connection.send("from the parent")
    while not texts:
        time.sleep(0.01)
    connection.close()
    assert ended.wait(5)
    print(texts)
    """
    )
    assert outcome.stdout == "Closed(code=1000, reason='', error=None)\n['from the parent']\n", outcome.stderr


def in_namespace(folder: Path, **files: str) -> list[str]:
    """A command that runs another one with a network of its own, and with these files in place of those in `/etc`."""
    require("netns")
    mounts = ""
    for name, text in files.items():
        (folder / name).write_text(text)
        mounts += f"touch /etc/{name.replace('_', '.')}; mount --bind {folder}/{name} /etc/{name.replace('_', '.')}\n"
    script = folder / "in_namespace.sh"
    script.write_text(f'set -e\n{which("ip")} link set lo up\n{mounts}exec "$@"\n')
    return ["unshare", "-mn", "sh", str(script)]


@pytest.mark.netns
def test_addresses_that_lead_nowhere(tmp_path: Path) -> None:
    """A first address that drops everything costs a quarter of a second, one without a route costs nothing."""
    hosts = "127.0.0.1 twice\n127.0.0.2 twice\n"
    outcome = run(
        """
        import socket, threading, time
        from websockets.sync.server import serve
        from telnyx_agent._runtime.loop import LoopThread
        from telnyx_agent._net.connection import SignalingConnection
        from tests.net.sockets import full_server

        dead, alive = [entry[4][0] for entry in socket.getaddrinfo("twice", 1, type=socket.SOCK_STREAM)]
        loop = LoopThread.acquire()
        server = serve(lambda connection: list(connection), alive, 0)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        with full_server(port, dead):
            opened, ended = threading.Event(), threading.Event()
            connection = SignalingConnection(f"ws://twice:{port}", post=loop.post, on_open=opened.set,
                on_text=print, on_closed=lambda closed: ended.set())
            begin = time.monotonic()
            connection.start()
            assert opened.wait(5)
            print(0.25 <= time.monotonic() - begin < 4.0)
            connection.close()
            assert ended.wait(5)

        errors, ended = [], threading.Event()
        connection = SignalingConnection("ws://10.1.2.3/", post=loop.post, on_open=print,
            on_text=print, on_closed=lambda closed: (errors.append(closed.error), ended.set()))
        connection.start()
        assert ended.wait(1)
        print(errors[0])
        loop.release()
        """,
        *in_namespace(tmp_path, hosts=hosts, nsswitch_conf="hosts: files\n"),
    )
    lines = outcome.stdout.splitlines()
    assert lines[0] == "True", outcome
    assert lines[1] == "no connection to 10.1.2.3:80 (network is unreachable): is this machine online?"
    assert outcome.stderr == ""


@pytest.mark.netns
def test_a_resolver_that_never_answers(tmp_path: Path) -> None:
    """A look-up cannot be interrupted, but nobody waits for it: not `connect_timeout`, not `close`, not the exit."""
    resolver = "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n"
    outcome = run(
        """
        import socket, threading, time
        from telnyx_agent._runtime.loop import LoopThread
        from telnyx_agent._net.connection import SignalingConnection

        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        silent.bind(("127.0.0.1", 53))
        loop = LoopThread.acquire()

        def connect(**options):
            ended, told = threading.Event(), []
            connection = SignalingConnection("wss://rtc.example.com/?a=CANARY", post=loop.post, on_open=lambda: None,
                on_text=lambda text: None, on_closed=lambda closed: (told.append(closed), ended.set()), **options)
            connection.start()
            return connection, ended, told

        begin = time.monotonic()
        connection, ended, told = connect(connect_timeout=0.5)
        assert ended.wait(1.5), "connect_timeout"
        assert connection.join(0.5)
        print(told[0].error)
        connection, ended, told = connect()
        assert silent.recv(512)
        connection.close()
        assert ended.wait(1.0), "close"
        assert connection.join(0.5)
        print(told[0])
        loop.release()
        print(sorted({thread.name for thread in threading.enumerate()}))
        print("in time" if time.monotonic() - begin < 3.0 else "too late")
        """,
        *in_namespace(tmp_path, resolv_conf=resolver, nsswitch_conf="hosts: dns\n"),
    )
    lines = outcome.stdout.splitlines()
    assert lines[1:] == [
        "Closed(code=None, reason='', error=None)",
        "['MainThread', 'telnyx-agent-resolver']",
        "in time",
    ], outcome
    assert (
        lines[0] == "network: no connection to rtc.example.com:443 within 0.5 s: is it up, or is a firewall in between?"
    )
    assert outcome.stderr == ""
