"""Calls that come in: announced, answered, turned down, given up; several at once; over real WebRTC."""

from __future__ import annotations

import threading
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from telnyx_agent import (
    Call,
    CallDirection,
    CallError,
    CallState,
    ClientConfigurationError,
    LocalProtocolError,
    MediaError,
    TxClient,
    TxClientDelegate,
    TxConfig,
)
from telnyx_agent.audio import NullAudio, PcmAudio
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

ALICE = TxConfig(sip_user="alice", password="a-password-of-alice")


@pytest.fixture
def phone(client: TxClient, talking_agent: LocalAgent) -> TxClient:
    """The client, logged in as Alice to an agent with real media."""
    client.connect(ALICE, talking_agent.configuration).result(10)
    return client


def incoming(delegate: RecordingDelegate, count: int = 1) -> Call:
    """The call that came in."""
    (call,) = delegate.wait_for("on_incoming_call", 10, count=count)
    assert isinstance(call, Call)
    return call


def wait_for_ack(agent: LocalAgent, number: int) -> None:
    """The client has confirmed a request of the server's."""
    agent.wait_for_frame("(result)", direction="received", predicate=lambda frame: bool(frame["id"] == number))


def states(delegate: RecordingDelegate, call: Call) -> list[str]:
    """The states that the delegate saw of a call."""
    return [state.value for state, call_id in delegate.calls_of("on_call_state_updated") if call_id == call.call_id]


# -- ringing -----------------------------------------------------------------------------------------------------------


def test_who_calls_is_on_the_call(phone: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Names, numbers, headers, client state and Telnyx's ids; the call is one of the client's."""
    ring = talking_agent.call_client(
        "Bob B.",
        "+15550122",
        callee_name="Alice A.",
        callee_number="+15550111",
        custom_headers={"X-Order": "17"},
        client_state="aGVsbG8=",
    )
    call = incoming(delegate)

    assert str(call.call_id) == ring.call_id
    assert call.direction is CallDirection.INBOUND
    assert call.direction.value == "inbound"
    info = call.call_info
    assert (info.caller_name, info.caller_number, info.destination_number) == ("Bob B.", "+15550122", "+15550111")
    assert call.invite_custom_headers == {"X-Order": "17"}
    assert call.answer_custom_headers == {}
    assert call.telnyx_session_id is not None
    assert call.telnyx_leg_id is not None
    assert (call.telnyx_call_control_id or "").startswith("v3:")
    assert call.state == CallState.RINGING
    assert phone.calls == {call.call_id: call}
    assert phone.get_call(ring.call_id) is call
    ring.wait_until_ringing()


def test_the_delegate_hears_of_the_call_before_its_states(
    phone: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """on_incoming_call, then RINGING; and a call that was answered goes CONNECTING, ACTIVE, DONE."""
    ring = talking_agent.call_client()
    call = incoming(delegate)
    call.answer().result(10)
    ring.wait_until_answered()
    ring.hang_up()
    reason = call.wait_until_ended(5)
    delegate.wait_for("on_call_state_updated", predicate=lambda state, _: state == CallState.DONE)

    assert states(delegate, call) == ["RINGING", "CONNECTING", "ACTIVE", "DONE"]
    names = [name for name in delegate.names if name in ("on_incoming_call", "on_call_state_updated")]
    assert names[0] == "on_incoming_call"
    assert (reason.cause, reason.sip_code, reason.is_local) == ("NORMAL_CLEARING", 200, False)
    assert delegate.calls_of("on_remote_call_ended") == [(call.call_id, reason)]
    assert phone.calls == {}


def test_nobody_listens(talking_agent: LocalAgent) -> None:
    """A client without a delegate is called, too; the program may look at `calls`, and may do nothing."""
    with TxClient(audio=NullAudio()) as client:
        client.connect(ALICE, talking_agent.configuration).result(10)
        ring = talking_agent.call_client(ring_timeout=0.3)
        ring.wait_until_ringing()
        record = ring.wait_until_ended()
    assert (record.cause, record.ended_by_client) == ("NO_ANSWER", False)


def test_an_anonymous_client_is_never_called(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """The agent refuses to; and what a server sends all the same is acknowledged and ignored."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    with pytest.raises(LookupError):
        agent.call_client()
    params = {"callID": "cd35e65f-a507-4bd2-8d21-80f36d134a2e", "sdp": "v=0\r\n", "caller_id_name": "Bob"}
    agent.send({"jsonrpc": "2.0", "id": 77, "method": "telnyx_rtc.invite", "params": params})
    wait_for_ack(agent, 77)
    assert client.calls == {}
    assert "on_incoming_call" not in delegate.names


def test_a_repeated_invite_is_one_call(phone: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Sent again with another id while it rings and after its end: acknowledged, and nothing else."""
    ring = talking_agent.call_client()
    call = incoming(delegate)
    frame = talking_agent.wait_for_frame("telnyx_rtc.invite", direction="sent").message
    for number in (77, 78):
        talking_agent.send({**frame, "id": number})
        wait_for_ack(talking_agent, number)
        if number == 77:
            call.reject().result(5)
            ring.wait_until_ended()
    assert len(delegate.calls_of("on_incoming_call")) == 1
    assert phone.calls == {}


# -- answering ---------------------------------------------------------------------------------------------------------


def test_an_answered_call_speaks_both_ways(
    client: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """The agent's greeting arrives, and what we say is heard; headers of the answer arrive with it."""
    client.connect(ALICE, talking_agent.configuration).result(10)
    ring = talking_agent.call_client(greeting="Good morning, this is a call for you.")
    call = incoming(delegate)
    device = PcmAudio()
    call.answer({"X-Agent": "7"}, audio=device).result(10)
    record = ring.wait_until_answered()
    assert record.answer_custom_headers == (("X-Agent", "7"),)
    assert call.answer_custom_headers == {"X-Agent": "7"}
    assert call.setup_time is not None

    tone = (np.sin(np.arange(48000) * 0.06) * 8000).astype(np.int16)
    device.write(tone)
    talking_agent.wait_for_call(lambda r: r.call_id == ring.call_id and r.seconds_heard > 0.3, 15)
    delegate.wait_for("on_transcript_item_updated", 15, predicate=lambda item: item.is_final)
    heard = device.read(48000, timeout=15)
    assert np.abs(heard).max() > 500
    stats = call.stats().result(5)
    assert stats is not None
    assert stats.state == "connected"
    call.hangup().result(5)
    assert ring.wait_until_ended().cause == "NORMAL_CLEARING"


def test_answering_inside_the_callback(talking_agent: LocalAgent) -> None:
    """The delegate may answer, and may wait for it, on the spot."""
    answered = threading.Event()

    class Answering(TxClientDelegate):
        def on_incoming_call(self, call: Call) -> None:
            call.answer().result(10)
            assert call.state == CallState.ACTIVE
            answered.set()

    with TxClient(Answering(), audio=NullAudio()) as client:
        client.connect(ALICE, talking_agent.configuration).result(10)
        ring = talking_agent.call_client()
        assert answered.wait(15)
        ring.wait_until_answered()


def test_a_call_can_start_muted(phone: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """By the argument, or because it was muted while it rang."""
    talking_agent.call_client()
    first = incoming(delegate)
    first.answer(audio=NullAudio(), muted=True).result(10)
    assert first.is_muted
    talking_agent.call_client()
    second = incoming(delegate, 2)
    second.mute_audio()
    second.answer(audio=NullAudio()).result(10)
    assert second.is_muted
    talking_agent.call_client()
    third = incoming(delegate, 3)
    third.answer(audio=NullAudio()).result(10)
    assert not third.is_muted


def test_what_cannot_be_answered(phone: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Twice, after the end, a call of one's own, and with headers that are none; what was up stays as it was."""
    ring = talking_agent.call_client()
    call = incoming(delegate)
    with pytest.raises(ClientConfigurationError):
        call.answer({"Subject": "no"})
    call.answer(muted=True).result(10)
    assert isinstance(call.answer(muted=False).exception(5), LocalProtocolError)
    assert call.is_muted
    ring.hang_up()
    call.wait_until_ended(5)
    assert isinstance(call.answer().exception(5), CallError)

    own = phone.new_call(destination_number="+15550100")
    own.wait_until_active(15)
    assert own.direction is CallDirection.OUTBOUND
    assert isinstance(own.answer().exception(5), LocalProtocolError)
    assert own.state == CallState.ACTIVE


def test_an_offer_that_cannot_be_answered(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Without a codec of ours: the answer fails with what is wrong, the call ends, the caller gets a bye."""
    client.connect(ALICE, agent.configuration).result(10)
    call_id = "cd35e65f-a507-4bd2-8d21-80f36d134a2e"
    sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/SAVPF 18\r\na=rtpmap:18 G729/8000\r\n"
    params = {"callID": call_id, "sdp": sdp, "caller_id_name": "Bob", "caller_id_number": "1"}
    agent.send({"jsonrpc": "2.0", "id": 77, "method": "telnyx_rtc.invite", "params": params})
    error = incoming(delegate).answer().exception(10)
    assert isinstance(error, MediaError)
    assert error.code == 40004
    assert agent.wait_for_frame("telnyx_rtc.bye", direction="received").params["dialogParams"]["callID"] == call_id


@pytest.mark.parametrize("behaviour", ["reject", "silent"])
def test_a_server_that_does_not_take_the_answer(behaviour: str, delegate: RecordingDelegate) -> None:
    """It refuses, or says nothing and the user hangs up: the future says why."""
    scenario = Scenario.fast(client_answer=behaviour)
    with LocalAgent(voice="silent", ears="deaf", scenario=scenario) as agent, TxClient(delegate) as client:
        client.connect(ALICE, agent.configuration).result(10)
        ring = agent.call_client()
        call = incoming(delegate)
        future = call.answer(audio=NullAudio())
        agent.wait_for_frame("telnyx_rtc.answer", 10, direction="received")
        if behaviour == "silent":
            call.hangup().result(5)
        assert isinstance(future.exception(10), CallError)
        call.wait_until_ended(5)
        assert ring.wait_until_ended().ended_by_client


# -- turning down, giving up -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "cause", "code"),
    [((), "USER_BUSY", 17), (("CALL_REJECTED",), "CALL_REJECTED", 21), (("USER_BUSY", 17), "USER_BUSY", 17)],
)
@pytest.mark.parametrize("method", ["reject", "hangup"])
def test_turning_a_call_down(
    phone: TxClient,
    talking_agent: LocalAgent,
    delegate: RecordingDelegate,
    method: str,
    arguments: tuple[Any, ...],
    cause: str,
    code: int,
) -> None:
    """The caller gets the cause; 17 where none is given, as from all official SDKs."""
    ring = talking_agent.call_client()
    call = incoming(delegate)
    getattr(call, method)(*arguments).result(5)
    record = ring.wait_until_ended()
    assert (record.cause, record.ended_by_client) == (cause, True)
    bye = talking_agent.wait_for_frame("telnyx_rtc.bye", direction="received").params
    assert (bye["cause"], bye["causeCode"]) == (cause, code)
    assert call.termination_reason is not None
    assert call.termination_reason.is_local
    assert "on_remote_call_ended" not in delegate.names
    assert phone.calls == {}


def test_the_caller_gives_up(phone: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """The ringing ends with ORIGINATOR_CANCEL; to answer then is an error."""
    ring = talking_agent.call_client()
    call = incoming(delegate)
    ring.cancel()
    reason = call.wait_until_ended(5)
    assert (reason.cause, reason.sip_code, reason.is_local) == ("ORIGINATOR_CANCEL", 487, False)
    assert isinstance(call.answer().exception(5), CallError)
    delegate.wait_for("on_remote_call_ended")


def test_giving_up_and_answering_cross(phone: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Whoever is first: the call ends once, and nothing of it stays."""
    for count in range(1, 6):
        ring = talking_agent.call_client()
        call = incoming(delegate, count)
        future = call.answer()
        ring.cancel()
        call.wait_until_ended(10)
        assert future.wait(10)
        delegate.wait_for(
            "on_call_state_updated", 10, predicate=lambda s, i, c=call: s == CallState.DONE and i == c.call_id
        )
        assert states(delegate, call).count("DONE") == 1
    phone.disconnect().result(10)


def test_a_hang_up_while_the_answer_is_made(
    phone: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """In every moment between: the call is over, and so is its media."""
    ring = talking_agent.call_client()
    call = incoming(delegate)
    future = call.answer()
    call.hangup().result(10)
    assert future.wait(10)
    assert call.state == CallState.DONE
    assert ring.wait_until_ended(10).ended_by_client


def test_disconnecting_turns_down_what_rings(
    phone: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """The caller gets its bye."""
    ring = talking_agent.call_client()
    call = incoming(delegate)
    phone.disconnect().result(10)
    assert call.state == CallState.DONE
    assert ring.wait_until_ended().cause == "USER_BUSY"


def test_what_was_begun_on_a_call_that_is_not_answered_ends_with_it(
    phone: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate, tmp_path: Path
) -> None:
    """A recording is closed, and holds nothing; what was played is refused afterwards."""
    ring = talking_agent.call_client()
    call = incoming(delegate)
    call.record(tmp_path / "call.wav")
    ring.cancel()
    call.wait_until_ended(5)
    phone.disconnect().result(10)
    with wave.open(str(tmp_path / "call.wav")) as file:
        assert file.getnframes() == 0
    with pytest.raises(CallError):
        call.play(b"\0\0" * 480)


# -- several at once ---------------------------------------------------------------------------------------------------


@pytest.fixture
def devices() -> tuple[PcmAudio, PcmAudio]:
    """Two devices that are only ever heard by their own call."""
    return PcmAudio(), PcmAudio()


def test_a_call_during_a_call(
    phone: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate, devices: tuple[PcmAudio, PcmAudio]
) -> None:
    """Each has media of its own: what is said in one is heard there, and the other's end does not touch it."""
    own = phone.new_call(destination_number="+15550100", audio=devices[0])
    own.wait_until_active(15)
    outer = talking_agent.wait_for_call(lambda r: r.call_id == str(own.call_id) and r.state == "answered")
    ring = talking_agent.call_client(greeting="")
    call = incoming(delegate)
    assert set(phone.calls.values()) == {own, call}
    assert own.state == CallState.ACTIVE
    call.answer(audio=devices[1]).result(10)
    ring.wait_until_answered()

    tone = (np.sin(np.arange(48000) * 0.06) * 8000).astype(np.int16)
    devices[1].write(tone)
    talking_agent.wait_for_call(lambda r: r.call_id == ring.call_id and r.seconds_heard > 0.3, 15)
    before = next(r for r in talking_agent.calls if r.call_id == outer.call_id)
    assert before.seconds_heard == 0

    ring.hang_up()
    call.wait_until_ended(5)
    assert own.state == CallState.ACTIVE
    devices[0].write(tone)
    talking_agent.wait_for_call(lambda r: r.call_id == outer.call_id and r.seconds_heard > 0.3, 15)
    own.hangup().result(5)


def test_three_callers_at_once(phone: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """One is answered, one is turned down, one gives up; each ends in its own way."""
    rings = [talking_agent.call_client(f"Caller {number}", greeting="") for number in range(3)]
    calls = [incoming(delegate, count) for count in (1, 2, 3)]
    assert [call.call_info.caller_name for call in calls] == ["Caller 0", "Caller 1", "Caller 2"]
    answered = calls[0].answer()
    calls[1].reject("CALL_REJECTED")
    rings[2].cancel()
    answered.result(10)
    assert rings[1].wait_until_ended().cause == "CALL_REJECTED"
    assert calls[2].wait_until_ended(5).cause == "ORIGINATOR_CANCEL"
    assert rings[0].wait_until_answered().state == "answered"


def test_two_clients_are_called_by_name(talking_agent: LocalAgent) -> None:
    """Each rings for its own user only; who is not there cannot be called."""
    delegates = [RecordingDelegate(), RecordingDelegate()]
    with TxClient(delegates[0]) as alice, TxClient(delegates[1]) as bob:
        alice.connect(ALICE, talking_agent.configuration).result(10)
        bob.connect(TxConfig(sip_user="bob", password="a-password-of-bob"), talking_agent.configuration).result(10)
        talking_agent.call_client("First", sip_user="alice")
        talking_agent.call_client("Second", sip_user="bob")
        assert incoming(delegates[0]).call_info.caller_name == "First"
        assert incoming(delegates[1]).call_info.caller_name == "Second"
        with pytest.raises(LookupError):
            talking_agent.call_client(sip_user="carol")


# -- a lost connection -------------------------------------------------------------------------------------------------


def test_an_answered_call_outlives_its_connection(
    phone: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """DROPPED, RECONNECTING, ACTIVE again, with new media on the same call object; mute is kept."""
    ring = talking_agent.call_client()
    call = incoming(delegate)
    call.answer(muted=True).result(10)
    ring.wait_until_answered()
    call.stats().result(5)

    talking_agent.drop_connection()
    delegate.wait_for("on_reconnected", 15)
    call.wait_for_state(CallState.ACTIVE, 15)
    talking_agent.wait_for_call(
        lambda r: r.call_id == ring.call_id and r.state == "answered" and r.media_state == "connected", 15
    )

    assert states(delegate, call)[:6] == ["RINGING", "CONNECTING", "ACTIVE", "DROPPED", "RECONNECTING", "ACTIVE"]
    assert call.is_muted
    assert phone.calls == {call.call_id: call}
    ring.hang_up()
    call.wait_until_ended(10)


def test_a_ringing_call_does_not(phone: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """The server hangs it up with the connection (S14); the client can be called again when it is back."""
    ring = talking_agent.call_client()
    call = incoming(delegate)
    talking_agent.drop_connection()
    reason = call.wait_until_ended(10)
    assert reason.error is not None
    ring.wait_until_ended()
    delegate.wait_for("on_reconnected", 15)
    talking_agent.call_client()
    second = incoming(delegate, 2)
    assert second.state == CallState.RINGING
    second.answer(audio=NullAudio()).result(10)


# -- the ringing tone --------------------------------------------------------------------------------------------------


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """A WAV file of half a second."""
    path = tmp_path / "ring.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes((np.sin(np.arange(24000) * 0.1) * 8000).astype(np.int16).tobytes())
    return path


def is_heard(device: PcmAudio) -> bool:
    """Whether there is a tone in the next tenth of a second."""
    return bool(np.abs(device.read(4800, timeout=5)).max(initial=0) > 1000)


@pytest.mark.parametrize("end", ["answer", "reject", "cancel", "lose", "disconnect"])
def test_the_ringtone_ends_with_the_ringing(
    delegate: RecordingDelegate, talking_agent: LocalAgent, tone: Path, end: str
) -> None:
    """It rings on a device of its own, until the call is answered or over, however that comes."""
    ringer = PcmAudio()
    config = TxConfig(sip_user="alice", password="a-password-of-alice", ringtone=str(tone))
    with TxClient(delegate, audio=NullAudio(), ring_device=ringer) as client:
        client.connect(config, talking_agent.configuration).result(10)
        ring = talking_agent.call_client()
        call = incoming(delegate)
        assert is_heard(ringer)
        if end == "answer":
            call.answer().result(10)
        elif end == "reject":
            call.reject().result(5)
        elif end == "cancel":
            ring.cancel()
        elif end == "lose":
            talking_agent.drop_connection()
        else:
            client.disconnect().result(10)
        call.wait_for_state([CallState.ACTIVE, CallState.DONE], 10)
        client.disconnect().result(10)
        while ringer.read(4800, timeout=0.2).size == 4800:
            pass  # what was played before the end
        assert ringer.read(480, timeout=0.2).size == 0


def test_a_ringtone_that_cannot_be_played(client: TxClient, agent: LocalAgent, tmp_path: Path) -> None:
    """Said at the login, before anything is sent."""
    missing = tmp_path / "missing.wav"
    with pytest.raises(MediaError):
        client.connect(TxConfig(sip_user="alice", password="secret", ringtone=missing), agent.configuration)
    with pytest.raises(ClientConfigurationError):
        client.connect(TxConfig(token="a-token", ring_back_tone=7), agent.configuration)  # type: ignore[arg-type]
    assert agent.frames == ()


def test_hold_and_keys_on_an_incoming_call(
    phone: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """Everything that can be done with a call can be done with this one."""
    ring = talking_agent.call_client()
    call = incoming(delegate)
    call.answer().result(10)
    call.hold().result(10)
    assert call.state == CallState.HELD
    assert ring.record.is_held
    call.unhold().result(10)
    call.dtmf("12#").result(10)
    assert ring.record.digits == "12#"
    assert call.timings.get("answer_created") is not None
    assert call.timings.call_setup is not None


def test_a_callback_may_leave_out_its_last_argument(agent: LocalAgent) -> None:
    """iOS's first page: a delegate with `onRemoteCallEnded(callId:)` alone, a token, a call that is answered."""

    class ViewController(TxClientDelegate):
        def __init__(self) -> None:
            self.my_call: Call | None = None
            self.headers: Mapping[str, str] = {}
            self.ended: list[UUID] = []
            self.is_over = threading.Event()

        def on_remote_call_ended(self, call_id: UUID) -> None:  # type: ignore[override]
            self.ended.append(call_id)
            self.is_over.set()

        def on_incoming_call(self, call: Call) -> None:
            call.answer(custom_headers={"X-test1": "ios-header-test", "X-test2": "ios-header-2"})
            self.my_call = call
            self.headers = call.invite_custom_headers

    controller = ViewController()
    telnyx_client = TxClient()
    telnyx_client.delegate = controller
    with telnyx_client:
        telnyx_client.connect(TxConfig(token="MY_JWT_TELNYX_TOKEN"), agent.configuration).result(10)
        ring = agent.call_client("Bob", custom_headers={"X-Parcel": "42"})
        record = ring.wait_until_answered(10)
        ring.hang_up()
        assert controller.is_over.wait(10)
    assert controller.my_call is not None
    assert controller.ended == [controller.my_call.call_id]
    assert controller.headers == {"X-Parcel": "42"}
    assert dict(record.answer_custom_headers) == {"X-test1": "ios-header-test", "X-test2": "ios-header-2"}
