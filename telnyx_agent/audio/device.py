"""The seam between a call and whatever makes and plays its sound: `AudioStream` and `AudioDevice`.

Write a device of your own by giving any class a `name`, `start(stream)` and `stop()`:

    class Robot:
        name = "robot"

        def start(self, stream):
            self._speech = my_speech_engine(on_pcm=stream.push_capture, sample_rate=stream.sample_rate)

        def stop(self):
            self._speech.close()

    call = client.new_call(audio=Robot())

Everything that crosses the seam is mono, 16-bit signed, in the machine's byte order, at `AudioStream.sample_rate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Union

from ..errors import MediaError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pcm16 = npt.NDArray[np.int16]

__all__ = ["AudioDevice", "AudioStream", "PcmLike"]

PcmLike = Union[bytes, bytearray, memoryview, "Pcm16"]
"""Mono 16-bit samples: a bytes-like object of even length or a one-dimensional numpy int16 array."""


class AudioStream(Protocol):
    """What a call hands to its device: where captured sound goes, and where the agent's voice comes from.

    All methods may be called on any thread, the sound card's own included. They never block and never raise.
    """

    @property
    def sample_rate(self) -> int:
        """Samples per second on both sides: 48000."""
        ...

    def push_capture(self, pcm: PcmLike) -> None:
        """Take what the microphone heard: any length, 10 ms usually. The caller leaves the buffer alone afterwards."""
        ...

    def pull_render(self, samples: int) -> Pcm16:
        """The agent's next `samples` samples, exactly that many; silence when there is nothing to say."""
        ...

    def device_failed(self, error: MediaError) -> None:
        """The device stopped by itself, for example because it was unplugged. `AudioDevice.stop` is still called."""
        ...


class AudioDevice(Protocol):
    """A source and sink of sound for one call at a time."""

    @property
    def name(self) -> str:
        """What people call this device, for logs and lists."""
        ...

    def start(self, stream: AudioStream) -> None:
        """Begin to push to and pull from `stream`, at the pace of the stream's sample rate.

        Called on a worker thread when the call's media starts, so it may block while hardware is opened. After `stop()`
        it may be called again for the next call.

        Raises:
            MediaError: It cannot start, or already serves another call. The message says what to do.
        """
        ...

    def stop(self) -> None:
        """End. Idempotent, on any thread; `stream` is not touched any more once this has returned."""
        ...
