"""A call to a stereo WAV: left what the caller sent, right what was heard, aligned to the sample.

The device's clock is the recording's clock: each side advances by what the device pushed or pulled. A duplex device so
gives exact alignment. A side that delivers nothing is filled with silence, so that a recording is as long as the call.

Device threads only append to a queue; a thread of the recorder's own touches the disk, ten times a second.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
from collections import deque
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from .codecs import RATE

__all__ = ["StereoRecorder"]

_log = logging.getLogger("telnyx_agent.media")

_INTERVAL = 0.1
_HEADER_EVERY = 10  # write-outs; so an interrupted process leaves a file that can be played
_MAX_SKEW = RATE // 5  # one side may be that far ahead before the other counts as silent
_MAX_QUEUED = 3000  # blocks, some 15 s of both sides: the disk hangs
_CHANNELS, _WIDTH = 2, 2
_MAX_DATA = 0xFFFFFFFF - 64


class _Channel:
    """One side's samples that are not written yet."""

    def __init__(self) -> None:
        self.parts: deque[NDArray[np.int16]] = deque()
        self.pending = 0
        self.total = 0  # samples of this side so far, silence included
        self.silent = True  # has not delivered since it was last filled with silence

    def add(self, samples: NDArray[np.int16]) -> None:
        self.parts.append(samples)
        self.pending += samples.size
        self.total += samples.size

    def take(self, count: int) -> NDArray[np.int16]:
        merged = np.concatenate(self.parts) if len(self.parts) > 1 else self.parts[0]
        self.parts.clear()
        self.pending -= count
        if self.pending:
            self.parts.append(merged[count:])
        return merged[:count]


class StereoRecorder:
    """Writes one recording, 48 kHz, 16 bit.

    Args:
        target: A path, whose file is replaced, or a seekable binary file, which is left open.

    Raises:
        MediaError: The file cannot be written.
    """

    def __init__(self, target: str | os.PathLike[str] | BinaryIO) -> None:
        self._frames = 0  # in the file
        self._owned = isinstance(target, (str, os.PathLike))
        try:
            self._file: BinaryIO = open(target, "wb") if isinstance(target, (str, os.PathLike)) else target  # noqa: SIM115
            self._begin = self._file.tell()
            self._write_header()
        except (OSError, ValueError) as exc:
            raise MediaError(f"cannot record to {target!s}: {exc}; choose another file for the recording") from exc
        self._queue: deque[tuple[bool, NDArray[np.int16]]] = deque()
        self._left, self._right = _Channel(), _Channel()
        self._error: OSError | ValueError | None = None
        self._closing = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telnyx-agent-recorder", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self._closing.is_set()

    @property
    def error(self) -> OSError | ValueError | None:
        """Why recording stopped before it was closed, such as a full disk; the call is not affected."""
        return self._error

    @property
    def seconds(self) -> float:
        """How much is in the file now."""
        return self._frames / RATE

    def capture(self, pcm: NDArray[np.int16]) -> None:
        """What was sent (device thread). Never blocks; the caller leaves the samples alone from here on."""
        self._take(True, pcm)

    def render(self, pcm: NDArray[np.int16]) -> None:
        """What was heard (device thread). Never blocks; copied, because a device may scale it in place."""
        self._take(False, pcm.copy())

    def close(self) -> None:
        """Write what is left and complete the file. Blocks for the disk; may be called again, on any thread."""
        self._closing.set()
        self._closed.wait()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def finish(self) -> MediaError | None:
        """`close`, and the error that users see if the recording is not complete."""
        self.close()
        if self._error is None:
            return None
        error = MediaError(f"the recording stopped after {self.seconds:.1f} s: {self._error}; is the disk full?")
        error.__cause__ = self._error
        return error

    def _take(self, is_left: bool, pcm: NDArray[np.int16]) -> None:
        if not self._closing.is_set() and self._error is None and len(self._queue) < _MAX_QUEUED:
            self._queue.append((is_left, pcm))

    def _run(self) -> None:
        rounds = 0
        try:
            while not self._closing.wait(_INTERVAL):
                rounds += 1
                self._sort_out()
                self._write_out(rounds % _HEADER_EVERY == 0)
            self._sort_out()
            self._level(0)
            self._write_out(True)
        except (OSError, ValueError) as exc:  # ValueError: the caller's file object was closed
            self._error = exc
            _log.warning("the recording stopped: %s", exc)
        finally:
            self._release()
            self._closed.set()

    def _release(self) -> None:
        self._queue.clear()
        try:
            if self._owned:
                self._file.close()
            else:
                self._file.flush()
        except (OSError, ValueError) as exc:
            if self._error is None:
                self._error = exc
                _log.warning("the recording could not be completed: %s", exc)

    def _sort_out(self) -> None:
        """Put what was queued into the two channels, in order of arrival."""
        while self._queue:
            is_left, samples = self._queue.popleft()
            mine, other = (self._left, self._right) if is_left else (self._right, self._left)
            behind = other.total - mine.total - samples.size
            if mine.silent and behind > 0:
                # It delivers again: what it says belongs to now, not to when it fell silent.
                mine.add(np.zeros(behind, np.int16))
            mine.silent = False
            mine.add(samples)
            self._level(_MAX_SKEW)

    def _level(self, skew: int) -> None:
        """Fill the side that is more than `skew` behind."""
        for one, other in ((self._left, self._right), (self._right, self._left)):
            missing = other.total - one.total - skew
            if missing > 0:
                one.add(np.zeros(missing, np.int16))
                one.silent = True

    def _write_out(self, with_header: bool) -> None:
        count = min(self._left.pending, self._right.pending)
        if self._frames + count > _MAX_DATA // (_CHANNELS * _WIDTH):
            raise OSError("a WAV file cannot be longer than 4 GiB (some six hours)")
        if count > 0:
            frames = np.empty((count, _CHANNELS), "<i2")
            frames[:, 0] = self._left.take(count)
            frames[:, 1] = self._right.take(count)
            self._file.write(frames.tobytes())
            self._frames += count
        if with_header:
            self._write_header()

    def _write_header(self) -> None:
        """The header for what is in the file now; then on at the end."""
        size = self._frames * _CHANNELS * _WIDTH
        rate = RATE * _CHANNELS * _WIDTH
        form = struct.pack("<HHIIHH", 1, _CHANNELS, RATE, rate, _CHANNELS * _WIDTH, _WIDTH * 8)
        header = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + struct.pack("<I", 16) + form
        header += b"data" + struct.pack("<I", size)
        self._file.seek(self._begin)
        self._file.write(header)
        self._file.seek(self._begin + len(header) + size)
        self._file.flush()
