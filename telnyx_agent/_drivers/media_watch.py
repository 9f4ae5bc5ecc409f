"""`MediaWatch`: notices within three seconds that a call's media have stopped.

aiortc alone needs about half a minute for that (it waits until six ICE consent checks have failed). Silence alone is no
proof: an agent may send nothing while it does not speak. So after a second of silence, the path is tested with the STUN
request that ICE uses for consent (RFC 7675). Every ICE agent must answer it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["MediaWatch"]

LOOK_EVERY = 0.25
"""Seconds between two looks at the packet counter."""

SILENCE = 1.0
"""Seconds without a packet before the path is tested."""

ANSWER_WITHIN = 1.5
"""Seconds for the answer to that test. The request is repeated once within this time."""


class MediaWatch:
    """Watches one peer connection from `start` to `stop`. Loop thread only.

    Args:
        received: How many RTP packets have come so far.
        path_answers: Tests the path. Returns whether the other end answered within so many seconds.
        on_lost: Called once, when neither packets nor an answer came.
    """

    def __init__(
        self,
        received: Callable[[], int],
        path_answers: Callable[[float], Awaitable[bool]],
        on_lost: Callable[[], None],
    ) -> None:
        self._received = received
        self._path_answers = path_answers
        self._on_lost = on_lost
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin. Does nothing if it has begun."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """End; nothing is reported afterwards."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        count, silent_since = self._received(), loop.time()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if self._received() == count:
                if loop.time() - silent_since < SILENCE:
                    continue
                if not await self._path_answers(ANSWER_WITHIN) and self._received() == count:
                    break
            count, silent_since = self._received(), loop.time()
        self._on_lost()
