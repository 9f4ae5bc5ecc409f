"""The 111 frames of the reference (protocol.md, section 11), each with its source in the test's id."""

from __future__ import annotations

import json
from typing import Any

import pytest

from telnyx_agent._protocol import outcomes
from telnyx_agent._protocol.conversation.widget import AudioVisualizerConfig, WidgetSettings
from telnyx_agent._protocol.states import GatewayState, SessionState
from telnyx_agent._protocol.wire import ai_inbound, inbound, jsonrpc, requests
from telnyx_agent._protocol.wire.inbound import CallIds, GatewayReport, Refusal, Reply
from telnyx_agent._protocol.wire.requests import AnonymousLogin, CallOptions
from tests.protocol.script import CALL_ID, SERVER_SESSION, VECTORS, VOICE_SDK_ID, Script, ack, vector


def cases(direction: str) -> list[Any]:
    """The vectors of a direction, with name and source as id."""
    return [
        pytest.param(one["name"], one["json"], id=f"{one['name']} [{one['source'].split('; ')[0]}]")
        for one in VECTORS
        if one["direction"] == direction
    ]


def test_the_vectors_are_all_there() -> None:
    """A look at the file itself."""
    assert len(VECTORS) == 111
    assert len(cases("client->server")) + len(cases("server->client")) == 111
    assert len({one["name"] for one in VECTORS}) == 111


# -- client to server --------------------------------------------------------------------------------------------------

SDP = vector("invite_recommended")["params"]["sdp"]
OPUS = {"mimeType": "audio/opus", "clockRate": 48000, "channels": 2, "sdpFmtpLine": "minptime=10;useinbandfec=1"}
OPTIONS = CallOptions(
    CALL_ID,
    "Anonymous User",
    "anonymous",
    "",
    "aGVsbG8gbXkgZnJpZW5k",
    (("X-Account-Number", "123"),),
    (OPUS,),
)


def _id(name: str) -> Any:
    return vector(name)["id"]


BUILT: dict[str, requests.Frame] = {
    "anonymous_login_recommended_python": requests.anonymous_login(
        _id("anonymous_login_recommended_python"),
        AnonymousLogin("assistant-123", conversation_id="conv-456", sdk_version="0.1.0"),
        "c0ffee00-0000-4000-8000-000000000002",
    ),
    "gateway_query": requests.gateway_state(_id("gateway_query")),
    "gateway_query_js_with_voice_sdk_id": requests.gateway_state(
        _id("gateway_query_js_with_voice_sdk_id"), VOICE_SDK_ID
    ),
    "pong_js_new_request": requests.ping(_id("pong_js_new_request"), vector("pong_js_new_request")["voice_sdk_id"]),
    "invite_recommended": requests.invite(_id("invite_recommended"), OPTIONS, SDP, SERVER_SESSION, "0.1.0"),
    "ringing_ack": requests.ack(254271, "telnyx_rtc.ringing"),
    "media_ack": requests.ack(4403, "telnyx_rtc.media"),
    "answer_ack": requests.ack(4404, "telnyx_rtc.answer"),
    "attach_unknown_ack": requests.ack(4407, "telnyx_rtc.attach"),
    "modify_hold": requests.modify(_id("modify_hold"), CALL_ID, SERVER_SESSION, "hold"),
    "modify_update_media": requests.modify(
        _id("modify_update_media"),
        CALL_ID,
        SERVER_SESSION,
        "updateMedia",
        vector("modify_update_media")["params"]["sdp"],
    ),
    "info_dtmf": requests.dtmf(_id("info_dtmf"), CALL_ID, SERVER_SESSION, "5"),
    "ai_function_call_output": requests.function_call_output("call-abc", '{"result": true}'),
    "ai_audio_stream_subscribe": requests.audio_stream_subscribe(),
    "ai_send_text_and_image": requests.message(
        _id("ai_send_text_and_image"),
        "468f7607-4417-431c-8faf-8edb4ef03efb",
        "What is in this image?",
        ["data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD"],
    ),
}
"""What our builders make for the frames that are recommended, or that JavaScript sends in the same way."""


@pytest.mark.parametrize("name", list(BUILT))
def test_our_builders_make_the_recommended_frames(name: str) -> None:
    """Member for member, and after the way through JSON."""
    assert json.loads(jsonrpc.encode(BUILT[name])) == vector(name)


def test_our_bye_is_javascripts_without_its_nulls() -> None:
    """`callID` in `dialogParams` is what the server reads (S10)."""
    expected = vector("bye_js")
    params = {name: value for name, value in expected["params"].items() if value is not None}
    built = requests.bye(expected["id"], CALL_ID, SERVER_SESSION, "NORMAL_CLEARING", 16)
    assert built == {**expected, "params": params}


def test_our_attach_has_the_members_of_the_captured_one() -> None:
    """`attach: true`, the same call id, the answer (R54); Flutter's `attach: false` is a bug."""
    expected = vector("attach_reply_request")
    call_id = expected["params"]["dialogParams"]["callID"]
    built = requests.attach(expected["id"], CallOptions(call_id), expected["params"]["sdp"], SERVER_SESSION, "0.1.0")
    assert built["params"]["dialogParams"]["attach"] is True
    assert built["params"]["dialogParams"]["callID"] == call_id
    assert built["params"].keys() == expected["params"].keys()
    assert built["params"]["sdp"] == expected["params"]["sdp"]


@pytest.mark.parametrize(("name", "frame"), cases("client->server"))
def test_client_frames_survive_the_codec(name: str, frame: dict[str, Any]) -> None:
    """What any SDK sends comes out of our codec as it went in, and is what its members say."""
    assert list(jsonrpc.decode_frames(jsonrpc.encode(frame))) == [frame]
    if "method" in frame:
        message = jsonrpc.classify(frame)
        assert isinstance(message, jsonrpc.Request)
        assert (message.method, message.id) == (frame["method"], frame.get("id"))
    elif "result" in frame:
        assert isinstance(jsonrpc.classify(frame), jsonrpc.Result)


# -- server to client --------------------------------------------------------------------------------------------------

UUID_A = "a2f31dd9-b9e6-403a-89d8-33767df14a56"
IDS = CallIds("9fc46906-686d-11f0-9240-02420a0ddb20", "9fcae98e-686d-11f0-8284-02420a0ddb20")
ANSWER_IDS = CallIds("044613a8-1885-11f1-87c4-02420aefba1f", "04461b14-1885-11f1-87f2-02420aefba1f")
CONTROL_ID = "v3:mXnwxhjqOG0oDW6V6m7pEYGFCibIeNnsHQwvvUbqyADtTXKaX6uK4g"
RESPONSE = "ad339df1-03df-4c60-a620-4e05d3c0c9f5"
GREETING = " Hi there! I'm your Telnyx Voice Assistant. How can I assist you today?"
TYPED = ("468f7607-4417-431c-8faf-8edb4ef03efb", "user", False, "What is in this image?")
CALL_ERROR_DATA = {"cause": "GATEWAY_DOWN", "causeCode": 809}
NO_CALL_DATA = {"callID": CALL_ID, "action": "hold"}


def _sdp(name: str) -> str:
    frame = vector(name)
    return str((frame.get("params") or frame["result"])["sdp"])


def _registration(name: str, state: GatewayState, session: str | None = "sess1") -> dict[str, Reply]:
    return {name: Reply(session, GatewayReport(state))}


def _ai(name: str, content: ai_inbound.AiEvent, settings: WidgetSettings | None = None) -> dict[str, Any]:
    return {name: ai_inbound.AiConversation(vector(name)["params"], content, settings)}


PARSED: dict[str, Any] = {
    "login_result_captured": Reply(SERVER_SESSION),
    "login_result_ios_capture_no_voice_id": Reply("9af493a1-2f9f-4f73-bffc-db2bc25f66f8"),
    "login_result_int_id": Reply("server-sessid"),
    "error_credentials": Refusal(-32001, "Login Incorrect"),
    "error_jwt": Refusal(-32001, "JWT token authentication failed"),
    "error_auth_required": Refusal(-32000, "Authentication Required"),
    "error_unknown_server": Refusal(-32099, "Some unexpected server failure"),
    "error_method_not_found_nested_blade": Refusal(
        -32601, "msg", data={"requester_nodeid": "req-id", "responder_nodeid": "res-id"}
    ),
    "error_string_code": Refusal("123", "Random Error", data={"callID": "call-id"}),
    "client_ready_captured": inbound.ClientReady(()),
    "client_ready_empty_params": inbound.ClientReady(None),
    "client_ready_with_state": inbound.ClientReady(("test",)),
    "client_ready_reattached_call": inbound.ClientReady((CALL_ID,)),
    **_registration("gateway_reged_captured", GatewayState.REGED, SERVER_SESSION),
    "gateway_reged_with_call_report": Reply(
        "fab032b1-9b27-43fc", GatewayReport(GatewayState.REGED, "test-report-123", "ams3-prod", "eu-west")
    ),
    **_registration("gateway_reged_no_sessid", GatewayState.REGED, None),
    "gateway_push_reged": GatewayReport(GatewayState.REGED),
    **_registration("gateway_register_result", GatewayState.REGISTER),
    **_registration("gateway_timeout_result", GatewayState.TIMEOUT),
    **_registration("gateway_failed_result", GatewayState.FAILED),
    **_registration("gateway_trying_result", GatewayState.TRYING),
    **_registration("gateway_unreged_result", GatewayState.UNREGED),
    **_registration("gateway_noreg_result", GatewayState.NOREG),
    **_registration("gateway_fail_wait_result", GatewayState.FAIL_WAIT),
    **_registration("gateway_expired_result", GatewayState.EXPIRED),
    "ping_server": inbound.Ping(),
    "ping_server_degenerate": inbound.Ping(),
    "probe_ping_reply": Reply(SERVER_SESSION),
    "ping_server_serno_epoch": inbound.Ping(),
    "pong_reply_to_verbatim_echo": Reply(SERVER_SESSION),
    "invite_result": Reply(SERVER_SESSION),
    "invite_error_gateway_down": Refusal(-32002, "CALL ERROR", "GATEWAY_DOWN", 809, CALL_ERROR_DATA),
    "bye_remote_gateway_down": inbound.Bye(CALL_ID, "GATEWAY_DOWN", 809),
    "error_call_does_not_exist": Refusal(-32002, "CALL DOES NOT EXIST", data=NO_CALL_DATA),
    "error_call_id_missing": Refusal(-32002, "CallID missing"),
    "error_invalid_method": Refusal(-32601, "Invalid Method, Missing Method or Permission Denied"),
    "error_ping_before_login": Refusal(-32000, "Authentication Required"),
    "ringing": inbound.Ringing(CALL_ID, IDS),
    "media_early": inbound.Media(CALL_ID, _sdp("media_early"), CallIds(datacenter="b2bua-rtc-1")),
    "media_minimal_js": inbound.Media("e2fda6dc-fc9d-4d77-8096-53bb502443b6", "<REMOTE-SDP>"),
    "media_flags_only_rn": inbound.Info("telnyx_rtc.media"),  # its "test-call-id" is no UUID, so it is no call of ours
    "answer_without_sdp": inbound.Answer(CALL_ID, None, IDS),
    "answer_minimal_js": inbound.Answer("e2fda6dc-fc9d-4d77-8096-53bb502443b6"),
    "answer_with_sdp_and_ids": inbound.Answer(
        UUID_A,
        _sdp("answer_with_sdp_and_ids"),
        CallIds(ANSWER_IDS.telnyx_session_id, ANSWER_IDS.telnyx_leg_id, CONTROL_ID),
    ),
    "answer_empty_control_id": inbound.Answer(UUID_A, _sdp("answer_empty_control_id"), ANSWER_IDS),
    "bye_result": Reply(SERVER_SESSION),
    "bye_remote_normal": inbound.Bye(CALL_ID, "NORMAL_CLEARING", 16, 200, "OK", "b1c9d0e2-0000-4000-8000-000000000001"),
    "bye_remote_rejected": inbound.Bye(CALL_ID, "CALL_REJECTED", 21, 603, "Decline"),
    "modify_hold_result": Reply(SERVER_SESSION, hold_state="held"),
    "modify_unhold_result_active": Reply(SERVER_SESSION, hold_state="active"),
    "modify_update_media_result": Reply(SERVER_SESSION),
    "info_dtmf_result": Reply(SERVER_SESSION),
    "info_from_server": inbound.Info("telnyx_rtc.info"),
    "inbound_invite": inbound.Invite(
        "cd35e65f-a507-4bd2-8d21-80f36d134a2e",
        "SDP",
        CallIds("si1234", "li1234", "cc1234", client_state="aGVsbG8gbXkgZnJpZW5k"),
        caller_name="Extension 1004",
        caller_number="1004",
        callee_name="Outbound Call",
        callee_number="1003",
    ),
    "attach_from_server_captured": inbound.Attach(
        "5da8ff55-0981-4659-8438-983a53c56719", _sdp("attach_from_server_captured"), IDS
    ),
    "attach_reply_result": Reply(SERVER_SESSION),
    "display_after_attach": inbound.Display(CALL_ID, "AI Assistant", "assistant"),
    **_registration("gateway_attached_result", GatewayState.ATTACHED, SERVER_SESSION),
    "punt": inbound.Punt(),
    **_ai("ai_delta_captured", ai_inbound.TextDelta(RESPONSE, RESPONSE, GREETING)),
    **_ai(
        "ai_user_item_captured",
        ai_inbound.MessageItem(
            "6da88024-6b6f-4d6b-8869-b43c37a55380", "user", False, "I want to end the current call."
        ),
    ),
    **_ai(
        "ai_user_item_string_content_captured",
        ai_inbound.MessageItem("7f71dd52-6bf9-4380-8f77-540f84904f8e", "user", False, "Testing about web RTC."),
    ),
    **_ai("ai_user_item_in_progress", ai_inbound.MessageItem("user-item-123", "user", True, "I want to...")),
    **_ai("ai_delta_part1", ai_inbound.TextDelta("response-123", None, "Hello")),
    **_ai("ai_delta_part2", ai_inbound.TextDelta("response-123", None, " there!")),
    **_ai("ai_response_created", ai_inbound.ResponseCreated(RESPONSE)),
    **_ai("ai_response_text_done", ai_inbound.TextDone(RESPONSE, RESPONSE)),
    **_ai("ai_response_done", ai_inbound.ResponseDone(RESPONSE)),
    **_ai(
        "ai_widget_settings",
        ai_inbound.OtherAi("widget_settings"),
        WidgetSettings(
            agent_thinking_text="Thinking...",
            audio_visualizer_config=AudioVisualizerConfig("verdant", "roundBars"),
            speak_to_interrupt_text="Speak to interrupt",
            start_call_text="Let's chat",
        ),
    ),
    **_ai("ai_function_call", ai_inbound.FunctionCall("call-123", "lookup_order", '{"orderId": "abc"}')),
    **_ai(
        "ai_echo_of_sent_text",
        ai_inbound.MessageItem(*TYPED, ("data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD",)),
    ),
    "widget_config_legacy_ios_test": inbound.WidgetConfig(
        WidgetSettings(theme="dark", language="fr", auto_start=True, show_transcript=False)
    ),
}


def parse(frame: dict[str, Any]) -> Any:
    """A frame as the session sees it."""
    message = jsonrpc.decode(json.dumps(frame))
    if isinstance(message, jsonrpc.Result):
        return inbound.parse_result(message)
    if isinstance(message, jsonrpc.ErrorReply):
        return inbound.parse_error(message)
    return inbound.parse(message)


@pytest.mark.parametrize(("name", "frame"), cases("server->client"))
def test_server_frames_are_parsed(name: str, frame: dict[str, Any]) -> None:
    """Each is the event that its source says it is, with every member that matters."""
    parsed = parse(frame)
    assert parsed == PARSED[name]
    assert type(parsed) is type(PARSED[name])


@pytest.mark.parametrize(("name", "frame"), cases("server->client"))
def test_server_frames_do_no_harm(name: str, frame: dict[str, Any]) -> None:
    """Whenever one comes, it is understood, acknowledged if that is due, and the session can still be ended."""
    for start in (Script.opened, Script.logged_in, Script.ready, Script.calling, Script.talking):
        script = start()
        is_acked = (
            script.session.registration.state is not SessionState.LOGGING_IN
            and frame.get("method") in inbound.ACKNOWLEDGED
        )
        script.frame(frame)
        # What answers no request of ours is complained of; it changes nothing all the same.
        assert len(script.events(outcomes.Malformed)) == isinstance(parse(frame), inbound.Refusal)
        acks = [sent for sent in script.sent() if "result" in sent]
        assert acks == ([ack(frame["id"], frame["method"])] if is_acked else [])
        script.session.disconnect(script.now)
        script.lose_connection()


# -- the suggested assertions (11.1) -----------------------------------------------------------------------------------


def test_11_1_1_ids_have_the_types_that_the_sides_use() -> None:
    """Clients number with texts, the captured server with integers, but for `ai_conversation`."""
    for one in VECTORS:
        frame, captured = one["json"], "captured" in one["name"] + one["source"]
        if one["direction"] == "client->server" and "id" in frame and "method" in frame:
            assert isinstance(frame["id"], str) or one["name"] == "pong_echo_ios_android", one["name"]
        elif one["direction"] == "server->client" and captured and "method" in frame:
            assert isinstance(frame["id"], str if frame["method"] == "ai_conversation" else int), one["name"]


def test_11_1_2_deltas_make_one_item_that_only_its_own_done_completes() -> None:
    """`Hello` and ` there!` are `Hello there!`; the end of another response changes nothing."""
    script = Script.talking()
    for name in ("ai_delta_part1", "ai_delta_part2", "ai_response_done"):
        script.frame(vector(name))
    assert script.transcript() == ["assistant: Hello there!..."]


def test_11_1_3_the_echo_of_a_typed_message_is_not_a_second_item() -> None:
    """One user item, with one image, under the id with which it was sent."""
    script = Script.talking()
    url = "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD"
    item_id = script.write("What is in this image?", url)
    echo = vector("ai_echo_of_sent_text")
    echo["params"]["item"] = {**echo["params"]["item"], "id": item_id}
    script.frame(echo)
    (item,) = script.items
    assert (item.id, item.image_urls, item.is_final) == (item_id, (url,), True)


@pytest.mark.parametrize("name", ["ai_user_item_captured", "ai_user_item_string_content_captured"])
def test_11_1_4_both_captured_user_items_are_final(name: str) -> None:
    """Content as a list of parts and content as a text."""
    script = Script.talking()
    script.frame(vector(name))
    (item,) = script.items
    assert (item.role, item.is_final) == ("user", True)


def test_11_1_5_an_answer_may_come_before_its_sdp_but_not_without() -> None:
    """Active once the media frame has brought it; ended if nothing does."""
    for frames, expected in (
        (["answer_without_sdp", "media_early"], ["ACTIVE"]),
        (["answer_without_sdp"], ["DONE"]),
    ):
        script = Script.calling()
        for name in frames:
            script.frame(vector(name))
        if script.events(outcomes.RemoteDescription):
            script.apply_sdp()
        script.wait(10)
        assert script.states() == expected


def test_11_1_6_both_forms_of_reged_make_ready_once() -> None:
    """A push and a result, in either order."""
    for names in (("gateway_push_reged", "gateway_reged_captured"), ("gateway_reged_captured", "gateway_push_reged")):
        script = Script.logged_in()
        for name in names:
            script.frame(vector(name))
        assert script.events(outcomes.ClientReady) == [outcomes.ClientReady()]


def test_11_1_7_degenerate_pings_and_unknown_results_are_no_errors() -> None:
    """A ping without id is answered; a result with an unknown number is ignored silently."""
    script = Script.ready()
    script.frame(vector("ping_server_degenerate"))
    assert script.sent_methods() == ["telnyx_rtc.ping"]
    script.frame(vector("pong_reply_to_verbatim_echo"))
    assert script.events() == []


@pytest.mark.parametrize("name", ["bye_remote_gateway_down", "bye_remote_normal", "bye_remote_rejected"])
def test_11_1_8_a_bye_for_an_unknown_call_is_acknowledged(name: str) -> None:
    """And nothing else happens."""
    script = Script.ready()
    script.frame(vector(name))
    assert script.sent() == [ack(vector(name)["id"], "telnyx_rtc.bye")]
    assert script.events() == []


def test_11_1_9_an_error_code_may_be_a_text() -> None:
    """It reaches the application as it is."""
    script = Script.opened()
    error = vector("error_string_code")["error"]
    script.frame({"id": script.expect("anonymous_login")["id"], "error": error})
    assert script.event(outcomes.LoginFailed).error.server_code == "123"  # type: ignore[attr-defined]


def test_11_1_10_attached_is_neither_ready_nor_an_error() -> None:
    """It answers `attachCalls` and says nothing about the registration."""
    script = Script.logged_in()
    script.forget()
    script.frame(vector("gateway_attached_result"))
    assert script.events() == []
    assert not script.session.registration.is_ready
