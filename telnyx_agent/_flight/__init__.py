"""The flight recorder: what a client sends, receives and tells its delegate, as JSON lines (docs/flight-recorder.md).

`recorder` takes things down on any thread and writes them on one of its own; `encoding` makes JSON of them, and
`masking` decides what of it may be shown. `_replay` reads it again. Nothing of it is imported until it is used.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .recorder import FlightRecorder

__all__ = ["SCHEMA", "FlightSlot"]

SCHEMA = 1
"""The version of the format. A reader refuses what is newer than itself."""


class FlightSlot:
    """Where a client keeps its recorder while there is one: those who have something to record look here.

    One attribute, so that it costs no more than to read it while nothing is recorded.
    """

    __slots__ = ("lock", "recorder")

    def __init__(self) -> None:
        self.recorder: FlightRecorder | None = None
        # Only for those who put one in: they open a file under it, so nobody else may wait for it.
        self.lock = threading.Lock()
