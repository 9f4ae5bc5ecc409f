"""`FaultProxy`: a bad network between a client and a local agent - for the WebSocket, and for the media's UDP."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

from ..config import TxServerConfiguration
from ..errors import ClientConfigurationError
from ._fault_plan import Action, Direction, Fault, FaultRates, FaultRecord
from ._faulty_connection import FaultyConnection
from ._server_thread import ServerThread
from ._udp_relay import UdpCounts, UdpRelays
from ._wire_frames import TEXT, WireFrame
from .udp_faults import UdpFaults

if TYPE_CHECKING:
    from types import TracebackType

    from .local_agent import LocalAgent

__all__ = ["Fault", "FaultProxy", "FaultRates", "FaultRecord"]

T = TypeVar("T")

Accepting = Literal["forward", "silent", "reset", "refuse"]
"""What new connections meet: the server; nobody, though they are open; an RST; a port on which nobody listens."""

START_TIMEOUT = 10.0
COMMAND_TIMEOUT = 5.0
HOST = "127.0.0.1"

_NO_RATES = FaultRates()


class FaultProxy:
    """Stands between clients and a `LocalAgent`, and does to them what networks do.

        with LocalAgent() as agent, FaultProxy(agent, seed=7) as proxy, TxClient(delegate) as client:
            client.anonymous_login("assistant-1", server_configuration=proxy.configuration).result(10)
            proxy.reset()                       # an RST, now
            proxy.add(Fault("drop", contains="telnyx_rtc.answer"))   # the next answer is lost

    Faults at random (`to_client`, `to_server`, `udp`) are drawn from the seed, once for each frame or packet, so a run
    can be repeated. All methods may be called from any thread. It listens on loopback, on a thread of its own.

    Args:
        upstream: The agent, or the URL of a server on this machine (`"ws://127.0.0.1:8080"`).
        seed: For all that is random.
        to_client: What happens at random to what the server sends.
        to_server: What happens at random to what the client sends.
        faults: Single faults, see `add`.
        udp: None leaves the media alone. `UdpFaults()` sends it through the proxy as well, so that it can be disturbed
            now or later: the candidates in the SDP are replaced by the proxy's own. Both sides must be on this machine,
            and trickled candidates are dropped.

    Raises:
        ClientConfigurationError: `upstream` is not a `ws://` URL.
    """

    def __init__(
        self,
        upstream: LocalAgent | str,
        *,
        seed: int = 0,
        to_client: FaultRates = _NO_RATES,
        to_server: FaultRates = _NO_RATES,
        faults: Iterable[Fault] = (),
        udp: UdpFaults | None = None,
    ) -> None:
        if isinstance(upstream, str):
            _host_and_port(upstream)
        elif not isinstance(getattr(upstream, "url", None), str):
            raise ClientConfigurationError(f"upstream is a LocalAgent or a ws:// URL; got {upstream!r}")
        self._upstream = upstream
        self._seed = seed
        self.rates: dict[Direction, FaultRates] = {"to_client": to_client, "to_server": to_server}
        """What happens at random, by direction. May be changed at any time."""
        self._single = list(faults)
        self._udp = udp
        self._relays: UdpRelays | None = None
        self._accepting: Accepting = "forward"
        self._thread: ServerThread | None = None
        self._server: asyncio.Server | None = None
        self._placeholder: socket.socket | None = None
        self._port = 0
        self._open: dict[int, FaultyConnection] = {}
        self._accepted = 0
        self._changed = threading.Condition()
        self._records: list[FaultRecord] = []
        self._frames: dict[Direction, int] = {"to_client": 0, "to_server": 0}

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self) -> FaultProxy:
        """Listen. Returns when clients can connect; does nothing if it runs already."""
        if self._thread is None:
            self._thread = ServerThread("telnyx-agent-fault-proxy", self._serve)
            try:
                self._thread.start(START_TIMEOUT)
            except BaseException:
                self._thread = None
                raise
        return self

    def stop(self) -> None:
        """Cut every connection and end the thread. Records can still be read."""
        if self._thread is not None:
            self._thread.stop(COMMAND_TIMEOUT)
            self._thread = None

    def __enter__(self) -> FaultProxy:
        return self.start()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # -- where ---------------------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """The WebSocket URL for clients."""
        return f"ws://{HOST}:{self._port}"

    @property
    def configuration(self) -> TxServerConfiguration:
        """What to give to `TxClient.anonymous_login(server_configuration=...)`: the proxy, no STUN, no TURN."""
        return TxServerConfiguration(signaling_server=self.url, webrtc_ice_servers=())

    # -- what happened -------------------------------------------------------------------------------------------------

    @property
    def records(self) -> tuple[FaultRecord, ...]:
        """Every fault of a frame or a connection that happened, oldest first; delays and UDP are not in it."""
        with self._changed:
            return tuple(self._records)

    @property
    def connections(self) -> tuple[int, ...]:
        """The numbers, from 1, of the connections that are open."""
        with self._changed:
            return tuple(self._open)

    @property
    def accepted(self) -> int:
        """How many connections there were."""
        with self._changed:
            return self._accepted

    @property
    def udp_counts(self) -> dict[str, UdpCounts]:
        """Packets by the side that sent them, `"client"` and `"agent"`; empty without `udp`."""
        relays = self._relays
        return {} if relays is None else dict(relays.counts)  # type: ignore[arg-type]

    def wait_for(self, action: Action, timeout: float = 5.0, *, count: int = 1) -> FaultRecord:
        """Wait until a fault has happened; those of the past count.

        Args:
            action: Which.
            timeout: Seconds.
            count: Which of them, from 1.

        Raises:
            TimeoutError: It did not in time.
        """

        def found() -> FaultRecord | None:
            fitting = [record for record in self._records if record.action == action]
            return fitting[count - 1] if len(fitting) >= count else None

        with self._changed:
            record = self._changed.wait_for(found, timeout)
        if record is None:
            raise TimeoutError(f"there were not {count} of {action!r} within {timeout} s: {self.records!r}")
        return record

    def wait_for_frames(self, count: int, direction: Direction = "to_client", timeout: float = 5.0) -> None:
        """Wait until the fate of this many frames with messages was decided, over all connections since the start.

        Raises:
            TimeoutError: There were fewer in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._frames[direction] >= count, timeout):
                raise TimeoutError(f"{self._frames[direction]} frames {direction}, not {count}, within {timeout} s")

    def wait_for_connections(self, count: int, timeout: float = 5.0) -> None:
        """Wait until this many connections were accepted, since the start.

        Raises:
            TimeoutError: There were fewer in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._accepted >= count, timeout):
                raise TimeoutError(f"{self._accepted} connections, not {count}, within {timeout} s")

    # -- what to do now ------------------------------------------------------------------------------------------------

    def add(self, *faults: Fault) -> None:
        """Let each of these faults hit the first frame from now on that fits it."""
        self._do(lambda: self._single.extend(faults))

    def accept(self, how: Accepting) -> None:
        """What new connections meet: `"forward"`, `"silent"` (open, and nobody ever says anything), `"reset"` (an RST
        at once) or `"refuse"` (nobody listens). Open connections stay.

        Raises:
            ClientConfigurationError: It is none of these.
        """
        if how not in ("forward", "silent", "reset", "refuse"):
            raise ClientConfigurationError(f"{how!r} is not one of 'forward', 'silent', 'reset' and 'refuse'")
        self._await(self._accept(how))

    def cut(self, *, connection: int | None = None) -> None:
        """End connections as a server does that has died: without a close frame, but in order (FIN)."""
        self._each(connection, "cut", lambda one: one.cut())

    def reset(self, *, connection: int | None = None) -> None:
        """End connections with an RST to both sides."""
        self._each(connection, "reset", lambda one: one.reset())

    def close(self, code: int = 1011, reason: str = "", *, connection: int | None = None) -> None:
        """End connections with a close frame to the client, in the server's name."""
        self._each(connection, "close", lambda one: one.close(code, reason))

    def stall(self, direction: Direction | Literal["both"] = "both", *, connection: int | None = None) -> None:
        """From now on nothing comes through, and the connection stays open: half-open, if it is one direction."""
        for way in _directions(direction):
            self._each(connection, "stall", lambda one, way=way: one.stall(way), way)  # type: ignore[misc]

    def resume(self, *, connection: int | None = None) -> None:
        """Let everything through again; what has waited first, as TCP does."""
        self._each(connection, None, lambda one: one.resume())

    def inject(self, data: bytes | str, direction: Direction = "to_client", *, connection: int | None = None) -> None:
        """Put something into the stream: a text as a text frame, bytes as they are, be they a frame or not."""
        self._each(connection, None, lambda one: one.inject(_bytes(data, direction), direction))

    def set_udp(self, faults: UdpFaults) -> None:
        """From now on this happens to media packets.

        Raises:
            LookupError: The proxy was made without `udp`, so media goes past it.
        """
        relays = self._relays_or_fail()
        relays.faults = self._udp = faults

    def rebind_udp(self) -> None:
        """Give the client's media another port, as seen by the agent, as a router does that has forgotten it.

        Raises:
            LookupError: The proxy was made without `udp`.
        """
        self._await(self._relays_or_fail().rebind())

    # -- the proxy's thread --------------------------------------------------------------------------------------------

    async def _serve(self, tell_started: Callable[[], None], stopping: asyncio.Event) -> None:
        if self._udp is not None:
            self._relays = UdpRelays(self._seed, self._udp)
        try:
            await self._listen()
            tell_started()
            await stopping.wait()
        finally:
            await self._stop_listening()
            open_now = list(self._open.values())
            for one in open_now:
                one.cut()
            await asyncio.gather(*(one.ended() for one in open_now))
            if self._relays is not None:
                self._relays.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, HOST, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
            # A turn for those that are just being accepted.
            await asyncio.sleep(0)
        placeholder, self._placeholder = self._placeholder, None
        if placeholder is not None:
            placeholder.close()

    async def _accept(self, how: Accepting) -> None:
        if how == "refuse" and self._accepting != "refuse":
            await self._stop_listening()
            self._placeholder = _reserved(self._port)
        elif how != "refuse" and self._accepting == "refuse":
            await self._stop_listening()
            await self._listen()
        self._accepting = how

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client has come."""
        with self._changed:
            self._accepted += 1
            number = self._accepted
            one = FaultyConnection(
                number, self._seed, self.rates, self._single, self._relays, self._record, self._count
            )
            self._open[number] = one
            self._changed.notify_all()
        try:
            if self._accepting == "reset":
                self._record(FaultRecord(number, "to_client", 0, "reset"))
                await one.refuse(writer)
            elif self._accepting == "silent":
                self._record(FaultRecord(number, "to_client", 0, "stall"))
                await one.be_silent(reader, writer)
            else:
                upstream = self._upstream
                url = upstream if isinstance(upstream, str) else upstream.url
                await one.run(reader, writer, *_host_and_port(url))
        finally:
            with self._changed:
                del self._open[number]
                self._changed.notify_all()

    def _record(self, record: FaultRecord) -> None:
        with self._changed:
            self._records.append(record)
            self._changed.notify_all()

    def _count(self, direction: Direction) -> None:
        with self._changed:
            self._frames[direction] += 1
            self._changed.notify_all()

    # -- from other threads to it --------------------------------------------------------------------------------------

    def _relays_or_fail(self) -> UdpRelays:
        if self._relays is None:
            raise LookupError("the proxy was made without udp=UdpFaults(), so media goes past it, or was not started")
        return self._relays

    def _each(
        self,
        connection: int | None,
        action: Action | None,
        do: Callable[[FaultyConnection], None],
        direction: Direction = "to_client",
    ) -> None:
        def run() -> None:
            for number, one in list(self._open.items()):
                if connection in (None, number):
                    if action is not None:
                        self._record(FaultRecord(number, direction, 0, action))
                    do(one)

        self._do(run)

    def _do(self, action: Callable[[], T]) -> T:
        if self._thread is None or self._thread.loop is None:
            return action()  # before the start there is only one thread

        async def run() -> T:
            return action()

        return self._await(run())

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        loop = None if self._thread is None else self._thread.loop
        if loop is None:
            work.close()
            raise LookupError("the fault proxy is not running")
        return asyncio.run_coroutine_threadsafe(work, loop).result(COMMAND_TIMEOUT)


def _host_and_port(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # brackets that do not close, a port beyond 65535
        parts, host, port = urlsplit(""), None, None
    if parts.scheme != "ws" or not host:
        raise ClientConfigurationError(f"{url!r} is not the URL of a server without TLS, such as 'ws://127.0.0.1:8080'")
    return host, 80 if port is None else port


def _directions(direction: Direction | Literal["both"]) -> tuple[Direction, ...]:
    return ("to_client", "to_server") if direction == "both" else (direction,)


def _bytes(data: bytes | str, direction: Direction) -> bytes:
    if isinstance(data, bytes):
        return data
    # Clients have to mask; with zeros, the text stays readable on the wire.
    return WireFrame(TEXT, data.encode(), mask=b"\0\0\0\0" if direction == "to_server" else None).encode()


def _reserved(port: int) -> socket.socket:
    """A socket that keeps others from taking the port, and on which nobody listens."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((HOST, port))
    return sock
