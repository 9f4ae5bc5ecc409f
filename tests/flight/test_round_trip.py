"""What was recorded is told again: the same callbacks with equal arguments in the same order, every time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from telnyx_agent import (
    AuthenticationError,
    CallState,
    NetworkError,
    TranscriptionItem,
    TxClient,
    TxClientDelegate,
    TxServerConfiguration,
)
from telnyx_agent.testing import FaultProxy, LocalAgent, RecordingDelegate, Scenario, replay
from tests.flight.conversation import converse, recorded_calls


def lines_of(path: Path, kind: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, path.read_text().splitlines()) if line["type"] == kind]


def told_again(path: Path) -> list[tuple[str, tuple[object, ...]]]:
    delegate = RecordingDelegate()
    replay(path, delegate)
    return recorded_calls(delegate)


def shape(value: object) -> object:
    """A value in which only the length of texts counts."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, TranscriptionItem):
        return (value.id, value.role, len(value.content), value.is_partial, value.timestamp, value.image_count)
    if isinstance(value, CallState):
        reason = value.termination_reason
        return (
            value.kind,
            value.reason,
            reason and (reason.cause, reason.cause_code, reason.sip_code, reason.is_local),
        )
    if isinstance(value, tuple):
        return tuple(map(shape, value))
    return type(value)


def test_a_replay_tells_what_was_told(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, tmp_path: Path
) -> None:
    """With the content: equal arguments, transcripts, states, reasons and ids included. The third time as the first."""
    path = tmp_path / "session.ndjson"
    converse(client, agent, delegate, path, include_content=True)
    real = recorded_calls(delegate)
    again = told_again(path)

    assert [name for name, _ in again] == [name for name, _ in real]
    assert len(real) > 30
    for (name, before), (_, after) in zip(real, again, strict=True):
        if name in ("on_transcript_item_updated", "on_transcription_updated", "on_call_state_updated"):
            assert [shape(one) for one in after] == [shape(one) for one in before]
        elif name in ("on_agent_state_changed", "on_client_ready", "on_ringing_ack_received", "on_session_updated"):
            assert after == before
    contents = [args[0].content for name, args in real if name == "on_transcript_item_updated"]  # type: ignore[attr-defined]
    assert [args[0].content for name, args in again if name == "on_transcript_item_updated"] == contents  # type: ignore[attr-defined]
    assert "canary typed" in contents
    assert told_again(path) == told_again(path) == again


def test_masked_words_keep_their_length(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, tmp_path: Path
) -> None:
    """Without the content: the same order, ids and states; of what was said, as many asterisks."""
    path = tmp_path / "session.ndjson"
    converse(client, agent, delegate, path)
    real, again = recorded_calls(delegate), told_again(path)

    assert [name for name, _ in again] == [name for name, _ in real]
    for (name, before), (_, after) in zip(real, again, strict=True):
        if name not in ("on_ai_conversation_message", "on_widget_settings_updated"):
            assert shape(after) == shape(before), name
    final = again[-1 - [name for name, _ in again][::-1].index("on_transcription_updated")][1][0]
    assert {char for item in final for char in item.content} == {"*"}  # type: ignore[attr-defined]
    messages = [args[0] for name, args in again if name == "on_ai_conversation_message"]
    typed = next(one for one in messages if one["type"] == "conversation.item.created")  # type: ignore[index]
    assert typed["item"]["content"][0] == {"type": "input_text", "text": "*" * len("canary typed")}  # type: ignore[index]


def test_every_callback_has_its_times(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, tmp_path: Path
) -> None:
    """When it was queued, when it began, how long it took; statistics, states and frames are there, and an end."""
    path = tmp_path / "session.ndjson"
    converse(client, agent, delegate, path, meanwhile=lambda: _wait_for(path, "media"))
    queued, ran = lines_of(path, "callback"), lines_of(path, "called")

    assert [line["number"] for line in queued] == list(range(1, len(queued) + 1))
    assert {line["number"] for line in ran} == {line["number"] for line in queued}
    began = {line["number"]: line["began"] for line in ran}
    assert all(began[line["number"]] >= line["t"] >= 0 for line in queued)
    assert [line["state"] for line in lines_of(path, "state") if line["what"] == "client"] == [
        *("idle", "connected", "ready", "closed")
    ]
    assert lines_of(path, "media")[-1]["stats"]["codec"] == "opus"
    methods = [(line["dir"], line["frame"].get("method")) for line in lines_of(path, "frame") if "frame" in line]
    assert (">", "anonymous_login") in methods
    assert ("<", "telnyx_rtc.answer") in methods
    assert any("unreadable" in line for line in lines_of(path, "frame"))
    assert [line["type"] for line in map(json.loads, path.read_text().splitlines())][-1] == "end"


def _wait_for(path: Path, kind: str) -> None:
    """The recorder looks once a second."""
    import time

    deadline = time.monotonic() + 15
    while not lines_of(path, kind):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_delegate_that_heard_less_is_replayed_as_one_that_hears_all(agent: LocalAgent, tmp_path: Path) -> None:
    """What the recorded delegate had no method for is there for another one."""

    class Deaf(TxClientDelegate):
        pass

    path = tmp_path / "session.ndjson"
    with TxClient(Deaf()) as client, client.record_session(path):
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        client.disconnect().result(5)
    names = [name for name, _ in told_again(path)]
    stages = ["on_socket_connected", "on_session_updated", "on_client_ready", "on_socket_disconnected"]
    assert [name for name in names if name in stages] == stages
    assert not lines_of(path, "called")


def test_errors_come_back_as_what_they_were(tmp_path: Path) -> None:
    """Class, codes, key word and the SDK's own words; not the server's."""
    path, delegate = tmp_path / "session.ndjson", RecordingDelegate()
    scenario = Scenario.fast(login="reject", login_error=(-32001, "canary is not welcome"))
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=scenario) as agent, TxClient(delegate) as client:
        with client.record_session(path, include_content=True):
            client.anonymous_login("assistant-1", server_configuration=agent.configuration).exception(10)
            client.disconnect().result(5)
    (before,) = delegate.calls_of("on_client_error")[0]
    (after,) = next(args for name, args in told_again(path) if name == "on_client_error")

    assert isinstance(after, AuthenticationError)
    assert isinstance(before, AuthenticationError)
    assert "canary" in before.message
    assert "canary" not in path.read_text()
    assert (after.code, after.server_code, after.call_id) == (before.code, before.server_code, before.call_id)
    assert "authentication" in after.message
    assert len(after.message) == len(before.message)
    assert after.server_message == "*" * len("canary is not welcome")


def test_network_errors_keep_what_is_not_a_name(client: TxClient, delegate: RecordingDelegate, tmp_path: Path) -> None:
    """What the system says is shown, where it was said to is not."""
    path = tmp_path / "session.ndjson"
    with LocalAgent(voice="silent", ears="deaf", media=False) as agent:
        port = agent.port
    with client.record_session(path):
        client.anonymous_login(
            "assistant-1", server_configuration=TxServerConfiguration(f"ws://127.0.0.1:{port}/canary", ())
        ).exception(20)
        client.disconnect().result(5)
    (after,) = next(args for name, args in told_again(path) if name == "on_client_error")

    assert isinstance(after, NetworkError)
    assert "network" in after.message
    assert "refused" in after.message
    assert str(port) not in path.read_text().replace(f'"number":{port}', "")


def test_a_reconnection_is_replayed(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, tmp_path: Path
) -> None:
    """`on_reconnecting` with attempt, delay and error; DROPPED with its reason; both logins' frames."""
    path = tmp_path / "session.ndjson"
    with FaultProxy(agent) as proxy, client.record_session(path):
        client.anonymous_login("assistant-1", server_configuration=proxy.configuration)
        call = client.new_call()
        call.wait_until_active(15)
        proxy.reset()
        delegate.wait_for("on_reconnected", 20)
        delegate.wait_for("on_call_state_updated", 10, count=2, predicate=lambda state, _: state == CallState.ACTIVE)
        client.disconnect().result(10)
    again = told_again(path)

    assert [name for name, _ in again] == delegate.names
    ((attempt, delay, error),) = delegate.calls_of("on_reconnecting")
    replayed: Any = next(args for name, args in again if name == "on_reconnecting")
    assert replayed[:2] == (attempt, delay)
    assert type(replayed[2]) is type(error)
    states: list[Any] = [args[0] for name, args in again if name == "on_call_state_updated"]
    assert [str(state) for state in states] == [str(args[0]) for args in delegate.calls_of("on_call_state_updated")]
    assert sum(line.get("frame", {}).get("method") == "anonymous_login" for line in lines_of(path, "frame")) == 2


@pytest.mark.parametrize("when", ["before", "between", "during"])
def test_recording_may_begin_at_any_time(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, tmp_path: Path, when: str
) -> None:
    """Before the login, between two, in the middle of a call; it lasts over logins."""
    path = tmp_path / "session.ndjson"

    def log_in() -> None:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)

    if when == "between":
        log_in()
        client.disconnect().result(5)
    if when != "during":
        recording = client.record_session(path)
    log_in()
    call = client.new_call()
    call.wait_until_active(15)
    if when == "during":
        recording = client.record_session(path)
    client.disconnect().result(5)
    log_in()
    client.disconnect().result(5)
    recording.stop()
    recording.stop()

    names = [name for name, _ in told_again(path)]
    assert names.count("on_client_ready") == (1 if when == "during" else 2)
    assert names.count("on_socket_disconnected") == 2
    assert not recording.is_recording
