"""The networks of these tests vanish with the test, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.support.requirements import require

pytestmark = pytest.mark.netns

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from tests.support.netns import SERVER, Internet

    with Internet() as internet:
        answerer = Path("tests/network/answerer.py")
        with internet.program(internet.server, answerer, {"host": SERVER}) as agent:
            agent.wait_for("ready", 20)
            with internet.service(internet.server, ["sh", "-c", "echo ready; exec sleep 1000"], "ready"):
                print(*(os.readlink(f"/proc/{one.pid}/ns/net") for one in
                        (internet.caller, internet.router, internet.server)), flush=True)
                sys.stdin.read()
                if sys.argv[1] == "raises":
                    raise RuntimeError("a test that fails")
    """
)


def inhabited(namespaces: set[str]) -> set[str]:
    """Which of the namespaces some process is still in."""
    found = set()
    for process in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            found.add(os.readlink(process))
        except OSError:
            continue  # it has ended meanwhile
    return found & namespaces


@pytest.mark.parametrize("how", ["returns", "raises", "is killed"])
def test_nothing_is_left(how: str) -> None:
    """No process and so no namespace, no interface and no rule: not even when there was no time to clean up."""
    require("netns", "nat")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        namespaces = set(process.stdout.readline().split())
        assert len(namespaces) == 3
        assert inhabited(namespaces) == namespaces
        if how == "is killed":
            process.send_signal(signal.SIGKILL)
        else:
            process.stdin.close()
        status = process.wait(20)
    assert status == {"returns": 0, "raises": 1, "is killed": -signal.SIGKILL}[how]
    deadline = time.monotonic() + 10
    while left := inhabited(namespaces):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
