"""The agent's end of the voice: one plain aiortc peer for each call. Loop thread only.

Plain on purpose: it shares nothing with the SDK's own media code, so that each checks the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import logging
from collections.abc import Callable
from typing import Any

import av
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.sdp import candidate_from_sdp

from .._media.rtc import aiortc_internals
from . import _ice
from .voice import SAMPLE_RATE, Samples

__all__ = ["AgentPeer"]

logger = logging.getLogger("telnyx_agent.testing")

EARS_RATE = 16000
CLOSE_TIMEOUT = 1.5
# Frames that wait for aiortc to fetch them: more would only add delay.
_BACKLOG = 3


class VoiceTrack(MediaStreamTrack):
    """What the agent says, handed to aiortc frame by frame as the mouth produces it."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._frames: asyncio.Queue[Samples] = asyncio.Queue(_BACKLOG)
        self._timestamp = 0

    def play(self, samples: Samples) -> None:
        """Offer 20 ms of sound; the oldest goes if nobody fetches them."""
        if self._frames.full():
            self._frames.get_nowait()
            self._timestamp += len(samples)
        self._frames.put_nowait(samples)

    async def recv(self) -> av.AudioFrame:
        """The next 20 ms, as soon as there are any."""
        if self.readyState != "live":
            raise MediaStreamError
        samples = await self._frames.get()
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = self._timestamp
        frame.time_base = fractions.Fraction(1, SAMPLE_RATE)
        self._timestamp += len(samples)
        return frame


class AgentPeer:
    """One peer connection.

    Args:
        hear: Gets what the caller says: mono, 16 bit, 16 kHz, in small pieces.
        codecs: Names of the codecs that may be used, such as `("opus",)`; None for all.
        same_machine: Whether the caller is on this machine, so that its hidden (`.local`) addresses are ours.
    """

    def __init__(
        self, hear: Callable[[Samples], None], *, codecs: tuple[str, ...] | None = None, same_machine: bool = True
    ) -> None:
        self.connected = asyncio.Event()
        self._hear = hear
        self._codecs = codecs
        self._same_machine = same_machine
        # SDP operations one after the other, and the end after them: aiortc leaves sockets open when it is closed while
        # it gathers.
        self._negotiating = asyncio.Lock()
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._track = VoiceTrack()
        self._receiver: asyncio.Task[None] | None = None
        self._trickle: list[tuple[str | None, str | None, int | None]] = []
        self._pc.on("track", self._on_track)
        self._pc.on("connectionstatechange", self._on_state)

    @property
    def state(self) -> str:
        """aiortc's connection state."""
        return str(self._pc.connectionState)

    def play(self, samples: Samples) -> None:
        """Send 20 ms of sound."""
        self._track.play(samples)

    async def answer(self, offer: str, *, trickle: bool) -> str:
        """Apply an offer and return the complete answer.

        Raises:
            Exception: aiortc could not use the offer.
        """
        async with self._negotiating:
            return await self._answer(offer, trickle=trickle)

    async def _answer(self, offer: str, *, trickle: bool) -> str:
        sdp = _ice.resolve_hidden_candidates(offer) if self._same_machine else offer
        # In this order: aiortc settles the codecs when it gets the offer.
        self._pc.addTrack(self._track)
        self._prefer_codecs()
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        _ice.offer_loopback_if_alone(self._pc)
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        pending, self._trickle = self._trickle, []
        for candidate in pending:
            await self._add(*candidate)
        if not trickle and not any(candidate[0] is None for candidate in pending):
            # Without this aiortc would wait for more candidates for ever when none of these works.
            await self._add(None, None, 0)
        return str(self._pc.localDescription.sdp)

    async def offer(self) -> str:
        """A complete offer, for a client that comes back."""
        async with self._negotiating:
            self._pc.addTrack(self._track)
            self._prefer_codecs()
            offer = await self._pc.createOffer()
            _ice.offer_loopback_if_alone(self._pc)
            await self._pc.setLocalDescription(offer)
            return str(self._pc.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        """Apply the client's answer to `offer`."""
        sdp = _ice.resolve_hidden_candidates(answer) if self._same_machine else answer
        async with self._negotiating:
            await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def add_candidate(self, candidate: str | None, mid: str | None, index: int | None) -> None:
        """Add a trickled candidate; None is the end of them. Those that come before the offer is applied wait."""
        if self._pc.remoteDescription is None or self._pc.localDescription is None:
            self._trickle.append((candidate, mid, index))
        else:
            await self._add(candidate, mid, index)

    async def _add(self, candidate: str | None, mid: str | None, index: int | None) -> None:
        lines = [None] if candidate is None else [candidate]
        if candidate is not None and self._same_machine:
            lines = list(_ice.resolve_hidden_candidates(candidate.strip()).split("\r\n"))
        for line in lines:
            try:
                parsed = None if line is None else candidate_from_sdp(line.strip().removeprefix("candidate:"))
                if parsed is not None:
                    parsed.sdpMid, parsed.sdpMLineIndex = mid, 0 if index is None and mid is None else index
                await self._pc.addIceCandidate(parsed)
            except Exception as exc:  # noqa: BLE001
                # A candidate that cannot be used (TCP, IPv6 zone) is no reason to end a call.
                logger.info("candidate ignored: %s", exc)

    def _prefer_codecs(self) -> None:
        if self._codecs is None:
            return
        wanted = {name.lower() for name in self._codecs}
        offered = RTCRtpSender.getCapabilities("audio").codecs
        chosen = [codec for codec in offered if codec.mimeType.split("/")[-1].lower() in wanted]
        for transceiver in self._pc.getTransceivers():
            transceiver.setCodecPreferences(chosen)

    def _on_state(self) -> None:
        if self._pc.connectionState == "connected":
            self.connected.set()

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and self._receiver is None:
            self._receiver = asyncio.get_running_loop().create_task(self._receive(track))

    async def _receive(self, track: MediaStreamTrack) -> None:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=EARS_RATE)
        with contextlib.suppress(MediaStreamError):
            while True:
                frame: Any = await track.recv()
                for part in resampler.resample(frame):
                    self._hear(part.to_ndarray().reshape(-1).astype(np.int16, copy=False))

    async def close(self) -> None:
        """End it; bounded, whatever aiortc does."""
        self._track.stop()
        try:
            await asyncio.wait_for(self._close_connection(), CLOSE_TIMEOUT)
        except asyncio.TimeoutError:
            logger.warning("a peer connection took too long to close")
        if self._receiver is not None:
            # A track whose call never got as far as media does not end by itself.
            self._receiver.cancel()
            await asyncio.gather(self._receiver, return_exceptions=True)

    async def _close_connection(self) -> None:
        async with self._negotiating:
            await aiortc_internals.stop_checks(self._pc)
            await self._pc.close()
        await _ice.close_for_good(self._pc)
