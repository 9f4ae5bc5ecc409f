"""What the program plays into a call: WAV files, samples, or the pieces of a speech engine as they come.

A worker thread for each playback reads, converts and keeps about a second ready; the device's thread only takes from a
queue without a lock and adds.
"""

from __future__ import annotations

import enum
import logging
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Union

import numpy as np
from numpy.typing import NDArray

from .._runtime.threads import NoThreadError, SdkThread, check_may_wait
from .._runtime.watch import Deadline
from ..audio._resample import Resampler, check_rate
from ..audio._samples import as_int16, to_float, to_int16
from ..audio._wavefile import WavReader
from ..audio.device import PcmLike
from ..errors import CallError, ClientConfigurationError, MediaError, TxError, in_words
from .codecs.codec import RATE

__all__ = ["PlaySource", "Playback", "PlaybackState", "Player"]

_log = logging.getLogger("telnyx_agent.media")

Samples = NDArray[np.int16]

PlaySource = Union[str, "os.PathLike[str]", PcmLike, Iterable[PcmLike]]
"""A path of a WAV file; mono 16-bit samples; or an iterable of such pieces of any length."""

_AHEAD = RATE  # samples to have ready
_PIECE = RATE // 10  # samples to convert at once
MOST_QUEUED = 100
"""Playbacks of a call that may wait; each has a thread and up to a second of sound."""

_LOOK = 0.02  # seconds between two looks at whether the device has taken enough
_FADE = np.linspace(1.0, 0.0, 240, dtype=np.float32)  # 5 ms, so that a stop does not click


class PlaybackState(enum.Enum):
    """How far a playback has come."""

    QUEUED = "queued"
    """Something else is being played, or the call has no media yet."""
    PLAYING = "playing"
    FINISHED = "finished"
    """It was heard to its end."""
    STOPPED = "stopped"
    """`stop()` was called."""
    CALL_ENDED = "call ended"
    """The call was over first."""
    FAILED = "failed"
    """Its source could not be read any further; see `Playback.error`."""


_RUNNING = frozenset({PlaybackState.QUEUED, PlaybackState.PLAYING})


class Playback:
    """One thing that is played into a call. Everything may be used on any thread."""

    def __init__(
        self,
        pieces: Generator[Samples, None, None],
        *,
        mix: bool,
        gain: float,
        duration: float | None,
        on_finished: Callable[[Playback], object] | None,
    ) -> None:
        """Playbacks are made by `Call.play`."""
        self._pieces = pieces
        self._mix = mix
        self._gain = gain
        self._duration = duration
        self._on_finished = on_finished
        self._blocks: deque[Samples] = deque()
        self._rest: Samples = np.empty(0, np.int16)  # of a block; the device's, as is _played
        self._played = 0
        self._filled = 0  # the worker's
        self._is_complete = False  # everything there is has been put into the queue
        self._begun = False
        self._over = False  # the device will not ask again
        self._stop_as: PlaybackState | None = None
        self._error: MediaError | None = None
        self._wake = threading.Event()
        self._done = threading.Event()
        self._thread = SdkThread(self._run, "telnyx-agent-playback", runs_program=True)
        try:
            self._thread.start()
        except NoThreadError as exc:
            raise MediaError(f"nothing can be played: {exc}") from exc

    def __repr__(self) -> str:
        return f"<Playback {self.state.value}, {self.position:.2f} s>"

    @property
    def state(self) -> PlaybackState:
        """How far it has come."""
        if self._over or self._stop_as is not None:
            return self._stop_as or (PlaybackState.FAILED if self._error else PlaybackState.FINISHED)
        return PlaybackState.PLAYING if self._begun else PlaybackState.QUEUED

    @property
    def is_playing(self) -> bool:
        """Whether it is heard now, or will be; False when it is over."""
        return self.state in _RUNNING

    @property
    def position(self) -> float:
        """How many seconds of it have been played."""
        return self._played / RATE

    @property
    def duration(self) -> float | None:
        """How long it is, in seconds; None for an iterable."""
        return self._duration

    @property
    def error(self) -> MediaError | None:
        """With `PlaybackState.FAILED`: why it ended too early."""
        return self._error

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it is over, however that comes. One Ctrl-C interrupts.

        Args:
            timeout: Seconds; None waits for ever.

        Returns:
            Whether it is over.
        """
        deadline = Deadline(timeout)
        while not self._done.is_set() and not deadline.is_over:
            check_may_wait("Playback.wait()")
            self._done.wait(deadline.next_wait)
        return self._done.is_set()

    def stop(self) -> None:
        """Stop now, within a block of 10 ms, or do not begin at all. What comes after it goes on. Idempotent."""
        self._end(PlaybackState.STOPPED)

    # -- the worker ---------------------------------------------------------------------------------------------------

    def _end(self, state: PlaybackState) -> None:
        if self._stop_as is None and not self._over:
            self._stop_as = state
            self._wake.set()

    def _run(self) -> None:
        try:
            self._fill()
        except TxError as exc:
            self._error = MediaError(f"playing into the call stopped after {self._filled / RATE:.1f} s: {exc}")
            self._error.__cause__ = exc
        except BaseException as exc:  # noqa: BLE001 - an iterable is the user's; SystemExit would end this thread, unseen
            self._error = MediaError(f"playing into the call stopped: its source raised {in_words(exc)}")
            self._error.__cause__ = exc
        self._is_complete = True
        while self._stop_as is None and not self._over:
            self._wake.wait(_LOOK)
        if self._stop_as is PlaybackState.CALL_ENDED or not self._begun:
            self._over = True  # the device does not come any more, or has nothing to fade out
        self._finish()

    def _fill(self) -> None:
        """Keep the queue filled until the source ends or nobody wants it any more."""
        try:
            for piece in self._pieces:
                if self._stop_as is not None:
                    return
                for start in range(0, piece.size, _PIECE):
                    self._put(piece[start : start + _PIECE])
                    while self._filled - self._played > _AHEAD and self._stop_as is None:
                        self._wake.wait(_LOOK)
                    if self._stop_as is not None:
                        return
        finally:
            self._pieces.close()

    def _put(self, samples: Samples) -> None:
        if self._gain != 1.0:
            samples = to_int16(to_float(samples) * np.float32(self._gain))
        self._blocks.append(samples)
        self._filled += samples.size

    def _finish(self) -> None:
        if self._error is not None:
            _log.warning("%s", self._error)
        self._done.set()
        if self._on_finished is not None:
            try:
                self._on_finished(self)
            except BaseException:  # noqa: BLE001 - it is the user's
                _log.exception("on_finished of a playback raised")

    # -- the device's thread ------------------------------------------------------------------------------------------

    def _apply(self, samples: Samples) -> Samples:
        """The captured block with the next part of this; `_over` says whether this was the last."""
        stopping = self._stop_as is not None
        was_complete = self._is_complete  # before looking into the queue, which may be filled at this moment
        part = self._next(samples.size)
        if stopping:
            faded = part[: _FADE.size]
            part = (faded * _FADE[: faded.size]).astype(np.int16)
            self._over = True
        elif was_complete and not self._rest.size and not self._blocks:
            self._over = True
        self._begun |= part.size > 0
        if not part.size and (self._mix or self._over or not self._begun):
            return samples
        mixed = samples.astype(np.int32)
        if not self._mix:
            mixed[: part.size if self._over else None] = 0
        mixed[: part.size] += part
        return np.clip(mixed, -32768, 32767).astype(np.int16)

    def _next(self, count: int) -> Samples:
        parts: list[Samples] = []
        missing = count
        while missing > 0:
            if not self._rest.size:
                if not self._blocks:
                    break
                self._rest = self._blocks.popleft()
            part = self._rest[:missing]
            self._rest = self._rest[part.size :]
            missing -= part.size
            parts.append(part)
        self._played += count - missing
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.int16), *parts])


class Player:
    """What is played into one call, one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # of those who play; the device's thread never takes it
        self._queue: deque[Playback] = deque()
        self._stopped = False

    def play(
        self,
        source: PlaySource,
        *,
        mix: bool = True,
        gain: float = 1.0,
        sample_rate: int = RATE,
        on_finished: Callable[[Playback], object] | None = None,
    ) -> Playback:
        """Play something as soon as everything before it is over (any thread).

        Args:
            source: A path of a WAV file; mono 16-bit samples as bytes or an array; or an iterable of such pieces, which
                is asked for the next piece on a thread of its own, about a second ahead.
            mix: Whether the microphone is heard at the same time; False replaces it.
            gain: A factor.
            sample_rate: Of samples, in Hz; a file knows its own.
            on_finished: Called with the playback when it is over, on its thread.

        Returns:
            A handle.

        Raises:
            CallError: The call is over, or `MOST_QUEUED` playbacks wait already.
            ClientConfigurationError: An argument cannot be used.
            MediaError: The file cannot be read, or the rate cannot be converted.
        """
        if not (math.isfinite(gain) and gain >= 0):
            raise ClientConfigurationError(f"gain is {gain}; it must be 0 or more, and 1.0 leaves the sound as it is")
        self._check_open()
        pieces, duration = _open(source, sample_rate)
        # Not under the lock, which the loop takes at the call's end: files and threads take their time.
        try:
            playback = Playback(pieces, mix=mix, gain=gain, duration=duration, on_finished=on_finished)
        except BaseException:
            pieces.close()
            raise
        try:
            with self._lock:
                self._check_open()
                self._queue.append(playback)
        except CallError:
            playback._end(PlaybackState.CALL_ENDED)
            raise
        return playback

    def _check_open(self) -> None:
        if self._stopped:
            raise CallError("nothing can be played into a call that is over")
        if len(self._queue) >= MOST_QUEUED:
            raise CallError(f"{MOST_QUEUED} playbacks wait already; wait for one, or stop() it")

    def mix(self, samples: Samples) -> Samples:
        """A captured block with what is to be played (device thread). Never blocks, and leaves the argument alone."""
        while self._queue:
            playback = self._queue[0]
            if not playback._over:
                samples = playback._apply(samples)
            if not playback._over:
                break
            # The next one begins with the next block: 10 ms between two sounds are no loss.
            self._queue.popleft()
            if playback._begun:
                break
        return samples

    def stop(self) -> None:
        """The call is over: everything that is still to be heard ends as `PlaybackState.CALL_ENDED`. Idempotent."""
        with self._lock:
            self._stopped = True
        for playback in tuple(self._queue):
            playback._end(PlaybackState.CALL_ENDED)


# -- sources -----------------------------------------------------------------------------------------------------------


def _open(source: PlaySource, sample_rate: int) -> tuple[Generator[Samples, None, None], float | None]:
    """The pieces of a source at 48 kHz, and how many seconds it lasts if that is known."""
    if isinstance(source, (str, os.PathLike)):
        reader = WavReader(source)
        pieces = _read(reader)
        next(pieces)
        return pieces, reader.seconds
    rate = check_rate(sample_rate)
    if isinstance(source, (bytes, bytearray, memoryview, np.ndarray)):
        samples = np.array(as_int16(source))  # a copy: the caller may reuse the buffer
        parts = (samples[start : start + rate] for start in range(0, samples.size, rate))
        return _convert(parts, rate), samples.size / rate
    if hasattr(source, "read") or hasattr(source, "__aiter__") or not isinstance(source, Iterable):
        raise ClientConfigurationError(
            f"a {type(source).__name__} cannot be played; give the path of a WAV file, samples as bytes or a numpy "
            "array, or an iterable of samples"
        )
    return _convert(_whole(iter(source)), rate), None


def _read(reader: WavReader) -> Generator[Samples, None, None]:
    with reader:
        yield np.empty(0, np.int16)  # so that `close` closes the file, also where nothing was read
        while (samples := reader.read(_PIECE)).size:
            yield samples


def _convert(pieces: Iterable[Samples], rate: int) -> Generator[Samples, None, None]:
    """At 48 kHz, and without the converter's delay."""
    resampler = Resampler(rate, RATE)
    skip = round(resampler.delay * RATE / rate)
    try:
        for piece in pieces:
            converted = to_int16(resampler.process(to_float(piece)))
            yield converted[skip:]
            skip -= min(skip, converted.size)
        yield to_int16(resampler.flush())[skip:]
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


def _whole(pieces: Iterator[PcmLike]) -> Iterator[Samples]:
    """Each piece as samples of our own; a sample that the pieces of a network stream cut in two is put together."""
    half = b""
    try:
        for piece in pieces:
            if isinstance(piece, np.ndarray):
                yield np.array(as_int16(piece))
                continue
            if not isinstance(piece, (bytes, bytearray, memoryview)):
                as_int16(piece)  # says what is wrong
            data = half + bytes(piece)
            half = data[len(data) & ~1 :]
            yield as_int16(data[: len(data) & ~1])
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
