"""Turns: exact with known sounds and times, right with speech in noise, quiet where there is no turn. No clock."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from telnyx_agent._media.turn_latency import TurnLatency, TurnMeter, _Floor, _Speech
from tests.media.harness import RATE, Samples, tone
from tests.support.requirements import require

Placed = Sequence[tuple[float, Samples]]


def scene(length: float, placed: Placed = (), noise: NDArray[np.float64] | None = None) -> Samples:
    """One side: sounds at their times, in seconds, and perhaps a noise under them."""
    line = np.zeros(round(length * RATE)) if noise is None else noise[: round(length * RATE)].copy()
    for at, sound in placed:
        first = round(at * RATE)
        line[first : first + sound.size] += sound[: line.size - first]
    return np.clip(line, -32768, 32767).astype(np.int16)


def measure(user: Samples, agent: Samples, *, block: int = 480, lateness: float = 0.0) -> list[TurnLatency]:
    """What a meter finds, with a device of these blocks whose thread is late by up to so many seconds."""
    turns: list[TurnLatency] = []
    meter = TurnMeter(turns.append)
    chance = random.Random(3)
    for first in range(0, min(user.size, agent.size) - block + 1, block):
        now = 1000.0 + (first + block) / RATE + chance.uniform(0, lateness)
        meter.captured(user[first : first + block], now)
        meter.rendered(agent[first : first + block], now - block / RATE)
    return [moved(turn, -1000.0) for turn in turns]


def moved(turn: TurnLatency, by: float) -> TurnLatency:
    return TurnLatency(
        turn.started_at + by,
        turn.user_speech_end + by,
        turn.agent_audio_start + by,
        turn.latency,
        turn.interrupted,
        turn.barge_in_latency,
    )


def white(length: float, rms: float, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(round(length * RATE)) * rms


def trimmed(samples: Samples) -> Samples:
    """Without the silence of the speech engine, so that its end is known."""
    loud = np.flatnonzero(np.abs(samples) > 60)
    return samples[loud[0] : loud[-1] + 1]


def spoken(text: str) -> Samples:
    require("voice")
    from telnyx_agent.testing import synthesize

    return trimmed(synthesize(text))


def syllables(seconds: float, frequency: float = 300) -> Samples:
    """A tone that swells five times a second: no noise is like that."""
    t = np.arange(round(seconds * RATE)) / RATE
    return (tone(frequency, seconds) * (0.01 + 0.99 * np.abs(np.sin(2.5 * 2 * np.pi * t + 1)))).astype(np.int16)


SAY = tone(220, 1.0)


@pytest.mark.parametrize("block", [64, 480, 441, 960, 4800])
def test_a_turn_is_measured_exactly(block: int) -> None:
    """Whatever the size of the blocks, to about a frame."""
    (turn,) = measure(scene(6, [(1.0, SAY)]), scene(6, [(2.73, SAY)]), block=block)
    assert turn.started_at == pytest.approx(1.0, abs=0.011)
    assert turn.user_speech_end == pytest.approx(2.0, abs=0.011)
    assert turn.agent_audio_start == pytest.approx(2.73, abs=0.011)
    assert turn.latency == pytest.approx(turn.agent_audio_start - turn.user_speech_end)
    assert not turn.interrupted
    assert turn.barge_in_latency is None


def test_a_device_whose_thread_is_late_now_and_then() -> None:
    """Sound is not late because a thread is."""
    (turn,) = measure(scene(6, [(1.0, SAY)]), scene(6, [(2.73, SAY)]), lateness=0.04)
    assert turn.latency == pytest.approx(0.73, abs=0.03)


def test_times_follow_the_clock_after_a_gap() -> None:
    """A device was exchanged: what comes afterwards counts from then."""
    turns: list[TurnLatency] = []
    meter = TurnMeter(turns.append)
    user, agent = scene(6, [(1.0, SAY)]), scene(6, [(2.5, SAY)])
    for first in range(0, user.size, 480):
        now = first / RATE + (0.4 if first > 2.2 * RATE else 0.0)
        meter.captured(user[first : first + 480], now + 0.01)
        meter.rendered(agent[first : first + 480], now)
    assert turns[0].latency == pytest.approx(0.9, abs=0.02)


def test_two_turns() -> None:
    """Each is told once, in order, and a pause within the answer is no turn."""
    user = scene(14, [(1.0, SAY), (8.0, SAY)])
    agent = scene(14, [(2.6, SAY), (4.6, SAY), (9.4, SAY)])
    assert [round(turn.latency, 1) for turn in measure(user, agent)] == [0.6, 0.4]


def test_a_pause_within_what_the_user_says() -> None:
    """A breath of half a second does not end the utterance."""
    (turn,) = measure(scene(8, [(1.0, SAY), (2.5, SAY)]), scene(8, [(4.3, SAY)]))
    assert turn.started_at == pytest.approx(1.0, abs=0.011)
    assert turn.latency == pytest.approx(0.8, abs=0.02)


def test_the_greeting_is_no_turn() -> None:
    """Nobody had asked anything."""
    assert measure(scene(4), scene(4, [(1.0, SAY)])) == []


def test_a_muted_microphone_is_no_speech() -> None:
    """Zeros, however the agent speaks."""
    assert measure(scene(10), scene(10, [(n, SAY) for n in range(1, 9, 2)])) == []


def test_unmuting_in_a_noisy_room_is_no_speech() -> None:
    """From digital silence to noise: only what stands out of it is an utterance."""
    noise = white(12, 300)
    noise[: 3 * RATE] = 0
    user = scene(12, [(7.0, SAY)], noise)
    (turn,) = measure(user, scene(12, [(5.5, SAY), (8.5, SAY)]))
    assert turn.started_at == pytest.approx(7.0, abs=0.03)
    assert turn.latency == pytest.approx(0.5, abs=0.03)


def test_clicks_are_no_speech() -> None:
    """A mouse, a keyboard: too short. One after the last word does not move its end, either."""
    click = tone(2000, 0.012, amplitude=15000)
    user = scene(9, [(n * 0.37, click) for n in range(1, 8)])
    assert measure(user, scene(9, [(4.0, SAY)])) == []
    (turn,) = measure(scene(9, [(1.0, SAY), (2.3, click)]), scene(9, [(2.7, SAY)]))
    assert turn.latency == pytest.approx(0.7, abs=0.02)


def test_an_offset_of_the_microphone_is_no_sound() -> None:
    """Cheap cards deliver a constant that is not zero."""
    user = scene(6, [(1.0, SAY)], np.full(6 * RATE, 900.0))
    (turn,) = measure(user, scene(6, [(2.5, SAY)]))
    assert turn.latency == pytest.approx(0.5, abs=0.02)


def test_barge_in() -> None:
    """The user interrupts, the agent stops, and answers what was said."""
    user = scene(9, [(3.0, SAY)])
    agent = scene(9, [(1.0, syllables(2.35)), (4.9, SAY)])
    (turn,) = measure(user, agent)
    assert turn.interrupted
    assert turn.barge_in_latency == pytest.approx(0.35, abs=0.02)
    assert turn.latency == pytest.approx(0.9, abs=0.02)


def test_what_the_agent_does_not_stop_for_is_no_turn() -> None:
    """A murmur of assent while it speaks; the real question comes later."""
    murmur = tone(200, 0.3)
    agent = scene(14, [(1.0, syllables(5.0)), (6.6, SAY), (10.5, SAY)])
    (turn,) = measure(scene(14, [(2.0, murmur), (9.0, SAY)]), agent)
    assert turn.started_at == pytest.approx(9.0, abs=0.02)
    assert not turn.interrupted


def test_an_agent_that_talks_over_the_user() -> None:
    """Nobody waited, so there is nothing to measure."""
    assert measure(scene(8, [(1.0, syllables(4.0))]), scene(8, [(2.0, SAY)])) == []


def test_an_answer_within_the_last_word() -> None:
    """An eager agent: the latency is 0, not negative."""
    (turn,) = measure(scene(6, [(1.0, SAY)]), scene(6, [(1.95, SAY)]))
    assert turn.latency == 0.0
    (turn,) = measure(scene(6, [(1.0, SAY)]), scene(6, [(2.05, SAY)]))
    assert turn.latency == pytest.approx(0.05, abs=0.011)


def test_a_noisy_line_of_the_agents() -> None:
    """Comfort noise, or an office that the assistant plays in the background, is no answer."""
    agent = scene(8, [(3.2, syllables(2.0))], white(8, 120, seed=4))
    (turn,) = measure(scene(8, [(1.0, SAY)]), agent)
    assert turn.latency == pytest.approx(1.2, abs=0.03)


TEXTS = ["What are your opening hours on Saturdays?", "I would like to book a table for six.", "Hello there."]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("delay", [0.25, 1.3])
def test_speech(text: str, delay: float) -> None:
    """Real words, that end in a soft consonant: within 70 ms, never an utterance too many."""
    said, answer = spoken(text), spoken("Sure, let me have a look at that.")
    end = 2.0 + said.size / RATE
    (turn,) = measure(scene(end + 4, [(2.0, said)]), scene(end + 4, [(end + delay, answer)]))
    assert turn.started_at == pytest.approx(2.0, abs=0.03)
    assert turn.user_speech_end == pytest.approx(end, abs=0.07)
    assert turn.agent_audio_start == pytest.approx(end + delay, abs=0.03)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(("distance", "exactness"), [(40, 0.07), (30, 0.07), (20, 0.15), (15, 0.3)])
def test_speech_in_noise(text: str, distance: float, exactness: float) -> None:
    """White noise so many dB below the speech: the last consonant drowns first, the turn does not."""
    said, answer = spoken(text), spoken("Sure, let me have a look at that.")
    rms = float(np.sqrt(np.mean(said.astype(np.float64) ** 2)))
    end = 2.0 + said.size / RATE
    noise = white(end + 4, rms * 10 ** (-distance / 20))
    (turn,) = measure(scene(end + 4, [(2.0, said)], noise), scene(end + 4, [(end + 0.8, answer)]))
    assert turn.latency == pytest.approx(0.8, abs=exactness)


@pytest.mark.slow
def test_a_conversation_of_twenty_minutes() -> None:
    """Every turn is found, none is invented, and nothing grows."""
    said, answer = spoken("How much is it for two?"), spoken("That depends on the day.")
    turns: list[TurnLatency] = []
    meter = TurnMeter(turns.append)
    period = 12.0
    user = scene(period, [(1.0, said)], white(period, 60))
    agent = scene(period, [(1.0 + said.size / RATE + 0.6, answer)])
    for n in range(100):
        for first in range(0, user.size, 480):
            now = n * period + first / RATE
            meter.captured(user[first : first + 480], now + 0.01)
            meter.rendered(agent[first : first + 480], now)
    assert len(turns) == 100
    assert all(turn.latency == pytest.approx(0.6, abs=0.08) for turn in turns)
    assert len(meter._user.speech.utterances) == 8


@pytest.mark.parametrize(("pause", "is_one"), [(0.55, True), (0.65, False)])
def test_how_long_the_user_may_pause(pause: float, is_one: bool) -> None:
    """0.6 s; what comes later is another utterance, and the answer to the first one was to that."""
    user = scene(9, [(1.0, SAY), (2.0 + pause, SAY)])
    (turn,) = measure(user, scene(9, [(3.0 + pause + 0.4, SAY)]))
    assert turn.started_at == pytest.approx(1.0 if is_one else 2.0 + pause, abs=0.015)


@pytest.mark.parametrize(("pause", "starts"), [(0.32, 1), (0.4, 2)])
def test_how_long_the_agent_may_pause(pause: float, starts: int) -> None:
    """0.35 s belong to what it says."""
    told: list[bool] = []
    meter = TurnMeter(lambda turn: None, lambda audible, at: told.append(audible))
    agent = scene(5.0, [(1.0, SAY), (2.0 + pause, SAY)])
    for first in range(0, agent.size - 479, 480):
        meter.rendered(agent[first : first + 480], first / RATE)
    assert told.count(True) == starts


@pytest.mark.parametrize(("into", "is_turn"), [(0.08, True), (0.13, False)])
def test_how_far_the_user_may_speak_into_the_answer(into: float, is_turn: bool) -> None:
    """A tenth of a second; with more, nobody waited."""
    assert bool(measure(scene(6, [(1.0, SAY)]), scene(6, [(2.0 - into, SAY)]))) is is_turn


@pytest.mark.parametrize(("stops_after", "is_turn"), [(1.5, True), (1.6, False)])
def test_how_soon_an_agent_stops_that_was_interrupted(stops_after: float, is_turn: bool) -> None:
    """Within a second and a half of the user's beginning; later it did not stop for the user."""
    murmur = tone(200, 0.3)
    found = measure(scene(9, [(3.0, murmur)]), scene(9, [(1.0, syllables(2.0 + stops_after)), (5.6, SAY)]))
    assert [turn.interrupted for turn in found] == ([True] if is_turn else [])


@pytest.mark.parametrize(("length", "is_speech"), [(0.04, False), (0.06, True)])
def test_how_short_speech_can_be(length: float, is_speech: bool) -> None:
    """Five of eight hundredths; a click is shorter."""
    assert bool(measure(scene(6, [(1.0, tone(300, length))]), scene(6, [(2.0, SAY)]))) is is_speech


def test_a_click_after_the_voice_has_ended_is_no_voice() -> None:
    """What was loud before counts for nothing then: it takes five hundredths anew."""
    click = tone(2000, 0.03, amplitude=15000)
    found = measure(scene(9, [(1.0, SAY), (2.65, click)]), scene(9, [(3.5, SAY)]))
    assert [turn.user_speech_end for turn in found] == [pytest.approx(2.0, abs=0.011)]


def test_the_decision_takes_a_fifth_of_a_second() -> None:
    """A turn is told that long after the answer began, not before."""
    told: list[float] = []
    meter = TurnMeter(lambda turn: told.append(now))
    user, agent = scene(6, [(1.0, SAY)]), scene(6, [(2.5, SAY)])
    for first in range(0, user.size, 480):
        now = first / RATE
        meter.captured(user[first : first + 480], now + 0.01)
        meter.rendered(agent[first : first + 480], now)
    assert told == [pytest.approx(2.7, abs=0.02)]


def test_the_agents_voice_is_told_with_its_times() -> None:
    """Silence with the first block; then each beginning and end, the end when a pause has shown it."""
    told: list[tuple[bool, float]] = []
    known: list[float] = []

    def voice(audible: bool, at: float) -> None:
        told.append((audible, at))
        known.append(now)

    meter = TurnMeter(lambda turn: None, voice)
    agent = scene(6.0, [(1.0, syllables(1.5)), (3.5, syllables(1.0))])
    for first in range(0, agent.size - 479, 480):
        now = first / RATE
        meter.rendered(agent[first : first + 480], now)
    assert [audible for audible, _ in told] == [False, True, False, True, False]
    assert [at for _, at in told[1:]] == pytest.approx([1.0, 2.5, 3.5, 4.5], abs=0.06)
    assert told[0][1] == pytest.approx(0.0, abs=0.02)
    assert all(0 <= when - at < 0.5 for when, (_, at) in zip(known, told, strict=True))


def test_the_floor_is_the_least_of_a_second_and_a_half() -> None:
    """Not known before 0.3 s have passed; speech without pauses is no noise, and silence has a floor."""
    floor = _Floor()
    assert floor.power == 121.0
    seen = []
    for power in (1000.0, 200.0, *[1000.0] * 28, 150.0, *[1000.0] * 29, *[1000.0] * 150):
        floor.add(power)
        seen.append(floor.power)
    assert seen[:29] == [121.0] * 29
    assert seen[29] == 200.0
    # The frame that was the least counts until five parts of 30 frames after its own are complete.
    assert seen[30:209] == [150.0] * 179
    assert seen[209:] == [1000.0]
    loud = _Floor()
    for _ in range(30):
        loud.add(1e8)
    assert loud.power == 9_000_000.0
    loud.add(1.0)
    assert loud.power == 121.0


LOUD, MIDDLE, SOFT = 1695.0, 727.0, 726.0
"""Beside the least floor of 121: more than fourteen times as much, more than six times, and not."""


def utterances(*powers: float, pause: float = 0.35) -> list[tuple[int, int]]:
    """Of frames with these powers; in frames."""
    speech = _Speech(pause)
    begun = [speech.frame(power, number / 100) for number, power in enumerate(powers)]
    assert min(8, sum(begun)) == len(speech.utterances)
    return [(round(first * 100), round(end * 100)) for first, end in speech.utterances]


@pytest.mark.parametrize(
    ("powers", "found"),
    [
        ([LOUD] * 4, []),
        ([LOUD] * 5, [(0, 5)]),
        ([1694.0] * 20, []),
        ([LOUD, 0, LOUD, 0, LOUD, 0, LOUD, 0, LOUD], []),
        ([LOUD, 0, LOUD, 0, LOUD, 0, LOUD, LOUD], [(0, 8)]),
        ([0, 0, LOUD, 0, LOUD, LOUD, 0, LOUD, LOUD], [(2, 9)]),
        ([*[LOUD] * 5, MIDDLE, MIDDLE], [(0, 7)]),
        ([*[LOUD] * 5, SOFT, SOFT], [(0, 5)]),
        ([*[LOUD] * 5, 0, 0, MIDDLE], [(0, 5)]),
        ([*[LOUD] * 5, 0, MIDDLE, MIDDLE], [(0, 8)]),
        ([*[LOUD] * 5, *[0] * 8, MIDDLE, MIDDLE], [(0, 15)]),
        ([*[LOUD] * 5, *[0] * 11, MIDDLE, MIDDLE], [(0, 5)]),
        ([*[LOUD] * 5, *[0] * 11, LOUD, LOUD], [(0, 5)]),
        ([*[LOUD] * 5, *[0] * 20, *[LOUD] * 5], [(0, 30)]),
        ([*[LOUD] * 5, *[0] * 30, *[LOUD] * 5], [(0, 40)]),
        ([*[LOUD] * 5, *[0] * 40, *[LOUD] * 5], [(0, 5), (45, 50)]),
        ([*[LOUD] * 5, *[0] * 40] * 9, [(45 * number, 45 * number + 5) for number in range(1, 9)]),
    ],
)
def test_speech_frame_by_frame(powers: list[float], found: list[tuple[int, int]]) -> None:
    """Five loud frames of eight begin it, two of three go on with it; softer ones within a word, for 0.1 s."""
    assert utterances(*powers) == found
