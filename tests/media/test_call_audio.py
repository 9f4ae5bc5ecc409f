"""The audio bridge: what a device sees, whatever it does."""

from __future__ import annotations

import array
import logging
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telnyx_agent._media.call_audio import AudioBridge
from telnyx_agent._media.playout.sequence import ReceivedPacket
from telnyx_agent._media.recorder import StereoRecorder
from telnyx_agent.errors import MediaError
from tests.media.harness import FRAME, RawDecoder, packets, tone
from tests.media.test_recorder import read


def fill(bridge: AudioBridge, count: int = 8) -> None:
    bridge.playout.set_decoders({-1: RawDecoder()})
    for packet in packets(count):
        bridge.playout.put(packet)


def test_before_a_call_it_plays_silence_and_takes_sound() -> None:
    """A device may start before there is a peer."""
    bridge = AudioBridge()
    assert bridge.sample_rate == 48000
    for size in (0, 1, 441, 480, 960):
        heard = bridge.pull_render(size)
        assert heard.dtype == np.int16
        assert heard.shape == (size,)
        assert not heard.any()
        bridge.push_capture(np.ones(size, np.int16))
    assert bridge.capture.available == 1 + 441 + 480 + 960


def test_levels_are_root_mean_squares() -> None:
    """0 for silence, 1 for the loudest square wave, 0.707 of it for a sine; both ways."""
    bridge = AudioBridge()
    bridge.push_capture(np.full(480, -32768, np.int16))
    assert bridge.input_level == pytest.approx(1.0)
    bridge.push_capture(tone(1000, 0.01, amplitude=16384))
    assert bridge.input_level == pytest.approx(0.3535, abs=0.002)
    bridge.push_capture(b"")
    assert bridge.input_level == 0.0
    fill(bridge)
    bridge.pull_render(FRAME)
    bridge.pull_render(FRAME)
    assert bridge.output_level == pytest.approx(1001 / 32768, rel=0.01)


def test_the_last_level_stays_when_the_levels_are_taken() -> None:
    """A level listener empties what its next call counts; whoever reads the property does not notice."""
    bridge = AudioBridge()
    fill(bridge)
    bridge.push_capture(np.full(480, 16384, np.int16))
    bridge.pull_render(FRAME)
    bridge.pull_render(FRAME)
    levels = (bridge.input_level, bridge.output_level)
    assert min(levels) > 0.0
    assert min(bridge.take_levels()) > 0.0
    assert (bridge.input_level, bridge.output_level) == levels
    assert bridge.take_levels() == (0.0, 0.0)


def test_mute_sends_silence_in_step() -> None:
    """Muted blocks keep their time, so nothing shifts when the mute ends."""
    bridge = AudioBridge()
    bridge.push_capture(np.full(480, 7, np.int16))
    bridge.muted = True
    bridge.push_capture(np.full(480, 8, np.int16))
    assert bridge.input_level == 0.0
    bridge.muted = False
    bridge.push_capture(np.full(480, 9, np.int16))
    assert np.unique(bridge.capture.read(10**4), return_counts=True)[1].tolist() == [480, 480, 480]


def test_the_recorder_hears_what_is_sent_and_what_is_played(tmp_path: Path) -> None:
    """Left the caller, muted where he was; right exactly what the device got."""
    bridge = AudioBridge()
    now = 0.0
    recorder = StereoRecorder(tmp_path / "call.wav", clock=lambda: now)
    bridge.recorder = recorder
    fill(bridge, 10)
    heard = []
    for n in range(20):
        now = n / 100
        bridge.muted = 5 <= n < 10
        bridge.push_capture(np.full(480, 100 + n, np.int16))
        heard.append(bridge.pull_render(480))
    bridge.recorder = None
    bridge.push_capture(np.full(480, 1, np.int16))
    bridge.pull_render(480)
    recorder.close()
    left, right = read(tmp_path / "call.wav")
    assert left.reshape(-1, 480)[:, 3].tolist() == [100 + n if not 5 <= n < 10 else 0 for n in range(20)]
    assert (right == np.concatenate(heard)).all()


def test_flush_drops_what_was_not_heard() -> None:
    """After a barge-in the agent's old sentence does not go on."""
    bridge = AudioBridge()
    fill(bridge)
    bridge.pull_render(FRAME)
    bridge.flush()
    bridge.pull_render(FRAME)
    assert not bridge.pull_render(FRAME).any()


def test_nothing_raises_on_the_sound_cards_thread(caplog: pytest.LogCaptureFixture) -> None:
    """Nonsense from a device is told once, in words, not raised, and the call goes on."""
    bridge = AudioBridge()
    with caplog.at_level(logging.WARNING, "telnyx_agent.media"):
        for _ in range(3):
            bridge.push_capture("not sound")  # type: ignore[arg-type]
            assert bridge.pull_render(-5).size == 0
    assert [record.exc_info for record in caplog.records] == [None]
    assert "the audio device gave a str to push_capture()" in caplog.text
    bridge.push_capture(bytes(960))
    assert bridge.capture.available == 480


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (np.full(480, 0.5, np.float32), "an array of shape .480,. of float32"),
        (np.zeros((480, 2), np.int16), "an array of shape .480, 2. of int16"),
        (np.zeros(480, np.int32), "of int32"),
        (np.zeros(480, np.uint16), "of uint16"),
        (memoryview(array.array("f", [0.5] * 480)), "a memoryview with items of format 'f'"),
        (memoryview(array.array("h", [1] * 960))[::2], "a memoryview"),
        ([0] * 480, "a list"),
        (None, "a NoneType"),
    ],
)
def test_a_block_that_is_no_mono_16_bit_sound_is_not_sent(block: Any, words: str) -> None:
    """It would be heard as noise; the program is told once what came and what to give."""
    told: list[MediaError] = []
    bridge = AudioBridge(on_device_failed=told.append)
    for _ in range(3):
        bridge.push_capture(block)
    assert bridge.capture.available == 0
    assert len(told) == 1
    assert re.search(words + r".*give mono 16-bit samples", told[0].message)


def test_a_failed_device_is_reported_on_its_thread() -> None:
    """The driver is told; a driver that fails in turn hurts nobody."""
    told: list[tuple[MediaError, str]] = []
    bridge = AudioBridge(on_device_failed=lambda error: told.append((error, threading.current_thread().name)))
    error = MediaError("unplugged")
    thread = threading.Thread(target=bridge.device_failed, args=(error,), name="card")
    thread.start()
    thread.join()
    assert told == [(error, "card")]
    AudioBridge().device_failed(error)

    def fail(error: MediaError) -> None:
        raise RuntimeError("driver")

    AudioBridge(on_device_failed=fail).device_failed(error)


def test_two_devices_at_once_do_not_meet_in_the_decoder() -> None:
    """While one device is being replaced by another both may pull: each gets its samples, nothing breaks."""
    bridge = AudioBridge()
    bridge.playout.set_decoders({-1: RawDecoder()})
    stop = threading.Event()
    sizes: list[int] = []

    def pull() -> None:
        while not stop.is_set():
            sizes.append(bridge.pull_render(480).size)

    threads = [threading.Thread(target=pull) for _ in range(3)]
    for thread in threads:
        thread.start()
    for packet in packets(500):
        bridge.playout.put(ReceivedPacket(packet.sequence_number, packet.timestamp, packet.payload))
    stop.set()
    for thread in threads:
        thread.join()
    assert set(sizes) == {480}
