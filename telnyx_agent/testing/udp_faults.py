"""`UdpFaults`: what a bad network does to media packets, drawn from a seed. No socket, no clock."""

from __future__ import annotations

import random

import attrs

from ._fault_plan import probability, seconds

__all__ = ["GilbertElliott", "UdpFaults", "UdpImpairment"]


@attrs.frozen(kw_only=True)
class GilbertElliott:
    """Loss in bursts: a good and a bad state, and a chance to change between them with each packet.

    Args:
        to_bad: Probability to get from good to bad.
        to_good: Probability to get back; bursts have 1 / `to_good` packets on average.
        good_loss: Probability of a loss while the state is good.
        bad_loss: Probability of a loss while it is bad.

    Raises:
        ClientConfigurationError: One of them is no probability.
    """

    to_bad: float = attrs.field(default=0.01, validator=probability)
    to_good: float = attrs.field(default=0.3, validator=probability)
    good_loss: float = attrs.field(default=0.0, validator=probability)
    bad_loss: float = attrs.field(default=1.0, validator=probability)


@attrs.frozen(kw_only=True)
class UdpFaults:
    """What happens to media packets; the same for both directions, with dice of their own for each.

    Args:
        loss: Probability, for each packet, that it is lost.
        burst: Losses in bursts, beside those of `loss`.
        delay: Seconds that each packet takes longer.
        jitter: Seconds that each may take longer besides, evenly distributed; packets may overtake one another.
        duplicate: Probability that a packet comes twice.
        reorder: Probability that a packet is held back by `reorder_by`.
        reorder_by: Seconds; more than the distance of two packets, which is 20 ms.
        corrupt: Probability that one byte of a packet is another. DTLS and SRTP notice that.
        blackout: Whether nothing comes through at all.

    Raises:
        ClientConfigurationError: A probability or a time is none.
    """

    loss: float = attrs.field(default=0.0, validator=probability)
    burst: GilbertElliott | None = None
    delay: float = attrs.field(default=0.0, validator=seconds)
    jitter: float = attrs.field(default=0.0, validator=seconds)
    duplicate: float = attrs.field(default=0.0, validator=probability)
    reorder: float = attrs.field(default=0.0, validator=probability)
    reorder_by: float = attrs.field(default=0.05, validator=seconds)
    corrupt: float = attrs.field(default=0.0, validator=probability)
    blackout: bool = False


class UdpImpairment:
    """Decides what happens to each packet of one direction.

    Args:
        seed: The same seed and the same packets meet the same fate; a text, so that directions can have one each.
    """

    def __init__(self, seed: str) -> None:
        self._dice = random.Random(seed)
        self._is_bad = False

    def pass_on(self, packet: bytes, faults: UdpFaults) -> list[tuple[float, bytes]]:
        """What comes out: with what delay in seconds, and which bytes. Nothing if the packet is lost."""
        dice = self._dice
        # Always the same draws, so that one fault more does not change the fate of all later packets.
        draws = [dice.random() for _ in range(8)]
        lost = draws[0] < faults.loss or self._is_lost_in_burst(faults.burst, draws[1], draws[2])
        if lost or faults.blackout:
            return []
        delay = faults.delay + faults.jitter * draws[3] + (faults.reorder_by if draws[4] < faults.reorder else 0.0)
        if draws[5] < faults.corrupt and packet:
            changed = bytearray(packet)
            changed[int(draws[6] * len(changed))] ^= 1 << int(draws[7] * 8)
            packet = bytes(changed)
        copies = 2 if dice.random() < faults.duplicate else 1
        return [(delay, packet)] * copies

    def _is_lost_in_burst(self, burst: GilbertElliott | None, change: float, loss: float) -> bool:
        if burst is None:
            self._is_bad = False
            return False
        if change < (burst.to_good if self._is_bad else burst.to_bad):
            self._is_bad = not self._is_bad
        return loss < (burst.bad_loss if self._is_bad else burst.good_loss)
