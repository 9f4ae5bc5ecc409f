"""`telnyx-agent devices`: which microphones and speakers there are."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from . import options
from .console import Console, plain
from .exits import EXIT_CODES_HELP, ExitCode
from .signals import wait_for

if TYPE_CHECKING:
    from ..audio import DeviceInfo

__all__ = ["add_parser", "run"]

_HEADINGS = ("#", "name", "sound system", "in", "out", "rate", "default")


def add_parser(commands: Any) -> None:
    """Add the subcommand to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "devices",
        help="list microphones and speakers",
        description="List the sound devices. `talk --input-device` takes a number or any unique part of a name.",
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="a JSON list on stdout")
    options.add_debug(parser)


def run(args: argparse.Namespace) -> int:
    """List the devices; fails where there are none.

    Raises:
        MediaError: PortAudio is missing; the message says how to install it.
    """
    from ..audio import list_devices

    devices = wait_for(list_devices)
    if args.json:
        print(json.dumps([attrs.asdict(device) for device in devices], indent=2))
    else:
        _print_table(devices)
    if not devices:
        print("telnyx-agent: no sound device was found; is one connected, and may you use it?", file=sys.stderr)
        return ExitCode.FAILED
    return ExitCode.OK


def _print_table(devices: Sequence[DeviceInfo]) -> None:
    console = Console()
    rows = [_HEADINGS, *(_row(device) for device in devices)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for number, row in enumerate(rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console.result(line.rstrip(), strong=number == 0)


def _row(device: DeviceInfo) -> tuple[str, ...]:
    default = " ".join(
        name for name, is_it in (("input", device.is_default_input), ("output", device.is_default_output)) if is_it
    )
    return (
        str(device.index),
        plain(device.name),
        plain(device.host_api),
        str(device.input_channels),
        str(device.output_channels),
        str(device.default_sample_rate),
        default,
    )
