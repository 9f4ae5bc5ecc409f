"""What the devices without hardware share: start, stop, and one pacing thread per call."""

from __future__ import annotations

import abc
import atexit
import threading
from typing import Protocol

from .._runtime.threads import NoThreadError
from ..errors import MediaError
from ._pacing import Pacer
from .device import AudioStream

__all__ = ["PacedDevice", "Run"]


class Run(Protocol):
    """One call's worth of a device. All methods are called on the pacing thread, one after the other."""

    def capture(self) -> None:
        """Push 20 ms."""
        ...

    def render(self) -> None:
        """Pull 20 ms."""
        ...

    def close(self) -> None:
        """Release files; the last thing that is called."""
        ...


class PacedDevice(abc.ABC):
    """A device that a `Pacer` drives. What belongs to one call is in a `Run`, so that two calls cannot mix."""

    def __init__(self, name: str) -> None:
        self.name = name
        """What people call this device, for logs and lists."""
        self._lock = threading.Lock()  # of start and stop only; the pacing thread never takes it
        self._pacer: Pacer | None = None
        self._newest: Pacer | None = None  # of the call that began last, also where several are served

    @abc.abstractmethod
    def _open(self, stream: AudioStream) -> Run:
        """Make the run of a call, or raise MediaError."""

    def start(self, stream: AudioStream) -> None:
        """Begin to push to and pull from `stream`; see `AudioDevice.start`.

        Raises:
            MediaError: It already serves another call, or a file cannot be used.
        """
        with self._lock:
            # A device that was stopped from inside one of its callbacks may still be finishing that one.
            if self._pacer is not None and not (self._pacer.stopping and self._pacer.stop()):
                raise MediaError(f"{self.name} already serves a call; give every simultaneous call a device of its own")
            run = self._open(stream)
            self._pacer = Pacer((run.render, run.capture), run.close)
            try:
                self._pacer.start()
            except NoThreadError as exc:
                self._pacer = None
                run.close()
                raise MediaError(f"{self.name} cannot start: {exc}") from exc
            self._newest = self._pacer
            # A program may end without hanging up; files are complete all the same.
            atexit.register(self.stop)

    def stop(self) -> None:
        """End. Idempotent, on any thread; no callback and no access to the stream once this has returned."""
        pacer = self._pacer
        if pacer is not None and pacer.is_current_thread:
            pacer.stop()  # a callback of the program's; whoever holds the lock may be waiting for it
            return
        with self._lock:
            if self._pacer is not None:
                self._pacer.stop()
                atexit.unregister(self.stop)

    @property
    def late_ticks(self) -> int:
        """20 ms blocks of the present or last call that came a period or more too late and were made up for."""
        return 0 if self._newest is None else self._newest.late_ticks

    @property
    def skipped_ticks(self) -> int:
        """20 ms blocks of the present or last call that were given up because the process stood still for too long."""
        return 0 if self._newest is None else self._newest.skipped_ticks

    def __repr__(self) -> str:
        running = self._newest is not None and not self._newest.stopping
        return f"<{type(self).__name__} {self.name!r} {'running' if running else 'stopped'}>"

    def for_one_call(self) -> PacedDevice:
        """A device with a pace of its own that opens what this one does. Only for those that can be open twice."""
        return _OfOneCall(self)


class _OfOneCall(PacedDevice):
    def __init__(self, shared: PacedDevice) -> None:
        super().__init__(shared.name)
        self._shared = shared

    def _open(self, stream: AudioStream) -> Run:
        return self._shared._open(stream)

    def start(self, stream: AudioStream) -> None:
        super().start(stream)
        self._shared._newest = self._pacer
