"""`LoginWishes`: what the program wants of one login."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._call_media import MediaChoices
from .config import LogLevel, TxServerConfiguration

if TYPE_CHECKING:
    from .tx_config import TxConfig

__all__ = ["LoginWishes"]


@attrs.frozen
class LoginWishes:
    """What the program wants of one login.

    Attributes:
        configuration: Signalling and ICE servers.
        media: Devices and sound settings of its calls, unless a call has its own.
        reconnect_timeout: Seconds for which a lost connection may be replaced.
        level: How much is logged.
        logger: Gets the log instead of stderr.
        tx_config: The argument of `connect`; None for an anonymous login.
    """

    configuration: TxServerConfiguration
    media: MediaChoices
    reconnect_timeout: float
    level: LogLevel = LogLevel.NONE
    logger: object | None = None
    tx_config: TxConfig | None = None
