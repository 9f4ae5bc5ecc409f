"""`ears`: what is understood, by energy or by PocketSphinx in a process of its own."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from telnyx_agent.testing import EnergyEars, PocketsphinxEars, ScriptedBrain, _recogniser, synthesize
from tests.support.requirements import require
from tests.testing.sounds import silence, tone


def test_energy_ears() -> None:
    """They only know how long it was."""
    assert EnergyEars().hear(tone(1.2)) == "[speech 1.2 s]"


@pytest.fixture(scope="module")
def ears() -> Iterator[PocketsphinxEars]:
    require("ears")
    listening = PocketsphinxEars(ScriptedBrain().phrases)
    yield listening
    listening.close()


def spoken(text: str, voice: str = "en-us+f3") -> np.ndarray:
    return np.concatenate((silence(0.3), synthesize(text, rate=16000, voice=voice), silence(0.5)))


@pytest.mark.slow
@pytest.mark.parametrize("voice", ["en-us", "en-us+f3"])
def test_the_whole_vocabulary_is_understood(ears: PocketsphinxEars, voice: str) -> None:
    """Every phrase of the default brain, in two voices; one in twenty may be misheard."""
    require("voice")
    phrases = ScriptedBrain().phrases
    wrong = [(phrase, heard) for phrase in phrases if (heard := ears.hear(spoken(phrase, voice))) != phrase]
    assert len(wrong) <= len(phrases) // 20, wrong


def test_something_else_is_not_taken_for_a_phrase(ears: PocketsphinxEars) -> None:
    """A sentence that takes much longer than the phrase it resembles is looked up in the dictionary."""
    require("voice")
    assert "president" in ears.hear(spoken("The president went to Paris last week", "en-us"))


def test_silence_is_nothing(ears: PocketsphinxEars) -> None:
    """No words in no sound."""
    assert ears.hear(silence(0.0)) in ("", *ScriptedBrain().phrases)


def test_ears_without_fall_back() -> None:
    """What fits no phrase is not heard; phrases with unknown words are left out, with a line in the log."""
    require("ears", "voice")
    recogniser = _recogniser.Recogniser(["Good morning", "Xyzzyq plugh"], fall_back=False)
    assert recogniser.left_out == ["Xyzzyq plugh"]
    assert recogniser.hear(spoken("My internet connection is slow today").tobytes()) == ""
    assert recogniser.hear(PocketsphinxEars.prepared(spoken("Good morning")).tobytes()) == "Good morning"


def test_ears_in_this_process(caplog: pytest.LogCaptureFixture) -> None:
    """They work without a process of their own, too."""
    require("ears", "voice")
    here = PocketsphinxEars(["Good morning", "Xyzzyq"], own_process=False, fall_back=False)
    assert here.hear(spoken("Good morning")) == "Good morning"
    assert "Xyzzyq" in caplog.text


def test_ears_that_were_closed() -> None:
    """The process ends; the next utterance starts another one."""
    require("ears", "voice")
    closing = PocketsphinxEars(["Good morning", "Goodbye"])
    try:
        for _ in range(2):
            assert closing.hear(spoken("Good morning")) == "Good morning"
            closing.close()
    finally:
        closing.close()


def test_ears_that_are_closed_while_they_load() -> None:
    """Their process does not stay behind."""
    require("ears")
    closing = PocketsphinxEars(["Good morning", "Goodbye"])
    opening = threading.Thread(target=closing.open)
    opening.start()
    deadline = time.monotonic() + 30
    while (process := closing._process) is None and time.monotonic() < deadline:
        opening.join(0.001)
    assert process is not None
    closing.close()
    opening.join(30)
    assert process.poll() is not None
    assert closing._process is None
    assert closing._local is None


def test_ears_whose_process_died() -> None:
    """One utterance is lost, the next is heard."""
    require("ears", "voice")
    dying = PocketsphinxEars(["Good morning", "Goodbye"])
    try:
        dying.open()
        process = dying._process
        assert process is not None
        process.kill()
        process.wait()
        assert dying.hear(spoken("Good morning")) == ""
        assert dying.hear(spoken("Good morning")) == "Good morning"
    finally:
        dying.close()


def test_ears_that_cannot_have_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then they work in this one."""
    require("ears", "voice")
    monkeypatch.setattr(sys, "executable", str(Path(__file__)))
    assert PocketsphinxEars(["Good morning", "Goodbye"]).hear(spoken("Good morning")) == "Good morning"
