"""`LoopThread`: the one thread, shared by all clients of the process, that owns the SDK's mutable state.

Everything else reaches it through `post`. It is started by the first `acquire` and ended by the last `release`. A
forked child has no such thread, whatever the parent had: there `post` is refused, and `acquire` starts a new one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from .._net.backpressure import SLICE
from . import log_queue
from .threads import SdkThread
from .workers import HANGS_AFTER, DaemonPool

__all__ = ["LoopThread"]

_logger = logging.getLogger("telnyx_agent")

# What the end of the loop may take: tasks that linger, tasks that are cancelled, generators, blocked worker threads.
_STEP_LIMIT = 1.0
_JOIN_LIMIT = 5.0

# Between two looks whether calls hang for which others wait.
_POOL_LOOK = 0.25


class LoopThread:
    """A daemon thread that runs an asyncio loop. Made by `acquire` only."""

    # Guards the count of users, and the order of the last `post` before the stop; held for a few instructions only. One
    # for all loops, so that one hook can renew it after a fork. Re-entrant, because a signal handler or a finaliser may
    # post while its own thread is in here.
    _guard: ClassVar[threading.RLock] = threading.RLock()
    _shared: ClassVar[LoopThread | None] = None

    loop: asyncio.AbstractEventLoop
    """For `call_later`, `create_task` and so on, on the loop thread only."""

    def __init__(self) -> None:
        self._users = 0
        self._stopping = False
        self._pid = os.getpid()
        self._lingering: set[asyncio.Task[None]] = set()
        # What was posted and did not run yet; whether `_run_posted` is on its way.
        self._posted: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._is_posted = False
        self._pool = DaemonPool(hangs_after=HANGS_AFTER, on_wait=self._look_at_pool_soon)
        self._pool_look: asyncio.TimerHandle | None = None
        # Not by the program's event loop policy: what that brings (uvloop, a test double) is not what media was tested
        # on.
        self.loop = asyncio.new_event_loop() if sys.platform == "win32" else asyncio.SelectorEventLoop()
        self.loop.set_default_executor(self._pool)
        self.loop.set_exception_handler(_log_context)
        self._thread = SdkThread(self._run, "telnyx-agent-loop")

    # -- any thread ----------------------------------------------------------------------------------------------------

    @classmethod
    def acquire(cls) -> LoopThread:
        """The shared loop; starts it for the first user. Each `acquire` needs one `release`.

        Raises:
            NoThreadError: There are no more threads.
        """
        with cls._guard:
            shared = cls._shared
            if shared is None:
                shared = cls()
                log_queue.install()
                try:
                    # First: a loop without a worker could not even close a device.
                    shared._pool.start()
                    shared._thread.start()
                except BaseException:
                    # No more threads, or the interpreter is on its way out. Or Ctrl-C while `start` waited for the
                    # thread, which is on its way then, and closes the loop when it has come.
                    shared._stop()
                    if shared._thread not in threading.enumerate():
                        shared._pool.shutdown(wait=False)
                        shared.loop.close()
                    raise
                cls._shared = shared
            shared._users += 1
            return shared

    def release(self) -> None:
        """Give the loop back. The last one ends it, and waits until it has ended unless called on it.

        What was posted before still runs. Tasks that are left are cancelled.

        Raises:
            RuntimeError: It was released more often than acquired.
        """
        with LoopThread._guard:
            if self._pid != os.getpid():
                return
            if self._users == 0:
                raise RuntimeError("the loop was released more often than acquired")
            self._users -= 1
            if self._users:
                return
            if LoopThread._shared is self:
                LoopThread._shared = None
            self._stop()
        if self.is_current or sys.is_finalizing():
            return
        self._thread.join(_JOIN_LIMIT)
        if self._thread.is_alive():
            _logger.warning("the loop thread is still busy %g s after its last user left", _JOIN_LIMIT)

    def _stop(self) -> None:
        self._stopping = True
        self.loop.call_soon_threadsafe(self.loop.stop)

    def post(self, fn: Callable[..., object], *args: Any) -> None:
        """Run `fn(*args)` on the loop, after everything that was posted before. What it raises is logged.

        Raises:
            RuntimeError: The loop has ended, or belongs to the process that this one was forked from.
        """
        if self._pid != os.getpid():
            raise RuntimeError("this client belongs to the parent process; make a new TxClient after a fork")
        with LoopThread._guard:
            if self._stopping:
                raise RuntimeError("the loop has ended")
            self._posted.append((fn, args))
            if self._is_posted:
                return
            self._is_posted = True
            # On the loop itself nobody has to be woken, which takes two system calls.
            call_soon = self.loop.call_soon if self.is_current else self.loop.call_soon_threadsafe
            call_soon(self._run_posted)

    @classmethod
    def later(cls, seconds: float, fn: Callable[[], object]) -> None:
        """Call `fn` on the shared loop in `seconds`. Never, where there is no loop or it ends before. Any thread."""
        with cls._guard:
            shared = cls._shared
            if shared is not None and not shared._stopping and shared._pid == os.getpid():
                shared.loop.call_soon_threadsafe(shared.loop.call_later, seconds, _call, fn, ())

    @property
    def is_current(self) -> bool:
        """Whether the calling thread is this loop's."""
        return threading.get_ident() == self._thread.ident

    # -- loop thread ---------------------------------------------------------------------------------------------------

    def _run_posted(self) -> None:
        """Run what was posted, for `SLICE` at most: a program may give thousands of commands at once, and asyncio would
        run all that are ready in one turn.
        """
        end = time.monotonic() + SLICE
        while self._posted:
            _call(*self._posted.popleft())
            if time.monotonic() >= end:
                break
        with LoopThread._guard:
            self._is_posted = bool(self._posted)
        if self._is_posted:
            self.loop.call_soon(self._run_posted)

    async def _run_rest(self) -> None:
        while self._posted:
            self._run_posted()
            await asyncio.sleep(0)

    def linger(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as a task that a stopping loop does not cancel but waits for, for a second at most."""
        task = self.loop.create_task(work)
        self._lingering.add(task)
        task.add_done_callback(self._lingering.discard)

    def _look_at_pool_soon(self) -> None:
        """A job waits for a worker (any thread)."""
        try:
            self.loop.call_soon_threadsafe(self._arm_pool_look)
        except RuntimeError:  # the loop has ended, and the pool with it
            return

    def _arm_pool_look(self) -> None:
        if self._pool_look is None:
            self._pool_look = self.loop.call_later(_POOL_LOOK, self._look_at_pool)

    def _look_at_pool(self) -> None:
        self._pool_look = None
        if self._pool.relieve():
            self._arm_pool_look()

    def _run(self) -> None:
        log_queue.hold()
        asyncio.set_event_loop(self.loop)
        try:
            while not self.loop.is_closed():
                _guarded(self.loop.run_forever)
                # Not looked at before: what stops the loop is a callback, and must not stop the steps below.
                if self._stopping:
                    break
            for step in (self._run_rest, self._let_linger, self._cancel_tasks, self._close_generators):
                _guarded(self.loop.run_until_complete, step())
            self._pool.shutdown(wait=False, cancel_futures=True)
            if not self._pool.join(_STEP_LIMIT):
                _logger.warning(
                    "a worker thread is still blocked after the end of the loop; it does not keep the process alive"
                )
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()
            log_queue.release()

    async def _let_linger(self) -> None:
        if self._lingering:
            await asyncio.wait(tuple(self._lingering), timeout=_STEP_LIMIT)

    async def _cancel_tasks(self) -> None:
        end = self.loop.time() + _STEP_LIMIT
        # Again and again, because a task may start others while it is being cancelled.
        while left := asyncio.all_tasks() - {asyncio.current_task()}:
            if self.loop.time() >= end:
                _logger.warning("tasks that do not end when cancelled were left behind: %s", sorted(map(_name, left)))
                return
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=end - self.loop.time())

    async def _close_generators(self) -> None:
        await asyncio.wait_for(self.loop.shutdown_asyncgens(), _STEP_LIMIT)


def _name(task: asyncio.Task[Any] | None) -> str:
    return "" if task is None else task.get_name()


def _call(fn: Callable[..., object], args: tuple[Any, ...]) -> None:
    """Run one posted function; a bug in it must not end the loop, on which every call of the process lives."""
    try:
        fn(*args)
    except BaseException:  # SystemExit too: asyncio would let it end `run_forever`
        _logger.exception("an error on the loop, in %s", getattr(fn, "__qualname__", repr(fn)))


def _guarded(run: Callable[..., object], *args: Any) -> None:
    """Run the loop; what tasks let escape (SystemExit, KeyboardInterrupt) is logged like any other error."""
    try:
        run(*args)
    except BaseException:
        _logger.exception("an error on the loop")


def _log_context(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """asyncio's own handler writes to stderr through `logging.lastResort`, even if the SDK was told to be silent."""
    _logger.error("an error on the loop: %s", context.get("message"), exc_info=context.get("exception"))


def _forget_parent() -> None:
    # The parent's threads are not here, and one of them may have held the lock at the moment of the fork.
    LoopThread._guard = threading.RLock()
    LoopThread._shared = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
