"""`Commands`: what users ask of a session and its calls, each with a future that is told what came of it.

Part of `SessionDriver`. Loop thread only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .._protocol import outcomes
from ..errors import CallError, TxError

if TYPE_CHECKING:
    from .._protocol.session import Session
    from .._protocol.warnings import WarningCode
    from .._runtime.futures import CommandFuture
    from .call import CallDriver
    from .listener import SessionListener
    from .sound import CallSound

__all__ = ["Commands"]


class Commands:
    """The attributes are those of `SessionDriver`."""

    if TYPE_CHECKING:
        _session: Session
        _loop: asyncio.AbstractEventLoop
        _calls: dict[str, CallDriver]
        _listener: SessionListener

        def _step(self) -> None: ...
        def _keep(self, task: asyncio.Task[None]) -> None: ...

    def __init__(self) -> None:
        self._waiting_messages: dict[str, CommandFuture[str]] = {}
        self._tickets: dict[str, CommandFuture[None]] = {}

    def perform(self, action: Callable[[Session, float], Any], done: CommandFuture[Any]) -> None:
        """Run a command of the core. `done` settles with what it returns.

        Raises:
            Exception: What it raises.
        """
        result = action(self._session, self._loop.time())
        self._step()
        done.settle_after_callbacks(result)

    def request(self, action: Callable[[Session, float], str], done: CommandFuture[None]) -> None:
        """Run a command of the core that the server must confirm. `done` settles with its `CommandSettled`.

        Raises:
            Exception: What it raises.
        """
        self._tickets[action(self._session, self._loop.time())] = done
        self._step()

    def send_message(self, text: str, image_urls: Sequence[str], may_wait: bool, done: CommandFuture[str]) -> None:
        """Send typed text and images to the assistant. `done` settles with the item id once the frame is handed
        over; that may be later if the message may wait for a lost connection.

        Raises:
            TxError: The message was refused.
        """
        item_id = self._session.conversation.send_message(text, image_urls, self._loop.time(), may_wait=may_wait)
        if self._session.conversation.messages.is_waiting(item_id):
            self._waiting_messages[item_id] = done
        else:
            self._step()
            done.settle_after_callbacks(item_id)

    def call_stats(self, call_id: str, done: CommandFuture[Any]) -> None:
        """`done` settles with the call's media statistics."""
        driver = self._calls.get(call_id)
        if driver is None:
            done.settle(error=CallError("the call has no media any more", call_id=call_id))
            return

        async def read() -> None:
            try:
                done.settle(await driver.stats())
            except Exception as exc:  # noqa: BLE001 - whatever aiortc raises while it closes, the caller must know
                done.settle(error=CallError(f"no statistics could be read: {exc}", call_id=call_id))

        self._keep(self._loop.create_task(read()))

    def with_sound(self, call_id: str, job: Callable[[CallSound], None], done: CommandFuture[None]) -> None:
        """Do something with a call's audio device, which may block. `done` settles with the outcome."""
        driver = self._calls.get(call_id)
        if driver is None:
            done.settle(error=CallError("the call has no audio device any more", call_id=call_id))
            return
        self._keep(self._loop.create_task(driver.with_sound(job, done)))

    def watch_levels(self, call_id: str, done: CommandFuture[None]) -> None:
        """Somebody wants to know a call's levels now."""
        driver = self._calls.get(call_id)
        if driver is not None:
            driver.watch_levels()
        done.settle()

    def warn(self, code: WarningCode, call_id: str, done: CommandFuture[None]) -> None:
        """Something that only a facade can see."""
        self._listener.warned(code, call_id)
        done.settle_after_callbacks()

    # -- what came of them -------------------------------------------------------------------------------------------

    def _on_message_sent(self, event: outcomes.MessageSent) -> None:
        future = self._waiting_messages.pop(event.item_id, None)
        if future is not None:
            future.settle_after_callbacks(event.item_id)

    def _on_message_failed(self, event: outcomes.MessageFailed) -> None:
        future = self._waiting_messages.pop(event.item_id, None)
        if future is not None:
            future.settle(error=event.error)

    def _on_command_settled(self, event: outcomes.CommandSettled) -> None:
        future = self._tickets.pop(event.ticket, None)
        if future is not None:
            future.settle_after_callbacks(error=event.error)

    def _settle_commands(self, error: TxError) -> None:
        """The login is over: what was asked for will not come any more."""
        futures: list[CommandFuture[Any]] = [*self._waiting_messages.values(), *self._tickets.values()]
        for future in futures:
            future.settle(error=error)
        self._waiting_messages.clear()
        self._tickets.clear()
