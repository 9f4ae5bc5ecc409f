"""Scenarios A to H (protocol.md, section 10), from the client's side, frame by frame."""

from __future__ import annotations

import pytest

from telnyx_agent._protocol import outcomes
from telnyx_agent._protocol.outcomes import CallStateChanged, ClientReady, CloseConnection, LoginFailed
from telnyx_agent._protocol.states import SessionState
from telnyx_agent.errors import AuthenticationError, CallError, GatewayError, SocketConnectionError
from tests.protocol.script import ANSWER, CALL_ID, SERVER_SESSION, VOICE_SDK_ID, Script, ack

IDS = {"telnyx_session_id": "s-1", "telnyx_leg_id": "l-1", "telnyx_call_control_id": "v3:1"}
SETTINGS = {"theme": "dark", "start_call_text": "Talk"}


def log_in(script: Script, *, gateway: str = "result", settings: str = "late") -> None:
    """A1 to A6."""
    script.accept_login()
    if settings == "early":
        script.ai("widget_settings", widget_settings=SETTINGS)
    script.say("telnyx_rtc.clientReady", reattached_sessions=[])
    if gateway == "push":
        assert script.expect("telnyx_rtc.gatewayState")
        script.say("telnyx_rtc.gatewayState", state="REGED")
    else:
        script.gateway("REGED")
    if settings == "late":
        script.ai("widget_settings", widget_settings=SETTINGS)


def call(script: Script, order: str = "media answer") -> None:
    """A7 to A11."""
    script.place_call()
    script.reply("telnyx_rtc.invite", callID=CALL_ID, message="CALL CREATED", sessid=SERVER_SESSION)
    acks = [ack(script.say("telnyx_rtc.ringing", callID=CALL_ID, **IDS), "telnyx_rtc.ringing")]
    for step in order.split():
        method, _, sdp = step.partition("+")
        params = {"sdp": ANSWER} if sdp or step == "media" else {}
        acks.append(ack(script.say(f"telnyx_rtc.{method}", callID=CALL_ID, **params), f"telnyx_rtc.{method}"))
    assert script.events(outcomes.RemoteDescription) == [outcomes.RemoteDescription(CALL_ID, ANSWER)]
    script.apply_sdp()
    assert script.sent() == acks


def converse(script: Script, *, item_ids: bool = True, as_text: bool = False) -> None:
    """A12 to A16."""
    ids = {"item_id": "r1", "response_id": "r1"} if item_ids else {}
    script.ai("response.created", response={"id": "r1", "output": [], "status": "in_progress"})
    for text in (" Hi", " there!"):
        script.ai("response.text.delta", delta=text, content_index=0, output_index=0, **ids)
    script.ai("response.text.done", **ids)
    script.ai("response.done", response={"id": "r1", "status": "completed"})
    for status, text in (("in_progress", "What"), ("completed", "What time is it?")):
        content = text if as_text else [{"type": "input_audio", "transcript": text}]
        item = {"id": "u1", "type": "message", "role": "user", "status": status, "content": content}
        script.ai("conversation.item.created", item=item)
    script.ai("response.text.delta", delta="Noon.", item_id="r2", response_id="r2")
    script.ai("response.done", response={"id": "r2", "status": "completed"})


CONVERSATION = ["assistant:  Hi there!", "user: What time is it?", "assistant: Noon."]


def test_a_a_conversation_from_login_to_close() -> None:
    """A: every step, and not a frame more than the protocol wants."""
    script = Script.opened()
    log_in(script)
    assert [type(event) for event in script.events()][:2] == [outcomes.SessionUpdated, ClientReady]
    call(script)
    assert script.states() == ["NEW", "CONNECTING", "RINGING", "ACTIVE"]
    converse(script)
    assert script.sent() == []
    assert script.transcript() == CONVERSATION

    item_id = script.write("And the date?")
    script.reply("ai_conversation")
    script.ai("conversation.item.created", item={"id": item_id, "role": "user", "content": "And the date?"})
    assert script.transcript() == [*CONVERSATION, "user: And the date?"]

    tool = {"type": "function_call", "call_id": "c1", "name": "today", "arguments": "{}"}
    script.ai("conversation.item.created", item=tool)
    assert script.event(outcomes.FunctionCallReceived).call.name == "today"
    script.session.conversation.send_function_call_output("c1", '{"date": "today"}', script.now)
    assert "id" not in script.expect("ai_conversation")

    script.say("telnyx_rtc.ping", serno=1753348085)
    script.reply("telnyx_rtc.ping", message="PONG", sessid=SERVER_SESSION)

    script.hang_up()
    script.reply("telnyx_rtc.bye", callID=CALL_ID, message="CALL ENDED", cause="NORMAL_CLEARING", causeCode=16)
    script.end()
    script.session.disconnect(script.now)
    assert script.events(CloseConnection) == [CloseConnection(1000)]
    script.lose_connection()
    assert script.sent() == []
    assert script.session.registration.state is SessionState.CLOSED
    assert not script.events(outcomes.ClientFailed)
    assert not script.events(outcomes.Malformed)


@pytest.mark.parametrize("order", ["media answer", "answer+sdp", "answer media", "media answer+sdp"])
def test_a_variants_of_the_answer(order: str) -> None:
    """A10 left out, A11 before A10, both with SDP."""
    script = Script.opened()
    log_in(script)
    call(script, order)
    assert script.states()[-1] == "ACTIVE"
    converse(script)
    assert script.transcript() == CONVERSATION


@pytest.mark.parametrize("gateway", ["result", "push"])
@pytest.mark.parametrize("settings", ["early", "late", "never"])
def test_a_variants_of_the_login(gateway: str, settings: str) -> None:
    """Push in place of A5; A6 before A3, or not at all."""
    script = Script.opened()
    log_in(script, gateway=gateway, settings=settings)
    assert script.events(ClientReady) == [ClientReady()]
    assert (script.session.conversation.widget_settings is None) is (settings == "never")


def test_a_variant_two_states_before_reged() -> None:
    """TRYING, REGISTER, then REGED."""
    script = Script.logged_in()
    for state in ("TRYING", "REGISTER"):
        script.gateway(state)
        assert not script.session.registration.is_ready
        script.wait(3)
    script.gateway("REGED")
    assert script.events(ClientReady) == [ClientReady()]


@pytest.mark.parametrize(("item_ids", "as_text"), [(False, False), (True, True)])
def test_a_variants_of_the_conversation(item_ids: bool, as_text: bool) -> None:
    """Deltas without item id; content as a text."""
    script = Script.talking()
    converse(script, item_ids=item_ids, as_text=as_text)
    assert script.transcript() == CONVERSATION


def test_b_an_invalid_target() -> None:
    """B: one error, no retry, the client closes."""
    script = Script.opened()
    script.refuse("anonymous_login", -32001, "Login Incorrect")
    error = script.event(LoginFailed).error
    assert isinstance(error, AuthenticationError)
    assert (error.code, error.server_code, error.server_message) == (46001, -32001, "Login Incorrect")
    assert script.events() == [CloseConnection(1000)]
    script.wait(60)
    assert script.sent() == []


def test_b1_a_target_that_never_registers() -> None:
    """B': UNREGED five times."""
    script = Script.logged_in()
    for _ in range(5):
        script.gateway("UNREGED")
        script.wait(3)
    assert script.event(LoginFailed).error.code == 46001


def test_b2_a_target_that_cannot_be_called() -> None:
    """B'': the login is good, the invite is refused; the session goes on."""
    script = Script.calling()
    script.refuse("telnyx_rtc.invite", -32002, "CALL ERROR", cause="UNALLOCATED_NUMBER", causeCode=1)
    reason = script.end().termination_reason
    assert reason is not None
    assert (reason.cause, reason.cause_code, type(reason.error)) == ("UNALLOCATED_NUMBER", 1, CallError)
    assert script.session.registration.is_ready
    assert not script.events(outcomes.ClientFailed)


@pytest.mark.parametrize(
    ("cause", "code", "sip_code", "sip_reason"),
    [
        ("CALL_REJECTED", 21, 603, "Decline"),
        ("USER_BUSY", 17, 486, "Busy Here"),
        ("UNALLOCATED_NUMBER", 1, 404, "Not Found"),
        ("NORMAL_TEMPORARY_FAILURE", 41, 503, "Service Unavailable"),
    ],
)
def test_c_the_far_end_rejects(cause: str, code: int, sip_code: int, sip_reason: str) -> None:
    """C: acknowledged, ended with that reason, no bye from us."""
    script = Script.opened()
    log_in(script)
    script.place_call()
    script.reply("telnyx_rtc.invite", callID=CALL_ID, message="CALL CREATED", sessid=SERVER_SESSION)
    script.say("telnyx_rtc.ringing", callID=CALL_ID)
    script.sent()
    request_id = script.say(
        "telnyx_rtc.bye", callID=CALL_ID, cause=cause, causeCode=code, sipCode=sip_code, sipReason=sip_reason
    )
    assert script.sent() == [ack(request_id, "telnyx_rtc.bye")]
    reason = script.end().termination_reason
    assert reason is not None
    assert (reason.cause, reason.cause_code, reason.sip_code, reason.is_local) == (cause, code, sip_code, False)
    assert str(reason) == f"SIP {sip_code}: {sip_reason}"


def test_c_variant_the_gateway_is_down() -> None:
    """An error in place of CALL CREATED."""
    script = Script.calling()
    script.refuse("telnyx_rtc.invite", -32002, "CALL ERROR", cause="GATEWAY_DOWN", causeCode=809)
    assert script.end().get_reason() == "GATEWAY_DOWN"
    assert script.sent() == []


def test_d_the_far_end_hangs_up() -> None:
    """D: the partial item is final before the end, which comes once."""
    script = Script.opened()
    log_in(script)
    call(script)
    script.ai("response.text.delta", delta="Good", item_id="r1")
    script.say("telnyx_rtc.bye", callID=CALL_ID, cause="NORMAL_CLEARING", causeCode=16, sipCode=200)
    assert script.transcript() == ["assistant: Good"]
    assert [type(event) for event in script.events()][-1] is CallStateChanged


@pytest.mark.parametrize("first", ["client", "server"])
def test_d_race_both_hang_up(first: str) -> None:
    """Both byes on the wire; one end, and the connection is fit for another call."""
    script = Script.talking()
    if first == "client":
        script.hang_up()
    script.say("telnyx_rtc.bye", callID=CALL_ID, cause="NORMAL_CLEARING", causeCode=16)
    if first == "server":
        script.hang_up()
    else:
        script.refuse("telnyx_rtc.bye", -32002, "CALL DOES NOT EXIST")
    script.end()
    script.forget()
    script.place_call()
    assert script.sent_methods() == ["telnyx_rtc.invite"]
    assert not script.events(outcomes.ClientFailed)


@pytest.mark.parametrize("state", ["FAILED", "FAIL_WAIT", "TIMEOUT", "EXPIRED"])
def test_e_the_gateway_is_down(state: str) -> None:
    """E: 45004, and the token for another try is there."""
    script = Script.logged_in()
    query = script.expect("telnyx_rtc.gatewayState")
    result = {"params": {"state": state}, "sessid": SERVER_SESSION}
    script.frame({"id": query["id"], "result": result, "voice_sdk_id": VOICE_SDK_ID})
    error = script.event(LoginFailed).error
    assert (type(error), error.code) == (GatewayError, 45004)
    assert script.events(CloseConnection) == [CloseConnection(1000)]
    assert script.session.registration.voice_sdk_id == VOICE_SDK_ID


def test_e_variant_down_is_pushed() -> None:
    """DOWN, as a method frame."""
    script = Script.logged_in()
    script.say("telnyx_rtc.gatewayState", state="DOWN")
    assert isinstance(script.event(LoginFailed).error, GatewayError)


def test_e_variant_noreg_four_times() -> None:
    """Then REGED: that is not a failure."""
    script = Script.logged_in(random=1.0)
    for _ in range(4):
        script.gateway("NOREG")
        script.wait(3)
    script.gateway("REGED")
    assert script.events(LoginFailed) == []
    assert script.session.registration.is_ready


def test_e_variant_the_socket_is_closed_instead() -> None:
    """Close code 4014: the signalling tells us with an error."""
    script = Script.logged_in()
    error = SocketConnectionError("the server closed the connection (4014)")
    script.lose_connection(error)
    assert script.event(LoginFailed).error is error


def test_f_a_ping_has_one_pong_after_the_login() -> None:
    """F: silence before."""
    script = Script.opened()
    script.say("telnyx_rtc.ping", serno=1753348085)
    assert script.sent_methods() == ["anonymous_login"]
    script = Script.opened()
    log_in(script)
    script.say("telnyx_rtc.ping", serno=1753348085)
    script.say("telnyx_rtc.ping", serno=1753348115)
    assert script.sent_methods() == ["telnyx_rtc.ping", "telnyx_rtc.ping"]


@pytest.mark.parametrize("state", ["ready", "calling", "talking"])
def test_h_punt(state: str) -> None:
    """H: calls end here, no bye goes out, the socket is closed (R36)."""
    script: Script = getattr(Script, state)()
    script.forget()
    script.frame({"id": 38, "jsonrpc": "2.0", "method": "telnyx_rtc.punt", "params": {}})
    assert script.sent() == []
    failed, *changes, close = script.events()
    assert isinstance(failed, outcomes.ClientFailed)
    assert close == CloseConnection(1000)
    ends = [change for change in changes if isinstance(change, CallStateChanged)]
    assert [end.state.value for end in ends] == ([] if state == "ready" else ["DONE"])
    assert all(end.state.get_reason() == "PURGE" for end in ends)


def test_h_punt_during_the_login() -> None:
    """Then it is the login that fails."""
    script = Script.logged_in()
    script.say("telnyx_rtc.punt")
    assert isinstance(script.event(LoginFailed).error, SocketConnectionError)
