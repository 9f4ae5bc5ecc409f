"""From host and port to a connection that can be used: proxy, look-up, TLS, the caller's own look at the certificate.

The one way out for everything that this SDK sends over TCP: the WebSocket, and reports of calls.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import NetworkError
from .explanations import explain
from .proxies import choose_proxy, open_tunnel
from .socket import Wire
from .tls import check_certificate, tls_context

__all__ = ["dial"]

_OPTIONS = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)


def dial(
    wire: Wire,
    host: str,
    port: int,
    *,
    secure: bool,
    tls: Mapping[str, Any],
    proxy: str | None,
    timeout: float,
    options: Sequence[tuple[int, int, int]] = _OPTIONS,
) -> None:
    """Connect. Blocks, as every wait of a `Wire` does: `limit` and `abort` end it.

    Args:
        wire: Becomes the connection; a phase of it has begun.
        host: The server's.
        port: The server's.
        secure: Whether TLS is spoken.
        tls: See `check_tls_options`.
        proxy: See `choose_proxy`.
        timeout: How long it may take, for error messages.
        options: Of the socket.

    Raises:
        OSError: It failed; `explain` has words for it.
        TxError: Words have been found already.
    """
    way = choose_proxy(proxy, host, port, secure=secure, environment=os.environ)
    if way is None:
        wire.connect(host, port, options)
    else:
        try:
            wire.connect(way.host, way.port, options)
            try:
                open_tunnel(wire, way, host, port)
            except TimeoutError as exc:
                raise NetworkError(
                    f"the network proxy {way.where} did not open a connection to {host}:{port} within {timeout:g} s"
                ) from exc
        except (OSError, ValueError) as exc:
            raise explain(exc, f"the proxy {way.host}", way.port, timeout, advice=way.advice) from exc
    if secure:
        # On a thread of its own: files may be on a server that does not answer.
        context = wire.aside(functools.partial(tls_context, tls), "telnyx-agent-files")
        try:
            wire.start_tls(context, tls.get("server_hostname", host))
        except TimeoutError as exc:
            raise NetworkError(
                f"no TLS with {host}:{port} within {timeout:g} s: the network connection is there, but nobody answers; "
                "does that port speak TLS?"
            ) from exc
        if "check_certificate" in tls:
            check = functools.partial(check_certificate, tls, wire.peer_certificate(), f"{host}:{port}")
            try:
                wire.aside(check, "telnyx-agent-check", runs_program=True)
            except TimeoutError as exc:
                raise NetworkError(
                    f"the network connection to {host}:{port} was given up: check_certificate did not answer in time; "
                    f"all of connecting may take {timeout:g} s"
                ) from exc
