"""`PacketBuffer`: which packets wait, whose turn it is, and what became of the others."""

from __future__ import annotations

from telnyx_agent._media.playout.packets import PacketBuffer, WaitingPacket
from telnyx_agent._media.playout.sequence import ReceivedPacket
from tests.media.harness import FRAME, RawDecoder

AUDIO, EVENT = 96, 101
SAMPLE = b"\1\2"


class Buffer:
    """A buffer, and the shortest way to put packets into it: packet 0 has the sequence number 100."""

    def __init__(self, bound: int = 14400, clock_rate: int = 48000) -> None:
        self.buffer = PacketBuffer(bound)
        self.decoders = {AUDIO: RawDecoder(clock_rate)}

    def put(
        self, number: int, *, at: int | None = None, samples: int = FRAME, ssrc: int = 1, payload: bytes | None = None
    ) -> WaitingPacket | None:
        timestamp = 5000 + (number * FRAME if at is None else at)
        packet = ReceivedPacket(100 + number, timestamp, payload or SAMPLE * samples, 0.0, ssrc, AUDIO)
        return self.buffer.insert(packet, self.decoders, None, 77)

    def put_event(self, number: int, ssrc: int = 1) -> None:
        assert (
            self.buffer.insert(ReceivedPacket(100 + number, 0, b"1", 0.0, ssrc, EVENT), self.decoders, None, 0) is None
        )

    @property
    def counts(self) -> tuple[int, int, int, int]:
        buffer = self.buffer
        return buffer.lost, buffer.late, buffer.duplicated, buffer.discarded


def test_a_packet_that_waits() -> None:
    """It knows its place, and when it was found."""
    place = Buffer()
    first = place.put(0)
    assert first is not None
    assert (first.start, first.duration, first.end, first.asked) == (0, 960, 960, 77)
    assert (first.first_of_stream, first.restarted, first.protected) == (True, True, None)
    assert (first.payload, first.decoder) == (SAMPLE * FRAME, place.decoders[AUDIO])
    assert "payload" not in repr(first)  # what somebody says
    second = place.put(1, samples=480)
    assert second is not None
    assert (second.start, second.end, second.first_of_stream, second.restarted) == (960, 1440, False, False)
    assert (len(place.buffer), place.buffer.end, place.buffer.started) == (2, 1440, False)
    assert place.buffer.current() is first
    assert place.buffer.follower() is second
    assert place.buffer.oldest() == (0, first)


def test_timestamps_of_a_slower_clock() -> None:
    """One tick of 8 kHz is six samples."""
    place = Buffer(clock_rate=8000)
    place.put(0, at=0)
    second = place.put(1, at=160)
    assert second is not None
    assert second.start == 960


def test_turns_go_by_number() -> None:
    """Each packet is taken once, in order; one that comes twice is a duplicate before its turn and after it."""
    place = Buffer()
    buffer = place.buffer
    packets = [place.put(number) for number in (1, 2)]
    packets.insert(0, place.put(0))  # nothing was played yet, so it is not late
    assert packets[0] is not None
    assert buffer.oldest() == (-1, packets[0])
    buffer.begin_with(-1)
    assert (buffer.started, place.counts) == (True, (0, 0, 0, 0))
    assert place.put(1) is None
    assert [buffer.take() for _ in range(3)] == packets
    assert (buffer.next, len(buffer), buffer.current(), buffer.follower()) == (2, 0, None, None)
    assert place.put(2) is None
    assert place.counts == (0, 0, 2, 0)


def test_what_is_broken_is_discarded() -> None:
    """It has no number and no place."""
    place = Buffer()
    assert place.put(0, payload=b"odd") is None
    assert (place.counts, len(place.buffer)) == ((0, 0, 0, 1), 0)
    assert place.put(1) is not None
    assert place.put(2, payload=b"odd") is None
    assert (place.counts, len(place.buffer)) == ((0, 0, 0, 2), 1)


def test_padding_takes_a_number_and_no_time() -> None:
    """A decoder is not asked about a packet without content."""
    place = Buffer()
    place.put(0)
    padding = place.buffer.insert(ReceivedPacket(101, 5960, b"", 0.0, 1, AUDIO), place.decoders, None, 0)
    assert padding is not None
    assert (padding.start, padding.end, len(place.buffer)) == (960, 960, 2)


def test_the_decoder_for_every_type() -> None:
    """Where a payload type has none of its own."""
    place, default = Buffer(), RawDecoder()
    found = place.buffer.insert(ReceivedPacket(100, 0, SAMPLE, 0.0, 1, EVENT), place.decoders, default, 0)
    assert found is not None
    assert found.decoder is default


def test_a_hole_behind_packets_that_wait() -> None:
    """Up to the bound it may be a pause; a longer one cannot be, or the buffer would have run empty meanwhile."""
    for gap, start in ((14400, 960 + 960 + 14400), (14401 + 960, 960)):
        place = Buffer()
        place.put(0)
        after = place.put(1, at=960 + gap + (960 if gap == 14400 else 0))
        assert after is not None
        assert after.start == start
        assert after.restarted is (start == 960)
    place = Buffer()
    place.put(0)
    place.buffer.begin_with(0)
    place.buffer.take()
    after = place.put(1, at=960 + 100_000)
    assert after is not None
    assert (after.start, after.restarted) == (960 + 100_000, False)


def test_packets_that_are_left_over_from_an_earlier_stream_are_late() -> None:
    """They are not played, and not lost either."""
    place = Buffer()
    place.put(0)
    place.put(50, ssrc=2)
    assert place.put(-1) is None
    assert (place.counts, len(place.buffer)) == ((0, 1, 0, 0), 2)


def test_lost_until_it_comes_late() -> None:
    """What was skipped is lost; a packet that comes after its turn is late and no longer lost, and only once."""
    place = Buffer()
    buffer = place.buffer
    place.put(0)
    buffer.begin_with(0)
    buffer.take()
    place.put(4)
    place.put(3)
    assert (buffer.skip_to(3), buffer.next, place.counts) == (2, 3, (2, 0, 0, 0))
    late = place.put(1)
    assert late is not None
    assert (late.start, place.counts, len(buffer)) == (960, (1, 1, 0, 0), 2)
    assert place.put(1) is None
    assert place.counts == (1, 1, 1, 0)
    assert (buffer.skip_to(4), place.counts) == (0, (1, 1, 1, 0))  # 3 was here, so it is not lost


def test_how_many_lost_packets_are_remembered() -> None:
    """At least 200; of a longer hole only the last 200 count as lost, or a jump of the numbers would be minutes."""
    place = Buffer()
    buffer = place.buffer
    place.put(0)
    buffer.begin_with(0)
    buffer.take()
    place.put(301)
    assert (buffer.skip_to(301), buffer.lost) == (200, 200)  # 101 to 300
    buffer.take()
    place.put(502)
    assert (buffer.skip_to(502), buffer.lost) == (200, 400)  # 302 to 501
    buffer.take()
    assert place.put(420) is not None
    assert place.put(421) is not None
    assert buffer.lost == 398
    place.put(505)
    assert buffer.skip_to(505) == 2
    assert place.put(431) is not None  # 400 are remembered
    buffer.take()
    place.put(509)
    assert (buffer.skip_to(509), buffer.lost) == (3, 402)
    # As far back as packets are placed at all: 98 packets.
    assert {number for number in range(409, 509) if place.put(number) is not None} == {
        *range(410, 420),
        *range(422, 431),
        *range(432, 502),
        *(503, 504, 506, 507, 508),
    }
    assert buffer.lost == 402 - 94
    for number in range(800, 3000, 100):
        buffer.take()
        place.put(number)
        buffer.skip_to(number)
        assert len(buffer._missing) <= 400
    assert place.put(2800) is None
    assert place.put(2801) is not None


def test_numbers_without_audio_are_not_lost() -> None:
    """Whether they come before their turn or after it, and in any order with the audio around them."""
    place = Buffer()
    buffer = place.buffer
    place.put_event(7)  # no stream has begun: it has no number
    place.put(0)
    buffer.begin_with(0)
    place.put_event(2)
    place.put_event(1)
    place.put(5)
    place.put_event(0)  # the number of a packet that waits: the packet stays
    buffer.take()
    assert buffer.next == 3
    assert (buffer.skip_to(5), buffer.lost) == (2, 2)
    place.put_event(3)
    assert place.counts == (1, 0, 0, 0)
    place.put_event(3)
    place.put_event(2)
    assert place.counts == (1, 0, 0, 0)
    buffer.take()
    place.put_event(6)
    assert buffer.next == 7
    place.put_event(8)
    place.put(10)
    assert (buffer.skip_to(10), buffer.lost) == (2, 3)
    assert place.put(3) is None  # its number was an event's
    assert place.counts == (3, 0, 1, 0)


def test_the_newest_numbers_without_audio_are_remembered() -> None:
    """200 of them, while the packet before them does not come."""
    place = Buffer()
    buffer = place.buffer
    place.put(0)
    buffer.begin_with(0)
    buffer.take()
    for number in range(2, 203):
        place.put_event(number)
    assert buffer._silent == set(range(3, 203))
    place.put(203)
    assert (buffer.skip_to(203), buffer.lost) == (0, 0)


def test_everything_is_thrown_away() -> None:
    """What has come so far has had its turn, and what is missing of it is not lost."""
    place = Buffer()
    buffer = place.buffer
    buffer.clear()
    assert (buffer.started, buffer.next) == (False, 0)
    place.put(0)
    place.put(2)
    place.put_event(3)
    buffer.clear()
    assert (len(buffer), buffer.next, buffer.started, place.counts) == (0, 4, True, (0, 0, 0, 2))
    assert place.put(1) is None
    assert place.put(4) is not None
    assert buffer.current() is not None


def test_what_is_too_old_is_thrown_away() -> None:
    """It begins before a place on the line; the newest packet stays wherever it is."""
    place = Buffer()
    buffer = place.buffer
    for number in range(4):
        place.put(number)
    assert (buffer.drop_before(0), buffer.started, buffer.next) == (0, False, 0)
    assert (buffer.drop_before(1920), buffer.started, buffer.next) == (2, True, 2)
    assert (len(buffer), buffer.discarded) == (2, 2)
    assert (buffer.drop_before(100_000), buffer.next, len(buffer), buffer.discarded) == (1, 3, 1, 3)
    assert (buffer.drop_before(100_000), buffer.discarded) == (0, 3)
