"""`CallDriver`: the media of one call on the loop thread - offer, answer, audio device, and the way out.

It knows nothing of the protocol: the session driver hands it the remote SDP and is told of the local one. Its life is
one task (so SDP operations are strictly serial) that ends in `close`, which never fails and takes at most a few
seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import attrs

from .. import _media
from .._runtime import switch_interval
from ..errors import CallError, MediaError, TxError
from .sound import CallSound

if TYPE_CHECKING:
    from .._media.bridge import AudioBridge
    from .._media.peer import MediaPeer, MediaStats
    from .._media.settings import OpusSettings
    from .._runtime.log import ClientLog
    from ..config import IceServer

__all__ = ["CallDriver", "CallMedia", "CallReports"]

BYE_GRACE = 2.0
"""Seconds that a lost media connection waits for the server to say why."""

LEVEL_INTERVAL = 0.05
"""Seconds between two reports of the audio levels."""


class CallReports(Protocol):
    """Where a call driver says what happened. All called on the loop thread."""

    def local_description(self, call_id: str, sdp: str) -> None:
        """The offer is complete and can go out."""

    def remote_description_applied(self, call_id: str) -> None:
        """The remote SDP was accepted."""

    def media_connected(self, call_id: str) -> None:
        """ICE and DTLS are up: audio flows."""

    def media_failed(self, call_id: str, error: TxError) -> None:
        """There is no way to go on; the call must end."""

    def audio_level(self, call_id: str, inbound: float, outbound: float) -> bool:
        """How loud the call is now, 20 times a second.

        Returns:
            Whether anybody still wants to know.
        """


@attrs.frozen
class CallMedia:
    """What one call's media is made of; put together by the facade.

    Attributes:
        bridge: The audio path between device and peer.
        sound: The audio device.
        ice_servers: STUN and TURN.
        loopback: Whether the other side is on this machine.
        opus: How Opus is encoded.
        switch_interval: Seconds; Python's switch interval while the call is up. None leaves it alone.
    """

    bridge: AudioBridge
    sound: CallSound
    ice_servers: tuple[IceServer, ...]
    loopback: bool
    opus: OpusSettings
    switch_interval: float | None


class CallDriver:
    """Drives one call's media from offer to close. Loop thread only."""

    def __init__(self, call_id: str, media: CallMedia, reports: CallReports, log: ClientLog) -> None:
        self._call_id = call_id
        self._media = media
        self._reports = reports
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._peer: MediaPeer | None = None
        self._remote_sdp: asyncio.Future[str] = self._loop.create_future()
        self._connected = asyncio.Event()
        self._closing = False
        self._offer_made = False
        self._held_interval: float | None = None
        self._levels: asyncio.TimerHandle | None = None
        self._task = self._loop.create_task(self._run())
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def apply_remote_description(self, sdp: str) -> None:
        """Apply the remote answer as soon as the offer has been made. Only the first counts (R28)."""
        if not self._remote_sdp.done():
            self._remote_sdp.set_result(sdp)

    async def stats(self) -> MediaStats | None:
        """The media statistics so far; None while there is no peer connection."""
        return None if self._peer is None else await self._peer.stats()

    def flush(self) -> None:
        """The agent was interrupted: what it said and nobody has heard yet is not wanted any more."""
        self._media.bridge.flush()

    def watch_levels(self) -> None:
        """Report the levels from now on, until nobody wants them any more or the call is over."""
        if self._levels is None and self._connected.is_set() and not self._closing:
            self._levels = self._loop.call_later(LEVEL_INTERVAL, self._report_levels)

    async def on_worker(self, job: Callable[[CallSound], None]) -> None:
        """Do something with the device on a worker thread, because it may block; raises what the job raises."""
        await self._loop.run_in_executor(None, job, self._media.sound)

    def close(self) -> None:
        """Stop the device and the peer connection. Returns at once; `closed` is done when everything is gone."""
        if self._closing:
            return
        self._closing = True
        self._closer = self._loop.create_task(self._shut_down())

    async def _run(self) -> None:
        try:
            offer = await self._make_offer()
            self._offer_made = True
            self._reports.local_description(self._call_id, offer)
            sdp = await self._remote_sdp
            assert self._peer is not None
            await self._peer.accept_answer(sdp)
            self._reports.remote_description_applied(self._call_id)
            await self._connected.wait()
            self._hold_interval()
            self._reports.media_connected(self._call_id)
            self.watch_levels()
            await self._loop.run_in_executor(None, self._media.sound.start)
        except asyncio.CancelledError:
            raise
        except TxError as error:
            self._fail(error)
        except Exception as exc:  # noqa: BLE001 - a bug or an unexpected third-party error must end the call, not hang it
            self._log.error("call %s: media set-up failed", self._call_id, exc_info=exc)
            self._fail(_unexpected(self._call_id, exc))

    async def _make_offer(self) -> str:
        # aiortc takes a quarter of a second to import; the loop must go on serving other calls meanwhile.
        await _media.load()
        from .._media.peer import MediaPeer

        self._peer = MediaPeer(
            ice_servers=self._media.ice_servers,
            bridge=self._media.bridge,
            on_state=self._peer_state_changed,
            loopback=self._media.loopback,
            opus=self._media.opus,
        )
        return await self._peer.create_offer()

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

    def _peer_state_changed(self, state: str) -> None:
        if state == "connected":
            self._connected.set()
        elif state in ("failed", "closed"):
            if self._connected.is_set():
                # The far end may close its media before its BYE has arrived: give that the chance to say why.
                self._loop.call_later(BYE_GRACE, self._fail, _media_lost(self._call_id))
            else:
                self._fail(_no_media_path(self._call_id))

    def _fail(self, error: TxError) -> None:
        if not self._closing:
            self._reports.media_failed(self._call_id, error)

    async def _shut_down(self) -> None:
        if self._levels is not None:
            self._levels.cancel()
        try:
            if self._peer is not None and not self._offer_made:
                # Cancelled while it binds its sockets, aioice would leave them open; closed, it ends by itself.
                await self._peer.close()
            self._task.cancel()
            await asyncio.wait([self._task])
            await self._loop.run_in_executor(None, self._media.sound.stop)
            if self._peer is not None:
                await self._peer.close()
        except Exception as exc:  # noqa: BLE001 - the way out must come to its end whatever third parties do
            self._log.error("call %s: closing the media failed", self._call_id, exc_info=exc)
        finally:
            self._release_interval()
            self.closed.set_result(None)


def _no_media_path(call_id: str) -> CallError:
    return CallError(
        "no audio path to the other side could be found; a firewall may block UDP: "
        "allow it or give a TURN server that uses TCP or TLS in webrtc_ice_servers",
        code=33004,
        call_id=call_id,
    )


def _media_lost(call_id: str) -> CallError:
    return CallError("the audio connection to the other side was lost", code=33001, call_id=call_id)


def _unexpected(call_id: str, exc: Exception) -> MediaError:
    error = MediaError(f"the call's media could not be set up: {type(exc).__name__}: {exc}", call_id=call_id)
    error.__cause__ = exc
    return error
