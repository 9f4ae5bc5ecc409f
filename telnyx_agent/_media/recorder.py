"""A call to a stereo WAV: left what was sent, right what was heard, aligned to the sample (`alignment.py`).

Device threads only append to a queue; a thread of the recorder's own touches the disk, ten times a second.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from .._arguments import checked_path
from .._runtime.threads import NoThreadError, SdkThread, check_may_wait
from ..audio._wavefile import open_for_writing
from ..errors import MediaError, in_words
from .codecs.codec import RATE
from .playout.alignment import StereoTimeline

__all__ = ["StereoRecorder"]

_log = logging.getLogger("telnyx_agent.media")

_INTERVAL = 0.1
_HEADER_EVERY = 10  # write-outs; so an interrupted process leaves a file that can be played
_MAX_QUEUED = 3000  # blocks, some 15 s of both sides: the disk hangs
_FRAME = 4  # bytes: two channels of 16 bits
_HEADER = 44
_UNKNOWN = 0xFFFFFFFF
_MAX_FRAMES = (_UNKNOWN - _HEADER) // _FRAME


class StereoRecorder:
    """Writes one recording, 48 kHz, 16 bit.

    Args:
        target: A path, whose file is replaced, or a binary file, which is left open. Into a pipe or a socket, where one
            cannot go back to complete the header, a stream of unknown length is written.
        on_error: Called once, on the recorder's thread, when the recording stops before it is closed.
        clock: The clock of the device's threads; only tests have another.

    Raises:
        MediaError: The file cannot be written.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | BinaryIO,
        *,
        on_error: Callable[[MediaError], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = _WavFile(target)
        self._on_error = on_error
        self._clock = clock
        self._timeline = StereoTimeline()
        # Blocks of the left (True) and the right side with their times; or whether a pause begins or ends.
        self._queue: deque[tuple[bool, NDArray[np.int16], float] | bool] = deque()
        self._paused = False
        self._error: MediaError | None = None
        self._closing = threading.Event()
        self._closed = threading.Event()
        self._thread = SdkThread(self._run, "telnyx-agent-recorder", runs_program=True)
        try:
            self._thread.start()
        except NoThreadError as exc:
            self._file.abandon()
            raise MediaError(f"nothing can be recorded: {exc}") from exc

    @property
    def closed(self) -> bool:
        """Whether nothing is taken any more, because it was closed or because of an error."""
        return self._closing.is_set() or self._error is not None

    @property
    def paused(self) -> bool:
        """Whether what is said now is left out."""
        return self._paused

    @property
    def error(self) -> MediaError | None:
        """Why recording stopped before it was closed, such as a full disk; the call is not affected."""
        return self._error

    @property
    def seconds(self) -> float:
        """How much is in the file now."""
        return self._file.frames / RATE

    def capture(self, pcm: NDArray[np.int16]) -> None:
        """What was sent (device thread). Never blocks; the caller leaves the samples alone from here on."""
        self._take(True, pcm)

    def render(self, pcm: NDArray[np.int16]) -> None:
        """What was heard (device thread). Never blocks; copied, because a device may scale it in place."""
        self._take(False, pcm.copy())

    def pause(self) -> None:
        """Leave out what comes from here on, on both sides (any thread)."""
        if not self._paused:
            self._paused = True
            self._queue.append(True)

    def resume(self) -> None:
        """Go on. Both sides do at the same sample, and nothing in the file shows the pause (any thread)."""
        if self._paused:
            self._paused = False
            self._queue.append(False)

    def end(self) -> None:
        """Take nothing more; the thread completes the file and ends. Does not wait (any thread)."""
        self._closing.set()

    def close(self, timeout: float = 10.0) -> bool:
        """Write what is left and complete the file. Blocks for the disk; may be called again, on any thread.

        Args:
            timeout: Seconds after which a file that takes no more data, such as a pipe that nobody reads, is given up.

        Returns:
            Whether the file was closed in time.
        """
        self._closing.set()
        if threading.current_thread() is not self._thread:
            if self._thread.is_alive():
                check_may_wait("to close a recording")
            self._thread.join(timeout)
        return self._closed.is_set()

    def finish(self, timeout: float = 10.0) -> MediaError | None:
        """`close`, and the error that users see if the recording is not complete."""
        if not self.close(timeout) and self._error is None:
            return MediaError(
                f"the recording is not complete: its file has taken no more data for {timeout:g} s; "
                "if it is a pipe or a socket, something has to read from it"
            )
        return self._error

    def _take(self, is_left: bool, pcm: NDArray[np.int16]) -> None:
        if not self.closed and len(self._queue) < _MAX_QUEUED:
            self._queue.append((is_left, pcm, self._clock()))

    def _run(self) -> None:
        rounds = 0
        try:
            while not self._closing.wait(_INTERVAL):
                rounds += 1
                self._write_out(final=False)
                if rounds % _HEADER_EVERY == 0:
                    self._file.sync()
            self._write_out(final=True)
            self._file.close()
        except BaseException as exc:  # noqa: BLE001 - a file object may be the user's own and raise anything
            self._fail(exc)
        finally:
            self._queue.clear()
            self._closed.set()

    def _write_out(self, *, final: bool) -> None:
        while self._queue:
            event = self._queue.popleft()
            if isinstance(event, tuple):
                self._timeline.add(*event)
            elif event:
                self._timeline.pause()
            else:
                self._timeline.resume()
        while (frames := self._timeline.take(final=final)).size:
            self._file.write(frames)

    def _fail(self, exc: BaseException) -> None:
        self._error = MediaError(f"the recording stopped after {self.seconds:.1f} s: {in_words(exc)}; {_advice(exc)}")
        self._error.__cause__ = exc
        _log.warning("%s", self._error)
        self._file.abandon()
        if self._on_error is not None:
            self._on_error(self._error)


class _WavFile:
    """The file: a header, which is brought up to date now and then where one can go back, and frames."""

    def __init__(self, target: str | os.PathLike[str] | BinaryIO) -> None:
        self.frames = 0
        self._owned = not hasattr(target, "write")
        if self._owned:
            name = checked_path("path", target)
            self._file = open_for_writing(
                name, "cannot record to", "choose another file; a pipe you open yourself and record to the file object"
            )
        else:
            name, self._file = repr(target), cast("BinaryIO", target)
        try:
            if "a" in str(getattr(self._file, "mode", "")):
                raise ValueError("it is open for appending, so its header could not be completed")
            self._can_go_back = bool(self._file.seekable())
            self._begin = self._file.tell() if self._can_go_back else 0
            self._write_header()
            self._file.flush()
        except Exception as exc:
            self.abandon()
            advice = (
                "choose another file for the recording"
                if self._owned
                else 'give a path or a file opened with mode "wb"'
            )
            raise MediaError(f"cannot record to {name}: {exc}; {advice}") from exc

    def write(self, frames: NDArray[np.int16]) -> None:
        """Append frames."""
        room = _MAX_FRAMES - self.frames if self._can_go_back else len(frames)
        part = frames[:room]
        self._put(np.ascontiguousarray(part, "<i2").tobytes())
        self.frames += len(part)
        if len(part) < len(frames):
            self.sync()
            raise OSError(errno.EFBIG, "a WAV file cannot be longer than 4 GiB, some six hours")

    def sync(self) -> None:
        """Bring the header up to date: samples first, so that what it claims is always there."""
        self._file.flush()
        if self._can_go_back:
            self._file.seek(self._begin)
            self._write_header()
            self._file.seek(self._begin + _HEADER + self.frames * _FRAME)
            self._file.flush()

    def close(self) -> None:
        """Complete the file, and close it if it was opened here."""
        self.sync()
        if self._owned:
            self._file.close()

    def abandon(self) -> None:
        """Close after an error, if it was opened here; closing writes once more, and fails in the same way."""
        if self._owned:
            with contextlib.suppress(OSError, ValueError):
                self._file.close()

    def _write_header(self) -> None:
        size = self.frames * _FRAME
        sizes = (36 + size, size) if self._can_go_back else (_UNKNOWN, _UNKNOWN)
        sound = struct.pack("<IHHIIHH", 16, 1, 2, RATE, RATE * _FRAME, _FRAME, 16)
        self._put(b"RIFF" + struct.pack("<I", sizes[0]) + b"WAVEfmt " + sound + b"data" + struct.pack("<I", sizes[1]))

    def _put(self, data: bytes) -> None:
        """Write everything: unbuffered files and sockets may take a part only."""
        rest = memoryview(data)
        while rest:
            written = self._file.write(rest)
            if written is None:
                raise BlockingIOError(errno.EAGAIN, "it is set to non-blocking and takes no data now")
            rest = rest[written:]


def _advice(exc: BaseException) -> str:
    number = exc.errno if isinstance(exc, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "make room on the disk; what was written until then can be played"
    if number == errno.EFBIG:
        return "what was written until then can be played; begin another recording in time"
    if number == errno.EPIPE:
        return "the program that read it has ended"
    if isinstance(exc, ValueError):
        return "keep the file open until the recording has stopped"
    return "what was written until then can be played"
