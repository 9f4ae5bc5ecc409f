"""The only place that starts a thread of ours, and what may be done on which.

Every thread is a daemon, so that none keeps the process alive, and is called `telnyx-agent-...`. There are two kinds:

* *Internal* threads (loop, reader, writer, resolver, import, log, sound): commands wait for what these do, so to wait
  for a command here would be to wait for oneself. A finaliser is enough: the garbage collector runs it on whatever
  thread makes it run. Such a wait is refused at once (`check_may_wait`). Log handlers do not run on them (`log_queue`).
* Threads that run the *program's code* (delegate, tools, workers with the program's devices, files and checks). They
  may wait.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from ..errors import LocalProtocolError, TxError

__all__ = ["NoThreadError", "SdkThread", "check_may_wait", "is_internal", "set_internal"]


class _Here(threading.local):
    internal = False
    """Whether this thread is one of the SDK's own, by whose work it would wait for itself."""


_here = _Here()


class NoThreadError(TxError):
    """The system gives no more threads. Nothing of what was to run on the thread has begun."""

    def __init__(self, name: str, cause: BaseException) -> None:
        super().__init__(
            f"the thread {name} could not be started ({str(cause) or type(cause).__name__}): end other threads or "
            "programs, or raise the limits for threads and memory (ulimit -u, -v; a container's pids limit)"
        )


class SdkThread(threading.Thread):
    """A thread of the SDK.

    Args:
        target: What it runs.
        name: Begins with `telnyx-agent-`.
        args: For `target`.
        runs_program: Whether it runs the program's code, which may wait for commands.
    """

    def __init__(self, target: Callable[..., object], name: str, *args: Any, runs_program: bool = False) -> None:
        super().__init__(target=target, name=name, args=args, daemon=True)
        self._runs_program = runs_program

    def start(self) -> None:
        """Begin.

        Raises:
            NoThreadError: There are no more threads. `start` may be called again.
            RuntimeError: It was started before.
        """
        try:
            super().start()
        except (RuntimeError, MemoryError) as exc:
            if self.ident is not None:
                raise
            raise NoThreadError(self.name, exc) from exc

    def run(self) -> None:
        """On the new thread."""
        if not self._runs_program:
            set_internal(True)
        super().run()


def set_internal(internal: bool) -> bool:
    """Whether the calling thread is internal from here on; returns whether it was.

    Also for threads of a library's, on which we are called back: they are internal meanwhile.
    """
    was = is_internal()
    _here.internal = internal
    return was


def is_internal() -> bool:
    """Whether the calling thread is one of the SDK's own, on which nothing may wait for the SDK."""
    return _here.internal


def check_may_wait(what: str) -> None:
    """Refuse to wait where that would be for oneself.

    Args:
        what: Who would wait; begins the error's text.

    Raises:
        LocalProtocolError: The calling thread is internal.
    """
    if is_internal():
        raise LocalProtocolError(
            f"{what} would wait on the SDK's own thread {threading.current_thread().name}, which has to do what is "
            "waited for. Do not wait for the SDK in a finaliser (__del__), in a log handler or in an audio callback: "
            "give the command and do not wait for its future, or use add_done_callback()"
        )


def _forget_parent() -> None:
    _here.internal = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
