"""One line out of sequence numbers and timestamps: wraps, gaps, other streams, far jumps; and RFC 3550's jitter."""

from __future__ import annotations

import pytest

from telnyx_agent._media.playout.sequence import JitterMeter, PacketOrder, Place, ReceivedPacket, distance

FRAME = 960


def packet(number: int, timestamp: int, *, ssrc: int = 1, kind: int = 96, arrival: float = 0.0) -> ReceivedPacket:
    return ReceivedPacket(number & 0xFFFF, timestamp & 0xFFFFFFFF, b"", arrival, ssrc, kind)


def order(number: int = 100, timestamp: int = 5000) -> PacketOrder:
    """After one packet, which ends at 960."""
    found = PacketOrder()
    assert found.place(packet(number, timestamp), FRAME, 1) == Place(0, 0, True, True)
    assert found.end == FRAME
    return found


@pytest.mark.parametrize(
    ("a", "b", "bits", "ahead"),
    [
        (5, 3, 16, 2),
        (3, 5, 16, -2),
        (1, 65535, 16, 2),
        (65535, 1, 16, -2),
        (0, 32768, 16, -32768),
        (32767, 0, 16, 32767),
        (2**31 - 1, 0, 32, 2**31 - 1),
        (0, 2**31, 32, -(2**31)),
        (1, 2**32 - 1, 32, 2),
    ],
)
def test_distance_on_a_counter_that_wraps(a: int, b: int, bits: int, ahead: int) -> None:
    """How far one number is ahead of the other, the shorter way round."""
    assert distance(a, b, bits) == ahead


@pytest.mark.parametrize(("number", "timestamp"), [(100, 5000), (65535, 5000), (100, 2**32 - 1)])
def test_places_follow_numbers_and_times(number: int, timestamp: int) -> None:
    """Forth and back, over zero too; `end` is that of the newest."""
    one = order(number, timestamp)
    assert one.place(packet(number + 3, timestamp + 3 * FRAME), FRAME, 1) == Place(3, 3 * FRAME, False, False)
    assert one.place(packet(number + 1, timestamp + FRAME), FRAME, 1) == Place(1, FRAME, False, False)
    assert (one.newest, one.end) == (3, 4 * FRAME)
    assert one.place(packet(number + 3, timestamp + 3 * FRAME), FRAME, 1) == Place(3, 3 * FRAME, False, False)


def test_a_clock_that_ticks_slower() -> None:
    """G.711's, at 8 kHz: one tick is six samples."""
    assert order().place(packet(101, 5000 + 160), FRAME, 6) == Place(1, FRAME, False, False)


@pytest.mark.parametrize(("gap", "is_pause"), [(0, True), (4800, True), (4801, False)])
def test_how_long_a_pause_may_be(gap: int, is_pause: bool) -> None:
    """A hole in the timestamps that is longer is a jump of the sender's clock."""
    found = order().place(packet(101, 5000 + FRAME + gap), FRAME, 1, 4800 - FRAME)
    assert found == Place(1, FRAME + gap if is_pause else FRAME, False, not is_pause)


def test_packets_that_were_lost_make_the_hole_longer() -> None:
    """Each by its own length."""
    found = order().place(packet(104, 5000 + 5 * FRAME), FRAME, 1, 0)
    assert found == Place(4, 5 * FRAME, False, False)
    assert order().place(packet(104, 5001 + 5 * FRAME), FRAME, 1, 0) == Place(4, FRAME, False, True)


def test_a_clock_that_goes_back() -> None:
    """Numbers go on: the packet comes where the one before ended. So with another codec, whose clock is another."""
    assert order().place(packet(101, 5000 + FRAME - 1), FRAME, 1) == Place(1, FRAME, False, True)
    assert order().place(packet(101, 5000 + FRAME, kind=0), FRAME, 1) == Place(1, FRAME, False, True)


@pytest.mark.parametrize(("step", "is_near"), [(2999, True), (3000, False), (-99, True), (-100, False), (-500, False)])
def test_what_is_far(step: int, is_near: bool) -> None:
    """RFC 3550 A.1: 3,000 ahead, 100 behind; it is believed when the next number comes after it."""
    one = order(30000)
    found = one.place(packet(30000 + step, 5000 + step * FRAME), FRAME, 1)
    assert found == (Place(step, step * FRAME, False, False) if is_near else None)
    if not is_near and step != -100:  # where the next number is near
        assert one.place(packet(30000 + step + 1, 77), FRAME, 1) == Place(1, FRAME, True, True)
        assert one.place(packet(30000 + step + 2, 77 + FRAME), FRAME, 1) == Place(2, 2 * FRAME, False, False)


def test_two_strays_are_no_stream() -> None:
    """Nor is one that comes again after an honest packet."""
    one = order()
    assert one.place(packet(40000, 0), FRAME, 1) is None
    assert one.place(packet(50000, 0), FRAME, 1) is None
    assert one.place(packet(50002, 0), FRAME, 1) is None
    assert one.place(packet(101, 5000 + FRAME), FRAME, 1) == Place(1, FRAME, False, False)
    assert one.place(packet(50003, 0), FRAME, 1) is None


def test_the_number_at_the_end_of_the_count_is_followed_by_zero() -> None:
    """Also where a stray is believed."""
    one = order(30000)
    assert one.place(packet(65535, 0), FRAME, 1) is None
    assert one.place(packet(0, FRAME), FRAME, 1) == Place(1, FRAME, True, True)


def test_another_ssrc_begins_where_the_last_one_ended() -> None:
    """What is left over of the former is nothing; what it says anew is believed."""
    one = order()
    assert one.place(packet(9, 9, ssrc=2), FRAME, 1) == Place(1, FRAME, True, True)
    assert one.place(packet(99, 0), FRAME, 1) is None
    assert one.place(packet(100, 0), FRAME, 1) is None
    assert one.place(packet(101, 0), FRAME, 1) == Place(2, 2 * FRAME, True, True)
    assert one.place(packet(9, 9, ssrc=2), FRAME, 1) is None
    assert one.place(packet(5, 5, ssrc=3), FRAME, 1) == Place(3, 3 * FRAME, True, True)


def test_numbers_without_audio() -> None:
    """Telephone keys and comfort noise take a number and no place in time (RFC 4733, RFC 3389)."""
    assert PacketOrder().number(packet(1, 0)) is None
    one = order()
    assert one.number(packet(101, 0, ssrc=2)) is None
    assert one.number(packet(100 + 3000, 0)) is None
    assert one.number(packet(0, 0)) is None
    assert one.number(packet(1, 0)) == -99
    assert one.number(packet(100 + 2999, 0)) == 2999
    assert one.number(packet(3098, 0)) == 2998
    assert one.number(packet(3100, 0)) == 3000
    assert one.end == FRAME


def jitter(*arrivals: float, kind: int = 0, step: int = 160, rate: int = 8000, first: int = 0) -> float:
    """After packets 20 ms apart that came then."""
    meter = JitterMeter()
    for n, arrival in enumerate(arrivals):
        meter.arrived(packet(n, first + n * step, kind=kind, arrival=arrival), rate)
    return meter.seconds


def test_jitter_is_a_sixteenth_of_each_change() -> None:
    """RFC 3550 6.4.1, in seconds."""
    assert jitter(1.0, 1.02, 1.04) == pytest.approx(0.0)
    assert jitter(1.0, 1.036) == pytest.approx(0.001)
    assert jitter(1.0, 1.004) == pytest.approx(0.001)
    assert jitter(1.0, 1.036, 1.056) == pytest.approx(0.001 * 15 / 16)
    assert jitter(1.0, 1.02, 1.04, first=2**32 - 200) == pytest.approx(0.0)


def test_a_jump_of_the_clock_is_no_jitter() -> None:
    """A second or more; and from one stream to another there is none."""
    assert jitter(1.0, 2.019) == pytest.approx(0.999 / 16)
    assert jitter(1.0, 2.0201) == 0.0
    meter = JitterMeter()
    for arrival, (ssrc, kind) in enumerate([(1, 0), (2, 0), (2, 8)]):
        meter.arrived(packet(1, 0, arrival=arrival / 10, ssrc=ssrc, kind=kind), 8000)
    assert meter.seconds == 0.0
