"""How long a call takes: the steps of its set-up, and the turns of the conversation."""

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
from tests.client.talking import talk, until
from tests.media.harness import patient
from tests.support.duplex import BLOCK, Duplex, words


def login(client: TxClient, agent: LocalAgent) -> TxClient:
    """The client, ready."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    return client


def test_timings_of_a_whole_call(client: TxClient, talking_agent: LocalAgent) -> None:
    """Every step, in an order that makes sense, and what is derived from them."""
    call = talk(client, talking_agent)
    until(lambda: call.timings.get("first_audio") is not None)
    timings = call.timings
    labels = [step.label for step in timings.steps]
    signalling = {"invite_sent", "invite_accepted", "ringing", "remote_description_received", "answered", "active"}
    media = {"media_started", "offer_created", "remote_description_applied", "ice_connected", "media_connected"}
    assert set(labels) == {"new_call", *signalling, *media, "first_packet", "device_started", "first_audio"}
    assert len(labels) == 15
    path = ["new_call", "media_started", "offer_created", "invite_sent", "ringing", "remote_description_received"]
    path += ["remote_description_applied", "ice_connected", "media_connected", "device_started", "first_audio"]
    assert sorted(path, key=labels.index) == path
    assert timings.steps[0].from_start == 0.0
    assert sum(step.delta for step in timings.steps) == pytest.approx(timings.steps[-1].from_start)
    assert timings.call_setup == pytest.approx(call.setup_time, abs=0.1)
    for value in (timings.ice_gathering, timings.signaling, timings.media_establishment, timings.time_to_first_rtp):
        assert value is not None
        assert 0 < value < 20
    assert timings.time_to_first_audio == timings.get("first_audio")
    assert timings.format().count("\n") == len(labels) - 1


def test_timings_of_a_call_that_came_to_nothing(client: TxClient) -> None:
    """As far as it came; what did not happen is None."""
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.invite_refused(speed=50)) as agent:
        call = login(client, agent).new_call()
        call.wait_until_ended(10)
        assert call.timings.get("invite_sent") is not None
        assert (call.timings.call_setup, call.timings.signaling) == (None, None)
        client.disconnect().result(5)


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
