"""`run_microphone_check`: what is wrong with a microphone, in words."""

from __future__ import annotations

import numpy as np
import pytest

from telnyx_agent import MediaError
from telnyx_agent.audio import AudioStream
from telnyx_agent.diagnosis import Verdict, run_microphone_check
from tests.support.duplex import BLOCK, Duplex, words


def test_a_microphone_that_hears_speech_is_ready() -> None:
    """Level and peak are those of what was said."""
    speech = words(1.0)
    report = run_microphone_check(1.0, device=Duplex(lambda step: speech[(step % 100) * BLOCK :][:BLOCK]))
    assert report.verdict is Verdict.READY
    assert report.ok
    expected = float(np.sqrt(np.mean((speech / 32768.0) ** 2)))
    assert report.level == pytest.approx(expected, rel=0.05)
    assert report.peak == pytest.approx(np.abs(speech).max() / 32768.0, rel=0.01)
    assert report.seconds == pytest.approx(1.0, abs=0.1)
    assert report.clipped == 0.0
    assert report.to_dict()["verdict"] == "ready"


@pytest.mark.parametrize(
    ("amplitude", "words_of_it"),
    [(0, "nothing but zeros"), (60, "it is silent"), (200000, "it is too loud")],
)
def test_what_is_wrong_with_a_microphone(amplitude: int, words_of_it: str) -> None:
    """Zeros, silence, clipping: each with its own advice."""
    wave = np.clip(amplitude * np.sin(np.arange(BLOCK) / 7.0), -32768, 32767).astype(np.int16)
    report = run_microphone_check(0.5, device=Duplex(lambda step: wave))
    assert report.verdict is Verdict.DEGRADED
    assert words_of_it in report.detail
    assert words_of_it in str(report)


def test_the_threshold_is_the_caller_s() -> None:
    """A level that is low for one microphone is loud for another."""
    wave = (1000 * np.sin(np.arange(BLOCK) / 7.0)).astype(np.int16)
    assert run_microphone_check(0.3, 0.01, device=Duplex(lambda step: wave)).ok
    assert not run_microphone_check(0.3, 0.1, device=Duplex(lambda step: wave)).ok


class Broken:
    """A device that cannot be opened, or fails, or gives nothing."""

    name = "broken"

    def __init__(self, how: str, code: int | None = None) -> None:
        self._how = how
        self._code = code
        self.stopped = False

    def start(self, stream: AudioStream) -> None:
        error = MediaError("it does not work; plug it in", code=self._code)
        if self._how == "start":
            raise error
        if self._how == "fail":
            stream.device_failed(error)

    def stop(self) -> None:
        self.stopped = True


def test_a_microphone_that_cannot_be_opened_blocks() -> None:
    """With the device's own words; or the system's refusal as such."""
    report = run_microphone_check(0.5, device=Broken("start"))
    assert report.verdict is Verdict.BLOCKED
    assert "plug it in" in report.detail
    assert run_microphone_check(0.5, device=Broken("start", 42001)).verdict is Verdict.PERMISSION_DENIED
    device = Broken("fail")
    assert run_microphone_check(0.5, device=device).verdict is Verdict.BLOCKED
    assert device.stopped


@pytest.mark.slow
def test_a_microphone_that_gives_nothing_blocks() -> None:
    """After the duration and three seconds of patience."""
    device = Broken("mute")
    report = run_microphone_check(0.1, device=device)
    assert report.verdict is Verdict.BLOCKED
    assert "nothing at all" in report.detail
    assert device.stopped
