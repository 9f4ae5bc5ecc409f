"""`_wavefile`: every WAV that people have can be read, and what is written can be read by others at any moment."""

from __future__ import annotations

import struct
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from telnyx_agent.audio._wavefile import WavReader, WavWriter
from telnyx_agent.errors import MediaError
from tests.audio.memory_stream import Int16, level, snr, tone

Samples = npt.NDArray[np.float64]


def read_wav(path: Path) -> Int16:
    with WavReader(path) as reader:
        return reader.read(sys.maxsize)


def chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def encode(samples: Samples, width: int, is_float: bool) -> bytes:
    """-1.0 .. 1.0 in little-endian samples of `width` bytes."""
    if is_float:
        return bytes(samples.astype("<f4" if width == 4 else "<f8").data)
    if width == 1:
        return np.rint(samples * 127 + 128).astype(np.uint8).tobytes()
    numbers = np.rint(samples * (2 ** (8 * width - 1) - 1)).astype("<i8")
    return bytes(np.ascontiguousarray(numbers.view(np.uint8).reshape(-1, 8)[:, :width]))


def make_wav(
    samples: Samples,
    *,
    rate: int = 48000,
    width: int = 2,
    channels: int = 1,
    is_float: bool = False,
    extensible: bool = False,
    before_data: bytes = b"",
) -> bytes:
    """A WAV file with the same sound in all channels."""
    tag = 3 if is_float else 1
    frame = width * channels
    fmt = struct.pack("<HHIIHH", 0xFFFE if extensible else tag, channels, rate, rate * frame, frame, 8 * width)
    if extensible:
        fmt += struct.pack("<HHIH", 22, 8 * width, 0, tag) + bytes.fromhex("000000001000800000aa00389b71")
    data = encode(np.repeat(samples, channels), width, is_float)
    body = b"WAVE" + chunk(b"fmt ", fmt) + before_data + chunk(b"data", data)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def sine(frequency: float, rate: int, seconds: float = 0.5) -> Samples:
    wave_form: Samples = 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)
    return wave_form


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "speech.wav"


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(
    ("width", "is_float", "limit"),
    [(1, False, 35), (2, False, 80), (3, False, 80), (4, False, 80), (4, True, 80), (8, True, 80)],
    ids=["8 bit", "16 bit", "24 bit", "32 bit", "float32", "float64"],
)
def test_any_format_becomes_48_khz_mono(
    path: Path, rate: int, channels: int, width: int, is_float: bool, limit: float
) -> None:
    """The tone is there, at the same level, as long as before, and with little noise (8 bits allow 44 dB)."""
    path.write_bytes(make_wav(sine(1000, rate), rate=rate, width=width, channels=channels, is_float=is_float))
    samples = read_wav(path)
    assert abs(len(samples) - 24000) <= 1
    assert snr(samples[2400:-2400], 1000) > limit
    assert level(samples[2400:-2400]) == pytest.approx(0.5 / 2**0.5, rel=0.01)


def test_48_khz_mono_16_bit_is_read_exactly(path: Path) -> None:
    """Nothing is done to what needs nothing."""
    samples = np.random.default_rng(1).integers(-32768, 32768, 50_001).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(samples.tobytes())
    assert np.array_equal(read_wav(path), samples)


def test_a_file_is_not_shifted_by_the_conversion(path: Path) -> None:
    """The filter's delay is taken out: a click stays where it was."""
    samples = np.zeros(8000)
    samples[4000] = 0.9
    path.write_bytes(make_wav(samples, rate=8000))
    assert abs(int(np.argmax(np.abs(read_wav(path)))) - 24000) <= 3


@pytest.mark.parametrize(("width", "is_float"), [(2, False), (3, False), (4, True)])
def test_the_extensible_header_of_editors_is_read(path: Path, width: int, is_float: bool) -> None:
    """Python's own `wave` refuses it before 3.12."""
    path.write_bytes(make_wav(sine(1000, 48000), width=width, is_float=is_float, extensible=True))
    assert snr(read_wav(path), 1000) > 80


def test_other_chunks_are_skipped(path: Path) -> None:
    """Also those with an odd length, which are padded."""
    path.write_bytes(make_wav(sine(1000, 48000), before_data=chunk(b"LIST", b"odd") + chunk(b"fact", b"1234")))
    assert snr(read_wav(path), 1000) > 80


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_file_whose_writer_was_interrupted_is_read_to_its_end(path: Path, size: int) -> None:
    """Its header has no length, or one that is too long."""
    data = bytearray(make_wav(sine(1000, 48000)))
    data[40:44] = struct.pack("<I", size)
    path.write_bytes(data)
    assert len(read_wav(path)) == 24000


def test_a_file_that_is_cut_in_the_middle_of_a_frame_is_read_so_far(path: Path) -> None:
    """The half frame is left out."""
    path.write_bytes(make_wav(sine(1000, 48000), channels=2)[: 44 + 4 * 1000 + 3])
    assert len(read_wav(path)) == 1000


def test_sound_that_is_too_loud_or_no_number_does_no_harm(path: Path) -> None:
    """Float files may hold anything."""
    path.write_bytes(make_wav(np.array([0.0, 2.0, -2.0, np.nan, np.inf]), width=4, is_float=True))
    assert read_wav(path).tolist() == [0, 32767, -32768, 0, 32767]


def test_blocks_are_what_the_whole_is(path: Path) -> None:
    """A file read in 10 ms blocks, as a call does, is the same as at once."""
    path.write_bytes(make_wav(sine(440, 44100), rate=44100, channels=2))
    whole, parts = read_wav(path), []
    with WavReader(path) as reader:
        while len(part := reader.read(480)):
            parts.append(part)
    assert set(map(len, parts[:-1])) == {480}
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("rate", [8000, 48000])
def test_a_loop_has_no_seam(path: Path, rate: int) -> None:
    """Ten whole periods, again and again, are one long sine."""
    path.write_bytes(make_wav(sine(1000, rate, 0.01), rate=rate))
    with WavReader(path, loop=True) as reader:
        samples = np.concatenate([reader.read(480) for _ in range(100)])
    assert len(samples) == 48000
    assert snr(samples[480:], 1000) > 80


UNUSABLE = {
    "text": b"this is not a WAV file at all",
    "empty": b"",
    "mp3": b"ID3\x04" + bytes(100),
    "other-riff": b"RIFF" + struct.pack("<I", 100) + b"AVI " + bytes(96),
    "no-data": b"RIFF"
    + struct.pack("<I", 28)
    + b"WAVE"
    + chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)),
    "short-format": b"RIFF" + struct.pack("<I", 28) + b"WAVE" + chunk(b"fmt ", b"12345678"),
    "data-first": b"RIFF" + struct.pack("<I", 28) + b"WAVE" + chunk(b"data", bytes(100)),
    "mu-law": make_wav(sine(440, 8000), rate=8000, width=1).replace(b"\x01\0\x01\0", b"\x07\0\x01\0", 1),
    "no-channels": make_wav(sine(440, 8000), rate=8000).replace(b"\x01\0\x01\0", b"\x01\0\0\0", 1),
    "40-bit": make_wav(sine(440, 8000), rate=8000, width=5),
    "no-sound": make_wav(np.zeros(0)),
    "rate-0": make_wav(sine(440, 8000), rate=0),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_file_is_refused_with_advice(path: Path, name: str) -> None:
    """The message names the file and says what to do about it."""
    path.write_bytes(UNUSABLE[name])
    with pytest.raises(MediaError, match=r"ffmpeg|record it again|can$") as caught:
        WavReader(path)
    assert "speech.wav" in str(caught.value) or "rate" in str(caught.value)


@pytest.mark.parametrize("name", ["missing.wav", "."])
def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path, name: str) -> None:
    """Missing, or a folder."""
    with pytest.raises(MediaError, match="cannot read the input file"):
        WavReader(tmp_path / name)


@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_written_is_read_by_others(path: Path, channels: int) -> None:
    """Python's own `wave` is the independent reader."""
    samples = tone(440, 1.0)
    writer = WavWriter(path, channels=channels)
    for start in range(0, len(samples), 480):
        writer.write(samples[start : start + 480])
    writer.close()
    writer.close()
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (48000, 2, channels)
        assert file.getnframes() == len(samples) // channels
        assert file.readframes(len(samples)) == samples.tobytes()


def test_the_file_can_be_played_while_it_is_written(path: Path) -> None:
    """The header is right at any moment, and never more than a quarter of a second behind."""
    writer = WavWriter(path)
    for number in range(1, 200):
        writer.write(np.zeros(480, np.int16))
        with wave.open(str(path)) as file:
            frames = file.getnframes()
            assert number * 480 - 12000 < frames <= number * 480
            assert len(file.readframes(frames)) == 2 * frames
    writer.close()


def test_a_killed_process_leaves_a_file_that_can_be_played(path: Path) -> None:
    """Neither `close` nor anything else of Python runs, and two seconds are there."""
    script = (
        "import os, signal, sys, numpy as np\n"
        "from telnyx_agent.audio._wavefile import WavWriter\n"
        "writer = WavWriter(sys.argv[1])\n"
        "for _ in range(200): writer.write(np.ones(480, np.int16))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    with wave.open(str(path)) as file:
        assert file.getnframes() > 84000
        assert set(file.readframes(1000)[::2]) == {1}


def test_a_file_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    """With advice."""
    with pytest.raises(MediaError, match=r"cannot write the output file .* check the folder"):
        WavWriter(tmp_path / "nowhere" / "out.wav")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux' /dev/full")
def test_a_full_disk_is_an_error() -> None:
    """Not a file without sound."""
    with pytest.raises(MediaError, match="cannot write the output file"):
        WavWriter("/dev/full")
