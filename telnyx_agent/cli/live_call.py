"""`LiveCall`: a login with one call, run on the main thread until the call is over - by itself, a script or Ctrl-C."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING
from uuid import UUID

import attrs

from .._protocol.states import AgentState, CallState, CallTerminationReason
from ..client import TxClient
from ..config import LogLevel, TxServerConfiguration
from ..delegate import TxClientDelegate
from ..errors import CallError, SocketConnectionError, TxError
from .reporters import CallEnd
from .signals import raise_if_interrupted
from .turns import TurnWatch

if TYPE_CHECKING:
    from .._images import ImageSource
    from .._media.stats import MediaStats
    from .._protocol.conversation.transcription import TranscriptionItem
    from ..audio import AudioDevice
    from ..call import Call
    from .reporters import Reporter

__all__ = ["LiveCall", "Script", "Target"]

TICK = 0.05
STATS_PERIOD = 1.0
LAST_STATS_TIMEOUT = 0.5
HANG_UP_TIMEOUT = 4.0
NORMAL_CLEARING = 16


@attrs.frozen
class Target:
    """Whom to call, and how."""

    assistant_id: str
    server: TxServerConfiguration = attrs.field(factory=TxServerConfiguration)
    version_id: str | None = None
    conversation_id: str | None = None
    variables: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    log_level: LogLevel = LogLevel.NONE


Script = Callable[["LiveCall", float], bool]
"""Called with the call and the time every 50 ms while audio flows; true hangs up."""


class LiveCall:
    """A call as the command line makes it: callbacks, script and waiting share the thread that calls `run`.

    Args:
        target: Whom to call.
        device: The call's audio device.
        reporter: Who is told of everything.
        record: Where to write a stereo recording.
        listens: Whether the agent's voice counts for `turns`; otherwise only its words do.
    """

    def __init__(
        self,
        target: Target,
        device: AudioDevice,
        reporter: Reporter,
        *,
        record: str | os.PathLike[str] | None = None,
        listens: bool = True,
    ) -> None:
        self._target = target
        self._device = device
        self._record = record
        self._listens = listens
        self._events = _Events(reporter)
        self._asked_stats: Future[MediaStats | None] | None = None
        self._next_stats = 0.0
        self.client = TxClient(delegate=self._events, callbacks="pump")
        self.call: Call | None = None
        self.reporter = reporter
        self.stats: MediaStats | None = None
        """The latest statistics of the call's media."""

    # -- what happened -------------------------------------------------------------------------------------------------

    @property
    def turns(self) -> TurnWatch:
        """Whose turn it is."""
        return self._events.turns

    @property
    def duration(self) -> float | None:
        """Seconds from the answer to the end, or until now; None if there was no answer."""
        events = self._events
        if events.active_at is None:
            return None
        return (time.monotonic() if events.done_at is None else events.done_at) - events.active_at

    @property
    def failure(self) -> TxError | None:
        """What went wrong, if the call did not end as it should have."""
        if self._events.login_error is not None:
            return self._events.login_error
        reason = self._reason
        if reason is None:
            return None
        if reason.error is not None:
            return reason.error
        was_answered = self._events.active_at is not None
        if reason.is_local or (was_answered and reason.cause_code in (None, NORMAL_CLEARING)):
            return None
        what = "was ended by the other side" if was_answered else "was not answered"
        return CallError(f"the call {what}: {_full(reason)}", cause=reason.cause)

    @property
    def _reason(self) -> CallTerminationReason | None:
        return None if self.call is None else self.call.termination_reason

    # -- the call ------------------------------------------------------------------------------------------------------

    def run(self, script: Script) -> None:
        """Log in, call, follow the script, hang up. Returns when everything is closed, also when interrupted.

        Raises:
            TxError: What the login or the call failed with.
        """
        refused: TxError | None = None
        try:
            self._pump(self._connect(), script)
        except SocketConnectionError as error:
            # The login failed before the call could be placed. Its own error says why, and comes with the callbacks.
            refused = error
        finally:
            self._close()
        if (failure := self.failure or refused) is not None:
            raise failure

    def send(self, text: str, now: float, images: Iterable[ImageSource] = ()) -> None:
        """Send a typed message; an answer to it is due then. While the connection is lost, it waits for it."""
        self.turns.ask(now)
        self.client.send_ai_assistant_message(text, images, wait=True).add_done_callback(self._sent)

    def _connect(self) -> Call:
        target = self._target
        self.client.anonymous_login(
            target.assistant_id,
            target_version_id=target.version_id,
            user_variables=target.variables,
            server_configuration=target.server,
            conversation_id=target.conversation_id,
            log_level=target.log_level,
        )
        self.call = self.client.new_call(custom_headers=target.headers, audio=self._device)
        if self._record is not None:
            self.call.record(self._record)
        return self.call

    def _pump(self, call: Call, script: Script) -> None:
        while not call.state.is_terminal:
            self.client.process_events(TICK)
            raise_if_interrupted()
            if self._events.output_error is not None:
                raise self._events.output_error
            if self._events.active_at is None:
                continue
            now = time.monotonic()
            if self._listens:
                self.turns.level(call.output_level, now)
            self._follow_stats(call, now)
            if call.media_setup_time is not None and script(self, now):
                self._take_stats(call.stats(), LAST_STATS_TIMEOUT)
                return

    def _close(self) -> None:
        """Hang up, log out, complete the files, and report the end: the same on every way out."""
        self.client.disconnect().wait(HANG_UP_TIMEOUT)
        self.client.process_events()
        if self.call is not None:
            self.call.stop_recording()
        self._events.over(time.monotonic())
        if self._events.output_error is None:
            failure = self.failure
            if failure is not None:
                self.reporter.failed(failure)
            call_id = None if self.call is None else str(self.call.call_id)
            self.reporter.ended(CallEnd(call_id, self.duration, self._reason, failure))

    def _follow_stats(self, call: Call, now: float) -> None:
        """Keep statistics at hand: when the other side has hung up, it is too late to ask."""
        if self._asked_stats is not None and self._take_stats(self._asked_stats, 0.0):
            self._asked_stats = None
        if self._asked_stats is None and now >= self._next_stats:
            self._next_stats = now + STATS_PERIOD
            self._asked_stats = call.stats()

    def _take_stats(self, asked: Future[MediaStats | None], timeout: float) -> bool:
        try:
            self.stats = asked.result(timeout) or self.stats
        except TimeoutError:
            return False
        except TxError:
            # The call has ended in the meantime; the statistics before that will do.
            return True
        return True

    def _sent(self, future: Future[str]) -> None:
        error = future.exception(0)
        if isinstance(error, TxError):
            self.reporter.error(error)


class _Events(TxClientDelegate):
    """Remembers when what happened, and passes it on.

    An exception in a callback is logged, and the call goes on; but where nobody reads the output any more, it must end.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._is_ready = False
        self._session_id = ""
        self.turns = TurnWatch(time.monotonic())
        self.login_error: TxError | None = None
        self.active_at: float | None = None
        self.done_at: float | None = None
        self.output_error: OSError | None = None

    def on_session_updated(self, session_id: str) -> None:
        self._session_id = session_id

    def on_client_ready(self) -> None:
        self._is_ready = True
        self._tell(self._reporter.ready, self._session_id)

    def on_client_error(self, error: TxError) -> None:
        if self._is_ready:
            self._tell(self._reporter.error, error)
        else:
            self.login_error = error

    def on_reconnecting(self, attempt: int, delay: float, error: TxError) -> None:
        self._tell(self._reporter.reconnecting, attempt, delay, error)

    def on_reconnected(self) -> None:
        self._tell(self._reporter.reconnected)

    def on_call_state_updated(self, call_state: CallState, call_id: UUID) -> None:
        now = time.monotonic()
        if call_state == CallState.ACTIVE and self.active_at is None:
            self.active_at = now
            self.turns.begin(now)
        if call_state.is_terminal:
            self.over(now)
        self._tell(self._reporter.call_state, call_state, str(call_id))

    def on_transcript_item_updated(self, item: TranscriptionItem) -> None:
        self.turns.item(item, time.monotonic())
        self._tell(self._reporter.item, item)

    def on_agent_state_changed(self, agent_state: AgentState) -> None:
        self.turns.agent_state(agent_state, time.monotonic())
        self._tell(self._reporter.agent_state, agent_state)

    def over(self, now: float) -> None:
        if self.done_at is None:
            self.done_at = now

    def _tell(self, report: Callable[..., None], *args: object) -> None:
        try:
            report(*args)
        except OSError as exc:
            self.output_error = exc


def _full(reason: CallTerminationReason) -> str:
    """Cause and SIP status, as far as they are known."""
    text = str(reason)
    return text if reason.cause is None or reason.cause in text else f"{reason.cause} ({text})"
