"""`hold`: the server has the last word, one wish at a time, across connections."""

from __future__ import annotations

from uuid import UUID

import pytest

from telnyx_agent._protocol.calls.hold import HOLD_FAILED, HoldWish
from telnyx_agent._protocol.outcomes import CallStateChanged, CommandSettled
from telnyx_agent.errors import CallError, NetworkError
from tests.protocol.script import CALL_ID, SERVER_SESSION, Script, answer, log_in_again, lose, reopen

MODIFY = "telnyx_rtc.modify"
HELD, ACTIVE = "held", "active"


def wish(script: Script, what: HoldWish) -> str:
    """The user wants it; the ticket."""
    return script.session.calls.hold(CALL_ID, what, script.now)


def asked(script: Script) -> list[str]:
    """The actions that were asked for, of which nothing else is looked at."""
    return [frame["params"]["action"] for frame in script.sent() if frame.get("method") == MODIFY]


def confirm(script: Script, action: str, state: str | None) -> None:
    """The server's result, in the form of the vectors."""
    more = {} if state is None else {"holdState": state}
    script.reply(MODIFY, action=action, callID=CALL_ID, sessid=SERVER_SESSION, **more)


def outcome(script: Script) -> CommandSettled:
    """What became of the one wish."""
    return script.event(CommandSettled)


def held() -> Script:
    """A session with a call on hold."""
    script = Script.talking()
    wish(script, HoldWish.HOLD)
    confirm(script, "hold", HELD)
    script.forget()
    return script


def come_back(script: Script) -> None:
    """The connection is lost, and the call taken up again over the next."""
    lose(script)
    reopen(script)
    log_in_again(script, reattached=[CALL_ID], attach=True)
    answer(script)


def test_a_call_is_held_when_the_server_says_so_and_not_before() -> None:
    """R33; the request is the vector's."""
    script = Script.talking()
    ticket = wish(script, HoldWish.HOLD)
    request = script.expect(MODIFY)
    assert request["params"] == {"sessid": SERVER_SESSION, "action": "hold", "dialogParams": {"callID": CALL_ID}}
    assert script.events() == []
    script.frame({"jsonrpc": "2.0", "id": request["id"], "result": {"action": "hold", "holdState": "held"}})
    assert script.states() == ["HELD"]
    assert outcome(script) == CommandSettled(ticket)


@pytest.mark.parametrize("word", ["active", "unheld", "ACTIVE", None])
def test_all_words_for_the_end_of_a_hold(word: str | None) -> None:
    """The present one, the old one, and none: a result is a yes."""
    script = held()
    wish(script, HoldWish.UNHOLD)
    confirm(script, "unhold", word)
    assert script.states() == ["ACTIVE"]
    assert outcome(script).error is None


def test_a_refusal_leaves_the_call_as_it_was() -> None:
    """Error 44001 with the server's words, and the call goes on."""
    script = Script.talking()
    wish(script, HoldWish.HOLD)
    script.refuse(MODIFY, -32002, "CALL ERROR", callID=CALL_ID, action="hold")
    error = outcome(script).error
    assert isinstance(error, CallError)
    assert (error.code, error.call_id) == (HOLD_FAILED, UUID(CALL_ID))
    assert "CALL ERROR" in str(error)
    assert script.states() == []


def test_a_result_that_says_otherwise_is_believed() -> None:
    """The call was not held, whatever was asked for."""
    script = Script.talking()
    wish(script, HoldWish.HOLD)
    confirm(script, "hold", ACTIVE)
    assert outcome(script).error is not None
    assert script.states() == []


def test_silence_is_an_error_after_ten_seconds() -> None:
    """R21; a result that comes later is not looked at."""
    script = Script.talking()
    wish(script, HoldWish.HOLD)
    request = script.expect(MODIFY)
    script.wait(9.9)
    assert script.events(CommandSettled) == []
    script.wait(0.2)
    assert "in time" in str(outcome(script).error)
    script.frame({"jsonrpc": "2.0", "id": request["id"], "result": {"holdState": "held"}})
    assert script.states() == []


def test_two_wishes_at_once_are_served_in_order() -> None:
    """The second goes out when the first is answered."""
    script = Script.talking()
    first, second = wish(script, HoldWish.HOLD), wish(script, HoldWish.UNHOLD)
    request = script.expect(MODIFY)
    assert asked(script) == []
    script.frame({"jsonrpc": "2.0", "id": request["id"], "result": {"holdState": "held"}})
    confirm(script, "unhold", ACTIVE)
    assert script.states() == ["HELD", "ACTIVE"]
    assert script.events(CommandSettled) == [CommandSettled(first), CommandSettled(second)]


def test_two_toggles_at_once_cancel_each_other_out() -> None:
    """What toggle means is decided when its turn comes; on the wire it is said outright, as on iOS."""
    script = Script.talking()
    wish(script, HoldWish.TOGGLE)
    wish(script, HoldWish.TOGGLE)
    confirm(script, "hold", HELD)
    assert asked(script) == ["unhold"]


def test_after_a_refusal_the_next_wish_has_its_turn() -> None:
    """And toggles from what the call is."""
    script = Script.talking()
    wish(script, HoldWish.TOGGLE)
    wish(script, HoldWish.TOGGLE)
    script.refuse(MODIFY, -32002, "CALL ERROR")
    assert asked(script) == ["hold"]


def test_a_held_call_comes_back_held() -> None:
    """R54."""
    script = held()
    come_back(script)
    assert script.states() == ["DROPPED", "RECONNECTING", "HELD"]
    assert asked(script) == []


def test_a_wish_outlives_the_connection() -> None:
    """Nobody knows whether the server got it, and to say it twice does no harm."""
    script = Script.talking()
    ticket = wish(script, HoldWish.HOLD)
    come_back(script)
    assert script.states() == ["DROPPED", "RECONNECTING", "ACTIVE"]
    assert script.events(CommandSettled) == []
    confirm(script, "hold", HELD)
    assert script.states() == ["HELD"]
    assert outcome(script) == CommandSettled(ticket)


def test_a_wish_during_a_lost_connection_waits() -> None:
    """As any user would want it."""
    script = held()
    script.lose_connection(NetworkError("reset"))
    wish(script, HoldWish.UNHOLD)
    assert asked(script) == []


def test_a_wish_waits_until_the_call_is_taken_up_again() -> None:
    """The new connection alone is not enough."""
    script = Script.talking()
    lose(script)
    reopen(script)
    log_in_again(script, reattached=[CALL_ID], attach=True)
    assert script.session.registration.is_ready
    wish(script, HoldWish.HOLD)
    assert asked(script) == []
    answer(script)
    assert asked(script) == ["hold"]


def test_a_wish_during_a_new_login_waits() -> None:
    """The call is up all the while."""
    script = Script.talking()
    script.say("telnyx_rtc.ping", serno=1)
    script.refuse("telnyx_rtc.ping", -32000, "Authentication Required")
    wish(script, HoldWish.HOLD)
    script.accept_login()
    assert asked(script) == []
    script.say("telnyx_rtc.clientReady")
    script.gateway("REGED")
    assert asked(script) == ["hold"]


@pytest.mark.parametrize("end", ["bye", "hangup", "disconnect"])
def test_the_end_of_the_call_is_the_end_of_all_wishes(end: str) -> None:
    """Each with an error, before the call is `DONE`."""
    script = Script.talking()
    wish(script, HoldWish.HOLD)
    wish(script, HoldWish.UNHOLD)
    if end == "bye":
        script.say("telnyx_rtc.bye", callID=CALL_ID, cause="NORMAL_CLEARING", causeCode=16)
    elif end == "hangup":
        script.hang_up()
    else:
        script.session.disconnect(script.now)
    told = [event for event in script.events() if isinstance(event, (CommandSettled, CallStateChanged))]
    assert [type(event) for event in told] == [CommandSettled, CommandSettled, CallStateChanged]
    assert all("ended" in str(event.error) for event in told[:2] if isinstance(event, CommandSettled))


def test_only_answered_calls_can_be_held() -> None:
    """Others are refused at once, and so is one that is over."""
    script = Script.calling()
    with pytest.raises(CallError, match="CONNECTING") as caught:
        wish(script, HoldWish.HOLD)
    assert caught.value.code == HOLD_FAILED
    script.hang_up()
    with pytest.raises(CallError, match="over"):
        wish(script, HoldWish.HOLD)
