"""The first thing that is imported: where this process is our own command, signals are noted from here on.

Importing the package takes a tenth of a second, and seconds on a busy machine. A Ctrl-C in that time would end the
command with a traceback. A program that only imports the package keeps its signals as they are.
"""

from __future__ import annotations

import os
import signal
import sys

__all__ = ["received"]

received: list[int] = []
"""The signals that came before the command could look after them."""

_SCRIPTS = frozenset({"telnyx-agent", "telnyx-agent.exe", "telnyx-agent-script.py"})
_MODULES = frozenset({"telnyx_agent", "telnyx_agent.testing"})


def _is_command() -> bool:
    program = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    # While `python -m` imports the package, the program's name is not known yet.
    return program in _SCRIPTS or (program == "-m" and not _MODULES.isdisjoint(sys.orig_argv))


def _note(number: int, frame: object) -> None:
    received.append(number)


if _is_command():
    signal.signal(signal.SIGINT, _note)
    signal.signal(signal.SIGTERM, _note)
