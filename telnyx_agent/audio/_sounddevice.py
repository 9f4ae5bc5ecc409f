"""The microphone and the loudspeaker of this machine: which devices, and one `SoundRun` per call."""

from __future__ import annotations

import atexit
import threading
from typing import Final

from ..errors import MediaError
from . import _portaudio
from ._portaudio import Direction
from ._sound_run import SoundRun
from ._streams import Latency
from .device import AudioStream, check_hardware

__all__ = ["SoundDeviceAudio"]


class _Keep:
    """What a direction is switched to when nothing is said of it."""

    def __repr__(self) -> str:
        return "unchanged"


_KEEP: Final = _Keep()


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
        self._wanted: dict[Direction, int | str | None] = _checked({"input": input, "output": output})
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
            self._run = _portaudio.bounded(
                f"open {self.name}", lambda: SoundRun(stream, self._wanted, self._latency), undo=SoundRun.stop
            )
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

    def switch(self, *, input: int | str | _Keep | None = _KEEP, output: int | str | _Keep | None = _KEEP) -> None:
        """Go on with another microphone, another loudspeaker, or both; in mid-call, or for the next one.

        What is not given stays as it is. Blocks until the new device plays, on any thread but the sound card's own. The
        new one is opened before the old one is closed, so hardly a block is lost; a device that was connected after the
        program first used sound costs a gap of some tenths of a second, because PortAudio must look for devices again.

        Args:
            input: As for the constructor; None is the system's default.
            output: The same.

        Raises:
            MediaError: It cannot be used; the message says why, and the devices in use before still are.
            ClientConfigurationError: An argument has an unusable type.
        """
        changes: dict[Direction, int | str | None] = {}
        if not isinstance(input, _Keep):
            changes["input"] = input
        if not isinstance(output, _Keep):
            changes["output"] = output
        _checked(changes)
        with self._lock:
            run = self._run
            if changes and run is not None and not run.stopping:
                _portaudio.bounded("switch to other sound devices", lambda: run.switch(changes))
                self.name = run.name
            self._wanted = {**self._wanted, **changes}
        if changes and run is not None:
            run.tell_switched()

    def check(self) -> None:
        """Whether the devices that were chosen by index or name are there. Opens none.

        Raises:
            MediaError: One is not there, or PortAudio is missing.
        """
        named = {direction: value for direction, value in self._wanted.items() if value is not None}
        if not named:
            return
        try:
            self._choose(named, refresh=False)
        except MediaError:
            self._choose(named, refresh=True)

    def _choose(self, named: dict[Direction, int | str], *, refresh: bool) -> None:
        known = _portaudio.list_devices(refresh=refresh)
        for direction, value in named.items():
            _portaudio.choose(known, value, direction)

    has_loudspeaker: Final = True
    """What is rendered may come back by the microphone: see `AudioDevice`."""

    @property
    def latency(self) -> float:
        """Seconds from the call to the loudspeaker and back from the microphone, as the driver estimates them."""
        return self.input_latency + self.output_latency

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
        return 0 if self._run is None else self._run.input_overflows

    @property
    def output_underflows(self) -> int:
        """How often, in the present or last call, the loudspeaker had a gap because this process was busy."""
        return 0 if self._run is None else self._run.output_underflows


def _checked(wanted: dict[Direction, int | str | None]) -> dict[Direction, int | str | None]:
    for direction, value in wanted.items():
        check_hardware(direction, value)
    return wanted
