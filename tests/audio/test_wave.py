"""`WaveAudio`: a file is spoken into the call, and the agent's voice goes to another."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from telnyx_agent.audio import WaveAudio
from telnyx_agent.errors import ClientConfigurationError, MediaError
from tests.audio.memory_stream import Int16, MemoryStream, level, snr, tone


def write_wav(path: Path, samples: Int16, rate: int = 48000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def read_samples(path: Path) -> Int16:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (48000, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """0.25 s of 1 kHz; not a whole number of blocks."""
    return write_wav(tmp_path / "speech.wav", tone(1000, 0.2505))


def test_the_input_is_sent_as_it_is_and_silence_after_it(speech: Path) -> None:
    """Sample by sample."""
    device, stream = WaveAudio(speech), MemoryStream()
    device.start(stream)
    assert device.wait_played(10)
    sent = stream.wait_captured(len(stream.captured) + 4800)
    device.stop()
    expected = tone(1000, 0.2505)
    assert np.array_equal(sent[: len(expected)], expected)
    assert not np.any(sent[len(expected) :])
    assert set(stream.captured_blocks) == {960}


def test_any_rate_is_converted(tmp_path: Path) -> None:
    """8 kHz telephone speech, for example."""
    device = WaveAudio(write_wav(tmp_path / "phone.wav", tone(1000, 0.5, rate=8000), rate=8000))
    stream = MemoryStream()
    device.start(stream)
    assert device.wait_played(10)
    device.stop()
    assert snr(stream.captured[2400:21600], 1000) > 70


def test_the_output_is_what_was_heard(tmp_path: Path) -> None:
    """From the first block to the last."""
    device, stream = WaveAudio(output=tmp_path / "reply.wav"), MemoryStream(tone(700, 60))
    device.start(stream)
    stream.wait_pulled(24000)
    device.stop()
    heard = read_samples(tmp_path / "reply.wav")
    assert len(heard) == stream.pulled
    assert np.array_equal(heard, tone(700, 60)[: len(heard)])
    assert device.error is None


def test_without_an_input_there_is_silence() -> None:
    """And nothing to wait for."""
    device, stream = WaveAudio(), MemoryStream()
    device.start(stream)
    assert device.wait_played(10)
    assert not np.any(stream.wait_captured(4800))
    device.stop()


def test_lead_in_is_silence_before_the_input(speech: Path) -> None:
    """As long as asked for."""
    device, stream = WaveAudio(speech, lead_in=0.2), MemoryStream()
    device.start(stream)
    assert device.wait_played(10)
    device.stop()
    sent = stream.captured
    assert not np.any(sent[:9600])
    assert np.array_equal(sent[9600:21600], tone(1000, 0.25))


def test_loop_says_it_again_and_again(speech: Path) -> None:
    """And is never finished."""
    device, stream = WaveAudio(speech, loop=True), MemoryStream()
    device.start(stream)
    sent = stream.wait_captured(30_000)
    device.stop()
    assert np.array_equal(sent[12024:24048], sent[:12024])
    assert not device.finished.is_set()
    assert not device.wait_played(0)


def test_playing_takes_as_long_as_the_sound(speech: Path) -> None:
    """Paced, not dumped."""
    device, stream = WaveAudio(speech), MemoryStream()
    begin = time.perf_counter()
    device.start(stream)
    assert device.finished.wait(10)
    elapsed = time.perf_counter() - begin
    device.stop()
    assert elapsed > 0.23  # and not much longer, unless the machine is busy


def test_waiting_ends_when_the_call_ends_first(speech: Path) -> None:
    """`False`, also without a time-out: nobody waits for a call that is over."""
    device, stream = WaveAudio(speech, lead_in=60), MemoryStream()
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(device.wait_played()))
    waiter.start()
    device.start(stream)
    stream.wait_captured(960)
    assert not answers
    device.stop()
    waiter.join(10)
    assert answers == [False]


def test_waiting_ends_when_time_is_up(speech: Path) -> None:
    """Before the call has even started."""
    assert not WaveAudio(speech).wait_played(0.01)


def test_every_call_begins_at_the_beginning(speech: Path, tmp_path: Path) -> None:
    """The input is said again and the output is that of the new call."""
    device = WaveAudio(speech, tmp_path / "reply.wav")
    for frequency in (500, 900):
        stream = MemoryStream(tone(frequency, 10))
        device.start(stream)
        assert not device.finished.is_set() or stream.pulled
        assert device.wait_played(10)
        device.stop()
        assert np.array_equal(stream.captured[:12000], tone(1000, 0.25))
        assert snr(read_samples(tmp_path / "reply.wav"), frequency) > 70


def test_a_bad_input_is_refused_at_once(tmp_path: Path) -> None:
    """When the device is made, not in the middle of a call; and again if the file vanished since."""
    with pytest.raises(MediaError, match=r"missing\.wav"):
        WaveAudio(tmp_path / "missing.wav")
    device = WaveAudio(write_wav(tmp_path / "speech.wav", tone(440, 0.1)), tmp_path / "out.wav")
    (tmp_path / "speech.wav").unlink()
    with pytest.raises(MediaError, match=r"speech\.wav"):
        device.start(MemoryStream())
    device.stop()


def test_a_bad_output_is_refused_at_once(tmp_path: Path, speech: Path) -> None:
    """When the device is made; what changes afterwards when the call starts, and the input is closed again."""
    with pytest.raises(MediaError, match="folder does not exist; create it"):
        WaveAudio(output=tmp_path / "nowhere" / "out.wav")
    with pytest.raises(MediaError, match=r"cannot write the output file .*a directory"):
        WaveAudio(speech, output=tmp_path)
    with pytest.raises(ClientConfigurationError, match="same file"):
        WaveAudio(speech, output=speech)
    device = WaveAudio(speech, output=tmp_path / "out.wav")
    (tmp_path / "out.wav").mkdir()
    with pytest.raises(MediaError, match="cannot write the output file"):
        device.start(MemoryStream())
    device.stop()


def test_negative_lead_in_is_refused() -> None:
    """It would be silent otherwise."""
    with pytest.raises(ClientConfigurationError, match="lead_in"):
        WaveAudio(lead_in=-1)


def test_a_file_that_ends_early_is_an_error_but_not_the_calls_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file on a drive that was unplugged, for example."""
    speech = write_wav(tmp_path / "speech.wav", tone(1000, 5))
    device = WaveAudio(speech)
    run = device._open(stream := MemoryStream())
    run.capture()
    reader = run._reader
    assert reader is not None
    reader._file.close()
    reader._file = open(tmp_path / "other", "wb")  # noqa: SIM115 - reading from it fails with an OSError
    for _ in range(20):
        run.capture()
    run.close()
    assert device.error is not None
    assert "cannot read the input file" in device.error.message
    assert device.error.message in caplog.text
    assert not device.wait_played(0)
    assert len(stream.captured_blocks) == 21


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_full_disk_does_not_end_the_call(tmp_path: Path) -> None:
    """The call goes on, the reason is kept and logged once, and the file is right as far as it goes."""
    script = (
        "import resource, sys\n"
        "from tests.audio.memory_stream import MemoryStream, tone\n"
        "from telnyx_agent.audio import WaveAudio\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "device, stream = WaveAudio(output=sys.argv[1]), MemoryStream(tone(440, 9))\n"
        "device.start(stream)\n"
        "stream.wait_pulled(60_000)\n"
        "device.stop()\n"
        "print(device.error)\n"
    )
    output = tmp_path / "out.wav"
    done = subprocess.run([sys.executable, "-c", script, str(output)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"cannot write the output file {output}: File too large")
    assert done.stderr.count("cannot write the output file") == 1
    heard = read_samples(output)
    assert len(heard) >= 24000
    assert level(heard) == pytest.approx(0.35, abs=0.01)
