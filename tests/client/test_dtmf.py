"""Telephone keys in calls: what the server gets, in order, and what it does not get."""

from __future__ import annotations

import pytest

from telnyx_agent import CallError, ClientConfigurationError, TxClient
from telnyx_agent.testing import LocalAgent, Scenario
from tests.client.talking import talk


def sent(agent: LocalAgent) -> list[str]:
    """The keys of each request."""
    return [f.params["dtmf"] for f in agent.frames if f.method == "telnyx_rtc.info" and f.direction == "received"]


def test_keys_reach_the_server_in_order(client: TxClient, agent: LocalAgent) -> None:
    """Two commands at once, one with a pause; each is done when the server has confirmed it."""
    call = talk(client, agent)
    first, second = call.dtmf("12w3"), call.dtmf("#a")
    first.result(10)
    second.result(10)
    assert sent(agent) == ["12", "3", "#A"]
    assert agent.calls[0].digits == "123#A"


def test_a_pause_takes_its_time(client: TxClient, agent: LocalAgent) -> None:
    """Half a second for `w`, after the tone of the key before it."""
    call = talk(client, agent)
    call.dtmf("1w2").result(10)
    first, second = (f for f in agent.frames if f.method == "telnyx_rtc.info" and f.direction == "received")
    assert second.time - first.time >= 0.5


def test_what_is_no_key_is_refused_at_once(client: TxClient, agent: LocalAgent) -> None:
    """Before anything is sent, with what there is instead."""
    call = talk(client, agent)
    with pytest.raises(ClientConfigurationError, match="0-9, A-D"):
        call.dtmf("12?")
    assert sent(agent) == []


def test_only_in_an_active_call(client: TxClient, agent: LocalAgent) -> None:
    """Not on hold, not before the answer, not after the end."""
    call = talk(client, agent)
    call.hold().result(10)
    with pytest.raises(CallError, match="HELD"):
        call.dtmf("1").result(10)
    call.hangup().result(10)
    with pytest.raises(CallError):
        call.dtmf("1").result(10)
    early = client.new_call()
    with pytest.raises(CallError, match=r"CONNECTING|NEW|RINGING"):
        early.dtmf("1").result(10)
    early.hangup().result(10)
    assert sent(agent) == []


def test_a_refusal_does_not_end_the_call(client: TxClient) -> None:
    """The future has the server's words."""
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.fast(dtmf="refuse")) as agent:
        call = talk(client, agent)
        with pytest.raises(CallError, match="CALL ERROR"):
            call.dtmf("1").result(10)
        assert call.state.is_considered_active
        client.disconnect().result(5)
