"""Early media: what the network sends before the answer is heard, and the answer does not interrupt it."""

from __future__ import annotations

import pytest

from telnyx_agent import CallState, TxClient
from telnyx_agent.audio import Tone
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from tests.client.test_tones import Closing, last_is_loud
from tests.support.duplex import Duplex

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
