"""Arguments that several subcommands have, and what is made of them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ..config import LogLevel, TxServerConfiguration
from .exits import CommandError, ExitCode

__all__ = [
    "add_debug",
    "add_log_level",
    "distinct",
    "input_file",
    "key_value",
    "output_file",
    "seconds",
    "server_configuration",
]


LONGEST = 1e7
"""Seconds, about four months: what waits for so long can be told by no clock from what waits for ever."""

_LEVELS = ", ".join(level.name.lower() for level in LogLevel)


def add_debug(parser: argparse._ActionsContainer) -> None:
    """Add `--debug`, which every subcommand has."""
    parser.add_argument("--debug", action="store_true", help="show the traceback of what goes wrong")


def add_log_level(parser: argparse._ActionsContainer) -> None:
    """Add `--log-level`."""
    parser.add_argument(
        "--log-level",
        metavar="LEVEL",
        type=_log_level,
        default=os.environ.get("TELNYX_LOG_LEVEL", "none"),
        help=f"what the SDK logs to stderr: {_LEVELS} (default: none, or $TELNYX_LOG_LEVEL)",
    )


def key_value(separator: str) -> Callable[[str], tuple[str, str]]:
    """An argument type: two texts with `separator` between them."""

    def parse(text: str) -> tuple[str, str]:
        name, found, value = text.partition(separator)
        if not found or not name.strip():
            raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME{separator}VALUE")
        return name.strip(), value.strip() if separator == ":" else value

    return parse


def seconds(text: str) -> float:
    """An argument type: a time span."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, from 0 to {LONGEST:g}")
    return value


def output_file(text: str) -> Path:
    """An argument type: a file that can be made, as far as can be told before."""
    path = Path(text)
    if os.path.isdir(path):
        raise argparse.ArgumentTypeError(f"{text} is a folder; give the name of a file")
    if not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"cannot write {text}: its folder does not exist")
    if _is_special(path):
        return path  # a pipe or a device: opening it would wait for a reader
    try:
        # The only way to know: rights, read-only and full file systems, names that the system does not take.
        existed = path.exists()
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise argparse.ArgumentTypeError(f"cannot write {text}: {reason}") from None
    return path


def _is_special(path: Path) -> bool:
    """Whether it is there, but no file on a disk."""
    try:
        return path.exists() and not path.is_file()
    except OSError:  # a name that the system does not take
        return False


def distinct(paths: Mapping[str, Path | None]) -> None:
    """Refuse to use one file for two things.

    Args:
        paths: The file of each option.

    Raises:
        CommandError: Two options name the same one.
    """
    seen: dict[Path, str] = {}
    for option, path in paths.items():
        if path is None or _is_special(path):
            continue
        other = seen.setdefault(path.resolve(), option)
        if other != option:
            raise CommandError(f"{other} and {option} name the same file, {path}", ExitCode.USAGE)


def input_file(text: str) -> Path:
    """An argument type: a file that is there."""
    path = Path(text)
    if os.path.isdir(path):
        raise argparse.ArgumentTypeError(f"{text} is a folder; give the name of a file")
    try:
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise argparse.ArgumentTypeError(f"there is no file {text}") from None
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise argparse.ArgumentTypeError(f"cannot read {text}: {reason}") from None
    return path


def server_configuration(
    url: str | None, ice_servers: Iterable[str], *, allow_insecure: bool = False
) -> TxServerConfiguration:
    """What `--server`, `--ice-server` and `--allow-insecure` say."""
    return TxServerConfiguration(url, tuple(ice_servers) or None, allow_insecure=allow_insecure)


def _log_level(text: str) -> LogLevel:
    try:
        return LogLevel[text.upper()]
    except KeyError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a log level") from None
