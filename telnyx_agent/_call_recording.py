"""`CallRecording`: the part of `Call` that writes it to a file, and plays files and samples into it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from ._call_base import CallBase

if TYPE_CHECKING:
    from ._media.player import Playback, PlaySource

__all__ = ["CallRecording"]


class CallRecording(CallBase):
    """See `Call`."""

    def record(self, path: str | os.PathLike[str] | BinaryIO) -> None:
        """Write the call to a stereo WAV from here on: left what was sent, right what was heard, 48 kHz, 16 bit.

        The file is complete when the call is over or `stop_recording` was called. Ask for consent where the law wants
        it.

        Args:
            path: A path, whose file is replaced, or a binary file, which is left open.

        Raises:
            CallError: This call is being recorded already, or it is over.
            MediaError: The file cannot be written.
            ClientConfigurationError: It is neither a path nor a file.
        """
        self._bridge.record(path, self._options.call_id)

    @property
    def is_recording(self) -> bool:
        """Whether the call is written to a file now; False while paused."""
        recorder = self._bridge.recorder
        return recorder is not None and not recorder.closed and not recorder.paused

    def pause_recording(self) -> None:
        """Leave out what is said from here on, on both sides. Does nothing when nothing is recorded."""
        recorder = self._bridge.recorder
        if recorder is not None:
            recorder.pause()

    def resume_recording(self) -> None:
        """Go on with the recording after `pause_recording`; what was left out leaves no gap in the file."""
        recorder = self._bridge.recorder
        if recorder is not None:
            recorder.resume()

    def stop_recording(self) -> None:
        """End the recording and complete the file. Does nothing when there is none.

        Raises:
            MediaError: The file is not complete, because the disk was full for example; `on_client_error` has said so
                when it happened.
        """
        recorder = self._bridge.take_recorder()
        if recorder is not None and (error := recorder.finish()) is not None:
            raise error

    def play(self, source: PlaySource, *, mix: bool = True, gain: float = 1.0, sample_rate: int = 48000) -> Playback:
        """Play a file or samples into the call: the agent hears them. Mute silences this, too.

        What is played while something else is being played comes after it.

        Args:
            source: The path of a WAV file; mono 16-bit samples (bytes or a numpy array); or an iterable of such.
            mix: Whether the microphone is heard at the same time; False replaces it.
            gain: A factor, 1.0 as it is.
            sample_rate: Of samples, in Hz; a file knows its own.

        Returns:
            A handle to wait for the end, or to stop.

        Raises:
            CallError: The call is over, or 100 playbacks wait already.
            MediaError: The file cannot be read or is no WAV.
        """
        return self._bridge.player.play(source, mix=mix, gain=gain, sample_rate=sample_rate)
