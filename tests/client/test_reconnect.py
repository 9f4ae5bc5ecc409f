"""A lost connection is made again, and the call goes on: the same `Call`, the same transcript, the agent's voice."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import pytest

from telnyx_agent import AuthenticationError, Call, CallError, CallState, NetworkError, SocketConnectionError, TxClient
from telnyx_agent._protocol.session.settings import SessionSettings
from telnyx_agent.audio import AudioDevice, NullAudio
from telnyx_agent.errors import FailureReason
from telnyx_agent.testing import FaultProxy, LocalAgent, RecordingDelegate, Scenario, UdpFaults
from tests.support.sound_card import SoundCard


def kinds(delegate: RecordingDelegate) -> list[str]:
    """The call states that the delegate saw."""
    return [state.value for state, _ in delegate.calls_of("on_call_state_updated")]


def talk(
    client: TxClient, agent: LocalAgent, proxy: FaultProxy | None = None, *, audio: AudioDevice | None = None
) -> Call:
    """A call that is up, media and all."""
    configuration = (proxy or agent).configuration
    client.anonymous_login("assistant-1", server_configuration=configuration).result(10)
    call = client.new_call(audio=audio)
    call.wait_until_active(15)
    agent.wait_for_call(lambda record: record.media_state in ("connected", "none"), 10)
    return call


def until(condition: Callable[[], bool], timeout: float = 10.0) -> None:
    """Wait for something that nobody tells, such as packets."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def packets(call: Call) -> int:
    """How many have come."""
    stats = call.stats().result(5)
    return 0 if stats is None else stats.packets_received


def back(client: TxClient, delegate: RecordingDelegate, call: Call, count: int = 1) -> None:
    """Wait until the connection and the call are back."""
    delegate.wait_for("on_reconnected", 20, count=count)
    call.wait_until_active(10)
    # The snapshot is ahead of the callbacks.
    delegate.wait_for(
        "on_call_state_updated", count=count + 1, predicate=lambda state, _: state in (CallState.ACTIVE, CallState.HELD)
    )
    assert client.is_registered


def check_ended_once(delegate: RecordingDelegate) -> None:
    """One `DONE`, and nothing after it."""
    assert kinds(delegate).count("DONE") == 1
    assert kinds(delegate)[-1] == "DONE"


# -- the call goes on --------------------------------------------------------------------------------------------------


def test_a_call_survives_a_dropped_connection(
    client: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """DROPPED, RECONNECTING, ACTIVE; the same session, the same `Call`, mute as it was, and sound both ways."""
    call = talk(client, talking_agent)
    call.mute_audio()
    talking_agent.drop_connection()
    back(client, delegate, call)

    assert kinds(delegate)[-4:] == ["ACTIVE", "DROPPED", "RECONNECTING", "ACTIVE"]
    assert client.get_call(call.call_id) is call
    assert call.is_muted
    first = talking_agent.wait_for_frame("anonymous_login", direction="received").params
    again = talking_agent.wait_for_frame("anonymous_login", direction="received", count=2).params
    assert (again["reconnection"], again["sessid"]) == (True, first["sessid"])
    before, received = packets(call), talking_agent.calls[0].seconds_received
    until(lambda: packets(call) > before + 50)
    until(lambda: talking_agent.calls[0].seconds_received > received + 1)
    call.hangup().result(5)
    check_ended_once(delegate)
    assert delegate.calls_of("on_client_error") == []
    assert [delegate.names.count(f"on_socket_{what}ed") for what in ("connect", "disconnect")] == [2, 1]


@pytest.mark.slow
def test_the_conversation_goes_on(client: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Typed text is answered after the drop as before it; nothing is lost, nothing is there twice."""
    call = talk(client, talking_agent)
    client.send_ai_assistant_message("before").result(5)
    delegate.wait_for("on_transcript_item_updated", 15, predicate=lambda i: i.role == "assistant" and i.is_final)
    talking_agent.drop_connection()
    back(client, delegate, call)
    client.send_ai_assistant_message("after").result(5)
    until(lambda: talking_agent.calls[0].transcript[-1].role == "assistant")
    until(
        lambda: bool(client.transcript) and client.transcript[-1].role == "assistant" and client.transcript[-1].is_final
    )

    texts = [(item.role, item.content.strip()) for item in client.transcript]
    assert [text for text in texts if text[0] == "user"] == [("user", "before"), ("user", "after")]
    assert len({item.id for item in client.transcript}) == len(client.transcript)
    assert len(set(texts)) == len(texts)
    assert call.transcript == client.transcript


@pytest.mark.slow
def test_both_are_heard_again(client: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """The agent hears the user and the user the agent, on the device that was open all the time."""
    card = SoundCard()
    call = talk(client, talking_agent, audio=card.device)
    assert card.heard.wait(15)
    path_before = talking_agent.calls[0].connection
    talking_agent.drop_connection()
    back(client, delegate, call)
    assert talking_agent.calls[0].connection > path_before

    card.heard.clear()
    talking_agent.say("Can you hear me now?")
    assert card.heard.wait(15)
    until(lambda: client.transcript[-1].is_final)
    heard = talking_agent.calls[0].seconds_heard
    card.speak()
    until(lambda: talking_agent.calls[0].seconds_heard > heard + 0.4)
    delegate.wait_for("on_transcript_item_updated", 15, predicate=lambda item: item.role == "user" and item.is_final)


@pytest.mark.slow
def test_what_is_said_while_the_client_is_away_is_not_lost(
    client: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """The agent waits with its words; they are complete in the end, and there once."""
    call = talk(client, talking_agent)
    talking_agent.drop_connection()
    delegate.wait_for("on_reconnecting")
    talking_agent.say("These words come later.")
    back(client, delegate, call)
    item = delegate.wait_for(
        "on_transcript_item_updated", 20, predicate=lambda i: i.is_final and i.content.strip().endswith("later.")
    )[0]
    assert [i.content.strip() for i in client.transcript].count(item.content.strip()) == 1


@pytest.mark.slow
def test_two_drops_in_a_row(client: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """The second one comes before the call is back."""
    call = talk(client, talking_agent)
    for _ in range(2):
        count = delegate.names.count("on_socket_connected")
        talking_agent.drop_connection()
        delegate.wait_for("on_socket_connected", 15, count=count + 1)
    until(lambda: client.is_registered, 20)
    call.wait_until_active(10)
    before = packets(call)
    until(lambda: packets(call) > before + 50)


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("code", [1000, 1012, 4014])
def test_the_server_closes(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, code: int) -> None:
    """Whatever the code: a close that we did not ask for is followed by a new connection (R52)."""
    call = talk(client, agent)
    agent.close_connection(code)
    back(client, delegate, call)
    assert delegate.calls_of("on_client_error") == []


@pytest.mark.parametrize("order", ["attach", "late"])
def test_either_order_of_attach_and_client_ready(client: TxClient, delegate: RecordingDelegate, order: str) -> None:
    """S15 is not the only one."""
    scenario = Scenario.fast(reattach=order)
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=scenario) as agent:
        call = talk(client, agent)
        agent.drop_connection()
        back(client, delegate, call)
        client.disconnect().result(5)


@pytest.mark.slow
def test_a_half_dead_connection_is_replaced(
    monkeypatch: pytest.MonkeyPatch, client: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """The socket is open, but nothing comes through: the probe finds out (R20)."""
    quick = functools.partial(SessionSettings, inbound_silence=0.6, outbound_silence=1.2, probe_timeout=0.4)
    monkeypatch.setattr("telnyx_agent._drivers.making.SessionSettings", quick)
    with FaultProxy(talking_agent) as proxy:
        call = talk(client, talking_agent, proxy)
        proxy.stall(connection=proxy.connections[-1])
        error = delegate.wait_for("on_reconnecting", 10)[2]
        assert "dead" in str(error)
        back(client, delegate, call)
        client.disconnect().result(5)


@pytest.mark.slow
def test_lost_media_are_noticed_and_made_again(
    client: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """The signalling is well, but no packet comes any more: within three seconds the call is taken up anew (R56)."""
    with FaultProxy(talking_agent, udp=UdpFaults()) as proxy:
        call = talk(client, talking_agent, proxy)
        until(lambda: packets(call) > 50)
        proxy.set_udp(UdpFaults(blackout=True))
        began = time.monotonic()
        delegate.wait_for("on_reconnecting", 10)
        noticed = time.monotonic() - began
        proxy.set_udp(UdpFaults())
        back(client, delegate, call)
        before = packets(call)
        until(lambda: packets(call) > before + 50)
        client.disconnect().result(5)
    print(f"noticed after {noticed:.2f} s")
    assert noticed < 4.0  # three seconds by design, and one for a busy machine
    assert kinds(delegate)[-4:] == ["ACTIVE", "RECONNECTING", "ACTIVE", "DONE"]


# -- what the user does meanwhile --------------------------------------------------------------------------------------


def test_text_fails_or_waits_as_asked(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """By default with a clear error, and nothing in the transcript; or it is sent as soon as the call is back."""
    call = talk(client, agent)
    agent.drop_connection()
    delegate.wait_for("on_reconnecting")

    with pytest.raises(SocketConnectionError, match="not sent"):
        client.send_ai_assistant_message("impatient").result(5)
    future = client.send_ai_assistant_message("patient", wait=True)
    assert not any(item.content == "impatient" for item in client.transcript)
    back(client, delegate, call)

    item_id = future.result(10)
    assert [item.id for item in client.transcript if item.content == "patient"] == [item_id]
    agent.wait_for_frame(
        "ai_conversation", direction="received", predicate=lambda frame: frame["params"]["item"]["id"] == item_id
    )


def test_waiting_text_fails_with_its_call(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """There is nobody to send it to any more."""
    call = talk(client, agent)
    agent.drop_connection()
    delegate.wait_for("on_reconnecting")
    future = client.send_ai_assistant_message("patient", wait=True)
    call.hangup()
    with pytest.raises(CallError, match="ended"):
        future.result(5)


def test_hanging_up_while_the_connection_is_lost(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """The call ends at once here; the server hears of it when it can."""
    call = talk(client, agent)
    agent.drop_connection()
    delegate.wait_for("on_reconnecting")
    call.hangup().result(5)
    assert call.wait_until_ended(1).is_local
    agent.wait_for_call(lambda record: record.state == "ended", 10)
    delegate.wait_for("on_reconnected", 10)
    check_ended_once(delegate)


def test_disconnecting_while_the_connection_is_lost(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """It is over at once, and no error is told."""
    call = talk(client, agent)
    agent.drop_connection()
    delegate.wait_for("on_reconnecting")
    client.disconnect().result(2)
    assert call.wait_until_ended(1).is_local
    check_ended_once(delegate)
    assert delegate.calls_of("on_client_error") == []
    assert "on_reconnected" not in delegate.names
    assert not client.is_connected()
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)


def test_a_call_that_is_placed_meanwhile_waits(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """As it waits for a login."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    agent.drop_connection()
    delegate.wait_for("on_reconnecting")
    call = client.new_call()
    call.wait_until_active(15)
    client.wait_until_ready(1)


# -- the call does not go on -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_giving_up(delegate: RecordingDelegate) -> None:
    """After `reconnect_timeout` there is one error and one end, and a new login is possible."""
    with TxClient(delegate, audio=NullAudio(), reconnect_timeout=3.0) as client:
        with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.fast()) as agent:
            call = talk(client, agent)
        reason = call.wait_until_ended(15)
        until(lambda: not client.calls and "on_client_error" in delegate.names)
        ((error,),) = delegate.calls_of("on_client_error")
        assert isinstance(error, NetworkError)
        assert (error.code, error.reason, reason.error) == (45003, FailureReason.RECONNECT_FAILED, error)
        assert kinds(delegate)[-2:] == ["DROPPED", "DONE"]
        check_ended_once(delegate)
        delegate.wait_for("on_ai_assistant_connection_state_changed", 5, count=2)
        assert "on_reconnected" not in delegate.names
        attempts = [attempt for attempt, _, _ in delegate.calls_of("on_reconnecting")]
        assert attempts == list(range(1, len(attempts) + 1))
        assert len(attempts) >= 2
        with pytest.raises(NetworkError):
            client.wait_until_ready(1)


def test_reconnection_can_be_switched_off(agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Then a lost connection is the end: DROPPED, DONE, one error."""
    with TxClient(delegate, audio=NullAudio(), reconnect_timeout=0) as client:
        call = talk(client, agent)
        agent.drop_connection()
        assert isinstance(call.wait_until_ended(5).error, NetworkError)
        client.disconnect().result(5)
    assert kinds(delegate)[-2:] == ["DROPPED", "DONE"]
    assert len(delegate.calls_of("on_client_error")) == 1
    assert "on_reconnecting" not in delegate.names


def test_a_call_that_was_not_answered_ends(client: TxClient, delegate: RecordingDelegate) -> None:
    """The server hangs it up by itself (S14); the session comes back."""
    scenario = [Scenario.fast(drop_before_answer=True), Scenario.fast()]
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=scenario) as agent:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        assert isinstance(client.new_call().wait_until_ended(10).error, NetworkError)
        assert "DROPPED" not in kinds(delegate)
        delegate.wait_for("on_reconnected", 15)
        client.new_call().wait_until_active(10)
        client.disconnect().result(5)


def test_a_call_that_the_server_has_lost_ends(client: TxClient, delegate: RecordingDelegate) -> None:
    """48501, once; the session goes on (R38)."""
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.fast(reattach="none")) as agent:
        call = talk(client, agent)
        agent.drop_connection()
        error = call.wait_until_ended(15).error
        assert isinstance(error, CallError)
        assert error.code == 48501
        delegate.wait_for("on_reconnected", 10)
        check_ended_once(delegate)
        assert delegate.calls_of("on_client_error") == []
        client.disconnect().result(5)


def test_the_server_refuses_to_have_us_back(client: TxClient, delegate: RecordingDelegate) -> None:
    """A refused login is final, as the first time (R15)."""
    scenario = [Scenario.fast(), Scenario.fast(login="reject")]
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=scenario) as agent:
        call = talk(client, agent)
        agent.drop_connection()
        assert isinstance(call.wait_until_ended(10).error, AuthenticationError)
        delegate.wait_for("on_ai_assistant_connection_state_changed", 5, count=2)
        ((error,),) = delegate.calls_of("on_client_error")
        assert isinstance(error, AuthenticationError)
        check_ended_once(delegate)


def test_a_failed_gateway_leads_elsewhere(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """After `Ready`, its failure is a reason to reconnect; the call comes back (R14)."""
    call = talk(client, agent)
    agent.send({"jsonrpc": "2.0", "id": 99, "method": "telnyx_rtc.gatewayState", "params": {"state": "FAILED"}})
    back(client, delegate, call)
    assert str(delegate.calls_of("on_call_state_updated")[-3][0]) == "DROPPED (Server error)"


def test_a_punt_is_final(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Who was evicted does not come back (R36)."""
    call = talk(client, agent)
    agent.punt()
    assert call.wait_until_ended(5).cause == "PURGE"
    delegate.wait_for("on_socket_disconnected")
    client.disconnect().result(5)
    assert "on_reconnecting" not in delegate.names
    assert call.state == CallState.DONE


# -- callbacks ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("name", ["on_reconnecting", "on_reconnected", "on_socket_disconnected"])
def test_a_raising_callback_does_not_stop_the_recovery(
    agent: LocalAgent, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the call comes back."""
    delegate = RecordingDelegate()
    record = getattr(delegate, name)

    def explode(*args: object) -> None:
        record(*args)
        raise RuntimeError("user's bug")

    delegate.__dict__[name] = explode
    with TxClient(delegate, audio=NullAudio()) as client:
        call = talk(client, agent)
        agent.drop_connection()
        back(client, delegate, call)
    assert "user's bug" in caplog.text


@pytest.mark.parametrize("name", ["on_reconnecting", "on_reconnected", "on_socket_disconnected"])
def test_disconnect_inside_a_callback_of_the_recovery(agent: LocalAgent, name: str) -> None:
    """Waiting for one's own disconnection does not deadlock, and ends the attempts."""
    outcome: list[object] = []
    delegate = RecordingDelegate()
    record = getattr(delegate, name)

    def leave(*args: object) -> None:
        record(*args)
        outcome.append(client.disconnect().exception(5))

    delegate.__dict__[name] = leave
    with TxClient(delegate, audio=NullAudio()) as client:
        call = talk(client, agent)
        agent.drop_connection()
        call.wait_until_ended(10)
        until(lambda: not client.is_connected() and len(outcome) >= 1)
        client.disconnect().result(5)
    assert set(outcome) == {None}
    check_ended_once(delegate)
    assert delegate.calls_of("on_client_error") == []


def test_the_audio_path_is_made_anew(client: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """`ice_restart`: the same call on another connection, with its mute."""
    client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration).result(10)
    call = client.new_call(audio=NullAudio())
    call.wait_until_active(15)
    talking_agent.wait_for_call(lambda record: record.media_state == "connected", 10)
    while call.media_setup_time is None:
        call.stats().result(5)
    call.mute_audio()
    call.ice_restart().result(10)
    delegate.wait_for("on_reconnected", 15)
    delegate.wait_for("on_call_state_updated", 15, count=2, predicate=lambda state, _: state == CallState.ACTIVE)
    states = [state.value for state, _ in delegate.calls_of("on_call_state_updated")]
    assert states.count("ACTIVE") == 2
    assert call.is_muted
    call.hangup().result(10)
    assert [state.value for state, _ in delegate.calls_of("on_call_state_updated")].count("DONE") == 1
