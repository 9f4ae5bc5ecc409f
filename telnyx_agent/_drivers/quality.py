"""`QualitySampler`: reads one call's media statistics at a fixed interval."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._media.stats import MediaStats

__all__ = ["QualitySampler"]

_log = logging.getLogger("telnyx_agent.quality")


class QualitySampler:
    """One task per call, from `start` to `stop`. Loop thread only.

    Args:
        interval: Seconds between two samples.
        read: Reads the statistics; None while there are none.
        report: Gets each sample.
    """

    def __init__(
        self, interval: float, read: Callable[[], Awaitable[MediaStats | None]], report: Callable[[MediaStats], None]
    ) -> None:
        self._interval = interval
        self._read = read
        self._report = report
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with a sample at once. Does nothing the second time."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        complained = False
        while True:
            try:
                stats = await self._read()
                if stats is not None:
                    self._report(stats)
            except Exception:  # noqa: BLE001 - a call must not end because of its statistics
                if not complained:
                    complained = True
                    _log.exception("a sample could not be taken (further errors of this call are not logged)")
            # Samples that were due while the loop was busy are left out.
            due = max(due + self._interval, loop.time())
            await asyncio.sleep(due - loop.time())
