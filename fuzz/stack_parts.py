"""What the whole stack stands on in `stack_world`, in place of threads, sockets and the clock.

* `StackLoop`: the SDK's loop on the fuzzer's own thread, one turn at a time, with a clock that is moved by hand. So a
  run is the same again with the same seed, and an hour of timers takes a second.
* `MemoryConnection`: a `SignalingConnection` without threads and socket. What is fed to it goes the same way as bytes
  that were received: frame decoder, control frames, backpressure, loop.
* `LightPeer`: a `MediaPeer` that takes and checks descriptions as the real one does, and has no network.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, ClassVar

import aiortc.sdp

from telnyx_agent._media.rtc.description import prepare_remote
from telnyx_agent._media.stats import MediaStats
from telnyx_agent._net.connection import Closed, SignalingConnection
from telnyx_agent._net.frames import BadFrameError
from telnyx_agent._runtime.loop import LoopThread, _call
from telnyx_agent.errors import MediaError
from telnyx_agent.testing._canned import canned_answer
from telnyx_agent.testing._ice import own_addresses

__all__ = ["LightPeer", "MemoryConnection", "SameThread", "SilentDevice", "StackLoop", "VirtualLoop", "described"]

MOST_TURNS = 20_000
"""Turns of the loop for one input, after which it counts as endless."""

LOOK = 50e-6
"""Seconds by which `StackLoop.monotonic` is later at each look: about what one step of a message takes, so that slices
of work end by number, not by how busy the machine is."""

_real_monotonic = time.monotonic


def described(exc: BaseException | None) -> str:
    """An exception, and where it came from."""
    frames = traceback.extract_tb(None if exc is None else exc.__traceback__)[-4:]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"{exc!r} at {places}"


class _Selector(selectors.DefaultSelector):
    """Looks whether there is something to be read; never waits, unless the loop runs by the real clock."""

    patience = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """What can be read."""
        return super().select(self.patience if timeout is None else min(timeout, self.patience))


class SameThread(Executor):
    """In the place of worker threads: runs each job here and now."""

    def __init__(self, *_: object) -> None:
        """As `DaemonPool`."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """Run it."""
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **named))
        except Exception as exc:  # noqa: BLE001 - as an executor does
            done.set_exception(exc)
        return done


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is told to it, and whose worker threads are the thread that it runs on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._eye = _Selector()
        self._own = frozenset(own_addresses())
        super().__init__(self._eye)
        self.longest = 0.0
        """Seconds of processor time of the longest turn so far."""

    def time(self) -> float:
        """What it was told."""
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Run it here and now."""
        return asyncio.wrap_future(SameThread().submit(func, *args), loop=self)

    async def create_datagram_endpoint(self, *args: Any, **options: Any) -> Any:
        """As ever, but nothing leaves this machine: a description names whatever addresses the server likes."""
        transport, protocol = await super().create_datagram_endpoint(*args, **options)
        send = transport.sendto

        def send_here(data: Any, addr: Any = None) -> None:
            if addr is None or addr[0].startswith("127.") or addr[0] in self._own:
                send(data, addr)

        transport.sendto = send_here  # type: ignore[method-assign]
        return transport, protocol

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Addresses only; nobody is asked for a name."""
        return await super().getaddrinfo(host, port, **{**options, "flags": socket.AI_NUMERICHOST})

    def turn(self) -> None:
        """Do what is due now, once."""
        self.call_soon(self.stop)
        begin = time.thread_time()
        self.run_forever()
        self.longest = max(self.longest, time.thread_time() - begin)

    def settle(self) -> None:
        """Do what is due now, and what that brings about.

        Raises:
            AssertionError: It has no end.
        """
        for _ in range(MOST_TURNS):
            self.turn()
            if not self._ready:  # type: ignore[attr-defined]
                return
        raise AssertionError("the loop has more and more to do")

    def next_due(self) -> float | None:
        """When the next timer is due."""
        due = [handle.when() for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
        return min(due, default=None)

    def advance(self, seconds: float) -> None:
        """Let time pass, with all that is due in it."""
        end = self.now + seconds
        self.settle()
        for _ in range(MOST_TURNS):
            due = self.next_due()
            if due is None or due > end:
                self.now = end
                return
            self.now = max(self.now, due)
            self.settle()
        raise AssertionError("a timer that is due again and again")

    def run_for(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Run by the real clock, for what has real sockets; whether `until` came true."""
        begin, start = _real_monotonic(), self.now
        self._eye.patience = 0.005
        try:
            while (passed := _real_monotonic() - begin) < seconds and not until():
                self.now = max(self.now, start + passed)
                self.turn()
        finally:
            self._eye.patience = 0.0
        return until()


class StackLoop(LoopThread):
    """The SDK's loop, without its thread. While it is installed, every client of this process uses it."""

    loop: VirtualLoop

    def __init__(self) -> None:
        super().__init__()
        self.loop.close()
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(self._failed)
        self.errors: list[str] = []
        """What asyncio reported, and what was posted and raised."""
        self._looks = 0

    def monotonic(self) -> float:
        """What `time.monotonic` says while this is the loop of the process: the time of the loop, and a little more at
        each look.
        """
        self._looks += 1
        return self.loop.now + self._looks * LOOK

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.errors.append(f"{context.get('message')}: {described(context.get('exception'))}")

    def post(self, fn: Callable[..., object], *args: Any) -> None:
        """As `LoopThread.post`, for one thread."""
        self.loop.call_soon(_call, fn, args)

    @property
    def is_current(self) -> bool:
        """Whether the loop is running."""
        return self.loop.is_running()

    def install(self) -> None:
        """Be the loop of the process."""
        assert LoopThread._shared is None, "a client of this process is in use already"
        self._users = 1
        LoopThread._shared = self

    def uninstall(self) -> None:
        """Be it no more."""
        LoopThread._shared = None
        # What the server's peers have left, where a run ended with a finding.
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.settle()
        self.loop.close()


class _Dry(OSError):
    """There is nothing more to be received now."""


class _Bytes:
    """A `Wire` that has received something."""

    def __init__(self, data: bytes) -> None:
        self._pieces: Iterator[bytes] = iter([data] if data else [])

    def recv(self, size: int) -> bytes:
        """What there is."""
        piece = next(self._pieces, None)
        if piece is None:
            raise _Dry
        return piece


class MemoryConnection(SignalingConnection):
    """A connection to the fuzzer. Its attributes are set by `StackWorld` before a client uses it."""

    made: ClassVar[Callable[[MemoryConnection], None] | None] = None
    """Is told of each new one."""
    said: ClassVar[Callable[[str], None] | None] = None
    """Is told what the client sends."""

    has_ended = False

    def start(self) -> None:
        """It is open."""
        assert MemoryConnection.made is not None
        MemoryConnection.made(self)
        self._is_open = True
        self._post(self._on_open)

    def send(self, text: str) -> None:
        """The client sends."""
        if MemoryConnection.said is not None and not self._close_asked and not self.has_ended:
            MemoryConnection.said(text)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """The client closes."""
        was_asked = self._close_asked
        super().close(code, reason)
        if not was_asked:
            # The server's answer to the close frame.
            asyncio.get_running_loop().call_later(0.05, self.end, Closed(code, "", None))

    def feed(self, data: bytes) -> None:
        """Bytes came."""
        if self.has_ended:
            return
        try:
            self.end(self._receive(_Bytes(data)))  # type: ignore[arg-type]
        except _Dry:
            return
        except BadFrameError as bad:
            self.end(self._refuse(_Bytes(b""), bad))  # type: ignore[arg-type]

    def end(self, closed: Closed) -> None:
        """It is gone."""
        if not self.has_ended:
            self.has_ended = True
            self._inflow.finish(functools.partial(self._on_closed, closed))


class SilentDevice:
    """A device without hardware and without a thread."""

    name = "silent"

    def start(self, stream: Any) -> None:
        """Nothing is pushed or pulled."""

    def stop(self) -> None:
        """Nothing was started."""


class LightPeer:
    """Takes descriptions as `MediaPeer` does, up to where aiortc would open sockets for them."""

    def __init__(self, *, on_state: Callable[[str], None], **choices: object) -> None:
        self._on_state = on_state
        self._loop = asyncio.get_running_loop()
        self._is_closed = False
        self._is_described = False

    @property
    def state(self) -> str:
        """As it would be."""
        return "closed" if self._is_closed else "connected"

    async def create_offer(self) -> str:
        """An offer that leads nowhere."""
        return canned_answer("")

    async def accept_answer(self, sdp: str) -> None:
        """Take the answer."""
        if self._is_described:
            raise MediaError("no answer is expected now", code=40004)
        self._apply(sdp, "answer", "0")

    async def create_answer(self, sdp: str) -> str:
        """Take an offer; an answer that leads nowhere."""
        self._apply(sdp, "offer", None)
        return canned_answer(canned_answer(""))

    def _apply(self, sdp: str, kind: str, mid: str | None) -> None:
        prepared = prepare_remote(sdp, kind=kind, mid=mid)
        try:
            aiortc.sdp.SessionDescription.parse(prepared)
        except Exception as exc:  # as `MediaPeer` does with whatever aiortc raises
            raise MediaError(f"the other side's description cannot be used: {exc}", code=40004) from exc
        self._is_described = True
        self._loop.call_later(0.1, self._connected)

    def _connected(self) -> None:
        if not self._is_closed:
            self._on_state("connected")

    async def path_answers(self, timeout: float) -> bool:
        """It does."""
        return True

    async def stats(self) -> MediaStats:
        """Nothing was received."""
        return MediaStats(state=self.state)

    async def close(self) -> None:
        """The client closes."""
        if not self._is_closed:
            self._is_closed = True
            self._on_state("closed")
