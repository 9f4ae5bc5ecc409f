"""Where the sound of a call comes from and goes to: sound cards, WAV files, your own code, or nowhere.

Give a device to `TxClient(audio=...)` for all its calls or to `TxClient.new_call(audio=...)` for one. Without, calls
use `default_audio()`.

* `SoundDeviceAudio` - the machine's microphone and loudspeaker; `list_devices()` lists them
* `WaveAudio` - speech from a WAV file, the agent's voice to another
* `PcmAudio` - callbacks, iterables, or `write()` and `read()`
* `NullAudio` - says nothing, discards what it hears
* any object with a `name`, `start(stream)` and `stop()`; see `AudioDevice`

`Tone` is what `TxClient(ringback=..., ringtone=...)` lets you hear while a call rings.

`AudioConstraints` says what is done about echo, noise and level; `AudioProcessor` is the seam for your own way.

Importing this package costs nothing: numpy is loaded with the first of these names that is used, PortAudio with the
first sound device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _lazy
from . import _log
from .device import AudioDevice, AudioDeviceChange, AudioDeviceChangeReason, AudioStream, PcmLike
from .processing import AudioConstraints, AudioProcessor

if TYPE_CHECKING:
    from ._default import default_audio
    from ._null import NullAudio
    from ._pcm import PcmAudio, PcmSink, PcmSource
    from ._portaudio import DeviceInfo, input_devices, list_devices, output_devices
    from ._smoother import AudioLevelSmoother
    from ._sounddevice import SoundDeviceAudio
    from ._wave import WaveAudio
    from .tones import Tone

__all__ = [
    "AudioConstraints",
    "AudioDevice",
    "AudioDeviceChange",
    "AudioDeviceChangeReason",
    "AudioLevelSmoother",
    "AudioProcessor",
    "AudioStream",
    "DeviceInfo",
    "NullAudio",
    "PcmAudio",
    "PcmLike",
    "PcmSink",
    "PcmSource",
    "SoundDeviceAudio",
    "Tone",
    "WaveAudio",
    "default_audio",
    "input_devices",
    "list_devices",
    "output_devices",
]

_log.install()

_HOMES = {
    "AudioLevelSmoother": "_smoother",
    "DeviceInfo": "_portaudio",
    "NullAudio": "_null",
    "PcmAudio": "_pcm",
    "PcmSink": "_pcm",
    "PcmSource": "_pcm",
    "SoundDeviceAudio": "_sounddevice",
    "Tone": "tones",
    "WaveAudio": "_wave",
    "default_audio": "_default",
    "input_devices": "_portaudio",
    "list_devices": "_portaudio",
    "output_devices": "_portaudio",
}


__getattr__, __dir__ = _lazy.exports(globals(), _HOMES)
