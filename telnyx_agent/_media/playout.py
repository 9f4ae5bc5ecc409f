"""From RTP packets to what is heard: reorder, conceal, keep the delay small. PURE: no thread, no clock, no I/O.

Time is counted in samples that were asked for. `put` runs on the loop, `get` on the device's thread; between them is
one `deque`, and everything else belongs to one of the two. The delay is fixed here (60 ms, and at most 200 ms); only
silence is ever left out to bring it back. Names of counters are those of W3C's `getStats`.

How a gap is told from a pause: packets are in order of their sequence numbers, so a missing number is a loss and is
concealed for as long as the timestamps say; consecutive numbers with a jump in the timestamps are a pause of the sender
(DTX). When there is nothing at all, the last sound goes on and fades within 100 ms; the gap is judged by the packet
that comes after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

from .codecs import RATE, CodecError, Decoder
from .ordering import JitterMeter, PacketOrder, ReceivedPacket
from .stats import PlayoutStats

__all__ = ["Playout", "ReceivedPacket"]

_EMPTY: NDArray[np.int16] = np.empty(0, np.int16)
_FADE_FROM, _FADE_TO = 1920, 4800  # made-up audio is at full level for 40 ms and gone after 100 ms
_RAMP = 120  # 2.5 ms from silence to full level
_CHUNK = 480  # what is made up at a time when nobody knows how much it takes
_QUIET = 160  # peak of what may be left out unheard (-46 dB)
_SLACK = 1920  # how much over the target the delay may be before silence is left out
_REMEMBERED = 200  # numbers of lost packets, to tell a late packet from a duplicate
_INBOX = 64  # packets, more than a second: nobody takes anything


@attrs.define(slots=True)
class _Waiting:
    """A packet in order: where its audio belongs on our own time line, which neither wraps nor jumps back."""

    start: int
    duration: int
    payload: bytes
    decoder: Decoder
    first_of_stream: bool

    @property
    def end(self) -> int:
        return self.start + self.duration


class _Flush:
    """In the queue: throw away what came before."""


@attrs.define(slots=True)
class _Counts:
    """Counters of the getting side."""

    lost: int = 0
    late: int = 0
    duplicated: int = 0
    discarded: int = 0
    recovered: int = 0
    concealed: int = 0
    silent: int = 0
    events: int = 0
    removed: int = 0
    total: int = 0
    emitted: int = 0
    delay: float = 0.0


class Playout:
    """A playout buffer with a fixed target delay.

    Args:
        decoder: For every payload type; or give `set_decoders` a table once the codecs are known.
        target_delay: Samples to collect before a talk spurt is played; 60 ms.
        max_delay: Samples that may wait at most; 200 ms. What is older is thrown away and counted.
    """

    def __init__(self, decoder: Decoder | None = None, *, target_delay: int = 2880, max_delay: int = 9600) -> None:
        self._target = target_delay
        self._bound = max_delay
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
        self._current = decoder
        self._order = PacketOrder()
        self._waiting: dict[int, _Waiting] = {}
        self._missing: set[int] = set()
        self._pcm = _EMPTY
        self._started = False  # whether anything was ever played
        self._playing = False
        self._waited = 0  # samples since the first packet of a talk spurt is there
        self._next = 0  # number of the packet to be played next
        self._head = 0  # where its audio should begin
        self._frame = _CHUNK * 2  # samples in the last packet played
        self._idle = 0  # samples made up since the buffer ran empty
        self._pending = 0  # of these, samples not yet known to be a loss or a pause
        self._made_up = 0  # samples made up since the last real one
        self._in_event = False
        self._counts = _Counts()

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
        if rate is None:
            rate = RATE if self._default is None else self._default.clock_rate
        self._jitter.arrived(packet, rate)
        self._inbox.append(packet)
        if len(self._inbox) > _INBOX:
            self._make_room()

    def flush(self) -> None:
        """Throw away all that was put so far and not heard yet (loop)."""
        self._inbox.append(_Flush())

    def stats(self) -> PlayoutStats:
        """The counters as they are now (any thread)."""
        counts = self._counts
        waiting = max(0, self._order.end - self._head) if self._waiting else 0
        return PlayoutStats(
            packets_received=self._received,
            bytes_received=self._bytes,
            packets_lost=counts.lost,
            packets_late=counts.late,
            packets_duplicated=counts.duplicated,
            packets_discarded=counts.discarded + self._overflown,
            fec_packets_recovered=counts.recovered,
            concealed_samples=counts.concealed,
            silent_concealed_samples=counts.silent,
            concealment_events=counts.events,
            removed_samples=counts.removed,
            total_samples=counts.total,
            jitter_buffer_delay=counts.delay,
            jitter_buffer_emitted_count=counts.emitted,
            jitter=self._jitter.seconds,
            delay=(waiting + self._pcm.size) / RATE,
        )

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
        self._collect()
        self._enforce_bound()
        out = np.zeros(samples, np.int16)
        filled = 0
        while filled < samples:
            if not self._pcm.size:
                self._pcm = self._next_chunk(samples - filled)
            part = self._pcm[: samples - filled]
            out[filled : filled + part.size] = part
            self._pcm = self._pcm[part.size :]
            filled += part.size
        self._counts.total += samples
        return out

    def _collect(self) -> None:
        """Take what has come since the last time."""
        while self._inbox:
            try:
                item = self._inbox.popleft()
            except IndexError:  # the putting side has just made room
                break
            if isinstance(item, _Flush):
                self._throw_away()
            else:
                self._insert(item)

    def _insert(self, packet: ReceivedPacket) -> None:
        counts = self._counts
        decoder = self._decoders.get(packet.payload_type, self._default)
        if decoder is None:
            counts.discarded += 1
            return
        try:
            # A packet of nothing but padding takes a number and no time.
            duration = decoder.duration(packet.payload) if packet.payload else 0
        except CodecError:
            counts.discarded += 1
            return
        # A pause of the sender lets the buffer run empty, so a long hole behind packets that still wait is none.
        longest_gap = self._bound if self._waiting else None
        place = self._order.place(packet, duration, RATE // decoder.clock_rate, longest_gap)
        if place is None:
            counts.late += 1
        elif place.number in self._waiting:
            counts.duplicated += 1
        elif not self._started or place.number >= self._next:
            self._waiting[place.number] = _Waiting(
                place.start, duration, packet.payload, decoder, place.first_of_stream
            )
        elif place.number in self._missing:
            self._missing.discard(place.number)
            counts.lost -= 1
            counts.late += 1
        else:
            counts.duplicated += 1

    def _throw_away(self) -> None:
        """Flush."""
        self._counts.discarded += len(self._waiting)
        self._waiting.clear()
        if self._order.newest is not None:
            self._next = max(self._next, self._order.newest + 1)
            self._started = True
        # What is half played ends softly.
        tail = self._pcm[:_RAMP]
        self._pcm = (tail * np.linspace(1.0, 0.0, tail.size)).astype(np.int16)
        self._pending = self._idle = 0
        self._pause()

    def _pause(self) -> None:
        """Wait for the next talk spurt."""
        self._playing = False
        self._waited = 0

    def _enforce_bound(self) -> None:
        """Drop the oldest packets while more than the bound is waiting."""
        waiting = self._waiting
        dropped = 0
        while len(waiting) > 1:
            oldest = min(waiting)
            if self._order.end - waiting[oldest].start + self._pcm.size <= self._bound:
                break
            del waiting[oldest]
            dropped += 1
        if dropped:
            self._counts.discarded += dropped
            self._next = min(waiting)
            self._head = waiting[self._next].start
            self._started = True
            self._made_up = _FADE_TO
            self._pending = self._idle = 0

    def _next_chunk(self, wanted: int) -> NDArray[np.int16]:
        """Some samples, at least one; `wanted` would be enough."""
        if not self._playing and not self._begin(wanted):
            return np.zeros(wanted, np.int16)
        if self._waiting and self._idle:
            self._settle_idle()
        while self._waiting:
            waiting = self._waiting.get(self._next)
            if waiting is None:
                chunk = self._conceal_loss()
            elif waiting.start > self._head:
                chunk = self._bridge_pause(waiting.start - self._head)
            else:
                chunk = self._play(waiting)
            if chunk.size:
                return chunk
        return self._run_dry(wanted)

    def _begin(self, wanted: int) -> bool:
        """Whether a talk spurt begins now: enough is there, or the first of it has waited long enough."""
        if not self._waiting:
            return False
        oldest = min(self._waiting)
        first = self._waiting[oldest]
        if self._order.end - first.start < self._target and self._waited < self._target:
            self._waited += wanted
            return False
        if self._pending and oldest != self._next:
            self._count_concealed(self._pending)
        self._pending = self._idle = 0
        if self._started:
            self._lose_until(oldest)
        self._started = self._playing = True
        self._next = oldest
        self._head = first.start
        self._made_up = _FADE_TO  # so that it comes up softly
        return True

    def _settle_idle(self) -> None:
        """Something has come after the buffer was empty: what was made up takes the place of what did not come."""
        oldest = min(self._waiting)
        gap = max(0, self._waiting[oldest].start - self._head)
        covered = min(self._idle, gap)
        # Consecutive numbers and a jump in the timestamps: the sender had paused, nothing was missing.
        paused = covered if oldest == self._next else 0
        self._count_concealed(max(0, self._pending - paused))
        self._lose_until(oldest if covered >= gap else min(oldest, self._next + covered // self._frame))
        self._head += covered
        self._pending = self._idle = 0

    def _run_dry(self, wanted: int) -> NDArray[np.int16]:
        """Nothing is there: the last sound fades, then a new talk spurt is waited for."""
        if self._made_up >= _FADE_TO:
            self._pause()
            return np.zeros(wanted, np.int16)
        self._idle += _CHUNK
        self._pending += _CHUNK
        return self._make_up(_CHUNK)

    def _conceal_loss(self) -> NDArray[np.int16]:
        """The next packet is missing and later ones are there."""
        oldest = min(self._waiting)
        first = self._waiting[oldest]
        samples = min(self._frame, first.start - self._head)
        if samples <= 0:
            self._lose_until(oldest)
            return _EMPTY
        recovered = None
        if oldest == self._next + 1 and self._head + samples == first.start:
            recovered = self._recover(first, samples)
        if recovered is None:
            self._count_concealed(samples, min(samples, max(0, self._made_up + samples - _FADE_TO)))
            recovered = self._make_up(samples)
        self._lose_until(self._next + 1)
        self._head += samples
        return recovered

    def _recover(self, following: _Waiting, samples: int) -> NDArray[np.int16] | None:
        try:
            recovered = following.decoder.recover(following.payload, samples)
        except CodecError:
            return None
        if recovered is not None:
            self._counts.recovered += 1
            recovered = self._join(recovered)
        return recovered

    def _bridge_pause(self, gap: int) -> NDArray[np.int16]:
        """The sender had paused for `gap` samples; part of that is left out when the delay is over the target."""
        spare = self._order.end - self._head - self._target
        if gap > self._bound or spare > _SLACK:
            skipped = gap if gap > self._bound else min(gap, spare)
            self._counts.removed += 0 if gap > self._bound else skipped
            self._head += skipped
            return _EMPTY
        samples = min(gap, _CHUNK)
        self._head += samples
        return self._make_up(samples)

    def _play(self, waiting: _Waiting) -> NDArray[np.int16]:
        """Decode the packet whose turn it is."""
        counts = self._counts
        delay = self._order.end - waiting.start
        del self._waiting[self._next]
        self._next += 1
        if not waiting.duration:
            return _EMPTY
        if waiting.first_of_stream and self._current is waiting.decoder:
            waiting.decoder.reset()
        self._current = waiting.decoder
        self._head = waiting.end
        self._frame = waiting.duration
        try:
            chunk = waiting.decoder.decode(waiting.payload)
        except CodecError:
            counts.discarded += 1
            self._count_concealed(waiting.duration)
            return self._make_up(waiting.duration)
        chunk = self._join(chunk)
        if delay > self._target + _SLACK and int(np.abs(chunk.astype(np.int32)).max(initial=0)) < _QUIET:
            counts.removed += chunk.size
            return _EMPTY
        counts.delay += delay * chunk.size / RATE
        counts.emitted += chunk.size
        return chunk

    def _join(self, chunk: NDArray[np.int16]) -> NDArray[np.int16]:
        """Real audio again: bring it up softly from the level to which what was made up had faded."""
        if self._made_up > _FADE_FROM:
            count = min(_RAMP, chunk.size)
            faded = max(0.0, (_FADE_TO - self._made_up) / (_FADE_TO - _FADE_FROM))
            chunk = chunk.copy()
            chunk[:count] = (chunk[:count] * np.linspace(faded, 1.0, count)).astype(np.int16)
        self._made_up = 0
        self._in_event = False
        return chunk

    def _make_up(self, samples: int) -> NDArray[np.int16]:
        """Audio in place of what is not there, fading with the length of the gap."""
        begin, self._made_up = self._made_up, self._made_up + samples
        if begin >= _FADE_TO or self._current is None:
            return np.zeros(samples, np.int16)
        try:
            made = self._current.conceal(samples)
        except CodecError:
            return np.zeros(samples, np.int16)
        if begin + samples <= _FADE_FROM:
            return made
        gain = (_FADE_TO - begin - np.arange(samples)) / (_FADE_TO - _FADE_FROM)
        return (made * np.clip(gain, 0.0, 1.0)).astype(np.int16)

    def _count_concealed(self, samples: int, silent: int = 0) -> None:
        if samples:
            self._counts.concealed += samples
            self._counts.silent += silent
            self._counts.events += not self._in_event
            self._in_event = True

    def _lose_until(self, number: int) -> None:
        """Packets before `number` that have not come are lost, unless they come late."""
        for lost in range(max(self._next, number - _REMEMBERED), number):
            if lost not in self._waiting:
                self._counts.lost += 1
                self._missing.add(lost)
        self._next = number
        if len(self._missing) > 2 * _REMEMBERED:
            self._missing = {lost for lost in self._missing if lost > number - _REMEMBERED}
