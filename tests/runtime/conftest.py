"""A loop thread, and programs to interrupt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from telnyx_agent._runtime.loop import LoopThread

ROOT = Path(__file__).parents[2]


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread.acquire()
    yield thread
    thread.release()


@attrs.frozen
class Outcome:
    """What became of a program."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float


RunProgram = Callable[..., Outcome]


@pytest.fixture
def run_program() -> RunProgram:
    """Run Python source in a process of its own; with `interrupt`, Ctrl-C it when it has printed a line and waits."""

    def run(source: str, *, interrupt: bool = False) -> Outcome:
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", textwrap.dedent(source)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begin = time.monotonic()
        first = ""
        if interrupt:
            assert process.stdout is not None
            first = process.stdout.readline()
            _wait_until_asleep(process.pid)
            begin = time.monotonic()
            process.send_signal(signal.SIGINT)
        try:
            stdout, stderr = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            stdout, stderr = process.communicate()
            pytest.fail(f"the program hangs; it printed:\n{first}{stdout}{stderr}")
        return Outcome(process.returncode, first + stdout, stderr, time.monotonic() - begin)

    return run


@pytest.fixture
def interrupted_start(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let Ctrl-C come when the next thread has been started, and `start` is about to return."""

    def arm() -> None:
        start = threading.Thread.start

        def start_once(thread: threading.Thread) -> None:
            monkeypatch.setattr(threading.Thread, "start", start)
            start(thread)
            raise KeyboardInterrupt

        monkeypatch.setattr(threading.Thread, "start", start_once)

    return arm


def _wait_until_asleep(pid: int) -> None:
    """Until the main thread is blocked in the kernel: an interrupt before that would prove nothing."""
    state = Path(f"/proc/{pid}/stat")
    if not state.exists():
        time.sleep(0.5)
        return
    while state.read_text().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.005)
