"""`ClientRecording`: the part of `TxClient` that writes down what happens, for bug reports and for tests."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _exit
from ._client_base import ClientBase
from .delegate import TxClientDelegate
from .errors import LocalProtocolError, TxError

if TYPE_CHECKING:
    from ._flight import FlightSlot
    from ._flight.recorder import FlightRecorder
    from ._media.stats import MediaStats

__all__ = ["ClientRecording", "SessionRecording"]


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


class ClientRecording(ClientBase):
    """See `TxClient`."""

    def record_session(self, path: str | os.PathLike[str], *, include_content: bool = False) -> SessionRecording:
        """Write down what is sent, received and told to the delegate, one JSON object a line, until `stop()`.

        For bug reports, and for `telnyx-agent replay FILE` and `telnyx_agent.testing.replay`, which tell a delegate all
        of it again. May be called before the login, between logins, or in the middle of a call; lasts over logins. The
        format is in docs/flight-recorder.md.

        The file holds frames, states, each callback with its arguments and its times, and the media's statistics once a
        second. Masked in it are keys, tokens, ICE passwords, addresses, phone numbers, names, user variables, custom
        headers, images, the assistant's id, and what was said and typed: lengths and ids stay. It is made readable for
        its owner only. A thread of its own writes it, and it survives a crash of the program.

        Args:
            path: The file, which is replaced.
            include_content: Write what was said and typed as well. Ask for consent where the law wants it.

        Raises:
            ClientConfigurationError: The file cannot be written.
            LocalProtocolError: This client is being recorded already.
        """
        from ._flight.encoding import parameters_of
        from ._flight.recorder import FlightRecorder

        with self._flight.lock:
            if self._flight.recorder is not None and not self._flight.recorder.closed:
                raise LocalProtocolError(
                    "this client is being recorded already; call stop() of what record_session() returned first"
                )
            recorder = FlightRecorder(
                path,
                include_content=bool(include_content),
                parameters=lambda name: parameters_of(getattr(TxClientDelegate, name, None)),
                look_at_media=self._look_at_media,
                on_error=self._recording_failed,
            )
            recorder.state("client", self._watch.get().status.value)
            self._flight.recorder = recorder
        _exit.RECORDERS.add(recorder)
        return SessionRecording(recorder, self._flight)

    # -- the recorder's thread ---------------------------------------------------------------------------------------

    def _look_at_media(self) -> bool:
        """Have the statistics of all calls recorded soon; whether there is a connection."""
        link, recorder = self._link, self._flight.recorder
        if link is None or recorder is None:
            return False
        for call in tuple(self._calls.values()):
            call_id = str(call.call_id)
            try:
                link.loop.post(link.driver.call_stats, call_id, _StatsSink(recorder, call_id))
            except RuntimeError:  # the loop has ended since
                return False
        return True

    def _recording_failed(self, error: TxError) -> None:
        self._flight.recorder = None
        link = self._link
        if link is not None:
            self._audience.send(link.dispatcher, "on_client_error", error)


class _StatsSink:
    """Takes statistics in place of a future, on the loop thread: nothing waits for them, no callback is delayed."""

    def __init__(self, recorder: FlightRecorder, call_id: str) -> None:
        self._recorder = recorder
        self._call_id = call_id

    def settle(self, result: MediaStats | None = None, error: Any = None) -> None:
        """None and errors are calls without media (any more)."""
        if result is not None:
            self._recorder.media(self._call_id, result)
