"""Speech recognition with pocketsphinx; as a module, and as the program of a process of its own.

A process, because pocketsphinx holds the interpreter's lock while it works (measured: 50 ms for a sentence by grammar,
350 ms with the open dictionary, 210 ms to load that): in the caller's process it would make holes in the sound.

The program reads from stdin and writes to stdout: one line of JSON for each message, after it `size` bytes of sound.
It imports nothing of this package, so that it starts fast and runs as a plain file.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["Recogniser"]

RATE = 16000
_WORD = re.compile(r"[a-z']+")
_GRAMMAR = "phrases"
# Wider than the default: with the default beams 1 sentence in 100 ends outside the grammar.
_BEAMS = {"beam": 1e-80, "pbeam": 1e-80, "wbeam": 1e-60}
# A grammar always finds something. What took much longer to say than the words found was something else.
_FREE_FRAMES, _FRAMES_PER_PHONE = 30, 13


def normalise(text: str) -> str:
    """Lower-case words without marks, as the recogniser spells them."""
    return " ".join(_WORD.findall(text.lower()))


class Recogniser:
    """Understands English.

    Args:
        phrases: What may be said; empty for anything (far less reliable).
        fall_back: Whether something that fits no phrase is looked up in the open dictionary.

    Attributes:
        left_out: Phrases with words that the dictionary does not have.
    """

    def __init__(self, phrases: Sequence[str], *, fall_back: bool = True) -> None:
        import pocketsphinx

        self._pocketsphinx: Any = pocketsphinx
        self._fall_back = fall_back or not phrases
        self._open: Any = None
        self.left_out: list[str] = []
        self._spelling: dict[str, str] = {}
        # The lattice search (bestpath) would find sentences outside the grammar; batch normalisation makes the result
        # independent of what was heard before.
        self._grammar: Any = pocketsphinx.Decoder(lm=None, loglevel="FATAL", bestpath=False, cmn="batch", **_BEAMS)
        for phrase in phrases:
            words = normalise(phrase)
            if words and all(self._grammar.lookup_word(word) for word in words.split()):
                self._spelling.setdefault(words, phrase)
            else:
                self.left_out.append(phrase)
        if self._spelling:
            rule = " | ".join(self._spelling)
            self._grammar.add_jsgf_string(_GRAMMAR, f"#JSGF V1.0;\ngrammar {_GRAMMAR};\npublic <utterance> = {rule};\n")
            self._grammar.activate_search(_GRAMMAR)

    def hear(self, sound: bytes) -> str:
        """What was said (mono, 16 bit, 16 kHz); empty if nothing was understood."""
        if self._spelling:
            words = _decode(self._grammar, sound)
            if words in self._spelling and self._is_plausible(words, sound):
                return self._spelling[words]
        if not self._fall_back:
            return ""
        if self._open is None:
            self._open = self._pocketsphinx.Decoder(loglevel="FATAL", cmn="batch")
        return _decode(self._open, sound)

    def _is_plausible(self, words: str, sound: bytes) -> bool:
        """Whether it took about as long to say as these words take."""
        phones = sum(len(self._grammar.lookup_word(word).split()) for word in words.split())
        return active_frames(sound) <= _FREE_FRAMES + _FRAMES_PER_PHONE * phones


def _decode(decoder: Any, sound: bytes) -> str:
    decoder.start_utt()
    decoder.process_raw(sound, no_search=False, full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return "" if hypothesis is None else str(hypothesis.hypstr)


def active_frames(sound: bytes) -> int:
    """How many 10 ms pieces are not silence."""
    import array

    samples = array.array("h", sound)
    peaks = [max(map(abs, samples[start : start + 160])) for start in range(0, len(samples) - 159, 160)]
    floor = max(300, max(peaks, default=0) // 20)
    return sum(peak > floor for peak in peaks)


def main() -> int:
    """Serve one parent process until it closes our stdin."""
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer

    def answer(message: dict[str, Any]) -> None:
        stdout.write(json.dumps(message).encode() + b"\n")
        stdout.flush()

    recogniser: Recogniser | None = None
    while line := stdin.readline():
        message = json.loads(line)
        if "phrases" in message:
            recogniser = Recogniser(message["phrases"], fall_back=message["fall_back"])
            answer({"left_out": recogniser.left_out})
        elif recogniser is not None:
            answer({"text": recogniser.hear(stdin.read(message["size"]))})
    return 0


if __name__ == "__main__":
    # This file is run as a script, so its folder is first in the path. Modules in it must not be imported by mistake.
    del sys.path[0]
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
