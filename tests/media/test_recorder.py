"""The stereo recording: aligned to the sample, complete right after close, harmless to the call."""

from __future__ import annotations

import io
import os
import queue
import struct
import threading
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from telnyx_agent._media.recorder import _MAX_FRAMES, StereoRecorder
from telnyx_agent.audio._wavefile import WavReader
from telnyx_agent.errors import ClientConfigurationError, MediaError
from tests.media.harness import RATE, Samples


def read(source: Path | io.BytesIO) -> tuple[Samples, Samples]:
    """Left and right, by the standard library's reader."""
    with wave.open(source if isinstance(source, io.BytesIO) else str(source)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return samples[:, 0].astype(np.int16), samples[:, 1].astype(np.int16)


def block(value: int, size: int = 480) -> Samples:
    return np.full(size, value, np.int16)


class Clock:
    """The time that a device's blocks take, without waiting for it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


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


def test_a_pause_is_not_in_the_file(tmp_path: Path) -> None:
    """Neither side of it, and what follows stands at once after what was before."""
    recorder = StereoRecorder(tmp_path / "call.wav")
    for n in range(1, 301):
        if n == 101:
            recorder.pause()
            recorder.pause()
            assert recorder.paused
        if n == 201:
            recorder.resume()
            recorder.resume()
            assert not recorder.paused
        recorder.capture(block(n))
        recorder.render(block(-n))
    assert recorder.finish() is None
    left, right = read(tmp_path / "call.wav")
    assert (left == -right).all()
    assert left.reshape(-1, 480)[:, 9].tolist() == [*range(1, 101), *range(201, 301)]


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
    clock = Clock()
    recorder = StereoRecorder(tmp_path / "call.wav", clock=clock)
    for n in range(2000):
        clock.now = n / 100
        recorder.capture(block(n % 1000))
        recorder.render(block(n % 1000))
        if n % 400 == 399:
            written = (n + 1) / 100 - 0.1  # the look ahead
            deadline = time.monotonic() + 10
            while recorder.seconds < written - 0.011 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert recorder.seconds == pytest.approx(written, abs=0.011)
    recorder.close()
    assert read(tmp_path / "call.wav")[0].size == 2000 * 480


def test_the_file_is_sound_while_it_is_written(tmp_path: Path) -> None:
    """An interrupted process leaves a file whose header claims what is there, and not much less."""
    recorder = StereoRecorder(tmp_path / "call.wav")
    deadline = time.monotonic() + 10
    size = 0
    while size < 480 and time.monotonic() < deadline:
        recorder.capture(block(3))
        recorder.render(block(4))
        time.sleep(0.01)
        left, right = read(tmp_path / "call.wav")
        assert set(left.tolist()) <= {3}
        assert set(right.tolist()) <= {4}
        size = left.size
    assert size >= 480
    recorder.close()


def test_a_path_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """At once, with the reason and what to do."""
    with pytest.raises(MediaError, match=r"cannot record to .*nowhere.*choose another file"):
        StereoRecorder(tmp_path / "nowhere" / "call.wav")
    with pytest.raises(MediaError, match="cannot record"):
        StereoRecorder(tmp_path)
    with pytest.raises(MediaError, match="cannot record"):
        StereoRecorder("a null\0character.wav")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Opening it would block whoever called until somebody reads."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MediaError, match=r"it is a pipe.*open yourself"):
        StereoRecorder(tmp_path / "pipe")


def test_file_objects_that_cannot_be_used_say_so(tmp_path: Path) -> None:
    """Text files, files for reading or appending, closed ones."""
    path = tmp_path / "call.wav"
    with path.open("w") as text, pytest.raises(MediaError, match=r'opened with mode "wb"'):
        StereoRecorder(text)  # type: ignore[arg-type]
    with path.open("ab") as appending, pytest.raises(MediaError, match=r'appending.*mode "wb"'):
        StereoRecorder(appending)
    with path.open("rb") as reading, pytest.raises(MediaError, match=r'mode "wb"'):
        StereoRecorder(reading)
    memory = io.BytesIO()
    memory.close()
    with pytest.raises(MediaError, match=r"closed file"):
        StereoRecorder(memory)
    with pytest.raises(ClientConfigurationError, match=r"path must be the path of a file"):
        StereoRecorder(17)  # type: ignore[arg-type]


def test_a_file_object_keeps_what_was_before(tmp_path: Path) -> None:
    """The recording begins where the file stood, as part of something larger."""
    memory = io.BytesIO(b"12345")
    memory.seek(5)
    recorder = StereoRecorder(memory)
    recorder.render(block(9))
    recorder.capture(block(8))
    recorder.close()
    assert memory.getvalue()[:5] == b"12345"
    left, right = read(io.BytesIO(memory.getvalue()[5:]))
    assert (left == 8).all()
    assert (right == 9).all()
    assert memory.tell() == 5 + 44 + 480 * 4


def test_a_pipe_gets_a_stream() -> None:
    """Nobody can go back in it, so its header says that the length is unknown; players read to the end."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source:
        with os.fdopen(writing, "wb", buffering=0) as target:
            recorder = StereoRecorder(target)
            for n in range(1, 21):
                recorder.capture(block(n))
                recorder.render(block(-n))
            assert recorder.finish() is None
        data = source.read()
    assert struct.unpack("<I", data[4:8]) == struct.unpack("<I", data[40:44]) == (0xFFFFFFFF,)
    frames = np.frombuffer(data[44:], "<i2").reshape(-1, 2)
    assert (frames[:, 0] == np.repeat(np.arange(1, 21), 480)).all()
    assert (frames[:, 1] == -frames[:, 0]).all()


def test_a_stream_can_be_read_by_our_own_reader(tmp_path: Path) -> None:
    """`WaveAudio` and `Call.play` take it, mixed to mono."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as target:
        recorder = StereoRecorder(target)
        recorder.capture(block(100))
        recorder.render(block(300))
        assert recorder.finish() is None
    with os.fdopen(reading, "rb") as source:
        (tmp_path / "stream.wav").write_bytes(source.read())
    with WavReader(tmp_path / "stream.wav") as reader:
        assert set(reader.read(10_000).tolist()) == {200}


def test_a_pipe_that_nobody_reads_does_not_hold_up_the_end() -> None:
    """`finish` gives up in time and says why; when the reader comes back, the thread ends."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source:
        target = os.fdopen(writing, "wb", buffering=0)
        recorder = StereoRecorder(target)
        for n in range(100):  # 190 kB, more than a pipe holds
            recorder.capture(block(n))
            recorder.render(block(n))
        error = recorder.finish(timeout=0.5)
        assert error is not None
        assert "has taken no more data" in str(error)
        while len(source.read1(1 << 16)) and not recorder.close(timeout=0.05):
            pass
        assert recorder.finish() is None
        target.close()


def test_a_pipe_whose_reader_has_gone(tmp_path: Path) -> None:
    """A broken pipe is an error of the recording, told at once, not one of the call."""
    reading, writing = os.pipe()
    told: queue.Queue[MediaError] = queue.Queue()
    with os.fdopen(writing, "wb", buffering=0) as target:
        recorder = StereoRecorder(target, on_error=told.put)
        os.close(reading)
        for n in range(50):
            recorder.capture(block(n))
            recorder.render(block(n))
        error = recorder.finish()
    assert error is not None
    assert "the program that read it has ended" in str(error)
    assert isinstance(error.__cause__, BrokenPipeError)
    assert told.get(timeout=5) is error


class Odd(io.BytesIO):
    """A file object of somebody's own."""

    most = 1000
    error: BaseException | None = None
    allowed = 5

    def write(self, data: object, /) -> int:
        self.allowed -= 1
        if self.error is not None and self.allowed < 0:
            raise self.error
        return super().write(bytes(data)[: self.most])  # type: ignore[call-overload]


def test_files_that_take_a_part_only() -> None:
    """Raw files and sockets may write less than they were given."""
    odd = Odd()
    recorder = StereoRecorder(odd)
    for n in range(100):
        recorder.capture(block(n))
        recorder.render(block(n))
    assert recorder.finish() is None
    odd.seek(0)
    assert (read(odd)[0] == np.repeat(np.arange(100), 480)).all()


@pytest.mark.parametrize("error", [ValueError("closed"), RuntimeError("bucket"), KeyError("x"), SystemExit(1)])
def test_whatever_a_file_object_raises_ends_the_recording_only(error: BaseException) -> None:
    """It is the user's own code; `finish` says what happened."""
    odd = Odd()
    odd.error = error
    recorder = StereoRecorder(odd)
    for n in range(50):
        recorder.capture(block(n))
        recorder.render(block(n))
    found = recorder.finish()
    assert found is not None
    assert found.__cause__ is error
    assert recorder.closed
    recorder.capture(block(1))


def test_a_file_of_four_gigabytes_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fits is there, the header is right, and the error says why it ended; here the limit is smaller."""
    monkeypatch.setattr("telnyx_agent._media.recorder._MAX_FRAMES", 1000)
    memory = io.BytesIO()
    recorder = StereoRecorder(memory)
    for _ in range(10):
        recorder.capture(block(5))
        recorder.render(block(6))
    error = recorder.finish()
    assert error is not None
    assert "4 GiB" in str(error)
    assert "another recording" in str(error)
    memory.seek(0)
    assert read(memory)[0].size == 1000


def test_the_limit_is_that_of_the_header() -> None:
    """The sizes in the header are 32 bits."""
    assert 36 + _MAX_FRAMES * 4 <= 0xFFFFFFFF
    assert _MAX_FRAMES / RATE > 6 * 3600


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_disk_from_the_beginning() -> None:
    """Not even the header can be written: no recording, and no thread."""
    with pytest.raises(MediaError, match=r"cannot record to /dev/full: .*No space"):
        StereoRecorder("/dev/full")


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
        error = recorder.finish()
    assert error is recorder.error
    assert error is not None
    assert isinstance(error.__cause__, OSError)
    assert "make room on the disk" in str(error)
