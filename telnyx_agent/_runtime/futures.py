"""`CommandFuture`: what every command returns - ignore it, wait for it, or await it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any, TypeVar

from ..errors import TxTimeoutError
from .dispatch import Dispatcher
from .loop import LoopThread
from .threads import NoThreadError, SdkThread, check_may_wait
from .watch import Deadline

__all__ = ["CALLBACK_GRACE", "CALLBACK_LIMIT", "CommandFuture"]

T = TypeVar("T")

CALLBACK_GRACE = 0.25
"""Seconds that the program's callbacks may take, until a future settles without those that its command caused."""

CALLBACK_LIMIT = 1.0
"""Seconds that it waits at most where the callbacks do not even get their turn: the machine is busy."""


class CommandFuture(Future[T]):
    """The outcome of a command. A `concurrent.futures.Future`, so `asyncio.wrap_future` makes it awaitable.

    It cannot be cancelled: a command is under way as soon as it is given. Functions given to `add_done_callback` run
    where the client's callbacks run, in order with them.

    Args:
        dispatcher: Where the client's callbacks run; without one, done-callbacks run on the thread that settles.
        loop: The loop that `settle_after_callbacks` is called on.
    """

    def __init__(self, dispatcher: Dispatcher | None = None, loop: LoopThread | None = None) -> None:
        super().__init__()
        self._waiters = _Waiters()
        self.set_running_or_notify_cancel()
        self._dispatcher = dispatcher
        self._loop = loop
        self._outcome: tuple[Any, BaseException | None] | None = None
        self._is_awaited_by_dispatcher = False

    @classmethod
    def settled(cls, result: Any = None, error: BaseException | None = None) -> CommandFuture[Any]:
        """A future of a command that had nothing to do, or could not be given."""
        future: CommandFuture[Any] = cls()
        future.settle(result, error)
        return future

    @classmethod
    def settled_after(cls, dispatcher: Dispatcher | None) -> CommandFuture[Any]:
        """A future of a command that has nothing left to do but to wait until the last callbacks were delivered,
        `CALLBACK_GRACE` at most. There may be no loop any more that could watch the time.
        """
        if dispatcher is None or dispatcher.has_ended or dispatcher.is_current_thread():
            return cls.settled()
        future: CommandFuture[Any] = cls(dispatcher)
        dispatcher.submit(future.settle, "settle")
        grace, over = _Grace(dispatcher), threading.Event()
        Future.add_done_callback(future, lambda _: over.set())

        def settle_in_the_end() -> None:
            while not over.is_set() and (left := grace.left) > 0.0:
                over.wait(left)
            future.settle()

        try:
            SdkThread(settle_in_the_end, "telnyx-agent-timer").start()
        except NoThreadError:
            future.settle()
        return future

    def __bool__(self) -> bool:
        """False for a command that has failed already: one that was refused at once. True for one that goes on.

        So that `if client.send_ai_assistant_message("Hello"):` means what it does on iOS, where it is a `Bool`.
        """
        return not (self.done() and super().exception(0) is not None)

    # -- users: any thread ---------------------------------------------------------------------------------------------

    def result(self, timeout: float | None = None) -> T:
        """Block until the command is complete and return its result. Ctrl-C interrupts.

        Raises:
            TxTimeoutError: It is not complete after `timeout` seconds; it goes on.
            LocalProtocolError: This is a thread of the SDK's own, which would wait for itself: in a finaliser or a log
                handler, say. The command goes on.
            TxError: What the command failed with.
        """
        self._wait_or_raise(timeout)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Block until the command is complete and return what it failed with, or None.

        Raises:
            TxTimeoutError: It is not complete after `timeout` seconds; it goes on.
            LocalProtocolError: As with `result`.
        """
        self._wait_or_raise(timeout)
        return super().exception(0)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the command is complete, well or not; False when it is not after `timeout` seconds.

        Raises:
            LocalProtocolError: As with `result`.
        """
        if self._dispatcher is not None and self._dispatcher.is_current_thread():
            # The callbacks that the future would wait for wait for this thread: see `settle_after_callbacks`. First the
            # flag, then the look, there in the other order: one of the two sees the other.
            self._is_awaited_by_dispatcher = True
            if self._outcome is not None:
                self.settle(*self._outcome)
        deadline = Deadline(timeout)
        while not self.done():
            if deadline.is_over:
                break
            check_may_wait("a command's future")
            concurrent.futures.wait((self,), deadline.next_wait)
        return self.done()

    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """Call `fn(self)` when the command is complete, soon if it is; runs where the client's callbacks run."""
        dispatcher = self._dispatcher
        if dispatcher is None:
            super().add_done_callback(fn)
            return

        def relay(_: Future[T]) -> None:
            dispatcher.submit(functools.partial(fn, self))

        super().add_done_callback(relay)

    # -- the SDK -------------------------------------------------------------------------------------------------------

    def settle(self, result: Any = None, error: BaseException | None = None) -> None:
        """Complete now. Any thread; the first one wins, later ones change nothing."""
        try:
            if error is None:
                self.set_result(result)
            else:
                self.set_exception(error)
        except InvalidStateError:
            # Somebody was faster. To look before would not help: they may come in between.
            return

    def settle_after_callbacks(self, result: Any = None, error: BaseException | None = None) -> None:
        """Complete after the callbacks submitted so far were delivered, `CALLBACK_GRACE` later at most. Loop thread.

        At once where waiting could be in vain: nobody may be pumping, or the dispatcher itself is waiting for this.
        """
        self._outcome = (result, error)
        dispatcher, loop = self._dispatcher, self._loop
        if dispatcher is None or loop is None or not dispatcher.can_wait or self._is_awaited_by_dispatcher:
            self.settle(result, error)
            return
        dispatcher.submit(functools.partial(self.settle, result, error), "settle")
        loop.linger(self._settle_in_the_end(loop, _Grace(dispatcher), result, error))

    async def _settle_in_the_end(
        self, loop: LoopThread, grace: _Grace, result: Any, error: BaseException | None
    ) -> None:
        settled = loop.loop.create_future()

        def wake(_: Future[T]) -> None:
            try:
                loop.loop.call_soon_threadsafe(_finish, settled)
            except RuntimeError:  # the loop has ended in the meantime: nobody is waiting below any more
                return

        super().add_done_callback(wake)
        try:
            while not settled.done() and (left := grace.left) > 0.0:
                await asyncio.wait((settled,), timeout=left)
        finally:
            self.settle(result, error)

    def _wait_or_raise(self, timeout: float | None) -> None:
        if not self.wait(timeout):
            raise TxTimeoutError(f"the command is not complete after {timeout:g} s; it goes on")


class _Waiters(list[Any]):
    """Who waits for a future by `concurrent.futures.wait` or `as_completed`, which put something in here."""

    def append(self, waiter: Any) -> None:
        """Somebody is about to wait."""
        check_may_wait("concurrent.futures")
        super().append(waiter)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _Grace:
    """What is left of the time that callbacks may take before the outcome of a command is told without them."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._begun = dispatcher.time_in_callbacks()
        self._limit = Deadline(CALLBACK_LIMIT)

    @property
    def left(self) -> float:
        """Seconds; none if it is not positive."""
        if self._limit.is_over:
            return 0.0
        return CALLBACK_GRACE - (self._dispatcher.time_in_callbacks() - self._begun)
