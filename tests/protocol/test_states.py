"""`states`: the tables, pair by pair, and the values."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import pytest

from telnyx_agent._protocol.states import (
    CALL_TABLE,
    GATEWAY_TABLE,
    SESSION_TABLE,
    CallInput,
    CallState,
    CallStateKind,
    CallTerminationReason,
    GatewayPhase,
    GatewayState,
    NetworkReason,
    SessionInput,
    SessionState,
    advance,
    allows,
)
from telnyx_agent.errors import CallError, LocalProtocolError

S, E, K, C = SessionState, SessionInput, CallStateKind, CallInput

# The arrows, written down a second time and in another form than in the code.
SESSION_ARROWS: dict[tuple[SessionState, SessionInput], SessionState] = {
    **dict.fromkeys(
        [
            (S.IDLE, E.OPENED),
            (S.RECONNECTING, E.OPENED),
            (S.REGISTERING, E.LOGIN_REQUIRED),
            (S.READY, E.LOGIN_REQUIRED),
        ],
        S.LOGGING_IN,
    ),
    **{(state, E.LOST): S.RECONNECTING for state in (S.LOGGING_IN, S.REGISTERING, S.READY, S.RECONNECTING)},
    (S.LOGGING_IN, E.LOGIN_ACCEPTED): S.REGISTERING,
    (S.REGISTERING, E.REGISTERED): S.READY,
    **{(state, E.ENDED): S.CLOSING for state in S if state is not S.CLOSED},
    **{(state, E.CLOSED): S.CLOSED for state in S if state is not S.CLOSED},
    (S.CLOSING, E.OPENED): S.CLOSING,
    (S.CLOSED, E.ENDED): S.CLOSED,
}
CALL_ARROWS: dict[tuple[CallStateKind, CallInput], CallStateKind] = {
    (K.NEW, C.PLACED): K.CONNECTING,
    (K.NEW, C.OFFERED): K.RINGING,
    (K.RINGING, C.TAKEN): K.CONNECTING,
    **dict.fromkeys([(K.CONNECTING, C.PROGRESS), (K.RINGING, C.PROGRESS)], K.RINGING),
    **{(state, C.ESTABLISHED): K.ACTIVE for state in (K.CONNECTING, K.RINGING, K.RECONNECTING)},
    **{(state, C.HELD): K.HELD for state in (K.ACTIVE, K.RECONNECTING)},
    (K.HELD, C.RESUMED): K.ACTIVE,
    **{(state, C.LOST): K.DROPPED for state in (K.ACTIVE, K.HELD, K.RECONNECTING)},
    **{(state, C.RECOVERING): K.RECONNECTING for state in (K.ACTIVE, K.HELD, K.DROPPED)},
    **{(state, C.ENDED): K.DONE for state in K if state is not K.DONE},
}
_FAILURES = ("FAILED", "FAIL_WAIT", "EXPIRED", "TIMEOUT", "DOWN")
GATEWAY_ARROWS: dict[tuple[GatewayPhase, GatewayState], GatewayPhase] = {
    (phase, state): GatewayPhase.FAILED
    if state.value in _FAILURES
    else GatewayPhase.REGISTERED
    if state is GatewayState.REGED
    else phase
    for phase in (GatewayPhase.WAITING, GatewayPhase.REGISTERED)
    for state in GatewayState
}

TABLES: list[tuple[Mapping[Any, Mapping[Any, Any]], type[enum.Enum], type[enum.Enum], Mapping[Any, Any]]] = [
    (SESSION_TABLE, SessionState, SessionInput, SESSION_ARROWS),
    (CALL_TABLE, CallStateKind, CallInput, CALL_ARROWS),
    (GATEWAY_TABLE, GatewayPhase, GatewayState, GATEWAY_ARROWS),
]
ROWS = [
    pytest.param(table, state, events, arrows, id=f"{states.__name__}-{state.name}")
    for table, states, events, arrows in TABLES
    for state in states
]


@pytest.mark.parametrize(("table", "state", "events", "arrows"), ROWS)
def test_every_pair_of_state_and_event(table: Any, state: Any, events: Any, arrows: Any) -> None:
    """An arrow leads where it should; what is no arrow is an error that names both, and leaves the table as it was."""
    row = dict(table[state])
    for event in events:
        target = arrows.get((state, event))
        assert allows(table, state, event) is (target is not None), event
        if target is not None:
            assert advance(table, state, event) is target, event
            continue
        with pytest.raises(LocalProtocolError) as caught:
            advance(table, state, event)
        assert state.name in str(caught.value)
        assert event.name in str(caught.value)
    assert table[state] == row


@pytest.mark.parametrize("table", [table for table, *_ in TABLES])
def test_tables_are_complete_and_closed(table: Any) -> None:
    """Every state has a row, and no arrow leads out of the table."""
    targets = {target for row in table.values() for target in row.values()}
    assert targets <= set(table)
    states: Any = type(next(iter(table)))
    assert set(table) == set(states)


@pytest.mark.parametrize("kind", list(CallStateKind))
def test_a_call_always_has_a_way_to_its_end(kind: CallStateKind) -> None:
    """Whatever happens to a call, it can still end - once."""
    assert allows(CALL_TABLE, kind, CallInput.ENDED) is (kind is not CallStateKind.DONE)


def test_states_compare_by_kind_only() -> None:
    """As on iOS: `state == CallState.DONE` holds whatever ended the call."""
    done = CallState.done(CallTerminationReason("USER_BUSY", 17))
    assert done == CallState.DONE
    assert hash(done) == hash(CallState.DONE)
    assert done != CallState.ACTIVE
    assert done != "DONE"
    assert {CallState.DONE: "found"}[done] == "found"


@pytest.mark.parametrize("kind", list(CallStateKind))
def test_there_is_a_constant_for_each_kind(kind: CallStateKind) -> None:
    """`CallState.NEW` to `CallState.DONE`, without reasons."""
    state = getattr(CallState, kind.name)
    assert (state.kind, state.value, state.reason, state.termination_reason) == (kind, kind.name, None, None)


def test_states_know_what_they_are() -> None:
    """Active means active or on hold; only DONE is final."""
    assert [kind.name for kind in K if CallState(kind).is_considered_active] == ["ACTIVE", "HELD"]
    assert [kind.name for kind in K if CallState(kind).is_terminal] == ["DONE"]


def test_reasons_belong_to_one_state() -> None:
    """The trap of Flutter: a second call's reason must not replace the first one's."""
    first = CallState.dropped(NetworkReason.NETWORK_LOST)
    second = CallState.reconnecting(NetworkReason.NETWORK_SWITCH)
    assert (first.get_reason(), second.get_reason()) == ("Network lost", "Network switched")
    assert CallState.DROPPED.get_reason() is None
    with pytest.raises(AttributeError):
        first.reason = None  # type: ignore[misc]


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (CallTerminationReason("USER_BUSY", 17, 404, "Not Found"), "SIP 404: Not Found"),
        (CallTerminationReason("USER_BUSY", sip_code=486), "SIP 486: USER_BUSY"),
        (CallTerminationReason("USER_BUSY", 17), "USER_BUSY"),
        (CallTerminationReason(error=CallError("no audio")), "no audio"),
        (CallTerminationReason(cause_code=809), "cause 809"),
        (CallTerminationReason(), "Unknown reason"),
    ],
)
def test_a_termination_reason_reads_well(reason: CallTerminationReason, text: str) -> None:
    """The best text there is, in a state as well."""
    assert str(reason) == text
    assert str(CallState.done(reason)) == f"DONE ({text})"
    assert repr(CallState.done(reason)) == f"<CallState DONE ({text})>"


def test_the_reason_of_done_is_the_cause() -> None:
    """iOS's `getReason()`."""
    assert CallState.done(CallTerminationReason("CALL_REJECTED")).get_reason() == "CALL_REJECTED"
    assert str(CallState.DONE) == "DONE"


@pytest.mark.parametrize("kind", list(CallStateKind))
def test_questions_about_a_state(kind: CallStateKind) -> None:
    """A held call is active too, as iOS sees it."""
    state = CallState(kind)
    names = ("is_terminal", "is_considered_active")
    true = {name for name in names if getattr(state, name) is True}
    assert all(isinstance(getattr(state, name), bool) for name in names)
    assert true == {
        CallStateKind.ACTIVE: {"is_considered_active"},
        CallStateKind.HELD: {"is_considered_active"},
        CallStateKind.DONE: {"is_terminal"},
    }.get(kind, set())
    assert (state.value, state.get_reason()) == (kind.value, None)


def test_the_reason_in_words() -> None:
    """`get_reason` has the network's reason, or the cause of the end."""
    dropped = CallState.dropped(NetworkReason.NETWORK_LOST)
    assert dropped.get_reason() == "Network lost"
    assert CallState.done(CallTerminationReason("USER_BUSY")).get_reason() == "USER_BUSY"


def test_states_and_their_reasons() -> None:
    """Error handling, "Handle call reconnection": `case .RECONNECTING(let reason)`, `case .DONE(let reason)`."""

    def shown(call_state: CallState) -> str:
        match call_state:
            case CallState(kind=CallState.RECONNECTING.kind, reason=NetworkReason.NETWORK_SWITCH):
                return "reconnecting"
            case CallState(kind=CallState.DROPPED.kind, reason=NetworkReason.NETWORK_LOST):
                return "network lost"
            case CallState(
                kind=CallState.DONE.kind, termination_reason=CallTerminationReason(sip_code=int()) as reason
            ):
                return f"Call failed: {reason.sip_reason} (SIP {reason.sip_code})"
            case CallState(kind=CallState.DONE.kind, termination_reason=CallTerminationReason() as reason):
                return f"Call ended: {reason.cause}"
        return "nothing"

    assert shown(CallState.reconnecting(NetworkReason.NETWORK_SWITCH)) == "reconnecting"
    assert shown(CallState.dropped(NetworkReason.NETWORK_LOST)) == "network lost"
    forbidden = CallTerminationReason("CALL_REJECTED", 21, 403, "Forbidden")
    assert shown(CallState.done(forbidden)) == "Call failed: Forbidden (SIP 403)"
    assert shown(CallState.done(CallTerminationReason("USER_BUSY", 17))) == "Call ended: USER_BUSY"
    assert shown(CallState.done(None)) == shown(CallState.ACTIVE) == "nothing"
