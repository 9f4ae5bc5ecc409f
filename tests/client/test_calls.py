"""Calls: their states, their ends, what goes on the wire for them, and the waiters."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
import uuid

import pytest

from telnyx_agent import CallError, CallState, ClientConfigurationError, MediaError, TxClient, TxConfig, TxTimeoutError
from telnyx_agent._drivers.call import CallDriver
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from tests.client.talking import talk, until


@pytest.fixture
def ready(client: TxClient, talking_agent: LocalAgent) -> TxClient:
    """The client, logged in to an agent with real media."""
    client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration).result(10)
    return client


def kinds(delegate: RecordingDelegate) -> list[str]:
    """The call states that the delegate saw."""
    return [state.value for state, _ in delegate.calls_of("on_call_state_updated")]


def test_a_call_goes_through_its_states_and_ends_once(
    ready: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """NEW, CONNECTING, RINGING, ACTIVE, DONE; the last with a local reason, and a bye on the wire."""
    call = ready.new_call("Ann", "123", "anything")
    call.wait_until_active(15)
    assert ready.calls == {call.call_id: call}

    call.hangup().result(5)

    assert kinds(delegate) == ["NEW", "CONNECTING", "RINGING", "ACTIVE", "DONE"]
    reason = call.wait_until_ended(1)
    assert (reason.cause, reason.cause_code, reason.is_local) == ("NORMAL_CLEARING", 16, True)
    assert talking_agent.wait_for_frame("telnyx_rtc.bye").params["dialogParams"]["callID"] == str(call.call_id)
    assert "on_remote_call_ended" not in delegate.names
    assert ready.calls == {}
    assert ready.get_call(call.call_id) is None


def test_what_the_server_tells_is_on_the_call(ready: TxClient, talking_agent: LocalAgent) -> None:
    """Telnyx's ids, the times of the set-up, and what was asked for."""
    call = ready.new_call("Ann", "123", custom_headers={"X-Account-Number": "7"}, client_state="hello")
    call.wait_until_active(15)

    assert call.telnyx_session_id is not None
    assert call.telnyx_leg_id is not None
    assert call.telnyx_call_control_id
    assert call.setup_time is not None
    assert 0 < call.setup_time < 15
    assert dict(call.invite_custom_headers) == {"X-Account-Number": "7"}
    record = talking_agent.wait_for_call(lambda record: record.state == "answered")
    assert (record.caller_name, record.caller_number, record.client_state) == ("Ann", "123", "aGVsbG8=")
    assert record.custom_headers == (("X-Account-Number", "7"),)


def test_an_immediate_hang_up_cancels_the_invite(
    ready: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of a call that was hung up before its offer was made ever reaches the server."""

    async def never(driver: CallDriver) -> None:
        await asyncio.get_running_loop().create_future()

    # On a busy machine the offer may be made before this thread comes to hang up.
    monkeypatch.setattr(CallDriver, "_negotiate", never)
    call = ready.new_call()
    call.hangup().result(5)
    talking_agent.ping()
    talking_agent.wait_for_frame("telnyx_rtc.ping", direction="received")

    methods = {frame.method for frame in talking_agent.frames if frame.direction == "received"}
    assert not methods & {"telnyx_rtc.invite", "telnyx_rtc.bye"}
    assert kinds(delegate)[-1] == "DONE"
    assert kinds(delegate).count("DONE") == 1


def test_remote_hang_up(ready: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """The server's cause reaches reason, callback and waiter; the client sends no bye of its own."""
    call = ready.new_call()
    call.wait_until_active(15)
    talking_agent.hang_up("USER_BUSY")

    reason = call.wait_until_ended(5)
    delegate.wait_for("on_remote_call_ended")

    assert (reason.cause, reason.cause_code, reason.sip_code, reason.sip_reason, reason.is_local) == (
        "USER_BUSY",
        17,
        486,
        "Busy Here",
        False,
    )
    assert delegate.calls_of("on_remote_call_ended") == [(call.call_id, reason)]
    delegate.wait_for("on_call_state_updated", predicate=lambda state, _: state == CallState.DONE)
    ready.disconnect().result(5)
    assert not [f for f in talking_agent.frames if f.direction == "received" and f.method == "telnyx_rtc.bye"]


@pytest.mark.parametrize("cause", ["CALL_REJECTED", "USER_BUSY", "UNALLOCATED_NUMBER", "NORMAL_TEMPORARY_FAILURE"])
def test_rejections(client: TxClient, cause: str) -> None:
    """A call that is rejected while it rings ends with that cause, and waiting for ACTIVE says so."""
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.rejected(cause, speed=50)) as agent:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        call = client.new_call()

        with pytest.raises(CallError) as caught:
            call.wait_until_active(10)
        assert caught.value.cause == cause
        assert call.wait_until_ended(1).cause == cause


def test_a_refused_invite(client: TxClient) -> None:
    """An error reply to the invite ends the call with the server's cause; the session lives on."""
    scenario = Scenario.invite_refused("GATEWAY_DOWN", speed=50)
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=scenario) as agent:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        call = client.new_call()
        reason = call.wait_until_ended(10)

        assert reason.cause == "GATEWAY_DOWN"
        assert client.is_registered


@pytest.mark.parametrize("variant", [{"sdp_in": "answer"}, {"answer_before_media": True}, {"sdp_in": "both"}])
def test_every_order_of_media_and_answer(client: TxClient, variant: dict[str, object]) -> None:
    """The first SDP wins, in whichever frame it comes and in whichever order."""
    scenario = Scenario.fast(**variant)
    with LocalAgent(voice="silent", ears="deaf", scenario=scenario) as agent:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        call = client.new_call()

        call.wait_until_active(15)
        agent.wait_for_call(lambda record: record.media_state == "connected", 10)
        call.hangup().result(5)


@pytest.mark.slow
def test_an_answer_without_any_sdp_ends_the_call(client: TxClient) -> None:
    """Without a remote SDP there is no call."""
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.fast(sdp_in="none")) as agent:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        assert client.new_call().wait_until_ended(10).cause == "AnswerError"


def test_waiters(ready: TxClient, talking_agent: LocalAgent) -> None:
    """Several states at once, states that have passed, time-outs, and from many threads."""
    call = ready.new_call()
    assert call.wait_for_state([CallState.RINGING, CallState.ACTIVE], 15) in (CallState.RINGING, CallState.ACTIVE)
    call.wait_until_active(15)
    assert call.wait_for_state(CallState.RINGING, 1) == CallState.ACTIVE
    with pytest.raises(TxTimeoutError):
        call.wait_until_ended(0.05)
    with pytest.raises(TimeoutError):
        call.wait_for_state(CallState.HELD, 0.05)

    seen: list[object] = []
    threads = [threading.Thread(target=lambda: seen.append(call.wait_until_ended(10).cause)) for _ in range(4)]
    for thread in threads:
        thread.start()
    call.hangup()
    for thread in threads:
        thread.join(10)
    assert seen == ["NORMAL_CLEARING"] * 4


def test_a_call_is_a_context_manager(ready: TxClient) -> None:
    """Leaving the block hangs up."""
    with ready.new_call() as call:
        call.wait_until_active(15)
    assert call.state == CallState.DONE


def test_several_calls_at_once(ready: TxClient, talking_agent: LocalAgent) -> None:
    """Calls do not know of each other."""
    calls = [ready.new_call(audio=NullAudio()) for _ in range(3)]
    for call in calls:
        call.wait_until_active(20)
    calls[1].hangup().result(5)

    assert [call.state for call in calls] == [CallState.ACTIVE, CallState.DONE, CallState.ACTIVE]


@pytest.mark.parametrize(
    "arguments",
    [
        {"custom_headers": {"Account": "1"}},
        {"custom_headers": {"X-A": "1\r\nX-B: 2"}},
        {"custom_headers": {"X-A\r\n": "1"}},
        {"call_id": "not a uuid"},
    ],
)
def test_unusable_arguments_are_refused(client: TxClient, agent: LocalAgent, arguments: dict[str, object]) -> None:
    """At the call, before anything is sent."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    with pytest.raises(ClientConfigurationError):
        client.new_call(**arguments)  # type: ignore[arg-type]


def test_call_ids(client: TxClient, agent: LocalAgent) -> None:
    """One's own id is used in lower case, and found in any spelling; a second call cannot have it."""
    wanted = uuid.uuid4()
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    call = client.new_call(call_id=str(wanted).upper())

    assert call.call_id == wanted
    assert client.get_call(str(wanted).upper()) is call
    with pytest.raises(ClientConfigurationError, match="already"):
        client.new_call(call_id=wanted)


def test_a_device_that_does_not_start_ends_the_call(ready: TxClient) -> None:
    """The call ends with the device's own error, not with silence."""

    class Broken:
        name = "broken"

        def start(self, stream: object) -> None:
            raise MediaError("this device is broken")

        def stop(self) -> None: ...

    reason = ready.new_call(audio=Broken()).wait_until_ended(15)

    assert isinstance(reason.error, MediaError)
    assert "this device is broken" in str(reason.error)


def test_statistics(ready: TxClient, talking_agent: LocalAgent) -> None:
    """Packets flow both ways, and statistics of an ended call are refused with a CallError."""
    call = ready.new_call()
    call.wait_until_active(15)
    deadline = time.monotonic() + 10
    while True:
        stats = call.stats().result(5)
        if stats is not None and stats.packets_received > 10 and stats.packets_sent > 10:
            break
        assert time.monotonic() < deadline, stats

    assert stats.codec == "opus"
    call.hangup().result(5)
    with pytest.raises(CallError):
        call.stats().result(5)


def login(client: TxClient, agent: LocalAgent) -> TxClient:
    """The client, ready."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    return client


def test_headers_with_the_hang_up(client: TxClient, agent: LocalAgent) -> None:
    """Ours on the wire; unusable ones are refused before the call is touched."""
    call = talk(client, agent)
    with pytest.raises(ClientConfigurationError, match="X-"):
        call.hangup(custom_headers={"Reason": "done"})
    assert call.state.is_considered_active
    call.hangup(custom_headers={"X-Reason": "done"}).result(5)
    dialog = agent.wait_for_frame("telnyx_rtc.bye").params["dialogParams"]
    assert dialog["custom_headers"] == [{"name": "X-Reason", "value": "done"}]


def test_what_the_far_end_says_with_its_hang_up(client: TxClient, agent: LocalAgent) -> None:
    """Headers, client state and cause, all still there after the call."""
    call = talk(client, agent)
    state = base64.b64encode(b"theirs").decode()
    params = {
        "callID": str(call.call_id),
        "cause": "USER_BUSY",
        "causeCode": 17,
        "client_state": state,
        "dialogParams": {"custom_headers": [{"name": "X-Score", "value": "5"}]},
    }
    agent.send({"jsonrpc": "2.0", "id": 999, "method": "telnyx_rtc.bye", "params": params})
    assert call.wait_until_ended(10).description == "the other side is busy"
    assert (dict(call.bye_custom_headers), call.client_state) == ({"X-Score": "5"}, state)


def test_names_and_state_of_a_call(client: TxClient, agent: LocalAgent) -> None:
    """As they were given, and as on the wire."""
    login(client, agent)
    call = client.new_call("Ann", "123", "anything", client_state="hello")
    info = call.call_info
    assert (info.caller_name, info.caller_number, info.destination_number) == ("Ann", "123", "anything")
    assert call.client_state == "aGVsbG8="


def test_data_centres(client: TxClient, agent: LocalAgent) -> None:
    """Of the login from the gateway's state, of the call from its media server's variables."""
    assert (client.datacenter, client.region) == (None, None)
    call = talk(client, agent)
    assert (client.datacenter, client.region) == ("ams3-prod", "eu-west")
    assert call.datacenter is None
    params = {"callID": str(call.call_id), "variables": {"FreeSWITCH-Switchname": "b2bua-1.fr5"}}
    agent.send({"jsonrpc": "2.0", "id": 999, "method": "telnyx_rtc.ringing", "params": params})
    until(lambda: call.datacenter == "b2bua-1.fr5")


def test_an_invite_time_out(client: TxClient, delegate: RecordingDelegate) -> None:
    """Nobody answers: the call ends by itself, with a bye."""
    scenario = Scenario(media_delay=60.0, answer_delay=60.0)
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=scenario) as agent:
        login(client, agent)
        call = client.new_call(invite_timeout=0.5)
        with pytest.raises(CallError, match="nobody answered"):
            call.wait_until_active(15)
        assert agent.wait_for_frame("telnyx_rtc.bye").params["cause"] == "USER_BUSY"
        client.disconnect().result(5)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "10"])
def test_time_outs_that_are_none(client: TxClient, agent: LocalAgent, seconds: float) -> None:
    """Refused at once."""
    login(client, agent)
    with pytest.raises(ClientConfigurationError, match="invite_timeout"):
        client.new_call(invite_timeout=seconds)


def test_relay_only_without_a_relay(client: TxClient, agent: LocalAgent) -> None:
    """The call cannot be made, and says why; without the wish it can."""
    login(client, agent)
    call = client.new_call(force_relay_candidate=True)
    call.wait_until_ended(10)
    error = call.termination_reason.error if call.termination_reason else None
    assert isinstance(error, MediaError)
    assert "force_relay_candidate" in str(error)
    client.new_call().wait_until_active(15)


def test_a_call_tells_its_own_listener(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Every state from then on, on the delegate's thread, `DONE` last; the state before is known."""
    seen: list[tuple[str, str]] = []
    over = threading.Event()

    def changed(state: CallState) -> None:
        seen.append((state.value, threading.current_thread().name))
        if state.is_terminal:
            over.set()

    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    call = client.new_call()
    assert call.previous_state is None or call.previous_state == CallState.NEW
    call.wait_until_active(10)
    call.on_state_changed = changed
    assert call.on_state_changed is changed
    call.hangup().result(10)
    assert over.wait(10)
    assert seen[-1][0] == "DONE"
    assert call.previous_state == CallState.ACTIVE
    assert {thread for _, thread in seen} == {"telnyx-agent-delegate"}
    assert [state.value for state, _ in delegate.calls_of("on_call_state_updated")][-len(seen) :] == [
        s for s, _ in seen
    ]


ALICE = TxConfig(sip_user="alice", password="a-password-of-alice")


def test_the_active_call(talking_agent: LocalAgent) -> None:
    """The latest of those that are answered; a call that rings is none of them."""
    delegate = RecordingDelegate()
    with TxClient(delegate, audio=NullAudio()) as client:
        client.connect(ALICE, talking_agent.configuration).result(10)
        assert client.active_call is None
        own = client.new_call(destination_number="+15550100")
        own.wait_until_active(15)
        talking_agent.call_client()
        (call,) = delegate.wait_for("on_incoming_call")
        assert client.active_call is own
        call.answer(audio=NullAudio()).result(10)
        assert client.active_call is call
        assert list(client.calls.values()) == [own, call]
        call.hangup().result(10)
        call.wait_for_state(CallState.DONE, 5)
        assert client.active_call is own
