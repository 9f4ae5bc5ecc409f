"""`telnyx-agent emulate`: the local agent as a server of its own; `python -m telnyx_agent.testing` by another name."""

from __future__ import annotations

import argparse
from typing import Any

from .exits import CommandError, ExitCode
from .extras import ADVICE, is_installed

__all__ = ["add_parser", "run"]


def add_parser(commands: Any) -> None:
    """Add the subcommand to the parser. Its arguments, `--help` included, are the server's own."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "emulate", help="run the local agent as a server, for other programs to call", add_help=False
    )
    parser.set_defaults(run=run, takes_rest=True, debug=False)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM, which is a good end here: 0.

    Raises:
        CommandError: The server cannot run, because packages are missing.
    """
    if not is_installed("websockets"):
        raise CommandError(f"the local agent needs more packages: {ADVICE}", ExitCode.USAGE)
    from ..testing.server import main

    try:
        return main(args.rest, prog="telnyx-agent emulate")
    except SystemExit as exit_:  # argparse has said why
        return exit_.code if isinstance(exit_.code, int) else ExitCode.USAGE
