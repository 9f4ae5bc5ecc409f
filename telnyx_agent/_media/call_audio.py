"""Where a call's audio device and its media meet: the `AudioStream` that the device is given.

One per call. It exists before the peer connection and outlives it; without a peer the device's sound goes nowhere and
silence is played. Nothing here blocks or raises, because sound cards call it.

    microphone -> processing (echo, noise, gain) -> player -> mute -> turn meter, recorder -> sender
    receiver -> playout -> processing (the echo's reference) -> turn meter, recorder -> loudspeaker
"""

from __future__ import annotations

import logging
import math
import operator
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .._runtime.milestones import Marks
from ..errors import CallError, MediaError
from .capture import CaptureBuffer, as_samples
from .codecs.codec import RATE
from .player import Player
from .playout.playout import Playout
from .recorder import StereoRecorder

if TYPE_CHECKING:
    from ..audio import AudioDeviceChange
    from .processing import Processing
    from .turn_latency import TurnMeter

__all__ = ["AudioBridge"]

_log = logging.getLogger("telnyx_agent.media")

_LEVEL_BLOCKS = 8  # of 10 ms, a little more than lies between two reports of the level
_AUDIBLE = 100  # of 32768; less is noise of a codec
_EMPTY: NDArray[np.int16] = np.empty(0, np.int16)

MOST_SAMPLES = 48_000
"""Samples that a device may push or pull at once: a second. What is more is dropped, or is silence."""

_LEAST_DELAY = 480  # 10 ms: a process that is held up now and then would have holes in a perfect network, too


def _level(samples: NDArray[np.int16]) -> float:
    """Root mean square, 0..1."""
    if not samples.size:
        return 0.0
    values = samples.astype(np.float32)
    return math.sqrt(float(values @ values) / values.size) / 32768.0


class _Blocks:
    """The blocks since somebody last asked for their level, and the last one, which stays."""

    def __init__(self) -> None:
        self._new: deque[NDArray[np.int16]] = deque(maxlen=_LEVEL_BLOCKS)
        self._last = _EMPTY

    def append(self, samples: NDArray[np.int16]) -> None:
        """Take a block (device thread)."""
        self._last = samples
        self._new.append(samples)

    def last_level(self) -> float:
        """The level of the last block."""
        return _level(self._last)

    def take_level(self) -> float:
        """The level of all blocks since the last time (one thread)."""
        taken = [_EMPTY]
        while self._new:
            taken.append(self._new.popleft())
        return _level(np.concatenate(taken))


class AudioBridge:
    """Takes what was captured to the sender and what was received to the device.

    Args:
        on_device_failed: Called on the device's thread when the device has stopped by itself.
        on_device_changed: Called on a thread of the device's when it goes on with other hardware.

    Attributes: they may be set on any thread at any time, and are closed by whoever made them.
        held: The call is on hold: send silence and play silence.
        is_ending: Somebody wants the call to end, or it has: its devices will be free soon.
        is_over: The call has ended.
        devices: What it uses; see `_call_media.claims`.
        deaf: Play silence in place of what was received.
        marks: When the first sound was played.
        muted: Send silence in place of what is captured, and of what is played into the call.
        recorder: What both directions are written to, if anything.
        processing: What removes echo and noise, if anything.
        player: What is played into the call.
        turns: What measures the turns, if anything.
    """

    def __init__(
        self,
        *,
        on_device_failed: Callable[[MediaError], None] | None = None,
        on_device_changed: Callable[[AudioDeviceChange], None] | None = None,
    ) -> None:
        self.muted = self.held = self.deaf = False
        self.marks = Marks()
        self._waits_for_sound = True
        self.recorder: StereoRecorder | None = None
        self.processing: Processing | None = None
        self.player = Player()
        self.turns: TurnMeter | None = None
        self._capture = CaptureBuffer()
        self._playout = Playout(least_delay=_LEAST_DELAY)
        self._on_device_failed = on_device_failed
        self._on_device_changed = on_device_changed
        # Levels are computed when somebody asks: 200 times a second would be a tenth of what a call costs.
        self._sent = _Blocks()
        self._heard = _Blocks()
        self._rendering = threading.Lock()
        self._capturing = threading.Lock()
        self._complained = False
        self._ending = threading.Lock()  # of the call's end and of those who begin something; held for moments
        self.is_ending = False
        self.is_over = False
        self.devices: list[object] = []

    # -- the call's end ------------------------------------------------------------------------------------------------

    def record(self, target: str | os.PathLike[str] | BinaryIO, call_id: str) -> None:
        """Begin to record (any thread).

        Raises:
            CallError: The call is over, or is recorded already.
            MediaError: The file cannot be written.
        """
        self._check_recordable(call_id)
        recorder = StereoRecorder(target, on_error=self.device_failed)
        try:
            with self._ending:
                self._check_recordable(call_id)
                self.recorder = recorder
        except CallError:  # in this very moment
            recorder.close()
            raise

    def take_recorder(self) -> StereoRecorder | None:
        """Record no more (any thread). Whoever takes the recorder has to close it."""
        with self._ending:
            recorder, self.recorder = self.recorder, None
        return recorder

    def _check_recordable(self, call_id: str) -> None:
        if self.is_over:
            raise CallError("a call that is over cannot be recorded", call_id=call_id)
        if self.recorder is not None and not self.recorder.closed:
            raise CallError("this call is being recorded already; call stop_recording() first", call_id=call_id)

    def end(self) -> None:
        """The call is over: nothing is taken or given any more, nothing can begin, and what has begun ends.

        Idempotent, any thread. Waits for nobody.
        """
        with self._ending:
            self.is_over = self.is_ending = True
            recorder = self.recorder
        self.player.stop()
        if recorder is not None:
            recorder.end()

    # -- sound ---------------------------------------------------------------------------------------------------------

    @property
    def sample_rate(self) -> int:
        """Samples a second, both ways."""
        return RATE

    @property
    def capture(self) -> CaptureBuffer:
        """What waits to be sent; the sender's end."""
        return self._capture

    @property
    def playout(self) -> Playout:
        """What waits to be heard; the receiver's end."""
        return self._playout

    @property
    def input_level(self) -> float:
        """Level of the last block sent, root mean square, 0..1; 0 while muted."""
        return 0.0 if self.muted or self.held else self._sent.last_level()

    @property
    def output_level(self) -> float:
        """Level of the last block played, root mean square, 0..1."""
        return self._heard.last_level()

    def take_levels(self) -> tuple[float, float]:
        """The level of what was sent and of what was heard since the last time, root mean square, 0..1 (one thread)."""
        sent, heard = self._sent.take_level(), self._heard.take_level()
        return (0.0 if self.muted or self.held else sent), heard

    def push_capture(self, pcm: bytes | bytearray | memoryview | NDArray[np.int16]) -> None:
        """Take what the microphone heard (device thread)."""
        if self.is_over:
            return
        # Two threads at once must not meet in what is one device's, and none may wait: the second one's block is lost.
        if not self._capturing.acquire(blocking=False):
            return
        try:
            samples = as_samples(pcm)
            if samples.size > MOST_SAMPLES:
                samples = samples[-MOST_SAMPLES:]
            processing = self.processing
            if processing is not None:
                samples = processing.capture(samples)  # also while muted, or the canceller would forget the room
            samples = self.player.mix(samples)
            if self.muted or self.held:
                samples = np.zeros_like(samples)
            turns = self.turns
            if turns is not None:
                turns.captured(samples, time.monotonic())
            self._sent.append(samples)
            recorder = self.recorder
            if recorder is not None:
                recorder.capture(samples)
            self._capture.push(samples)
        except MediaError as error:  # what came is no sound
            if not self._complained:
                self._complained = True
                self.device_failed(error)
        except Exception:  # noqa: BLE001 - the sound card's thread must survive our bugs
            self._complain("what was captured could not be taken")
        finally:
            self._capturing.release()

    def pull_render(self, samples: int) -> NDArray[np.int16]:
        """The next samples to be heard, exactly that many (device thread)."""
        if type(samples) is not int or not 0 <= samples <= MOST_SAMPLES:
            return self._render_odd(samples)
        if self.is_over:
            return np.zeros(samples, np.int16)
        try:
            # Two devices at once, during a change of devices, must not meet in one decoder; neither may wait.
            if not self._rendering.acquire(blocking=False):
                return np.zeros(samples, np.int16)
            try:
                pcm = self._playout.get(samples)
            finally:
                self._rendering.release()
            if self._waits_for_sound and np.any(np.abs(pcm.astype(np.int32)) > _AUDIBLE):
                self._waits_for_sound = False
                self.marks.mark("first_audio")
            if self.deaf or self.held:
                pcm = np.zeros(samples, np.int16)
            processing = self.processing
            if processing is not None:
                pcm = processing.render(pcm)
            turns = self.turns
            if turns is not None:
                turns.rendered(pcm, time.monotonic())
            self._heard.append(pcm)
            recorder = self.recorder
            if recorder is not None:
                recorder.render(pcm)
        except Exception:  # noqa: BLE001 - as above
            self._complain("what is to be heard could not be made")
            return np.zeros(samples, np.int16)
        return pcm

    def silence(self, samples: int) -> NDArray[np.int16]:
        """For a device that was stopped and asks all the same."""
        return np.zeros(samples if type(samples) is int and 0 <= samples <= MOST_SAMPLES else 0, np.int16)

    def _render_odd(self, samples: object) -> NDArray[np.int16]:
        """For a device that asks for something else than a moderate number."""
        try:
            count = operator.index(samples)  # type: ignore[arg-type]
            heard = self.pull_render(max(0, min(count, MOST_SAMPLES)))
            return np.concatenate((heard, np.zeros(max(0, count - heard.size), np.int16)))
        except Exception:  # noqa: BLE001 - the sound card's thread must survive the program's bugs
            self._complain(f"the audio device asked for {samples!r} samples")
            return _EMPTY

    def device_failed(self, error: MediaError) -> None:
        """The device stopped by itself (device thread)."""
        if self._on_device_failed is None:
            _log.warning("the audio device failed: %s", error)
            return
        try:
            self._on_device_failed(error)
        except Exception:  # noqa: BLE001 - as above
            self._complain("a failed device could not be reported")

    def device_changed(self, change: AudioDeviceChange) -> None:
        """The device goes on with other hardware (device thread)."""
        _log.info("the audio device changed: %s", change)
        if self._on_device_changed is None:
            return
        try:
            self._on_device_changed(change)
        except Exception:  # noqa: BLE001 - as above
            self._complain("a changed device could not be reported")

    def flush(self) -> None:
        """Throw away what was received and not heard yet: the agent is interrupted."""
        self._playout.flush()

    def _complain(self, what: str) -> None:
        """Log a bug once per call, with its traceback: a device calls a hundred times a second."""
        if not self._complained:
            self._complained = True
            _log.exception("%s (further errors of this call are not logged)", what)
