"""Sound from and for the program itself: callbacks, iterables, or `write()` and `read()`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ..errors import ClientConfigurationError
from ._paced import PacedDevice
from ._queue import SampleQueue
from ._resample import Resampler, check_rate
from ._samples import FRAME, SAMPLE_RATE, SILENCE, Int16, as_int16, copied, to_float, to_int16
from .device import AudioStream, PcmLike

__all__ = ["PcmAudio", "PcmSink", "PcmSource"]

logger = logging.getLogger("telnyx_agent.audio")


PcmSource = Callable[[int], PcmLike | None] | Iterable[PcmLike] | PcmLike
PcmSink = Callable[[Int16], object]

_TICKS_PER_SECOND = SAMPLE_RATE // FRAME


class PcmAudio(PacedDevice):
    """Lets the program speak and listen: speech engines, recognisers, other telephony, tests.

    Speaking: give `source`, or call `write()`. Listening: give `sink`, or call `read()`. Samples are mono and 16 bit,
    at `sample_rate`; conversion from and to the call's 48 kHz is done here, block by block, without clicks.

        audio = PcmAudio(sample_rate=16000)
        call = client.new_call(audio=audio)
        audio.write(speech_engine("Hello, I would like to book a table."))
        reply = audio.read(16000, timeout=5)

    Args:
        source: A function that is called every 20 ms with the number of samples that are due and returns so many (fewer
            or None: the rest is silence; more: kept for the next time), or an iterable of pieces of any length, or one
            piece; after the end there is silence. It runs on the audio thread: it must return within milliseconds.
        sink: A function that is called every 20 ms with the agent's voice as a numpy int16 array. It runs on the audio
            thread, too.
        sample_rate: Samples per second of everything above.
        queue_seconds: How much `write()` may be ahead of the call, and `read()` behind it. What is more is dropped, and
            counted in `dropped_input_samples` and `dropped_output_samples`.

    An exception in `source` or `sink` is logged with its traceback, once; there is silence in its place, and the call
    and the callbacks go on.

    Raises:
        MediaError: The sample rate cannot be converted.
        ClientConfigurationError: Another argument cannot be used.
    """

    def __init__(
        self,
        source: PcmSource | None = None,
        sink: PcmSink | None = None,
        *,
        sample_rate: int = SAMPLE_RATE,
        queue_seconds: float = 60.0,
    ) -> None:
        super().__init__(f"PCM at {sample_rate} Hz")
        if isinstance(source, (bytes, bytearray, memoryview, np.ndarray)):
            source = [source]  # one piece; iterating over it would give single samples
        if not (source is None or callable(source) or isinstance(source, Iterable)):
            raise ClientConfigurationError("source must be a function of a number of samples, or an iterable of PCM")
        if not (sink is None or callable(sink)):
            raise ClientConfigurationError("sink must be a function that takes a numpy array of samples")
        if queue_seconds <= 0:
            raise ClientConfigurationError(f"queue_seconds is {queue_seconds}; it must be more than 0")
        self.sample_rate = check_rate(sample_rate)
        """Samples per second of what is written and read."""
        self._source = source
        self._sink = sink
        self._limit = max(1, round(queue_seconds * sample_rate))
        piece = max(1, sample_rate // _TICKS_PER_SECOND)
        self._written = SampleQueue(self._limit, piece)
        self._heard = SampleQueue(self._limit, piece)
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()

    def write(self, pcm: PcmLike) -> int:
        """Say `pcm` after what was written before. Returns at once; any thread, also before the call has media.

        What was not said when the call ends is discarded.

        Returns:
            How many samples were taken; fewer than given when `queue_seconds` of speech are waiting already.

        Raises:
            ClientConfigurationError: Not mono 16-bit PCM, or the device has a `source`.
        """
        if self._source is not None:
            raise ClientConfigurationError("write() is for a PcmAudio without a source; this one has a source")
        samples = np.array(as_int16(pcm))  # a copy: the caller may reuse the buffer
        with self._write_lock:
            return self._written.put(samples, drop_oldest=False)

    def read(self, samples: int, timeout: float | None = None) -> Int16:
        """The next `samples` samples of the agent's voice; waits for them. Any thread.

        Returns:
            As many as asked for; fewer when the time was up or the call has ended, none when there is nothing left.

        Raises:
            ClientConfigurationError: The device has a `sink`, or `samples` is more than `queue_seconds`.
        """
        if self._sink is not None:
            raise ClientConfigurationError("read() is for a PcmAudio without a sink; this one has a sink")
        if samples > self._limit:
            raise ClientConfigurationError(
                f"{samples} samples never are there at once; read less or raise queue_seconds"
            )
        with self._read_lock:
            self._heard.wait(samples, timeout)
            return self._heard.get(samples)

    def clear(self) -> None:
        """Forget what was written and not yet said, and what was heard and not yet read; for example on barge-in."""
        self._written.clear()
        self._heard.clear()

    @property
    def dropped_input_samples(self) -> int:
        """Samples given to `write()` that found the queue full."""
        return self._written.dropped

    @property
    def dropped_output_samples(self) -> int:
        """Samples of the agent's voice that were not read in time; the oldest are dropped first."""
        return self._heard.dropped

    def _open(self, stream: AudioStream) -> _PcmRun:
        self._heard.clear()
        self._heard.open()
        return _PcmRun(stream, self._make_source(), self._make_sink(), self.sample_rate, on_close=self._close)

    def _close(self) -> None:
        self._written.clear()
        self._heard.close()

    def _make_source(self) -> Callable[[int], PcmLike | None]:
        if self._source is None:
            return self._written.get
        return self._source if callable(self._source) else _Pieces(self._source)

    def _make_sink(self) -> PcmSink:
        if self._sink is not None:
            return self._sink
        return lambda pcm: self._heard.put(pcm, drop_oldest=True)


class _Pieces:
    """An iterable of pieces of any length as a source function."""

    def __init__(self, pieces: Iterable[PcmLike]) -> None:
        self._pieces: Iterator[PcmLike] = iter(pieces)

    def __call__(self, samples: int) -> Int16 | None:
        parts: list[Int16] = []
        while samples > 0:
            piece = as_int16(next(self._pieces, b""))
            if not len(piece):  # the end, or a generator that has nothing at present
                break
            parts.append(piece)
            samples -= len(piece)
        return np.concatenate(parts) if parts else None


class _PcmRun:
    """One call: its converters, what the source gave too early, and which callbacks have failed."""

    def __init__(
        self,
        stream: AudioStream,
        source: Callable[[int], PcmLike | None],
        sink: PcmSink,
        sample_rate: int,
        *,
        on_close: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._source = source
        self._sink = sink
        self._sample_rate = sample_rate
        self._is_native = sample_rate == SAMPLE_RATE
        self.close = on_close
        self._to_call = Resampler(sample_rate, SAMPLE_RATE)
        self._from_call = Resampler(SAMPLE_RATE, sample_rate)
        self._early: Int16 = SILENCE[:0]
        self._ticks = 0
        self._failed: set[str] = set()

    def capture(self) -> None:
        if self._is_native:
            self._stream.push_capture(self._next(FRAME))
            return
        # At 11025 Hz a block has 220 or 221 samples in turn, so that 50 of them are a second.
        start = self._ticks * self._sample_rate // _TICKS_PER_SECOND
        self._ticks += 1
        pcm = self._next(self._ticks * self._sample_rate // _TICKS_PER_SECOND - start)
        self._stream.push_capture(to_int16(self._to_call.process(to_float(pcm))))

    def render(self) -> None:
        pcm = self._stream.pull_render(FRAME)
        if self._is_native:
            pcm = copied(pcm)  # the program may work in its own array
        else:
            pcm = to_int16(self._from_call.process(to_float(pcm)))
        # BaseException here and below: SystemExit, too, would end the thread and with it the call's sound, unseen.
        try:
            self._sink(pcm)
        except BaseException:
            if self._is_first_failure("sink"):
                logger.exception("the sink of PcmAudio raised; the call goes on, further failures are not logged")

    def _next(self, samples: int) -> Int16:
        """Exactly so many samples of the source, with silence in place of what it lacks."""
        early, missing = self._early, samples - len(self._early)
        if missing > 0:
            given = self._ask(missing)
            if len(given) == samples:  # as it nearly always is
                return given
            given = np.concatenate((early, given))
            padding = max(0, samples - len(given))
            early = np.concatenate((given, np.zeros(padding, np.int16))) if padding else given
        self._early = early[samples:]
        return early[:samples]

    def _ask(self, samples: int) -> Int16:
        try:
            given = self._source(samples)
            return SILENCE[:0] if given is None else as_int16(given)
        except BaseException:
            if self._is_first_failure("source"):
                logger.exception("the source of PcmAudio raised; the call goes on, further failures are not logged")
            return SILENCE[:0]

    def _is_first_failure(self, what: str) -> bool:
        first = what not in self._failed
        self._failed.add(what)
        return first
