"""What counts as silence: sound that is not above the noise around the voice. PURE.

Silence may be shortened and lengthened unheard, so the delay is brought to where it should be there first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["SilenceMeter"]

_LOUD = 400.0**2  # nothing above -38 dB is silence, whatever the noise around it
_SILENT = 24.0**2  # all below -63 dB is
_MARGIN = 2.0**2  # noise varies by 6 dB
_RISE = 1.01  # a packet; the floor doubles its level in 3 s when nothing is quieter


class SilenceMeter:
    """Follows the level of the noise between the words."""

    def __init__(self) -> None:
        self._floor = _SILENT

    def is_silence(self, samples: NDArray[np.int16], packets: int = 1) -> bool:
        """Whether the next packet's samples are silence.

        Args:
            samples: The packet's sound.
            packets: How many have come since the last call, this one included.
        """
        if not samples.size:
            return True
        # Every other sample will do, and for more than 500 numpy would give up the GIL and have to wait for it.
        values = samples[:: 1 + samples.size // 500].astype(np.float32)
        power = float(values @ values) / values.size
        self._floor = max(_SILENT / _MARGIN, min(power, self._floor * _RISE**packets))
        return power <= min(_LOUD, max(_SILENT, self._floor * _MARGIN))
