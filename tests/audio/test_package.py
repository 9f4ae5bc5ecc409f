"""`telnyx_agent.audio` as its users see it: names, and an import that costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from telnyx_agent import audio


def test_importing_it_loads_neither_numpy_nor_portaudio() -> None:
    """They come with the first device; and nothing is started."""
    script = (
        "import sys, threading\n"
        "sys.modules['telnyx_agent'] = type(sys)('telnyx_agent')\n"  # the package alone, not what stands above it
        "sys.modules['telnyx_agent'].__path__ = ['telnyx_agent']\n"
        "import telnyx_agent.audio\n"
        "print([name for name in ('numpy', 'sounddevice') if name in sys.modules], threading.active_count())\n"
        "telnyx_agent.audio.SoundDeviceAudio()\n"
        "print('sounddevice' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "[] 1\nFalse\n"


def test_every_public_name_is_there() -> None:
    """And found by `dir`, for completion."""
    for name in audio.__all__:
        assert getattr(audio, name) is not None
        assert name in dir(audio)


def test_other_names_are_not() -> None:
    """With the usual error."""
    with pytest.raises(AttributeError, match=r"module 'telnyx_agent.audio' has no attribute 'Robot'"):
        _ = audio.Robot


def test_devices_are_devices() -> None:
    """Checked by mypy: each class can be given where an `AudioDevice` is wanted."""
    devices: list[audio.AudioDevice] = [
        audio.NullAudio(),
        audio.PcmAudio(),
        audio.SoundDeviceAudio(),
        audio.WaveAudio(),
    ]
    assert len({device.name for device in devices}) == 4
