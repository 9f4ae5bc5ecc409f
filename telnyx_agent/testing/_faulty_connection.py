"""One WebSocket connection through `FaultProxy`: two lanes that read, damage and write. Loop thread only."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Callable, Mapping

import attrs

from ._fault_plan import ENDING, Direction, Fault, FaultPlan, FaultRates, FaultRecord, damaged
from ._udp_relay import Side, UdpRelays
from ._wire_frames import CLOSE, FrameSplitter, WireFrame, without_extensions

__all__ = ["FaultyConnection"]

_CHUNK = 65536
_QUEUED = 64
"""Pieces that may wait in a lane; beyond that nothing is read, so that the sender notices as it would on a network."""

_PATIENCE = 1.0
"""Seconds for both sides to notice that a connection has ended."""

_WAYS: tuple[Direction, Direction] = ("to_client", "to_server")


class _Lane:
    """One direction."""

    def __init__(self, direction: Direction, plan: FaultPlan) -> None:
        self.direction = direction
        self.plan = plan
        self.splitter = FrameSplitter()
        self.queue: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue(_QUEUED)
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.held: list[bytes] = []
        self.writer: asyncio.StreamWriter | None = None
        self.is_deaf = False
        """What still comes is thrown away."""
        self.is_mute = False
        """What still waits is thrown away, too."""


class FaultyConnection:
    """One connection.

    Args:
        number: Its number.
        seed: Of the proxy.
        rates: Of the proxy, by direction.
        single: The single faults of the proxy that have not happened yet.
        relays: For media; None to leave it alone.
        record: Takes what happens.
        count: Is told of each frame with a message, once its fate is decided.
    """

    def __init__(
        self,
        number: int,
        seed: int,
        rates: Mapping[Direction, FaultRates],
        single: list[Fault],
        relays: UdpRelays | None,
        record: Callable[[FaultRecord], None],
        count: Callable[[Direction], None],
    ) -> None:
        self._number = number
        self._rates = rates
        self._single = single
        self._relays = relays
        self._record = record
        self._count = count
        self._lanes = {way: _Lane(way, FaultPlan(seed, number, way)) for way in _WAYS}
        self._writers: list[asyncio.StreamWriter] = []
        self._ways_open = 2
        self._over = asyncio.Event()
        self._ended = asyncio.Event()

    # -- its life ------------------------------------------------------------------------------------------------------

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        """Forward until the end."""
        self._writers.append(writer)
        tasks: list[asyncio.Task[None]] = []
        try:
            try:
                up_reader, up_writer = await asyncio.open_connection(host, port)
            except OSError:  # the server is not there; the client is told by what it sees
                self.reset()
                return
            self._writers.append(up_writer)
            self._lanes["to_client"].writer, self._lanes["to_server"].writer = writer, up_writer
            for way, source in (("to_client", up_reader), ("to_server", reader)):
                lane = self._lanes[way]  # type: ignore[index]
                tasks += [asyncio.ensure_future(self._read(lane, source)), asyncio.ensure_future(self._write(lane))]
            await self._over.wait()
        finally:
            await self._finish(tasks)

    async def refuse(self, writer: asyncio.StreamWriter) -> None:
        """An RST at once."""
        self._writers.append(writer)
        self.reset()
        await self._finish([])

    async def be_silent(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read, and never send anything, until the client closes the connection."""
        self._writers.append(writer)

        async def swallow() -> None:
            with contextlib.suppress(OSError):
                while await reader.read(_CHUNK):
                    continue
            self._over.set()

        swallowing = asyncio.ensure_future(swallow())
        try:
            await self._over.wait()
        finally:
            await self._finish([swallowing])

    async def ended(self) -> None:
        """Wait until it is over."""
        await self._ended.wait()

    async def _finish(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()
        for writer in self._writers:
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self._ended.set()

    # -- by hand -------------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Both sides get a FIN, once they have got what was written already."""
        for lane in self._lanes.values():
            lane.is_deaf = lane.is_mute = True
            lane.flowing.set()
            if lane.writer is None:
                self._over.set()
            else:
                _write_eof(lane.writer)
        # Read on until they have noticed: to close with unread data would send an RST.
        asyncio.get_running_loop().call_later(_PATIENCE, self._over.set)

    def reset(self) -> None:
        """Both sides get an RST."""
        for writer in self._writers:
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        self._over.set()

    def close(self, code: int, reason: str) -> None:
        """The client gets a close frame; its answer goes to the server, which ends the connection."""
        lane = self._lanes["to_client"]
        cut = reason.encode()[:123].decode("utf-8", "ignore")
        self.resume()
        self.inject(WireFrame(CLOSE, struct.pack("!H", code) + cut.encode()).encode(), lane.direction)
        lane.is_deaf = True
        asyncio.get_running_loop().call_later(_PATIENCE, self._over.set)

    def stall(self, direction: Direction) -> None:
        """Nothing comes through any more."""
        self._lanes[direction].flowing.clear()

    def resume(self) -> None:
        """Everything comes through again."""
        for lane in self._lanes.values():
            lane.flowing.set()

    def inject(self, data: bytes, direction: Direction) -> None:
        """Put bytes into the stream."""
        lane = self._lanes[direction]
        if lane.writer is None or lane.queue.full():
            self.cut()
        else:
            lane.queue.put_nowait((0.0, data))

    # -- reading and damaging ------------------------------------------------------------------------------------------

    async def _read(self, lane: _Lane, source: asyncio.StreamReader) -> None:
        try:
            while data := await source.read(_CHUNK):
                for piece in lane.splitter.feed(data):
                    await self._take(lane, piece)
        except ConnectionError:
            # One side was reset: so is the other.
            self.reset()
            return
        # What is no WebSocket comes through as it is.
        rest = b"".join([*lane.held, lane.splitter.rest])
        if rest and not lane.is_deaf:
            await self._put(lane, rest)
        await lane.queue.put(None)

    async def _take(self, lane: _Lane, piece: bytes | WireFrame) -> None:
        if lane.is_deaf:
            return
        if isinstance(piece, bytes):
            await self._put(lane, without_extensions(piece))
            return
        frame: WireFrame | None = piece
        if self._relays is not None and piece.text is not None:
            frame = await self._redirected(lane, self._relays, piece, piece.text)
        if frame is None:
            return
        if not frame.is_data:
            await self._put(lane, frame.encode())
            return
        faults = lane.plan.decide(frame, self._rates[lane.direction], self._single)
        for fault in faults:
            self._record(FaultRecord(self._number, lane.direction, lane.plan.number, fault.action))
        self._count(lane.direction)
        await self._carry_out(lane, frame, faults)

    async def _redirected(self, lane: _Lane, relays: UdpRelays, frame: WireFrame, text: str) -> WireFrame | None:
        side: Side = "client" if lane.direction == "to_server" else "agent"
        rewritten = await relays.rewrite(side, text)
        if rewritten is None:
            return None
        return frame if rewritten == text else attrs.evolve(frame, payload=rewritten.encode())

    async def _carry_out(self, lane: _Lane, frame: WireFrame, faults: list[Fault]) -> None:
        """Do what was decided for a frame; one ending at most, after all that came before has been written."""
        ending = next((fault for fault in faults if fault.action in ENDING), None)
        if ending is None:
            await self._pass_on(lane, frame, faults)
            return
        comes_through = ending.after or ending.action == "tear"
        if comes_through:
            await self._pass_on(lane, frame, faults)
        await lane.queue.join()
        self._end(lane, ending)
        if ending.action == "stall" and not comes_through:
            await self._pass_on(lane, frame, faults)  # where it waits for `resume`

    async def _pass_on(self, lane: _Lane, frame: WireFrame, faults: list[Fault]) -> None:
        actions = [fault.action for fault in faults]
        if "drop" in actions:
            return
        data = damaged(frame, actions, lane.plan.random).encode()
        if "garble" in actions:
            data = bytes([data[0] | 0x70]) + data[1:]
        if "tear" in actions:
            data = data[: max(1, len(data) // 2)]
        if "duplicate" in actions:
            data += data
        if "reorder" in actions:
            lane.held.append(data)
            return
        await self._put(lane, data, sum(fault.seconds for fault in faults if fault.action == "delay"))
        if lane.held:
            held, lane.held = b"".join(lane.held), []
            await self._put(lane, held)

    async def _put(self, lane: _Lane, data: bytes, extra: float = 0.0) -> None:
        lateness = lane.plan.lateness(self._rates[lane.direction]) + extra
        await lane.queue.put((asyncio.get_running_loop().time() + lateness, data))

    def _end(self, lane: _Lane, fault: Fault) -> None:
        if fault.action == "reset":
            self.reset()
        elif fault.action == "close":
            self.close(fault.code, fault.reason)
        elif fault.action == "stall":
            self.stall(lane.direction)
        else:
            self.cut()

    # -- writing -------------------------------------------------------------------------------------------------------

    async def _write(self, lane: _Lane) -> None:
        writer = lane.writer
        assert writer is not None
        try:
            while (item := await lane.queue.get()) is not None:
                due, data = item
                await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
                await lane.flowing.wait()
                if not lane.is_mute:
                    await self._send(lane, writer, data)
                lane.queue.task_done()
            await lane.flowing.wait()
            _write_eof(writer)
        except ConnectionError:
            self.reset()
            return
        self._ways_open -= 1
        if not self._ways_open:
            self._over.set()

    async def _send(self, lane: _Lane, writer: asyncio.StreamWriter, data: bytes) -> None:
        """All at once, or a byte at a time."""
        pace = self._rates[lane.direction].pace
        step = 1 if pace > 0.0 else max(1, len(data))
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
            if pace > 0.0:
                await asyncio.sleep(pace)
            if lane.is_mute:
                return


def _write_eof(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing() and writer.can_write_eof():
        with contextlib.suppress(OSError):  # the other side has reset the connection, and asyncio has not seen it yet
            writer.write_eof()
