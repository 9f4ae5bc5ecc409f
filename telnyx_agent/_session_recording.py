"""`SessionRecording`: what a client sends, receives and tells is written down, for bug reports and for tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _exit
from .delegate import TxClientDelegate
from .errors import LocalProtocolError, TxError
from .events import ClientError

if TYPE_CHECKING:
    from ._flight import FlightSlot
    from ._flight.recorder import FlightRecorder
    from ._login import Logins
    from ._media.stats import MediaStats

__all__ = ["SessionRecording", "record_session"]


class SessionRecording:
    """What `TxClient.record_session` returns: `stop()` completes the file. Works as a context manager too.

    Any thread, also inside callbacks.
    """

    def __init__(self, recorder: FlightRecorder, slot: FlightSlot) -> None:
        """Made by `TxClient.record_session`."""
        self._recorder = recorder
        self._slot = slot

    def __enter__(self) -> SessionRecording:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is None:
            self.stop()
        else:
            self._close()

    def __repr__(self) -> str:
        return f"<SessionRecording {'going on' if self.is_recording else 'stopped'}>"

    @property
    def path(self) -> str:
        """The file."""
        return self._recorder.path

    @property
    def is_recording(self) -> bool:
        """Whether what happens is written; False after `stop()` and after an error."""
        return not self._recorder.closed

    @property
    def lines_left_out(self) -> int:
        """How many lines the file lacks, because the disk was slower than what there was to write."""
        return self._recorder.left_out

    def stop(self) -> None:
        """Complete the file. Idempotent. Blocks until it is written, 5 seconds at most.

        Raises:
            TxError: The file is not complete, because the disk was full for example. `on_client_error` has said so when
                it happened, if there was a connection.
        """
        if not self._close():
            raise TxError(f"{self.path} is not complete: it has taken no more data for 5 s")
        if self._recorder.error is not None:
            raise self._recorder.error

    def _close(self) -> bool:
        if self._slot.recorder is self._recorder:
            self._slot.recorder = None
        return self._recorder.close()


def record_session(
    path: str | os.PathLike[str],
    *,
    include_content: bool,
    slot: FlightSlot,
    logins: Logins,
    call_ids: Callable[[], Sequence[str]],
) -> SessionRecording:
    """See `TxClient.record_session`; raises the same.

    Args:
        path: The file.
        include_content: Whether what was said and typed is written as well.
        slot: Where those who have something to record look.
        logins: The client's.
        call_ids: The calls whose statistics are recorded once a second.
    """
    from ._flight.encoding import parameters_of
    from ._flight.recorder import FlightRecorder

    def look_at_media() -> bool:
        """The recorder's thread: have the statistics of all calls recorded soon; whether there is a connection."""
        handle, recorder = logins.handle, slot.recorder
        if not handle.is_open or recorder is None:
            return False
        ids = call_ids()
        return all(handle.post(lambda driver: driver.call_stats, one, _StatsSink(recorder, one)) for one in ids)

    def failed(error: TxError) -> None:
        """The recorder's thread."""
        slot.recorder = None
        logins.handle.post(lambda driver: driver.publish, ClientError(error))

    with slot.lock:
        if slot.recorder is not None and not slot.recorder.closed:
            raise LocalProtocolError(
                "this client is being recorded already; call stop() of what record_session() returned first"
            )
        recorder = FlightRecorder(
            path,
            include_content=bool(include_content),
            parameters=lambda name: parameters_of(getattr(TxClientDelegate, name, None)),
            look_at_media=look_at_media,
            on_error=failed,
        )
        recorder.state("client", logins.connection.get().status.value)
        slot.recorder = recorder
    _exit.RECORDERS.add(recorder)
    return SessionRecording(recorder, slot)


class _StatsSink:
    """Takes statistics in place of a future, on the loop thread: nothing waits for them, no callback is delayed."""

    def __init__(self, recorder: FlightRecorder, call_id: str) -> None:
        self._recorder = recorder
        self._call_id = call_id

    def settle(self, result: MediaStats | None = None, error: Any = None) -> None:
        """None and errors are calls without media (any more)."""
        if result is not None:
            self._recorder.media(self._call_id, result)
