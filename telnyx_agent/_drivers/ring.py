"""`Ring`: the tone that the user hears while a call rings, on a device of its own.

A sound driver may hang, so the device is opened and closed on a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from .._runtime.threads import NoThreadError
from .._runtime.workers import DaemonPool
from ..errors import MediaError, in_words

if TYPE_CHECKING:
    from ..audio import AudioDevice
    from ..audio._samples import Int16
    from ..audio.device import PcmLike
    from ..audio.tones import ToneSource

__all__ = ["Ring"]


class Ring:
    """Rings once, from `begin` to `hush`. Errors are reported and not raised, because the call must go on.

    Args:
        open_tone: Makes the tone; may read a file.
        open_device: Makes the device; may look for hardware.
        on_failed: Called, on any thread, with the error when it cannot ring (any more).
    """

    def __init__(
        self,
        open_tone: Callable[[], ToneSource],
        open_device: Callable[[], AudioDevice],
        on_failed: Callable[[MediaError], None],
    ) -> None:
        self._open_tone = open_tone
        self._open_device = open_device
        self._on_failed = on_failed
        self._lock = threading.Lock()
        self._device: AudioDevice | None = None
        self._stream: _RingStream | None = None
        self._hushed = False
        self._thread = DaemonPool(1, "telnyx-agent-ring")

    def start_ringing(self) -> Future[None]:
        """Run `begin` on a thread of its own. Does not block. Call it once at most."""
        try:
            return self._thread.submit(self.begin)
        except NoThreadError as exc:
            self._on_failed(_failed("cannot be played", exc))
            return _done()

    def stop_ringing(self) -> Future[None]:
        """Be silent at once, and run `end` after `begin` has returned. Does not block. Call it once at most."""
        self.hush()
        try:
            return self._thread.submit(self.end)
        except NoThreadError:
            return _done()  # there was no thread for `begin` either
        finally:
            self._thread.shutdown(wait=False)

    @property
    def is_over(self) -> bool:
        """Whether `hush` was called; it does not ring again."""
        return self._hushed

    def begin(self) -> None:
        """Open the device and ring, unless `hush` was called meanwhile. Blocks: for worker threads."""
        with self._lock:
            if self._hushed or self._device is not None:
                return
            try:
                stream = self._stream = _RingStream(self._open_tone(), self._on_failed)
                device = self._open_device()
                # Before it starts, so that `end` also closes a device that has failed to start.
                self._device = device
                device.start(stream)
            except MediaError as error:
                self._on_failed(error)
            except BaseException as exc:  # noqa: BLE001 - a device may be the user's own and raise anything
                self._on_failed(_failed("cannot be played", exc))
            if self._hushed and self._stream is not None:
                self._stream.silent = True

    def hush(self) -> None:
        """Fall silent with the next block. Any thread, never blocks; `end` closes the device."""
        self._hushed = True
        stream = self._stream
        if stream is not None:
            stream.silent = True

    def end(self) -> None:
        """Close the device, after `begin` has returned. Blocks: for worker threads. Idempotent."""
        self.hush()
        with self._lock:
            device, self._device = self._device, None
            if device is None:
                return
            try:
                device.stop()
            except BaseException as exc:  # noqa: BLE001 - as in `begin`
                self._on_failed(_failed("could not be ended", exc))


def _done() -> Future[None]:
    future: Future[None] = Future()
    future.set_result(None)
    return future


def _failed(what: str, exc: BaseException) -> MediaError:
    error = MediaError(f"the ringing tone {what}: {in_words(exc)}")
    error.__cause__ = exc
    return error


class _RingStream:
    """The `AudioStream` of the device: it plays the tone, and drops what the microphone captures."""

    sample_rate = 48000

    def __init__(self, tone: ToneSource, on_failed: Callable[[MediaError], None]) -> None:
        self.silent = False
        self._tone = tone
        self._on_failed = on_failed

    def push_capture(self, pcm: PcmLike) -> None:
        """The microphone is not sent anywhere."""

    def pull_render(self, samples: int) -> Int16:
        """The next part of the tone."""
        pcm = self._tone.read(samples)
        return pcm * 0 if self.silent else pcm

    def device_failed(self, error: MediaError) -> None:
        """The device has stopped because of an error."""
        self._on_failed(error)
