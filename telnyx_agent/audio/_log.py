"""The logger of the audio devices. Its warnings are seen even by those who never configured logging.

A call without sound is a riddle otherwise: the package's own `NullHandler` keeps Python's last resort from printing.
"""

from __future__ import annotations

import logging

__all__ = ["install"]


class _LastResort(logging.Handler):
    """Prints warnings to stderr unless the program has any handler of its own that will see them."""

    def emit(self, record: logging.LogRecord) -> None:
        if logging.lastResort is not None and not self._is_handled(logging.getLogger(record.name)):
            logging.lastResort.handle(record)

    def _is_handled(self, source: logging.Logger | None) -> bool:
        while source is not None:
            if any(not isinstance(handler, (logging.NullHandler, _LastResort)) for handler in source.handlers):
                return True
            source = source.parent if source.propagate else None
        return False


def install() -> None:
    """Once, when the package is imported; `logging.getLogger("telnyx_agent.audio").setLevel(...)` silences it."""
    logging.getLogger("telnyx_agent.audio").addHandler(_LastResort(logging.WARNING))
