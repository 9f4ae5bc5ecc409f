"""What drivers and the sound library may do wrong: other devices work, the call goes on or ends with words."""

from __future__ import annotations

import ast
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from telnyx_agent.audio import SoundDeviceAudio, _portaudio, list_devices
from telnyx_agent.errors import MediaError
from tests.audio.memory_stream import MemoryStream, snr, tone
from tests.support.pulse import DUPLEX, PulseServer

pytestmark = pytest.mark.sound

RAISED = [
    UnicodeDecodeError("utf-8", b"Caf\xe9", 3, 4, "invalid"),
    OSError(5, "Input/output error"),
    ValueError("not a device"),
    TypeError("not a number"),
    KeyError("name"),
    RuntimeError("in a callback"),
]


def test_a_name_that_is_no_utf_8_hides_nothing(pulse: PulseServer) -> None:
    """It comes from ALSA's configuration, through the real PortAudio; the device itself can be used."""
    latin = DUPLEX + 'pcm.caf\udce9 { type pulse device "mic.monitor" }\n'
    folder = Path(pulse.variables(DUPLEX)["ALSA_CONFIG_PATH"]).parent
    (folder / "latin.conf").write_bytes(latin.encode("utf-8", "surrogateescape"))
    script = (
        "from telnyx_agent.audio import SoundDeviceAudio, list_devices\n"
        "from tests.audio.memory_stream import MemoryStream\n"
        "print(sorted(ascii(device.name) for device in list_devices()))\n"
        "device, stream = SoundDeviceAudio(input='caf'), MemoryStream()\n"
        "device.start(stream)\n"
        "stream.wait_captured(4800)\n"
        "device.stop()\n"
    )
    environment = {**os.environ, **pulse.variables(), "ALSA_CONFIG_PATH": str(folder / "latin.conf")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    names = str(sorted(map(ascii, ["caf\ufffd", "default", "headset", "loudspeaker"])))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{names}\n", "")


@pytest.mark.parametrize("raised", RAISED, ids=lambda exc: type(exc).__name__)
def test_a_device_that_cannot_be_read_hides_no_other(
    sound: PulseServer, monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    """Each is asked on its own. One whose name is not UTF-8 is shown with a replacement, others are left out."""
    import sounddevice

    query = sounddevice.query_devices
    broken = next(device.index for device in list_devices() if device.name == "headset")

    def broken_query(device: Any = None, kind: Any = None) -> Any:
        if device == broken or (device is None and kind is None):
            raise raised
        return query(device, kind)

    monkeypatch.setattr(sounddevice, "query_devices", broken_query)
    names = {device.name for device in list_devices()}
    assert names - {"Caf\ufffd"} == {"default", "loudspeaker"}
    assert ("Caf\ufffd" in names) is isinstance(raised, UnicodeDecodeError)
    device, stream = SoundDeviceAudio(), MemoryStream()
    device.start(stream)
    stream.wait_pulled(480)
    device.stop()


CALLS: dict[str, Callable[[], object]] = {
    "query_hostapis": list_devices,
    "_terminate": _portaudio.look_again,
    "RawStream,RawInputStream,RawOutputStream": lambda: SoundDeviceAudio().start(MemoryStream()),
    "_StreamBase.start": lambda: SoundDeviceAudio().start(MemoryStream()),
}


@pytest.mark.slow_except(6)
@pytest.mark.parametrize("raised", RAISED, ids=lambda exc: type(exc).__name__)
@pytest.mark.parametrize("name", CALLS)
def test_whatever_the_library_raises_is_a_media_error(
    sound: PulseServer, monkeypatch: pytest.MonkeyPatch, name: str, raised: Exception
) -> None:
    """With the reason in it, at each of its functions that are used."""
    import sounddevice

    def broken(*args: Any, **kwargs: Any) -> None:
        raise raised

    for one in name.split(","):
        owner, _, attribute = one.rpartition(".")
        monkeypatch.setattr(getattr(sounddevice, owner) if owner else sounddevice, attribute, broken)
    with pytest.raises(MediaError, match=r"^cannot .*; choose another one") as caught:
        CALLS[name]()
    assert type(raised).__name__ in caught.value.message
    monkeypatch.undo()
    assert _portaudio.look_again()  # nothing stayed open


def test_a_stream_that_cannot_be_closed_is_no_error(sound: PulseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """`stop` returns, and no thread ends with a traceback."""
    import sounddevice

    device, stream = SoundDeviceAudio(), MemoryStream()
    device.start(stream)
    stream.wait_pulled(480)
    close = sounddevice._StreamBase.close

    def closing(self: Any, *args: Any) -> None:
        close(self, *args)
        raise OSError("broken")

    monkeypatch.setattr(sounddevice._StreamBase, "close", closing)
    device.stop()
    assert _portaudio.look_again()


def test_sounddevice_is_called_in_words_only() -> None:
    """The scan behind the table: the library's names stand in two modules, where what it raises is translated."""
    allowed = {"_portaudio": None, "_streams": {"RawStream", "RawInputStream", "RawOutputStream", "CallbackAbort"}}
    for path in Path(_portaudio.__file__).parent.glob("*.py"):
        used = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
            and (
                (isinstance(node.value, ast.Name) and node.value.id == "sounddevice")
                or (isinstance(node.value, ast.Call) and ast.unparse(node.value) == "_portaudio.load()")
            )
        }
        names = allowed.get(path.stem, set())
        assert names is None or used <= names, path


# -- formats -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def only(monkeypatch: pytest.MonkeyPatch, channels: int, rate: int) -> Iterator[None]:
    """The real library, with devices that take one number of channels and one rate, as ASIO's and WASAPI's do."""
    import sounddevice

    def strict(real: Any) -> Any:
        def made(**arguments: Any) -> Any:
            if arguments["channels"] != channels:
                raise sounddevice.PortAudioError("Error opening stream: Invalid number of channels", -9998)
            if arguments["samplerate"] != rate:
                raise sounddevice.PortAudioError("Error opening stream: Invalid sample rate", -9997)
            return real(**arguments)

        return made

    query = sounddevice.query_devices

    def described(device: Any = None, kind: Any = None) -> Any:
        info = query(device, kind)
        if isinstance(info, dict):
            info["default_samplerate"] = float(rate)
        return info

    with monkeypatch.context() as patch:
        for kind in ("RawStream", "RawInputStream", "RawOutputStream"):
            patch.setattr(sounddevice, kind, strict(getattr(sounddevice, kind)))
        patch.setattr(sounddevice, "query_devices", described)
        yield


@pytest.mark.parametrize(("channels", "rate"), [(4, 44100), (6, 48000), (8, 96000)])
def test_devices_of_many_channels_are_mixed_down_and_spread(
    pulse: PulseServer, monkeypatch: pytest.MonkeyPatch, channels: int, rate: int
) -> None:
    """A tone goes in by all channels of a sink that has so many, and another comes out of all of them."""
    layout = f"rate={rate} channels={channels} format=s16le norewinds=1"
    pulse.control("load-module", "module-null-sink", "sink_name=many_in", *layout.split())
    pulse.control("load-module", "module-null-sink", "sink_name=many_out", *layout.split())
    devices = (
        'pcm.default { type asym capture.pcm { type pulse device "many_in.monitor" } '
        'playback.pcm { type pulse device "many_out" } }\n'
    )
    with pulse.environment(devices), only(monkeypatch, channels, rate):
        device, stream = SoundDeviceAudio(), MemoryStream(tone(700, 60))
        with pulse.recording("many_out.monitor") as speaker:
            device.start(stream)
            pulse.play(tone(440, 1.0), "many_in")
            run: Any = device._run
            formats = {line.rate for line in run._lines}
            device.stop()
    from tests.audio.test_sounddevice import loudest

    assert formats == {rate}
    assert snr(loudest(stream.captured, 0.4), 440) > 25
    assert snr(loudest(speaker.samples, 0.2), 700) > 25


# -- a driver that hangs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["RawStream", "_terminate"])
def test_a_driver_that_hangs_costs_its_limit_and_no_more(
    sound: PulseServer, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Opening, or looking again: an error with words; whoever comes next does not hang either, and it may recover."""
    import sounddevice

    release, hangs = threading.Event(), threading.Event()
    real = getattr(sounddevice, place)

    def hanging(*args: Any, **kwargs: Any) -> Any:
        hangs.set()
        release.wait(20)
        return real(*args, **kwargs)

    monkeypatch.setattr(_portaudio, "SYSTEM_SECONDS", 0.3)
    monkeypatch.setattr(_portaudio, "let_exit_go", lambda: None)
    monkeypatch.setattr(sounddevice, place, hanging)
    before = set(threading.enumerate())
    device, stream = SoundDeviceAudio(), MemoryStream()
    try:
        with pytest.raises(MediaError, match=r"the sound system has not answered for 0\.3 s"):
            device.start(stream) if place == "RawStream" else list_devices(refresh=True)
        assert hangs.is_set()
        with pytest.raises(MediaError, match="the sound system"):
            list_devices()
        device.stop()
    finally:
        release.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(10)
    monkeypatch.undo()
    assert _portaudio.look_again()  # what was opened too late was closed again


# -- stderr ------------------------------------------------------------------------------------------------------------

NOISE = r"ALSA lib|Expression '|jack|Cannot connect"


def test_the_sound_systems_own_lines_stay_out_of_stderr(pulse: PulseServer) -> None:
    """At the first use, when devices are looked for, when one breaks down.

    What the program says meanwhile is all there: by Python, by the descriptor, and by a C library.
    """
    script = (
        "import ctypes, os, sys, threading\n"
        "from telnyx_agent.audio import SoundDeviceAudio, list_devices\n"
        "from tests.audio.memory_stream import MemoryStream\n"
        "libc, over, count = ctypes.CDLL(None), threading.Event(), 0\n"
        "c_stderr = lambda: ctypes.c_void_p.in_dll(libc, 'stderr')\n"
        "def talk():\n"
        "    global count\n"
        "    while not over.wait(0.001):\n"
        # In one piece: with PYTHONUNBUFFERED, `print` writes each of its arguments alone.
        "        sys.stderr.write(f'python {count}\\n')\n"
        "        os.write(2, b'descriptor %d\\n' % count)\n"
        "        libc.fprintf(c_stderr(), b'library %d\\n', count)\n"
        "        count += 1\n"
        "talker = threading.Thread(target=talk)\n"
        "talker.start()\n"
        "list_devices()\n"
        "list_devices(refresh=True)\n"
        "device, stream = SoundDeviceAudio(), MemoryStream()\n"
        "device.start(stream)\n"
        "print('running', flush=True)\n"
        "stream.wait_failed()\n"
        "device.stop()\n"
        "over.set()\n"
        "talker.join()\n"
        "list_devices()\n"
        "print(count)\n"
    )
    broken = DUPLEX + 'pcm.dead { type pulse server "unix:/nowhere" }\n'
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, **pulse.variables(broken)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=lambda: said.extend(process.stderr or ()))
    reader.start()
    with process:
        assert process.stdout.readline() == "running\n"
        pulse.kill()
        count = int(process.stdout.readline())
        assert process.wait(30) == 0
        reader.join(10)
    expected = {f"{who} {number}\n" for who in ("python", "descriptor", "library") for number in range(count)}
    assert count > 50
    assert {line for line in said if line not in expected} <= {
        line for line in said if line.startswith("the sound device default stopped by itself")
    }
    assert expected <= set(said)
