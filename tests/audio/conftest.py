"""A sound system of our own for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.pulse import PulseServer


@pytest.fixture
def pulse() -> Iterator[PulseServer]:
    """A private PulseAudio server; PortAudio sees its devices inside of `pulse.environment()`."""
    with PulseServer.running() as server:
        yield server


@pytest.fixture
def sound(pulse: PulseServer) -> Iterator[PulseServer]:
    """The same, and PortAudio sees its devices already."""
    with pulse.environment():
        yield pulse
