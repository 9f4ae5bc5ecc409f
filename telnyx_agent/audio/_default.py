"""The device of a call for which none was given."""

from __future__ import annotations

import logging

from ..errors import MediaError
from ._null import NullAudio
from ._portaudio import list_devices
from ._sounddevice import SoundDeviceAudio
from .device import AudioDevice

__all__ = ["default_audio"]

logger = logging.getLogger("telnyx_agent.audio")

_warned: set[str] = set()


def default_audio() -> AudioDevice:
    """The system's microphone and loudspeaker, or, on a machine without PortAudio or a device, no sound.

    Why there is no sound is logged as one warning per process.
    """
    try:
        # What PortAudio knows is as old as the process; a headset may have come since.
        if list_devices() or list_devices(refresh=True):
            return SoundDeviceAudio()
        reason = "this machine has no sound device"
    except MediaError as exc:
        reason = exc.message
    if reason not in _warned:
        _warned.add(reason)
        logger.warning("calls are silent, because %s; or give them audio=WaveAudio(...) or PcmAudio(...)", reason)
    return NullAudio()
