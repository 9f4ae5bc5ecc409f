"""The record of every frame that crossed the local agent's sockets. Any thread."""

from __future__ import annotations

import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ._bounds import FRAME_BYTES, Kept, size_of

__all__ = ["FrameLog", "FrameRecord"]

# Methods only, never content: what people say and who they are is not for logs.
logger = logging.getLogger("telnyx_agent.testing.frames")


@attrs.frozen
class FrameRecord:
    """One frame.

    Attributes:
        direction: `"received"` (from the client) or `"sent"`.
        connection: Number of the connection, from 1.
        time: Seconds since the agent was made.
        data: The frame as it was on the wire.
    """

    direction: str
    connection: int
    time: float
    data: str | bytes = attrs.field(repr=False)

    @property
    def message(self) -> dict[str, Any]:
        """The decoded frame, a fresh copy; empty if it is not a JSON object."""
        try:
            value = json.loads(self.data)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def method(self) -> str:
        """The JSON-RPC method; `"(result)"`, `"(error)"`, or `"(other)"` for what has none."""
        message = self.message
        if "error" in message:
            return "(error)"
        if "result" in message:
            return "(result)"
        method = message.get("method")
        return method if isinstance(method, str) else "(other)"

    @property
    def params(self) -> dict[str, Any]:
        """The frame's `params`, a fresh copy; empty if it has none."""
        params = self.message.get("params")
        return params if isinstance(params, dict) else {}


class FrameLog:
    """All frames, oldest first, as many of the newest as `FRAME_BYTES` has room for."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._frames: Kept[FrameRecord] = Kept(FRAME_BYTES)
        self._changed = threading.Condition()

    def add(self, direction: str, connection: int, data: str | bytes) -> None:
        """Record a frame."""
        record = FrameRecord(direction, connection, time.monotonic() - self._start, data)
        with self._changed:
            self._frames.add(record, size_of(data))
            self._changed.notify_all()
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%d %s %s", connection, "<" if direction == "received" else ">", record.method)

    def snapshot(self) -> tuple[FrameRecord, ...]:
        """What was recorded up to now."""
        with self._changed:
            return tuple(self._frames)

    def wait_for(
        self,
        method: str,
        timeout: float,
        *,
        direction: str | None,
        count: int,
        predicate: Callable[[Mapping[str, Any]], bool] | None,
    ) -> FrameRecord:
        """The `count`-th frame of that kind, as soon as there is one.

        Raises:
            TimeoutError: There was none in time; says what there was.
        """
        deadline = time.monotonic() + timeout

        def matches(frame: FrameRecord) -> bool:
            if direction is not None and frame.direction != direction:
                return False
            return frame.method == method and (predicate is None or predicate(frame.message))

        found = seen = 0
        with self._changed:
            while True:
                total = self._frames.total
                new = min(total - seen, len(self._frames))
                for frame in itertools.islice(self._frames, len(self._frames) - new, None):
                    found += matches(frame)
                    if found == count:
                        return frame
                seen = total
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    listed = ", ".join(f"{'<' if f.direction == 'received' else '>'}{f.method}" for f in self._frames)
                    raise TimeoutError(
                        f"no {method!r} frame (number {count}) within {timeout} s; frames so far (< from the client, "
                        f"> to it): {listed[-2000:] or 'none'}"
                    )
                self._changed.wait(remaining)
