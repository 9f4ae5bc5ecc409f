"""Addresses on one machine: what ICE hides, or leaves out, is still reachable when both ends are here.

* aioice never offers loopback addresses, so a machine without a network would have no candidate at all.
* Chromium hides its addresses behind `<uuid>.local` names unless the page may use the microphone. Resolving them needs
  multicast DNS; but the port behind such a name is a port of this machine, so our own addresses will do.
"""

from __future__ import annotations

import re
from typing import Any

import ifaddr

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
    for transceiver in pc.getTransceivers():
        connection = transceiver.sender.transport.transport.iceGatherer._connection
        gather = connection.get_component_candidates

        async def gather_also_loopback(
            component: int, addresses: list[str], timeout: int = 5, gather: Any = gather
        ) -> Any:
            return await gather(component=component, addresses=addresses or [LOOPBACK], timeout=timeout)

        connection.get_component_candidates = gather_also_loopback
