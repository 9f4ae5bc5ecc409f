"""The agent's ears: sound in, text out.

`PocketsphinxEars` recognises speech (extra `demo`), `EnergyEars` only notices that somebody spoke and needs nothing.
Anything with `hear(samples)` will do. Where an utterance begins and ends is not their business.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ._checks import missing_package
from ._recogniser import Recogniser

__all__ = ["Ears", "EnergyEars", "PocketsphinxEars"]

logger = logging.getLogger("telnyx_agent.testing")

RATE = 16000
Samples = NDArray[np.int16]


class Ears(Protocol):
    """What an agent needs to understand.

    Optional methods: `open()`, called when the agent starts, and `close()`, called from another thread when it stops,
    which must make a `hear` that is going on return.
    """

    def hear(self, samples: Samples) -> str:
        """What was said in one utterance (mono, 16 bit, 16 kHz); empty if nothing was understood.

        Called on one thread at a time; may take a while.
        """


class EnergyEars:
    """Notices speech, and for how long; understands nothing."""

    def hear(self, samples: Samples) -> str:
        """For example `"[speech 1.2 s]"`."""
        return f"[speech {len(samples) / RATE:.1f} s]"


class PocketsphinxEars:
    """Recognises English with pocketsphinx, by default in a process of its own.

    With phrases it is reliable: it hears one of them, spelt as given. What fits none of them is looked up in the whole
    dictionary, which often goes wrong. Without phrases everything is.

    Args:
        phrases: What callers are expected to say; None for anything.
        fall_back: Whether to look up what fits no phrase; otherwise it is not heard at all.
        own_process: False to recognise in this process, where it holds up all other threads for up to half a second.

    Raises:
        ClientConfigurationError: pocketsphinx is not installed; it is an ImportError as well.
    """

    def __init__(
        self, phrases: Iterable[str] | None = None, *, fall_back: bool = True, own_process: bool = True
    ) -> None:
        if importlib.util.find_spec("pocketsphinx") is None:
            raise missing_package("speech recognition", "pocketsphinx")
        self._phrases = [] if phrases is None else list(phrases)
        self._fall_back = fall_back
        self._own_process = own_process
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = 0  # times
        self._local: Recogniser | None = None

    def open(self) -> None:
        """Start the recogniser; otherwise the first utterance does."""
        with self._lock:
            self._start()

    def close(self) -> None:
        """End the recogniser's process. It starts again with the next utterance."""
        self._closed += 1
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def hear(self, samples: Samples) -> str:
        """One of the phrases, some other text, or nothing."""
        sound = self.prepared(samples).tobytes()
        with self._lock:
            self._start()
            if self._local is not None:
                return self._local.hear(sound)
            process = self._process
            if process is None:
                return ""
            answer = _ask(process, {"size": len(sound)}, sound)
            if not answer and self._process is process:
                self._process = None  # it died; the next utterance starts another one
                _end(process)
            return str(answer.get("text", ""))

    @staticmethod
    def prepared(samples: Samples) -> Samples:
        """The samples with a little noise. Digital silence, as codecs and mutes make it, misleads the recogniser.

        Measured over Opus with four voices: 164 of 180 sentences understood without, all 180 with it.
        """
        level = float(np.clip(np.abs(samples.astype(np.int32)).max(initial=0) / 1000, 3.0, 30.0))
        noise = np.random.default_rng(1).normal(0.0, level, len(samples))
        return np.clip(samples + noise, -32768, 32767).astype(np.int16)

    def _start(self) -> None:
        if self._local is not None or self._process is not None:
            return
        if self._own_process and sys.executable:
            closed = self._closed
            self._process = self._spawn(closed)
            if self._closed != closed:  # meanwhile; what was started has ended
                return
        if self._process is None:
            self._local = Recogniser(self._phrases, fall_back=self._fall_back)
            self._report(self._local.left_out)

    def _spawn(self, closed: int) -> subprocess.Popen[bytes] | None:
        """The recogniser's process, ready; None if there cannot be one, or if `close` was called."""
        program = Path(__file__).with_name("_recogniser.py")
        try:
            process = subprocess.Popen(
                [sys.executable, str(program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # Ctrl-C is for the agent, which then ends this process.
                start_new_session=sys.platform != "win32",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError as exc:
            logger.warning("the ears cannot have a process of their own: %s", exc)
            return None
        self._process = process  # so that `close` ends it while it loads, which takes seconds on a busy machine
        answer = _ask(process, {"phrases": self._phrases, "fall_back": self._fall_back})
        if self._closed != closed:
            _end(process)
            return None
        if "left_out" not in answer:
            _end(process)
            logger.warning("the ears' process did not start; recognising in this process")
            return None
        self._report(answer["left_out"])
        return process

    def _report(self, left_out: list[str]) -> None:
        if left_out:
            logger.warning(
                "the ears cannot hear these phrases, they have words that pocketsphinx does not know: %s", left_out
            )


def _ask(process: subprocess.Popen[bytes], message: dict[str, Any], sound: bytes = b"") -> dict[str, Any]:
    """A message to the recogniser's process, and its answer; empty if the process has ended."""
    if process.stdin is None or process.stdout is None:
        return {}
    try:
        process.stdin.write(json.dumps(message).encode() + b"\n" + sound)
        process.stdin.flush()
        line = process.stdout.readline()
    except (OSError, ValueError) as exc:
        logger.debug("the ears' process ended: %s", exc)
        return {}
    answer = json.loads(line) if line else {}
    return answer if isinstance(answer, dict) else {}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the recogniser's process, whatever it is doing, and close the pipes to it."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        try:
            if pipe is not None:
                pipe.close()
        except OSError as exc:
            # What was not sent yet is of no use any more.
            logger.debug("a pipe to the ears: %s", exc)
