"""`DaemonPool`: worker threads for blocking calls, none of which can keep the process alive.

asyncio's own pool is joined at interpreter exit without a limit, so one `getaddrinfo` that hangs for half a minute (an
unreachable STUN server is enough: aioice looks names up in the loop's default executor) would hang the exit as long.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["DaemonPool"]

T = TypeVar("T")


class DaemonPool(ThreadPoolExecutor):
    """An executor whose threads are daemons, made when needed and gone after `shutdown`.

    A `ThreadPoolExecutor` by class only, because asyncio takes no other as its default executor; no thread of the base
    class is ever started.

    Args:
        max_workers: How many calls may block at once; more wait in line.
        name: Name of the threads.
    """

    def __init__(self, max_workers: int = 32, name: str = "telnyx-agent-worker") -> None:
        super().__init__(max_workers)
        self._limit = max_workers
        self._name = name
        # Guards jobs and threads between those who submit and the workers; what idle workers sleep on.
        self._state = threading.Condition(threading.RLock())
        self._jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._workers: list[threading.Thread] = []
        self._idle = 0
        self._ended = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run `fn(*args, **kwargs)` on a worker.

        Raises:
            RuntimeError: After `shutdown`.
        """
        future: Future[T] = Future()
        with self._state:
            if self._ended:
                raise RuntimeError("the worker threads have ended")
            if self._idle <= len(self._jobs) and len(self._workers) < self._limit:
                worker = threading.Thread(target=self._work, name=self._name, daemon=True)
                worker.start()
                self._workers.append(worker)
            self._jobs.append((future, lambda: fn(*args, **kwargs)))
            self._state.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers when they are through with what is queued."""
        with self._state:
            self._ended = True
            if cancel_futures:
                for future, _ in self._jobs:
                    future.cancel()
            self._state.notify_all()
        if wait:
            self.join(None)

    def join(self, timeout: float | None) -> bool:
        """Wait, after `shutdown`, until all workers have ended; False if one is blocked after `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        for worker in tuple(self._workers):
            worker.join(None if end is None else max(0.0, end - time.monotonic()))
        return not any(worker.is_alive() for worker in self._workers)

    def _work(self) -> None:
        while True:
            with self._state:
                self._idle += 1
                while not self._jobs and not self._ended:
                    self._state.wait()
                self._idle -= 1
                if not self._jobs:
                    return
                future, call = self._jobs.popleft()
            _run(future, call)
            # A worker that waits for its next job must not keep the last one's arguments alive.
            del future, call


def _run(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as exc:  # noqa: BLE001 - whatever it is, it is the submitter's, who waits for it
        future.set_exception(exc)
    else:
        future.set_result(result)
