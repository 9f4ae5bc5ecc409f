"""Speech from a WAV file into the call, and the agent's voice from the call into a WAV file."""

from __future__ import annotations

import functools
import logging
import math
import os
import threading
from collections.abc import Callable

import numpy as np

from .._arguments import checked_path, is_number
from ..errors import ClientConfigurationError, MediaError
from ._paced import PacedDevice
from ._pacing import PERIOD
from ._samples import FRAME, SILENCE
from ._waits import wait_for
from ._wavefile import PathLike, WavReader, WavWriter, check_writable
from .device import AudioStream

__all__ = ["WaveAudio"]

logger = logging.getLogger("telnyx_agent.audio")


class WaveAudio(PacedDevice):
    """Plays a WAV file into the call as if it were spoken, and writes what the agent says to another.

    Without an output it serves any number of calls at once; each hears the input from its beginning. `finished`,
    `wait_played` and `error` are then about the call that began last.

    Args:
        input: What the caller says: 8, 16, 24 or 32-bit integer or float WAV, any rate and number of channels. Silence
            follows it. None: silence from the beginning.
        output: Where the agent's voice goes, from the first moment of the call's media to the last: 48 kHz mono 16 bit.
            A file that is there is replaced, at every call. It can be played at any moment, also if the process dies.
        loop: Say the input again and again.
        lead_in: Seconds of silence before the input, for example to let the agent greet first.

    Raises:
        MediaError: The input is not there or cannot be used, or the output cannot be written. Files only: no pipes.
        ClientConfigurationError: Another argument cannot be used.
    """

    def __init__(
        self, input: PathLike | None = None, output: PathLike | None = None, *, loop: bool = False, lead_in: float = 0.0
    ) -> None:
        self._input = None if input is None else checked_path("input", input)
        self._output = None if output is None else checked_path("output", output)
        super().__init__(" -> ".join(path for path in (self._input, self._output) if path is not None) or "no files")
        if not is_number(lead_in) or not 0 <= lead_in < math.inf:
            raise ClientConfigurationError(f"lead_in is {lead_in!r}; it is the seconds of silence before the input")
        self._loop = loop
        self._lead_in = round(lead_in / PERIOD)
        self.check()
        self._telling = threading.Lock()
        self._newest_run = object()
        self.finished = threading.Event()
        """Set when the whole input was sent; never with `loop`. Cleared when the next call starts the device."""
        self._over = threading.Event()  # the input was sent, or the call ended before that
        self.error: MediaError | None = None
        """Why the input or output of the present or last call is incomplete, if it is. A full disk ends no call."""

    @property
    def has_output(self) -> bool:
        """Whether the agent's voice is written to a file, so that the device serves one call at a time."""
        return self._output is not None

    def check(self) -> None:
        """Whether the files can be used, as far as that can be known now: better than in the middle of a call.

        Raises:
            MediaError: The input is not there or cannot be used, or the output cannot be written.
            ClientConfigurationError: The output would replace the input.
        """
        if self._input is not None:
            WavReader(self._input).close()
        if self._output is not None:
            check_writable(self._output)
            if self._input is not None and os.path.exists(self._output) and os.path.samefile(self._input, self._output):
                raise ClientConfigurationError(f"input and output are the same file, {self._output}; give two")

    def wait_played(self, timeout: float | None = None) -> bool:
        """Wait until the whole input was sent. Waits for the call's media to start, too.

        A device that has served a call already answers for that one until the next call starts it; give each call that
        you wait for a device of its own.

        Returns:
            True when it was sent; False when the time was up, or when the call ended before the input did.
        """
        wait_for(self._over, timeout)
        return self.finished.is_set()

    def _open(self, stream: AudioStream) -> _WaveRun:
        reader = None if self._input is None else WavReader(self._input, loop=self._loop)
        try:
            writer = None if self._output is None else WavWriter(self._output)
        except MediaError:
            if reader is not None:
                reader.close()
            raise
        run = object()
        with self._telling:
            self._newest_run = run
            self.finished.clear()
            self._over.clear()
            self.error = None
        return _WaveRun(
            stream,
            reader,
            writer,
            self._lead_in,
            finished=functools.partial(self._set_finished, run),
            failed=functools.partial(self._set_failed, run),
            over=functools.partial(self._set_over, run),
        )

    def _set_finished(self, run: object) -> None:
        with self._telling:
            if run is self._newest_run:
                self.finished.set()
                self._over.set()

    def _set_over(self, run: object) -> None:
        with self._telling:
            if run is self._newest_run:
                self._over.set()

    def _set_failed(self, run: object, error: MediaError) -> None:
        with self._telling:
            if run is self._newest_run:
                self.error = error
        logger.error("%s", error)


class _WaveRun:
    """One call: a reader until it ends, a writer until it fails."""

    def __init__(
        self,
        stream: AudioStream,
        reader: WavReader | None,
        writer: WavWriter | None,
        lead_in: int,
        *,
        finished: Callable[[], None],
        failed: Callable[[MediaError], None],
        over: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._reader = reader
        self._writer = writer
        self._lead_in = lead_in  # blocks
        self._finished = finished
        self._failed = failed
        self._over = over
        if reader is None:
            finished()

    def capture(self) -> None:
        if self._lead_in > 0:
            self._lead_in -= 1
            self._stream.push_capture(SILENCE)
        elif self._reader is None:
            self._stream.push_capture(SILENCE)
        else:
            self._send(self._reader)

    def render(self) -> None:
        heard = self._stream.pull_render(FRAME)
        if self._writer is None:
            return
        try:
            self._writer.write(heard)
        except MediaError as exc:
            self._writer = None  # it has closed itself
            self._failed(exc)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        try:
            if self._writer is not None:
                self._writer.close()
        except MediaError as exc:
            self._failed(exc)
        finally:
            self._over()

    def _send(self, reader: WavReader) -> None:
        """Push the next block of the input; at its end say so, once, when the last sample is on its way."""
        try:
            block = reader.read(FRAME)
        except MediaError as exc:
            self._end_input(reader)
            self._stream.push_capture(SILENCE)
            self._failed(exc)
            self._over()
            return
        if len(block) == FRAME:
            self._stream.push_capture(block)
            return
        self._end_input(reader)
        self._stream.push_capture(np.concatenate((block, SILENCE[len(block) :])))
        self._finished()

    def _end_input(self, reader: WavReader) -> None:
        self._reader = None
        reader.close()
