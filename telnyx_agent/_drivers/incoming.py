"""`IncomingCalls`: calls that came in and were not answered yet - their ringing tones and their media."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from .. import _media
from .._protocol import outcomes
from ..errors import MediaError
from .call import DEVICE_CLOSE_LIMIT

if TYPE_CHECKING:
    from .._runtime.log import ClientLog
    from .call import CallMedia
    from .listener import SessionListener

__all__ = ["IncomingCalls"]


class IncomingCalls:
    """The calls of one login that ring. Loop thread only.

    Args:
        listener: Gets the calls.
        log: The client's log.
        loop: The loop.
        run: Runs a coroutine as a task of the login.
        await_end: Gets a future; the login is not over before it is done.
        refuse: Ends a call that cannot be answered.
        go_on: Called when `is_pausing` is over.
    """

    def __init__(
        self,
        listener: SessionListener,
        log: ClientLog,
        loop: asyncio.AbstractEventLoop,
        *,
        run: Callable[[Coroutine[Any, Any, None]], None],
        await_end: Callable[[asyncio.Future[None]], None],
        refuse: Callable[[str, MediaError], None],
        go_on: Callable[[], None],
    ) -> None:
        self._listener = listener
        self._log = log
        self._loop = loop
        self._run = run
        self._await_end = await_end
        self._refuse = refuse
        self._go_on = go_on
        # The program may record or play in a call that is not answered yet, so these must be closed.
        self._ringing: dict[str, CallMedia] = {}
        self.is_pausing = False
        """Whether the media libraries are being imported for the first call. Meanwhile no event is delivered."""

    def rings(self, event: outcomes.IncomingCall) -> None:
        """Somebody calls."""
        self._log.info("call %s: comes in", event.options.call_id)
        if _media.is_loaded():
            self._announce(event)
        else:
            # The import would block the loop, so a thread does it. Only in a process' first second a call is so early.
            self.is_pausing = True
            self._run(self._load_and_go_on(event))

    def taken(self, call_id: str) -> None:
        """A call is answered."""
        self._end_tone(self._ringing.pop(call_id, None))

    def over(self, call_id: str) -> None:
        """A call has ended. If it was never answered, close its media here."""
        media = self._ringing.pop(call_id, None)
        self._end_tone(media)
        if media is not None:
            self._await_end(asyncio.ensure_future(self._loop.run_in_executor(None, media.sound.stop)))

    def _announce(self, event: outcomes.IncomingCall) -> None:
        media = self._listener.incoming_call(event.options, event.details)
        self._ringing[event.options.call_id] = media
        if media.tone is not None:
            media.tone.start_ringing()

    def _end_tone(self, media: CallMedia | None) -> None:
        """Stop the ringing tone at once. Its device closes later."""
        if media is not None and media.tone is not None:
            # The login is not over before the device is closed, unless its driver hangs.
            silent = asyncio.wrap_future(media.tone.stop_ringing(), loop=self._loop)
            self._await_end(asyncio.ensure_future(_wait_for(silent)))

    async def _load_and_go_on(self, event: outcomes.IncomingCall) -> None:
        try:
            await _media.load()
            self._announce(event)
        except Exception as exc:  # noqa: BLE001 - the caller must not wait for a call that cannot be answered
            call_id = event.options.call_id
            error = MediaError(f"the call cannot be taken: {exc}", call_id=call_id)
            self._log.error("call %s: %s", call_id, error)
            self._refuse(call_id, error)
        finally:
            self.is_pausing = False
            self._go_on()


async def _wait_for(closing: asyncio.Future[None]) -> None:
    await asyncio.wait([closing], timeout=DEVICE_CLOSE_LIMIT)
