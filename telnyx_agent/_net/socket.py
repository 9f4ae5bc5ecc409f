"""`Wire`: a TCP or TLS connection for two threads, every wait of which can be cut short from a third.

Closing a socket under a thread that blocks in it works differently on each platform, and with TLS it does not work. So
the socket is non-blocking, and threads wait for it together with a second socket that `limit` makes readable. It also
keeps `SSL_read` and `SSL_write` apart: OpenSSL forbids to run them at the same time on one connection, and the lock
that Python 3.13.6 has for that made a `send` wait until the other thread's `recv` had received something (gh-137583).
"""

from __future__ import annotations

import contextlib
import errno
import functools
import math
import os
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from .._runtime.threads import NoThreadError, SdkThread
from ..errors import ClientConfigurationError

__all__ = ["Wire"]

R = TypeVar("R")

_Selector: type[selectors.BaseSelector]
if hasattr(selectors, "PollSelector"):  # costs no descriptor, unlike epoll, and has no limit of 1024, unlike select
    _Selector = selectors.PollSelector
else:
    _Selector = selectors.SelectSelector

_CHUNK = 65536

# `poll` counts milliseconds in 32 bits; who waits for longer waits again.
_LONGEST_WAIT = 3600.0

# After how long the next address is tried beside the one that has not answered yet (RFC 8305, section 5).
_NEXT_ADDRESS_AFTER = 0.25

_Address = tuple[int, int, int, str, Any]


class Wire:
    """One connection, from the look-up of the address to the end.

    One thread connects and receives, another may send, and any may call `limit` and `abort`.
    """

    def __init__(self) -> None:
        self._sock: socket.socket | None = None
        self._alarm, self._alarm_trigger = socket.socketpair()
        self._alarm_trigger.setblocking(False)
        self._is_limited = False
        self._end = math.inf
        self._phase_end = math.inf
        self._received = memoryview(b"")
        self._is_released = False
        # OpenSSL's rule, see above; and no descriptor may be closed while another thread is about to use its number.
        # Never held while waiting. Re-entrant, because a signal handler may close the connection while its own thread
        # is in `limit`.
        self._exclusive = threading.RLock()

    # -- any thread ----------------------------------------------------------------------------------------------------

    def limit(self, end: float) -> None:
        """Let every wait, also those under way, end in a `TimeoutError` at `end` (`time.monotonic`). Never extends."""
        self._end = min(self._end, end)
        self._is_limited = True
        with self._exclusive, contextlib.suppress(BlockingIOError):  # full of alarms that nobody has to read
            if not self._is_released:
                self._alarm_trigger.send(b"\0")

    def abort(self) -> None:
        """End every wait now."""
        self.limit(-math.inf)
        with self._exclusive, contextlib.suppress(OSError):  # not connected any more
            if self._sock is not None and not self._is_released:
                # A thread that has had an alarm already does not wait for another. `SSLSocket.shutdown` would drop the
                # TLS state, and the other thread would take the rest of the ciphertext for text.
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    # -- the connecting and receiving thread ---------------------------------------------------------------------------

    def begin_phase(self, timeout: float | None) -> None:
        """From now on all waits together may take `timeout` seconds, beside what `limit` says."""
        self._phase_end = math.inf if timeout is None else time.monotonic() + timeout

    def connect(self, host: str, port: int, options: Iterable[tuple[int, int, int]]) -> None:
        """Connect to the address of `host` that answers first; a dead one costs a quarter of a second, not the rest.

        Raises:
            OSError: Of the address that was tried last; `socket.gaierror` if there is none.
            ValueError: `host` cannot be a host name.
        """
        waiting = deque(self._resolve(host, port))
        begun: list[socket.socket] = []
        error = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        try:
            while waiting or begun:
                try:
                    if waiting:
                        begun.append(_begin_connect(waiting.popleft(), options))
                except OSError as exc:
                    error = exc
                for sock in self._wait(begun, selectors.EVENT_WRITE, _NEXT_ADDRESS_AFTER if waiting else math.inf):
                    begun.remove(sock)
                    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if code == 0:
                        self._sock = sock
                        return
                    sock.close()
                    error = OSError(code, os.strerror(code))
        finally:
            for sock in begun:
                sock.close()
        raise error

    def start_tls(self, context: ssl.SSLContext, server_hostname: str) -> None:
        """Negotiate TLS on the connection.

        Raises:
            OSError: `ssl.SSLError` and others.
            ClientConfigurationError: Nothing was verified.
        """
        assert self._sock is not None
        tls = context.wrap_socket(self._sock, server_hostname=server_hostname, do_handshake_on_connect=False)
        self._sock = tls
        self._retry(tls.do_handshake, selectors.EVENT_READ)
        # The context is the caller's, who may have changed it at any moment. This is empty if nothing was verified.
        if not tls.getpeercert() or tls.version() not in ("TLSv1.2", "TLSv1.3"):
            raise ClientConfigurationError("the SSLContext was changed meanwhile, and does not verify any more")

    def look_up(self, host: str) -> str:
        """The first address of a host.

        Raises:
            OSError: `socket.gaierror` if there is none.
        """
        return str(self._resolve(host, 0)[0][4][0])

    def peer_certificate(self) -> bytes:
        """The server's certificate (DER), after `start_tls`."""
        assert isinstance(self._sock, ssl.SSLSocket)
        return self._sock.getpeercert(binary_form=True) or b""

    def aside(self, call: Callable[[], R], name: str, *, runs_program: bool = False) -> R:
        """What a blocking call returns. It runs on a thread of its own, so that this wait ends as every other does.

        Args:
            call: It is left to itself when the time is up.
            name: Of the thread.
            runs_program: Whether it is the program's code.

        Raises:
            NoThreadError: There are no more threads.
            BaseException: What `call` raises.
        """
        outcome: Future[R] = Future()
        done, signal = socket.socketpair()

        def run() -> None:
            with signal:  # which closes it, which wakes the waiting thread
                try:
                    outcome.set_result(call())
                except BaseException as exc:  # noqa: BLE001 - raised again below, on the thread that waits
                    outcome.set_exception(exc)

        with done:
            try:
                SdkThread(run, name, runs_program=runs_program).start()
            except NoThreadError:
                signal.close()
                raise
            while not outcome.done():
                self._wait((done,), selectors.EVENT_READ)
        return outcome.result()

    def recv(self, size: int) -> bytes:
        """Receive between one and `size` bytes; none at the end of the stream."""
        assert self._sock is not None
        if not self._received:
            self._received = memoryview(self._retry(functools.partial(self._sock.recv, _CHUNK), selectors.EVENT_READ))
        data, self._received = self._received[:size], self._received[size:]
        return bytes(data)

    def release(self) -> None:
        """Close everything. No other thread may be sending any more."""
        with self._exclusive:
            self._is_released = True
            for sock in (self._sock, self._alarm, self._alarm_trigger):
                if sock is not None:
                    sock.close()

    # -- the sending thread --------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> int:
        """Send all of `data`, however long that takes."""
        assert self._sock is not None
        rest = memoryview(data)
        while rest:
            sent = self._retry(functools.partial(self._sock.send, rest[:_CHUNK]), selectors.EVENT_WRITE)
            rest = rest[sent:]
        return len(data)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _resolve(self, host: str, port: int) -> Sequence[_Address]:
        with contextlib.suppress(socket.gaierror):  # no literal address: ask the resolver
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return self.aside(
            functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM), "telnyx-agent-resolver"
        )

    def _retry(self, operation: Callable[[], R], event: int) -> R:
        """Do it as soon as the socket is ready for it."""
        assert self._sock is not None
        while True:
            # Also when there is no need to wait: a peer that never stops sending must not keep this thread for ever.
            self._time_left()
            try:
                with self._exclusive:
                    return operation()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as want:
                needed = selectors.EVENT_READ if isinstance(want, ssl.SSLWantReadError) else selectors.EVENT_WRITE
            except BlockingIOError:
                needed = event
            self._wait((self._sock,), needed)

    def _wait(self, socks: Sequence[socket.socket], event: int, timeout: float = math.inf) -> list[socket.socket]:
        """Wait until one of `socks` is ready or `timeout` is over; returns those that are. May return early with none.

        Raises:
            TimeoutError: The phase's time is up, or `limit` was reached.
        """
        if not socks:
            return []
        with _Selector() as selector:
            for sock in socks:
                selector.register(sock, event)
            if not self._is_limited:
                selector.register(self._alarm, selectors.EVENT_READ)
            timeout = min(timeout, self._time_left())
            ready = selector.select(min(timeout, _LONGEST_WAIT))
        self._time_left()
        return [sock for sock in socks if any(key.fileobj is sock for key, _ in ready)]

    def _time_left(self) -> float:
        left = min(self._end, self._phase_end) - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


def _begin_connect(address: _Address, options: Iterable[tuple[int, int, int]]) -> socket.socket:
    family, kind, protocol, _, target = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        for option in options:
            sock.setsockopt(*option)
        code = sock.connect_ex(target)
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock
