"""`Marks`: when something happened for the first time. Any thread, no lock, nothing that could block."""

from __future__ import annotations

import time

__all__ = ["Marks"]


class Marks:
    """Names and times, in the order in which they came."""

    def __init__(self) -> None:
        self._times: dict[str, float] = {}

    def mark(self, name: str) -> None:
        """It happens now. Only the first time counts."""
        self._times.setdefault(name, time.monotonic())

    def restart(self, name: str) -> None:
        """Forget what was, and begin with this."""
        self._times = {name: time.monotonic()}

    def snapshot(self) -> tuple[tuple[str, float], ...]:
        """Names and monotonic times, oldest first."""
        return tuple(sorted(self._times.copy().items(), key=lambda item: item[1]))
