"""Log records of the SDK's own threads go through one bounded queue to one thread, `telnyx-agent-log`.

A log handler is the program's code: it may block on a pipe that nobody reads, take a lock that the program holds, log
itself, or raise. stderr may block as well. On the loop, this would stop every call of the process. So handlers never
run on an internal thread (`threads.is_internal`), also not for records of aiortc, aioice and asyncio, or of a finaliser
of the program that the garbage collector runs there. Rules of this file:

1. On an internal thread a logger only asks its level, without the lock of `logging`, and makes the record. Filters,
   handlers, `logging.lastResort`, a record factory and a logger class of the program's see it on the log thread. Time,
   thread and caller of the record are those of where it was made; its text is made there too, since arguments may
   change.
2. So are warnings of Python's (`warnings.warn`) and exceptions that nobody can catch (`sys.unraisablehook`).
3. The SDK itself writes to stderr on the log thread only (`print_to_stderr`).
4. Beyond `MOST_WAITING` or `MOST_BYTES`, records are dropped. When there is room again, a record says how many.
5. On all other threads, `logging` is as ever.

`logging.Logger` has four methods replaced for that, once, when the first thread of the SDK is started, as error
trackers do it: there is no other place that all loggers of a process pass. What classes of the program's override
(`logging.setLoggerClass`) stands behind an `_Override`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import math
import os
import select
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any, TextIO

import attrs

from .threads import NoThreadError, SdkThread, is_internal
from .watch import Deadline

__all__ = ["MOST_BYTES", "MOST_WAITING", "flush", "hold", "install", "print_to_stderr", "release"]

MOST_WAITING = 4096
"""Records and lines. An eager program logs a hundred a second; that is more than half a minute of a handler's pause."""

MOST_BYTES = 4 * 2**20
"""Bytes of their texts, with `_WEIGHT` for each. One text more may be waiting, as long as a message may be."""

_WEIGHT = 1024
"""Bytes that a record takes beside its text."""

_MOST_EXCEPTIONS = 64
"""Records that keep their exception, with all that its frames hold. Beyond that its text is kept."""

_EXIT_PATIENCE, _EXIT_LIMIT = 0.5, 5.0
"""Seconds that the end of the interpreter waits: for one record or line to come out, and for all of them."""

_PIECE = 512
"""Bytes that are written to stderr at once, since a pipe that is ready takes so many without blocking (POSIX)."""

_LOOK = 0.05
"""Seconds between two looks whether stderr takes something, so that the end of the process is noticed."""

_logger = logging.getLogger("telnyx_agent")
_make_record = logging.Logger.makeRecord
_handle = logging.Logger.handle
_is_enabled = logging.Logger.isEnabledFor
_init = logging.Logger.__init__


@attrs.define(eq=False)
class _Job:
    do: Callable[[], object]
    size: int
    has_exception: bool = False


class _Queue:
    """The queue and its thread."""

    def __init__(self) -> None:
        # Guards all below, never held while anything of the program's runs; what the thread sleeps on. Re-entrant,
        # because a finaliser may log while its own thread is in here.
        self.state = threading.Condition(threading.RLock())
        self.jobs: deque[_Job] = deque()
        self.bytes = 0
        self.exceptions = 0
        self.left_out = 0
        self.is_busy = False
        self.done = 0
        self.holders = 0
        self.thread: threading.Thread | None = None

    def put(self, job: _Job) -> None:
        """Any thread; never blocks."""
        with self.state:
            is_full = len(self.jobs) >= MOST_WAITING or (self.jobs and self.bytes + job.size > MOST_BYTES)
            if is_full:
                self.left_out += 1
            else:
                self.jobs.append(job)
                self.bytes += job.size
                self.exceptions += job.has_exception
            self._serve_soon()
            self.state.notify_all()

    def flush(self, timeout: float, patience: float) -> bool:
        end, step, done = Deadline(timeout), Deadline(patience), self.done
        with self.state:
            self._serve_soon()
            while self.jobs or self.is_busy or self.left_out:
                if done != self.done:
                    step, done = Deadline(patience), self.done
                if end.is_over or step.is_over or self.thread is None:
                    return False
                self.state.wait(min(end.next_wait, step.next_wait))
        return True

    def _serve_soon(self) -> None:
        """Under the lock."""
        if self.thread is None and (self.jobs or self.left_out):
            thread = SdkThread(self._serve, "telnyx-agent-log")
            try:
                thread.start()
            except NoThreadError:
                return  # the next one tries again; until then, they wait
            self.thread = thread

    def _serve(self) -> None:
        _inside.is_log_thread = True
        while (job := self._next()) is not None:
            try:
                job.do()
            except BaseException:  # noqa: BLE001 - a handler is the program's and may raise anything
                if logging.raiseExceptions:
                    _write(f"telnyx_agent: a log handler of the program raised\n{traceback.format_exc()}")
            # Not kept alive while the thread sleeps.
            del job

    def _next(self) -> _Job | None:
        with self.state:
            self.done += self.is_busy
            self.is_busy = False
            self.state.notify_all()
            while not self.jobs and not self.left_out:
                if not self.holders:
                    # In the same moment in which the queue is seen empty: whoever comes next starts a new thread.
                    self.thread = None
                    return None
                self.state.wait()
            self.is_busy = True
            if self.left_out and not self.jobs:
                count, self.left_out = self.left_out, 0
                return _Job(lambda: _say_left_out(count), 0)
            job = self.jobs.popleft()
            self.bytes -= job.size
            self.exceptions -= job.has_exception
            return job


_queue = _Queue()


class _Inside(threading.local):
    is_log_thread = False


_inside = _Inside()


def _is_elsewhere() -> bool:
    """Whether what is logged here has to be handled on the log thread."""
    return is_internal() and not _inside.is_log_thread


def hold() -> None:
    """The log thread sleeps when it has nothing to do, until `release`; without that it would end each time."""
    with _queue.state:
        _queue.holders += 1


def release() -> None:
    """The log thread ends with what is queued, if nobody else holds it."""
    with _queue.state:
        _queue.holders -= 1
        _queue.state.notify_all()


def flush(timeout: float = 10.0, patience: float = math.inf) -> bool:
    """Wait until everything that was logged has come to its handlers and to stderr. For tests, and at the end.

    Args:
        timeout: Seconds to wait at most.
        patience: Seconds to wait at most for a single record or line.

    Returns:
        Whether it has.
    """
    return _inside.is_log_thread or _queue.flush(timeout, patience)


def print_to_stderr(make: Callable[[], str], size: int = 0) -> None:
    """Write something to what is `sys.stderr` when it is its turn. Any thread; never blocks.

    Args:
        make: Makes the text, on the log thread.
        size: How long it will be, about.
    """
    _queue.put(_Job(lambda: _write(make()), _WEIGHT + size))


# -- records -----------------------------------------------------------------------------------------------------------


def _is_enabled_for(logger: logging.Logger, level: int) -> bool:
    if not is_internal():
        return _is_enabled(logger, level)
    if (known := logger._cache.get(level)) is not None:  # type: ignore[attr-defined]
        return bool(known) and not logger.disabled
    # As `logging` does it, but for the lock that it takes to remember the answer: a program that sets up `logging`
    # holds it while it opens files and connections.
    return not logger.disabled and logger.manager.disable < level >= logger.getEffectiveLevel()


def _make_plain_record(
    logger: logging.Logger, name: str, level: int, fn: str, lno: int, msg: object, args: Any, *rest: Any, **kwargs: Any
) -> logging.LogRecord:
    factory = logging.getLogRecordFactory()
    if factory is logging.LogRecord or not _is_elsewhere():
        return _make_record(logger, name, level, fn, lno, msg, args, *rest, **kwargs)
    # The factory is the program's.
    exc_info, func, extra, sinfo = (*rest, None, None, None, None)[:4]
    record = logging.LogRecord(
        name, level, fn, lno, msg, args, exc_info, kwargs.get("func", func), kwargs.get("sinfo", sinfo)
    )
    record.__dict__.update(kwargs.get("extra", extra) or {})
    return record


def _handle_elsewhere(logger: logging.Logger, record: logging.LogRecord) -> None:
    if not _is_elsewhere():
        _handle(logger, record)
        return
    if logger.disabled:
        return
    size = _WEIGHT
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - a message that does not fit its arguments: the handler says so
        text = ""
    else:
        record.msg, record.args = text, None
    size += len(text)
    has_exception = bool(record.exc_info)
    if has_exception and _queue.exceptions >= _MOST_EXCEPTIONS:
        record.exc_text, record.exc_info, has_exception = _short(record.exc_info), None, False
        size += len(record.exc_text)
    _queue.put(_Job(lambda: _deliver(logger, record), size, has_exception))


def _deliver(logger: logging.Logger, record: logging.LogRecord) -> None:
    """On the log thread: give a record to all that is the program's, its logger class included."""
    if type(logger).isEnabledFor is logging.Logger.isEnabledFor or logger.isEnabledFor(record.levelno):
        logger.handle(_made_by_program(logger, record))


def _made_by_program(logger: logging.Logger, record: logging.LogRecord) -> logging.LogRecord:
    """What the program's own factory or logger makes of a record, with the time and the thread of the record."""
    if logging.getLogRecordFactory() is logging.LogRecord and type(logger).makeRecord is logging.Logger.makeRecord:
        return record
    made = logger.makeRecord(
        record.name,
        record.levelno,
        record.pathname,
        record.lineno,
        record.msg,
        record.args or (),
        record.exc_info,
        record.funcName,
        None,
        record.stack_info,
    )
    made.__dict__.update(record.__dict__)
    return made


def _short(exc_info: Any) -> str:
    """A traceback without the lines of the source, which would have to be read from the disk."""
    kind, exc, tb = exc_info if isinstance(exc_info, tuple) else (type(exc_info), exc_info, None)
    frames = traceback.walk_tb(tb)
    places = [f'  File "{f.f_code.co_filename}", line {number}, in {f.f_code.co_name}\n' for f, number in frames]
    return f"Traceback (most recent call last):\n{''.join(places[-20:])}{getattr(kind, '__name__', kind)}: {exc}"


def _say_left_out(count: int) -> None:
    text = "%d log records or lines were left out: the program's log handlers, or whoever reads stderr, are too slow"
    record = _make_record(_logger, _logger.name, logging.WARNING, __file__, 0, text, (count,), None, "_say_left_out")
    if _logger.isEnabledFor(logging.WARNING):
        _logger.handle(record)


# -- logger classes of the program's -----------------------------------------------------------------------------------


_OVERRIDABLE = (
    *("debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log", "_log"),
    *("findCaller", "makeRecord", "handle", "isEnabledFor", "getEffectiveLevel"),
)
"""What may be called on a logger on the thread that logs. The rest is called by `handle`, or by the program itself."""


class _Override:
    """A method of a logger class of the program's: its own one on all threads but the SDK's, `logging.Logger`'s there.

    A descriptor, not a function around it: `findCaller` counts frames.
    """

    def __init__(self, name: str, own: Any) -> None:
        self._name = name
        self._own = own

    def __get__(self, logger: object, owner: type | None = None) -> Any:
        if isinstance(logger, logging.Logger) and _is_elsewhere():
            return getattr(logging.Logger, self._name).__get__(logger, owner)
        bind = getattr(type(self._own), "__get__", None)
        return self._own if bind is None else bind(self._own, logger, owner)


def _guard(kind: type[logging.Logger]) -> None:
    """Put an `_Override` around each method that this class, or one that it inherits, overrides. Idempotent."""
    for base in kind.__mro__[: kind.__mro__.index(logging.Logger)]:
        for name in _OVERRIDABLE:
            own = vars(base).get(name)
            if own is not None and not isinstance(own, _Override):
                with contextlib.suppress(TypeError):  # a class made in C: it cannot be changed
                    type.__setattr__(base, name, _Override(name, own))


def _guard_all(kind: type[logging.Logger] = logging.Logger) -> None:
    """Guard the classes that there are; later ones have their turn with their first logger."""
    for derived in kind.__subclasses__():
        _guard(derived)
        _guard_all(derived)


def _init_guarded(logger: logging.Logger, *args: Any, **kwargs: Any) -> None:
    if type(logger) is not logging.Logger:
        _guard(type(logger))
    _init(logger, *args, **kwargs)


# -- what Python itself has to say -------------------------------------------------------------------------------------


def _wrap_hooks() -> None:
    """Of the program's hooks, those that are there now; whoever sets one later has it called as ever."""
    unraisable, show = sys.unraisablehook, warnings.showwarning

    def unraisable_elsewhere(raised: Any) -> None:
        if not _is_elsewhere():
            unraisable(raised)
            return
        if unraisable is sys.__unraisablehook__:  # which writes to stderr through Python's buffer
            text = f"{raised.err_msg or 'Exception ignored in'}: {raised.object!r:.200}\n"
            error = (raised.exc_type, raised.exc_value, raised.exc_traceback)
            print_to_stderr(lambda: text + "".join(traceback.format_exception(*error)))
        else:
            _queue.put(_Job(functools.partial(unraisable, raised), _WEIGHT))

    def show_elsewhere(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if file is None and _is_elsewhere():
            _queue.put(_Job(lambda: show(message, category, filename, lineno, file, line), _WEIGHT))
        else:
            show(message, category, filename, lineno, file, line)

    sys.unraisablehook = unraisable_elsewhere
    warnings.showwarning = show_elsewhere


# -- stderr ------------------------------------------------------------------------------------------------------------


def _write(text: str) -> None:
    stream = sys.stderr
    try:
        if stream is None:  # as under pythonw.exe
            return
        is_real = stream is sys.__stderr__ and hasattr(select, "poll")
        descriptor = stream.fileno() if is_real else None
        if descriptor is None:
            stream.write(text)
        else:
            _write_to(descriptor, text.encode(stream.encoding or "utf-8", stream.errors or "backslashreplace"))
    except (OSError, ValueError):  # gone or closed: there is nowhere left to say so
        return


def _write_to(descriptor: int, data: bytes) -> None:
    """Not through Python's buffer: its lock would be held while a pipe is full, and the interpreter's end needs it."""
    ready = select.poll()
    ready.register(descriptor, select.POLLOUT)
    while data:
        if ready.poll(1000 * _LOOK):
            data = data[os.write(descriptor, data[:_PIECE]) :]


# -- once, and at the end ----------------------------------------------------------------------------------------------


def install() -> None:
    """Before the first internal thread is started. Idempotent."""
    with _queue.state:
        if _installed:
            return
        _installed.append(True)
    logging.Logger.isEnabledFor = _is_enabled_for  # type: ignore[assignment, method-assign]
    logging.Logger.makeRecord = _make_plain_record  # type: ignore[assignment, method-assign]
    logging.Logger.handle = _handle_elsewhere  # type: ignore[assignment, method-assign]
    logging.Logger.__init__ = _init_guarded  # type: ignore[assignment, method-assign]
    _guard_all()
    _wrap_hooks()


_installed: list[bool] = []


@atexit.register
def _end() -> None:
    """Let everything come out, as long as something does.

    What hangs must not hold up the end of the process, or make it abort: `logging.shutdown` takes the lock of each
    handler, and the interpreter that of the buffer of stderr.
    """
    if flush(_EXIT_LIMIT, _EXIT_PATIENCE):
        return
    for reference in tuple(logging._handlerList):  # type: ignore[attr-defined]
        handler = reference() if callable(reference) else reference
        if (lock := getattr(handler, "lock", None)) is not None:
            if lock.acquire(timeout=0):
                lock.release()
            else:
                logging._handlerList.remove(reference)  # type: ignore[attr-defined]
    for name in ("stdout", "stderr"):
        if not _can_flush(getattr(sys, name)):
            setattr(sys, name, None)


def _can_flush(stream: TextIO | None) -> bool:
    if stream is None:
        return True
    flushed = threading.Event()

    def try_it() -> None:
        with contextlib.suppress(OSError, ValueError):  # gone or closed: nothing is in the way
            stream.flush()
        flushed.set()

    try:
        SdkThread(try_it, "telnyx-agent-flush").start()
    except NoThreadError:
        return False
    return flushed.wait(_EXIT_PATIENCE / 4)


def _forget_parent() -> None:
    """In a child, the parent's log thread is not there, and its records are the parent's to handle."""
    global _queue
    _queue = _Queue()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
