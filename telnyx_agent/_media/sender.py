"""What a call sends: 20 ms of speech at a time, encoded, as a track that aiortc sends as it is. LOOP THREAD ONLY.

aiortc would compute a level in Python and encode on an executor for every frame; a track that hands it `av.Packet`s
saves both (media.md section 1). Two paces:

- flowing: the device sets the pace. A frame goes out as soon as 960 samples are there. Nothing wakes the loop for that
  (`capture.py` says why): the track looks shortly before the frame is due and every 3 ms from then on.
- starved: no device, or none that delivers. Silence goes out every 20 ms by the loop's clock, without drift. When
  samples come again, they fill the end of the frame that is due, so the stream stays in step with real time.

Timestamps follow real time: what the capture buffer had to drop is skipped, and when a device that had stalled delivers
what it owed, as much as was already sent as silence is left out, or else the other side would hear everything later for
the rest of the call.
"""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.packet import Packet
from numpy.typing import NDArray

from .bridge import AudioBridge
from .codecs import FRAME, RATE, Encoder

__all__ = ["EncodedTrack"]

_FRAME_TIME = FRAME / RATE
_EARLY = 0.003  # a frame is looked for that long before it is due
_LOOK_EVERY = 0.003
_PATIENCE = 0.06  # a device that flows may be that late, beyond the frame's time, before silence is sent for it
_BURST = 0.2  # so much may be sent at once; a device that never stops pushing is slowed to 1 % over real time
_BLOCK = 480  # devices deliver 10 ms at a time
_MAX_LAG = 0.1  # the loop was held up: silence that is older than that is not sent any more
_DEBT_FRAMES = 25  # after so many frames a device that had stalled is not believed to owe anything any more


class EncodedTrack(MediaStreamTrack):
    """A track of encoded frames.

    Args:
        bridge: Whose capture buffer is sent, and whether it is muted.
    """

    kind = "audio"

    def __init__(self, bridge: AudioBridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._capture = bridge.capture
        self._encoder: Encoder | None = None
        self._time_base = Fraction(1, RATE)
        self._ratio = 1
        self._position = 0  # of the next frame, in samples since the first
        self._due = 0.0  # when the next frame should be complete, by the loop's clock
        self._paced = 0.0  # up to when the device's time has been sent, if it all had come in real time
        self._begun = False
        self._starved = True
        self._debt = 0  # samples sent as silence that the device may still deliver
        self._debt_frames = 0
        self._dropped = 0  # of the capture buffer's count, what the timestamps already know
        self.silent_frames = 0
        """Frames sent as silence because the device had delivered nothing."""

    @property
    def encoder(self) -> Encoder | None:
        """What the frames are encoded with; `None` until the codec is negotiated."""
        return self._encoder

    @encoder.setter
    def encoder(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._time_base = Fraction(1, encoder.clock_rate)
        self._ratio = RATE // encoder.clock_rate

    async def recv(self) -> Packet[Any]:
        """The next frame, when it is time for it (aiortc's sender)."""
        while True:
            if self.readyState != "live" or self._encoder is None:
                raise MediaStreamError
            samples = await self._next_samples()
            if self._bridge.muted:
                # What was captured before the mute was asked for must not be heard after it.
                samples = np.zeros(FRAME, np.int16)
            position = self._position
            self._position += FRAME
            payload = self._encoder.encode(samples)
            if payload:
                packet = Packet(payload)
                packet.pts = position // self._ratio
                packet.time_base = self._time_base
                return packet

    async def _next_samples(self) -> NDArray[np.int16]:
        loop = asyncio.get_running_loop()
        if not self._begun:
            # What was said before there was anybody to hear it is stale.
            self._capture.clear()
            self._dropped = self._capture.dropped
            self._due = loop.time()
            self._begun = True
        self._skip_dropped()
        if self._starved:
            return await self._starving(loop)
        return await self._flowing(loop)

    async def _flowing(self, loop: asyncio.AbstractEventLoop) -> NDArray[np.int16]:
        capture = self._capture
        last_moment = self._due + _PATIENCE
        pause = self._due - _EARLY - loop.time()
        while capture.available < FRAME:
            if loop.time() >= last_moment:
                return self._starve()
            await asyncio.sleep(max(_LOOK_EVERY, pause))
            pause = 0.0
        now = loop.time()
        self._collect_debt(now - self._due)
        self._paced = max(self._paced, now - _BURST) + 0.99 * _FRAME_TIME
        if self._paced > now:
            await asyncio.sleep(self._paced - now)
        self._due = loop.time() + _FRAME_TIME
        return capture.read(FRAME)

    def _starve(self) -> NDArray[np.int16]:
        """The device has stopped or stalled: what there is, then silence."""
        part = self._capture.read(FRAME)
        self._starved = True
        self._owe(FRAME - part.size)
        # The frames that were not sent while there was hope follow at once, because they are due already.
        self._due += _FRAME_TIME
        return np.concatenate((part, np.zeros(FRAME - part.size, np.int16)))

    async def _starving(self, loop: asyncio.AbstractEventLoop) -> NDArray[np.int16]:
        late = loop.time() - self._due
        if late > _MAX_LAG:
            frames = int(late / _FRAME_TIME)
            self._position += frames * FRAME
            self._due += frames * _FRAME_TIME
        elif late < 0:
            await asyncio.sleep(-late)
        if not self._capture.available:
            self._owe(FRAME)
            self._due += _FRAME_TIME
            return np.zeros(FRAME, np.int16)
        self._starved = False
        self._collect_debt(loop.time() - self._due)
        part = self._capture.read(FRAME)
        self._due = loop.time() + _FRAME_TIME
        return np.concatenate((np.zeros(FRAME - part.size, np.int16), part))

    def _skip_dropped(self) -> None:
        dropped = self._capture.dropped - self._dropped
        if dropped:
            self._dropped += dropped
            self._position += dropped

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
