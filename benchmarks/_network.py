"""What a network does to a call, decided in advance: for every packet lost or not, and how late. PURE.

A `Shape` and a seed give a `Pattern`, which answers for the number of a packet. So every contestant, whenever it sends
or receives, loses the same packets and gets the others with the same delays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

__all__ = ["CONDITIONS", "Pattern", "Shape"]

_LENGTH = 1 << 14  # packets until a pattern repeats: five and a half minutes


@attrs.frozen
class Shape:
    """One condition. Times in seconds, fractions 0..1.

    Attributes:
        delay: That all packets have.
        jitter: Each packet has `delay` plus or minus up to so much, evenly distributed, as `tc netem` does it. What is
            sent later may then arrive sooner.
        loss: Fraction lost, each packet for itself.
        burst_begin: Gilbert and Elliott's model: chance of a good packet's successor to be in a bad spell.
        burst_end: Chance that a bad spell is over at the next packet.
        burst_loss: Fraction lost in a bad spell.
        spike: Every so many seconds the network holds all packets back, 0 for never; they arrive together.
        spike_delay: How long it holds them back at most.
        keep_order: A packet waits for those before it.
    """

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    burst_begin: float = 0.0
    burst_end: float = 1.0
    burst_loss: float = 0.0
    spike: float = 0.0
    spike_delay: float = 0.0
    keep_order: bool = False

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Shape:
        """Of what `attrs.asdict` has made of one."""
        return cls(**fields)


CONDITIONS: Mapping[str, Shape] = {
    "clean": Shape(),
    "loss 1 %": Shape(loss=0.01),
    "loss 2.4 %": Shape(loss=0.024),
    "loss 5 %": Shape(loss=0.05),
    "jitter 10 ms": Shape(delay=0.010, jitter=0.010),
    # A bad spell lasts 2.5 packets on average and loses four of five: 4 % in all.
    "bursts 4 %": Shape(burst_begin=0.021, burst_end=0.4, burst_loss=0.8),
    "50 +- 20 ms, loss 5 %": Shape(delay=0.050, jitter=0.020, loss=0.05),
}
"""The conditions of the benchmark, by their names in the table."""


class Pattern:
    """The fate of each packet of a stream.

    Args:
        shape: The condition.
        seed: The same seed gives the same pattern.
        interval: Seconds between two packets; only spikes and `keep_order` depend on it.
    """

    def __init__(self, shape: Shape, seed: int, *, interval: float = 0.02) -> None:
        random = np.random.default_rng(seed)
        # Drawn in the same order for all shapes, so that conditions of one seed are alike in what they share.
        single, spread, transition, inside = (random.random(_LENGTH) for _ in range(4))
        lost = single < shape.loss
        bad = False
        for index in range(_LENGTH):
            bad = transition[index] >= shape.burst_end if bad else transition[index] < shape.burst_begin
            lost[index] |= bool(bad and inside[index] < shape.burst_loss)
        times = np.arange(_LENGTH) * interval
        delays = shape.delay + shape.jitter * (2.0 * spread - 1.0)
        if shape.spike:
            delays = np.maximum(delays, shape.spike_delay - times % shape.spike)
        if shape.keep_order:
            delays = np.maximum.accumulate(times + delays) - times
        self._lost: list[bool] = lost.tolist()
        self._delays: list[float] = np.maximum(0.0, delays).tolist()

    def fate(self, index: int) -> float | None:
        """The delay in seconds of the packet with this number, any integer, or None when it is lost."""
        index %= _LENGTH
        return None if self._lost[index] else self._delays[index]

    def lost(self, count: int) -> list[int]:
        """Which of the first `count` packets are lost."""
        return [index for index in range(count) if self.fate(index) is None]
