"""A whole WAV file as samples of a call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..audio._wavefile import WavReader

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["read_wav"]


def read_wav(path: Path) -> npt.NDArray[np.int16]:
    """The file as mono, 16 bit, 48 kHz, whatever it is in.

    Raises:
        MediaError: It cannot be read.
    """
    with WavReader(path) as reader:
        return reader.read(sys.maxsize)
