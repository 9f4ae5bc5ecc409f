"""`telnyx-agent demo`, run as the README says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
import pytest

from telnyx_agent.cli.dialogue import DEMO
from tests.cli.command import Command, loudness, read_stereo
from tests.support.pulse import PulseServer
from tests.support.requirements import require

pytestmark = pytest.mark.slow

FOLDER = "telnyx-agent-demo"
SPEECH = 0.01


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


@attrs.frozen
class Run:
    """A demo that has ended."""

    code: int
    out: str
    err: str
    folder: Path


def seconds_of_call(said: str) -> float:
    """As the demo says it at its end."""
    found = re.search(r"call ended after ([0-9.]+) s", said)
    assert found is not None, said
    return float(found[1])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run without a sound card; many tests look at it."""
    require("voice", "ears")
    cwd = tmp_path_factory.mktemp("demo")
    with Command("demo", "--headless", cwd=cwd) as command:
        code = command.wait(60)
        return Run(code, command.out.text, command.err.text, cwd / FOLDER)


def test_it_ends_well_and_in_time(demo: Run) -> None:
    """Exit code 0, and the call takes less than the half minute that is promised; to start may take longer."""
    assert demo.code == 0, demo.err
    assert seconds_of_call(demo.out + demo.err) < 30
    assert "Traceback" not in demo.err


def test_the_agent_understood_every_sentence(demo: Run) -> None:
    """The transcript holds what the caller's voice said, as the agent's ears heard it, and an answer to each."""
    items = json.loads((demo.folder / "transcript.json").read_text(encoding="utf-8"))
    assert [item["role"] for item in items] == ["assistant"] + ["user", "assistant"] * len(DEMO)
    assert not any(item["is_partial"] for item in items)
    for turn, item in zip(DEMO, items[1::2], strict=True):
        assert words(item["content"]) == words(turn.text)
        assert bool(item["image_urls"]) == turn.has_picture
    assert "nine to five" in items[4]["content"]


def test_the_text_transcript_says_the_same(demo: Run) -> None:
    """`transcript.txt` and what was printed hold the same lines as `transcript.json`."""
    items = json.loads((demo.folder / "transcript.json").read_text(encoding="utf-8"))
    text = (demo.folder / "transcript.txt").read_text(encoding="utf-8").splitlines()
    assert len(text) == len(items)
    for line, item in zip(text, items, strict=True):
        assert line.startswith(f"{item['role']}: {item['content']}")
        speaker = "agent: " if item["role"] == "assistant" else "you:   "
        assert f"{speaker}{item['content']}" in demo.out


def test_both_sides_can_be_heard_in_turn(demo: Run) -> None:
    """Speech in each channel of the recording: the agent greets first, and hardly ever do both speak at once."""
    caller, agent = (loudness(side) > SPEECH for side in read_stereo(demo.folder / "conversation.wav"))
    assert 15 < caller.sum() < 80
    assert 60 < agent.sum() < 250
    assert np.flatnonzero(agent)[0] < np.flatnonzero(caller)[0]
    assert np.flatnonzero(agent)[-1] > np.flatnonzero(caller)[-1]
    assert (caller & agent).sum() <= 3


def test_the_summary_has_the_numbers(demo: Run) -> None:
    """Set-up time, codec, packets, loss, jitter, round trip, MOS, duration, turns and the files."""
    for pattern in (
        r"set-up +\d\.\d\d s from new_call\(\) to ACTIVE, \d\.\d\d s until audio",
        r"duration +\d+\.\d s",
        r"codec +opus",
        r"packets +\d{3,} sent, \d{3,} received",
        r"loss +0 packets \(0\.0 %\)",
        r"jitter +\d+\.\d ms",
        r"rtt +(\d+\.\d ms|n/a)",
        r"MOS +(\d\.\d\d|n/a)",
        r"turns +4 of yours \(3 spoken, 1 typed\), 5 of the agent",
    ):
        assert re.search(pattern, demo.out), f"{pattern} is not in\n{demo.out}"
    for name in ("conversation.wav", "transcript.txt", "transcript.json"):
        assert str(Path(FOLDER) / name) in demo.out
        assert (demo.folder / name).is_file()


def test_ctrl_c_ends_it_with_complete_files(tmp_path: Path) -> None:
    """Exit code 130 within three seconds, a bye on the wire, a recording that can be played."""
    require("voice", "ears")
    with Command("demo", "--headless", "--output", "out", "--log-level", "verto", cwd=tmp_path) as command:
        command.out.wait_for("^agent: ", 30)
        command.interrupt()
        assert command.wait(3) == 130
    assert "Traceback" not in command.err.text
    assert re.search(r"> .*telnyx_rtc\.bye", command.err.text)
    caller, agent = read_stereo(tmp_path / "out" / "conversation.wav")
    assert len(caller) == len(agent)
    assert (loudness(agent) > SPEECH).any()
    assert "local agent" in (tmp_path / "out" / "transcript.txt").read_text(encoding="utf-8")


def test_ctrl_c_before_the_call(tmp_path: Path) -> None:
    """An impatient user does not get a traceback."""
    with Command("demo", "--headless", cwd=tmp_path) as command:
        command.err.wait_for("starting the local agent", 15)
        command.interrupt()
        assert command.wait(5) == 130
    assert "Traceback" not in command.err.text


def test_without_voice_and_ears_there_are_tones(tmp_path: Path) -> None:
    """It says what to install, and still shows a call with sound in both directions."""
    with Command("demo", "--headless", cwd=tmp_path, without=["espeakng_loader", "pocketsphinx"]) as command:
        assert command.wait(60) == 0, command.err.text
    assert 'pip install "telnyx-agent[demo]"' in command.err.text
    caller, agent = read_stereo(tmp_path / FOLDER / "conversation.wav")
    assert (loudness(caller) > SPEECH).sum() > 5
    assert (loudness(agent) > SPEECH).sum() > 20
    assert "96" in command.out.text  # the agent has seen the picture's size


def test_without_ears_the_agent_still_speaks(tmp_path: Path) -> None:
    """It says what is missing, and answers what it has only noticed; the numbers are those of a call."""
    short = "import telnyx_agent.cli.dialogue as dialogue; dialogue.DEMO = dialogue.DEMO[:1]"
    with Command("demo", "--headless", cwd=tmp_path, without=["pocketsphinx"], first=short) as command:
        assert command.wait(60) == 0, command.err.text
    assert command.err.lines[0].startswith("the agent speaks, and hears that you speak, but not what")
    assert re.search(r"^you:   \[speech \d\.\d s\]$", command.out.text, re.MULTILINE)


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    """Exit code 2, before anything is started."""
    (tmp_path / "file").touch()
    with Command("demo", "--headless", "--output", "file/folder", cwd=tmp_path) as command:
        assert command.wait() == 2
    assert "cannot make the folder" in command.err.text


def test_without_the_server_it_says_what_to_install(tmp_path: Path) -> None:
    """Exit code 2 and the advice; no folder is left behind."""
    with Command("demo", cwd=tmp_path, without=["websockets"]) as command:
        assert command.wait() == 2
    assert 'pip install "telnyx-agent[demo]"' in command.err.text
    assert not list(tmp_path.iterdir())


def test_an_agent_that_understands_nothing_is_a_failure(tmp_path: Path) -> None:
    """Without a spoken conversation the exit code is not 0, and a line says so."""
    require("voice", "ears")
    deaf = "from telnyx_agent.testing.ears import PocketsphinxEars as ears; ears.hear = lambda self, samples: ''"
    deaf += "; import telnyx_agent.cli.dialogue as dialogue; dialogue.DEMO = dialogue.DEMO[:1]"
    with Command("demo", "--headless", cwd=tmp_path, first=deaf) as command:
        assert command.wait(60) == 1
    assert "understood nothing" in command.err.text


# -- with a sound card -------------------------------------------------------------------------------------------------


@pytest.fixture
def pulse() -> Iterator[PulseServer]:
    """A sound card that is none."""
    require("voice", "ears")
    with PulseServer.running() as server:
        yield server


@pytest.mark.sound
def test_it_speaks_for_a_user_who_stays_silent(pulse: PulseServer, tmp_path: Path) -> None:
    """A machine with a sound card and nobody in front of it gets its conversation, too."""
    with Command("demo", cwd=tmp_path, environment=pulse.variables()) as command:
        assert command.wait(60) == 0, command.err.text
    assert seconds_of_call(command.out.text + command.err.text) < 30
    assert "nothing was heard from the microphone" in command.err.text
    assert "nine to five" in command.out.text


@pytest.mark.sound
def test_a_user_at_the_microphone_is_understood(pulse: PulseServer, tmp_path: Path) -> None:
    """What is said into the microphone is answered through the loudspeaker; goodbye ends the demo."""
    from telnyx_agent.testing import synthesize

    with pulse.recording() as speaker, Command("demo", cwd=tmp_path, environment=pulse.variables()) as command:
        command.out.wait_for("^agent: Hello", 30)
        pulse.play(synthesize("What are your opening hours?"))
        command.out.wait_for("^agent: We are open", 15)
        pulse.play(synthesize("Goodbye"))
        assert command.wait(15) == 0, command.err.text
    assert "1 of yours" not in command.out.text
    assert (loudness(speaker.samples) > SPEECH).sum() > 40
