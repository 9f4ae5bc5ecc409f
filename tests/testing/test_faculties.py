"""Voice, ears, brain, mouth and end-pointing, each for itself; and the delegate that records."""

from __future__ import annotations

import asyncio
import datetime
import logging
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from telnyx_agent.testing import (
    EnergyEars,
    EspeakVoice,
    LocalAgent,
    PocketsphinxEars,
    RecordingDelegate,
    Reply,
    ScriptedBrain,
    SilentVoice,
    Speech,
    ToneVoice,
    _recogniser,
    synthesize,
)
from telnyx_agent.testing._endpoint import Endpointer, SpeechEnded, SpeechGoesOn, SpeechStarted, Turn
from telnyx_agent.testing._ice import own_addresses, resolve_hidden_candidates
from telnyx_agent.testing._images import describe_images
from telnyx_agent.testing._mouth import FRAME, Mouth, Utterance
from telnyx_agent.testing._worker import Worker
from telnyx_agent.testing.voice import resample, split_words
from tests.support.requirements import require

# -- voice -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " ", "one", " Hi  there!\n", "a b c ", "Grüß dich, 3 mal"])
def test_words_join_to_the_text(text: str) -> None:
    """No white space is lost: deltas add up to the text."""
    assert "".join(split_words(text)) == text


@pytest.mark.parametrize("voice", [ToneVoice(), SilentVoice(0.1), SilentVoice()])
def test_words_have_their_times(voice: ToneVoice | SilentVoice) -> None:
    """Each word begins after the one before, within the sound."""
    speech = voice.speak("one two three")
    times = [time for time, _ in speech.words]
    assert times == sorted(times)
    assert [word for _, word in speech.words] == ["one", " two", " three"]
    assert times[-1] <= speech.seconds


def test_espeak_speaks() -> None:
    """Sound of a plausible length and level, words at rising times within it."""
    require("voice")
    speech = EspeakVoice().speak("Hello! It is 14:35 - I am here, dear friend.")
    assert 2 < speech.seconds < 8
    assert 5000 < np.abs(speech.samples).max() <= 32767
    times = [time for time, _ in speech.words]
    assert times == sorted(times)
    assert "".join(word for _, word in speech.words) == "Hello! It is 14:35 - I am here, dear friend."
    assert EspeakVoice().speak("").seconds == EspeakVoice().speak(" ").seconds == 0


def test_espeak_voices() -> None:
    """Voices sound different; one that does not exist is refused."""
    require("voice")
    low, high = synthesize("Hello", voice="en-us"), synthesize("Hello", voice="en-us+f3")
    assert not np.array_equal(low, high)
    with pytest.raises(ValueError, match="no voice 'vulcan'"):
        EspeakVoice("vulcan")


def test_espeak_on_many_threads() -> None:
    """The library has global state; the lock keeps the voices apart."""
    require("voice")
    alone = {name: synthesize("How are you?", voice=name) for name in ("en-us", "en-us+f3", "de")}
    results: list[tuple[str, np.ndarray]] = []
    threads = [
        threading.Thread(target=lambda name=name: results.append((name, synthesize("How are you?", voice=name))))
        for name in list(alone) * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(samples) == pytest.approx(len(alone[name]), rel=0.05) for name, samples in results)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000])
def test_resampling_keeps_a_tone(rate: int) -> None:
    """A tone stays where it is and as loud as it was."""
    time = np.arange(rate) / rate
    tone = (10000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)
    result = resample(tone, rate, 48000)
    assert len(result) == 48000
    spectrum = np.abs(np.fft.rfft(result.astype(float)))
    assert int(spectrum.argmax()) == 440
    assert np.abs(result).max() == pytest.approx(10000, rel=0.02)


# -- ears --------------------------------------------------------------------------------------------------------------


def tone(seconds: float, level: int = 8000, rate: int = 16000) -> np.ndarray:
    return (level * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def silence(seconds: float, noise: int = 0) -> np.ndarray:
    samples = np.zeros(round(seconds * 16000))
    if noise:
        samples += np.random.default_rng(3).normal(0, noise, len(samples))
    return samples.astype(np.int16)


def feed(endpointer: Endpointer, *parts: np.ndarray) -> list[Turn]:
    data = np.concatenate(parts)
    return [turn for start in range(0, len(data), 333) for turn in endpointer.feed(data[start : start + 333])]


def test_one_utterance() -> None:
    """Start, progress, end; the sound has some silence around it and nothing is lost."""
    turns = feed(Endpointer(), silence(0.5), tone(1.0), silence(1.0))
    assert [type(turn) for turn in turns] == [SpeechStarted, SpeechGoesOn, SpeechGoesOn, SpeechEnded]
    ended = turns[-1]
    assert isinstance(ended, SpeechEnded)
    assert 1.6 < len(ended.samples) / 16000 < 2.1
    assert np.abs(ended.samples.astype(int)).sum() == pytest.approx(np.abs(tone(1.0).astype(int)).sum(), rel=0.05)


def test_clicks_are_no_speech() -> None:
    """A single loud frame does not interrupt anybody."""
    assert feed(Endpointer(), *[silence(0.3), tone(0.02)] * 5) == []


def test_pauses_within_a_sentence() -> None:
    """Less than the end of an utterance does not end it."""
    turns = feed(Endpointer(report=9), silence(0.3), tone(0.5), silence(0.4), tone(0.5), silence(1.0))
    assert [type(turn) for turn in turns] == [SpeechStarted, SpeechEnded]


def test_a_noisy_room() -> None:
    """Steady noise is background, speech that stands out of it is heard."""
    endpointer = Endpointer(report=9)
    assert feed(endpointer, silence(2.0, noise=400)) == []
    turns = feed(endpointer, tone(0.7) + silence(0.7, noise=400), silence(1.0, noise=400))
    assert [type(turn) for turn in turns] == [SpeechStarted, SpeechEnded]


def test_somebody_who_never_stops() -> None:
    """Music is cut after a while, so that memory stays bounded."""
    turns = feed(Endpointer(report=100), silence(0.2), tone(45))
    assert [type(turn) for turn in turns].count(SpeechEnded) == 2


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


def test_faculties_by_name() -> None:
    """What has no such name is refused when the agent is made."""
    with pytest.raises(ValueError, match="no ears 'big'"):
        LocalAgent(voice="silent", ears="big")


# -- brain -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("What are your opening hours?", "We are open from nine to five, Monday to Friday."),
        ("hello", "Hello! What can I do for you?"),
        ("What time is it?", "It is 09:05."),
        ("What day is it today?", "Today is Monday, 3 March."),
        ("Repeat after me: one, two", "one, two"),
        ("repeat", "What shall I repeat?"),
        ("The moon is a balloon.", "You said: The moon is a balloon."),
        ("No, thank you", "You are welcome."),
        ("Good morning", "Hello! What can I do for you?"),
        ("You can hang up now", "As you wish. Goodbye!"),
    ],
)
def test_small_talk(text: str, answer: str) -> None:
    """The first rule that fits answers."""
    brain = ScriptedBrain(now=lambda: datetime.datetime(2025, 3, 3, 9, 5))
    assert brain(text).text == answer


def test_hanging_up() -> None:
    """Only when asked; goodbye counts as asking if one wants it to."""
    assert ScriptedBrain()("Please hang up").hang_up
    assert not ScriptedBrain()("Goodbye").hang_up
    assert ScriptedBrain(hang_up_on_goodbye=True)("Goodbye").hang_up


def test_every_phrase_has_an_answer() -> None:
    """Nothing in the vocabulary is merely repeated."""
    brain = ScriptedBrain()
    assert [phrase for phrase in brain.phrases if brain(phrase).text.startswith("You said")] == []
    assert len(set(brain.phrases)) == len(brain.phrases)


def test_tools() -> None:
    """An order is looked up by the client; its answer is read out."""
    reply = ScriptedBrain()("Where is my order?")
    assert reply.function_call is not None
    assert reply.function_call.name == "lookup_order"
    brain = ScriptedBrain()
    assert brain.function_output("x", '{"order_status": "shipped"}') == Reply("I looked it up: order status shipped.")
    assert brain.function_output("x", "not json") == Reply("I looked it up: not json.")


@pytest.mark.parametrize(
    ("urls", "sentence"),
    [
        (["data:image/gif;base64,R0lGODlhAgADAAAA"], "I see one gif image, 2 by 3 pixels."),
        (["data:image/webp;base64,UklGRg=="], "I see one webp image, 1 kilobytes."),
        (["data:image/png;base64,!!"], "I see one png image that cannot be decoded."),
        (["https://example.com/a.JPG"], "I see one jpeg image."),
        (["https://example.com/a"], "I see one linked image."),
        (["https://x/a.png"] * 10, "I see 10 images: " + ", ".join(["png"] * 10) + "."),
    ],
)
def test_descriptions_of_images(urls: list[str], sentence: str) -> None:
    """Type and size are told from the URL and the first bytes."""
    assert describe_images(urls) == sentence


def test_size_of_a_jpeg() -> None:
    """It is in a marker somewhere behind the others."""
    import base64

    data = b"\xff\xd8" + b"\xff\xe0\x00\x04ab" + b"\xff\xc0\x00\x0b\x08\x00\x30\x00\x40\x01\x00\x00\x00"
    url = "data:image/jpeg;base64," + base64.b64encode(data).decode()
    assert describe_images([url]) == "I see one jpeg image, 64 by 48 pixels."


# -- mouth -------------------------------------------------------------------------------------------------------------


class Story:
    """One utterance, and what was announced of it."""

    def __init__(self, seconds_per_word: float, text: str) -> None:
        self.log: list[str] = []
        speech = SilentVoice(seconds_per_word).speak(text)
        loud = Speech(speech.samples + np.int16(7), speech.words)
        self.utterance = Utterance(
            loud, lambda: self.log.append("start"), self.log.append, lambda: self.log.append("done")
        )


def test_words_come_when_they_are_spoken() -> None:
    """20 ms of sound at a time; each word when its time has come, the end with the last sample."""
    mouth, story = Mouth(lambda samples: None), Story(0.05, "a b")
    mouth.say(story.utterance)
    seen = []
    for _ in range(6):
        assert len(mouth.step()) == FRAME
        seen.append(len(story.log))
    assert story.log == ["start", "a", " b", "done"]
    assert seen == [2, 2, 3, 3, 4, 4]
    assert not mouth.is_speaking


def test_silent_words_come_at_once() -> None:
    """A speech without sound is over in one step."""
    mouth, story = Mouth(lambda samples: None), Story(0.0, "a b c")
    mouth.say(story.utterance)
    assert np.abs(mouth.step()).max() == 0
    assert story.log == ["start", "a b c", "done"]


def test_a_mouth_that_is_stopped() -> None:
    """Nothing more is announced, what waits is forgotten, and the next step is silence."""
    mouth, first, second = Mouth(lambda samples: None), Story(0.1, "a b"), Story(0.1, "c")
    mouth.say(first.utterance)
    mouth.say(second.utterance)
    assert mouth.step().max() == 7
    assert mouth.stop()
    assert not mouth.stop()
    assert mouth.step().max() == 0
    assert (first.log, second.log) == (["start", "a"], [])


def test_a_mouth_that_pauses() -> None:
    """Silence, and then on from where it was."""
    mouth, story = Mouth(lambda samples: None), Story(0.02, "a b")
    mouth.say(story.utterance)
    mouth.step()
    mouth.paused = True
    assert mouth.step().max() == 0
    mouth.paused = False
    mouth.step()
    assert story.log[-1] == "done"


def test_the_pace_does_not_drift() -> None:
    """Half a second of frames takes half a second."""

    async def scenario() -> float:
        frames = asyncio.Queue[int]()
        mouth = Mouth(lambda samples: frames.put_nowait(len(samples)))
        loop = asyncio.get_running_loop()
        start = loop.time()
        task = asyncio.create_task(mouth.run())
        for _ in range(26):
            await frames.get()
        task.cancel()
        return loop.time() - start

    assert asyncio.run(scenario()) == pytest.approx(0.5, abs=0.15)


# -- ICE on one machine ------------------------------------------------------------------------------------------------


def test_hidden_candidates_are_ours() -> None:
    """A `.local` name becomes one candidate for each address of this machine; other lines stay."""
    hidden = "a=candidate:1 1 udp 2113937151 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 54596 typ host generation 0"
    plain = "a=candidate:2 1 udp 5 192.0.2.1 7 typ host"
    lines = resolve_hidden_candidates(f"v=0\r\n{hidden}\r\n{plain}\r\n").split("\r\n")
    assert lines[0] == "v=0"
    assert lines[-2:] == [plain, ""]
    assert [line.split()[4] for line in lines[1:-2]] == own_addresses()
    assert all(line.endswith("54596 typ host generation 0") for line in lines[1:-2])
    assert resolve_hidden_candidates("v=0\r\n") == "v=0\r\n"


# -- worker ------------------------------------------------------------------------------------------------------------


def test_a_worker_survives_its_jobs(caplog: pytest.LogCaptureFixture) -> None:
    """A job that fails is logged; too many jobs are refused; after `close` none is taken."""
    done, block, blocked = threading.Event(), threading.Event(), threading.Event()

    def wait() -> None:
        blocked.set()
        block.wait(5)

    worker = Worker("telnyx-agent-test-worker")
    with caplog.at_level(logging.WARNING):
        assert worker.submit(lambda: [][0])
        assert worker.submit(done.set)
        assert done.wait(5)
        assert "IndexError" in caplog.text
        assert worker.submit(wait)
        assert blocked.wait(5)
        while worker.submit(lambda: None):
            pass
        assert "too busy" in caplog.text
    assert not worker.close(0.01)
    block.set()
    assert worker.close(5)
    assert not worker.submit(lambda: None)


# -- the recording delegate --------------------------------------------------------------------------------------------


def test_every_callback_is_recorded() -> None:
    """Name, arguments, thread; whatever the callback is called, as long as it begins with `on_`."""
    delegate = RecordingDelegate()
    delegate.on_client_ready()
    thread = threading.Thread(target=lambda: delegate.on_anything(1, two=2), name="caller")
    thread.start()
    thread.join()
    assert delegate.names == ["on_client_ready", "on_anything"]
    event = delegate.events[1]
    assert (event.args, event.kwargs, event.thread) == ((1,), {"two": 2}, "caller")
    assert event.time >= delegate.events[0].time
    assert delegate.calls_of("on_anything") == [(1,)]
    assert delegate.on_anything is delegate.on_anything
    assert getattr(delegate, "something_else", None) is None


def test_waiting_for_a_callback() -> None:
    """It may have come or be yet to come; how many and which can be said."""
    delegate = RecordingDelegate()
    timers = [threading.Timer(0.05 * n, delegate.on_number, [n]) for n in (1, 2, 3)]
    for timer in timers:
        timer.start()
    assert delegate.wait_for("on_number", count=2) == (2,)
    assert delegate.wait_for("on_number", predicate=lambda n: n > 2) == (3,)
    assert delegate.wait_for("on_number", 0) == (1,)
    for timer in timers:
        timer.join()


def test_waiting_in_vain() -> None:
    """The error says what was called."""
    delegate = RecordingDelegate()
    with pytest.raises(TimeoutError, match=r"(?s)on_x was called 0 time\(s\).*nothing"):
        delegate.wait_for("on_x", 0.01)
    delegate.on_y("here")
    with pytest.raises(TimeoutError, match=r"on_y.*'here'"):
        delegate.wait_for("on_x", 0.01)


def test_forgetting() -> None:
    """After `clear` only what comes counts, even for those who wait already."""
    delegate = RecordingDelegate()
    delegate.on_x(1)
    delegate.clear()
    assert delegate.events == ()
    delegate.on_x(2)
    assert delegate.wait_for("on_x", 1) == (2,)
