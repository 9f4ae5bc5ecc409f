"""Every command with every kind of stdin, stdout and stderr that a shell, a service or pythonw.exe may give it."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from telnyx_agent.cli import main
from telnyx_agent.testing import LocalAgent, Scenario
from telnyx_agent.testing import server as agent_server
from tests.cli.command import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="redirections of a POSIX shell")

FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")

STREAMS = [
    *("<&-", ">&-", "2>&-", "<&- >&- 2>&-", "<&- >&-", "| true"),
    *(pytest.param(text, marks=FULL) for text in (">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full")),
]

SETTINGS = {"utf-8": {}, "ascii": {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}}


@pytest.fixture(scope="module")
def agent() -> Iterator[LocalAgent]:
    """Says what ASCII cannot show."""
    with LocalAgent(
        lambda text: "Grüße, 你好 \ud83d", voice="silent", ears="deaf", scenario=Scenario.fast(), greeting="Héllo"
    ) as agent:
        yield agent


def commands(agent: LocalAgent) -> dict[str, str]:
    """A command line for each command; what stdin it gets."""
    talk = f"talk a --server {agent.url} --duration 1"
    return {
        "devices": "devices",
        "devices-json": "devices --json",
        "doctor": f"doctor --server {agent.url} --no-microphone",
        "doctor-json": f"doctor --server {agent.url} --no-microphone --json",
        "help": "--help",
        "version": "--version",
        "replay": "replay session.ndjson",
        "talk-text": f"{talk} --text-only --transcript t.txt",
        "talk-json": f"{talk} --text-only --json",
        "talk-wav": f"{talk} --output-wav a.wav --record r.wav",
        "usage": "talk",
    }


NAMES = ["devices", "devices-json", "doctor", "doctor-json", "help", "version", "replay", "talk-text", "talk-json"]
NAMES += ["talk-wav", "usage"]


def check_said(err: str, code: int) -> None:
    """No traceback, nothing that the interpreter complains about at its end, and a code of ours."""
    for word in ("Traceback", "Exception ignored", "Error:", "lost sys.std"):
        assert word not in err, err
    assert code in (0, 1, 2), (code, err)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("streams", STREAMS)
def test_a_command_with_streams_that_do_not_work(agent: LocalAgent, tmp_path: Path, name: str, streams: str) -> None:
    """It works, or says why in one sentence."""
    (tmp_path / "session.ndjson").write_text('{"kind": "header"}\n', encoding="utf-8")
    command = f"{{ '{sys.executable}' -m telnyx_agent {commands(agent)[name]}; echo $? >code; }} {streams}"
    line = command if "<&-" in streams else f"printf 'x\\n' | {command}"
    # Buffered, as users have it: what cannot be written is noticed late.
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "", "TELNYX_AGENT_ID": ""}
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=env, capture_output=True, timeout=40, check=False)
    check_said(done.stderr.decode(), int((tmp_path / "code").read_text()))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_encoding_that_cannot_show_the_text(agent: LocalAgent, tmp_path: Path, name: str) -> None:
    """Question marks in place of letters."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TELNYX_AGENT_ID": "", **SETTINGS["ascii"]}
    arguments = commands(agent)[name].split()
    done = subprocess.run(
        [sys.executable, "-m", "telnyx_agent", *arguments],
        cwd=tmp_path,
        env=env,
        input=b"x\n",
        capture_output=True,
        timeout=40,
        check=False,
    )
    check_said(done.stderr.decode("ascii"), done.returncode)
    if name == "talk-text":
        assert "agent: H?llo" in done.stdout.decode("ascii")
        assert "Héllo" in (tmp_path / "t.txt").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("module", ["telnyx_agent emulate", "telnyx_agent.testing"])
@pytest.mark.parametrize("streams", ["<&-", "2>&-", ">&-", "<&- >&- 2>&-"])
def test_a_server_without_streams(tmp_path: Path, module: str, streams: str) -> None:
    """A service: it runs until SIGTERM, and ends well."""
    line = f"exec '{sys.executable}' -m {module} --no-media --port 0 {streams}"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(["bash", "-c", line], cwd=tmp_path, env=env, stderr=subprocess.PIPE)
    with process:
        assert process.stderr is not None
        try:
            deadline = time.monotonic() + 20
            while not _listens(process.pid):
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()
        assert b"Traceback" not in process.stderr.read()


def _listens(pid: int) -> bool:
    """Whether a process has a socket that listens (Linux)."""
    try:
        inodes = {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return False
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[3] == "0A" and f"socket:[{row[9]}]" in inodes for row in rows)


@FULL
@pytest.mark.parametrize("module", ["telnyx_agent emulate", "telnyx_agent.testing"])
def test_a_server_whose_url_nobody_can_read(tmp_path: Path, module: str) -> None:
    """One sentence; a server that nobody can find is of no use."""
    line = f"'{sys.executable}' -m {module} --no-media >/dev/full"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=env, capture_output=True, timeout=30, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert b"No space left" in done.stderr


class _Full(io.StringIO):
    """A disk that is full."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


LINES = (
    ["devices"],
    ["--help"],
    ["--version"],
    ["talk"],
    ["replay", "nofile"],
    ["emulate", "-x"],
)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("missing", ["stdin", "stdout", "stderr"])
def test_main_without_a_stream(line: list[str], missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under pythonw.exe, where there is none; `main` gives back what it has found."""
    monkeypatch.setattr(sys, missing, None)
    assert main(line) in (0, 1, 2)
    assert getattr(sys, missing) is None


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("full", ["stdout", "stderr"])
def test_main_with_a_full_disk(line: list[str], full: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It returns; it does not raise."""
    monkeypatch.setattr(sys, full, _Full())
    assert main(line) in (0, 1, 2)


def test_the_servers_main_without_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m telnyx_agent.testing` under pythonw.exe."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert agent_server.main(["--no-media", "--port", str(taken.getsockname()[1])]) == 1
