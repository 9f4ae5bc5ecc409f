"""Hold in real calls: confirmed by the server, silent both ways, and kept when the connection is lost."""

from __future__ import annotations

import numpy as np
import pytest

from telnyx_agent import CallError, CallState, TxClient
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from tests.client.talking import talk, until
from tests.support.duplex import Duplex, speak


def seen(delegate: RecordingDelegate) -> list[str]:
    """The call states that the delegate was told of."""
    return [state.value for state, _ in delegate.calls_of("on_call_state_updated")]


def test_hold_and_unhold(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Each is done when state, callback and server agree."""
    call = talk(client, agent)
    call.hold().result(10)
    assert (call.state, call.is_held) == (CallState.HELD, True)
    assert seen(delegate)[-1] == "HELD"
    agent.wait_for_call(lambda record: record.is_held)
    call.unhold().result(10)
    assert (call.state, call.is_held) == (CallState.ACTIVE, False)
    assert seen(delegate)[-2:] == ["HELD", "ACTIVE"]
    agent.wait_for_call(lambda record: not record.is_held)


def test_two_toggles_without_waiting(client: TxClient, agent: LocalAgent) -> None:
    """There and back again, in order."""
    call = talk(client, agent)
    futures = [call.toggle_hold(), call.toggle_hold()]
    for future in futures:
        future.result(10)
    assert call.state == CallState.ACTIVE
    actions = [
        f.params["action"] for f in agent.frames if f.method == "telnyx_rtc.modify" and f.direction == "received"
    ]
    assert actions == ["hold", "unhold"]


def test_a_refused_hold(client: TxClient, delegate: RecordingDelegate) -> None:
    """The future has the error; the call never was held, and its sound was never touched."""
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.fast(hold="refuse")) as agent:
        call = talk(client, agent)
        with pytest.raises(CallError, match="CALL ERROR") as caught:
            call.hold().result(10)
        assert (caught.value.code, call.is_held, call.state) == (44001, False, CallState.ACTIVE)
        assert "HELD" not in seen(delegate)
        client.disconnect().result(5)


def test_a_call_that_ends_takes_its_wishes_with_it(client: TxClient) -> None:
    """Nobody waits for a call that is over."""
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.fast(hold="silent")) as agent:
        call = talk(client, agent)
        waiting = call.hold()
        agent.wait_for_frame("telnyx_rtc.modify")
        call.hangup().result(5)
        with pytest.raises(CallError, match="ended"):
            waiting.result(5)
        with pytest.raises(CallError):
            call.hold().result(5)
        client.disconnect().result(5)


def test_a_held_call_is_silent_both_ways(client: TxClient, talking_agent: LocalAgent) -> None:
    """Packets flow, but with silence in them; mute stays as it was, and afterwards everything is heard again."""
    device = Duplex(speak)
    call = talk(client, talking_agent, device)
    assert device.wait_for(lambda: bool(device.steps) and bool(np.any(device.steps[-1][2])))
    until(lambda: talking_agent.calls[0].seconds_heard > 0.3)

    call.hold().result(10)
    assert (call.input_level, call.is_muted) == (0.0, False)
    device.wait_steps(50)  # what was on its way has arrived
    before = talking_agent.calls[0]
    begin = len(device.steps)
    device.wait_steps(50)
    assert not any(np.any(rendered) for _, _, rendered in device.steps[begin : begin + 50])
    until(lambda: talking_agent.calls[0].seconds_received > before.seconds_received + 0.3)
    assert talking_agent.calls[0].seconds_heard == before.seconds_heard

    call.unhold().result(10)
    until(lambda: talking_agent.calls[0].seconds_heard > before.seconds_heard + 0.2)


@pytest.mark.slow
def test_a_held_call_is_held_after_a_lost_connection(
    client: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """And silent in between; a wish that is given meanwhile is served when the call is back."""
    call = talk(client, talking_agent)
    call.hold().result(10)
    talking_agent.drop_connection()
    delegate.wait_for("on_reconnecting", 20)
    assert call.is_held
    delegate.wait_for("on_reconnected", 20)
    call.wait_for_state(CallState.HELD, 20)
    talking_agent.drop_connection()
    delegate.wait_for("on_reconnecting", 20, count=2)
    call.unhold().result(30)
    assert call.state == CallState.ACTIVE
