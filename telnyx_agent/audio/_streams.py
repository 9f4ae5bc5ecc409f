"""Opening a sound card: one PortAudio stream, its callbacks, and what is known of it.

One stream serves both directions where the devices agree to it, because microphone and loudspeaker then share a clock.
After a gap PortAudio's ALSA driver restarts the playing half of such a stream only, and then takes one block in for
each block out: what had piled up in the microphone's buffer would stay there, and the call's delay grow by each stall,
for good. So `is_behind` tells, and the stream is opened again. (A stream for each direction has no such backlog; but
when the sound server ends both at once, PortAudio 19.6 may hang for ever.)
"""

from __future__ import annotations

import functools
import itertools
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from .._runtime.threads import NoThreadError, SdkThread
from ..errors import MediaError
from . import _portaudio, _stderr
from ._callbacks import Callbacks, CapturePort, RenderPort
from ._portaudio import DeviceInfo, Direction
from ._resample import MAX_RATE, MIN_RATE
from ._samples import BLOCK, SAMPLE_RATE, SILENCE
from ._stall import Backlog, Progress
from .device import AudioStream

__all__ = ["Latency", "Line", "complete", "open_lines"]

logger = logging.getLogger("telnyx_agent.audio")

Latency = Literal["low", "high"] | float

_END_SECONDS = 0.1
_CLOSE_SECONDS = 0.5

_USUAL_CHANNELS = (4, 6, 8)
"""Drivers that tell of more than the device has (ALSA's plug-ins say 32 or 128) take these."""


class Line:
    """One running PortAudio stream. The call is not touched before `connect()` nor after `disconnect()`.

    All methods but the callbacks are called with `_portaudio.lock` held.
    """

    def __init__(self, callbacks: Callbacks, devices: Mapping[Direction, DeviceInfo], wake: Callable[[], None]) -> None:
        self.callbacks = callbacks
        self.devices = devices
        """What it serves, by direction."""
        self.latency: dict[Direction, float] = {}
        """Seconds, as the driver estimates them."""
        self.progress = Progress()
        self.backlog = Backlog()
        """Whether sound of the microphone has piled up in the driver."""
        self.ended = False
        """Whether PortAudio has ended the stream by itself."""
        self._wake = wake
        self._stream: Any = None
        self._rate = 0
        self._closing = False
        self._is_quiet = False
        self._over = threading.Event()

    @property
    def name(self) -> str:
        """The names of the devices."""
        return " and ".join(dict.fromkeys(info.name for info in self.devices.values()))

    def is_behind(self) -> bool:
        """Whether sound of the microphone has piled up in the driver; asked every `CHECK_SECONDS`."""
        age = self.callbacks.input_age
        return age is not None and self.backlog.has_piled_up(age)

    @property
    def rate(self) -> int:
        """Samples per second of the card; 0 before it is open."""
        return self._rate

    @property
    def blocks(self) -> int:
        """Blocks so far."""
        return self.callbacks.input_blocks if "input" in self.devices else self.callbacks.output_blocks

    def open(self, kind: Any, rate: int, channels: int, latency: Latency) -> None:
        """Open the stream.

        Raises:
            MediaError: It cannot be opened; nothing stays open. Its cause is what `sounddevice` raised.
        """
        indexes = [info.index for info in self.devices.values()]
        duplex = len(indexes) > 1
        direction: Direction = "input" if "input" in self.devices else "output"
        with _portaudio.in_words(f"open {self.name}"):
            self._stream = opened = kind(
                samplerate=rate,
                blocksize=rate // 100,
                device=tuple(indexes) if duplex else indexes[0],
                channels=channels,
                dtype="int16",
                latency=latency,
                callback=self.callbacks.duplex if duplex else getattr(self.callbacks, direction),
                finished_callback=self._finished,
            )
            told = opened.latency
            self._rate = int(opened.samplerate)
        self.latency = {"input": told[0], "output": told[1]} if duplex else {direction: told}
        # Its callbacks print, too, when the device is taken away.
        self._is_quiet = True
        _stderr.take()

    def start(self) -> None:
        """Let the stream run, silent.

        Raises:
            MediaError: It cannot be started.
        """
        with _portaudio.in_words(f"open {self.name}"):
            self._stream.start()

    def connect(self) -> None:
        """Let sound through."""
        self.callbacks.stopping = False

    def disconnect(self) -> None:
        """Let no more sound through; any thread."""
        self._closing = self.callbacks.stopping = True

    def close(self) -> None:
        """Close the stream; idempotent. Not in one of its callbacks."""
        self.disconnect()
        opened, self._stream = self._stream, None
        if opened is not None:
            # A stream that ends by its own callback is closed safely. One whose driver is stuck may hang for good when
            # it is aborted; that must not take the sound of the whole process with it.
            self.callbacks.ending = _portaudio.load().CallbackAbort
            if self._over.wait(_END_SECONDS):
                self._dispose(opened)
                return
            closer = SdkThread(self._dispose, "telnyx-agent-audio-close", opened)
            try:
                closer.start()
            except NoThreadError as exc:
                logger.warning("the sound device %s is left behind: %s", self.name, exc)
                return
            closer.join(_CLOSE_SECONDS)
            if closer.is_alive():
                _portaudio.let_exit_go()
                logger.warning("the sound device %s does not close, its driver hangs; it is left behind", self.name)

    def _dispose(self, opened: Any) -> None:
        try:
            with _portaudio.in_words(f"close {self.name}"):
                opened.abort()  # without it, closing can hang in some versions of PortAudio
                opened.close()
        except MediaError as exc:
            logger.info("%s", exc)
        finally:
            if self._is_quiet:
                _stderr.release()

    def _finished(self) -> None:
        """PortAudio's thread: the stream has ended, by our will or not."""
        self._over.set()
        if not self._closing:
            self.ended = True
            self._wake()


def open_lines(
    stream: AudioStream, devices: Mapping[Direction, DeviceInfo], latency: Latency, wake: Callable[[], None]
) -> list[Line]:
    """Open what a call uses, not connected yet. With `_portaudio.lock` held.

    Args:
        stream: The call.
        devices: By direction.
        latency: What the driver should aim at.
        wake: Called when a stream has ended by itself, or a callback has failed; must return at once.

    Raises:
        MediaError: One of them cannot be opened; nothing stays open.
    """
    both = None
    if len(devices) > 1:
        both = _open_duplex(stream, devices, latency, wake)
    lines = [] if both is None else [both]
    try:
        if both is None:
            for direction, info in devices.items():
                lines.append(_open_one_way(stream, direction, info, latency, wake))
        # Not before all are open: a card that is running may admit formats for the other direction that it cannot keep.
        for line in lines:
            line.start()
    except BaseException:
        for line in lines:
            line.close()
        raise
    return lines


def complete(stream: AudioStream, lines: list[Line]) -> None:
    """Let whichever direction is there keep the pace of the one that is not, so that a call has both in any case."""
    served = {direction for line in lines for direction in line.devices}
    for line in lines:
        line.callbacks.discard = None if "output" in served else functools.partial(stream.pull_render, BLOCK)
        line.callbacks.fill = None if "input" in served else functools.partial(stream.push_capture, SILENCE[:BLOCK])


def _open_duplex(
    stream: AudioStream, devices: Mapping[Direction, DeviceInfo], latency: Latency, wake: Callable[[], None]
) -> Line | None:
    sounddevice = _portaudio.load()
    callbacks = Callbacks(wake)
    callbacks.capture = CapturePort(stream, SAMPLE_RATE, 1)
    callbacks.render = RenderPort(stream, SAMPLE_RATE, 1)
    line = Line(callbacks, {"input": devices["input"], "output": devices["output"]}, wake)
    try:
        line.open(sounddevice.RawStream, SAMPLE_RATE, 1, latency)
    except MediaError as exc:
        logger.info("%s as one stream; opening one each way", exc.message)
        return None
    return line


def _open_one_way(
    stream: AudioStream, direction: Direction, info: DeviceInfo, latency: Latency, wake: Callable[[], None]
) -> Line:
    sounddevice = _portaudio.load()
    kind = sounddevice.RawInputStream if direction == "input" else sounddevice.RawOutputStream
    problem: MediaError | None = None
    for rate, channels in _formats(info, direction):
        callbacks = Callbacks(wake)
        if direction == "input":
            callbacks.capture = CapturePort(stream, rate, channels)
        else:
            callbacks.render = RenderPort(stream, rate, channels)
        line = Line(callbacks, {direction: info}, wake)
        try:
            line.open(kind, rate, channels, latency)
        except MediaError as exc:
            problem = exc
            if _portaudio.error_code(exc.__cause__) == _portaudio.UNAVAILABLE:
                break  # busy, whatever the format; and every attempt may take a second
            continue
        return line
    if problem is None:
        raise MediaError(f"the device {info.name} has no {direction}", code=_portaudio.NOT_FOUND)
    raise problem


def _formats(info: DeviceInfo, direction: Direction) -> Iterator[tuple[int, int]]:
    """Rates and channels to try, the best first. Many cards know only their own rate, only stereo, or only all of their
    channels.
    """
    most = info.channels(direction)
    counts = [count for count in dict.fromkeys((1, 2, most, *_USUAL_CHANNELS)) if 0 < count <= most]
    rates = [rate for rate in dict.fromkeys((SAMPLE_RATE, info.default_sample_rate)) if MIN_RATE <= rate <= MAX_RATE]
    yield from itertools.product(rates, counts)
