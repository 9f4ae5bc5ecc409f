"""`telnyx-agent devices`, with and without PortAudio and sound cards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from telnyx_agent.testing import LocalAgent
from tests.cli.command import Command
from tests.support.pulse import NO_DEVICE, OUTPUT_ONLY, PulseServer


@pytest.fixture
def pulse() -> Iterator[PulseServer]:
    """A sound card that is none."""
    with PulseServer.running() as server:
        yield server


@pytest.mark.sound
def test_the_devices_are_listed(pulse: PulseServer, tmp_path: Path) -> None:
    """A table, with a heading, numbers and the defaults."""
    with Command("devices", cwd=tmp_path, environment=pulse.variables()) as command:
        assert command.wait() == 0, command.err.text
    heading, *rows = command.out.lines
    assert heading.split() == ["#", "name", "sound", "system", "in", "out", "rate", "default"]
    assert any("headset" in row for row in rows)
    assert any(row.endswith("input output") for row in rows)


@pytest.mark.sound
def test_the_devices_are_json(pulse: PulseServer, tmp_path: Path) -> None:
    """The same for programs."""
    with Command("devices", "--json", cwd=tmp_path, environment=pulse.variables()) as command:
        assert command.wait() == 0, command.err.text
    devices = json.loads(command.out.text)
    assert {"index", "name", "host_api", "input_channels", "output_channels"} <= set(devices[0])
    assert sum(device["is_default_input"] for device in devices) == 1


@pytest.mark.sound
def test_a_machine_without_sound_devices(pulse: PulseServer, tmp_path: Path) -> None:
    """PortAudio is there, but nothing else: an empty table, a line of explanation, exit code 1."""
    with Command("devices", cwd=tmp_path, environment=pulse.variables(NO_DEVICE)) as command:
        assert command.wait() == 1
    assert len(command.out.lines) == 1
    assert "no sound device was found" in command.err.text


@pytest.mark.sound
def test_a_call_without_a_microphone_is_not_placed(pulse: PulseServer, tmp_path: Path) -> None:
    """A loudspeaker alone is no sound card to talk with."""
    with Command("talk", "assistant-1", cwd=tmp_path, environment=pulse.variables(OUTPUT_ONLY)) as command:
        assert command.wait() == 2
    assert "no microphone" in command.err.text


def test_without_portaudio_it_says_what_to_install(tmp_path: Path) -> None:
    """Exit code 1 and one line of advice."""
    with Command("devices", cwd=tmp_path, without=["sounddevice"]) as command:
        assert command.wait() == 1
    assert len(command.err.lines) == 1
    assert "install" in command.err.text


def test_a_call_without_a_sound_card_names_the_ways_out(tmp_path: Path) -> None:
    """`talk` with nothing to talk with calls nobody, and says how to do without."""
    with Command("talk", "assistant-1", cwd=tmp_path, without=["sounddevice"]) as command:
        assert command.wait() == 2
    assert "--text-only" in command.err.text
    assert "--input-wav" in command.err.text


@pytest.mark.sound
@pytest.mark.parametrize("option", ["--input-device", "--output-device"])
def test_a_device_that_does_not_exist_is_refused_before_the_call(
    pulse: PulseServer, tmp_path: Path, option: str
) -> None:
    """Nobody is called; the devices that there are are listed."""
    with LocalAgent(media=False, voice="silent", ears="deaf") as agent:
        with Command(
            "talk", "a", "--server", agent.url, option, "nosuch", cwd=tmp_path, environment=pulse.variables()
        ) as command:
            assert command.wait() == 2
        assert agent.frames == ()
    assert "nosuch" in command.err.text
