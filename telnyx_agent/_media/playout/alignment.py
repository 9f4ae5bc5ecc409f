"""Two streams of blocks as the two channels of one recording, aligned to the sample.

PURE: blocks and the times at which they came are arguments. The device's sample clock is the recording's: each channel
advances by what its side delivers, so that a duplex device, which pushes and pulls in one step, is aligned exactly. A
side that lost time against the other, because it began later, hung or was exchanged, is given silence for it, to the
very block that belongs to the other side's. When both were away, both get silence, so that a recording is as long as
the call.

Whether a side lost time or merely is late, and catches up in a burst, can be seen some blocks later only. Therefore
decisions are made with a look ahead of a tenth of a second.
"""

from __future__ import annotations

from collections import deque

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["RATE", "StereoTimeline"]

RATE = 48000

_LOOK_AHEAD = 0.1
_GAP = 0.25  # seconds without a block from either side; shorter ones are the scheduler's
_SHORTEST_FILL = RATE // 10  # of a gap on both sides
_MAX_SKEW = RATE  # one side may be that far behind before the recording goes on without it
_MOST = 5 * RATE  # frames to take at once


@attrs.frozen(eq=False)
class _Block:
    is_left: bool
    samples: NDArray[np.int16]
    now: float


class _Channel:
    """One side's samples that have not been taken yet."""

    def __init__(self) -> None:
        self.parts: deque[NDArray[np.int16]] = deque()
        self.total = 0  # samples of this side so far, silence included
        self.size = 0  # of the last block
        self.last = float("-inf")  # when that came
        self.joined = False  # it delivers, and its place is known

    def add(self, samples: NDArray[np.int16]) -> None:
        self.parts.append(samples)
        self.total += samples.size

    def fill(self, samples: int) -> None:
        if samples > 0:
            self.add(np.zeros(samples, np.int16))

    def take(self, into: NDArray[np.int16]) -> None:
        position = 0
        while position < into.size:
            part = self.parts.popleft()
            used = min(part.size, into.size - position)
            into[position : position + used] = part[:used]
            position += used
            if used < part.size:
                self.parts.appendleft(part[used:])


class StereoTimeline:
    """Takes blocks of both sides in order of arrival, gives frames of both. One thread at a time."""

    def __init__(self) -> None:
        self._left, self._right = _Channel(), _Channel()
        self._coming: deque[_Block | bool] = deque()  # True and False: pause and resume
        self._newest = float("-inf")
        self._taken = 0
        # Parts of the time that are left out, as places in both channels; the last may have no end yet.
        self._cuts: deque[tuple[int, int | None]] = deque()

    def add(self, is_left: bool, samples: NDArray[np.int16], now: float) -> None:
        """Take a block.

        Args:
            is_left: The side.
            samples: The block, which nobody changes any more.
            now: When it came, in seconds.
        """
        if samples.size:
            self._coming.append(_Block(is_left, samples, now))
            self._newest = max(self._newest, now)

    def pause(self) -> None:
        """Leave out what comes from now on."""
        self._coming.append(True)

    def resume(self) -> None:
        """Do not leave out anything any more."""
        self._coming.append(False)

    def take(self, *, final: bool = False) -> NDArray[np.int16]:
        """The next frames, as an array of two columns: left and right. Call it until there are none.

        Args:
            final: No more blocks will come, so that nothing needs to be awaited.
        """
        while self._coming and (final or self._is_decidable(self._coming[0])):
            event = self._coming.popleft()
            if isinstance(event, bool):
                self._cut(event)
            else:
                self._place(event)
                self._level(_MAX_SKEW)
        if final:
            self._level(0)
        frames = self._frames()
        while not frames.size and self._taken < min(self._left.total, self._right.total):
            frames = self._frames()  # all that was to be had fell into a pause
        return frames

    def _is_decidable(self, event: _Block | bool) -> bool:
        return isinstance(event, bool) or self._newest >= event.now + _LOOK_AHEAD

    def _sides(self, is_left: bool) -> tuple[_Channel, _Channel]:
        return (self._left, self._right) if is_left else (self._right, self._left)

    def _place(self, block: _Block) -> None:
        mine, other = self._sides(block.is_left)
        away = block.now - max(mine.last, other.last)
        if _GAP < away < float("inf"):
            missing = round((away + _LOOK_AHEAD) * RATE) - self._soon(block)
            if missing >= _SHORTEST_FILL:
                mine.fill(missing)
                other.fill(missing)
            # The one before may have ended in the midst of a step.
            mine.joined = other.joined = False
        if other.total:
            self._align(block, mine, other)
            mine.joined = True
        mine.add(block.samples)
        mine.size, mine.last = block.samples.size, block.now

    def _soon(self, block: _Block) -> int:
        """How many samples this side delivers within the look ahead, the block included."""
        count = block.samples.size
        for one in self._coming:
            if isinstance(one, _Block) and one.is_left == block.is_left and one.now < block.now + _LOOK_AHEAD:
                count += one.samples.size
        return count

    def _align(self, block: _Block, mine: _Channel, other: _Channel) -> None:
        """Fill what this side lost against the other."""
        size = block.samples.size
        tolerance = 2 * max(size, other.size)
        missing = self._missing(block, mine, other)
        if missing <= (tolerance if mine.joined else 0):
            return
        caught_up = self._caught_up(block)
        if caught_up > tolerance:
            missing -= caught_up
        if missing > (tolerance if mine.joined else 0):
            mine.fill(missing)

    def _missing(self, block: _Block, mine: _Channel, other: _Channel) -> int:
        """How far this side is behind the end of the other's block that came in the same step of the device."""
        before = block.now - other.last
        missing = other.total - mine.total - block.samples.size
        if before <= block.samples.size / RATE / 2:
            return missing
        after = next(
            (one for one in self._coming if isinstance(one, _Block) and one.is_left != block.is_left),
            None,
        )
        if after is not None and after.now - block.now < before:
            missing += after.samples.size
        return missing

    def _caught_up(self, block: _Block) -> int:
        """How much this side gains on the other soon: it was late only."""
        gained = most = 0
        for one in self._coming:
            if isinstance(one, _Block) and one.now < block.now + _LOOK_AHEAD:
                gained += one.samples.size if one.is_left == block.is_left else -one.samples.size
                most = max(most, gained)
        return most

    def _level(self, skew: int) -> None:
        """Fill the side that is more than `skew` behind."""
        for one, other in ((self._left, self._right), (self._right, self._left)):
            missing = other.total - one.total - skew
            if missing > 0:
                one.fill(missing)
                one.joined = False

    def _cut(self, begins: bool) -> None:
        """A pause begins or ends where neither side has delivered anything yet."""
        place = max(self._left.total, self._right.total)
        is_open = bool(self._cuts) and self._cuts[-1][1] is None
        if begins and not is_open:
            self._cuts.append((place, None))
        elif not begins and is_open:
            self._cuts[-1] = (self._cuts[-1][0], place)

    def _frames(self) -> NDArray[np.int16]:
        """What there is of both sides up to the next cut; nothing, but progress, within one."""
        count = min(min(self._left.total, self._right.total) - self._taken, _MOST)
        wanted = True
        if self._cuts:
            begin, end = self._cuts[0]
            wanted = self._taken < begin
            if wanted:
                count = min(count, begin - self._taken)
            elif end is not None:
                count = min(count, end - self._taken)
                if self._taken + count == end:
                    self._cuts.popleft()
        frames = np.empty((count, 2), np.int16)
        self._left.take(frames[:, 0])
        self._right.take(frames[:, 1])
        self._taken += count
        return frames if wanted else frames[:0]
