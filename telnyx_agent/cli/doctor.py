"""`telnyx-agent doctor`: would a call work from here? Network, microphone and, if wanted, a test call."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from ..errors import ClientConfigurationError, TxError
from . import options
from .console import Console, plain
from .exits import EXIT_CODES_HELP, CommandError, ExitCode
from .signals import wait_for

if TYPE_CHECKING:
    from ..config import TxServerConfiguration

__all__ = ["add_parser", "run"]

_DESCRIPTION = """\
Check what a call needs: DNS, the signalling server, STUN, TURN over UDP, TCP and TLS, the microphone and, with --call,
a test call to an assistant (a real call, which costs what calls cost). Talks to nobody but the servers given, which
are Telnyx's unless --server and --ice-server say otherwise. With a --server on this machine, no ICE server is tried
unless it is given. The exit code is 1 when something that was checked does not work.
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "doctor",
        help="check network and microphone, and make a test call if wanted",
        description=_DESCRIPTION,
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("--server", metavar="URL", help="signalling server, such as ws://127.0.0.1:8080")
    parser.add_argument("--allow-insecure", action="store_true", help="let --server be ws:// on another machine")
    parser.add_argument(
        "--ice-server",
        metavar="URL",
        dest="ice_servers",
        action="append",
        default=[],
        help="a STUN or TURN server in place of Telnyx's; may be repeated",
    )
    parser.add_argument("--ice-username", metavar="NAME", help="for the TURN servers given")
    parser.add_argument("--ice-credential", metavar="TEXT", help="likewise; others on this machine can see it")
    parser.add_argument("--call", metavar="ASSISTANT_ID", help="make a test call to this assistant")
    parser.add_argument(
        "--duration", metavar="SECONDS", type=options.seconds, default=10.0, help="of the test call (%(default)s)"
    )
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=options.seconds, default=5.0, help="for each server (%(default)s)"
    )
    parser.add_argument("--no-microphone", action="store_true", help="leave the microphone alone")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options.add_log_level(parser)
    options.add_debug(parser)


def run(args: argparse.Namespace) -> int:
    """Check everything, in order; 1 if something does not work.

    Raises:
        ClientConfigurationError: An argument is unusable.
        CommandError: Something that is needed is not installed.
    """
    from ..diagnosis import run_microphone_check, run_network_check

    configuration = _configuration(args)
    console = Console()
    found: dict[str, Any] = {}
    console.status("checking the network")
    network = wait_for(lambda: run_network_check(configuration, timeout=args.timeout))
    found["network"] = network.to_dict()
    lines = [str(network)]
    if not args.no_microphone:
        console.status("listening to the microphone for two seconds: say something")
        microphone = wait_for(run_microphone_check)
        found["microphone"] = microphone.to_dict()
        lines.append(str(microphone))
    if args.call is not None:
        console.status(f"calling {plain(args.call)} for {args.duration:g} s")
        found["call"], line = wait_for(lambda: _test_call(args, configuration))
        lines.append(line)
    found["ok"] = all(part["ok"] for part in found.values())
    if args.json:
        print(json.dumps(found, indent=2, allow_nan=False))
    else:
        for line in "\n".join(lines).splitlines():
            console.result(plain(line))
        console.result("all is well" if found["ok"] else "something does not work as it should", strong=True)
    return ExitCode.OK if found["ok"] else ExitCode.FAILED


def _configuration(args: argparse.Namespace) -> TxServerConfiguration:
    from ..config import IceServer, TxServerConfiguration

    servers = None
    if args.ice_servers:
        servers = tuple(IceServer(url, args.ice_username, args.ice_credential) for url in args.ice_servers)
    configuration = TxServerConfiguration(args.server, servers, allow_insecure=args.allow_insecure)
    if servers is None and configuration.is_local:
        return TxServerConfiguration(args.server, (), allow_insecure=args.allow_insecure)
    return configuration


def _test_call(args: argparse.Namespace, configuration: TxServerConfiguration) -> tuple[dict[str, Any], str]:
    from ..client import TxClient
    from ..diagnosis import run_pre_call_diagnosis

    try:
        with TxClient() as client:
            client.anonymous_login(args.call, server_configuration=configuration, log_level=args.log_level).result(30)
            diagnosis = run_pre_call_diagnosis(client, duration=args.duration)
    except ClientConfigurationError:
        raise
    except ImportError as exc:
        raise CommandError(f"a test call needs more packages: {exc}", ExitCode.USAGE) from exc
    except TxError as error:
        return {"ok": False, "verdict": "blocked", "error": str(error), "code": error.code}, f"test call: {error}"
    return diagnosis.to_dict(), str(diagnosis)
