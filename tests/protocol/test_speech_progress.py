"""`SpeechProgress`: seconds of voice, and how much of the transcript they are worth."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from telnyx_agent._protocol.conversation.attribution import Attribution
from telnyx_agent._protocol.conversation.speech_progress import USUAL_PACE, SpeechProgress
from telnyx_agent._protocol.conversation.transcript import Transcript
from telnyx_agent._protocol.conversation.transcription import TranscriptionItem


def progress(**texts: str) -> SpeechProgress:
    """That of an agent that has said these texts, each a response with an item of its own."""
    transcript = Transcript(Attribution(), lambda: datetime(2026, 1, 1, tzinfo=timezone.utc), lambda event: None)
    for name, text in texts.items():
        transcript.put(TranscriptionItem(name, "assistant", text, response_id=name))
    return SpeechProgress(transcript)


def test_nobody_listens() -> None:
    """Nothing is known."""
    speech = progress()
    assert (speech.is_on, speech.is_audible, speech.characters(5.0), speech.seconds(5.0)) == (False, False, None, 0.0)


def test_seconds_of_voice_are_added_up() -> None:
    """Those between a beginning and its end; what is said twice counts once, and no time goes back."""
    speech = progress()
    speech.voice(True, 10.0)
    assert (speech.is_on, speech.is_audible, speech.seconds(12.0), speech.seconds(9.0)) == (True, True, 2.0, 0.0)
    speech.voice(True, 11.0)
    speech.voice(False, 13.0)
    speech.voice(False, 20.0)
    assert (speech.is_audible, speech.seconds(30.0)) == (False, 3.0)
    speech.voice(True, 40.0)
    assert speech.seconds(40.5) == 3.5
    speech.voice(False, 39.0)
    assert speech.seconds(50.0) == 3.0
    assert speech.characters(50.0) == 3.0 * USUAL_PACE == 45.0
    speech.begin("next", 50.0)
    assert speech.seconds(50.0) == 0.0


@pytest.mark.parametrize(("ahead", "seconds"), [(1.5, 2.5), (1.6, 1.0)])
def test_a_voice_may_come_before_its_text(ahead: float, seconds: float) -> None:
    """By a second and a half; what is older belongs to the response before it."""
    speech = progress()
    speech.voice(True, 0.0)
    speech.voice(False, 3.0)
    speech.voice(True, 10.0)
    speech.begin("r", 10.0 + ahead)
    assert speech.seconds(11.0 + ahead) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("length", "seconds", "pace"),
    [
        (25, 1.0, 20.0),  # half of it is what was known before
        (100, 0.99, 15.0),  # too short to tell
        (50, 2.0, 20.0),
        (12, 2.0, 10.5),
        (11, 2.0, 10.5),  # nobody speaks slower than 6 characters a second
        (80, 2.0, 27.5),
        (81, 2.0, 27.5),  # or faster than 40
    ],
)
def test_the_pace_is_learnt(length: int, seconds: float, pace: float) -> None:
    """From responses that were heard from beginning to end, with its bounds; each call begins with the usual one."""
    speech = progress(r="x" * length)
    speech.begin("r", 0.0)
    speech.voice(True, 0.0)
    speech.voice(False, seconds)
    speech.begin("next", 100.0)
    speech.voice(True, 100.0)
    assert speech.characters(101.0) == pytest.approx(pace)
    speech.call_started()
    speech.voice(True, 200.0)
    assert speech.characters(201.0) == USUAL_PACE


@pytest.mark.parametrize("why", ["it goes on", "it was interrupted", "it is another's"])
def test_what_tells_nothing_about_the_pace(why: str) -> None:
    """A response that is still heard when the next begins, one that was not heard to its end, or not heard at all."""
    speech = progress(r="x" * 100)
    speech.begin("another" if why == "it is another's" else "r", 0.0)
    speech.voice(True, 0.0)
    if why == "it was interrupted":
        speech.user_began(2.0)
    speech.voice(False, 2.0)
    if why == "it was interrupted":
        (item,) = speech._transcript.items
        speech._transcript.put(speech.interrupted(item, 2.0))
    if why == "it goes on":
        speech.voice(True, 2.0)
    speech.begin("next", 2.0)
    speech.voice(True, 2.0)
    assert speech.characters(3.0) == USUAL_PACE
