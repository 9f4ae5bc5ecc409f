"""`registration`: from the open socket to ready, and every way in which that fails."""

from __future__ import annotations

from typing import Any

import pytest

from telnyx_agent._protocol import outcomes
from telnyx_agent._protocol.outcomes import ClientReady, CloseConnection, LoginFailed, SessionUpdated
from telnyx_agent._protocol.states import CallState, SessionState
from telnyx_agent._protocol.warnings import TxWarning, WarningCode
from telnyx_agent._protocol.wire.inbound import GatewayReport
from telnyx_agent.errors import (
    AuthenticationError,
    GatewayError,
    LocalProtocolError,
    NetworkError,
    SocketConnectionError,
    TxError,
)
from tests.protocol.script import CALL_ID, ONE_CONNECTION, SERVER_SESSION, VOICE_SDK_ID, Script

NOT_YET = ["UNREGED", "TRYING", "REGISTER", "UNREGISTER", "NOREG"]
LOST = ["FAILED", "FAIL_WAIT", "EXPIRED", "TIMEOUT", "DOWN"]


def failure(script: Script, kind: type[TxError]) -> Any:
    """The error of the login that failed: reported once, followed by the end of the connection, and by nothing."""
    failed, *rest = [event for event in script.events() if not isinstance(event, SessionUpdated)]
    assert isinstance(failed, LoginFailed)
    assert type(failed.error) is kind
    assert rest == [CloseConnection(1000)]
    assert script.session.registration.state is SessionState.CLOSING
    assert script.session.get_timer() is None
    script.say("telnyx_rtc.clientReady")
    script.say("telnyx_rtc.gatewayState", state="REGED")
    script.wait(60)
    assert script.events() == []
    return failed.error


# -- login -------------------------------------------------------------------------------------------------------------


def test_nothing_happens_before_the_socket_opens() -> None:
    """No frame, no event, no timer."""
    script = Script()
    assert (script.sent(), script.events(), script.session.get_timer()) == ([], [], None)
    assert script.session.registration.state is SessionState.IDLE
    assert script.session.registration.report == GatewayReport(None)


def test_the_login_is_the_first_frame() -> None:
    """Also if a call waits, and whatever the server says first (R19, S1)."""
    script = Script()
    script.place_call()
    script.text('{"id":1,"method":"telnyx_rtc.ping","params":{}}')
    assert script.sent() == []
    script.session.connection_opened(script.now)
    assert script.sent_methods() == ["anonymous_login"]


def test_the_login_says_who_we_are_and_no_more() -> None:
    """What was not given is absent, not null; there is nothing like a user or a password (i-01, i-06)."""
    params = Script.opened().expect("anonymous_login")["params"]
    session_id = params.pop("sessid")
    assert session_id == session_id.lower() != ""
    assert params == {
        "target_type": "ai_assistant",
        "target_id": "assistant-123",
        "reconnection": False,
        "User-Agent": {"sdkVersion": "0.1.0", "data": "Python-0.1.0"},
    }


def test_the_login_carries_all_that_was_given() -> None:
    """Variables go out as they are: nested, with every type of JSON (i-07)."""
    variables = {"user_id": "12345", "n": 1, "f": 1.5, "t": True, "none": None, "nested": {"list": [1, {"a": "b"}]}}
    script = Script.opened(
        target_version_id="v1.2.0",
        user_variables=variables,
        reconnection=True,
        conversation_id="conv-1",
        target_params={"other": 1},
    )
    params = script.expect("anonymous_login")["params"]
    assert params["userVariables"] == variables
    assert params["target_version_id"] == "v1.2.0"
    assert params["reconnection"] is True
    assert params["conversation_id"] == "conv-1"
    assert params["target_params"] == {"other": 1, "conversation_id": "conv-1"}


def test_the_session_id_is_the_servers() -> None:
    """Ours goes out first; what the login's result says replaces it, and is told even if it is the same (R7, R10)."""
    script = Script.opened()
    ours = script.session.registration.session_id
    assert script.expect("anonymous_login")["params"]["sessid"] == ours
    script = Script.opened()
    script.accept_login()
    assert script.events() == [SessionUpdated(SERVER_SESSION)]
    script = Script.opened()
    script.reply("anonymous_login", message="logged in")
    assert script.events() == [SessionUpdated(ours)]


def test_a_later_result_may_change_the_session_id() -> None:
    """Any result carries it (S4); the same again is no news."""
    script = Script.logged_in()
    script.forget_events()
    script.reply("telnyx_rtc.gatewayState", params={"state": "REGED"}, sessid="another")
    assert script.events() == [SessionUpdated("another"), ClientReady()]
    assert script.session.registration.session_id == "another"


def test_voice_sdk_id_is_taken_from_any_frame_and_kept() -> None:
    """It is never replaced by nothing (R3)."""
    script = Script.opened()
    assert script.session.registration.voice_sdk_id is None
    for value in (VOICE_SDK_ID, None, ""):
        script.frame({"id": 5, "method": "telnyx_rtc.info", "params": {}, "voice_sdk_id": value})
        assert script.session.registration.voice_sdk_id == VOICE_SDK_ID
    script.frame({"id": "nobody's", "result": {}, "voice_sdk_id": "VSDK2"})
    assert script.session.registration.voice_sdk_id == "VSDK2"


def test_the_gateway_is_asked_when_the_server_is_ready() -> None:
    """With the affinity token, as JavaScript does; clientReady itself is not acknowledged (R12)."""
    script = Script.opened()
    script.frame({"id": script.expect("anonymous_login")["id"], "result": {}, "voice_sdk_id": VOICE_SDK_ID})
    assert script.sent() == []
    script.say("telnyx_rtc.clientReady", reattached_sessions=[])
    (query,) = script.sent()
    assert (query["method"], query["params"], query["voice_sdk_id"]) == ("telnyx_rtc.gatewayState", {}, VOICE_SDK_ID)
    script.say("telnyx_rtc.clientReady", reattached_sessions=[])
    assert script.sent() == []


def test_the_gateway_is_asked_without_client_ready() -> None:
    """Three seconds after the login (R13)."""
    script = Script.opened()
    script.accept_login()
    script.wait(2.9)
    assert script.sent() == []
    script.wait(0.2)
    assert script.sent_methods() == ["telnyx_rtc.gatewayState"]
    script.say("telnyx_rtc.clientReady")
    assert script.sent() == []


def test_client_ready_may_overtake_the_logins_result() -> None:
    """A proxy stands between; the question goes out as soon as the login is known to be good."""
    script = Script.opened()
    script.say("telnyx_rtc.clientReady")
    assert script.sent_methods() == ["anonymous_login"]
    script = Script.opened()
    script.say("telnyx_rtc.clientReady")
    script.accept_login()
    assert script.sent_methods() == ["telnyx_rtc.gatewayState"]


@pytest.mark.parametrize("state", ["REGED", "reged"])
@pytest.mark.parametrize("form", ["result", "push"])
def test_reged_makes_ready(form: str, state: str) -> None:
    """As result and as push (R14), in any case."""
    script = Script.logged_in()
    script.forget_events()
    if form == "result":
        script.gateway(state)
    else:
        script.say("telnyx_rtc.gatewayState", state=state)
    assert script.events() == [ClientReady()]
    assert script.session.registration.is_ready
    script.wait(3600)
    assert script.events() == []


def test_reged_before_the_login_is_worth_nothing() -> None:
    """A session that is not logged in does not become ready."""
    script = Script.opened()
    script.say("telnyx_rtc.gatewayState", state="REGED")
    assert script.events() == []


def test_reged_tells_where_we_are() -> None:
    """The siblings of the state on newer servers."""
    script = Script.logged_in()
    state = {"state": "REGED", "call_report_id": "report-1", "dc": "ams3-prod", "region": "eu-west"}
    script.reply("telnyx_rtc.gatewayState", params=state)
    session = script.session
    assert (
        session.registration.report.call_report_id,
        session.registration.report.datacenter,
        session.registration.report.region,
    ) == ("report-1", "ams3-prod", "eu-west")
    assert session.registration.target_id == "assistant-123"


# -- the gateway -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", NOT_YET)
def test_a_state_on_the_way_is_asked_about_again(state: str) -> None:
    """Two to six seconds later (R14)."""
    script = Script.logged_in()
    script.gateway(state)
    script.wait(1.99)
    assert script.sent() == []
    script.wait(4.01)
    assert script.sent_methods() == ["telnyx_rtc.gatewayState"]


@pytest.mark.parametrize("state", NOT_YET)
@pytest.mark.parametrize("random", [0.0, 0.999])
def test_the_fifth_answer_may_be_reged(state: str, random: float) -> None:
    """Four times not, then yes, within the fifteen seconds, however the dice fall (E: NOREG x 4, then REGED)."""
    script = Script.logged_in(random=random)
    for _ in range(4):
        script.gateway(state)
        script.wait(3.1)
    script.gateway("REGED")
    assert script.session.registration.is_ready


@pytest.mark.parametrize("state", NOT_YET)
def test_the_fifth_answer_is_the_last(state: str) -> None:
    """B': 46001, a `GatewayError`."""
    script = Script.logged_in()
    for _ in range(4):
        script.gateway(state)
        script.wait(3)
    script.gateway(state)
    error = failure(script, GatewayError)
    assert (error.code, error.server_message) == (46001, state)


@pytest.mark.parametrize("state", LOST)
@pytest.mark.parametrize("form", ["result", "push"])
def test_a_state_that_leads_nowhere_fails_at_once(form: str, state: str) -> None:
    """E: 45004; the token for a reconnection is kept."""
    script = Script.logged_in()
    script.frame({"id": 1, "method": "telnyx_rtc.info", "params": {}, "voice_sdk_id": VOICE_SDK_ID})
    if form == "result":
        script.gateway(state)
    else:
        script.say("telnyx_rtc.gatewayState", state=state)
    error = failure(script, GatewayError)
    assert (error.code, error.server_message) == (45004, state)
    assert script.session.registration.voice_sdk_id == VOICE_SDK_ID


@pytest.mark.parametrize("state", ["ATTACHED", "IDLE", "SOMETHING_NEW"])
def test_states_that_say_nothing_are_no_failure(state: str) -> None:
    """They are not counted; the question is asked again, in case that was the answer."""
    script = Script.logged_in()
    for _ in range(4):
        script.gateway(state)
        script.wait(3)
    script.gateway("REGED")
    assert script.session.registration.is_ready


def test_a_push_beside_the_result_is_not_counted_twice() -> None:
    """Four rounds of both forms, and there is still one to go."""
    script = Script.logged_in()
    for _ in range(4):
        script.say("telnyx_rtc.gatewayState", state="TRYING")
        script.gateway("TRYING")
        script.wait(3)
    script.gateway("REGED")
    assert script.session.registration.is_ready


@pytest.mark.parametrize("state", [*NOT_YET, "REGED", "ATTACHED"])
def test_once_registered_older_states_are_no_news(state: str) -> None:
    """Neither a second `Ready` nor a question."""
    script = Script.ready()
    script.say("telnyx_rtc.gatewayState", state=state)
    script.wait(60)
    assert (script.events(), script.sent()) == ([], [])
    assert script.session.registration.is_ready


@pytest.mark.parametrize("state", LOST)
def test_a_registration_can_be_lost(state: str) -> None:
    """After `Ready` it is a `ClientFailed`, where there is to be no further connection; calls are dropped and end."""
    script = Script.talking(settings=ONE_CONNECTION)
    script.say("telnyx_rtc.gatewayState", state=state)
    assert isinstance(script.event(outcomes.ClientFailed).error, GatewayError)
    dropped, done = script.events(outcomes.CallStateChanged)
    assert (dropped.state, dropped.state.get_reason()) == (CallState.DROPPED, "Server error")
    assert isinstance(done.state.termination_reason.error, GatewayError)  # type: ignore[union-attr]
    assert script.sent_methods() == ["telnyx_rtc.bye"]
    assert script.events(CloseConnection) == [CloseConnection(1000)]


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_no_answer_to_the_login_is_a_network_error() -> None:
    """After ten seconds (R11; api_parity (a), note 5)."""
    script = Script.opened()
    script.wait(9.9)
    assert script.events() == []
    script.wait(0.2)
    assert "network" in str(failure(script, NetworkError))


@pytest.mark.parametrize("answers", [[], ["TRYING"]])
def test_no_reged_in_time_is_a_gateway_error(answers: list[str]) -> None:
    """After fifteen seconds (R11); its text has neither of the two words that the seeds look for."""
    script = Script.logged_in()
    for answer in answers:
        script.gateway(answer)
    script.wait(15.1)
    error = failure(script, GatewayError)
    assert "network" not in str(error).lower()
    assert "authentication" not in str(error).lower()


def test_server_requests_do_not_stop_the_clock() -> None:
    """A server that talks but does not answer the login has not answered it."""
    script = Script.opened()
    for _ in range(9):
        script.wait(1)
        script.say("telnyx_rtc.ping", serno=1)
    script.wait(1.1)
    failure(script, NetworkError)


@pytest.mark.parametrize("code", [-32001, -32000, -32601, "123"])
def test_a_refused_login_is_an_authentication_error(code: int | str) -> None:
    """With the server's code and message unchanged, and no second try (R15)."""
    script = Script.opened()
    script.refuse("anonymous_login", code, "Login Incorrect", data={"more": 1})
    error = failure(script, AuthenticationError)
    assert (error.server_code, error.server_message, error.data) == (code, "Login Incorrect", {"more": 1})
    assert "authentication" in str(error)
    assert error.code == 46001
    assert script.sent() == []


def test_a_refusal_may_say_nothing() -> None:
    """The server's empty text stays empty; ours says so. Android knows a form with a state in place of a message."""
    script = Script.opened()
    script.refuse("anonymous_login", -32001, "")
    error = failure(script, AuthenticationError)
    assert error.server_message == ""
    assert "no reason given" in str(error)
    script = Script.opened()
    script.refuse("anonymous_login", -32001, "", params={"state": "FAILED"})
    assert failure(script, AuthenticationError).server_message == "FAILED"


def test_a_legacy_refusal_is_one_too() -> None:
    """A result that wraps a code which is not "200"."""
    script = Script.opened()
    script.reply("anonymous_login", result={"code": "403", "message": "no"})
    assert failure(script, AuthenticationError).server_code == "403"


def test_an_error_instead_of_the_state() -> None:
    """The gateway's state cannot be had: a `GatewayError` with the server's words."""
    script = Script.logged_in()
    script.refuse("telnyx_rtc.gatewayState", -32601, "Invalid Method")
    assert failure(script, GatewayError).server_code == -32601


@pytest.mark.parametrize("state", ["opened", "logged_in"])
@pytest.mark.parametrize("error", [None, NetworkError("network is down")])
def test_the_connection_is_lost_during_the_login(state: str, error: TxError | None) -> None:
    """Also in an orderly way: whoever waits for the login has to know."""
    script: Script = getattr(Script, state)()
    script.forget_events()
    script.lose_connection(error)
    (failed,) = script.events()
    assert isinstance(failed, LoginFailed)
    assert isinstance(failed.error, NetworkError)
    assert error is None or failed.error is error
    assert script.session.registration.state is SessionState.CLOSED
    assert script.session.get_timer() is None


def test_the_connection_is_never_made() -> None:
    """The driver reports a failed connection as a closed one."""
    script = Script()
    script.lose_connection(NetworkError("network: refused"))
    assert "refused" in str(script.event(LoginFailed).error)


@pytest.mark.parametrize("error", [None, NetworkError("network is down")])
def test_the_connection_is_lost_later(error: TxError | None) -> None:
    """Where it is not replaced, an error is reported; an orderly end is none. 36005 in both cases."""
    script = Script.ready(settings=ONE_CONNECTION)
    script.lose_connection(error)
    warned = outcomes.ClientWarning(TxWarning(WarningCode.RECONNECTION_FAILED_WITH_NO_AUTO_RECONNECT))
    assert script.events() == [warned, *([] if error is None else [outcomes.ClientFailed(error, is_final=True)])]


# -- the end by our own will -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["opened", "logged_in", "ready", "talking"])
def test_disconnect_closes_once(state: str) -> None:
    """And whatever happens afterwards, nothing does any more."""
    script: Script = getattr(Script, state)()
    script.session.disconnect(script.now)
    script.session.disconnect(script.now)
    assert script.events(CloseConnection) == [CloseConnection(1000)]
    script.forget()
    script.say("telnyx_rtc.bye", callID=CALL_ID)
    script.text("garbage")
    script.wait(60)
    script.lose_connection()
    script.session.disconnect(script.now)
    assert (script.events(), script.sent()) == ([], [])


def test_disconnect_before_the_socket_opens() -> None:
    """No login goes out then."""
    script = Script()
    script.session.disconnect(script.now)
    script.session.connection_opened(script.now)
    assert script.sent() == []
    assert script.events() == [CloseConnection(1000)]


def test_a_driver_that_repeats_itself_is_told() -> None:
    """To open twice, or to close twice, is a mistake of ours (states, rule 2)."""
    script = Script.opened()
    with pytest.raises(LocalProtocolError):
        script.session.connection_opened(script.now)
    script.lose_connection()
    with pytest.raises(LocalProtocolError):
        script.lose_connection()


# -- the server forgets us (R16) ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [-32000, "-32000"])
def test_a_login_that_was_lost_is_repeated_once(code: int | str) -> None:
    """On any request; with the server's session id and `reconnection`. There is no second `Ready`."""
    script = Script.ready()
    script.say("telnyx_rtc.ping", serno=1)
    script.refuse("telnyx_rtc.ping", code, "Authentication Required")
    login = script.expect("anonymous_login")
    assert (login["params"]["sessid"], login["params"]["reconnection"]) == (SERVER_SESSION, True)
    assert not script.session.registration.is_ready
    script.frame({"id": login["id"], "result": {"sessid": SERVER_SESSION}})
    script.say("telnyx_rtc.clientReady")
    script.gateway("REGED")
    assert script.session.registration.is_ready
    assert script.events(ClientReady) == []


def test_a_login_that_is_lost_again_is_the_end() -> None:
    """46003."""
    script = Script.ready()
    for _ in range(2):
        script.say("telnyx_rtc.ping", serno=1)
        script.refuse("telnyx_rtc.ping", -32000, "Authentication Required")
        if script.session.registration.state is SessionState.LOGGING_IN:
            script.accept_login()
    error = script.event(outcomes.ClientFailed).error
    assert isinstance(error, AuthenticationError)
    assert error.code == 46003
    assert script.events(CloseConnection)


def test_an_invite_goes_out_again_after_the_login() -> None:
    """The call does not notice."""
    script = Script.calling()
    script.refuse("telnyx_rtc.invite", -32000, "Authentication Required")
    script.accept_login()
    script.say("telnyx_rtc.clientReady")
    script.gateway("REGED")
    assert script.expect("telnyx_rtc.invite")["params"]["dialogParams"]["callID"] == CALL_ID
    assert script.states() == []


def test_a_message_does_not() -> None:
    """The user is told, and the transcript does not show what nobody heard."""
    script = Script.talking()
    script.write("Hello")
    script.refuse("ai_conversation", -32000, "Authentication Required")
    assert script.transcript() == []
    assert script.events(outcomes.ClientFailed)
    assert script.sent_methods() == ["anonymous_login"]


def test_several_requests_lead_to_one_login() -> None:
    """Two refusals in a row are one loss."""
    script = Script.calling()
    script.say("telnyx_rtc.ping", serno=1)
    script.refuse("telnyx_rtc.ping", -32000, "Authentication Required")
    script.refuse("telnyx_rtc.invite", -32000, "Authentication Required")
    assert script.sent_methods() == ["anonymous_login"]
    assert script.events(outcomes.ClientFailed) == []


def test_the_second_login_may_be_refused() -> None:
    """Then the session is over, and its calls with it."""
    script = Script.talking()
    script.say("telnyx_rtc.ping", serno=1)
    script.refuse("telnyx_rtc.ping", -32000, "Authentication Required")
    script.refuse("anonymous_login", -32001, "Login Incorrect")
    assert isinstance(script.event(outcomes.ClientFailed).error, AuthenticationError)
    assert isinstance(script.end().termination_reason.error, AuthenticationError)  # type: ignore[union-attr]


def test_an_error_reply_to_nobody_is_complained_of_once() -> None:
    """Such as the late answer to somebody's ping: nothing has failed, so it is no error, whatever its number is."""
    script = Script.ready()
    for number in (99421, 99422):
        script.frame({"id": number, "error": {"code": -32000, "message": "Authentication Required"}})
    assert script.sent() == []
    (complaint,) = script.events()
    assert isinstance(complaint, outcomes.Malformed)
    assert complaint.error.message == "an error reply (-32000) that answers no request"


# -- keep-alive --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["opened", "ready"])
def test_pings_are_answered_after_the_login_only(state: str) -> None:
    """Each with a new ping of ours, which nobody has to answer (R19)."""
    script: Script = getattr(Script, state)()
    script.sent()
    for _ in range(2):
        script.frame({"id": 99421, "method": "telnyx_rtc.ping", "params": {"serno": 1}, "voice_sdk_id": VOICE_SDK_ID})
    pings = script.sent()
    assert len(pings) == (2 if state == "ready" else 0)
    for ping in pings:
        assert (ping["method"], ping["params"], ping["voice_sdk_id"]) == ("telnyx_rtc.ping", {}, VOICE_SDK_ID)
        assert ping["id"] != 99421
    script.wait(9.9 if state == "opened" else 3600)
    assert script.events() == []


def test_a_ping_without_anything_is_answered() -> None:
    """iOS's tests have one with neither id nor number."""
    script = Script.logged_in()
    script.sent()
    script.text('{"jsonrpc":"2.0","method":"telnyx_rtc.ping","params":{}}')
    assert script.sent_methods() == ["telnyx_rtc.ping"]


def test_notifications_need_a_connection() -> None:
    """They are not kept for later (R49)."""
    for script in (Script(), Script.opened(), Script.logged_in()):
        script.sent()
        with pytest.raises(SocketConnectionError):
            script.session.conversation.send_function_call_output("call-1", "{}", script.now)
        with pytest.raises(SocketConnectionError):
            script.session.conversation.subscribe_audio_stream()
        assert script.sent() == []
    script = Script.ready()
    script.session.conversation.send_function_call_output("call-1", "{}", script.now)
    script.session.conversation.subscribe_audio_stream()
    assert [frame["params"]["item"]["type"] for frame in script.sent()] == [
        "function_call_output",
        "response.audio_stream.subscribe",
    ]
