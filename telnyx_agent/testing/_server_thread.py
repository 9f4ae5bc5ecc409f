"""A thread with an event loop that serves until it is stopped: how the local agent and the fault proxy live."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from .._runtime import log_queue
from .._runtime.threads import SdkThread

logger = logging.getLogger("telnyx_agent.testing")

__all__ = ["ServerThread"]

_EXIT_LIMIT = 1.0
"""Seconds that one of them has at the interpreter's end."""

_LIVE: weakref.WeakSet[ServerThread] = weakref.WeakSet()


class ServerThread:
    """From `start` to `stop`. Both may be interrupted by Ctrl-C at any moment: nothing stays open.

    Args:
        name: The thread's.
        serve: Listens, then calls what it is given, then serves until the event is set, then closes everything.
    """

    def __init__(
        self, name: str, serve: Callable[[Callable[[], None], asyncio.Event], Coroutine[Any, Any, None]]
    ) -> None:
        self._serve = serve
        self._started: Future[None] = Future()
        self._ended = threading.Event()
        self._stopping: asyncio.Event | None = None
        self._wanted = True
        self.loop: asyncio.AbstractEventLoop | None = None
        """While it serves."""
        self._thread = SdkThread(self._run, name)

    @property
    def is_current(self) -> bool:
        """Whether this is the calling thread."""
        return threading.current_thread() is self._thread

    def start(self, timeout: float) -> None:
        """Return when it listens.

        Raises:
            TimeoutError: It took too long.
            Exception: What kept it from listening.
        """
        _LIVE.add(self)
        log_queue.install()
        try:
            self._thread.start()
            try:
                self._started.result(timeout)
            except FutureTimeoutError:
                raise TimeoutError(f"{self._thread.name} did not start within {timeout:g} s") from None
        except BaseException:
            self.stop(timeout)
            raise

    def stop(self, timeout: float) -> bool:
        """End it, also while it starts; whether it has ended in time. On its own thread, only ask it to."""
        self._wanted = False
        loop, stopping = self.loop, self._stopping
        if loop is not None and stopping is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                loop.call_soon_threadsafe(stopping.set)
        if self.is_current or self._thread not in threading.enumerate():
            return True
        # Not `join`: Ctrl-C may have come while the thread was being started, and Python does not join such a thread.
        if not self._ended.wait(timeout):
            return False
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return True

    def _run(self) -> None:
        # Log handlers are the program's: one that blocks must not stop the server.
        log_queue.hold()
        try:
            asyncio.run(self._main())
        except BaseException as exc:  # noqa: BLE001 - handed to who started it, or logged
            try:
                self._started.set_exception(exc)
            except InvalidStateError:
                logger.exception("%s failed", self._thread.name)
        finally:
            self.loop = None
            _LIVE.discard(self)
            log_queue.release()
            self._ended.set()

    async def _main(self) -> None:
        self._stopping = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        if not self._wanted:
            return  # it was stopped before it could be told
        await self._serve(self._tell_started, self._stopping)

    def _tell_started(self) -> None:
        with contextlib.suppress(InvalidStateError):  # who started it has given up
            self._started.set_result(None)


@atexit.register
def _stop_all() -> None:
    """Of a program that Ctrl-C ended between two lines: sockets must not be left to the interpreter's end."""
    for server in tuple(_LIVE):
        server.stop(_EXIT_LIMIT)
