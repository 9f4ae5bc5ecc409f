"""`reasons`: why a call ended, in words."""

from __future__ import annotations

import pytest

from telnyx_agent import CallError, CallTerminationReason
from telnyx_agent._protocol.dialog import CAUSE_CODES
from telnyx_agent._protocol.reasons import BY_CAUSE, BY_CODE, BY_SIP_CODE
from telnyx_agent.testing.scenario import CAUSES


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (CallTerminationReason("USER_BUSY", 17, 486, "Busy Here"), "the other side is busy"),
        (CallTerminationReason("NORMAL_CLEARING", 16), "the call was hung up"),
        # A SIP code says more than a cause that only says that it is over.
        (CallTerminationReason("NORMAL_CLEARING", 16, 404, "Not Found"), "the number or assistant does not exist"),
        # The name counts: the Telnyx fork numbers this one otherwise (S20).
        (CallTerminationReason("GATEWAY_DOWN", 809), "the way out of the telephone network is down"),
        (CallTerminationReason("GATEWAY_DOWN", 609, 503), "the way out of the telephone network is down"),
        (CallTerminationReason(cause_code=19), "nobody answered"),
        (CallTerminationReason(sip_code=603), "the call was declined"),
        (CallTerminationReason("SOMETHING_NEW", 17), "SOMETHING_NEW"),
        (CallTerminationReason("SOMETHING_NEW", 999, 486), "the other side is busy"),
        (CallTerminationReason(sip_code=499, sip_reason="Odd"), "SIP 499: Odd"),
        (CallTerminationReason(), "Unknown reason"),
    ],
)
def test_in_words(reason: CallTerminationReason, words: str) -> None:
    """The best that is known; the raw values where nothing is."""
    assert reason.description == words


def test_an_error_speaks_for_itself() -> None:
    """Where there is no cause that says more."""
    assert CallTerminationReason(error=CallError("the audio connection was lost")).description == (
        "the audio connection was lost"
    )


def test_every_cause_that_is_sent_or_emulated_has_words() -> None:
    """Ours, the local agent's, and those that only official SDKs know (protocol.md 3.4)."""
    others = {"ALLOTTED_TIMEOUT", "INVALID_GATEWAY", "PICKED_OFF", "REMOTE_ERROR", "PURGE", "AnswerError", "MediaError"}
    assert {*CAUSE_CODES, *CAUSES, *others} <= BY_CAUSE.keys()
    assert {sip for _, sip, _ in CAUSES.values() if sip != 200} <= BY_SIP_CODE.keys()
    assert set(CAUSE_CODES.values()) <= BY_CODE.keys()
