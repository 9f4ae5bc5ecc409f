"""What is wrong with a certificate, and the mend that belongs to it."""

from __future__ import annotations

import ssl

import pytest

from telnyx_agent._runtime.mends import certificate_problem, is_login_page


@pytest.mark.parametrize(
    ("code", "message", "mend"),
    [
        (9, "certificate is not yet valid", "set the clock"),
        (10, "certificate has expired", "set the clock"),
        (18, "self-signed certificate", "SSL_CERT_FILE"),
        (19, "self-signed certificate in certificate chain", "SSL_CERT_FILE"),
        (20, "unable to get local issuer certificate", "ca_file"),
        (62, "Hostname mismatch, certificate is not valid for 'a'.", "open a browser"),
        (26, "unsuitable certificate purpose", "ca_file"),
    ],
)
def test_each_has_its_mend(code: int, message: str, mend: str) -> None:
    """The numbers are OpenSSL's (x509_vfy.h)."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    assert certificate_problem(error).startswith(message.rstrip("."))
    assert mend in certificate_problem(error)


def test_statuses() -> None:
    """An answer of Telnyx is none."""
    assert [status for status in range(100, 600) if is_login_page(status)] == [301, 302, 303, 307, 308, 511]
