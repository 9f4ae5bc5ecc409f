"""The WebSocket to the server: a reader and a writer thread over `websocket.WebSocket`, and nothing of the protocol.

The reader resolves, connects, negotiates TLS, upgrades, starts the writer, receives, and says at the very end, once and
after everything else, that the connection is closed. The writer sends what is queued, pings, and the close frame last.

All of it goes over a `Wire` in place of a socket, so that no wait of either thread outlasts `close()`. websocket-client
makes the frames that are sent. Its `WebSocket` is not used: `connect` waits for the whole body of a refusal, and keeps
cookies for all connections of the process; `recv` would buffer a message of any size, check UTF-8 byte by byte in
Python, and put the payload into exceptions; `close` would answer a close frame past the writer.
"""

from __future__ import annotations

import functools
import math
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs
import websocket

from .._runtime.threads import NoThreadError, SdkThread
from ..errors import ClientConfigurationError, NetworkError, RemoteProtocolError, SocketConnectionError, TxError
from .backpressure import TOGETHER, Backpressure, Inflow
from .dial import dial
from .explanations import explain
from .frames import BadFrameError, ControlFrame, FrameDecoder, TooLong
from .send_queue import Opcode, Outbox
from .socket import Wire
from .tls import check_tls_options
from .upgrade import upgrade

__all__ = ["MOST_TO_SEND", "Closed", "Received", "SignalingConnection"]

Received = str | bytes | TooLong
"""A message of the server's: a text, a binary one, or one that was too long and has been skipped."""

_CLOSE_LIMIT = 1.0
"""Seconds for what is queued, the close frame and the server's answer to it, after `close()`."""

_REFUSE_LIMIT = 1.0
"""Seconds for the last frames when it was the server that ended the connection."""

MOST_TO_SEND = 32 * 2**20
"""Bytes that may wait to be sent: eight messages of the longest kind. A server that takes nothing for so long is not
there any more, or makes us answer what it does not read."""

_CHUNK = 65536
"""Bytes that are received at once."""

_NO_STATUS = 1005
_ABNORMAL = 1006


@attrs.frozen
class Closed:
    """How a connection ended."""

    code: int | None
    """The server's close code; 1005 when its close frame had none, 1006 when there was no close frame, None when the
    connection was never open; 1002, 1007 or 1009 when a frame of the server was refused."""

    reason: str
    """The server's words, or what was wrong with its frame."""

    error: TxError | None
    """None when it was orderly: we asked for it, or the server closed with 1000 or 1001. `RemoteProtocolError` when a
    frame was refused, `ServerError` when the upgrade was answered with another HTTP status, else `NetworkError`."""


class SignalingConnection:
    """One WebSocket connection, from `start` to `on_closed`. It is not used again after that.

    Handlers are called through `post(handler, *args)`, in the order of what happened; `on_closed` is called exactly
    once, as the last one, whatever happens.

    Args:
        url: `wss://` or `ws://`. Nothing of it but host and port gets into messages.
        post: How handlers are called; `LoopThread.post`. A `RuntimeError` of it ends the connection silently.
        on_open: The connection is open.
        on_text: A message arrived. Where handling it takes long, it returns an iterator whose steps do that in parts.
        on_closed: The connection is gone, or could not be opened.
        connect_timeout: Seconds for look-up, connect, TLS and upgrade together.
        max_frame: Bytes of the longest message that is accepted, be it in one frame or in many. A longer one is
        skipped.
        sslopt: `context` (an `ssl.SSLContext` that verifies), or `ca_certs` and `ca_cert_path`; `server_hostname`;
            `check_certificate`, called on the reader's thread.
        proxy: URL of a proxy; `""` for none; None for what the environment says (see `choose_proxy`).
        ping_interval: Seconds between pings. They keep routers' tables fresh; whether the server lives is for others to
            judge.
        pressure: Counts what waits for the loop and for the program; above its limit nothing is received.

    Raises:
        ClientConfigurationError: The URL or `sslopt` is unusable, or would turn TLS verification off.
    """

    def __init__(
        self,
        url: str,
        *,
        post: Callable[..., None],
        on_open: Callable[[], None],
        on_text: Callable[[Received], Iterator[object] | None],
        on_closed: Callable[[Closed], None],
        connect_timeout: float = 5.0,
        max_frame: int = 5 * 2**20,
        sslopt: Mapping[str, Any] | None = None,
        proxy: str | None = None,
        ping_interval: float = 15.0,
        pressure: Backpressure | None = None,
    ) -> None:
        self._url = url
        self._is_secure, self._host, self._port = _split(url)
        self._sslopt = sslopt or {}
        check_tls_options(self._sslopt)
        self._proxy = proxy
        self._post = post
        self._on_open = on_open
        self._on_closed = on_closed
        self._connect_timeout = connect_timeout
        self._pid = os.getpid()
        self._wire: Wire | None = None
        self._reader = SdkThread(self._read, "telnyx-agent-reader")
        self._outbox = Outbox(ping_interval, MOST_TO_SEND)
        self._decoder = FrameDecoder(max_frame)
        self._pressure = Backpressure() if pressure is None else pressure
        self._inflow: Inflow[Received] = Inflow(post, on_text, self._pressure)
        # Guards all below: whether a close comes before or after the opening. Never held while anything is waited for.
        # Re-entrant, because a signal handler may close while its own thread is in here.
        self._state = threading.RLock()
        self._close_asked = False
        self._is_open = False
        self._failure: Exception | None = None

    # -- any thread ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect. Returns at once; to be called once."""
        try:
            self._reader.start()
        except NoThreadError as exc:
            # Report it like any other failure, to those who wait for the connection.
            error = SocketConnectionError(f"the connection could not be started: {exc}")
            error.__cause__ = exc
            self._post(self._on_closed, Closed(None, "", error))

    def send(self, text: str) -> None:
        """Queue a text. Returns at once; after `close` or the end of the connection it does nothing."""
        # A lone surrogate has no UTF-8; one odd character must not cost the session.
        data = text.encode("utf-8", "replace")
        if self._pid != os.getpid():
            return
        if not self._outbox.put(data):
            self._fail(
                NetworkError("the network connection was given up: the server takes nothing any more"), -math.inf
            )

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection. Returns at once; `on_closed` comes within two seconds, whatever the server does.

        What was sent before goes out first, also when the connection is not open yet: then it has these two seconds to
        open.

        Args:
            code: For the close frame.
            reason: For the close frame; cut off at 123 bytes.
        """
        if self._pid != os.getpid():  # it is the parent's: the child must not end what it has only inherited
            return
        with self._state:
            if self._outbox.close(_close_frame(code, reason)):
                self._close_asked = True
                self._limit_close()
        # Also where the server has closed before: what it said until then may still wait.
        self._inflow.stop(drop=True)

    @property
    def is_held_back(self) -> bool:
        """Whether nothing is received now because too much waits for the loop or for the program."""
        return self._is_open and self._pressure.is_full

    def join(self, timeout: float) -> bool:
        """Wait until both threads have ended; False if they have not after `timeout` seconds."""
        if self._reader.ident is not None:
            self._reader.join(timeout)
        return not self._reader.is_alive()

    # -- the reader ----------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        writer = SdkThread(self._write, "telnyx-agent-writer")
        try:
            closed = self._converse(writer)
        except BaseException as exc:  # noqa: BLE001 - whatever it is, it ends the connection, and is reported
            closed = self._lost(exc)
            self._outbox.end()
            if self._wire is not None:
                self._wire.abort()
        if writer.ident is not None:
            writer.join()
        self._outbox.end()
        if self._wire is not None:
            self._wire.release()
        try:
            self._inflow.finish(functools.partial(self._on_closed, closed))
        except RuntimeError:  # the loop has ended: nobody is there to hear of it
            return

    def _converse(self, writer: SdkThread) -> Closed:
        wire = self._new_wire()
        self._connect(wire)
        writer.start()
        self._open()
        try:
            return self._receive(wire)
        except BadFrameError as bad:
            return self._refuse(wire, bad)

    def _new_wire(self) -> Wire:
        wire = Wire()
        with self._state:
            self._wire = wire
            if self._close_asked:
                self._limit_close()
        return wire

    def _limit_close(self) -> None:
        if self._wire is not None:
            can_wait = self._is_open or self._outbox.has_texts
            self._wire.limit(time.monotonic() + _CLOSE_LIMIT if can_wait else -math.inf)

    def _connect(self, wire: Wire) -> None:
        wire.begin_phase(self._connect_timeout)
        dial(
            wire,
            self._host,
            self._port,
            secure=self._is_secure,
            tls=self._sslopt,
            proxy=self._proxy,
            timeout=self._connect_timeout,
            options=websocket.DEFAULT_SOCKET_OPTION,
        )
        upgrade(wire, self._url, self._host, self._port, secure=self._is_secure)
        wire.begin_phase(None)

    def _open(self) -> None:
        with self._state:
            self._is_open = True
            if self._close_asked:
                return
        self._post(self._on_open)

    def _receive(self, wire: Wire) -> Closed:
        """Receive until the server closes."""
        while data := wire.recv(_CHUNK):
            messages: list[Received] = []
            try:
                for item in self._decoder.feed(data):
                    if not isinstance(item, ControlFrame):
                        messages.append(item)
                        if len(messages) == TOGETHER:
                            self._inflow.deliver(messages)
                            messages = []
                    elif item.opcode == Opcode.PING:
                        self._outbox.answer_ping(item.payload)
                    elif item.opcode == Opcode.CLOSE:
                        return self._closed_by_server(item.payload)
            finally:
                if messages:
                    self._inflow.deliver(messages)
        raise websocket.WebSocketConnectionClosedException("end of stream")

    # -- the end, still on the reader ----------------------------------------------------------------------------------

    def _closed_by_server(self, data: bytes) -> Closed:
        code = struct.unpack("!H", data[:2])[0] if data else _NO_STATUS
        reason = data[2:].decode("utf-8", "replace")
        self._answer_close(data[:2])
        if self._close_asked or code in (1000, 1001):
            return Closed(code, reason, None)
        words = f": {reason}" if reason.isprintable() and reason else ""
        return Closed(code, reason, NetworkError(f"the server closed the network connection with code {code}{words}"))

    def _refuse(self, wire: Wire, bad: BadFrameError) -> Closed:
        """Say why to the server, and read on without looking: a close with unread data would take our frame back."""
        self._answer_close(struct.pack("!H", bad.code))
        try:
            while wire.recv(_CHUNK):
                pass
        except OSError:  # the time was up, or the server has cut the connection; both is what was waited for
            pass
        error = RemoteProtocolError(f"the server sent {bad.text}; the connection was closed with code {bad.code}")
        error.__cause__ = bad.__cause__
        return Closed(bad.code, bad.text, None if self._close_asked else error)

    def _answer_close(self, frame: bytes) -> None:
        if self._outbox.close(frame, drop_texts=True) and self._wire is not None:
            self._wire.limit(time.monotonic() + _REFUSE_LIMIT)

    def _lost(self, exc: BaseException) -> Closed:
        code = _ABNORMAL if self._is_open else None
        if self._close_asked:
            return Closed(code, "", None)
        # What the writer saw came first: it has only given the reader the time to find the server's last words.
        exc = self._failure or exc
        try:
            error = explain(exc, self._host, self._port, None if self._is_open else self._connect_timeout)
        except Exception as wrong:  # noqa: BLE001 - the end of this connection must be reported in any case
            error = SocketConnectionError(
                f"an unexpected {type(exc).__name__} ended the connection, and telling why failed with "
                f"{type(wrong).__name__}; please report it"
            )
        return Closed(code, "", error)

    # -- the writer ----------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        assert self._wire is not None
        try:
            while (item := self._outbox.take()) is not None:
                opcode, payload = item
                self._wire.send(websocket.ABNF.create_frame(payload, opcode).format())
                if opcode is Opcode.CLOSE:
                    return
        except Exception as exc:  # noqa: BLE001 - reported by the reader, unless the server has said why itself
            self._fail(exc, time.monotonic() + _REFUSE_LIMIT)

    def _fail(self, exc: Exception, end: float) -> None:
        """What cannot be sent ends the connection, but the reader gets until `end` to find the server's last words."""
        with self._state:
            self._failure = self._failure or exc
            if self._wire is not None:
                self._wire.limit(end)
        self._inflow.stop(drop=False)


def _split(url: str) -> tuple[bool, str, int]:
    """Whether it is TLS, host, port."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("wss", "ws"):
        # Without the URL itself: it may hold credentials.
        raise ClientConfigurationError("that is not a WebSocket URL; expected 'wss://host[:port][/path]'")
    is_secure = parts.scheme == "wss"
    return is_secure, host, (443 if is_secure else 80) if port is None else port


def _close_frame(code: int, reason: str) -> bytes:
    cut = reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")
    return struct.pack("!H", code) + cut.encode()
