"""What aiortc's ICE lacks for calls on one machine; the only module here that uses its private names.

* aioice never offers loopback addresses, so a machine without a network would have no candidate at all.
* Chromium hides its addresses behind `<uuid>.local` names unless the page may use the microphone. Resolving them needs
  multicast DNS; but the port behind such a name is a port of this machine, so our own addresses will do.
* A connection that is closed in the moment in which it is established goes on sending keep-alives for 30 s.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import ifaddr

__all__ = ["offer_loopback_if_alone", "own_addresses", "resolve_hidden_candidates"]

LOOPBACK = "127.0.0.1"
_HIDDEN = re.compile(r"^(?P<head>(?:a=)?candidate:\S+ \d+ \S+ \d+ )(?P<host>[0-9A-Za-z-]+\.local)(?P<tail> .*)$")


def own_addresses() -> list[str]:
    """This machine's IPv4 addresses, loopback last."""
    found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    return [ip for ip in found if ip != LOOPBACK] + [LOOPBACK]


def resolve_hidden_candidates(sdp: str) -> str:
    """Replace every candidate with a `.local` name by one for each of this machine's addresses."""
    if ".local" not in sdp:
        return sdp
    lines: list[str] = []
    for line in sdp.replace("\r\n", "\n").split("\n"):
        match = _HIDDEN.match(line)
        if match is None:
            lines.append(line)
        else:
            lines += [f"{match['head']}{address}{match['tail']}" for address in own_addresses()]
    return "\r\n".join(lines)


def offer_loopback_if_alone(pc: Any) -> None:
    """Make a peer connection gather 127.0.0.1 when it would find no other address. Call it before it gathers."""
    for connection in _connections(pc):
        gather = connection.get_component_candidates

        async def gather_also_loopback(
            component: int, addresses: list[str], timeout: int = 5, gather: Any = gather
        ) -> Any:
            binding = asyncio.ensure_future(
                gather(component=component, addresses=addresses or [LOOPBACK], timeout=timeout)
            )
            try:
                return await asyncio.shield(binding)
            except asyncio.CancelledError:
                # Only when all are bound does aioice note the sockets, so that closing the connection closes them.
                await binding
                raise

        connection.get_component_candidates = gather_also_loopback


async def close_for_good(pc: Any) -> None:
    """Close what a peer connection that was closed may have left open."""
    for connection in _connections(pc):
        await connection.close()


def _connections(pc: Any) -> list[Any]:
    return [transceiver.sender.transport.transport.iceGatherer._connection for transceiver in pc.getTransceivers()]
