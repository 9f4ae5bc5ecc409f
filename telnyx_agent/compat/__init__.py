"""Android's and Flutter's names for this SDK, for programs that are ported from there.

`TelnyxClient` has the methods of their clients, spelt as PEP 8 wants: `connect_anonymously`, `new_invite` and
`socket_response_flow` of Android, `anonymous_login_async` and `on_transcript_update` of Flutter, and the others. Its
calls are `TelnyxCall`s. Both are thin wrappers: `TelnyxClient.client` is the `TxClient`, and `TelnyxCall.call` is the
`Call`; these have everything else. For new programs, use `TxClient`.
"""

from __future__ import annotations

from .. import _lazy
from .._protocol.conversation.transcription import TranscriptionItem as TranscriptItem
from .._protocol.states import CallTerminationReason, GatewayState
from .._protocol.states import NetworkReason as CallNetworkChangeReason
from ..codecs import TxCodecCapability as AudioCodec
from ..errors import TxError as PreCallDiagnosticException
from ._call import CallHandler, CallState, TelnyxCall
from ._client import CallActions, TelnyxClient
from ._configurations import CredentialConfig, TokenConfig
from ._flows import SharedFlow, StateFlow
from ._flutter import TelnyxErrorConstants, TelnyxErrorEvent, TelnyxMessage, TelnyxSocketError, TelnyxWarningEvent
from ._latency import LatencyMetrics, LatencyTracker
from ._socket_flow import (
    AiConversationResponse,
    AnswerResponse,
    ByeResponse,
    InviteResponse,
    LoginResponse,
    ReceivedMessage,
    RingingResponse,
    SocketError,
    SocketMethod,
    SocketObserver,
    SocketResponse,
    SocketResponseFlow,
    SocketResponseSubscription,
    SocketStatus,
)
from ._socket_flow import SocketObserver as SocketFlowObserver

__all__ = [
    "AiConversationResponse",
    "AnswerResponse",
    "AudioCodec",
    "ByeResponse",
    "CallActions",
    "CallHandler",
    "CallNetworkChangeReason",
    "CallState",
    "CallTerminationReason",
    "CredentialConfig",
    "GatewayState",
    "InviteResponse",
    "LatencyMetrics",
    "LatencyTracker",
    "LoginResponse",
    "PreCallDiagnosticException",
    "ReceivedMessage",
    "RingingResponse",
    "SharedFlow",
    "SocketError",
    "SocketFlowObserver",
    "SocketMethod",
    "SocketObserver",
    "SocketResponse",
    "SocketResponseFlow",
    "SocketResponseSubscription",
    "SocketStatus",
    "StateFlow",
    "TelnyxCall",
    "TelnyxClient",
    "TelnyxErrorConstants",
    "TelnyxErrorEvent",
    "TelnyxMessage",
    "TelnyxSocketError",
    "TelnyxWarningEvent",
    "TokenConfig",
    "TranscriptItem",
]

_lazy.adopt(globals())
