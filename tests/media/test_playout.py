"""The playout buffer without clock, thread or network: what comes in, in which order, and what must be heard."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telnyx_agent._media.codecs.codec import CodecError
from telnyx_agent._media.playout.concealer import FADED
from telnyx_agent._media.playout.playout import Playout
from telnyx_agent._media.playout.sequence import ReceivedPacket
from tests.media.harness import CONCEALED, FRAME, RATE, RawDecoder, Samples, packets

LEAST = 1920


def steady(decoder: RawDecoder | None = None, least: int = LEAST) -> Playout:
    """A playout whose delay does not follow a good network all the way down: 40 ms, so that a test can tell places."""
    return Playout(decoder or RawDecoder(), least_delay=least)


def play(playout: Playout, arrivals: list[list[ReceivedPacket]], *, extra: int = 0, block: int = FRAME) -> Samples:
    """One list of packets arrives, then one block is heard, and so on; then `extra` more blocks."""
    heard = []
    for arriving in arrivals:
        for packet in arriving:
            playout.put(packet)
        heard.append(playout.get(block))
    heard += [playout.get(block) for _ in range(extra)]
    return np.concatenate(heard)


def values(heard: Samples, least: int = 100) -> list[int]:
    """What was heard one after the other: the values that stay for `least` samples, silence left out."""
    edges = np.flatnonzero(np.diff(heard)) + 1
    pieces = np.split(heard, edges)
    found: list[int] = []
    for piece in pieces:
        if piece.size >= least and piece[0] != 0 and found[-1:] != [int(piece[0])]:
            found.append(int(piece[0]))
    return found


def real(heard: Samples) -> list[int]:
    """As `values`, without what was made up."""
    return [value for value in values(heard) if value > 0]


def one_each(stream: list[ReceivedPacket]) -> list[list[ReceivedPacket]]:
    return [[packet] for packet in stream]


def test_clean_stream_is_heard_whole_and_in_order() -> None:
    """Every packet comes out once, 40 ms after it came in, and nothing is made up."""
    playout = steady()
    heard = play(playout, one_each(packets(50)), extra=3)
    assert values(heard)[:50] == [1000 + n for n in range(50)]
    assert np.flatnonzero(heard)[0] in range(LEAST, LEAST + 2)
    stats = playout.stats()
    assert (stats.packets_received, stats.packets_lost, stats.concealed_samples) == (50, 0, 0)
    assert stats.jitter_buffer_delay / stats.jitter_buffer_emitted_count == pytest.approx(0.04, abs=0.001)


def test_reordered_packets_are_heard_in_order() -> None:
    """Neighbours that changed places and a packet two places late cost nothing."""
    stream = packets(30)
    stream[10], stream[11] = stream[11], stream[10]
    stream.insert(22, stream.pop(20))
    playout = steady(least=3840)
    heard = play(playout, one_each(stream), extra=5)
    assert values(heard)[:30] == [1000 + n for n in range(30)]
    assert playout.stats().concealed_samples == 0
    assert playout.stats().packets_lost == 0


def test_reordering_of_the_very_first_packets_loses_nothing() -> None:
    """The stream begins with the lowest number that came before playing began."""
    stream = packets(10)
    stream[0], stream[1] = stream[1], stream[0]
    playout = steady()
    assert values(play(playout, one_each(stream), extra=3))[:10] == [1000 + n for n in range(10)]


def test_duplicates_are_heard_once() -> None:
    """A packet that comes twice, before or after its turn, is counted and ignored."""
    stream = packets(20)
    arrivals = one_each(stream)
    arrivals[5].append(stream[5])
    arrivals[15].append(stream[5])
    playout = steady()
    assert values(play(playout, arrivals, extra=3))[:20] == [1000 + n for n in range(20)]
    assert playout.stats().packets_duplicated == 2
    assert playout.stats().packets_late == 0


def test_a_lost_packet_is_concealed_for_exactly_its_time() -> None:
    """One frame is made up, everything after it stays where it was."""
    stream = packets(20)
    arrivals = one_each(stream)
    arrivals[10] = []
    playout = steady()
    heard = values(play(playout, arrivals, extra=3))
    assert heard[:20] == [*(1000 + n for n in range(10)), CONCEALED, *(1011 + n for n in range(9))]
    stats = playout.stats()
    assert (stats.packets_lost, stats.concealed_samples, stats.concealment_events) == (1, FRAME, 1)


def test_a_burst_of_losses_is_one_event_and_fades() -> None:
    """Fifteen lost packets are 300 ms of made-up audio that ends in silence; the timeline holds."""
    stream = packets(60)
    arrivals = one_each(stream)
    for n in range(15, 30):
        arrivals[n] = []
    playout = steady(least=16 * FRAME)
    heard = play(playout, arrivals, extra=20)
    stats = playout.stats()
    assert (stats.packets_lost, stats.concealment_events) == (15, 1)
    assert stats.concealed_samples == 15 * FRAME
    assert stats.silent_concealed_samples == 15 * FRAME - FADED
    begin = int(np.flatnonzero(heard == 1014)[FRAME - 1]) + 1
    assert (heard[begin : begin + FADED // 2] == CONCEALED).all()
    assert (heard[begin + FADED : begin + 15 * FRAME] == 0).all()
    assert heard[begin + 15 * FRAME + 200] == 1030


def test_real_sound_joins_what_was_made_up_at_its_level() -> None:
    """After a gap that has half faded, what comes does not begin from silence, nor at full level at once."""
    stream = packets(30, value=lambda n: 10000)
    arrivals = one_each(stream)
    for n in range(10, 19):
        arrivals[n] = []
    playout = steady(least=10 * FRAME)
    heard = play(playout, arrivals, extra=12)
    at = int(np.flatnonzero(heard == CONCEALED)[0]) + 9 * FRAME
    assert heard[at] == pytest.approx(10000 / 2, rel=0.02)
    assert heard[at + 119 : at + 2000].tolist() == [10000] * 1881


def test_numbers_without_time_between_them_are_not_concealed() -> None:
    """Telephone events share the numbers of the audio and never reach us: a hole in the numbers, none in the sound."""
    before, after = packets(10), packets(10, first=115, timestamp=5000 + 10 * FRAME, start=10)
    playout = steady()
    assert values(play(playout, one_each(before + after), extra=3))[:20] == [1000 + n for n in range(20)]
    assert playout.stats().concealed_samples == 0


def test_a_late_packet_is_thrown_away_and_no_longer_counts_as_lost() -> None:
    """Lost and late are never both."""
    stream = packets(20)
    arrivals = one_each(stream)
    arrivals[14].append(arrivals[8].pop())
    playout = steady()
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
    playout = steady()
    heard = values(play(playout, arrivals, extra=3))
    assert heard[:30] == [1000 + n if n != 5 else CONCEALED for n in range(30)]
    assert playout.stats().packets_lost == 1


def test_a_pause_of_the_sender_is_not_a_loss() -> None:
    """DTX: numbers go on, timestamps jump by the time nothing was sent. The next spurt keeps the 60 ms of delay."""
    before = packets(10)
    pause = 50
    after = packets(10, first=110, timestamp=5000 + (10 + pause) * FRAME, start=10)
    arrivals: list[list[ReceivedPacket]] = [*one_each(before), *([[]] * pause), *one_each(after)]
    playout = steady()
    heard = play(playout, arrivals, extra=4)
    stats = playout.stats()
    assert (stats.packets_lost, stats.concealed_samples) == (0, 0)
    assert [v for v in values(heard) if v != CONCEALED] == [1000 + n for n in range(20)]
    first_after = int(np.flatnonzero(heard > 1010 - 1)[0])
    assert abs(first_after - ((10 + pause) * FRAME + LEAST)) <= FRAME


def test_a_short_pause_inside_the_buffer_keeps_the_timeline() -> None:
    """A gap of 40 ms in the timestamps, known in advance, is 40 ms of fading sound, and no loss."""
    before = packets(10)
    after = packets(10, first=110, timestamp=5000 + 12 * FRAME, start=10)
    arrivals: list[list[ReceivedPacket]] = [*one_each(before), [], [], *one_each(after)]
    playout = steady()
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
    playout = steady(decoder)
    heard = [v for v in values(play(playout, arrivals, extra=3)) if v != CONCEALED]
    assert heard == [1000 + n for n in [*range(10), *range(20, 30)]]
    assert playout.stats().packets_lost == 0
    assert playout.stats().packets_late == 1
    assert decoder.resets == 2  # with each first packet


def test_back_to_the_former_ssrc() -> None:
    """A call that is put through and back again is heard both times."""
    first, second = packets(6), packets(6, first=9000, ssrc=2, start=10)
    third = packets(6, first=106, timestamp=5000 + 6 * FRAME, start=20)
    playout = steady()
    heard = values(play(playout, one_each(first + second + third), extra=3))
    assert [v for v in heard if v != CONCEALED] == [1000 + n for n in [*range(6), *range(10, 16), *range(20, 26)]]


def test_a_jump_of_the_sequence_number_is_a_restart_when_the_next_packet_confirms_it() -> None:
    """RFC 3550 A.1: the same sender began to count anew; one packet is not enough to believe it."""
    old = packets(10)
    new = packets(10, first=30000, timestamp=77, start=20)
    playout = steady()
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
    playout = steady()
    assert values(play(playout, arrivals, extra=3))[:20] == [1000 + n for n in range(20)]


@pytest.mark.parametrize("jump", [-500_000, 10_000_000, 2**31 - 1])
def test_a_jump_of_the_timestamp_alone_is_not_waited_for(jump: int) -> None:
    """A sender whose clock jumps while its numbers go on (FreeSWITCH, when it bridges) is heard without a hole."""
    before = packets(10)
    after = packets(10, first=110, timestamp=(5000 + 10 * FRAME + jump) % 2**32, start=10)
    playout = steady()
    heard = values(play(playout, one_each(before) + one_each(after), extra=3))
    assert heard[:20] == [1000 + n for n in range(20)]


def test_no_more_than_the_bound_is_ever_waiting() -> None:
    """Half a second that came before the first `get`: what would be in time now is heard, the rest is counted."""
    playout = steady()
    for packet in packets(25):
        playout.put(packet)
    heard = play(playout, [], extra=15)
    assert real(heard) == [1022, 1023, 1024]
    stats = playout.stats()
    assert (stats.packets_discarded, stats.packets_lost) == (22, 0)


@pytest.mark.parametrize("missed", [0, 2])
def test_sound_after_what_was_thrown_away_comes_up_from_silence(missed: int) -> None:
    """It has nothing to do with what was heard before, or is being made up."""
    stream = packets(100, value=lambda n: 8000)
    playout = steady()
    play(playout, one_each(stream[:40]), extra=missed)
    heard = play(playout, [stream[40:]])
    assert playout.stats().packets_discarded >= 40
    assert heard[0] < 100
    assert heard[:120].max() == 8000
    assert (np.diff(heard[:120]) >= 0).all()


def test_memory_is_bounded_when_nobody_listens() -> None:
    """A call without a device: an hour of packets leaves a second of them, all counted."""
    playout = Playout()
    playout.set_decoders({-1: RawDecoder()})
    stream = packets(1000)
    for packet in stream:
        playout.put(packet)
    assert len(playout._inbox) <= 64
    heard = play(playout, [], extra=15)
    assert real(heard) == [1999]
    stats = playout.stats()
    assert stats.packets_received == 1000
    assert stats.packets_discarded == 999


def test_a_burst_after_a_stall_is_bounded_and_silence_brings_the_delay_back() -> None:
    """The network held everything for 400 ms: at most 200 ms stay, and they are gone after a pause in the speech."""
    stream = packets(100, value=lambda n: 1000 + n if n < 60 else 3)
    arrivals = one_each(stream)
    for n in range(20, 40):
        arrivals[40].append(arrivals[n].pop())
    playout = steady()
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
    playout = steady()
    heard = values(play(playout, arrivals, extra=6))
    assert [v for v in heard if v != CONCEALED] == [1000 + n for n in range(60)]
    assert playout.stats().packets_lost == 0
    assert playout.stats().packets_late == 0


def test_when_packets_stop_the_last_sound_fades_to_silence() -> None:
    """No tail that goes on for ever, no hard cut."""
    playout = steady()
    heard = play(playout, one_each(packets(10)), extra=20)
    end = int(np.flatnonzero(heard == 1009)[-1]) + 1
    assert (heard[end : end + FADED // 2] == CONCEALED).all()
    assert (np.diff(np.abs(heard[end : end + FADED].astype(int))) <= 0).all()
    assert (heard[end + FADED :] == 0).all()


def test_flush_is_heard_at_once() -> None:
    """Barge-in: what was waiting is gone, what comes afterwards is heard, its numbers are no losses."""
    stream = packets(40)
    playout = steady()
    play(playout, one_each(stream[:20]))
    playout.flush()
    rest = play(playout, one_each(stream[20:]), extra=3)
    assert not set(values(rest)) & set(range(1000, 1020))
    assert set(range(1020, 1040)) <= set(values(rest))
    assert playout.stats().packets_lost == 0
    assert playout.stats().packets_discarded == 2


def test_flush_before_anything_and_twice() -> None:
    """It never does harm."""
    playout = steady()
    playout.flush()
    playout.flush()
    assert values(play(playout, one_each(packets(10)), extra=3))[:10] == [1000 + n for n in range(10)]


@pytest.mark.parametrize("block", [1, 7, 160, 441, 480, 512, 960, 1024, 4800])
def test_any_block_size_gives_the_same_sound(block: int) -> None:
    """What a device asks for at a time does not change what is heard."""
    playout = steady()
    stream = packets(100)
    heard, time = [], 0
    while time < 110 * FRAME:
        while stream and round(stream[0].arrival * RATE) <= time:
            playout.put(stream.pop(0))
        heard.append(playout.get(block))
        assert heard[-1].size == block
        time += block
    # That blocks are long, and packets late for them, has to be found out.
    assert real(np.concatenate(heard))[-85:] == [1000 + n for n in range(15, 100)]
    assert playout.stats().packets_lost == playout.stats().packets_discarded == 0


@pytest.mark.parametrize("milliseconds", [10, 20, 40, 60])
def test_any_packet_length(milliseconds: int) -> None:
    """10 to 60 ms a packet, with a loss that is concealed for that long."""
    samples = milliseconds * RATE // 1000
    stream = packets(20, samples=samples)
    playout = steady()
    arrivals = one_each(stream)
    arrivals[8] = []
    heard = play(playout, arrivals, extra=6, block=samples)
    whole = heard[np.isin(heard, [1000 + n for n in range(20)])]
    assert sorted(set(whole.tolist())) == [1000 + n for n in range(20) if n != 8]
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
    playout = steady()
    heard = values(play(playout, arrivals, extra=3))
    assert heard[5] == CONCEALED
    assert [v for v in heard if v != CONCEALED] == [1000 + n for n in range(21) if n not in (5, 12)]
    assert playout.stats().packets_discarded == 1
    assert playout.stats().packets_lost == 1


def with_events(numbers: dict[int, int], count: int = 20) -> list[ReceivedPacket]:
    """Audio, among which the packets with these numbers are of other payload types, with timestamps of their own."""
    found = []
    audio = 0
    for n in range(count):
        number = 65530 + n & 0xFFFF
        if n in numbers:
            found.append(ReceivedPacket(number, 77 * n, b"\x01\x80\0\xa0", 0.0, 1, numbers[n]))
        else:
            payload = np.full(FRAME, 1000 + n, np.int16).tobytes()
            found.append(ReceivedPacket(number, 5000 + audio * FRAME, payload, audio * 0.02, 1, 96))
            audio += 1
    return found


@pytest.mark.parametrize("order", ["as sent", "events late", "events early"])
@pytest.mark.parametrize(
    "numbers",
    [{4: 13}, {4: 101, 5: 101, 6: 101}, {0: 13}, {19: 13}, {4: 13, 8: 126, 12: 13}, dict.fromkeys(range(1, 19), 13)],
)
def test_packets_that_are_no_audio_are_not_lost(numbers: dict[int, int], order: str) -> None:
    """Comfort noise and telephone events take numbers; the audio goes on as if there were none."""
    playout = Playout()
    playout.set_decoders({96: RawDecoder()})
    sent = with_events(numbers)
    arrivals = [[packet] for packet in sent]
    if order != "as sent":  # by one place in the network
        for n in numbers:
            other = n + 1 if order == "events late" else n - 1
            if 0 < other < 20 and other not in numbers:
                arrivals[n], arrivals[other] = arrivals[other], arrivals[n]
    audio = [1000 + n for n in range(20) if n not in numbers]
    heard = values(play(playout, arrivals, extra=6))
    assert [value for value in heard if value in audio] == audio
    stats = playout.stats()
    assert (stats.packets_lost, stats.packets_discarded, stats.packets_duplicated) == (0, 0, 0)
    assert stats.packets_received == 20
    assert stats.jitter == pytest.approx(0.0, abs=1e-6)


def test_a_loss_beside_comfort_noise_is_one_loss() -> None:
    """It is concealed and counted; the other number is not."""
    playout = Playout()
    playout.set_decoders({96: RawDecoder()})
    sent = with_events({8: 13})
    heard = values(play(playout, [[] if n == 7 else [packet] for n, packet in enumerate(sent)], extra=6))
    assert CONCEALED in heard
    assert playout.stats().packets_lost == 1
    assert 1009 in heard


def test_an_event_that_comes_when_it_was_thought_to_be_lost() -> None:
    """Then it was not."""
    playout = Playout()
    playout.set_decoders({96: RawDecoder()})
    sent = with_events({8: 101}, 30)
    late = sent.pop(8)
    play(playout, one_each(sent[:20]))
    assert playout.stats().packets_lost == 1
    playout.put(late)
    play(playout, one_each(sent[20:]), extra=6)
    assert playout.stats().packets_lost == 0


def test_endless_events_are_not_remembered() -> None:
    """Only so many numbers are kept, whoever sends them."""
    playout = Playout()
    playout.set_decoders({96: RawDecoder()})
    playout.put(ReceivedPacket(0, 0, np.full(FRAME, 1, np.int16).tobytes(), 0.0, 1, 96))
    for n in range(2, 3000):
        playout.put(ReceivedPacket(n, 0, b"", 0.0, 1, 13))
        playout.get(48)
    assert len(playout._packets._silent) <= 200


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
    playout = steady()
    for packet in packets(100, timestamp=2**32 - 10 * FRAME):
        playout.put(packet)
    assert playout.stats().jitter < 1e-6
    playout = steady()
    for n, p in enumerate(packets(300)):
        playout.put(ReceivedPacket(p.sequence_number, p.timestamp, p.payload, p.arrival + (n % 2) * 0.01, 1))
    assert playout.stats().jitter == pytest.approx(0.01, rel=0.01)


def test_another_stream_is_not_jitter() -> None:
    """Two senders whose clocks have nothing to do with each other, in turns: each is as steady as it is."""
    playout = steady()
    for p in packets(60):
        playout.put(ReceivedPacket(p.sequence_number, p.timestamp, p.payload, p.arrival, 1))
        playout.put(ReceivedPacket(p.sequence_number, p.timestamp, p.payload, p.arrival + 0.3, 2))
    assert playout.stats().jitter == 0.0


def test_two_threads_without_a_lock() -> None:
    """A network thread and a device thread at full speed: nothing is lost, nothing is heard twice or out of order."""
    playout = Playout(RawDecoder(), max_delay=2**40)
    stream = packets(5000)
    heard: list[int] = []
    found: set[int] = set()

    def network() -> None:
        for packet in stream:
            while len(playout._inbox) > 32:
                threading.Event().wait(0.0001)
            playout.put(packet)

    thread = threading.Thread(target=network)
    thread.start()
    while thread.is_alive() or playout._inbox or len(playout._packets):
        block = playout.get(FRAME)
        found.update(np.unique(block).tolist())
        if block[-1] > 0:
            heard.append(int(block[-1]))
    thread.join()
    # The device is faster than any network, so there are holes, and what would only add to the delay is left out.
    assert all(1000 <= value < 6000 for value in heard)
    assert heard == sorted(heard)
    stats = playout.stats()
    assert (stats.packets_received, stats.packets_lost, stats.packets_duplicated) == (5000, 0, 0)
    # Anywhere in a block: of a packet that came while it was concealed already, only the rest is played.
    left_out = stats.packets_late + stats.packets_discarded + stats.removed_samples // FRAME + 1
    assert len(found & set(range(1000, 6000))) >= 5000 - left_out


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
    playout = steady()
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
            assert len(playout._packets) <= 20
    stats = playout.stats()
    assert min(stats.packets_lost, stats.packets_late, stats.packets_discarded) >= 0
    assert stats.packets_late + stats.packets_duplicated + stats.packets_discarded <= stats.packets_received


class Choosy(RawDecoder):
    """What it cannot decode it finds out only when it does."""

    def decode(self, payload: bytes) -> Samples:
        if payload[:2] == b"\xff\x7f":
            raise CodecError("broken inside")
        return super().decode(payload)


def test_a_packet_that_turns_out_to_be_broken_is_made_up() -> None:
    """For exactly its time, in time or late; the rest stays where it was."""
    stream = packets(20, value=lambda n: 32767 if n in (6, 12) else 1000 + n)
    arrivals = one_each(stream)
    arrivals[14].insert(0, arrivals[12].pop())
    playout = steady(Choosy())
    heard = values(play(playout, arrivals, extra=4))
    assert heard[:12] == [CONCEALED if n == 6 else 1000 + n for n in range(12)]
    assert [value for value in heard if value != CONCEALED][-7:] == list(range(1013, 1020))
    stats = playout.stats()
    assert stats.packets_discarded + stats.packets_late == 2
    assert stats.packets_lost == 0


def test_jitter_is_counted_in_each_codecs_clock() -> None:
    """Packets of 20 ms that come every 20 ms have none, at 8 kHz too; a payload type without a decoder says nothing."""
    playout = Playout()
    playout.set_decoders({0: RawDecoder(8000), 96: RawDecoder()})
    for n in range(100):
        playout.put(ReceivedPacket(n, 160 * n, b"", n * 0.02, 1, 0))
    assert playout.stats().jitter == pytest.approx(0.0, abs=1e-9)
    for n in range(100):
        playout.put(ReceivedPacket(n, 960 * n, b"", n * 0.02, 1, 96))
        playout.put(ReceivedPacket(n, 7777 * n, b"", n * 0.02, 1, 13))
    assert playout.stats().jitter == pytest.approx(0.0, abs=1e-9)


def test_what_waits_is_counted_in_seconds() -> None:
    """Packets, and what is decoded and not handed out yet; the target is counted from the fastest packet."""
    playout = steady()
    for packet in packets(3):
        playout.put(packet)
    assert playout.stats().delay == 0.0
    playout.get(480)
    assert playout.stats().target_delay == pytest.approx(LEAST / RATE, abs=0.02)
    for _ in range(12):
        playout.get(480)
    assert playout.stats().delay == 0.0


class Carrying(RawDecoder):
    """Each packet carries the one before it; it can be put back, and remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def has_fec(self, payload: bytes) -> bool:
        return True

    def recover(self, payload: bytes, samples: int) -> Samples:
        self.asked.append(f"recover {samples}")
        return np.frombuffer(payload, np.int16)[:samples] - 1

    def snapshot(self) -> int:
        return len(self.asked)

    def restore(self, state: int) -> None:
        self.asked.append(f"back to {state}")


def test_a_lost_packet_is_taken_from_the_next_one() -> None:
    """In its place, so nothing is made up; it is lost, and recovered."""
    arrivals = one_each(packets(20))
    arrivals[10] = []
    playout = steady(Carrying())
    heard = values(play(playout, arrivals, extra=3))
    assert heard[:20] == list(range(1000, 1020))
    stats = playout.stats()
    assert (stats.packets_lost, stats.fec_packets_recovered, stats.concealed_samples) == (1, 1, 0)


def test_one_packet_in_eight_is_looked_at_for_error_correction() -> None:
    """The first, then each eighth: a sender seldom changes its mind, and to look takes time."""
    looked_at = []

    class Looking(RawDecoder):
        def has_fec(self, payload: bytes) -> bool:
            looked_at.append(int(self.decode(payload)[0]))
            return False

    play(steady(Looking()), one_each(packets(34)))
    assert looked_at == [1000, 1008, 1016, 1024, 1032]


def test_the_next_packet_mends_the_decoder_when_it_comes_too_late_to_be_heard() -> None:
    """The lost one's place was filled already: only the decoder takes it, and what follows sounds better."""
    arrivals = one_each(packets(30))
    arrivals[10] = []
    for n in (11, 12, 13):
        arrivals[14].insert(0, arrivals[n].pop())
    decoder = Carrying()
    playout = Playout(decoder)
    play(playout, arrivals, extra=3)
    assert "recover 960" in decoder.asked
    stats = playout.stats()
    assert (stats.packets_lost, stats.fec_packets_recovered) == (1, 0)
    assert stats.concealed_samples >= FRAME


def test_a_pause_is_where_the_delay_becomes_right() -> None:
    """Once the first guess of 15 ms is dropped, the next pause is shorter by them; before, it is as long as it was."""
    for spoken, removed in ((30, 0), (60, 720)):
        before = packets(spoken)
        after = packets(40, first=100 + spoken, timestamp=5000 + (spoken + 2) * FRAME, start=spoken)
        playout = Playout(RawDecoder())
        heard = play(playout, [*one_each(before), [], [], *one_each(after)], extra=3)
        stats = playout.stats()
        assert (stats.removed_samples, stats.inserted_samples, stats.packets_lost) == (removed, 0, 0)
        first, last = (int(np.flatnonzero(heard == 1000 + spoken)[0]), int(np.flatnonzero(heard == 999 + spoken)[-1]))
        assert first - last - 1 == 2 * FRAME - removed


def delays(heard: Samples, numbers: tuple[int, ...]) -> tuple[int | None, ...]:
    """How many samples after its place in a stream of a packet every 20 ms a packet is heard; None: never."""
    found: list[int | None] = []
    for number in numbers:
        same = (heard == 1000 + number).astype(int)
        places = np.flatnonzero(np.convolve(same, np.ones(60, int), "valid") == 60)
        found.append(int(places[0]) - number * FRAME if places.size else None)
    return tuple(found)


def outcome(playout: Playout) -> tuple[int, ...]:
    """Lost, late, discarded; concealed, of that silent, events; removed, inserted."""
    stats = playout.stats()
    return (
        *(stats.packets_lost, stats.packets_late, stats.packets_discarded),
        *(stats.concealed_samples, stats.silent_concealed_samples, stats.concealment_events),
        *(stats.removed_samples, stats.inserted_samples),
    )


def held_back(count: int, *held: tuple[int, int, int]) -> list[list[ReceivedPacket]]:
    """A packet every 20 ms; those from `first` to before `end` come together at `until`."""
    stream = packets(count)
    arrivals = [[] if any(first <= n < end for first, end, _ in held) else [stream[n]] for n in range(count)]
    for first, end, until in held:
        arrivals[until] = stream[first:end] + arrivals[until]
    return arrivals


def paused(first: int, second: int, gap: int, wait: int) -> list[list[ReceivedPacket]]:
    """So many packets, a pause of so many samples that lasts `wait` blocks, and so many packets."""
    after = packets(second, first=100 + first, timestamp=5000 + first * FRAME + gap, start=first)
    return [*one_each(packets(first)), *([[]] * wait), *one_each(after)]


@pytest.mark.parametrize(
    ("arrivals", "least", "heard", "counted"),
    [
        pytest.param(
            held_back(100, (60, 61, 61)),
            0,
            (720, 1200, 720, 720, 720, 720),
            (0, 0, 0, 240, 0, 1, 457, 0),
            id="one is late by its length",
        ),
        pytest.param(
            held_back(100, (60, 61, 61), (61, 62, 62)),
            0,
            (720, 1200, 1200, 960, 960, 960),
            (0, 0, 0, 480, 0, 2, 211, 0),
            id="two in a row are late",
        ),
        pytest.param(
            held_back(100, (60, 61, 62), (61, 62, 63)),
            0,
            (720, 2160, 1920, 1457, 1300, 710),
            (0, 0, 0, 1200, 0, 1, 1210, 0),
            id="two in a row are later",
        ),
        pytest.param(
            held_back(100, (60, 63, 63)),
            0,
            (720, 3120, 2880, 2417, 2260, 730),
            (0, 0, 0, 2160, 0, 1, 2150, 0),
            id="three are held back",
        ),
        pytest.param(
            held_back(100, (60, 62, 62)),
            LEAST,
            (1920, 1920, 1920, 1920, 1920, 1920),
            (0, 0, 0, 0, 0, 0, 0, 0),
            id="two are held back and wanted late",
        ),
        pytest.param(
            held_back(120, (60, 74, 74)),
            0,
            (720, None, None, None, None, 1588),
            (0, 0, 7, 0, 0, 0, 5812, 0),
            id="held back for 280 ms",
        ),
        pytest.param(
            held_back(140, (60, 80, 80)),
            0,
            (720, None, None, None, None, 3124),
            (0, 0, 13, 0, 0, 0, 6029, 0),
            id="held back for 400 ms",
        ),
        pytest.param(
            held_back(140, (60, 80, 80)),
            LEAST,
            (1920, None, None, None, None, 5299),
            (0, 0, 10, 0, 0, 0, 6891, 0),
            id="held back for 400 ms, with more delay",
        ),
        pytest.param(
            paused(60, 60, FRAME, 2),
            0,
            (720, 2160, 2160, 1920, 1920, 1920),
            (0, 0, 0, 240, 0, 1, 0, 0),
            id="a pause that was longer than it says",
        ),
        pytest.param(
            paused(60, 60, FRAME, 1),
            LEAST,
            (1920, 2880, 2880, 2880, 2880, 2880),
            (0, 0, 0, 0, 0, 0, 0, 0),
            id="a pause as long as it says",
        ),
        pytest.param(
            paused(60, 60, 3 * FRAME, 3),
            LEAST,
            (1920, 4800, 4800, 4800, 4800, 4800),
            (0, 0, 0, 0, 0, 0, 0, 0),
            id="a pause of three",
        ),
        pytest.param(
            paused(60, 60, 20 * FRAME, 1),
            0,
            (720, 960, 960, 960, 960, 960),
            (0, 0, 0, 0, 0, 0, 0, 0),
            id="a pause in the timestamps alone",
        ),
        pytest.param(
            paused(60, 60, 20 * FRAME, 30),
            0,
            (720, 28919, 29040, 29040, 28800, 28800),
            (0, 0, 0, 2702, 0, 14, 1351, 0),
            id="200 ms more pause than it says",
        ),
        pytest.param(
            paused(60, 60, 20 * FRAME, 31),
            0,
            (720, 29879, 29760, 29760, 29760, 29760),
            (0, 0, 0, 0, 0, 0, 0, 0),
            id="220 ms more pause than it says",
        ),
        pytest.param(
            paused(60, 60, 40 * FRAME, 30),
            0,
            (720, 38519, 38400, 38400, 38400, 38400),
            (0, 0, 0, 0, 0, 0, 0, 0),
            id="200 ms less pause than it says",
        ),
        pytest.param(
            paused(60, 60, 41 * FRAME, 30),
            0,
            (720, 28919, 28800, 28800, 28800, 28800),
            (0, 0, 0, 0, 0, 0, 0, 0),
            id="220 ms less pause than it says",
        ),
        pytest.param(
            [*held_back(60, (40, 44, 44), (50, 54, 54)), *paused(62, 60, 6 * FRAME, 6)[60:]],
            0,
            (1270, 867, 867, 5760, 5760, 5760),
            (0, 0, 0, 5594, 0, 2, 6314, 0),
            id="a pause after the network got worse",
        ),
    ],
)
def test_what_the_network_does_to_the_packet(
    arrivals: list[list[ReceivedPacket]], least: int, heard: tuple[int | None, ...], counted: tuple[int, ...]
) -> None:
    """How much later packets 59 to 63 and 90 are heard than they would be at once, and what is counted."""
    playout = Playout(RawDecoder(), least_delay=least)
    sound = play(playout, arrivals, extra=10)
    assert (delays(sound, (59, 60, 61, 62, 63, 90)), outcome(playout)) == (heard, counted)
    assert playout.stats().total_samples == sound.size == playout._time - playout._pcm.size


def test_all_that_has_come_is_taken_at_once() -> None:
    """What is broken, no audio, doubled or thrown away does not hold up what comes behind it."""
    playout = steady()
    stream = packets(6)
    broken = ReceivedPacket(50, 0, b"x")
    for packet in (stream[0], broken, stream[0], stream[1]):
        playout.put(packet)
    playout.flush()
    for packet in stream[2:]:
        playout.put(packet)
    playout.get(480)
    assert not playout._inbox
    assert (len(playout._packets), playout._playing) == (3, True)
    assert outcome(playout)[:3] == (0, 0, 3)
    assert playout.stats().packets_duplicated == 1


@pytest.mark.parametrize("together", [1, 2, 3])
def test_a_new_stream_has_lateness_of_its_own(together: int) -> None:
    """However many of its packets come at once: 100 ms without sound between the two are no lateness of the second."""
    playout = Playout(RawDecoder())
    play(playout, one_each(packets(60)), extra=5)
    assert (playout._target.base, playout._target.value) == (0, 0)
    for packet in packets(together, first=9000, ssrc=2, start=60):
        playout.put(packet)
    playout.get(FRAME)
    assert (playout._target.base, playout._target.value) == ((6 - together) * FRAME, (6 - together) * FRAME)


def test_lateness_that_was_forgotten_when_nothing_played() -> None:
    """Up to 200 ms beside what was usual a pause is a pause; beyond it time goes on from somewhere else."""
    for blocks, base in ((10, 0), (11, 11 * FRAME)):
        playout = Playout(RawDecoder())
        play(playout, one_each(packets(60)), extra=30 + blocks)
        playout.put(packets(1, first=160, timestamp=5000 + 90 * FRAME, start=60)[0])
        playout.get(FRAME)
        assert playout._target.base == base


def test_what_a_device_that_did_not_ask_has_missed_is_thrown_away() -> None:
    """It asks for nothing for 1.2 s: eight packets later it is known to be no early stream, and the newest is heard."""
    playout = Playout(RawDecoder())
    stream = packets(160)
    play(playout, one_each(stream[:60]))
    for packet in stream[60:120]:
        playout.put(packet)
    seen = []
    for packet in stream[120:]:
        heard = play(playout, [[packet]])
        seen.append((outcome(playout)[2], *real(heard)[-1:]))
    assert seen[6] == (0, 1066)
    assert seen[7:] == [(60, 1000 + number) for number in range(127, 160)]
    assert outcome(playout)[3:6] == (0, 0, 0)
    assert 0.0 < playout.stats().delay < 0.02
