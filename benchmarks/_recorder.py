"""Records several PulseAudio sources at once, and knows when each sample was heard.

A null sink plays block by block, 10 ms each, and its monitor delivers a block at the moment when its first sample is
due. So each read that begins a block tells when the recording's first sample was heard, and the median of them is
believed. A block may come in two pieces, of which the second tells nothing.

`Recorder` starts the process (`python -m benchmarks._recorder`); it ends, and writes, when its input ends.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from benchmarks._relay import hurry

__all__ = ["Recorder", "Track"]

RATE = 48000
_LATENCY_MS = 10
_PIECES = 0.003  # seconds; what comes sooner after a read belongs to the same block


@attrs.frozen(eq=False)
class Track:
    """One recording.

    Attributes:
        samples: Mono, 16 bit, 48 kHz.
        begin: When the first sample was heard, by `time.monotonic()`.
        late: Seconds by which the latest block was late, which is how far the recorder, or the sink, fell behind.
    """

    samples: NDArray[np.int16]
    begin: float
    late: float


def _record(folder: Path, sources: Mapping[str, str]) -> None:
    hurry()
    command = ["parec", f"--latency-msec={_LATENCY_MS}", "--raw", f"--rate={RATE}", "--channels=1", "--format=s16le"]
    programs = {
        name: subprocess.Popen([*command, f"--device={source}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for name, source in sources.items()
    }
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    data: dict[str, list[bytes]] = {name: [] for name in sources}
    sizes = dict.fromkeys(sources, 0)
    last = dict.fromkeys(sources, 0.0)
    # Of each block, when the recording must have begun if this one is not late.
    moments: dict[str, list[float]] = {name: [] for name in sources}
    for name, program in programs.items():
        assert program.stdout is not None
        selector.register(program.stdout, selectors.EVENT_READ, name)
    waiting, ended = set(sources), False
    while not ended:
        for key, _ in selector.select():
            if key.data is None:
                ended = True
                continue
            now = time.monotonic()
            block = os.read(key.fd, 1 << 16)
            if now - last[key.data] > _PIECES:
                moments[key.data].append(now - sizes[key.data] / 2 / RATE)
            last[key.data] = now
            sizes[key.data] += len(block)
            data[key.data].append(block)
            if key.data in waiting:
                waiting.discard(key.data)
                if not waiting:
                    print("ready", flush=True)
    for name, program in programs.items():
        program.terminate()
        program.wait()
        origins = np.array(moments[name][5:] or moments[name] or [0.0])
        samples = np.frombuffer(b"".join(data[name])[: sizes[name] // 2 * 2], np.int16)
        np.save(folder / f"{name}.npy", samples)
        begin = float(np.median(origins))
        (folder / f"{name}.json").write_text(json.dumps({"begin": begin, "late": float(origins.max() - begin)}))


class Recorder:
    """Records from construction until `stop`.

    Args:
        folder: For its files.
        sources: PulseAudio's names of the sources, by names of your own.
        environment: With what leads to the server.
    """

    def __init__(self, folder: Path, sources: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._names = list(sources)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._recorder", str(folder), json.dumps(dict(sources))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            cwd=Path(__file__).resolve().parents[1],
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("nothing can be recorded")

    def stop(self) -> dict[str, Track]:
        """End, and what was heard, by name."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        tracks = {}
        for name in self._names:
            timing = json.loads((self._folder / f"{name}.json").read_text())
            tracks[name] = Track(np.load(self._folder / f"{name}.npy"), timing["begin"], timing["late"])
        return tracks


if __name__ == "__main__":
    _record(Path(sys.argv[1]), json.loads(sys.argv[2]))
