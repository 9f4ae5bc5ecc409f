"""What a failed connection is called: exceptions of sockets, TLS and websocket-client become errors with advice."""

from __future__ import annotations

import socket
import ssl

import websocket

from ._runtime.mends import LOGIN_PAGE, certificate_problem, is_login_page
from .errors import NetworkError, ServerError, SocketConnectionError, TxError

__all__ = ["explain"]

# What went wrong, in the order of looking, and what to do about it. `where` is host and port, `what` is `_detail`.
_WHILE_CONNECTING: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "{host} was not found ({what}): check the name, the DNS server, and that this machine is online"),
    (ssl.SSLCertVerificationError, "{where} has no TLS certificate that is valid here: {what}"),
    (ssl.SSLError, "no TLS with {where} ({what}): does that port speak TLS 1.2 or newer?"),
    (ConnectionRefusedError, "{where} refused the connection: is the port right, and is the server running?"),
    (TimeoutError, "no connection to {where} within {timeout:g} s: is it up, or is a firewall in between?"),
    (websocket.WebSocketTimeoutException, "{where} did not answer the WebSocket upgrade within {timeout:g} s"),
    (websocket.WebSocketBadStatusException, "{where} answered with HTTP status {what}: is the URL right?"),
    (websocket.WebSocketConnectionClosedException, "{where} closed the connection instead of opening a WebSocket"),
    (websocket.WebSocketException, "{where} does not speak WebSocket: are scheme (ws or wss), port and path right?"),
    (OSError, "no connection to {where} ({what}): is this machine online?"),
    (ValueError, "{host} is not a usable host name"),
)
_WHILE_OPEN: tuple[tuple[type[BaseException], str], ...] = (
    (websocket.WebSocketException, "the connection to {where} was lost"),
    (OSError, "the connection to {where} was lost ({what})"),
)


def explain(exc: BaseException, host: str, port: int, timeout: float | None) -> TxError:
    """The error that users see of `exc`; `timeout` is the connect time-out, or None if the connection was open."""
    if isinstance(exc, TxError):
        return exc
    table = _WHILE_OPEN if timeout is None else _WHILE_CONNECTING
    template = next((text for kind, text in table if isinstance(exc, kind)), None)
    what = _detail(exc)
    error: TxError
    if template is None:
        error = SocketConnectionError(f"an unexpected {type(exc).__name__} ended the connection; please report it")
    else:
        if isinstance(exc, websocket.WebSocketBadStatusException) and is_login_page(exc.status_code):
            template = "{where} answered with HTTP status {what}: " + LOGIN_PAGE
        text = template.format(host=host, where=f"{host}:{port}", what=what, timeout=timeout)
        if isinstance(exc, websocket.WebSocketBadStatusException):
            # The way there works and somebody answered: no network failure (api_parity a-18).
            error = ServerError(text, server_code=exc.status_code)
        else:
            error = NetworkError(text)
    if isinstance(exc, websocket.WebSocketException):
        # Its own texts have headers and body of the server's answer, which like to repeat the URL with its query.
        exc.args = (what,)
        exc.__context__ = None
        exc.__dict__.update(dict.fromkeys(("resp_headers", "resp_body", "status_message"), None))
    error.__cause__ = exc
    return error


def _detail(exc: BaseException) -> str:
    if isinstance(exc, websocket.WebSocketBadStatusException):
        return str(exc.status_code)
    if isinstance(exc, ssl.SSLCertVerificationError):
        return certificate_problem(exc)
    if isinstance(exc, ssl.SSLError) and exc.reason:
        return exc.reason
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return type(exc).__name__
