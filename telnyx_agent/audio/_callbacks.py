"""What the sound card's callbacks do with a block: convert it if the card insists on another form, and hand it over.

No lock, no logging, and for a card that takes 48 kHz mono hardly an allocation. An exception is kept for the watching
thread instead of ending the stream, which is what PortAudio would do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from .._runtime.threads import set_internal
from ._resample import Resampler
from ._samples import BLOCK, SAMPLE_RATE, Int16, to_float, to_int16
from .device import AudioStream

__all__ = ["Callbacks", "CapturePort", "RenderPort"]


class CapturePort:
    """From the card's microphone to the call."""

    def __init__(self, stream: AudioStream, rate: int, channels: int) -> None:
        self._push = stream.push_capture
        self._channels = channels
        self._direct = rate == SAMPLE_RATE and channels == 1
        self._resampler = Resampler(rate, SAMPLE_RATE)
        self.silent_seconds = 0.0
        """For how long there was nothing but zeros since the start; stays as it is after the first sound."""
        self.has_heard = False
        """Whether there was a sound."""
        self._bytes_per_second = rate * channels * 2

    def put(self, data: bytes) -> None:
        """Hand over a block of interleaved samples."""
        if not self.has_heard:
            self.has_heard = data.count(0) < len(data)
            self.silent_seconds += 0 if self.has_heard else len(data) / self._bytes_per_second
        if self._direct:
            self._push(data)
            return
        samples = to_float(np.frombuffer(data, np.int16))
        if self._channels > 1:
            samples = samples.reshape(-1, self._channels).mean(axis=1)
        self._push(to_int16(self._resampler.process(samples)))


class RenderPort:
    """From the call to the card's loudspeaker."""

    def __init__(self, stream: AudioStream, rate: int, channels: int) -> None:
        self._pull = stream.pull_render
        self._channels = channels
        self._converts = rate != SAMPLE_RATE
        self._resampler = Resampler(SAMPLE_RATE, rate)
        self._ready: Int16 = np.zeros(0, np.int16)

    def get(self, frames: int) -> Int16:
        """The next block of interleaved samples."""
        samples = self._convert(frames) if self._converts else self._pull(frames)
        return np.repeat(samples, self._channels) if self._channels > 1 else samples

    def _convert(self, frames: int) -> Int16:
        ready = self._ready
        while len(ready) < frames:
            more = to_int16(self._resampler.process(to_float(self._pull(BLOCK))))
            ready = np.concatenate((ready, more))
        self._ready = ready[frames:]
        return ready[:frames]


class Callbacks:
    """What PortAudio calls during one call, for one duplex stream or for one stream each way.

    Args:
        on_failure: Called, once, when `failure` is set; must return at once.
    """

    def __init__(self, on_failure: Callable[[], None]) -> None:
        self._on_failure = on_failure
        self.discard: Callable[[], object] | None = None
        """Called for each block of the microphone when the call has no loudspeaker: the agent's voice is taken all the
        same, at the microphone's pace."""
        self.fill: Callable[[], object] | None = None
        """Called for each block of the loudspeaker when the call has no microphone: what is sent is silence, and what
        the program plays into the call."""
        self.capture: CapturePort | None = None
        """Where the microphone's blocks go; None without a microphone."""
        self.render: RenderPort | None = None
        """Where the loudspeaker's blocks come from; None without a loudspeaker."""
        self.stopping = True
        """Set from outside; while it is set the call is not touched and the loudspeaker gets silence."""
        self.ending: type[Exception] | None = None
        """Set from outside: what PortAudio wants to be raised when the stream is to end."""
        self.failure: BaseException | None = None
        """The first exception from the call's side."""
        self.input_age: float | None = None
        """Seconds since the newest block of a duplex stream was recorded, by the driver's clock."""
        self.input_blocks = self.output_blocks = 0
        self.input_overflows = self.output_underflows = 0
        self._inside_put = self._inside_get = 0  # thread numbers
        self._zeros = b""

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller was itself called from here."""
        return threading.get_ident() in (self._inside_put, self._inside_get)

    def duplex(self, indata: Any, outdata: Any, frames: int, time: Any, status: Any) -> None:
        """A block of each."""
        self.input_age = time.currentTime - time.inputBufferAdcTime
        self.input(indata, frames, time, status)
        self.output(outdata, frames, time, status)

    def input(self, indata: Any, frames: int, time: Any, status: Any) -> None:
        """A block from the microphone."""
        self.input_blocks += 1
        if self.ending is not None:
            raise self.ending
        if status:
            self.input_overflows += status.input_overflow
        if self.stopping or self.capture is None:
            return
        self._inside_put = threading.get_ident()
        was_internal = set_internal(True)
        try:
            self.capture.put(indata[:])  # a copy: afterwards the memory is PortAudio's again
            if self.discard is not None:
                self.discard()
        except BaseException as exc:  # noqa: BLE001 - the watching thread logs it; from here it would end the stream
            self._keep(exc)
        set_internal(was_internal)
        self._inside_put = 0

    def output(self, outdata: Any, frames: int, time: Any, status: Any) -> None:
        """A block for the loudspeaker."""
        self.output_blocks += 1
        if self.ending is not None:
            outdata[:] = self._silence(len(outdata))
            raise self.ending
        if status:
            self.output_underflows += status.output_underflow
        self._inside_get = threading.get_ident()
        was_internal = set_internal(True)
        try:
            render = None if self.stopping else self.render
            if render is None:
                outdata[:] = self._silence(len(outdata))
            else:
                outdata[:] = render.get(frames)
                if self.fill is not None:
                    self.fill()
        except BaseException as exc:  # noqa: BLE001 - as above
            self._keep(exc)
            outdata[:] = self._silence(len(outdata))
        set_internal(was_internal)
        self._inside_get = 0

    def _silence(self, size: int) -> bytes:
        if len(self._zeros) != size:
            self._zeros = bytes(size)
        return self._zeros

    def _keep(self, exc: BaseException) -> None:
        if self.failure is None:
            self.failure = exc
            self._on_failure()
