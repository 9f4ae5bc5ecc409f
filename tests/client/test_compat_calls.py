"""Android's and Flutter's names for logins with credentials and for calls, on the same client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telnyx_agent import Call, CallError, CallState, LogLevel
from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import CredentialConfig, TelnyxCall, TelnyxClient, TokenConfig
from telnyx_agent.testing import LocalAgent, RecordingDelegate

SECRET = "a-password-of-alice"


@pytest.fixture
def mobile(delegate: RecordingDelegate) -> Iterator[TelnyxClient]:
    """A client with the mobile SDKs' names; it is disconnected at the end."""
    with TelnyxClient(delegate, audio=NullAudio()) as found:
        yield found


def ringing(mobile: TelnyxClient, agent: LocalAgent, delegate: RecordingDelegate, count: int = 1) -> TelnyxCall:
    """The call that came in last, of so many."""
    agent.call_client("Bob", "+15550122")
    delegate.wait_for("on_incoming_call", 10, count=count)
    ((call,), *_) = reversed(delegate.calls_of("on_incoming_call"))
    assert isinstance(call, Call)
    return mobile.calls[call.call_id]


def test_the_configurations_are_those_of_the_core() -> None:
    """Theirs are in milliseconds, ours in seconds; and neither secret is in a repr."""
    config = CredentialConfig(
        sip_user="alice",
        sip_password=SECRET,
        sip_caller_id_name="Alice",
        reconnection_timeout=30000,
        auto_reconnect=False,
        log_level=LogLevel.ERROR,
    )
    same = config.tx_config()
    assert (same.sip_user, same.password, same.token) == ("alice", SECRET, None)
    assert (same.caller_id_name, same.reconnect_timeout, same.reconnect_client) == ("Alice", 30.0, False)
    assert same.log_level is LogLevel.ERROR
    token = TokenConfig(sip_token="a.secret.token")
    assert token.tx_config().token == "a.secret.token"
    assert SECRET not in repr(config)
    assert "secret" not in repr(token)


@pytest.mark.parametrize("login", ["connect", "connect_with_credential", "credential_login"])
def test_logging_in_by_any_name(mobile: TelnyxClient, agent: LocalAgent, login: str) -> None:
    """Server and ICE servers are Telnyx's unless given, so the last two are looked at up to the socket."""
    config = CredentialConfig(sip_user="alice", sip_password=SECRET)
    if login == "connect":
        mobile.connect(config, agent.configuration).result(10)
        assert mobile.is_ready
        return
    called: list[object] = []
    mobile.connect = lambda config, servers=None: called.append(config)  # type: ignore[assignment,method-assign,misc]
    getattr(mobile, login)(config)
    assert called == [config]


def test_a_token_logs_in(mobile: TelnyxClient, agent: LocalAgent) -> None:
    """`TokenConfig` on the wire."""
    mobile.connect(TokenConfig(sip_token="a.secret.token"), agent.configuration).result(10)
    assert mobile.is_ready


def test_a_call_is_accepted_and_ended_by_its_id(
    mobile: TelnyxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """Android's `acceptCall(callId, ...)`, the buttons, and `endCall(callId)`."""
    mobile.connect(CredentialConfig(sip_user="alice", sip_password=SECRET), talking_agent.configuration).result(10)
    call = ringing(mobile, talking_agent, delegate)
    accepted = mobile.accept_call(call.call_id, muted_mic_on_start=True)
    assert accepted is call
    call.wait_until_active(15)
    assert call.get_is_mute_status()
    call.on_mute_unmute_pressed()
    assert not call.muted
    call.set_mute_state(True)
    assert call.muted
    call.on_hold_unhold_pressed().result(10)
    assert call.get_is_on_hold_status()
    assert mobile.get_active_calls() == {call.call_id: call}
    mobile.end_call(call.call_id).result(10)
    assert call.call_state.is_terminal
    with pytest.raises(CallError, match="no call with this id"):
        mobile.accept_call(call.call_id)


def test_another_call_is_taken_while_the_first_is_held(
    mobile: TelnyxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """Flutter's `holdCurrentAndAcceptIncoming`, then `endCurrentAndAcceptIncoming`, and `rejectCall`."""
    mobile.connect(CredentialConfig(sip_user="alice", sip_password=SECRET), talking_agent.configuration).result(10)
    first = ringing(mobile, talking_agent, delegate)
    mobile.accept_call(first, audio=NullAudio()).wait_until_active(15)

    second = ringing(mobile, talking_agent, delegate, 2)
    mobile.hold_current_and_accept_incoming(second.call_id, audio=NullAudio()).wait_until_active(15)
    first.call.wait_for_state(CallState.HELD, 10)

    third = ringing(mobile, talking_agent, delegate, 3)
    mobile.end_current_and_accept_incoming(third, audio=NullAudio()).wait_until_active(15)
    second.call.wait_until_ended(10)
    assert first.held

    fourth = ringing(mobile, talking_agent, delegate, 4)
    mobile.reject_call(fourth).result(10)
    assert fourth.call_state.is_terminal
    assert third.call_state == CallState.ACTIVE
