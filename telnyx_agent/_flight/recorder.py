"""`FlightRecorder`: takes down what happens, on any thread, and writes it on a thread of its own.

Whoever has something to record puts it into a queue and goes on. The thread makes JSON of it and hands whole lines to
the system at once, so that a process that dies leaves all but the last few milliseconds. The queue is bounded: where
the disk is slower than the client, lines are left out, and a line tells how many.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import platform
import stat
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

import attrs

from .._arguments import checked_path
from .._protocol.wire.jsonrpc import decode_frames
from .._runtime.threads import NoThreadError, SdkThread, check_may_wait
from .._version import __version__
from ..errors import ClientConfigurationError, RemoteProtocolError, TxError
from . import SCHEMA
from .encoding import Encoder
from .masking import masked_frame, shown_id

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FlightRecorder"]

_log = logging.getLogger("telnyx_agent.flight")

STATS_PERIOD = 1.0
"""Seconds between two looks at the calls' media."""
IDLE = 0.2
"""Seconds without anything to write after which the thread ends, where there is no connection."""
MOST_WAITING = 20_000
MOST_CHARACTERS = 32 * 2**20
"""Of frames that wait to be written; one may have 5 MB."""

_Make = Callable[[], Mapping[str, Any]]


@attrs.frozen
class _Entry:
    """Something that happened, not yet JSON."""

    time: float
    make: _Make = attrs.field(repr=False)
    size: int


class FlightRecorder:
    """Writes one recording. All methods may be called from any thread, unless they say otherwise.

    Args:
        path: The file, which is replaced.
        include_content: Whether what was said and typed is written.
        parameters: The names of the arguments of a callback.
        look_at_media: Called once a second on the recorder's thread; has to see to it that `media` is called for each
            call. Returns whether there is a connection.
        on_error: Called once, on the recorder's thread, when the recording stops before it is closed.

    Raises:
        ClientConfigurationError: The file cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        include_content: bool,
        parameters: Callable[[str], Sequence[str]],
        look_at_media: Callable[[], bool],
        on_error: Callable[[TxError], object],
    ) -> None:
        self.path = checked_path("path", path)
        self._file = _File(self.path)
        self._parameters = functools.cache(parameters)
        self._look_at_media = look_at_media
        self._on_error = on_error
        self._with_texts = include_content
        self._encoder = Encoder(with_texts=include_content)
        self._process = os.getpid()
        # Guards the queue and who serves it; what the thread sleeps on. Re-entrant, because a finaliser may log out
        # while its own thread is in here.
        self._state = threading.Condition(threading.RLock())
        self._queue: deque[_Entry] = deque()
        self._characters = 0
        self._left_out = 0
        self._left_out_ever = 0
        self._callbacks = 0
        self._thread: threading.Thread | None = None
        self._closing = False
        self._ended = False
        self._error: TxError | None = None
        self._start = time.monotonic()
        self._next_look = self._start
        try:
            self._file.write([_line(0.0, _header(include_content))])
        except OSError as exc:
            self._file.close()
            raise _cannot_write(self.path, exc) from exc

    # -- what is recorded ----------------------------------------------------------------------------------------------

    def frame(self, direction: Literal["<", ">"], text: str | bytes) -> None:
        """A frame on the wire: `"<"` received, `">"` sent."""
        self._put(functools.partial(self._frame, direction, text), len(text))

    def state(self, what: str, state: str, **more: str | None) -> None:
        """A state changed. `more` are ids."""
        self._put(
            lambda: {
                "type": "state",
                "what": what,
                "state": state,
                **{name: shown_id(text) for name, text in more.items() if text is not None},
            }
        )

    def callback(self, name: str, values: tuple[Any, ...]) -> int:
        """A callback is queued; its number, for `run`."""
        # What a callback may change under our hands is copied while nobody else has it.
        values = tuple(_copied(value) if isinstance(value, dict) else value for value in values)
        with self._state:
            self._callbacks += 1
            number = self._callbacks
            self._put(functools.partial(self._callback, number, name, values))
        return number

    def run(self, number: int, callback: Callable[[], object]) -> object:
        """Run a callback, and take down when it began, how long it took and what it raised; what it returns."""
        began = time.monotonic()
        raised: str | None = None
        try:
            return callback()
        except BaseException as exc:
            raised = type(exc).__name__
            raise
        finally:
            took = round((time.monotonic() - began) * 1000, 3)
            members = {"type": "called", "number": number, "began": self._ms(began), "took": took}
            self._put(lambda: members if raised is None else {**members, "raised": raised})

    def media(self, call_id: str, stats: Any) -> None:
        """The statistics of a call's media."""
        self._put(lambda: {"type": "media", "call_id": call_id, "stats": self._encoder.value(stats)})

    # -- its end -------------------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether nothing is taken down any more, because it was closed or because of an error."""
        return self._closing or self._ended

    @property
    def error(self) -> TxError | None:
        """Why it stopped before it was closed; None if it did not."""
        return self._error

    @property
    def left_out(self) -> int:
        """How many lines are not in the file because the disk was too slow."""
        return self._left_out_ever

    def close(self, timeout: float = 5.0) -> bool:
        """Write what is left, a last line, and close the file. Blocks for the disk; may be called again.

        Returns:
            Whether all that is done, after `timeout` seconds at most.
        """
        if os.getpid() != self._process:
            # A child that was forked: the file is its parent's, and the thread has stayed there, too.
            return True
        with self._state:
            if self._ended:
                return True
            self._closing = True
            self._serve_soon()
            self._state.notify_all()
            thread = self._thread
            if thread is None:
                # Since 3.12 no thread can be started while the interpreter ends: then it is done here.
                self._thread = threading.current_thread()
        if thread is None:
            self._serve()
        elif thread is not threading.current_thread():
            check_may_wait("to close a recording")
            thread.join(timeout)
        return self._ended

    # -- inside: any thread --------------------------------------------------------------------------------------------

    def _put(self, make: _Make, size: int = 0) -> None:
        entry = _Entry(time.monotonic(), make, size)
        with self._state:
            if self.closed:
                return
            if len(self._queue) >= MOST_WAITING or self._characters + size > MOST_CHARACTERS:
                self._left_out += 1
                self._left_out_ever += 1
                return
            self._queue.append(entry)
            self._characters += size
            self._serve_soon()
            self._state.notify_all()

    def _serve_soon(self) -> None:
        """Have a thread serve the queue. Under the lock."""
        if self._thread is not None or self._ended:
            return
        thread = SdkThread(self._serve, "telnyx-agent-flight-recorder")
        try:
            thread.start()
        except NoThreadError as exc:
            # Or the interpreter is on its way out; the next line tries again.
            _log.warning("the recording waits: %s", exc)
        else:
            self._thread = thread

    def _ms(self, moment: float) -> float:
        return round((moment - self._start) * 1000, 3)

    # -- inside: the recorder's thread ---------------------------------------------------------------------------------

    def _serve(self) -> None:
        connected = True
        while True:
            with self._state:
                if not self._queue and not self._closing:
                    wait = self._next_look - time.monotonic() if connected else IDLE
                    self._state.wait(max(0.0, wait))
                if not self._queue and not self._closing and not connected:
                    # In the same moment in which the queue is seen empty: whoever comes next starts a new thread.
                    self._thread = None
                    return
                entries, left_out = tuple(self._queue), self._left_out
                self._queue.clear()
                self._characters = self._left_out = 0
                is_last = self._closing
            self._write(entries, left_out, is_last=is_last)
            if self._ended:
                return
            if time.monotonic() >= self._next_look:
                self._next_look = time.monotonic() + STATS_PERIOD
                connected = self._look_at_media()
            elif entries:
                connected = True
            del entries

    def _write(self, entries: Sequence[_Entry], left_out: int, *, is_last: bool) -> None:
        try:
            self._file.write(self._lines(entries, left_out, is_last=is_last))
        except OSError as exc:
            self._fail(exc)
        else:
            if is_last:
                self._file.close()
                self._ended = True

    def _lines(self, entries: Sequence[_Entry], left_out: int, *, is_last: bool) -> Iterator[bytes]:
        for entry in entries:
            ms = self._ms(entry.time)
            try:
                line = _line(ms, entry.make())
            except Exception as exc:  # noqa: BLE001 - a user's object in a callback may raise anything
                _log.warning("something could not be recorded: %s", type(exc).__name__)
                line = _line(ms, {"type": "unrecordable", "error": type(exc).__name__})
                self._encoder.forget()
            yield line
        now = self._ms(time.monotonic())
        if left_out:
            yield _line(now, {"type": "left_out", "lines": left_out})
        if is_last:
            yield _line(now, {"type": "end", "left_out": self._left_out_ever})

    def _fail(self, exc: OSError) -> None:
        self._error = TxError(
            f"the session is not recorded any more: {exc.strerror or exc}; make room on the disk and record again, "
            "what was written until then can be replayed"
        )
        self._error.__cause__ = exc
        with self._state:
            self._ended = True
            self._queue.clear()
            self._thread = None
        self._file.close()
        _log.warning("%s", self._error)
        self._on_error(self._error)

    def _frame(self, direction: str, text: str | bytes) -> dict[str, Any]:
        try:
            frames = decode_frames(text)
        except RemoteProtocolError as error:
            return {"type": "frame", "dir": direction, "size": len(text), "unreadable": error.message}
        shown = [masked_frame(frame, with_texts=self._with_texts) for frame in frames]
        return {"type": "frame", "dir": direction, "size": len(text), "frame": shown[0] if len(shown) == 1 else shown}

    def _callback(self, number: int, name: str, values: tuple[Any, ...]) -> dict[str, Any]:
        arguments = self._encoder.arguments(self._parameters(name), values)
        return {"type": "callback", "number": number, "name": name, "args": arguments}


class _File:
    """Lines on the disk: each write is a system call, so that nothing is lost with the process."""

    def __init__(self, path: str) -> None:
        try:
            if os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode):
                # To open it would wait for a reader, and with it whoever called.
                raise OSError("it is a named pipe")
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(path, flags, 0o600)
        except (OSError, ValueError) as exc:  # ValueError: a null character in the name
            raise _cannot_write(path, exc) from exc
        self._close = weakref.finalize(self, os.close, self._descriptor)
        # At exit there is more to write first; see `_exit`.
        self._close.atexit = False
        self._size = 0

    def write(self, lines: Sequence[bytes] | Iterator[bytes]) -> None:
        """Append lines.

        Raises:
            OSError: There was no room. The file ends with a whole line.
        """
        data = b"".join(lines)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            written = data[: len(data) - len(rest)]
            self._cut(self._size + written.rfind(b"\n") + 1)
            raise
        self._size += len(data)

    def close(self) -> None:
        """Close. Idempotent."""
        self._close()

    def _cut(self, size: int) -> None:
        try:
            os.ftruncate(self._descriptor, size)
        except OSError:  # a device: it has no end, and its reader copes with half a line
            return


def _cannot_write(path: str, exc: Exception) -> ClientConfigurationError:
    why = getattr(exc, "strerror", None) or exc
    return ClientConfigurationError(f"cannot record the session to {path}: {why}; choose another file")


def _line(ms: float, members: Mapping[str, Any]) -> bytes:
    return json.dumps({"t": ms, **members}, separators=(",", ":")).encode("ascii") + b"\n"


def _header(include_content: bool) -> dict[str, Any]:
    """What it was recorded with. Not on which machine, and not by whom."""
    return {
        "type": "header",
        "format": "telnyx-agent session",
        "schema": SCHEMA,
        "sdk": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{sys.platform} {platform.machine()}",
        "started": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "content": include_content,
    }


def _copied(value: Any) -> Any:
    """JSON, of which the callback may change what it was given."""
    if isinstance(value, dict):
        return {name: _copied(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_copied(member) for member in value]
    return value
