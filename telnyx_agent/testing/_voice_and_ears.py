"""Which voice and ears an agent gets: those asked for, or the best that is installed."""

from __future__ import annotations

import logging

from ..errors import ClientConfigurationError
from ._checks import ADVICE
from .ears import Ears, EnergyEars, PocketsphinxEars
from .voice import EspeakVoice, SilentVoice, ToneVoice, Voice

__all__ = ["make_faculties"]

logger = logging.getLogger("telnyx_agent.testing")


class DeafEars:
    """Ears that never hear anything."""

    def hear(self, samples: object) -> str:
        """Nothing."""
        return ""


def make_faculties(
    voice: Voice | str | None, ears: Ears | str | None, phrases: tuple[str, ...] | None
) -> tuple[Voice, Ears]:
    """The voice and ears that were asked for; what is missing is replaced, with one line in the log.

    Raises:
        ClientConfigurationError: There is nothing of that name, it is not installed (then it is an ImportError as
            well), or what was given can neither speak nor hear.
    """
    missing: list[str] = []
    chosen = _make_voice(voice, missing), _make_ears(ears, phrases, missing)
    if missing:
        logger.warning("the local agent %s; to change that: %s", " and ".join(missing), ADVICE)
    return chosen


def _make_voice(wanted: Voice | str | None, missing: list[str]) -> Voice:
    if wanted == "tones":
        return ToneVoice()
    if wanted == "silent":
        return SilentVoice()
    if wanted is None or wanted == "auto":
        try:
            return EspeakVoice()
        except ImportError:
            missing.append("plays tones, because espeakng-loader is missing")
            return ToneVoice()
    if isinstance(wanted, str):
        return EspeakVoice(wanted)
    if not callable(getattr(wanted, "speak", None)):
        raise ClientConfigurationError(f"voice is a name, such as 'tones', or has speak(text); got {wanted!r}")
    return wanted


def _make_ears(wanted: Ears | str | None, phrases: tuple[str, ...] | None, missing: list[str]) -> Ears:
    if wanted == "energy":
        return EnergyEars()
    if wanted == "deaf":
        return DeafEars()
    if wanted == "pocketsphinx":
        return PocketsphinxEars(phrases)
    if wanted is None or wanted == "auto":
        try:
            return PocketsphinxEars(phrases)
        except ImportError:
            missing.append("understands no speech, because pocketsphinx is missing")
            return EnergyEars()
    if isinstance(wanted, str):
        raise ClientConfigurationError(f"there are no ears {wanted!r}; use 'auto', 'pocketsphinx', 'energy' or 'deaf'")
    if not callable(getattr(wanted, "hear", None)):
        raise ClientConfigurationError(f"ears is a name, such as 'energy', or has hear(samples); got {wanted!r}")
    return wanted
