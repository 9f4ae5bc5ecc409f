"""Exit codes, and the exception by which a subcommand ends with one of them and a readable line."""

from __future__ import annotations

import enum

__all__ = ["EXIT_CODES_HELP", "CommandError", "ExitCode"]


class ExitCode(enum.IntEnum):
    """What the process returns. 130 and 143 are the shells' numbers for the two signals."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INTERRUPTED = 130
    TERMINATED = 143


EXIT_CODES_HELP = """\
exit codes:
  0    all went well
  1    the login or the call failed, or there is no sound device to list
  2    wrong usage, or something that is needed is not installed
  130  interrupted by Ctrl-C (143: by SIGTERM); the call was hung up, files are complete
"""


class CommandError(Exception):
    """A subcommand cannot go on.

    Args:
        message: One readable line that says what to do.
        exit_code: What the process returns.
    """

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code
