"""`ClientLog`: what one client has to say, for `logging` always, for stderr when the client's `LogLevel` asks for it.

Messages go to the logger `telnyx_agent.client.<n>` at the matching standard level, so a program that has set up
`logging` filters them as it does all others. stderr is written past the logger's level: to lower that level would flood
the program's handlers with what only stderr was meant to show. Nothing here blocks: see `log_queue`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal

from .._flight import FlightSlot
from .._protocol.wire.redact import redacted_text
from ..config import LogLevel
from .log_queue import flush, print_to_stderr
from .third_party_logs import hide_secrets

__all__ = ["ClientLog", "Sink", "flush"]

Sink = Callable[[LogLevel, str, "BaseException | None"], None]


class ClientLog:
    """The log of one client. Any thread may call it; messages are %-formatted only if somebody wants them.

    Args:
        level: What goes to stderr; `LogLevel.NONE` is nothing at all.
        client_number: Which client of the process; part of the logger's name.
        flight: Whose recorder gets the frames.
        sink: Takes, in the place of stderr, each message whose level is wanted, with the exception that goes with it.
            It is called on any thread, and must neither block nor raise.
    """

    def __init__(
        self, level: LogLevel, client_number: int, flight: FlightSlot | None = None, sink: Sink | None = None
    ) -> None:
        self.level = level
        """What goes to stderr, or to the sink. May be changed at any time."""
        self._flight = FlightSlot() if flight is None else flight
        self._sink = sink
        self._is_closed = False
        self._logger = _logger_of(f"telnyx_agent.client.{client_number}")
        self._formatter = logging.Formatter(f"%(asctime)s telnyx-agent[{client_number}] %(levelname)s %(message)s")
        hide_secrets()

    def error(self, message: str, *args: Any, exc_info: BaseException | None = None) -> None:
        """Something went wrong, and the user has to do something about it."""
        self._log(LogLevel.ERROR, logging.ERROR, message, args, exc_info)

    def warning(self, message: str, *args: Any, exc_info: BaseException | None = None) -> None:
        """Something is not as it should be, and the client goes on."""
        self._log(LogLevel.WARNING, logging.WARNING, message, args, exc_info)

    def success(self, message: str, *args: Any) -> None:
        """Something that was asked for is done."""
        self._log(LogLevel.SUCCESS, logging.INFO, message, args)

    def info(self, message: str, *args: Any) -> None:
        """A step on the way."""
        self._log(LogLevel.INFO, logging.INFO, message, args)

    def debug(self, message: str, *args: Any, exc_info: BaseException | None = None) -> None:
        """For those who work on the SDK."""
        self._log(LogLevel.DEBUG, logging.DEBUG, message, args, exc_info)

    def frame(self, direction: Literal["<", ">"], text: str | bytes) -> None:
        """A frame on the wire, without what is secret or personal. Only from `LogLevel.VERTO` on, logging included.

        Args:
            direction: `"<"` for received, `">"` for sent.
            text: The frame.
        """
        if (recorder := self._flight.recorder) is not None:
            recorder.frame(direction, text)
        if self.level < LogLevel.VERTO:
            return
        self._log(LogLevel.VERTO, logging.DEBUG, "%s %s", (direction, redacted_text(text)))

    def stats(self, message: str, *args: Any) -> None:
        """Media statistics."""
        self._log(LogLevel.STATS, logging.DEBUG, message, args)

    def redirect(self, sink: Sink | None) -> None:
        """Take this sink from here on; None is stderr. Messages on other threads may still go to the one before."""
        if not self._is_closed:
            self._sink = sink

    def close(self) -> None:
        """Nothing more goes to stderr or to the sink."""
        self._is_closed = True
        self._sink = None

    def _log(
        self, level: LogLevel, standard: int, message: str, args: tuple[Any, ...], exc_info: BaseException | None = None
    ) -> None:
        exc = None if exc_info is None else (type(exc_info), exc_info, exc_info.__traceback__)
        if self._logger.isEnabledFor(standard):
            # The record should name the caller of error(), info() and so on.
            self._logger.log(standard, message, *args, exc_info=exc, stacklevel=3)
        if level > self.level:
            return
        sink = self._sink
        if sink is not None:
            sink(level, message % args if args else message, exc_info)
        elif not self._is_closed:
            record = self._logger.makeRecord(self._logger.name, standard, "", 0, message, args, exc)
            try:
                # Here, since the arguments may change until it is printed.
                record.msg, record.args = record.getMessage(), None
            except Exception as wrong:  # noqa: BLE001 - whoever logs is not to blame
                record.msg = f"{message!r} does not fit its arguments: {wrong}"
                record.args = None
            print_to_stderr(lambda: f"{self._formatter.format(record)}\n", len(record.msg))


class _ClientLogger(logging.Logger):
    """A logger that goes with its client; `logging` keeps those that it makes for as long as the process lives."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._registered = logging.getLogger("telnyx_agent.client")
        self.parent = self._registered

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name is that of `logging`
        """As its parent, whose level `logging` looks after."""
        return self._registered.isEnabledFor(level)


def _logger_of(name: str) -> logging.Logger:
    """The logger that the program has set up under this name; else one that nobody keeps."""
    known = logging.Logger.manager.loggerDict.get(name)
    return known if isinstance(known, logging.Logger) else _ClientLogger(name)
