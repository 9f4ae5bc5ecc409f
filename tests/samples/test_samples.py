"""Every sample, as a user would start it: a process of its own, with `--offline`, on a machine without sound."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.support.requirements import require

SAMPLES = Path(__file__).parents[2] / "samples"
NAMES = sorted(path.name for path in SAMPLES.glob("*.py"))
TIME_LIMIT = 60.0

TARGETS = {
    "answering_machine.py": ("sip_user", "your-sip-user"),
    "from_android_calls.py": ("sip_user", "your-sip-user"),
}
"""Samples that take something else than an assistant's id: the argument's name, and how its docstring shows it."""

pytestmark = pytest.mark.slow


def command(name: str, *arguments: str) -> list[str]:
    """How to start a sample offline."""
    return [sys.executable, "-W", "error", "-X", "faulthandler", str(SAMPLES / name), "--offline", *arguments]


def environment() -> dict[str, str]:
    """Headless, unbuffered, with this checkout's package."""
    return {**os.environ, "PYTHONPATH": str(SAMPLES.parent), "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}


def run(name: str, directory: Path, *arguments: str) -> list[str]:
    """Run a sample to its end; the lines that it printed."""
    started = time.monotonic()
    done = subprocess.run(
        command(name, *arguments),
        cwd=directory,
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIME_LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - started < TIME_LIMIT
    return done.stdout.splitlines()


GREETING = "Hello! This is the local agent. How can I help you today?"
HOURS = "We are open from nine to five, Monday to Friday."


def test_the_index_names_every_sample() -> None:
    """samples/README.md has one line for each sample."""
    index = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert NAMES
    for name in NAMES:
        assert index.count(f"| [{name}]({name}) |") == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_short_and_says_what_it_is(name: str) -> None:
    """At most 80 lines; the docstring comes first and shows both ways to run it."""
    source = (SAMPLES / name).read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 80
    assert source.startswith('"""')
    docstring = ast.get_docstring(ast.parse(source)) or ""
    assert f"python samples/{name} {TARGETS.get(name, ('', 'assistant-'))[1]}" in docstring
    assert f"python samples/{name} --offline" in docstring


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_needs_a_target(name: str, tmp_path: Path) -> None:
    """Without whom to call, or who one is, and without --offline it says what it needs, and starts nothing."""
    bare = [part for part in command(name) if part != "--offline"]
    done = subprocess.run(
        bare, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 2
    assert TARGETS.get(name, ("assistant_id", ""))[0] in done.stderr
    assert "--offline" in done.stderr


def test_quickstart(tmp_path: Path) -> None:
    """It greets, and says how the call ended."""
    lines = run("quickstart.py", tmp_path)
    assert lines[0] == f"assistant: {GREETING}"
    assert lines[-1] == "The call ended: SIP 200: OK"


def test_delegate(tmp_path: Path) -> None:
    """Every step of the iOS page's delegate, in order, with an answer to the question."""
    lines = run("delegate.py", tmp_path)
    assert lines[0] == "Anonymous connection successful"
    assert [line for line in lines if line.startswith("Call: ")][-2:] == ["Call: ACTIVE", lines[-2]]
    assert lines[-2].startswith("Call: DONE")
    assert lines[-1] == "Disconnected from AI assistant"
    assert [line for line in lines if line.startswith(("user", "assistant"))] == [
        f"assistant: {GREETING}",
        "user: What are your opening hours?",
        f"assistant: {HOURS}",
    ]


def test_legacy_threads(tmp_path: Path) -> None:
    """Each of the orders gets its own answer, whichever thread asked it."""
    lines = run("legacy_threads.py", tmp_path)
    assert lines[0] == f"Assistant: {GREETING}"
    assert sorted(lines[1:]) == [
        "Repeat after me: one two three -> one two three",
        "Tell me a joke -> Why did the packet cross the network? To get to the other site.",
        f"What are your opening hours? -> {HOURS}",
        "What is your name? -> I am the local agent. I live on your machine.",
    ]


def speech_seconds(path: Path) -> float:
    """How much of a recording is not silence."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    blocks = samples[: len(samples) // (rate // 50) * (rate // 50)].reshape(-1, rate // 50).astype(np.float64)
    return float((np.sqrt((blocks**2).mean(axis=1)) > 300).sum() / 50)


def test_record_and_measure(tmp_path: Path) -> None:
    """Each question is answered and measured, and both sides are in the recording."""
    require("voice")
    require("ears")
    lines = run("record_and_measure.py", tmp_path)
    answers = [line for line in lines if line.startswith("answer ")]
    assert [line.split()[1] for line in answers] == ["1", "2"]
    assert all(0.2 < float(line.split()[3]) < 10 for line in answers)
    assert lines[-1] == "Wrote call.wav"
    with wave.open(str(tmp_path / "call.wav")) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 48000)
        sides = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    for side in sides.T:
        blocks = side[: side.size // 480 * 480].reshape(-1, 480).astype(np.float64)
        assert (np.sqrt((blocks**2).mean(axis=1)) > 300).sum() > 100  # a second of speech


def test_wav_in_wav_out(tmp_path: Path) -> None:
    """The file is heard and understood, the answer can be heard in the other file."""
    require("voice")
    require("ears")
    lines = run("wav_in_wav_out.py", tmp_path)
    assert lines[0] == f"assistant: {GREETING}"
    assert lines[1].startswith("user: ")
    assert "opening hours" in lines[1].lower()
    assert lines[2] == f"assistant: {HOURS}"
    assert lines[-1] == "Wrote answer.wav"
    assert speech_seconds(tmp_path / "answer.wav") > 4.0  # greeting and answer
    assert speech_seconds(tmp_path / "question.wav") > 0.5


def test_answering_machine(tmp_path: Path) -> None:
    """It takes the call, and the recording has its beep on one side and the caller's voice on the other."""
    lines = run("answering_machine.py", tmp_path)
    assert lines == ["Call from Bob (+15550100)", "Wrote message-1.wav"]
    with wave.open(str(tmp_path / "message-1.wav")) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 48000)
        sides = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    beep, caller = np.abs(sides.T.astype(np.int32)).max(axis=1)
    assert 8000 < beep < 10000
    assert caller > 1000


def test_text_and_image(tmp_path: Path) -> None:
    """The picture arrives with the question, and the transcript is kept."""
    lines = run("text_and_image.py", tmp_path)
    assert lines == [
        f"Assistant: {GREETING}",
        "You: What do you see? [1 image(s)]",
        "Assistant: I see one png image, 5 by 5 pixels.",
        "Wrote transcript.txt",
    ]
    assert (tmp_path / "transcript.txt").read_text(encoding="utf-8").splitlines() == [
        f"assistant: {GREETING}",
        "user: What do you see? [1 image(s)]",
        "assistant: I see one png image, 5 by 5 pixels.",
    ]


def test_from_ios_conversation(tmp_path: Path) -> None:
    """Connected, the greeting, a typed question that was sent, its answer, the end."""
    assert run("from_ios_conversation.py", tmp_path) == [
        "Connected to AI Assistant",
        f"assistant: {GREETING}",
        "Message sent successfully",
        "user: What are your opening hours?",
        f"assistant: {HOURS}",
        "AI conversation ended",
    ]


def test_from_android_calls(tmp_path: Path) -> None:
    """An invitation on the flow, its call's states, the end."""
    assert run("from_android_calls.py", tmp_path) == ["Call from Bob", "Call is active", "Call ended: NORMAL_CLEARING"]


def test_from_ios(tmp_path: Path) -> None:
    """The page's delegate, a call and an answer."""
    assert run("from_ios.py", tmp_path) == [
        "Anonymous connection successful",
        f"assistant: {GREETING}",
        "user: What are your opening hours?",
        f"assistant: {HOURS}",
        "Disconnected from AI assistant",
    ]


def test_from_android(tmp_path: Path) -> None:
    """The flow says that the login is through, and carries the conversation."""
    assert run("from_android.py", tmp_path) == [
        "Anonymous connection successful",
        f"assistant: {GREETING}",
        f"assistant: {HOURS}",
    ]


def test_from_flutter(tmp_path: Path) -> None:
    """The awaited login, the call, the handler of the transcript."""
    assert run("from_flutter.py", tmp_path) == [
        f"assistant: {GREETING}",
        "user: What are your opening hours?",
        f"assistant: {HOURS}",
    ]


INTERRUPTED = """
import builtins, os, runpy, signal, sys

def print_and_interrupt(*args, **kwargs):
    builtins.print = said
    said(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGINT)

said, builtins.print = builtins.print, print_and_interrupt
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a program that gets its Ctrl-C as soon as it has printed something: from outside it may come too late."""


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C cannot be sent to one process alone")
@pytest.mark.parametrize("name", NAMES)
def test_ctrl_c_ends_a_sample_cleanly(name: str, tmp_path: Path) -> None:
    """One Ctrl-C when somebody has said something, or the call is being made: no traceback, exit code 0."""
    python, *options, sample, offline = command(name)
    process = subprocess.Popen(
        [python, *options, "-c", INTERRUPTED, sample, offline],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # As in a terminal: what was started in the background of a shell ignores SIGINT, and so do its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    with process:
        try:
            output, errors = process.communicate(timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # faulthandler tells where it hangs
            pytest.fail(f"{name} did not end:\n{process.communicate()[1]}")
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert output.splitlines()[-1] == "Bye."
