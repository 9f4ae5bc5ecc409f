"""The half-duplex guard, without a clock or a sound card."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from telnyx_agent.audio._chain import Chain
from telnyx_agent.audio._half_duplex import EchoGate, ramped
from tests.audio.room import RATE, Int16, Room, as_pcm, erle, level_db, run, syllables

ROOMS = [
    Room(),
    Room(delay=0.01, rt60=0.15, coupling=0.1),
    Room(delay=0.2, rt60=0.5, coupling=0.3, seed=2),
    Room(delay=0.1, rt60=0.3, coupling=1.5, drift_ppm=100, seed=3),
]


def guard() -> Chain:
    return Chain(None, EchoGate(), None)


def with_pause(seconds: float, voice: Int16) -> Int16:
    return np.concatenate((np.zeros(round(seconds * RATE), np.int16), voice))


@pytest.mark.slow_except(2)
@pytest.mark.parametrize("room", ROOMS, ids=str)
@pytest.mark.parametrize("told", [True, False])
def test_the_agent_does_not_hear_itself(room: Room, told: bool) -> None:
    """30 dB less from the first second on, in every room, whether the drivers tell the delay or not."""
    agent = syllables(6)
    heard = room.microphone(agent)
    sent, _ = run(guard(), agent, heard, room.delay if told else 0.0)
    loss = level_db(heard) - max(level_db(sent), 20 * np.log10(2 * room.noise))
    assert erle(heard, sent, 0, 2) >= min(30, loss)
    assert erle(heard, sent, 2, 6) >= min(30, loss)
    assert loss >= 22


@pytest.mark.parametrize("lag", range(2880, 3360, 60))
def test_it_does_not_matter_where_the_blocks_begin(lag: int) -> None:
    """A low voice has one pulse in each block, in its middle or at its edge: of the voice, and of its echo."""
    time = np.arange(2 * RATE) / RATE
    pulses = np.sum([np.cos(2 * np.pi * 100 * number * time) for number in range(1, 40)], axis=0)
    voice = as_pcm(1000 * np.concatenate((pulses, np.roll(pulses, 240), pulses)))
    gate = EchoGate()
    for start in range(lag, len(voice) - 480, 480):
        gate.render(voice[start : start + 480].astype(np.float32))
        gate.gain(voice[start - lag : start - lag + 480].astype(np.float32), 0.05)
        assert not gate.is_open


def test_the_user_alone_passes_untouched() -> None:
    """Before the agent has said anything, and from 0.7 s after its last word."""
    room = Room()
    agent = np.concatenate((np.zeros(2 * RATE, np.int16), syllables(4), np.zeros(4 * RATE, np.int16)))
    voice = syllables(10, pitch=210, level=800, seed=5).astype(np.float64)
    voice[round(1.9 * RATE) : round(6.7 * RATE)] = 0
    heard = room.microphone(agent, voice)
    sent, _ = run(guard(), agent, heard, room.delay)
    np.testing.assert_array_equal(sent[: 2 * RATE], heard[: 2 * RATE])
    after = slice(round(6.75 * RATE), 10 * RATE)
    np.testing.assert_array_equal(sent[after], heard[after])


def test_the_tail_of_the_agents_voice_is_kept_back() -> None:
    """The room goes on for a while after the loudspeaker."""
    room = Room(delay=0.2, rt60=0.4)
    agent = np.concatenate((syllables(4), np.zeros(RATE, np.int16)))
    heard = room.microphone(agent)
    sent, _ = run(guard(), agent, heard, 0.0)
    assert level_db(heard[4 * RATE : round(4.2 * RATE)]) > 40
    assert level_db(sent[4 * RATE : round(4.6 * RATE)]) < 25


def test_who_is_louder_than_the_echo_gets_through() -> None:
    """Barge-in: 12 dB over the echo, at the microphone, while the agent goes on talking."""
    room = Room(coupling=0.15)
    agent = syllables(9)
    voice = with_pause(5, syllables(3, pitch=210, seed=7)).astype(np.float64)
    voice *= 10 ** ((level_db(room.echo(agent)) + 12 - level_db(voice[5 * RATE :])) / 20)
    heard = room.microphone(agent, voice)
    sent, _ = run(guard(), agent, heard, room.delay)
    assert erle(heard, sent, 0, 5) > 25
    assert erle(heard, sent, 5, 8) < 3
    # Quick: within 100 ms of the first syllable's middle.
    assert level_db(sent[round(5.1 * RATE) : round(5.3 * RATE)]) > level_db(voice[5 * RATE :]) - 12
    assert erle(heard, sent, 8.4, 9) > 20


def test_headphones_are_learnt() -> None:
    """Nothing of the agent comes back, so after a while even a quiet user may speak at the same time."""
    agent = syllables(14)
    voice = with_pause(10, syllables(4, pitch=210, level=300, seed=8)).astype(np.float64)
    heard = Room(coupling=1e-5).microphone(agent, voice)
    sent, _ = run(guard(), agent, heard, 0.0)
    assert abs(erle(heard, sent, 10.5, 14)) < 1


def test_a_loudspeaker_that_is_turned_up_is_learnt_again() -> None:
    """20 dB louder looks like somebody at first; a few seconds later it is the echo."""
    agent = syllables(20)
    quiet, loud = Room(coupling=0.05).microphone(agent), Room(coupling=0.5).microphone(agent)
    heard = np.concatenate((quiet[: 8 * RATE], loud[8 * RATE :]))
    sent, _ = run(guard(), agent, heard, 0.06)
    assert erle(heard, sent, 14, 20) > 25


def test_a_loudspeaker_that_stops_is_silent() -> None:
    """Its last block does not keep the microphone down for ever, and when it goes on the guard is there again."""
    room = Room(coupling=0.3)
    agent = syllables(4)
    heard = room.microphone(agent)
    chain = guard()
    run(chain, agent, heard, room.delay)
    silence = np.full(480, 7, np.int16)
    waited = [chain.process_capture(silence.copy(), room.delay) for _ in range(150)]
    np.testing.assert_array_equal(waited[-1], silence)
    sent, _ = run(chain, agent, heard, room.delay)
    assert erle(heard, sent, 0, 4) > 25


def test_the_gain_never_jumps() -> None:
    """No clicks: from one sample to the next it moves by less than a four-hundredth."""
    room = Room(coupling=0.3)
    agent = with_pause(1, syllables(3))
    tone = 8000 * np.sin(2 * np.pi * 440 * np.arange(len(agent)) / RATE)
    sent, _ = run(guard(), agent, as_pcm(tone), room.delay)
    steps = np.abs(np.diff(sent.astype(np.float64)))
    assert steps.max() < 8000 * 2 * np.pi * 440 / RATE * 1.1


def test_a_ramp_begins_and_ends_where_it_should() -> None:
    """From one gain to the other, limited to what 16 bits can express."""
    block = np.full(480, 1000, np.float32)
    down = ramped(block, 1.0, 0.0)
    assert down[0] == pytest.approx(998, abs=1)
    assert down[-1] == 0
    assert ramped(block, 40.0, 40.0).max() == 32767


def test_both_directions_may_run_on_two_threads() -> None:
    """A card with a stream each way: nothing is lost, nothing raises, and the echo is still kept back."""
    room = Room(coupling=0.3)
    agent = syllables(5)
    heard = room.microphone(agent)
    chain = guard()
    room_for, turn = threading.Semaphore(3), threading.Semaphore(0)  # three blocks apart at most
    failures: list[BaseException] = []

    def render() -> None:
        try:
            for start in range(0, len(agent), 480):
                if not room_for.acquire(timeout=10):
                    raise TimeoutError("the other direction does not move")
                chain.process_render(agent[start : start + 480])
                turn.release()
        except BaseException as exc:  # noqa: BLE001 - shown by the test
            failures.append(exc)

    thread = threading.Thread(target=render)
    thread.start()
    sent = []
    for start in range(0, len(heard), 480):
        assert turn.acquire(timeout=10)
        sent.append(chain.process_capture(heard[start : start + 480], room.delay))
        room_for.release()
    thread.join(10)
    assert not failures
    assert all(block.shape == (480,) and block.dtype == np.int16 for block in sent)
    assert level_db(heard) - level_db(np.concatenate(sent)) > 20
