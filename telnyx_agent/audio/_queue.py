"""A bounded queue of samples between the pacing thread and the program's threads.

The pacing thread takes no lock here, on whichever side it is: a thread of the program that holds one while it waits
for the GIL would hold up the sound. That works because a `deque` appends and pops atomically and because every counter
has a single writer.
"""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np

from ._samples import Int16
from ._waits import wait_for

__all__ = ["SampleQueue"]


class SampleQueue:
    """First in, first out, at most `limit` samples. One thread puts and one gets at a time; any thread may `clear`.

    Args:
        limit: How many samples it holds.
        piece: Samples per entry; what is put is cut into such pieces.
    """

    def __init__(self, limit: int, piece: int) -> None:
        self._limit = limit
        self._piece = piece
        self._pieces: deque[Int16] = deque()
        self._rest: Int16 = np.zeros(0, np.int16)  # of the getting side
        self._put = self._displaced = self.dropped = 0  # written by the putting side
        self._got = self._seen_clears = 0  # written by the getting side
        self._cleared = self._clears = 0  # written under _clear_lock
        self._clear_lock = threading.Lock()
        self._changed = threading.Event()
        self._closed = False

    dropped: int
    """Samples that found no room, or lost it to newer ones."""

    def put(self, pcm: Int16, *, drop_oldest: bool) -> int:
        """Append. What is too much is dropped and counted: the oldest samples, or else the end of `pcm`.

        Returns:
            How many samples of `pcm` were taken.
        """
        excess = max(0, self._queued() + len(pcm) - self._limit)
        if drop_oldest:
            self._displace(excess)
        else:
            pcm = pcm[: len(pcm) - excess]
            self.dropped += excess
        for start in range(0, len(pcm), self._piece):
            piece = pcm[start : start + self._piece]
            self._put += len(piece)
            self._pieces.append(piece)
        self._changed.set()
        return len(pcm)

    def get(self, samples: int) -> Int16:
        """Up to `samples` samples: what is there. Does not wait."""
        parts = [self._take_rest()]
        have = len(parts[0])
        while have < samples and (piece := self._pop()) is not None:
            self._got += len(piece)
            parts.append(piece)
            have += len(piece)
        joined = np.concatenate(parts) if len(parts) > 1 else parts[0]
        self._rest = joined[samples:]
        return joined[:samples]

    def wait(self, samples: int, timeout: float | None) -> bool:
        """On the getting side, wait until `samples` samples are there.

        Returns:
            False when the time was up or the queue was closed before that.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._changed.clear()
            if len(self._take_rest()) + self._queued() >= samples:
                return True
            if self._closed or not wait_for(self._changed, None if deadline is None else deadline - time.monotonic()):
                return False

    def clear(self) -> None:
        """Drop everything that is in it; not counted in `dropped`, because it is wanted. Any thread."""
        with self._clear_lock:
            self._clears += 1
            while (piece := self._pop()) is not None:
                self._cleared += len(piece)

    def open(self) -> None:
        """Let `wait` wait, as it does at first."""
        self._closed = False

    def close(self) -> None:
        """Nothing more will be put: end every `wait`. What is in the queue stays."""
        self._closed = True
        self._changed.set()

    def _queued(self) -> int:
        return self._put - self._displaced - self._got - self._cleared

    def _pop(self) -> Int16 | None:
        try:
            return self._pieces.popleft()
        except IndexError:
            return None

    def _displace(self, excess: int) -> None:
        while excess > 0 and (piece := self._pop()) is not None:
            self._displaced += len(piece)
            self.dropped += len(piece)
            excess -= len(piece)

    def _take_rest(self) -> Int16:
        """The getting side's part of a piece, unless the queue was cleared since."""
        if self._seen_clears != self._clears:
            self._seen_clears = self._clears
            self._rest = self._rest[:0]
        return self._rest
