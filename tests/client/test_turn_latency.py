"""The turns of a real call: what the meter says is what was at the device, and what the agent took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import UUID

import numpy as np
import pytest

from telnyx_agent import Call, TxClient
from telnyx_agent.audio import NullAudio
from telnyx_agent.quality import TurnLatency
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from tests.media.harness import patient
from tests.support.duplex import BLOCK, Duplex, words

THINKING = 0.6


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """It answers in tones, after a while that is known, and greets nobody."""
    scenario = Scenario(reply_delay=THINKING)
    with LocalAgent(
        lambda text: "one two three", voice="tones", ears="energy", greeting="", scenario=scenario
    ) as agent:
        yield agent


@pytest.mark.slow
def test_a_turn_is_what_was_at_the_device(agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """To 30 ms: from the last block that was spoken to the first that was heard; told to the delegate, and kept."""

    def scenario() -> None:
        delegate.clear()
        speech = words(1.0)
        device = Duplex(lambda step: speech[(step - 100) * BLOCK :][:BLOCK] if 100 <= step < 200 else speech[:0])
        with TxClient(delegate, audio=device) as client:
            client.anonymous_login("assistant-turns", server_configuration=agent.configuration).result(10)
            call = client.new_call()
            assert not call.turns
            turn, call_id = delegate.wait_for("on_turn_latency", 20)
            assert call_id == call.call_id
            assert isinstance(call_id, UUID)
            assert call.turns == (turn,)
            assert isinstance(turn, TurnLatency)
            steps = list(device.steps)
        begin, end = steps[100][0], steps[200][0]
        answered = next(now for now, _, rendered in steps[200:] if np.abs(rendered).max() > 200)
        assert turn.started_at == pytest.approx(begin, abs=0.03)
        assert turn.user_speech_end == pytest.approx(end, abs=0.03)
        assert turn.agent_audio_start == pytest.approx(answered, abs=0.03)
        assert turn.latency == pytest.approx(answered - end, abs=0.03)
        assert turn.latency > THINKING
        assert not turn.interrupted

    patient(scenario)()


@pytest.mark.slow
def test_each_question_that_is_played_into_the_call_is_a_turn(agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """A program without a microphone measures an assistant: the call's list has them all, in order."""
    with TxClient(delegate, audio=NullAudio()) as client:
        client.anonymous_login("assistant-turns", server_configuration=agent.configuration).result(10)
        call = client.new_call()
        call.wait_until_active(15)
        for count in (1, 2, 3):
            assert call.play(words(0.8)).wait(20)
            delegate.wait_for("on_turn_latency", 20, count=count)
            wait_for_silence(call)
        call.mute_audio()
        assert call.play(words(0.8)).wait(20)
        call.hangup().result(10)
    assert len(call.turns) == 3
    assert [turn.started_at for turn in call.turns] == sorted(turn.started_at for turn in call.turns)
    assert all(THINKING < turn.latency < THINKING + 2.0 for turn in call.turns)
    assert not any(turn.interrupted for turn in call.turns)


def wait_for_silence(call: Call) -> None:
    """Until the answer has been heard to its end."""
    deadline = time.monotonic() + 15
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 0.5 and time.monotonic() < deadline:
        if call.output_level > 0.003:
            quiet_since = time.monotonic()
        time.sleep(0.01)
