"""`LocalAgent.call_client`: how users test what their program does with incoming calls."""

from __future__ import annotations

import pytest

from telnyx_agent import CallState, TxClient, TxConfig
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import ClientCall, LocalAgent, RecordingDelegate, Scenario

ALICE = TxConfig(sip_user="alice", password="a-password-of-alice")


@pytest.fixture
def agent() -> LocalAgent:
    """Speaks as text, at once."""
    return LocalAgent(voice="silent", ears="deaf", scenario=Scenario.fast())


def test_ring_answer_speak_hang_up(agent: LocalAgent) -> None:
    """The whole story from the agent's side; its words are in the record and in the client's transcript."""
    delegate = RecordingDelegate()
    with agent, TxClient(delegate, audio=NullAudio()) as client:
        client.connect(ALICE, agent.configuration).result(10)
        ring = agent.call_client("Bob", "+15550122", greeting="Your parcel has arrived.")
        assert isinstance(ring, ClientCall)
        ring.wait_until_ringing()
        assert ring.record.state == "ringing"
        assert (ring.record.caller_name, ring.record.destination_number) == ("Bob", "alice")
        assert ring.record.to_client

        (call,) = delegate.wait_for("on_incoming_call")
        call.answer()
        assert ring.wait_until_answered(10).state == "answered"
        delegate.wait_for(
            "on_transcript_item_updated",
            10,
            predicate=lambda item: item.is_final and item.content == "Your parcel has arrived.",
        )
        ring.say("Please come and fetch it.")
        agent.wait_for_call(lambda record: len(record.transcript) == 2, 10)
        ring.hang_up()
        assert ring.wait_until_ended().ended_by_client is False
        assert call.wait_until_ended(5).cause == "NORMAL_CLEARING"
        with pytest.raises(LookupError):
            ring.hang_up()
        with pytest.raises(LookupError):
            ring.cancel()


def test_the_agents_own_greeting(agent: LocalAgent) -> None:
    """Unless the call has one."""
    delegate = RecordingDelegate()
    with agent, TxClient(delegate, audio=NullAudio()) as client:
        client.connect(ALICE, agent.configuration).result(10)
        ring = agent.call_client()
        (call,) = delegate.wait_for("on_incoming_call")
        call.answer()
        agent.wait_for_call(lambda record: bool(record.transcript), 10)
        assert ring.record.transcript[0].text.startswith("Hello!")


def test_cancel(agent: LocalAgent) -> None:
    """The caller hangs up before anybody answers."""
    delegate = RecordingDelegate()
    with agent, TxClient(delegate) as client:
        client.connect(ALICE, agent.configuration).result(10)
        ring = agent.call_client()
        (call,) = delegate.wait_for("on_incoming_call")
        ring.cancel()
        assert ring.wait_until_ended().cause == "ORIGINATOR_CANCEL"
        call.wait_for_state(CallState.DONE, 5)
        with pytest.raises(TimeoutError):
            ring.wait_until_answered(0.1)


def test_nobody_to_call(agent: LocalAgent) -> None:
    """No client, an anonymous one, and an agent that does not run."""
    with pytest.raises(LookupError, match="not running"):
        agent.call_client()
    with agent:
        with pytest.raises(LookupError, match="no client is logged in with credentials"):
            agent.call_client()
        with TxClient() as client:
            client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
            with pytest.raises(LookupError, match="'alice'"):
                agent.call_client(sip_user="alice")


def test_an_agent_without_media() -> None:
    """Signalling is enough to test how a program answers; the call's media lead nowhere."""
    delegate = RecordingDelegate()
    with LocalAgent(media=False, voice="silent", ears="deaf", scenario=Scenario.fast()) as agent:
        with TxClient(delegate, audio=NullAudio()) as client:
            client.connect(ALICE, agent.configuration).result(10)
            ring = agent.call_client()
            (call,) = delegate.wait_for("on_incoming_call")
            call.answer().result(10)
            ring.wait_until_answered()
