"""A call by Android's and Flutter's names."""

from __future__ import annotations

import threading

from telnyx_agent import CallState, compat
from telnyx_agent.compat import TelnyxClient
from telnyx_agent.testing import LocalAgent

PATIENCE = 20.0


def test_observing_the_states_of_a_call(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """Quickstart, "Observe Call State Changes": `callStateFlow.collect` with a `when` over all of Android's states."""
    telnyx_client.connect_anonymously(agent.configuration, "assistant-1").result(PATIENCE)
    shown: list[str] = []
    done = threading.Event()

    def collect(call_state: compat.CallState) -> None:
        if call_state == compat.CallState.NEW:
            shown.append("Call initializing...")
        elif call_state == compat.CallState.CONNECTING:
            shown.append("Connecting call...")
        elif call_state == compat.CallState.RINGING:
            shown.append("Ringing...")
        elif call_state == compat.CallState.ACTIVE:
            shown.append("Call is active")
        elif call_state == compat.CallState.DONE:
            assert call_state.termination_reason is not None
            shown.append(f"Call ended: {call_state.termination_reason.cause}")
            done.set()
        elif call_state in (compat.CallState.DROPPED, compat.CallState.RECONNECTING):
            assert call_state.call_network_change_reason is not None
            shown.append(call_state.call_network_change_reason.description)
        elif call_state in (compat.CallState.ERROR, compat.CallState.RENEGOTIATING):
            shown.append("Error with call.")

    ongoing_call = telnyx_client.new_invite("Ann", "", "", "state")
    ongoing_call.call_state_flow.collect(collect)
    ongoing_call.wait_until_active(PATIENCE)
    assert ongoing_call.call_state_flow.value == ongoing_call.get_call_state() == CallState.ACTIVE
    ongoing_call.end_call(ongoing_call.call_id)
    assert done.wait(PATIENCE)
    assert shown[-2:] == ["Call is active", "Call ended: NORMAL_CLEARING"]
    assert "Error with call." not in shown
    with ongoing_call.call_state_flow.subscribe(timeout=PATIENCE) as states:
        assert next(states) == CallState.DONE
