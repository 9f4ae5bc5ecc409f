"""One call's WebRTC peer connection: offer, answer, state, statistics, close. LOOP THREAD ONLY.

Importing this module imports aiortc (a quarter of a second); `telnyx_agent._media.load()` does it off the loop.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiortc import (
    RTCCertificate,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from ...codecs import OpusSettings
from ...config import IceServer
from ...errors import MediaError
from ..call_audio import AudioBridge
from ..codecs.codec import SUPPORTED
from ..codecs.opus import OpusEncoder, library
from ..codecs.table import create_decoder, create_encoder
from ..fec_advisor import LossAdvisor, Protection
from ..stats import MediaStats, mean_opinion_score
from . import aiortc_internals, rtp
from .description import (
    MOST_REMOTE_CANDIDATES,
    UNUSABLE,
    only_host_candidates,
    opus_wishes,
    payload_types,
    prepare_local,
    prepare_remote,
    with_rejected_sections,
)
from .ice_servers import usable_servers
from .sender import FrameSender

__all__ = ["MediaPeer", "MediaStats", "warm_up"]

_log = logging.getLogger("telnyx_agent.media")

NO_CANDIDATES = 33003
"""Official warning code: not one ICE candidate was gathered."""

CONNECT_LIMIT = 15.0
"""Seconds from the answer to an open path with keys. aioice's own checks of one pair of addresses take 30."""

_CLOSE_TIMEOUT, _ABORT_TIMEOUT = 1.5, 0.5
_DEFAULT_OPUS = OpusSettings()


def warm_up() -> None:
    """Do once, off the loop, what would read files on it in the first call."""
    # The first certificate makes cryptography import more of itself; looking for libopus may even start a process.
    RTCCertificate.generateCertificate()
    # So does the first DTLS handshake.
    importlib.import_module("cryptography.hazmat.primitives.serialization")
    library()
    for name in SUPPORTED:
        create_encoder(name)
        create_decoder(name)


def _ignore(step: str) -> None:
    """For those who do not want to know."""


class _NoTrack(MediaStreamTrack):
    """What aiortc describes as our track. It is never asked for a frame: `rtp.py` sends."""

    kind = "audio"

    async def recv(self) -> Any:
        """There is nothing."""
        raise MediaStreamError


class MediaPeer:
    """Sends what the bridge captures and gives the bridge what comes.

    Args:
        ice_servers: STUN and TURN servers in order of preference; the first of each kind that answers is used.
        bridge: The call's audio.
        on_state: Called on the loop with `"connecting"`, `"connected"`, `"failed"` and `"closed"`, each at most once;
            `"closed"` comes last, whoever closed.
        gather_timeout: Seconds for STUN and TURN servers to answer; the offer is then made of what is there.
        connect_timeout: Seconds from the answer to an open path, after which the connection has failed.
        loopback: Offer 127.0.0.1 too, for a peer on this machine. Without any other address it is offered anyway.
        preferred_codecs: W3C's codec dictionaries (`{"mimeType": "audio/opus", ...}`); these come first in the offer,
            in this order. Unknown ones are ignored.
        relay_only: Offer and use addresses of TURN servers only.
        on_step: Told by name, on the loop, how far the connection has come; each step once or more.
        opus: How Opus is encoded.
        ca_file: CA certificates that TURN servers may be verified with beside the system's.

    Raises:
        MediaError: The installed aiortc cannot be used.
    """

    def __init__(
        self,
        *,
        ice_servers: Sequence[IceServer],
        bridge: AudioBridge,
        on_state: Callable[[str], None],
        gather_timeout: float = 5.0,
        connect_timeout: float = CONNECT_LIMIT,
        loopback: bool = False,
        preferred_codecs: Sequence[Mapping[str, Any]] = (),
        relay_only: bool = False,
        on_step: Callable[[str], object] = _ignore,
        opus: OpusSettings = _DEFAULT_OPUS,
        ca_file: str | None = None,
    ) -> None:
        aiortc_internals.check()
        self._loop = asyncio.get_running_loop()
        self._bridge = bridge
        self._on_state = on_state
        self._on_step = on_step
        self._relay_only = relay_only
        self._opus = opus
        self._connect_timeout = connect_timeout
        self._state = "new"
        self._reported: set[str] = set()
        self._codec: str | None = None
        self._failure: str | None = None
        self._only_host = False
        self._gathering_timed_out = False
        self._closing: asyncio.Task[None] | None = None
        self._negotiating: asyncio.Task[None] | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._decoder_released = False
        self._asks_servers = bool(ice_servers)
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pc.on("connectionstatechange", self._connection_state_changed)
        self._pc.on("iceconnectionstatechange", self._ice_state_changed)
        aiortc_internals.hear_failure(self._pc, self._connecting_failed)
        self._sender = FrameSender(bridge)
        self._clock_rates: dict[int, int] = {}
        self._advisor: LossAdvisor | None = None
        self._protection: Protection | None = None
        self._track = _NoTrack()
        self._transceiver = self._pc.addTransceiver(self._track, direction="sendrecv")
        if preferred_codecs:
            self._transceiver.setCodecPreferences(_in_order(preferred_codecs))
        rtp.attach_sender(self._transceiver.sender, self._sender, self._loss_reported)
        aiortc_internals.accept_one_fingerprint(self._transceiver.receiver)
        aiortc_internals.bound_gathering(
            self._transceiver.receiver,
            usable_servers(ice_servers),
            gather_timeout,
            loopback=loopback,
            relay_only=relay_only,
            ca_file=ca_file,
            on_late=self._gathering_is_late,
            on_socket=rtp.attach_receiver(
                self._transceiver.receiver,
                bridge.playout.put,
                self._clock_rates,
                functools.partial(on_step, "first_packet"),
            ),
        )

    def _gathering_is_late(self) -> None:
        self._gathering_timed_out = True

    @property
    def state(self) -> str:
        """`"new"`, `"connecting"`, `"connected"`, `"failed"` or `"closed"`."""
        return self._state

    @property
    def failure(self) -> str | None:
        """In the state `"failed"`, what it has failed at: see `aiortc_internals.why_not_connected`."""
        return self._failure

    @property
    def codec(self) -> str | None:
        """What is sent: `"opus"`, `"G722"`, `"PCMU"`, `"PCMA"`; `None` before the answer."""
        return self._codec

    @property
    def only_host_candidates(self) -> bool:
        """Whether our description has host candidates only although there are servers (warning 33005)."""
        return self._only_host

    async def create_offer(self) -> str:
        """Gather and make the offer, complete with candidates.

        Raises:
            MediaError: Not one candidate was found (code 33003).
        """
        return await self._describe()

    async def accept_answer(self, sdp: str) -> None:
        """Apply the other side's answer; from here on `on_state` tells.

        Raises:
            MediaError: It cannot be used, or one was applied before (code 40004). The call cannot have audio.
        """
        if self._pc.signalingState != "have-local-offer":
            raise MediaError(f"no answer is expected now ({self._pc.signalingState})", code=UNUSABLE)
        most = min(MOST_REMOTE_CANDIDATES, aiortc_internals.most_candidates(self._transceiver.receiver))
        mid = self._transceiver.mid
        await self._apply(prepare_remote(sdp, kind="answer", mid=mid, most_candidates=most), "answer")
        self._start_watchdog()

    async def create_answer(self, sdp: str) -> str:
        """Apply the other side's offer and make the answer, complete with candidates.

        Raises:
            MediaError: The offer cannot be used (code 40004), or not one candidate was found (code 33003).
        """
        await self._apply(prepare_remote(sdp, kind="offer", mid=None), "offer")
        answer = with_rejected_sections(await self._describe(), sdp)
        self._start_watchdog()
        return answer

    async def path_answers(self, timeout: float) -> bool:
        """Whether the other end answers on the ICE path within so many seconds; see `aiortc_internals.path_answers`."""
        return await aiortc_internals.path_answers(self._transceiver.sender, timeout)

    async def stats(self) -> MediaStats:
        """One snapshot."""
        playout = self._bridge.playout.stats()
        outbound: Any = None
        remote: Any = None
        remote_outbound: Any = None
        for report in (await self._pc.getStats()).values():
            if report.type == "outbound-rtp":
                outbound = report
            elif report.type == "remote-inbound-rtp":
                remote = report
            elif report.type == "remote-outbound-rtp":
                remote_outbound = report
        rtt = None if remote is None or remote.roundTripTime is None else max(0.0, remote.roundTripTime)
        encoder = self._sender.encoder
        return MediaStats(
            state=self._state,
            codec=self._codec,
            packets_sent=0 if outbound is None else outbound.packetsSent,
            bytes_sent=0 if outbound is None else outbound.bytesSent,
            packets_received=playout.packets_received,
            bytes_received=playout.bytes_received,
            packets_lost=playout.packets_lost,
            jitter=playout.jitter,
            rtt=rtt,
            remote_jitter=None if remote is None or encoder is None else remote.jitter / encoder.clock_rate,
            remote_packets_lost=None if remote is None else remote.packetsLost,
            remote_fraction_lost=None if remote is None else remote.fractionLost / 256,
            remote_packets_sent=None if remote_outbound is None else remote_outbound.packetsSent,
            remote_bytes_sent=None if remote_outbound is None else remote_outbound.bytesSent,
            ice_candidates=aiortc_internals.described_candidates(self._transceiver.sender),
            only_host_candidates=self._only_host,
            gathering_timed_out=self._gathering_timed_out,
            samples_captured=self._bridge.capture.pushed,
            samples_dropped=self._bridge.capture.dropped,
            frames_silent=self._sender.silent_frames,
            input_level=self._bridge.input_level,
            output_level=self._bridge.output_level,
            playout=playout,
            mos=mean_opinion_score(
                jitter=playout.jitter,
                rtt=rtt or 0.0,
                received=playout.packets_received,
                lost=playout.packets_lost,
            ),
        )

    async def close(self) -> None:
        """End the connection and free everything, in 2 s at most. Never raises; may be called again."""
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _describe(self) -> str:
        # In a task, so that close() can stop it without having to cancel whoever waits here.
        self._negotiating = self._loop.create_task(self._pc.setLocalDescription())
        try:
            await asyncio.shield(self._negotiating)
        except asyncio.CancelledError:
            if self._closing is not None and self._negotiating.cancelled():
                raise MediaError("the call was ended before its media was described", code=UNUSABLE) from None
            raise
        except (ValueError, RuntimeError, OSError) as exc:
            raise MediaError(f"the call's media could not be described: {exc}", code=UNUSABLE) from exc
        sdp = self._pc.localDescription.sdp
        if "a=candidate:" not in sdp and self._relay_only:
            raise MediaError(
                "no TURN server gave an address, and force_relay_candidate allows no other: check webrtc_ice_servers",
                code=NO_CANDIDATES,
            )
        if "a=candidate:" not in sdp:
            raise MediaError(
                "no address of this machine can be used for audio: connect it to the internet or switch a firewall off",
                code=NO_CANDIDATES,
            )
        self._only_host = self._asks_servers and only_host_candidates(sdp)
        return prepare_local(sdp)

    async def _apply(self, sdp: str, kind: str) -> None:
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(sdp, kind))
            self._choose_codecs(sdp)
        except Exception as exc:
            reason = str(exc) or type(exc).__name__
            raise MediaError(f"the other side's {kind} cannot be used: {reason}", code=UNUSABLE) from exc

    def _choose_codecs(self, sdp: str) -> None:
        """aiortc sends with the first common codec and lets all common ones in."""
        theirs = payload_types(sdp)
        codecs = aiortc_internals.negotiated_codecs(self._transceiver)
        free = list(theirs)
        for codec in codecs:  # aiortc takes over only numbers from 96 on
            number = next((number for number in free if theirs[number].lower() == codec.name.lower()), None)
            if number is not None:
                free.remove(number)
                codec.payloadType = number
        self._codec = codecs[0].name
        wishes = opus_wishes(sdp)
        settings = wishes.applied_to(self._opus)
        encoder = create_encoder(codecs[0].name, settings)
        if isinstance(encoder, OpusEncoder):
            encoder.restrict(playback_rate=wishes.playback_rate, constant_bitrate=wishes.constant_bitrate)
            self._advisor = LossAdvisor(settings, usable=wishes.fec)
            self._protect(encoder, self._advisor.initially())
        self._sender.encoder = encoder
        # Packets may come with the numbers of either description. The other side should use those of our offer (RFC
        # 3264 section 6.1), so where both give a meaning to a number, ours is it.
        local: Any = self._pc.localDescription  # None while an offer is being applied
        ours = {} if local is None else payload_types(local.sdp)
        names = {**theirs, **ours}
        decoders = {name: create_decoder(name) for name in set(names.values())}
        self._bridge.playout.set_decoders({number: decoders[name] for number, name in names.items()})
        self._clock_rates.update((number, decoders[name].clock_rate) for number, name in names.items())

    def _loss_reported(self, report: rtp.LossReport) -> None:
        encoder = self._sender.encoder
        if self._advisor is not None and isinstance(encoder, OpusEncoder):
            self._protect(encoder, self._advisor.report(report.fraction_lost, self._loop.time()))

    def _protect(self, encoder: OpusEncoder, protection: Protection) -> None:
        if protection != self._protection:
            self._protection = protection
            encoder.protect(fec=protection.fec, expected_loss=protection.expected_loss)
            _log.debug("Opus is sent for %d %% loss, FEC %s", protection.expected_loss, protection.fec)

    def _ice_state_changed(self) -> None:
        if self._pc.iceConnectionState in ("connected", "completed"):
            self._on_step("ice_connected")

    def _start_watchdog(self) -> None:
        # aioice gives up after half a minute, a DTLS handshake that is never answered not at all.
        if self._closing is None and self._state in ("new", "connecting"):
            self._watchdog = self._loop.call_later(self._connect_timeout, self._report, "failed")

    def _connection_state_changed(self) -> None:
        state = self._pc.connectionState
        if state == "new" or (state == "closed" and self._closing is not None):
            return  # our own close reports when it is done
        if state == "connected":
            # aiortc starts its receiver in this same turn of the loop.
            self._loop.call_soon(self._release_decoder)
        self._report(state)

    def _connecting_failed(self, error: Exception) -> None:
        if self._closing is None:
            _log.error("the connection could not be made", exc_info=error)
            self._report("failed")

    def _release_decoder(self) -> None:
        self._decoder_released |= aiortc_internals.release_decoder(self._transceiver.receiver)

    def _report(self, state: str) -> None:
        if state in self._reported or "closed" in self._reported:
            return
        if state in ("connecting", "connected") and "failed" in self._reported:
            return
        if state != "connecting" and self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        if state in ("failed", "closed"):
            self._sender.stop()  # nobody hears it any more
        if state == "failed":
            self._failure = aiortc_internals.why_not_connected(self._transceiver.sender)
        self._reported.add(state)
        self._state = state
        try:
            self._on_state(state)
        except Exception:  # noqa: BLE001 - a listener's bug must not break aiortc's state machine in the middle
            _log.exception("a listener failed on media state %r", state)

    async def _close(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        closing = self._loop.create_task(self._close_connection())
        try:
            _, late = await asyncio.wait({closing}, timeout=_CLOSE_TIMEOUT)
            if late:
                _log.debug("closing the peer connection takes too long; its sockets are closed now")
                aiortc_internals.abort(self._pc)
                await asyncio.wait({closing}, timeout=_ABORT_TIMEOUT)
            if not closing.done():
                closing.cancel()
            elif not closing.cancelled():
                closing.result()
        except Exception:  # noqa: BLE001 - the call is over in any case
            _log.exception("closing the peer connection failed")
        finally:
            self._sender.stop()
            self._track.stop()
            self._report("closed")

    async def _close_connection(self) -> None:
        aiortc_internals.start_no_more(self._pc)
        if self._negotiating is not None:
            self._negotiating.cancel()
            # Whoever waited for it has had its error, or has been cancelled and does not want it.
            await asyncio.gather(self._negotiating, return_exceptions=True)
        if self._pc.remoteDescription is not None:
            # ICE must not wait for more candidates, or its checks would never end.
            await self._pc.addIceCandidate(None)
        await aiortc_internals.stop_checks(self._pc)
        self._release_decoder()
        await self._pc.close()
        if self._decoder_released:
            try:
                # The last that aiortc's thread does is to end the track; joining it would block the loop.
                await self._transceiver.receiver.track.recv()
            except MediaStreamError:
                pass


def _in_order(preferred: Sequence[Mapping[str, Any]]) -> list[RTCRtpCodecCapability]:
    """All codecs, the preferred ones first."""
    wanted = [str(codec.get("mimeType", "")).lower() for codec in preferred]
    capabilities = RTCRtpSender.getCapabilities("audio").codecs

    def rank(codec: RTCRtpCodecCapability) -> int:
        name = codec.mimeType.lower()
        return wanted.index(name) if name in wanted else len(wanted)

    return sorted(capabilities, key=rank)
