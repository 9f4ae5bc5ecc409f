"""Which voice and ears an agent gets: those asked for, or the best that is installed."""

from __future__ import annotations

import logging

from .ears import Ears, EnergyEars, PocketsphinxEars
from .voice import EspeakVoice, SilentVoice, ToneVoice, Voice

logger = logging.getLogger("telnyx_agent.testing")

ADVICE = 'pip install "telnyx-agent[demo]"'


class _Deaf:
    """Ears that never hear anything."""

    def hear(self, samples: object) -> str:
        return ""


def make_voice(wanted: Voice | str | None) -> Voice:
    """The voice that was asked for.

    Raises:
        ImportError: An espeak-ng voice was asked for by name, but espeak-ng is missing.
        ValueError: espeak-ng has no voice of that name.
    """
    if wanted == "tones":
        return ToneVoice()
    if wanted == "silent":
        return SilentVoice()
    if wanted is None or wanted == "auto":
        try:
            return EspeakVoice()
        except ImportError:
            logger.warning("the local agent plays tones: espeakng-loader is not installed; %s", ADVICE)
            return ToneVoice()
    return EspeakVoice(wanted) if isinstance(wanted, str) else wanted


def make_ears(wanted: Ears | str | None, phrases: tuple[str, ...] | None) -> Ears:
    """The ears that were asked for.

    Raises:
        ImportError: pocketsphinx was asked for by name, but is missing.
        ValueError: There are no ears of that name.
    """
    if wanted == "energy":
        return EnergyEars()
    if wanted == "deaf":
        return _Deaf()
    if wanted == "pocketsphinx":
        return PocketsphinxEars(phrases)
    if wanted is None or wanted == "auto":
        try:
            return PocketsphinxEars(phrases)
        except ImportError:
            logger.warning("the local agent does not understand speech: pocketsphinx is not installed; %s", ADVICE)
            return EnergyEars()
    if isinstance(wanted, str):
        raise ValueError(f"there are no ears {wanted!r}; use 'auto', 'pocketsphinx', 'energy' or 'deaf'")
    return wanted
