"""Keeps what PortAudio, ALSA and JACK print out of the program's stderr, and everything else in it.

These libraries print with C's `stderr`, a variable that points to a `FILE`. While sound is in use it points to a pipe
of ours. Descriptor 2 stays as it is, so `sys.stderr`, `logging`, `faulthandler` and child processes are not touched: to
redirect the descriptor, as is often done, would throw away what other threads write meanwhile. A line in the pipe that
is not the sound system's (another C library's) is handed on to descriptor 2; those of the sound system go to the log,
at DEBUG. The handlers that ALSA and JACK offer for their texts would not do: PortAudio has none in its Linux builds.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import platform
import re
import select
import sys
import threading

__all__ = ["drain", "release", "take"]

logger = logging.getLogger("telnyx_agent.audio")

_SOUND_SYSTEM = re.compile(
    rb"ALSA lib |Expression '|jack server |Jack|Cannot connect to server|connect\(2\) call to /dev/shm/jack"
    rb"|attempt to connect to server|\|\|PaMacCore|PaHost|Cannot lock down|\s*$"
)
_CHUNK = 4096
"""Bytes that a pipe takes whole if it takes any (`PIPE_BUF`): so that handing on never blocks."""

_UNBUFFERED = 2  # _IONBF, with glibc and on macOS

_lock = threading.Lock()
_users = 0
_replacement: _Replacement | None = None
_rest = b""


class _Replacement:
    """The pipe, and C's variable. Made once per process: a thread may be printing into it at any time."""

    def __init__(self, variable: ctypes.c_void_p, libc: ctypes.CDLL) -> None:
        self._variable = variable
        self.reading, writing = os.pipe()
        try:
            os.set_blocking(self.reading, False)
            os.set_blocking(writing, False)  # a full pipe loses a line, and holds nobody up
            libc.fdopen.restype = ctypes.c_void_p
            self._file = libc.fdopen(writing, b"w")
            if not self._file:
                raise OSError("fdopen failed")
        except BaseException:
            os.close(self.reading)
            os.close(writing)
            raise
        libc.setvbuf(ctypes.c_void_p(self._file), None, _UNBUFFERED, ctypes.c_size_t(0))
        self._before: int | None = None

    def install(self) -> None:
        self._before = self._variable.value
        self._variable.value = self._file

    def remove(self) -> None:
        if self._variable.value == self._file:
            self._variable.value = self._before


def take() -> None:
    """Sound is in use from here on; each `take` needs its `release`. Does nothing where C's `stderr` is no variable."""
    global _users, _replacement
    with _lock:
        if _replacement is None:
            _replacement = _make()
        _users += 1
        if _users == 1 and _replacement is not None:
            _replacement.install()


def release() -> None:
    """Sound is not in use any more, as far as one `take` goes."""
    global _users
    with _lock:
        _users -= 1
        if _users == 0 and _replacement is not None:
            _replacement.remove()
    drain()


def drain() -> None:
    """Hand on or log what was printed. Any thread; never blocks for stderr: what it does not take is dropped."""
    global _rest
    replacement = _replacement
    if replacement is None:
        return
    with _lock:
        try:
            data = os.read(replacement.reading, 2**16)
        except BlockingIOError:
            return
        *lines, _rest = (_rest + data).split(b"\n")
        if len(_rest) > _CHUNK or not _users:
            lines.append(_rest)
            _rest = b""
    for line in lines:
        if not _SOUND_SYSTEM.match(line):
            _hand_on(line + b"\n")
        elif line.strip():
            logger.debug("the sound system printed: %s", line.decode(errors="replace"))


def _hand_on(line: bytes) -> None:
    with contextlib.suppress(OSError, ValueError):  # there may be no stderr at all
        if select.select([], [2], [], 0)[1]:
            os.write(2, line[:_CHUNK])


def _make() -> _Replacement | None:
    # musl's is a constant, Windows has none.
    if sys.platform == "darwin":
        name = "__stderrp"
    elif platform.libc_ver()[0] == "glibc":
        name = "stderr"
    else:
        return None
    try:
        libc = ctypes.CDLL(None)
        return _Replacement(ctypes.c_void_p.in_dll(libc, name), libc)
    except (OSError, ValueError, AttributeError) as exc:
        logger.info("what the sound system prints stays on stderr: %s", exc)
        return None
