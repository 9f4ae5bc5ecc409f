"""The local agent as a program: prints its URL on the first line and runs until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .. import _early
from .._runtime.streams import complain, discard, usable_streams
from ..errors import ClientConfigurationError
from ._checks import check_port
from .scenario import Scenario

__all__ = ["main"]

_SCENARIOS: dict[str, tuple[Callable[..., Scenario], Callable[[str], Any], str]] = {
    "default": (Scenario, str, "the good case, with the real server's timing"),
    "fast": (Scenario.fast, str, "the good case without waiting"),
    "invalid-target": (Scenario.invalid_target, str, "login | gateway | invite: where the target is refused"),
    "gateway": (Scenario.gateway, str, "STATE[,STATE...]: answers to gatewayState"),
    "rejected": (Scenario.rejected, str, "CAUSE: the far end rejects the call"),
    "invite-refused": (Scenario.invite_refused, str, "CAUSE: the invite gets an error"),
    "remote-hang-up": (Scenario.remote_hang_up, float, "SECONDS after the answer the far end hangs up"),
    "silent": (Scenario.silent, str, "login | client_ready | gateway | invite: what is never answered"),
    "half-dead": (Scenario.half_dead, float, "SECONDS after the login nothing is read or written any more"),
    "drop": (Scenario.drop, float, "SECONDS after the answer the connection is cut"),
    "punt": (Scenario.punt, float, "SECONDS after REGED the client is evicted"),
}


def parse_scenario(text: str) -> Scenario:
    """A scenario from its name and argument, such as `"gateway:TRYING,REGED"`.

    Raises:
        argparse.ArgumentTypeError: There is none of that name, or its argument is wrong.
    """
    name, _, argument = text.partition(":")
    if name not in _SCENARIOS:
        raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(_SCENARIOS)}")
    make, convert, description = _SCENARIOS[name]
    try:
        return make(*(convert(part) for part in argument.split(",") if part))
    except TypeError:  # more arguments than it has
        raise argparse.ArgumentTypeError(f"{text!r}: {name} takes other arguments: {description}") from None
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text!r}: {exc}") from exc


def _port(text: str) -> int:
    try:
        return check_port(int(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a number from 0 (any free one) to 65535") from None


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The command line."""
    scenarios = "\n".join(f"  {name:16} {description}" for name, (_, _, description) in _SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Run a local Telnyx: signalling server and a voice agent that speaks and listens.",
        epilog=f"scenarios, as NAME or NAME:ARGUMENT:\n{scenarios}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=_port, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--scenario", type=parse_scenario, default=Scenario(), help="how the server behaves; see below")
    parser.add_argument("--greeting", help="the agent's first words; empty to wait for the caller")
    parser.add_argument("--voice", help="an espeak-ng voice for the agent, such as en-us+m3")
    quiet = parser.add_mutually_exclusive_group()
    quiet.add_argument("--no-voice", action="store_true", help="tones in place of speech, and no speech recognition")
    quiet.add_argument("--text-only", action="store_true", help="silence: the agent reads and writes only")
    quiet.add_argument("--no-media", action="store_true", help="signalling only: calls lead nowhere")
    parser.add_argument("-v", "--verbose", action="store_true", help="show direction and method of every frame")
    return parser


def main(argv: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Run a local agent until SIGINT or SIGTERM.

    Args:
        argv: Arguments; those of the process if None.
        prog: Name of the program in help and errors.

    Returns:
        The exit status: 0 after a signal, 1 if it could not start.
    """
    arguments = make_parser(prog).parse_args(argv)
    stop = threading.Event()
    if threading.current_thread() is threading.main_thread():
        # Before anything is imported or opened: a signal in the middle of that must leave nothing half done.
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: stop.set())
        if _early.received:
            return 0
    with usable_streams(), _logging(arguments.verbose):
        return _serve(arguments, stop)


@contextlib.contextmanager
def _logging(verbose: bool) -> Iterator[None]:
    """Warnings go to stderr while the server runs; with `verbose` direction and method of each frame as well."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    ours, root = logging.getLogger("telnyx_agent.testing"), logging.getLogger()
    level = ours.level
    root.addHandler(handler)
    if verbose:
        ours.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        ours.setLevel(level)
        root.removeHandler(handler)


def _serve(arguments: argparse.Namespace, stop: threading.Event) -> int:
    try:
        from .local_agent import GREETING, LocalAgent

        agent = LocalAgent(
            host=arguments.host,
            port=arguments.port,
            scenario=arguments.scenario,
            greeting=GREETING if arguments.greeting is None else arguments.greeting,
            media=not arguments.no_media,
            **_faculties(arguments),
        ).start()
    except ClientConfigurationError as exc:
        complain(f"error: {exc}")
        return 1
    with agent:
        try:
            sys.stdout.write(agent.url + "\n")
            sys.stdout.flush()
        except OSError as exc:
            discard(sys.stdout)
            complain(f"error: the server's URL cannot be written: {exc.strerror}")
            return 1
        # In slices: on Windows a wait without end cannot be interrupted.
        while not stop.wait(0.5):
            pass
    return 0


def _faculties(arguments: argparse.Namespace) -> dict[str, Any]:
    """Voice and ears for the options given."""
    if arguments.text_only or arguments.no_media:
        return {"voice": "silent", "ears": "deaf"}
    if arguments.no_voice:
        return {"voice": "tones", "ears": "energy"}
    return {"voice": arguments.voice}
