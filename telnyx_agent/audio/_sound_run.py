"""One call's use of the sound card: its streams, and the thread that watches over them.

Three kinds of thread: the caller's opens and exchanges the streams; PortAudio's call `Callbacks` every 10 ms; and one
of the SDK's, `telnyx-agent-audio`, does what a callback must not: it logs, notices a device that has died, opens
another one, and closes the streams at the end, because a stream cannot be closed from its own callback.

What it does about a device that dies: open it again, because drivers give up on what the device itself survives; else
go on with the system's default; else keep the call's pace in silence, and look for devices until there is one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from .._runtime.threads import SdkThread
from ..errors import MediaError, in_words
from . import _portaudio, _stderr
from ._complaints import Complaints
from ._null import SilentRun
from ._pacing import Pacer
from ._portaudio import DeviceInfo, Direction
from ._stall import CHECK_SECONDS, Backlog, Progress
from ._streams import Latency, Line, complete, open_lines
from .device import AudioDeviceChange, AudioDeviceChangeReason, AudioStream

__all__ = ["SoundRun", "Wanted"]

logger = logging.getLogger("telnyx_agent.audio")

Wanted = Mapping[Direction, "int | str | None"]

_RETRY_SECONDS = 3.0  # between two looks for a device when there is none
# What breaks down more often in so many seconds is broken: three times in mid-stream, once by a stall, or six times
# before the first block. On a busy machine PortAudio 19.6 ends a new stream if the sound server has not told its delay
# yet (one in three or so with two busy processes beside), and the next one works.
_REOPEN_LIMIT, _REOPEN_SECONDS = 6, 30.0
_STILLBORN_WEIGHT, _END_WEIGHT, _STALL_WEIGHT = 1, 2, 4
_REOPENED_LIMIT = 1.0  # seconds in which what was opened again must bring its first block
_SETTLE_SECONDS = 0.1
_JOIN_TIMEOUT = 5.0
_DIRECTIONS: tuple[Direction, ...] = ("input", "output")


class SoundRun:
    """Runs from construction until `stop()`, whatever becomes of the devices.

    Raises:
        MediaError: The devices cannot be opened; the message says what to do.
    """

    def __init__(self, stream: AudioStream, wanted: Wanted, latency: Latency) -> None:
        self._stream = stream
        self._wanted = dict(wanted)
        self._wanted_latency = latency
        self._hands = threading.Lock()  # of whoever opens and closes; taken before `_portaudio.lock`
        self._lines: list[Line] = []
        self._meant: dict[Direction, DeviceInfo] = {}  # what `_wanted` was when it was opened
        self._silence: Pacer | None = None  # keeps the pace while there is no device
        self._retry_at = 0.0
        self._lost: MediaError | None = None  # a change has failed and left nothing behind
        self._wake = threading.Event()
        self._reopened: list[float] = []
        self._gaps: list[float] = []  # when what had piled up was left behind
        self._complaints = Complaints()
        self._overflows = self._underflows = 0  # of streams that are closed
        self.stopping = False
        """Whether it has ended or is about to."""
        self._watcher = SdkThread(self._watch, "telnyx-agent-audio", runs_program=True)
        with _portaudio.lock:
            self._open_first()
            try:
                self._watcher.start()
            except BaseException:
                self.stopping = True
                self._close(self._lines)
                raise

    @property
    def name(self) -> str:
        """The names of the devices in use."""
        return " and ".join(dict.fromkeys(info.name for info in self._in_use().values())) or "no sound device"

    @property
    def latency(self) -> dict[Direction, float]:
        """Seconds, as the driver estimates them; 0.0 for a direction without a device."""
        result: dict[Direction, float] = {"input": 0.0, "output": 0.0}
        for line in tuple(self._lines):
            result.update(line.latency)
        return result

    @property
    def input_overflows(self) -> int:
        """How often sound of the microphone was lost."""
        return self._overflows + sum(line.callbacks.input_overflows for line in tuple(self._lines))

    @property
    def output_underflows(self) -> int:
        """How often the loudspeaker had a gap."""
        return self._underflows + sum(line.callbacks.output_underflows for line in tuple(self._lines))

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller was called from here: from a callback, or to be told of a change."""
        silence = self._silence
        return (
            threading.current_thread() is self._watcher
            or any(line.callbacks.is_current_thread for line in tuple(self._lines))
            or (silence is not None and silence.is_current_thread)
        )

    def stop(self) -> bool:
        """Close the streams; the call is not touched any more once this has returned. Idempotent, any thread.

        From inside a callback, or from `device_changed`, it returns at once, and the watching thread closes them.

        Returns:
            Whether the streams are closed.
        """
        self.stopping = True
        for line in tuple(self._lines):
            line.disconnect()
        self._wake.set()
        if self.is_current_thread:
            if threading.current_thread() is self._watcher:  # it is telling of a change, and holds no lock
                self._end_silence()
            return not self._lines and self._silence is None
        self._watcher.join(_JOIN_TIMEOUT)
        if self._watcher.is_alive():
            _portaudio.let_exit_go()
            logger.warning(
                "the sound device %s did not close within %.0f s; its driver hangs", self.name, _JOIN_TIMEOUT
            )
            return False
        return True

    # -- what the program wants ----------------------------------------------------------------------------------------

    def switch(self, changes: Wanted) -> None:
        """Go on with other devices; see `SoundDeviceAudio.switch`.

        Raises:
            MediaError: They cannot be used; those in use before still are.
        """
        with self._hands:
            if self.stopping:
                return
            with _portaudio.lock:
                try:
                    self._exchange(self._choose(changes, changes))
                except MediaError as exc:
                    logger.info("looking for sound devices again, because %s", exc)
                    if not self._exchange_after_looking_again(changes):
                        raise
                self._wanted.update(changes)
                if self._silence is not None:  # there was nothing in the other direction either
                    self._open_missing(())
            self._end_silence()

    def tell_switched(self) -> None:
        """After `switch`, with no lock held: the call may stop the device when it hears of it."""
        self._tell(AudioDeviceChangeReason.SWITCHED, None)

    def _exchange(self, chosen: dict[Direction, DeviceInfo]) -> None:
        """Open first and close afterwards, so that there is no gap; the other way round where hardware admits one."""
        old = [line for line in self._lines if any(line.devices.get(d, chosen[d]) != chosen[d] for d in chosen)]
        served = {direction for line in self._lines for direction in line.devices}
        devices = {d: info for d, info in chosen.items() if d not in served}
        for line in old:
            devices.update({d: chosen.get(d, info) for d, info in line.devices.items()})
        if devices:
            try:
                new = self._open(devices)
            except MediaError:
                if not old:
                    raise
                self._close(old)
                new = self._open_or_go_back(devices, old)
            self._replace(old, new)
        self._meant.update(chosen)

    def _open_or_go_back(self, devices: dict[Direction, DeviceInfo], old: Sequence[Line]) -> list[Line]:
        try:
            return self._open(devices)
        except MediaError:
            self._go_back(old)
            raise

    def _go_back(self, old: Sequence[Line]) -> None:
        known = _portaudio.list_devices()
        for line in old:
            back = {d: _portaudio.find(known, info, d) for d, info in line.devices.items()}
            try:
                self._replace((), self._open({d: info for d, info in back.items() if info is not None}))
            except MediaError as exc:
                self._lost = exc  # the watching thread finds another
                self._wake.set()

    def _exchange_after_looking_again(self, changes: Wanted) -> bool:
        """PortAudio sees what was plugged in since only when nothing is open: a gap of a tenth of a second or so."""
        old = list(self._lines)
        self._close(old)
        try:
            if not _portaudio.look_again():
                self._go_back(old)
                return False
            chosen = self._choose({**self._wanted, **changes}, changes)
            self._replace((), self._open(chosen))
        except MediaError:
            self._go_back(old)
            raise
        self._meant.update(chosen)
        return True

    # -- opening and closing, with `_portaudio.lock` held --------------------------------------------------------------

    def _open_first(self) -> None:
        try:
            chosen = self._choose(self._wanted)
            new = self._open(chosen)
        except MediaError as exc:
            # PortAudio's picture of the machine is as old as the process: a headset may have come since, or the sound
            # server may have been restarted.
            logger.info("looking for sound devices again, because %s", exc)
            if not _portaudio.look_again():
                raise
            chosen = self._choose(self._wanted)
            new = self._open(chosen)
        self._meant = chosen
        self._replace((), new)
        for direction in self._wanted:
            if direction not in chosen:
                logger.warning("this machine has no %s device; the call goes on without one", direction)

    def _choose(self, wanted: Wanted, required: Collection[Direction] = ()) -> dict[Direction, DeviceInfo]:
        known = _portaudio.list_devices()
        chosen = {direction: _portaudio.choose(known, value, direction) for direction, value in wanted.items()}
        for direction in required:
            if chosen[direction] is None:
                raise MediaError(f"this machine has no {direction} device; connect one", code=_portaudio.NOT_FOUND)
        if not any(chosen.values()):
            raise MediaError(
                "this machine has no sound device; connect one, or use WaveAudio, PcmAudio or NullAudio",
                code=_portaudio.NOT_FOUND,
            )
        return {direction: info for direction, info in chosen.items() if info is not None}

    def _open(self, devices: Mapping[Direction, DeviceInfo]) -> list[Line]:
        lines = open_lines(self._stream, devices, self._wanted_latency, self._wake.set)
        now = time.monotonic()
        self._gaps = [moment for moment in self._gaps if now - moment < _REOPEN_SECONDS]
        for line in lines:
            line.backlog = Backlog(len(self._gaps))
        return lines

    def _replace(self, old: Sequence[Line], new: Sequence[Line]) -> None:
        lines = [line for line in self._lines if line not in old] + list(new)
        for line in old:
            line.disconnect()
        complete(self._stream, lines)
        self._lines = lines
        for line in new:
            line.connect()
        if self.stopping:  # `stop` may have seen the old ones only
            for line in lines:
                line.disconnect()
        self._close(old)
        for line in new:
            logger.info("opened %s at %d Hz", line.name, line.rate)

    def _close(self, lines: Sequence[Line]) -> None:
        for line in tuple(lines):
            line.close()
            self._overflows += line.callbacks.input_overflows
            self._underflows += line.callbacks.output_underflows
            if line in self._lines:
                self._lines = [other for other in self._lines if other is not line]

    # -- watching ------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        _portaudio.waits_here()
        try:
            while not self.stopping:
                self._wake.wait(CHECK_SECONDS)
                self._wake.clear()
                _stderr.drain()
                self._complaints.look(tuple(self._lines))
                self._look()
        except Exception as exc:
            logger.exception("the sound device %s cannot be used any more", self.name)
            self._stream.device_failed(MediaError(f"the sound device failed: {in_words(exc)}"))
        finally:
            self.stopping = True
            with self._hands:
                try:
                    with _portaudio.lock:
                        self._close(self._lines)
                except MediaError as exc:
                    logger.warning("the sound device %s stays open: %s", self.name, exc)
                self._end_silence()

    def _look(self) -> None:
        with self._hands:
            if self.stopping:
                return
            outcome = self._look_for_device() if self._silence is not None else self._look_at_lines()
        if outcome is not None:
            self._tell(*outcome)

    def _look_at_lines(self) -> tuple[AudioDeviceChangeReason, MediaError | None] | None:
        now = time.monotonic()
        behind = [line for line in self._lines if not line.ended and line.is_behind()]
        if behind:
            self._gaps.append(now)
            with _portaudio.lock:
                before = self._in_use()
                self._close(behind)
                if not self._reopen(behind, 0):
                    return self._go_on(before, behind, MediaError(f"{behind[0].name} cannot be opened again"))
            logger.info("sound had piled up in the microphone's driver; the stream was opened again")
            return None
        ended = [line for line in self._lines if line.ended]
        stalled = [line for line in self._lines if line.progress.has_stalled(now, line.blocks) and not line.ended]
        if ended and len(ended) < len(self._lines):
            # What ended one ends the other in a moment; a stream must not be aborted while it ends.
            self._wake.wait(_SETTLE_SECONDS)
            ended = [line for line in self._lines if line.ended]
            stalled = [line for line in stalled if not line.ended]
        lost, self._lost = self._lost, None
        if not ended and not stalled and lost is None:
            return None
        broken = ended + stalled
        what = " and ".join(dict.fromkeys(line.name for line in broken)) or "in use"
        if ended:
            lost = MediaError(
                f"the sound device {what} stopped by itself; it was unplugged, or the system's sound ended"
            )
        elif stalled:
            lost = MediaError(f"the sound device {what} is open but does not move; reconnect it or choose another one")
        assert lost is not None
        with _portaudio.lock:
            before = self._in_use()
            self._close(broken)
            weight = _STALL_WEIGHT
            if ended:
                weight = _END_WEIGHT if any(line.blocks for line in ended) else _STILLBORN_WEIGHT
            if broken and self._reopen(broken, weight):
                logger.warning("the sound device %s broke down and was opened again", what)
                return None
            return self._go_on(before, broken, lost)

    def _reopen(self, broken: Sequence[Line], weight: int) -> bool:
        """Whether what has died is open again: drivers give up on what the device itself survives."""
        now = time.monotonic()
        self._reopened = [moment for moment in self._reopened if now - moment < _REOPEN_SECONDS] + [now] * weight
        if len(self._reopened) > _REOPEN_LIMIT:
            return False
        known = _portaudio.list_devices()
        for line in broken:
            found = {d: _portaudio.find(known, info, d) for d, info in line.devices.items()}
            if None in found.values():
                return False
            try:
                new = self._open({d: info for d, info in found.items() if info is not None})
            except MediaError as exc:
                logger.info("the sound device cannot be opened again: %s", exc)
                return False
            for opened in new:
                opened.progress = Progress(_REOPENED_LIMIT)
            self._replace((), new)
        return True

    def _go_on(
        self, before: Mapping[Direction, DeviceInfo], broken: Sequence[Line], error: MediaError
    ) -> tuple[AudioDeviceChangeReason, MediaError]:
        """Without what is broken: with the default, or in silence."""
        avoid = [(info.name, info.host_api) for line in broken for info in line.devices.values()]
        missing = [d for d in _DIRECTIONS if d in before and d not in self._in_use()]
        known = _portaudio.list_devices()
        try:
            defaults = {d: _portaudio.choose(known, None, d) for d in missing}
            other = {d: i for d, i in defaults.items() if i is not None and (i.name, i.host_api) not in avoid}
            if not missing or len(other) < len(missing):
                raise MediaError("PortAudio's list is too old to know another default")
            self._replace((), self._open(other))
        except MediaError:
            # Whatever still runs has to be closed for PortAudio to see which devices there are now. And a moment is
            # needed: PortAudio opens each device to look at it, and may crash if it is taken away meanwhile.
            self._close(self._lines)
            self._wake.wait(_SETTLE_SECONDS)
            self._look_and_open(avoid)
        self._reopened.clear()
        if self._lines:
            logger.warning("%s; the call goes on with %s", error.message, self.name)
            return AudioDeviceChangeReason.UNPLUGGED, error
        logger.warning("%s; no other works, and the call goes on without sound until one does", error.message)
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        silent = SilentRun(self._stream)
        pacer = Pacer((silent.render, silent.capture), silent.close)
        pacer.start()  # or there is no thread, and nothing to stop
        self._silence = pacer
        return AudioDeviceChangeReason.FAILED, error

    def _look_for_device(self) -> tuple[AudioDeviceChangeReason, None] | None:
        if time.monotonic() < self._retry_at:
            return None
        with _portaudio.lock:
            self._look_and_open(())
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        if not self._lines:
            return None
        self._end_silence()
        logger.warning("there is sound again: the call goes on with %s", self.name)
        return AudioDeviceChangeReason.RECOVERED, None

    def _end_silence(self) -> None:
        if self._silence is not None:
            self._silence.stop()
            self._silence = None

    def _look_and_open(self, avoid: Collection[tuple[str, str]]) -> None:
        try:
            _portaudio.look_again()  # with streams of other calls open it cannot; the list that is there must do
        except MediaError as exc:
            logger.info("there are no sound devices: %s", exc)
            return
        self._open_missing(avoid)

    def _open_missing(self, avoid: Collection[tuple[str, str]]) -> None:
        """Open whatever works, what the program wants before the default, in each direction that has nothing."""
        known = _portaudio.list_devices()
        for direction in self._wanted:
            if direction in self._in_use():
                continue
            meant = self._meant.get(direction)
            default = _portaudio.choose(known, None, direction)
            wanted = None
            if meant is not None and self._wanted[direction] is not None:
                wanted = _portaudio.find(known, meant, direction)
            for info in dict.fromkeys((wanted, default)):
                if info is None or (info.name, info.host_api) in avoid:
                    continue
                try:
                    self._replace((), self._open({direction: info}))
                    break
                except MediaError as exc:
                    logger.info("%s", exc)

    def _in_use(self) -> dict[Direction, DeviceInfo]:
        found = {d: info for line in tuple(self._lines) for d, info in line.devices.items()}
        return {d: found[d] for d in _DIRECTIONS if d in found}

    def _tell(self, reason: AudioDeviceChangeReason, error: MediaError | None) -> None:
        if self.stopping:
            return
        names = {direction: info.name for direction, info in self._in_use().items()}
        change = AudioDeviceChange(reason, names.get("input"), names.get("output"), error)
        changed: Callable[[AudioDeviceChange], None] | None = getattr(self._stream, "device_changed", None)
        try:
            if changed is not None:
                changed(change)
            elif reason is AudioDeviceChangeReason.FAILED and error is not None:
                self._stream.device_failed(error)  # which may well start another device at once
        except Exception:
            logger.exception("the call could not be told of its sound device")
