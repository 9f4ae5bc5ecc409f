"""The playout buffer without clock, thread or network: what comes in, in which order, and what must be heard."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telnyx_agent._media.ordering import ReceivedPacket
from telnyx_agent._media.playout import Playout
from tests.media.harness import CONCEALED, FRAME, RATE, RawDecoder, Samples, packets

TARGET = 2880


def play(playout: Playout, arrivals: list[list[ReceivedPacket]], *, extra: int = 0, block: int = FRAME) -> Samples:
    """One list of packets arrives, then one block is heard, and so on; then `extra` more blocks."""
    heard = []
    for arriving in arrivals:
        for packet in arriving:
            playout.put(packet)
        heard.append(playout.get(block))
    heard += [playout.get(block) for _ in range(extra)]
    return np.concatenate(heard)


def values(heard: Samples) -> list[int]:
    """The packets heard, by their value; silence and ramps left out. Made-up audio shows as CONCEALED."""
    middles = heard.reshape(-1, FRAME)[:, FRAME // 2 :]
    return [int(m[0]) for m in middles if (m == m[0]).all() and m[0] != 0]


def one_each(stream: list[ReceivedPacket]) -> list[list[ReceivedPacket]]:
    return [[packet] for packet in stream]


def test_clean_stream_is_heard_whole_and_in_order() -> None:
    """Every packet comes out once, 60 ms after it came in, and nothing is made up."""
    playout = Playout(RawDecoder())
    heard = play(playout, one_each(packets(50)), extra=3)
    assert values(heard)[:50] == [1000 + n for n in range(50)]
    assert np.flatnonzero(heard)[0] in range(2 * FRAME, TARGET + 2)
    stats = playout.stats()
    assert (stats.packets_received, stats.packets_lost, stats.concealed_samples) == (50, 0, 0)
    assert stats.jitter_buffer_delay / stats.jitter_buffer_emitted_count == pytest.approx(0.06, abs=0.02)


def test_reordered_packets_are_heard_in_order() -> None:
    """Neighbours that changed places and a packet two places late cost nothing."""
    stream = packets(30)
    stream[10], stream[11] = stream[11], stream[10]
    stream.insert(22, stream.pop(20))
    playout = Playout(RawDecoder())
    heard = play(playout, one_each(stream), extra=3)
    assert values(heard)[:30] == [1000 + n for n in range(30)]
    assert playout.stats().concealed_samples == 0
    assert playout.stats().packets_lost == 0


def test_reordering_of_the_very_first_packets_loses_nothing() -> None:
    """The stream begins with the lowest number that came before playing began."""
    stream = packets(10)
    stream[0], stream[1] = stream[1], stream[0]
    playout = Playout(RawDecoder())
    assert values(play(playout, one_each(stream), extra=3))[:10] == [1000 + n for n in range(10)]


def test_duplicates_are_heard_once() -> None:
    """A packet that comes twice, before or after its turn, is counted and ignored."""
    stream = packets(20)
    arrivals = one_each(stream)
    arrivals[5].append(stream[5])
    arrivals[15].append(stream[5])
    playout = Playout(RawDecoder())
    assert values(play(playout, arrivals, extra=3))[:20] == [1000 + n for n in range(20)]
    assert playout.stats().packets_duplicated == 2
    assert playout.stats().packets_late == 0


def test_a_lost_packet_is_concealed_for_exactly_its_time() -> None:
    """One frame is made up, everything after it stays where it was."""
    stream = packets(20)
    arrivals = one_each(stream)
    arrivals[10] = []
    playout = Playout(RawDecoder())
    heard = values(play(playout, arrivals, extra=3))
    assert heard[:20] == [*(1000 + n for n in range(10)), CONCEALED, *(1011 + n for n in range(9))]
    stats = playout.stats()
    assert (stats.packets_lost, stats.concealed_samples, stats.concealment_events) == (1, FRAME, 1)


def test_a_burst_of_losses_is_one_event_and_fades() -> None:
    """Eight lost packets are 160 ms of made-up audio that ends in silence; the timeline holds."""
    stream = packets(40)
    arrivals: list[list[ReceivedPacket]] = one_each(stream)
    playout = Playout(RawDecoder(), target_delay=9600, max_delay=19200)
    for n in range(15, 23):
        arrivals[n] = []
    heard = play(playout, arrivals, extra=10)
    stats = playout.stats()
    assert (stats.packets_lost, stats.concealment_events) == (8, 1)
    assert stats.concealed_samples == 8 * FRAME
    assert stats.silent_concealed_samples == 3 * FRAME
    begin = int(np.flatnonzero(heard == 1014)[FRAME - 1]) + 1
    assert (heard[begin : begin + 1920] == CONCEALED).all()
    assert (heard[begin + 4800 : begin + 8 * FRAME] == 0).all()
    assert heard[begin + 8 * FRAME + 200] == 1023


def test_real_sound_joins_what_was_made_up_at_its_level() -> None:
    """After 60 ms of fading, what comes does not begin from silence, nor at full level at once."""
    stream = packets(20, value=lambda n: 10000)
    arrivals = one_each(stream)
    for n in (10, 11, 12):
        arrivals[n] = []
    playout = Playout(RawDecoder(), target_delay=4800)
    heard = play(playout, arrivals, extra=6)
    at = int(np.flatnonzero(heard == CONCEALED)[0]) + 3 * FRAME
    assert heard[at] == pytest.approx(10000 * 2 / 3, rel=0.02)
    assert heard[at + 119 : at + 2000].tolist() == [10000] * 1881


def test_numbers_without_time_between_them_are_not_concealed() -> None:
    """Telephone events share the numbers of the audio and never reach us: a hole in the numbers, none in the sound."""
    before, after = packets(10), packets(10, first=115, timestamp=5000 + 10 * FRAME, start=10)
    playout = Playout(RawDecoder())
    assert values(play(playout, one_each(before + after), extra=3))[:20] == [1000 + n for n in range(20)]
    assert playout.stats().concealed_samples == 0


def test_a_late_packet_is_thrown_away_and_no_longer_counts_as_lost() -> None:
    """Lost and late are never both."""
    stream = packets(20)
    arrivals = one_each(stream)
    arrivals[14].append(arrivals[8].pop())
    playout = Playout(RawDecoder())
    heard = values(play(playout, arrivals, extra=3))
    assert heard[8] == CONCEALED
    stats = playout.stats()
    assert (stats.packets_lost, stats.packets_late, stats.packets_duplicated) == (0, 1, 0)


@pytest.mark.parametrize(("first", "timestamp"), [(65530, 5000), (100, 2**32 - 4 * FRAME - 7), (65533, 2**32 - 100)])
def test_counters_wrap_around(first: int, timestamp: int) -> None:
    """Sequence number and timestamp go through zero unheard, also with a loss right there."""
    stream = packets(30, first=first, timestamp=timestamp)
    arrivals = one_each(stream)
    arrivals[5] = []
    playout = Playout(RawDecoder())
    heard = values(play(playout, arrivals, extra=3))
    assert heard[:30] == [1000 + n if n != 5 else CONCEALED for n in range(30)]
    assert playout.stats().packets_lost == 1


def test_a_pause_of_the_sender_is_not_a_loss() -> None:
    """DTX: numbers go on, timestamps jump by the time nothing was sent. The next spurt keeps the 60 ms of delay."""
    before = packets(10)
    pause = 50
    after = packets(10, first=110, timestamp=5000 + (10 + pause) * FRAME, start=10)
    arrivals: list[list[ReceivedPacket]] = [*one_each(before), *([[]] * pause), *one_each(after)]
    playout = Playout(RawDecoder())
    heard = play(playout, arrivals, extra=4)
    stats = playout.stats()
    assert (stats.packets_lost, stats.concealed_samples) == (0, 0)
    assert [v for v in values(heard) if v != CONCEALED] == [1000 + n for n in range(20)]
    first_after = int(np.flatnonzero(heard > 1010 - 1)[0])
    assert abs(first_after - ((10 + pause) * FRAME + TARGET)) <= FRAME


def test_a_short_pause_inside_the_buffer_keeps_the_timeline() -> None:
    """A gap of 40 ms in the timestamps, known in advance, is 40 ms of fading sound, and no loss."""
    before = packets(10)
    after = packets(10, first=110, timestamp=5000 + 12 * FRAME, start=10)
    arrivals: list[list[ReceivedPacket]] = [*one_each(before), [], [], *one_each(after)]
    playout = Playout(RawDecoder())
    heard = play(playout, arrivals, extra=3)
    assert playout.stats().packets_lost == 0
    assert playout.stats().concealed_samples == 0
    assert int(np.flatnonzero(heard == 1010)[0]) - int(np.flatnonzero(heard == 1009)[-1]) - 1 == 2 * FRAME


def test_another_ssrc_is_another_stream() -> None:
    """A sender that starts anew is heard at once; leftovers of the old one are not."""
    old = packets(10)
    new = packets(10, first=40000, timestamp=999, start=20, ssrc=2)
    arrivals = one_each(old) + one_each(new)
    arrivals[12].append(old[9])
    decoder = RawDecoder()
    playout = Playout(decoder)
    heard = [v for v in values(play(playout, arrivals, extra=3)) if v != CONCEALED]
    assert heard == [1000 + n for n in [*range(10), *range(20, 30)]]
    assert playout.stats().packets_lost == 0
    assert playout.stats().packets_late == 1
    assert decoder.resets == 2  # with each first packet


def test_back_to_the_former_ssrc() -> None:
    """A call that is put through and back again is heard both times."""
    first, second = packets(6), packets(6, first=9000, ssrc=2, start=10)
    third = packets(6, first=106, timestamp=5000 + 6 * FRAME, start=20)
    playout = Playout(RawDecoder())
    heard = values(play(playout, one_each(first + second + third), extra=3))
    assert [v for v in heard if v != CONCEALED] == [1000 + n for n in [*range(6), *range(10, 16), *range(20, 26)]]


def test_a_jump_of_the_sequence_number_is_a_restart_when_the_next_packet_confirms_it() -> None:
    """RFC 3550 A.1: the same sender began to count anew; one packet is not enough to believe it."""
    old = packets(10)
    new = packets(10, first=30000, timestamp=77, start=20)
    playout = Playout(RawDecoder())
    heard = values(play(playout, one_each(old) + one_each(new), extra=4))
    # The first packet of the new count is not believed yet; 20 ms are the price of that.
    assert [v for v in heard if v != CONCEALED] == [1000 + n for n in [*range(10), *range(21, 30)]]
    assert playout.stats().packets_lost == 0
    assert playout.stats().packets_late == 1


def test_a_stray_packet_is_not_a_restart() -> None:
    """A single packet from far away is dropped and the stream goes on."""
    stream = packets(20)
    arrivals = one_each(stream)
    arrivals[10].append(packets(1, first=45000, value=lambda n: 31000)[0])
    playout = Playout(RawDecoder())
    assert values(play(playout, arrivals, extra=3))[:20] == [1000 + n for n in range(20)]


@pytest.mark.parametrize("jump", [-500_000, 10_000_000, 2**31 - 1])
def test_a_jump_of_the_timestamp_alone_is_not_waited_for(jump: int) -> None:
    """A sender whose clock jumps while its numbers go on (FreeSWITCH, when it bridges) is heard without a hole."""
    before = packets(10)
    after = packets(10, first=110, timestamp=(5000 + 10 * FRAME + jump) % 2**32, start=10)
    playout = Playout(RawDecoder())
    heard = values(play(playout, one_each(before) + one_each(after), extra=3))
    assert heard[:20] == [1000 + n for n in range(20)]


def test_no_more_than_the_bound_is_ever_waiting() -> None:
    """Half a second that came before the first `get`: the newest 200 ms are heard, the rest is counted."""
    playout = Playout(RawDecoder())
    for packet in packets(25):
        playout.put(packet)
    heard = play(playout, [], extra=15)
    assert [v for v in values(heard) if v != CONCEALED] == [1000 + n for n in range(15, 25)]
    stats = playout.stats()
    assert (stats.packets_discarded, stats.packets_lost) == (15, 0)


def test_memory_is_bounded_when_nobody_listens() -> None:
    """A call without a device: an hour of packets leaves a second of them, all counted."""
    playout = Playout()
    playout.set_decoders({-1: RawDecoder()})
    stream = packets(1000)
    for packet in stream:
        playout.put(packet)
    assert len(playout._inbox) <= 64
    heard = play(playout, [], extra=15)
    assert 1999 in values(heard)
    stats = playout.stats()
    assert stats.packets_received == 1000
    assert stats.packets_discarded == 990


def test_a_burst_after_a_stall_is_bounded_and_silence_brings_the_delay_back() -> None:
    """The network held everything for 400 ms: at most 200 ms stay, and they are gone after a pause in the speech."""
    stream = packets(100, value=lambda n: 1000 + n if n < 60 else 3)
    arrivals = one_each(stream)
    for n in range(20, 40):
        arrivals[40].append(arrivals[n].pop())
    playout = Playout(RawDecoder())
    play(playout, arrivals[:45])
    assert 0.1 < playout.stats().delay <= 0.2
    play(playout, arrivals[45:])
    stats = playout.stats()
    assert stats.delay <= 0.1
    assert stats.removed_samples >= 3 * FRAME


def test_a_delay_that_grows_is_followed_not_fought() -> None:
    """From one packet on all come 100 ms later: one gap, then everything is heard, nothing is thrown away."""
    stream = packets(60)
    arrivals: list[list[ReceivedPacket]] = [*one_each(stream[:20]), *([[]] * 5), *one_each(stream[20:])]
    playout = Playout(RawDecoder())
    heard = values(play(playout, arrivals, extra=6))
    assert [v for v in heard if v != CONCEALED] == [1000 + n for n in range(60)]
    assert playout.stats().packets_lost == 0
    assert playout.stats().packets_late == 0


def test_when_packets_stop_the_last_sound_fades_to_silence() -> None:
    """No tail that goes on for ever, no hard cut."""
    playout = Playout(RawDecoder())
    heard = play(playout, one_each(packets(10)), extra=20)
    end = int(np.flatnonzero(heard == 1009)[-1]) + 1
    assert (heard[end : end + 1920] == CONCEALED).all()
    assert (np.diff(np.abs(heard[end : end + 4800].astype(int))) <= 0).all()
    assert (heard[end + 4800 :] == 0).all()


def test_flush_is_heard_at_once() -> None:
    """Barge-in: what was waiting is gone, what comes afterwards is heard, its numbers are no losses."""
    stream = packets(40)
    playout = Playout(RawDecoder())
    play(playout, one_each(stream[:20]))
    playout.flush()
    rest = play(playout, one_each(stream[20:]), extra=3)
    assert not set(values(rest)) & set(range(1000, 1020))
    assert set(range(1020, 1040)) <= set(values(rest))
    assert playout.stats().packets_lost == 0
    assert playout.stats().packets_discarded == 2


def test_flush_before_anything_and_twice() -> None:
    """It never does harm."""
    playout = Playout(RawDecoder())
    playout.flush()
    playout.flush()
    assert values(play(playout, one_each(packets(10)), extra=3))[:10] == [1000 + n for n in range(10)]


@pytest.mark.parametrize("block", [1, 7, 160, 441, 480, 512, 960, 1024, 4800])
def test_any_block_size_gives_the_same_sound(block: int) -> None:
    """What a device asks for at a time does not change what is heard."""
    playout = Playout(RawDecoder())
    for packet in packets(10):
        playout.put(packet)
    heard = np.concatenate([playout.get(block) for _ in range(-(-9600 // block))])[:9600]
    assert heard.size == 9600
    assert [int(v) for v in heard.reshape(-1, FRAME)[:, -1]] == [1000 + n for n in range(10)]


@pytest.mark.parametrize("milliseconds", [10, 20, 40, 60])
def test_any_packet_length(milliseconds: int) -> None:
    """10 to 60 ms a packet, with a loss that is concealed for that long."""
    samples = milliseconds * RATE // 1000
    stream = packets(20, samples=samples)
    playout = Playout(RawDecoder())
    arrivals = one_each(stream)
    arrivals[8] = []
    heard = play(playout, arrivals, extra=6, block=samples)
    steady = heard[np.isin(heard, [1000 + n for n in range(20)])]
    assert sorted(set(steady.tolist())) == [1000 + n for n in range(20) if n != 8]
    assert playout.stats().concealed_samples == samples
    assert playout.stats().packets_lost == 1


def test_garbage_and_padding_do_no_harm() -> None:
    """A payload that is no payload counts as discarded; a packet of padding only takes a number, not time."""
    stream = packets(21)
    arrivals = one_each(stream)
    arrivals[5] = [ReceivedPacket(stream[5].sequence_number, stream[5].timestamp, b"x")]
    padding = ReceivedPacket(stream[12].sequence_number, stream[12].timestamp, b"")
    shifted = [
        ReceivedPacket(p.sequence_number, p.timestamp - FRAME, p.payload, p.arrival, p.ssrc) for p in stream[13:]
    ]
    arrivals = [*arrivals[:12], [padding], *one_each(shifted)]
    playout = Playout(RawDecoder())
    heard = values(play(playout, arrivals, extra=3))
    assert heard[5] == CONCEALED
    assert [v for v in heard if v != CONCEALED] == [1000 + n for n in range(21) if n not in (5, 12)]
    assert playout.stats().packets_discarded == 1
    assert playout.stats().packets_lost == 1


def test_unknown_payload_types_are_discarded() -> None:
    """Telephone events and comfort noise have no decoder."""
    playout = Playout()
    playout.set_decoders({96: RawDecoder()})
    for n, packet in enumerate(packets(10)):
        payload_type = 101 if n == 4 else 96
        playout.put(ReceivedPacket(packet.sequence_number, packet.timestamp, packet.payload, 0.0, 1, payload_type))
    heard = play(playout, [], extra=12)
    assert playout.stats().packets_discarded == 1
    assert 1005 in values(heard)


def test_another_codec_in_mid_stream() -> None:
    """The payload type changes, and with it the clock of the timestamps."""
    playout = Playout()
    playout.set_decoders({96: RawDecoder(), 9: RawDecoder(8000)})
    wide = [ReceivedPacket(p.sequence_number, p.timestamp, p.payload, 0.0, 1, 96) for p in packets(10)]
    narrow = [
        ReceivedPacket(110 + n, 5000 + 10 * FRAME + n * FRAME // 6, p.payload, 0.0, 1, 9)
        for n, p in enumerate(packets(10, start=10))
    ]
    heard = values(play(playout, one_each(wide + narrow), extra=3))
    assert heard[:20] == [1000 + n for n in range(20)]


def test_jitter_is_rfc_3550s() -> None:
    """Steady arrivals give none, alternating ones the RFC's value, a wrapped timestamp is not jitter."""
    playout = Playout(RawDecoder())
    for packet in packets(100, timestamp=2**32 - 10 * FRAME):
        playout.put(packet)
    assert playout.stats().jitter < 1e-6
    playout = Playout(RawDecoder())
    for n, p in enumerate(packets(300)):
        playout.put(ReceivedPacket(p.sequence_number, p.timestamp, p.payload, p.arrival + (n % 2) * 0.01, 1))
    assert playout.stats().jitter == pytest.approx(0.01, rel=0.01)


def test_two_threads_without_a_lock() -> None:
    """A network thread and a device thread at full speed: nothing is lost, nothing is heard twice or out of order."""
    playout = Playout(RawDecoder(), target_delay=960, max_delay=2**40)
    stream = packets(5000)
    heard: list[int] = []

    def network() -> None:
        for packet in stream:
            while len(playout._inbox) > 32:
                threading.Event().wait(0.0001)
            playout.put(packet)

    thread = threading.Thread(target=network)
    thread.start()
    while thread.is_alive() or playout._inbox or playout._waiting:
        last = int(playout.get(FRAME)[-1])
        if last > 0:
            heard.append(last)
    thread.join()
    assert heard == list(range(1000, 6000))
    stats = playout.stats()
    assert (stats.packets_received, stats.packets_lost, stats.packets_discarded) == (5000, 0, 0)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.integers(0, 3)),
            st.tuples(st.just("next"), st.integers(-5, 40), st.integers(-3, 60), st.just(0)),
            st.tuples(st.just("get"), st.integers(0, 2000), st.just(0), st.just(0)),
            st.tuples(st.just("flush"), st.just(0), st.just(0), st.just(0)),
        ),
        max_size=120,
    )
)
def test_whatever_comes_the_device_gets_its_samples(steps: list[tuple[str, int, int, int]]) -> None:
    """Any packets in any order: exactly as many samples as asked for, bounded delay, no negative counter."""
    playout = Playout(RawDecoder())
    sequence, timestamp = 500, 7000
    for what, a, b, ssrc in steps:
        if what == "put":
            playout.put(ReceivedPacket(a, b, bytes(2 * FRAME), 0.0, ssrc))
        elif what == "next":
            sequence, timestamp = (sequence + a) % 65536, (timestamp + b * FRAME) % 2**32
            playout.put(ReceivedPacket(sequence, timestamp, bytes(2 * FRAME), 0.0, 0))
        elif what == "flush":
            playout.flush()
        else:
            assert playout.get(a).size == a
            assert len(playout._waiting) <= 11
    stats = playout.stats()
    assert min(stats.packets_lost, stats.packets_late, stats.packets_duplicated, stats.packets_discarded) >= 0
    assert stats.packets_late + stats.packets_duplicated + stats.packets_discarded <= stats.packets_received
