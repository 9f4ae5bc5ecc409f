"""Warnings that are about no sample: several calls, a call answered twice, a microphone, tokens."""

from __future__ import annotations

import base64
import json
import time

import pytest

from telnyx_agent import CallError, LocalProtocolError, TxClient, TxConfig
from telnyx_agent.audio import NullAudio
from telnyx_agent.quality import TxWarning, WarningCode
from telnyx_agent.testing import LocalAgent, RecordingDelegate


def warnings(delegate: RecordingDelegate) -> list[TxWarning]:
    """All so far."""
    return [args[0] for args in delegate.calls_of("on_client_warning")]


def wait(delegate: RecordingDelegate, code: WarningCode) -> TxWarning:
    """The first with this number."""
    found = delegate.wait_for("on_client_warning", 20, predicate=lambda warning: warning.code == code)[0]
    assert isinstance(found, TxWarning)
    return found


def test_a_second_call(agent: LocalAgent, client: TxClient, delegate: RecordingDelegate) -> None:
    """33010 names the new one, which goes on; a call alone is nothing to warn of."""
    client.connect(TxConfig(sip_user="alice", password="secret"), agent.configuration).result(10)
    first = client.new_call(destination_number="1")
    first.wait_until_active(20)
    assert warnings(delegate) == []
    second = client.new_call(destination_number="2", audio=NullAudio())
    second.wait_until_active(20)
    assert wait(delegate, WarningCode.MULTIPLE_ACTIVE_CALLS_DETECTED).call_id == second.call_id
    assert second.report.warnings["MULTIPLE_ACTIVE_CALLS_DETECTED"] == 1
    for call in (first, second):
        call.hangup().result(10)
    delegate.clear()
    client.new_call(destination_number="3").wait_until_active(20)
    assert warnings(delegate) == []


def test_a_call_that_comes_in_beside_another(agent: LocalAgent, client: TxClient, delegate: RecordingDelegate) -> None:
    """33010 when it rings."""
    client.connect(TxConfig(sip_user="alice", password="secret"), agent.configuration).result(10)
    client.new_call(destination_number="1").wait_until_active(20)
    agent.call_client("Bob", "+15550122")
    (call,) = delegate.wait_for("on_incoming_call", 10)
    assert wait(delegate, WarningCode.MULTIPLE_ACTIVE_CALLS_DETECTED).call_id == call.call_id


def test_a_call_that_is_answered_twice(agent: LocalAgent, client: TxClient, delegate: RecordingDelegate) -> None:
    """33006, and the second answer changes nothing."""
    client.connect(TxConfig(sip_user="alice", password="secret"), agent.configuration).result(10)
    agent.call_client("Bob", "+15550122")
    (call,) = delegate.wait_for("on_incoming_call", 10)
    call.answer().result(20)
    with pytest.raises(LocalProtocolError):
        call.answer().result(10)
    assert wait(delegate, WarningCode.ANSWER_WHILE_PEER_ACTIVE).call_id == call.call_id
    assert call.state.is_considered_active


def test_a_microphone_that_cannot_be_changed(agent: LocalAgent, client: TxClient, delegate: RecordingDelegate) -> None:
    """33009 for a call without media, beside the future's error; it is about the microphone only."""
    client.connect(TxConfig(sip_user="alice", password="secret"), agent.configuration).result(10)
    agent.call_client("Bob", "+15550122")
    (call,) = delegate.wait_for("on_incoming_call", 10)
    with pytest.raises(CallError):
        call.set_audio_in_device("headset").result(10)
    assert wait(delegate, WarningCode.AUDIO_INPUT_DEVICE_CHANGE_SKIPPED).call_id == call.call_id
    delegate.clear()
    with pytest.raises(CallError):
        call.set_audio_out_device("headset").result(10)
    assert warnings(delegate) == []


def test_no_candidate_at_all(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """33003, and the call ends: relay only, and no TURN server."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    call = client.new_call(force_relay_candidate=True)
    reason = call.wait_until_ended(20)
    assert reason.error is not None
    assert reason.error.code == WarningCode.ICE_GATHERING_EMPTY
    assert wait(delegate, WarningCode.ICE_GATHERING_EMPTY).call_id == call.call_id


def test_a_token_that_is_about_to_expire(agent: LocalAgent, client: TxClient, delegate: RecordingDelegate) -> None:
    """34001 of a real login, as soon as the server has taken it, and cleared by the next token."""
    payload = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + 60}).encode()).decode().rstrip("=")
    client.connect(TxConfig(token=f"a.{payload}.c"), agent.configuration).result(10)
    warning = wait(delegate, WarningCode.TOKEN_EXPIRING_SOON)
    assert warning.call_id is None
    assert not warning.is_cleared
    client.update_credentials(token="another.token.x").result(10)
    delegate.wait_for("on_client_warning", 10, predicate=lambda warning: warning.is_cleared)
    assert [warning.is_cleared for warning in warnings(delegate)] == [False, True]


def test_no_reconnection_is_wanted(agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """36005 before the final error."""
    with TxClient(delegate, audio=NullAudio(), reconnect_timeout=0.0) as client:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        agent.drop_connection()
        wait(delegate, WarningCode.RECONNECTION_FAILED_WITH_NO_AUTO_RECONNECT)
        delegate.wait_for("on_client_error", 10)
    names = [event.name for event in delegate.events]
    assert names.index("on_client_warning") < names.index("on_client_error")
