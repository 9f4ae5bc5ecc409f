"""Short soaks, as a user starts the long ones: calls at once, drops, starts and stops; and leaks made on purpose."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def soak(tmp_path: Path, *arguments: str, patch: str = "") -> tuple[int, str, dict[str, Any]]:
    """Run it in a process of its own; exit status, what it printed, and the figures of its one part."""
    program = f"import sys\nfrom benchmarks import soak\n{patch}\nsys.exit(soak.main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, *arguments, "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    files = list(tmp_path.glob("raw/*.json"))
    assert len(files) == 1, done.stderr[-3000:]
    return done.returncode, done.stdout + done.stderr, json.loads(files[0].read_text())["raw"]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_calls_at_once_with_faults_leave_nothing(tmp_path: Path) -> None:
    """Faults hit calls while they ring and while they last, and each call ends."""
    status, text, raw = soak(tmp_path, "--calls", "48", "--at-once", "4", "--seed", "3")
    assert status == 0, text
    assert raw["wrong"] == []
    assert raw["samples"][-1]["rounds"] == 48
    ended = {name: count for name, count in raw["outcomes"].items() if name.startswith("ended")}
    assert sum(ended.values()) == 48
    assert len([name for name in raw["outcomes"] if " while " in name]) > 5
    assert len(raw["series"]["to the first sound"]) > 5


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_twenty_drops_lose_and_double_nothing(tmp_path: Path) -> None:
    """The same call goes on, and every line of the agent's is final, there once, and in order."""
    status, text, raw = soak(tmp_path, "--drops", "20", "--seed", "3")
    assert status == 0, text
    assert raw["wrong"] == []
    assert raw["outcomes"]["back"] == 20
    # In the end, without the session, there is less than while it lasted.
    assert raw["samples"][-1]["tasks"] == 0


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_starts_and_stops_leave_nothing(tmp_path: Path) -> None:
    """At every moment, in every way."""
    status, text, raw = soak(tmp_path, "--starts", "24", "--seed", "3")
    assert status == 0, text
    assert raw["wrong"] == []
    assert sum(raw["outcomes"].values()) == 24
    assert raw["samples"][-1]["tasks"] == 0


LEAKS = {
    "threads": "threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "descriptors": "os.open(os.devnull, os.O_RDONLY)",
    "tasks": "kept.append(asyncio.Event()); asyncio.run_coroutine_threadsafe(kept[-1].wait(), _soak_parts.loop())",
    "objects": "kept.append(call)",
}


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_one_leak_for_each_call_is_found(tmp_path: Path) -> None:
    """One of each kind, all in one run, and each is named: so the short run above would find it, too."""
    patch = f"""
import asyncio, os, threading
from benchmarks import _soak_parts
from telnyx_agent import Call
kept, ended = [], Call.wait_until_ended
def leak(call, timeout=None):
    {"; ".join(LEAKS.values())}
    return ended(call, timeout)
Call.wait_until_ended = leak
_soak_parts._FAULTS = ("none",)
_soak_parts._ENDS = ("hangup",)
_soak_parts._SETTLED = 0.5
"""
    status, text, raw = soak(tmp_path, "--calls", "16", "--at-once", "2", patch=patch)
    assert status == 1, text
    assert raw["wrong"] == []
    left = raw["verdict"]["left"]
    assert [what for what in LEAKS if not any(f" {what} " in line for line in left)] == [], left
    assert any("objects of telnyx_agent.Call," in line for line in left), left
