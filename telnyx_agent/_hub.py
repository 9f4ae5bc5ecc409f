"""`Hub`: turns what the driver reports (loop thread) into what users see: callbacks, snapshots, waiters.

For each event the order is fixed: first the snapshot that properties and waiters read, at once on the loop thread;
then, on the dispatcher, the taps (`compat`'s flow), the delegate, and the observers of the transcript. The hub knows
neither the client nor the driver.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs

from ._audience import SHORT_TRANSCRIPT, Audience, Snapshot
from ._callables import check_result
from ._connection_status import shown
from ._login_state import Link, LinkStatus
from ._protocol.states import AgentState, CallDirection, CallState, CallStateKind
from ._protocol.warnings import TxWarning, WarningCode
from ._runtime.waiting import Watch
from .errors import TxError

if TYPE_CHECKING:
    from ._drivers.call import CallMedia
    from ._media.stats import MediaStats
    from ._media.turns import TurnLatency
    from ._protocol.conversation import WidgetSettings
    from ._protocol.details import CallDetails
    from ._protocol.outcomes import AiMessage, FunctionCallReceived, QuestionSettled, TranscriptChanged
    from ._protocol.requests import CallOptions
    from ._protocol.socket_health import SocketConnectionMetrics
    from ._quality.metrics import CallQualityMetrics
    from ._runtime.dispatch import Dispatcher
    from .assistant import AIAssistantManager
    from .audio import AudioDeviceChange
    from .call import Call

__all__ = ["Hub"]


class Hub:
    """The `SessionListener` of one login. Its methods are called on the loop thread unless they say otherwise."""

    def __init__(
        self,
        audience: Audience,
        dispatcher: Dispatcher,
        link: Watch[Link],
        calls: dict[UUID, Call],
        assistant: AIAssistantManager,
        make_incoming: Callable[[CallOptions], tuple[Call, CallMedia]],
        on_finished: Callable[[], None],
        on_release: Callable[[], None],
        on_call_over: Callable[[Call], None] = lambda call: None,
    ) -> None:
        self._audience = audience
        self._dispatcher = dispatcher
        self._emit = functools.partial(audience.send, dispatcher)
        self._link = link
        self._calls = calls
        self._assistant = assistant
        self._make_incoming = make_incoming
        self._on_finished = on_finished
        self._on_release = on_release
        self._on_call_over = on_call_over
        self._levels_on_their_way: set[UUID] = set()
        self._metrics_on_their_way: set[UUID] = set()
        self._recovering = False

    # -- connection --------------------------------------------------------------------------------------------------

    def socket_connected(self) -> None:
        self._update(status=LinkStatus.CONNECTED)
        self._emit("on_socket_connected")

    def socket_disconnected(self) -> None:
        self._emit("on_socket_disconnected")

    def reconnecting(self, attempt: int, delay: float, error: TxError) -> None:
        self._update(status=LinkStatus.RECONNECTING)
        self._emit("on_reconnecting", attempt, delay, error)
        if not self._recovering:
            self._recovering = True
            self._emit("on_client_warning", TxWarning(WarningCode.SIGNALING_RECOVERY_REQUIRED))

    def reconnected(self) -> None:
        self._update(status=LinkStatus.READY)
        self._emit("on_reconnected")
        if self._recovering:
            self._recovering = False
            self._emit("on_client_warning", TxWarning(WarningCode.SIGNALING_RECOVERY_REQUIRED, is_cleared=True))

    def ready(self, target_id: str | None) -> None:
        self._update(status=LinkStatus.READY, target_id=target_id)
        self._emit("on_client_ready")
        if target_id is not None:
            self._emit("on_ai_assistant_connection_state_changed", True, target_id)

    def login_failed(self, error: TxError) -> None:
        self._update(status=LinkStatus.FAILED, error=error)
        self.client_error(error)

    def session_failed(self, error: TxError) -> None:
        self._update(status=LinkStatus.FAILED, error=error)
        self.client_error(error)

    def client_error(self, error: TxError) -> None:
        error.session_id = self._link.get().session_id or None
        self._emit("on_client_error", error)

    def session_updated(self, session_id: str) -> None:
        self._update(session_id=session_id)
        self._emit("on_session_updated", session_id)

    def registered(self, voice_sdk_id: str | None, call_report_id: str | None) -> None:
        link = self._link.get()
        after = link.ready_after
        if after is None and link.began_at is not None:
            after = time.monotonic() - link.began_at
        self._update(voice_sdk_id=voice_sdk_id, call_report_id=call_report_id, ready_after=after)

    def server_located(self, datacenter: str | None, region: str | None) -> None:
        self._update(datacenter=datacenter, region=region)

    def wants_frames(self) -> bool:
        # Every frame costs: only for those who ask.
        return self._audience.listens("on_socket_message") or "on_socket_message" in self._audience.tapped

    def socket_message(self, frame: Mapping[str, Any]) -> None:
        # In no stream.
        if self._audience.listens("on_socket_message"):
            deliver = functools.partial(self._audience.call_delegate, "on_socket_message", (frame,))
            self._dispatcher.submit(deliver, name="on_socket_message")
        if "on_socket_message" in self._audience.tapped:
            self._audience.tell_taps(self._dispatcher, "on_socket_message", frame)

    def finished(self) -> None:
        link = self._link.get()
        status = LinkStatus.FAILED if link.status is LinkStatus.FAILED else LinkStatus.CLOSED
        self._update(status=status, target_id=None)
        if link.target_id is not None:
            self._emit("on_ai_assistant_connection_state_changed", False, None)
        self._assistant._tools.finished()
        self._assistant._forget_questions()
        self._on_finished()
        self._audience.end_streams()

    def release(self) -> None:
        self._on_release()

    # -- calls -------------------------------------------------------------------------------------------------------

    def incoming_call(self, options: CallOptions, details: CallDetails) -> CallMedia:
        call, media = self._make_incoming(options)
        call._apply_details(details)
        call._apply_state(CallState.RINGING)
        self._calls[call.call_id] = call
        self._emit("on_incoming_call", call)
        self._warn_of_several(call)
        return media

    def call_state_changed(self, call_id: str, state: CallState) -> None:
        uuid = UUID(call_id)
        call = self._calls.get(uuid)
        if call is None:
            return
        call._apply_state(state)
        self._record("call", state.value, call_id=call_id)
        if state.is_terminal:
            self._on_call_over(call)
            if self._audience.wants("on_call_report"):
                self._emit("on_call_report", call.report, uuid)
            if all(other.state.is_terminal for other in tuple(self._calls.values())):
                self._assistant._tools.call_over()
        reason = state.termination_reason
        error = None if reason is None else reason.error
        if error is not None and error.code == WarningCode.ICE_GATHERING_EMPTY:
            self.warned(WarningCode.ICE_GATHERING_EMPTY, call_id)
        if state.is_terminal and reason is not None and not reason.is_local:
            self._emit("on_remote_call_ended", uuid, reason)
        self._emit("on_call_state_updated", state, uuid)
        own = call.on_state_changed
        if own is not None:
            self._dispatcher.submit(functools.partial(own, state), name="on_state_changed")
        if state.kind is CallStateKind.CONNECTING and call.direction is CallDirection.OUTBOUND:
            self._warn_of_several(call)
        if state.is_terminal:
            # Not before the delegate has heard of it: it may look the call up by its id.
            self._dispatcher.submit(functools.partial(self._calls.pop, uuid, None))

    def call_updated(self, call_id: str, details: CallDetails) -> None:
        call = self._calls.get(UUID(call_id))
        if call is not None:
            call._apply_details(details)
            self._record(
                "call", "details", call_id=call_id, session=details.telnyx_session_id, leg=details.telnyx_leg_id
            )

    def call_progress(self, call_id: str, step: str) -> None:
        call = self._calls.get(UUID(call_id))
        if call is not None:
            call._apply_progress(step)

    def call_media_connected(self, call_id: str) -> None:
        call = self._calls.get(UUID(call_id))
        if call is not None:
            call._apply_media_connected()
            self._record("call", "media connected", call_id=call_id)

    def audio_device_changed(self, call_id: str, change: AudioDeviceChange, told: Callable[[], None]) -> None:
        self._emit("on_audio_device_changed", change, UUID(call_id))
        self._dispatcher.submit(told, name="on_audio_device_changed")

    def turn_measured(self, call_id: str, turn: TurnLatency) -> None:
        uuid = UUID(call_id)
        call = self._calls.get(uuid)
        if call is not None:
            call._apply_turn(turn)
        self._emit("on_turn_latency", turn, uuid)

    def audio_level(self, call_id: str, inbound: float, outbound: float) -> bool:
        uuid = UUID(call_id)
        call = self._calls.get(uuid)
        own = None if call is None else call.on_audio_level
        wanted = self._audience.listens("on_audio_level")
        streamed = self._audience.stream("on_audio_level", inbound, outbound, uuid)
        if own is None and not wanted:
            return streamed
        # Levels that nobody has fetched yet are out of date: while a callback blocks, they do not queue up.
        if uuid not in self._levels_on_their_way:
            self._levels_on_their_way.add(uuid)
            recorder = self._audience.flight.recorder if wanted else None
            deliver: Callable[[], object] = functools.partial(self._deliver_level, own, wanted, inbound, outbound, uuid)
            if recorder is not None:
                number = recorder.callback("on_audio_level", (inbound, outbound, uuid))
                deliver = functools.partial(recorder.run, number, deliver)
            self._dispatcher.submit(deliver, name="on_audio_level")
        return True

    def _deliver_level(
        self, own: Callable[[float, float], object] | None, wanted: bool, inbound: float, outbound: float, call_id: UUID
    ) -> None:
        """Delegate thread."""
        self._levels_on_their_way.discard(call_id)
        try:
            if wanted:
                check_result(
                    "on_audio_level", self._audience.call_delegate("on_audio_level", (inbound, outbound, call_id))
                )
        finally:
            if own is not None:
                check_result("on_audio_level", own(inbound, outbound))

    def call_quality(self, call_id: str, stats: MediaStats, now: float) -> None:
        uuid = UUID(call_id)
        call = self._calls.get(uuid)
        if call is None:
            return
        for warning in call._apply_quality(stats, now):
            self._emit("on_client_warning", warning)
        own, wanted = call.on_call_quality_change, self._audience.listens("on_call_quality_changed")
        if self._audience.has_streams:
            self._audience.stream("on_call_quality_changed", call.quality_metrics, uuid)
        # As with levels: what nobody has fetched yet is out of date, and the delivery takes the latest.
        if (own is not None or wanted) and uuid not in self._metrics_on_their_way:
            self._metrics_on_their_way.add(uuid)
            deliver = functools.partial(self._deliver_quality, call, wanted, uuid)
            self._dispatcher.submit(deliver, name="on_call_quality_changed")

    def _deliver_quality(self, call: Call, wanted: bool, call_id: UUID) -> None:
        """Delegate thread."""
        self._metrics_on_their_way.discard(call_id)
        metrics: CallQualityMetrics = call.quality_metrics
        try:
            if wanted:
                check_result(
                    "on_call_quality_changed",
                    self._audience.call_delegate("on_call_quality_changed", (metrics, call_id)),
                )
        finally:
            own = call.on_call_quality_change
            if own is not None:
                check_result("on_call_quality_change", own(metrics))

    def call_media_lost(self, call_id: str, was_up: bool) -> None:
        call = self._calls.get(UUID(call_id))
        for warning in () if call is None else call._apply_media_lost(was_up):
            self._emit("on_client_warning", warning)

    def warned(self, code: WarningCode, call_id: str | None, *, is_cleared: bool = False) -> None:
        self._emit("on_client_warning", TxWarning(code, call_id, is_cleared))
        call = None if call_id is None else self._calls.get(UUID(call_id))
        if call is not None:
            call._report_log.warning(code.name, call._elapsed(), is_cleared=is_cleared)

    def _warn_of_several(self, call: Call) -> None:
        """A call is made, or comes in, while there is another."""
        if any(other is not call and not other.state.is_terminal for other in tuple(self._calls.values())):
            self.warned(WarningCode.MULTIPLE_ACTIVE_CALLS_DETECTED, str(call.call_id))

    def socket_metrics(self, metrics: SocketConnectionMetrics) -> None:
        self._update(socket=metrics)
        if self._audience.wants("on_socket_metrics_changed"):
            self._emit("on_socket_metrics_changed", metrics)

    def ringing(self, call_id: str) -> None:
        self._emit("on_ringing_ack_received", UUID(call_id))

    # -- the assistant -----------------------------------------------------------------------------------------------

    def transcript_changed(self, change: TranscriptChanged) -> None:
        self._assistant._apply_transcript(change)
        for call in tuple(self._calls.values()):
            call._apply_transcript(change.items)
        if change.item is not None:
            self._emit("on_transcript_item_updated", change.item)
        items, wants_all = change.items, self._assistant._has_observers_of_all
        if len(items) <= SHORT_TRANSCRIPT:
            self._emit("on_transcription_updated", items)
            snapshot = Snapshot(None, items) if wants_all else None
        else:
            snapshot = self._audience.send_snapshot(
                self._dispatcher, "on_transcription_updated", items, is_wanted=wants_all
            )
        self._assistant._notify(self._dispatcher, change, snapshot)

    def agent_state_changed(self, state: AgentState) -> None:
        self._assistant._apply_agent_state(state)
        self._record("agent", state.value)
        self._emit("on_agent_state_changed", state)

    def widget_settings_changed(self, settings: WidgetSettings) -> None:
        self._assistant._apply_widget_settings(settings)
        self._emit("on_widget_settings_updated", settings)

    def ai_message(self, message: AiMessage) -> None:
        self._assistant._apply_conversation_id(message.conversation_id)
        self._emit("on_ai_conversation_message", message.params)
        if message.event is not None:
            self._emit("on_ai_conversation_event", message.event)

    def function_call(self, call: FunctionCallReceived) -> None:
        from ._protocol.ai_events import FunctionCall

        request = FunctionCall(call.call_id, call.name, call.arguments)
        self._emit("on_function_call", request)
        self._assistant._tools.requested(request)

    def question_settled(self, question: QuestionSettled) -> None:
        self._assistant._settle_question(question)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _update(self, **changes: Any) -> None:
        before = self._link.get()
        now = attrs.evolve(before, **changes)
        self._link.set(now)
        if now.status is not before.status:
            self._record("client", now.status.value)
            if (status := shown(now.status.value)) is not shown(before.status.value):
                self._emit("on_connection_state_changed", status)

    def _record(self, what: str, state: str, **more: str | None) -> None:
        if (recorder := self._audience.flight.recorder) is not None:
            recorder.state(what, state, **more)
