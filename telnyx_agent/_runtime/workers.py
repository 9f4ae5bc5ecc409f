"""`DaemonPool`: worker threads for blocking calls, none of which can keep the process alive, or the others from work.

asyncio's own pool is joined at interpreter exit without a limit, so one `getaddrinfo` that hangs for half a minute (an
unreachable STUN server is enough: aioice looks names up in the loop's default executor) would hang the exit as long.

All clients of the process share one pool. A call that hangs for ever (a driver, a file on a server that is gone) keeps
its thread; it does not keep the place of one that works. Rules of this file:

1. A job that has run for `hangs_after` seconds does not count for `max_workers` any more.
2. There are `MOST_WORKERS` threads at most, whatever hangs.
3. A job that waits while every worker hangs, and no other can be had, fails after `hangs_after` seconds. So every job
   runs or fails; none waits without end.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import attrs

from ..errors import TxError
from .threads import NoThreadError, SdkThread

__all__ = ["HANGS_AFTER", "MOST_WORKERS", "DaemonPool"]

T = TypeVar("T")

HANGS_AFTER = 2.0
"""Seconds. To open a sound card takes half of one, a busy one included."""

MOST_WORKERS = 128
"""Threads in all, those that hang included. Their stacks take address space, some 20 KiB each are in use."""


@attrs.define(eq=False)
class _Job:
    future: Future[Any]
    call: Callable[[], Any]
    since: float


class DaemonPool(ThreadPoolExecutor):
    """An executor whose threads are daemons, made when needed and gone after `shutdown`.

    A `ThreadPoolExecutor` by class only, because asyncio takes no other as its default executor; no thread of the base
    class is ever started.

    Args:
        max_workers: How many calls may work at once; more wait in line.
        name: Name of the threads.
        hangs_after: Seconds after which a job counts as hanging; never where the jobs are the program's own.
        on_wait: Called when a job has to wait, on the thread that submits; `relieve` should be called from then on.
    """

    def __init__(
        self,
        max_workers: int = 32,
        name: str = "telnyx-agent-worker",
        *,
        hangs_after: float = math.inf,
        on_wait: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(max_workers)
        self._limit = max_workers
        self._name = name
        self._hangs_after = hangs_after
        self._on_wait = on_wait
        # Guards jobs and threads between those who submit and the workers; what idle workers sleep on.
        self._state = threading.Condition(threading.RLock())
        self._jobs: deque[_Job] = deque()
        self._workers: list[SdkThread] = []
        self._running: dict[_Job, float] = {}
        self._idle = 0
        self._ended = False

    def start(self) -> None:
        """Have a worker before the first job comes: then jobs are late at worst where there are no more threads.

        Raises:
            NoThreadError: There is none even now.
        """
        with self._state:
            if not self._workers:
                self._add_worker(time.monotonic())

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run `fn(*args, **kwargs)` on a worker.

        Raises:
            NoThreadError: There is no worker, and none can be started.
            RuntimeError: After `shutdown`.
        """
        future: Future[T] = Future()
        now = time.monotonic()
        waits = False
        with self._state:
            if self._ended:
                raise RuntimeError("the worker threads have ended")
            if self._idle <= len(self._jobs):
                try:
                    waits = not self._add_worker(now)
                except NoThreadError:
                    if not self._workers:
                        raise
                    waits = True
            self._jobs.append(_Job(future, lambda: fn(*args, **kwargs), now))
            self._state.notify()
        if waits:
            self._on_wait()
        return future

    def relieve(self) -> bool:
        """Start workers in the place of those that hang, while jobs wait. To be called now and then meanwhile.

        Returns:
            Whether jobs still wait.
        """
        now = time.monotonic()
        lost: list[_Job] = []
        error: TxError = TxError(
            f"the system does not answer: {MOST_WORKERS} calls into devices, files or the resolver hang; "
            "find out which driver or file server does, and start the program again"
        )
        with self._state:
            try:
                for _ in range(len(self._jobs) - self._idle):
                    if not self._add_worker(now):
                        break
            except NoThreadError as exc:
                error = exc
            if self._hanging(now) == len(self._workers):
                while self._jobs and now - self._jobs[0].since >= self._hangs_after:
                    lost.append(self._jobs.popleft())
            waits = bool(self._jobs)
        for job in lost:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(error)
        return waits

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers when they are through with what is queued."""
        with self._state:
            self._ended = True
            if cancel_futures:
                for job in self._jobs:
                    job.future.cancel()
            self._state.notify_all()
        if wait:
            self.join(None)

    def join(self, timeout: float | None) -> bool:
        """Wait, after `shutdown`, until all workers have ended; False if one is blocked after `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        for worker in tuple(self._workers):
            worker.join(None if end is None else max(0.0, end - time.monotonic()))
        return not any(worker.is_alive() for worker in self._workers)

    def _hanging(self, now: float) -> int:
        return sum(now - began >= self._hangs_after for began in self._running.values())

    def _add_worker(self, now: float) -> bool:
        """One more, if there may be. Under the lock."""
        count = len(self._workers)
        if count >= MOST_WORKERS or count - self._hanging(now) >= self._limit:
            return False
        worker = SdkThread(self._work, self._name, runs_program=True)
        worker.start()
        self._workers.append(worker)
        return True

    def _work(self) -> None:
        while True:
            with self._state:
                self._idle += 1
                while not self._jobs and not self._ended:
                    self._state.wait()
                self._idle -= 1
                if not self._jobs:
                    return
                job = self._jobs.popleft()
                self._running[job] = time.monotonic()
            _run(job)
            with self._state:
                del self._running[job]
            # A worker that waits for its next job must not keep the last one's arguments alive.
            del job


def _run(job: _Job) -> None:
    if not job.future.set_running_or_notify_cancel():
        return
    try:
        result = job.call()
    except BaseException as exc:  # noqa: BLE001 - whatever it is, it is the submitter's, who waits for it
        job.future.set_exception(exc)
    else:
        job.future.set_result(result)
