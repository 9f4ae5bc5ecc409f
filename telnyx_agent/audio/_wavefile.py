"""WAV files: reading whatever people have as 48 kHz mono, block by block, and writing a file that survives a crash.

The standard library's `wave` reads neither float samples nor, before Python 3.12, the "extensible" header that most
editors write, and its writer leaves a wrong header behind if it is not closed.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import struct
from types import TracebackType
from typing import Any, BinaryIO, ClassVar, Union

import numpy as np
import numpy.typing as npt

from .._arguments import checked_path
from ..errors import MediaError
from ._resample import Resampler, check_rate
from ._samples import BLOCK, SAMPLE_RATE, Float32, Int16, to_int16

__all__ = ["PathLike", "WavReader", "WavWriter", "check_writable", "open_for_writing"]

PathLike = Union[str, "os.PathLike[str]"]

_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
_UNKNOWN_SIZE = 0xFFFFFFFF  # what streaming writers leave in place of a size
_READ_BYTES = 2**14
"""Read at once: 0.1 to 0.2 s of a usual file."""

MOST_CHANNELS = 64
"""Channels of a file: with more of them a disk has to deliver more than 10 MB/s to keep the pace of a call."""

MOST_CHUNKS = 1000
"""Parts of a file before its sound. Editors write a handful; a file may have millions of empty ones."""

_LOUDEST = 1e3  # of a float, whose full scale is 1.0
_FORMAT_BYTES = 40  # what is read of the format's description: the longest kind, "extensible"

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_for_reading(path: str) -> BinaryIO:
    """Open a regular file. Does not wait for a pipe, and consumes nothing of one.

    Raises:
        MediaError: It cannot be opened, or is something else than a file.
    """
    # A pipe is refused, and not read: its writer may stop at any time, and the thread that keeps the call's pace would
    # stop with it.
    try:
        _require_kind(os.stat(path), (stat.S_IFREG,), _INSTEAD)
        descriptor = os.open(path, os.O_RDONLY | _NO_WAIT)
        try:
            _require_kind(os.fstat(descriptor), (stat.S_IFREG,), _INSTEAD)
            return open(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise
    except (OSError, ValueError) as exc:  # ValueError: a null character in the name
        raise MediaError(f"cannot read the input file {path}: {_reason(exc)}; check the path") from exc


def open_for_writing(
    path: str, problem: str = "cannot write the output file", advice: str = "check the folder and its permissions"
) -> BinaryIO:
    """Create or replace a file, or open a device such as /dev/null. Does not wait for a pipe's reader.

    Raises:
        MediaError: It cannot be opened, is something else, or is being written here already.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(path)
            _require_kind(found, (stat.S_IFREG, stat.S_IFCHR))
            if _identity(found) in _OutputFile.being_written:
                raise OSError(errno.EBUSY, "another call or recording of this program is writing it")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NO_WAIT, 0o666)
        try:
            found = os.fstat(descriptor)
            _require_kind(found, (stat.S_IFREG, stat.S_IFCHR))
            return _OutputFile(descriptor, _identity(found))
        except BaseException:
            os.close(descriptor)
            raise
    except (OSError, ValueError) as exc:
        raise MediaError(f"{problem} {path}: {_reason(exc)}; {advice}") from exc


def _identity(found: os.stat_result) -> tuple[int, int] | None:
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


class _OutputFile(io.BufferedWriter):
    """A file that nobody else in this process opens for writing meanwhile: two calls would write one upon the other."""

    being_written: ClassVar[set[tuple[int, int] | None]] = set()

    def __init__(self, descriptor: int, identity: tuple[int, int] | None) -> None:
        super().__init__(io.FileIO(descriptor, "wb"))
        self._identity = identity
        if identity is not None:
            self.being_written.add(identity)

    def close(self) -> None:
        try:
            super().close()
        finally:
            self.being_written.discard(self._identity)


def check_writable(path: str) -> None:
    """Whether `open_for_writing` is going to work, as far as that can be known without touching the file.

    Raises:
        MediaError: It is not.
    """
    advice = "choose another file, or another folder"
    try:
        try:
            _require_kind(os.stat(path), (stat.S_IFREG, stat.S_IFCHR))
            is_writable = os.access(path, os.W_OK)
        except FileNotFoundError:
            if not os.path.basename(path):
                raise MediaError(f"cannot write the output file {path}: it is a directory; {advice}") from None
            folder = os.path.dirname(os.path.abspath(path))
            if not os.path.isdir(folder):
                raise MediaError(f"cannot write the output file {path}: its folder does not exist; create it") from None
            is_writable = os.access(folder, os.W_OK | os.X_OK)
    except (OSError, ValueError) as exc:
        raise MediaError(f"cannot write the output file {path}: {_reason(exc)}; {advice}") from exc
    if not is_writable:
        raise MediaError(f"cannot write the output file {path}: it may not be written; {advice}")


_INSTEAD = " (save it to one first, or give the samples to PcmAudio(source=...) or Call.play(...) as they come)"
_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)


def _require_kind(found: os.stat_result, kinds: tuple[int, ...], instead: str = "") -> None:
    kind = stat.S_IFMT(found.st_mode)
    if kind not in kinds:
        raise OSError(errno.EINVAL, f"it is {_KINDS.get(kind, 'something special')}, not a file{instead}")


def _reason(exc: Exception) -> str:
    return getattr(exc, "strerror", None) or str(exc)


def _advice(path: str) -> str:
    return f"convert it with: ffmpeg -i {path} -ac 1 -ar 48000 -c:a pcm_s16le converted.wav"


class WavReader:
    """A WAV file as 48 kHz mono int16: 8, 16, 24 or 32-bit integers or 32 or 64-bit floats, any rate, any channels.

    A file whose writer was interrupted (sizes of 0 or unknown, data cut short) is read as far as it goes. Only what is
    asked for is read, so a file of hours costs no memory.

    Args:
        path: The file.
        loop: Begin again at its end, without a seam, for ever.

    Raises:
        MediaError: It is not there or cannot be used; the message says what to do.
    """

    def __init__(self, path: PathLike, *, loop: bool = False) -> None:
        self._path = checked_path("path", path)
        self._loop = loop
        self._file = open_for_reading(self._path)
        try:
            self._parse_header()
            self._resampler = Resampler(self.source_rate, SAMPLE_RATE)
        except OSError as exc:
            self._file.close()
            raise MediaError(f"cannot read the input file {self._path}: {_reason(exc)}; check the disk") from exc
        except BaseException:
            self._file.close()
            raise
        self._skip = round(self._resampler.delay * SAMPLE_RATE / self.source_rate)
        self._ready: Int16 = np.zeros(0, np.int16)
        self._left = self._data_size  # bytes of this pass
        self._done = False

    source_rate: int
    """Samples per second in the file."""

    channels: int
    """Channels in the file."""

    @property
    def seconds(self) -> float:
        """How long the file plays, once."""
        frames: int = self._data_size // self._frame_size
        return frames / self.source_rate

    def read(self, samples: int) -> Int16:
        """The next `samples` samples; fewer at the end, none after it.

        Raises:
            MediaError: The file cannot be read any more.
        """
        parts = [self._ready]
        have = len(self._ready)
        while have < samples and not self._done:
            part = self._convert_some()
            parts.append(part)
            have += len(part)
        joined = np.concatenate(parts)
        self._ready = joined[samples:]
        return joined[:samples]

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()

    def __enter__(self) -> WavReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _convert_some(self) -> Int16:
        source = self._read_source()
        if source is None and self._loop:
            self._file.seek(self._data_start)
            self._left = self._data_size
            source = self._read_source()
        if source is None:
            self._done = True
            converted = self._resampler.flush()
        else:
            converted = self._resampler.process(source)
        skipped = min(self._skip, len(converted))
        self._skip -= skipped
        return to_int16(converted[skipped:])

    def _read_source(self) -> Float32 | None:
        """Some frames at the file's own rate, mixed to mono; None at the end."""
        try:
            data = self._file.read(min(max(1, _READ_BYTES // self._frame_size) * self._frame_size, self._left))
        except OSError as exc:
            raise MediaError(f"cannot read the input file {self._path} any further: {_reason(exc)}") from exc
        frames = len(data) // self._frame_size
        if not frames:
            return None
        self._left -= len(data)
        samples = _to_float(data[: frames * self._frame_size], self._is_float, self._width)
        mono: Float32 = (
            samples.reshape(-1, self.channels).mean(axis=1, dtype=np.float32) if self.channels > 1 else samples
        )
        return mono

    def _parse_header(self) -> None:
        start = self._file.read(12)
        if start[:4] not in (b"RIFF", b"RF64") or start[8:12] != b"WAVE":
            raise MediaError(f"{self._path} is not a WAV file; {_advice(self._path)}")
        described = False
        for _ in range(MOST_CHUNKS):
            head = self._file.read(8)
            if len(head) < 8:
                break
            kind, size = struct.unpack("<4sI", head)
            if kind == b"data" and described:
                self._locate_data(size)
                return
            if kind == b"fmt ":
                start = self._file.read(min(size, _FORMAT_BYTES))
                self._parse_format(start)
                described = True
                size -= len(start)
                self._file.seek(size + (size + len(start)) % 2, os.SEEK_CUR)
            else:
                self._file.seek(size + size % 2, os.SEEK_CUR)
        raise MediaError(f"{self._path} is damaged or empty: it has no audio data; {_advice(self._path)}")

    def _locate_data(self, size: int) -> None:
        self._data_start = self._file.tell()
        there = self._file.seek(0, os.SEEK_END) - self._data_start
        self._file.seek(self._data_start)
        # An interrupted writer leaves 0 or the unknown size; then everything to the end of the file is sound.
        known = size not in (0, _UNKNOWN_SIZE)
        self._data_size = min(size, there) if known else there
        if self._data_size < self._frame_size:
            raise MediaError(f"{self._path} holds no sound at all; record it again or give another file")

    def _parse_format(self, data: bytes) -> None:
        if len(data) < 16:
            raise MediaError(f"{self._path} is damaged: its format description is cut short; {_advice(self._path)}")
        tag, self.channels, self.source_rate, _, self._frame_size, bits = struct.unpack("<HHIIHH", data[:16])
        if tag == _EXTENSIBLE and len(data) >= 26:
            tag = struct.unpack("<H", data[24:26])[0]
        self._is_float = tag == _FLOAT
        self._width = self._frame_size // self.channels if self.channels else 0
        widths = (4, 8) if self._is_float else (1, 2, 3, 4)
        if tag not in (_PCM, _FLOAT) or self._width not in widths or self._frame_size != self._width * self.channels:
            raise MediaError(
                f"{self._path} has an encoding that is not read here (format {tag:#06x}, {bits} bits, {self.channels} "
                f"channels); {_advice(self._path)}"
            )
        if self.channels > MOST_CHANNELS:
            raise MediaError(
                f"{self._path} has {self.channels} channels, more than {MOST_CHANNELS}; {_advice(self._path)}"
            )
        try:
            check_rate(self.source_rate)
        except MediaError as exc:
            raise MediaError(f"{self._path} cannot be used: {exc.message}; {_advice(self._path)}") from None


def _to_float(data: bytes, is_float: bool, width: int) -> Float32:
    """Little-endian samples of any supported kind as -1.0 .. 1.0."""
    if is_float:
        # What is no number, or would be none at half the precision, would stay in the converter's memory.
        limited = np.clip(np.frombuffer(data, "<f4" if width == 4 else "<f8"), -_LOUDEST, _LOUDEST)
        floats: Float32 = np.nan_to_num(limited).astype(np.float32)
        return floats
    numbers: npt.NDArray[np.integer[Any]]
    if width == 1:  # the only unsigned one
        numbers = np.frombuffer(data, np.uint8).astype(np.int16) - np.int16(128)
    elif width == 3:
        padded = np.zeros((len(data) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        numbers, width = padded.reshape(-1).view("<i4"), 4
    else:
        numbers = np.frombuffer(data, "<i2" if width == 2 else "<i4")
    samples: Float32 = numbers.astype(np.float32) * np.float32(2.0 ** (1 - 8 * width))
    return samples


class WavWriter:
    """Writes 48 kHz 16-bit PCM to a WAV file that can be played at any moment, also if the process is killed.

    The header is brought up to date four times a second, always after the samples that it counts.

    Args:
        path: The file; one that is there is replaced.
        channels: 1, or 2 for interleaved stereo.

    Raises:
        MediaError: It cannot be created; the message says what to do.
    """

    _HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")

    def __init__(self, path: PathLike, *, channels: int = 1) -> None:
        self._path = checked_path("path", path)
        self._channels = channels
        self._bytes = 0
        self._unsynced = 0
        self._sync_every = SAMPLE_RATE // 4 // BLOCK * BLOCK * 2 * channels
        self._file = open_for_writing(self._path)
        try:
            self._sync()
        except OSError as exc:
            self._abandon()
            raise self._unwritable(exc) from exc

    def write(self, pcm: Int16) -> None:
        """Append samples.

        Raises:
            MediaError: The file cannot be written any more, for example because the disk is full.
        """
        data = np.ascontiguousarray(pcm, "<i2").tobytes()
        try:
            self._file.write(data)
            self._bytes += len(data)
            self._unsynced += len(data)
            if self._unsynced >= self._sync_every:
                self._sync()
        except OSError as exc:
            self._abandon()
            raise self._unwritable(exc) from exc

    def close(self) -> None:
        """Complete the header and close; idempotent.

        Raises:
            MediaError: The last samples could not be written.
        """
        if self._file.closed:
            return
        try:
            self._sync()
            self._file.close()
        except OSError as exc:
            self._abandon()
            raise self._unwritable(exc) from exc

    def _unwritable(self, exc: OSError) -> MediaError:
        advice = "what it holds so far can be played" if self._bytes else "check the folder and its permissions"
        return MediaError(f"cannot write the output file {self._path}: {_reason(exc)}; {advice}")

    def _abandon(self) -> None:
        with contextlib.suppress(OSError):  # closing writes once more, and fails in the same way
            self._file.close()

    def _sync(self) -> None:
        # Samples first, then the header that counts them: what the file claims is always there.
        self._file.flush()
        self._file.seek(0)
        self._file.write(self._header())
        self._file.flush()
        self._file.seek(0, os.SEEK_END)
        self._unsynced = 0

    def _header(self) -> bytes:
        size = min(self._bytes, _UNKNOWN_SIZE - 36)  # beyond 4 GiB players go by the file's length
        frame = 2 * self._channels
        sound = (_PCM, self._channels, SAMPLE_RATE, SAMPLE_RATE * frame, frame, 16)
        return self._HEADER.pack(b"RIFF", size + 36, b"WAVE", b"fmt ", 16, *sound, b"data", size)
