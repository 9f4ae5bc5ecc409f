"""The WebRTC audio processing module of the extra `[aec]`: what it does to an echo, and how it is reached."""

from __future__ import annotations

import importlib
import sys
import threading
from typing import Any

import numpy as np
import pytest

from telnyx_agent.audio import _apm
from telnyx_agent.audio._apm import AudioProcessingModule
from telnyx_agent.audio._chain import Chain
from telnyx_agent.audio.processing import AudioConstraints, create_processor
from telnyx_agent.testing import synthesize
from tests.audio.room import RATE, Float, Int16, Room, erle, level_db, run, syllables
from tests.support.requirements import require

AGENT = (
    "Good morning, this is the booking assistant of the Blue Harbour Hotel. I can help you to find a room, to change a "
    "booking, or to answer a question about your stay. What would you like to do today?"
)
ROOMS = [
    Room(delay=0.06, rt60=0.25),
    Room(delay=0.02, rt60=0.15, coupling=0.3, seed=2),
    Room(delay=0.1, rt60=0.5, coupling=1.0, seed=3),
    Room(delay=0.2, rt60=0.3, coupling=0.7, drift_ppm=100, seed=4),
]


@pytest.fixture(autouse=True)
def _needs_the_extra() -> None:
    require("aec")


@pytest.fixture(scope="module")
def agent() -> Int16:
    require("voice")
    return synthesize(AGENT, rate=RATE, voice="en-us+m3")[: 9 * RATE]


def later(seconds: float, voice: Int16) -> Float:
    return np.concatenate((np.zeros(round(seconds * RATE)), voice.astype(np.float64)))


def a_processor(**wanted: bool) -> Chain:
    processor = create_processor(AudioConstraints(**wanted), loudspeaker=True)
    assert isinstance(processor, Chain)
    assert processor.module is not None
    return processor


@pytest.mark.slow_except(2)
@pytest.mark.parametrize("room", ROOMS, ids=str)
@pytest.mark.parametrize(
    "wanted", [{}, {"noise_suppression": False, "auto_gain_control": False}], ids=["everything", "echo only"]
)
def test_thirty_db_within_two_seconds(agent: Int16, room: Room, wanted: dict[str, bool]) -> None:
    """From the agent's first word on; afterwards it stays that good."""
    heard = room.microphone(agent)
    processor = a_processor(**wanted)
    sent, _ = run(processor, agent, heard, room.delay)
    processor.close()
    assert erle(heard, sent, 0, 2) >= 30
    assert erle(heard, sent, 2, 8) >= 35


def test_the_canceller_itself_cancels(agent: Int16) -> None:
    """Without the gate behind it: once it has learnt the room."""
    room = Room(delay=0.06, rt60=0.15)
    heard = room.microphone(agent)
    chain = Chain(AudioProcessingModule(echo_cancellation=True, noise_suppression=False), None, None)
    sent, _ = run(chain, agent, heard, room.delay)
    chain.close()
    assert erle(heard, sent, 4, 8) >= 30


def test_the_user_is_left_alone_when_the_agent_is_silent(agent: Int16) -> None:
    """Hardly quieter, after the agent has spoken."""
    room = Room()
    played = np.concatenate((agent, np.zeros(5 * RATE, np.int16)))
    user = later(10, syllables(3, pitch=210, level=1500, seed=3))
    heard = room.microphone(played, user)
    processor = a_processor(auto_gain_control=False)
    sent, _ = run(processor, played, heard, room.delay)
    processor.close()
    assert abs(erle(heard, sent, 10, 13)) < 2


def test_a_louder_user_is_heard_over_the_agent(agent: Int16) -> None:
    """Barge-in, 6 dB over the echo: most of it comes through the canceller and the gate."""
    room = Room()
    user = later(5, syllables(3, pitch=210, seed=3))
    user *= 10 ** ((level_db(room.echo(agent)) + 6 - level_db(user[5 * RATE :])) / 20)
    heard = room.microphone(agent, user)
    processor = a_processor(auto_gain_control=False)
    sent, _ = run(processor, agent, heard, room.delay)
    processor.close()
    assert level_db(sent[5 * RATE : 8 * RATE]) > level_db(user[5 * RATE :]) - 8


def test_noise_is_suppressed() -> None:
    """A steady noise goes down by more than 8 dB, only if that is wanted."""
    silence = np.zeros(5 * RATE, np.int16)
    noise = Room(noise=300.0).microphone(silence)
    for wanted, limits in ((True, (8, 60)), (False, (-3, 5))):
        processor = a_processor(noise_suppression=wanted, auto_gain_control=False)
        sent, _ = run(processor, silence, noise, 0.0)
        processor.close()
        assert limits[0] < erle(noise, sent, 3, 5) < limits[1]


def test_only_noise_suppression_needs_no_agent() -> None:
    """Headphones in a noisy room."""
    processor = a_processor(echo_cancellation=False, auto_gain_control=False)
    assert processor.gate is None
    noise = Room(noise=300.0).microphone(np.zeros(4 * RATE, np.int16))
    sent, _ = run(processor, np.zeros(4 * RATE, np.int16), noise, 0.0)
    processor.close()
    assert erle(noise, sent, 2, 4) > 8


# -- how it is reached -------------------------------------------------------------------------------------------------


def test_this_version_of_livekit_has_the_names_that_are_used() -> None:
    """If this fails, `_DirectCalls` has to learn the new names: until then the slow public methods are used."""
    module = AudioProcessingModule(echo_cancellation=True, noise_suppression=True)
    assert module.is_direct
    module.close()


def test_both_ways_of_calling_give_the_same_samples(agent: Int16, monkeypatch: pytest.MonkeyPatch) -> None:
    """The prepared messages say what the package's own methods say."""
    room = Room()
    played = agent[: 3 * RATE]
    heard = room.microphone(played)
    direct = Chain(AudioProcessingModule(echo_cancellation=True, noise_suppression=True), None, None)
    first, _ = run(direct, played, heard, room.delay)
    direct.close()

    known = _apm._DirectCalls

    def unknown(module: Any) -> None:
        known(module)  # which begins with a block of silence each way
        raise AttributeError("a name has gone")

    monkeypatch.setattr(_apm, "_DirectCalls", unknown)
    public = Chain(AudioProcessingModule(echo_cancellation=True, noise_suppression=True), None, None)
    second, _ = run(public, played, heard, room.delay)
    public.close()
    np.testing.assert_array_equal(first, second)


def test_an_unknown_version_is_used_by_its_public_methods(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Slower, but no worse."""
    importlib.import_module("livekit.rtc")
    monkeypatch.setitem(sys.modules, "livekit.rtc._proto.ffi_pb2", None)
    with caplog.at_level("INFO", "telnyx_agent.audio"):
        module = AudioProcessingModule(echo_cancellation=True, noise_suppression=False)
    assert not module.is_direct
    assert "this version of livekit is not known" in caplog.text
    block = np.full(480, 1000, np.int16)
    module.render(block)
    assert module.capture(block, 0.05).shape == (480,)
    module.close()
    with pytest.raises(RuntimeError, match="closed"):
        module.render(block)


def test_what_is_closed_refuses() -> None:
    """An error, not a crash of the process: a sound card's last block may come late."""
    module = AudioProcessingModule(echo_cancellation=True, noise_suppression=False)
    block = np.zeros(480, np.int16)
    module.close()
    module.close()
    with pytest.raises(RuntimeError, match="closed"):
        module.render(block)
    with pytest.raises(RuntimeError, match="closed"):
        module.capture(block, 0.0)


def test_a_refusal_of_the_library_is_an_error() -> None:
    """A handle that it does not know; as when the process is about to end."""
    module = AudioProcessingModule(echo_cancellation=True, noise_suppression=False)
    calls = module._calls
    assert isinstance(calls, _apm._DirectCalls)
    calls._drop(calls._handle.handle)
    with pytest.raises(RuntimeError, match=r"refused|failed"):
        module.render(np.zeros(480, np.int16))
    calls._handle._disposed = True  # or the package would give it back once more, and complain


def test_two_threads_at_once_and_two_calls_at_once(agent: Int16) -> None:
    """A stream each way, and another call beside: no block is lost, mixed up or refused."""
    room = Room()
    played = agent[: 4 * RATE]
    heard = room.microphone(played)
    chains = [a_processor(auto_gain_control=False) for _ in range(2)]
    failures: list[BaseException] = []
    sent: dict[int, list[Int16]] = {0: [], 1: []}

    def render(chain: Chain, room_for: threading.Semaphore, turn: threading.Semaphore) -> None:
        try:
            for start in range(0, len(played), 480):
                if not room_for.acquire(timeout=10):
                    raise TimeoutError("the other direction does not move")
                chain.process_render(played[start : start + 480])
                turn.release()
        except BaseException as exc:  # noqa: BLE001 - shown by the test
            failures.append(exc)

    def capture(number: int, room_for: threading.Semaphore, turn: threading.Semaphore) -> None:
        try:
            for start in range(0, len(heard), 480):
                if not turn.acquire(timeout=10):
                    raise TimeoutError("the other direction does not move")
                sent[number].append(chains[number].process_capture(heard[start : start + 480], room.delay))
                room_for.release()
        except BaseException as exc:  # noqa: BLE001 - shown by the test
            failures.append(exc)

    threads = []
    for number, chain in enumerate(chains):
        pace = threading.Semaphore(3), threading.Semaphore(0)  # the directions stay three blocks apart at most
        threads += [threading.Thread(target=render, args=(chain, *pace))]
        threads += [threading.Thread(target=capture, args=(number, *pace))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for chain in chains:
        chain.close()
    assert not failures
    for blocks in sent.values():
        assert len(blocks) == len(heard) // 480
        assert level_db(heard) - level_db(np.concatenate(blocks)) > 15


def test_calls_leave_nothing_behind() -> None:
    """The native object goes with `close`: there is nothing left to drop."""
    for _ in range(5):
        module = AudioProcessingModule(echo_cancellation=True, noise_suppression=True)
        module.capture(np.zeros(480, np.int16), 0.0)
        calls = module._calls
        assert isinstance(calls, _apm._DirectCalls)
        module.close()
        assert not calls._drop(calls._handle.handle)
