"""What a call's media reports about itself: frozen values, named as in W3C's `getStats`, times in seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs

__all__ = ["MediaStats", "PlayoutCounts", "PlayoutStats", "mean_opinion_score"]


@attrs.frozen
class PlayoutStats:
    """Counters of one playout buffer since it was made. Sample counts are at 48 kHz."""

    packets_received: int = 0
    """Packets put in, whether they were played or not."""
    bytes_received: int = 0
    """Of payload."""
    packets_lost: int = 0
    """Packets that had not come when their time was there and have not come since."""
    packets_late: int = 0
    """Packets that came after their time and were thrown away."""
    packets_duplicated: int = 0
    packets_discarded: int = 0
    """Packets thrown away because the buffer was over its bound, or flushed, or not decodable."""
    fec_packets_recovered: int = 0
    concealed_samples: int = 0
    """Samples made up because nothing was there to be played (silence between talk spurts is not counted)."""
    silent_concealed_samples: int = 0
    """Of the above, those that were plain silence."""
    concealment_events: int = 0
    removed_samples: int = 0
    """Left out to make the delay smaller (W3C: `removedSamplesForAcceleration`)."""
    inserted_samples: int = 0
    """Played a second time to make the delay larger (W3C: `insertedSamplesForDeceleration`)."""
    total_samples: int = 0
    """Samples handed to the device, silence included (W3C: `totalSamplesReceived`)."""
    jitter_buffer_delay: float = 0.0
    """Seconds that all emitted samples together have waited; divide by `jitter_buffer_emitted_count`."""
    jitter_buffer_emitted_count: int = 0
    jitter_buffer_target_delay: float = 0.0
    """Seconds that all emitted samples together should have waited; divide as above."""
    jitter: float = 0.0
    """Interarrival jitter after RFC 3550, in seconds."""
    delay: float = 0.0
    """Seconds of audio in the buffer now."""
    target_delay: float = 0.0
    """Seconds that the fastest packets should wait now, as the network is."""


@attrs.define(slots=True)
class PlayoutCounts:
    """What the getting side of a playout buffer counts for `PlayoutStats`."""

    recovered: int = 0
    concealed: int = 0
    silent: int = 0
    events: int = 0
    removed: int = 0
    inserted: int = 0
    total: int = 0
    emitted: int = 0
    delay: float = 0.0
    target_delay: float = 0.0


@attrs.frozen
class MediaStats:
    """One snapshot of a call's media."""

    state: str = "new"
    codec: str | None = None
    """`"opus"`, `"G722"`, `"PCMU"`, `"PCMA"`, or `None` before the answer."""
    packets_sent: int = 0
    bytes_sent: int = 0
    """Payload bytes, without RTP headers."""
    packets_received: int = 0
    bytes_received: int = 0
    packets_lost: int = 0
    jitter: float = 0.0
    """Of what we receive, in seconds."""
    rtt: float | None = None
    """Round-trip time in seconds; `None` until the other side's first RTCP report."""
    remote_jitter: float | None = None
    """Of what the other side receives, by its report, in seconds."""
    remote_packets_lost: int | None = None
    """Of ours, by the other side's report."""
    remote_fraction_lost: float | None = None
    """0..1, by the other side's last report."""
    remote_packets_sent: int | None = None
    """What the other side has sent, by its last report; `None` before the first."""
    remote_bytes_sent: int | None = None
    """Its payload bytes, likewise."""
    ice_candidates: tuple[Mapping[str, str], ...] = attrs.field(default=(), repr=False)
    """Side (`"local"`, `"remote"`), type, protocol and whether in use of each candidate; no addresses."""
    only_host_candidates: bool = False
    """There are STUN or TURN servers, and none of them has answered (warning 33005)."""
    gathering_timed_out: bool = False
    """A STUN or TURN server had not answered when the time for it was up (warning 33002)."""
    samples_captured: int = 0
    samples_dropped: int = 0
    """Captured samples that were thrown away because the sender had fallen behind."""
    frames_silent: int = 0
    """Frames sent as silence because the device had delivered nothing."""
    input_level: float = 0.0
    output_level: float = 0.0
    playout: PlayoutStats = PlayoutStats()
    mos: float | None = None
    """Mean opinion score 1..4.4 after the JavaScript SDK's formula (R58); `None` before anything was received."""


def mean_opinion_score(*, jitter: float, rtt: float, received: int, lost: int) -> float | None:
    """MOS by the formula of Telnyx's JavaScript SDK, with R clamped to 0..100 (R58; protocol.md 7.3).

    Args:
        jitter: Seconds.
        rtt: Seconds.
        received: Packets.
        lost: Packets.

    Returns:
        1..4.5, or `None` when nothing was received or lost yet.
    """
    lost = max(0, lost)
    if received + lost <= 0:
        return None
    latency = jitter * 1000.0 + rtt * 1000.0 / 2.0
    delay_impairment = 0.024 * latency + (0.11 * (latency - 177.3) if latency > 177.3 else 0.0)
    loss_impairment = 20.0 * math.log(1.0 + 100.0 * lost / (received + lost))
    r = min(100.0, max(0.0, 93.2 - delay_impairment - loss_impairment))
    return min(5.0, max(1.0, 1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r)))
