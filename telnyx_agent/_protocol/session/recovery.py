"""`Recovery`: after a lost connection, when the next one is tried, how often, and when it is time to give up.

Rules of this file:

1. The delays are 1, 2, 4 ... seconds with jitter, at most 30 (R52), and at most half of what is left: a network
   that comes back late is still found in time. The count begins anew when a login has succeeded.
2. A connection that *we* gave up is replaced at once: the server may be well. So is any other one as soon as this
   machine has a network again: it was not the server.
3. From the first loss until `REGED` it may take `reconnect_timeout` seconds, and all attempts together end then.
4. A gateway that fails again and again ends it sooner (R14); the next attempt asks for another server (R3). That is for
   sessions that were `Ready`, and for first logins with credentials; one to an assistant ends with its first failure,
   since its user waits for an answer.
5. The very first connection is tried again where the server, or a gateway before it, says by an HTTP status that it
   cannot now, and as long as a login may take.
6. With a region, the first attempt goes there, where the session lives, and every second one to the host without a
   region (R2).
"""

from __future__ import annotations

from collections.abc import Callable

from ...errors import FailureReason, GatewayError, NetworkError, ServerError, TxError
from ..outcomes import OpenConnection, Reconnecting, SessionEvent
from ..states import GatewayState
from ..timers import Timer, TimerKind, Timers
from .backoff import reconnect_delay
from .settings import SessionSettings

__all__ = ["Recovery"]

_SHORTEST = 1.0
"""Seconds that an attempt waits at least, before the jitter."""

_ATTEMPT = Timer(TimerKind.ATTEMPT)
_DEADLINE = Timer(TimerKind.RECONNECT)

_ELSEWHERE = frozenset(
    state.value for state in (GatewayState.FAILED, GatewayState.FAIL_WAIT, GatewayState.TIMEOUT, GatewayState.DOWN)
)
"""Gateway states after which another server may do better (R3). `EXPIRED` is about the registration, not the server."""

_NOT_NOW = frozenset({429, 502, 503, 504})
"""HTTP statuses that mean the moment, not the request."""

_FAILURES = _ELSEWHERE | {GatewayState.EXPIRED.value}
"""Gateway states that are worth another connection (R14)."""


class Recovery:
    """Decides about further connections of one session.

    Args:
        timers: Where the next attempt and the end of all attempts go.
        settings: How long, how often.
        random: Gives numbers from 0.0 to 1.0.
        report: Takes `Reconnecting` and `OpenConnection`.
    """

    def __init__(
        self,
        timers: Timers,
        settings: SessionSettings,
        random: Callable[[], float],
        report: Callable[[SessionEvent], None],
    ) -> None:
        self._timers = timers
        self._settings = settings
        self._random = random
        self._report = report
        self._attempt = 0
        self._gateway_failures = 0
        self._elsewhere = False
        self._tried_fallback = False
        self._refused_at: float | None = None
        self.lost_at: float | None = None
        """When the connection was lost that is being replaced; None while there is one."""

    @property
    def is_allowed(self) -> bool:
        """Whether lost connections are replaced at all."""
        return self._settings.reconnect_timeout > 0

    # -- the first login -----------------------------------------------------------------------------------------------

    def try_without_region(self, voice_sdk_id: str | None) -> bool:
        """The very first connection could not be made: try the host without the region, once (R2)."""
        if not self._settings.has_fallback or self._tried_fallback:
            return False
        self._tried_fallback = True
        self._report(OpenConnection(voice_sdk_id, without_region=True))
        return True

    def may_retry_login(self, error: TxError, retries: int) -> bool:
        """Whether a first login that ended like this is tried again."""
        is_worth_it = isinstance(error, GatewayError) and error.server_message in _FAILURES
        return self.is_allowed and is_worth_it and self._gateway_failures < retries

    def try_later(self, error: TxError, now: float) -> bool:
        """The very first connection was refused, but not for good (HTTP 429, 502, 503, 504): plan another.

        Within the time that a login may take, and not before the time that the server gave.

        Args:
            error: Why.
            now: The time.

        Returns:
            Whether there will be another.
        """
        if not self.is_allowed or not isinstance(error, ServerError) or error.server_code not in _NOT_NOW:
            return False
        if self._refused_at is None:
            self._refused_at = now
        delay = max(reconnect_delay(self._attempt + 1, self._random), error.retry_after or 0.0)
        if now + delay > self._refused_at + self._settings.ready_timeout:
            return False
        self._attempt += 1
        self._timers.set(_ATTEMPT, now + delay)
        self._report(Reconnecting(self._attempt, delay, error))
        return True

    # -- a lost connection ---------------------------------------------------------------------------------------------

    def begin(self, error: TxError, now: float, *, at_once: bool = False) -> TxError | None:
        """A connection is lost, or an attempt to replace it has failed: plan the next.

        Args:
            error: Why.
            now: The time.
            at_once: Whether we gave it up ourselves.

        Returns:
            What the session ends with, if there is to be no further attempt.
        """
        if self.lost_at is None:
            self.lost_at = now
            self._timers.set(_DEADLINE, now + self._settings.reconnect_timeout)
        if isinstance(error, GatewayError) and error.server_message in _FAILURES:
            self._gateway_failures += 1
            if self._gateway_failures > self._settings.gateway_retries:
                return error
        self._elsewhere = isinstance(error, GatewayError) and error.server_message in _ELSEWHERE
        self._attempt += 1
        delay = 0.0
        if not at_once or self._attempt > 1:
            left = self.lost_at + self._settings.reconnect_timeout - now
            delay = min(reconnect_delay(self._attempt, self._random), max(_SHORTEST, left / 2))
        self._timers.set(_ATTEMPT, now + delay)
        self._report(Reconnecting(self._attempt, delay, error))
        return None

    def attempt_due(self, voice_sdk_id: str | None) -> None:
        """The next connection is due."""
        without_region = self._settings.has_fallback and self._attempt % 2 == 0
        self._report(OpenConnection(voice_sdk_id, self._elsewhere and voice_sdk_id is not None, without_region))

    @property
    def is_planned(self) -> bool:
        """Whether the next attempt waits for its time."""
        return _ATTEMPT in self._timers

    def hurry(self, now: float) -> None:
        """The next attempt, if one is planned, is due now."""
        if self.is_planned:
            self._timers.set(_ATTEMPT, now)

    def is_session_stale(self, now: float) -> bool:
        """Whether the server has forgotten the session by now, so that a fresh one begins (R53)."""
        return self.lost_at is not None and now - self.lost_at >= self._settings.session_lifetime

    def succeeded(self) -> None:
        """The gateway said `REGED`: the connection is replaced."""
        self.lost_at = None
        self._attempt = 0
        self._gateway_failures = 0
        self._elsewhere = False
        self._refused_at = None
        self.stop()

    def stop(self) -> None:
        """No further attempt."""
        self._timers.cancel(_ATTEMPT, _DEADLINE)

    def exhausted(self) -> NetworkError:
        """What the session ends with when its time is up."""
        return NetworkError(
            f"the network connection was lost and did not come back within {self._settings.reconnect_timeout:g} s "
            f"({self._attempt} attempts)",
            code=45003,
        ).with_reason(FailureReason.RECONNECT_FAILED)
