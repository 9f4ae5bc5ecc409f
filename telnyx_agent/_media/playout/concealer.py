"""The decoder as the playout uses it: decode, make up, recover, go back when a packet comes after all. PURE.

A decoder is changed by what it makes up. When that turns out not to have been needed - the packet was late, or the one
after it carries it a second time - the decoder is put back to where it was before the gap, if it can be, and goes on as
if nothing had been missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codecs.codec import CodecError, Decoder
from .wsola import OVERLAP

__all__ = ["FADED", "Synthesis"]

Samples = NDArray[np.int16]

_FADE_FROM, FADED = 5760, 11520  # made-up audio is at full level for 120 ms and gone after 240 ms
_RAMP = 120  # 2.5 ms from silence to full level
_SHORT_OVERLAP = OVERLAP // 2  # from made-up sound to what is known to be the same sound
_COMFORT = 2  # bytes; an Opus packet of no more says that the sender is silent, and the decoder makes noise


class Synthesis:
    """One decoder at a time, and how long it has been making things up."""

    def __init__(self, decoder: Decoder | None) -> None:
        self.made_up = FADED
        """Samples made up since the last real one; from `FADED` on they are silence."""
        self.comfort = False
        """Whether the sender has said that it is silent, so that what is made up is noise and goes on."""
        self.mended = False
        """Whether the decoder could go back to a better state than the one in which it has made up the last sound."""
        self._decoder = decoder
        self._before: Any = None  # the decoder's state before the gap

    def use(self, decoder: Decoder, *, first_of_stream: bool) -> None:
        """The next packet is for this decoder."""
        if first_of_stream and decoder is self._decoder:
            decoder.reset()
        if first_of_stream or decoder is not self._decoder:
            self._before, self.mended = None, False
        self._decoder = decoder

    def decode(self, payload: bytes) -> Samples:
        """Real sound, in its place. Raises `CodecError`."""
        assert self._decoder is not None
        chunk = self._decoder.decode(payload)
        self._go_on(payload)
        if self.made_up > _FADE_FROM:
            count = min(_RAMP, chunk.size)
            chunk = chunk.copy()
            chunk[:count] = (chunk[:count] * np.linspace(self._gain(self.made_up), 1.0, count)).astype(np.int16)
        self.made_up = 0
        return chunk

    def decode_late(self, payload: bytes) -> tuple[Samples, Samples]:
        """How the filling would go on, and the real sound whose place was filled. Raises `CodecError`."""
        assert self._decoder is not None
        going_on = self.make_up(OVERLAP)
        self._rewind()
        chunk = self._decoder.decode(payload)
        self._go_on(payload)
        self.made_up = 0
        return going_on, chunk

    def pass_over(self, payload: bytes) -> None:
        """A packet all of whose place was filled already: only the decoder takes it, if it can be put back."""
        self._take_behind(lambda decoder: decoder.decode(payload))

    def mend(self, payload: bytes, lead: int, samples: int) -> None:
        """What was lost just before `payload`, after `lead` others, is made up already: only the decoder takes it.

        Without it the decoder would go on from its own guess, and the next packets would suffer, too.
        """

        def recover(decoder: Decoder) -> Samples | None:
            if lead:
                decoder.conceal(lead)
            return decoder.recover(payload, samples)

        self.mended = self._take_behind(recover)

    def _take_behind(self, take: Callable[[Decoder], Samples | None]) -> bool:
        """Let the decoder take what comes after the place before the gap, and make up on as if it had not.

        Returns:
            Whether it took it, and would go back to behind that from now on.
        """
        decoder, before = self._decoder, self._before
        if decoder is None or before is None:
            return False
        going_on = self._state()
        self._rewind()
        try:
            taken = take(decoder) is not None
        except CodecError:
            taken = False
        self._before = self._state() if taken else before
        decoder.restore(going_on)  # type: ignore[attr-defined]
        return taken

    def recover(self, payload: bytes, lead: int, samples: int, made: int) -> tuple[Samples, Samples] | None:
        """What was lost just before `payload`, of which `made` samples after `lead` others are made up already.

        Returns:
            How the filling would go on, and the lost sound; or None when the payload does not carry it.
        """
        decoder = self._decoder
        if decoder is None:
            return None
        if not decoder.has_fec(payload):
            return None
        going_on = self.make_up(_SHORT_OVERLAP) if made else np.empty(0, np.int16)
        if made and self._rewind() and lead:
            decoder.conceal(lead)
        try:
            recovered = decoder.recover(payload, samples)
        except CodecError:
            recovered = None
        if recovered is None:
            return None
        self._before, self.mended = None, False
        self.made_up = 0
        return going_on, recovered

    def make_up(self, samples: int) -> Samples:
        """Sound in place of what is not there, fading with the length of the gap."""
        begin, self.made_up = self.made_up, self.made_up + samples
        decoder = self._decoder
        if decoder is None or (begin >= FADED and not self.comfort):
            return np.zeros(samples, np.int16)
        if not begin:
            self._before, self.mended = self._state(), False
        try:
            made = decoder.conceal(samples)
        except CodecError:
            return np.zeros(samples, np.int16)
        if self.comfort or begin + samples <= _FADE_FROM:
            return made
        gain = (FADED - begin - np.arange(samples)) / (FADED - _FADE_FROM)
        return (made * np.clip(gain, 0.0, 1.0)).astype(np.int16)

    def cut(self) -> None:
        """What comes next has nothing to do with what was: it comes up from silence."""
        self.made_up = FADED
        self._before, self.mended = None, False

    def _go_on(self, payload: bytes) -> None:
        """The gap is over, and behind the decoder."""
        self._before, self.mended = None, False
        self.comfort = len(payload) <= _COMFORT

    @staticmethod
    def _gain(made_up: int) -> float:
        return min(1.0, max(0.0, (FADED - made_up) / (FADED - _FADE_FROM)))

    def _state(self) -> Any:
        snapshot = getattr(self._decoder, "snapshot", None)
        return None if snapshot is None else snapshot()

    def _rewind(self) -> bool:
        """Back to before the gap, if the decoder can."""
        if self._before is None or self._decoder is None:
            return False
        self._decoder.restore(self._before)  # type: ignore[attr-defined]
        return True
