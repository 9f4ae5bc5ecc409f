"""Programs that end while a call is up: gone within seconds, with a goodbye to the agent, after one Ctrl-C at most."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from telnyx_agent.testing import LocalAgent, Scenario

PROGRAM = """
import sys, threading
from telnyx_agent import AgentState, CallState, TxClient, TxServerConfiguration
from telnyx_agent.audio import NullAudio

client = TxClient(audio=NullAudio())
client.anonymous_login("assistant-1", server_configuration=TxServerConfiguration(sys.argv[1]))
call = client.new_call()
call.wait_until_active(20)
print("active", flush=True)
{end}
"""

GONE_WITHIN = 15.0
"""Seconds, on a busy machine; two on one that has nothing else to do."""

ENDS = {
    "falls off its end": ("", 0),
    "raises": ("raise RuntimeError('the end')", 1),
    "sys.exit": ("sys.exit(3)", 3),
    "disconnects and falls off": ("client.disconnect()", 0),
    "ends in another thread": ("threading.Thread(target=client.disconnect).start()", 0),
}


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Real media, since its threads are what could keep a process alive."""
    with LocalAgent(voice="tones", ears="deaf", scenario=Scenario.fast()) as agent:
        yield agent


def run(agent: LocalAgent, end: str, *arguments: str) -> subprocess.Popen[str]:
    """Start the program and wait until its call is up."""
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", PROGRAM.format(end=end), agent.url, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert process.stdout is not None
    if process.stdout.readline() != "active\n":
        _, errors = process.communicate(timeout=10)
        pytest.fail(errors)
    return process


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("end", ENDS)
def test_however_a_program_ends_it_says_goodbye(agent: LocalAgent, end: str) -> None:
    """The agent gets a bye and the process is gone soon, with its own exit code."""
    code, status = ENDS[end]
    process = run(agent, code)
    begin = time.monotonic()
    _, errors = process.communicate(timeout=20)

    assert process.returncode == status, errors
    assert time.monotonic() - begin < GONE_WITHIN
    agent.wait_for_frame("telnyx_rtc.bye", 1, direction="received")
    assert "Fatal" not in errors


@pytest.mark.slow_except(1)
@pytest.mark.parametrize(
    "wait",
    [
        "call.wait_until_ended()",
        "call.wait_for_state(CallState.HELD)",
        "client.ai_assistant_manager.wait_for_agent_state(AgentState.PROCESSING_IMAGE)",
        "TxClient().anonymous_login('x', server_configuration=TxServerConfiguration(sys.argv[2])).result()",
    ],
)
def test_one_ctrl_c_ends_every_wait(agent: LocalAgent, wait: str) -> None:
    """A single SIGINT interrupts whatever the main thread waits for; the goodbye is still said."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers the login
        end_of_one(agent, f"print('waiting', flush=True)\n{wait}", f"ws://127.0.0.1:{silent.getsockname()[1]}")


def end_of_one(agent: LocalAgent, code: str, silent: str) -> None:
    """Run a program that waits, interrupt it once, and look how it ends."""
    process = run(agent, code, silent)
    assert process.stdout is not None
    process.stdout.readline()
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)

    assert "KeyboardInterrupt" in errors
    assert time.monotonic() - begin < GONE_WITHIN
    agent.wait_for_frame("telnyx_rtc.bye", 1, direction="received")
