"""`CallRecord`: what is known of one call. The loop writes it and publishes a `CallSnapshot`, which any thread reads.

The program has a `Call`, which reads the snapshot and puts the program's functions into the record's `callbacks`.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import attrs

from ._protocol.calls.details import CallDetails
from ._protocol.states import CallState, CallStateKind
from ._protocol.warnings import TxWarning, WarningCode
from ._protocol.wire import debug_report
from ._quality.metrics import CallQualityMetrics, quality_metrics
from ._quality.report import CallReport, ReportLog
from ._quality.watch import QualityWatch
from ._runtime.watch import Watch

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ._media.call_audio import AudioBridge
    from ._media.stats import MediaStats
    from ._media.turn_latency import TurnLatency
    from ._protocol.conversation.transcription import TranscriptionItem
    from ._protocol.wire.requests import CallOptions
    from ._session_handle import SessionHandle

__all__ = ["CallCallbacks", "CallRecord", "CallSnapshot"]

_STEADY = frozenset({CallStateKind.ACTIVE, CallStateKind.HELD})


@attrs.frozen
class CallSnapshot:
    """One call at one moment.

    Attributes:
        options: What the call was made with, or what came in its invite.
        state: The state.
        previous_state: The state before that; None before the first change.
        details: What the server has sent about it.
        setup_time: Seconds from the call's begin to `ACTIVE`; None before.
        media_setup_time: Seconds from the call's begin until audio could flow; None before.
        turns: How long the user waited for each answer.
        metrics: The latest quality metrics.
        warnings: Warnings that were raised and not cleared yet, oldest first.
        upload: The upload of the report, if there is one.
    """

    options: CallOptions
    state: CallState = CallState.NEW
    previous_state: CallState | None = None
    details: CallDetails = attrs.field(factory=CallDetails)
    setup_time: float | None = None
    media_setup_time: float | None = None
    turns: tuple[TurnLatency, ...] = ()
    metrics: CallQualityMetrics = attrs.field(factory=CallQualityMetrics.empty)
    warnings: tuple[TxWarning, ...] = ()
    upload: Future[int] | None = None


@attrs.define
class CallCallbacks:
    """A call's own functions. The program sets them on any thread; they run where the delegate's methods do."""

    on_state_changed: Callable[[CallState], object] | None = None
    on_audio_level: Callable[[float, float], object] | None = None
    on_call_quality_change: Callable[[CallQualityMetrics], object] | None = None


class CallRecord:
    """The state of one call. Loop thread only, except where a method says "any thread".

    Args:
        options: What the call is made with, or what came in its invite.
        bridge: Its audio.
        handle: Its login.
        debug: Whether quality samples go to Telnyx, too.
        report_interval: Seconds that one entry of the report's statistics covers; None: the default.
    """

    def __init__(
        self,
        options: CallOptions,
        bridge: AudioBridge,
        handle: SessionHandle,
        *,
        debug: bool = False,
        report_interval: float | None = None,
    ) -> None:
        self.call_id = options.call_id
        self.callbacks = CallCallbacks()
        """The program's functions. For any thread."""
        self.marks = bridge.marks
        """The times of the steps of the set-up. For any thread."""
        self.marks.mark("new_call")
        self._snapshot = Watch(CallSnapshot(options))
        self._transcript: tuple[TranscriptionItem, ...] = ()
        self._bridge = bridge
        self._handle = handle
        self._started_at = time.monotonic()
        self._debug = debug
        self._debug_report_id: str | None = None
        self._media_stats: MediaStats | None = None
        self._quality_watch = QualityWatch(options.call_id)
        self._report_log = ReportLog(options.call_id, options.direction.value, datetime.now(timezone.utc))
        self._final_report: CallReport | None = None
        if report_interval is not None:
            self._report_log.set_interval(report_interval)
        # A copy that does not change: any thread makes its reports from it.
        self._published_log = self._report_log.copy()

    # -- any thread --------------------------------------------------------------------------------------------------

    @property
    def snapshot(self) -> CallSnapshot:
        """The call now."""
        return self._snapshot.get()

    @property
    def watch(self) -> Watch[CallSnapshot]:
        """For threads that wait until the snapshot fulfils a condition."""
        return self._snapshot

    @property
    def transcript(self) -> tuple[TranscriptionItem, ...]:
        """The items of all calls that were up at the same time as this one, until its end."""
        # Not in the snapshot, because it changes with each word.
        return self._transcript

    @property
    def report(self) -> CallReport:
        """Everything about the call until now; after its end it is final."""
        return self._final_report or self._make_report(self.snapshot)

    # -- what happened: the loop -------------------------------------------------------------------------------------

    def answered(self, options: CallOptions, *, debug: bool) -> None:
        """The program answers the call, which came in. The set-up times begin here: ringing does not count."""
        self._debug = self._debug or debug
        if self.snapshot.state == CallState.RINGING:
            self._started_at = time.monotonic()
            self.marks.restart("new_call")
        self._change(options=options)

    def state_changed(self, state: CallState) -> None:
        """The call is in a new state."""
        at, changes = self.elapsed(), dict[str, Any](state=state, previous_state=self.snapshot.state)
        # In other states, such as a lost connection, `held` stays: a held call must not be heard for a moment.
        if state.kind is CallStateKind.HELD:
            self._bridge.held = True
        elif state.kind is CallStateKind.ACTIVE:
            self._bridge.held = False
        if state == CallState.ACTIVE and self.snapshot.setup_time is None:
            changes["setup_time"] = at
            self.marks.mark("active")
        self._report_log.event("state", at, state=state.kind.name)
        if state.kind is CallStateKind.ACTIVE:
            self._report_log.timing("setup", at)
        self._publish_log()
        if state.kind is not CallStateKind.ACTIVE:
            self._quality_watch.interrupted()
        changes["warnings"] = self._quality_watch.active
        if state.is_terminal:
            # Before anybody sees this state, so that no recording or playback can begin after the call's end.
            self._bridge.end()
            self._send_debug(lambda report_id: debug_report.debug_report_stop(_new_id(), report_id, self.call_id))
            self._final_report = self._make_report(attrs.evolve(self.snapshot, **changes))
        self._change(**changes)

    def details_changed(self, details: CallDetails) -> None:
        """The server has sent something new about the call."""
        self._change(details=details)

    def media_connected(self) -> None:
        """Audio can flow."""
        at = self.elapsed()
        self._report_log.timing("media", at)
        self._report_log.event("media connected", at)
        self._publish_log()
        self._change(media_setup_time=at)

    def turn_measured(self, turn: TurnLatency) -> None:
        """The agent has answered."""
        self._report_log.event("turn", self.elapsed(), latency=round(turn.latency, 3))
        self._publish_log()
        self._change(turns=(*self.snapshot.turns, turn))

    def transcript_changed(self, items: tuple[TranscriptionItem, ...]) -> None:
        """The transcript of all present calls has changed."""
        # `Call.transcript` selects the items of its call. Here, this would cost the loop time with each word.
        if self._final_report is None:
            self._transcript = items

    def quality_sampled(self, stats: MediaStats, now: float) -> list[TxWarning]:
        """New statistics came. Returns the warnings that follow from them."""
        before = self._media_stats
        if before is not None and stats.packets_sent < before.packets_sent:
            before = None  # the statistics of an older peer connection
        metrics = quality_metrics(stats, before)
        self._media_stats = stats
        self._report_log.sample(stats, metrics, self.elapsed())
        self._publish_log()
        self._send_debug_sample(metrics)
        kind = self.snapshot.state.kind
        warnings = []
        if kind in _STEADY:
            warnings += self._quality_watch.clear(WarningCode.ICE_CONNECTIVITY_LOST)
            warnings += self._quality_watch.clear(WarningCode.MEDIA_RECOVERY_REQUIRED)
        if kind is CallStateKind.ACTIVE:
            warnings += self._quality_watch.sample(metrics, stats, before, now, muted=self._bridge.muted)
        self._change(metrics=metrics, warnings=self._quality_watch.active)
        return warnings

    def media_lost(self, *, was_up: bool) -> list[TxWarning]:
        """There is no path for the audio (any more). Returns the warnings that follow from it."""
        code = WarningCode.ICE_CONNECTIVITY_LOST if was_up else WarningCode.PEER_CONNECTION_FAILED
        warnings = self._quality_watch.raise_warning(code)
        if was_up:
            warnings += self._quality_watch.raise_warning(WarningCode.MEDIA_RECOVERY_REQUIRED)
        self._change(warnings=self._quality_watch.active)
        return warnings

    def warned(self, warning: TxWarning) -> None:
        """A warning about this call goes to the program: note it in the report."""
        self._report_log.warning(warning.name, self.elapsed(), is_cleared=warning.is_cleared)
        self._publish_log()

    def uploading(self, upload: Future[int]) -> None:
        """The report is on its way to Telnyx."""
        self._change(upload=upload)

    def elapsed(self) -> float:
        """Seconds since the call's begin."""
        return time.monotonic() - self._started_at

    # -- inside ------------------------------------------------------------------------------------------------------

    def _change(self, **changes: Any) -> None:
        self._snapshot.set(attrs.evolve(self._snapshot.get(), **changes))

    def _publish_log(self) -> None:
        self._published_log = self._report_log.copy()

    def _make_report(self, now: CallSnapshot) -> CallReport:
        """Any thread."""
        reason = now.state.termination_reason
        ended_by: dict[str, Any] = {}
        if reason is not None:
            ended_by = {"cause": reason.cause, "cause_code": reason.cause_code, "sip_code": reason.sip_code}
            if reason.error is not None:
                ended_by["error"] = type(reason.error).__name__
                ended_by["error_code"] = reason.error.code
        return self._published_log.report(
            now.state.kind.name,
            self.elapsed(),
            ended_by={name: value for name, value in ended_by.items() if value is not None},
            telnyx_session_id=now.details.telnyx_session_id,
            telnyx_leg_id=now.details.telnyx_leg_id,
        )

    def _send_debug_sample(self, metrics: CallQualityMetrics) -> None:
        if not self._debug:
            return
        if self._debug_report_id is None:
            self._debug_report_id = _new_id()
            self._send_debug(lambda report_id: debug_report.debug_report_start(_new_id(), report_id, self.call_id))
        maps = (
            metrics.inbound_audio,
            metrics.outbound_audio,
            metrics.remote_inbound_audio,
            metrics.remote_outbound_audio,
        )
        stats = {
            str(one["type"]): {name: _finite(value) for name, value in one.items()} for one in maps if one is not None
        }
        self._send_debug(
            lambda report_id: debug_report.debug_report_data(
                _new_id(),
                report_id,
                self.call_id,
                connection_id=report_id,
                timestamp=datetime.now(timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z",
                stats=stats,
            )
        )

    def _send_debug(self, make: Callable[[str], dict[str, Any]]) -> None:
        report_id = self._debug_report_id
        if report_id is not None:
            # Without a connection the frame is lost, and nobody waits for it.
            frame = make(report_id)
            self._handle.perform(lambda session, now: session.send_debug_frame(frame))


def _new_id() -> str:
    return str(uuid.uuid4())


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
