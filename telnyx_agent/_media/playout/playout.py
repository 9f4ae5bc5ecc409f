"""From RTP packets to what is heard: reorder, conceal, keep the delay small. PURE: no thread, no clock, no I/O.

Time is counted in samples that were asked for. `put` runs on the loop, `get` on the device's thread; between them is
one `deque`, and everything else belongs to one of the two. Names of counters are those of W3C's `getStats`.

How a gap is told from a pause: packets are in order of their sequence numbers, so a missing number is a loss and is
concealed for as long as the timestamps say; consecutive numbers with a jump in the timestamps are a pause of the sender
(DTX). When there is nothing at all, the last sound goes on and fades; the gap is judged by the packet that comes after
it. `docs/playout.md` has the whole of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..codecs.codec import RATE, CodecError, Decoder
from ..stats import PlayoutCounts, PlayoutStats
from .concealer import FADED, Synthesis
from .packets import PacketBuffer, WaitingPacket
from .sequence import JitterMeter, ReceivedPacket
from .target_delay import TargetDelay
from .time_scaling import Pace
from .wsola import join

__all__ = ["Playout", "ReceivedPacket"]

_EMPTY: NDArray[np.int16] = np.empty(0, np.int16)
_RAMP = 120  # 2.5 ms from full level to silence
_CHUNK, _LEAST_CHUNK = 480, 60  # what is made up at a time: no more than is asked for, if that is not too little
_INBOX = 64  # packets, more than a second: if more wait, the device does not play
_FAR = 9600  # when nothing is playing, a packet so far off its usual time begins a new count of lateness
_LATE_START = 9600  # when playing begins later than that, some is left out, all of it when it never began before
_LOOK = 8  # packets from one that is looked at for error correction to the next
_JOIN_RADIUS = 240  # how far from its place sound may be joined, for a better fit


class _Flush:
    """In the queue: throw away what came before."""


class Playout:
    """A playout buffer whose delay follows the network.

    Args:
        decoder: For every payload type; or give `set_decoders` a table once the codecs are known.
        least_delay: Samples that packets which are not late should wait at least, however good the network.
        max_delay: Samples that may wait over the target delay at most; 300 ms. What is older is thrown away.
    """

    def __init__(self, decoder: Decoder | None = None, *, least_delay: int = 0, max_delay: int = 14400) -> None:
        self._bound = max_delay + least_delay
        self._inbox: deque[ReceivedPacket | _Flush] = deque()
        # Of the putting side.
        self._received = 0
        self._bytes = 0
        self._overflown = 0
        self._jitter = JitterMeter()
        self._clock_rates: dict[int, int] = {}
        # Of the getting side.
        self._default = decoder
        self._decoders: Mapping[int, Decoder] = {}
        self._packets = PacketBuffer(self._bound)
        self._target = TargetDelay(least_delay)
        self._synthesis = Synthesis(decoder)
        self._pace = Pace()
        self._pcm = _EMPTY  # to be heard next
        self._time = 0  # samples handed out or in `_pcm`
        self._playing = False
        self._head = 0  # where on the line the next packet's sound should begin
        self._filled = 0  # samples made up in place of what comes from there on
        self._unjudged = 0  # of these, samples not yet known to be a loss or a pause
        self._frame = _CHUNK * 2  # samples in the last packet played
        self._latest = -1  # number of the last packet that was late and played
        self._until_look = 0  # packets until one is looked at for error correction
        self._in_event = False
        self._counts = PlayoutCounts()

    # The loop's side.

    def set_decoders(self, decoders: Mapping[int, Decoder]) -> None:
        """What to decode each payload type with, from now on (loop); the getting side owns the decoders then."""
        self._clock_rates = {payload_type: decoder.clock_rate for payload_type, decoder in decoders.items()}
        self._decoders = dict(decoders)

    def put(self, packet: ReceivedPacket) -> None:
        """A packet has come (loop). Never blocks."""
        self._received += 1
        self._bytes += len(packet.payload)
        rate = self._clock_rates.get(packet.payload_type)
        if rate is None and self._default is not None:
            rate = self._default.clock_rate
        if rate is not None:  # or else it is no audio, and its timestamp may count anything
            self._jitter.arrived(packet, rate)
        self._inbox.append(packet)
        if len(self._inbox) > _INBOX:
            self._make_room()

    def flush(self) -> None:
        """Throw away all that was put so far and not heard yet (loop)."""
        self._inbox.append(_Flush())

    def stats(self) -> PlayoutStats:
        """The counters as they are now (any thread)."""
        counts, packets, target = self._counts, self._packets, self._target
        waiting = max(0, packets.end - self._head) if len(packets) else 0
        return PlayoutStats(
            packets_received=self._received,
            bytes_received=self._bytes,
            packets_lost=packets.lost,
            packets_late=packets.late,
            packets_duplicated=packets.duplicated,
            packets_discarded=packets.discarded + self._overflown,
            fec_packets_recovered=counts.recovered,
            concealed_samples=counts.concealed,
            silent_concealed_samples=counts.silent,
            concealment_events=counts.events,
            removed_samples=counts.removed,
            inserted_samples=counts.inserted,
            total_samples=counts.total,
            jitter_buffer_delay=counts.delay,
            jitter_buffer_target_delay=counts.target_delay,
            jitter_buffer_emitted_count=counts.emitted,
            jitter=self._jitter.seconds,
            delay=(waiting + self._pcm.size) / RATE,
            target_delay=(target.value - target.base) / RATE,
        )

    @property
    def position(self) -> int:
        """Where on the line of time, which begins with the first packet's audio, the next sample is (device)."""
        return self._head + self._filled - self._pcm.size

    def _make_room(self) -> None:
        """Nobody gets: keep the newest packets."""
        try:
            oldest = self._inbox.popleft()
        except IndexError:  # the getting side has just taken everything
            return
        # A flush that is first in line has nothing left to throw away.
        self._overflown += isinstance(oldest, ReceivedPacket)

    # The device's side.

    def get(self, samples: int) -> NDArray[np.int16]:
        """The next samples to be heard, exactly that many, whatever has or has not come (device). Never blocks."""
        if self._inbox:
            self._collect()
        self._counts.total += samples
        pcm = self._pcm
        if pcm.size >= samples:
            self._pcm = pcm[samples:]
            return pcm[:samples]
        parts = [pcm]
        missing = samples - pcm.size
        while missing > 0:
            pcm = self._next_chunk(missing)
            self._time += pcm.size
            parts.append(pcm)
            missing -= pcm.size
        self._pcm = _EMPTY
        if missing:
            parts[-1], self._pcm = pcm[:missing], pcm[missing:]
        elif pcm.size == samples:  # a packet, as a whole
            return pcm
        # Not by numpy: for more than 500 samples it gives up the GIL, and waits for it in a busy process.
        return np.frombuffer(bytearray().join([part.tobytes() for part in parts]), np.int16)

    def _collect(self) -> None:
        """Take what has come since the last time."""
        packets, target = self._packets, self._target
        now = self._time - self._pcm.size
        restarted, newest = False, None
        while self._inbox:
            try:
                item = self._inbox.popleft()
            except IndexError:  # the putting side has just made room
                break
            if isinstance(item, _Flush):
                self._throw_away()
                continue
            packet = packets.insert(item, self._decoders, self._default, now)
            if packet is None or not packet.duration:
                continue
            restarted = restarted or packet.restarted
            # What has come before the device first asked says nothing about the network, but the newest.
            if newest is not None and not target.is_new:
                target.arrived(now - newest.start, newest.duration)
            newest = packet
        if newest is None:
            return
        lateness = now - newest.start
        target.arrived(lateness, newest.duration)
        self._until_look -= 1
        if self._until_look <= 0:
            self._until_look = _LOOK
            target.protected(newest.decoder.has_fec(newest.payload))
        if restarted or (not self._playing and abs(lateness - target.value) > _FAR):
            target.restart(lateness)
        if packets.end - self._head > self._bound + target.value - target.base and self._playing:
            self._catch_up(lateness)

    def _catch_up(self, lateness: int) -> None:
        """Too much is waiting: nobody has asked for it for a while, or the network has held it back."""
        self._target.restart(lateness)
        if self._packets.drop_before(self._time - self._target.value):
            self._head = self._packets.oldest()[1].start
            self._synthesis.cut()
            self._filled = self._unjudged = 0

    def _throw_away(self) -> None:
        """Flush."""
        self._packets.clear()
        # What is half played ends softly.
        tail = self._pcm[:_RAMP]
        self._time -= self._pcm.size - tail.size
        self._pcm = (tail * np.linspace(1.0, 0.0, tail.size)).astype(np.int16)
        self._unjudged = 0
        self._pause()

    def _pause(self) -> None:
        """Wait for the next talk spurt."""
        self._playing = False
        self._filled = 0
        self._synthesis.cut()

    def _next_chunk(self, wanted: int) -> NDArray[np.int16]:
        """Some samples, at least one; `wanted` would be enough."""
        packets = self._packets
        size = min(_CHUNK, max(_LEAST_CHUNK, wanted))
        if not self._playing:
            waiting = self._begin()
            if waiting is None or waiting > 0:
                return self._synthesis.make_up(wanted if waiting is None else min(wanted, waiting))
        while len(packets):
            packet = packets.current()
            if packet is None:
                chunk = self._cross_loss(*packets.oldest(), size)
            elif packet.start > self._head:
                chunk = self._cross_pause(packet.start - self._head, size)
            elif self._filled or self._synthesis.mended:
                chunk = self._play_late(packet)
            else:
                chunk = self._play()
            if chunk.size:
                return chunk
        return self._run_dry(size)

    def _excess(self) -> int:
        """Samples by which the delay is over its target; negative where it is under it."""
        return self._time - self._head - self._filled - self._target.value

    def _begin(self) -> int | None:
        """Samples until a talk spurt begins, 0 when it begins now, None while there is nothing."""
        packets = self._packets
        if not len(packets):
            return None
        oldest, first = packets.oldest()
        waiting = first.start + self._target.value - self._time
        if 0 < waiting <= self._bound:
            return waiting
        if waiting < -_LATE_START:
            kept = self._bound // 2 if packets.started else 0
            packets.drop_before(self._time - self._target.value - kept)
            oldest, first = packets.oldest()
        if self._unjudged and oldest != packets.next:
            self._count_concealed(self._unjudged)
        self._unjudged = self._filled = 0
        packets.begin_with(oldest)
        self._playing = True
        self._head = first.start
        self._synthesis.made_up = FADED  # so that it comes up softly
        return 0

    def _run_dry(self, size: int) -> NDArray[np.int16]:
        """Nothing is there: the last sound fades, then a new talk spurt is waited for."""
        synthesis = self._synthesis
        if synthesis.made_up >= FADED and not synthesis.comfort:
            self._pause()
            return np.zeros(size, np.int16)
        self._filled += size
        self._unjudged += size
        return synthesis.make_up(size)

    def _cross_loss(self, oldest: int, first: WaitingPacket, size: int) -> NDArray[np.int16]:
        """The next packet is missing and later ones are there: fill its place, as far as that is not done."""
        gap = first.start - self._head
        self._judge(self._unjudged)
        if first.protected is None:
            first.protected = not first.first_of_stream and first.decoder.has_fec(first.payload)
        frame = min(self._frame, gap)
        lead = gap - frame
        if self._filled >= gap:
            if first.protected and gap > 0:
                self._synthesis.use(first.decoder, first_of_stream=False)
                self._synthesis.mend(first.payload, lead, frame)
            self._lose_until(oldest)
            self._head, self._filled = first.start, self._filled - max(0, gap)
            return _EMPTY
        if first.protected and self._filled >= lead:
            recovered = self._recover(oldest, first, lead, frame)
            if recovered is not None:
                return recovered
        size = min(size, (lead if self._filled < lead else gap) - self._filled)
        self._filled += size
        self._count_concealed(size)
        return self._synthesis.make_up(size)

    def _recover(self, oldest: int, first: WaitingPacket, lead: int, frame: int) -> NDArray[np.int16] | None:
        """The last lost packet from the one after it."""
        missed = self._filled - lead
        self._synthesis.use(first.decoder, first_of_stream=False)
        outcome = self._synthesis.recover(first.payload, lead, frame, self._filled)
        if outcome is None:
            first.protected = False
            return None
        self._counts.recovered += 1
        going_on, chunk = outcome
        if going_on.size:
            chunk, _ = join(going_on, chunk, missed, 0)
        self._lose_until(oldest)
        self._head, self._filled, self._in_event = first.start, 0, False
        return chunk

    def _cross_pause(self, gap: int, size: int) -> NDArray[np.int16]:
        """The sender has paused for `gap` samples: the best place to make the delay right."""
        self._unjudged = 0
        excess = self._excess()
        if self._filled >= gap or gap > self._bound:
            self._head += gap
            self._filled = max(0, self._filled - gap)
        elif excess > 0:
            skipped = min(gap - self._filled, excess)
            self._counts.removed += skipped
            self._head += skipped
        elif excess < 0:
            inserted = min(size, -excess)
            self._counts.inserted += inserted
            return self._synthesis.make_up(inserted)
        else:
            size = min(size, gap - self._filled)
            self._filled += size
            return self._synthesis.make_up(size)
        return _EMPTY

    def _play_late(self, packet: WaitingPacket) -> NDArray[np.int16]:
        """The next packet has come when some of its place was filled already, or what is before it."""
        self._judge(self._unjudged)
        following, filled = self._packets.follower(), self._filled
        if following is not None and filled >= packet.duration and following.end > self._head + filled:
            # The one after it is in time, so nothing is gained by playing it.
            self._packets.take()
            self._packets.late += 1
            self._synthesis.pass_over(packet.payload)
            self._head, self._filled = packet.end, filled - packet.duration
            return _EMPTY
        # Sound that is late by less than itself goes on in its place, unless the delay should grow: because it is under
        # its target, or because this is the second in a row and the network has become slower.
        wanted, radius = filled, 0
        if filled >= packet.duration or self._latest == self._packets.next - 1:
            wanted = min(filled, max(0, self._time - packet.asked))
        elif filled and (missing := -self._excess()) > 0:
            wanted, radius = max(0, filled - missing), _JOIN_RADIUS
        if filled:
            self._latest = self._packets.next
        self._take(packet)
        try:
            going_on, chunk = self._synthesis.decode_late(packet.payload)
        except CodecError:
            return self._undecodable(packet)
        self._filled = 0
        chunk, _ = join(going_on, chunk, wanted, radius)
        self._emitted(packet, chunk.size)
        return chunk

    def _play(self) -> NDArray[np.int16]:
        """Decode the packet whose turn it is."""
        packet = self._packets.current()
        assert packet is not None
        excess = self._excess()
        self._take(packet)
        if not packet.duration:
            return _EMPTY
        try:
            chunk = self._synthesis.decode(packet.payload)
        except CodecError:
            return self._undecodable(packet)
        self._emitted(packet, chunk.size)
        changed = self._pace.keep(chunk, excess)
        difference = changed.size - chunk.size
        if difference > 0:
            self._counts.inserted += difference
        else:
            self._counts.removed -= difference
        return changed

    def _take(self, packet: WaitingPacket) -> None:
        self._packets.take()
        self._target.passed(recoverable=False)
        self._synthesis.use(packet.decoder, first_of_stream=packet.first_of_stream)
        self._head = packet.end
        if packet.duration:
            self._frame = packet.duration

    def _undecodable(self, packet: WaitingPacket) -> NDArray[np.int16]:
        self._packets.discarded += 1
        self._filled = 0
        self._count_concealed(packet.duration)
        return self._synthesis.make_up(packet.duration)

    def _emitted(self, packet: WaitingPacket, samples: int) -> None:
        counts = self._counts
        self._in_event = False
        counts.delay += (self._time - packet.asked) * samples / RATE
        counts.target_delay += (self._target.value - self._target.base) * samples / RATE
        counts.emitted += samples

    def _judge(self, samples: int) -> None:
        """So much of what was made up is known to have been missing."""
        self._unjudged = 0
        self._count_concealed(samples)

    def _count_concealed(self, samples: int) -> None:
        if samples:
            self._counts.concealed += samples
            if self._synthesis.made_up >= FADED:
                self._counts.silent += samples
            self._counts.events += not self._in_event
            self._in_event = True

    def _lose_until(self, number: int) -> None:
        """Packets before `number` that have not come are lost, unless they come late."""
        for more in reversed(range(self._packets.skip_to(number))):
            self._target.passed(recoverable=not more)
