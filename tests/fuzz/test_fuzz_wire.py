"""Mutated bytes on a real socket: whatever a server puts there, the connection ends once, soon, and in words."""

from __future__ import annotations

import queue
import random
import struct
from collections.abc import Iterator

import pytest

from fuzz.mutate import mutated_bytes
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent.errors import TxError
from tests.net.sockets import Client, Peer, frame, raw_server

STREAMS = [
    frame(1, b'{"jsonrpc":"2.0","method":"telnyx_rtc.ping","id":1}') * 3 + frame(8, struct.pack("!H", 1000)),
    frame(1, "äöü".encode() * 50) + frame(9, b"ping") + frame(10) + frame(8, struct.pack("!H", 4014) + b"why"),
    frame(1, b"one", fin=False) + frame(9, b"?") + frame(0, b"two", fin=False) + frame(0, b"three"),
    frame(2, bytes(range(256)) * 300) + frame(1, b"x" * 126) + frame(1) + frame(8),
]
ANSWERS = [
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.0 500 Oh\r\nSet-Cookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
]


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread.acquire()
    yield thread
    thread.release()


def conversations(seed: int, count: int, *, upgraded: bool) -> Iterator[bytes]:
    dice = random.Random(seed)
    examples = STREAMS if upgraded else ANSWERS
    for _ in range(count):
        yield mutated_bytes(dice.choice(examples), examples, dice)


@pytest.mark.parametrize("upgraded", [True, False], ids=["frames", "answers to the upgrade"])
@pytest.mark.parametrize("seed", range(3))
def test_mutated_bytes(loop: LoopThread, seed: int, upgraded: bool) -> None:
    """`Client.closed` checks that there is one end, that it is the last, and that no thread stays."""
    said: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def serve(peer: Peer) -> None:
        data = said.get(timeout=5)
        if upgraded:
            peer.upgrade()
        else:
            peer.read_request()
        peer.sock.sendall(data)

    with raw_server(serve) as port:
        for data in conversations(seed, 150, upgraded=upgraded):
            said.put(data)
            client = Client.to(f"ws://127.0.0.1:{port}", loop, connect_timeout=1.0)
            closed = client.closed(4.0)
            assert closed.error is None or isinstance(closed.error, TxError), data
            assert "please report it" not in str(closed.error), data
