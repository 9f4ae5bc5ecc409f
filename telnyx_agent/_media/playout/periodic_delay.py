"""`Spikes`: hold-ups of the network that come again and again, as a Wi-Fi card's look for other networks. PURE.

One hold-up is over when it is over: to wait for the next would cost delay for nothing. The third within seconds of the
others says that there will be a fourth, and then it is cheaper to be late all the time than to stop each time.
"""

from __future__ import annotations

import itertools
from collections import deque

__all__ = ["Spikes"]

_RATE = 48000
_LEAST = 1920  # 40 ms: what is lower comes from busy machines, too
_MOST = 9600  # 200 ms: packets that come later than that are not waited for
_COVERED = 5 / 6  # of one: the last of it costs as much delay as the first, and is made up well
_ENOUGH = 3
_REMEMBERED = 4
_ONE = _RATE // 2  # packets that come so soon after each other belong to the same
_LONGEST_GAP = 10 * _RATE


class Spikes:
    """What is worth being waited for, besides the usual. All in samples of 48 kHz."""

    def __init__(self) -> None:
        self._now = 0
        # When each was last seen, and how high it was.
        self._seen: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)

    def passed(self, duration: int) -> None:
        """So much audio has arrived."""
        self._now += duration

    def late(self, height: int) -> None:
        """A packet came later than was waited for, by so much more than the earliest."""
        if height < _LEAST:
            return
        if self._seen:
            last, highest = self._seen[-1]
            if self._now - last > _LONGEST_GAP:
                self._seen.clear()
            elif self._now - last < _ONE:
                self._seen.pop()
                height = max(height, highest)
        self._seen.append((self._now, height))

    @property
    def worth(self) -> int:
        """By how much to be later than the earliest, so that the next one is not heard; 0 when none is expected."""
        if len(self._seen) < _ENOUGH:
            return 0
        longest = max(after - before for (before, _), (after, _) in itertools.pairwise(self._seen))
        if self._now - self._seen[-1][0] > 2 * longest:
            return 0
        # Not for the highest, which may have been an exception.
        return round(_COVERED * min(sorted(height for _, height in self._seen)[-2], _MOST))
