"""Runs an `AudioProcessor` in a call: cuts both directions into its 10 ms blocks, and goes on without it if it fails.

Each direction belongs to one device thread at a time. Nothing here waits: while a call changes devices, two threads may
come to the same direction, and the second one's block then passes unprocessed.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..audio.processing import AudioProcessor

__all__ = ["Processing"]

_log = logging.getLogger("telnyx_agent.audio")

Samples = NDArray[np.int16]

_BLOCK = 480  # 10 ms at 48 kHz, what processors work on
_DELAY_BLOCKS = 100  # the drivers are asked once a second how late the echo will be
_EMPTY: Samples = np.empty(0, np.int16)


class Processing:
    """Both directions of one call through a processor.

    Where the device works in multiples of 10 ms, nothing is delayed. Other block lengths delay what is heard by 10 ms
    at most, and captured samples wait until a block is complete.

    A processor that raises, or returns something else than a block, is switched off for the rest of the call, with one
    traceback in the log; the sound goes on without it.

    Args:
        processor: What to run. `close` closes it.
        delay: Seconds between handing a sample to the card and its echo arriving from it, or a function that tells
            (device thread, at most once a second; must not block).
    """

    def __init__(self, processor: AudioProcessor, *, delay: Callable[[], float] | float = 0.0) -> None:
        self._processor = processor
        self._delay_source = delay
        self._delay = 0.0
        self._delay_age = 0
        self._rendering = threading.Lock()
        self._capturing = threading.Lock()
        self._unrendered = _EMPTY  # less than a block
        self._rendered = _EMPTY  # done, but not asked for yet
        self._render_ahead = 0  # samples by which what is heard is late, because blocks do not fit
        self._uncaptured = _EMPTY
        self._failing = threading.Lock()  # taken by the first failure, for ever
        self._closing = threading.Lock()
        self._off = False

    @property
    def is_on(self) -> bool:
        """Whether the processor still works: it has not failed, and the call is not over."""
        return not self._off

    def render(self, pcm: Samples) -> Samples:
        """What to hand to the loudspeaker in place of `pcm`: as many samples (device thread)."""
        if not self._rendering.acquire(blocking=False):
            return pcm
        try:
            # All of a day with a sound card: nothing left over, and whole blocks.
            if not self._render_ahead and not pcm.size % _BLOCK:
                return self._each_block(pcm, self._render_block)
            return self._render_any(pcm)
        finally:
            self._rendering.release()

    def capture(self, pcm: Samples) -> Samples:
        """What to send of what the microphone heard: all that is complete (device thread).

        No sample is lost, and none is added: what does not fill a block comes with the next one.
        """
        if not self._capturing.acquire(blocking=False):
            return pcm
        try:
            if self._uncaptured.size:
                pcm = np.concatenate((self._uncaptured, pcm))
                self._uncaptured = _EMPTY
            if self._off:
                return pcm
            if rest := pcm.size % _BLOCK:
                self._uncaptured = pcm[-rest:].copy()
                pcm = pcm[:-rest]
            return self._each_block(pcm, self._capture_block)
        finally:
            self._capturing.release()

    def close(self) -> None:
        """The call is over: close the processor. Idempotent, any thread; what comes afterwards passes as it is."""
        self._off = True
        if not self._closing.acquire(blocking=False):
            return
        try:
            self._processor.close()
        except BaseException:  # noqa: BLE001 - a user's processor; the end of a call must go on
            _log.exception("the audio processor could not be closed")

    # -- blocks --------------------------------------------------------------------------------------------------------

    def _render_any(self, pcm: Samples) -> Samples:
        """`render` for blocks that do not fit, which needs something in store."""
        count = pcm.size
        if not self._render_ahead and count:
            # Enough for blocks of this length; a device that changes its mind gets more when it does.
            self._add_silence(_BLOCK - math.gcd(count, _BLOCK))
        waiting = np.concatenate((self._unrendered, pcm))
        rest = waiting.size % _BLOCK
        ready = self._each_block(waiting[: waiting.size - rest], self._render_block)
        self._unrendered = waiting[waiting.size - rest :]
        self._rendered = np.concatenate((self._rendered, ready))
        if (lacking := count - self._rendered.size) > 0:
            self._add_silence(lacking)
        result, self._rendered = self._rendered[:count], self._rendered[count:]
        return result

    def _add_silence(self, count: int) -> None:
        self._rendered = np.concatenate((np.zeros(count, np.int16), self._rendered))
        self._render_ahead += count

    def _each_block(self, pcm: Samples, work: Callable[[Samples], Samples]) -> Samples:
        if self._off or not pcm.size:
            return pcm
        if pcm.size == _BLOCK:
            return self._guarded(pcm, work)
        return np.concatenate([self._guarded(pcm[i : i + _BLOCK], work) for i in range(0, pcm.size, _BLOCK)])

    def _guarded(self, block: Samples, work: Callable[[Samples], Samples]) -> Samples:
        """One block through the processor, or as it came."""
        if self._off:
            return block
        try:
            # A copy, because the processor may work in place and then fail half-way.
            result = work(block.copy())
            if not isinstance(result, np.ndarray) or result.shape != (_BLOCK,) or result.dtype != np.int16:
                raise TypeError(f"an audio processor must return {_BLOCK} samples of int16, not {_described(result)}")
        except KeyboardInterrupt:  # only where a device of the program's own runs on the main thread
            raise
        except BaseException:  # noqa: BLE001 - a user's processor, or a native library; the call must go on
            self._fail()
            return block
        return result

    def _render_block(self, block: Samples) -> Samples:
        return self._processor.process_render(block)

    def _capture_block(self, block: Samples) -> Samples:
        if self._delay_age == 0:
            self._delay = self._ask_delay()
        self._delay_age = (self._delay_age + 1) % _DELAY_BLOCKS
        return self._processor.process_capture(block, self._delay + self._render_ahead / 48000)

    def _ask_delay(self) -> float:
        delay = self._delay_source() if callable(self._delay_source) else self._delay_source
        return delay if math.isfinite(delay) and delay > 0 else 0.0

    def _fail(self) -> None:
        # After `close`, a block that was under way may well fail; and both directions may fail at once.
        if not self._off and self._failing.acquire(blocking=False):
            _log.exception("the audio processor failed and is switched off for this call; the sound goes on without it")
        self._off = True


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} of {value.dtype}"
    return type(value).__name__
