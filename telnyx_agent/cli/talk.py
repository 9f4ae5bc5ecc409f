"""`telnyx-agent talk ASSISTANT_ID`: call an assistant by microphone, WAV files or typed lines."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from .._checks import checked_headers
from ..errors import MediaError
from . import options
from .console import Console
from .editor import can_edit, edited_lines
from .exits import EXIT_CODES_HELP, CommandError, ExitCode
from .lines import LineReader, raw_stdin
from .live_call import LiveCall, Script, Target
from .reporters import JsonReporter, Reporter, TextReporter
from .scripts import SpeakFile, TypeLines, stay

if TYPE_CHECKING:
    from ..audio import AudioDevice, WaveAudio

__all__ = ["add_parser", "run"]

_DESCRIPTION = """\
Call an assistant. Microphone and speaker by default; Ctrl-C hangs up.

With --input-wav the call ends by itself when the file was said and the answer to it is over; with --text-only when
stdin ends and the last line is answered. The transcript goes to stdout, everything else to stderr.
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "talk",
        help="call an assistant",
        description=_DESCRIPTION,
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "assistant_id",
        metavar="ASSISTANT_ID",
        nargs="?",
        default=os.environ.get("TELNYX_AGENT_ID"),
        help="the assistant's id (default: $TELNYX_AGENT_ID)",
    )
    _add_call(parser)
    _add_audio(parser)
    _add_output(parser)


def _add_call(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("call")
    group.add_argument(
        "--var",
        metavar="NAME=VALUE",
        dest="variables",
        type=options.key_value("="),
        action="append",
        default=[],
        help="a user variable for the assistant; may be repeated",
    )
    group.add_argument(
        "--header",
        metavar="NAME:VALUE",
        dest="headers",
        type=options.key_value(":"),
        action="append",
        default=[],
        help="a custom header such as X-Account-Number:17; may be repeated",
    )
    group.add_argument("--version-id", metavar="ID", help="a version of the assistant (default: the latest)")
    group.add_argument("--conversation-id", metavar="ID", help="join this conversation")
    group.add_argument("--server", metavar="URL", help="signalling server, such as ws://127.0.0.1:8080")
    group.add_argument("--allow-insecure", action="store_true", help="let --server be ws:// on another machine")
    group.add_argument(
        "--ice-server",
        metavar="URL",
        dest="ice_servers",
        action="append",
        default=[],
        help="a STUN or TURN server in place of Telnyx's; may be repeated",
    )
    group.add_argument("--duration", metavar="SECONDS", type=options.seconds, help="hang up after so long a call")


def _add_audio(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("audio", "With a WAV file, neither microphone nor speaker is used.")
    group.add_argument("--input-wav", metavar="FILE", type=options.input_file, help="what the caller says")
    group.add_argument("--output-wav", metavar="FILE", type=options.output_file, help="where the agent's voice goes")
    group.add_argument(
        "--lead-in",
        metavar="SECONDS",
        type=options.seconds,
        help="say --input-wav so long after the answer (default: when the agent has greeted)",
    )
    group.add_argument("--text-only", action="store_true", help="send the lines of stdin; neither speak nor listen")
    group.add_argument("--input-device", metavar="DEVICE", help="microphone: number or part of its name, see `devices`")
    group.add_argument("--output-device", metavar="DEVICE", help="speaker: number or part of its name, see `devices`")


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help=f"one JSON object per line on stdout: {_EVENTS}")
    group.add_argument(
        "--record",
        metavar="FILE",
        type=options.output_file,
        help="a stereo WAV of the call: left the caller, right the agent. Ask for consent where the law wants it",
    )
    group.add_argument(
        "--record-session",
        metavar="FILE",
        type=options.output_file,
        help="what happens, as NDJSON for bug reports and `replay`, without what is said (docs/flight-recorder.md)",
    )
    group.add_argument(
        "--transcript",
        metavar="FILE",
        type=options.output_file,
        help="the transcript: JSON if the name ends with .json, else text",
    )
    options.add_log_level(group)
    options.add_debug(group)


_EVENTS = "ready, reconnecting, reconnected, call_state, transcript, agent_state, error and, always last, ended"


@attrs.frozen
class _Voice:
    """How the caller speaks in one call."""

    device: AudioDevice
    script: Script
    is_heard: bool = True
    files: WaveAudio | None = None


def run(args: argparse.Namespace) -> int:
    """Make the call.

    Raises:
        CommandError: The arguments do not go together, or something that they need is missing.
        TxError: The login or the call failed, or a file is incomplete.
    """
    _check(args)
    with contextlib.ExitStack() as stack:
        return _talk(args, stack)


def _talk(args: argparse.Namespace, stack: contextlib.ExitStack) -> int:
    console = Console()
    lines = _lines(console, stack) if args.text_only else None
    # After that: a line that is being typed is kept by what replaces `sys.stdout` meanwhile.
    reporter: Reporter = JsonReporter() if args.json else TextReporter(console, shows_typed=not _is_at_terminal())
    voice = _typing(lines, reporter) if lines is not None else _voice(args, reporter)
    script = voice.script if args.duration is None else _limited(voice.script, args.duration)
    live = LiveCall(_target(args), voice.device, reporter, record=args.record, listens=voice.is_heard)
    try:
        with (
            contextlib.nullcontext() if args.record_session is None else live.client.record_session(args.record_session)
        ):
            live.run(script)
    finally:
        if args.transcript is not None:
            write_transcript(live, args.transcript)
    if voice.files is not None and voice.files.error is not None:
        raise voice.files.error
    return ExitCode.OK


def write_transcript(live: LiveCall, path: Path) -> None:
    """Write the transcript: JSON if the file's name ends with `.json`, else text."""
    manager = live.client.ai_assistant_manager
    text = manager.export_json() + "\n" if path.suffix.lower() == ".json" else manager.export_text()
    # Half of a surrogate pair, as JSON may bring it, has no UTF-8.
    path.write_text(text, encoding="utf-8", errors="replace")


def _check(args: argparse.Namespace) -> None:
    """Refuse what does not go together, before anything is opened."""
    if not (args.assistant_id or "").strip():
        raise CommandError("which assistant? give its id, or set TELNYX_AGENT_ID", ExitCode.USAGE)
    files = args.input_wav is not None or args.output_wav is not None
    devices = args.input_device is not None or args.output_device is not None
    if args.text_only + files + devices > 1:
        raise CommandError("choose one: --text-only, WAV files, or sound devices", ExitCode.USAGE)
    checked_headers(dict(args.headers))
    names = ("input_wav", "output_wav", "record", "record_session", "transcript")
    options.distinct({f"--{name.replace('_', '-')}": getattr(args, name) for name in names})
    if args.lead_in is not None and args.input_wav is None:
        raise CommandError("--lead-in goes with --input-wav", ExitCode.USAGE)


def _target(args: argparse.Namespace) -> Target:
    return Target(
        args.assistant_id,
        server=options.server_configuration(args.server, args.ice_servers, allow_insecure=args.allow_insecure),
        version_id=args.version_id,
        conversation_id=args.conversation_id,
        variables=dict(args.variables),
        headers=dict(args.headers),
        log_level=args.log_level,
    )


def _voice(args: argparse.Namespace, reporter: Reporter) -> _Voice:
    try:
        if args.input_wav is not None or args.output_wav is not None:
            return _files(args.input_wav, args.output_wav, args.lead_in)
    except MediaError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    return _sound_card(args.input_device, args.output_device, reporter)


def _lines(console: Console, stack: contextlib.ExitStack) -> LineReader:
    """The lines of stdin: edited here if somebody types them, so that what is printed does not break them."""
    return stack.enter_context(edited_lines(console)) if can_edit() else LineReader(raw_stdin())


def _typing(lines: LineReader, reporter: Reporter) -> _Voice:
    from ..audio import NullAudio

    if _is_at_terminal():
        reporter.status("type a line and press Enter; Ctrl-D hangs up after the answer, Ctrl-C at once")
    return _Voice(NullAudio(), TypeLines(lines, is_interactive=_is_at_terminal()), is_heard=False)


def _is_at_terminal() -> bool:
    """Whether a person types the lines, at a terminal that shows them."""
    return sys.stdin.isatty()


def _files(input_wav: Path | None, output_wav: Path | None, lead_in: float | None) -> _Voice:
    from ..audio import WaveAudio
    from .prompter import Prompter
    from .wav import read_wav

    device = WaveAudio(output=output_wav)
    if input_wav is None:
        return _Voice(device, stay, files=device)
    prompter = Prompter(device)
    return _Voice(prompter, SpeakFile(prompter, read_wav(input_wav), lead_in), files=device)


def _sound_card(input_device: str | None, output_device: str | None, reporter: Reporter) -> _Voice:
    from .sound import open_sound_card

    try:
        device = open_sound_card(input_device, output_device)
    except MediaError as error:
        advice = "without a sound card: --text-only, or --input-wav and --output-wav"
        raise CommandError(f"{error} ({advice})", ExitCode.USAGE) from error
    reporter.status(f"using {device.name}; a headset avoids echo; Ctrl-C hangs up")
    return _Voice(device, stay)


def _limited(script: Script, duration: float) -> Script:
    return lambda live, now: script(live, now) or (live.duration or 0.0) >= duration
