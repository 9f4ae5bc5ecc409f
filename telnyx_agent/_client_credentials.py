"""`ClientCredentials`: log in with the credentials of a SIP connection - to call numbers, and to be called."""

from __future__ import annotations

from ._client_base import not_connected
from ._client_login import ClientLogin
from ._runtime.futures import CommandFuture
from .config import TxServerConfiguration
from .errors import ClientConfigurationError
from .tx_config import TxConfig, checked_credentials

__all__ = ["ClientCredentials"]


class ClientCredentials(ClientLogin):
    """Logins with user and password, or with a token. Any thread."""

    def connect(
        self, tx_config: TxConfig, server_configuration: TxServerConfiguration | None = None
    ) -> CommandFuture[None]:
        """Connect and log in with credentials. iOS: `connect(txConfig:serverConfiguration:)`.

        Calls may be placed at once: they wait for the login. Calls that come in are told to
        `TxClientDelegate.on_incoming_call`. The session is locked to nobody: `new_call` needs a destination.

        A gateway that fails (`FAILED`, `FAIL_WAIT`, `EXPIRED` and the like) is tried on up to three other connections,
        each told by `on_reconnecting`; states on the way to `REGED` are asked for again up to five times.

        Args:
            tx_config: The credentials, and how this session logs and reconnects.
            server_configuration: Signalling and ICE servers; Telnyx's production servers when not given.

        Returns:
            A future that is done when the client is ready. Its error, and `on_client_error`'s, is an
            `AuthenticationError` (refused; `server_code` -32001), `NetworkError` (no connection or no answer) or
            `GatewayError`.

        Raises:
            ClientConfigurationError: There is no user, password or token; nothing was sent.
            MediaError: The file of a ringing tone cannot be read; nothing was sent.
            LocalProtocolError: The client is logged in already; call `disconnect()` first, or `update_credentials()`.
        """
        # Typed as what it may be at run time: users of this check are those who do not run a type checker.
        given: object = tx_config
        if not isinstance(given, TxConfig):
            raise ClientConfigurationError(f"connect() takes a TxConfig(...), not {type(given).__name__}")
        login = checked_credentials(tx_config.sip_user, tx_config.password, tx_config.token)
        timeout = tx_config.reconnect_timeout if tx_config.reconnect_client else 0.0
        return self._log_in(login, server_configuration, tx_config.log_level, timeout, tx_config)

    def update_credentials(
        self, *, sip_user: str | None = None, password: str | None = None, token: str | None = None
    ) -> CommandFuture[None]:
        """Go on with other credentials, without another connection.

        For a token that is about to expire. Calls go on. If the server refuses the new credentials, the session keeps
        those that it had.

        Args:
            sip_user: As in `TxConfig`.
            password: As in `TxConfig`.
            token: As in `TxConfig`.

        Returns:
            A future that is done when the server has accepted them; every later login uses them. Its error is an
            `AuthenticationError` (refused), a `LocalProtocolError` (an anonymous session, or such a change is under
            way) or a `SocketConnectionError` (not logged in, or no answer).

        Raises:
            ClientConfigurationError: There is no user, password or token; nothing was sent.
        """
        login = checked_credentials(sip_user, password, token)
        return self._command(not_connected(), lambda driver: driver.update_credentials, login)
