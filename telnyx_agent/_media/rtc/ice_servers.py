"""STUN and TURN servers: which of them can be used, where they are, and which one is asked when.

Only one STUN and one TURN server serve a call, but which one works shows only when it is asked: where UDP is blocked,
TURN over UDP is silent, and TURN over TCP or TLS answers. So they are asked in the user's order, each with a head start
before the next, and the first that answers is taken, as in RFC 8305 ("happy eyeballs").
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import attrs

from ..._net.tls import tls_context
from ..._runtime.threads import NoThreadError, SdkThread
from ...config import IceServer

__all__ = [
    "GRACE",
    "HEAD_START",
    "Server",
    "address_towards",
    "first_answer",
    "resolve",
    "turn_tls_context",
    "usable_servers",
]

_log = logging.getLogger("telnyx_agent.media")

HEAD_START = 0.5
"""Seconds for one server to answer before the next is asked as well."""

GRACE = 1.0
"""Seconds that the STUN servers still have when a TURN server has answered. It has seen two round trips by then."""

_URL = re.compile(
    r"(?P<scheme>stun|turns?):(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s?:\[\]]+)(:(?P<port>\d{1,5}))?"
    r"(\?transport=(?P<transport>udp|tcp))?"
)

_T = TypeVar("_T")


@attrs.frozen
class Server:
    """One server at one URL.

    Attributes:
        url: As the user gave it; it has no secrets.
        is_turn: TURN or STUN.
        host: A name or an address.
        port: Where it listens.
        transport: `"udp"` or `"tcp"`.
        tls: Whether the transport is encrypted.
        username: For TURN.
        password: For TURN.
    """

    url: str
    is_turn: bool
    host: str
    port: int
    transport: str
    tls: bool
    username: str | None = attrs.field(repr=False)
    password: str | None = attrs.field(repr=False)


def usable_servers(servers: Sequence[IceServer]) -> list[Server]:
    """Those that can be used, one for each URL, in the user's order; the others are logged."""
    usable: list[Server] = []
    for server in servers:
        for url in server.urls:
            parsed = _parsed(url, server)
            if parsed is None:
                _log.debug("ICE server %s is not used: this kind is not supported", url)
            else:
                usable.append(parsed)
    return usable


def _parsed(url: str, server: IceServer) -> Server | None:
    """None for what nobody here can speak: STUN over TLS, TURN over DTLS, and STUN over IPv6, where there is no NAT."""
    match = _URL.fullmatch(url)
    if match is None:
        return None
    scheme, transport, literal = match["scheme"], match["transport"], match["host"].startswith("[")
    tls = scheme == "turns"
    if (scheme == "stun" and (transport or literal)) or (tls and transport == "udp"):
        return None
    port = int(match["port"] or (5349 if tls else 3478))
    if not 0 < port < 65536:
        return None
    return Server(
        url=url,
        is_turn=scheme != "stun",
        host=match["host"].strip("[]"),
        port=port,
        transport=transport or ("tcp" if tls else "udp"),
        tls=tls,
        username=server.username,
        password=server.credential,
    )


async def first_answer(attempts: Sequence[Callable[[], Coroutine[Any, Any, _T | None]]]) -> _T | None:
    """What the first successful attempt returns; None if there is none.

    Each begins when all before it have failed, or have had their head start; those before go on meanwhile. The rest is
    cancelled when one has succeeded, or when this is cancelled.

    Args:
        attempts: In order of preference; None and exceptions are failures, and exceptions are logged.
    """
    waiting = list(reversed(attempts))
    running: set[asyncio.Task[_T | None]] = set()
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.ensure_future(waiting.pop()()))
            done, running = await asyncio.wait(
                running, timeout=HEAD_START if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                if (error := task.exception()) is not None:
                    _log.debug("an ICE server was of no use: %r", error)
                elif (answer := task.result()) is not None:
                    return answer
        return None
    finally:
        for task in running:
            task.cancel()


def turn_tls_context(ca_file: str | None) -> ssl.SSLContext:
    """What TURN over TLS is verified with: the system's CAs and, if given, those in a file. Reads files.

    The file is for a signalling server of one's own in the first place, and Telnyx's TURN servers go with any; so here,
    other than there, it does not take the place of the system's CAs.

    Raises:
        OSError: The file cannot be read.
    """
    context = tls_context({})
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


async def resolve(host: str, *, ipv6: bool = False) -> str:
    """The address of a host that this machine has a way to; looked up on a thread that nobody has to wait for.

    Args:
        host: A name or an address.
        ipv6: Whether an IPv6 address will do where there is no way by IPv4.

    Raises:
        OSError: There is no such address.
    """
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass  # a name
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str], error: OSError | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def work() -> None:
        addresses: list[str] = []
        error: OSError | None = None
        try:
            family = socket.AF_UNSPEC if ipv6 else socket.AF_INET
            addresses = [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, family, socket.SOCK_DGRAM)]
        except OSError as exc:
            error = exc
        except UnicodeError as exc:
            error = OSError(f"{host!r} is not a host name: {exc}")
        try:
            loop.call_soon_threadsafe(settle, addresses, error)
        except RuntimeError:
            pass  # the loop is closed, so nobody waits any more

    try:
        SdkThread(work, "telnyx-agent-resolver").start()
    except NoThreadError as exc:
        raise OSError(str(exc)) from exc
    # IPv4 first: what a relay passes on to is IPv4 as a rule.
    return _reachable(host, sorted(await found, key=lambda address: ":" in address))


def _reachable(host: str, addresses: Sequence[str]) -> str:
    error = OSError(f"{host} has no address")
    for address in addresses:
        try:
            address_towards((address, 9))
        except OSError as exc:
            error = exc
        else:
            return address
    raise error


def address_towards(server: tuple[str, int]) -> str:
    """Our own address on the way to a server. Raises `OSError` when there is no way."""
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        probe.connect(server)  # sends nothing
        return str(probe.getsockname()[0])
