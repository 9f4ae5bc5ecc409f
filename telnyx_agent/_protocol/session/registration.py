"""`Registration`: from the open socket to `REGED` - login, clientReady, gateway state - and what goes wrong on the way.

Rules of this file:

1. The login is the first frame on the socket (R6, R19, S1).
2. After `logged in` the gateway state is asked for when `clientReady` comes, or without it after a while (R12, R13).
3. `REGED` makes ready, as result or as push, once (R14). A state on the way there is asked about again, a few times; a
   state that leads nowhere fails at once.
4. Every login comes to an end: 10 s for the login's result, 15 s for `REGED` (R11).
"""

from __future__ import annotations

from collections.abc import Callable

from ...errors import AuthenticationError, ConversationNotFoundError, GatewayError, NetworkError
from ..outcomes import ClientReady, LoginFailed
from ..states import GATEWAY_TABLE, SESSION_TABLE, GatewayPhase, GatewayState, SessionInput, SessionState, advance
from ..timers import Timer, TimerKind, Timers
from ..wire import requests
from ..wire.credentials import Login, is_anonymous, login_frame, login_hint, renewed, target_of
from ..wire.inbound import GatewayReport, Refusal
from .pending import Channel, Pending, RequestKind
from .settings import SessionSettings

__all__ = ["Registration"]

_CONNECTED = (SessionState.LOGGING_IN, SessionState.REGISTERING, SessionState.READY)
_LOGIN = Timer(TimerKind.LOGIN)
_READY = Timer(TimerKind.READY)
_CLIENT_READY = Timer(TimerKind.CLIENT_READY)
_REQUERY = Timer(TimerKind.REQUERY)


_NO_SUCH_CONVERSATION = 10007
"""JavaScript's AI assistant guide: "The conversation does not exist or does not belong to this user"."""


class Registration:
    """The session's state, and all that moves it. Outcomes are returned: `ClientReady`, `LoginFailed`, or nothing."""

    def __init__(
        self,
        login: Login,
        channel: Channel,
        timers: Timers,
        settings: SessionSettings,
        random: Callable[[], float],
    ) -> None:
        self.state = SessionState.IDLE
        self.session_id = channel.new_id()
        """The session id: ours, until the server has confirmed or replaced it (R7, R10)."""
        self.voice_sdk_id: str | None = None
        """The token that leads a reconnection back to the same server (R3)."""
        self.report = GatewayReport(None)
        """The last report with which the gateway said `REGED`."""
        self.login: Login = login
        """What is sent on the next socket."""
        self._channel = channel
        self._timers = timers
        self._settings = settings
        self._random = random
        self._phase = GatewayPhase.WAITING
        self._answers = 0
        self._client_ready = False
        self._asked = False
        self._logins_left = 1

    @property
    def is_ready(self) -> bool:
        """Whether calls go through."""
        return self.state is SessionState.READY

    @property
    def is_logged_in(self) -> bool:
        """Whether the server has accepted the login, so that it takes other requests (S2)."""
        return self.state in (SessionState.REGISTERING, SessionState.READY)

    @property
    def has_connection(self) -> bool:
        """Whether there is a socket on which something may come."""
        return self.state in _CONNECTED

    @property
    def is_over(self) -> bool:
        """Whether nothing can come of this session any more."""
        return self.state in (SessionState.CLOSING, SessionState.CLOSED)

    @property
    def is_closed(self) -> bool:
        """Whether it is over, and its last socket gone."""
        return self.state is SessionState.CLOSED

    @property
    def target_id(self) -> str | None:
        """Whom the session is locked to; None if calls go where they are dialled to."""
        return target_of(self.login)

    # -- the socket ----------------------------------------------------------------------------------------------------

    def open(self, now: float) -> None:
        """The socket is open: log in, unless the user has given up meanwhile. After `lose` it is a reconnection."""
        self._advance(SessionInput.OPENED)
        if self.state is SessionState.LOGGING_IN:
            self._send_login(self.login, now)

    def lose(self) -> None:
        """The socket is gone and will be replaced: the session is to be taken up again (R53)."""
        self._advance(SessionInput.LOST)
        self._timers.cancel(_LOGIN, _READY, _CLIENT_READY, _REQUERY)
        self._logins_left = 1
        self.login = renewed(self.login, reconnection=True)

    def renew(self) -> None:
        """The server has forgotten the session: the next login begins another."""
        self.session_id = self._channel.new_id()
        self.voice_sdk_id = None
        self.login = renewed(self.login, reconnection=False)

    def end(self) -> None:
        """We are done; what comes from here on is ignored."""
        self._advance(SessionInput.ENDED)

    def close(self) -> None:
        """The socket is gone."""
        self._advance(SessionInput.CLOSED)

    # -- login ---------------------------------------------------------------------------------------------------------

    def login_lost(self, refusal: Refusal, now: float) -> LoginFailed | None:
        """A request was answered as if we had not logged in: do it once more, then give up (R16)."""
        if not self.is_logged_in:
            # Several requests were under way; the first one's answer has led to a new login already.
            return None
        if self._logins_left == 0:
            return LoginFailed(
                refusal.as_error(
                    AuthenticationError,
                    f"authentication was lost, and a new login did not help: {refusal}",
                    code=46003,
                )
            )
        self._logins_left -= 1
        self._advance(SessionInput.LOGIN_REQUIRED)
        self._send_login(renewed(self.login, reconnection=True), now)
        return None

    def login_accepted(self, now: float) -> None:
        """The login's result came."""
        self._advance(SessionInput.LOGIN_ACCEPTED)
        self._timers.cancel(_LOGIN)
        if self._client_ready:
            self._ask(now)
        else:
            self._timers.set(_CLIENT_READY, now + self._settings.client_ready_grace)

    def login_refused(self, refusal: Refusal) -> LoginFailed:
        """The login's error came."""
        is_lost = refusal.number == _NO_SUCH_CONVERSATION
        kind = ConversationNotFoundError if is_lost else AuthenticationError
        return LoginFailed(refusal.as_error(kind, f"authentication failed: {refusal}; {login_hint(self.login)}"))

    def _send_login(self, login: Login, now: float) -> None:
        self._phase = GatewayPhase.WAITING
        self._answers = 0
        self._client_ready = self._asked = False
        deadline = now + self._settings.login_timeout
        request_id = self._channel.expect(Pending(RequestKind.LOGIN), deadline)
        self._channel.send(login_frame(request_id, login, self.session_id))
        self._timers.cancel(_CLIENT_READY, _REQUERY)
        self._timers.set(_LOGIN, deadline)
        self._timers.set(_READY, now + self._settings.ready_timeout)

    # -- gateway -------------------------------------------------------------------------------------------------------

    def client_ready(self, now: float) -> None:
        """`clientReady` came; a proxy may send it before the login's result."""
        self._client_ready = True
        if self.state is SessionState.REGISTERING and not self._asked:
            self._ask(now)

    def ask_again(self, now: float) -> None:
        """Whether other credentials are registered, too; a state that leads nowhere ends in another connection."""
        self._ask(now)

    def gateway_reported(self, report: GatewayReport, now: float) -> ClientReady | LoginFailed | None:
        """The gateway's state came, as result or as push."""
        if not self.is_logged_in:
            return None
        if report.state is None or report.state is GatewayState.ATTACHED:
            self._ask_later(now)
            return None
        self._phase = advance(GATEWAY_TABLE, self._phase, report.state)
        if self._phase is GatewayPhase.FAILED:
            return LoginFailed(_gateway_failed(report.state))
        if self._phase is GatewayPhase.WAITING:
            return self._not_yet(report.state, now)
        if report.state is GatewayState.REGED:
            self.report = report
        if self.is_ready:
            return None
        self._advance(SessionInput.REGISTERED)
        self._timers.cancel(_READY, _CLIENT_READY, _REQUERY)
        return ClientReady()

    def gateway_refused(self, refusal: Refusal) -> LoginFailed:
        """The question for the gateway's state was answered with an error."""
        text = f"logged in, but the server does not tell the gateway's state: {refusal}"
        return LoginFailed(refusal.as_error(GatewayError, text))

    def _not_yet(self, state: GatewayState, now: float) -> LoginFailed | None:
        if _REQUERY in self._timers:
            # A second report between two questions, such as a push beside the result.
            return None
        self._answers += 1
        if self._answers >= self._settings.max_gateway_answers:
            return LoginFailed(self._never_registered(state.value))
        self._ask_later(now)
        return None

    def _ask(self, now: float) -> None:
        self._asked = True
        self._timers.cancel(_CLIENT_READY)
        request_id = self._channel.expect(Pending(RequestKind.GATEWAY_STATE), now + self._settings.ready_timeout)
        self._channel.send(requests.gateway_state(request_id, self.voice_sdk_id))

    def _ask_later(self, now: float) -> None:
        if self.is_ready or _REQUERY in self._timers:
            return
        shortest, longest = self._settings.requery_delays
        self._timers.set(_REQUERY, now + shortest + (longest - shortest) * self._random())

    # -- time ----------------------------------------------------------------------------------------------------------

    def timer_due(self, kind: TimerKind, now: float) -> LoginFailed | None:
        """One of this file's timers came due."""
        if kind is TimerKind.LOGIN:
            return LoginFailed(
                NetworkError(
                    f"no answer to the login within {self._settings.login_timeout:g} s; check the network connection "
                    "and the server configuration"
                )
            )
        if kind is TimerKind.READY:
            return LoginFailed(self._never_registered(f"no state within {self._settings.ready_timeout:g} s"))
        self._ask(now)
        return None

    def _advance(self, event: SessionInput) -> None:
        self.state = advance(SESSION_TABLE, self.state, event)

    def _never_registered(self, last: str) -> GatewayError:
        what = "that the assistant can be called" if is_anonymous(self.login) else "the SIP connection's settings"
        return GatewayError(
            f"logged in, but Telnyx's gateway did not register the session ({last}); check {what}, and try again later",
            code=46001,
            server_message=last,
        )


def _gateway_failed(state: GatewayState) -> GatewayError:
    return GatewayError(
        f"Telnyx's gateway reported {state.value}; this is on the server's side, try again later",
        server_message=state.value,
    )
