"""A bye: what it says, that it is sent once, and again if it may have been lost."""

from __future__ import annotations

import pytest

from telnyx_agent._protocol.outcomes import CallUpdated
from tests.protocol.script import ANSWER, CALL_ID, SERVER_SESSION, Script, lose, reopen

HEADERS = (("X-Reason", "done"), ("X-Score", "5"))
AS_SENT = [{"name": "X-Reason", "value": "done"}, {"name": "X-Score", "value": "5"}]


def test_a_bye_carries_headers() -> None:
    """In the place where invites have them."""
    script = Script.talking()
    script.session.calls.set_bye_headers(CALL_ID, HEADERS)
    script.hang_up()
    assert script.expect("telnyx_rtc.bye")["params"]["dialogParams"] == {"callID": CALL_ID, "custom_headers": AS_SENT}


def test_a_bye_that_is_repeated_has_them_too() -> None:
    """The server may not have got the first."""
    script = Script.talking()
    script.session.calls.set_bye_headers(CALL_ID, HEADERS)
    script.hang_up()
    lose(script)
    reopen(script)
    script.accept_login()
    assert script.expect("telnyx_rtc.bye")["params"]["dialogParams"]["custom_headers"] == AS_SENT


def test_headers_for_a_call_that_is_over() -> None:
    """It may have ended at that very moment."""
    script = Script.talking()
    script.hang_up()
    script.session.calls.set_bye_headers(CALL_ID, HEADERS)


def test_the_far_ends_bye_has_headers() -> None:
    """Told before the call is over, beside the answer's, which stay."""
    script = Script.calling()
    answer = {"custom_headers": [{"name": "X-A", "value": "1"}]}
    script.say("telnyx_rtc.answer", callID=CALL_ID, sdp=ANSWER, dialogParams=answer)
    script.apply_sdp()
    script.forget()
    script.say("telnyx_rtc.bye", callID=CALL_ID, cause="NORMAL_CLEARING", dialogParams={"custom_headers": AS_SENT})
    details = script.event(CallUpdated).details
    assert details.bye_custom_headers == HEADERS
    assert details.answer_custom_headers == (("X-A", "1"),)


def test_a_bye_is_said_again_until_it_is_confirmed() -> None:
    """A call that ended while nobody could tell, or whose bye may have been lost, does not ring on at the server."""
    script = Script.talking()
    lose(script)
    script.hang_up()
    reopen(script)
    script.accept_login()
    assert script.expect("telnyx_rtc.bye")["params"]["dialogParams"]["callID"] == CALL_ID
    lose(script)
    reopen(script)
    script.accept_login()
    script.reply("telnyx_rtc.bye", message="CALL ENDED")
    lose(script)
    reopen(script)
    script.accept_login()
    assert "telnyx_rtc.bye" not in script.sent_methods()


def test_a_bye_has_some_time_to_be_confirmed() -> None:
    """Ten seconds, as any request; a refusal is an answer too, unless it means that nobody is logged in."""
    for code, is_said_again in ((None, False), (-32603, False), (-32002, True)):
        script = Script.talking()
        script.hang_up()
        script.wait(9.9)
        if code is None:
            script.reply("telnyx_rtc.bye", message="CALL ENDED")
        else:
            script.refuse("telnyx_rtc.bye", code, "no")
        if code == -32002:
            continue
        lose(script)
        reopen(script)
        script.accept_login()
        assert ("telnyx_rtc.bye" in script.sent_methods()) is is_said_again


@pytest.mark.parametrize("reply", ["result", "error", "none"])
def test_nothing_depends_on_the_reply_to_a_bye(reply: str) -> None:
    """R31."""
    script = Script.talking()
    script.hang_up()
    script.forget_events()
    if reply == "result":
        script.reply("telnyx_rtc.bye", callID=CALL_ID, message="CALL ENDED", sessid=SERVER_SESSION)
    elif reply == "error":
        script.refuse("telnyx_rtc.bye", -32002, "CALL DOES NOT EXIST")
    script.wait(60)
    assert script.events() == []
    assert script.session.registration.is_ready
