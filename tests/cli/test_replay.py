"""`telnyx-agent replay`, run as users run it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from telnyx_agent import TxClient
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from tests.cli.command import Command

DELEGATE = """
import threading
from telnyx_agent import CallState, TxClientDelegate

class App(TxClientDelegate):
    def on_client_ready(self):
        print("ready")

    def on_call_state_updated(self, call_state, call_id):
        print("state", call_state.value, call_state == CallState.DONE)

    def on_transcript_item_updated(self, item):
        if item.is_final:
            print(item)

class Buggy(App):
    def on_client_ready(self):
        raise RuntimeError("a bug")

class Needs(App):
    def __init__(self, client):
        self.client = client

app = App()
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """A conversation, with what was said and without."""
    found = {}
    for content in (True, False):
        path = found[content] = tmp_path_factory.mktemp("recorded") / "session.ndjson"
        delegate = RecordingDelegate()
        with (
            LocalAgent(voice="silent", ears="deaf", scenario=Scenario.fast()) as agent,
            TxClient(delegate, audio=NullAudio()) as client,
            client.record_session(path, include_content=content),
        ):
            client.anonymous_login("assistant-1", server_configuration=agent.configuration)
            call = client.new_call()
            delegate.wait_for("on_transcript_item_updated", 20, predicate=lambda item: item.is_final)
            call.hangup().result(10)
            client.disconnect().result(10)
    return found


def test_it_prints_what_a_delegate_would_have_been_told(recorded: dict[bool, Path], tmp_path: Path) -> None:
    """Time, name, arguments, duration; on stderr with what it was recorded. The same every time."""
    printed = []
    for _ in range(2):
        with Command("replay", str(recorded[True]), cwd=tmp_path) as command:
            assert command.wait() == 0, command.err.text
        printed.append(command.out.text)
    assert printed[0] == printed[1]
    text = printed[0]
    assert re.search(r"on_client_ready\(\) \[(waited \d+ ms, )?took ", text)
    assert "on_call_state_updated(ACTIVE, " in text
    assert "on_agent_state_changed(listening) [" in text
    assert (
        "on_transcript_item_updated(assistant: 'Hello! This is the local agent. How can I help you today?') [" in text
    )
    assert "on_transcription_updated(1 item(s)) [" in text
    assert "recorded 20" in command.err.text
    assert "asterisks" not in command.err.text
    times = [float(line.split()[0]) for line in command.out.lines]
    assert times == sorted(times)


def test_masked_words_are_asterisks(recorded: dict[bool, Path], tmp_path: Path) -> None:
    """And it is said why."""
    with Command("replay", str(recorded[False]), cwd=tmp_path) as command:
        assert command.wait() == 0
    assert "Hello" not in command.out.text
    assert f"assistant: '{'*' * len('Hello! This is the local agent. How can I help you today?')}'" in command.out.text
    assert "asterisks stand for what was masked" in command.err.text


@pytest.mark.parametrize("name", ["my_app:App", "my_app:app"])
def test_a_delegate_of_the_users_is_told(recorded: dict[bool, Path], tmp_path: Path, name: str) -> None:
    """A class or an object, found in the current folder, unchanged."""
    (tmp_path / "my_app.py").write_text(DELEGATE)
    with Command("replay", str(recorded[True]), "--delegate", name, cwd=tmp_path) as command:
        assert command.wait() == 0, command.err.text
    assert "ready" in command.out.lines
    assert "state ACTIVE False" in command.out.lines
    assert command.out.lines[-1] == "state DONE True"
    assert "assistant: Hello! This is the local agent. How can I help you today?" in command.out.lines


def test_a_bug_of_the_delegates_is_shown(recorded: dict[bool, Path], tmp_path: Path) -> None:
    """Its traceback, the rest of the callbacks, and an exit code."""
    (tmp_path / "my_app.py").write_text(DELEGATE)
    with Command("replay", str(recorded[True]), "--delegate", "my_app:Buggy", cwd=tmp_path) as command:
        assert command.wait() == 1
    assert "RuntimeError: a bug" in command.err.text
    assert "my_app.py" in command.err.text
    assert "callbacks raised an exception: on_client_ready" in command.err.lines[-1]
    assert "state DONE True" in command.out.lines


@pytest.mark.slow_except(1)
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("my_app", "is not of the form MODULE:CLASS"),
        ("my_app:", "is not of the form MODULE:CLASS"),
        ("no_such_app:App", "cannot find the delegate no_such_app:App: No module named"),
        ("my_app:Nobody", "cannot find the delegate my_app:Nobody: .*no attribute"),
        ("my_app:Needs", "cannot be made without arguments"),
    ],
)
def test_a_delegate_that_is_not_there_is_wrong_usage(
    recorded: dict[bool, Path], tmp_path: Path, name: str, says: str
) -> None:
    """With a sentence that says which."""
    (tmp_path / "my_app.py").write_text(DELEGATE)
    with Command("replay", str(recorded[True]), "--delegate", name, cwd=tmp_path) as command:
        assert command.wait() == 2
    command.err.wait_for(says, 0)


@pytest.mark.slow
def test_a_file_that_cannot_be_replayed_is_wrong_usage(recorded: dict[bool, Path], tmp_path: Path) -> None:
    """One line, exit code 2."""
    header = json.loads(recorded[True].read_text().splitlines()[0])
    (tmp_path / "newer").write_text(json.dumps({**header, "schema": 99}) + "\n")
    (tmp_path / "broken").write_text("hello\n")
    for name, says in (
        ("newer", "pip install --upgrade"),
        ("broken", "is no recording"),
        ("missing", "cannot be read"),
    ):
        with Command("replay", name, cwd=tmp_path) as command:
            assert command.wait() == 2
        assert says in command.err.text
        assert len(command.err.lines) == 1


def test_an_incomplete_recording_says_so(recorded: dict[bool, Path], tmp_path: Path) -> None:
    """What is there is replayed."""
    (tmp_path / "cut").write_bytes(recorded[True].read_bytes()[:-40])
    with Command("replay", "cut", cwd=tmp_path) as command:
        assert command.wait() == 0
    assert "the recording has no end" in command.err.text
    assert "on_client_ready" in command.out.text


@pytest.mark.slow
def test_speed(recorded: dict[bool, Path], tmp_path: Path) -> None:
    """In real time it takes at least as long as it took."""
    last = max(json.loads(line)["t"] for line in recorded[True].read_text().splitlines() if '"callback"' in line) / 1000
    with Command("replay", str(recorded[True]), "--speed", "1", cwd=tmp_path) as command:
        assert command.wait() == 0
    assert command.seconds >= last
    for bad in ("0", "-1", "fast"):
        with Command("replay", str(recorded[True]), "--speed", bad, cwd=tmp_path) as command:
            assert command.wait() == 2


@pytest.mark.slow
def test_talk_records_for_a_bug_report(tmp_path: Path) -> None:
    """`--record-session`: what happened is in the file, what was said is not; it can be replayed."""
    with LocalAgent(voice="silent", ears="deaf", scenario=Scenario.fast()) as agent:
        options = ("--server", agent.url, "--text-only", "--record-session", "session.ndjson")
        with Command("talk", "a", *options, cwd=tmp_path, stdin="What is your name?\n") as command:
            assert command.wait() == 0, command.err.text
    text = (tmp_path / "session.ndjson").read_text()
    assert "What is" not in text
    assert json.loads(text.splitlines()[-1])["type"] == "end"
    with Command("replay", "session.ndjson", cwd=tmp_path) as command:
        assert command.wait() == 0
    assert "on_call_state_updated(DONE" in command.out.text
