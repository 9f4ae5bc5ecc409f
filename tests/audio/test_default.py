"""`default_audio`, and what is said on machines without PortAudio or without a sound card."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from telnyx_agent.audio import NullAudio, SoundDeviceAudio, default_audio
from tests.audio.memory_stream import MemoryStream
from tests.support.pulse import NO_DEVICE, PulseServer
from tests.support.requirements import require

NO_LIBRARY = """
import ctypes.util

find = ctypes.util.find_library
ctypes.util.find_library = lambda name: None if "portaudio" in name else find(name)
"""

BROKEN_LIBRARY = """
import ctypes.util

find = ctypes.util.find_library
ctypes.util.find_library = lambda name: "libc.so.6" if "portaudio" in name else find(name)
"""


def python(script: str, folder: Path, site: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a Python whose `sitecustomize` is `site`."""
    (folder / "sitecustomize.py").write_text(site)
    path = os.pathsep.join([str(folder), os.getcwd()])
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere sounddevice's wheel brings PortAudio")
@pytest.mark.parametrize("use", ["list_devices()", "SoundDeviceAudio().start(None)"])
def test_without_portaudio_the_error_says_what_to_install(tmp_path: Path, use: str) -> None:
    """A `MediaError`, not the `OSError` that importing sounddevice raises."""
    script = (
        "from telnyx_agent.audio import *\n"
        "from telnyx_agent.errors import MediaError\n"
        f"try: {use}\n"
        "except MediaError as error: print(error.code, error)\n"
    )
    done = python(script, tmp_path, NO_LIBRARY)
    assert done.stdout.startswith("42002 the PortAudio library is not installed"), done.stderr
    assert "sudo apt install libportaudio2" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere sounddevice's wheel brings PortAudio")
def test_without_portaudio_calls_are_silent_and_one_warning_says_why(tmp_path: Path) -> None:
    """On stderr, although logging was never configured; once, however many calls there are."""
    script = "from telnyx_agent.audio import default_audio\nprint([type(default_audio()).__name__ for _ in range(3)])\n"
    done = python(script, tmp_path, NO_LIBRARY)
    assert done.stdout == "['NullAudio', 'NullAudio', 'NullAudio']\n", done.stderr
    assert done.stderr.count("\n") == 1
    assert "calls are silent, because the PortAudio library is not installed" in done.stderr
    assert "sudo apt install libportaudio2" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere sounddevice's wheel brings PortAudio")
def test_a_library_that_is_not_portaudio_is_an_error_with_advice(tmp_path: Path) -> None:
    """A damaged installation, for example."""
    script = (
        "from telnyx_agent.audio import list_devices\n"
        "from telnyx_agent.errors import MediaError\n"
        "try: list_devices()\n"
        "except MediaError as error: print(error)\n"
    )
    done = python(script, tmp_path, BROKEN_LIBRARY)
    assert "PortAudio cannot be" in done.stdout, done.stderr


def test_a_program_with_logging_of_its_own_gets_the_warning_there(tmp_path: Path) -> None:
    """And stderr is left alone."""
    script = (
        "import logging, sys\n"
        "logging.basicConfig(stream=sys.stdout, format='%(name)s: %(message)s')\n"
        "from telnyx_agent.audio import default_audio\n"
        "default_audio()\n"
    )
    done = python(script, tmp_path, NO_LIBRARY if sys.platform == "linux" else "")
    assert done.stdout.startswith("telnyx_agent.audio: calls are silent") or sys.platform != "linux"
    assert done.stderr == ""


@pytest.mark.sound
def test_with_a_sound_card_it_is_used(pulse: PulseServer) -> None:
    """The default microphone and loudspeaker."""
    with pulse.environment():
        assert isinstance(default_audio(), SoundDeviceAudio)


@pytest.mark.sound
def test_without_a_sound_card_calls_are_silent(
    pulse: PulseServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The advice is another one than without PortAudio, and it comes once."""
    monkeypatch.setattr("telnyx_agent.audio._default._warned", set())
    with pulse.environment(NO_DEVICE):
        devices = [default_audio() for _ in range(2)]
    assert all(isinstance(device, NullAudio) for device in devices)
    assert caplog.text.count("calls are silent, because this machine has no sound device") == 1
    stream = MemoryStream()
    devices[0].start(stream)
    stream.wait_pulled(4800)
    devices[0].stop()
    assert not stream.captured.any()


def test_a_sound_card_that_came_after_the_program_had_started_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """PortAudio is asked to look again where it knows of none."""
    asked: list[bool] = []

    def devices(*, refresh: bool = False) -> list[str]:
        asked.append(refresh)
        return ["a headset"] if refresh else []

    monkeypatch.setattr("telnyx_agent.audio._default.list_devices", devices)
    assert isinstance(default_audio(), SoundDeviceAudio)
    assert asked == [False, True]


def test_the_requirements_are_known() -> None:
    """Where one is missing, the tests above are skipped and say what to install."""
    require("portaudio", "pulseaudio", "pactl", "alsa-pulse")
