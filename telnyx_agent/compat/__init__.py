"""Android's and Flutter's spellings of the same SDK, for code that is ported from there.

`TelnyxClient` has Android's `connectAnonymously`, `newInvite` and `socketResponseFlow`, Flutter's awaited
`anonymousLogin` and `onTranscriptUpdate`, and the others, in PEP 8; `TelnyxCall` is what it gives for a call. Each is a
thin wrapper: `TelnyxClient.client` is the `TxClient`, `TelnyxCall.call` the `Call`, with everything that has no name on
Android and in Flutter. New code wants `TxClient`.
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
