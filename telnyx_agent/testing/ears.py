"""The agent's ears: sound in, text out.

`PocketsphinxEars` recognises speech (extra `demo`), `EnergyEars` only notices that somebody spoke and needs nothing.
Anything with `hear(samples)` will do. Where an utterance begins and ends is not their business.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ears", "EnergyEars"]

RATE = 16000
Samples = NDArray[np.int16]


class Ears(Protocol):
    """What an agent needs to understand."""

    def hear(self, samples: Samples) -> str:
        """What was said in one utterance (mono, 16 bit, 16 kHz); empty if nothing was understood.

        Called on one thread at a time; may take a while.
        """


class EnergyEars:
    """Notices speech, and for how long; understands nothing."""

    def hear(self, samples: Samples) -> str:
        """For example `"[speech 1.2 s]"`."""
        return f"[speech {len(samples) / RATE:.1f} s]"
