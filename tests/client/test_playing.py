"""What is played into a real call is heard by the agent, in the right order, and ends with the call."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from telnyx_agent import Call, CallError, ClientConfigurationError, MediaError, Playback, PlaybackState, TxClient
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, Scenario, synthesize
from tests.support.requirements import require

RATE = 48000
Samples = NDArray[np.int16]


class Ears:
    """An agent's ears that keep what was said, at 16 kHz."""

    def __init__(self) -> None:
        self.utterances: list[Samples] = []
        self.something = threading.Event()
        self._more = threading.Condition()

    def hear(self, samples: Samples) -> str:
        with self._more:
            self.utterances.append(samples.copy())
            self._more.notify_all()
        self.something.set()
        return f"speech {len(self.utterances)}"

    def wait_for_pitch(self, pitch: int, timeout: float) -> list[int]:
        """All pitches of all utterances, once this one is among them; a gap may have made two of what was one."""

        def has_come() -> bool:
            return any(abs(found - pitch) < 15 for utterance in self.utterances for found in pitches(utterance))

        with self._more:
            assert self._more.wait_for(has_come, timeout)
            return [found for utterance in self.utterances for found in pitches(utterance)]


@pytest.fixture
def ears() -> Ears:
    """What the agent of `call` hears with."""
    return Ears()


@pytest.fixture
def call(ears: Ears) -> Iterator[Call]:
    """A call of a program without a microphone, to an agent that waits for the caller's words."""
    scenario = Scenario(speed=20)
    with (
        LocalAgent(voice="silent", ears=ears, greeting="", scenario=scenario) as agent,
        TxClient(audio=NullAudio()) as client,
    ):
        client.anonymous_login("assistant-playing", server_configuration=agent.configuration).result(10)
        with client.new_call() as call:
            call.wait_until_active(15)
            yield call


def tone(frequency: float, seconds: float, rate: int = RATE) -> Samples:
    return (8000 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def pitches(utterance: Samples, piece: int = 1600) -> list[int]:
    """The strongest frequencies of an utterance, tenth by tenth of a second, without what is quiet."""
    found = []
    for start in range(0, utterance.size - piece + 1, piece):
        part = utterance[start : start + piece].astype(np.float64)
        if np.sqrt(np.mean(part**2)) > 1000:
            found.append(int(np.argmax(np.abs(np.fft.rfft(part * np.hanning(piece)))) * 16000 / piece))
    return found


def test_the_agent_hears_a_file(call: Call, ears: Ears, tmp_path: Path) -> None:
    """A WAV at 16 kHz, as speech engines write it; the playback knows how long it is and where it stands."""
    require("voice")
    synthesize("What are your opening hours?", tmp_path / "question.wav", rate=16000)
    playback = call.play(tmp_path / "question.wav")
    assert isinstance(playback, Playback)
    assert playback.wait(20)
    assert playback.state is PlaybackState.FINISHED
    assert playback.duration is not None
    assert playback.position == pytest.approx(playback.duration, abs=0.01)
    assert ears.something.wait(10)
    assert ears.utterances[0].size / 16000 == pytest.approx(playback.duration, abs=1.0)


def test_pieces_of_a_speech_engine_are_one_utterance(call: Call, ears: Ears) -> None:
    """Twenty pieces at 24 kHz as they come, without a hole, at their pitch."""
    sound = tone(600, 1.0, 24000)
    playback = call.play((sound[start : start + 1200] for start in range(0, sound.size, 1200)), sample_rate=24000)
    assert playback.duration is None
    assert playback.wait(20)
    assert ears.something.wait(10)
    assert len(ears.utterances) == 1
    heard = pitches(ears.utterances[0])
    assert 8 <= len(heard) <= 11
    assert all(pitch == pytest.approx(600, abs=15) for pitch in heard)


def test_what_is_played_twice_comes_in_turn(call: Call, ears: Ears) -> None:
    """Not over each other."""
    first, second = call.play(tone(400, 0.5)), call.play(tone(900, 0.5))
    assert second.wait(20)
    assert first.state is second.state is PlaybackState.FINISHED
    heard = ears.wait_for_pitch(900, 10)
    is_second = [pitch > 650 for pitch in heard]  # a late packet may bend a tone a little
    assert is_second == sorted(is_second)
    assert heard[0] == pytest.approx(400, abs=15)
    assert heard[-1] == pytest.approx(900, abs=15)


def test_mute_silences_what_is_played(call: Call, ears: Ears) -> None:
    """It goes on unheard, as the microphone does."""
    call.mute_audio()
    assert call.play(tone(400, 0.5)).wait(20)
    call.unmute_audio()
    assert call.play(tone(900, 0.5)).wait(20)
    assert ears.something.wait(10)
    assert all(pitch > 650 for pitch in pitches(ears.utterances[0]))


def test_the_end_of_the_call_ends_the_playback(call: Call) -> None:
    """Whoever waits for it goes on, and sees why."""
    playbacks = [call.play(tone(400, 60.0)), call.play(tone(500, 1.0))]
    assert not playbacks[0].wait(0.2)
    call.hangup().result(10)
    for playback in playbacks:
        assert playback.wait(5)
        assert playback.state is PlaybackState.CALL_ENDED
    with pytest.raises(CallError, match="over"):
        call.play(tone(400, 1.0))


def test_what_cannot_be_played_is_refused_at_once(call: Call, tmp_path: Path) -> None:
    """The call goes on."""
    with pytest.raises(MediaError, match="check the path"):
        call.play(tmp_path / "nowhere.wav")
    with pytest.raises(ClientConfigurationError):
        call.play(7)  # type: ignore[arg-type]
    assert call.play(tone(400, 0.1)).wait(10)
