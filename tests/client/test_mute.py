"""Silence on either side: muting and deafening, in a call and from its start."""

from __future__ import annotations

import numpy as np

from telnyx_agent import Call, TxClient
from telnyx_agent.testing import LocalAgent
from tests.client.talking import talk, until
from tests.support.duplex import Duplex, speak


def login(client: TxClient, agent: LocalAgent) -> TxClient:
    """The client, ready."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    return client


def deafened(call: Call, device: Duplex) -> bool:
    """Whether half a second is silent."""
    device.wait_steps(20)  # what was being rendered
    begin = len(device.steps)
    device.wait_steps(50)
    return not any(np.any(rendered) for _, _, rendered in device.steps[begin:])


def test_deaf(client: TxClient, talking_agent: LocalAgent) -> None:
    """Nothing is heard, everything is sent; afterwards it is heard again."""
    device = Duplex(speak)
    call = talk(client, talking_agent, device)
    talking_agent.say("word " * 60)
    assert device.wait_for(lambda: bool(device.steps) and bool(np.any(device.steps[-1][2])))
    call.deaf_audio()
    assert call.is_deaf
    assert deafened(call, device)
    heard = talking_agent.calls[0].seconds_heard
    until(lambda: talking_agent.calls[0].seconds_heard > heard + 0.2)
    call.undeaf_audio()
    talking_agent.say("word " * 20)
    assert device.wait_for(lambda: bool(np.any(device.steps[-1][2])))


def test_toggles(client: TxClient, agent: LocalAgent) -> None:
    """Each change can be asked for at once."""
    call = talk(client, agent)
    assert [call.toggle_mute(), call.is_muted, call.toggle_mute(), call.is_muted] == [True, True, False, False]
    assert [call.mute_audio(), call.is_muted, call.unmute_audio(), call.is_muted] == [None, True, None, False]
    assert [call.toggle_deaf(), call.is_deaf, call.toggle_deaf(), call.is_deaf] == [True, True, False, False]
    assert [call.deaf_audio(), call.is_deaf, call.undeaf_audio(), call.is_deaf] == [None, True, None, False]


def test_muted_from_the_start(client: TxClient, talking_agent: LocalAgent) -> None:
    """Not a word is sent before it is taken back."""
    login(client, talking_agent)
    call = client.new_call(audio=Duplex(speak), muted=True)
    call.wait_until_active(15)
    assert call.is_muted
    until(lambda: talking_agent.calls[0].seconds_received > 0.5)
    assert talking_agent.calls[0].seconds_heard == 0.0
    call.unmute_audio()
    until(lambda: talking_agent.calls[0].seconds_heard > 0.2)
