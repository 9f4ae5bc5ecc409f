"""`for event in client.events()`: the delegate's callbacks as one typed stream, bounded, and over with the login."""

from __future__ import annotations

import gc
import inspect
import threading
import typing
from collections.abc import Iterator

import attrs
import pytest

from telnyx_agent import AgentState, CallState, ClientConfigurationError, TxClient, TxClientDelegate, TxTimeoutError
from telnyx_agent import events as ev
from telnyx_agent._event_stream import DEFAULT_SIZE, EventStream
from telnyx_agent.audio import NullAudio
from telnyx_agent.delegate import CALLBACK_NAMES
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

PATIENCE = 20.0
NEVER = {"on_push_call", "on_push_disabled", "on_socket_message"}
"""Callbacks that never come, and the one for frames, which are no events."""


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Text only."""
    with LocalAgent(
        greeting="Hello there.", voice="silent", ears="deaf", scenario=Scenario.fast(), media=False
    ) as agent:
        yield agent


def test_every_callback_has_a_class_with_its_arguments() -> None:
    """Named as the callback's, so that a `match` can be exhaustive."""
    kinds = {kind.callback: kind for kind in typing.get_args(ev.DelegateEvent)}
    assert set(CALLBACK_NAMES) - NEVER == set(kinds)
    assert set(typing.get_args(ev.Event)) == {*kinds.values(), ev.EventsDropped}
    for name, kind in kinds.items():
        arguments = list(inspect.signature(getattr(TxClientDelegate, name)).parameters)[1:]
        assert [field.name for field in attrs.fields(kind)] == arguments, name
        assert kind.__hash__ is not None
    assert all(hasattr(ev, name) for name in ev.__all__)


def test_a_conversation_as_a_loop(agent: LocalAgent) -> None:
    """A program without a delegate, that does everything in one `for` loop."""
    log: list[str] = []
    with TxClient(audio=NullAudio()) as client:
        stream = client.events(timeout=PATIENCE)
        client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        for event in stream:
            match event:
                case ev.ClientReady():
                    client.new_call()
                case ev.CallStateUpdated(call_state):
                    log.append(call_state.kind.name)
                case ev.TranscriptItemUpdated(item) if item.is_final:
                    log.append(f"{item.role}: {item.content}")
                    if item.role == "assistant" and item.content == "Hello there.":
                        client.send_ai_assistant_message("thank you")
                    elif item.role == "assistant":
                        client.disconnect()
                case ev.SocketDisconnected():
                    log.append("disconnected")
                case _:
                    pass
    assert log[-4:] == ["user: thank you", "assistant: You are welcome.", "DONE", "disconnected"]
    assert log[0] == "NEW"


_MEASURED = (ev.CallQualityChanged, ev.CallReported, ev.SocketMetricsChanged)


def test_the_stream_has_what_the_delegate_has(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """The same events in the same order, from the first to the last."""
    stream = client.events(timeout=PATIENCE)
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    client.new_call().wait_until_active(PATIENCE)
    delegate.wait_for("on_transcript_item_updated", PATIENCE, predicate=lambda item: item.is_final)
    client.disconnect().result(PATIENCE)

    kinds = {kind.callback: kind for kind in typing.get_args(ev.DelegateEvent)}
    expected = [kinds[one.name](*one.args) for one in delegate.events]
    # `RecordingDelegate` leaves out what tells of nothing that happened.
    assert [event for event in stream if not isinstance(event, _MEASURED)] == expected
    assert list(stream) == []
    assert stream.is_over


def test_a_blocked_delegate_does_not_hold_the_stream_up(agent: LocalAgent) -> None:
    """Nor does one that nobody pumps."""
    with TxClient(RecordingDelegate(), audio=NullAudio(), callbacks="pump") as client:
        stream = client.events(timeout=PATIENCE)
        client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        assert any(isinstance(event, ev.ClientReady) for event in stream)


def test_a_failed_login_ends_the_stream(agent: LocalAgent) -> None:
    """The error is in it."""
    with TxClient(audio=NullAudio()) as client:
        stream = client.events(timeout=PATIENCE)
        client.anonymous_login("invalid-1", server_configuration=agent.configuration)
        errors = [event.error for event in stream if isinstance(event, ev.ClientError)]
    assert [type(error).__name__ for error in errors] == ["AuthenticationError"]


def test_nothing_in_time(client: TxClient, agent: LocalAgent) -> None:
    """`TxTimeoutError`, and the stream goes on."""
    stream = client.events(timeout=0.05)
    with pytest.raises(TxTimeoutError, match=r"0\.05 s"):
        next(stream)
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
    assert isinstance(next(stream), ev.ConnectionStateChanged)


def test_a_full_buffer_drops_the_oldest() -> None:
    """What was thrown away is counted where it stood."""
    stream = EventStream(3, timeout=0)
    for number in range(5):
        stream.put(ev.SessionUpdated(str(number)))
    assert next(stream) == ev.EventsDropped(2)
    assert [next(stream) for _ in range(3)] == [ev.SessionUpdated(str(number)) for number in (2, 3, 4)]
    stream.put(ev.ClientReady())
    stream.end()
    stream.put(ev.ClientReady())
    assert list(stream) == [ev.ClientReady()]


def test_a_full_stream_drops_by_number_and_by_bytes() -> None:
    """Events that keep much alive are fewer; the newest one always stays."""
    stream = EventStream(timeout=0)
    for number in range(DEFAULT_SIZE + 10):
        stream.put(ev.SessionUpdated(str(number)))
    assert next(stream) == ev.EventsDropped(10)
    stream.close()
    stream = EventStream(timeout=0)
    for number in range(100):
        stream.put(ev.SessionUpdated(str(number)), 2**20)
    assert next(stream) == ev.EventsDropped(93)
    assert next(stream) == ev.SessionUpdated("93")
    stream.put(ev.ClientReady(), 100 * 2**20)
    assert next(stream) == ev.EventsDropped(6)
    assert next(stream) == ev.ClientReady()
    for number in range(8 * 2**20 // 2**20 - 1):
        stream.put(ev.SessionUpdated(str(number)), 2**20)
    assert next(stream) == ev.SessionUpdated("0")


def test_two_streams_and_one_that_is_left(client: TxClient, agent: LocalAgent) -> None:
    """Each gets everything; leaving a loop, or the block of a stream, ends one and not the other."""
    first = client.events(timeout=PATIENCE)
    third = client.events(timeout=PATIENCE, maxsize=1)
    with client.events(timeout=PATIENCE) as second:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
        assert isinstance(next(first), ev.ConnectionStateChanged)
        assert isinstance(next(second), ev.ConnectionStateChanged)
    assert list(second) == []
    for event in third:
        assert isinstance(event, ev.EventsDropped)
        break
    del third
    gc.collect()
    client.disconnect().result(PATIENCE)
    assert any(isinstance(event, ev.SocketDisconnected) for event in first)


def test_waiting_while_the_login_ends(client: TxClient, agent: LocalAgent) -> None:
    """A taker that waits is told."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
    stream = client.events()
    taken: list[ev.Event] = []
    taker = threading.Thread(target=lambda: taken.extend(stream))
    taker.start()
    client.disconnect().result(PATIENCE)
    taker.join(PATIENCE)
    assert not taker.is_alive()
    assert ev.SocketDisconnected() in taken


def test_levels_come_only_to_those_who_want_them(talking_agent: LocalAgent) -> None:
    """Twenty times a second, also for a stream that is begun in mid-call; the other stream has none."""
    with TxClient(audio=NullAudio()) as client:
        quiet = client.events(timeout=PATIENCE)
        client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration)
        call = client.new_call()
        call.wait_until_active(PATIENCE)
        for event in quiet:
            if isinstance(event, ev.AgentStateChanged) and event.agent_state is AgentState.SPEAKING:
                break
        loud = client.events(timeout=PATIENCE, audio_levels=True)
        levels = (event for event in loud if isinstance(event, ev.AudioLevel))
        assert next(level for level in levels if level.inbound > 0).call_id == call.call_id
        call.hangup().result(PATIENCE)
        client.disconnect().result(PATIENCE)
        rest = list(quiet)
    assert not any(isinstance(event, ev.AudioLevel) for event in rest)
    assert any(isinstance(event, ev.CallStateUpdated) and event.call_state == CallState.DONE for event in rest)


@pytest.mark.parametrize("options", [{"maxsize": 0}, {"maxsize": 1.5}, {"maxsize": True}, {"timeout": -1}])
def test_unusable_arguments(client: TxClient, options: dict[str, typing.Any]) -> None:
    """Are refused at once."""
    with pytest.raises(ClientConfigurationError):
        client.events(**options)


def test_what_was_said_is_in_no_repr(client: TxClient, agent: LocalAgent) -> None:
    """Not of an event, not of the stream."""
    stream = client.events(timeout=PATIENCE)
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    client.new_call().ask("a question of mine", PATIENCE)
    client.disconnect().result(PATIENCE)
    shown = repr([*stream, stream])
    assert "question of mine" not in shown
    assert "Hello there" not in shown
