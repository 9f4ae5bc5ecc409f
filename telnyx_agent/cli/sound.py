"""The sound card as the command line needs it: refused before the call where there is none."""

from __future__ import annotations

from ..audio import AudioDevice, SoundDeviceAudio, list_devices
from ..errors import MediaError

__all__ = ["open_sound_card"]


def open_sound_card(input_device: str | None = None, output_device: str | None = None) -> AudioDevice:
    """Microphone and speaker; the defaults where none is named.

    Args:
        input_device: Number or part of the name of the microphone.
        output_device: Number or part of the name of the speaker.

    Raises:
        MediaError: PortAudio, a microphone or a speaker is missing; the message says what to do.
    """
    found = list_devices()
    if not any(device.input_channels for device in found):
        raise MediaError("there is no microphone on this machine")
    if not any(device.output_channels for device in found):
        raise MediaError("there is no speaker on this machine")
    return SoundDeviceAudio(_selector(input_device), _selector(output_device))


def _selector(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdecimal() else text
