"""`_portaudio`: the lists of devices. What it does with a sound system is in test_sounddevice.py."""

from __future__ import annotations

import pytest

from telnyx_agent.audio import DeviceInfo, _portaudio


def test_microphones_and_loudspeakers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that is both is in both lists."""
    headset, monitor = (
        DeviceInfo(0, "headset", "ALSA", 1, 2, 48000, True, True),
        DeviceInfo(1, "monitor", "ALSA", 0, 2, 48000, False, False),
    )
    monkeypatch.setattr(_portaudio, "list_devices", lambda *, refresh=False: [headset, monitor])
    assert _portaudio.input_devices() == [headset]
    assert _portaudio.output_devices(refresh=True) == [headset, monitor]
