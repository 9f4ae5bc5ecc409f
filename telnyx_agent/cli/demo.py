"""`telnyx-agent demo`: a spoken conversation with a local agent - no account, no network, no sound card needed."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ..errors import MediaError
from . import options
from .console import Console
from .exits import EXIT_CODES_HELP, CommandError, ExitCode
from .extras import ADVICE, is_installed
from .live_call import LiveCall, Target
from .reporters import TextReporter
from .signals import raise_if_interrupted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ..audio import AudioDevice
    from ..testing import LocalAgent

__all__ = ["add_parser", "run"]

GREETING = "Hello! This is the local agent."
WORDS_PER_MINUTE = 190
USERS_PATIENCE = 6.0
"""Seconds of silence from the microphone after which the demo speaks for the user."""
SCRIPTS_PATIENCE = 3.0
"""The same where nobody sits at a terminal, as in CI on a machine with a sound card."""

_FILES = ("conversation.wav", "transcript.txt", "transcript.json")

_DEAF = "the agent speaks, and hears that you speak, but not what you say"

_DESCRIPTION = """\
Hold a spoken conversation with an agent on this machine, over a real WebSocket and real WebRTC.

Uses microphone and speaker if there are any; otherwise, with --headless, or when nobody speaks, the demo speaks for
you, with a voice of its own. Leaves conversation.wav (left you, right the agent), transcript.txt and transcript.json.
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="hold a spoken conversation with a local agent: no account, no network, no sound card needed",
        description=_DESCRIPTION,
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("--headless", action="store_true", help="use no sound card even if there is one")
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("telnyx-agent-demo"),
        help="where the files go (default: ./%(default)s)",
    )
    options.add_log_level(parser)
    options.add_debug(parser)


@attrs.frozen
class _Abilities:
    """What the installed packages allow."""

    can_speak: bool
    can_understand: bool

    @classmethod
    def find(cls) -> _Abilities:
        """Look.

        Raises:
            CommandError: Not even the local agent's server can run.
        """
        if not is_installed("websockets"):
            raise CommandError(f"the demo's local agent needs more packages: {ADVICE}", ExitCode.USAGE)
        return cls(is_installed("espeakng_loader"), is_installed("pocketsphinx"))

    @property
    def warning(self) -> str | None:
        """What will not be as it should, and what to do about it."""
        if not self.can_speak:
            return f"no voice is installed, so there will be tones instead of speech; for speech: {ADVICE}"
        if self.can_understand:
            return None
        if sys.version_info >= (3, 14):
            return f"{_DEAF}; there is no speech recognition for this version of Python yet"
        return f"{_DEAF}; for speech recognition: {ADVICE}"


def run(args: argparse.Namespace) -> int:
    """Hold the conversation.

    Raises:
        CommandError: Something that is needed is missing, or there was no conversation.
        TxError: The call failed.
    """
    console = Console()
    abilities = _Abilities.find()
    if abilities.warning is not None:
        console.status(abilities.warning)
    folder = _made(args.output)
    with _start_agent(console, abilities) as agent:
        raise_if_interrupted()
        _converse(args, console, agent, abilities, folder)
    return ExitCode.OK


def _converse(
    args: argparse.Namespace, console: Console, agent: LocalAgent, abilities: _Abilities, folder: Path
) -> None:
    from .dialogue import DEMO, Dialogue
    from .prompter import Prompter
    from .summary import print_files, print_summary
    from .talk import write_transcript

    device, is_headless = _audio(args.headless, console)
    prompter = Prompter(device)
    dialogue = Dialogue(
        DEMO,
        prompter,
        _make_voice(abilities),
        patience=0.0 if is_headless else _patience(),
        on_takeover=functools.partial(
            console.status, "nothing was heard from the microphone; the demo speaks for you (as with --headless)"
        ),
    )
    recording, text, data = (folder / name for name in _FILES)
    target = Target("assistant-demo", server=agent.configuration, log_level=args.log_level)
    live = LiveCall(target, prompter, TextReporter(console), record=recording)
    files = ((recording, "stereo: left you, right the agent"), (text, "what was said"), (data, "the same for programs"))
    try:
        live.run(dialogue)
    finally:
        # Ctrl-C is how a conversation by microphone usually ends.
        write_transcript(live, text)
        write_transcript(live, data)
        if live.duration is not None:
            print_summary(console, live)
            print_files(console, files)
    _check(live, abilities)


def _check(live: LiveCall, abilities: _Abilities) -> None:
    """Refuse to call it a success when nobody has talked with anybody."""
    from .summary import spoken_by_user

    items = live.client.transcript
    answers = [item for item in items if item.role == "assistant" and item.content]
    if not answers:
        raise CommandError("the agent said nothing: there was no conversation")
    if live.stats is None or live.stats.packets_received == 0:
        raise CommandError("no audio arrived from the agent: there was no spoken conversation")
    if abilities.can_speak and abilities.can_understand and not spoken_by_user(items):
        raise CommandError("the agent understood nothing of what was said: there was no spoken conversation")


def _start_agent(console: Console, abilities: _Abilities) -> LocalAgent:
    from ..testing import EspeakVoice, LocalAgent, ScriptedBrain

    console.status("starting the local agent")
    try:
        voice = EspeakVoice(words_per_minute=WORDS_PER_MINUTE) if abilities.can_speak else "tones"
        return LocalAgent(ScriptedBrain(hang_up_on_goodbye=True), greeting=GREETING, voice=voice).start()
    except ImportError as error:
        raise CommandError(f"the local agent cannot start ({error}): {ADVICE}", ExitCode.USAGE) from error


def _audio(headless: bool, console: Console) -> tuple[AudioDevice, bool]:
    """The device of the call, and whether nobody can be expected to speak into it."""
    from ..audio import WaveAudio

    if not headless:
        from .sound import open_sound_card

        try:
            device = open_sound_card()
        except MediaError as error:
            console.status(f"no sound card: {error}")
        else:
            console.status(f"using {device.name}: speak to the agent, say goodbye or press Ctrl-C to end")
            return device, False
    console.status("the demo speaks for you")
    return WaveAudio(), True


def _patience() -> float:
    return USERS_PATIENCE if sys.stdin.isatty() else SCRIPTS_PATIENCE


def _make_voice(abilities: _Abilities) -> Callable[[str], npt.NDArray[np.int16]]:
    """The caller's voice; not the agent's."""
    from ..testing import ToneVoice, synthesize

    if abilities.can_speak:
        return synthesize
    return functools.partial(synthesize, voice=ToneVoice(seconds_per_word=0.2))


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"cannot make the folder {folder}: {error.strerror}", ExitCode.USAGE) from error
    try:
        for name in _FILES:
            options.output_file(str(folder / name))
    except argparse.ArgumentTypeError as error:
        raise CommandError(f"{error}; choose another folder with --output", ExitCode.USAGE) from error
    return folder
