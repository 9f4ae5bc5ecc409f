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

import enum
from typing import TYPE_CHECKING, Protocol, Union

import attrs

from ..errors import ClientConfigurationError, MediaError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pcm16 = npt.NDArray[np.int16]

__all__ = ["AudioDevice", "AudioDeviceChange", "AudioDeviceChangeReason", "AudioStream", "PcmLike", "check_hardware"]

PcmLike = Union[bytes, bytearray, memoryview, "Pcm16"]
"""Mono 16-bit samples: a bytes-like object of even length or a one-dimensional numpy int16 array."""


class AudioDeviceChangeReason(enum.Enum):
    """Why a call goes on with other hardware."""

    SWITCHED = "switched"
    """The program wanted it: `SoundDeviceAudio.switch`."""

    UNPLUGGED = "unplugged"
    """What was in use is gone or broken; the call goes on with the system's default device."""

    FAILED = "failed"
    """There is no device left that works; the call goes on without sound until one comes back."""

    RECOVERED = "recovered"
    """After `FAILED`: there is a device again, and it is in use."""


@attrs.frozen
class AudioDeviceChange:
    """A call's device goes on with other hardware. What is in use now, and why.

    Attributes:
        reason: What has happened.
        input: The name of the microphone that is in use now; None: there is none.
        output: The name of the loudspeaker that is in use now; None: there is none.
        error: What went wrong, with what can be done about it; None when nothing did.
    """

    reason: AudioDeviceChangeReason
    input: str | None
    output: str | None
    error: MediaError | None = None


def check_hardware(name: str, value: object) -> None:
    """Refuse what can be no choice of a microphone or loudspeaker.

    Raises:
        ClientConfigurationError: It is neither an index nor a name, nor None.
    """
    if isinstance(value, bool) or not (value is None or isinstance(value, (int, str))):
        raise ClientConfigurationError(f"{name} must be a device's index or a part of its name; got {value!r}")


class AudioStream(Protocol):
    """What a call hands to its device: where captured sound goes, and where the agent's voice comes from.

    All methods may be called on any thread, the sound card's own included. They never block and never raise.

    A stream may have one method more, which a device calls only where it is there:

        def device_changed(self, change: AudioDeviceChange) -> None: ...

    The device goes on, with other hardware; `stop` is not called. On a thread of the device's, never the sound card's;
    for a change that the program asked for, on the thread that asked.
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
    """A source and sink of sound for one call at a time.

    What a device may have besides, and what a call uses where it is there:

    * `has_loudspeaker`, bool: what is rendered is heard in a room in which a microphone listens, so there may be an
      echo to cancel. A device without it has none.
    * `input_latency` and `output_latency`, float: seconds from the microphone to `push_capture`, and from `pull_render`
      to the loudspeaker.
    * `check()`: raise `MediaError` where it is certain already that `start` would fail; called by `new_call` and
      `answer` before anything is sent, on the program's thread.
    * `switch(*, input=..., output=...)`: go on with other hardware in mid-call; see `SoundDeviceAudio.switch`.
    """

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
