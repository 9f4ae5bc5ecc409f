"""What a call is placed and ended with: headers both ways, codecs, time-outs; and how far it has come."""

from __future__ import annotations

import pytest

from telnyx_agent._protocol.outcomes import CallProgress, CallStep, CallUpdated
from telnyx_agent.errors import CallError
from tests.protocol.script import ANSWER, CALL_ID, SERVER_SESSION, Script

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
    script.expect("telnyx_rtc.bye")
    script.lose_connection()
    deadline = script.session.get_timer()
    assert deadline is not None
    script.wait(deadline - script.now)
    script.session.connection_opened(script.now)
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
    reason = script.end().termination_reason
    assert reason is not None
    assert (reason.cause, type(reason.error)) == ("RECOVERY_ON_TIMER_EXPIRE", CallError)


def test_a_time_out_longer_than_the_usual() -> None:
    """Three minutes are three minutes, once the far end rings."""
    script = Script.ready()
    script.place_call(answer_timeout=180.0)
    script.say("telnyx_rtc.ringing", callID=CALL_ID)
    script.wait(179.0)
    assert "DONE" not in script.states()
    script.wait(2.0)
    assert script.states() == ["DONE"]


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
