"""`CallSound`: opens, exchanges and closes the audio device of one call, and the processor that cleans its sound.

To open hardware blocks, and a driver may never return. So each call has a thread for these jobs, which run in order: a
job that hangs stops only its own call. Nothing in here runs on the loop.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING

from .._runtime.workers import DaemonPool
from ..errors import CallError, MediaError, TxError, in_words

if TYPE_CHECKING:
    from .._media.call_audio import AudioBridge
    from ..audio import AudioDevice, AudioDeviceChange, AudioProcessor
    from ..audio.device import Pcm16, PcmLike

__all__ = ["CallSound"]

_log = logging.getLogger("telnyx_agent.audio")


class CallSound:
    """One call's device. All methods except `run` and `retire` block; they may be called on any worker thread.

    Args:
        bridge: The call's audio.
        open_device: Makes the call's first device.
        make_processor: Makes the processor for a device, or None; called for each device. If it returns the same
            processor again, that one goes on.
    """

    def __init__(
        self,
        bridge: AudioBridge,
        open_device: Callable[[], AudioDevice],
        make_processor: Callable[[AudioDevice], AudioProcessor | None],
    ) -> None:
        self._bridge = bridge
        self._open_device = open_device
        self._make_processor = make_processor
        self._lock = threading.Lock()
        self._device: AudioDevice | None = None
        self._processor: AudioProcessor | None = None
        self._stopped = False
        self._stream: _DeviceStream | None = None
        self._thread = DaemonPool(1, "telnyx-agent-device")

    def run(self, job: Callable[[CallSound], None]) -> Future[None]:
        """Run `job` on the call's own thread, after the earlier jobs. Does not block.

        Raises:
            RuntimeError: `retire` was called, or no thread can be started.
        """
        return self._thread.submit(self._do, job)

    def _do(self, job: Callable[[CallSound], None]) -> None:
        """Run a job. Whatever a device raises becomes a `TxError`, so that the loop sees no other exception."""
        try:
            job(self)
        except TxError:
            raise
        except BaseException as exc:
            raise MediaError(f"the audio device failed: {in_words(exc)}") from exc

    def retire(self) -> None:
        """No job follows: the thread ends after the last one. If that hangs, nothing waits for the thread."""
        self._thread.shutdown(wait=False)

    @property
    def device(self) -> AudioDevice | None:
        """The device in use; None before the call's media is up and after the call."""
        return self._device

    def start(self) -> None:
        """Open the call's first device and begin.

        Raises:
            MediaError: It cannot be opened.
        """
        with self._lock:
            if not self._stopped:
                self._start(self._open_device())

    def exchange(self, device: AudioDevice) -> None:
        """Go on with another device. The old one is stopped first, because some hardware can be opened only once.

        An error of the old device, when it stops, is only logged.

        Raises:
            CallError: The call has no device to exchange: its media is not up yet, or it is over.
            MediaError: The new device cannot be opened; the call goes on with the old one.
        """
        from ..audio._sharing import device_of_call

        device = device_of_call(device)
        with self._lock:
            old = self._required()
            self._let_go(old)
            try:
                self._start(device)
            except BaseException:
                self._start(old)
                raise

    def reset(self) -> None:
        """Close the device and open it again.

        Raises:
            CallError: The call has no device now.
            MediaError: It cannot be opened any more.
        """
        with self._lock:
            device = self._required()
            self._let_go(device)
            self._start(device)

    def switch(self, changes: dict[str, int | str | None]) -> None:
        """Let the device use other hardware.

        Raises:
            CallError: The call has no device now.
            MediaError: The device cannot do that, or there is no such hardware. The call goes on as before.
        """
        with self._lock:
            device = self._required()
            switch: Callable[..., None] | None = getattr(device, "switch", None)
            if switch is None:
                raise MediaError(
                    f"{_name(device)} is not a sound card's device and has no inputs and outputs to choose from; "
                    "give the call another device with set_audio_device()"
                )
            with _in_words(device, "switch"):
                switch(**changes)

    def stop(self) -> None:
        """Stop the device, the processing and the recording. Idempotent; afterwards nothing can be started."""
        self.stop_device()
        self.finish()

    def stop_device(self) -> None:
        """Stop the device and the processing. Idempotent; afterwards no device can be started."""
        with self._lock:
            self._stopped = True
            device, self._device = self._device, None
            try:
                if device is not None:
                    self._stop(device)
            finally:
                self._drop_processing()

    def finish(self) -> None:
        """End playbacks and the recording. Blocks for the disk, and not for the device. Idempotent."""
        self._bridge.player.stop()
        recorder = self._bridge.recorder
        if recorder is not None:
            recorder.close()  # it reports its own errors

    def _required(self) -> AudioDevice:
        if self._device is None:
            raise CallError("this call has no audio device now: its media is not up yet, or it is over")
        return self._device

    def _start(self, device: AudioDevice) -> None:
        processor = self._make_processor(device)
        # The program's own processor serves all devices of the call.
        if processor is None or processor is not self._processor:
            self._drop_processing()
            self._processor = processor
        self._device = device
        if processor is not None and self._bridge.processing is None:
            from .._media.processing import Processing

            self._bridge.processing = Processing(processor, delay=self._echo_delay)
        self._stream = _DeviceStream(self._bridge)
        with _in_words(device, "start"):
            device.start(self._stream)

    def _stop(self, device: AudioDevice) -> None:
        try:
            with _in_words(device, "stop"):
                device.stop()
        finally:
            if self._stream is not None:
                self._stream.is_open = False

    def _let_go(self, device: AudioDevice) -> None:
        """As `_stop`, in a call that goes on: an error is only logged."""
        try:
            self._stop(device)
        except MediaError as error:
            _log.warning("%s; the call goes on", error)

    def _drop_processing(self) -> None:
        processing, self._bridge.processing = self._bridge.processing, None
        self._processor = None
        if processing is not None:
            processing.close()

    def _echo_delay(self) -> float:
        """Seconds from a sample's way to the card until its echo comes from the microphone; drivers estimate it."""
        device = self._device
        try:
            return float(getattr(device, "input_latency", 0.0)) + float(getattr(device, "output_latency", 0.0))
        except BaseException as exc:  # noqa: BLE001 - the program's own device may raise anything; 0 will do
            _log.debug("the audio device does not say its latency: %s", in_words(exc))
            return 0.0


@contextlib.contextmanager
def _in_words(device: AudioDevice, what: str) -> Iterator[None]:
    """Make a `MediaError` of what a device raises. It may raise anything; a `SystemExit` would end the loop."""
    try:
        yield
    except TxError:
        raise
    except BaseException as exc:
        raise MediaError(f"the audio device {_name(device)} failed to {what}: {in_words(exc)}") from exc


def _name(device: AudioDevice) -> str:
    """The device's name for messages. Its `name` may be a property of the program that raises."""
    try:
        return str(getattr(device, "name", type(device).__name__))
    except BaseException:  # noqa: BLE001 - the message is about another error
        return type(device).__name__


class _DeviceStream:
    """The `AudioStream` of one device. After the device's `stop` it does nothing, even if the device still uses it."""

    def __init__(self, bridge: AudioBridge) -> None:
        self._bridge = bridge
        self._has_failed = False
        self.is_open = True

    @property
    def sample_rate(self) -> int:
        """Samples per second. This and all other members: see `AudioStream`."""
        return self._bridge.sample_rate

    def push_capture(self, pcm: PcmLike) -> None:
        if self.is_open:
            self._bridge.push_capture(pcm)

    def pull_render(self, samples: int) -> Pcm16:
        return self._bridge.pull_render(samples) if self.is_open else self._bridge.silence(samples)

    def device_failed(self, error: MediaError) -> None:
        """Reported once: a device that reports its end again and again must not fill a queue."""
        if self.is_open and not self._has_failed:
            self._has_failed = True
            given: object = error  # it may be anything, as the device may be the program's own
            if not isinstance(given, MediaError):
                why = (
                    in_words(given) if isinstance(given, BaseException) else f"it said so with a {type(given).__name__}"
                )
                error = MediaError(f"the audio device failed: {why}")
            self._bridge.device_failed(error)

    def device_changed(self, change: AudioDeviceChange) -> None:
        from ..audio.device import AudioDeviceChange

        if self.is_open and isinstance(change, AudioDeviceChange):
            self._bridge.device_changed(change)
