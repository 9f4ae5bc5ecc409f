"""TLS contexts that verify: by default the system's CAs; a caller may bring others, but cannot switch it off.

Besides, the caller may look at the certificate of the server, once it is verified, and refuse it (pinning).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any

from .._callables import check_function, check_result
from ..errors import ClientConfigurationError, NetworkError

__all__ = ["check_certificate", "check_tls_options", "tls_context"]

_OPTIONS = frozenset({"context", "ca_certs", "ca_cert_path", "server_hostname", "check_certificate"})


def check_tls_options(options: Mapping[str, Any]) -> None:
    """Refuse what is unknown or would weaken TLS.

    Args:
        options: `context`, an `ssl.SSLContext`, or `ca_certs` and `ca_cert_path`, a file and a folder of CA
            certificates in place of the system's; `server_hostname`, the name to verify in place of the URL's;
            `check_certificate`, see below.

    Raises:
        ClientConfigurationError: There are other options, or the context does not verify or allows TLS 1.1.
    """
    unknown = sorted(set(options) - _OPTIONS)
    if unknown:
        raise ClientConfigurationError(f"unknown TLS option {unknown[0]!r}; TLS verification cannot be turned off")
    if (check := options.get("check_certificate")) is not None:
        check_function("check_certificate", check, "(certificate)")
    if (context := options.get("context")) is not None:
        _check_context(context)


def _check_context(context: ssl.SSLContext) -> None:
    if context.verify_mode != ssl.CERT_REQUIRED or not context.check_hostname:
        raise ClientConfigurationError("this SSLContext does not verify; make it with ssl.create_default_context()")
    # Debian's Python leaves the minimum to the system's OpenSSL configuration; `tls_context` says it then.
    if ssl.TLSVersion.MINIMUM_SUPPORTED != context.minimum_version < ssl.TLSVersion.TLSv1_2:
        raise ClientConfigurationError("this SSLContext allows TLS 1.1; set minimum_version = ssl.TLSVersion.TLSv1_2")


def tls_context(options: Mapping[str, Any]) -> ssl.SSLContext:
    """The context for `options`, with TLS 1.2 as the least where the caller's context leaves that open. Reads files.

    Raises:
        ClientConfigurationError: The CA certificates cannot be read, or the caller's context does not verify any more:
            it may have been changed since `check_tls_options`.
    """
    context: ssl.SSLContext | None = options.get("context")
    if context is not None:
        _check_context(context)
        if context.minimum_version == ssl.TLSVersion.MINIMUM_SUPPORTED:
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context
    try:
        context = ssl.create_default_context(cafile=options.get("ca_certs"), capath=options.get("ca_cert_path"))
    except OSError as exc:
        raise ClientConfigurationError(f"the CA certificates cannot be read: {exc.strerror}") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A renegotiation would make the writer wait for data that only the reader may take.
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def check_certificate(options: Mapping[str, Any], certificate: bytes, where: str) -> None:
    """Have the caller's `check_certificate(der) -> bool` look at a certificate that is valid otherwise.

    Only the object True is a yes: an object that happens to be true, such as a coroutine, has not looked.

    Raises:
        NetworkError: It did not say True, or raised.
    """
    check: Callable[[bytes], object] | None = options.get("check_certificate")
    if check is None:
        return
    try:
        accepted = check(certificate)
        check_result("check_certificate", accepted)
    except BaseException as exc:  # SystemExit, too: it is the program's code, and this is not the program's thread
        raise NetworkError(f"check_certificate failed, so the network connection to {where} was given up") from exc
    if accepted is False:
        raise NetworkError(f"the network connection to {where} was given up: check_certificate refused its certificate")
    if accepted is not True:
        raise NetworkError(
            f"the network connection to {where} was given up: check_certificate returned "
            f"{type(accepted).__name__}; only True accepts a certificate"
        )
