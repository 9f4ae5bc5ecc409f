"""PortAudio through `sounddevice`: the only module that imports it, and only inside a function.

Importing `sounddevice` opens the PortAudio library, asks every sound card for its abilities, and fails without the
library. Three rules, each kept in one place:

* PortAudio is called by one thread at a time, and what it prints meanwhile is kept out of stderr: `lock`.
* Whatever it, or `sounddevice`, raises becomes a `MediaError`: `in_words`.
* Nobody waits for it without a limit, because a driver may hang for good: `bounded`.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import logging
import math
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Any, Literal, TypeVar

import attrs

from .._runtime.threads import NoThreadError, SdkThread
from ..errors import MediaError, TxError
from . import _stderr

__all__ = [
    "NOT_FOUND",
    "SYSTEM_SECONDS",
    "UNAVAILABLE",
    "DeviceInfo",
    "Direction",
    "bounded",
    "choose",
    "error_code",
    "find",
    "in_words",
    "input_devices",
    "let_exit_go",
    "list_devices",
    "load",
    "lock",
    "look_again",
    "output_devices",
    "translate",
    "waits_here",
]

logger = logging.getLogger("telnyx_agent.audio")

Direction = Literal["input", "output"]
_T = TypeVar("_T")

SYSTEM_SECONDS = 10.0
"""What may be waited for the sound system. Headphones on Bluetooth take up to five seconds to wake up, and a card may
be asked for several formats; what takes longer hangs."""

_RESTART = "restart the sound system, or unplug the device and plug it in again, and then restart this program"


class _Turn:
    """A re-entrant lock. While it is held, what the sound system prints stays out of stderr.

    Raises:
        MediaError: Whoever has it does not come back.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=SYSTEM_SECONDS):
            raise MediaError(
                f"the sound system does not answer: a driver has hung for {SYSTEM_SECONDS:g} s; {_RESTART}"
            )
        _stderr.take()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _stderr.release()
        self._lock.release()


lock = _Turn()
"""Held around everything that calls PortAudio, except in its own callbacks."""

NOT_FOUND = 42002
"""The official SDKs' number for a missing device; an unusable one has `MediaError.default_code`."""

_LIBRARY_ADVICE = {
    "linux": "install it with: sudo apt install libportaudio2 (Fedora: portaudio; Alpine: portaudio)",
    "darwin": "reinstall sounddevice, whose wheel brings it: pip install --force-reinstall sounddevice",
    "win32": "reinstall sounddevice, whose wheel brings it: pip install --force-reinstall sounddevice",
}

_LINUX_LIBRARY = "libportaudio.so.2"

_INVALID_DEVICE, UNAVAILABLE, _INVALID_RATE, _INVALID_CHANNELS, _BAD_COMBINATION = -9996, -9985, -9997, -9998, -9993

_ADVICE = {
    _INVALID_DEVICE: "it is not there any more; see telnyx_agent.audio.list_devices(refresh=True)",
    UNAVAILABLE: "another program is using it; close that program or choose another device",
    _INVALID_RATE: "it accepts neither 48000 Hz nor its own default rate; choose another device",
    _INVALID_CHANNELS: "it accepts neither one channel, nor two, nor as many as it has; choose another device",
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


_thread = threading.local()


def waits_here() -> None:
    """This thread may hang in the sound system, because others wait for it with a limit: `bounded` works on it."""
    _thread.may_hang = True


def bounded(what: str, work: Callable[[], _T], *, undo: Callable[[_T], object] | None = None) -> _T:
    """Do something with the sound system on a thread of its own, and wait `SYSTEM_SECONDS` at most.

    Args:
        what: What it is, for the error.
        work: Does it.
        undo: Gets its result if it comes too late.

    Raises:
        MediaError: The time was up, or there is no thread. Or whatever `work` raises.
    """
    if getattr(_thread, "may_hang", False):
        return work()
    outcome: Future[_T] = Future()

    def run() -> None:
        waits_here()
        try:
            result = work()
        except BaseException as exc:  # noqa: BLE001 - whoever waits gets it
            if outcome.set_running_or_notify_cancel():
                outcome.set_exception(exc)
        else:
            if outcome.set_running_or_notify_cancel():
                outcome.set_result(result)
            elif undo is not None:
                undo(result)

    try:
        SdkThread(run, "telnyx-agent-audio-system").start()
    except NoThreadError as exc:
        raise MediaError(f"cannot {what}: {exc}") from exc
    if not wait((outcome,), SYSTEM_SECONDS).done and outcome.cancel():
        let_exit_go()
        raise MediaError(f"cannot {what}: the sound system has not answered for {SYSTEM_SECONDS:g} s; {_RESTART}")
    return outcome.result()


def let_exit_go() -> None:
    """A driver hangs: `sounddevice` must not wait for it when the interpreter ends."""
    handler = getattr(sys.modules.get("sounddevice"), "_exit_handler", None)
    if handler is not None:
        atexit.unregister(handler)


@contextlib.contextmanager
def in_words(problem: str) -> Iterator[None]:
    """Around every call of `sounddevice`: what it raises becomes a `MediaError` that says `problem`, and what to do.

    It raises more than its own `PortAudioError`: `UnicodeDecodeError` for a name, `ValueError`, `OSError`...
    """
    try:
        yield
    except TxError:
        raise
    except Exception as exc:
        raise translate(exc, problem) from exc


def load() -> Any:
    """The module `sounddevice`.

    Raises:
        MediaError: It, or PortAudio itself, is not installed or does not work; the message says what to install.
    """
    with lock:
        try:
            with _initialised_once():
                import sounddevice
        except ImportError as exc:
            raise MediaError("sound needs the package sounddevice; install it with: pip install sounddevice") from exc
        except OSError as exc:
            advice = _LIBRARY_ADVICE.get(sys.platform, "install your system's PortAudio package")
            raise MediaError(f"the PortAudio library is not installed ({exc}); {advice}", code=NOT_FOUND) from exc
        except Exception as exc:  # its own PortAudioError, which cannot be imported when the import fails
            raise MediaError(f"PortAudio cannot be initialised: {exc}; check the system's sound settings") from exc
        _let_names_be_read(sounddevice)
    return sounddevice


def _let_names_be_read(sounddevice: Any) -> None:
    """PortAudio hands names on as the driver has them, and `sounddevice` cannot even open what is no UTF-8.

    Not on Windows, where it knows the other codes.
    """
    read = getattr(sounddevice, "_ffi_string", None)
    if sys.platform == "win32" or read is None or hasattr(read, "is_lenient"):
        return

    def lenient(text: Any) -> bytes:
        return bytes(read(text)).decode("utf-8", "replace").encode()

    lenient.is_lenient = True  # type: ignore[attr-defined]
    sounddevice._ffi_string = lenient


@contextlib.contextmanager
def _initialised_once() -> Iterator[None]:
    """While `sounddevice` initialises PortAudio, it points descriptor 2 to nowhere, and the whole program is mute.

    PortAudio counts how often it is initialised. So it is done here first, and then takes `sounddevice` no time. Only
    on Linux: elsewhere the library is in the package, and prints little.
    """
    library = None
    if sys.platform == "linux" and not hasattr(sys.modules.get("sounddevice"), "_initialized"):
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(_LINUX_LIBRARY)
            if library.Pa_Initialize() < 0:
                library = None
    try:
        yield
    finally:
        if library is not None:
            library.Pa_Terminate()


def list_devices(*, refresh: bool = False) -> list[DeviceInfo]:
    """The sound devices of this machine; empty when it has none. What a device has that cannot be read is not in it.

    Args:
        refresh: Look again. Without it, what was plugged in since the program first used sound is not seen. It cannot
            be done, and is not, while the program has a sound stream open.

    Raises:
        MediaError: PortAudio is not installed, or does not answer; the message says what to do.
    """
    return bounded("list the sound devices", lambda: _listed(refresh))


def _listed(refresh: bool) -> list[DeviceInfo]:
    if refresh:
        look_again()
    sounddevice = load()
    with lock, in_words("list the sound devices"):
        apis = sounddevice.query_hostapis()
        defaults = {direction: _default_device(sounddevice, direction) for direction in ("input", "output")}
        known = [
            _described(sounddevice, index, apis, defaults) for index in sorted({i for a in apis for i in a["devices"]})
        ]
    return [info for info in known if info is not None]


def _described(sounddevice: Any, index: int, apis: Any, defaults: dict[str, int | None]) -> DeviceInfo | None:
    """One device; None for one that cannot be read, which must not hide the others."""
    try:
        info = _queried(sounddevice, index)
        rate = info["default_samplerate"]
        return DeviceInfo(
            index=index,
            name=info["name"],
            host_api=apis[info["hostapi"]]["name"],
            input_channels=max(0, info["max_input_channels"]),
            output_channels=max(0, info["max_output_channels"]),
            default_sample_rate=round(rate) if math.isfinite(rate) else 0,
            is_default_input=index == defaults["input"],
            is_default_output=index == defaults["output"],
        )
    except Exception as exc:  # noqa: BLE001 - whatever a driver tells that sounddevice cannot read
        logger.warning("the sound device number %d is left out: %s: %s", index, type(exc).__name__, exc)
        return None


def _queried(sounddevice: Any, index: int) -> Any:
    try:
        return sounddevice.query_devices(index)
    except UnicodeDecodeError as exc:
        info = sounddevice._lib.Pa_GetDeviceInfo(index)
        return {
            "name": exc.object.decode("utf-8", "replace"),
            "hostapi": info.hostApi,
            "max_input_channels": info.maxInputChannels,
            "max_output_channels": info.maxOutputChannels,
            "default_samplerate": info.defaultSampleRate,
        }


def input_devices(*, refresh: bool = False) -> list[DeviceInfo]:
    """The microphones among `list_devices`."""
    return [device for device in list_devices(refresh=refresh) if device.input_channels]


def output_devices(*, refresh: bool = False) -> list[DeviceInfo]:
    """The loudspeakers among `list_devices`."""
    return [device for device in list_devices(refresh=refresh) if device.output_channels]


def _default_device(sounddevice: Any, direction: str) -> int | None:
    try:
        return int(sounddevice.query_devices(kind=direction)["index"])
    except UnicodeDecodeError:  # its name, or that of one which sounddevice.default.device was compared with
        get = (
            sounddevice._lib.Pa_GetDefaultInputDevice
            if direction == "input"
            else sounddevice._lib.Pa_GetDefaultOutputDevice
        )
        index = int(get())
        return index if index >= 0 else None
    except Exception:  # noqa: BLE001 - there is none, or sounddevice.default.device names a missing one
        return None


def look_again() -> bool:
    """Let PortAudio look for devices again, unless this process has a stream open: that would not survive it.

    Returns:
        Whether it did.

    Raises:
        MediaError: PortAudio is missing, or did not come back.
    """
    return bounded("look for sound devices again", _looked_again)


def _looked_again() -> bool:
    sounddevice = load()
    with lock, in_words("look for sound devices again"):
        # The program's own streams count, too, and only the garbage collector knows them.
        for thing in gc.get_objects():
            # What failed to open has no latency, but claims to be not closed.
            if issubclass(type(thing), sounddevice._StreamBase) and hasattr(thing, "_latency") and not thing.closed:
                return False
        sounddevice._terminate()
        # As in `_initialised_once`: sounddevice's own call would make the program mute while it lasts.
        problem = sounddevice._lib.Pa_Initialize()
        sounddevice._initialize()  # which raises what the problem is, if there is one
        if problem >= 0:
            sounddevice._lib.Pa_Terminate()
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
    """What `sounddevice` raised when it should do `what`, as an error that says what to do."""
    why = str(exc) if error_code(exc) else f"{type(exc).__name__}: {exc}"
    return MediaError(f"cannot {what}: {why}; {_ADVICE.get(error_code(exc), _OTHER_ADVICE)}")


def error_code(exc: BaseException | None) -> int:
    """PortAudio's number for the error; 0 when there is none."""
    code = exc.args[1] if exc is not None and len(exc.args) > 1 else 0
    return code if isinstance(code, int) else 0
