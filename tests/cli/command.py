"""Runs the real command line in a process of its own, and lets a test wait for what it prints."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
import numpy.typing as npt

__all__ = ["Command", "interpreter", "loudness", "read_stereo"]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0


class _Output:
    """The lines of one stream, as they come."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        with self._changed:
            return "".join(self._lines)

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def wait_for(self, pattern: str, timeout: float) -> re.Match[str]:
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                match = re.search(pattern, "".join(self._lines), re.MULTILINE)
                if match is not None:
                    return match
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    raise AssertionError(f"{pattern!r} was not printed; this was:\n{''.join(self._lines)}")
                self._changed.wait(left)

    def join(self) -> None:
        self._thread.join(PATIENCE)
        self._stream.close()

    def _read(self) -> None:
        for line in self._stream:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class Command:
    """`python -m telnyx_agent ARGUMENTS...`, killed at the end of the `with` block if it still runs then.

    Args:
        arguments: What a user would type after the program's name.
        cwd: Where.
        stdin: What is written to its standard input, which ends after that.
        keeps_stdin: Leave its standard input open, for `type`.
        environment: Further variables.
        without: Modules that it shall not find, as if they were not installed.
        first: Python code that runs before it.
    """

    def __init__(
        self,
        *arguments: str,
        cwd: Path,
        stdin: str = "",
        keeps_stdin: bool = False,
        environment: Mapping[str, str] | None = None,
        without: Sequence[str] = (),
        first: str = "",
    ) -> None:
        self._begun = time.monotonic()
        self.seconds = 0.0
        self._process = subprocess.Popen(
            [*interpreter(without, first), *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.out = _Output(self._process.stdout)
        self.err = _Output(self._process.stderr)
        self.type(stdin)
        if not keeps_stdin:
            self.end_input()

    def __enter__(self) -> Command:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self.out.join()
        self.err.join()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def type(self, text: str) -> None:
        """Write to its standard input and leave it open."""
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def end_input(self) -> None:
        """End its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(number)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for its end, and for all that it has printed; the exit code."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"it did not end within {timeout} s; it printed:\n{self.out.text}\nand on stderr:\n{self.err.text}"
            ) from None
        self.seconds = time.monotonic() - self._begun
        self.out.join()
        self.err.join()
        return code


def interpreter(without: Sequence[str] = (), first: str = "") -> list[str]:
    """How to start the command line; `without` and `first` as for `Command`."""
    if not without and not first:
        return [sys.executable, "-m", "telnyx_agent"]
    hide = f"import sys; sys.modules.update(dict.fromkeys({list(without)!r}))"
    run = "from telnyx_agent.cli import main; sys.exit(main())"
    return [sys.executable, "-c", f"{hide}\n{first or 'pass'}\n{run}"]


def read_stereo(path: Path) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """Left and right of a recording, whose format is checked."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 48000, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    return samples[:, 0], samples[:, 1]


def loudness(samples: npt.NDArray[np.int16], seconds: float = 0.1) -> npt.NDArray[np.float64]:
    """RMS, 0 to 1, of each stretch of so many seconds at 48 kHz."""
    length = round(48000 * seconds)
    whole = samples[: len(samples) // length * length].astype(np.float64).reshape(-1, length)
    result: npt.NDArray[np.float64] = np.sqrt((whole**2).mean(axis=1)) / 32768
    return result
