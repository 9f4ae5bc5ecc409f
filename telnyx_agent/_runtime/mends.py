"""What the user can do about what is wrong between here and a server: certificates, and networks with a login page."""

from __future__ import annotations

import ssl
import time

__all__ = ["LOGIN_PAGE", "certificate_problem", "is_login_page"]

LOGIN_PAGE = (
    "somebody else answers in its place, as networks with a login page do (hotels, trains): "
    "open a browser, log in to the network, and try again"
)

_NOT_YET_VALID, _EXPIRED = 9, 10
_WRONG_NAME = frozenset({62, 64})
# OpenSSL's X509_V_ERR_*: no issuer can be found, or the chain ends with one that nobody here knows.
_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})


def certificate_problem(exc: ssl.SSLCertVerificationError) -> str:
    """Why a certificate was not accepted, and what to do about it."""
    text = exc.verify_message.rstrip(".")
    code = exc.verify_code
    if code in (_NOT_YET_VALID, _EXPIRED):
        now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        return f"{text}; this machine's clock says {now}: if that is wrong, set the clock"
    if code in _UNKNOWN_ISSUER:
        return (
            f"{text}; if a proxy or a virus scanner of yours looks into TLS, name its CA certificate with ca_file, or "
            "in the environment variable SSL_CERT_FILE; otherwise somebody listens in: use another network"
        )
    if code in _WRONG_NAME:
        return f"{text}; the certificate is another host's: check the URL. If that is right, {LOGIN_PAGE}"
    return f"{text}; check ca_file and the clock of this machine"


def is_login_page(status: int) -> bool:
    """Whether an HTTP status in answer to a WebSocket upgrade is what a network with a login page sends.

    Telnyx redirects nobody; 511 is RFC 6585's "Network Authentication Required".
    """
    return status in (301, 302, 303, 307, 308, 511)
