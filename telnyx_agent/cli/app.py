"""The parser, and the one place where what went wrong becomes a line on stderr and an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .._runtime.streams import complain, discard, flushed, usable_streams
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
    with usable_streams():
        code = _run(argv, until_exit=argv is None)
        try:
            sys.stdout.flush()
        except OSError as exc:
            code = _report(exc) if code == ExitCode.OK else code
        flushed(sys.stdout)
        flushed(sys.stderr)
        return code


def _run(argv: Sequence[str] | None, *, until_exit: bool) -> int:
    shows_traceback = False
    try:
        with clean_endings(until_exit=until_exit):
            args = _parse(argv)
            shows_traceback = args.debug
            code: int = args.run(args)
            sys.stdout.flush()
            return code
    except SystemExit as exit_:  # argparse has said why
        return exit_.code if isinstance(exit_.code, int) else ExitCode.USAGE
    except BaseException as exc:
        if shows_traceback and not isinstance(exc, KeyboardInterrupt):
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
        # The program that read our output has ended, as `head` does.
        discard(sys.stdout)
        return ExitCode.FAILED
    if isinstance(exc, CommandError):
        return _say(str(exc), exc.exit_code)
    if isinstance(exc, ClientConfigurationError):
        return _say(str(exc), ExitCode.USAGE)
    if isinstance(exc, OSError):
        if flushed(sys.stdout) is not None:
            return _say(f"the output cannot be written: {exc.strerror or exc}", ExitCode.FAILED)
        where = "" if exc.filename is None else f"{exc.filename}: "
        return _say(f"{where}{exc.strerror or exc}", ExitCode.FAILED)
    if isinstance(exc, TxError):
        return _say(str(exc), ExitCode.FAILED)
    if not isinstance(exc, Exception):
        raise exc
    return _say(f"unexpected {type(exc).__name__}: {exc} (--debug shows where)", ExitCode.FAILED)


def _say(message: str, exit_code: ExitCode) -> int:
    complain(f"telnyx-agent: error: {message}")
    return exit_code
