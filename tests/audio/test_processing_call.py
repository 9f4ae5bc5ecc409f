"""A real call whose loudspeaker leads back into its microphone: does the agent answer itself?"""

from __future__ import annotations

import sys

import pytest

from telnyx_agent import TxClient
from telnyx_agent.audio import AudioConstraints, SoundDeviceAudio, _chain
from telnyx_agent.testing import LocalAgent
from tests.support.pulse import PulseServer
from tests.support.requirements import require

pytestmark = [pytest.mark.sound, pytest.mark.slow]

GREETING = "Good morning. Here is the booking assistant of the Blue Harbour Hotel. How can I help you?"

LIMIT = 0.8
"""Seconds; a syllable may slip through where the machine is so busy that the sound stumbles. It is none as a rule."""


def seconds_of_itself(pulse: PulseServer, constraints: AudioConstraints) -> tuple[float, int]:
    """How much the agent heard while it greeted a caller who says nothing, and how often it answered that."""
    with pulse.environment(), LocalAgent(greeting=GREETING, ears="energy") as agent:
        pulse.control("load-module", "module-loopback", "source=spk.monitor", "sink=mic", "latency_msec=30")
        with TxClient(audio=SoundDeviceAudio(), audio_constraints=constraints) as client:
            client.anonymous_login("assistant-echo", server_configuration=agent.configuration).result(10)
            call = client.new_call()
            call.wait_until_active(15)
            # Long enough for the greeting, its echo, and an answer to that.
            agent.wait_for_call(lambda record: record.seconds_received > 7.5, timeout=20)
            call.hangup().result(10)
        (record,) = agent.calls
        return record.seconds_heard, sum(line.role == "user" for line in record.transcript)


def test_without_processing_the_agent_hears_itself(pulse: PulseServer) -> None:
    """The cable is there: otherwise the other tests would prove nothing."""
    heard, _ = seconds_of_itself(pulse, AudioConstraints.disabled())
    assert heard > LIMIT


def test_with_the_extra_it_does_not(pulse: PulseServer) -> None:
    """The echo is cancelled, from the first word on."""
    require("aec")
    heard, _ = seconds_of_itself(pulse, AudioConstraints())
    assert heard < LIMIT


def test_without_the_extra_it_does_not_either(pulse: PulseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The microphone is turned down meanwhile."""
    monkeypatch.setattr(_chain, "_said", set())
    for name in [name for name in sys.modules if name == "livekit" or name.startswith("livekit.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "livekit", None)
    heard, _ = seconds_of_itself(pulse, AudioConstraints())
    assert heard < LIMIT
