"""`Publisher`: passes on what happened in one login - first to the snapshots, then to the listeners.

The order is the same for each event. First the snapshots that properties and waiters read are changed, at once, on the
loop thread. Then the delegate and the observers are called, where callbacks run. The table `_BEFORE` says what an event
changes; the event's class names its callback. The publisher knows neither the client nor the driver.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, get_args
from uuid import UUID

import attrs

from . import events
from ._callables import check_result
from ._connection_status import shown
from ._login_state import LinkStatus
from ._protocol import outcomes
from ._protocol.states import CallDirection, CallState, CallStateKind
from ._protocol.warnings import TxWarning, WarningCode

if TYPE_CHECKING:
    from ._assistant_record import AssistantRecord
    from ._call_record import CallRecord
    from ._calls import Calls
    from ._drivers.call import CallMedia
    from ._listeners import Listeners
    from ._login_wishes import LoginWishes
    from ._media.stats import MediaStats
    from ._protocol.calls.details import CallDetails
    from ._protocol.wire.requests import CallOptions
    from ._session_handle import SessionHandle
    from ._tools.runner import ToolRunner
    from .audio import AudioDeviceChange

__all__ = ["Publisher"]

_TOLD = frozenset(get_args(events.DelegateEvent))


class Publisher:
    """The `SessionListener` of one login. Its methods are called on the loop thread unless they say otherwise.

    Args:
        handle: The login.
        wishes: What the program wants of it.
        listeners: Get the events.
        calls: The calls that have not ended; makes those that come in.
        assistant: The state of the assistant.
        tools: The program's tools.
        on_finished: Called when everything of the login is closed.
        on_release: Called when the login's threads may end.
    """

    def __init__(
        self,
        handle: SessionHandle,
        wishes: LoginWishes,
        listeners: Listeners,
        calls: Calls,
        assistant: AssistantRecord,
        tools: ToolRunner,
        *,
        on_finished: Callable[[], object],
        on_release: Callable[[], object],
    ) -> None:
        assert handle.dispatcher is not None
        self._handle = handle
        self._wishes = wishes
        self._listeners = listeners
        self._dispatcher = handle.dispatcher
        self._connection = handle.connection
        self._calls = calls
        self._assistant = assistant
        self._tools = tools
        self._on_finished = on_finished
        self._on_release = on_release
        self._levels_on_their_way: set[str] = set()
        self._metrics_on_their_way: set[str] = set()
        self._is_recovering = False
        self._target_id: str | None = None

    def publish(self, event: Any) -> None:
        """Something happened. `event` is for the listeners, or only for the snapshots."""
        kind = type(event)
        if (before := self._BEFORE.get(kind)) is not None:
            before(self, event)
        if kind in _TOLD:
            self._listeners.send(self._dispatcher, event)
            if (after := self._AFTER.get(kind)) is not None:
                after(self, event)

    # -- the connection ----------------------------------------------------------------------------------------------

    def _on_socket_connected(self, event: events.SocketConnected) -> None:
        self._update(status=LinkStatus.CONNECTED)

    def _on_registered(self, event: outcomes.Registered) -> None:
        link = self._connection.get()
        after = link.ready_after
        if after is None and link.began_at is not None:
            after = time.monotonic() - link.began_at
        self._target_id = event.target_id
        self._update(voice_sdk_id=event.voice_sdk_id, call_report_id=event.call_report_id, ready_after=after)

    def _on_ready(self, event: events.ClientReady) -> None:
        self._update(status=LinkStatus.READY, target_id=self._target_id)

    def _ready_was_told(self, event: events.ClientReady) -> None:
        if self._target_id is not None:
            self.publish(events.AiAssistantConnectionStateChanged(True, self._target_id))

    def _on_failed(self, event: outcomes.LoginFailed | outcomes.ClientFailed) -> None:
        if isinstance(event, outcomes.LoginFailed) or event.is_final:
            self._update(status=LinkStatus.FAILED, error=event.error)
        self.publish(events.ClientError(event.error))

    def _on_client_error(self, event: events.ClientError) -> None:
        event.error.session_id = self._connection.get().session_id or None

    def _on_reconnecting(self, event: events.Reconnecting) -> None:
        self._update(status=LinkStatus.RECONNECTING)

    def _on_reconnected(self, event: events.Reconnected) -> None:
        self._update(status=LinkStatus.READY)

    def _recovery_was_told(self, event: events.Reconnecting | events.Reconnected) -> None:
        before, self._is_recovering = self._is_recovering, isinstance(event, events.Reconnecting)
        if before is not self._is_recovering:
            is_over = not self._is_recovering
            self.publish(events.ClientWarning(TxWarning(WarningCode.SIGNALING_RECOVERY_REQUIRED, is_cleared=is_over)))

    def _on_session_updated(self, event: events.SessionUpdated) -> None:
        self._update(session_id=event.session_id)

    def _on_server_located(self, event: outcomes.ServerLocated) -> None:
        self._update(datacenter=event.datacenter, region=event.region)

    def _on_socket_metrics(self, event: events.SocketMetricsChanged) -> None:
        self._update(socket=event.metrics)

    def wants_frames(self) -> bool:
        return self._listeners.listens("on_socket_message")  # each frame costs time, so only if somebody wants them

    def _on_message_received(self, event: outcomes.MessageReceived) -> None:
        # Frames go to the delegate only, not to the streams of events.
        deliver = functools.partial(self._listeners.call_delegate, "on_socket_message", (event.frame,))
        self._dispatcher.submit(deliver, name="on_socket_message")

    def finished(self) -> None:
        link = self._connection.get()
        status = LinkStatus.FAILED if link.status is LinkStatus.FAILED else LinkStatus.CLOSED
        self._update(status=status, target_id=None)
        if link.target_id is not None:
            self.publish(events.AiAssistantConnectionStateChanged(False, None))
        self._tools.finished()
        self._on_finished()
        self._listeners.end_streams()

    def release(self) -> None:
        self._on_release()

    # -- calls -------------------------------------------------------------------------------------------------------

    def incoming_call(self, options: CallOptions, details: CallDetails) -> CallMedia:
        call, record, media = self._calls.comes_in(options, self._handle, self._wishes)
        record.details_changed(details)
        record.state_changed(CallState.RINGING)
        self.publish(events.IncomingCall(call))
        self._warn_of_several(record)
        return media

    def _on_call_state(self, event: outcomes.CallStateChanged) -> None:
        record, state = self._calls.record_of(event.call_id), event.state
        if record is None:
            return
        record.state_changed(state)
        self._note("call", state.kind.name, call_id=event.call_id)
        uuid, reason = UUID(event.call_id), state.termination_reason
        if state.is_terminal:
            self._calls.is_over(record, self._connection.get(), self._wishes)
            if self._listeners.wants(events.CallReported):
                self.publish(events.CallReported(record.report, uuid))
            if all(other.snapshot.state.is_terminal for other in self._calls.records()):
                self._tools.call_over()
        if reason is not None and reason.error is not None and reason.error.code == WarningCode.ICE_GATHERING_EMPTY:
            self.publish(events.ClientWarning(TxWarning(WarningCode.ICE_GATHERING_EMPTY, event.call_id)))
        if state.is_terminal and reason is not None and not reason.is_local:
            self.publish(events.RemoteCallEnded(uuid, reason))
        self.publish(events.CallStateUpdated(state, uuid))
        if (own := record.callbacks.on_state_changed) is not None:
            self._dispatcher.submit(functools.partial(own, state), name="on_state_changed")
        if state.kind is CallStateKind.CONNECTING and record.snapshot.options.direction is CallDirection.OUTBOUND:
            self._warn_of_several(record)
        if state.is_terminal:
            # Not before the delegate was called: it may look for the call by its id.
            self._dispatcher.submit(functools.partial(self._calls.forget, event.call_id))

    def _on_call_updated(self, event: outcomes.CallUpdated) -> None:
        if (record := self._calls.record_of(event.call_id)) is not None:
            details = event.details
            record.details_changed(details)
            self._note(
                "call",
                "details",
                call_id=event.call_id,
                session=details.telnyx_session_id,
                leg=details.telnyx_leg_id,
            )

    def _on_call_progress(self, event: outcomes.CallProgress) -> None:
        if (record := self._calls.record_of(event.call_id)) is not None:
            record.marks.mark(event.step.value)

    def _on_turn(self, event: events.TurnLatencyMeasured) -> None:
        if (record := self._calls.record_of(str(event.call_id))) is not None:
            record.turn_measured(event.turn)

    def _on_warning(self, event: events.ClientWarning) -> None:
        warning = event.warning
        record = None if warning.call_id is None else self._calls.record_of(str(warning.call_id))
        if record is not None:
            record.warned(warning)

    def media_connected(self, call_id: str) -> None:
        if (record := self._calls.record_of(call_id)) is not None:
            record.media_connected()
            self._note("call", "media connected", call_id=call_id)

    def media_lost(self, call_id: str, *, was_up: bool) -> None:
        if (record := self._calls.record_of(call_id)) is not None:
            for warning in record.media_lost(was_up=was_up):
                self.publish(events.ClientWarning(warning))

    def quality_sampled(self, call_id: str, stats: MediaStats, now: float) -> None:
        record = self._calls.record_of(call_id)
        if record is None:
            return
        for warning in record.quality_sampled(stats, now):
            self.publish(events.ClientWarning(warning))
        name = events.CallQualityChanged.callback
        own, wanted = record.callbacks.on_call_quality_change, self._listeners.listens(name)
        if self._listeners.has_streams:
            self._listeners.stream(events.CallQualityChanged(record.snapshot.metrics, UUID(call_id)))
        # As with levels: only one callback waits at a time, and it gets the latest metrics.
        if (own is not None or wanted) and call_id not in self._metrics_on_their_way:
            self._metrics_on_their_way.add(call_id)
            self._dispatcher.submit(functools.partial(self._deliver_quality, record, wanted), name=name)

    def _deliver_quality(self, record: CallRecord, wanted: bool) -> None:
        """Where callbacks run."""
        self._metrics_on_their_way.discard(record.call_id)
        metrics, name = record.snapshot.metrics, events.CallQualityChanged.callback
        try:
            if wanted:
                check_result(name, self._listeners.call_delegate(name, (metrics, UUID(record.call_id))))
        finally:
            if (own := record.callbacks.on_call_quality_change) is not None:
                check_result("on_call_quality_change", own(metrics))

    def audio_level(self, call_id: str, inbound: float, outbound: float) -> bool:
        name, event = events.AudioLevel.callback, events.AudioLevel(inbound, outbound, UUID(call_id))
        record = self._calls.record_of(call_id)
        own = None if record is None else record.callbacks.on_audio_level
        wanted = self._listeners.listens(name)
        streamed = self._listeners.stream(event)
        if own is None and not wanted:
            return streamed
        # While a callback blocks, levels do not queue up: old ones are of no use.
        if call_id not in self._levels_on_their_way:
            self._levels_on_their_way.add(call_id)
            recorder = self._listeners.flight.recorder if wanted else None
            deliver: Callable[[], object] = functools.partial(self._deliver_level, own, wanted, event)
            if recorder is not None:
                number = recorder.callback(name, (inbound, outbound, event.call_id))
                deliver = functools.partial(recorder.run, number, deliver)
            self._dispatcher.submit(deliver, name=name)
        return True

    def _deliver_level(
        self, own: Callable[[float, float], object] | None, wanted: bool, event: events.AudioLevel
    ) -> None:
        """Where callbacks run."""
        self._levels_on_their_way.discard(str(event.call_id))
        name = event.callback
        try:
            if wanted:
                args = (event.inbound, event.outbound, event.call_id)
                check_result(name, self._listeners.call_delegate(name, args))
        finally:
            if own is not None:
                check_result("on_audio_level", own(event.inbound, event.outbound))

    def device_changed(self, call_id: str, change: AudioDeviceChange, told: Callable[[], None]) -> None:
        self.publish(events.AudioDeviceChanged(change, UUID(call_id)))
        self._dispatcher.submit(told, name=events.AudioDeviceChanged.callback)

    def _warn_of_several(self, record: CallRecord) -> None:
        """Warn if there is another call when this one is made or comes in."""
        if any(other is not record and not other.snapshot.state.is_terminal for other in self._calls.records()):
            self.publish(events.ClientWarning(TxWarning(WarningCode.MULTIPLE_ACTIVE_CALLS_DETECTED, record.call_id)))

    # -- the assistant -----------------------------------------------------------------------------------------------

    def _on_transcript(self, change: outcomes.TranscriptChanged) -> None:
        assistant, listeners = self._assistant, self._listeners
        assistant.transcript = change.items
        for call in self._calls:
            call._record.transcript_changed(change.items)
        if change.item is not None:
            listeners.tell(self._dispatcher, events.TranscriptItemUpdated, change.item)
        snapshot = listeners.send_transcript(self._dispatcher, change.items, is_observed=assistant.has_observers_of_all)
        assistant.notify(self._dispatcher, change, snapshot)

    def _on_agent_state(self, event: events.AgentStateChanged) -> None:
        self._assistant.agent_state.set(event.agent_state)
        self._note("agent", event.agent_state.value)

    def _on_widget_settings(self, event: events.WidgetSettingsUpdated) -> None:
        self._assistant.widget_settings = event.settings

    def _on_ai_message(self, message: outcomes.AiMessage) -> None:
        if message.conversation_id is not None:
            self._assistant.conversation_id = message.conversation_id
        # `tell` and not `send`: these come with each word, and for most programs no event has to be made.
        self._listeners.tell(self._dispatcher, events.AiConversationMessage, message.params)
        if message.event is not None:
            self._listeners.tell(self._dispatcher, events.AiConversationEvent, message.event)

    def _function_call_was_told(self, event: events.FunctionCallReceived) -> None:
        self._tools.requested(event.call)

    # -- inside ------------------------------------------------------------------------------------------------------

    _BEFORE: ClassVar[dict[type, Callable[[Publisher, Any], None]]] = {
        events.SocketConnected: _on_socket_connected,
        outcomes.Registered: _on_registered,
        events.ClientReady: _on_ready,
        outcomes.LoginFailed: _on_failed,
        outcomes.ClientFailed: _on_failed,
        events.ClientError: _on_client_error,
        events.Reconnecting: _on_reconnecting,
        events.Reconnected: _on_reconnected,
        events.SessionUpdated: _on_session_updated,
        outcomes.ServerLocated: _on_server_located,
        events.SocketMetricsChanged: _on_socket_metrics,
        outcomes.MessageReceived: _on_message_received,
        outcomes.CallStateChanged: _on_call_state,
        outcomes.CallUpdated: _on_call_updated,
        outcomes.CallProgress: _on_call_progress,
        events.TurnLatencyMeasured: _on_turn,
        events.ClientWarning: _on_warning,
        outcomes.TranscriptChanged: _on_transcript,
        events.AgentStateChanged: _on_agent_state,
        events.WidgetSettingsUpdated: _on_widget_settings,
        outcomes.AiMessage: _on_ai_message,
    }
    """What an event changes, before the listeners get it."""

    _AFTER: ClassVar[dict[type, Callable[[Publisher, Any], None]]] = {
        events.ClientReady: _ready_was_told,
        events.Reconnecting: _recovery_was_told,
        events.Reconnected: _recovery_was_told,
        events.FunctionCallReceived: _function_call_was_told,
    }
    """What follows an event, after the listeners got it."""

    def _update(self, **changes: Any) -> None:
        before = self._connection.get()
        now = attrs.evolve(before, **changes)
        self._connection.set(now)
        if now.status is not before.status:
            self._note("client", now.status.value)
            if (status := shown(now.status.value)) is not shown(before.status.value):
                self.publish(events.ConnectionStateChanged(status))

    def _note(self, what: str, state: str, **more: str | None) -> None:
        """Write a state into the flight recording, if there is one."""
        if (recorder := self._listeners.flight.recorder) is not None:
            recorder.state(what, state, **more)
