"""One call's use of the sound card: its PortAudio streams, and the thread that watches over them.

Three kinds of thread: the caller's opens the streams; PortAudio's call `Callbacks` every 10 ms; and one of the SDK's,
`telnyx-agent-audio`, does what a callback must not: it logs, notices a device that has died, and closes the streams at
the end, because a stream cannot be closed from its own callback.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, Literal

from ..errors import MediaError
from . import _portaudio
from ._portaudio import DeviceInfo, Direction
from ._ports import Callbacks, CapturePort, RenderPort
from ._samples import BLOCK, SAMPLE_RATE
from .device import AudioStream

__all__ = ["Latency", "SoundRun"]

logger = logging.getLogger("telnyx_agent.audio")

Latency = Literal["low", "high"] | float

_CHECK_SECONDS = 1.0
_STALLED_CHECKS = 5  # Bluetooth takes seconds to wake up; a dead device is silent for ever
_SILENT_SECONDS = 3.0
_REOPEN_LIMIT, _REOPEN_SECONDS = 3, 30.0  # so often in so many seconds; what dies more often is broken
_STALL_WEIGHT = 2  # a second stall is one too many: each costs five seconds of silence
_JOIN_TIMEOUT = 5.0

_SILENCE_ADVICE = {
    "darwin": "allow it: System Settings > Privacy & Security > Microphone, switch on the program that runs Python "
    "(your terminal or editor), then restart that program",
    "win32": "allow it: Settings > Privacy & security > Microphone > Let desktop apps access your microphone; "
    "also look for a mute switch",
}
_OTHER_SILENCE_ADVICE = "is it muted, by a switch or in the system's sound settings, or is another input the right one?"


class SoundRun:
    """Open streams from construction until `stop()`, or until the device dies.

    Raises:
        MediaError: The devices cannot be opened; the message says what to do.
    """

    def __init__(
        self, stream: AudioStream, input: DeviceInfo | None, output: DeviceInfo | None, latency: Latency
    ) -> None:
        self._stream = stream
        self._input = input
        self._output = output
        self._wanted_latency = latency
        self._sounddevice = _portaudio.load()
        self._streams: list[Any] = []
        self._wake = threading.Event()
        self._died = False
        self._reopened: list[float] = []
        self._warned: set[str] = set()
        self.stopping = False
        """Whether it has ended or is about to."""
        self.latency: dict[Direction, float] = {"input": 0.0, "output": 0.0}
        """Seconds, as the driver estimates them."""
        self.callbacks = Callbacks(functools.partial(stream.pull_render, BLOCK), self._wake.set)
        self._watcher = threading.Thread(target=self._watch, name="telnyx-agent-audio", daemon=True)
        with _portaudio.lock:
            try:
                self._open_streams()
                self._watcher.start()
                logger.info("opened %s at %s Hz", self.name, " and ".join(f"{s.samplerate:.0f}" for s in self._streams))
            except BaseException:
                self.stopping = self.callbacks.stopping = True
                self._close_streams()
                raise

    @property
    def name(self) -> str:
        """The names of the devices in use."""
        names = [info.name for info in (self._input, self._output) if info is not None]
        return " and ".join(dict.fromkeys(names))

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller was called from here: from a callback, or by `device_failed`."""
        return self.callbacks.is_current_thread or threading.current_thread() is self._watcher

    def stop(self) -> bool:
        """Close the streams; the call is not touched any more once this has returned. Idempotent, any thread.

        From inside a callback, or from `device_failed`, it returns at once, and the watching thread closes the streams.

        Returns:
            Whether the streams are closed.
        """
        self.stopping = self.callbacks.stopping = True
        self._wake.set()
        if self.is_current_thread:
            return not self._streams
        self._watcher.join(_JOIN_TIMEOUT)
        if self._watcher.is_alive():
            logger.warning(
                "the sound device %s did not close within %.0f s; its driver hangs", self.name, _JOIN_TIMEOUT
            )
            return False
        return True

    # -- opening -------------------------------------------------------------------------------------------------------

    def _open_streams(self) -> None:
        if self._input is None or self._output is None or not self._open_duplex(self._input, self._output):
            if self._input is not None:
                self._open_one_way("input", self._input)
            if self._output is not None:
                self._open_one_way("output", self._output)
        try:
            for opened in self._streams:
                opened.start()
        except self._sounddevice.PortAudioError as exc:
            raise _portaudio.translate(exc, self.name) from exc

    def _open_duplex(self, input: DeviceInfo, output: DeviceInfo) -> bool:
        """One stream for both, if the devices agree to it: microphone and loudspeaker then share a clock."""
        self.callbacks.capture = CapturePort(self._stream, SAMPLE_RATE, 1)
        self.callbacks.render = RenderPort(self._stream, SAMPLE_RATE, 1)
        try:
            opened = self._open(
                self._sounddevice.RawStream, (input.index, output.index), SAMPLE_RATE, 1, self.callbacks.duplex
            )
        except self._sounddevice.PortAudioError as exc:
            logger.info("%s cannot be opened as one stream (%s); opening one each way", self.name, exc)
            return False
        self.latency["input"], self.latency["output"] = opened.latency
        return True

    def _open_one_way(self, direction: Direction, info: DeviceInfo) -> None:
        kind = self._sounddevice.RawInputStream if direction == "input" else self._sounddevice.RawOutputStream
        callback = self.callbacks.input if direction == "input" else self.callbacks.output
        problem: Exception | None = None
        for rate, channels in _formats(info, direction):
            if direction == "input":
                self.callbacks.capture = CapturePort(self._stream, rate, channels)
            else:
                self.callbacks.render = RenderPort(self._stream, rate, channels)
            try:
                opened = self._open(kind, info.index, rate, channels, callback)
            except self._sounddevice.PortAudioError as exc:
                problem = exc
                if _portaudio.error_code(exc) == _portaudio.UNAVAILABLE:
                    break  # busy, whatever the format; and every attempt may take a second
                continue
            self.latency[direction] = opened.latency
            return
        assert problem is not None
        raise _portaudio.translate(problem, f"the {direction} device {info.name}") from problem

    def _open(self, kind: Any, device: Any, rate: int, channels: int, callback: Any) -> Any:
        opened = kind(
            samplerate=rate,
            blocksize=rate // 100,
            device=device,
            channels=channels,
            dtype="int16",
            latency=self._wanted_latency,
            callback=callback,
            finished_callback=self._finished,
        )
        self._streams.append(opened)
        return opened

    # -- watching ------------------------------------------------------------------------------------------------------

    def _finished(self) -> None:
        """PortAudio's thread: a stream has ended, by our will or not."""
        if not self.stopping:
            self._died = True
            self._wake.set()

    def _watch(self) -> None:
        error = None
        try:
            error = self._wait_for_end()
            while error is not None and self._reopen():
                error = self._wait_for_end()
        finally:
            self.stopping = self.callbacks.stopping = True
            with _portaudio.lock:
                self._close_streams()
        if error is None:
            return
        try:
            self._stream.device_failed(error)  # which may well start another device at once
        except Exception:
            logger.exception("the call could not be told that its sound device failed")

    def _reopen(self) -> bool:
        """Whether streams that have died or stalled are open again.

        Drivers give up on what the device itself survives: with four busy processes on two cores, PortAudio's ALSA
        driver ended every tenth stream before its first block.
        """
        now = time.monotonic()
        self._reopened = [moment for moment in self._reopened if now - moment < _REOPEN_SECONDS]
        self._reopened += [now] if self._died else [now] * _STALL_WEIGHT
        if len(self._reopened) > _REOPEN_LIMIT:
            return False
        with _portaudio.lock:
            self._close_streams()
            self._died = False
            try:
                self._open_streams()
            except MediaError as exc:
                logger.info("the sound device cannot be opened again: %s", exc)
                return False
        logger.warning("the sound device %s broke down and was opened again", self.name)
        return True

    def _wait_for_end(self) -> MediaError | None:
        """What the device died of, or None when it was stopped."""
        blocks = (-1, -1)
        stalled_checks = 0
        while True:
            woken = self._wake.wait(_CHECK_SECONDS)
            self._wake.clear()
            if self.stopping:
                return None
            self._report()
            if self._died:
                return MediaError(
                    f"the sound device {self.name} stopped by itself; it was unplugged, or the system's sound ended"
                )
            if not woken:
                before, blocks = blocks, (self.callbacks.input_blocks, self.callbacks.output_blocks)
                stalled_checks = stalled_checks + 1 if self._has_stalled(before, blocks) else 0
                if stalled_checks >= _STALLED_CHECKS:
                    return MediaError(
                        f"the sound device {self.name} is open but does not move; reconnect it or choose another one"
                    )

    def _has_stalled(self, before: tuple[int, int], now: tuple[int, int]) -> bool:
        return (self._input is not None and before[0] == now[0]) or (self._output is not None and before[1] == now[1])

    def _report(self) -> None:
        if self.callbacks.failure is not None and self._is_first("failure"):
            logger.error(
                "the call failed to take or give a block of sound; the sound device goes on, and further failures are "
                "not logged",
                exc_info=self.callbacks.failure,
            )
        capture = self.callbacks.capture
        if capture is not None and capture.silent_seconds > _SILENT_SECONDS and self._is_first("silence"):
            advice = _SILENCE_ADVICE.get(sys.platform, _OTHER_SILENCE_ADVICE)
            logger.warning("the microphone %s delivers nothing but zeros; %s", self._input and self._input.name, advice)

    def _is_first(self, what: str) -> bool:
        first = what not in self._warned
        self._warned.add(what)
        return first

    def _close_streams(self) -> None:
        for opened in self._streams:
            opened.abort()  # without it, closing can hang in some versions of PortAudio
            opened.close()
        self._streams.clear()


def _formats(info: DeviceInfo, direction: Direction) -> Iterator[tuple[int, int]]:
    """Rates and channels to try, the best first. Many cards know only their own rate, or only stereo."""
    for rate in dict.fromkeys((SAMPLE_RATE, info.default_sample_rate)):
        yield rate, 1
        if info.channels(direction) >= 2:
            yield rate, 2
