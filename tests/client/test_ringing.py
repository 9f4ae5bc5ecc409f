"""Ringing tones of real calls: heard while it rings, and never a moment longer, whatever ends the ringing."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from telnyx_agent import CallState, ClientConfigurationError, MediaError, TxClient, TxConfig
from telnyx_agent.audio import AudioStream, NullAudio, Tone
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from tests.support.duplex import Duplex

STEADY = Tone((440.0,), (1.0,), 0.5)
"""Without pauses, so that what is not heard is not there."""


def last_is_loud(device: Duplex) -> bool:
    """Whether the last block was not silent."""
    return bool(device.steps) and bool(np.any(device.steps[-1][2]))


class Closing(Duplex):
    """Says when it was closed."""

    def __init__(self) -> None:
        super().__init__(lambda step: None)
        self.closed = threading.Event()

    def stop(self) -> None:
        super().stop()
        self.closed.set()


ENDS: dict[str, Callable[[TxClient, LocalAgent], object]] = {
    "hang-up": lambda client, agent: [call.hangup() for call in client.calls.values()],
    "remote hang-up": lambda client, agent: agent.hang_up("USER_BUSY"),
    "disconnect": lambda client, agent: client.disconnect(),
    "lost connection": lambda client, agent: agent.drop_connection(),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_ringback_stops(end: str) -> None:
    """Also when the call was never answered."""
    device = Closing()
    scenario = Scenario(media_delay=60.0, answer_delay=61.0)
    with (
        LocalAgent(voice="silent", ears="deaf", media=False, scenario=scenario) as agent,
        TxClient(audio=NullAudio(), ringback=STEADY, ring_device=device) as client,
    ):
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        call = client.new_call()
        assert device.wait_for(lambda: last_is_loud(device))
        assert call.state == CallState.RINGING
        ENDS[end](client, agent)
        call.wait_until_ended(20)
        assert device.closed.wait(10)
        client.disconnect().result(10)


def test_the_ringback_of_a_login_with_credentials() -> None:
    """`TxConfig.ring_back_tone`, as iOS has it; it stops with the call."""
    device = Closing()
    config = TxConfig(sip_user="alice", password="a-password-of-alice", ring_back_tone=STEADY)
    with (
        LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario(media_delay=60.0)) as agent,
        TxClient(audio=NullAudio(), ring_device=device) as client,
    ):
        client.connect(config, agent.configuration).result(10)
        call = client.new_call(destination_number="+15550100")
        assert device.wait_for(lambda: last_is_loud(device))
        assert call.state == CallState.RINGING
        call.hangup().result(10)
        assert device.closed.wait(10)


def test_the_ringback_gives_way_to_the_call() -> None:
    """It is closed when the audio is up; the call's device never had it."""
    device = Closing()
    heard = Duplex(lambda step: None)
    scenario = Scenario(media_delay=1.0, answer_delay=1.1)
    with (
        LocalAgent(voice="silent", ears="deaf", scenario=scenario) as agent,
        TxClient(ringback=STEADY, ring_device=device) as client,
    ):
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        call = client.new_call(audio=heard)
        assert device.wait_for(lambda: last_is_loud(device))
        call.wait_until_active(15)
        assert device.closed.wait(10)
        heard.wait_steps(20)
        assert not np.any(heard.rendered())


class Broken:
    """A device that cannot be opened."""

    name = "broken"

    def __init__(self) -> None:
        self.stopped = threading.Event()

    def start(self, stream: AudioStream) -> None:
        raise MediaError("the loudspeaker is on fire")

    def stop(self) -> None:
        self.stopped.set()


def test_a_broken_ringing_device_costs_no_call(agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """`on_client_error` says so; the call goes on and becomes active."""
    device = Broken()
    with TxClient(delegate, audio=NullAudio(), ringback=STEADY, ring_device=device) as client:
        configuration = agent.configuration
        client.anonymous_login("assistant-1", server_configuration=configuration).result(10)
        with LocalAgent(
            voice="silent", ears="deaf", media=False, scenario=Scenario(media_delay=0.5, answer_delay=0.6)
        ) as slow:
            client.disconnect().result(5)
            client.anonymous_login("assistant-1", server_configuration=slow.configuration).result(10)
            call = client.new_call()
            (error,) = delegate.wait_for("on_client_error", 10)
            assert "on fire" in str(error)
            call.wait_until_active(10)
            assert device.stopped.wait(10)
            client.disconnect().result(5)


def test_unusable_tones_are_refused_by_the_constructor() -> None:
    """Not when somebody calls."""
    with pytest.raises(ClientConfigurationError, match="ringtone"):
        TxClient(ringtone=7)  # type: ignore[arg-type]
    with pytest.raises(MediaError):
        TxClient(ringback="/nowhere/ring.wav")


@pytest.mark.parametrize("end", ["answer", "reject", "given up"])
def test_the_ringtone_rings_until_the_call_is_taken(delegate: RecordingDelegate, end: str) -> None:
    """Of an incoming call: from `on_incoming_call` until it is answered, turned down or given up by the caller."""
    device = Closing()
    with (
        LocalAgent(voice="silent", ears="deaf", scenario=Scenario.fast()) as agent,
        TxClient(delegate, audio=NullAudio(), ringtone=STEADY, ring_device=device) as client,
    ):
        config = TxConfig(sip_user="alice", password="a-password-of-alice")
        client.connect(config, agent.configuration).result(10)
        caller = agent.call_client("Bob B.", "+15550122")
        (call,) = delegate.wait_for("on_incoming_call", 10)
        assert device.wait_for(lambda: last_is_loud(device))
        if end == "answer":
            call.answer().result(15)
            assert device.closed.wait(10)
            call.hold().result(10)
            assert call.state == CallState.HELD
            assert call.timings.ice_gathering is not None
            assert call.timings.get("answer_created") is not None
        elif end == "reject":
            call.reject().result(10)
        else:
            caller.hang_up()
            call.wait_until_ended(10)
        assert device.closed.wait(10)
        client.disconnect().result(10)


SLOW = Scenario(media_delay=0.1, answer_delay=8.0, early_media=True)


@pytest.mark.slow
def test_early_media_is_heard_before_the_answer(client: TxClient, delegate: RecordingDelegate) -> None:
    """The SDP of the media frame is applied at once; the call is RINGING, and becomes ACTIVE with the answer."""
    device = Duplex(lambda step: None)
    with LocalAgent(voice="silent", ears="deaf", scenario=SLOW) as agent:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        call = client.new_call(audio=device)
        assert device.wait_for(lambda: call.timings.get("first_audio") is not None, 7.5)
        assert call.state == CallState.RINGING
        assert call.media_setup_time is not None
        timings = call.timings
        assert timings.get("answered") is None
        call.wait_until_active(15)
        assert "first_audio" in [step.label for step in call.timings.steps]
        delegate.wait_for("on_call_state_updated", predicate=lambda state, _: state == CallState.ACTIVE)
        states = [state.value for state, _ in delegate.calls_of("on_call_state_updated")]
        assert states == ["NEW", "CONNECTING", "RINGING", "ACTIVE"]
        client.disconnect().result(5)


def test_a_ringback_of_our_own_gives_way_to_early_media() -> None:
    """Two would be one too many."""
    ring, heard = Closing(), Duplex(lambda step: None)
    with (
        LocalAgent(voice="silent", ears="deaf", scenario=SLOW) as agent,
        TxClient(ringback=Tone((440.0,), (1.0,)), ring_device=ring) as client,
    ):
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        call = client.new_call(audio=heard)
        assert heard.wait_for(lambda: last_is_loud(heard), 7.5)
        assert call.state == CallState.RINGING
        # There may have been no time to ring at all.
        assert not last_is_loud(ring) or ring.closed.wait(5)
        client.disconnect().result(10)
