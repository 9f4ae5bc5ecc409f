"""The stereo recording: aligned to the sample, complete right after close, harmless to the call."""

from __future__ import annotations

import io
import struct
import threading
import wave
from pathlib import Path

import numpy as np
import pytest

from telnyx_agent._media.recorder import StereoRecorder
from telnyx_agent.errors import MediaError
from tests.media.harness import RATE, Samples


def read(source: Path | io.BytesIO) -> tuple[Samples, Samples]:
    """Left and right, by the standard library's reader."""
    with wave.open(source if isinstance(source, io.BytesIO) else str(source)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return samples[:, 0].astype(np.int16), samples[:, 1].astype(np.int16)


def block(value: int, size: int = 480) -> Samples:
    return np.full(size, value, np.int16)


def test_a_duplex_device_is_recorded_exactly(tmp_path: Path) -> None:
    """What was pushed and pulled in the same step lies side by side."""
    recorder = StereoRecorder(tmp_path / "call.wav")
    for n in range(1, 201):
        recorder.capture(block(n))
        recorder.render(block(-n))
    recorder.close()
    left, right = read(tmp_path / "call.wav")
    assert left.size == 200 * 480
    assert (left == -right).all()
    assert (left.reshape(-1, 480)[:, 0] == np.arange(1, 201)).all()


@pytest.mark.parametrize("first_is_left", [True, False])
def test_a_silent_side_is_filled_and_rejoins_in_time(tmp_path: Path, first_is_left: bool) -> None:
    """A microphone that begins a second late, stops, and begins again stands where it was heard."""
    recorder = StereoRecorder(tmp_path / "call.wav")
    steady, late = (recorder.render, recorder.capture) if first_is_left else (recorder.capture, recorder.render)
    for n in range(400):
        steady(block(1 + n))
        if 100 <= n < 150 or 300 <= n < 350:
            late(block(-1 - n))
    recorder.close()
    left, right = read(tmp_path / "call.wav")
    one, other = (right, left) if first_is_left else (left, right)
    assert one.size == other.size == 400 * 480
    assert (one.reshape(-1, 480)[:, 7] == np.arange(1, 401)).all()
    expected = np.where(((np.arange(400) >= 100) & (np.arange(400) < 150)) | (np.arange(400) >= 300), 1, 0)
    expected[350:] = 0
    assert (other == np.where(np.repeat(expected, 480) > 0, -one, 0)).all()


def test_a_side_that_never_delivers_is_silence(tmp_path: Path) -> None:
    """A call without a microphone is as long as what was heard."""
    recorder = StereoRecorder(tmp_path / "call.wav")
    for _ in range(30):
        recorder.render(block(5))
    recorder.close()
    left, right = read(tmp_path / "call.wav")
    assert left.size == right.size == 30 * 480
    assert not left.any()
    assert (right == 5).all()


def test_blocks_of_different_sizes(tmp_path: Path) -> None:
    """A device may push 20 ms and pull 7: both sides run on without a hole or a seam."""
    recorder = StereoRecorder(tmp_path / "call.wav")
    for milliseconds in range(1, 1401):
        if milliseconds % 20 == 0:
            end = milliseconds * 48
            recorder.capture(np.arange(end - 960, end).astype(np.int16))
        if milliseconds % 7 == 0:
            end = milliseconds * 48
            recorder.render(np.arange(end - 336, end).astype(np.int16))
    recorder.close()
    left, right = read(tmp_path / "call.wav")
    assert left.size == 1400 * 48
    assert (left == np.arange(left.size).astype(np.int16)).all()
    assert (left == right).all()


def test_closing_completes_the_file_at_once_and_twice(tmp_path: Path) -> None:
    """The header is right when close returns; a second close, and samples afterwards, do nothing."""
    recorder = StereoRecorder(tmp_path / "call.wav")
    recorder.capture(block(1))
    recorder.render(block(2))
    recorder.close()
    size = (tmp_path / "call.wav").stat().st_size
    assert size == 44 + 480 * 4
    header = (tmp_path / "call.wav").read_bytes()[:44]
    assert struct.unpack("<I", header[4:8])[0] == size - 8
    assert struct.unpack("<I", header[40:44])[0] == size - 44
    recorder.close()
    recorder.capture(block(1))
    recorder.close()
    assert recorder.closed
    assert recorder.seconds == pytest.approx(0.01)
    assert (tmp_path / "call.wav").stat().st_size == size


def test_close_from_several_threads(tmp_path: Path) -> None:
    """Hang-up and the user's stop may come together."""
    recorder = StereoRecorder(tmp_path / "call.wav")
    recorder.render(block(2))
    threads = [threading.Thread(target=recorder.close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert read(tmp_path / "call.wav")[0].size == 480


def test_an_empty_recording_is_a_file(tmp_path: Path) -> None:
    """A call that was never answered."""
    StereoRecorder(tmp_path / "call.wav").close()
    assert read(tmp_path / "call.wav")[0].size == 0


def test_a_file_object_is_written_and_left_open() -> None:
    """For those who keep recordings elsewhere."""
    memory = io.BytesIO()
    recorder = StereoRecorder(memory)
    recorder.render(block(9))
    recorder.close()
    assert not memory.closed
    memory.seek(0)
    assert (read(memory)[1] == 9).all()


def test_a_long_call_is_written_as_it_goes(tmp_path: Path) -> None:
    """Nothing is kept in memory until the end; the file can be read while the call goes on."""
    recorder = StereoRecorder(tmp_path / "call.wav")
    deadline = threading.Event()
    for n in range(2000):
        recorder.capture(block(n % 1000))
        recorder.render(block(n % 1000))
        if n % 400 == 399:
            for _ in range(100):
                if recorder.seconds >= (n + 1) / 100:
                    break
                deadline.wait(0.05)
            assert recorder.seconds == pytest.approx((n + 1) / 100)
    recorder.close()
    assert read(tmp_path / "call.wav")[0].size == 2000 * 480


def test_a_path_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """At once, with the reason and what to do."""
    with pytest.raises(MediaError, match=r"cannot record to .*nowhere.*choose another file"):
        StereoRecorder(tmp_path / "nowhere" / "call.wav")
    with pytest.raises(MediaError, match="cannot record"):
        StereoRecorder(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_disk_ends_the_recording_not_the_call() -> None:
    """The device's threads go on pushing; the recorder remembers why it stopped."""

    class FullAfterTheHeader(io.FileIO):
        written = 0

        def write(self, data: object, /) -> int:
            FullAfterTheHeader.written += 1
            if FullAfterTheHeader.written == 1:
                return len(bytes(data))  # type: ignore[call-overload]
            return super().write(data)  # type: ignore[arg-type]

    with FullAfterTheHeader("/dev/full", "w") as full:
        recorder = StereoRecorder(full)
        for n in range(500):
            recorder.render(block(n))
            recorder.capture(block(n))
        recorder.close()
    assert isinstance(recorder.error, OSError)
