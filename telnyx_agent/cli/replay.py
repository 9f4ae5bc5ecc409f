"""`telnyx-agent replay FILE`: tells a delegate what a recorded session's delegate was told, or prints it."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._protocol.conversation.transcription import TranscriptionItem
from .._protocol.states import CallState
from .._runtime.log import flush
from ..errors import TxError
from . import options
from .console import Console, plain
from .exits import EXIT_CODES_HELP, CommandError, ExitCode
from .signals import raise_at_once

if TYPE_CHECKING:
    from .._replay import Recording, ReplayedCallback

__all__ = ["add_parser", "run"]

_DESCRIPTION = """\
Tell a delegate everything that TxClient.record_session(FILE) has recorded: the same arguments in the same order, every
time. Without --delegate, print it: seconds since the beginning, the callback, its arguments, how long it took.
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "replay",
        help="tell a delegate again what it was told in a recorded session, or print it",
        description=_DESCRIPTION,
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("file", metavar="FILE", help="what TxClient.record_session has written")
    parser.add_argument(
        "--delegate",
        metavar="MODULE:CLASS",
        help="the delegate: a class, which is called without arguments, or an object; found as by python -m",
    )
    parser.add_argument(
        "--speed", metavar="FACTOR", type=_factor, help="1 is as it was, 2 twice as fast (default: without pauses)"
    )
    options.add_debug(parser)


def run(args: argparse.Namespace) -> int:
    """Replay.

    Raises:
        ClientConfigurationError: The file cannot be replayed.
        CommandError: There is no such delegate, or it has raised something.
    """
    from .._replay import Recording, paced, replay

    console = Console()
    recording = Recording(args.file)
    recording.check()
    if args.delegate is None:
        _print_header(console, recording)
        with raise_at_once():
            for callback in paced(recording.callbacks(), args.speed):
                console.result(_line(callback))
        _print_end(console, recording)
        return ExitCode.OK
    with raise_at_once():  # the delegate's code is the user's
        result = replay(args.file, _delegate(args.delegate), speed=args.speed)
    _print_end(console, recording)
    flush(1.0)  # first the tracebacks, then what they come to
    if result.errors:
        names = ", ".join(sorted({name for name, _ in result.errors}))
        raise CommandError(f"{len(result.errors)} of {result.callbacks} callbacks raised an exception: {names}")
    return ExitCode.OK


def _factor(text: str) -> float:
    value = options.seconds(text)
    if value == 0.0:
        raise argparse.ArgumentTypeError("0 would last for ever; leave --speed out for no pauses")
    return value


def _delegate(name: str) -> object:
    """The object that `module:Class` names, made if it is a class."""
    module_name, _, path = name.partition(":")
    if not module_name or not path:
        raise CommandError(f"{name!r} is not of the form MODULE:CLASS, such as my_app.calls:Delegate", ExitCode.USAGE)
    # As `python -m` does, so that a program's own modules are found.
    sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as exc:
        raise CommandError(
            f"cannot find the delegate {name}: {exc}; run this in the folder that its module is in", ExitCode.USAGE
        ) from exc
    if not isinstance(found, type):
        return found
    try:
        return found()
    except TypeError as exc:
        raise CommandError(
            f"{name} cannot be made without arguments ({exc}); give the name of an object, or of a subclass that can",
            ExitCode.USAGE,
        ) from exc


def _print_header(console: Console, recording: Recording) -> None:
    header = recording.header
    console.status(
        f"recorded {header.get('started')} with telnyx-agent {header.get('sdk')}, {header.get('python')}, "
        f"{header.get('platform')}; {len(recording)} callbacks"
    )
    if not header.get("content"):
        console.status("asterisks stand for what was masked when it was recorded")


def _print_end(console: Console, recording: Recording) -> None:
    if recording.lines_left_out:
        console.status(f"{recording.lines_left_out} lines are missing: the disk was slower than the session")
    if not recording.is_complete:
        console.status("the recording has no end: the program ended first, or the disk was full")


def _line(callback: ReplayedCallback) -> str:
    shown = ", ".join(_shown(value) for value in callback.args)
    text = f"{callback.time:.3f} {callback.name}({shown})"
    if callback.took is not None:
        text += f" [{_delays(callback.began_after or 0.0, callback.took)}]"
    if callback.raised is not None:
        text += f" raised {callback.raised}"
    return plain(text)


def _delays(waited: float, took: float) -> str:
    # A wait of less than that is the hand-over from thread to thread.
    late = f"waited {waited * 1000:.0f} ms, " if waited >= 0.01 else ""
    return f"{late}took {took * 1000:.1f} ms"


def _shown(value: Any) -> str:
    """A value for people. `repr` would hide what was said, which is why somebody records with it."""
    if isinstance(value, TranscriptionItem):
        images = f" + {value.image_count} image(s)" if value.image_urls else ""
        return f"{value.role}: {value.content!r}{images}{' ...' if value.is_partial else ''}"
    if isinstance(value, (tuple, list)):
        items = [one for one in value if isinstance(one, TranscriptionItem)]
        return f"{len(value)} item(s)" if len(items) == len(value) else f"({', '.join(map(_shown, value))})"
    if isinstance(value, TxError):
        return f"{type(value).__name__} {value.code}: {value}"
    if isinstance(value, Mapping):
        return str(value.get("type", "?"))
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, CallState) or type(value).__name__ == "UUID":
        return str(value)
    return str(getattr(value, "value", repr(value)))
