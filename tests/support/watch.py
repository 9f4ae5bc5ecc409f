"""What the whole test suite is watched for: blocked loops, traffic that leaves the machine, threads left behind.

Blocking calls and traffic are seen by one audit hook (`sys.addaudithook`), which also sees third parties and C code,
and, for waits that raise no audit event, by thin wrappers around a few methods of the standard library. Nothing is
raised at the place of a blocking call, so behaviour does not change; what was recorded fails the test at its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import ipaddress
import logging
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

__all__ = ["LOOP_THREADS", "TrafficRefusedError", "WatchLog", "log", "start", "threads_left"]

LOOP_THREADS = frozenset({"telnyx-agent-loop"})
"""Threads on which nothing may block while their event loop runs."""

LONGEST_CALLBACK = 0.1
"""Seconds of processor time that one callback may take there; processor time, since the machine may be busy."""

LONGEST_PAUSE = 0.25
"""Seconds of processor time that may pass between two looks of the loop at its sockets and timers, whoever used them:
many callbacks in one turn of the loop, or one call into C on another thread, which keeps Python's lock for itself.
"""

_LONGEST_SLEEP = 0.1
"""Seconds that the loop sleeps at most while tests run, so that it is known when it would have gone on."""

_NOT_THE_SDK = ("telnyx-agent-local-agent", "telnyx-agent-fault-proxy")
"""Beginnings of the names of threads of the test's other side, which may hold up the process."""

_SAMPLE_EVERY = 0.05
"""Seconds between two looks at how much processor time each thread has used."""

_BLOCKING_EVENTS = frozenset(
    {
        "glob.glob",
        "open",
        "os.listdir",
        "os.mkdir",
        "os.posix_spawn",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.scandir",
        "os.system",
        "shutil.copyfile",
        "shutil.rmtree",
        "socket.getaddrinfo",
        "socket.gethostbyaddr",
        "socket.gethostbyname",
        "subprocess.Popen",
        "time.sleep",
    }
)
_SENDING_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LOOKUP_EVENTS = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})

# Innermost first: a blocking call with one of these (file name's end, function) on its stack is tolerated.
_TOLERATED = {
    ("/threading.py", "start"): "a new thread is waited for until it runs; `run_in_executor` does so, too",
    ("/concurrent/futures/__init__.py", "__getattr__"): "the standard library imports its executors when first used",
    ("/asyncio/base_events.py", "shutdown_default_executor"): "the loop is at its end; the thread it joins has ended",
    ("/aiortc/rtcrtpreceiver.py", "__stop_decoder"): "aiortc joins its decoder, which has just been told to end",
    ("/linecache.py", "updatecache"): "a traceback shows its source lines",
    ("/logging/__init__.py", "formatException"): "an exception is being logged; Python 3.13 parses the source for it",
}

_TOLERATED_LOG = {
    "Executing <": "asyncio's debug mode on a busy machine",
}


class TrafficRefusedError(OSError):
    """A test tried to reach something that is not this machine."""


class WatchLog:
    """What was seen since it was last emptied."""

    def __init__(self) -> None:
        self.blocked: list[str] = []
        self.sent: list[str] = []
        self.loop_errors: list[str] = []

    def take(self) -> list[str]:
        """Empty the log and return it as readable paragraphs."""
        seen = [f"blocked the loop: {text}" for text in self.blocked]
        seen += [f"left this machine: {text}" for text in self.sent]
        seen += [f"asyncio complained: {text}" for text in self.loop_errors]
        for part in (self.blocked, self.sent, self.loop_errors):
            part.clear()
        return list(dict.fromkeys(seen))


log = WatchLog()
_inside = threading.local()


def start() -> None:
    """Begin to watch this process; audit hooks cannot be taken back, so it is done once, by `tests/conftest.py`."""
    sys.addaudithook(_audit)
    _watch_method(threading.Condition, "wait", _has_no_patience)
    _watch_method(threading.Thread, "join", _has_no_patience)
    for name in ("accept", "connect", "recv", "recv_into", "recvfrom", "send", "sendall"):
        _watch_method(socket.socket, name, _does_not_block)
    if sys.version_info < (3, 13):  # there the event does not exist
        time.sleep = _watched(time.sleep, "time.sleep")
    gc.callbacks.append(_note_collection)
    handle_class: Any = asyncio.Handle
    handle_class._run = _timed(handle_class._run)
    loop_class: Any = asyncio.SelectorEventLoop
    loop_class.__init__ = _with_pauses(loop_class.__init__)
    logging.getLogger("asyncio").addHandler(_LoopErrors(logging.ERROR))


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event in _SENDING_EVENTS:
        _check_destination(event, args[0], args[1])
    elif event in _LOOKUP_EVENTS:
        _check_name(args[0])
    if event in _BLOCKING_EVENTS:
        _note_if_on_loop(event, *args[:1])


def _watch_method(owner: type, name: str, harmless: Callable[..., bool]) -> None:
    setattr(owner, name, _watched(getattr(owner, name), f"{owner.__name__}.{name}", harmless))


def _watched(
    function: Callable[..., Any], name: str, harmless: Callable[..., bool] = lambda *args, **kwargs: False
) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if asyncio._get_running_loop() is not None and not harmless(*args, **kwargs):
            _note_if_on_loop(name)
        return function(*args, **kwargs)

    return wrapper


def _timed(run: Callable[[asyncio.Handle], None]) -> Callable[[asyncio.Handle], None]:
    def wrapper(handle: asyncio.Handle) -> None:
        callback = getattr(handle, "_callback", None)  # read first: a cancelled handle forgets it
        start, collecting = time.thread_time(), _collected()
        run(handle)
        # A collection walks through all objects of the process, which are mostly pytest's: whichever thread makes the
        # one object too many pays for it.
        taken = time.thread_time() - start - (_collected() - collecting)
        if taken > LONGEST_CALLBACK and threading.current_thread().name in LOOP_THREADS:
            log.blocked.append(f"{taken:.3f} s of processor time in {callback!r}")

    return wrapper


def _with_pauses(make: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(make)
    def wrapper(loop: Any, *args: Any, **kwargs: Any) -> None:
        make(loop, *args, **kwargs)
        loop._selector.select = _Pauses(loop._selector.select).select

    return wrapper


class _Pauses:
    """Stands around the place where a loop sleeps, and sees when it should have been there, or back, long ago.

    Time alone says nothing: the machine may be busy. A pause counts if one thread had so much processor time in it.
    """

    def __init__(self, select: Callable[..., Any]) -> None:
        self._select = select
        self._used: dict[threading.Thread, float] = {}
        self._sampled = 0.0
        self._wanted = 0.0  # since when the loop has wanted to run

    def select(self, timeout: float | None = None) -> Any:
        if threading.current_thread().name not in LOOP_THREADS:
            return self._select(timeout)
        now = time.monotonic()
        if self._wanted:
            self._check(now)
        if now - self._sampled > _SAMPLE_EVERY:
            self._sampled, self._used = now, dict(_processor_times())
        sleep = _LONGEST_SLEEP if timeout is None else min(timeout, _LONGEST_SLEEP)
        self._wanted = now + sleep
        try:
            return self._select(sleep)
        finally:
            now = time.monotonic()
            self._check(now)
            self._wanted = now

    def _check(self, now: float) -> None:
        pause = now - self._wanted
        if pause < LONGEST_PAUSE:
            return
        # What a thread used between the look at it and the beginning of the pause does not count.
        most = LONGEST_PAUSE + max(0.0, self._wanted - self._sampled)
        for thread, used in _processor_times():
            if (more := used - self._used.get(thread, 0.0)) > most and not thread.name.startswith(_NOT_THE_SDK):
                log.blocked.append(
                    f"a pause of {pause:.3f} s, in which {thread.name} had {more:.3f} s of processor time"
                )
        self._sampled = 0.0


def _processor_times() -> Iterator[tuple[threading.Thread, float]]:
    """What each thread has used so far, without its collections of garbage."""
    if not sys.platform.startswith("linux"):
        yield threading.current_thread(), time.thread_time() - _collected()
        return
    for thread in threading.enumerate():
        if (number := thread.native_id) is not None:  # which it is while a thread starts
            with contextlib.suppress(OSError):  # it has just ended
                # The clock of a thread by its number. `time.pthread_getcpuclockid` crashes for one that has ended.
                yield thread, time.clock_gettime((~number << 3) | 6) - _collections.get(number, 0.0)


_collections: dict[int, float] = {}
"""Seconds of processor time that threads have spent collecting garbage, by their `native_id`."""


def _note_collection(phase: str, info: dict[str, int]) -> None:
    if phase == "start":
        _inside.collection = time.thread_time()
    elif (begun := getattr(_inside, "collection", None)) is not None:
        _collections[threading.get_native_id()] = _collected() + time.thread_time() - begun


def _collected() -> float:
    """Seconds of processor time that this thread has spent collecting garbage."""
    return _collections.get(threading.get_native_id(), 0.0)


def _has_no_patience(waiter: object, timeout: float | None = None) -> bool:
    return timeout is not None and timeout <= 0


def _does_not_block(sock: socket.socket, *args: Any) -> bool:
    return sock.gettimeout() == 0.0


def _note_if_on_loop(what: str, *details: Any) -> None:
    if asyncio._get_running_loop() is None or getattr(_inside, "now", False):
        return
    _inside.now = True
    try:
        if threading.current_thread().name in LOOP_THREADS:
            stack = list(_frames(sys._getframe(2)))
            if not any(_is_tolerated(frame) for frame in stack):
                log.blocked.append(f"{what} {details or ''}\n{_formatted(reversed(stack))}")
    finally:
        _inside.now = False


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_tolerated(frame: FrameType) -> bool:
    code = frame.f_code
    return any(code.co_name == name and code.co_filename.endswith(end) for end, name in _TOLERATED)


def _formatted(frames: Iterable[FrameType]) -> str:
    return "".join(
        f"    {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}\n" for frame in list(frames)[-14:]
    )


def _check_destination(event: str, sock: socket.socket, address: Any) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple) or not address:
        return
    if not _is_here(str(address[0])):
        _refuse(f"{event} {address[:2]!r}")


def _check_name(name: Any) -> None:
    text = name.decode() if isinstance(name, bytes) else name
    if not text or text == "localhost" or text.endswith(".invalid") or text == socket.gethostname():
        return
    if not _is_here(text):
        _refuse(f"look-up of {text!r}")


@functools.cache
def _is_here(host: str) -> bool:
    """Whether a destination is one of this machine's own addresses, which is: whether one can bind to it."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost"
    if address.is_loopback or address.is_unspecified:
        return True
    if address.is_multicast:
        return False
    with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def _refuse(what: str) -> None:
    log.sent.append(f"{what}\n{_formatted(reversed(list(_frames(sys._getframe(2)))))}")
    raise TrafficRefusedError(f"tests do not leave this machine: {what}")


class _LoopErrors(logging.Handler):
    """Collects what asyncio logs as an error: tasks destroyed while pending, exceptions that nobody retrieved."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if not message.startswith(tuple(_TOLERATED_LOG)):
            detail = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
            log.loop_errors.append(f"{message}\n{detail}")


_PROCESS_LONG_THREADS: dict[str, str] = {
    "telnyx-agent-import": "imports aiortc once in the process, which a busy machine takes many seconds for",
}
"""Beginnings of the names of threads that live as long as the process, with the reason why they may."""


def threads_left(before: frozenset[threading.Thread], patience: float) -> list[str]:
    """Threads of the SDK, and others that would keep the process alive, which began after `before` and go on.

    Args:
        before: The threads that were there already.
        patience: For how many seconds, in all, to wait for them to end.
    """
    deadline = time.monotonic() + patience
    left = []
    for thread in _suspects(before):
        # It may have been seen while it was being started: it cannot be joined before it runs.
        begun: threading.Event = vars(thread)["_started"]
        if begun.wait(max(0.0, deadline - time.monotonic())):
            thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            frame = sys._current_frames().get(thread.ident or 0)
            left.append(f"{thread!r}\n{_formatted(reversed(list(_frames(frame))))}")
    return left


def _suspects(before: frozenset[threading.Thread]) -> list[threading.Thread]:
    return [
        thread
        for thread in threading.enumerate()
        if thread not in before
        and thread is not threading.current_thread()
        and (thread.name.startswith("telnyx-agent") or not thread.daemon)
        and not thread.name.startswith(tuple(_PROCESS_LONG_THREADS))
    ]
