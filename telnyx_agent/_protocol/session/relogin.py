"""`Relogin`: other credentials on a live connection, as JavaScript's `client.login({creds})`.

Rules of this file:

1. The new login goes out on the open socket, with the same session id; calls go on meanwhile and afterwards.
2. The credentials are exchanged when the server has accepted them, and are used for every later connection. When it
   refuses them, or says nothing, those that the session has are kept.
3. Between two connections there is nobody to ask: the next login uses the new ones.
4. The `clientReady` that follows names no calls, because none was lost; it is not taken for news about them (R38).
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ...errors import AuthenticationError, LocalProtocolError, SocketConnectionError, TxError
from ..outcomes import CredentialsRefused, CredentialsUpdated, SessionEvent
from ..states import SessionState
from ..wire.credentials import CredentialLogin, is_anonymous, login_frame, login_hint
from ..wire.inbound import Refusal
from .pending import Channel, Pending, RequestKind
from .registration import Registration
from .settings import SessionSettings

__all__ = ["Relogin"]


class Relogin:
    """Exchanges a session's credentials."""

    def __init__(
        self,
        channel: Channel,
        registration: Registration,
        settings: SessionSettings,
        report: Callable[[SessionEvent], None],
    ) -> None:
        self._channel = channel
        self._registration = registration
        self._settings = settings
        self._report = report
        self._wanted: CredentialLogin | None = None
        self._quiet_announcements = 0

    def start(self, login: CredentialLogin, now: float) -> None:
        """Log in with other credentials; `CredentialsUpdated` or `CredentialsRefused` follows.

        Raises:
            LocalProtocolError: The session is an assistant's, or such a change is under way.
            SocketConnectionError: There is no session now: it is over, or its login is under way.
        """
        if is_anonymous(self._registration.login):
            raise LocalProtocolError("this session is an anonymous one; it has no credentials")
        if self._wanted is not None:
            raise LocalProtocolError("other credentials are on their way already; wait for what becomes of them")
        state = self._registration.state
        if state is SessionState.RECONNECTING:
            self._registration.login = attrs.evolve(login, reconnection=True)
            self._report(CredentialsUpdated())
        elif state is SessionState.READY:
            self._wanted = attrs.evolve(login, reconnection=True)
            request_id = self._channel.expect(Pending(RequestKind.RELOGIN), now + self._settings.login_timeout)
            self._channel.send(login_frame(request_id, self._wanted, self._registration.session_id))
            self._quiet_announcements += 1
        else:
            raise SocketConnectionError("not logged in at the moment: the credentials cannot be exchanged now")

    def accepted(self) -> None:
        """The server took them."""
        if self._wanted is not None:
            self._registration.login, self._wanted = self._wanted, None
            self._report(CredentialsUpdated())

    def refused(self, refusal: Refusal | None) -> None:
        """The server refused them, or did not answer."""
        login, self._wanted = self._wanted, None
        if login is None:
            return
        error: TxError
        if refusal is None:
            # The server may still take them, and announce that.
            error = SocketConnectionError("no answer to the new credentials; the session keeps those that it had")
        else:
            self._quiet_announcements -= 1
            error = refusal.as_error(
                AuthenticationError,
                f"authentication failed: {refusal}; {login_hint(login)}; the session keeps the credentials that it had",
            )
        self._report(CredentialsRefused(error))

    def connection_lost(self) -> None:
        """No answer will come."""
        self.refused(None)
        self._quiet_announcements = 0

    def explains_announcement(self) -> bool:
        """Whether a `clientReady` is the one that follows such a login; asked once for each."""
        if self._quiet_announcements == 0 or not self._registration.is_ready:
            return False
        self._quiet_announcements -= 1
        return True
