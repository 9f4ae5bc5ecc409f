"""The microphone and the loudspeaker of this machine: which devices, and one `SoundRun` per call."""

from __future__ import annotations

import atexit
import logging
import threading

from ..errors import ClientConfigurationError, MediaError
from . import _portaudio
from ._portaudio import Direction
from ._sound_run import Latency, SoundRun
from .device import AudioStream

__all__ = ["SoundDeviceAudio"]

logger = logging.getLogger("telnyx_agent.audio")


class SoundDeviceAudio:
    """The microphone and the loudspeaker (or headset) of this machine.

    A machine that has only one of them serves a call with that one; what is missing is logged. Cards that refuse 48 kHz
    or mono are opened as they want it, and converted here.

    Args:
        input: The microphone: an index of `list_devices()`, or a part of a name; None is the system's default.
        output: The loudspeaker, in the same way.
        latency: What the driver should aim at: `"low"`, `"high"`, or seconds. Try `"high"` where sound is choppy.

    Raises:
        ClientConfigurationError: An argument has an unusable type.
    """

    def __init__(
        self, input: int | str | None = None, output: int | str | None = None, *, latency: Latency = "low"
    ) -> None:
        for name, value in (("input", input), ("output", output)):
            if not (value is None or isinstance(value, (int, str))):
                raise ClientConfigurationError(f"{name} must be a device's index or a part of its name; got {value!r}")
        self._wanted: dict[Direction, int | str | None] = {"input": input, "output": output}
        self._latency = latency
        self._lock = threading.Lock()  # of start and stop only
        self._run: SoundRun | None = None
        self.name = " and ".join(
            f"default {direction}" if value is None else f"{direction} {value}"
            for direction, value in self._wanted.items()
        )
        """What people call this device, for logs and lists; the real names once it was started."""

    def start(self, stream: AudioStream) -> None:
        """Open the devices and begin; see `AudioDevice.start`.

        Raises:
            MediaError: PortAudio or a device is missing or busy, or this object already serves another call. The
                message says what to do.
        """
        with self._lock:
            if self._run is not None and not (self._run.stopping and self._run.stop()):
                raise MediaError("these sound devices already serve a call; give each simultaneous call its own object")
            self._run = self._open_or_look_again(stream)
            self.name = self._run.name
            # Before sounddevice's own handler, which has registered earlier and ends PortAudio.
            atexit.register(self.stop)

    def stop(self) -> None:
        """Close the devices. Idempotent, on any thread; the stream is not touched any more once this has returned."""
        run = self._run
        if run is not None and run.is_current_thread:
            run.stop()  # whoever holds the lock may be waiting for this thread
            return
        with self._lock:
            if self._run is not None:
                self._run.stop()
                atexit.unregister(self.stop)

    @property
    def has_loudspeaker(self) -> bool:
        """Whether the microphone may hear what is played: both are in use (before the first start: they may be)."""
        return True

    @property
    def input_latency(self) -> float:
        """Seconds from the microphone to the call, as the driver estimates them; 0.0 before the first start."""
        return 0.0 if self._run is None else self._run.latency["input"]

    @property
    def output_latency(self) -> float:
        """Seconds from the call to the loudspeaker, as the driver estimates them; 0.0 before the first start."""
        return 0.0 if self._run is None else self._run.latency["output"]

    @property
    def input_overflows(self) -> int:
        """How often, in the present or last call, sound of the microphone was lost because this process was busy."""
        return 0 if self._run is None else self._run.callbacks.input_overflows

    @property
    def output_underflows(self) -> int:
        """How often, in the present or last call, the loudspeaker had a gap because this process was busy."""
        return 0 if self._run is None else self._run.callbacks.output_underflows

    def _open_or_look_again(self, stream: AudioStream) -> SoundRun:
        try:
            return self._open(stream)
        except MediaError as exc:
            # PortAudio's picture of the machine is as old as the process: a headset may have come since, or the sound
            # server may have been restarted.
            logger.info("looking for sound devices again, because %s", exc)
            if not _portaudio.look_again():
                raise
        return self._open(stream)

    def _open(self, stream: AudioStream) -> SoundRun:
        known = _portaudio.list_devices()
        chosen = {direction: _portaudio.choose(known, wanted, direction) for direction, wanted in self._wanted.items()}
        if not any(chosen.values()):
            raise MediaError(
                "this machine has no sound device; connect one, or use WaveAudio, PcmAudio or NullAudio",
                code=_portaudio.NOT_FOUND,
            )
        run = SoundRun(stream, chosen["input"], chosen["output"], self._latency)
        for direction, info in chosen.items():
            if info is None:
                logger.warning("this machine has no %s device; the call goes on without one", direction)
        return run
