"""`IncomingCalls`: calls that ring and were not taken yet - their ringing tone, and what was made for them.

Loop thread only.
"""

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
    """See above.

    Args:
        listener: Is told.
        log: Logs.
        loop: The loop that it runs on.
        run: Runs a coroutine as a task of the login's.
        await_end: Takes what the login is not over without.
        refuse: Ends a call that cannot be taken.
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
        # What their users may have begun to record or to play on calls that were not answered yet.
        self._ringing: dict[str, CallMedia] = {}
        self.is_pausing = False
        """Whether the media libraries are being imported for the first call: what happened waits to be told."""

    def rings(self, event: outcomes.IncomingCall) -> None:
        """Somebody calls."""
        self._log.info("call %s: comes in", event.options.call_id)
        if _media.is_loaded():
            self._announce(event)
        else:
            # Importing would block the loop; a call can only come so early in a process' first second.
            self.is_pausing = True
            self._run(self._load_and_go_on(event))

    def taken(self, call_id: str) -> None:
        """A call is answered."""
        self._end_tone(self._ringing.pop(call_id, None))

    def over(self, call_id: str) -> None:
        """A call has ended; if it never was answered, nobody else closes what was made for it."""
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
        """Silence is immediate."""
        if media is not None and media.tone is not None:
            # The session is not over before it is closed, unless its driver hangs.
            silent = asyncio.wrap_future(media.tone.stop_ringing(), loop=self._loop)
            self._await_end(asyncio.ensure_future(_wait_for(silent)))

    async def _load_and_go_on(self, event: outcomes.IncomingCall) -> None:
        try:
            await _media.load()
            self._announce(event)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the caller must not wait for it
            call_id = event.options.call_id
            error = MediaError(f"the call cannot be taken: {exc}", call_id=call_id)
            self._log.error("call %s: %s", call_id, error)
            self._refuse(call_id, error)
        finally:
            self.is_pausing = False
            self._go_on()


async def _wait_for(closing: asyncio.Future[None]) -> None:
    await asyncio.wait([closing], timeout=DEVICE_CLOSE_LIMIT)
