"""The sound card as the command line needs it: refused before the call where there is none."""

from __future__ import annotations

from ..audio import AudioDevice, SoundDeviceAudio, list_devices
from ..audio._portaudio import choose
from ..errors import MediaError

__all__ = ["open_sound_card"]


def open_sound_card(input_device: str | None = None, output_device: str | None = None) -> AudioDevice:
    """Microphone and speaker; the defaults where none is named.

    Args:
        input_device: Number or part of the name of the microphone.
        output_device: Number or part of the name of the speaker.

    Raises:
        MediaError: PortAudio, a microphone or a speaker is missing, or there is none of that name, or several; the
            message says what to do.
    """
    found = list_devices()
    if not any(device.input_channels for device in found):
        raise MediaError("there is no microphone on this machine")
    if not any(device.output_channels for device in found):
        raise MediaError("there is no speaker on this machine")
    inputs, outputs = _selector(input_device), _selector(output_device)
    choose(found, inputs, "input")
    choose(found, outputs, "output")
    return SoundDeviceAudio(inputs, outputs)


def _selector(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else text
