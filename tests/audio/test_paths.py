"""Whatever path a program gives, to whatever uses files: it works, or a `TxError` names it. Nothing waits."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telnyx_agent import TxClient
from telnyx_agent._media.player import Player
from telnyx_agent._media.recorder import StereoRecorder
from telnyx_agent.audio import WaveAudio
from telnyx_agent.audio._wavefile import MOST_CHANNELS, MOST_CHUNKS, WavReader, WavWriter
from telnyx_agent.errors import ClientConfigurationError, MediaError, TxError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these are the kinds of files of POSIX")

READERS: dict[str, Callable[[str], object]] = {
    "WaveAudio(input)": lambda path: WaveAudio(path),
    "play": lambda path: Player().play(path),
    "ringtone": lambda path: TxClient(ringtone=path),
    "ringback": lambda path: TxClient(ringback=path),
}
WRITERS: dict[str, Callable[[str], object]] = {
    "WaveAudio(output)": lambda path: WaveAudio(output=path),
    "WavWriter": lambda path: WavWriter(path).close(),
    "record": lambda path: StereoRecorder(path).close(),
    "record_session": lambda path: TxClient().record_session(path).stop(),
}
ODD = ("fifo", "pipe", "directory", "socket", "missing", "unreadable", "nul", "surrogate", "loop", "long", "full")
CASES = [
    (user, kind)
    for user in (*READERS, *WRITERS)
    for kind in ODD
    # That there is no room is known when something is written; and nobody has to write to the unreadable one.
    if (user, kind) != ("WaveAudio(output)", "full") and not (kind == "unreadable" and user in WRITERS)
]


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[dict[str, str]]:
    """One of each kind."""
    reading, writing = os.pipe()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        yield {
            "fifo": str(tmp_path / "fifo"),
            "pipe": f"/dev/fd/{reading}",
            "directory": str(tmp_path),
            "socket": str(tmp_path / "socket"),
            "missing": str(tmp_path / "nowhere" / "file.wav"),
            "unreadable": "/proc/self/mem" if sys.platform == "linux" else str(tmp_path / "nowhere" / "a.wav"),
            "nul": str(tmp_path / "a\0b"),
            "surrogate": "nowhere/\ud800.wav",
            "loop": str(tmp_path / "loop"),
            "long": str(tmp_path / ("x" * 300)),
            "full": "/dev/full" if os.path.exists("/dev/full") else str(tmp_path),
        }
    os.close(reading)
    os.close(writing)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("user", "kind"), CASES)
def test_a_path_that_cannot_be_used_is_refused_by_name(odd: dict[str, str], user: str, kind: str) -> None:
    """At once, with no thread and no descriptor left."""
    path = odd[kind]
    threads, descriptors = threading.active_count(), len(os.listdir("/dev/fd"))
    with pytest.raises((MediaError, ClientConfigurationError)) as caught:
        {**READERS, **WRITERS}[user](path)
    assert path in caught.value.message
    assert threading.active_count() == threads
    assert len(os.listdir("/dev/fd")) == descriptors


class _Path:
    """What its `__fspath__` gives, or raises."""

    def __init__(self, given: object) -> None:
        self._given = given

    def __fspath__(self) -> Any:
        if isinstance(self._given, Exception):
            raise self._given
        return self._given

    def __repr__(self) -> str:
        return f"_Path({self._given!r})"


NO_PATHS = [17, 1.5, b"", "", object(), ["a.wav"], _Path(17), _Path(None), _Path(RuntimeError("no path"))]


@pytest.mark.parametrize("path", NO_PATHS, ids=range(len(NO_PATHS)))
@pytest.mark.parametrize("user", [name for name in (*READERS, *WRITERS) if name != "play"])
def test_what_is_no_path_is_refused_with_its_argument(user: str, path: object) -> None:
    """And not with an exception of `os`."""
    with pytest.raises((ClientConfigurationError, MediaError), match=r"must be|cannot"):
        {**READERS, **WRITERS}[user](path)  # type: ignore[arg-type]


@pytest.mark.parametrize("user", ["WavWriter", "record"])
def test_a_file_that_is_being_written_is_refused(tmp_path: Path, user: str) -> None:
    """By another call or recording of this program, under any of its names; it is not touched, and free afterwards."""
    (tmp_path / "link.wav").symlink_to(tmp_path / "call.wav")
    first = WavWriter(tmp_path / "call.wav")
    first.write(np.ones(4800, np.int16))
    for name in ("call.wav", "link.wav"):
        with pytest.raises(MediaError, match=rf"{name}.*another call or recording of this program is writing it"):
            WRITERS[user](str(tmp_path / name))
    first.close()
    with WavReader(tmp_path / "call.wav") as reader:
        assert reader.seconds == 0.1
    WRITERS[user](str(tmp_path / "link.wav"))
    WRITERS[user](str(tmp_path / "call.wav"))


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="there is no /dev/null")
def test_dev_null_takes_everything() -> None:
    """The usual way to write to nobody."""
    for use in WRITERS.values():
        use("/dev/null")


# -- headers -----------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes, size: int | None = None) -> bytes:
    return kind + struct.pack("<I", len(data) if size is None else size) + data + b"\0" * (len(data) % 2)


def wav(*chunks: bytes, size: int | None = None, kind: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return kind + struct.pack("<I", len(body) if size is None else size) + body


def fmt(tag: int = 1, channels: int = 1, rate: int = 8000, width: int = 2, *, more: bytes = b"") -> bytes:
    frame = channels * width
    return struct.pack("<HHIIHH", tag, channels, rate, rate * frame & 0xFFFFFFFF, frame & 0xFFFF, 8 * width) + more


SOUND = np.full(800, 1000, "<i2").tobytes()
HUGE = 0xFFFFFFF0
WIDE = struct.pack("<HHI", 22, 16, 4)

READABLE = {
    "stream, sizes unknown": wav(chunk(b"fmt ", fmt()), chunk(b"data", SOUND, 0xFFFFFFFF), size=0xFFFFFFFF),
    "stream, sizes 0": wav(chunk(b"fmt ", fmt()), chunk(b"data", SOUND, 0), size=0),
    "4 GB said": wav(chunk(b"fmt ", fmt()), chunk(b"data", SOUND, HUGE), size=HUGE),
    "RF64": wav(chunk(b"ds64", bytes(28)), chunk(b"fmt ", fmt()), chunk(b"data", SOUND, 0xFFFFFFFF), kind=b"RF64"),
    "extensible": wav(chunk(b"fmt ", fmt(0xFFFE, more=WIDE + struct.pack("<H", 1) + bytes(14))), chunk(b"data", SOUND)),
    "24 bit": wav(chunk(b"fmt ", fmt(width=3)), chunk(b"data", b"\0\xe8\x03" * 800)),
    "double": wav(chunk(b"fmt ", fmt(3, width=8)), chunk(b"data", np.full(800, 1000 / 32768, "<f8").tobytes())),
    "odd floats": wav(
        chunk(b"fmt ", fmt(3, width=8)), chunk(b"data", np.array([np.inf, -np.inf, np.nan, 1e300] * 200).tobytes())
    ),
    "other parts first": wav(
        chunk(b"LIST", b"x" * 101), chunk(b"fmt ", fmt()), chunk(b"fact", b"1234"), chunk(b"data", SOUND)
    ),
}
UNREADABLE = {
    "part of 4 GB": wav(chunk(b"fmt ", fmt()), chunk(b"LIST", b"x", HUGE), chunk(b"data", SOUND)),
    "format of 4 GB": wav(chunk(b"fmt ", fmt(), HUGE)),
    "rate 0": wav(chunk(b"fmt ", fmt(rate=0)), chunk(b"data", SOUND)),
    "rate 4 GHz": wav(chunk(b"fmt ", fmt(rate=0xFFFFFFFF)), chunk(b"data", SOUND)),
    "channels": wav(chunk(b"fmt ", fmt(channels=MOST_CHANNELS + 1, width=1)), chunk(b"data", SOUND)),
    "65535 channels": wav(chunk(b"fmt ", fmt(channels=0xFFFF, width=1)), chunk(b"data", SOUND)),
    "endless parts": wav(chunk(b"fmt ", fmt()), chunk(b"junk", b"") * MOST_CHUNKS, chunk(b"data", SOUND)),
    "mu-law": wav(chunk(b"fmt ", fmt(7, width=1)), chunk(b"data", SOUND)),
    "cut in its header": wav(chunk(b"fmt ", fmt()))[:30],
    "empty": b"",
    "text": b"#!/bin/sh\n" * 100,
    "big endian": wav(chunk(b"fmt ", fmt()), chunk(b"data", SOUND), kind=b"RIFX"),
}


@pytest.mark.parametrize("name", READABLE)
def test_headers_that_streams_and_editors_write_are_read(tmp_path: Path, name: str) -> None:
    """All of what is there, in little memory."""
    path = tmp_path / "speech.wav"
    path.write_bytes(READABLE[name])
    tracemalloc.start()
    try:
        with WavReader(path) as reader:
            samples = reader.read(48_000)
        assert tracemalloc.get_traced_memory()[1] < 2 * 2**20
    finally:
        tracemalloc.stop()
    assert 4700 <= len(samples) <= 4800
    if name != "odd floats":
        assert np.abs(samples[500:4000].astype(int) - 1000).max() <= 5


@pytest.mark.parametrize("name", UNREADABLE)
def test_headers_that_make_no_sense_are_refused_by_name(tmp_path: Path, name: str) -> None:
    """Without the memory that they speak of."""
    path = tmp_path / "speech.wav"
    path.write_bytes(UNREADABLE[name])
    tracemalloc.start()
    try:
        with pytest.raises(TxError, match=r"speech\.wav"):
            WavReader(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
