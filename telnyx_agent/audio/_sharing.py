"""Devices that serve any number of calls at once, each call with a pace of its own."""

from __future__ import annotations

from ._null import NullAudio
from ._paced import PacedDevice
from ._wave import WaveAudio
from .device import AudioDevice

__all__ = ["device_of_call", "serves_any_number"]


def serves_any_number(device: AudioDevice) -> bool:
    """Whether the device serves any number of calls at once: it keeps nothing of what it hears."""
    return _shared(device) is not None


def device_of_call(device: AudioDevice) -> AudioDevice:
    """The device itself, or, of one that serves any number of calls, one of its kind for a single call."""
    shared = _shared(device)
    return device if shared is None else shared.for_one_call()


def _shared(device: AudioDevice) -> PacedDevice | None:
    # Not `isinstance`: a class of the program's own may keep something.
    if type(device) is NullAudio or (type(device) is WaveAudio and not device.has_output):
        return device
    return None
