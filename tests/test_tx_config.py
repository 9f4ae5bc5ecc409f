"""`TxConfig`: what is in it is looked at when it is made."""

from __future__ import annotations

import pytest

from telnyx_agent import ClientConfigurationError, LogLevel, TxConfig


def test_a_config_is_checked_when_it_is_made() -> None:
    """Types and ranges; what is in them is not quoted."""
    with pytest.raises(ClientConfigurationError, match="password must be a text") as caught:
        TxConfig(sip_user="alice", password=b"a-password-in-bytes")  # type: ignore[arg-type]
    assert "bytes" in str(caught.value)
    assert "a-password" not in str(caught.value)
    for options in (
        {"reconnect_timeout": -1},
        {"reconnect_timeout": "60"},
        {"log_level": "LOUD"},
        {"call_report_log_level": "verbose"},
        {"call_report_max_log_entries": -1},
    ):
        with pytest.raises(ClientConfigurationError):
            TxConfig(**options)
    assert TxConfig(log_level="debug").log_level is LogLevel.DEBUG
