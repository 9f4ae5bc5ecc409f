"""Sends the media of calls through relays on this machine, by rewriting the candidates in the SDP that passes by.

Each side of a call sees one candidate, a socket of the relay; what that gets goes out of the relay's other socket. So
every packet, ICE's own ones included, meets `UdpFaults`. Loop thread of the proxy only.

A relay listens to one address of each side, its first usable host candidate: with more, it could not tell which of a
side's sockets an answer is for, and one pair is all that ICE needs.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import re
from collections.abc import Callable
from typing import Any, Literal

import attrs

from .udp_faults import UdpFaults, UdpImpairment

__all__ = ["Side", "UdpCounts", "UdpRelays"]

logger = logging.getLogger("telnyx_agent.testing")

Side = Literal["client", "agent"]
_Address = tuple[str, int]

_CANDIDATE = re.compile(
    r"^a=candidate:(?P<foundation>\S+) 1 udp (?P<priority>\d+) (?P<host>\S+) (?P<port>\d+) typ host", re.IGNORECASE
)
_UFRAG = re.compile(r"^a=ice-ufrag:(\S+)", re.MULTILINE)

# Trickled candidates would lead around the relay.
_TRICKLE = ("telnyx_rtc.candidate",)

_BYE = "telnyx_rtc.bye"

_LINGER = 2.0
"""Seconds after which a relay that is not needed any more is closed; what is on its way still arrives."""


@attrs.define
class UdpCounts:
    """What a direction has seen.

    Attributes:
        received: Packets that came.
        sent: Packets that went on, copies included.
    """

    received: int = 0
    sent: int = 0


class _Half(asyncio.DatagramProtocol):
    """One socket of a relay: the address that one side is told."""

    def __init__(self, received: Callable[[bytes, _Address], None]) -> None:
        self._received = received
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._received(data, (addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        # The other side has closed its socket: ICMP says so, and the network would not mind either.
        logger.debug("udp relay: %s", exc)

    @property
    def address(self) -> _Address:
        assert self.transport is not None
        name = self.transport.get_extra_info("sockname")
        return name[0], name[1]

    def send(self, data: bytes, to: _Address) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(data, to)


class _Relay:
    """The relay of one call, until ICE starts anew."""

    def __init__(self, owner: UdpRelays, number: int) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self.ufrags: dict[Side, str] = {}
        self._addresses: dict[Side, _Address] = {}
        # `_halves[side]` is the socket that this side talks to.
        self._halves: dict[Side, _Half] = {
            "client": _Half(lambda data, source: self._came("client", data, source)),
            "agent": _Half(lambda data, source: self._came("agent", data, source)),
        }
        self._impairments: dict[Side, UdpImpairment] = {
            "client": UdpImpairment(f"{owner.seed}/{number}/client"),
            "agent": UdpImpairment(f"{owner.seed}/{number}/agent"),
        }

    async def open(self, host: str) -> None:
        for half in self._halves.values():
            await self._loop.create_datagram_endpoint(lambda half=half: half, local_addr=(host, 0))  # type: ignore[misc]

    async def rebind(self) -> None:
        """Another port towards the agent, as when a router forgets a connection."""
        half = self._halves["agent"]
        host = half.address[0]
        if half.transport is not None:
            half.transport.close()
        await self._loop.create_datagram_endpoint(lambda: half, local_addr=(host, 0))

    def close(self) -> None:
        for half in self._halves.values():
            if half.transport is not None:
                half.transport.close()

    @property
    def host(self) -> str:
        return self._halves["client"].address[0]

    def learn(self, side: Side, ufrag: str, address: _Address) -> _Address:
        """A side has told its address; what the other side is told instead."""
        self.ufrags[side] = ufrag
        self._addresses[side] = address
        return self._halves[_other(side)].address

    def _came(self, side: Side, data: bytes, source: _Address) -> None:
        """A packet from a side, for the other."""
        if source != self._addresses.get(side):
            return
        counts = self._owner.counts[side]
        counts.received += 1
        for delay, packet in self._impairments[side].pass_on(data, self._owner.faults):
            if delay > 0.0:
                self._loop.call_later(delay, self._send, side, packet)
            else:
                self._send(side, packet)

    def _send(self, side: Side, packet: bytes) -> None:
        target = self._addresses.get(_other(side))
        # A blackout also swallows what was on its way.
        if target is not None and not self._owner.faults.blackout:
            self._owner.counts[side].sent += 1
            self._halves[_other(side)].send(packet, target)


class UdpRelays:
    """The relays of all calls through one proxy.

    Args:
        seed: Of the proxy.
        faults: What happens to packets; may be replaced at any time.
    """

    def __init__(self, seed: int, faults: UdpFaults) -> None:
        self.seed = seed
        self.faults = faults
        self.counts: dict[Side, UdpCounts] = {"client": UdpCounts(), "agent": UdpCounts()}
        self._relays: dict[str, _Relay] = {}
        self._open: list[_Relay] = []
        self._count = 0

    async def rewrite(self, side: Side, text: str) -> str | None:
        """A frame of a side's with the relay's address in its SDP; None if it must not come through.

        Args:
            side: Who has sent it.
            text: The frame.
        """
        try:
            frame = json.loads(text)
        except (ValueError, RecursionError):  # a broken frame is none of the relay's business
            return text
        if not isinstance(frame, dict):
            return text
        if frame.get("method") in _TRICKLE:
            return None
        if frame.get("method") == _BYE and isinstance(frame.get("params"), dict):
            self._retire(self._relays.pop(_call_id(frame["params"]), None))
        for name in ("params", "result"):
            content = frame.get(name)
            if isinstance(content, dict) and isinstance(content.get("sdp"), str) and content["sdp"]:
                content["sdp"] = await self._rewrite_sdp(side, _call_id(content), content["sdp"])
                return json.dumps(frame)
        return text

    async def rebind(self) -> None:
        """Give every relay another port towards the agent."""
        for relay in list(self._open):
            await relay.rebind()

    def close(self) -> None:
        """Close all sockets."""
        for relay in self._open:
            relay.close()
        self._open.clear()
        self._relays.clear()

    def _retire(self, relay: _Relay | None) -> None:
        """A call is over, or goes on through another relay."""
        if relay is not None:
            asyncio.get_running_loop().call_later(_LINGER, self._close, relay)

    def _close(self, relay: _Relay) -> None:
        if relay in self._open:
            self._open.remove(relay)
            relay.close()

    async def _rewrite_sdp(self, side: Side, call_id: str, sdp: str) -> str:
        ufrag = match[1] if (match := _UFRAG.search(sdp)) else ""
        relay = self._relays.get(call_id)
        address = _first_host(sdp, None if relay is None else relay.host)
        if address is None:
            return sdp
        if relay is None or relay.ufrags.get(side, ufrag) != ufrag:
            # A call that begins, or begins its ICE anew.
            self._retire(relay)
            self._count += 1
            relay = _Relay(self, self._count)
            await relay.open(address[0])
            self._relays[call_id] = relay
            self._open.append(relay)
        return with_one_candidate(sdp, relay.learn(side, ufrag, address))


def _other(side: Side) -> Side:
    return "agent" if side == "client" else "client"


def _call_id(content: dict[str, Any]) -> str:
    dialog = content.get("dialogParams")
    return str(content.get("callID") or (dialog.get("callID") if isinstance(dialog, dict) else "") or "")


def _first_host(sdp: str, preferred: str | None) -> _Address | None:
    """The address of a host candidate: that on the relay's own address if there is one, else IPv4 before IPv6."""
    found: list[_Address] = []
    for line in sdp.splitlines():
        if match := _CANDIDATE.match(line):
            try:
                ipaddress.ip_address(match["host"])
            except ValueError:  # a name that only the browser knows
                continue
            found.append((match["host"], int(match["port"])))
    found.sort(key=lambda address: (address[0] != preferred, ":" in address[0]))
    return found[0] if found else None


def with_one_candidate(sdp: str, address: _Address) -> str:
    """The SDP with one candidate in the place of all.

    Args:
        sdp: One audio section, as all SDP of this protocol.
        address: Host and port of the candidate.
    """
    lines: list[str] = []
    put = False
    for line in sdp.splitlines():
        if not line.startswith("a=candidate:"):
            lines.append(line)
        elif not put:
            put = True
            lines.append(f"a=candidate:1 1 udp 2130706431 {address[0]} {address[1]} typ host")
    return "\r\n".join(lines) + "\r\n"
