"""`CallDriver`: the media of one call on the loop thread - offer, answer, audio device, and their end.

It knows nothing of the protocol: it gets the remote SDP from the session driver and reports the local one. Its work is
one task, so SDP operations come one after the other. `close` ends the task; it never fails and takes at most a few
seconds. aiortc cannot restart ICE, so a call that is taken up again gets a new peer connection with the same
`AudioBridge`: audio device, mute and recording stay as they are (R54, R56).
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs

from .. import _media
from .._runtime import switch_interval
from ..errors import CallError, MediaError, TxError, in_words
from .media_watch import MediaWatch
from .quality import QualitySampler
from .sound import CallSound

if TYPE_CHECKING:
    from .._media.call_audio import AudioBridge
    from .._media.rtc.peer import MediaPeer, MediaStats
    from .._runtime.futures import CommandFuture
    from .._runtime.log import ClientLog
    from ..codecs import OpusSettings
    from ..config import IceServer
    from .ring import Ring

__all__ = ["CallDriver", "CallMedia", "CallReports"]

BYE_GRACE = 2.0
"""Seconds that a lost media connection waits for the server to say why."""

LEVEL_INTERVAL = 0.05
"""Seconds between two reports of the audio levels."""

IMPORT_LIMIT = 60.0
"""Seconds for the media libraries to be imported, once in a process. From a cold network drive it takes 10."""

DESCRIBE_LIMIT = 10.0
"""Seconds for our description to be made; STUN and TURN servers have 5 of them to answer (`MediaPeer`)."""

APPLY_LIMIT = 5.0
"""Seconds for the other side's description to be applied. Nothing in it waits, so it takes milliseconds."""

DEVICE_LIMIT = 10.0
"""Seconds for the audio device to open, or to be exchanged. Bluetooth headsets take up to 4."""

DEVICE_CLOSE_LIMIT = 2.0
"""Seconds for the audio device to close. After that, nothing waits for its thread."""

FINISH_LIMIT = 12.0
"""Seconds for the rest of a recording to be written. `StereoRecorder.close` gives up after 10."""

OFFER_INTERVAL = 1.0
"""Seconds between two answers to the other side's offers; each takes a peer connection with its sockets."""

ANSWER_LIMIT = 30.0
"""Seconds until an offer must be answered. Newer offers, which come faster than answers, must not put it off longer."""

_T = TypeVar("_T")


class CallReports(Protocol):
    """Gets what happens to a call's media. All methods are called on the loop thread."""

    def local_description(self, call_id: str, sdp: str) -> None:
        """The offer is complete and can go out."""

    def remote_description_applied(self, call_id: str) -> None:
        """The remote SDP was accepted."""

    def media_connected(self, call_id: str) -> None:
        """ICE and DTLS are up: audio flows."""

    def media_answer(self, call_id: str, sdp: str) -> None:
        """The answer to the latest offer is complete and can go out."""

    def media_lost(self, call_id: str, error: TxError, was_up: bool) -> None:
        """There is no path for the media. `was_up`: there was one, so a new connection may help."""

    def media_failed(self, call_id: str, error: TxError) -> None:
        """The media cannot go on, so the call must end."""

    def call_quality(self, call_id: str, stats: MediaStats) -> None:
        """The call's media statistics, at its interval."""

    def audio_level(self, call_id: str, inbound: float, outbound: float) -> bool:
        """How loud the call is now, 20 times a second.

        Returns:
            Whether anybody still wants to know.
        """


@attrs.frozen
class CallMedia:
    """The parts and settings of one call's media; made by `_call_media.make_media`.

    Attributes:
        bridge: The audio path between device and peer.
        sound: The audio device.
        ice_servers: STUN and TURN.
        loopback: Whether the other side is on this machine.
        opus: How Opus is encoded.
        switch_interval: Seconds; Python's switch interval while the call is up. None leaves it alone.
        ca_file: CA certificates for TURN servers, besides those of the system.
        preferred_codecs: These come first in the offer.
        relay_only: Whether only TURN servers' addresses are used.
        tone: What is heard while it rings.
        quality_interval: Seconds between two samples of the statistics.
    """

    bridge: AudioBridge
    sound: CallSound
    ice_servers: tuple[IceServer, ...]
    loopback: bool
    opus: OpusSettings
    switch_interval: float | None
    ca_file: str | None = None
    preferred_codecs: tuple[Mapping[str, Any], ...] = ()
    relay_only: bool = False
    tone: Ring | None = None
    quality_interval: float = 1.0


class CallDriver:
    """Drives one call's media from offer to close. Loop thread only."""

    def __init__(
        self, call_id: str, media: CallMedia, reports: CallReports, log: ClientLog, offer: str | None = None
    ) -> None:
        """`offer` is the other side's, for a call that came in. Without it, the driver makes an offer."""
        self._call_id = call_id
        self._offer = offer
        self._media = media
        self._reports = reports
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._mark = media.bridge.marks.mark
        self._rings = False
        self._ringing: set[asyncio.Future[None]] = set()
        self._peer: MediaPeer | None = None
        # Each peer connection has a number, so that reports of an older one can be ignored (R57).
        self._peer_number = 0
        self._lost_number = 0
        self._watch: MediaWatch | None = None
        self._answering: asyncio.Task[None] | None = None
        self._waiting_offer: str | None = None
        self._answer_again = 0.0  # when the next answer may be made, by the loop's clock
        self._retiring: set[asyncio.Task[None]] = set()
        self._remote_sdp: asyncio.Future[str] = self._loop.create_future()
        self._connected = asyncio.Event()
        self._closing = False
        self._described = False
        self._held_interval: float | None = None
        self._levels: asyncio.TimerHandle | None = None
        self._sampler = QualitySampler(
            media.quality_interval, self.stats, functools.partial(reports.call_quality, call_id)
        )
        self._task = self._loop.create_task(self._run())
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def apply_remote_description(self, sdp: str) -> None:
        """Apply the remote answer as soon as the offer has been made. Only the first counts (R28)."""
        if not self._remote_sdp.done():
            self._remote_sdp.set_result(sdp)

    def take_offer(self, sdp: str) -> None:
        """Make new media for the other side's offer; they replace the present ones.

        One answer is made at a time, at most one a second. Of the offers that come meanwhile, only the latest counts.
        """
        if not self._closing:
            # From now on, reports of the present peer connection do not count.
            self._lost_number = self._peer_number
            self._waiting_offer = sdp
            if self._answering is None or self._answering.done():
                self._answering = self._loop.create_task(self._answer())

    async def stats(self) -> MediaStats | None:
        """The media statistics so far; None while there is no peer connection."""
        return None if self._peer is None else await self._peer.stats()

    def flush(self) -> None:
        """The agent was interrupted: drop the sound that was not played yet."""
        self._media.bridge.flush()

    def ring(self, on: bool) -> None:
        """Whether the call rings now. Silence is immediate; the device is opened and closed on a thread of its own."""
        tone = self._media.tone
        if tone is None or tone.is_over or on is self._rings:
            return
        if on and (self._closing or self._connected.is_set()):
            return  # early media has come already and is heard instead of the tone
        self._rings = on
        running = asyncio.wrap_future(tone.start_ringing() if on else tone.stop_ringing(), loop=self._loop)
        self._ringing.add(running)
        running.add_done_callback(self._ringing.discard)
        running.add_done_callback(_look_at)

    def watch_levels(self) -> None:
        """Report the levels from now on, until nobody wants them or the call is over."""
        if self._levels is None and self._connected.is_set() and not self._closing:
            self._levels = self._loop.call_later(LEVEL_INTERVAL, self._report_levels)

    async def with_sound(self, job: Callable[[CallSound], None], done: CommandFuture[None]) -> None:
        """Do something with the device, which may block. `done` settles with the outcome."""
        try:
            if self._closing:
                raise CallError("this call has no audio device any more: it is over", call_id=self._call_id)
            if not await self._with_device(DEVICE_LIMIT, job):
                raise self._device_hangs()
        except TxError as error:
            done.settle(error=error)
        except Exception as exc:  # noqa: BLE001 - a device may be the user's own and raise anything
            failure = MediaError(f"the audio device failed: {in_words(exc)}", call_id=self._call_id)
            failure.__cause__ = exc
            done.settle(error=failure)
        else:
            done.settle_after_callbacks()

    def close(self) -> None:
        """Stop the device and the peer connection. Returns at once; `closed` is done when both are closed."""
        if self._closing:
            return
        self.ring(False)
        self._closing = True
        self._closer = self._loop.create_task(self._shut_down())

    async def _run(self) -> None:
        try:
            await self._negotiate()
            await self._connected.wait()
            self._mark("media_connected")
            self.ring(False)  # early media, or the answer
            self._hold_interval()
            self._reports.media_connected(self._call_id)
            self.watch_levels()
            if not await self._with_device(DEVICE_LIMIT, CallSound.start):
                raise self._device_hangs()
            self._mark("device_started")
        except asyncio.CancelledError:
            raise
        except TxError as error:
            self._fail(error)
        except Exception as exc:  # noqa: BLE001 - a bug or an unexpected third-party error must end the call, not hang it
            self._log.error("call %s: media set-up failed", self._call_id, exc_info=exc)
            self._fail(_unexpected(self._call_id, exc))

    async def _negotiate(self) -> None:
        # aiortc takes a quarter of a second to import; the loop must go on serving other calls meanwhile.
        await self._in_time(IMPORT_LIMIT, "the media library", _media.load())
        from .._media.rtc.peer import MediaPeer

        self._mark("media_started")
        peer = self._new_peer(MediaPeer)
        describing = peer.create_offer() if self._offer is None else peer.create_answer(self._offer)
        description = await self._in_time(DESCRIBE_LIMIT, "the description of the call's media", describing)
        self._described = True
        self._mark("offer_created" if self._offer is None else "answer_created")
        self._reports.local_description(self._call_id, description)
        if self._offer is None:
            accepting = peer.accept_answer(await self._remote_sdp)
            await self._in_time(APPLY_LIMIT, "the media of the other side's answer", accepting)
            self._mark("remote_description_applied")
            self._reports.remote_description_applied(self._call_id)

    def _new_peer(self, make: type[MediaPeer]) -> MediaPeer:
        """Make a peer connection and close the last one. Only `close` waits until that is closed."""
        if self._peer is not None:
            retiring = self._loop.create_task(self._retire(self._peer, self._watch))
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)
        self._watch = None
        self._peer_number += 1
        self._peer = make(
            ice_servers=self._media.ice_servers,
            bridge=self._media.bridge,
            on_state=functools.partial(self._peer_state_changed, self._peer_number),
            loopback=self._media.loopback,
            preferred_codecs=self._media.preferred_codecs,
            relay_only=self._media.relay_only,
            on_step=self._mark,
            opus=self._media.opus,
            ca_file=self._media.ca_file,
        )
        return self._peer

    async def _retire(self, peer: MediaPeer, watch: MediaWatch | None) -> None:
        if watch is not None:
            await watch.stop()
        await peer.close()

    async def _answer(self) -> None:
        """Make answers until the latest offer is answered."""
        from .._media.rtc.peer import MediaPeer

        clock = self._loop.time
        began = clock()
        try:
            while self._waiting_offer is not None:
                if clock() - began > ANSWER_LIMIT:
                    raise MediaError(
                        "the other side goes on offering new media faster than they can be made", call_id=self._call_id
                    )
                await asyncio.sleep(self._answer_again - clock())
                self._answer_again = clock() + OFFER_INTERVAL
                sdp, self._waiting_offer = self._waiting_offer, None
                answer = await self._in_time(
                    DESCRIBE_LIMIT, "the answer to the new offer", self._new_peer(MediaPeer).create_answer(sdp)
                )
                if self._waiting_offer is None:  # or else it would be taken for the answer to the next one
                    self._reports.media_answer(self._call_id, answer)
        except asyncio.CancelledError:
            raise
        except TxError as error:
            self._fail(error)
        except Exception as exc:  # noqa: BLE001 - as in `_run`
            self._log.error("call %s: the media could not be made anew", self._call_id, exc_info=exc)
            self._fail(_unexpected(self._call_id, exc))

    async def _in_time(self, limit: float, what: str, step: Awaitable[_T]) -> _T:
        """Run a step of the set-up, with a time limit."""
        # Not asyncio.wait_for: before Python 3.12 it loses a cancellation that comes just when the step ends.
        running = asyncio.ensure_future(step)
        running.add_done_callback(_look_at)
        try:
            done, _ = await asyncio.wait([running], timeout=limit)
        finally:
            running.cancel()
        if not done:
            raise MediaError(f"{what} was not ready within {limit:g} s", call_id=self._call_id)
        return running.result()

    async def _with_device(self, limit: float, job: Callable[[CallSound], None]) -> bool:
        """Run `job` on the call's own device thread. Returns whether it was done in time; if not, it goes on."""
        running = asyncio.wrap_future(self._media.sound.run(job), loop=self._loop)
        running.add_done_callback(_look_at)
        done, _ = await asyncio.wait([running], timeout=limit)
        if done:
            running.result()
        return bool(done)

    def _report_levels(self) -> None:
        outbound, inbound = self._media.bridge.take_levels()
        wanted = self._reports.audio_level(self._call_id, inbound, outbound)
        self._levels = self._loop.call_later(LEVEL_INTERVAL, self._report_levels) if wanted else None

    def _hold_interval(self) -> None:
        interval = self._media.switch_interval
        if interval is not None:
            switch_interval.hold(interval)
            self._held_interval = interval

    def _release_interval(self) -> None:
        interval, self._held_interval = self._held_interval, None
        if interval is not None:
            switch_interval.release(interval)

    def _peer_state_changed(self, number: int, state: str) -> None:
        if number != self._peer_number or self._closing:
            return
        if state == "connected":
            self._connected.set()
            self._watch_media()
            self._sampler.start()
        elif state in ("failed", "closed"):
            if self._watch is not None:
                # The far end may close its media before its bye arrives. Wait a little, because the bye has the cause.
                self._loop.call_later(BYE_GRACE, self._lose, number)
            else:
                self._lose(number)

    def _watch_media(self) -> None:
        peer = self._peer
        assert peer is not None
        bridge = self._media.bridge
        self._watch = MediaWatch(
            lambda: bridge.playout.stats().packets_received,
            peer.path_answers,
            functools.partial(self._lose, self._peer_number),
        )
        self._watch.start()

    def _lose(self, number: int) -> None:
        """The media of a peer connection are lost. Reported once, and not for one that was replaced."""
        if number == self._peer_number and number != self._lost_number and not self._closing:
            self._lost_number = number
            was_up = self._connected.is_set()
            failure = None if self._peer is None else self._peer.failure
            error = _media_lost(self._call_id) if was_up else _not_connected(self._call_id, failure)
            self._reports.media_lost(self._call_id, error, was_up)

    def _fail(self, error: TxError) -> None:
        if not self._closing:
            self._reports.media_failed(self._call_id, error)

    async def _shut_down(self) -> None:
        if self._levels is not None:
            self._levels.cancel()
        try:
            await self._sampler.stop()
            if self._peer is not None and not self._described:
                # If aioice is cancelled while it binds its sockets, they stay open. If it is closed, it ends correctly.
                await self._peer.close()
            tasks = {task for task in (self._task, self._answering) if task is not None}
            while tasks:
                for task in tasks:
                    task.cancel()
                # Again and again, because a library that a task awaits may lose a cancellation.
                _, tasks = await asyncio.wait(tasks, timeout=1.0)
            await self._stop_sound()
            if self._peer is not None:
                await self._retire(self._peer, self._watch)
            if self._retiring:
                await asyncio.wait(tuple(self._retiring))
            if self._ringing and (await asyncio.wait(tuple(self._ringing), timeout=DEVICE_CLOSE_LIMIT))[1]:
                self._log.warning("call %s: the device that rings does not close; its thread is left", self._call_id)
        except Exception as exc:  # noqa: BLE001 - whatever a library raises, `closed` must be done
            self._log.error("call %s: closing the media failed", self._call_id, exc_info=exc)
        finally:
            self._release_interval()
            self._media.sound.retire()
            self.closed.set_result(None)

    async def _stop_sound(self) -> None:
        """Stop the device, then complete the recording. The second does not wait for a device that hangs."""
        try:
            if not await self._with_device(DEVICE_CLOSE_LIMIT, CallSound.stop_device):
                self._log.warning("call %s: the audio device does not close; its thread is left", self._call_id)
        except Exception as exc:  # noqa: BLE001 - a device may be the user's own and raise anything
            self._log.error("call %s: closing the audio device failed", self._call_id, exc_info=exc)
        try:
            finishing = self._loop.run_in_executor(None, self._media.sound.finish)
            finishing.add_done_callback(_look_at)
            if (await asyncio.wait([finishing], timeout=FINISH_LIMIT))[0]:
                finishing.result()
        except Exception as exc:  # noqa: BLE001 - the rest of the call must still be closed
            self._log.error("call %s: the recording could not be ended", self._call_id, exc_info=exc)

    def _device_hangs(self) -> MediaError:
        return MediaError(
            f"the audio device did not answer within {DEVICE_LIMIT:g} s, so its driver hangs: unplug it, choose "
            "another one of telnyx-agent devices, or restart the system's sound service",
            code=42003,
            call_id=self._call_id,
        )


def _look_at(future: asyncio.Future[Any]) -> None:
    """Fetch a future's error, so that asyncio does not complain if nobody else does."""
    if not future.cancelled():
        future.exception()


_HANDSHAKE = "the other side was reached, and the audio could not be encrypted (DTLS): "
_NOT_CONNECTED: dict[str, tuple[type[TxError], int, str]] = {
    "path": (
        CallError,
        33004,
        (
            "no audio path to the other side could be found; a firewall may block UDP: "
            "allow it or give a TURN server that uses TCP or TLS in webrtc_ice_servers"
        ),
    ),
    "silence": (
        MediaError,
        33004,
        _HANDSHAKE + "it did not answer in time; place the call again, and report it if that happens every time",
    ),
    "handshake": (
        MediaError,
        33004,
        _HANDSHAKE + "the handshake was refused, so the two sides have no version, cipher or certificate in common",
    ),
    "encryption": (MediaError, 33004, _HANDSHAKE + "the two sides have no SRTP profile in common"),
    "fingerprint": (
        MediaError,
        40004,
        (
            "the other side's certificate does not have the fingerprint that its description names, so somebody else "
            "may be listening: the call was ended before any audio was sent"
        ),
    ),
}
"""By `MediaPeer.failure`: class, code and text of the error if the media were never up."""


def _not_connected(call_id: str, failure: str | None) -> TxError:
    kind, code, text = _NOT_CONNECTED[failure or "path"]
    return kind(text, code=code, call_id=call_id)


def _media_lost(call_id: str) -> CallError:
    return CallError("the audio connection to the other side was lost", code=33001, call_id=call_id)


def _unexpected(call_id: str, exc: Exception) -> MediaError:
    error = MediaError(f"the call's media could not be set up: {in_words(exc)}", call_id=call_id)
    error.__cause__ = exc
    return error
