"""The media of a call: capture, Opus, RTP, playout, ICE. The only importer of `aiortc` and `av`.

Importing this package costs nothing. `aiortc` takes a quarter of a second to import, so that is done off the loop,
once, when the first call is placed: `await load()`, then `from telnyx_agent._media.rtc.peer import MediaPeer`.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import threading
from collections.abc import Callable

from .._runtime.threads import NoThreadError, SdkThread
from ..errors import MediaError, TxError

__all__ = ["LOAD_LIMIT", "is_loaded", "load", "preload"]

_log = logging.getLogger("telnyx_agent.media")

_PEER = f"{__name__}.rtc.peer"
_loaded = threading.Event()

# Who waits for the one import that is under way; the lock is for the first and the last of them.
_lock = threading.Lock()
_waiting: list[Callable[[BaseException | None], None]] = []
_importer: SdkThread | None = None

LOAD_LIMIT = 30.0
"""Seconds that a call waits for the media libraries. They take one; a busy machine has taken ten."""

_FORK_LIMIT = 10.0
"""Seconds that a fork waits, at most, for an import that is under way; it takes one."""


def is_loaded() -> bool:
    """Whether `load` has done its work, so that importing the rest costs nothing. Any thread."""
    return _loaded.is_set()


async def load() -> None:
    """Import aiortc and all that a `MediaPeer` needs, on a helper thread, so that the loop goes on meanwhile.

    Returns at once when that was done before. Safe to call any number of times, also at the same time, and again after
    it has failed.

    Raises:
        ImportError: A dependency is missing; the message names it.
        MediaError: It is not done after `LOAD_LIMIT` seconds; it goes on.
        NoThreadError: There are no more threads.
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
            pass  # the loop was stopped meanwhile, and with it all who wait

    with _lock:
        _waiting.append(tell)
        if _importer is None:
            _start_import()
    try:
        await asyncio.wait_for(done, LOAD_LIMIT)
    except (TimeoutError, asyncio.TimeoutError):  # two classes before Python 3.11
        raise MediaError(
            f"the media libraries (aiortc, av) were not imported within {LOAD_LIMIT:g} s: is the disk, or the file "
            "server that they are on, slow? try `python -c 'import aiortc'`"
        ) from None


async def preload() -> None:
    """`load`, for when a call may come soon. What it fails with, that call fails with."""
    try:
        await load()
    except (ImportError, TxError) as exc:
        _log.debug("the media libraries could not be imported yet: %s", exc)


def _start_import() -> None:
    """Under the lock."""
    global _importer
    _importer = SdkThread(_work, "telnyx-agent-import")
    try:
        _importer.start()
    except NoThreadError as exc:
        _finish(exc)


def _finish(error: BaseException | None) -> None:
    """Call all functions that wait. The next `load` starts another import if this one has failed. Under the lock."""
    global _importer
    _importer = None
    for tell in _waiting:
        tell(error)
    _waiting.clear()


def _work() -> None:
    error: BaseException | None = None
    try:
        importlib.import_module(_PEER).warm_up()
        # With the bridge all that an incoming call is made of, which is made on the loop.
        importlib.import_module(f"{__name__}.turn_latency")
        for name in ("metrics", "report", "watch"):
            importlib.import_module(f"{__package__.rpartition('.')[0]}._quality.{name}")
        _loaded.set()
    except BaseException as exc:  # noqa: BLE001 - handed to the waiting coroutines, whatever it is
        error = exc
    with _lock:
        _finish(error)


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
