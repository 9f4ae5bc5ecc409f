"""`Recovery` alone: when the next connection is tried, where, and when no more."""

from __future__ import annotations

from typing import Any

import pytest

from telnyx_agent._protocol.outcomes import OpenConnection, Reconnecting
from telnyx_agent._protocol.session.recovery import Recovery
from telnyx_agent._protocol.session.settings import SessionSettings
from telnyx_agent._protocol.timers import Timers
from telnyx_agent.errors import GatewayError, NetworkError, ServerError

LOST = NetworkError("lost")


class Made:
    """A recovery whose jitter is none, and what it reported."""

    def __init__(self, **settings: Any) -> None:
        self.timers = Timers()
        self.reported: list[Any] = []
        self.recovery = Recovery(self.timers, SessionSettings(**settings), lambda: 0.5, self.reported.append)

    def take(self) -> list[Any]:
        taken, self.reported[:] = list(self.reported), []
        return taken

    def due(self, voice_sdk_id: str | None = "VSDK") -> Any:
        """Where the next attempt goes."""
        self.take()
        self.recovery.attempt_due(voice_sdk_id)
        (event,) = self.take()
        return event


def refused(status: int = 503, retry_after: float | None = None) -> ServerError:
    error = ServerError("refused", server_code=status)
    error.retry_after = retry_after
    return error


def failed(state: str) -> GatewayError:
    return GatewayError("no", server_message=state)


def test_a_first_connection_that_is_refused() -> None:
    """1, 2, 4 ... seconds between the attempts, counted from 1, and all within the time that a login may take."""
    made = Made(ready_timeout=10.0)
    now = 100.0
    for attempt, delay in ((1, 1.0), (2, 2.0), (3, 4.0)):
        error = refused()
        assert made.recovery.try_later(error, now)
        assert made.take() == [Reconnecting(attempt, delay, error)]
        assert made.timers.next_deadline == now + delay
        now += delay
        assert made.due(None) == OpenConnection(None)
    assert not made.recovery.try_later(refused(), now)
    assert made.take() == []


@pytest.mark.parametrize(("retry_after", "delay"), [(None, 1.0), (0.2, 1.0), (9.0, 9.0), (10.0, 10.0)])
def test_the_server_may_ask_for_more_time(retry_after: float | None, delay: float) -> None:
    """Up to the end of the time for the login, but not beyond it."""
    made = Made(ready_timeout=10.0)
    assert made.recovery.try_later(refused(retry_after=retry_after), 0.0)
    assert made.take()[0].delay == delay
    assert not Made(ready_timeout=10.0).recovery.try_later(refused(retry_after=10.1), 0.0)


def test_a_success_begins_all_counts_anew() -> None:
    """Delays, the gateway's failures, where to go, and the time for a first login."""
    made = Made(gateway_retries=1, ready_timeout=3.0)
    assert made.recovery.try_later(refused(), 0.0)
    assert made.recovery.begin(failed("FAIL_WAIT"), 0.0) is None
    made.recovery.succeeded()
    assert made.timers.next_deadline is None
    assert made.recovery.lost_at is None
    assert made.due() == OpenConnection("VSDK", False, False)
    error = failed("FAIL_WAIT")
    assert made.recovery.begin(error, 50.0) is None
    assert made.take() == [Reconnecting(1, 1.0, error)]
    made.recovery.succeeded()
    assert made.recovery.try_later(refused(), 100.0)


@pytest.mark.parametrize(
    ("state", "is_elsewhere"),
    [("FAILED", True), ("FAIL_WAIT", True), ("TIMEOUT", True), ("DOWN", True), ("EXPIRED", False), ("NOREG", False)],
)
def test_another_server_may_do_better(state: str, is_elsewhere: bool) -> None:
    """Where it was this one's gateway that failed (R3), and only then; without a session there is no other server."""
    made = Made()
    made.recovery.begin(failed(state), 0.0)
    assert made.due() == OpenConnection("VSDK", is_elsewhere, False)
    assert made.due(None) == OpenConnection(None, False, False)
    made.recovery.begin(LOST, 1.0)
    assert made.due() == OpenConnection("VSDK", False, False)


def test_every_second_attempt_leaves_the_region() -> None:
    """And so does the very first connection, once (R2); where there is no region there is nothing to leave."""
    made = Made(has_fallback=True)
    assert made.recovery.try_without_region("VSDK")
    assert made.take() == [OpenConnection("VSDK", without_region=True)]
    assert not made.recovery.try_without_region("VSDK")
    went = []
    for _ in range(4):
        made.recovery.begin(LOST, 0.0)
        went.append(made.due().without_region)
    assert went == [False, True, False, True]
    made = Made()
    assert not made.recovery.try_without_region("VSDK")
    for _ in range(2):
        made.recovery.begin(LOST, 0.0)
    assert not made.due().without_region


def test_delays_leave_time_for_another_attempt() -> None:
    """Half of what is left at most, but a second at least; what we gave up ourselves is replaced at once, once."""
    made = Made(reconnect_timeout=10.0)
    assert made.recovery.begin(LOST, 0.0, at_once=True) is None
    assert made.take()[0].delay == 0.0
    assert made.timers.next_deadline == 0.0
    delays = []
    for now in (0.0, 2.0, 4.0, 8.0, 9.5):
        made.recovery.begin(LOST, now, at_once=True)
        delays.append(made.take()[0].delay)
    assert delays == [2.0, 4.0, 3.0, 1.0, 1.0]
    made.recovery.stop()
    assert made.timers.next_deadline is None
    assert not made.recovery.is_planned


def test_only_what_is_planned_can_be_hurried() -> None:
    """A network that is back makes the next attempt due, and invents none."""
    made = Made()
    made.recovery.hurry(5.0)
    assert made.timers.next_deadline is None
    made.recovery.begin(LOST, 5.0)
    made.recovery.hurry(5.5)
    assert made.timers.next_deadline == 5.5


def test_the_gateway_may_fail_so_often() -> None:
    """Then the session ends with what it said last; another error in between does not count (R14)."""
    made = Made(gateway_retries=2)
    for error in (failed("DOWN"), LOST, failed("EXPIRED"), LOST):
        assert made.recovery.begin(error, 0.0) is None
    assert made.recovery.begin(last := failed("FAILED"), 0.0) is last


@pytest.mark.parametrize(
    ("error", "is_tried"), [(failed("DOWN"), True), (failed("EXPIRED"), True), (failed("NOREG"), False), (LOST, False)]
)
def test_a_first_login_that_the_gateway_failed(error: NetworkError | GatewayError, is_tried: bool) -> None:
    """It is tried again as often as is said, where lost connections are replaced at all."""
    made = Made()
    assert made.recovery.may_retry_login(error, 1) is is_tried
    made.recovery.begin(failed("DOWN"), 0.0)
    assert not made.recovery.may_retry_login(error, 1)
    assert made.recovery.may_retry_login(error, 2) is is_tried
    assert not Made(reconnect_timeout=0.0).recovery.may_retry_login(error, 1)


def test_the_server_forgets_a_session() -> None:
    """90 s after the connection was lost (R53)."""
    made = Made()
    assert not made.recovery.is_session_stale(1000.0)
    made.recovery.begin(LOST, 10.0)
    made.recovery.begin(LOST, 60.0)
    assert not made.recovery.is_session_stale(99.9)
    assert made.recovery.is_session_stale(100.0)


def test_how_it_ends() -> None:
    """With how long it was tried, and how often."""
    made = Made(reconnect_timeout=60.0)
    for _ in range(3):
        made.recovery.begin(LOST, 0.0)
    error = made.recovery.exhausted()
    assert str(error).endswith("did not come back within 60 s (3 attempts)")
    assert error.code == 45003
