"""Whether a sound card has stopped to move, or is behind: pure arithmetic on what a thread sees every `CHECK_SECONDS`.

A block that is late because this process is busy is no dead device. The watching thread waits for the processor and the
interpreter as the card's callback does; so only the time in which it was itself on time counts.
"""

from __future__ import annotations

__all__ = ["CHECK_SECONDS", "Backlog", "Progress"]

CHECK_SECONDS = 0.1
"""Seconds between two looks."""

_LATE_SECONDS = 0.05  # a look that comes so much too late says that this process is busy
_REGULAR_BLOCKS = 50  # half a second of blocks: the device is awake
_AWAKE_LIMIT = 0.28  # three looks in time
_OLD_SECONDS = 0.05  # older than it ever was, by so much: a delay that would last
_OLD_LIMIT = 0.15
_OLD_LOOKS = 3  # one callback may run late; the delay is looked at again before it is believed
_ASLEEP_LIMIT = 5.0  # Bluetooth takes seconds to wake up; a dead device is silent for ever


class Progress:
    """Judges one stream by the number of blocks that it has brought so far.

    Args:
        patience: Seconds that it may take to wake up.
    """

    def __init__(self, patience: float = _ASLEEP_LIMIT) -> None:
        self._patience = patience
        self._looked: float | None = None
        self._blocks = 0
        self._still = 0.0  # seconds without a block, seen by looks that were in time
        self._moved = 0.0  # when the last block had come

    def has_stalled(self, now: float, blocks: int) -> bool:
        """Look at it.

        Args:
            now: Seconds, on a clock that does not jump.
            blocks: How many blocks there were since the stream was opened.

        Returns:
            Whether the device is to be given up.
        """
        before, self._looked = self._looked, now
        if before is None or blocks != self._blocks:
            self._blocks, self._still, self._moved = blocks, 0.0, now
            return False
        if now - before <= CHECK_SECONDS + _LATE_SECONDS:
            self._still += now - before
        awake = blocks >= _REGULAR_BLOCKS
        return now - self._moved >= self._patience or (awake and self._still >= _AWAKE_LIMIT)


class Backlog:
    """Judges by the age of what a stream brings whether sound has piled up in its driver.

    To leave behind what has piled up costs a gap, in both directions. Where it piles up again and again, because the
    machine is busy, a little more of delay is better than one gap after the other.

    Args:
        gaps: How many there were lately.
    """

    def __init__(self, gaps: int = 0) -> None:
        self._allowed = min(_OLD_LIMIT, _OLD_SECONDS * (1 + gaps))
        self._least = float("inf")
        self._looks = 0  # in a row that found it old

    def has_piled_up(self, age: float) -> bool:
        """Look at it.

        Args:
            age: Seconds since the newest block was recorded.

        Returns:
            Whether the stream should be opened again.
        """
        self._least = min(self._least, age)
        self._looks = self._looks + 1 if age > self._least + self._allowed else 0
        return self._looks >= _OLD_LOOKS
