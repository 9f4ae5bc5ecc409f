"""`recovery`, and what a lost connection means for the session and its calls."""

from __future__ import annotations

import math
from typing import Any

import pytest

from telnyx_agent._protocol import outcomes as out
from telnyx_agent._protocol.conversation.questions import GREETING_WAIT
from telnyx_agent._protocol.session.settings import SessionSettings
from telnyx_agent._protocol.states import CallInput, CallState, SessionState
from telnyx_agent._protocol.warnings import TxWarning, WarningCode
from telnyx_agent._protocol.wire.requests import CallOptions
from telnyx_agent.errors import (
    AuthenticationError,
    CallError,
    GatewayError,
    NetworkError,
    ServerError,
    SocketConnectionError,
)
from tests.protocol.script import (
    ANSWER,
    CALL_ID,
    OFFER,
    RESET,
    SERVER_SESSION,
    VOICE_SDK_ID,
    Script,
    answer,
    log_in_again,
    lose,
    reopen,
)

OTHER_ID = "a2f31dd9-b9e6-403a-89d8-33767df14a56"


def end_error(script: Script) -> Any:
    """The error that the call ended with."""
    found = script.end().termination_reason
    assert found is not None
    return found.error


# -- attempts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [None, RESET])
def test_a_lost_connection_is_replaced(error: NetworkError | None) -> None:
    """Told with attempt, delay and reason; after the delay the next socket is wanted, with the server's token."""
    script = Script.ready(random=0.5)
    script.frame({"id": 7, "method": "telnyx_rtc.info", "params": {}, "voice_sdk_id": VOICE_SDK_ID})
    lose(script, error)
    told = script.event(out.Reconnecting)
    assert (told.attempt, told.delay, isinstance(told.error, NetworkError)) == (1, 1.0, True)
    assert script.session.registration.state is SessionState.RECONNECTING
    script.wait(0.99)
    assert script.events() == []
    script.wait(0.01)
    assert script.events() == [out.OpenConnection(VOICE_SDK_ID)]


def test_the_login_takes_the_session_up_again() -> None:
    """Same session, `reconnection`, and nothing before it (R53)."""
    script = Script.ready()
    lose(script)
    reopen(script)
    (login,) = script.sent()
    assert login["method"] == "anonymous_login"
    assert (login["params"]["sessid"], login["params"]["reconnection"]) == (SERVER_SESSION, True)


def test_ready_again_is_told_otherwise_than_ready() -> None:
    """`Reconnected`, once, and no second `Ready`."""
    script = Script.ready()
    lose(script)
    reopen(script)
    log_in_again(script)
    assert script.events(out.ClientReady) == []
    assert len(script.events(out.Reconnected)) == 1
    assert script.session.registration.is_ready


def test_the_delays_grow_until_a_login_succeeds() -> None:
    """1, 2, 4, 8, 16 seconds (R52); then from the beginning."""
    script = Script.ready(random=0.5)
    lose(script)
    delays = [script.event(out.Reconnecting).delay]
    for _ in range(4):
        script.wait(delays[-1])
        assert script.events(out.OpenConnection)
        script.lose_connection(RESET)
        delays.append(script.event(out.Reconnecting).delay)
    assert delays == [1.0, 2.0, 4.0, 8.0, 16.0]
    reopen(script)
    log_in_again(script)
    lose(script)
    assert script.event(out.Reconnecting).delay == 1.0


def test_a_network_that_comes_back_late_is_found_in_time() -> None:
    """After forty seconds, or fifty: the delays must not step over the end (a fifth one of 30 s would)."""
    for outage in (10.0, 40.0, 50.0, 58.0):
        script = Script.ready(random=1.0)
        lose(script)
        back = script.now + outage
        while script.now < back or not script.events(out.OpenConnection):
            script.wait(0.1)
            if script.now < back and script.events(out.OpenConnection):
                script.lose_connection(RESET)
            assert script.session.registration.state is SessionState.RECONNECTING, outage
        script.session.connection_opened(script.now)
        log_in_again(script)
        assert script.session.registration.is_ready


def test_the_time_for_all_attempts_is_limited() -> None:
    """One error, 45003, and one end for the call; then nothing any more."""
    script = Script.talking()
    lose(script)
    opened = script.now
    while not (failed := script.events(out.ClientFailed)):
        script.wait(0.5)
        if script.events(out.OpenConnection):
            script.lose_connection(RESET)
    assert script.now - opened == pytest.approx(60.0, abs=0.5)
    assert (failed[0].is_final, failed[0].error.code) == (True, 45003)
    assert end_error(script) is failed[0].error
    assert script.events(out.CloseConnection)
    assert script.session.get_timer() is None
    script.forget_events()
    script.lose_connection()
    script.wait(600)
    assert script.events() == []


def test_an_attempt_that_hangs_in_the_login_counts_too() -> None:
    """No answer to the login within ten seconds: the next attempt, and the old socket is given up."""
    script = Script.ready()
    lose(script)
    reopen(script)
    script.forget_events()
    script.wait(10.0)
    dropped, told = script.events()
    assert isinstance(dropped, out.DropConnection)
    assert told.attempt == 2


def test_for_ever() -> None:
    """`inf` never gives up, but after ninety seconds the session is another (R53)."""
    script = Script.talking(settings=SessionSettings(reconnect_timeout=math.inf))
    lose(script)
    for _ in range(200):
        script.wait(1.0)
        if script.events(out.OpenConnection):
            script.lose_connection(RESET)
    assert end_error(script).code == 48501
    wanted = reopen(script)
    assert wanted.voice_sdk_id is None
    params = script.expect("anonymous_login")["params"]
    assert params["reconnection"] is False
    assert params["sessid"] != SERVER_SESSION


def test_a_refused_login_is_final() -> None:
    """As the first time (R15)."""
    script = Script.talking()
    lose(script)
    reopen(script)
    script.refuse("anonymous_login", -32001, "Login Incorrect")
    assert isinstance(script.event(out.ClientFailed).error, AuthenticationError)
    assert isinstance(end_error(script), AuthenticationError)


def test_a_failed_gateway_leads_elsewhere() -> None:
    """`skip_last_voice_sdk_id` after four of the five states (R3); five failures in a row are enough (R14)."""
    for state in ("FAILED", "FAIL_WAIT", "TIMEOUT", "DOWN", "EXPIRED"):
        script = Script.ready()
        script.frame({"id": 7, "method": "telnyx_rtc.info", "params": {}, "voice_sdk_id": VOICE_SDK_ID})
        script.say("telnyx_rtc.gatewayState", state=state)
        assert script.events(out.DropConnection)
        assert reopen(script) == out.OpenConnection(VOICE_SDK_ID, elsewhere=state != "EXPIRED")
    script = Script.ready()
    script.say("telnyx_rtc.gatewayState", state="FAILED")
    for _ in range(5):
        assert script.events(out.ClientFailed) == []
        reopen(script)
        script.accept_login()
        script.say("telnyx_rtc.gatewayState", state="FAILED")
    assert isinstance(script.event(out.ClientFailed).error, GatewayError)


def test_the_region_is_left_when_it_cannot_be_reached() -> None:
    """Once for the first login; then for every second attempt (R2)."""
    script = Script(settings=SessionSettings(has_fallback=True))
    script.lose_connection(RESET)
    assert script.events() == [out.OpenConnection(without_region=True)]
    script.lose_connection(RESET)
    assert script.event(out.LoginFailed).error is RESET
    script = Script.ready(settings=SessionSettings(has_fallback=True))
    lose(script)
    assert reopen(script).without_region is False
    script.lose_connection(RESET)
    assert reopen(script).without_region is True


def test_disconnect_ends_the_attempts() -> None:
    """No error is told: it was asked for."""
    script = Script.talking()
    lose(script)
    script.forget_events()
    script.session.disconnect(script.now)
    assert end_error(script) is None
    assert script.events(out.CloseConnection)
    assert script.events(out.ClientFailed) == []
    script.lose_connection()
    assert script.session.registration.is_closed
    assert script.session.get_timer() is None


# -- calls -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attach", [True, False], ids=["attach first", "clientReady first"])
def test_an_active_call_is_taken_up_again(attach: bool) -> None:
    """DROPPED with its reason, RECONNECTING when the server offers, ACTIVE when it has our answer (R54, S15)."""
    script = Script.talking()
    lose(script)
    assert str(script.event(out.CallStateChanged).state) == "DROPPED (Network lost)"
    reopen(script)
    script.forget_events()
    log_in_again(script, reattached=[CALL_ID], attach=attach)
    if not attach:
        assert script.states() == []
        script.say("telnyx_rtc.attach", callID=CALL_ID, sdp=OFFER)
    assert script.events(out.MediaOffered) == [out.MediaOffered(CALL_ID, OFFER)]
    assert script.states() == ["RECONNECTING"]
    script.session.calls.set_answer(CALL_ID, ANSWER, script.now)
    params = script.expect("telnyx_rtc.attach")["params"]
    assert (params["sdp"], params["dialogParams"]["callID"], params["dialogParams"]["attach"]) == (
        ANSWER,
        CALL_ID,
        True,
    )
    assert script.states() == []


def test_it_is_active_when_the_server_has_our_answer() -> None:
    """And not before; then nothing of the recovery is left."""
    script = Script.talking()
    lose(script)
    reopen(script)
    log_in_again(script, reattached=[CALL_ID], attach=True)
    script.forget_events()
    answer(script)
    assert script.states() == ["ACTIVE"]
    script.forget()
    script.wait(3600)
    assert (script.events(), script.sent()) == ([], [])


def test_a_repeated_answer_does_not_activate_a_lost_call() -> None:
    """Only the attach does."""
    script = Script.talking()
    lose(script)
    reopen(script)
    log_in_again(script, reattached=[CALL_ID], attach=True)
    script.forget_events()
    script.say("telnyx_rtc.answer", callID=CALL_ID, sdp=ANSWER)
    assert script.states() == []


def test_an_answer_that_comes_too_late_is_not_sent() -> None:
    """The connection that it was for is gone: the server will offer anew."""
    script = Script.talking()
    lose(script)
    reopen(script)
    log_in_again(script, attach=True)
    lose(script)
    reopen(script)
    log_in_again(script)
    script.forget()
    script.session.calls.set_answer(CALL_ID, ANSWER, script.now)
    assert script.sent() == []
    script.say("telnyx_rtc.attach", callID=CALL_ID, sdp=OFFER)
    answer(script)
    assert script.states()[-1] == "ACTIVE"


@pytest.mark.parametrize("known", [[], None])
def test_a_call_that_the_server_has_lost(known: list[str] | None) -> None:
    """48501: at once if the list says so (R38), after a while if there is none."""
    script = Script.talking()
    lose(script)
    reopen(script)
    log_in_again(script, reattached=known)
    if known is None:
        script.wait(9.9)
        assert "DONE" not in [change.state.value for change in script.events(out.CallStateChanged)]
        script.wait(0.2)
    assert end_error(script).code == 48501


def test_an_offer_counts_more_than_the_list() -> None:
    """Who has been offered the call has it, whatever the list says."""
    script = Script.talking()
    lose(script)
    reopen(script)
    log_in_again(script, reattached=[], attach=True)
    answer(script)
    assert script.states()[-1] == "ACTIVE"


@pytest.mark.parametrize("what", ["refused", "silent"])
def test_an_answer_that_the_server_does_not_take(what: str) -> None:
    """The call ends; a bye only where the server has not hung up itself (S16)."""
    script = Script.talking()
    lose(script)
    reopen(script)
    log_in_again(script, reattached=[CALL_ID], attach=True)
    script.session.calls.set_answer(CALL_ID, ANSWER, script.now)
    if what == "refused":
        script.refuse("telnyx_rtc.attach", -32002, "CALL RESET")
    else:
        script.wait(10.1)
    error = end_error(script)
    assert (type(error), error.code) == (CallError, 48501)
    assert ("telnyx_rtc.bye" in script.sent_methods()) is (what == "silent")


@pytest.mark.parametrize("call_id", [OTHER_ID, CALL_ID], ids=["unknown", "unanswered"])
def test_an_offer_for_another_call_is_acknowledged_and_ignored(call_id: str) -> None:
    """35002 in the official SDK (R55)."""
    script = Script.calling()
    script.forget()
    script.say("telnyx_rtc.attach", callID=call_id, sdp=OFFER)
    known = (
        [] if call_id == CALL_ID else [out.ClientWarning(TxWarning(WarningCode.UNKNOWN_REATTACHED_SESSION, call_id))]
    )
    assert script.events() == known
    assert script.sent_methods() == ["ack telnyx_rtc.attach"]


def test_a_call_without_invite_waits_for_the_next_connection() -> None:
    """It is not known to the server, so nothing of it was lost."""
    script = Script.ready()
    script.session.calls.create(CallOptions(OTHER_ID), script.now)
    lose(script)
    script.session.calls.set_local_description(OTHER_ID, OFFER, script.now)
    reopen(script)
    assert script.sent_methods() == ["anonymous_login"]
    script = Script.ready()
    lose(script)
    script.place_call()
    reopen(script)
    log_in_again(script)
    assert script.expect("telnyx_rtc.invite")


# -- media -------------------------------------------------------------------------------------------------------------


def test_lost_media_are_a_reason_to_reconnect_at_once() -> None:
    """The call is RECONNECTING, not DROPPED: it was our own decision (R56)."""
    script = Script.talking()
    script.session.media_lost(CALL_ID, CallError("gone"), script.now)
    assert script.events(out.DropConnection)
    assert script.event(out.Reconnecting).delay == 0.0
    assert script.states() == ["RECONNECTING"]
    reopen(script)
    log_in_again(script, reattached=[CALL_ID], attach=True)
    answer(script)
    assert script.states() == ["ACTIVE"]


def test_media_that_are_lost_again_and_again_end_the_call() -> None:
    """Three repairs in a minute; the fourth loss is the end, with a bye."""
    script = Script.talking()
    for _ in range(3):
        script.session.media_lost(CALL_ID, CallError("gone"), script.now)
        reopen(script)
        log_in_again(script, reattached=[CALL_ID], attach=True)
        answer(script)
    script.forget()
    script.session.media_lost(CALL_ID, CallError("gone", code=33001), script.now)
    assert end_error(script).code == 33001
    assert script.sent_methods() == ["telnyx_rtc.bye"]


def test_media_that_never_were_up_are_not_repaired() -> None:
    """A firewall will not be gone the next time; the user has to know."""
    script = Script.talking()
    error = CallError("no audio path", code=33004)
    script.session.media_lost(CALL_ID, error, script.now, was_up=False)
    assert end_error(script) is error
    assert script.sent_methods() == ["telnyx_rtc.bye"]


@pytest.mark.parametrize("state", ["offline", "over"])
def test_lost_media_of_a_call_that_gets_new_ones_anyway_mean_nothing(state: str) -> None:
    """Nor do those of a call that has ended."""
    script = Script.talking()
    if state == "offline":
        lose(script)
    else:
        script.hang_up()
    script.forget_events()
    for was_up in (True, False):
        script.session.media_lost(CALL_ID, CallError("gone"), script.now, was_up=was_up)
    assert script.events() == []


# -- liveness (R20) ----------------------------------------------------------------------------------------------------


def test_silence_is_probed() -> None:
    """Twenty seconds without a frame: a ping; its answer lets everything go on."""
    script = Script.ready()
    script.wait(19.9, answer_probes=False)
    assert script.sent() == []
    script.wait(0.2, answer_probes=False)
    script.reply("telnyx_rtc.ping", message="PONG")
    script.wait(19.0, answer_probes=False)
    assert (script.events(), script.sent()) == ([], [])


def test_bytes_alone_prove_nothing() -> None:
    """The server talks, but has answered nothing for forty-five seconds: a ping (protocol.md 1.6)."""
    script = Script.ready()
    for _ in range(44):
        script.wait(1.0, answer_probes=False)
        script.say("telnyx_rtc.info")
    assert script.sent() == []
    script.wait(1.1, answer_probes=False)
    assert script.sent_methods() == ["telnyx_rtc.ping"]
    for _ in range(5):
        script.say("telnyx_rtc.info")
        script.wait(1.0, answer_probes=False)
    assert script.events(out.DropConnection)


def test_an_answer_to_anything_is_proof() -> None:
    """Not only to pings."""
    script = Script.talking()
    for _ in range(10):
        script.write("hello")
        script.reply("ai_conversation", sessid=SERVER_SESSION)
        script.wait(15.0, answer_probes=False)
    assert script.sent() == []


def test_a_dead_connection_is_replaced_at_once() -> None:
    """Five seconds after the probe; the call is DROPPED, as with any other loss."""
    script = Script.talking()
    script.wait(25.1, answer_probes=False)
    assert script.events(out.DropConnection)
    told = script.event(out.Reconnecting)
    assert (told.attempt, told.delay) == (1, 0.0)
    assert "dead" in str(told.error)
    assert script.states() == ["DROPPED"]


def test_a_dead_connection_that_is_not_to_be_replaced() -> None:
    """Then it is the end."""
    script = Script.talking(settings=SessionSettings(reconnect_timeout=0.0))
    script.wait(25.1, answer_probes=False)
    assert script.event(out.ClientFailed).is_final
    assert script.events(out.CloseConnection)
    script.end()


# -- messages ----------------------------------------------------------------------------------------------------------


def test_a_message_fails_while_the_connection_is_lost() -> None:
    """And says so; the transcript does not show it."""
    script = Script.talking()
    lose(script)
    with pytest.raises(SocketConnectionError, match="not sent"):
        script.write("hello")
    assert script.transcript() == []


def test_a_message_may_wait() -> None:
    """It goes out when the call is back, in order, and is shown then."""
    script = Script.talking()
    lose(script)
    ids = [script.session.conversation.send_message(text, (), script.now, may_wait=True) for text in ("one", "two")]
    assert all(script.session.conversation.messages.is_waiting(item_id) for item_id in ids)
    assert script.transcript() == []
    reopen(script)
    log_in_again(script, reattached=[CALL_ID], attach=True)
    assert script.transcript() == []
    answer(script)
    assert [sent.item_id for sent in script.events(out.MessageSent)] == ids
    assert [script.expect("ai_conversation")["params"]["item"]["id"] for _ in ids] == ids
    assert script.transcript() == ["user: one", "user: two"]


def test_a_question_may_wait_behind_a_message() -> None:
    """It is not given up when the message before it is sent."""
    script = Script.talking()
    script.wait(GREETING_WAIT)
    lose(script)
    script.session.conversation.send_message("one", (), script.now, may_wait=True)
    script.session.conversation.questions.ask("k", "two?", script.now)
    reopen(script)
    log_in_again(script, reattached=[CALL_ID], attach=True)
    answer(script)
    assert script.events(out.QuestionSettled) == []
    assert script.transcript() == ["user: one", "user: two?"]


def test_a_waiting_message_fails_with_the_call() -> None:
    """Its sender has to know."""
    script = Script.talking()
    lose(script)
    item_id = script.session.conversation.send_message("hello", (), script.now, may_wait=True)
    script.hang_up()
    failed = script.event(out.MessageFailed)
    assert (failed.item_id, type(failed.error)) == (item_id, CallError)


@pytest.mark.parametrize("may_wait", [True, False])
@pytest.mark.parametrize("confirmed", ["no", "result", "echo"])
def test_a_message_that_was_under_way(may_wait: bool, confirmed: str) -> None:
    """It is sent again under the same id, or its user is told; unless the server has it for sure. It is shown once."""
    script = Script.talking()
    item_id = script.session.conversation.send_message("hello", (), script.now, may_wait=may_wait)
    if confirmed == "result":
        script.reply("ai_conversation", sessid=SERVER_SESSION)
    elif confirmed == "echo":
        item = {"id": item_id, "role": "user", "status": "completed", "content": "hello"}
        script.ai("conversation.item.created", item=item)
    lose(script)
    told = script.events(out.ClientFailed)
    assert len(told) == (1 if confirmed == "no" and not may_wait else 0)
    assert not any(failed.is_final for failed in told)
    reopen(script)
    log_in_again(script, reattached=[CALL_ID], attach=True)
    answer(script)
    again = [frame for frame in script.sent() if frame.get("method") == "ai_conversation"]
    assert [frame["params"]["item"]["id"] for frame in again] == ([item_id] if may_wait and confirmed == "no" else [])
    assert script.transcript() == ["user: hello"]


def test_too_many_messages_are_not_kept() -> None:
    """A program that types a hundred messages a minute has to hear of it."""
    script = Script.talking()
    lose(script)
    for _ in range(100):
        script.session.conversation.send_message("hello", (), script.now, may_wait=True)
    with pytest.raises(CallError, match="100"):
        script.session.conversation.send_message("hello", (), script.now, may_wait=True)


# -- the transcript ----------------------------------------------------------------------------------------------------


def test_frames_that_are_sent_again_after_a_drop_are_taken_once() -> None:
    """Ids of `ai_conversation` frames are unique for ever; words are not doubled."""
    script = Script.talking()
    delta = {"type": "response.text.delta", "delta": "Hello", "item_id": "r1", "response_id": "r1"}
    frame = {"jsonrpc": "2.0", "id": "9268cdfc", "method": "ai_conversation", "params": delta}
    script.frame(frame)
    lose(script)
    reopen(script)
    log_in_again(script, reattached=[CALL_ID], attach=True)
    answer(script)
    script.frame(frame)
    script.frame({**frame, "id": "another", "params": {**delta, "delta": " there"}})
    assert script.transcript() == ["assistant: Hello there..."]


def test_numbers_begin_anew_on_another_server() -> None:
    """The same number and the same text are another frame there."""
    script = Script.talking()
    frame = {"jsonrpc": "2.0", "id": 5, "method": "telnyx_rtc.attach", "params": {"callID": CALL_ID, "sdp": OFFER}}
    for _ in range(2):
        lose(script)
        reopen(script)
        log_in_again(script)
        script.frame(frame)
        answer(script)
        assert script.states()[-1] == "ACTIVE"


def test_what_was_being_said_goes_on() -> None:
    """An item that was growing grows on, and becomes final."""
    script = Script.talking()
    script.ai("response.text.delta", delta="Good", item_id="r1", response_id="r1")
    lose(script)
    assert script.transcript() == ["assistant: Good..."]
    reopen(script)
    log_in_again(script, reattached=[CALL_ID], attach=True)
    answer(script)
    script.ai("response.text.delta", delta=" morning", item_id="r1", response_id="r1")
    script.ai("response.text.done", item_id="r1", response_id="r1")
    assert script.transcript() == ["assistant: Good morning"]


def test_a_held_call_comes_back_held() -> None:
    """Hold survives (R54)."""
    script = Script.talking()
    script.session.calls._dialogs[CALL_ID]._enter(CallInput.HELD)
    lose(script)
    reopen(script)
    log_in_again(script, reattached=[CALL_ID], attach=True)
    answer(script)
    assert script.states() == ["DROPPED", "RECONNECTING", "HELD"]
    assert CallState.HELD.is_considered_active


# -- the machine's own network -----------------------------------------------------------------------------------------


def test_a_network_that_is_back_is_used_at_once() -> None:
    """A planned attempt does not wait any longer; there is one, not two."""
    script = Script.ready(random=0.5)
    lose(script)
    for _ in range(4):
        reopen(script)
        lose(script)
    assert script.session.recovery.is_planned
    script.session.recovery.hurry(script.now)
    assert script.session.get_timer() == script.now
    script.wait(0.0)
    assert len(script.events(out.OpenConnection)) == 1
    assert not script.session.recovery.is_planned
    script.wait(5.0)
    assert script.events(out.OpenConnection) == []


def test_a_network_that_changes_when_no_attempt_is_planned() -> None:
    """Nothing happens: neither to a session that is well nor to an attempt that is under way."""
    script = Script.ready()
    script.forget()
    timer = script.session.get_timer()
    script.session.recovery.hurry(script.now)
    assert (script.session.get_timer(), script.events()) == (timer, [])
    lose(script)
    reopen(script)
    assert not script.session.recovery.is_planned
    script.session.recovery.hurry(script.now)
    assert script.events(out.OpenConnection) == []


def refusal(status: int, retry_after: float | None = None) -> ServerError:
    """What an HTTP status in the place of a WebSocket becomes."""
    error = ServerError("refused", server_code=status)
    error.retry_after = retry_after
    return error


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_first_connection_is_tried_again(status: int) -> None:
    """The server said that it cannot now; the session has not begun, so nothing of it is taken up again."""
    script = Script()
    script.session.connection_closed(refusal(status), script.now)
    (told,) = script.events(out.Reconnecting)
    assert told.attempt == 1
    script.wait(told.delay)
    assert script.events(out.OpenConnection) == [out.OpenConnection(None)]
    script.session.connection_opened(script.now)
    assert script.session.registration.state is SessionState.LOGGING_IN


@pytest.mark.parametrize("status", [301, 401, 403, 404, 500])
def test_a_first_connection_that_is_refused_for_good(status: int) -> None:
    """The login has failed."""
    script = Script()
    error = refusal(status)
    script.session.connection_closed(error, script.now)
    assert script.events(out.LoginFailed) == [out.LoginFailed(error)]


def test_a_first_connection_is_tried_as_long_as_a_login_may_take() -> None:
    """Then the login has failed with what the server said last."""
    script = Script()
    end = script.now + SessionSettings().ready_timeout
    error = refusal(503)
    attempts = 0
    while True:
        script.session.connection_closed(error, script.now)
        if script.events(out.LoginFailed):
            break
        attempts += 1
        deadline = script.session.get_timer()
        assert deadline is not None
        script.wait(deadline - script.now)
        assert script.now <= end
    assert 3 <= attempts <= 5


@pytest.mark.parametrize(("retry_after", "is_tried"), [(5.0, True), (600.0, False)])
def test_the_server_says_when(retry_after: float, is_tried: bool) -> None:
    """It is believed; and where that would be too late, nobody has to wait for it."""
    script = Script()
    script.session.connection_closed(refusal(429, retry_after), script.now)
    told = script.events(out.Reconnecting)
    assert [event.delay for event in told] == ([5.0] if is_tried else [])


def test_no_second_try_where_lost_connections_are_not_replaced() -> None:
    """`reconnect_timeout=0` is for programs that do all that themselves."""
    script = Script(settings=SessionSettings(reconnect_timeout=0))
    script.session.connection_closed(refusal(503), script.now)
    assert script.events(out.LoginFailed)


def test_a_disconnection_between_two_tries() -> None:
    """Nothing more is tried."""
    script = Script()
    script.session.connection_closed(refusal(503), script.now)
    script.session.disconnect(script.now)
    assert script.session.get_timer() is None
