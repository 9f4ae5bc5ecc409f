"""From the microphone's thread to the sender: a bounded queue of samples without a lock.

The device's thread pushes, the loop takes. Nothing wakes the loop: with two busy Python threads in the process one
`call_soon_threadsafe` costs the caller 5 to 46 ms (it writes to a socket and so gives up the GIL), an append 4 us. The
sender looks at this buffer when it expects a frame to be complete (`sender.py`).
"""

from __future__ import annotations

import sys
import time
from collections import deque

import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError

__all__ = ["CaptureBuffer", "as_samples"]

_EMPTY: NDArray[np.int16] = np.empty(0, np.int16)
_FORMATS = frozenset("Bbch") | {"@h", "=h", "<h" if sys.byteorder == "little" else ">h"}  # of a memoryview


def as_samples(pcm: bytes | bytearray | memoryview | NDArray[np.int16]) -> NDArray[np.int16]:
    """A device's block as one-dimensional int16 samples of our own: devices may reuse their buffer when we return.

    An odd last byte is left out.

    Raises:
        MediaError: Not mono 16-bit samples; whatever it is, it would be heard as noise.
    """
    # Copied by bytearray: for more than 500 samples numpy gives up the GIL, and waits for it in a busy process.
    if isinstance(pcm, np.ndarray):
        if pcm.dtype != np.int16 or pcm.size != max(pcm.shape, default=0):
            raise _unusable(f"an array of shape {pcm.shape} of {pcm.dtype}")
        if pcm.flags.c_contiguous:
            return np.frombuffer(bytearray(pcm), np.int16)
        return np.array(pcm, np.int16).reshape(-1)
    try:
        view = memoryview(pcm)
        if view.format not in _FORMATS:
            raise _unusable(f"a {type(pcm).__name__} with items of format {view.format!r}")
        view = view.cast("B")
    except TypeError:  # no bytes, or not in one piece
        raise _unusable(f"a {type(pcm).__name__}") from None
    return np.frombuffer(bytearray(view[: len(view) & ~1]), np.int16)


def _unusable(what: str) -> MediaError:
    return MediaError(
        f"the audio device gave {what} to push_capture(), and nothing of it is sent: give mono 16-bit samples, as "
        "bytes or as a numpy array of int16 with one dimension"
    )


class CaptureBuffer:
    """Samples that were captured and not sent yet; the oldest go when there are too many.

    One thread pushes and one thread reads. A block is counted by the side that took it off the queue, and taking is
    atomic, so the counters agree without a lock.

    Args:
        capacity: The most samples to hold; 200 ms unless given.
    """

    def __init__(self, capacity: int = 9600) -> None:
        self._capacity = capacity
        self._blocks: deque[NDArray[np.int16]] = deque()
        self._rest = _EMPTY  # what the reader has of a block it took in part
        self._pushed = 0  # written by the pushing thread only, as is _dropped
        self._dropped = 0
        self._taken = 0  # written by the reading thread only
        self.last_push = 0.0
        """When the last block was pushed, by `time.monotonic()`, the loop's clock."""

    @property
    def pushed(self) -> int:
        """Samples that were ever pushed."""
        return self._pushed

    @property
    def dropped(self) -> int:
        """Samples that were thrown away because the reader had fallen behind."""
        return self._dropped

    @property
    def available(self) -> int:
        """Samples that can be read now (reading side)."""
        return self._pushed - self._dropped - self._taken + self._rest.size

    def push(self, samples: NDArray[np.int16]) -> None:
        """Append a block that the caller will not change any more (pushing side). Never blocks."""
        size = samples.size
        if not size:
            return
        if size > self._capacity:
            self._dropped += size - self._capacity
            self._pushed += size - self._capacity
            samples = samples[size - self._capacity :]
            size = self._capacity
        self._blocks.append(samples)
        self.last_push = time.monotonic()
        self._pushed += size
        while self._pushed - self._dropped - self._taken > self._capacity:
            try:
                oldest = self._blocks.popleft()
            except IndexError:  # the reader took it meanwhile
                break
            self._dropped += oldest.size

    def read(self, count: int) -> NDArray[np.int16]:
        """Take the oldest `count` samples, or all there are when there are fewer (reading side)."""
        parts: list[NDArray[np.int16]] = []
        missing = count
        while missing > 0:
            if not self._rest.size:
                try:
                    block = self._blocks.popleft()
                except IndexError:  # no more, or the pusher threw it away meanwhile
                    break
                self._taken += block.size
                self._rest = block
            part = self._rest[:missing]
            self._rest = self._rest[missing:]
            missing -= part.size
            parts.append(part)
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else _EMPTY

    def clear(self) -> int:
        """Throw away all that is there (reading side); returns how many samples that was."""
        count = 0
        while part := self.read(self._capacity).size:
            count += part
        return count
