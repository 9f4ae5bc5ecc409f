"""What a call sends: 20 ms of speech at a time, when it is time for it, encoded. LOOP THREAD ONLY.

`FramePace` decides, with the time as an argument; `FrameSender` is its timer on the loop. Two paces:

- flowing: the device sets the pace. A frame goes out as soon as 960 samples are there. Nothing wakes the loop for that
  (`capture.py` says why): it looks once, shortly after the frame should be complete. From when the device's blocks came
  before it knows when that is, and how far to trust it; only when the frame is not there yet it looks again.
- starved: no device, or none that delivers. Silence goes out every 20 ms by the loop's clock, without drift. When
  samples come again, they fill the end of the frame that is due, so the stream stays in step with real time.

Timestamps follow real time: what the capture buffer had to drop is skipped, and when a device that had stalled delivers
what it owed, as much as was already sent as silence is left out, or else the other side would hear everything later for
the rest of the call.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..call_audio import AudioBridge
from ..codecs.codec import FRAME, RATE, Encoder

__all__ = ["FramePace", "FrameSender"]

_log = logging.getLogger("telnyx_agent.media")

_FRAME_TIME = FRAME / RATE
_LOOK_AGAIN = 0.003  # a frame that should be complete and is not is looked for so often
_LEAST_MARGIN, _MOST_MARGIN = 0.0005, 0.006  # so much after a frame should be complete it is looked for
_PATIENCE = 0.06  # a device that flows may be that late, beyond the frame's time, before silence is sent for it
_BURST = 0.2  # so much may be sent at once; a device that never stops pushing is slowed to 1 % over real time
_BLOCK = 480  # devices deliver 10 ms at a time
_MAX_LAG = 0.1  # the loop was held up: silence that is older than that is not sent any more
_DEBT_FRAMES = 25  # after so many frames a device that had stalled is not believed to owe anything any more
_SILENCE: NDArray[np.int16] = np.zeros(FRAME, np.int16)


class FramePace:
    """When which samples are sent. No clock of its own: `now` is any steady clock, the device's blocks are timed by it.

    Args:
        bridge: Whose capture buffer is sent, and whether it is muted.
    """

    def __init__(self, bridge: AudioBridge) -> None:
        self._bridge = bridge
        self._capture = bridge.capture
        self._begun = False
        self._starved = True
        self._next = 0  # position of the next frame, in samples since the first
        self._due = 0.0  # when the next frame should be complete
        self._margin = _LEAST_MARGIN
        self._looked = False  # in vain, for the next frame
        self._paced = 0.0  # up to when the device's time has been sent, if it all had come in real time
        self._debt = 0  # samples sent as silence that the device may still deliver
        self._debt_frames = 0
        self._dropped = 0  # of the capture buffer's count, what the timestamps already know
        self.position = 0
        """Of the frame that `step` returned last: samples since the first frame of the call."""
        self.wake = 0.0
        """When to call `step` again, once `more` is false."""
        self.more = False
        """Whether another frame may be due already."""
        self.silent_frames = 0
        """Frames sent as silence because the device had delivered nothing."""

    def step(self, now: float) -> NDArray[np.int16] | None:
        """The next frame if it is time for it. To be called again while there is `more`, and then at `wake`."""
        capture = self._capture
        if not self._begun:
            # What was said before there was anybody to hear it is stale.
            capture.clear()
            self._dropped = capture.dropped
            self._due = now
            self._begun = True
        if (dropped := capture.dropped) != self._dropped:
            self._next += dropped - self._dropped
            self._dropped = dropped
        self.more = False
        samples = self._starving(now) if self._starved else self._flowing(now)
        if samples is None:
            return None
        self.position = self._next
        self._next += FRAME
        # What was captured before the mute was asked for must not be heard after it.
        return _SILENCE if self._bridge.muted else samples

    def _flowing(self, now: float) -> NDArray[np.int16] | None:
        capture = self._capture
        surplus = capture.available - FRAME
        if surplus < 0:
            if now >= self._due + _PATIENCE:
                return self._starve()
            self._wait_for_frame(now)
            return None
        paced = max(self._paced, now - _BURST) + 0.99 * _FRAME_TIME
        if paced > now:
            self.wake = paced
            return None
        self._paced = paced
        self._collect_debt(now - self._due)
        # When this frame was complete: what came with later blocks came later.
        complete = capture.last_push - surplus // _BLOCK * (_BLOCK / RATE)
        self._due = min(now, max(complete, now - _FRAME_TIME)) + _FRAME_TIME
        if not self._looked and self._margin > _LEAST_MARGIN:
            self._margin = max(_LEAST_MARGIN, 0.995 * self._margin)
        self._looked = False
        self.more = surplus >= FRAME
        self.wake = self._due + self._margin
        return capture.read(FRAME)

    def _wait_for_frame(self, now: float) -> None:
        self.wake = self._due + self._margin
        if self.wake <= now:
            if not self._looked:  # the blocks come less regularly than was believed
                self._margin = min(_MOST_MARGIN, 1.5 * self._margin)
            self._looked = True
            self.wake = now + _LOOK_AGAIN

    def _starve(self) -> NDArray[np.int16]:
        """The device has stopped or stalled: what there is, then silence."""
        part = self._capture.read(FRAME)
        self._starved = True
        self._owe(FRAME - part.size)
        # The frames that were not sent while there was hope follow at once, because they are due already.
        self._due += _FRAME_TIME
        self.more = True
        return np.concatenate((part, _SILENCE[part.size :]))

    def _starving(self, now: float) -> NDArray[np.int16] | None:
        late = now - self._due
        if late > _MAX_LAG:
            frames = int(late / _FRAME_TIME)
            self._next += frames * FRAME
            self._due += frames * _FRAME_TIME
        elif late < 0:
            self.wake = self._due
            return None
        if not self._capture.available:
            self._owe(FRAME)
            self._due += _FRAME_TIME
            self.more = self._due <= now
            self.wake = self._due
            return _SILENCE
        self._starved = self._looked = False
        self._collect_debt(now - self._due)
        part = self._capture.read(FRAME)
        self._due = now + _FRAME_TIME
        self.more = self._capture.available >= FRAME
        self.wake = self._due + self._margin
        return np.concatenate((_SILENCE[part.size :], part))

    def _owe(self, samples: int) -> None:
        self._debt += samples
        self._debt_frames = _DEBT_FRAMES
        self.silent_frames += 1

    def _collect_debt(self, late: float) -> None:
        """More is there than has come since the last frame: leave out what silence was sent for.

        Args:
            late: Seconds by which we are later than we should be; what came in that time is no debt.
        """
        if not self._debt:
            return
        surplus = self._capture.available - FRAME - _BLOCK - round(max(0.0, late) * RATE)
        if surplus > 0:
            self._debt -= self._capture.read(min(surplus, self._debt)).size
        self._debt_frames -= 1
        if self._debt_frames <= 0:
            self._debt = 0


class FrameSender:
    """Encodes the frames of a bridge when they are due, between `start` and `stop`.

    Args:
        bridge: Whose capture buffer is sent, and whether it is muted.
    """

    def __init__(self, bridge: AudioBridge) -> None:
        self._pace = FramePace(bridge)
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()  # or each timer would make one
        self._timer: asyncio.TimerHandle | None = None
        self._on_frame: Callable[[int, bytes], None] | None = None
        self._complained = False
        self.encoder: Encoder | None = None
        """What the frames are encoded with; `None` until the codec is negotiated, and nothing is sent."""

    @property
    def silent_frames(self) -> int:
        """Frames sent as silence because the device had delivered nothing."""
        return self._pace.silent_frames

    def start(self, on_frame: Callable[[int, bytes], None]) -> None:
        """Begin.

        Args:
            on_frame: Called on the loop for each frame with its RTP timestamp, counted from 0, and its payload. The
                payload is empty when nothing is to be sent for it (DTX). What it raises is logged.
        """
        self._on_frame = on_frame
        self._tick()

    def stop(self) -> None:
        """End; nothing is sent any more. Idempotent."""
        self._on_frame = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        pace, encoder = self._pace, self.encoder
        now = self._loop.time()
        try:
            while self._on_frame is not None and encoder is not None:
                samples = pace.step(now)
                if samples is not None:
                    self._on_frame(pace.position * encoder.clock_rate // RATE, encoder.encode(samples))
                if not pace.more:
                    break
        except Exception:  # noqa: BLE001 - one frame is not worth the call
            if not self._complained:
                self._complained = True
                _log.exception("a frame could not be sent (further errors of this call are not logged)")
        if self._on_frame is not None:
            # Never at once: a bug in the pace must not take the loop.
            self._timer = self._loop.call_at(max(pace.wake, now + 0.0005), self._tick, context=self._context)
