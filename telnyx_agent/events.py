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
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import attrs

from . import _lazy
from ._protocol.conversation.transcription import TranscriptionItem
from ._protocol.conversation.widget import WidgetSettings
from ._protocol.states import AgentState, CallState, CallTerminationReason
from ._protocol.wire.ai_inbound import (
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
from .errors import TxError

if TYPE_CHECKING:
    from ._connection_status import ConnectionStatus
    from ._media.turn_latency import TurnLatency
    from ._protocol.session.socket_health import SocketConnectionMetrics
    from ._protocol.warnings import TxWarning
    from ._quality.metrics import CallQualityMetrics
    from ._quality.report import CallReport
    from .audio.device import AudioDeviceChange

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
    "DelegateEvent",
    "Event",
    "EventsDropped",
    "FunctionCall",
    "FunctionCallOutput",
    "FunctionCallReceived",
    "IncomingCall",
    "MessageItem",
    "OtherAi",
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
]


# -- connection --------------------------------------------------------------------------------------------------------


@attrs.frozen
class SocketConnected:
    """`on_socket_connected`"""

    callback: ClassVar[str] = "on_socket_connected"


@attrs.frozen
class SocketDisconnected:
    """`on_socket_disconnected`"""

    callback: ClassVar[str] = "on_socket_disconnected"


@attrs.frozen
class Reconnecting:
    """`on_reconnecting`"""

    callback: ClassVar[str] = "on_reconnecting"

    attempt: int
    delay: float
    error: TxError


@attrs.frozen
class Reconnected:
    """`on_reconnected`"""

    callback: ClassVar[str] = "on_reconnected"


@attrs.frozen
class ClientError:
    """`on_client_error`"""

    callback: ClassVar[str] = "on_client_error"

    error: TxError


@attrs.frozen
class ClientReady:
    """`on_client_ready`"""

    callback: ClassVar[str] = "on_client_ready"


@attrs.frozen
class ConnectionStateChanged:
    """`on_connection_state_changed`"""

    callback: ClassVar[str] = "on_connection_state_changed"

    status: ConnectionStatus


@attrs.frozen
class SessionUpdated:
    """`on_session_updated`"""

    callback: ClassVar[str] = "on_session_updated"

    session_id: str


# -- calls -------------------------------------------------------------------------------------------------------------


@attrs.frozen
class CallStateUpdated:
    """`on_call_state_updated`"""

    callback: ClassVar[str] = "on_call_state_updated"

    call_state: CallState
    call_id: UUID


@attrs.frozen
class RemoteCallEnded:
    """`on_remote_call_ended`"""

    callback: ClassVar[str] = "on_remote_call_ended"

    call_id: UUID
    reason: CallTerminationReason | None = None


@attrs.frozen
class IncomingCall:
    """`on_incoming_call`"""

    callback: ClassVar[str] = "on_incoming_call"

    call: Any


@attrs.frozen
class RingingAckReceived:
    """`on_ringing_ack_received`"""

    callback: ClassVar[str] = "on_ringing_ack_received"

    call_id: UUID


# -- the voice ---------------------------------------------------------------------------------------------------------


@attrs.frozen
class AudioLevel:
    """`on_audio_level`; only from `TxClient.events(audio_levels=True)`."""

    callback: ClassVar[str] = "on_audio_level"

    inbound: float
    outbound: float
    call_id: UUID


@attrs.frozen
class AudioDeviceChanged:
    """`on_audio_device_changed`"""

    callback: ClassVar[str] = "on_audio_device_changed"

    change: AudioDeviceChange
    call_id: UUID


@attrs.frozen
class TurnLatencyMeasured:
    """`on_turn_latency`"""

    callback: ClassVar[str] = "on_turn_latency"

    turn: TurnLatency
    call_id: UUID


# -- quality -----------------------------------------------------------------------------------------------------------


@attrs.frozen
class CallQualityChanged:
    """`on_call_quality_changed`"""

    callback: ClassVar[str] = "on_call_quality_changed"

    metrics: CallQualityMetrics
    call_id: UUID


@attrs.frozen
class ClientWarning:
    """`on_client_warning`"""

    callback: ClassVar[str] = "on_client_warning"

    warning: TxWarning


@attrs.frozen
class CallReported:
    """`on_call_report`; comes just before the call is `DONE`."""

    callback: ClassVar[str] = "on_call_report"

    report: CallReport
    call_id: UUID


@attrs.frozen
class SocketMetricsChanged:
    """`on_socket_metrics_changed`"""

    callback: ClassVar[str] = "on_socket_metrics_changed"

    metrics: SocketConnectionMetrics


# -- the assistant -----------------------------------------------------------------------------------------------------


@attrs.frozen
class AiAssistantConnectionStateChanged:
    """`on_ai_assistant_connection_state_changed`"""

    callback: ClassVar[str] = "on_ai_assistant_connection_state_changed"

    is_connected: bool
    target_id: str | None


@attrs.frozen
class TranscriptionUpdated:
    """`on_transcription_updated`"""

    callback: ClassVar[str] = "on_transcription_updated"

    transcriptions: Sequence[TranscriptionItem] = attrs.field(repr=False)


@attrs.frozen
class TranscriptItemUpdated:
    """`on_transcript_item_updated`"""

    callback: ClassVar[str] = "on_transcript_item_updated"

    item: TranscriptionItem


@attrs.frozen
class AgentStateChanged:
    """`on_agent_state_changed`"""

    callback: ClassVar[str] = "on_agent_state_changed"

    agent_state: AgentState


@attrs.frozen
class WidgetSettingsUpdated:
    """`on_widget_settings_updated`"""

    callback: ClassVar[str] = "on_widget_settings_updated"

    settings: WidgetSettings


@attrs.frozen
class AiConversationMessage:
    """`on_ai_conversation_message`"""

    callback: ClassVar[str] = "on_ai_conversation_message"

    message: Mapping[str, Any] = attrs.field(repr=False)


@attrs.frozen
class AiConversationEvent:
    """`on_ai_conversation_event`"""

    callback: ClassVar[str] = "on_ai_conversation_event"

    event: AiEvent


@attrs.frozen
class FunctionCallReceived:
    """`on_function_call`"""

    callback: ClassVar[str] = "on_function_call"

    call: FunctionCall


# -- without a callback ------------------------------------------------------------------------------------------------


@attrs.frozen
class EventsDropped:
    """So many events stood here and were thrown away, because nobody took them in time; no callback says this."""

    count: int


DelegateEvent = (
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
)
"""Everything that a delegate is told, but for frames."""

Event = DelegateEvent | EventsDropped
"""Everything that a stream can give."""


_lazy.adopt(globals())
