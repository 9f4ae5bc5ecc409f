"""The media of a call: capture, Opus, RTP, playout, ICE. The only importer of `aiortc` and `av`.

Importing this package costs nothing. `aiortc` takes a quarter of a second to import, so that is done off the loop,
once, when the first call is placed: `await load()`, then `from telnyx_agent._media.peer import MediaPeer`.
"""

from __future__ import annotations

import asyncio
import importlib
import threading

__all__ = ["load"]

_PEER = f"{__name__}.peer"
_OPUS = f"{__name__}.opus"
_loaded = threading.Event()


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

    def work() -> None:
        error: BaseException | None = None
        try:
            importlib.import_module(_PEER)
            # Looking for a library reads directories and may start a process: not on the loop either.
            importlib.import_module(_OPUS).library()
            _loaded.set()
        except BaseException as exc:  # noqa: BLE001 - handed to the waiting coroutine, whatever it is
            error = exc
        try:
            loop.call_soon_threadsafe(settle, error)
        except RuntimeError:
            pass  # the loop was stopped meanwhile, so nobody waits any more

    threading.Thread(target=work, name="telnyx-agent-import", daemon=True).start()
    await done
