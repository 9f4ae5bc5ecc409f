"""`telnyx-agent talk`, run as users run it, against the local agent."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from telnyx_agent.cli import main
from telnyx_agent.testing import LocalAgent, Scenario
from tests.cli.command import Command, loudness, read_stereo

GREETING = "Hello! This is the local agent."


def events(command: Command) -> list[dict[str, Any]]:
    return [json.loads(line) for line in command.out.lines]


# -- WAV in, WAV out ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_spoken_question_is_answered_in_a_file(
    speaking_agent: LocalAgent, spoken_question: Path, tmp_path: Path
) -> None:
    """The agent understands the WAV file, answers it, and both files hold what was said."""
    options = (
        "--input-wav",
        str(spoken_question),
        "--output-wav",
        "a.wav",
        "--record",
        "r.wav",
        "--transcript",
        "t.json",
    )
    with Command("talk", "assistant-1", "--server", speaking_agent.url, *options, cwd=tmp_path) as command:
        assert command.wait() == 0, command.err.text
    assert "you:   what are your opening hours" in command.out.text.lower()
    assert "agent: We are open from nine to five, Monday to Friday." in command.out.lines
    items = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert [item["role"] for item in items] == ["assistant", "user", "assistant"]
    caller, agent = read_stereo(tmp_path / "r.wav")
    assert (loudness(caller) > 0.01).sum() > 8
    assert (loudness(agent) > 0.01).sum() > 20
    assert speaking_agent.calls[0].ended_by_client


@pytest.mark.slow
def test_json_is_one_object_per_line(speaking_agent: LocalAgent, spoken_question: Path, tmp_path: Path) -> None:
    """Every line parses; `ready` comes before the call is active, `ended` last; partial items become final."""
    options = ("--input-wav", str(spoken_question), "--json")
    with Command("talk", "assistant-1", "--server", speaking_agent.url, *options, cwd=tmp_path) as command:
        assert command.wait() == 0, command.err.text
    told = events(command)
    kinds = [event["event"] for event in told]
    states = [event["state"] for event in told if event["event"] == "call_state"]
    items = [event["item"] for event in told if event["event"] == "transcript"]
    assert set(kinds) == {"ready", "call_state", "transcript", "agent_state", "ended"}
    assert states == ["NEW", "CONNECTING", "RINGING", "ACTIVE", "DONE"]
    assert kinds.index("ready") < [e.get("state") for e in told].index("ACTIVE")
    assert told[-1]["event"] == "ended"
    assert told[-1]["ok"] is True
    assert told[-1]["hung_up_by"] == "caller"
    assert [event["time"] for event in told] == sorted(event["time"] for event in told)
    assert any(item["is_partial"] for item in items)
    assert not {item["id"]: item for item in items}[items[-1]["id"]]["is_partial"]


def test_a_bad_wav_file_is_refused_before_the_call(agent: LocalAgent, tmp_path: Path) -> None:
    """What is no WAV file is wrong usage, and nobody is called."""
    (tmp_path / "q.wav").write_bytes(b"no sound at all")
    with Command("talk", "a", "--server", agent.url, "--input-wav", "q.wav", cwd=tmp_path) as command:
        assert command.wait() == 2
    assert "q.wav" in command.err.text
    assert not agent.calls


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_full_disk_is_a_failure(agent: LocalAgent, tmp_path: Path) -> None:
    """The call goes on, but an answer that is not in the file must not look like a success."""
    # Taken back at the end for whoever else writes then, as the measurement of coverage does.
    full = "import atexit, resource as r; infinite = r.RLIM_INFINITY; limit = r.RLIMIT_FSIZE"
    full += "; r.setrlimit(limit, (50_000, infinite)); atexit.register(r.setrlimit, limit, (infinite, infinite))"
    options = ("--output-wav", "full.wav", "--duration", "1.5")
    with Command("talk", "a", "--server", agent.url, *options, cwd=tmp_path, first=full) as command:
        assert command.wait() == 1
    assert "full.wav" in command.err.lines[-1]
    assert "call ended after 1." in command.err.text


# -- text --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_lines_of_stdin_are_sent_and_answered_in_turn(agent: LocalAgent, tmp_path: Path) -> None:
    """Each line waits for the answer to the one before it; the end of stdin hangs up after the last answer."""
    lines = "What is your name?\n\nWhat are your opening hours?\n"
    with Command("talk", "a", "--server", agent.url, "--text-only", cwd=tmp_path, stdin=lines) as command:
        assert command.wait() == 0, command.err.text
    assert command.out.lines == [
        f"agent: {GREETING} How can I help you today?",
        "you:   What is your name?",
        "agent: I am the local agent. I live on your machine.",
        "you:   What are your opening hours?",
        "agent: We are open from nine to five, Monday to Friday.",
    ]


@pytest.mark.slow
def test_a_line_is_sent_while_stdin_stays_open(agent: LocalAgent, tmp_path: Path) -> None:
    """A program that talks over a pipe gets its answer before it says the next thing."""
    with Command("talk", "a", "--server", agent.url, "--text-only", cwd=tmp_path, keeps_stdin=True) as command:
        command.type("Tell me a joke\n")
        command.out.wait_for("^agent: Why did the packet", 10)
        command.type("Goodbye\n")
        command.out.wait_for("^agent: Goodbye!", 10)
        command.end_input()
        assert command.wait() == 0


@pytest.mark.slow
def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    """What an assistant sends cannot steer the user's terminal."""
    brain = lambda text: "red \x1b[31malert\x07\nand\rmore"  # noqa: E731
    with LocalAgent(brain, voice="silent", ears="deaf", scenario=Scenario.fast(), greeting="Hi.") as agent:
        with Command("talk", "a", "--server", agent.url, "--text-only", cwd=tmp_path, stdin="x\n") as command:
            assert command.wait() == 0
    assert command.out.lines[-1] == "agent: red [31malert and more"


# -- what the arguments do ---------------------------------------------------------------------------------------------


def test_variables_headers_and_ids_reach_the_server(agent: LocalAgent, tmp_path: Path) -> None:
    """What is given on the command line is in the login frame and in the invite."""
    options = ["--var", "name=Ann=Lee", "--var", "empty=", "--header", "X-Account-Number: 17", "--version-id", "v2"]
    options += ["--conversation-id", "c-1", "--duration", "0.2", "--text-only"]
    with Command("talk", "assistant-9", "--server", agent.url, *options, cwd=tmp_path, keeps_stdin=True) as command:
        assert command.wait() == 0, command.err.text
    login = agent.wait_for_frame("anonymous_login").params
    assert login["target_id"] == "assistant-9"
    assert login["target_version_id"] == "v2"
    assert login["userVariables"] == {"name": "Ann=Lee", "empty": ""}
    assert "c-1" in json.dumps(login)
    assert agent.calls[0].custom_headers == (("X-Account-Number", "17"),)


def test_duration_ends_the_call(agent: LocalAgent, tmp_path: Path) -> None:
    """`--duration` hangs up, and says so to the other side."""
    with Command(
        "talk", "a", "--server", agent.url, "--output-wav", "a.wav", "--duration", "0.5", cwd=tmp_path
    ) as command:
        assert command.wait() == 0
    assert agent.calls[0].ended_by_client
    assert (tmp_path / "a.wav").stat().st_size > 44


@pytest.mark.slow_except(3)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "which assistant"),
        (("a", "--var", "novalue"), "NAME=VALUE"),
        (("a", "--text-only", "--input-device", "1"), "choose one"),
        (("a", "--lead-in", "1"), "--input-wav"),
        (("a", "--input-wav", "missing.wav"), "no file missing.wav"),
        (("a", "--record", "missing/r.wav"), "folder does not exist"),
        (("a", "--duration", "-1"), "not a number of seconds"),
        (("a", "--server", "http://example.invalid", "--text-only"), "WebSocket URL"),
        (("a", "--server", "ws://example.invalid", "--text-only"), "not encrypted"),
        (("a", "--log-level", "loud"), "not a log level"),
        (("a", "--transcript", "/proc/t.txt"), "cannot write /proc/t.txt"),
        (("a", "--record", "/proc/r.wav"), "cannot write /proc/r.wav"),
        (("a", "--output-wav", "/proc/a.wav"), "cannot write /proc/a.wav"),
        (("a", "--record-session", "/proc/s"), "cannot write /proc/s"),
        (("a", "--record", "x" * 300), "too long"),
        (("a", "--input-wav", "/"), "is a folder"),
        (("a", "--record", "r.wav", "--output-wav", "./r.wav"), "the same file"),
        (("a", "--duration", "nan"), "not a number of seconds"),
        (("a", "--duration", "1e300"), "not a number of seconds"),
        (("a", "--server", "ws://127.0.0.1:99999", "--text-only"), "99999"),
        (("a", "--server", "ws://[::1", "--text-only"), "not a WebSocket URL"),
        (("a", "--ice-server", "http://x", "--text-only"), "http://x"),
        (("a", "--ice-server", "turn:x:99999", "--text-only"), "99999"),
        (("  ", "--text-only"), "which assistant"),
        (("a", "--header", "X-A:b\nX-B:c", "--text-only"), "control character"),
    ],
)
def test_wrong_usage_is_explained(
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, and a line that names what is wrong; nothing is sent, and no file is left."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TELNYX_AGENT_ID", raising=False)
    assert main(["talk", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert list(tmp_path.iterdir()) == []


# -- failures ----------------------------------------------------------------------------------------------------------


def test_an_invalid_assistant_is_an_authentication_failure(agent: LocalAgent, tmp_path: Path) -> None:
    """Exit code 1 and one line on stderr that contains "authentication"."""
    with Command("talk", "invalid-id", "--server", agent.url, "--text-only", cwd=tmp_path) as command:
        assert command.wait() == 1
    assert len(command.err.lines) == 1
    assert "authentication" in command.err.text
    assert command.out.text == ""


def test_a_refused_connection_is_a_network_failure(tmp_path: Path) -> None:
    """Exit code 1 and "network"; in JSON mode the error is an event, and `ended` is still the last line."""
    with Command("talk", "a", "--server", "ws://127.0.0.1:1", "--text-only", "--json", cwd=tmp_path) as command:
        assert command.wait() == 1
    assert "network" in command.err.text
    told = events(command)
    assert [event["event"] for event in told if event["event"] != "call_state"] == ["error", "ended"]
    assert told[-2]["type"] == "NetworkError"
    assert told[-1]["ok"] is False


def test_a_rejected_call_fails_with_its_cause(tmp_path: Path) -> None:
    """Exit code 1, with cause and SIP status."""
    with LocalAgent(scenario=Scenario.rejected("USER_BUSY", speed=50), media=False) as agent:
        with Command("talk", "a", "--server", agent.url, "--text-only", cwd=tmp_path, keeps_stdin=True) as command:
            assert command.wait() == 1
    assert "USER_BUSY" in command.err.text
    assert "486" in command.err.text


@pytest.mark.slow
def test_an_agent_that_hangs_up_is_no_failure(agent: LocalAgent, tmp_path: Path) -> None:
    """Exit code 0: that is how most calls end."""
    with Command("talk", "a", "--server", agent.url, "--text-only", cwd=tmp_path, stdin="hang up\n") as command:
        assert command.wait() == 0
    assert "the agent hung up" in command.err.text
    assert agent.calls[0].ended_by_client is False


@pytest.mark.slow
def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    """`--debug` is for those who want to know where."""
    with Command("talk", "a", "--server", "ws://127.0.0.1:1", "--text-only", "--debug", cwd=tmp_path) as command:
        assert command.wait() == 1
    assert "Traceback" in command.err.text
    assert "NetworkError" in command.err.text


@pytest.mark.slow
def test_a_reader_that_has_had_enough_ends_the_call(agent: LocalAgent, tmp_path: Path) -> None:
    """As in `talk --json | head`: the call is hung up, and there is no traceback."""
    command = [sys.executable, "-m", "telnyx_agent", "talk", "a", "--server", agent.url, "--text-only", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        while b"ACTIVE" not in process.stdout.readline():
            pass
        process.stdout.close()
        errors = process.stderr.read().decode()
        assert process.wait(10) == 1
    assert "Traceback" not in errors
    agent.wait_for_call(lambda call: call.state == "ended")


# -- Ctrl-C ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow_except(1)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_hangs_up(agent: LocalAgent, tmp_path: Path, number: signal.Signals, code: int) -> None:
    """Within three seconds: the agent has seen the bye, the recording and the transcript are complete."""
    options = ("--output-wav", "a.wav", "--record", "r.wav", "--transcript", "t.txt")
    with Command("talk", "a", "--server", agent.url, *options, cwd=tmp_path) as command:
        command.out.wait_for("^agent: ", 15)
        command.interrupt(number)
        assert command.wait(3) == code
    assert "Traceback" not in command.err.text
    agent.wait_for_frame("telnyx_rtc.bye", direction="received")
    assert agent.calls[0].ended_by_client
    caller, heard = read_stereo(tmp_path / "r.wav")
    assert len(caller) == len(heard) > 0
    assert (tmp_path / "t.txt").read_text(encoding="utf-8").startswith(f"assistant: {GREETING}")


def test_ctrl_c_ends_a_login_that_gets_no_answer(tmp_path: Path) -> None:
    """Also while nothing has happened yet."""
    with LocalAgent(scenario=Scenario.silent("login"), media=False) as agent:
        options = ("--text-only", "--json")
        with Command("talk", "a", "--server", agent.url, *options, cwd=tmp_path, keeps_stdin=True) as command:
            agent.wait_for_frame("anonymous_login", 15)
            command.interrupt()
            assert command.wait(3) == 130
    assert "Traceback" not in command.err.text
    assert events(command)[-1]["event"] == "ended"


@pytest.mark.slow
def test_ctrl_c_at_a_terminal_that_waits_for_a_line(agent: LocalAgent, tmp_path: Path) -> None:
    """A thread that sleeps in a read of stdin does not hold the process up."""
    with Command("talk", "a", "--server", agent.url, "--text-only", cwd=tmp_path, keeps_stdin=True) as command:
        command.out.wait_for("^agent: ", 15)
        command.interrupt()
        assert command.wait(3) == 130
    assert command.err.lines[-1].startswith("call ended")
