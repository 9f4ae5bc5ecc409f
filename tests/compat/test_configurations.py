"""`CredentialConfig` and `TokenConfig`; what they are in iOS's form is in docs/parity.tsv."""

from __future__ import annotations

from typing import Any

from telnyx_agent import LogLevel
from telnyx_agent.compat import TokenConfig


def test_a_logger_in_the_configuration() -> None:
    """README of Android, "Custom Logging": `log(level, tag, message, throwable)`, given with the login."""

    class MyCustomLogger:
        def log(self, level: LogLevel, tag: str | None, message: str, throwable: BaseException | None) -> None: ...

    logger: Any = MyCustomLogger()
    config = TokenConfig(sip_token="a.secret.token", custom_logger=logger)
    assert config.tx_config().custom_logger is logger
