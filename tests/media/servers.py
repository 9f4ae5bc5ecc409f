"""STUN and TURN servers for tests: ones that answer, ones that never do, ones that die."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import cast

from aioice import stun

__all__ = ["PASSWORD", "USER", "SilentTcp", "StunServer", "TurnServer", "serve", "silent_tcp", "silent_udp"]

USER, REALM, PASSWORD = "tester", "test", "secret"


class StunServer(asyncio.DatagramProtocol):
    """Answers binding requests with where they came from."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = stun.parse_message(data)
        self.asked.append(addr)
        response = stun.Message(
            message_method=request.message_method,
            message_class=stun.Class.RESPONSE,
            transaction_id=request.transaction_id,
        )
        response.attributes["XOR-MAPPED-ADDRESS"] = addr
        _sign_off(response)
        self.transport.sendto(bytes(response), addr)


class TurnServer(asyncio.DatagramProtocol):
    """Allocates with long-term credentials and relays nothing; `dead` makes it deaf."""

    def __init__(self) -> None:
        self.dead = False
        self.methods: list[stun.Method] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            request = stun.parse_message(data)
        except ValueError:
            return
        if self.dead:
            return
        response = stun.Message(
            message_method=request.message_method,
            message_class=stun.Class.RESPONSE,
            transaction_id=request.transaction_id,
        )
        if "USERNAME" not in request.attributes:
            response.message_class = stun.Class.ERROR
            response.attributes["ERROR-CODE"] = (401, "Unauthorized")
            response.attributes["NONCE"] = b"nonce"
            response.attributes["REALM"] = REALM
            _sign_off(response)
        else:
            self.methods.append(request.message_method)
            response.attributes["LIFETIME"] = request.attributes.get("LIFETIME", 600)
            response.attributes["XOR-MAPPED-ADDRESS"] = addr
            response.attributes["XOR-RELAYED-ADDRESS"] = (addr[0], 40000)
            response.add_message_integrity(hashlib.md5(f"{USER}:{REALM}:{PASSWORD}".encode()).digest())
        self.transport.sendto(bytes(response), addr)


def _sign_off(response: stun.Message) -> None:
    if hasattr(response, "add_fingerprint"):  # not before aioice 0.11
        response.add_fingerprint()


@asynccontextmanager
async def serve(protocol: StunServer | TurnServer, host: str) -> AsyncIterator[int]:
    """Serve on a free port, whose number is given."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: protocol, local_addr=(host, 0))
    try:
        yield int(transport.get_extra_info("sockname")[1])
    finally:
        transport.close()


def silent_udp(host: str) -> closing[socket.socket]:
    """A socket that takes everything and says nothing."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((host, 0))
    return closing(server)


class SilentTcp:
    """Accepts connections and says nothing."""

    def __init__(self, host: str) -> None:
        self._server = socket.create_server((host, 0))
        self.port = int(self._server.getsockname()[1])

    def close(self) -> None:
        self._server.close()


def silent_tcp(host: str) -> closing[SilentTcp]:
    """A listening socket; the kernel accepts, nobody answers."""
    return closing(SilentTcp(host))
