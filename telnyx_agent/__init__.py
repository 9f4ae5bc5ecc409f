"""Talk to Telnyx Voice AI agents from Python: voice over WebRTC, text and images, with a live transcript.

    from telnyx_agent import TxClient, TxClientDelegate

Names are the iOS SDK's in PEP 8. Beside what is here:

* `telnyx_agent.audio` - devices, echo cancellation, tones
* `telnyx_agent.codecs` - `TxCodecCapability`, `OpusSettings`
* `telnyx_agent.config` - `TxLogger`, and the server configuration
* `telnyx_agent.errors` - every exception, `ErrorCode`, `FailureReason`
* `telnyx_agent.events` - the events of `TxClient.events()`, and the assistant's messages
* `telnyx_agent.quality` - metrics, warnings, reports, times
* `telnyx_agent.diagnosis` - checks before a call
* `telnyx_agent.aio` - the client for asyncio
* `telnyx_agent.compat` - Android's and Flutter's spellings
* `telnyx_agent.testing` - a local agent to talk to without an account

Importing this package starts no thread, opens nothing and needs no sound library.
"""

from __future__ import annotations

# isort: off
from . import _early  # noqa: F401 - before everything else: see there

# isort: on
import logging
import typing

from . import _lazy
from ._connection_status import ConnectionStatus
from ._protocol.conversation.transcription import TranscriptionItem
from ._protocol.conversation.widget import AudioVisualizerConfig, WidgetSettings
from ._protocol.states import AgentState, CallDirection, CallState, CallStateKind, CallTerminationReason, NetworkReason
from ._session_recording import SessionRecording
from ._tools.runner import Tool
from ._version import __version__
from .assistant import AIAssistantManager, TranscriptCancellable
from .call import Call, TxCallInfo
from .client import TxClient
from .config import Environment, IceServer, LogLevel, Region, TxServerConfiguration
from .delegate import AIAssistantManagerDelegate, TxClientDelegate
from .errors import (
    AnswerInterruptedError,
    AuthenticationError,
    CallError,
    ClientConfigurationError,
    GatewayError,
    LocalProtocolError,
    MediaError,
    NetworkError,
    ServerError,
    SocketConnectionError,
    TxError,
    TxTimeoutError,
)
from .tx_config import TxConfig

if typing.TYPE_CHECKING:
    from ._media.player import Playback, PlaybackState

__all__ = [
    "AIAssistantManager",
    "AIAssistantManagerDelegate",
    "AgentState",
    "AnswerInterruptedError",
    "AudioVisualizerConfig",
    "AuthenticationError",
    "Call",
    "CallDirection",
    "CallError",
    "CallState",
    "CallStateKind",
    "CallTerminationReason",
    "ClientConfigurationError",
    "ConnectionStatus",
    "Environment",
    "GatewayError",
    "IceServer",
    "LocalProtocolError",
    "LogLevel",
    "MediaError",
    "NetworkError",
    "NetworkReason",
    "Playback",
    "PlaybackState",
    "Region",
    "ServerError",
    "SessionRecording",
    "SocketConnectionError",
    "Tool",
    "TranscriptCancellable",
    "TranscriptionItem",
    "TxCallInfo",
    "TxClient",
    "TxClientDelegate",
    "TxConfig",
    "TxError",
    "TxServerConfiguration",
    "TxTimeoutError",
    "WidgetSettings",
    "__version__",
]

logging.getLogger("telnyx_agent").addHandler(logging.NullHandler())

# What only those need who play something into a call; with it comes numpy.
__getattr__, __dir__ = _lazy.exports(globals(), {"Playback": "_media.player", "PlaybackState": "_media.player"})
