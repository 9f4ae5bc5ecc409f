"""`AudioConstraints` and `create_processor`: what is chosen, with the extra and without."""

from __future__ import annotations

import logging
import sys

import pytest

from telnyx_agent.audio import _apm, _chain
from telnyx_agent.audio._chain import Chain
from telnyx_agent.audio.processing import AudioConstraints, create_processor


@pytest.fixture
def no_livekit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without the extra, whose log has not been written to yet."""
    monkeypatch.setattr(_chain, "_said", set())
    for name in [name for name in sys.modules if name == "livekit" or name.startswith("livekit.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "livekit", None)


def test_everything_is_wanted_unless_told_otherwise() -> None:
    """By default all three constraints are on; `disabled` turns them off."""
    assert AudioConstraints() == AudioConstraints(True, True, True)
    assert AudioConstraints.disabled() == AudioConstraints(False, False, False)


def test_nothing_is_done_where_nothing_can_come_back_or_nothing_is_wanted() -> None:
    """Files and PCM have no echo; and what is turned off stays off."""
    assert create_processor(AudioConstraints(), loudspeaker=False) is None
    assert create_processor(AudioConstraints.disabled(), loudspeaker=True) is None


def test_without_the_extra_the_call_is_half_duplex_and_says_so_once(
    no_livekit: None, caplog: pytest.LogCaptureFixture
) -> None:
    """In one line: what is done, what it costs, how to get more, how to turn it off."""
    with caplog.at_level(logging.INFO, "telnyx_agent.audio"):
        first = create_processor(AudioConstraints(), loudspeaker=True)
        second = create_processor(AudioConstraints(), loudspeaker=True)
    assert isinstance(first, Chain)
    assert first.module is None
    assert first.gate is not None
    assert second is not first
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("telnyx_agent.audio", logging.WARNING)
    for part in (
        "the echo canceller is not installed",
        "the microphone is turned down",
        "no noise suppression",
        'pip install "telnyx-agent[aec]"',
        "AudioConstraints(echo_cancellation=False)",
    ):
        assert part in record.message
    assert "\n" not in record.message


def test_without_the_extra_noise_suppression_is_not_pretended(
    no_livekit: None, caplog: pytest.LogCaptureFixture
) -> None:
    """It needs `livekit`: without it there is no processor, and the log says so."""
    only_noise = AudioConstraints(echo_cancellation=False, auto_gain_control=False)
    assert create_processor(only_noise, loudspeaker=True) is None
    assert "noise suppression is not installed" in caplog.text


def test_an_extra_that_does_not_load_is_named_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A wheel for another C library, or at odds with the protobuf that is installed."""

    def fail() -> None:
        raise RuntimeError("protobuf is too old")

    monkeypatch.setattr(_chain, "_said", set())
    monkeypatch.setattr(_apm, "load", fail)
    processor = create_processor(AudioConstraints(), loudspeaker=True)
    assert isinstance(processor, Chain)
    assert processor.module is None
    assert "cannot be used (RuntimeError: protobuf is too old)" in caplog.text


def test_turning_the_gain_off_leaves_the_rest(no_livekit: None) -> None:
    """The gate against echo stays; only the level is left alone."""
    processor = create_processor(AudioConstraints(auto_gain_control=False), loudspeaker=True)
    assert isinstance(processor, Chain)
    assert processor.level is None
    assert processor.gate is not None
