"""What `TxClient.events()` gives: one frozen class for each callback of `TxClientDelegate`, with its arguments.

    for event in client.events():
        match event:
            case CallStateUpdated(call_state, call_id): ...
            case TranscriptItemUpdated(item) if item.is_final: ...
            case ClientError(error): ...

The attributes have the names and the meaning of the callback's arguments. `Event` is the union of all classes, so a
type checker can tell whether a `match` has left one out (`typing.assert_never`). What was said is in none of the reprs.

`AiEvent` is the union of what an `ai_conversation` frame can be, the argument of `AiConversationEvent`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs

from . import _lazy
from ._protocol.ai_events import (
    AiEvent,
    ContentPartAdded,
    FunctionCall,
    FunctionCallOutput,
    MessageItem,
    OtherAi,
    OutputItemAdded,
    ResponseCreated,
    ResponseDone,
    TextDelta,
    TextDone,
    Transcripts,
)
from ._protocol.conversation import TranscriptionItem, WidgetSettings
from ._protocol.states import AgentState, CallState, CallTerminationReason
from .errors import TxError

if TYPE_CHECKING:
    from ._connection_status import ConnectionStatus
    from ._media.turns import TurnLatency
    from ._protocol.socket_health import SocketConnectionMetrics
    from ._protocol.warnings import TxWarning
    from ._quality.metrics import CallQualityMetrics
    from ._quality.report import CallReport
    from .audio import AudioDeviceChange

__all__ = [
    "AgentStateChanged",
    "AiAssistantConnectionStateChanged",
    "AiConversationEvent",
    "AiConversationMessage",
    "AiEvent",
    "AudioDeviceChanged",
    "AudioLevel",
    "CallQualityChanged",
    "CallReported",
    "CallStateUpdated",
    "ClientError",
    "ClientReady",
    "ClientWarning",
    "ConnectionStateChanged",
    "ContentPartAdded",
    "Event",
    "EventsDropped",
    "FunctionCall",
    "FunctionCallOutput",
    "FunctionCallReceived",
    "IncomingCall",
    "MessageItem",
    "OtherAi",
    "OtherEvent",
    "OutputItemAdded",
    "Reconnected",
    "Reconnecting",
    "RemoteCallEnded",
    "ResponseCreated",
    "ResponseDone",
    "RingingAckReceived",
    "SessionUpdated",
    "SocketConnected",
    "SocketDisconnected",
    "SocketMetricsChanged",
    "TextDelta",
    "TextDone",
    "TranscriptItemUpdated",
    "TranscriptionUpdated",
    "Transcripts",
    "TurnLatencyMeasured",
    "WidgetSettingsUpdated",
    "event_of",
]


# -- connection --------------------------------------------------------------------------------------------------------


@attrs.frozen
class SocketConnected:
    """`on_socket_connected`"""


@attrs.frozen
class SocketDisconnected:
    """`on_socket_disconnected`"""


@attrs.frozen
class Reconnecting:
    """`on_reconnecting`"""

    attempt: int
    delay: float
    error: TxError


@attrs.frozen
class Reconnected:
    """`on_reconnected`"""


@attrs.frozen
class ClientError:
    """`on_client_error`"""

    error: TxError


@attrs.frozen
class ClientReady:
    """`on_client_ready`"""


@attrs.frozen
class ConnectionStateChanged:
    """`on_connection_state_changed`"""

    status: ConnectionStatus


@attrs.frozen
class SessionUpdated:
    """`on_session_updated`"""

    session_id: str


# -- calls -------------------------------------------------------------------------------------------------------------


@attrs.frozen
class CallStateUpdated:
    """`on_call_state_updated`"""

    call_state: CallState
    call_id: UUID


@attrs.frozen
class RemoteCallEnded:
    """`on_remote_call_ended`"""

    call_id: UUID
    reason: CallTerminationReason | None = None


@attrs.frozen
class IncomingCall:
    """`on_incoming_call`"""

    call: Any


@attrs.frozen
class RingingAckReceived:
    """`on_ringing_ack_received`"""

    call_id: UUID


# -- the voice ---------------------------------------------------------------------------------------------------------


@attrs.frozen
class AudioLevel:
    """`on_audio_level`; only from `TxClient.events(audio_levels=True)`."""

    inbound: float
    outbound: float
    call_id: UUID


@attrs.frozen
class AudioDeviceChanged:
    """`on_audio_device_changed`"""

    change: AudioDeviceChange
    call_id: UUID


@attrs.frozen
class TurnLatencyMeasured:
    """`on_turn_latency`"""

    turn: TurnLatency
    call_id: UUID


# -- quality -----------------------------------------------------------------------------------------------------------


@attrs.frozen
class CallQualityChanged:
    """`on_call_quality_changed`"""

    metrics: CallQualityMetrics
    call_id: UUID


@attrs.frozen
class ClientWarning:
    """`on_client_warning`"""

    warning: TxWarning


@attrs.frozen
class CallReported:
    """`on_call_report`; comes just before the call is `DONE`."""

    report: CallReport
    call_id: UUID


@attrs.frozen
class SocketMetricsChanged:
    """`on_socket_metrics_changed`"""

    metrics: SocketConnectionMetrics


# -- the assistant -----------------------------------------------------------------------------------------------------


@attrs.frozen
class AiAssistantConnectionStateChanged:
    """`on_ai_assistant_connection_state_changed`"""

    is_connected: bool
    target_id: str | None


@attrs.frozen
class TranscriptionUpdated:
    """`on_transcription_updated`"""

    transcriptions: Sequence[TranscriptionItem] = attrs.field(repr=False)


@attrs.frozen
class TranscriptItemUpdated:
    """`on_transcript_item_updated`"""

    item: TranscriptionItem


@attrs.frozen
class AgentStateChanged:
    """`on_agent_state_changed`"""

    agent_state: AgentState


@attrs.frozen
class WidgetSettingsUpdated:
    """`on_widget_settings_updated`"""

    settings: WidgetSettings


@attrs.frozen
class AiConversationMessage:
    """`on_ai_conversation_message`"""

    message: Mapping[str, Any] = attrs.field(repr=False)


@attrs.frozen
class AiConversationEvent:
    """`on_ai_conversation_event`"""

    event: AiEvent


@attrs.frozen
class FunctionCallReceived:
    """`on_function_call`"""

    call: FunctionCall


# -- without a callback ------------------------------------------------------------------------------------------------


@attrs.frozen
class EventsDropped:
    """So many events stood here and were thrown away, because nobody took them in time; no callback says this."""

    count: int


@attrs.frozen
class OtherEvent:
    """A callback that has no class of its own."""

    name: str
    args: tuple[Any, ...] = attrs.field(repr=False)


Event = (
    SocketConnected
    | SocketDisconnected
    | Reconnecting
    | Reconnected
    | ClientError
    | ClientReady
    | ConnectionStateChanged
    | SessionUpdated
    | CallStateUpdated
    | RemoteCallEnded
    | IncomingCall
    | RingingAckReceived
    | AudioLevel
    | AudioDeviceChanged
    | TurnLatencyMeasured
    | CallQualityChanged
    | ClientWarning
    | CallReported
    | SocketMetricsChanged
    | AiAssistantConnectionStateChanged
    | TranscriptionUpdated
    | TranscriptItemUpdated
    | AgentStateChanged
    | WidgetSettingsUpdated
    | AiConversationMessage
    | AiConversationEvent
    | FunctionCallReceived
    | EventsDropped
    | OtherEvent
)
"""Everything that a stream can give."""


BY_CALLBACK: Mapping[str, type[Any]] = {
    "on_agent_state_changed": AgentStateChanged,
    "on_ai_assistant_connection_state_changed": AiAssistantConnectionStateChanged,
    "on_ai_conversation_event": AiConversationEvent,
    "on_ai_conversation_message": AiConversationMessage,
    "on_audio_device_changed": AudioDeviceChanged,
    "on_audio_level": AudioLevel,
    "on_call_quality_changed": CallQualityChanged,
    "on_call_report": CallReported,
    "on_call_state_updated": CallStateUpdated,
    "on_client_error": ClientError,
    "on_client_ready": ClientReady,
    "on_client_warning": ClientWarning,
    "on_connection_state_changed": ConnectionStateChanged,
    "on_function_call": FunctionCallReceived,
    "on_incoming_call": IncomingCall,
    "on_reconnected": Reconnected,
    "on_reconnecting": Reconnecting,
    "on_remote_call_ended": RemoteCallEnded,
    "on_ringing_ack_received": RingingAckReceived,
    "on_session_updated": SessionUpdated,
    "on_socket_connected": SocketConnected,
    "on_socket_disconnected": SocketDisconnected,
    "on_socket_metrics_changed": SocketMetricsChanged,
    "on_transcript_item_updated": TranscriptItemUpdated,
    "on_transcription_updated": TranscriptionUpdated,
    "on_turn_latency": TurnLatencyMeasured,
    "on_widget_settings_updated": WidgetSettingsUpdated,
}
"""The class of each callback."""


def event_of(name: str, args: tuple[Any, ...]) -> Event:
    """The event that a callback is; `OtherEvent` where there is no class for it, or not for these arguments."""
    kind = BY_CALLBACK.get(name)
    if kind is None or len(args) > len(attrs.fields(kind)):
        return OtherEvent(name, args)
    event: Event = kind(*args)
    return event


_lazy.adopt(globals())
