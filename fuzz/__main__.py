"""`python -m fuzz`: a long run by one command, seeded or guided by coverage."""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time

NAMES = ("websocket", "codec", "session", "stack", "sdp", "rtp")

HANG = 60.0
"""Seconds without progress after which the stack is printed and the process ends."""


def main() -> int:
    """Run what the command line asks for.

    Returns:
        0 if everything held, 1 if not.
    """
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(NAMES)} (default: all)")
    parser.add_argument("--frames", type=int, default=100_000, help="mutated inputs for each target (default: 100000)")
    parser.add_argument("--seed", type=int, default=None, help="default: the time")
    parser.add_argument("--lasting", action="store_true", help="keep to one session for as long as it lives")
    parser.add_argument(
        "--atheris", action="store_true", help="guided by coverage; further arguments after -- go to it"
    )
    given, rest = sys.argv[1:], []
    if "--" in given:
        given, rest = given[: given.index("--")], given[given.index("--") + 1 :]
    arguments = parser.parse_args(given)
    if not set(arguments.targets) <= set(NAMES):
        parser.error(f"the targets are {', '.join(NAMES)}")
    if arguments.atheris:
        return _guided(arguments.targets, rest)
    return _seeded(arguments)


def _seeded(arguments: argparse.Namespace) -> int:
    from .runner import Finding, Report, run_session, run_stack, run_target, table

    seed = int(time.time()) if arguments.seed is None else arguments.seed
    sys.stdout.write(f"seed {seed}\n")
    rows: list[tuple[str, Report]] = []
    try:
        for name in arguments.targets or NAMES:
            if name == "session":
                report = run_session(arguments.frames, seed, lasting=arguments.lasting, progress=_progress)
            elif name == "stack":
                report = run_stack(arguments.frames, seed, progress=_progress)
            else:
                # RTP decodes audio: a tenth of the inputs take as long as the others.
                count = arguments.frames // 10 if name == "rtp" else arguments.frames
                report = run_target(name, count, seed, progress=_progress)
            rows.append((name, report))
    except Finding as finding:
        sys.stdout.write(f"FOUND {finding}\n")
        raise
    finally:
        faulthandler.cancel_dump_traceback_later()
        sys.stdout.write(table(rows) + "\n")
    return 0


def _progress(number: int) -> None:
    # Not to what is `sys.stderr` now: that is watched.
    faulthandler.dump_traceback_later(HANG, exit=True, file=2)
    stream = sys.__stderr__
    if stream is not None:
        stream.write(f"\r{number}")
        stream.flush()


def _guided(names: list[str], rest: list[str]) -> int:
    """Atheris, on one target: it never returns by itself."""
    import atheris

    if len(names) != 1:
        sys.stderr.write(f"name one of {', '.join(NAMES)}\n")
        return 2
    with atheris.instrument_imports(include=["telnyx_agent._protocol", "telnyx_agent._media"]):
        import telnyx_agent._media.playout.playout
        import telnyx_agent._media.playout.sequence
        import telnyx_agent._media.rtc.description
        import telnyx_agent._protocol.session.session  # noqa: F401 - imported to be instrumented
    # Only now: what is imported before is not instrumented.
    from .targets import CORPUS, TARGETS

    (name,) = names
    function, folder = TARGETS[name]
    new = CORPUS.parent / ".found" / name
    new.mkdir(parents=True, exist_ok=True)
    atheris.Setup([sys.argv[0], str(new), str(CORPUS / folder), *rest], function)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
