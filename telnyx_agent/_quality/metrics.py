"""`CallQualityMetrics`: how good a call is now, from two snapshots of its media. PURE."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs

from .._media.stats import MediaStats, mean_opinion_score

__all__ = ["CallQuality", "CallQualityMetrics", "MOSCalculator", "calculate_mos", "get_quality", "quality_metrics"]


class CallQuality(str, enum.Enum):
    """A MOS in words. The bands are iOS's, which have no gaps (R58)."""

    EXCELLENT = "excellent"
    """Above 4.2."""
    GOOD = "good"
    """From 4.1."""
    FAIR = "fair"
    """From 3.7."""
    POOR = "poor"
    """From 3.1."""
    BAD = "bad"
    UNKNOWN = "unknown"
    """Nothing has been received yet."""

    @classmethod
    def from_mos(cls, mos: float) -> CallQuality:
        """Flutter's `CallQuality.fromMos`."""
        return get_quality(mos)


def get_quality(mos: float) -> CallQuality:
    """The MOS in words; `UNKNOWN` for NaN and the infinite. iOS: `MOSCalculator.getQuality(mos:)`."""
    if not math.isfinite(mos):
        return CallQuality.UNKNOWN
    if mos > 4.2:
        return CallQuality.EXCELLENT
    bands = ((4.1, CallQuality.GOOD), (3.7, CallQuality.FAIR), (3.1, CallQuality.POOR))
    return next((quality for least, quality in bands if mos >= least), CallQuality.BAD)


def calculate_mos(jitter_ms: float, rtt_ms: float, packets_received: int, packets_lost: int) -> float:
    """The mean opinion score, as iOS's `MOSCalculator.calculateMOS`, with R kept within 0 to 100 (R58).

    Without that clamp, iOS, Android and JavaScript rate a very bad connection better than a bad one.

    Args:
        jitter_ms: Milliseconds.
        rtt_ms: Milliseconds.
        packets_received: How many came.
        packets_lost: How many did not.

    Returns:
        1.0 to 4.41; as in iOS, NaN for times that are not finite, and no packets at all count as no loss.
    """
    if not (math.isfinite(jitter_ms) and math.isfinite(rtt_ms)):
        return math.nan
    received = max(0, packets_received)
    if received + max(0, packets_lost) == 0:
        received = 1
    mos = mean_opinion_score(jitter=jitter_ms / 1000, rtt=rtt_ms / 1000, received=received, lost=packets_lost)
    assert mos is not None
    return mos


class MOSCalculator:
    """iOS's and Android's way to `calculate_mos` and `get_quality`, with iOS's names of arguments."""

    @staticmethod
    def calculate_mos(jitter: float, rtt: float, packets_received: int, packets_lost: int) -> float:
        """iOS: `MOSCalculator.calculateMOS`; `jitter` and `rtt` in milliseconds. See `calculate_mos`."""
        return calculate_mos(jitter, rtt, packets_received, packets_lost)

    get_quality = staticmethod(get_quality)


def _frozen(value: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return None if value is None else MappingProxyType(dict(value))


@attrs.frozen
class CallQualityMetrics:
    """How good a call is, over one interval. iOS, Android and Flutter: `CallQualityMetrics`.

    The maps have the names of W3C's `getStats`, with counters since the beginning of the call and times in seconds.

    Attributes:
        jitter: Seconds; how unevenly the other side receives us, by its report, or we it, until there is one.
        rtt: Seconds to the other side and back; NaN until its first report.
        mos: 1.0 to 4.41; NaN until something was received. Loss counts in the interval, not since the beginning.
        quality: The MOS in words.
        inbound_audio_level: 0.0 to 1.0, root mean square of what is heard.
        outbound_audio_level: The same of what is sent; 0.0 while muted.
        inbound_audio: `inbound-rtp`: what we receive.
        outbound_audio: `outbound-rtp`: what we send.
        remote_inbound_audio: `remote-inbound-rtp`: what the other side receives, by its report; None before the first.
        remote_outbound_audio: `remote-outbound-rtp`: what the other side sends, by its report; None before the first.
        ice_candidates: Types and protocols of the candidates, without addresses. Android: `iceCandidates`.
        loss: 0.0 to 1.0, of the packets that should have come in the interval.
    """

    jitter: float = 0.0
    rtt: float = math.nan
    mos: float = math.nan
    quality: CallQuality = CallQuality.UNKNOWN
    inbound_audio_level: float = 0.0
    outbound_audio_level: float = 0.0
    inbound_audio: Mapping[str, Any] | None = attrs.field(default=None, converter=_frozen)
    outbound_audio: Mapping[str, Any] | None = attrs.field(default=None, converter=_frozen)
    remote_inbound_audio: Mapping[str, Any] | None = attrs.field(default=None, converter=_frozen)
    remote_outbound_audio: Mapping[str, Any] | None = attrs.field(default=None, converter=_frozen)
    ice_candidates: tuple[Mapping[str, str], ...] = ()
    loss: float = 0.0

    @classmethod
    def empty(cls) -> CallQualityMetrics:
        """Before anything was measured. iOS: `CallQualityMetrics.empty`."""
        return cls()

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON, with iOS's names (`toDictionary()`); what is not known is None."""
        return {
            "jitter": _known(self.jitter),
            "rtt": _known(self.rtt),
            "mos": _known(self.mos),
            "quality": self.quality.value,
            "inboundAudioLevel": self.inbound_audio_level,
            "outboundAudioLevel": self.outbound_audio_level,
            "inboundAudio": _plain(self.inbound_audio),
            "outboundAudio": _plain(self.outbound_audio),
            "remoteInboundAudio": _plain(self.remote_inbound_audio),
            "remoteOutboundAudio": _plain(self.remote_outbound_audio),
            "iceCandidates": [dict(candidate) for candidate in self.ice_candidates],
            "loss": self.loss,
        }

    to_map = to_dict


def quality_metrics(now: MediaStats, before: MediaStats | None) -> CallQualityMetrics:
    """What lies between two snapshots; without `before`, everything up to now."""
    received = _grown(now.packets_received, 0 if before is None else before.packets_received)
    # Packets that come late after all are taken off the lost ones, so that this may shrink.
    lost = _grown(now.packets_lost, 0 if before is None else before.packets_lost)
    jitter = now.jitter if now.remote_jitter is None else now.remote_jitter
    mos = math.nan
    if now.packets_received:
        # Who says nothing may send nothing: an interval without packets is no bad one. LOW_BYTES_RECEIVED tells.
        counted = (received, lost) if received + lost else (now.packets_received, now.packets_lost)
        score = mean_opinion_score(jitter=jitter, rtt=now.rtt or 0.0, received=counted[0], lost=counted[1])
        mos = math.nan if score is None else score
    return CallQualityMetrics(
        jitter=jitter,
        rtt=math.nan if now.rtt is None else now.rtt,
        mos=mos,
        quality=get_quality(mos),
        inbound_audio_level=now.output_level,
        outbound_audio_level=now.input_level,
        inbound_audio=_inbound(now),
        outbound_audio=_outbound(now),
        remote_inbound_audio=_remote_inbound(now),
        remote_outbound_audio=_remote_outbound(now),
        ice_candidates=now.ice_candidates,
        loss=lost / (received + lost) if received + lost else 0.0,
    )


def _grown(now: int, before: int) -> int:
    return max(0, now - before)


def _inbound(stats: MediaStats) -> dict[str, Any]:
    playout = stats.playout
    return {
        "type": "inbound-rtp",
        "kind": "audio",
        "codec": stats.codec,
        "packetsReceived": stats.packets_received,
        "bytesReceived": stats.bytes_received,
        "packetsLost": stats.packets_lost,
        "packetsDiscarded": playout.packets_late + playout.packets_discarded,
        "fecPacketsReceived": playout.fec_packets_recovered,
        "jitter": stats.jitter,
        "jitterBufferDelay": playout.jitter_buffer_delay,
        "jitterBufferTargetDelay": playout.jitter_buffer_target_delay,
        "jitterBufferEmittedCount": playout.jitter_buffer_emitted_count,
        "totalSamplesReceived": playout.total_samples,
        "concealedSamples": playout.concealed_samples,
        "silentConcealedSamples": playout.silent_concealed_samples,
        "concealmentEvents": playout.concealment_events,
        "insertedSamplesForDeceleration": playout.inserted_samples,
        "removedSamplesForAcceleration": playout.removed_samples,
        "audioLevel": stats.output_level,
    }


def _outbound(stats: MediaStats) -> dict[str, Any]:
    return {
        "type": "outbound-rtp",
        "kind": "audio",
        "codec": stats.codec,
        "packetsSent": stats.packets_sent,
        "bytesSent": stats.bytes_sent,
        "audioLevel": stats.input_level,
    }


def _remote_inbound(stats: MediaStats) -> dict[str, Any] | None:
    if stats.remote_packets_lost is None and stats.rtt is None:
        return None
    return {
        "type": "remote-inbound-rtp",
        "kind": "audio",
        "packetsLost": stats.remote_packets_lost,
        "fractionLost": stats.remote_fraction_lost,
        "jitter": stats.remote_jitter,
        "roundTripTime": stats.rtt,
    }


def _remote_outbound(stats: MediaStats) -> dict[str, Any] | None:
    if stats.remote_packets_sent is None:
        return None
    return {
        "type": "remote-outbound-rtp",
        "kind": "audio",
        "packetsSent": stats.remote_packets_sent,
        "bytesSent": stats.remote_bytes_sent,
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else dict(value)
