"""`ClientLogging`: the part of `TxClient` that says where its log goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._callables import check_logger, takes
from ._checks import checked_level
from ._client_base import ClientBase
from .config import LogLevel, TxLogger

if TYPE_CHECKING:
    from ._runtime.dispatch import Dispatcher
    from ._runtime.log import Sink

__all__ = ["ClientLogging", "checked_logger", "sink_of"]

TAG = "telnyx_agent"
"""What Android's loggers get as their tag."""


class ClientLogging(ClientBase):
    """See `TxClient`."""

    def set_log_level(self, level: LogLevel | int | str) -> None:
        """Log more or less from here on, until the next login says its own. Android and Flutter: `setLogLevel`.

        Raises:
            ClientConfigurationError: There is no such level.
        """
        checked = checked_level(level, "level")
        if self._log is not None:
            self._log.level = checked

    def set_logger(self, logger: TxLogger | None) -> None:
        """Where the log goes from here on, this session's too; None is stderr. Flutter: `setCustomLogger`.

        Raises:
            ClientConfigurationError: It has no method `log`.
        """
        self._logger = checked_logger(logger)
        if self._log is not None and self._last_dispatcher is not None:
            self._log.redirect(sink_of(logger, self._last_dispatcher))


def checked_logger(logger: object | None) -> object | None:
    """A `TxLogger`, or None.

    Raises:
        ClientConfigurationError: It is none.
    """
    check_logger("logger", logger)
    return logger


def sink_of(logger: Any, dispatcher: Dispatcher) -> Sink | None:
    """What hands a client's messages to its logger, where callbacks run."""
    if logger is None:
        return None
    with_tag = _takes_four(logger.log)

    def sink(level: LogLevel, message: str, exc: BaseException | None) -> None:
        arguments = (level, TAG, message, exc) if with_tag else (level, message)
        dispatcher.submit(lambda: logger.log(*arguments), "logger.log")

    return sink


def _takes_four(log: Any) -> bool:
    """Whether this is Android's form."""
    return takes(log, 2) is False and takes(log, 4) is True
