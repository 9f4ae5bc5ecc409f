"""The media of a call: capture, Opus, RTP, playout, ICE. The only importer of `aiortc` and `av`.

Importing this package costs nothing. `aiortc` takes a quarter of a second to import, so that is done off the loop,
once, when the first call is placed: `await load()`, then `from telnyx_agent._media.peer import MediaPeer`.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import threading
from collections.abc import Callable

__all__ = ["is_loaded", "load"]

_PEER = f"{__name__}.peer"
_loaded = threading.Event()

# Who waits for the one import that is under way; the lock is for the first and the last of them.
_lock = threading.Lock()
_waiting: list[Callable[[BaseException | None], None]] = []
_importer: threading.Thread | None = None

_FORK_LIMIT = 10.0
"""Seconds that a fork waits, at most, for an import that is under way; it takes one."""


def is_loaded() -> bool:
    """Whether `load` has done its work, so that importing the rest costs nothing. Any thread."""
    return _loaded.is_set()


async def load() -> None:
    """Import aiortc and all that a `MediaPeer` needs, on a helper thread, so that the loop goes on meanwhile.

    Returns at once when that was done before. Safe to call any number of times, also at the same time.

    Raises:
        ImportError: A dependency is missing; the message names it.
    """
    if _loaded.is_set():
        return
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def tell(error: BaseException | None) -> None:
        try:
            loop.call_soon_threadsafe(settle, error)
        except RuntimeError:
            pass  # the loop was stopped meanwhile, so nobody waits any more

    global _importer
    with _lock:
        _waiting.append(tell)
        if len(_waiting) == 1:
            _importer = threading.Thread(target=_work, name="telnyx-agent-import", daemon=True)
            _importer.start()
    await done


def _work() -> None:
    error: BaseException | None = None
    try:
        importlib.import_module(_PEER).warm_up()
        # With the bridge all that an incoming call is made of, which is made on the loop.
        importlib.import_module(f"{__name__}.turns")
        for name in ("metrics", "report", "watch"):
            importlib.import_module(f"{__package__.rpartition('.')[0]}._quality.{name}")
        _loaded.set()
    except BaseException as exc:  # noqa: BLE001 - handed to the waiting coroutines, whatever it is
        error = exc
    with _lock:
        waiting = tuple(_waiting)
        _waiting.clear()
    for tell in waiting:
        tell(error)


def _finish_import() -> None:
    """Before a fork: a child that is made while a module is being imported can never import it, as it inherits the
    module's lock, but not the thread that would release it.
    """
    importer = _importer
    if importer is not None and importer is not threading.current_thread():
        importer.join(_FORK_LIMIT)


def _forget_parent() -> None:
    """In the child, nobody is waiting, and no import is under way."""
    global _lock, _importer
    _lock = threading.Lock()
    _importer = None
    _waiting.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_finish_import, after_in_child=_forget_parent)
