"""The server core: calls and conversations (protocol.md scenarios A, C, D, G and section 5)."""

from __future__ import annotations

from typing import Any

import pytest

from telnyx_agent.testing import _events as ev
from telnyx_agent.testing.scenario import FunctionCall, HangUp, Scenario

from .script import ANSWER, CALL_ID, OFFER, SESSION_ID, Server, is_uuid, name_of

ENDED = {"callID": CALL_ID, "message": "CALL ENDED", "causeCode": 16, "cause": "NORMAL_CLEARING", "sessid": SESSION_ID}


def test_an_answered_call() -> None:
    """Scenario A7 to A11, in the order and at the times of the captures."""
    server = Server()
    client = server.logged_in()
    invite = client.invite(answered=False)
    offered = client.event(ev.CallOffered)
    assert offered == ev.CallOffered(CALL_ID, OFFER, trickle=False)
    client.core.set_local_description(CALL_ID, ANSWER, server.now)
    assert client.take() == []
    start = server.now
    server.pass_time(0.021)
    assert client.reply(invite)["result"] == {"callID": CALL_ID, "message": "CALL CREATED", "sessid": SESSION_ID}
    server.pass_time(0.08)
    ringing = client.frame("ringing")["params"]
    assert (ringing["caller_id_name"], ringing["caller_id_number"]) == ("Ann", "1")
    assert {"telnyx_leg_id", "telnyx_session_id", "telnyx_call_control_id"} <= ringing.keys()
    server.pass_time(0.2)
    assert client.frame("media")["params"]["sdp"] == ANSWER
    server.pass_time(0.05)
    answer = client.frame("answer")["params"]
    assert "sdp" not in answer
    assert answer["telnyx_leg_id"] == ringing["telnyx_leg_id"]
    assert client.event(ev.CallAnswered).greet_at == pytest.approx(start + 0.5)


def test_the_answer_waits_for_the_sdp() -> None:
    """Media that takes its time delays media and answer, but not the ringing."""
    server = Server()
    client = server.logged_in()
    client.invite(answered=False)
    server.pass_time(2)
    assert client.names() == ["result", "ringing"]
    client.core.set_local_description(CALL_ID, ANSWER, server.now)
    assert client.names() == ["media", "answer"]


@pytest.mark.parametrize(
    ("changes", "frames"),
    [
        ({}, [("media", True), ("answer", False)]),
        ({"sdp_in": "answer"}, [("answer", True)]),
        ({"sdp_in": "both"}, [("media", True), ("answer", True)]),
        ({"sdp_in": "none"}, [("media", False), ("answer", False)]),
        ({"answer_before_media": True}, [("answer", False), ("media", True)]),
        ({"ringing": False}, [("media", True), ("answer", False)]),
    ],
)
def test_variants_of_the_answer(changes: dict[str, Any], frames: list[tuple[str, bool]]) -> None:
    """Scenario A, variants: which frame carries the SDP, and their order."""
    client = Server().logged_in(Scenario(**changes))
    client.invite()
    seen = [(frame["method"].split(".")[-1], "sdp" in frame["params"]) for frame in client.take() if "method" in frame]
    assert [one for one in seen if one[0] != "ringing"] == frames
    assert (("ringing", False) in seen) is changes.get("ringing", True)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({}, {"message": "Dialog data missing"}),
        ({"dialogParams": {}}, {"message": "CallID missing"}),
        ({"dialogParams": {"callID": "x"}}, {"message": "SDP missing", "callID": "x"}),
        ({"dialogParams": {"callID": "x"}, "sdp": "v=0"}, {"message": "CODEC ERROR", "callID": "x"}),
        ({"dialogParams": {"callID": "x"}, "sdp": "m=audio"}, {"message": "MEDIA ERROR", "callID": "x"}),
        (
            {"dialogParams": {"callID": "x"}, "sdp": OFFER.replace("a=candidate", "a=x")},
            {"message": "MEDIA ERROR", "callID": "x"},
        ),
    ],
)
def test_invites_that_lack_something(params: dict[str, Any], error: dict[str, Any]) -> None:
    """A7's checks; the code is -32002 (S8)."""
    assert Server().logged_in().ask("telnyx_rtc.invite", params)["error"] == {"code": -32002, **error}


def test_trickle_needs_no_candidate() -> None:
    """A7: with `trickle` the candidates come later."""
    client = Server().logged_in()
    client.invite(answered=False, sdp=OFFER.replace("a=candidate", "a=x"), trickle=True)
    assert client.event(ev.CallOffered).trickle


def test_candidates() -> None:
    """Section 3.7, in the official SDKs' spellings."""
    client = Server().logged_in()
    client.invite(answered=False, trickle=True)
    dialog = {"dialogParams": {"callID": CALL_ID}}
    candidate = {"candidate": "a=candidate:1 1 UDP 1 192.0.2.1 5 typ host", "sdpMid": "0", "sdpMLineIndex": 0}
    assert client.ask("telnyx_rtc.candidate", {**candidate, **dialog})["result"] == {"sessid": SESSION_ID}
    assert client.ask("telnyx_rtc.endOfCandidates", {"endOfCandidates": True, **dialog})["result"]
    text = "candidate:1 1 UDP 1 192.0.2.1 5 typ host"
    assert client.event(ev.CandidateReceived) == ev.CandidateReceived(CALL_ID, text, "0", 0)
    assert client.event(ev.CandidateReceived) == ev.CandidateReceived(CALL_ID, None)


def test_invite_before_registration() -> None:
    """Section 2.2: an invite before REGED fails with GATEWAY_DOWN."""
    client = Server().connect()
    client.login()
    request_id = client.invite(answered=False)
    client.server.pass_time(0.1)
    error = client.reply(request_id)["error"]
    assert error == {"code": -32002, "message": "CALL ERROR", "cause": "GATEWAY_DOWN", "causeCode": 809}


def test_refused_invites() -> None:
    """Scenarios B'' and C, variant: the error carries cause and code; nothing else comes."""
    client = Server().logged_in(Scenario.invalid_target("invite"))
    error = client.reply(client.invite())["error"]
    assert error == {"code": -32002, "message": "CALL ERROR", "cause": "UNALLOCATED_NUMBER", "causeCode": 1}
    client.server.pass_time(5)
    assert client.take() == []


def test_silence_after_the_invite() -> None:
    """An invite that is never answered."""
    client = Server().logged_in(Scenario.silent("invite"))
    client.invite()
    client.server.pass_time(20)
    assert client.take() == []


@pytest.mark.parametrize(
    ("cause", "code", "sip_code", "reason"),
    [
        ("CALL_REJECTED", 21, 603, "Decline"),
        ("USER_BUSY", 17, 486, "Busy Here"),
        ("UNALLOCATED_NUMBER", 1, 404, "Not Found"),
        ("NORMAL_TEMPORARY_FAILURE", 41, 503, "Service Unavailable"),
    ],
)
def test_rejections(cause: str, code: int, sip_code: int, reason: str) -> None:
    """Scenario C: a bye while it rings, with the SIP fields."""
    client = Server().logged_in(Scenario.rejected(cause))
    client.invite()
    bye = client.frame("bye")["params"]
    assert (bye["cause"], bye["causeCode"], bye["sipCode"], bye["sipReason"]) == (cause, code, sip_code, reason)
    assert client.event(ev.CallEnded) == ev.CallEnded(CALL_ID, cause, by_client=False)
    assert client.names() == []


def test_any_cause() -> None:
    """Unknown causes are passed through; S19: without SIP fields where none are known."""
    scenario = Scenario(hang_up_before_answer=HangUp("STRANGE", 999))
    client = Server().logged_in(scenario)
    client.invite(dialogParams={"callID": CALL_ID, "clientState": "aGk="})
    bye = client.frame("bye")["params"]
    assert bye["cause"] == "STRANGE"
    assert bye["causeCode"] == 999
    assert bye["client_state"] == "aGk="
    assert not {"sipCode", "sipReason", "sip_call_id"} & bye.keys()


def test_remote_hang_up() -> None:
    """Scenario D: some time after the answer."""
    client = Server().logged_in(Scenario.remote_hang_up(after=1.0))
    client.invite()
    client.take()
    client.server.pass_time(1)
    bye = client.frame("bye")["params"]
    assert (bye["callID"], bye["cause"], bye["sipCode"]) == (CALL_ID, "NORMAL_CLEARING", 200)


def test_the_client_hangs_up() -> None:
    """Scenario A20: a result, no bye of the server's own (S11)."""
    client = Server().logged_in()
    client.invite()
    client.take()
    reply = client.ask("telnyx_rtc.bye", {"dialogParams": {"callID": CALL_ID}, "cause": "NORMAL_CLEARING"})
    assert reply["result"] == ENDED
    assert client.event(ev.CallEnded) == ev.CallEnded(CALL_ID, "NORMAL_CLEARING", by_client=True)
    client.server.pass_time(30)
    assert "bye" not in client.names()
    error = client.ask("telnyx_rtc.bye", {"dialogParams": {"callID": CALL_ID}})["error"]
    assert error == {"code": -32002, "message": "CALL DOES NOT EXIST", "callID": CALL_ID}


@pytest.mark.parametrize(
    "params",
    [
        {"dialogParams": {"callID": CALL_ID}, "sessid": "s"},
        {"dialogParams": {"callId": CALL_ID}, "sessid": "s"},
        {"dialogParams": {"callID": CALL_ID}, "sessId": "s"},
        {"dialogParams": {"callID": CALL_ID.upper()}, "sessionId": "s"},
        {"callID": CALL_ID},
        {"callId": CALL_ID},
    ],
)
def test_every_spelling(params: dict[str, Any]) -> None:
    """Rule 8: lenient in accepting what real SDKs send."""
    client = Server().logged_in()
    client.invite()
    assert client.ask("telnyx_rtc.bye", params)["result"]["message"] == "CALL ENDED"


def test_strict_spelling() -> None:
    """S10: in strict mode only `dialogParams.callID` is looked at."""
    client = Server().logged_in(Scenario(strict=True))
    client.invite()
    error = client.ask("telnyx_rtc.bye", {"dialogParams": {"callId": CALL_ID}, "callID": CALL_ID})["error"]
    assert error == {"code": -32002, "message": "CallID missing"}


@pytest.mark.parametrize(
    ("params", "cause", "code"),
    [
        ({"cause": "USER_BUSY", "causeCode": 99}, "USER_BUSY", 17),
        ({"causeCode": 17}, "USER_BUSY", 17),
        ({"cause": "MADE_UP", "causeCode": 7777}, "NORMAL_CLEARING", 16),
        ({"cause": "ORIGINATOR_CANCEL"}, "ORIGINATOR_CANCEL", 487),
        ({}, "NORMAL_CLEARING", 16),
    ],
)
def test_causes_of_the_client(params: dict[str, Any], cause: str, code: int) -> None:
    """S11: the name wins over the number; unknown ones become NORMAL_CLEARING."""
    client = Server().logged_in()
    client.invite()
    result = client.ask("telnyx_rtc.bye", {"callID": CALL_ID, **params})["result"]
    assert (result["cause"], result["causeCode"]) == (cause, code)


def test_byes_that_cross() -> None:
    """Scenario D, variant: the server's bye comes before the reply to the client's."""
    client = Server().logged_in(Scenario(bye_race=True))
    client.invite()
    client.take()
    client.request("telnyx_rtc.bye", {"callID": CALL_ID})
    assert client.names() == ["bye", "result"]


def test_bye_without_reply() -> None:
    """The reply to a bye may stay away."""
    client = Server().logged_in(Scenario(answer_bye=False))
    client.invite()
    client.take()
    client.request("telnyx_rtc.bye", {"callID": CALL_ID})
    assert client.names() == []


def test_hold() -> None:
    """S12: the reply has action, callID and the resulting state."""
    client = Server().logged_in()
    client.invite()
    states = []
    for action in ("hold", "hold", "unhold", "toggleHold"):
        result = client.ask("telnyx_rtc.modify", {"action": action, "dialogParams": {"callID": CALL_ID}})["result"]
        assert (result["action"], result["callID"]) == (action, CALL_ID)
        states.append(result["holdState"])
    assert states == ["held", "held", "active", "held"]
    changes = [event.held for event in client.events if isinstance(event, ev.HoldChanged)]
    assert changes == [True, False, True]


def test_modify_errors() -> None:
    """S9: an unknown call's error has the callID and the action; an unknown action is an error too."""
    client = Server().logged_in()
    error = client.ask("telnyx_rtc.modify", {"action": "hold", "dialogParams": {"callID": CALL_ID}})["error"]
    assert error == {"code": -32002, "message": "CALL DOES NOT EXIST", "callID": CALL_ID, "action": "hold"}
    client.invite()
    assert client.ask("telnyx_rtc.modify", {"callID": CALL_ID})["error"]["message"] == "action missing"


def test_update_media() -> None:
    """Section 3.5: the answer comes as the result."""
    client = Server().logged_in()
    client.invite()
    request_id = client.request("telnyx_rtc.modify", {"action": "updateMedia", "callID": CALL_ID, "sdp": OFFER})
    assert client.event(ev.MediaUpdateOffered) == ev.MediaUpdateOffered(CALL_ID, OFFER)
    client.core.answer_media_update(CALL_ID, ANSWER)
    result = client.reply(request_id)["result"]
    assert (result["action"], result["sdp"], result["sessid"]) == ("updateMedia", ANSWER, SESSION_ID)


def test_update_media_too_early() -> None:
    """S12: on an unanswered call it hangs up."""
    client = Server().logged_in()
    client.invite(answered=False)
    assert "error" in client.ask("telnyx_rtc.modify", {"action": "updateMedia", "callID": CALL_ID, "sdp": OFFER})
    assert client.frame("bye")["params"]["cause"] == "DESTINATION_OUT_OF_ORDER"


def test_dtmf() -> None:
    """S17: an unknown call gets a result too, but without a message."""
    client = Server().logged_in()
    client.invite()
    info = {"dtmf": "5#", "dialogParams": {"callID": CALL_ID}}
    assert client.ask("telnyx_rtc.info", info)["result"] == {"message": "SENT", "sessid": SESSION_ID}
    assert client.event(ev.DigitsReceived) == ev.DigitsReceived(CALL_ID, "5#")
    assert client.ask("telnyx_rtc.info", {"dtmf": "5", "callID": "other"})["result"] == {"sessid": SESSION_ID}


def test_media_that_cannot_be_made() -> None:
    """The driver's refusal ends the call with a bye."""
    client = Server().logged_in()
    client.invite(answered=False)
    client.core.refuse_media(CALL_ID, client.server.now)
    assert client.frame("bye")["params"]["cause"] == "INCOMPATIBLE_DESTINATION"
    client.server.pass_time(1)
    assert "answer" not in client.names()


def test_a_call_id_that_is_in_use() -> None:
    """The second invite with an id is refused; the first call goes on."""
    client = Server().logged_in()
    client.invite()
    error = client.ask("telnyx_rtc.invite", {"sdp": OFFER, "dialogParams": {"callID": CALL_ID.upper()}})["error"]
    assert error["message"] == "CALL ERROR"
    assert client.ask("telnyx_rtc.bye", {"callID": CALL_ID})["result"]


def test_attach_calls() -> None:
    """Push flow: the ATTACHED state, which is neither ready nor an error."""
    reply = Server().logged_in().ask("telnyx_rtc.attachCalls", {"userVariables": {}})
    assert reply["result"] == {"params": {"state": "ATTACHED"}, "sessid": SESSION_ID}


# -- conversations -----------------------------------------------------------------------------------------------------


def test_typed_messages_are_echoed() -> None:
    """A17: a result, then the echo with the same item id."""
    client = Server().logged_in()
    client.invite()
    client.take()
    content = [
        {"type": "input_text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}},
    ]
    item = {"id": "item-1", "type": "message", "role": "user", "content": content}
    params = {"type": "conversation.item.create", "previous_item_id": None, "item": item}
    assert client.ask("ai_conversation", params)["result"] == {"sessid": SESSION_ID}
    echo = client.frame("conversation.item.created")["params"]["item"]
    assert echo == {**item, "status": "completed"}
    typed = client.event(ev.MessageTyped)
    assert typed == ev.MessageTyped(CALL_ID, "item-1", "Look", ("data:image/png;base64,",))


def test_an_echo_as_string_or_not_at_all() -> None:
    """The other shape on the wire; and a server that does not echo."""
    params = {
        "type": "conversation.item.create",
        "item": {"id": "i", "content": [{"type": "input_text", "text": "Hi"}]},
    }
    client = Server().logged_in(Scenario(content_as_string=True))
    client.request("ai_conversation", params)
    assert client.frame("conversation.item.created")["params"]["item"]["content"] == "Hi"
    client = Server().logged_in(Scenario(echo_messages=False))
    client.request("ai_conversation", params)
    assert client.names() == ["result"]


def test_function_calls() -> None:
    """A18: three strings; the output is a notification that gets no reply."""
    client = Server().logged_in()
    client.invite()
    client.take()
    call_id = client.core.function_call(FunctionCall("lookup_order", '{"id": 1}'))
    item = client.frame("conversation.item.created")["params"]["item"]
    assert item == {"type": "function_call", "call_id": call_id, "name": "lookup_order", "arguments": '{"id": 1}'}
    output = {"type": "function_call_output", "call_id": call_id, "output": "{}"}
    params = {"type": "conversation.item.create", "item": output}
    client.send({"jsonrpc": "2.0", "method": "ai_conversation", "params": params})
    assert client.take() == []
    assert client.event(ev.FunctionOutput) == ev.FunctionOutput(CALL_ID, call_id, "lookup_order", "{}")


def test_subscriptions_are_confirmed() -> None:
    """`response.audio_stream.subscribe` and unknown conversation types do no harm."""
    client = Server().logged_in()
    item = {"type": "response.audio_stream.subscribe"}
    assert client.ask("ai_conversation", {"type": "conversation.item.create", "item": item})["result"]
    assert client.ask("ai_conversation", {"type": "what.ever", "item": 3})["result"]
    assert client.ask("ai_conversation", None)["result"]


def test_a_response() -> None:
    """A12 to A14: one id for item and response, UUIDs for the frames."""
    client = Server().logged_in()
    client.invite()
    client.take()
    client.core.response_created("r", client.server.now)
    client.core.response_delta("r", "Hello")
    client.core.response_delta("r", " there!")
    client.core.response_done("r", "Hello there!")
    frames = client.take()
    assert [frame["params"]["type"] for frame in frames] == [
        "response.created",
        "response.text.delta",
        "response.text.delta",
        "response.text.done",
        "response.done",
    ]
    assert all(is_uuid(frame["id"]) for frame in frames)
    assert frames[1]["params"]["item_id"] == frames[1]["params"]["response_id"] == "r"
    assert frames[3]["params"]["text"] == "Hello there!"


def test_a_response_in_other_shapes() -> None:
    """Variants: deltas without item_id or response_id, responses without an end."""
    client = Server().logged_in(Scenario(delta_item_id=False, delta_response_id=False, response_done=False))
    client.core.response_delta("r", "Hello")
    client.core.response_done("r", "Hello")
    (frame,) = client.take()
    assert not {"item_id", "response_id"} & frame["params"].keys()


def test_user_items() -> None:
    """A15: in progress, then completed, with the same id."""
    client = Server().logged_in()
    client.core.user_item("u", "I want", completed=False)
    client.core.user_item("u", "I want out", completed=True)
    first, second = (frame["params"]["item"] for frame in client.take())
    assert first["id"] == second["id"] == "u"
    assert (first["status"], second["status"]) == ("in_progress", "completed")
    assert second["content"] == [{"type": "input_audio", "transcript": "I want out"}]


def test_user_items_in_other_shapes() -> None:
    """Variants: content as a string, no partial items."""
    client = Server().logged_in(Scenario(content_as_string=True, in_progress_items=False))
    client.core.user_item("u", "I want", completed=False)
    client.core.user_item("u", "I want out", completed=True)
    (frame,) = client.take()
    assert frame["params"]["item"]["content"] == "I want out"


# -- a lost socket -----------------------------------------------------------------------------------------------------


def test_reattach() -> None:
    """Scenario G: attach, then clientReady with the call; after the client's answer a result and a display."""
    server = Server()
    first = server.logged_in()
    first.invite()
    first.lose()
    assert first.event(ev.CallDetached).call_id == CALL_ID
    second = server.connect(voice_sdk_id=first.core.voice_sdk_id)
    assert second.core.voice_sdk_id == first.core.voice_sdk_id
    second.login(reconnection=True)
    assert second.names() == ["result"]
    assert second.event(ev.AttachWanted).call_id == CALL_ID
    server.pass_time(1)
    second.core.set_local_description(CALL_ID, "v=0 offer", server.now)
    attach = second.frame("attach")
    assert isinstance(attach["id"], int)
    assert (attach["params"]["callID"], attach["params"]["sdp"]) == (CALL_ID, "v=0 offer")
    assert second.frame("clientReady")["params"]["reattached_sessions"] == [CALL_ID]
    params = {"sdp": OFFER, "dialogParams": {"callID": CALL_ID, "attach": True}}
    assert second.ask("telnyx_rtc.attach", params)["result"] == {"sessid": SESSION_ID}
    assert second.event(ev.AttachAnswered) == ev.AttachAnswered(CALL_ID, OFFER)
    assert second.names() == ["display"]
    assert second.ask("telnyx_rtc.bye", {"callID": CALL_ID})["result"]


@pytest.mark.parametrize(
    ("reattach", "frames", "reattached"),
    [("none", ["clientReady"], []), ("late", ["clientReady", "attach"], [CALL_ID])],
)
def test_variants_of_reattach(reattach: str, frames: list[str], reattached: list[str]) -> None:
    """Scenario G, variants: the calls are lost; clientReady comes first."""
    server = Server(Scenario(reattach=reattach))
    first = server.logged_in()
    first.invite()
    first.lose()
    second = server.connect()
    second.login(reconnection=True)
    second.core.set_local_description(CALL_ID, "v=0 offer", server.now)
    seen = second.take()
    assert [frame["method"].split(".")[-1] for frame in seen if "method" in frame] == frames
    ready = next(frame for frame in seen if frame.get("method") == "telnyx_rtc.clientReady")
    assert ready["params"]["reattached_sessions"] == reattached


@pytest.mark.parametrize("client_ready", [True, False])
def test_what_is_said_while_the_client_is_away_is_sent_when_it_is_back(client_ready: bool) -> None:
    """In order, once, and not before the call has been offered again."""
    server = Server(Scenario(client_ready=client_ready))
    first = server.logged_in()
    first.invite()
    first.lose()
    for text in ("one", "two"):
        first.core.user_item(f"item-{text}", text, completed=True)
    assert [name for name in first.names() if name == "conversation.item.created"] == []
    second = server.connect(voice_sdk_id=first.core.voice_sdk_id)
    second.login(reconnection=True)
    second.core.user_item("item-three", "three", completed=True)
    second.core.set_local_description(CALL_ID, "v=0 offer", server.now)
    second.request("telnyx_rtc.gatewayState", {})
    server.pass_time(0.1)
    frames = second.take()
    items = [frame["params"]["item"]["id"] for frame in frames if name_of(frame) == "conversation.item.created"]
    assert items == ["item-one", "item-two", "item-three"]
    names = [name_of(frame) for frame in frames]
    assert names.index("attach") < names.index("conversation.item.created")
    second.core.user_item("item-four", "four", completed=True)
    assert second.names() == ["conversation.item.created"]


def test_attach_for_another_call() -> None:
    """Scenario G, variant: the callID is one that the client does not know."""
    server = Server(Scenario(reattach="other"))
    first = server.logged_in()
    first.invite()
    first.lose()
    second = server.connect()
    second.login(reconnection=True)
    second.core.set_local_description(CALL_ID, "v=0 offer", server.now)
    assert second.frame("attach")["params"]["callID"] != CALL_ID


def test_strict_reattach_needs_the_token() -> None:
    """Another instance would not know the calls: without `voice_sdk_id` in the URL they are lost."""
    server = Server(Scenario(strict=True))
    first = server.logged_in()
    first.invite()
    first.lose()
    second = server.connect()
    second.login(reconnection=True)
    assert second.names() == ["result", "clientReady"]


def test_unanswered_calls_end_with_the_socket() -> None:
    """S14."""
    server = Server()
    first = server.logged_in()
    first.invite(answered=False)
    first.lose()
    assert first.event(ev.CallEnded).by_client
    second = server.connect()
    second.login(reconnection=True)
    assert second.frame("clientReady")["params"]["reattached_sessions"] == []


def test_nobody_comes_back() -> None:
    """S14: after the time-out the detached call ends."""
    server = Server(Scenario(detach_timeout=5.0))
    client = server.logged_in()
    client.invite()
    client.lose()
    server.pass_time(4.9)
    assert server.registry.next_event() is None
    server.pass_time(0.2)
    assert server.registry.next_event() == ev.CallEnded(CALL_ID, "RECOVERY_ON_TIMER_EXPIRE", by_client=False)


def test_a_superseded_socket() -> None:
    """S15: the old socket is punted and closed, then the calls are attached to the new one."""
    server = Server()
    first = server.logged_in()
    first.invite()
    first.take()
    second = server.connect()
    second.login(reconnection=True)
    first.collect()
    assert first.names() == ["punt"]
    assert first.closed == ev.CloseSocket(1000, "superseded")
    assert second.event(ev.Superseded).connection == first.core.number
    assert second.event(ev.AttachWanted).call_id == CALL_ID
    first.lose()
    second.core.set_local_description(CALL_ID, "v=0", server.now)
    assert "clientReady" in second.names()


def test_attach_answers_that_cannot_be_used() -> None:
    """S16: attach to a call that is not detached, or without a usable SDP, is an error and hangs up."""
    client = Server().logged_in()
    client.invite()
    client.take()
    assert "error" in client.ask("telnyx_rtc.attach", {"sdp": OFFER, "dialogParams": {"callID": CALL_ID}})
    assert client.frame("bye")["params"]["cause"] == "BEARERCAPABILITY_NOTAVAIL"


def test_two_clients_at_once() -> None:
    """Sessions do not see each other; request ids are unique in the server (S7)."""
    server = Server()
    one, two = server.logged_in(sessid="s1"), server.logged_in(sessid="s2")
    one.invite("call-1")
    two.invite("call-2")
    assert "error" in one.ask("telnyx_rtc.bye", {"callID": "call-2"})
    ids = [frame["id"] for client in (one, two) for frame in client.take() if isinstance(frame.get("id"), int)]
    assert len(ids) == len(set(ids)) == 6
