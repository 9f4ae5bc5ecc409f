"""What the command line says while the connection is made again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from telnyx_agent.testing import FaultProxy, LocalAgent
from tests.cli.command import Command
from tests.support.requirements import require

LOST = r"^connection lost, reconnecting \(attempt 1 in \d+\.\d s\)$"


@pytest.mark.slow
def test_talk_says_that_it_reconnects(agent: LocalAgent, tmp_path: Path) -> None:
    """A line when the connection is lost, one when it is back, and the conversation goes on."""
    with FaultProxy(agent) as proxy:
        options = ("--server", proxy.url, "--text-only")
        with Command("talk", "a", *options, cwd=tmp_path, keeps_stdin=True) as command:
            command.type("Tell me a joke\n")
            command.out.wait_for("^agent: Why did the packet", 15)
            proxy.reset()
            command.err.wait_for(LOST, 15)
            command.err.wait_for("^reconnected$", 30)
            command.type("What is your name?\n")
            command.out.wait_for("^agent: I am the local agent", 15)
            command.end_input()
            assert command.wait() == 0, command.err.text
    said = [line for line in command.err.lines if not line.startswith("call ended")]
    assert [line.partition(" (")[0] for line in said if "reconnect" in line and "call" not in line] == [
        *("connection lost, reconnecting", "reconnected")
    ]
    assert "error" not in command.err.text


@pytest.mark.slow
def test_a_line_that_is_typed_meanwhile_is_sent_afterwards(agent: LocalAgent, tmp_path: Path) -> None:
    """Nobody has to type it again; each attempt is told."""
    with FaultProxy(agent) as proxy:
        options = ("--server", proxy.url, "--text-only")
        with Command("talk", "a", *options, cwd=tmp_path, keeps_stdin=True) as command:
            command.out.wait_for("^agent: Hello!", 15)
            proxy.accept("refuse")
            proxy.reset()
            command.err.wait_for(LOST, 15)
            command.type("What is your name?\n")
            command.err.wait_for(r"reconnecting \(attempt 2 in", 20)
            proxy.accept("forward")
            command.err.wait_for("^reconnected$", 30)
            command.out.wait_for("^you:   What is your name", 15)
            command.out.wait_for("^agent: I am the local agent", 15)
            command.end_input()
            assert command.wait() == 0, command.err.text
    assert command.out.text.count("you:   What is your name?") == 1


@pytest.mark.slow
def test_json_has_both_events(agent: LocalAgent, tmp_path: Path) -> None:
    """With attempt, delay and reason, between `ready` and `ended`."""
    with FaultProxy(agent) as proxy:
        options = ("--server", proxy.url, "--text-only", "--json")
        with Command("talk", "a", *options, cwd=tmp_path, keeps_stdin=True) as command:
            command.out.wait_for('"ACTIVE"', 15)
            proxy.reset()
            command.out.wait_for('"event": "reconnected"', 30)
            command.end_input()
            assert command.wait() == 0, command.err.text
    told = [json.loads(line) for line in command.out.lines]
    kinds = [one["event"] for one in told]
    first = told[kinds.index("reconnecting")]
    assert kinds.index("ready") < kinds.index("reconnecting") < kinds.index("reconnected") < kinds.index("ended")
    assert first["attempt"] == 1
    assert first["delay"] >= 0
    assert (first["code"], "network" in first["message"]) == (45001, True)


# The demo starts its agent itself, so the proxy comes between the two from inside.
BETWEEN = """
import threading
from telnyx_agent import testing

configuration = testing.LocalAgent.configuration
proxies = []

def through_proxy(agent):
    if not proxies:
        proxies.append(testing.FaultProxy(configuration.fget(agent).signaling_server).start())
        threading.Thread(target=cut, args=(agent,), daemon=True).start()
    return proxies[0].configuration

def cut(agent):
    agent.wait_for_call(lambda call: len(call.transcript) > 1, 30)
    proxies[0].reset()

testing.LocalAgent.configuration = property(through_proxy)
"""


@pytest.mark.slow
def test_the_demo_says_it_as_well(tmp_path: Path) -> None:
    """And comes to its good end."""
    require("voice", "ears")
    with Command("demo", "--headless", cwd=tmp_path, first=f"exec({BETWEEN!r})") as command:
        assert command.wait(60) == 0, command.err.text
    assert re.search(LOST, command.err.text, re.MULTILINE)
    assert "reconnected" in command.err.lines
