"""`calls` and `dialog`: one call from the wish to the end, in every order that the server may choose."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from telnyx_agent._protocol import outcomes
from telnyx_agent._protocol.outcomes import (
    CallProgress,
    CallStateChanged,
    CallStep,
    CallUpdated,
    RemoteDescription,
    RingingAckReceived,
)
from telnyx_agent._protocol.session.settings import SessionSettings
from telnyx_agent._protocol.states import CallState, CallTerminationReason
from telnyx_agent._protocol.wire.credentials import CredentialLogin
from telnyx_agent._protocol.wire.requests import CallOptions
from telnyx_agent.errors import CallError, LocalProtocolError, MediaError, NetworkError, ServerError
from tests.protocol.script import (
    ANSWER,
    CALL_ID,
    OFFER,
    ONE_CONNECTION,
    SERVER_SESSION,
    Script,
    ack,
    answer,
    log_in_again,
    lose,
    reopen,
)

OTHER_ID = "a2f31dd9-b9e6-403a-89d8-33767df14a56"


def reason(script: Script) -> CallTerminationReason:
    """Why the call ended."""
    found = script.end().termination_reason
    assert found is not None
    return found


def byes(script: Script) -> list[dict[str, Any]]:
    """The byes that went out, without the session id."""
    params = [frame["params"] for frame in script.sent() if frame.get("method") == "telnyx_rtc.bye"]
    assert all(one.pop("sessid") == SERVER_SESSION for one in params)
    return params


def bye(cause: str, code: int | None) -> dict[str, Any]:
    """What a bye says."""
    more = {} if code is None else {"causeCode": code}
    return {"cause": cause, **more, "dialogParams": {"callID": CALL_ID}}


# -- the invite --------------------------------------------------------------------------------------------------------


def test_a_new_call_is_new_and_then_connecting() -> None:
    """While its offer is being made."""
    script = Script.ready()
    script.session.calls.create(CallOptions(CALL_ID), script.now)
    assert script.states() == ["NEW", "CONNECTING"]
    assert script.sent() == []


def test_the_invite_goes_out_with_the_offer() -> None:
    """With the session's id and the call's options."""
    script = Script.ready()
    script.place_call(caller_name="Jane", custom_headers=(("X-A", "1"),), client_state="aGVsbG8=")
    params = script.expect("telnyx_rtc.invite")["params"]
    assert (params["sessid"], params["sdp"], params["User-Agent"]) == (SERVER_SESSION, OFFER, "Python-0.1.0")
    dialog = params["dialogParams"]
    assert (dialog["callID"], dialog["caller_id_name"], dialog["destination_number"]) == (CALL_ID, "Jane", "")
    assert dialog["custom_headers"] == [{"name": "X-A", "value": "1"}]
    assert "preferred_codecs" not in dialog


@pytest.mark.parametrize("when", ["before the socket opens", "during the login", "before REGED"])
@pytest.mark.parametrize("offer_first", [True, False])
def test_a_call_waits_for_the_login(when: str, offer_first: bool) -> None:
    """`Ready` comes first, then the invite, whichever of offer and login takes longer (R17)."""
    script = Script()

    def log_in() -> None:
        script.accept_login()
        script.say("telnyx_rtc.clientReady")

    steps: list[Callable[[], None]] = [
        lambda: script.session.connection_opened(script.now),
        log_in,
        lambda: script.gateway("REGED"),
    ]
    place = ["before the socket opens", "during the login", "before REGED"].index(when)
    for step in steps[:place]:
        step()
    script.session.calls.create(CallOptions(CALL_ID), script.now)
    if offer_first:
        script.session.calls.set_local_description(CALL_ID, OFFER, script.now)
    for step in steps[place:]:
        step()
    if not offer_first:
        script.session.calls.set_local_description(CALL_ID, OFFER, script.now)
    assert script.sent_methods() == ["telnyx_rtc.invite"]
    assert script.events(outcomes.ClientReady)


def test_the_clock_of_a_waiting_call_does_not_run() -> None:
    """A call is not timed out for what the login takes."""
    script = Script.logged_in()
    script.place_call()
    script.wait(14)
    script.gateway("REGED")
    script.wait(29)
    assert script.states() == ["NEW", "CONNECTING"]


def test_a_waiting_call_ends_with_the_logins_error() -> None:
    """`DONE` with that error, and no bye for a call that nobody knows of."""
    script = Script.opened()
    script.place_call()
    script.refuse("anonymous_login", -32001, "Login Incorrect")
    kinds = [type(event) for event in script.events()]
    assert kinds.index(outcomes.LoginFailed) < kinds.index(outcomes.CloseConnection)
    assert script.sent() == []
    script = Script.opened()
    script.place_call()
    script.refuse("anonymous_login", -32001, "Login Incorrect")
    error = script.event(outcomes.LoginFailed).error
    assert reason(script).error is error


def test_a_call_after_a_failed_login_ends_with_its_error() -> None:
    """The same as one before: which of the two it is depends on milliseconds."""
    script = Script.opened()
    script.refuse("anonymous_login", -32001, "Login Incorrect")
    error = script.event(outcomes.LoginFailed).error
    script.place_call()
    assert reason(script).error is error
    script.session.calls.hang_up(CALL_ID, script.now)
    assert script.events() == [outcomes.CloseConnection(1000)]


def test_there_are_no_calls_after_disconnect() -> None:
    """That is the user's own doing."""
    script = Script.ready()
    script.session.disconnect(script.now)
    with pytest.raises(LocalProtocolError, match="over"):
        script.place_call()


def test_a_call_id_is_used_once_at_a_time() -> None:
    """The second call is refused, the first goes on."""
    script = Script.calling()
    with pytest.raises(LocalProtocolError, match=CALL_ID):
        script.session.calls.create(CallOptions(CALL_ID), script.now)
    with pytest.raises(LocalProtocolError, match="offer"):
        script.session.calls.set_local_description(CALL_ID, OFFER, script.now)
    script.hang_up()
    script.place_call()
    assert script.states() == ["DONE", "NEW", "CONNECTING"]


# -- ringing, media, answer --------------------------------------------------------------------------------------------

Said = tuple[str, dict[str, Any]]
RINGING: Said = ("telnyx_rtc.ringing", {})
MEDIA: Said = ("telnyx_rtc.media", {"sdp": ANSWER})
ANSWERED: Said = ("telnyx_rtc.answer", {})
ANSWERED_WITH_SDP: Said = ("telnyx_rtc.answer", {"sdp": ANSWER})


@pytest.mark.parametrize(
    ("frames", "states"),
    [
        ([RINGING, MEDIA, ANSWERED], ["RINGING", "ACTIVE"]),
        ([RINGING, ANSWERED_WITH_SDP], ["RINGING", "ACTIVE"]),
        ([RINGING, MEDIA, ANSWERED_WITH_SDP], ["RINGING", "ACTIVE"]),
        ([RINGING, ANSWERED, MEDIA], ["RINGING", "ACTIVE"]),
        ([MEDIA, ANSWERED], ["RINGING", "ACTIVE"]),
        ([MEDIA, RINGING, ANSWERED], ["RINGING", "ACTIVE"]),
        ([ANSWERED, MEDIA], ["ACTIVE"]),
        ([ANSWERED_WITH_SDP], ["ACTIVE"]),
        ([ANSWERED, RINGING, MEDIA], ["ACTIVE"]),
        ([ANSWERED_WITH_SDP, MEDIA, RINGING, ANSWERED], ["ACTIVE"]),
        ([RINGING, RINGING, MEDIA, MEDIA, ANSWERED, ANSWERED], ["RINGING", "ACTIVE"]),
        ([RINGING, MEDIA], ["RINGING"]),
    ],
)
@pytest.mark.parametrize("applied", ["at once", "late"])
def test_the_order_of_the_frames_does_not_matter(frames: Any, states: list[str], applied: str) -> None:
    """The SDP is handed out once; active is who was answered and whose SDP is applied (R28, R29)."""
    script = Script.calling()
    descriptions = []
    for method, params in frames:
        script.say(method, callID=CALL_ID, **params)
        new = script.events(RemoteDescription)
        descriptions += new
        if new and applied == "at once":
            script.apply_sdp()
    if applied == "late":
        script.apply_sdp()
    assert descriptions == [RemoteDescription(CALL_ID, ANSWER)]
    assert script.states() == states


def test_an_answered_call_is_not_active_before_its_sdp_is_applied() -> None:
    """The media takes a moment."""
    script = Script.calling()
    script.say("telnyx_rtc.answer", callID=CALL_ID, sdp=ANSWER)
    script.wait(29)
    assert script.states() == []
    script.apply_sdp()
    assert script.states() == ["ACTIVE"]
    script.wait(3600)
    assert script.states() == []


def _wants_offer() -> Script:
    script = Script.ready()
    script.session.calls.create(CallOptions(CALL_ID), script.now)
    return script


def _has_early_media() -> Script:
    script = Script.calling()
    script.say("telnyx_rtc.media", callID=CALL_ID, sdp=ANSWER)
    return script


def _is_answered() -> Script:
    script = Script.calling()
    script.say("telnyx_rtc.answer", callID=CALL_ID, sdp=ANSWER)
    return script


def _is_offered_media_anew() -> Script:
    script = Script.talking()
    script.say("telnyx_rtc.attach", callID=CALL_ID, sdp=ANSWER)
    return script


def _is_taken() -> Script:
    script = Script.ready(credentials=CredentialLogin(sip_user="alice", password="secret"))
    script.say("telnyx_rtc.invite", callID=CALL_ID, sdp=OFFER)
    script.session.calls.answer(CALL_ID, (), script.now)
    return script


@pytest.mark.parametrize("start", [_wants_offer, _has_early_media, _is_answered, _is_offered_media_anew, _is_taken])
def test_media_that_say_nothing_end_the_call(start: Callable[[], Script]) -> None:
    """Whatever they are to do: a thread that cannot be started or a library that hangs must not keep a call for
    ever.
    """
    script = start()
    script.forget()
    script.wait(29)
    assert not [state for state in script.states() if state == "DONE"]
    script.wait(1)
    error = reason(script).error
    assert isinstance(error, MediaError)
    assert str(error) == "the call's media could not be set up within 30 s"
    script.wait(3600)


def test_the_first_sdp_wins() -> None:
    """A second one, even another, is ignored (R28)."""
    script = Script.calling()
    script.say("telnyx_rtc.media", callID=CALL_ID, sdp="first")
    script.say("telnyx_rtc.answer", callID=CALL_ID, sdp="second")
    assert script.events(RemoteDescription) == [RemoteDescription(CALL_ID, "first")]


def test_media_without_sdp_means_nothing() -> None:
    """As in React Native's tests."""
    script = Script.calling()
    script.say("telnyx_rtc.media", callID=CALL_ID, audio=True, video=False, target="remote")
    assert script.events() == []


@pytest.mark.parametrize("sdp", [None, ""])
def test_an_answer_without_any_sdp_ends_the_call(sdp: str | None) -> None:
    """After a moment, since the media frame may come later; the far end is told (R29)."""
    script = Script.calling()
    script.say("telnyx_rtc.answer", callID=CALL_ID, sdp=sdp)
    script.wait(1.9)
    assert script.states() == []
    script.sent()
    script.wait(0.2)
    assert byes(script) == [bye("NORMAL_CLEARING", 16)]
    why = reason(script)
    assert (why.cause, type(why.error), why.is_local) == ("AnswerError", CallError, False)


def test_ringing_is_told_each_time() -> None:
    """iOS's `onRingingAckReceived`; the state changes once."""
    script = Script.calling()
    script.say("telnyx_rtc.ringing", callID=CALL_ID)
    script.say("telnyx_rtc.ringing", callID=CALL_ID)
    assert script.events(RingingAckReceived) == [RingingAckReceived(UUID(CALL_ID))] * 2
    assert script.states() == ["RINGING"]


@pytest.mark.parametrize("key", ["callID", "callId", "dialogParams.callID", "dialogParams.callId"])
def test_the_call_id_is_found_wherever_it_is(key: str) -> None:
    """And compared without regard to case: iOS's are in upper case."""
    script = Script.calling()
    *outer, name = key.split(".")
    params: dict[str, Any] = {name: CALL_ID.upper()}
    script.say("telnyx_rtc.ringing", **({"dialogParams": params} if outer else params))
    assert script.states() == ["RINGING"]


def test_what_the_server_tells_of_a_call_is_kept() -> None:
    """Ids, answer headers, data centre; later frames add, and nothing is taken back."""
    script = Script.calling()
    ids = {"telnyx_session_id": "s-1", "telnyx_leg_id": "l-1"}
    script.say("telnyx_rtc.ringing", callID=CALL_ID, **ids, variables={"FreeSWITCH-Hostname": "b2bua-rtc-1"})
    first = script.event(CallUpdated).details
    assert first == outcomes.CallDetails("s-1", "l-1", datacenter="b2bua-rtc-1")
    script.say("telnyx_rtc.ringing", callID=CALL_ID, **ids)
    assert script.events(CallUpdated) == []
    headers = [{"name": "X-A", "value": "1"}, {"name": "X-B"}, {"value": "no name"}, "no object"]
    script.say(
        "telnyx_rtc.answer",
        callID=CALL_ID,
        sdp=ANSWER,
        telnyx_call_control_id="v3:1",
        telnyx_leg_id="",
        telnyx_session_id=None,
        dialogParams={"custom_headers": headers},
    )
    assert script.event(CallUpdated).details == outcomes.CallDetails(
        "s-1", "l-1", "v3:1", (("X-A", "1"), ("X-B", "")), "b2bua-rtc-1"
    )


@pytest.mark.parametrize("method", ["ringing", "media", "answer", "bye", "candidate", "display", "invite", "attach"])
@pytest.mark.parametrize("call_id", [CALL_ID, OTHER_ID])
def test_requests_about_calls_are_acknowledged(method: str, call_id: str) -> None:
    """With their own number, known call or not, and before anything that we send because of them (R27)."""
    script = Script.calling()
    script.sent()
    request_id = script.say(f"telnyx_rtc.{method}", callID=call_id, candidate="candidate:1")
    assert script.sent() == [ack(request_id, f"telnyx_rtc.{method}")]


@pytest.mark.parametrize("method", ["ping", "clientReady", "gatewayState", "info", "event", "modify", "widget_config"])
def test_other_requests_are_not(method: str) -> None:
    """As in JavaScript."""
    script = Script.ready()
    script.say(f"telnyx_rtc.{method}", state="REGED")
    script.ai("response.created")
    assert not [frame for frame in script.sent() if "result" in frame]


def test_nothing_is_acknowledged_before_the_login() -> None:
    """Nothing but the login goes out (R19)."""
    script = Script.opened()
    script.say("telnyx_rtc.bye", callID=CALL_ID)
    assert script.sent_methods() == ["anonymous_login"]


def test_frames_without_id_are_not_acknowledged() -> None:
    """There would be no id to say."""
    script = Script.calling()
    script.sent()
    script.frame({"method": "telnyx_rtc.ringing", "params": {"callID": CALL_ID}})
    assert script.sent() == []
    assert script.states() == ["RINGING"]


def test_a_call_that_is_not_out_yet_cannot_be_answered() -> None:
    """The server cannot know it."""
    script = Script.logged_in()
    script.place_call()
    script.forget()
    for method, params in (RINGING, MEDIA, ANSWERED, ("telnyx_rtc.bye", {})):
        script.say(method, callID=CALL_ID, **params)
    assert script.events() == []


def test_how_far_a_call_has_come() -> None:
    """Each step is told when it happens."""
    script = Script.ready()
    script.place_call()
    script.reply("telnyx_rtc.invite", callID=CALL_ID, message="CALL CREATED", sessid=SERVER_SESSION)
    script.say("telnyx_rtc.ringing", callID=CALL_ID)
    script.say("telnyx_rtc.media", callID=CALL_ID, sdp=ANSWER)
    script.say("telnyx_rtc.answer", callID=CALL_ID)
    assert [event.step for event in script.events(CallProgress)] == [
        CallStep.INVITE_SENT,
        CallStep.INVITE_ACCEPTED,
        CallStep.RINGING,
        CallStep.REMOTE_DESCRIPTION,
        CallStep.ANSWERED,
    ]


# -- the invite's reply ------------------------------------------------------------------------------------------------


def test_a_refused_invite_ends_the_call() -> None:
    """With the server's text and cause, and without a bye (R30)."""
    script = Script.calling()
    script.refuse("telnyx_rtc.invite", -32002, "CALL ERROR", cause="GATEWAY_DOWN", causeCode=809)
    why = reason(script)
    assert (why.cause, why.cause_code, why.is_local) == ("GATEWAY_DOWN", 809, False)
    assert isinstance(why.error, CallError)
    assert (why.error.code, why.error.cause, why.error.call_id) == (40005, "GATEWAY_DOWN", UUID(CALL_ID))
    assert "CALL ERROR" in str(why.error)
    answer = why.error.__cause__
    assert isinstance(answer, ServerError)
    assert (answer.server_code, answer.server_message, answer.data["causeCode"]) == (-32002, "CALL ERROR", 809)
    assert byes(script) == []


def test_a_refusal_without_a_cause_has_none() -> None:
    """The text is still there."""
    script = Script.calling()
    script.refuse("telnyx_rtc.invite", -32602, "Permission Denied")
    why = reason(script)
    assert why.cause is None
    assert "Permission Denied" in str(why)


def test_a_refusal_may_come_too_late() -> None:
    """After a hang-up nobody waits for it."""
    script = Script.calling()
    invite = script.expect("telnyx_rtc.invite")
    script.hang_up()
    script.forget()
    script.frame({"id": invite["id"], "error": {"code": -32002, "message": "CALL ERROR"}})
    assert script.events() == []


def test_no_reaction_to_an_invite_ends_the_call() -> None:
    """After thirty seconds, with a bye in case the server did hear of it."""
    script = Script.calling()
    script.wait(29.9)
    assert script.states() == []
    script.sent()
    script.wait(0.2)
    assert byes(script) == [bye("USER_BUSY", 17)]
    why = reason(script)
    assert (why.cause, why.cause_code, why.is_local) == ("RECOVERY_ON_TIMER_EXPIRE", 102, False)
    assert isinstance(why.error, CallError)


@pytest.mark.parametrize("sign", ["result", "telnyx_rtc.ringing", "telnyx_rtc.media"])
def test_any_sign_of_life_lets_it_ring_on(sign: str) -> None:
    """People take their time; two minutes without an answer are the end."""
    script = Script.calling()
    if sign == "result":
        script.reply("telnyx_rtc.invite", callID=CALL_ID, message="CALL CREATED")
    else:
        script.say(sign, callID=CALL_ID)
    script.wait(119.9)
    assert "DONE" not in script.states()
    script.wait(0.2)
    assert reason(script).cause == "RECOVERY_ON_TIMER_EXPIRE"


def test_time_outs_can_be_set() -> None:
    """They are values."""
    script = Script.calling(settings=SessionSettings(invite_timeout=1.0))
    script.wait(1.1)
    assert script.states() == ["DONE"]


@pytest.mark.parametrize("rings", [True, False])
def test_a_time_out_of_the_calls_own(rings: bool) -> None:
    """From the invite to the answer, whatever else the server says; a sign of life does not stop it."""
    script = Script.ready()
    script.place_call(answer_timeout=5.0)
    if rings:
        script.say("telnyx_rtc.ringing", callID=CALL_ID)
    script.wait(4.9)
    assert "DONE" not in script.states()
    script.wait(0.2)
    why = reason(script)
    assert (why.cause, type(why.error)) == ("RECOVERY_ON_TIMER_EXPIRE", CallError)


def test_a_time_out_longer_than_the_usual() -> None:
    """Three minutes are three minutes, once the far end rings."""
    script = Script.ready()
    script.place_call(answer_timeout=180.0)
    script.say("telnyx_rtc.ringing", callID=CALL_ID)
    script.wait(179.0)
    assert "DONE" not in script.states()
    script.wait(2.0)
    assert script.states() == ["DONE"]


def test_an_active_call_has_no_clock() -> None:
    """It lasts as long as it lasts."""
    script = Script.talking()
    script.wait(24 * 3600)
    assert (script.events(), script.sent()) == ([], [])


# -- the end -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "cause", "code"), [("calling", "USER_BUSY", 17), ("talking", "NORMAL_CLEARING", 16)])
def test_hanging_up_says_the_cause_that_fits(state: str, cause: str, code: int) -> None:
    """17 before the answer, 16 after it (R31); the call is over at once."""
    script: Script = getattr(Script, state)()
    script.sent()
    script.hang_up()
    assert byes(script) == [bye(cause, code)]
    why = reason(script)
    assert (why.cause, why.cause_code, why.is_local, why.error) == (cause, code, True, None)


@pytest.mark.parametrize(
    ("given", "cause", "code"),
    [
        ({"cause": "CALL_REJECTED"}, "CALL_REJECTED", 21),
        ({"cause": "CALL_REJECTED", "cause_code": 99}, "CALL_REJECTED", 99),
        ({"cause": "MY_OWN"}, "MY_OWN", None),
    ],
)
def test_the_user_may_give_a_cause(given: dict[str, Any], cause: str, code: int | None) -> None:
    """With the number that goes with it, if there is one."""
    script = Script.talking()
    script.hang_up(**given)
    assert byes(script) == [bye(cause, code)]
    assert (why := reason(script)).cause == cause
    assert why.cause_code == code


def test_a_cause_may_be_a_number_only() -> None:
    """Then the number is what is said."""
    script = Script.talking()
    script.hang_up(cause_code=42)
    assert byes(script) == [{"causeCode": 42, "dialogParams": {"callID": CALL_ID}}]


@pytest.mark.parametrize("stage", ["before the login", "before the offer", "before REGED"])
def test_a_call_that_is_not_out_is_cancelled_quietly(stage: str) -> None:
    """Its invite never goes out, and so neither does a bye (trap 17)."""
    script = {"before the login": Script, "before the offer": Script.ready, "before REGED": Script.logged_in}[stage]()
    script.session.calls.create(CallOptions(CALL_ID), script.now)
    if stage != "before the offer":
        script.session.calls.set_local_description(CALL_ID, OFFER, script.now)
    script.hang_up()
    assert script.states() == ["NEW", "CONNECTING", "DONE"]
    script.session.calls.set_local_description(CALL_ID, OFFER, script.now)
    script.apply_sdp()
    if stage == "before REGED":
        script.gateway("REGED")
    assert not {"telnyx_rtc.invite", "telnyx_rtc.bye"} & set(script.sent_methods())


def test_hanging_up_twice_is_hanging_up() -> None:
    """And a call that never was has ended already."""
    script = Script.talking()
    script.hang_up()
    script.hang_up()
    script.session.calls.hang_up(OTHER_ID, script.now)
    script.session.calls.fail(CALL_ID, MediaError("too late"), script.now)
    assert len(byes(script)) == 1
    assert script.states() == ["DONE"]


@pytest.mark.parametrize(("state", "cause", "code"), [("calling", "USER_BUSY", 17), ("talking", "NORMAL_CLEARING", 16)])
def test_failed_media_ends_the_call(state: str, cause: str, code: int) -> None:
    """With a bye, and the error as the reason."""
    script: Script = getattr(Script, state)()
    error = MediaError("no codec in common")
    script.session.calls.fail(CALL_ID, error, script.now)
    assert byes(script) == [bye(cause, code)]
    why = reason(script)
    assert (why.error, why.is_local) == (error, False)


def test_failed_media_before_the_invite() -> None:
    """Such as no ICE candidate: nobody has to be told."""
    script = Script.ready()
    script.session.calls.create(CallOptions(CALL_ID), script.now)
    script.session.calls.fail(CALL_ID, CallError("no way out", cause="X"), script.now)
    assert script.sent() == []
    assert reason(script).cause == "X"


@pytest.mark.parametrize("state", ["calling", "talking"])
def test_a_remote_bye_ends_the_call(state: str) -> None:
    """All that it says is kept; it is acknowledged; there is no bye from us (R32)."""
    script: Script = getattr(Script, state)()
    script.sent()
    request_id = script.say(
        "telnyx_rtc.bye",
        callID=CALL_ID,
        cause="CALL_REJECTED",
        causeCode=21,
        sipCode=603,
        sipReason="Decline",
        sip_call_id="sip-1",
        client_state="aGVsbG8=",
    )
    assert script.sent() == [ack(request_id, "telnyx_rtc.bye")]
    assert script.event(CallUpdated).details.client_state == "aGVsbG8="
    assert reason(script) == CallTerminationReason("CALL_REJECTED", 21, 603, "Decline", "sip-1")


def test_a_bare_bye_ends_the_call_too() -> None:
    """Only the call's id is needed; members of other types are as good as missing."""
    for params in ({}, {"cause": 5, "causeCode": "--1", "sipCode": True, "sipReason": [], "client_state": {}}):
        script = Script.talking()
        script.say("telnyx_rtc.bye", callID=CALL_ID, **params)
        assert reason(script) == CallTerminationReason()


def test_numbers_may_be_texts() -> None:
    """A SIP code is a SIP code."""
    script = Script.talking()
    script.say("telnyx_rtc.bye", callID=CALL_ID, causeCode="-1", sipCode="486")
    assert (why := reason(script)).sip_code == 486
    assert why.cause_code == -1


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_byes_that_cross_are_one_end(first: str) -> None:
    """D: whoever is first gives the reason."""
    script = Script.talking()
    steps: list[Callable[[], object]] = [
        script.hang_up,
        lambda: script.say("telnyx_rtc.bye", callID=CALL_ID, cause="NORMAL_CLEARING", sipCode=200),
    ]
    for step in steps if first == "ours" else reversed(steps):
        step()
    assert reason(script).is_local is (first == "ours")
    assert "ack telnyx_rtc.bye" in script.sent_methods()


@pytest.mark.parametrize("error", [None, NetworkError("network is down")])
def test_a_lost_connection_ends_an_active_call(error: NetworkError | None) -> None:
    """Where it is not replaced: `DROPPED` with its reason, then `DONE`; no bye into a dead socket."""
    script = Script.talking(settings=ONE_CONNECTION)
    script.lose_connection(error)
    dropped, done = script.events(CallStateChanged)
    assert (dropped.state, dropped.state.get_reason()) == (CallState.DROPPED, "Network lost")
    assert done.state == CallState.DONE
    assert isinstance(done.state.termination_reason.error, NetworkError)  # type: ignore[union-attr]
    assert script.sent() == []


@pytest.mark.parametrize("progress", [0, 1, 2])
def test_a_lost_connection_ends_an_unanswered_call(progress: int) -> None:
    """Straight: only answered calls can be recovered (S14)."""
    script = Script.calling()
    for method, params in (RINGING, MEDIA)[:progress]:
        script.say(method, callID=CALL_ID, **params)
    script.forget_events()
    script.lose_connection(NetworkError("network is down"))
    assert script.states() == ["DONE"]


def test_disconnect_hangs_up() -> None:
    """Before the connection is closed."""
    script = Script.talking()
    script.session.disconnect(script.now)
    assert byes(script) == [bye("NORMAL_CLEARING", 16)]
    kinds = [type(event) for event in script.events()]
    assert kinds.index(CallStateChanged) < kinds.index(outcomes.CloseConnection)


# -- several calls -----------------------------------------------------------------------------------------------------


def test_calls_do_not_mix() -> None:
    """Each frame is for its call; each call has its own end."""
    script = Script.calling()
    script.place_call(OTHER_ID)
    script.say("telnyx_rtc.answer", callID=OTHER_ID, sdp=ANSWER)
    script.apply_sdp(OTHER_ID)
    script.say("telnyx_rtc.bye", callID=CALL_ID, cause="USER_BUSY")
    changes = [(event.call_id, event.state.value) for event in script.events(CallStateChanged)]
    assert changes[2:] == [(OTHER_ID, "ACTIVE"), (CALL_ID, "DONE")]
    assert script.write("still here")


@pytest.mark.parametrize("known", [[], [CALL_ID]])
def test_calls_that_the_server_has_lost_end(known: list[str]) -> None:
    """48501, locally; one that waits for its invite is not meant (R38)."""
    script = Script.talking()
    script.session.calls.create(CallOptions(OTHER_ID), script.now)
    script.forget()
    script.say("telnyx_rtc.clientReady", reattached_sessions=known)
    if known:
        assert script.states() == []
    else:
        assert reason(script).error.code == 48501  # type: ignore[union-attr]
    assert byes(script) == []


def test_a_client_ready_that_does_not_say_ends_nothing() -> None:
    """The list may be missing."""
    script = Script.talking()
    script.say("telnyx_rtc.clientReady")
    assert script.states() == []


def test_commands_about_unknown_calls_are_ignored() -> None:
    """They cross with ends."""
    script = Script.ready()
    script.session.calls.set_local_description(OTHER_ID, OFFER, script.now)
    script.session.calls.remote_description_applied(OTHER_ID, script.now)
    script.session.calls.fail(OTHER_ID, MediaError("x"), script.now)
    assert (script.sent(), script.events()) == ([], [])


def test_a_description_that_never_came_cannot_be_applied() -> None:
    """A mistake of ours."""
    script = Script.calling()
    with pytest.raises(LocalProtocolError, match="remote description"):
        script.apply_sdp()


STEPS: dict[str, Any] = {
    "ringing": lambda script: script.say("telnyx_rtc.ringing", callID=CALL_ID),
    "media": lambda script: script.say("telnyx_rtc.media", callID=CALL_ID, sdp=ANSWER),
    "answer": lambda script: script.say("telnyx_rtc.answer", callID=CALL_ID),
    "apply": lambda script: script.events(RemoteDescription) and script.apply_sdp(),
    "hangup": lambda script: script.hang_up(),
    "bye": lambda script: script.say("telnyx_rtc.bye", callID=CALL_ID),
    "lose": lambda script: script.lose_connection(),
}


def test_every_short_story_ends_once() -> None:
    """Whatever happens in whatever order: legal states, and one `DONE`, which is the last."""
    for steps in itertools.permutations(STEPS, 3):
        script = Script.calling()
        for step in steps:
            STEPS[step](script)
        script.hang_up()
        script.end()


def test_media_that_nobody_asked_for_are_not_sent() -> None:
    """The answer to an offer of the server's, while the call is not being taken up again."""
    script = Script.talking()
    script.sent()
    script.session.calls.set_answer(CALL_ID, ANSWER, script.now)
    assert (script.sent(), script.events()) == ([], [])
    lose(script)
    reopen(script)
    log_in_again(script, reattached=[CALL_ID], attach=True)
    answer(script)
    script.sent()
    script.session.calls.set_answer(CALL_ID, ANSWER, script.now)
    assert script.sent() == []
