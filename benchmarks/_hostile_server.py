"""A hostile server on raw sockets: honest until it is told to attack. A client can log in, and bring a call up.

    python -m benchmarks._hostile_server

Driven by `benchmarks._child.Child`, in a process of its own; tests use `HostileServer` in theirs.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import itertools
import json
import random
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from telnyx_agent.testing._canned import canned_answer
from telnyx_agent.testing._wire_frames import CLOSE, TEXT, FrameSplitter

from ._child import serve
from ._hostile_families import BY_NAME, FAMILIES, Family, World, message, request

__all__ = ["HostileServer"]

_PEER_PATIENCE = 10.0
_CALL = "00000000-0000-4000-8000-0000000ca11e"
_MADE_UP_OFFER = canned_answer("")  # for a client that has placed no call
_CANDIDATE = re.compile(r"^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) ", re.MULTILINE | re.IGNORECASE)


class HostileServer:
    """Listens on a port of this machine. Any thread.

    Args:
        media: Whether calls get a real peer, so that there is sound; otherwise an answer that leads nowhere.
    """

    def __init__(self, *, media: bool = True) -> None:
        self._media = _Media() if media else None
        self._family = FAMILIES[0]
        self._is_stopped = threading.Event()
        self._attack: threading.Thread | None = None
        self._sent = 0
        self._link: _Link | None = None
        self._has_login = threading.Event()
        self._links: list[_Link] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._acceptor = threading.Thread(target=self._accept, name="hostile-accept", daemon=True)
        self._acceptor.start()

    @property
    def family(self) -> Family:
        """What it is armed with."""
        return self._family

    @property
    def is_attacking(self) -> bool:
        """Whether `attack` was called since `arm`."""
        return self._attack is not None

    @property
    def url(self) -> str:
        """For `TxServerConfiguration`."""
        return f"ws://127.0.0.1:{self._listener.getsockname()[1]}"

    def arm(self, family: Family) -> None:
        """What `attack` will do, and what is answered from now on."""
        self._family = family
        self._is_stopped.clear()
        self._link = None
        self._has_login.clear()
        self._attack = None
        self._sent = 0

    def attack(self) -> None:
        """Begin as soon as a client has asked to log in. Returns at once."""
        self._attack = threading.Thread(target=self._run, name="hostile-attack", daemon=True)
        self._attack.start()

    def sent(self) -> int:
        """Bytes of the attack so far."""
        return self._sent

    def wait(self, timeout: float) -> bool:
        """Wait until everything was sent, and the client has answered a ping behind it; False if it has not."""
        assert self._attack is not None
        self._attack.join(timeout)
        return not self._attack.is_alive()

    def stop(self) -> None:
        """End the attack and the connections."""
        self._is_stopped.set()
        self._has_login.set()
        for link in self._links:
            link.cut()
        if self._attack is not None:
            self._attack.join(5)
        for link in self._links:
            link.thread.join(5)
        self._links.clear()
        if self._media is not None:
            self._media.hang_up()

    def close(self) -> None:
        """End everything."""
        self.stop()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(5)
        if self._media is not None:
            self._media.close()

    def __enter__(self) -> HostileServer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            link = _Link(sock, self)
            self._links.append(link)
            link.thread.start()

    def met(self, link: _Link) -> None:
        """A client asks to log in over this connection, which is the one to attack."""
        self._link = link
        self._has_login.set()

    def answer(self, offer: str) -> str:
        """An honest answer."""
        return canned_answer(offer) if self._media is None else self._media.answer(offer)

    def _run(self) -> None:
        self._has_login.wait()
        link, family = self._link, self._family
        if link is None:  # stopped before a client came
            return
        dice = random.Random(1)
        if family.datagrams is not None:
            self._send_datagrams(family.datagrams(dice), link.world.offer)
        elif family.srtp is not None:
            assert self._media is not None
            self._sent = self._media.send(family.srtp(dice), self._is_stopped)
        elif family.send is None:
            with contextlib.suppress(OSError):
                link.answered.wait()
                link.ping()
        else:
            with contextlib.suppress(OSError):  # the client is gone
                for chunk in family.send(link.world):
                    if self._is_stopped.is_set():
                        return
                    link.send(chunk)
                    self._sent += len(chunk)
                    if family.interval and self._is_stopped.wait(family.interval):
                        return
                link.ping()

    def _send_datagrams(self, datagrams: Iterator[bytes], offer: str) -> None:
        places = [(host, int(port)) for host, port in _CANDIDATE.findall(offer)]
        assert places, "the client has no address"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            for number, datagram in enumerate(datagrams):
                with contextlib.suppress(BlockingIOError):
                    self._sent += sock.sendto(datagram, places[number % len(places)])
                # As fast as a peer could that shares a gigabit with others: some 50,000 a second.
                if number % 500 == 499 and self._is_stopped.wait(0.01):
                    return


class _Link:
    """One connection of a client, on a thread of its own."""

    def __init__(self, sock: socket.socket, owner: HostileServer) -> None:
        self.world = World(_CALL, _MADE_UP_OFFER, canned_answer(""))
        self._owner = owner
        self._sock = sock
        self._numbers = itertools.count(900_000)
        self._sending = threading.Lock()
        self._heard = threading.Event()
        self.answered = threading.Event()
        """The client's call was answered, or the connection is gone."""
        self.thread = threading.Thread(target=self._serve, name="hostile-link", daemon=True)

    def send(self, data: bytes) -> None:
        with self._sending:
            self._sock.sendall(data)

    def ping(self) -> None:
        """Have the client show that it has worked through what was sent; blocks until then, or until the end."""
        self._heard.clear()
        self._say("telnyx_rtc.ping")
        self._heard.wait()

    def cut(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        try:
            self._converse()
        finally:
            self._heard.set()
            self.answered.set()

    def _converse(self) -> None:
        splitter = FrameSplitter()
        with contextlib.suppress(OSError), self._sock:
            while data := self._sock.recv(1 << 16):
                for item in splitter.feed(data):
                    if isinstance(item, bytes):
                        self._upgrade(item)
                    elif item.opcode == CLOSE:
                        self.send(message(item.payload, CLOSE))
                        return
                    elif item.opcode == TEXT:
                        self._received(json.loads(item.payload))

    def _upgrade(self, head: bytes) -> None:
        key = next(
            line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    def _say(self, method: str, **params: object) -> None:
        self.send(message(request(method, next(self._numbers), **params)))

    def _reply(self, frame: dict[str, Any], **result: object) -> None:
        self.send(message(json.dumps({"jsonrpc": "2.0", "id": frame["id"], "result": {"sessid": "s", **result}})))

    def _received(self, frame: dict[str, Any]) -> None:
        method = frame.get("method")
        if method is None or "id" not in frame:
            return
        if method == "telnyx_rtc.ping":
            self._heard.set()
        if method in ("login", "anonymous_login"):
            self._owner.met(self)
            if self._owner.family.login != "late":
                self._reply(frame, message="logged in")
                self._say("telnyx_rtc.clientReady", reattached_sessions=[])
                if self._owner.family.cuts and self._owner.is_attacking:
                    self.cut()
        elif method == "telnyx_rtc.gatewayState":
            self._reply(frame, params={"state": "REGED"})
        elif method == "telnyx_rtc.invite":
            self._called(frame)
        elif self._owner.family.replies == "login required" and self._owner.is_attacking:
            error = {"code": -32000, "message": "Authentication Required"}
            self.send(message(json.dumps({"jsonrpc": "2.0", "id": frame["id"], "error": error})))
        elif method != "telnyx_rtc.ping" or self._owner.family.replies != "nothing":
            self._reply(frame)

    def _called(self, frame: dict[str, Any]) -> None:
        params = frame["params"]
        call_id, offer = params["dialogParams"]["callID"], params["sdp"]
        self._reply(frame, callID=call_id, message="CALL CREATED")
        self._say("telnyx_rtc.ringing", callID=call_id, dialogParams={"custom_headers": []})
        honest = self._owner.answer(offer)
        self.world = World(call_id, offer, honest)
        change = self._owner.family.answer
        self._say("telnyx_rtc.answer", callID=call_id, sdp=honest if change is None else change(honest))
        self.answered.set()


class _Media:
    """The agent's end of calls, with silence as its voice; on a loop of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hostile-media", daemon=True)
        self._thread.start()
        self._peers: list[tuple[Any, asyncio.Task[None]]] = []

    def answer(self, offer: str) -> str:
        return str(self._do(self._answer, offer))

    def send(self, packets: Iterator[bytes], is_stopped: threading.Event) -> int:
        """Send packets over the newest call until told to stop. How many bytes."""
        return int(self._do(self._send, packets, is_stopped, patience=None))

    def hang_up(self) -> None:
        self._do(self._hang_up)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _do(self, what: Callable[..., Any], *args: Any, patience: float | None = _PEER_PATIENCE) -> Any:
        return asyncio.run_coroutine_threadsafe(what(*args), self._loop).result(patience)

    async def _answer(self, offer: str) -> str:
        from telnyx_agent.testing._peer import AgentPeer
        from telnyx_agent.testing._speech_output import Mouth

        peer = AgentPeer(lambda samples: None)
        answer = await peer.answer(offer, trickle=False)
        self._peers.append((peer, self._loop.create_task(Mouth(peer.play).run())))
        return answer

    async def _send(self, packets: Iterator[bytes], is_stopped: threading.Event) -> int:
        peer = self._peers[-1][0]
        await asyncio.wait_for(peer.connected.wait(), _PEER_PATIENCE)
        transport = peer._pc.getSenders()[0].transport
        sent = 0
        with contextlib.suppress(ConnectionError):  # the client is gone
            for number, data in enumerate(packets):
                await transport._send_rtp(data)
                sent += len(data)
                if number % 50 == 0:
                    await asyncio.sleep(0)
                    if is_stopped.is_set():
                        break
        return sent

    async def _hang_up(self) -> None:
        peers, self._peers = self._peers, []
        for peer, speaking in peers:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
            await peer.close()


class Remote:
    """What the benchmark can ask for; families by their names."""

    def __init__(self, server: HostileServer) -> None:
        self._server = server

    def url(self) -> str:
        return self._server.url

    def arm(self, name: str) -> None:
        self._server.arm(BY_NAME[name])

    def attack(self) -> None:
        self._server.attack()

    def sent(self) -> int:
        return self._server.sent()

    def stop(self) -> None:
        self._server.stop()


def main() -> None:
    """Serve until the input ends."""
    with HostileServer() as server, contextlib.suppress(KeyboardInterrupt):
        serve(Remote(server))


if __name__ == "__main__":
    main()
