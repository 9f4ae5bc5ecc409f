"""`SessionHandle`: what refuses, what is kept alive, and what an exception in a command comes to."""

from __future__ import annotations

import gc
import time
import weakref

import pytest

from telnyx_agent import LocalProtocolError, SocketConnectionError, TxClient
from telnyx_agent._session_handle import NOT_CONNECTED, not_connected
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, Scenario


@pytest.fixture
def agent() -> LocalAgent:
    """Text only."""
    return LocalAgent(greeting="Hello.", voice="silent", ears="deaf", scenario=Scenario.fast(), media=False)


def test_without_a_login_every_command_is_refused() -> None:
    """With the refusal that was given; to end what has ended is no error."""
    assert not NOT_CONNECTED.is_open
    assert isinstance(NOT_CONNECTED.perform(lambda session, now: None).exception(0), SocketConnectionError)
    assert isinstance(NOT_CONNECTED.request(lambda session, now: "").exception(0), SocketConnectionError)
    refused = NOT_CONNECTED.command(lambda driver: driver.disconnect, refusal=not_connected())
    assert isinstance(refused.exception(0), SocketConnectionError)
    assert NOT_CONNECTED.command(lambda driver: driver.disconnect).result(0) is None
    assert NOT_CONNECTED.post(lambda driver: driver.publish, None) is False


def test_a_call_that_is_kept_keeps_nothing_of_its_login(agent: LocalAgent) -> None:
    """A program may hold a call for its transcript, long after the logout."""
    with agent, TxClient(audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        call = client.new_call()
        call.wait_until_active(10)
        handle = client._logins.handle
        driver = weakref.ref(handle.driver)
        client.disconnect().result(10)
        assert not handle.is_open
        end = time.monotonic() + 10
        while driver() is not None:  # the loop has just finished with it
            assert time.monotonic() < end, gc.get_referrers(driver())
            gc.collect()
            time.sleep(0.01)
        assert call.hangup().result(10) is None
        assert isinstance(call.stats().exception(10), SocketConnectionError)


def test_a_command_that_raises_is_settled(agent: LocalAgent) -> None:
    """Nobody waits in vain; the cause is kept."""

    def broken(session: object, now: float) -> None:
        raise ZeroDivisionError("odd")

    with agent, TxClient(audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        error = client._logins.handle.perform(broken).exception(10)
    assert isinstance(error, LocalProtocolError)
    assert "ZeroDivisionError: odd" in str(error)
    assert isinstance(error.__cause__, ZeroDivisionError)
