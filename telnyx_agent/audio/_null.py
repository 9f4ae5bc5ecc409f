"""A device that says nothing and discards what it hears, at the right pace; for machines without sound."""

from __future__ import annotations

from ._paced import PacedDevice
from ._samples import BLOCK, SILENCE
from .device import AudioStream

__all__ = ["NullAudio"]


class NullAudio(PacedDevice):
    """Sends silence, and what is played into the call, and discards the agent's voice.

    Both keep the pace, so that recordings, levels and statistics are those of a real call.
    """

    def __init__(self) -> None:
        super().__init__("no sound")

    def _open(self, stream: AudioStream) -> _NullRun:
        return _NullRun(stream)


class _NullRun:
    def __init__(self, stream: AudioStream) -> None:
        self._stream = stream

    def capture(self) -> None:
        self._stream.push_capture(SILENCE)

    def render(self) -> None:
        self._stream.pull_render(BLOCK)

    def close(self) -> None:
        pass
