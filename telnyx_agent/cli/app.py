"""The parser, and the one place where what went wrong becomes a line on stderr and an exit code."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from .._version import __version__
from ..errors import ClientConfigurationError, TxError
from . import demo, devices, doctor, emulate, replay, talk
from .exits import EXIT_CODES_HELP, CommandError, ExitCode
from .signals import Terminated, clean_endings

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        argv: The arguments after the program's name; those of the process when not given.

    Returns:
        The exit code; see `exits.py`. Never raises, but with `--debug` what nobody expected.
    """
    _never_fail_to_print()
    try:
        args = _parse(argv)
    except SystemExit as exit_:  # argparse has said why
        return exit_.code if isinstance(exit_.code, int) else ExitCode.USAGE
    try:
        with clean_endings():
            code: int = args.run(args)
            sys.stdout.flush()
            return code
    except BaseException as exc:
        if args.debug and not isinstance(exc, KeyboardInterrupt):
            raise
        return _report(exc)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="telnyx-agent",
        description="Talk to Telnyx Voice AI agents.",
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(takes_rest=False)
    parser.add_argument("--version", action="version", version=f"telnyx-agent {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (demo, talk, devices, doctor, emulate, replay):
        command.add_parser(commands)
    return parser


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    args, rest = parser.parse_known_args(argv)
    if rest and not args.takes_rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    args.rest = rest
    return args


def _report(exc: BaseException) -> int:
    """Say on stderr, in one line, what ended the command; the exit code that goes with it."""
    if isinstance(exc, KeyboardInterrupt):
        return ExitCode.TERMINATED if isinstance(exc, Terminated) else ExitCode.INTERRUPTED
    if isinstance(exc, BrokenPipeError):
        # Whoever read our output has had enough, as `head` does. The interpreter flushes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    if isinstance(exc, CommandError):
        return _say(str(exc), exc.exit_code)
    if isinstance(exc, ClientConfigurationError):
        return _say(str(exc), ExitCode.USAGE)
    if isinstance(exc, (TxError, OSError)):
        return _say(str(exc), ExitCode.FAILED)
    if not isinstance(exc, Exception):
        raise exc
    return _say(f"unexpected {type(exc).__name__}: {exc} (--debug shows where)", ExitCode.FAILED)


def _say(message: str, exit_code: ExitCode) -> int:
    print(f"telnyx-agent: error: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return exit_code


def _never_fail_to_print() -> None:
    """What an assistant says may not fit the terminal's encoding; a question mark is better than no call."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
