"""Sequence numbers and timestamps made one line, without wraps, jumps back and restarts; and their jitter. PURE."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["JitterMeter", "PacketOrder", "Place", "ReceivedPacket", "distance"]

_MAX_DROPOUT, _MAX_MISORDER = 3000, 100  # RFC 3550 A.1


class ReceivedPacket(NamedTuple):
    """One RTP packet as far as playout is concerned. A tuple, because one is made for each packet.

    Args:
        sequence_number: 16 bits.
        timestamp: 32 bits, in the codec's clock.
        payload: Without padding.
        arrival: Seconds on any steady clock; only differences count, and only for the jitter statistic.
        ssrc: Another one means another stream.
        payload_type: Chooses the decoder.
    """

    sequence_number: int
    timestamp: int
    payload: bytes
    arrival: float = 0.0
    ssrc: int = 0
    payload_type: int = -1


class Place(NamedTuple):
    """Where a packet belongs on the line.

    Args:
        number: Consecutive for consecutive packets, whatever their sequence numbers.
        start: In samples.
        first_of_stream: Whether a stream begins with it.
        restarted: Whether its place has nothing to do with those of earlier packets: a new stream or another clock.
    """

    number: int
    start: int
    first_of_stream: bool
    restarted: bool


class PacketOrder:
    """Sequence numbers and timestamps of one stream after the other, as one line without wraps, jumps and restarts."""

    def __init__(self) -> None:
        self.newest: int | None = None
        self.end = 0
        """Where the newest packet's audio ends."""
        self._sequence = 0
        self._timestamp = 0
        self._start = 0
        self._ssrc = 0
        self._payload_type = -1
        self._former: tuple[int, int] | None = None  # SSRC and newest sequence number before the last change of SSRC
        self._expected: int | None = None  # after a packet from far off: if this number comes next, it is believed

    def place(self, packet: ReceivedPacket, duration: int, ratio: int, longest_gap: int | None = None) -> Place | None:
        """Where a packet belongs.

        Args:
            packet: The one that has come.
            duration: Samples in it.
            ratio: Samples to one tick of its timestamp.
            longest_gap: A longer hole in the timestamps cannot be a pause; `None` when it can be of any length.

        Returns:
            Its place, or `None` when it is left over from an earlier stream or the first from far off.
        """
        if self.newest is None:
            return self._restart(packet, duration)
        if packet.ssrc != self._ssrc:
            former = self._former
            if former and packet.ssrc == former[0] and distance(packet.sequence_number, former[1], 16) <= 0:
                return None
            self._former = (self._ssrc, self._sequence)
            return self._restart(packet, duration)
        step = distance(packet.sequence_number, self._sequence, 16)
        if step >= _MAX_DROPOUT or step <= -_MAX_MISORDER:
            if packet.sequence_number == self._expected:
                return self._restart(packet, duration)
            self._expected = (packet.sequence_number + 1) & 0xFFFF
            return None
        self._expected = None
        start = self._start + distance(packet.timestamp, self._timestamp, 32) * ratio
        jumped = False
        if step > 0:
            jumped = self._has_jumped(packet, start, None if longest_gap is None else longest_gap + step * duration)
        if jumped:
            start = self.end
        number = self.newest + step
        if step > 0:
            self._remember(packet, number, start, duration)
        return Place(number, start, False, jumped)

    def number(self, packet: ReceivedPacket) -> int | None:
        """The number of a packet whose timestamp says nothing about the audio; `None` where it belongs to none.

        RFC 4733 gives all packets of a telephone's key one timestamp, and comfort noise (RFC 3389) has another clock
        than Opus.
        """
        if self.newest is None or packet.ssrc != self._ssrc:
            return None
        step = distance(packet.sequence_number, self._sequence, 16)
        if step >= _MAX_DROPOUT or step <= -_MAX_MISORDER:
            return None
        if step > 0:
            self.newest += step
            self._sequence = packet.sequence_number
            return self.newest
        return self.newest + step

    def _has_jumped(self, packet: ReceivedPacket, start: int, limit: int | None) -> bool:
        """Whether the sender's clock went back or far ahead, or ticks otherwise now (another codec)."""
        if start < self.end or packet.payload_type != self._payload_type:
            return True
        return limit is not None and start - self.end > limit

    def _restart(self, packet: ReceivedPacket, duration: int) -> Place:
        place = Place(0 if self.newest is None else self.newest + 1, self.end, True, True)
        self._expected = None
        self._remember(packet, place.number, place.start, duration)
        return place

    def _remember(self, packet: ReceivedPacket, number: int, start: int, duration: int) -> None:
        self.newest, self._start, self.end = number, start, start + duration
        self._sequence, self._timestamp = packet.sequence_number, packet.timestamp
        self._ssrc, self._payload_type = packet.ssrc, packet.payload_type


class JitterMeter:
    """Interarrival jitter after RFC 3550 6.4.1."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._transit: float | None = None
        self._stream: tuple[int, int] | None = None

    def arrived(self, packet: ReceivedPacket, clock_rate: int) -> None:
        """Take the next packet in order of arrival."""
        stream = (packet.ssrc, packet.payload_type)
        transit = packet.arrival - packet.timestamp / clock_rate
        if stream == self._stream and self._transit is not None:
            wrap = (1 << 32) / clock_rate
            change = abs((transit - self._transit + wrap / 2) % wrap - wrap / 2)
            if change < 1.0:  # beyond that the sender's clock has jumped, which is not jitter
                self.seconds += (change - self.seconds) / 16
        self._stream, self._transit = stream, transit


def distance(a: int, b: int, bits: int) -> int:
    """How far `a` is ahead of `b` on a counter that wraps; negative when it is behind."""
    half = 1 << (bits - 1)
    return ((a - b + half) & ((1 << bits) - 1)) - half
