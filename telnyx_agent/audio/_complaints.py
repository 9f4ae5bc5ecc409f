"""What a sound card's streams give reason to complain of, each once in a call, with advice; on the watching thread."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Iterable

from ._callbacks import CapturePort
from ._streams import Line

__all__ = ["Complaints"]

logger = logging.getLogger("telnyx_agent.audio")

_SILENT_SECONDS = 3.0

_SILENCE_ADVICE = {
    "darwin": "allow it: System Settings > Privacy & Security > Microphone, switch on the program that runs Python "
    "(your terminal or editor), then restart that program",
    "win32": "allow it: Settings > Privacy & security > Microphone > Let desktop apps access your microphone; "
    "also look for a mute switch",
}
_OTHER_SILENCE_ADVICE = "is it muted, by a switch or in the system's sound settings, or is another input the right one?"


class Complaints:
    """Of one call."""

    def __init__(self) -> None:
        self._made: set[str] = set()
        # By the microphone's name. Its stream may be opened again in the middle of the silence: the present one, and
        # the seconds of those before; less than nothing if one of them had brought a sound.
        self._silence: dict[str, tuple[CapturePort, float]] = {}

    def look(self, lines: Iterable[Line]) -> None:
        """Log what is new."""
        for line in lines:
            failure, capture = line.callbacks.failure, line.callbacks.capture
            if failure is not None and self._is_first("failure"):
                logger.error(
                    "the call failed to take or give a block of sound; the sound device goes on, and further failures "
                    "are not logged",
                    exc_info=failure,
                )
            if capture is not None:
                name = line.devices["input"].name
                if self._is_silent(name, capture) and self._is_first(f"silence of {name}"):
                    advice = _SILENCE_ADVICE.get(sys.platform, _OTHER_SILENCE_ADVICE)
                    logger.warning("the microphone %s delivers nothing but zeros; %s", name, advice)

    def _is_silent(self, name: str, capture: CapturePort) -> bool:
        last, before = self._silence.get(name, (capture, 0.0))
        if last is not capture:
            before += -math.inf if last.has_heard else last.silent_seconds
        self._silence[name] = capture, before
        return not capture.has_heard and before + capture.silent_seconds > _SILENT_SECONDS

    def _is_first(self, what: str) -> bool:
        first = what not in self._made
        self._made.add(what)
        return first
