"""A device that says nothing and discards what it hears, at the right pace; for machines without sound."""

from __future__ import annotations

from ._paced import PacedDevice
from ._samples import FRAME, SILENCE
from .device import AudioStream

__all__ = ["NullAudio", "SilentRun"]


class NullAudio(PacedDevice):
    """Sends silence, and what is played into the call, and discards the agent's voice. Serves any number of calls.

    Both keep the pace, so that recordings, levels and statistics are those of a real call.
    """

    def __init__(self) -> None:
        super().__init__("no sound")

    def _open(self, stream: AudioStream) -> SilentRun:
        return SilentRun(stream)


class SilentRun:
    """A call without sound: both directions keep moving."""

    def __init__(self, stream: AudioStream) -> None:
        self._stream = stream

    def capture(self) -> None:
        """Push 20 ms of silence."""
        self._stream.push_capture(SILENCE)

    def render(self) -> None:
        """Pull 20 ms, for nobody."""
        self._stream.pull_render(FRAME)

    def close(self) -> None:
        """Nothing is open."""
