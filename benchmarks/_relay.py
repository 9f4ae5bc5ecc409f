"""The network between two peers: a process that passes datagrams on, late or not at all, as a `Pattern` says.

Each link has two sockets. The peers' descriptions are rewritten (`through`) so that each knows only its socket; ICE,
DTLS and RTCP pass with the link's constant delay, RTP from the near side meets the pattern by its sequence number.

`Relay` starts the process (`python -m benchmarks._relay`) and tells it what to do in lines of JSON.
"""

from __future__ import annotations

import heapq
import os
import re
import select
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

import attrs

from benchmarks._child import Child, answer
from benchmarks._network import Pattern, Shape

__all__ = ["Relay", "address_of", "hurry", "hurry_all", "through"]

_LATE = 0.001  # what the relay aims at
_CANDIDATE = re.compile(r"^a=candidate:\S+ 1 udp \d+ ([\d.]+) (\d+) typ host.*$", re.IGNORECASE | re.MULTILINE)


def address_of(sdp: str) -> tuple[str, int]:
    """The one candidate of a description that is used: its first IPv4 host, loopback only where there is no other."""
    found = [(host, int(port)) for host, port in _CANDIDATE.findall(sdp)]
    if not found:
        raise RuntimeError(f"no host candidate over IPv4 in:\n{sdp}")
    return next((address for address in found if not address[0].startswith("127.")), found[0])


def through(sdp: str, address: tuple[str, int]) -> str:
    """The description with `address` as its only candidate."""
    lines = [line for line in sdp.splitlines() if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
    candidate = f"a=candidate:1 1 udp 2130706431 {address[0]} {address[1]} typ host"
    return "\r\n".join([*lines, candidate, "a=end-of-candidates"]) + "\r\n"


def hurry(thread: int = 0) -> bool:
    """Let this thread, which belongs to the measuring, run before what is measured; False without the right to it."""
    try:
        os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(5))
    except (AttributeError, PermissionError):
        return False
    return True


def hurry_all(process: int) -> bool:
    """As `hurry`, all threads of another process."""
    outcomes = [hurry(int(thread)) for thread in os.listdir(f"/proc/{process}/task")]
    return all(outcomes)


def _is_rtp(data: bytes) -> bool:
    """RFC 7983 and RFC 5761."""
    return len(data) >= 12 and 128 <= data[0] < 192 and not 192 <= data[1] < 224


@attrs.define(eq=False)
class _Link:
    """A pair of sockets; what comes in at one goes out at the other."""

    near: socket.socket
    far: socket.socket
    near_peer: tuple[str, int] | None = None
    far_peer: tuple[str, int] | None = None
    shape: Shape = attrs.field(factory=Shape)
    pattern: Pattern | None = None
    coming: tuple[float, Shape, Pattern] | None = None  # what holds from a moment on
    first: int | None = None  # sequence number of the packet that has number 0 in the pattern
    ssrc: bytes = b""
    last: int = 0
    count: int = 0
    lost: int = 0

    def delay(self, data: bytes, now: float, *, from_near: bool) -> float | None:
        """Seconds until this datagram is delivered, or None."""
        if self.coming is not None and now >= self.coming[0]:
            (_, self.shape, self.pattern), self.coming = self.coming, None
            self.first, self.count, self.lost = None, 0, 0
        if not from_near or self.pattern is None or not _is_rtp(data):
            return self.shape.delay
        number = int.from_bytes(data[2:4], "big")
        if self.first is None or data[8:12] != self.ssrc:
            self.first, self.ssrc, self.last = number, data[8:12], 0
        # The number nearest to the last one: it wraps at 65536.
        self.last += (number - self.first - self.last + 32768) % 65536 - 32768
        fate = self.pattern.fate(self.last)
        self.count += 1
        self.lost += fate is None
        return fate


class _Process:
    """The relay itself: one loop, no thread."""

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}
        self._sockets: dict[socket.socket, tuple[_Link, bool]] = {}
        self._queue: list[tuple[float, int, socket.socket, tuple[str, int], bytes]] = []
        self._serial = 0
        self._lateness: list[float] = []
        self._hurries = hurry()

    def run(self) -> None:
        """Until standard input ends."""
        while True:
            timeout = max(0.0, self._queue[0][0] - time.monotonic()) if self._queue else None
            readable, _, _ = select.select([sys.stdin, *self._sockets], [], [], timeout)
            now = time.monotonic()
            for ready in readable:
                if isinstance(ready, socket.socket):
                    self._receive(ready, now)
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                answer(self, line)
            self._deliver()

    def open(self, name: str, host: str) -> list[int]:
        """A new link; the ports of its near and its far socket."""
        near, far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for one in (near, far):
            one.bind((host, 0))
            one.setblocking(False)
        link = self._links[name] = _Link(near, far)
        self._sockets[near], self._sockets[far] = (link, True), (link, False)
        return [one.getsockname()[1] for one in (near, far)]

    def join(self, name: str, near: list[Any], far: list[Any]) -> None:
        """Where the two peers of a link are."""
        link = self._links[name]
        link.near_peer, link.far_peer = (near[0], near[1]), (far[0], far[1])

    def shape(self, names: list[str], fields: dict[str, Any], seed: int, at: float) -> None:
        """The pattern of some links from a moment on."""
        shape = Shape.from_json(fields)
        pattern = Pattern(shape, seed)
        for name in names:
            self._links[name].coming = (at, shape, pattern)

    def close(self, name: str) -> None:
        """A link is not needed any more."""
        link = self._links.pop(name)
        self._queue = [entry for entry in self._queue if entry[2] not in (link.near, link.far)]
        heapq.heapify(self._queue)
        for one in (link.near, link.far):
            del self._sockets[one]
            one.close()

    def report(self) -> dict[str, Any]:
        """How well the process kept time since the last report, and what each link has lost since it was shaped."""
        late, self._lateness = sorted(self._lateness), []
        return {
            "hurries": self._hurries,
            "datagrams": len(late),
            "late_p50": late[len(late) // 2] if late else 0.0,
            "late_p99": late[len(late) * 99 // 100] if late else 0.0,
            "late_max": late[-1] if late else 0.0,
            "late_share": sum(value > _LATE for value in late) / max(1, len(late)),
            "links": {name: {"packets": link.count, "lost": link.lost} for name, link in self._links.items()},
        }

    def _receive(self, ready: socket.socket, now: float) -> None:
        link, from_near = self._sockets[ready]
        expected = link.near_peer if from_near else link.far_peer
        other, to = (link.far, link.far_peer) if from_near else (link.near, link.near_peer)
        while True:
            try:
                data, address = ready.recvfrom(65536)
            except BlockingIOError:
                return
            except ConnectionError:  # a peer that has closed its socket already
                continue
            if address != expected or to is None:  # other candidates of the peer look for a way, too
                continue
            delay = link.delay(data, now, from_near=from_near)
            if delay is not None:
                self._serial += 1
                heapq.heappush(self._queue, (now + delay, self._serial, other, to, data))

    def _deliver(self) -> None:
        while self._queue and self._queue[0][0] <= (now := time.monotonic()):
            due, _, out, to, data = heapq.heappop(self._queue)
            self._lateness.append(now - due)
            try:
                out.sendto(data, to)
            except ConnectionError:  # as above
                continue


class Relay:
    """The parent's end.

    Args:
        host: An address of this machine, at which all sockets are.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._child = Child("benchmarks._relay")

    def open(self, name: str) -> tuple[tuple[str, int], tuple[str, int]]:
        """A new link: the address for the near peer to send to, and the one for the far peer."""
        near, far = self._child.ask("open", name, self._host)
        return (self._host, near), (self._host, far)

    def join(self, name: str, near: tuple[str, int], far: tuple[str, int]) -> None:
        """Where the two peers of a link are; from here on it passes on what they send."""
        self._child.ask("join", name, near, far)

    def shape(self, names: Sequence[str], shape: Shape, seed: int, at: float) -> None:
        """The same pattern for all these links; the first packets after the moment `at` have number 0."""
        self._child.ask("shape", list(names), attrs.asdict(shape), seed, at)

    def close(self, name: str) -> None:
        """A link is not needed any more."""
        self._child.ask("close", name)

    def report(self) -> dict[str, Any]:
        """How well it kept time since the last report, and what each link has lost since it was shaped."""
        result: dict[str, Any] = self._child.ask("report")
        return result

    def end(self) -> None:
        """End the process."""
        self._child.end()


if __name__ == "__main__":
    _Process().run()
