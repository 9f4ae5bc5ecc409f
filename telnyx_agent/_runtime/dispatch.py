"""Dispatchers: where user code runs - on a thread of its own, in the user's own loop, or on the user's executor.

Whichever it is: one callback at a time, in the order of `submit`. A callback that raises is reported with its traceback
and the next one goes on: a user's bug must end neither the call nor the callbacks.
"""

from __future__ import annotations

import concurrent.futures
import functools
import inspect
import logging
import queue
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import attrs

from .._callables import check_result
from .._net.backpressure import Backpressure
from ..errors import ClientConfigurationError
from .log_queue import print_to_stderr
from .loop import LoopThread
from .threads import NoThreadError, SdkThread, check_may_wait
from .watch import Deadline

__all__ = [
    "SLOW_CALLBACK",
    "Dispatcher",
    "ExecutorDispatcher",
    "PumpDispatcher",
    "ThreadDispatcher",
    "dispatcher_factory",
    "report",
]

SLOW_CALLBACK = 0.5
"""Seconds after which a callback is called slow in the log: those behind it are late by as much."""

_TRY_AGAIN_AFTER = 0.5
"""Seconds until it is tried again to start the callbacks' thread, where there were no more threads."""

_logger = logging.getLogger("telnyx_agent.delegate")


@attrs.define(eq=False)
class _Callback:
    # Not shown: its arguments are what the user is told, transcripts among them.
    fn: Callable[[], object] = attrs.field(repr=False)
    name: str
    weight: int


class Dispatcher:
    """A queue of callbacks. All methods may be called from any thread.

    The queue itself drops nothing: what is in it are events that the user asked for. What waits in it is counted in
    `pressure`, which holds the connection's reader thread back when it becomes too much.
    """

    can_wait: bool = False
    """Whether what is submitted surely runs, so that a future may wait for it."""

    def __init__(self) -> None:
        self.pressure = Backpressure(self._count)
        """What waits here, and for the loop, in the logins whose callbacks run here."""
        # Guards what is waiting and who serves it; what that one sleeps on. Never held while a callback runs.
        # Re-entrant, because a finaliser may submit while its own thread is in here.
        self._state = threading.Condition(threading.RLock())
        self._running_on: int | None = None
        self._begun: float | None = None
        self._spent = 0.0

    def submit(self, fn: Callable[[], object], name: str = "") -> None:
        """Run `fn` after everything that was submitted before. Never blocks, never raises; also after `close`.

        Args:
            fn: The callback.
            name: What reports call it; its own name when not given.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End when the queue is empty. Returns at once. What is submitted later still runs."""

    def join(self, timeout: float | None = None) -> bool:
        """Wait, after `close`, until all callbacks have run; False if they have not after `timeout` seconds.

        Returns True at once where waiting would be for oneself: inside a callback, or where the user runs the
        callbacks.
        """
        return True

    @property
    def has_ended(self) -> bool:
        """Whether, after `close`, all callbacks have run; True where that cannot be known."""
        return True

    def is_current_thread(self) -> bool:
        """Whether the calling thread is running a callback of this dispatcher."""
        return self._running_on == threading.get_ident()

    def time_in_callbacks(self) -> float:
        """Seconds that go by while callbacks hold up those behind them; only differences mean something.

        Where nobody knows when the next callback gets its turn, all time counts.
        """
        return time.monotonic()

    def _count(self) -> int:
        """How many callbacks wait."""
        raise NotImplementedError

    def _run(self, callback: _Callback, propagate: tuple[type[BaseException], ...] = ()) -> None:
        if callback.weight or self.pressure.is_awaited:
            self.pressure.room_made(callback.weight)
        outer, self._running_on = self._running_on, threading.get_ident()
        begin = self._begun = time.monotonic()
        try:
            result = callback.fn()
            if result is not None:
                check_result(callback.name, result)
        except propagate:
            raise
        except BaseException as exc:  # noqa: BLE001 - user code may raise anything, and the next callback must run
            _report(callback.name, exc)
        finally:
            self._running_on = outer
            self._begun = None
            seconds = time.monotonic() - begin
            self._spent += seconds
            if seconds > SLOW_CALLBACK:
                _logger.warning("%s took %.1f s; callbacks behind it were late by as much", callback.name, seconds)


class ThreadDispatcher(Dispatcher):
    """Runs callbacks on a daemon thread, started by the first one and ended by `close`."""

    can_wait = True

    def __init__(self, thread_name: str = "telnyx-agent-delegate") -> None:
        super().__init__()
        self._thread_name = thread_name
        self._thread: SdkThread | None = None
        # It wakes a sleeping thread at a tenth of a condition's cost, and a finaliser may put something in while its
        # own thread does. None only wakes the thread.
        self._due: queue.SimpleQueue[_Callback | None] = queue.SimpleQueue()
        self._closing = False
        self._is_late = False

    def submit(self, fn: Callable[[], object], name: str = "") -> None:
        # First put, then look whether there is a thread. One that ends says so first, and then looks whether there is
        # something left: one of both notices.
        self._due.put(_Callback(fn, name or _name(fn), self.pressure.keep_message()))
        if self._thread is None:
            with self._state:
                if self._thread is None:
                    self._start()

    def _count(self) -> int:
        return self._due.qsize()

    def close(self) -> None:
        self._closing = True
        self._due.put(None)

    @property
    def has_ended(self) -> bool:
        return self._thread is None

    def time_in_callbacks(self) -> float:
        # Not the time in which the thread waits for its turn on a busy machine.
        begun = self._begun
        return self._spent + (0.0 if begun is None else time.monotonic() - begun)

    def join(self, timeout: float | None = None) -> bool:
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        check_may_wait("Dispatcher.join()")
        deadline = Deadline(timeout)
        while thread.is_alive() and not deadline.is_over:
            thread.join(deadline.next_wait)
        return not thread.is_alive()

    def _start(self) -> None:
        thread = SdkThread(self._serve, self._thread_name, runs_program=True)
        try:
            thread.start()
        except NoThreadError as exc:
            # Or the interpreter is on its way out. The callbacks stay queued; the next `submit` tries again, and the
            # loop, since there may be no next one.
            if not self._is_late:
                self._is_late = True
                _logger.error("callbacks wait: %s", exc)
            LoopThread.later(_TRY_AGAIN_AFTER, self._try_again)
        except BaseException:
            # Ctrl-C while `start` waited for the thread, which is there: it must not get a twin.
            self._thread = thread
            raise
        else:
            self._thread = thread
            self._is_late = False

    def _try_again(self) -> None:
        with self._state:
            if self._thread is None and not self._due.empty():
                self._start()

    def _serve(self) -> None:
        due = self._due
        while True:
            callback = due.get()
            if callback is not None:
                self._run(callback)
                # An idle thread must not keep the last callback's arguments alive.
                del callback
            if self._closing and due.empty():
                with self._state:
                    me, self._thread = self._thread, None
                    if due.empty():
                        return
                    self._thread = me


class PumpDispatcher(Dispatcher):
    """Runs callbacks when and where the user calls `process_events`: for Tk, Qt, pygame and other loops."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: deque[_Callback] = deque()
        # Whose turn it is to run callbacks, so that two pumping threads cannot run two at once. Re-entrant: a callback
        # may pump, as modal dialogs do, and then it runs the callbacks behind it.
        self._turn = threading.RLock()

    def submit(self, fn: Callable[[], object], name: str = "") -> None:
        with self._state:
            self._queue.append(_Callback(fn, name or _name(fn), self.pressure.keep_message()))
            self._state.notify_all()

    def process_events(self, timeout: float = 0.0) -> int:
        """Run the callbacks that are due, on this thread.

        `KeyboardInterrupt` and `SystemExit` of a callback end this call and are the caller's; other exceptions are
        logged. Callbacks that are submitted in the meantime wait for the next call, so that this one comes to an end.

        Args:
            timeout: Seconds to wait for the first callback. Ctrl-C interrupts.

        Returns:
            How many callbacks ran.

        Raises:
            LocalProtocolError: This is a thread of the SDK's own, on which no code of the program runs.
        """
        check_may_wait("process_events()")
        deadline = Deadline(timeout)
        while not self._turn.acquire(timeout=deadline.next_wait):
            if deadline.is_over:
                return 0
        try:
            with self._state:
                while not self._queue and not deadline.is_over:
                    self._state.wait(deadline.next_wait)
                due = len(self._queue)
            done = 0
            while done < due and (callback := self._next()) is not None:
                self._run(callback, propagate=(KeyboardInterrupt, SystemExit))
                done += 1
            return done
        finally:
            self._turn.release()

    def _count(self) -> int:
        return len(self._queue)

    def _next(self) -> _Callback | None:
        with self._state:
            return self._queue.popleft() if self._queue else None


class Executor(Protocol):
    """What `ExecutorDispatcher` needs: any `concurrent.futures.Executor`, or a small class around a GUI's queue."""

    def submit(self, fn: Callable[[], Any], /) -> object:
        """Arrange for `fn()` to run soon."""


class ExecutorDispatcher(Dispatcher):
    """Runs callbacks on the user's executor: one job per callback, and never two jobs at once.

    `submit` of the executor is the program's code too: it may block, raise, or run the job at once. So it is called on
    a thread of its own, or where the callback before has run.

    Args:
        executor: Anything with `submit(fn)`.
    """

    def __init__(self, executor: Executor) -> None:
        super().__init__()
        self._executor = executor
        self._queue: deque[_Callback] = deque()
        # The job that the executor has, or is about to get. One that it runs twice, or much later, is not run again.
        self._job: object | None = None
        # Without a login each job is asked for on a thread of its own, which then ends.
        self._asker = ThreadDispatcher("telnyx-agent-executor")
        self._asker.close()
        self._asking = _Asking()

    def submit(self, fn: Callable[[], object], name: str = "") -> None:
        with self._state:
            self._queue.append(_Callback(fn, name or _name(fn), self.pressure.keep_message()))
            if self._job is not None:
                return
            job = self._job = object()
        self._asker.submit(functools.partial(self._hand_over, job), "submit() of the executor")

    def _count(self) -> int:
        return len(self._queue)

    def open(self) -> ExecutorDispatcher:
        """A login begins: until `close`, one thread asks for all jobs. Returns itself."""
        self._asker = ThreadDispatcher("telnyx-agent-executor")
        return self

    def close(self) -> None:
        self._asker.close()

    def _hand_over(self, first: object) -> None:
        """Ask the executor for a job. Not under the lock: it may be one that runs the job at once."""
        asking = self._asking
        if asking.is_inside:  # it has, and whoever asks on this thread goes on below, so that the stack does not grow
            asking.next = first
            return
        job: object | None = first
        asking.is_inside = True
        try:
            while job is not None:
                asking.next = None
                try:
                    handed = self._executor.submit(functools.partial(self._run_next, job))
                except BaseException as exc:  # noqa: BLE001 - the executor is the user's
                    # It was shut down, most likely. The callbacks stay queued, on any other thread they might do harm.
                    self._job_lost(job, exc)
                else:
                    if isinstance(handed, concurrent.futures.Future):
                        handed.add_done_callback(functools.partial(self._job_done, job))
                job = asking.next
        finally:
            asking.is_inside = False

    def _run_next(self, job: object) -> None:
        with self._state:
            if job is not self._job or not self._queue:
                return
            callback = self._queue.popleft()
            job = self._job = object()
        self._run(callback)
        # An executor may keep the job, and what it is made of.
        del callback
        with self._state:
            if not self._queue:
                self._job = None
                return
        self._hand_over(job)

    def _job_done(self, job: object, handed: concurrent.futures.Future[Any]) -> None:
        if handed.cancelled():
            self._job_lost(job, concurrent.futures.CancelledError())

    def _job_lost(self, job: object, exc: BaseException) -> None:
        with self._state:
            if job is not self._job:
                return
            self._job = None
        _logger.error("callbacks cannot run: the executor does not take them (%s: %s)", type(exc).__name__, exc)


class _Asking(threading.local):
    is_inside = False
    next: object | None = None


def dispatcher_factory(callbacks: object) -> Callable[[], Dispatcher]:
    """What makes the dispatcher of each login, from what the user said: `"thread"`, `"pump"` or an executor.

    A thread ends with its login, so each login gets one of its own; the others last as long as the client.

    Raises:
        ClientConfigurationError: It is none of these.
    """
    if callbacks == "thread":
        return ThreadDispatcher
    if callbacks == "pump":
        pump = PumpDispatcher()
        return lambda: pump
    submit = getattr(callbacks, "submit", None)
    if not callable(submit):
        given = repr(callbacks) if isinstance(callbacks, str) else type(callbacks).__name__
        raise ClientConfigurationError(f'callbacks must be "thread", "pump" or an executor, not {given}')
    executor = ExecutorDispatcher(callbacks)  # type: ignore[arg-type]
    return executor.open


def _name(fn: Callable[[], object]) -> str:
    while isinstance(fn, functools.partial):
        fn = fn.func
    # Not its `repr`, nor what it says of itself: this may be the loop, and it may be an object of the program's.
    return fn.__qualname__ if inspect.isroutine(fn) else type(fn).__name__


def _report(name: str, exc: BaseException) -> None:
    report(_logger, f"{name} raised {type(exc).__name__}; the call goes on", exc)


def report(logger: logging.Logger, text: str, exc: BaseException) -> None:
    """Show users their bug: through logging where it is set up, else on stderr. Silence would hide it for days."""
    try:
        if _is_configured(logger):
            logger.error("%s", text, exc_info=exc)
        elif sys.stderr is not None:
            lines = traceback.format_exception(type(exc), exc, exc.__traceback__)
            print_to_stderr(lambda: f"telnyx_agent: {text}\n{''.join(lines)}")
    except Exception:  # noqa: BLE001
        # A broken log handler or a closed stderr: there is nowhere left to report to, and the next callback must still
        # run.
        return


def _is_configured(logger: logging.Logger | None) -> bool:
    """Whether a record would come to a handler that does something with it."""
    while logger is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False
