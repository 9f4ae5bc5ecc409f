"""`Connection`: a session and its sockets - what is done when one opens, is lost, is given up or stays silent, when the
login has come to something, and how a session ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import AuthenticationError, GatewayError, NetworkError, TxError
from . import requests
from .channel import Pending, RequestKind
from .credentials import retries_of
from .liveness import Verdict
from .outcomes import ClientFailed, CloseConnection, DropConnection, LoginFailed, Ready, Reconnected, Warned
from .requests import Frame
from .states import NetworkReason, SessionState
from .timers import TimerKind
from .view import SessionView
from .warnings import WarningCode

__all__ = ["Connection"]


class Connection(SessionView):
    """What the driver says of sockets, and what follows from it. Part of `Session`."""

    # -- the socket ----------------------------------------------------------------------------------------------------

    def connection_opened(self, now: float) -> None:
        """The socket is open: the login goes out (R6)."""
        self._registration.open(now)

    def connection_closed(self, error: TxError | None, now: float) -> None:
        """The socket is gone, or could not be opened. `OpenConnection` follows if it is to be replaced.

        Not replaced are those of a session that is over or that never was ready. Calls end with them.

        Args:
            error: Why; None if it was closed in an orderly way.
            now: The time.
        """
        if self._registration.is_over:
            self._registration.close()
            self._forget_connection()
            self._timers.clear()
            return
        failure = error or NetworkError("network connection closed by the server")
        if self._was_ready and self._recovery.is_allowed:
            self._lose(failure, now)
        elif self.state is SessionState.IDLE and (
            self._recovery.try_without_region(self.voice_sdk_id) or self._recovery.try_later(failure, now)
        ):
            # Another connection follows, and the login with it.
            return
        else:
            self._registration.close()
            self._forget_connection()
            self._timers.clear()
            self._failure = failure
            self._will_not_reconnect()
            if not self._was_ready:
                self._events.append(LoginFailed(failure))
            elif error is not None:
                self._events.append(ClientFailed(error, is_final=True))
            self._calls.fail_all(failure, now, lost=NetworkReason.NETWORK_LOST, bye=False)

    def _lose(
        self,
        error: TxError,
        now: float,
        reason: NetworkReason = NetworkReason.NETWORK_LOST,
        *,
        deliberate: bool = False,
        at_once: bool = False,
    ) -> None:
        """There is no connection any more, but there will be another."""
        self._registration.lose()
        self._forget_connection()
        end = self._recovery.begin(error, now, at_once=at_once)
        if end is not None:
            self._fail(end, now, lost=reason)
            return
        self._calls.connection_lost(error, now, reason, deliberate=deliberate)
        self.conversation.messages.connection_lost(now)

    def _replace(self, error: TxError, now: float, reason: NetworkReason, **how: bool) -> None:
        """The connection is no good any more, though its socket may be open."""
        self._events.append(DropConnection())
        self._lose(error, now, reason, **how)

    def _forget_connection(self) -> None:
        self._socket_health.lost()
        self._liveness.stop()
        self._relogin.connection_lost()
        self._channel.forget()
        self._inbox.forget()

    def _open_another(self, now: float) -> None:
        """The time has come for the next attempt."""
        if self._recovery.is_session_stale(now):
            self._registration.renew()
            self._channel.voice_sdk_id = None
            self._calls.session_renewed(now)
        self._recovery.attempt_due(self.voice_sdk_id)

    def _look_at_liveness(self, kind: TimerKind, now: float) -> None:
        verdict = self._liveness.timer_due(kind, now)
        if verdict is Verdict.UNCERTAIN:
            self._request(RequestKind.PING, "", now, requests.ping, self.voice_sdk_id)
        elif verdict is Verdict.DEAD:
            error = NetworkError("the network connection is dead: the server does not answer any more")
            if self._recovery.is_allowed:
                self._replace(error, now, NetworkReason.NETWORK_LOST, at_once=True)
            else:
                self._will_not_reconnect()
                self._fail(error, now, lost=NetworkReason.NETWORK_LOST)

    def _will_not_reconnect(self) -> None:
        if self._was_ready and not self._recovery.is_allowed:
            self._events.append(Warned(WarningCode.RECONNECTION_FAILED_WITH_NO_AUTO_RECONNECT))

    # -- what the login came to, and the end ---------------------------------------------------------------------------

    def _conclude(self, outcome: Ready | LoginFailed | None, now: float) -> None:
        """What the registration came to."""
        if isinstance(outcome, LoginFailed):
            self._login_failed(outcome.error, now)
        elif outcome is not None:
            if not self._was_ready:
                self._was_ready = True
                self._login_error = None
                self._events.append(outcome)
            elif self._recovery.lost_at is not None:
                self._events.append(Reconnected())
            self._recovery.succeeded()
            self._socket_health.ready()
            self._liveness.start(now)
            self._calls.session_ready(now)

    def _login_failed(self, error: TxError, now: float) -> None:
        """Final for a refusal (R15). Another connection may do better for a session that was ready (R14), and for a
        first login with credentials whose gateway failed: that registers with a SIP registrar, which takes its time.
        """
        if isinstance(error, AuthenticationError):
            self._fail(error, now)
        elif self._was_ready and self._recovery.is_allowed:
            is_gateway = isinstance(error, GatewayError)
            self._replace(error, now, NetworkReason.SERVER_ERROR if is_gateway else NetworkReason.NETWORK_LOST)
        elif not self._was_ready and self._recovery.may_retry_login(error, retries_of(self._registration.login)):
            self._login_error = error
            self._replace(error, now, NetworkReason.SERVER_ERROR)
        else:
            self._fail(error, now)

    def _fail(
        self,
        error: TxError,
        now: float,
        *,
        lost: NetworkReason | None = NetworkReason.SERVER_ERROR,
        cause: str | None = None,
        bye: bool = True,
    ) -> None:
        self._failure = error
        self._recovery.stop()
        self._events.append(ClientFailed(error, is_final=True) if self._was_ready else LoginFailed(error))
        self._calls.fail_all(error, now, lost=lost, cause=cause, bye=bye)
        self._close()

    def _close(self) -> None:
        self._registration.end()
        self._liveness.stop()
        self._timers.clear()
        self._events.append(CloseConnection())

    def _request(self, kind: RequestKind, about: str, now: float, build: Callable[..., Frame], *args: Any) -> None:
        request_id = self._channel.expect(Pending(kind, about), now + self._settings.request_timeout)
        if kind is RequestKind.PING:
            self._socket_health.asked(request_id, now)
        self._channel.send(build(request_id, *args))
