"""`incoming`: calls that somebody else makes - ringing, answering, turning down, and all that comes in between."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from telnyx_agent._protocol import outcomes
from telnyx_agent._protocol.calls.incoming import MOST_RINGING, RINGING_PERIOD
from telnyx_agent._protocol.outcomes import CallUpdated, IncomingCall, Malformed, MediaOffered
from telnyx_agent._protocol.states import CallDirection, CallState, CallTerminationReason
from telnyx_agent._protocol.wire.credentials import CredentialLogin
from telnyx_agent._protocol.wire.jsonrpc import MOST_ID_CHARACTERS
from telnyx_agent.errors import CallError, LocalProtocolError, NetworkError, TxError
from tests.protocol.script import ANSWER, CALL_ID, OFFER, SERVER_SESSION, Script, ack, vector

ALICE = CredentialLogin(sip_user="alice", password="a-password-of-alice", sdk_version="0.1.0")
THEIRS = "cd35e65f-a507-4bd2-8d21-80f36d134a2e"
OTHERS = "11111111-2222-4333-8444-555555555555"
HEADERS = {"custom_headers": [{"name": "X-Order", "value": "17"}]}


def idle(**options: Any) -> Script:
    """A session that may be called."""
    return Script.ready(credentials=ALICE, **options)


def ring(script: Script, call_id: str = THEIRS, **changes: Any) -> int:
    """The invite of the reference, with an offer."""
    params = {**vector("inbound_invite")["params"], "callID": call_id, "sdp": OFFER, "dialogParams": HEADERS}
    return script.say("telnyx_rtc.invite", **{**params, **changes})


def ringing(**options: Any) -> Script:
    """A session whose phone rings."""
    script = idle(**options)
    ring(script)
    script.forget()
    return script


def answer(script: Script, call_id: str = THEIRS, *headers: tuple[str, str]) -> str:
    """The user answers, and the media make theirs; the offer is the result."""
    offer = script.session.calls.answer(call_id, headers, script.now)
    script.session.calls.set_local_description(call_id, ANSWER, script.now)
    return offer


def talking(**options: Any) -> Script:
    """A session with an answered call."""
    script = ringing(**options)
    answer(script)
    script.reply("telnyx_rtc.answer", message="CALL ANSWERED", sessid=SERVER_SESSION)
    script.forget()
    return script


def reason_of(script: Script) -> CallTerminationReason:
    """Why the call ended."""
    reason = script.end().termination_reason
    assert reason is not None
    return reason


# -- ringing -----------------------------------------------------------------------------------------------------------


def test_a_question_in_a_call_that_only_rang() -> None:
    """It has no answer once the call is over, however that came, and does not wait for one."""
    for end in ("bye", "gateway", "disconnect"):
        script = ringing()
        script.session.conversation.questions.ask("k", "why?", script.now, call_id=UUID(THEIRS))
        if end == "bye":
            script.say("telnyx_rtc.bye", callID=THEIRS, cause="ORIGINATOR_CANCEL", causeCode=487)
        elif end == "gateway":
            script.session.connection_closed(NetworkError("lost"), script.now)
            script.wait(120.0)
        else:
            script.session.disconnect(script.now)
        (settled,) = script.events(outcomes.QuestionSettled)
        assert isinstance(settled.error, TxError), end


def test_an_invite_rings() -> None:
    """Announced first, with who calls whom and Telnyx's ids; then RINGING. Acknowledged, and nothing else sent."""
    script = idle()
    request_id = ring(script)
    assert script.sent() == [ack(request_id, "telnyx_rtc.invite")]
    incoming, changed = script.events()
    assert isinstance(incoming, IncomingCall)
    options = incoming.options
    assert (options.call_id, options.direction) == (THEIRS, CallDirection.INBOUND)
    assert (options.caller_name, options.caller_number) == ("Extension 1004", "1004")
    assert (options.callee_name, options.destination_number) == ("Outbound Call", "1003")
    assert options.custom_headers == (("X-Order", "17"),)
    assert "1004" not in repr(incoming)
    details = incoming.details
    assert (details.telnyx_session_id, details.telnyx_leg_id) == ("si1234", "li1234")
    assert (details.telnyx_call_control_id, details.client_state) == ("cc1234", "aGVsbG8gbXkgZnJpZW5k")
    assert changed == outcomes.CallStateChanged(THEIRS, CallState.RINGING)


def test_the_reference_invite_without_headers() -> None:
    """The captured vector, as it is."""
    script = idle()
    script.frame(vector("inbound_invite"))
    assert script.event(IncomingCall).options.custom_headers == ()
    assert script.states() == ["RINGING"]


@pytest.mark.parametrize("same_id", [True, False], ids=["same frame", "new frame"])
@pytest.mark.parametrize("stage", ["ringing", "answered", "over"])
def test_a_repeated_invite_changes_nothing(same_id: bool, stage: str) -> None:
    """While it rings, after the answer, and after the end; it is acknowledged each time."""
    script = idle()
    request_id = ring(script)
    if stage == "answered":
        answer(script)
        script.reply("telnyx_rtc.answer", sessid=SERVER_SESSION)
    elif stage == "over":
        script.session.calls.hang_up(THEIRS, script.now)
    script.forget()
    if same_id:
        params = {**vector("inbound_invite")["params"], "sdp": OFFER, "dialogParams": HEADERS}
        script.frame({"jsonrpc": "2.0", "id": request_id, "method": "telnyx_rtc.invite", "params": params})
    else:
        request_id = ring(script, sdp=OFFER + "a=another\r\n")
    assert script.sent() == [ack(request_id, "telnyx_rtc.invite")]
    assert [event for event in script.events() if not isinstance(event, Malformed)] == []


def test_an_assistant_never_calls() -> None:
    """On an anonymous session an invite is acknowledged and ignored."""
    script = Script.ready()
    request_id = ring(script)
    assert script.sent() == [ack(request_id, "telnyx_rtc.invite")]
    assert script.events() == []


@pytest.mark.parametrize("members", [{}, {"sdp": ""}, {"sdp": None}], ids=["none", "empty", "null"])
def test_an_invite_without_an_offer_is_turned_down(members: dict[str, Any]) -> None:
    """Nobody could answer it: a bye that says so, one complaint, no call."""
    script = idle()
    script.say("telnyx_rtc.invite", callID=THEIRS, **members)
    bye = script.expect("telnyx_rtc.bye")["params"]
    assert (bye["cause"], bye["causeCode"], bye["dialogParams"]["callID"]) == ("MANDATORY_IE_MISSING", 96, THEIRS)
    assert [type(event) for event in script.events()] == [Malformed]


def test_an_invite_whose_id_is_too_long_is_only_acknowledged() -> None:
    """Its id is not sent back: thousands of them would fill what waits to be sent."""
    script = idle()
    script.forget()
    script.say("telnyx_rtc.invite", callID="x" * (MOST_ID_CHARACTERS + 1), sdp=OFFER)
    (reply,) = script.sent()
    assert reply["result"] == {"method": "telnyx_rtc.invite"}
    assert [type(event) for event in script.events()] == [Malformed]


def test_an_invite_whose_id_is_none_is_turned_down() -> None:
    """Ids are UUIDs (protocol.md 1.4), in either case of letters."""
    script = idle()
    script.say("telnyx_rtc.invite", callID="call 1", sdp=OFFER)
    assert script.expect("telnyx_rtc.bye")["params"]["dialogParams"]["callID"] == "call 1"
    assert [type(event) for event in script.events()] == [Malformed]
    script.say("telnyx_rtc.invite", callID="x" * MOST_ID_CHARACTERS, sdp=OFFER)
    assert script.expect("telnyx_rtc.bye")["params"]["dialogParams"]["callID"] == "x" * MOST_ID_CHARACTERS
    script.forget()
    ring(script, THEIRS.upper())
    assert script.event(IncomingCall).options.call_id == THEIRS


def test_an_invite_with_the_id_of_a_call_of_ours() -> None:
    """While it lasts and after its end: no second call gets its name."""
    script = idle()
    script.place_call(destination_number="+15550100")
    ring(script, CALL_ID)
    script.hang_up()
    ring(script, CALL_ID, sdp=OFFER + "a=another\r\n")
    assert script.events(IncomingCall) == []
    assert script.states() == ["NEW", "CONNECTING", "DONE"]


def test_too_many_callers() -> None:
    """Twenty ring; the next one gets a busy tone, until one of them is answered or gone."""
    script = idle()
    ids = [f"00000000-0000-4000-9000-{number:012}" for number in range(23)]
    for call_id in ids[:21]:
        ring(script, call_id)
    assert len(script.events(IncomingCall)) == 20
    bye = script.expect("telnyx_rtc.bye")["params"]
    assert (bye["cause"], bye["dialogParams"]["callID"]) == ("USER_BUSY", ids[20])
    script.session.calls.hang_up(ids[0], script.now)
    script.wait(10)
    ring(script, ids[21])
    assert len(script.events(IncomingCall)) == 1


def test_callers_that_give_up_at_once() -> None:
    """Each call costs its audio path until its callback has run: twenty in ten seconds, however short they are."""
    script = idle()
    for number in range(1000):
        call_id = f"00000000-0000-4000-9000-{number:012}"
        ring(script, call_id)
        script.say("telnyx_rtc.bye", callID=call_id)
    assert len(script.events(IncomingCall)) == MOST_RINGING
    assert len([frame for frame in script.sent() if frame.get("method") == "telnyx_rtc.bye"]) == 1000 - MOST_RINGING
    assert not script.session._channel._pending  # nobody waits for the answers
    script.wait(RINGING_PERIOD)
    ring(script, CALL_ID)
    assert len(script.events(IncomingCall)) == 1


def test_an_invite_before_reged_rings_and_its_answer_waits() -> None:
    """The server may be faster than the gateway."""
    script = Script.logged_in(credentials=ALICE)
    ring(script)
    assert script.states() == ["RINGING"]
    answer(script)
    assert "telnyx_rtc.answer" not in script.sent_methods()
    script.say("telnyx_rtc.gatewayState", state="REGED")
    assert script.sent_methods() == ["telnyx_rtc.answer"]


def test_nobody_answers() -> None:
    """The caller's SDK gives up by itself; if it does not, we do after two minutes."""
    script = ringing()
    script.wait(119)
    assert script.states() == []
    script.wait(2)
    assert script.expect("telnyx_rtc.bye")["params"]["cause"] == "USER_BUSY"
    reason = reason_of(script)
    assert reason.cause == "RECOVERY_ON_TIMER_EXPIRE"
    assert isinstance(reason.error, CallError)


def test_the_caller_gives_up() -> None:
    """Its bye ends the ringing with its words; nothing goes back but the acknowledgement."""
    script = ringing()
    request_id = script.say(
        "telnyx_rtc.bye", callID=THEIRS.upper(), cause="ORIGINATOR_CANCEL", causeCode=487, sipCode=487, sipReason="Gone"
    )
    assert script.sent() == [ack(request_id, "telnyx_rtc.bye")]
    reason = reason_of(script)
    assert (reason.cause, reason.sip_code, reason.is_local) == ("ORIGINATOR_CANCEL", 487, False)
    with pytest.raises(CallError):
        script.session.calls.answer(THEIRS, (), script.now)
    assert script.session.get_timer() is not None  # liveness goes on; nothing of the call is left
    script.wait(200)
    assert script.events() == []


# -- answering ---------------------------------------------------------------------------------------------------------


def test_the_answer_goes_out_and_its_result_makes_active() -> None:
    """JavaScript's ringing, answering, active; parties seen from us, headers of ours, the complete answer."""
    script = ringing()
    assert answer(script, THEIRS, ("X-Agent", "7")) == OFFER
    assert script.states() == ["CONNECTING"]
    frame = script.expect("telnyx_rtc.answer")
    assert frame["params"]["sdp"] == ANSWER
    assert frame["params"]["sessid"] == SERVER_SESSION
    assert frame["params"]["User-Agent"] == "Python-0.1.0"
    dialog = frame["params"]["dialogParams"]
    assert dialog["callID"] == THEIRS
    assert dialog["custom_headers"] == [{"name": "X-Agent", "value": "7"}]
    assert (dialog["remote_caller_id_name"], dialog["remote_caller_id_number"]) == ("Extension 1004", "1004")
    assert (dialog["caller_id_name"], dialog["caller_id_number"]) == ("Outbound Call", "1003")
    assert dialog["attach"] is False
    script.frame({"jsonrpc": "2.0", "id": frame["id"], "result": {"sessid": SERVER_SESSION}})
    assert script.states() == ["ACTIVE"]
    script.wait(300)
    assert script.states() == []


def test_headers_of_the_answer_are_told() -> None:
    """In the call's details."""
    script = ringing()
    answer(script, THEIRS, ("X-Agent", "7"))
    assert script.event(CallUpdated).details.answer_custom_headers == (("X-Agent", "7"),)


def test_the_answer_waits_for_its_media() -> None:
    """Nothing is sent before the SDP is made; the caller may give up meanwhile."""
    script = ringing()
    script.session.calls.answer(THEIRS, (), script.now)
    assert script.sent() == []
    script.say("telnyx_rtc.bye", callID=THEIRS, cause="ORIGINATOR_CANCEL", causeCode=487)
    script.forget()
    script.session.calls.set_local_description(THEIRS, ANSWER, script.now)
    assert script.sent() == []


def test_the_result_that_comes_after_the_end() -> None:
    """Answer and bye cross: the bye ends the call, the result is nobody's any more."""
    script = ringing()
    answer(script)
    frame = script.expect("telnyx_rtc.answer")
    script.say("telnyx_rtc.bye", callID=THEIRS, cause="ORIGINATOR_CANCEL", causeCode=487)
    script.frame({"jsonrpc": "2.0", "id": frame["id"], "result": {"sessid": SERVER_SESSION}})
    assert script.states() == ["CONNECTING", "DONE"]


def test_a_refused_answer_ends_the_call() -> None:
    """With the server's words, and a bye in case that it keeps the call."""
    script = ringing()
    answer(script)
    script.refuse(
        "telnyx_rtc.answer", -32002, "CODEC NEGOTIATION ERROR", causeCode=88, cause="INCOMPATIBLE_DESTINATION"
    )
    reason = reason_of(script)
    assert (reason.cause, reason.cause_code) == ("INCOMPATIBLE_DESTINATION", 88)
    assert isinstance(reason.error, CallError)
    assert "CODEC NEGOTIATION ERROR" in str(reason.error)
    assert reason.error.code == 40005
    assert script.expect("telnyx_rtc.bye")


def test_an_answer_that_is_not_confirmed() -> None:
    """Ten seconds, then the call is over."""
    script = ringing()
    answer(script)
    script.wait(11)
    assert "in time" in str(reason_of(script).error)
    assert script.expect("telnyx_rtc.bye")


def test_an_answer_to_which_a_login_is_wanted_goes_out_again() -> None:
    """R16."""
    script = ringing()
    answer(script)
    script.refuse("telnyx_rtc.answer", -32000, "Authentication Required")
    script.accept_login()
    script.say("telnyx_rtc.clientReady", reattached_sessions=[])
    script.gateway("REGED")
    script.reply("telnyx_rtc.answer", sessid=SERVER_SESSION)
    assert script.states() == ["CONNECTING", "ACTIVE"]


def test_what_cannot_be_answered() -> None:
    """A call of our own, one that is answered, one that never was; what has no answer to come takes none."""
    script = ringing()
    with pytest.raises(LocalProtocolError):
        script.session.calls.set_local_description(THEIRS, ANSWER, script.now)
    answer(script)
    with pytest.raises(LocalProtocolError):
        script.session.calls.answer(THEIRS, (), script.now)
    with pytest.raises(LocalProtocolError):
        script.session.calls.set_local_description(THEIRS, ANSWER, script.now)
    script.place_call()
    with pytest.raises(LocalProtocolError):
        script.session.calls.answer(CALL_ID, (), script.now)
    with pytest.raises(CallError):
        script.session.calls.answer(OTHERS, (), script.now)


@pytest.mark.parametrize("method", ["ringing", "media", "answer"])
def test_what_is_said_of_calls_that_we_make(method: str) -> None:
    """A server that says so of an incoming call changes nothing but the ids."""
    script = ringing()
    script.say(f"telnyx_rtc.{method}", callID=THEIRS, sdp=ANSWER, telnyx_leg_id="another-leg")
    assert script.event(CallUpdated).details.telnyx_leg_id == "another-leg"
    assert script.states() == []
    script.wait(10)
    assert script.states() == []


# -- turning down, hanging up ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["ringing", "answering", "answer sent", "active"])
def test_the_bye_fits_the_state(stage: str) -> None:
    """17 before the answer is through, 16 after it (R31)."""
    script = ringing()
    if stage == "answering":
        script.session.calls.answer(THEIRS, (), script.now)
    elif stage != "ringing":
        answer(script)
        if stage == "active":
            script.reply("telnyx_rtc.answer", sessid=SERVER_SESSION)
    script.session.calls.hang_up(THEIRS, script.now)
    bye = script.expect("telnyx_rtc.bye")["params"]
    assert (bye["cause"], bye["causeCode"]) == (("NORMAL_CLEARING", 16) if stage == "active" else ("USER_BUSY", 17))
    assert reason_of(script).is_local


def test_media_that_cannot_be_made_end_the_call() -> None:
    """An offer without a codec of ours, for example."""
    script = ringing()
    script.session.calls.answer(THEIRS, (), script.now)
    script.session.calls.fail(THEIRS, TxError("no codec"), script.now)
    assert script.expect("telnyx_rtc.bye")["params"]["cause"] == "USER_BUSY"
    assert reason_of(script).error is not None


def test_disconnect_turns_down_what_rings() -> None:
    """Every call gets its bye and its DONE."""
    script = ringing()
    ring(script, OTHERS)
    script.session.disconnect(script.now)
    assert script.sent_methods().count("telnyx_rtc.bye") == 2
    assert script.states() == ["RINGING", "DONE", "DONE"]


# -- several at once ---------------------------------------------------------------------------------------------------


def test_a_call_during_a_call() -> None:
    """The second one rings, is answered and ends; the first one does not notice."""
    script = talking()
    ring(script, OTHERS)
    answer(script, OTHERS)
    script.reply("telnyx_rtc.answer", sessid=SERVER_SESSION)
    assert [(event.call_id, event.state.value) for event in script.events(outcomes.CallStateChanged)] == [
        (OTHERS, "RINGING"),
        (OTHERS, "CONNECTING"),
        (OTHERS, "ACTIVE"),
    ]
    script.say("telnyx_rtc.bye", callID=THEIRS, cause="NORMAL_CLEARING", causeCode=16)
    (done,) = script.events(outcomes.CallStateChanged)
    assert (done.call_id, done.state) == (THEIRS, CallState.DONE)


def test_both_directions_at_once() -> None:
    """A call of ours is being set up while another one comes in."""
    script = idle()
    script.place_call(destination_number="+15550100")
    ring(script)
    answer(script)
    script.reply("telnyx_rtc.answer", sessid=SERVER_SESSION)
    script.reply("telnyx_rtc.invite", callID=CALL_ID, message="CALL CREATED", sessid=SERVER_SESSION)
    script.say("telnyx_rtc.answer", callID=CALL_ID, sdp=ANSWER)
    script.apply_sdp()
    active = [e.call_id for e in script.events(outcomes.CallStateChanged) if e.state == CallState.ACTIVE]
    assert active == [THEIRS, CALL_ID]


# -- a lost connection -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_answering", [False, True])
def test_what_rings_ends_with_the_connection(is_answering: bool) -> None:
    """S14: the server has hung it up. On the next connection it is told goodbye, in case it has not."""
    script = ringing()
    if is_answering:
        answer(script)
    script.lose_connection(NetworkError("network: gone"))
    assert isinstance(reason_of(script).error, NetworkError)
    script.wait(1)
    script.session.connection_opened(script.now)
    script.forget()
    script.session.calls.set_local_description(THEIRS, ANSWER, script.now)
    assert script.sent() == []


def test_an_answered_call_is_taken_up_again() -> None:
    """R54: as with calls of our own; the attach names the parties as the answer did."""
    script = talking()
    script.lose_connection(NetworkError("network: gone"))
    assert script.states() == ["DROPPED"]
    script.wait(1)
    script.session.connection_opened(script.now)
    script.accept_login()
    script.say("telnyx_rtc.attach", callID=THEIRS, sdp=OFFER)
    script.say("telnyx_rtc.clientReady", reattached_sessions=[THEIRS])
    script.gateway("REGED")
    assert script.event(MediaOffered).sdp == OFFER
    script.session.calls.set_answer(THEIRS, ANSWER, script.now)
    attach = script.expect("telnyx_rtc.attach")
    dialog = attach["params"]["dialogParams"]
    assert (dialog["attach"], dialog["callID"]) == (True, THEIRS)
    assert (dialog["remote_caller_id_number"], dialog["caller_id_number"]) == ("1004", "1003")
    script.frame({"jsonrpc": "2.0", "id": attach["id"], "result": {"sessid": SERVER_SESSION}})
    assert script.states() == ["RECONNECTING", "ACTIVE"]


def test_a_call_that_comes_in_before_clientready_is_not_among_the_lost_ones() -> None:
    """R38 is about calls that were up: the list cannot name a new one."""
    script = Script.opened(credentials=ALICE)
    script.accept_login()
    ring(script)
    script.say("telnyx_rtc.clientReady", reattached_sessions=[])
    script.gateway("REGED")
    assert script.states() == ["RINGING"]


def test_an_answered_call_that_the_server_has_lost() -> None:
    """R38 holds for it."""
    script = talking()
    script.say("telnyx_rtc.clientReady", reattached_sessions=[])
    error = reason_of(script).error
    assert isinstance(error, CallError)
    assert error.code == 48501


# -- the transcript ----------------------------------------------------------------------------------------------------


def test_a_call_that_is_turned_down_leaves_the_transcript_alone() -> None:
    """R47: the last call's stays until the next one begins, and ringing is no beginning."""
    script = talking()
    script.ai("conversation.item.created", item={"id": "1", "type": "message", "role": "user", "content": "Hello."})
    script.say("telnyx_rtc.bye", callID=THEIRS, cause="NORMAL_CLEARING", causeCode=16)
    ring(script, OTHERS)
    script.session.calls.hang_up(OTHERS, script.now)
    assert script.transcript() == ["user: Hello."]
    ring(script, "22222222-2222-4333-8444-555555555555")
    script.session.calls.answer("22222222-2222-4333-8444-555555555555", (), script.now)
    assert script.transcript() == []


def test_ids_that_are_none_are_not_kept() -> None:
    """Each such invite is refused on its own."""
    script = idle()
    script.forget()
    for number in range(3):
        script.say("telnyx_rtc.invite", callID=f"{number % 2}" * MOST_ID_CHARACTERS, sdp=OFFER)
    assert script.sent_methods().count("telnyx_rtc.bye") == 3
    assert not script.session.calls._invites._known
