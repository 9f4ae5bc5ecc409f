"""`reasons`: why a call ended, in words."""

from __future__ import annotations

import pytest

from telnyx_agent import CallError, CallTerminationReason
from telnyx_agent._protocol.calls.dialog import CAUSE_CODES
from telnyx_agent._protocol.calls.reasons import BY_CAUSE, BY_CODE, BY_SIP_CODE, NetworkReason
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


Q_850 = """
1 UNALLOCATED_NUMBER
2 NO_ROUTE_TRANSIT_NET
3 NO_ROUTE_DESTINATION
16 NORMAL_CLEARING
17 USER_BUSY
18 NO_USER_RESPONSE
19 NO_ANSWER
20 SUBSCRIBER_ABSENT
21 CALL_REJECTED
22 NUMBER_CHANGED
25 EXCHANGE_ROUTING_ERROR
27 DESTINATION_OUT_OF_ORDER
28 INVALID_NUMBER_FORMAT
29 FACILITY_REJECTED
31 NORMAL_UNSPECIFIED
34 NORMAL_CIRCUIT_CONGESTION
38 NETWORK_OUT_OF_ORDER
41 NORMAL_TEMPORARY_FAILURE
42 SWITCH_CONGESTION
44 REQUESTED_CHAN_UNAVAIL
50 FACILITY_NOT_SUBSCRIBED
52 OUTGOING_CALL_BARRED
54 INCOMING_CALL_BARRED
57 BEARERCAPABILITY_NOTAUTH
58 BEARERCAPABILITY_NOTAVAIL
63 SERVICE_UNAVAILABLE
79 SERVICE_NOT_IMPLEMENTED
88 INCOMPATIBLE_DESTINATION
96 MANDATORY_IE_MISSING
102 RECOVERY_ON_TIMER_EXPIRE
111 PROTOCOL_ERROR
127 INTERWORKING
487 ORIGINATOR_CANCEL
"""


def test_numbers_are_those_of_q_850() -> None:
    """With SIP's 487, which FreeSWITCH uses for its own `ORIGINATOR_CANCEL`. What we send has the same numbers."""
    table = {int(number): name for number, name in (line.split() for line in Q_850.split("\n")[1:-1])}
    assert table.keys() == BY_CODE.keys()
    for number, name in table.items():
        assert CallTerminationReason(cause_code=number).description == BY_CAUSE[name]
    assert all(table[number] == name for name, number in CAUSE_CODES.items())


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ((400,), "a server did not understand the call"),
        ((401, 407), "the call needs other credentials"),
        ((402,), "the account has not paid for this call"),
        ((403,), "the account may not make this call"),
        ((404, 604), "the number or assistant does not exist"),
        ((408,), "the other side did not react in time"),
        ((410,), "the number is not in use any more"),
        ((415, 488, 606), "the two sides have no kind of audio in common"),
        ((480,), "the other side cannot be reached at the moment"),
        ((484,), "the number is not written correctly"),
        ((486, 600), "the other side is busy"),
        ((487,), "the caller gave up before the answer"),
        ((500, 502), "a server failed"),
        ((503,), "the service is not available"),
        ((504,), "a server did not react in time"),
        ((603,), "the call was declined"),
    ],
)
def test_what_sip_codes_mean(codes: tuple[int, ...], words: str) -> None:
    """RFC 3261 section 21."""
    assert {CallTerminationReason(sip_code=code).description for code in codes} == {words}


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (CallTerminationReason("USER_BUSY", 17, 486, "Busy Here"), "SIP 486: Busy Here"),
        (CallTerminationReason("USER_BUSY", 17, 486), "SIP 486: USER_BUSY"),
        (CallTerminationReason(sip_code=486), "SIP 486"),
        (CallTerminationReason("USER_BUSY", 17, None, "Busy Here"), "Busy Here"),
        (CallTerminationReason("USER_BUSY", 17), "USER_BUSY"),
        (CallTerminationReason(cause_code=17), "cause 17"),
        (CallTerminationReason(cause_code=17, error=CallError("it broke")), "it broke"),
    ],
)
def test_the_best_short_text(reason: CallTerminationReason, text: str) -> None:
    """As on Flutter: SIP's code and phrase, or the cause, or the error's text, or at least a number."""
    assert str(reason) == text


def test_the_texts_of_lost_networks_are_those_of_ios_and_android() -> None:
    """So that a ported comparison of texts works."""
    assert [reason.description for reason in NetworkReason] == ["Network switched", "Network lost", "Server error"]
    assert NetworkReason.NETWORK_SWITCH.message == "Network switched"
    assert NetworkReason("Network lost") is NetworkReason.NETWORK_LOST
    assert NetworkReason("Server error") is NetworkReason.SERVER_ERROR
