"""The packets that wait to be played: in order, each once, never too many; and what became of the others. PURE.

The getting side of `Playout` owns it. Sequence numbers say what is missing, timestamps where the sound belongs.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ..codecs.codec import RATE, CodecError, Decoder
from .sequence import PacketOrder, ReceivedPacket

__all__ = ["PacketBuffer", "WaitingPacket"]

_REMEMBERED = 200  # numbers of lost packets, to tell a late packet from a duplicate, and of packets without audio


@attrs.define(slots=True)
class WaitingPacket:
    """A packet in order: where its sound belongs on our own time line, which neither wraps nor jumps back."""

    start: int
    duration: int
    payload: bytes = attrs.field(repr=False)
    decoder: Decoder
    first_of_stream: bool
    restarted: bool
    """Whether its place on the line has nothing to do with that of earlier packets."""
    asked: int
    """Samples that the device had asked for when it was found here."""
    protected: bool | None = None
    """Whether it carries the packet before it a second time; None while nobody has looked."""

    @property
    def end(self) -> int:
        return self.start + self.duration


class PacketBuffer:
    """Packets in order of their numbers, from `next` on.

    Args:
        bound: Samples of a hole in the timestamps that may be a pause while packets still wait.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._order = PacketOrder()
        self._waiting: dict[int, WaitingPacket] = {}
        self._missing: set[int] = set()
        self._silent: set[int] = set()  # numbers of the last packets that have come and are no audio
        self.started = False
        """Whether anything was ever played or thrown away; before, `next` means nothing."""
        self.next = 0
        """Number of the packet whose turn it is."""
        self.lost = self.late = self.duplicated = self.discarded = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def end(self) -> int:
        """Where the sound of the newest packet ends."""
        return self._order.end

    def insert(
        self, packet: ReceivedPacket, decoders: Mapping[int, Decoder], default: Decoder | None, asked: int
    ) -> WaitingPacket | None:
        """Take a packet that has come; returns it if it is new, whether it still waits or has come too late.

        One without a decoder, such as comfort noise or a key of the telephone, has a number and no place in time.
        """
        decoder = decoders.get(packet.payload_type, default)
        if decoder is None:
            self._pass_over(self._order.number(packet))
            return None
        try:
            # A packet of nothing but padding takes a number and no time.
            duration = decoder.duration(packet.payload) if packet.payload else 0
        except CodecError:
            self.discarded += 1
            return None
        # A pause of the sender lets the buffer run empty, so a long hole behind packets that still wait is none.
        longest_gap = self._bound if self._waiting else None
        place = self._order.place(packet, duration, RATE // decoder.clock_rate, longest_gap)
        if place is None:
            self.late += 1
            return None
        new = WaitingPacket(
            place.start, duration, packet.payload, decoder, place.first_of_stream, place.restarted, asked
        )
        if place.number in self._waiting:
            self.duplicated += 1
            return None
        if not self.started or place.number >= self.next:
            self._waiting[place.number] = new
        elif place.number in self._missing:
            self._missing.discard(place.number)
            self.lost -= 1
            self.late += 1
        else:
            self.duplicated += 1
            return None
        return new

    def _pass_over(self, number: int | None) -> None:
        """That number is not lost."""
        if number is None:
            return
        if number in self._missing:
            self._missing.discard(number)
            self.lost -= 1
        elif number not in self._waiting and (not self.started or number >= self.next):
            self._silent.add(number)
            if len(self._silent) > _REMEMBERED:
                self._silent.discard(min(self._silent))
            self._go_to(self.next)

    def _go_to(self, number: int) -> None:
        """Its turn is next, or that of the first behind it that is audio."""
        while number in self._silent:
            number += 1
        self.next = number

    def current(self) -> WaitingPacket | None:
        """The packet whose turn it is, if it is here."""
        return self._waiting.get(self.next)

    def oldest(self) -> tuple[int, WaitingPacket]:
        """The first packet that is here and its number; there must be one."""
        number = min(self._waiting)
        return number, self._waiting[number]

    def follower(self) -> WaitingPacket | None:
        """The packet after the one whose turn it is, if it is here."""
        return self._waiting.get(self.next + 1)

    def take(self) -> WaitingPacket:
        """Remove the packet whose turn it is, which must be here."""
        packet = self._waiting.pop(self.next)
        self._go_to(self.next + 1)
        return packet

    def skip_to(self, number: int) -> int:
        """Go on with that packet: those before it that have not come are lost, unless they come late.

        Returns:
            How many are lost.
        """
        lost = 0
        for gone in range(max(self.next, number - _REMEMBERED), number):
            if gone not in self._waiting and gone not in self._silent:
                lost += 1
                self._missing.add(gone)
        self.lost += lost
        self._go_to(number)
        if len(self._missing) > 2 * _REMEMBERED:
            self._missing = {gone for gone in self._missing if gone > number - _REMEMBERED}
        return lost

    def begin_with(self, number: int) -> None:
        """Play from that packet on."""
        if self.started:
            self.skip_to(number)
        self.started = True
        self.next = number

    def clear(self) -> None:
        """Throw away everything that has come so far."""
        self.discarded += len(self._waiting)
        self._waiting.clear()
        if self._order.newest is not None:
            self._silent.clear()
            self.next = max(self.next, self._order.newest + 1)
            self.started = True

    def drop_before(self, start: int) -> int:
        """Throw away what begins before that place on the line, but never the newest; returns how many packets."""
        dropped = 0
        for number in sorted(self._waiting)[:-1]:
            if self._waiting[number].start >= start:
                break
            del self._waiting[number]
            dropped += 1
        if dropped:
            self.discarded += dropped
            self.next = min(self._waiting)
            self.started = True
        return dropped
