"""PortAudio through `sounddevice`: the only module that imports it, and only inside a function.

Importing `sounddevice` opens the PortAudio library, asks every sound card for its abilities, and fails without the
library. PortAudio itself must be called by one thread at a time, hence `lock`.
"""

from __future__ import annotations

import gc
import sys
import threading
from typing import Any, Literal

import attrs

from ..errors import MediaError

__all__ = [
    "UNAVAILABLE",
    "DeviceInfo",
    "Direction",
    "choose",
    "error_code",
    "input_devices",
    "list_devices",
    "load",
    "lock",
    "look_again",
    "output_devices",
]
__all__ += ["NOT_FOUND", "find", "translate"]

Direction = Literal["input", "output"]

lock = threading.RLock()
"""Held around everything that calls PortAudio, except in its own callbacks."""

NOT_FOUND = 42002
"""The official SDKs' number for a missing device; an unusable one has `MediaError.default_code`."""

_LIBRARY_ADVICE = {
    "linux": "install it with: sudo apt install libportaudio2 (Fedora: portaudio; Alpine: portaudio)",
    "darwin": "reinstall sounddevice, whose wheel brings it: pip install --force-reinstall sounddevice",
    "win32": "reinstall sounddevice, whose wheel brings it: pip install --force-reinstall sounddevice",
}

_INVALID_DEVICE, UNAVAILABLE, _INVALID_RATE, _INVALID_CHANNELS, _BAD_COMBINATION = -9996, -9985, -9997, -9998, -9993

_ADVICE = {
    _INVALID_DEVICE: "it is not there any more; see telnyx_agent.audio.list_devices(refresh=True)",
    UNAVAILABLE: "another program is using it; close that program or choose another device",
    _INVALID_RATE: "it accepts neither 48000 Hz nor its own default rate; choose another device",
    _INVALID_CHANNELS: "it accepts neither one channel nor two; choose another device",
    _BAD_COMBINATION: "the sound system does not answer; is it running, and is the device connected?",
}
_OTHER_ADVICE = "choose another one of telnyx_agent.audio.list_devices()"


@attrs.frozen
class DeviceInfo:
    """A sound device of this machine, as `list_devices()` gives it.

    Its `index`, or any part of its `name` that is no other device's, can be given to `SoundDeviceAudio`.
    """

    index: int
    name: str
    host_api: str
    input_channels: int
    output_channels: int
    default_sample_rate: int
    is_default_input: bool
    is_default_output: bool

    def __str__(self) -> str:
        defaults = [
            text for text, applies in (("input", self.is_default_input), ("output", self.is_default_output)) if applies
        ]
        suffix = f", default {' and '.join(defaults)}" if defaults else ""
        return (
            f"{self.index}: {self.name}, {self.host_api} ({self.input_channels} in, {self.output_channels} out{suffix})"
        )

    def channels(self, direction: Direction) -> int:
        """How many channels it has in that direction."""
        return self.input_channels if direction == "input" else self.output_channels


def load() -> Any:
    """The module `sounddevice`.

    Raises:
        MediaError: It, or PortAudio itself, is not installed or does not work; the message says what to install.
    """
    with lock:
        try:
            import sounddevice
        except ImportError as exc:
            raise MediaError("sound needs the package sounddevice; install it with: pip install sounddevice") from exc
        except OSError as exc:
            advice = _LIBRARY_ADVICE.get(sys.platform, "install your system's PortAudio package")
            raise MediaError(f"the PortAudio library is not installed ({exc}); {advice}", code=NOT_FOUND) from exc
        except Exception as exc:  # its own PortAudioError, which cannot be imported when the import fails
            raise MediaError(f"PortAudio cannot be initialised: {exc}; check the system's sound settings") from exc
    return sounddevice


def list_devices(*, refresh: bool = False) -> list[DeviceInfo]:
    """The sound devices of this machine; empty when it has none.

    Args:
        refresh: Look again. Without it, what was plugged in since the program first used sound is not seen. It cannot
            be done, and is not, while the program has a sound stream open.

    Raises:
        MediaError: PortAudio is not installed; the message says how to install it.
    """
    if refresh:
        look_again()
    sounddevice = load()
    with lock:
        apis = [api["name"] for api in sounddevice.query_hostapis()]
        default_input = _default_device(sounddevice, "input")
        default_output = _default_device(sounddevice, "output")
        return [
            DeviceInfo(
                index=index,
                name=info["name"],
                host_api=apis[info["hostapi"]],
                input_channels=info["max_input_channels"],
                output_channels=info["max_output_channels"],
                default_sample_rate=round(info["default_samplerate"]),
                is_default_input=index == default_input,
                is_default_output=index == default_output,
            )
            for index, info in enumerate(sounddevice.query_devices())
        ]


def input_devices(*, refresh: bool = False) -> list[DeviceInfo]:
    """The microphones among `list_devices`. JavaScript: `getAudioInDevices()`."""
    return [device for device in list_devices(refresh=refresh) if device.input_channels]


def output_devices(*, refresh: bool = False) -> list[DeviceInfo]:
    """The loudspeakers among `list_devices`. JavaScript: `getAudioOutDevices()`."""
    return [device for device in list_devices(refresh=refresh) if device.output_channels]


def _default_device(sounddevice: Any, direction: Direction) -> int | None:
    try:
        return int(sounddevice.query_devices(kind=direction)["index"])
    except (sounddevice.PortAudioError, ValueError):  # there is none, or sounddevice.default.device names a missing one
        return None


def look_again() -> bool:
    """Let PortAudio look for devices again, unless this process has a stream open: that would not survive it.

    Returns:
        Whether it did.

    Raises:
        MediaError: PortAudio is missing, or did not come back.
    """
    sounddevice = load()
    with lock:
        # The program's own streams count, too, and only the garbage collector knows them.
        for thing in gc.get_objects():
            # What failed to open has no latency, but claims to be not closed.
            if issubclass(type(thing), sounddevice._StreamBase) and hasattr(thing, "_latency") and not thing.closed:
                return False
        try:
            sounddevice._terminate()
            sounddevice._initialize()
        except sounddevice.PortAudioError as exc:
            raise MediaError(f"PortAudio cannot be initialised again: {exc}; {_OTHER_ADVICE}") from exc
    return True


def choose(known: list[DeviceInfo], wanted: int | str | None, direction: Direction) -> DeviceInfo | None:
    """The device that the user means by an index, by a part of a name, or by None: the default.

    A name matches when it contains all words of `wanted`, in any case; its host API counts as part of the name. An
    exact match wins over others, and then a device of the default device's host API, because Windows lists everything
    once for each of its four.

    Returns:
        None only for `wanted=None` on a machine that has no device for that direction.

    Raises:
        MediaError: There is no such device, or several; the message lists the candidates.
    """
    able = [info for info in known if info.channels(direction) > 0]
    default = next((info for info in able if _is_default(info, direction)), None)
    if wanted is None:
        return default or (able[0] if able else None)
    if isinstance(wanted, int):
        matches = [info for info in able if info.index == wanted]
    else:
        matches = _matches(able, wanted, None if default is None else default.host_api)
    if len(matches) == 1:
        return matches[0]
    problem = (
        f"{len(matches)} {direction} devices match {wanted!r}" if matches else f"no {direction} device is {wanted!r}"
    )
    candidates = "; ".join(map(str, matches or able)) or "none at all"
    raise MediaError(
        f"{problem}; choose by index or by a longer part of the name. Candidates: {candidates}", code=NOT_FOUND
    )


def find(known: list[DeviceInfo], lost: DeviceInfo, direction: Direction) -> DeviceInfo | None:
    """The same device in a newer list, where its index may be another; None when it is not there any more."""
    for info in known:
        if (info.name, info.host_api) == (lost.name, lost.host_api) and info.channels(direction) > 0:
            return info
    return None


def _is_default(info: DeviceInfo, direction: Direction) -> bool:
    return info.is_default_input if direction == "input" else info.is_default_output


def _matches(able: list[DeviceInfo], wanted: str, default_api: str | None) -> list[DeviceInfo]:
    words = wanted.lower().split()
    matches = [info for info in able if all(word in f"{info.name}, {info.host_api}".lower() for word in words)]
    exact = [info for info in matches if info.name.lower() == wanted.lower()]
    matches = exact or matches
    of_default_api = [info for info in matches if info.host_api == default_api]
    return of_default_api if len(matches) > 1 and of_default_api else matches


def translate(exc: Exception, what: str) -> MediaError:
    """A `PortAudioError` about `what` as an error that says what to do."""
    return MediaError(f"cannot open {what}: {exc}; {_ADVICE.get(error_code(exc), _OTHER_ADVICE)}")


def error_code(exc: Exception) -> int:
    """PortAudio's number for the error; 0 when there is none."""
    code = exc.args[1] if len(exc.args) > 1 else 0
    return code if isinstance(code, int) else 0
