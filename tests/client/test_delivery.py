"""What was under way when the connection died is said again to the client that comes back, and is there once."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

import pytest

from telnyx_agent import Call, TxClient
from telnyx_agent.testing import FaultProxy, LocalAgent, RecordingDelegate, Scenario
from telnyx_agent.testing._fault_plan import Action, Fault

TEXT = "These words were under way when it died."

_FRAMES = ("response.created", "response.text.delta", "response.text.done", "response.done")


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Signalling only. Its words come in real time, one delta after the other."""
    with LocalAgent(voice="silent", ears="deaf", greeting="", scenario=Scenario.fast(), media=False) as agent:
        yield agent


def talk(client: TxClient, proxy: FaultProxy) -> Call:
    """A call that is up."""
    client.anonymous_login("assistant-1", server_configuration=proxy.configuration).result(10)
    call = client.new_call()
    call.wait_until_active(15)
    return call


def finals(delegate: RecordingDelegate) -> list[str]:
    """Everything final that the delegate was told, as often as it was."""
    items = [arguments[0] for arguments in delegate.calls_of("on_transcript_item_updated")]
    return [item.content.strip() for item in items if item.is_final]


def check(client: TxClient, delegate: RecordingDelegate, *texts: str) -> None:
    """These are the finals, each once and in order, in the transcript and at the delegate."""
    delegate.wait_for(
        "on_transcript_item_updated", 20, predicate=lambda item, *_: item.is_final and item.content.strip() == texts[-1]
    )
    assert [(item.content.strip(), item.is_final) for item in client.transcript] == [(text, True) for text in texts]
    assert finals(delegate) == list(texts)


@pytest.mark.slow_except(3)
@pytest.mark.parametrize("kind", _FRAMES)
@pytest.mark.parametrize("action", ["reset", "cut", "close", "tear"])
def test_a_frame_that_dies_with_its_connection_comes_again(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, action: Action, kind: str
) -> None:
    """The server has written it, and the client has never seen it; what came before is not doubled."""
    with FaultProxy(agent) as proxy:
        talk(client, proxy)
        proxy.add(Fault(action, contains=f'"{kind}"'))
        agent.say(TEXT)
        delegate.wait_for("on_reconnected", 20)
        check(client, delegate, TEXT)
        client.disconnect().result(5)


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("kind", _FRAMES)
def test_what_has_come_although_the_server_does_not_know_is_taken_once(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, kind: str
) -> None:
    """No pong reaches the server, so it says everything again. Not one delta is doubled, not even for a moment."""
    with FaultProxy(agent) as proxy:
        talk(client, proxy)
        proxy.stall("to_server")
        agent.say("It began well.")
        proxy.add(Fault("reset", contains=f'"{kind}"', after=True))
        agent.say(TEXT)
        delegate.wait_for("on_reconnected", 20)
        check(client, delegate, "It began well.", TEXT)
        client.disconnect().result(5)
    grown: dict[str, list[str]] = {}
    for item, *_ in delegate.calls_of("on_transcript_item_updated"):
        grown.setdefault(item.id, []).append(item.content)
    for contents in grown.values():
        assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(contents))


def test_words_into_a_connection_that_is_half_dead_come_again(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """Nothing comes through any more, though the server's writes succeed; then it is reset."""
    with FaultProxy(agent) as proxy:
        talk(client, proxy)
        proxy.stall("to_client")
        agent.say(TEXT)
        agent.wait_for_frame("ai_conversation", predicate=lambda frame: frame["params"]["type"] == "response.done")
        assert not client.transcript
        proxy.reset()
        delegate.wait_for("on_reconnected", 20)
        check(client, delegate, TEXT)
        client.disconnect().result(5)


@pytest.mark.slow
def test_the_same_goes_for_tools_and_for_several_drops(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """A tool is asked for once, whether its request came twice or was lost at first."""
    with FaultProxy(agent) as proxy:
        talk(client, proxy)
        proxy.add(Fault("reset", contains="lost_at_first"))
        agent.call_function("lost_at_first", {})
        delegate.wait_for("on_reconnected", 20)
        delegate.wait_for("on_function_call", 10)
        proxy.stall("to_server")
        proxy.add(Fault("reset", contains="comes_twice", after=True))
        agent.call_function("comes_twice", {})
        delegate.wait_for("on_reconnected", 20, count=2)
        agent.say(TEXT)
        check(client, delegate, TEXT)
        client.disconnect().result(5)
    asked = Counter(arguments[0].name for arguments in delegate.calls_of("on_function_call"))
    assert asked == {"lost_at_first": 1, "comes_twice": 1}


def test_what_arrived_is_not_sent_again(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """A pong is proof: the next connection brings nothing old."""
    with FaultProxy(agent) as proxy:
        talk(client, proxy)
        agent.say(TEXT)
        check(client, delegate, TEXT)
        agent.wait_for_frame("ai_conversation", predicate=lambda frame: frame["params"]["type"] == "response.done")
        # Each answer to a ping comes after the pongs before it; the last of the server's own pings may be behind a few.
        for count in range(1, 4):
            agent.ping()
            agent.wait_for_frame("telnyx_rtc.ping", direction="received", count=count)
        proxy.reset()
        delegate.wait_for("on_reconnected", 20)
        agent.say("And more.")
        check(client, delegate, TEXT, "And more.")
        client.disconnect().result(5)
    again = [
        frame.message.get("params", {}) for frame in agent.frames if frame.connection == 2 and frame.direction == "sent"
    ]
    assert {one["text"] for one in again if one.get("type") == "response.text.done"} == {"And more."}
