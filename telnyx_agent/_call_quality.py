"""`CallMonitoring`: how good a call is - metrics at an interval, warnings, and the report - as a part of `Call`."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ._call_base import CallBase, CallPort
from ._callables import check_function
from ._protocol import debug_report
from ._protocol.states import CallState, CallStateKind
from ._protocol.warnings import TxWarning, WarningCode
from ._runtime.imports import uninterrupted

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ._media.bridge import AudioBridge
    from ._media.stats import MediaStats
    from ._protocol.requests import CallOptions
    from ._quality.metrics import CallQualityMetrics
    from ._quality.report import CallReport

__all__ = ["CallMonitoring"]

_STEADY = frozenset({CallStateKind.ACTIVE, CallStateKind.HELD})


class CallMonitoring(CallBase):
    """Metrics, warnings and report of a call. Nothing here needs a debug flag, and nothing leaves the machine."""

    _direction = "outbound"

    def __init__(self, options: CallOptions, bridge: AudioBridge, port: CallPort) -> None:
        super().__init__(options, bridge, port)
        # numpy is there already: the bridge needs it.
        with uninterrupted():
            from ._quality.metrics import CallQualityMetrics
            from ._quality.report import ReportLog
            from ._quality.watch import QualityWatch
        self._metrics = CallQualityMetrics.empty()
        self._quality_watch = QualityWatch(options.call_id)
        self._report_log = ReportLog(options.call_id, self._direction, datetime.now(timezone.utc))
        self._media_stats: MediaStats | None = None
        self._final_report: CallReport | None = None
        self._on_call_quality_change: Callable[[CallQualityMetrics], object] | None = None
        self._debug = False
        self._debug_report_id: str | None = None
        self._upload: Future[int] | None = None

    @property
    def quality_metrics(self) -> CallQualityMetrics:
        """The latest metrics; `CallQualityMetrics.empty()` until the call's media is up."""
        return self._metrics

    @property
    def on_call_quality_change(self) -> Callable[[CallQualityMetrics], object] | None:
        """Your function `(metrics)`, called on the delegate's thread at the call's `quality_interval`.

        iOS: `onCallQualityChange`, Android and Flutter likewise; here it needs no debug flag and works for calls in
        both directions. Metrics that could not be delivered because a callback took its time are left out, not queued.

        Raises:
            ClientConfigurationError: When it is set: no plain function of one parameter.
        """
        return self._on_call_quality_change

    @on_call_quality_change.setter
    def on_call_quality_change(self, listener: Callable[[CallQualityMetrics], object] | None) -> None:
        if listener is not None:
            check_function("on_call_quality_change", listener, "(metrics)")
        self._on_call_quality_change = listener

    @property
    def warnings(self) -> tuple[TxWarning, ...]:
        """What is not as it should be now: warnings that were raised and not cleared, oldest first."""
        return self._quality_watch.active

    @property
    def report(self) -> CallReport:
        """Everything about the call until now, for JSON: `call.report.to_json()`. After the call it is final.

        Contains nothing that was said and no number, name, header, address or credential.
        """
        if self._final_report is not None:
            return self._final_report
        state = self.state
        reason = state.termination_reason
        ended_by: dict[str, Any] = {}
        if reason is not None:
            ended_by = {"cause": reason.cause, "cause_code": reason.cause_code, "sip_code": reason.sip_code}
            if reason.error is not None:
                ended_by["error"] = type(reason.error).__name__
                ended_by["error_code"] = reason.error.code
        return self._report_log.report(
            state.kind.name,
            self._elapsed(),
            ended_by={name: value for name, value in ended_by.items() if value is not None},
            telnyx_session_id=self._details.telnyx_session_id,
            telnyx_leg_id=self._details.telnyx_leg_id,
        )

    @property
    def report_upload(self) -> Future[int] | None:
        """The upload of the report, for clients with `enable_call_reports`: a future with the HTTP status.

        None before the call's end, and where nothing is uploaded. You need not wait for it; a process that ends before
        it is done loses the upload.
        """
        return self._upload

    # -- fed by the hub, on the loop thread --------------------------------------------------------------------------

    def _apply_state(self, state: CallState) -> None:
        super()._apply_state(state)
        at = self._elapsed()
        self._report_log.event("state", at, state=state.kind.name)
        if state.kind is CallStateKind.ACTIVE:
            self._report_log.timing("setup", at)
        if state.kind is not CallStateKind.ACTIVE:
            self._quality_watch.interrupted()
        if state.is_terminal:
            self._send_debug(lambda report_id: debug_report.debug_report_stop(_new_id(), report_id, self._text_id))
            self._final_report = self.report

    def _apply_media_connected(self) -> None:
        super()._apply_media_connected()
        self._report_log.timing("media", self._elapsed())
        self._report_log.event("media connected", self._elapsed())

    def _apply_quality(self, stats: MediaStats, now: float) -> list[TxWarning]:
        """A new snapshot; returns what is to be said about it."""
        from ._quality.metrics import quality_metrics

        before = self._media_stats
        if before is not None and stats.packets_sent < before.packets_sent:
            before = None  # of an older peer connection
        metrics = quality_metrics(stats, before)
        self._media_stats, self._metrics = stats, metrics
        self._report_log.sample(stats, metrics, self._elapsed())
        self._send_debug_sample(metrics)
        kind = self.state.kind
        said = []
        if kind in _STEADY:
            said += self._quality_watch.clear(WarningCode.ICE_CONNECTIVITY_LOST)
            said += self._quality_watch.clear(WarningCode.MEDIA_RECOVERY_REQUIRED)
        if kind is CallStateKind.ACTIVE:
            said += self._quality_watch.sample(metrics, stats, before, now, muted=self._bridge.muted)
        return self._noted(said)

    def _apply_media_lost(self, was_up: bool) -> list[TxWarning]:
        code = WarningCode.ICE_CONNECTIVITY_LOST if was_up else WarningCode.PEER_CONNECTION_FAILED
        said = self._quality_watch.raise_warning(code)
        if was_up:
            said += self._quality_watch.raise_warning(WarningCode.MEDIA_RECOVERY_REQUIRED)
        return self._noted(said)

    def _apply_turn(self, turn: Any) -> None:
        super()._apply_turn(turn)
        self._report_log.event("turn", self._elapsed(), latency=round(turn.latency, 3))

    # -- inside ------------------------------------------------------------------------------------------------------

    @property
    def _text_id(self) -> str:
        return self._options.call_id

    def _elapsed(self) -> float:
        return time.monotonic() - self._started_at

    def _noted(self, warnings: list[TxWarning]) -> list[TxWarning]:
        for warning in warnings:
            self._report_log.warning(warning.name, self._elapsed(), is_cleared=warning.is_cleared)
        return warnings

    def _send_debug_sample(self, metrics: CallQualityMetrics) -> None:
        if not self._debug:
            return
        if self._debug_report_id is None:
            self._debug_report_id = _new_id()
            self._send_debug(lambda report_id: debug_report.debug_report_start(_new_id(), report_id, self._text_id))
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
                self._text_id,
                connection_id=report_id,
                timestamp=datetime.now(timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z",
                stats=stats,
            )
        )

    def _send_debug(self, make: Callable[[str], dict[str, Any]]) -> None:
        report_id = self._debug_report_id
        if report_id is not None:
            # Nobody waits for it: without a connection there is nobody to debug with.
            frame = make(report_id)
            self._port.perform(lambda session, now: session.send_debug_frame(frame))


def _new_id() -> str:
    return str(uuid.uuid4())


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
