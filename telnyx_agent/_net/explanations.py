"""What a failed connection is called: exceptions of sockets, TLS and websocket-client become errors with advice."""

from __future__ import annotations

import email.utils
import socket
import ssl
import time
from collections.abc import Mapping

import websocket

from .._runtime.mends import LOGIN_PAGE, certificate_problem, is_login_page
from ..errors import NetworkError, ServerError, SocketConnectionError, TxError

__all__ = ["explain"]

# What went wrong, in the order of looking, and what to do about it. `where` is host and port, `what` is `_detail`.
_WHILE_CONNECTING: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "{host} was not found ({what}): check the name, the DNS server, and that this machine is online"),
    (ssl.SSLCertVerificationError, "{where} has no TLS certificate that is valid here: {what}"),
    (ssl.SSLError, "no TLS with {where} ({what}): does that port speak TLS 1.2 or newer?"),
    (ConnectionRefusedError, "{where} refused the connection: is the port right, and is the server running?"),
    (TimeoutError, "no connection to {where} within {timeout:g} s: is it up, or is a firewall in between?"),
    (websocket.WebSocketTimeoutException, "{where} did not answer the WebSocket upgrade within {timeout:g} s"),
    (websocket.WebSocketBadStatusException, "{where} answered with HTTP status {what}"),
    (websocket.WebSocketConnectionClosedException, "{where} closed the connection instead of opening a WebSocket"),
    (websocket.WebSocketException, "{where} does not speak WebSocket: are scheme (ws or wss), port and path right?"),
    (OSError, "no connection to {where} ({what}): is this machine online?"),
    (ValueError, "{host} is not a usable host name"),
)

_STATUSES: dict[int, str] = {
    401: "who answered wants a login of its own, which Telnyx does not: is the URL right, or is a gateway in between?",
    403: "the server, or something in between, forbids the connection: is this address blocked, by a firewall or VPN?",
    404: "there is no WebSocket at this path: is the URL right?",
    407: "a proxy in between wants user name and password: give them as proxy='http://user:password@host:port'",
    408: "the server waited too long for the request: is this connection very slow?",
    426: "the server wants another protocol: is the URL right?",
    429: "too many connections from here: wait, then connect less often",
    500: "the server has an error of its own: try again later",
    502: "a gateway in front of the server gets no answer from it: try again later",
    503: "the server is overloaded or being serviced: try again later",
    504: "a gateway in front of the server waited for it in vain: try again later",
}
"""What each HTTP status means in the place of a WebSocket, and what to do."""

_WHILE_OPEN: tuple[tuple[type[BaseException], str], ...] = (
    (websocket.WebSocketException, "the connection to {where} was lost"),
    (OSError, "the connection to {where} was lost ({what})"),
)


def explain(exc: BaseException, host: str, port: int, timeout: float | None, *, advice: str = "") -> TxError:
    """The error that users see of an exception.

    Args:
        exc: The exception.
        host: Whom we are, or were, connecting to.
        port: Likewise.
        timeout: The connect time-out, or None if the connection was open.
        advice: Ends the text.
    """
    if isinstance(exc, TxError):
        return exc
    if isinstance(exc, websocket.WebSocketBadStatusException) and exc.status_code is None:
        # Of an answer that has no status line.
        exc = websocket.WebSocketProtocolException("no status").with_traceback(exc.__traceback__)
    table = _WHILE_OPEN if timeout is None else _WHILE_CONNECTING
    template = next((text for kind, text in table if isinstance(exc, kind)), None)
    what = _detail(exc)
    error: TxError
    if template is None:
        error = SocketConnectionError(f"an unexpected {type(exc).__name__} ended the connection; please report it")
    else:
        text = template.format(host=host, where=f"{host}:{port}", what=what, timeout=timeout) + advice
        if isinstance(exc, websocket.WebSocketBadStatusException):
            # The way there works and somebody answered: no network failure (api_parity a-18).
            error = ServerError(f"{text}: {_meaning(exc.status_code)}", server_code=exc.status_code)
            error.retry_after = _retry_after(getattr(exc, "resp_headers", None))
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


def _meaning(status: int) -> str:
    if is_login_page(status):
        return LOGIN_PAGE
    general = "the server has an error of its own: try again later" if status >= 500 else "is the URL right?"
    return _STATUSES.get(status, general)


def _retry_after(headers: Mapping[str, str] | None) -> float | None:
    """Seconds, from a number of them or from a date (RFC 9110, 10.2.3)."""
    text = str((headers or {}).get("retry-after", "")).strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, IndexError, ArithmeticError, OSError):  # dates in which numbers have no bound
        return None
