"""`run_pre_call_diagnosis`: a call that says how good it was."""

from __future__ import annotations

import threading

import pytest

from telnyx_agent import CallError, TxClient
from telnyx_agent.diagnosis import Verdict, run_pre_call_diagnosis
from telnyx_agent.testing import LocalAgent, Scenario


@pytest.mark.slow
def test_a_test_call_says_how_good_it_was(talking_agent: LocalAgent, client: TxClient) -> None:
    """MOS, loss, candidates; the call is hung up afterwards."""
    client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration).result(10)
    diagnosis = run_pre_call_diagnosis(client, duration=3.0)
    assert diagnosis.ok
    assert diagnosis.mos > 4.0
    assert diagnosis.packets_received > 50
    assert diagnosis.packets_sent > 50
    assert diagnosis.rtt is not None
    assert diagnosis.jitter is not None
    assert diagnosis.jitter.min <= diagnosis.jitter.avg <= diagnosis.jitter.max
    assert {candidate["side"] for candidate in diagnosis.ice_candidates} == {"local", "remote"}
    assert diagnosis.to_dict()["verdict"] == "ready"
    assert "MOS" in str(diagnosis)
    call = talking_agent.wait_for_call(lambda call: call.state == "ended")
    assert call.call_id == str(diagnosis.report.call_id)


def test_a_test_call_inside_a_callback(talking_agent: LocalAgent) -> None:
    """Nothing waits for a callback, so nothing hangs."""
    done = threading.Event()
    found: list[Verdict] = []

    class App:
        def on_client_ready(self) -> None:
            found.append(run_pre_call_diagnosis(client, duration=1.0).verdict)
            done.set()

    client = TxClient(App())
    with client:
        client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration)
        assert done.wait(40)
    assert found == [Verdict.READY]


def test_a_test_call_that_nobody_answers_raises() -> None:
    """What the call failed with."""
    scenario = Scenario.rejected("USER_BUSY")
    with LocalAgent(voice="silent", ears="deaf", scenario=scenario, media=False) as agent, TxClient() as client:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        with pytest.raises(CallError):
            run_pre_call_diagnosis(client, duration=1.0)


@pytest.mark.slow
def test_a_test_call_without_audio_raises(agent: LocalAgent, client: TxClient) -> None:
    """The call is answered, but there is nothing to measure. iOS: `noMetricsCollected`."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    with pytest.raises(CallError):
        run_pre_call_diagnosis(client, duration=0.5)
