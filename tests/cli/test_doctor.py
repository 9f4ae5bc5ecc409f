"""`telnyx-agent doctor`: what is checked, what it prints, and its exit codes."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from telnyx_agent.testing import FaultProxy, LocalAgent, Scenario, UdpFaults
from tests.cli.command import Command
from tests.support.pulse import NO_DEVICE, OUTPUT_ONLY, PulseServer


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Real media, tones for words."""
    with LocalAgent(voice="tones", ears="energy", scenario=Scenario.fast()) as agent:
        yield agent


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_all_is_well_with_a_local_agent(agent: LocalAgent, tmp_path: Path) -> None:
    """Network only: a line for each check, and the exit code 0."""
    with Command("doctor", "--server", agent.url, "--no-microphone", cwd=tmp_path) as command:
        assert command.wait() == 0, command.err.text
    lines = command.out.lines
    assert lines[0].split()[:3] == ["dns", "127.0.0.1", "ok"]
    assert lines[1].split()[:3] == ["ws", f"127.0.0.1:{agent.port}", "ok"]
    assert lines[-1] == "all is well"


@pytest.mark.slow
def test_a_test_call_belongs_to_it_when_wanted(agent: LocalAgent, tmp_path: Path) -> None:
    """As JSON, for programs."""
    arguments = ["--server", agent.url, "--no-microphone", "--call", "assistant-1", "--duration", "2", "--json"]
    with Command("doctor", *arguments, cwd=tmp_path) as command:
        assert command.wait(60) == 0, command.err.text
    found = json.loads(command.out.text)
    assert found["ok"] is True
    assert found["network"]["verdict"] == "ready"
    assert [result["name"] for result in found["network"]["results"]] == ["dns", "ws"]
    assert found["call"]["mos"] > 3.0
    assert found["call"]["packets_received"] > 20
    assert agent.wait_for_call(lambda call: call.state == "ended").target_id == "assistant-1"


def test_a_server_that_is_not_there_is_exit_code_1(tmp_path: Path) -> None:
    """With the reason."""
    url = f"ws://127.0.0.1:{unused_port()}"
    with Command("doctor", "--server", url, "--no-microphone", "--json", cwd=tmp_path) as command:
        assert command.wait() == 1
    found = json.loads(command.out.text)
    assert found["ok"] is False
    assert found["network"]["verdict"] == "blocked"
    assert "refused" in found["network"]["results"][1]["detail"]


def test_an_ice_server_that_is_not_there_is_exit_code_1(agent: LocalAgent, tmp_path: Path) -> None:
    """A credential that is given is not printed."""
    url = f"turn:127.0.0.1:{unused_port()}?transport=tcp"
    arguments = ["--ice-server", url, "--ice-username", "u", "--ice-credential", "marmalade", "--no-microphone"]
    with Command("doctor", "--server", agent.url, *arguments, cwd=tmp_path) as command:
        assert command.wait() == 1
    assert "turn-tcp" in command.out.text
    assert "FAILED" in command.out.text
    assert command.out.lines[-1] == "something does not work as it should"
    assert "marmalade" not in command.out.text + command.err.text


def test_a_test_call_that_is_refused_is_exit_code_1(tmp_path: Path) -> None:
    """The login's own words."""
    with LocalAgent(accept=lambda target: False, voice="silent", ears="deaf", scenario=Scenario.fast()) as agent:
        arguments = ["--server", agent.url, "--no-microphone", "--call", "assistant-1", "--json"]
        with Command("doctor", *arguments, cwd=tmp_path) as command:
            assert command.wait() == 1
    found = json.loads(command.out.text)
    assert found["network"]["ok"] is True
    assert found["call"]["ok"] is False
    assert found["call"]["error"]


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("arguments", [["--timeout", "0"], ["--server", "http://x"], ["--duration", "x"], ["--what"]])
def test_wrong_usage_is_exit_code_2(tmp_path: Path, arguments: list[str]) -> None:
    """One line that says what is wrong; nothing is sent."""
    with Command("doctor", "--no-microphone", "--server", "ws://127.0.0.1:9", *arguments, cwd=tmp_path) as command:
        assert command.wait() == 2
    assert "error" in command.err.text


def test_without_portaudio_the_microphone_is_blocked(agent: LocalAgent, tmp_path: Path) -> None:
    """And the rest is checked all the same."""
    with Command("doctor", "--server", agent.url, "--json", cwd=tmp_path, without=["sounddevice"]) as command:
        assert command.wait() == 1
    found = json.loads(command.out.text)
    assert found["network"]["ok"] is True
    assert found["microphone"]["verdict"] == "blocked"
    assert "install" in found["microphone"]["detail"]


@pytest.mark.slow
@pytest.mark.sound
def test_the_microphone_is_listened_to(agent: LocalAgent, tmp_path: Path) -> None:
    """A sound server whose microphone gives zeros: said so, and exit code 1."""
    with PulseServer.running() as pulse:
        arguments = ["--server", agent.url, "--json"]
        with Command("doctor", *arguments, cwd=tmp_path, environment=pulse.variables()) as command:
            assert command.wait(60) == 1, command.err.text
    microphone = json.loads(command.out.text)["microphone"]
    assert microphone["verdict"] == "degraded"
    assert microphone["zeros"] == 1.0
    assert "nothing but zeros" in microphone["detail"]
    assert microphone["seconds"] >= 1.9


@pytest.mark.sound
def test_a_machine_without_a_microphone(agent: LocalAgent, tmp_path: Path) -> None:
    """Blocked, with advice."""
    with PulseServer.running() as pulse:
        arguments = ["--server", agent.url, "--json"]
        with Command("doctor", *arguments, cwd=tmp_path, environment=pulse.variables(NO_DEVICE)) as command:
            assert command.wait(60) == 1, command.err.text
    assert json.loads(command.out.text)["microphone"]["verdict"] == "blocked"


@pytest.mark.slow
def test_udp_that_is_dropped_is_named_as_the_cause(agent: LocalAgent, tmp_path: Path) -> None:
    """The call stays until its media have given up, and the line says what is in the way and what helps."""
    with FaultProxy(agent, udp=UdpFaults(blackout=True)) as proxy:
        arguments = ["--server", proxy.url, "--no-microphone", "--call", "assistant-1", "--duration", "2"]
        with Command("doctor", *arguments, cwd=tmp_path) as command:
            assert command.wait(60) == 1, command.err.text
    line = next(line for line in command.out.lines if line.startswith("test call:"))
    assert "firewall" in line
    assert "UDP" in line
    assert "TURN" in line
    print(f"{command.seconds:.1f} s: {line}")


@pytest.mark.sound
def test_a_machine_with_a_loudspeaker_only(agent: LocalAgent, tmp_path: Path) -> None:
    """There is no microphone; it is not switched off."""
    with PulseServer.running() as pulse:
        arguments = ["--server", agent.url, "--json"]
        with Command("doctor", *arguments, cwd=tmp_path, environment=pulse.variables(OUTPUT_ONLY)) as command:
            assert command.wait(60) == 1, command.err.text
    microphone = json.loads(command.out.text)["microphone"]
    assert microphone["verdict"] == "blocked"
    assert "there is no microphone" in microphone["detail"]
