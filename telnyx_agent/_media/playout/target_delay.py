"""How long audio should wait before it is played: what lateness, loss and delay cost together. PURE.

The lateness of a packet is how many samples the device had already been given when the packet could first be used,
minus where its audio begins on the line of time. It holds everything between the two clocks: the network's jitter, the
device's blocks and their jitter, and drift; only differences mean anything. Audio that waits until lateness `value` is
on time for all packets that are not later than that.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import deque

from .periodic_delay import Spikes

__all__ = ["TargetDelay"]

_GRID = 120  # lateness is kept in steps of 2.5 ms
_WINDOW = 400  # packets that count: 8 s at 20 ms
_RECENT = 64  # packets after which a spike is forgotten entirely
_MILLISECOND = 48
_LATE_COST = 2000.0  # one packet in a hundred late is as bad as 20 ms of delay
_LOSS_COST = 2250.0  # and one that is not recovered, though it could be, more so: its sound is gone
_WAIT = 0.75  # of a packet's length: what waiting for the next one is worth; the rest of it is made up
_PATIENCE = 2.0  # so much cheaper must it be not to wait for recovery any more, once that was worth it
_SETTLING = 50  # packets until the first guess is dropped
_GUESS = 720  # the first guess: the first packet may have been early by 15 ms
_EVERY = 8  # packets from one reckoning to the next
_UNCHANGED = 0.25  # and such a packet counts as so many, because loss changes, too
_LOSS_MEMORY = 512  # packets
_FEC_RISES, _FEC_FALLS = 0.5, 1.0 / 32  # silence carries none even where speech does
_ENOUGH = 200  # packets; while there are fewer, the missing ones are taken to have been in time
_FIRST_LOSS, _FIRST_LOSS_PACKETS = 0.006, 150  # who loses one packet in a call's first seconds will lose more


class TargetDelay:
    """The distribution of lateness over the last seconds, and the delay that is worth it.

    Args:
        least: Samples that the earliest packets should wait whatever the network is like.
    """

    def __init__(self, least: int = 0) -> None:
        self._least = least
        self.value = 0
        """Lateness up to which packets should be on time, in samples."""
        self.base = 0
        """The least lateness of late: what is above that is delay on purpose."""
        self._values: deque[int] = deque(maxlen=_WINDOW)
        self._counts: dict[int, int] = {}
        self._packets = 0
        self._unreckoned = 0.0
        self._duration = 960
        self._passed = _FIRST_LOSS_PACKETS
        self._loss = _FIRST_LOSS
        self._any_lost = False
        self._waits = False  # for the packet after a lost one
        self._fec = 0.0
        self._spikes = Spikes()
        self._usual = 0  # what `value` would be without them

    def arrived(self, lateness: int, duration: int) -> None:
        """A packet that holds `duration` samples can be used now."""
        rounded = -(-lateness // _GRID) * _GRID
        values, counts = self._values, self._counts
        if duration:
            self._duration = duration
        self._packets += 1
        self._spikes.passed(self._duration)
        if rounded > self._usual and self._packets > _SETTLING:
            self._spikes.late(rounded - self.base)
        if len(values) < _WINDOW or values[0] != rounded:
            if len(values) == _WINDOW:
                self._forget(values[0])
            counts[rounded] = counts.get(rounded, 0) + 1
            self._unreckoned += 1
        else:  # the distribution stays as it is
            self._unreckoned += _UNCHANGED
        values.append(rounded)
        if rounded > self.value or self._unreckoned >= _EVERY or self._packets <= _EVERY:
            self._reckon()

    def passed(self, *, recoverable: bool) -> None:
        """The turn of another packet is over; `recoverable` when it did not come, and the one after it did.

        Of packets lost in a row only the last can be recovered, so waiting gains no more than that.
        """
        self._any_lost |= recoverable
        self._passed = min(_LOSS_MEMORY, self._passed + 1)
        self._loss += ((1.0 if recoverable else 0.0) - self._loss) / self._passed

    def protected(self, carries: bool) -> None:
        """A packet was looked at: whether it carries the one before it a second time."""
        if carries:
            self._fec += (1.0 - self._fec) * _FEC_RISES
        else:
            self._fec -= self._fec * _FEC_FALLS

    @property
    def is_new(self) -> bool:
        """Whether nothing has arrived yet."""
        return not self._values

    def restart(self, lateness: int) -> None:
        """Time goes on from somewhere else, with a packet of this lateness; the spread is remembered."""
        if not self._values:
            return
        common = max(self._counts, key=self._counts.__getitem__)
        shift = -(-lateness // _GRID) * _GRID - common
        self._values = deque((value + shift for value in self._values), _WINDOW)
        self._counts = {value + shift: count for value, count in self._counts.items()}
        self.value += shift
        self._usual += shift
        self.base += shift

    def _forget(self, value: int) -> None:
        if self._counts[value] == 1:
            del self._counts[value]
        else:
            self._counts[value] -= 1

    def _reckon(self) -> None:
        """Choose the cheapest of all delays that differ in what they are in time for."""
        self._unreckoned = 0.0
        ordered = sorted(self._counts)
        total = len(self._values)
        enough = max(total, _ENOUGH)
        sums = list(itertools.accumulate(self._counts[value] for value in ordered))
        half, wait = self._duration // 2, round(self._duration * _WAIT)

        def late(delay: int) -> float:
            """The share that is late at this delay; those late by less than half their length count half."""
            index, later = bisect_right(ordered, delay), bisect_right(ordered, delay + half - 1)
            return (2 * total - (sums[index - 1] if index else 0) - (sums[later - 1] if later else 0)) / (2 * enough)

        self.base = ordered[0]
        worth_waiting = 0.0
        if self._any_lost:  # a network that loses nothing is not asked for more delay
            worth_waiting = _LOSS_COST * self._loss * self._fec * (_PATIENCE if self._waits else 1.0)
        candidates = ordered
        if worth_waiting > 1.0:
            candidates = sorted({value + more for value in ordered for more in (0, wait)})
        best, least = ordered[-1], float("inf")
        for delay in candidates:
            cost = (delay - self.base) / _MILLISECOND + _LATE_COST * late(delay)
            if worth_waiting > 1.0:
                cost += worth_waiting * late(delay - wait) * enough / total
            if cost < least:
                best, least = delay, cost
        # A spike that is over is forgotten soon, unless it comes again and again.
        newest = max(itertools.islice(reversed(self._values), _RECENT))
        best = min(best, newest + (wait if worth_waiting > 1.0 else 0))
        self._waits = worth_waiting > 1.0 and best >= self.base + wait
        if self._packets < _SETTLING:
            best = max(best, self.base + _GUESS)
        self._usual = max(best, self.base + self._least)
        self.value = max(self._usual, self.base + self._spikes.worth)
