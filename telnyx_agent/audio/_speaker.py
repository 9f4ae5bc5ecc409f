"""The loudspeaker alone: for what is heard without a call, such as a ringing tone. No microphone is opened."""

from __future__ import annotations

import logging

from ..errors import MediaError
from ._null import NullAudio
from ._portaudio import list_devices
from ._sounddevice import SoundDeviceAudio
from .device import AudioDevice

__all__ = ["SpeakerAudio", "default_speaker"]

logger = logging.getLogger("telnyx_agent.audio")


class SpeakerAudio(SoundDeviceAudio):
    """The system's loudspeaker."""

    def __init__(self) -> None:
        super().__init__()
        self._wanted = {"output": None}
        self.name = "default output"


def default_speaker() -> AudioDevice:
    """The system's loudspeaker, or, on a machine without PortAudio or a device, no sound."""
    try:
        # As `default_audio`: what PortAudio knows is as old as the process.
        for refresh in (False, True):
            if any(device.output_channels for device in list_devices(refresh=refresh)):
                return SpeakerAudio()
        reason = "this machine has no loudspeaker"
    except MediaError as exc:
        reason = exc.message
    logger.info("nothing is heard while a call rings, because %s", reason)
    return NullAudio()
